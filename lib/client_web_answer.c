/* What an HTTP answer is to the call that waits for it. Runs in clients; holds the
 * answer. */
#include "lib/client_json.h"
#include "lib/client_web.h"

#include "lib/clock.h"

#include <stdio.h>
#include <string.h>

/* Statuses of errors that carry no name of ours. */
static enum err code_of(unsigned status)
{
	switch (status) {
	case 400:
		return ERR_INVALID;
	case 401:
		return ERR_UNAUTHENTICATED;
	case 403:
		return ERR_DENIED;
	case 404:
	case 405:
		return ERR_UNSUPPORTED;
	case 408:
	case 504:
		return ERR_TIMEOUT;
	case 413:
		return ERR_TOO_LARGE;
	case 429:
		return ERR_LIMITED;
	case 502:
	case 503:
		return ERR_UNAVAILABLE;
	default:
		return ERR_INTERNAL;
	}
}

/* Of an answer that is no success. */
static void read_problem(const struct cretula *c, const struct client_http *h,
			 const struct buf *body, struct cretula_error *err)
{
	const char *url = c->path;
	enum err code = code_of(h->status);

	if (h->problem &&
	    client_json_problem(body->p, body->len, code, err) == OK) {
		if (!err->retry_after)
			err->retry_after = h->retry_after;
		return;
	}
	if (h->status == 404 || h->status == 405)
		client_fail(err, code,
			    "'%s' has no calls of ours (status %u): is it the "
			    "https address of credd or certmgr?",
			    url, h->status);
	else
		client_fail(err, code, "'%s' answers with status %u", url,
			    h->status);
	err->retry_after = h->retry_after;
}

/* A verb that it does not know is another daemon's. */
static void explain(const struct cretula *c, const struct client_http *h,
		    struct cretula_error *err)
{
	char text[sizeof err->text];

	if (err->code != CRETULA_ERR_UNSUPPORTED || h->status == 404 ||
	    !strstr(err->text, "verb"))
		return;
	memcpy(text, err->text, sizeof text);
	(void)snprintf(err->text, sizeof err->text,
		       "%.300s: '%.120s' may not be %s's address", text,
		       c->path, client_name(c->daemon));
}

/* Would another certificate be answered otherwise? */
static bool refuses_ours(const struct client_web *w,
			 const struct client_http *h,
			 const struct cretula_error *err)
{
	if (h->status == 401 || err->code == CRETULA_ERR_EXPIRED)
		return true;
	return h->status == 403 &&
	       (clock_wall() >= w->not_after || strstr(err->text, "expired"));
}

enum client_outcome client_web_answer(struct cretula *c,
				      const struct client_http *h,
				      const struct buf *body)
{
	struct client_web *w = c->web;
	struct cretula_error err = { .code = CRETULA_ERR_NONE };
	struct cretula_answer *a = NULL;
	struct fault f = { 0 };
	enum err e;

	if (h->status == 200 && !h->problem) {
		w->renewed = false;
		e = client_json_answer(body->p, body->len, &a, &f);
		if (e != OK)
			client_fail(&err, e == ERR_TOO_LARGE ? e : ERR_INTERNAL,
				    "the answer of '%s' is unreadable: %s",
				    c->path, f.text);
	} else {
		read_problem(c, h, body, &err);
		if (refuses_ours(w, h, &err)) {
			if (client_web_renewed(w))
				return CLIENT_UNSERVED;
		} else {
			w->renewed = false;
		}
		explain(c, h, &err);
	}
	w->heard = true;
	w->fruitless = 0;
	client_answered(c, w->flight[0].id, a, &err);
	client_flight_end(w);
	return h->close ? CLIENT_UNSERVED : CLIENT_GOES_ON;
}
