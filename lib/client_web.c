/* Calls by HTTPS: what is queued for the native protocol becomes requests, their answers
 * become the calls'. Harmless calls go out in a row; what changes something goes alone,
 * so that it is known whether it was served. Runs in clients; holds nothing secret. */
#include "lib/client_web.h"

#include "lib/client_http.h"

#include "lib/clock.h"
#include "lib/json_list.h"
#include "lib/msg.h"
#include "lib/span.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	REQUEST_MAX = 4 << 20,
	FRUITLESS_MAX = 2,
};

void client_flight_end(struct client_web *w)
{
	buf_wipe(&w->flight[0].frame);
	w->flights--;
	memmove(w->flight, w->flight + 1, w->flights * sizeof *w->flight);
	w->blocked = false;
}

static void flights_end(struct client_web *w)
{
	while (w->flights)
		client_flight_end(w);
}

bool client_web_renewed(struct client_web *w)
{
	struct client_identity id = { .key = NULL };
	bool other;

	if (w->renewed)
		return false;
	w->renewed = true;
	other = !client_identity_load(w, true, &id, NULL) &&
		memcmp(id.mark, w->mark, sizeof w->mark);
	client_identity_wipe(&id);
	return other;
}

static enum cretula_err connect_once(struct cretula *c, bool again,
				     uint64_t deadline,
				     struct cretula_error *err)
{
	struct client_identity id = { .key = NULL };
	AUTO(fd_close) int fd = -1;
	enum cretula_err e = client_identity_load(c->web, false, &id, err);

	if (!e) {
		memcpy(c->web->mark, id.mark, sizeof id.mark);
		c->web->not_after = id.not_after;
		c->web->admin =
			client_identity_admin(&id, client_name(c->daemon));
		e = client_tcp_connect(c, again, deadline, &fd, err);
	}
	if (!e)
		e = client_tls_start(c, fd, &id, deadline, err);
	client_identity_wipe(&id);
	if (e)
		return e;
	c->fd = fd;
	c->pid = getpid();
	fd = -1;
	return CRETULA_ERR_NONE;
}

bool client_web_admin(const struct cretula *c)
{
	return c->web && c->web->admin;
}

enum cretula_err client_web_connect(struct cretula *c, bool again,
				    uint64_t deadline,
				    struct cretula_error *err)
{
	struct client_web *w = c->web;
	enum cretula_err e;

	client_tls_end(w);
	flights_end(w);
	buf_clear(&w->in);
	buf_clear(&w->out);
	w->blocked = w->wants_write = w->heard = w->refused = false;
	e = connect_once(c, again, deadline, err);
	/* TLS 1.2 refuses ours in the handshake. */
	if (w->refused && client_web_renewed(w))
		e = connect_once(c, again, deadline, err);
	return e;
}

/* --- requests */

static enum err put_request(const struct client_web *w, struct span verb,
			    struct attr_view args, struct buf *out,
			    struct fault *f)
{
	AUTO(buf_wipe) struct buf body = { 0 };

	if (!attr_name_ok((const char *)verb.p, verb.n))
		return fault_set(f, ERR_INVALID, "there is no such verb");
	buf_init(&body, REQUEST_MAX);
	TRY(buf_str(&body, "{\"list\":"));
	TRY(json_pairs_format(args, &body));
	TRY(buf_str(&body, "}"));
	TRY(buf_fmt(out,
		    "POST /v1/verbs/%.*s HTTP/1.1\r\n"
		    "Host: %s\r\n"
		    "User-Agent: libcretula\r\n"
		    "Accept: application/json, application/problem+json\r\n"
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n",
		    (int)verb.n, (const char *)verb.p, w->authority, body.len));
	return buf_put(out, body.p, body.len);
}

/* The verb, which comes first, and what follows it. */
static struct span split(const struct msg *m, struct attr_view *args)
{
	struct attr a;

	*args = m->attrs;
	ENSURE(attr_next(args, &a) && attr_named(&a, "verb"));
	return span_of(a.value, a.len);
}

static bool harmless(struct span verb)
{
	char name[ATTR_NAME_MAX + 1];

	if (verb.n >= sizeof name)
		return false;
	memcpy(name, verb.p, verb.n);
	name[verb.n] = '\0';
	return client_is_harmless(name);
}

/* May it be written while those before it are not answered? */
static bool may_follow(const struct client_web *w, bool is_harmless)
{
	if (!w->flights)
		return true;
	return is_harmless && w->flight[w->flights - 1].harmless &&
	       w->flights < CLIENT_PIPELINE;
}

static void fail_call(struct cretula *c, uint32_t id, enum err e,
		      const struct fault *f)
{
	struct cretula_error err;

	client_fault(&err, e, f);
	client_answered(c, id, NULL, &err);
}

/* The first frame that is queued: false if it has to wait. */
static bool take_frame(struct cretula *c, const struct msg *m, size_t used)
{
	struct client_web *w = c->web;
	struct client_flight *fl = &w->flight[w->flights];
	const struct client_call *k = client_find(c, (uint32_t)m->id);
	size_t before = w->out.len;
	struct fault f = { 0 };
	struct attr_view args;
	struct span verb = split(m, &args);
	bool safe = harmless(verb);
	enum err e;

	if (!k || k->state != CALL_WAITS) /* nobody waits for it any more */
		return true;
	if (!may_follow(w, safe))
		return false;
	e = put_request(w, verb, args, &w->out, &f);
	if (e != OK) {
		w->out.len = before;
		fail_call(c, (uint32_t)m->id, e, &f);
		return true;
	}
	*fl = (struct client_flight){ .id = (uint32_t)m->id, .harmless = safe };
	buf_init(&fl->frame, 4 + MSG_MAX);
	ENSURE(buf_put(&fl->frame, c->out.p, used) == OK);
	w->flights++;
	return true;
}

/* Makes requests of what is queued, as far as that may be. */
static void fill(struct cretula *c)
{
	struct msg m;
	size_t used;

	while (!c->web->blocked && c->out.len) {
		ENSURE(msg_get(c->out.p, c->out.len, &m, &used, NULL) == OK);
		if (take_frame(c, &m, used))
			buf_drop(&c->out, used);
		else
			c->web->blocked = true;
	}
}

/* --- answers */

/* What cannot be an answer: the connection is of no more use. */
static void unreadable(struct cretula *c, const char *why)
{
	struct cretula_error err;

	client_fail(&err, ERR_INTERNAL, "the answer of '%s' is unreadable: %s",
		    c->path, why);
	fd_close(&c->fd);
	client_fail_waiting(c, &err);
}

static enum client_outcome take_answers(struct cretula *c, bool ended)
{
	struct client_web *w = c->web;
	enum client_outcome o = CLIENT_GOES_ON;
	struct buf body;

	buf_init(&body, CLIENT_ANSWER_MAX);
	while (o == CLIENT_GOES_ON && w->in.len) {
		struct client_http h = { .status = 0 };
		struct fault f = { 0 };
		enum err e;

		buf_clear(&body);
		e = w->flights ? client_http_take(&w->in, ended, &h, &body, &f)
			       : ERR_PENDING;
		if (!w->flights) /* nobody asked: it says that it ends */
			o = CLIENT_OVER;
		else if (e == ERR_PENDING &&
			 w->in.len <= CLIENT_WEB_IN_MAX - CLIENT_GULP)
			break;
		else if (e != OK)
			unreadable(c, e == ERR_PENDING ? "it is too long"
						       : f.text);
		else if (h.status >= 200)
			o = client_web_answer(c, &h, &body);
		if (c->fd < 0)
			o = CLIENT_OVER;
	}
	buf_wipe(&body);
	return o;
}

/* --- the connection */

/* True while it goes on; err->code says why not, if the server did. */
static bool write_out(struct cretula *c, struct cretula_error *err)
{
	struct client_web *w = c->web;
	size_t at = 0;
	ssize_t n = 1;

	while (n > 0 && at < w->out.len) {
		n = client_tls_write(c, w->out.p + at, w->out.len - at, err);
		at += n > 0 ? (size_t)n : 0;
	}
	buf_drop(&w->out, at);
	return n >= 0;
}

static bool read_in(struct cretula *c, struct cretula_error *err)
{
	struct client_web *w = c->web;
	ssize_t n;

	do {
		if (buf_reserve(&w->in, CLIENT_GULP) != OK)
			return true; /* the parser says that it is too much */
		n = client_tls_read(c, w->in.p + w->in.len, CLIENT_GULP, err);
		if (n > 0)
			w->in.len += (size_t)n;
	} while (n > 0);
	return n == 0;
}

static void keep_frame(struct cretula *c, uint32_t id, const void *p, size_t n)
{
	struct client_call *k = client_find(c, id);

	if (!k || k->state != CALL_WAITS)
		return;
	k->repeats = true;
	if (k->frame.len)
		return;
	buf_init(&k->frame, 4 + MSG_MAX);
	ENSURE(buf_put(&k->frame, p, n) == OK);
}

/* What has not been written may be said again, whatever it is; what has been, if it is
 * sure that it was not served. */
static void keep_frames(struct cretula *c, bool written)
{
	struct client_web *w = c->web;
	size_t at = 0, used;
	struct msg m;

	while (at < c->out.len) {
		ENSURE(msg_get(c->out.p + at, c->out.len - at, &m, &used,
			       NULL) == OK);
		keep_frame(c, (uint32_t)m.id, c->out.p + at, used);
		at += used;
	}
	for (size_t i = 0; written && i < w->flights; i++)
		keep_frame(c, w->flight[i].id, w->flight[i].frame.p,
			   w->flight[i].frame.len);
}

/* The server said why it ended: all that waits is answered so, unless another
 * certificate may help. True if all is answered. */
static bool refused(struct cretula *c, const struct cretula_error *err)
{
	if (c->web->refused && client_web_renewed(c->web)) {
		keep_frames(c, true);
		return false;
	}
	fd_close(&c->fd);
	client_fail_waiting(c, err);
	return true;
}

/* What came is taken, what may go is written; the last words of a server that has hung
 * up are heard. */
static enum client_outcome turn(struct cretula *c, struct cretula_error *err)
{
	bool up = read_in(c, err);
	enum client_outcome o = take_answers(c, !up);

	if (o != CLIENT_GOES_ON || !up || c->fd < 0)
		return o == CLIENT_GOES_ON ? CLIENT_OVER : o;
	fill(c);
	if (write_out(c, err))
		return CLIENT_GOES_ON;
	if (!err->code)
		(void)read_in(c, err);
	o = take_answers(c, true);
	return o == CLIENT_GOES_ON ? CLIENT_OVER : o;
}

bool client_web_process(struct cretula *c)
{
	struct cretula_error err = { .code = CRETULA_ERR_NONE };
	enum client_outcome o = turn(c, &err);

	if (c->fd < 0 || o == CLIENT_GOES_ON)
		return true;
	if (err.code)
		return refused(c, &err);
	if (!c->web->heard && ++c->web->fruitless > FRUITLESS_MAX) {
		client_unreached(&err, ERR_UNAVAILABLE, c,
				 "it ends every connection without an answer");
		fd_close(&c->fd);
		client_fail_waiting(c, &err);
		return true;
	}
	keep_frames(c, o == CLIENT_UNSERVED);
	return false;
}

short client_web_events(const struct cretula *c)
{
	const struct client_web *w = c->web;
	bool writes =
		w->out.len || w->wants_write || (c->out.len && !w->blocked);

	return (short)(POLLIN | (writes ? POLLOUT : 0));
}

bool client_web_gone(struct cretula *c)
{
	struct cretula_error err;

	/* Somebody gave up waiting: what follows would wait behind that. */
	return c->web->flights || !read_in(c, &err) || c->web->in.len;
}
