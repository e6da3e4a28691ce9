/* net: this node towards the CA: enrols by the token, renews, looks whether the CA
 * answers, and tells keeper what it is. One request of its own at a time. Holds the
 * enrolment token while it signs with it.
 *	net -> keeper	KN_STATE */
#include "certmgr/net_self.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* seconds */
	AGAIN_MIN = 1, /* the CA did not answer: doubled, up to … */
	AGAIN_MAX = 30,
	REFUSED_MIN = 600, /* it has said no to the token: doubled, up to … */
	REFUSED_MAX = 4 * 3600,
	RENEW_MAX = 3600, /* it has said no to a renewal */
	LOOK = 60,        /* is there another token in the file? */
	REST_MAX = 600,   /* the wall clock may be set */
	LIFE_PARTS = 10,  /* a refused renewal is tried again after that part */
	DOUBLINGS = 16,
	PERCENT = 25, /* of jitter, to both sides */
};

static const char enrol_file[] = "enrol", renew_file[] = "renew";

static struct {
	struct loop *loop;
	struct loop_timer timer;
	struct chan *keeper;
	struct attrs told; /* the last KN_STATE */
	const char *want;  /* node= of the configuration */
	int token_fd;
	struct self self;
	bool refused;       /* the CA does not take the certificate */
	bool heard;         /* … has answered since the start */
	int64_t away_since; /* 0: it answers */
	struct fault why;   /* of none or away */
	/* the request of its own */
	struct web_ask ask;
	void (*done)(enum outcome o, const struct web_answer *a,
		     const struct fault *f);
	bool busy;
	unsigned tries;     /* in vain, of what is being tried */
	struct attrs next;  /* key and CSR */
	struct token token; /* being enrolled with */
	bool bad;           /* the CA has refused the token of that id … */
	uint8_t bad_id[TOKEN_ID];
	uint64_t bad_until; /* … which is tried again then */
	unsigned bad_times;
	int64_t renew_at;    /* wall clock */
	uint64_t renew_wait; /* not before, after a refusal */
} node = { .token_fd = -1 };

/* ---- saying so */

static bool usable(void)
{
	return node.self.there && !node.refused;
}

static bool away(void)
{
	return node.away_since || !node.heard;
}

static void add_self(struct attrs *a)
{
	const struct span root = trust_root(), issuing = trust_issuing();

	ENSURE(attrs_add_str(a, "node", node.self.node) == OK);
	ENSURE(attrs_add_str(a, "serial", node.self.serial) == OK);
	ENSURE(attrs_add_u64(a, "not_after", (uint64_t)node.self.not_after) ==
	       OK);
	ENSURE(attrs_add(a, "root", 0, root.p, root.n) == OK);
	ENSURE(attrs_add(a, "issuing", 0, issuing.p, issuing.n) == OK);
}

static void put_state(struct attrs *a)
{
	const char *state = !usable() ? "none" : away() ? "away" : "ready";

	ENSURE(attrs_add_str(a, "state", state) == OK);
	if (*state != 'r')
		ENSURE(attrs_add_str(a, "text", node.why.text) == OK);
	if (*state == 'a')
		ENSURE(attrs_add_u64(a, "since", (uint64_t)node.away_since) ==
		       OK);
	if (node.self.there)
		add_self(a);
}

static void log_state(void)
{
	if (!usable())
		log_text(LOG_ERR, "no_certificate", "%s", node.why.text);
	else if (node.away_since)
		log_text(LOG_WARN, "ca_away", "%s", node.why.text);
	else if (node.heard)
		log_text(LOG_INFO, "ca_ready", "node '%s', serial %s",
			 node.self.node, node.self.serial);
}

/* Only what is new. */
static void tell(void)
{
	struct attrs a;

	attrs_init(&a);
	put_state(&a);
	if (a.bytes.len != node.told.bytes.len ||
	    memcmp(a.bytes.p, node.told.bytes.p, a.bytes.len)) {
		attrs_wipe(&node.told);
		node.told = a;
		log_state();
		if (node.keeper)
			chan_tell(node.keeper, KN_STATE, 0, attrs_view(&a));
		return;
	}
	attrs_wipe(&a);
}

void node_greet(struct chan *keeper)
{
	node.keeper = keeper;
	chan_tell(keeper, KN_STATE, 0, attrs_view(&node.told));
}

/* ---- time */

static uint64_t jitter(uint64_t s)
{
	uint32_t r;
	uint64_t ns = s * CLOCK_SECOND;

	random_fill(&r, sizeof r);
	return ns - ns * PERCENT / 100 + ns / 100 * (r % (2 * PERCENT));
}

static uint64_t doubled(uint64_t s, unsigned times, uint64_t max)
{
	return MIN(s << MIN(times, (unsigned)DOUBLINGS), max);
}

/* At the latest; what comes first counts. */
static void wait_for(uint64_t ns)
{
	uint64_t at = clock_boot() + ns;

	if (!node.timer.loop || node.timer.at > at)
		loop_arm(node.loop, &node.timer, at);
}

static void try_again(void)
{
	wait_for(jitter(doubled(AGAIN_MIN, node.tries++, AGAIN_MAX)));
}

/* After two thirds of its life, sooner or later by a thirtieth of it. */
static void plan_renewal(void)
{
	int64_t life = node.self.not_after - node.self.not_before;
	uint32_t r;

	random_fill(&r, sizeof r);
	node.renew_at = node.self.not_before + life * 2 / 3 - life / 30 +
			(int64_t)(r % (uint64_t)(life / 15 + 1));
	node.renew_wait = 0;
}

/* ---- requests of its own */

static void finished(struct web_ask *w, const struct web_answer *a)
{
	struct fault f = { 0 };
	enum outcome o = answer_outcome(a, &f);

	buf_wipe(&w->body);
	node.busy = false;
	node.done(o, a, &f);
	if (!node.busy) /* else it is for what is asked now */
		attrs_wipe(&node.next);
	tell();
	if (!node.busy && !node.timer.loop)
		wait_for(0);
}

/* body is taken; empty: GET. */
static void ask(const char *path, struct buf *body,
		void (*done)(enum outcome o, const struct web_answer *a,
			     const struct fault *f))
{
	ENSURE(!node.busy && strlen(path) < sizeof node.ask.path);
	node.ask = (struct web_ask){ .urgent = true, .done = finished };
	memcpy(node.ask.path, path, strlen(path) + 1);
	if (body)
		node.ask.body = *body;
	node.done = done;
	node.busy = true;
	web_start(&node.ask);
}

/* ---- whether the CA answers */

static void answers(void)
{
	node.heard = true;
	node.away_since = 0;
	node.tries = 0;
}

static void is_away(const struct fault *f)
{
	if (!node.away_since)
		node.away_since = clock_wall();
	if (usable())
		node.why = *f;
}

static void is_refused(const struct fault *f)
{
	node.refused = true;
	(void)fault_set(&node.why, ERR_UNAUTHENTICATED,
			"the CA does not take this node's certificate: %s",
			f->text);
}

static void met(enum outcome o, const struct fault *f)
{
	switch (o) {
	case OUTCOME_DONE:
	case OUTCOME_FINAL:
	case OUTCOME_BUSY:
		answers();
		break;
	case OUTCOME_REFUSED:
		answers();
		is_refused(f);
		break;
	case OUTCOME_AWAY:
	case OUTCOME_STRANGE:
		is_away(f);
		break;
	}
}

void node_met(enum outcome o, const struct fault *f)
{
	bool was = away() || node.refused;

	if (!node.self.there)
		return;
	met(o, f);
	if (!was && (away() || node.refused))
		try_again();
	tell();
}

/* Asked with our certificate about our certificate: does it take us? */
static void looked(enum outcome o, const struct web_answer *a,
		   const struct fault *f)
{
	(void)a;
	if (o == OUTCOME_DONE)
		node.refused = false;
	met(o, f);
	if (away())
		try_again();
	else if (node.refused)
		wait_for(jitter(LOOK));
}

static void look(void)
{
	char path[NET_PATH_MAX];

	(void)snprintf(path, sizeof path, "/v1/certificates/%s",
		       node.self.serial);
	/* whether it can issue is another question, to be asked when it could
	 * not */
	ask(node.away_since && node.heard ? "/readyz" : path, NULL, looked);
}

/* ---- enrolment */

static void token_done(void)
{
	if (node.token.seed)
		token_wipe(&node.token);
}

static void bad_token(const struct fault *f)
{
	memcpy(node.bad_id, node.token.id, TOKEN_ID);
	node.bad = true;
	node.bad_until =
		clock_boot() +
		jitter(doubled(REFUSED_MIN, node.bad_times++, REFUSED_MAX));
	(void)fault_set(&node.why, f->code,
			"the CA does not take the enrolment token: %s: make a "
			"new one with 'cretula ca token --type node --node "
			"%s', put it into the token's file and send SIGHUP or "
			"restart",
			f->text, node.want ? node.want : "NODE");
}

static void have_certificate(void)
{
	node.refused = false;
	node.bad = false;
	node.bad_times = 0;
	answers();
	plan_renewal();
}

/* What the CA made of the request in node.next. */
static enum err adopt(const struct web_answer *a, const uint8_t *token,
		      struct fault *f)
{
	AUTO(answer_cert_wipe) struct answer_cert c = { 0 };
	bool changed;
	enum err e;

	TRY(answer_cert_parse(a->body, &c, f));
	TRY(trust_take_issuing(span_of(c.issuing.p, c.issuing.len), &changed,
			       f));
	e = self_take(&node.next, &c, node.want, token, &node.self, f);
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
	node.why = *f;
	try_again();
}

static void enrolled(enum outcome o, const struct web_answer *a,
		     const struct fault *f)
{
	struct fault g = *f;

	if (o == OUTCOME_FINAL || o == OUTCOME_REFUSED)
		bad_token(f);
	else if (o != OUTCOME_DONE)
		enrol_failed(f);
	else if (adopt(a, node.token.id, &g) == OK)
		have_certificate();
	else if (g.code == ERR_CONFLICT || g.code == ERR_INVALID)
		bad_token(&g);
	else
		enrol_failed(&g);
	token_done();
}

static enum err send_enrol(const struct web_answer *a, struct fault *f)
{
	AUTO(buf_wipe) struct buf issuing = { 0 };
	AUTO(buf_wipe) struct buf body = { 0 };
	bool changed;

	buf_init(&issuing, CERT_MAX);
	buf_init(&body, NET_ASK_MAX);
	TRY(answer_issuing(a->body, &issuing, f));
	TRY(trust_take_issuing(span_of(issuing.p, issuing.len), &changed, f));
	attrs_init_secret(&node.next);
	TRY(key_next(enrol_file, node.want, &node.next, f));
	TRY(key_enrol_json(&node.next, &node.token, &body, f));
	ask("/v1/enrol", &body, enrolled);
	body = (struct buf){ 0 };
	return OK;
}

static void know_issuing(enum outcome o, const struct web_answer *a,
			 const struct fault *f)
{
	struct fault g = *f;

	if (o == OUTCOME_DONE && send_enrol(a, &g) == OK)
		return;
	enrol_failed(&g);
	token_done();
}

/* Is there a token that has not been used? Takes it. */
static bool find_token(struct fault *f)
{
	struct token t = { 0 };

	if (key_token(node.token_fd, &t, f) != OK)
		return false;
	if (node.self.enrolled && !memcmp(t.id, node.self.token, sizeof t.id))
		(void)fault_set(f, ERR_CONFLICT,
				"the token in the file is the one it came by, "
				"which works only once");
	else if (node.bad && !memcmp(t.id, node.bad_id, sizeof t.id) &&
		 clock_boot() < node.bad_until)
		*f = node.why;
	else {
		node.token = t;
		return true;
	}
	token_wipe(&t);
	return false;
}

/* There is no good certificate and no good token. */
static void at_a_loss(const struct fault *f)
{
	const char *name = node.want ? node.want : "NODE";

	if (node.bad && f->code == node.why.code &&
	    !strcmp(f->text, node.why.text))
		return;
	if (node.self.node[0])
		name = node.self.node;
	(void)fault_set(&node.why, f->code,
			"this node has no certificate%s: %s: make a token with "
			"'cretula ca token --type node --node %s' on the CA's "
			"host, put it into the token's file and send SIGHUP or "
			"restart",
			node.self.serial[0] ? ", its last one has ended" : "",
			f->text, name);
}

static void enrol(void)
{
	struct fault f = { .code = OK };

	if (find_token(&f)) {
		/* the old certificate is not shown: a new one is asked for */
		if (!node.self.there)
			(void)!web_identify(NULL, (struct span){ 0 },
					    (struct span){ 0 }, &f);
		ask("/v1/ca", NULL, know_issuing);
		return;
	}
	if (node.self.there) { /* refused; for ever? */
		look();
		return;
	}
	at_a_loss(&f);
	wait_for(jitter(LOOK));
}

/* ---- renewal */

static void renewal_failed(const struct fault *f)
{
	int64_t left = node.self.not_after - clock_wall();
	uint64_t s = left > LIFE_PARTS ? (uint64_t)left / LIFE_PARTS : 1;

	node.renew_wait = clock_boot() + jitter(MIN(s, (uint64_t)RENEW_MAX));
	log_text(LOG_ERR, "not_renewed",
		 "the certificate of node '%s' is not renewed: %s",
		 node.self.node, f->text);
}

static void renewed(enum outcome o, const struct web_answer *a,
		    const struct fault *f)
{
	struct fault g = *f;

	met(o, f);
	if (o == OUTCOME_DONE && adopt(a, NULL, &g) == OK)
		have_certificate();
	else if (o == OUTCOME_AWAY || o == OUTCOME_STRANGE)
		try_again();
	else
		renewal_failed(&g);
}

static void renew(void)
{
	AUTO(buf_wipe) struct buf body = { 0 };
	struct fault f = { .text = "the request cannot be made" };

	buf_init(&body, NET_ASK_MAX);
	attrs_init_secret(&node.next);
	if (key_next(renew_file, NULL, &node.next, &f) != OK ||
	    key_renew_json(&node.next, &body, &f) != OK) {
		attrs_wipe(&node.next);
		renewal_failed(&f);
		return;
	}
	ask("/v1/certificates/renew", &body, renewed);
	body = (struct buf){ 0 };
}

/* ---- what is to be done next */

/* What is being asked is of no use any more. */
static void give_up(void)
{
	if (!node.busy)
		return;
	web_cancel(&node.ask);
	buf_wipe(&node.ask.body);
	attrs_wipe(&node.next);
	token_done();
	node.busy = false;
	web_next();
}

static bool renewal_due(void)
{
	return clock_wall() >= node.renew_at && clock_boot() >= node.renew_wait;
}

static void rest(void)
{
	int64_t left = node.renew_at - clock_wall();
	uint64_t now = clock_boot();

	if (left <= 0)
		wait_for(node.renew_wait > now ? node.renew_wait - now : 0);
	else
		wait_for((uint64_t)MIN(left, REST_MAX) * CLOCK_SECOND);
}

/* The end of the certificate is seen in time, too. */
static void see_the_end(void)
{
	int64_t left = node.self.not_after - clock_wall();
	struct fault f;

	if (!node.self.there)
		return;
	if (left >= 0) {
		wait_for((uint64_t)MIN(left + 1, REST_MAX) * CLOCK_SECOND);
		return;
	}
	node.self.there = node.refused = false;
	(void)!web_identify(NULL, (struct span){ 0 }, (struct span){ 0 }, &f);
	give_up();
}

static void next(struct loop_timer *t)
{
	(void)t;
	see_the_end();
	if (!node.busy) {
		if (!usable())
			enrol();
		else if (renewal_due())
			renew();
		else if (away())
			look();
		else
			rest();
	}
	tell();
}

void node_token(int fd)
{
	fd_close(&node.token_fd);
	node.token_fd = fd;
	node.bad = false;
	node.bad_times = 0;
	if (node.loop)
		wait_for(0);
}

const char *node_name(struct fault *f)
{
	if (usable())
		return node.self.node;
	(void)fault_set(f, ERR_UNAVAILABLE, "%s", node.why.text);
	return NULL;
}

enum err node_issuing(struct span der, struct fault *f)
{
	bool changed;

	TRY(trust_take_issuing(der, &changed, f));
	if (changed)
		tell();
	return OK;
}

void node_open(struct loop *l, const char *want)
{
	node.loop = l;
	node.timer.on = next;
	node.want = want;
	attrs_init(&node.told);
}

void node_begin(void)
{
	enum err e = self_load(node.want, &node.self, &node.why);

	if (e == OK) {
		plan_renewal();
		node.away_since = clock_wall();
		(void)fault_set(&node.why, ERR_PENDING,
				"the CA has not been asked yet");
	} else if (e == ERR_NOT_FOUND) {
		(void)fault_set(&node.why, ERR_PENDING,
				"this node is being enrolled");
	} else {
		log_text(LOG_ERR, "certificate_lost", "%s", node.why.text);
	}
	tell();
	wait_for(0);
}
