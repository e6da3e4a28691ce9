/* The core: the fronts and gates that carry what clients send. Each speaks for connections
 * of its own only, and is believed as much as its user. */
#include "lib/conns_part.h"

#include "lib/child.h"
#include "lib/map.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_http(const struct conn *conn)
{
	return conn->subject.via != VIA_SOCKET;
}

static struct conns_front *front_find(const struct conns *c, uid_t uid,
				      bool http)
{
	struct conns_front *f = c->fronts;

	while (f && (f->uid != uid || f->http != http))
		f = f->next;
	return f;
}

struct conns_front *conns_front_of(const struct conns *c,
				   const struct conn *conn)
{
	return front_find(c, conn->subject.uid, is_http(conn));
}

/* Whether f may speak for that connection. */
static bool is_front_of(const struct conns_front *f, const struct conn *conn)
{
	return conn->subject.uid == f->uid && is_http(conn) == f->http;
}

static void conn_closed(struct conns *c, const struct conns_front *f,
			uint32_t id)
{
	struct conn *conn = conns_find(c, id);

	if (!conn || !is_front_of(f, conn))
		return;
	conn->closed = true;
	if (conn->gone)
		conns_drop(c, conn);
}

/* Its front has ended: nothing comes over them any more. */
static void drop_gone_of(struct conns *c, const struct conns_front *f)
{
	struct conn **drop = xcalloc(c->n_gone + 1, sizeof(*drop));
	struct conn *conn;
	size_t at = 0, n = 0;

	while (c->n_gone && (conn = map_next(c->by_id, &at)))
		if (conn->gone && is_front_of(f, conn))
			drop[n++] = conn;
	while (n)
		conns_drop(c, drop[--n]);
	free(drop);
}

static void refuse(struct conns_front *f, uint64_t id, enum err e,
		   const char *text)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "error", err_name(e)) == OK);
	ENSURE(attrs_add_str(&a, "text", text) == OK);
	ENSURE(attrs_add_u64(&a, "retry_after", 1) == OK);
	chan_tell(&f->chan, CLIENT_ERROR, id, attrs_view(&a));
	attrs_wipe(&a);
}

/* The descriptors beside a call */

int conns_take_fd(struct conns *c)
{
	for (size_t i = 0; i < CONNS_CALL_FDS; i++) {
		int fd = c->fd[i];

		c->fd[i] = -1;
		if (fd >= 0)
			return fd;
	}
	return -1;
}

void conns_close_fd(const struct conns *c, uid_t uid, int fd)
{
	struct conns_front *f = front_find(c, uid, false);

	/* on its way it is held, so that the close here is not the last one */
	if (f)
		(void)!chan_post_fds(&f->chan, FC_CLOSE, 0,
				     (struct attr_view){ 0 }, &fd, 1);
	else
		close(fd);
}

/* What fds= announces, which the front has checked. */
static enum err call_fds(struct conns_front *f, const struct msg *m)
{
	uint64_t n = 0;
	struct attr a;

	if (!attr_count(m->attrs, "fds"))
		return OK;
	if (f->http)
		return ERR_INVALID;
	if (attr_only(m->attrs, "fds", &a) != OK ||
	    attr_u64(&a, CONNS_CALL_FDS, &n) != OK)
		return ERR_INVALID;
	return chan_take_fds(&f->chan, f->of->fd, n);
}

static void call(struct conns_front *f, const struct msg *m)
{
	const struct conn *conn = conns_find(f->of, (uint32_t)(m->id >> 32));
	struct conns *c = f->of;
	uid_t uid = f->uid;
	int fd;

	/* Who asks has just ended, or door has not told a new core of him yet: his
	 * front knows which. */
	if (!conn)
		refuse(f, m->id, ERR_UNAVAILABLE,
		       "this connection is not known here yet: try again");
	else if (is_front_of(f, conn))
		c->ops->call(conn, m);
	while ((fd = conns_take_fd(c)) >= 0)
		conns_close_fd(c, uid, fd);
}

static bool is_remote(const struct conns_front *f)
{
	return f->http && f->uid == SUBJECT_NO_ID;
}

static void gate_said(struct conns_front *f, const struct msg *m)
{
	struct attr a = { 0 };

	if (!is_remote(f))
		return;
	(void)attr_find(m->attrs, "text", &a);
	(void)snprintf(f->of->gate_why, sizeof f->of->gate_why, "%.*s",
		       (int)MIN(a.len, (uint32_t)CONNS_WHY),
		       a.len ? (const char *)a.value : "");
}

static void front_end(struct chan *ch, const struct fault *why);

static void from_front(struct chan *ch, const struct msg *m)
{
	struct conns_front *f = (struct conns_front *)ch;
	enum err e = m->kind == CLIENT_CALL ? call_fds(f, m) : OK;
	struct fault why;

	if (e == ERR_INVALID) {
		(void)fault_set(&why, e, "descriptors are missing");
		front_end(ch, &why);
	} else if (e != OK) {
		refuse(f, m->id, e,
		       "there is no room for more descriptors: try again "
		       "later");
	} else if (m->kind == CLIENT_CALL) {
		call(f, m);
	} else if (m->kind == FC_CLOSED) {
		conn_closed(f->of, f, (uint32_t)(m->id >> 32));
	} else if (m->kind == FC_OWN) {
		gate_said(f, m);
	} else {
		(void)fault_set(&why, ERR_INVALID,
				"it says what no front says");
		front_end(ch, &why);
	}
}

static void front_end(struct chan *ch, const struct fault *why)
{
	struct conns_front *f = (struct conns_front *)ch;
	struct conns_front **at = &f->of->fronts;

	if (why && why->code != ERR_UNAVAILABLE)
		child_front_broken(f->of->sup, f->uid, f->http, why->text);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (is_remote(f))
		f->of->gate_why[0] = 0;
	drop_gone_of(f->of, f);
	chan_close(ch);
	free(f);
}

void conns_front_came(struct conns *c, int fd, uid_t uid, bool http)
{
	static const struct chan_ops ops = { from_front, front_end, NULL };
	struct conns_front *f = front_find(c, uid, http);

	if (f)
		front_end(&f->chan, NULL);
	f = xcalloc(1, sizeof *f);
	f->uid = uid;
	f->http = http;
	f->of = c;
	chan_open(&f->chan, c->loop, fd, false, &ops);
	chan_limit_fds(&f->chan, &c->front_fds);
	f->next = c->fronts;
	c->fronts = f;
	chan_pause(&f->chan, c->paused);
}

void conns_fronts_end(struct conns *c)
{
	while (c->fronts)
		front_end(&c->fronts->chan, NULL);
}

void conns_pause(struct conns *c, bool paused)
{
	c->paused = paused;
	for (struct conns_front *f = c->fronts; f; f = f->next)
		chan_pause(&f->chan, paused);
}

static struct conns_front *front_of_call(const struct conns *c, uint64_t id)
{
	const struct conn *conn = conns_find(c, (uint32_t)(id >> 32));

	return conn ? conns_front_of(c, conn) : NULL;
}

void conns_tell(const struct conns *c, uint32_t kind, uint64_t id,
		struct attr_view v)
{
	struct conns_front *f = front_of_call(c, id);

	if (f)
		chan_tell(&f->chan, kind, id, v);
}

void conns_flush(const struct conns *c, uint64_t id)
{
	struct conns_front *f = front_of_call(c, id);

	if (f)
		chan_flush(&f->chan);
}
