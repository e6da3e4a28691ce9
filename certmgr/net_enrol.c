/* net: the node's certificate is got by the token, and renewed. Holds the enrolment
 * token while it signs with it, and the next key while it is asked for. */
#include "certmgr/net_boot.h"
#include "certmgr/net_prove.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <stdio.h>
#include <string.h>

enum {
	/* seconds */
	REFUSED_MIN = 600, /* the CA has said no to the token: doubled, to … */
	REFUSED_MAX = 4 * 3600,
	RENEW_MAX = 3600, /* it has said no to a renewal */
	LOOK = 60,        /* is there another token in the file? */
	LIFE_PARTS = 10,  /* a refused renewal is tried again after that part */
};

static const char enrol_file[] = "enrol", renew_file[] = "renew";

/* What came with the token that is in use. */
static struct boot said;

/* The configuration's word. */
static char host[WEB_HOST], verify_endpoint[SELF_ENDPOINT];
/* Where the key can be proven, as the CA was told; "": nowhere. */
static char endpoint[SELF_ENDPOINT];

static void keep_text(struct attr_view said_so, const char *name, char *out,
		      size_t room)
{
	struct attr a;

	if (!attr_find(said_so, name, &a))
		return;
	if (a.len >= room || memchr(a.value, 0, a.len))
		child_broken("supervisor");
	memcpy(out, a.value, a.len);
}

void enrol_open(struct attr_view said_so)
{
	keep_text(said_so, "host", host, sizeof host);
	keep_text(said_so, "verify_endpoint", verify_endpoint,
		  sizeof verify_endpoint);
}

/* The name of this node, if it is known before the CA says it. */
static const char *wanted(void)
{
	if (me.want)
		return me.want;
	return said.node[0] ? said.node : NULL;
}

/* ---- enrolment */

void enrol_forget(void)
{
	if (me.token.seed)
		token_wipe(&me.token);
}

static void mark_bad(void)
{
	memcpy(me.bad_id, me.token.id, TOKEN_ID);
	me.bad = true;
	me.bad_until = clock_boot() +
		       node_jitter(node_doubled(REFUSED_MIN, me.bad_times++,
						REFUSED_MAX));
}

/* The CA has seen the token with a key that was not ours. */
static void stolen(const struct fault *f)
{
	const char *name = wanted() ? wanted() : "NODE";

	mark_bad();
	log_text(LOG_CRIT, "token_theft", "%s", f->text);
	(void)fault_set(&me.why, ERR_CONFLICT,
			"the token was used by somebody else: on the CA's host "
			"see 'cretula status' and 'cretula ca list --node %s', "
			"revoke what is not yours ('cretula ca revoke --node "
			"%s'), find out who could read the token, and make "
			"another one ('cretula ca token --node %s')",
			name, name, name);
}

static void bad_token(const struct fault *f)
{
	mark_bad();
	(void)fault_set(&me.why, f->code,
			"the CA does not take the enrolment token: %s: make a "
			"new one with 'cretula ca token --type node --node "
			"%s', put it into the token's file and send SIGHUP or "
			"restart",
			f->text, wanted() ? wanted() : "NODE");
}

/* The CA would call back, and the port where is somebody else's: the token is good. */
static void no_listener(const struct fault *f)
{
	(void)fault_set(&me.why, ERR_UNAVAILABLE,
			"the CA cannot call back (%s): %s: free the port, or "
			"say another with verify_listen=",
			prove_why(), f->text);
	node_again();
}

/* After two thirds of its life, sooner or later by a thirtieth of it. */
void renew_plan(void)
{
	int64_t life = me.self.not_after - me.self.not_before;
	uint32_t r;

	random_fill(&r, sizeof r);
	me.renew_at = me.self.not_before + life * 2 / 3 - life / 30 +
		      (int64_t)(r % (uint64_t)(life / 15 + 1));
	me.renew_wait = 0;
}

static void have_certificate(void)
{
	me.refused = false;
	me.bad = false;
	me.bad_times = 0;
	node_answers();
	renew_plan();
}

/* What the CA made of the request in me.next. */
static enum err adopt(const struct web_answer *a, const uint8_t *token,
		      struct fault *f)
{
	AUTO(answer_cert_wipe) struct answer_cert c = { 0 };
	bool changed;
	enum err e;

	TRY(answer_cert_parse(a->body, &c, f));
	TRY(trust_take_issuing(span_of(c.issuing.p, c.issuing.len), &changed,
			       f));
	if (token && boot_source_open(me.source) && !c.verify_by)
		return fault_set(f, ERR_INVALID,
				 "it is not of the kind --verify-after, and "
				 "came by a way that others can read (%s): "
				 "the certificate is not used: revoke it",
				 boot_source_name(me.source));
	e = self_take(&me.next, &c, wanted(), token, endpoint, &me.self, f);
	if (e == ERR_UNAVAILABLE) { /* the disk: it is used nevertheless */
		log_text(LOG_ERR, "not_kept", "%s", f->text);
		return OK;
	}
	TRY(e);
	net_file_drop(enrol_file);
	net_file_drop(renew_file);
	return OK;
}

static void enrol_failed(const struct fault *f)
{
	me.why = *f;
	node_again();
}

static void enrolled(enum outcome o, const struct web_answer *a,
		     const struct fault *f)
{
	struct fault g = *f;

	if (o == OUTCOME_FINAL && f->code == ERR_CONFLICT)
		stolen(f);
	else if (o == OUTCOME_FINAL && !endpoint[0] && prove_why()[0])
		no_listener(f);
	else if (o == OUTCOME_FINAL || o == OUTCOME_REFUSED)
		bad_token(f);
	else if (o != OUTCOME_DONE)
		enrol_failed(f);
	else if (adopt(a, me.token.id, &g) == OK) {
		have_certificate();
		proof_begin(true);
	} else if (g.code == ERR_CONFLICT || g.code == ERR_INVALID)
		bad_token(&g);
	else
		enrol_failed(&g);
	enrol_forget();
	if (!me.proving)
		prove_stop();
}

static enum err send_enrol(struct fault *f)
{
	AUTO(buf_wipe) struct buf body = { 0 };

	buf_init(&body, NET_ASK_MAX);
	attrs_init_secret(&me.next);
	TRY(key_next(enrol_file, wanted(), &me.next, f));
	TRY(key_enrol_json(&me.next, &me.token, endpoint[0] ? endpoint : NULL,
			   boot_source_open(me.source)
				   ? boot_source_name(me.source)
				   : NULL,
			   &body, f));
	node_ask("/v1/enrol", &body, enrolled);
	body = (struct buf){ 0 };
	return OK;
}

static void not_sent(const struct fault *f)
{
	enrol_failed(f);
	enrol_forget();
	prove_stop();
}

/* What the place has said, then the configuration, then our name. */
static void name_endpoint(uint16_t port)
{
	const char *name = wanted() ? wanted() : host;
	const char *whole = said.endpoint[0] ? said.endpoint : verify_endpoint;

	endpoint[0] = 0;
	if (whole[0])
		(void)snprintf(endpoint, sizeof endpoint, "%s", whole);
	else if (port && name[0])
		(void)snprintf(endpoint, sizeof endpoint, "%s:%u", name, port);
}

static void listening(uint16_t port)
{
	struct fault f = { .code = OK };

	node_not_busy();
	name_endpoint(port);
	if (send_enrol(&f) != OK)
		not_sent(&f);
	node_settle();
}

static enum err take_issuing(const struct web_answer *a, struct fault *f)
{
	AUTO(buf_wipe) struct buf issuing = { 0 };
	bool changed;

	buf_init(&issuing, CERT_MAX);
	TRY(answer_issuing(a->body, &issuing, f));
	return trust_take_issuing(span_of(issuing.p, issuing.len), &changed, f);
}

static void know_issuing(enum outcome o, const struct web_answer *a,
			 const struct fault *f)
{
	struct fault g = *f;

	if (o != OUTCOME_DONE || take_issuing(a, &g) != OK) {
		not_sent(&g);
		return;
	}
	prove_stop();
	if (prove_possible()) {
		node_busy();
		prove_listen(listening);
		return;
	}
	name_endpoint(0);
	if (send_enrol(&g) != OK)
		not_sent(&g);
}

/* May it be tried? Takes it, or wipes it. */
static bool fresh(struct token *t, struct fault *f)
{
	if (me.self.enrolled && !memcmp(t->id, me.self.token, sizeof t->id))
		(void)fault_set(f, ERR_CONFLICT,
				"the token is the one that it came by, "
				"which works only once");
	else if (me.bad && !memcmp(t->id, me.bad_id, sizeof t->id) &&
		 clock_boot() < me.bad_until)
		*f = me.why;
	else {
		me.token = *t;
		*t = (struct token){ .seed = NULL };
		return true;
	}
	token_wipe(t);
	return false;
}

/* Is there a token in the file that has not been used? Takes it. */
static bool find_token(struct fault *f)
{
	struct token t = { 0 };

	if (key_token(me.token_fd, &t, f) != OK || !fresh(&t, f))
		return false;
	me.source = BOOT_FILE;
	boot_wipe(&said);
	return true;
}

/* There is no good certificate and no good token. */
static void at_a_loss(const struct fault *f)
{
	const char *name = me.want ? me.want : "NODE";

	if (me.bad && f->code == me.why.code && !strcmp(f->text, me.why.text))
		return;
	if (me.self.node[0])
		name = me.self.node;
	(void)fault_set(&me.why, f->code,
			"this node has no certificate%s: %s: make a token with "
			"'cretula ca token --type node --node %s' on the CA's "
			"host, put it into the token's file and send SIGHUP or "
			"restart",
			me.self.serial[0] ? ", its last one has ended" : "",
			f->text, name);
}

/* Whoever could be asked has none. */
static void no_token(const struct fault *f)
{
	if (me.self.there) { /* refused; for ever? */
		node_look();
		return;
	}
	if (node_has_again())
		return;
	at_a_loss(f);
	node_wait(node_jitter(LOOK));
}

static void located(enum outcome o, const struct fault *f)
{
	if (o == OUTCOME_DONE) {
		node_ask("/v1/ca", NULL, know_issuing);
		return;
	}
	enrol_failed(f);
	enrol_forget();
}

/* There is a token: to the CA. */
static void begin(void)
{
	struct fault f;

	/* the old certificate is not shown: a new one is asked for */
	if (!me.self.there)
		(void)!web_identify(NULL, (struct span){ 0 },
				    (struct span){ 0 }, &f);
	place_find(&said, located);
}

static void searched(enum boot_source s, struct boot *b, const struct fault *f)
{
	struct fault g = f ? *f : (struct fault){ .code = ERR_NOT_FOUND };

	if (b && !b->token.seed)
		(void)fault_set(&g, ERR_NOT_FOUND,
				"the bootstrap source '%s' says no token=",
				boot_source_name(s));
	if (!b || !b->token.seed || !fresh(&b->token, &g)) {
		no_token(&g);
		return;
	}
	me.source = s;
	boot_wipe(&said);
	said = *b;
	*b = (struct boot){ 0 };
	begin();
}

void enrol_begin(void)
{
	struct fault f = { .code = OK };

	if (find_token(&f))
		begin();
	else if (boot_any())
		boot_find(searched);
	else
		no_token(&f);
}

/* ---- renewal */

static void renewal_failed(const struct fault *f)
{
	int64_t left = me.self.not_after - clock_wall();
	uint64_t s = left > LIFE_PARTS ? (uint64_t)left / LIFE_PARTS : 1;

	me.renew_wait = clock_boot() + node_jitter(MIN(s, (uint64_t)RENEW_MAX));
	log_text(LOG_ERR, "not_renewed",
		 "the certificate of node '%s' is not renewed: %s",
		 me.self.node, f->text);
}

static void renewed(enum outcome o, const struct web_answer *a,
		    const struct fault *f)
{
	struct fault g = *f;

	node_learn(o, f);
	if (o == OUTCOME_DONE && adopt(a, NULL, &g) == OK)
		have_certificate();
	else if (o == OUTCOME_AWAY || o == OUTCOME_STRANGE)
		node_again();
	else
		renewal_failed(&g);
}

void renew_begin(void)
{
	AUTO(buf_wipe) struct buf body = { 0 };
	struct fault f = { .text = "the request cannot be made" };

	buf_init(&body, NET_ASK_MAX);
	attrs_init_secret(&me.next);
	if (key_next(renew_file, NULL, &me.next, &f) != OK ||
	    key_renew_json(&me.next, &body, &f) != OK) {
		attrs_wipe(&me.next);
		renewal_failed(&f);
		return;
	}
	node_ask("/v1/certificates/renew", &body, renewed);
	body = (struct buf){ 0 };
}
