/* gate: calls in flight. A connection has at most one: HTTP/1.1 is answered in order, and
 * libmicrohttpd reads the next request when this one is.
 *	gate -> core	CLIENT_CALL conn|n
 *	core -> gate	CLIENT_ITEM … CLIENT_REPLY | CLIENT_ERROR */
#include "lib/api.h"

#include "lib/call_check.h"
#include "lib/clock.h"
#include "lib/problem.h"

#include <stddef.h>

static struct api_conn *of_due(struct gate_due *d)
{
	return api_conn_of(
		(struct gate_conn *)((char *)d -
				     offsetof(struct gate_conn, due)));
}

/* Its end */

void api_call_forget(struct api_conn *c)
{
	if (!c->called)
		return;
	c->called = false;
	api.in_flight--;
	gate_due_drop(&api.dues, &c->http.due);
}

void api_call_fail(struct api_conn *c, enum err code, const char *text)
{
	api.calls_failed++;
	api_call_forget(c);
	api_answer_drop(c);
	gate_resume(&c->http, problem_status(code),
		    gate_problem(code, 0, text, NULL, gate_retry_of(code)));
}

static void overdue(struct gate_due *d)
{
	gate_due_add(&api.dues, d);
	api_call_fail(of_due(d), ERR_TIMEOUT,
		      "no answer in time; it may have been done all the same");
}

void api_call_lost(void)
{
	while (api.dues.first)
		api_call_fail(of_due(api.dues.first), ERR_UNAVAILABLE,
			      "what serves this call was started anew while "
			      "it was in flight: send it again");
}

/* Its beginning */

static enum err is_room(struct fault *f)
{
	if (!api.up)
		return fault_set(f, ERR_UNAVAILABLE,
				 "%s is being started: try again", api.daemon);
	if (api.in_flight >= GATE_CALLS || api.core.out.len > GATE_OUT_MAX)
		return fault_set(f, ERR_UNAVAILABLE,
				 "too many requests are in flight: try again");
	return OK;
}

static enum err send_call(struct api_conn *c, const struct attrs *a,
			  struct fault *f)
{
	uint64_t id;
	enum err e;

	if (++c->call == UINT32_MAX) /* which is no call's */
		c->call = 0;
	id = c->http.id << 32 | c->call;
	e = chan_send(&api.core, CLIENT_CALL, id, attrs_view(a));
	if (e == ERR_TOO_LARGE)
		return fault_set(f, e, "the call is over 1 MiB");
	if (e != OK)
		return fault_set(f, ERR_UNAVAILABLE, "%s is behind: try again",
				 api.daemon);
	return OK;
}

static enum err begin(struct api_conn *c, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	TRY(is_room(f));
	attrs_init(&a);
	TRY(api_call_make(c, &a, f));
	TRY(call_check(attrs_view(&a), f));
	if (attr_count(attrs_view(&a), "fds"))
		return fault_set(f, ERR_UNSUPPORTED,
				 "no descriptors come beside a call over HTTP: "
				 "use api.sock");
	return send_call(c, &a, f);
}

enum MHD_Result api_call_run(struct gate_conn *g)
{
	struct api_conn *c = api_conn_of(g);
	enum MHD_Result result;
	struct fault f;

	if (!api_admitted(c, &result))
		return result;
	if (begin(c, &f) != OK) {
		api.calls_failed++;
		return gate_refuse(g, f.code, f.text);
	}
	gate_body_drop(g); /* while it waits, others have that room */
	c->called = true;
	api.in_flight++;
	gate_due_add(&api.dues, &g->due);
	return gate_wait(g);
}

/* Its answers */

static void answer_reply(struct api_conn *c, const struct msg *m)
{
	struct MHD_Response *r;
	struct fault f;

	if (api_answer_reply(c, m->attrs, &r, &f) != OK) {
		api_call_fail(c, f.code, f.text);
		return;
	}
	api.calls_done++;
	api_call_forget(c);
	gate_resume(&c->http, MHD_HTTP_OK, r);
}

static void answer_error(struct api_conn *c, const struct msg *m)
{
	unsigned status;
	struct MHD_Response *r = api_answer_error(m->attrs, &status);

	api.calls_failed++;
	api_call_forget(c);
	gate_resume(&c->http, status, r);
}

void api_call_answer(const struct msg *m)
{
	struct api_conn *c = api_find(m->id >> 32);
	struct fault f;

	if (!c || !c->called || c->call != (uint32_t)m->id)
		return; /* its client left, or it came too late */
	if (m->kind == CLIENT_REPLY)
		answer_reply(c, m);
	else if (m->kind == CLIENT_ERROR)
		answer_error(c, m);
	else if (api_answer_item(c, m->attrs, &f) != OK)
		api_call_fail(c, f.code, f.text);
}

void api_call_open(void)
{
	gate_dues_init(&api.dues, gate.loop, API_CALL_S * CLOCK_SECOND,
		       overdue);
}
