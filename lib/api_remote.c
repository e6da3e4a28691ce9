/* gate of remote clients: who they are the verifier says, by the chains they showed; until
 * it has, their requests wait. Holds what it said. One that never asks for anything costs
 * the verifier nothing: it hears of a chain with the first request that matters.
 *	gate -> verifier	GV_CHAIN cert= … | GV_GONE | GV_OWN cert= …
 *	verifier -> gate	GV_KNOWN | GV_BAD error= text= | GV_OWNED */
#include "lib/api.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/problem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	JUDGE_S = 10,     /* a request waits for what the verifier says */
	REASON_MAX = 400, /* bytes of a sentence that is shown */
};

static struct {
	struct chan verifier;
	char *type;
	struct gate_dues dues; /* requests that wait */
	bool own_good;
} far;

static struct api_conn *of_due(struct gate_due *d)
{
	return api_conn_of(
		(struct gate_conn *)((char *)d -
				     offsetof(struct gate_conn, due)));
}

/* Requests that wait */

static void wait_end(struct api_conn *c)
{
	c->judging = false;
	gate_due_drop(&far.dues, &c->http.due);
}

static void go_on(struct api_conn *c)
{
	if (!c->judging)
		return;
	wait_end(c);
	gate_resume(&c->http, 0, NULL);
}

/* What may be better soon is so for another connection: the verifier does not change its
 * mind about this one. */
static struct MHD_Response *refusal(enum err code, const char *text)
{
	struct MHD_Response *r =
		gate_problem(code, 0, text, NULL, gate_retry_of(code));

	if (code == ERR_UNAVAILABLE || code == ERR_LIMITED ||
	    code == ERR_TIMEOUT)
		mhd_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	return r;
}

enum MHD_Result api_remote_refuse(struct api_conn *c)
{
	return mhd_answer(c->http.mhd, problem_status(c->why.code),
			  refusal(c->why.code, c->why.text));
}

/* Its request is answered with an error of ours, whatever it waits for. */
static void end_request(struct api_conn *c, enum err code, const char *text)
{
	if (c->called) {
		api_call_fail(c, code, text);
	} else if (c->judging) {
		wait_end(c);
		gate_resume(
			&c->http, problem_status(code),
			gate_problem(code, 0, text, NULL, gate_retry_of(code)));
	}
}

static void overdue(struct gate_due *d)
{
	gate_due_add(&far.dues, d);
	end_request(of_due(d), ERR_UNAVAILABLE,
		    "it takes too long to find out whether this certificate is "
		    "good: try again");
}

/* The verifier is asked */

static enum err add_chain(struct api_conn *c, struct attrs *a, struct fault *f)
{
	char address[GATE_ADDRESS];

	TRY(gate_tls_peer(&c->http, a, f));
	if (gate_address(&c->http, address))
		TRY(attrs_add_str(a, "peer", address));
	return OK;
}

static void tell(struct api_conn *c)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .code = ERR_INTERNAL };

	attrs_init(&a);
	if (add_chain(c, &a, &f) == OK)
		chan_tell(&far.verifier, GV_CHAIN, c->http.id, attrs_view(&a));
}

/* Whoever shows none is nobody, and needs no verifier to say so. */
static enum api_known first_request(struct api_conn *c)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	if (chan_is_open(&far.verifier) &&
	    far.verifier.out.len > GATE_OUT_MAX) {
		(void)fault_set(&c->why, ERR_UNAVAILABLE,
				"too many clients come at once: try again");
		return API_REFUSED;
	}
	if (add_chain(c, &a, &c->why) != OK)
		return API_REFUSED;
	c->known = API_ASKED;
	if (chan_is_open(&far.verifier))
		chan_tell(&far.verifier, GV_CHAIN, c->http.id, attrs_view(&a));
	return API_ASKED;
}

enum api_known api_remote_look(struct api_conn *c)
{
	return c->known == API_NOT_ASKED ? first_request(c) : c->known;
}

enum api_known api_remote_admit(struct api_conn *c)
{
	enum api_known known = api_remote_look(c);

	if (known == API_ASKED) {
		c->judging = true;
		gate_due_add(&far.dues, &c->http.due);
	}
	return known;
}

void api_remote_forget(struct api_conn *c)
{
	if (c->judging)
		wait_end(c);
}

void api_remote_drop(struct api_conn *c)
{
	end_request(c, ERR_UNAVAILABLE, "this connection has ended");
}

void api_remote_gone(struct api_conn *c)
{
	if (c->known != API_NOT_ASKED && chan_is_open(&far.verifier))
		chan_tell(&far.verifier, GV_GONE, c->http.id,
			  (struct attr_view){ 0 });
}

/* It answers */

static void bad(struct api_conn *c, const struct msg *m)
{
	struct attr name, text;
	enum err code;

	if (attr_only(m->attrs, "error", &name) != OK ||
	    attr_only(m->attrs, "text", &text) != OK ||
	    err_parse((const char *)name.value, name.len, &code) != OK ||
	    code == OK)
		child_broken("verifier");
	c->known = API_REFUSED;
	(void)fault_set(&c->why, code, "%.*s",
			(int)MIN(text.len, (uint32_t)REASON_MAX),
			(const char *)text.value);
	end_request(c, c->why.code, c->why.text);
}

static void owned(const struct msg *m)
{
	struct attr text;

	far.own_good = !attr_find(m->attrs, "text", &text);
	if (!far.own_good)
		log_text(LOG_WARN, "own_certificate",
			 "clients may refuse this gate's certificate: %.*s",
			 (int)MIN(text.len, (uint32_t)REASON_MAX),
			 (const char *)text.value);
}

static void from_verifier(struct chan *ch, const struct msg *m)
{
	struct api_conn *c = api_find(m->id);

	(void)ch;
	switch ((enum gate_verifier_kind)m->kind) {
	case GV_KNOWN:
		if (!c || c->known == API_NOT_ASKED)
			return; /* it has ended meanwhile */
		c->known = API_KNOWN;
		go_on(c);
		return;
	case GV_BAD:
		if (c && c->known != API_NOT_ASKED)
			bad(c, m);
		return;
	case GV_OWNED:
		owned(m);
		return;
	case GV_CHAIN:
	case GV_GONE:
	case GV_OWN:
		break;
	}
	child_broken("verifier");
}

/* The core forgets whom it knew with the verifier that said so. The next one hears of them
 * all; what was in flight nobody will answer. */
static void verifier_end(struct chan *ch, const struct fault *why)
{
	struct api_conn *c;
	size_t at = 0;

	(void)why;
	chan_close(ch);
	while ((c = map_next(api.conns, &at))) {
		if (c->known == API_NOT_ASKED)
			continue;
		c->known = API_ASKED;
		if (c->called)
			api_call_fail(c, ERR_UNAVAILABLE,
				      "who you are has to be found out anew: "
				      "it may have been done; try again");
	}
}

void api_remote_own(void)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	const gnutls_datum_t *d;

	attrs_init(&a);
	for (unsigned i = 0; (d = gate_tls_own(i)); i++)
		ENSURE(attrs_add(&a, "cert", 0, d->data, d->size) == OK);
	if (a.count && chan_is_open(&far.verifier))
		chan_tell(&far.verifier, GV_OWN, 0, attrs_view(&a));
}

void api_remote_verifier(int fd)
{
	static const struct chan_ops ops = { from_verifier, verifier_end,
					     NULL };
	struct api_conn *c;
	size_t at = 0;

	if (chan_is_open(&far.verifier))
		verifier_end(&far.verifier, NULL);
	chan_open(&far.verifier, gate.loop, fd, false, &ops);
	api_remote_own();
	while ((c = map_next(api.conns, &at)))
		if (c->known != API_NOT_ASKED)
			tell(c);
}

bool api_remote_sup(const struct msg *m)
{
	if (m->kind != SUP_CERTMGR)
		return false;
	api_own_certmgr(m, chan_take_fd(&api.sup));
	return true;
}

const char *api_remote_unready(void)
{
	if (!chan_is_open(&far.verifier))
		return "the verifier is being started\n";
	return api_own_unready();
}

enum err api_remote_open(const struct msg *start, struct fault *f)
{
	far.type = xstrdup(child_text(start, "gate_type"));
	TRY(api_own_open(f));
	return gate_port_tls(&api.port, SUP_FD + 1,
			     gate_conns_limit(API_FILES_BESIDE), f);
}

void api_remote_run(void)
{
	gate_dues_init(&far.dues, gate.loop, JUDGE_S * CLOCK_SECOND, overdue);
	api_own_run(far.type);
}
