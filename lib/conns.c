/* The core (credd's vault, ca's issuer): who is behind a connection, as door says;
 * and the fronts that carry what it sends.
 *	door -> core	DC_CONN, DC_GONE, DC_CHECKED	core -> door	DC_KNOWN, DC_CHECK
 *	core -> door	DC_EXAMINE [+ pidfd]		door -> core	DC_EXAMINED + pidfd
 *	front -> core	CLIENT_CALL [+ fds], FC_CLOSED	core -> front	CLIENT_REPLY …
 *							core -> front	FC_CLOSE + fd */
#include "lib/conns.h"

#include "lib/child.h"
#include "lib/map.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct conns_front {
	struct chan chan; /* first member */
	uid_t uid;
	struct conns *of;
	struct conns_front *next;
};

static void conn_key(const void *value, const void **key, size_t *len)
{
	const struct conn *c = value;

	*key = &c->id;
	*len = sizeof c->id;
}

void conns_init(struct conns *c, struct loop *l, struct chan *sup,
		const struct conns_ops *ops)
{
	*c = (struct conns){ .loop = l,
			     .sup = sup,
			     .by_id = map_new(conn_key),
			     .paused = true,
			     .ops = ops,
			     .front_fds = { .each = CONNS_CALL_FDS,
					    .all = CONNS_FDS },
			     .door_fds = { .each = 1, .all = CONNS_FDS },
			     .fd = { -1, -1 } };
}

struct conn *conns_find(const struct conns *c, uint32_t id)
{
	return map_find(c->by_id, &id, sizeof id);
}

size_t conns_count(const struct conns *c)
{
	return map_count(c->by_id);
}

/* Door */

static void conn_free(struct conn *conn)
{
	subject_wipe(&conn->subject);
	attrs_wipe(&conn->said);
	free(conn);
}

static void conn_add(struct conns *c, const struct msg *m)
{
	struct conn *conn = xcalloc(1, sizeof *conn);
	struct fault f;

	conn->id = (uint32_t)m->id;
	if (subject_parse(m->attrs, &conn->subject, &f) != OK ||
	    conns_find(c, conn->id))
		child_broken("door");
	attrs_init(&conn->said);
	if (subject_format(&conn->subject, &conn->said) != OK)
		child_broken("door");
	map_add(c->by_id, conn);
	chan_tell(&c->door, DC_KNOWN, m->id, (struct attr_view){ 0 });
}

static struct conns_front *front_find(const struct conns *c, uid_t uid);

static void conn_drop(struct conns *c, struct conn *conn)
{
	c->n_gone -= conn->gone;
	(void)map_drop(c->by_id, &conn->id, sizeof conn->id);
	conn_free(conn);
}

/* What it had sent may still be on its way from its front: it was sent by him all the
 * same, and the front says when that was all. */
static void conn_gone(struct conns *c, const struct msg *m)
{
	struct conn *conn = conns_find(c, (uint32_t)m->id);
	struct attr a;

	if (!conn || conn->gone)
		return;
	if (conn->closed || c->n_gone == CONNS_GONE ||
	    !attr_find(m->attrs, "handed", &a) ||
	    !front_find(c, conn->subject.uid)) {
		conn_drop(c, conn);
		return;
	}
	conn->gone = true;
	c->n_gone++;
}

static void conn_closed(struct conns *c, uint32_t id, uid_t uid)
{
	struct conn *conn = conns_find(c, id);

	if (!conn || conn->subject.uid != uid)
		return;
	conn->closed = true;
	if (conn->gone)
		conn_drop(c, conn);
}

/* Its front has ended: nothing comes over them any more. */
static void drop_gone_of(struct conns *c, uid_t uid)
{
	struct conn **drop = xcalloc(c->n_gone + 1, sizeof(*drop));
	struct conn *conn;
	size_t at = 0, n = 0;

	while (c->n_gone && (conn = map_next(c->by_id, &at)))
		if (conn->gone && conn->subject.uid == uid)
			drop[n++] = conn;
	while (n)
		conn_drop(c, drop[--n]);
	free(drop);
}

static void checked(const struct conns *c, const struct msg *m)
{
	struct attr a;
	bool alive =
		attr_only(m->attrs, "alive", &a) == OK && attr_is(&a, "yes");
	bool exe = attr_only(m->attrs, "exe", &a) == OK && attr_is(&a, "yes");

	if (!c->ops->checked)
		child_broken("door");
	c->ops->checked(child_number(m, "ref", UINT64_MAX), alive, exe);
}

static void examined(struct conns *c, const struct msg *m)
{
	struct procinfo p;
	struct fault f;
	struct attr a;
	int fd = -1;
	enum err e;

	if (!c->ops->examined || attr_only(m->attrs, "alive", &a) != OK)
		child_broken("door");
	if (!attr_is(&a, "yes")) {
		c->ops->examined(m->id, NULL, -1);
		return;
	}
	e = chan_take_fds(&c->door, &fd, 1);
	if ((e != OK && e != ERR_LIMITED) ||
	    procinfo_parse(m->attrs, &p, &f) != OK)
		child_broken("door");
	c->ops->examined(m->id, &p, fd);
}

static void from_door(struct chan *ch, const struct msg *m)
{
	struct conns *c = (struct conns *)ch;

	switch ((enum door_core_kind)m->kind) {
	case DC_CONN:
		conn_add(c, m);
		return;
	case DC_GONE:
		conn_gone(c, m);
		return;
	case DC_CHECKED:
		checked(c, m);
		return;
	case DC_EXAMINED:
		examined(c, m);
		return;
	case DC_KNOWN:
	case DC_CHECK:
	case DC_EXAMINE:
		break;
	}
	child_broken("door");
}

static void forget_all(struct conns *c)
{
	struct conn *conn;
	size_t at = 0;

	while ((conn = map_next(c->by_id, &at)))
		conn_free(conn);
	map_free(c->by_id);
	c->by_id = NULL;
	c->n_gone = 0;
}

/* Its connections end with door: the fronts close them, and clients come again. */
static void door_end(struct chan *ch, const struct fault *why)
{
	struct conns *c = (struct conns *)ch;

	(void)why;
	chan_close(ch);
	forget_all(c);
	c->by_id = map_new(conn_key);
	if (c->ops->orphaned)
		c->ops->orphaned();
}

static void door_came(struct conns *c, int fd)
{
	static const struct chan_ops ops = { from_door, door_end, NULL };

	if (chan_is_open(&c->door))
		door_end(&c->door, NULL);
	chan_open(&c->door, c->loop, fd, false, &ops);
	chan_limit_fds(&c->door, &c->door_fds);
}

enum err conns_check(struct conns *c, uint32_t conn, const char *path,
		     size_t len, uint64_t ref)
{
	struct attrs a;
	enum err e;

	attrs_init(&a);
	if (len)
		ENSURE(attrs_add(&a, "exe", 0, path, len) == OK);
	ENSURE(attrs_add_u64(&a, "ref", ref) == OK);
	e = chan_send(&c->door, DC_CHECK, conn, attrs_view(&a));
	attrs_wipe(&a);
	return e == OK ? OK : ERR_UNAVAILABLE;
}

enum err conns_examine_pidfd(struct conns *c, int pidfd, uint64_t ref)
{
	int fd;
	enum err e;

	if (chan_posted(&c->door) >= CONNS_ASKED_FDS)
		return ERR_LIMITED;
	fd = fcntl(pidfd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return ERR_LIMITED;
	e = chan_post_fds(&c->door, DC_EXAMINE, ref, (struct attr_view){ 0 },
			  &fd, 1);
	return e == OK ? OK : ERR_UNAVAILABLE;
}

enum err conns_examine_conn(struct conns *c, uint32_t conn, uint64_t ref)
{
	struct attrs a;
	enum err e;

	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "conn", conn) == OK);
	e = chan_send(&c->door, DC_EXAMINE, ref, attrs_view(&a));
	attrs_wipe(&a);
	return e == OK ? OK : ERR_UNAVAILABLE;
}

enum err conns_examine_pid(struct conns *c, pid_t pid, uint64_t start,
			   uint64_t ref)
{
	struct attrs a;
	enum err e;

	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "pid", (uint64_t)pid) == OK);
	ENSURE(attrs_add_u64(&a, "start", start) == OK);
	e = chan_send(&c->door, DC_EXAMINE, ref, attrs_view(&a));
	attrs_wipe(&a);
	return e == OK ? OK : ERR_UNAVAILABLE;
}

/* Fronts */

static struct conns_front *front_find(const struct conns *c, uid_t uid)
{
	struct conns_front *f = c->fronts;

	while (f && f->uid != uid)
		f = f->next;
	return f;
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
	struct conns_front *f = front_find(c, uid);

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
	else if (conn->subject.uid == uid)
		c->ops->call(conn, m);
	while ((fd = conns_take_fd(c)) >= 0)
		conns_close_fd(c, uid, fd);
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
		conn_closed(f->of, (uint32_t)(m->id >> 32), f->uid);
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
		child_front_broken(f->of->sup, f->uid, why->text);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	drop_gone_of(f->of, f->uid);
	chan_close(ch);
	free(f);
}

static void front_came(struct conns *c, int fd, uid_t uid)
{
	static const struct chan_ops ops = { from_front, front_end, NULL };
	struct conns_front *f = front_find(c, uid);

	if (f)
		front_end(&f->chan, NULL);
	f = xcalloc(1, sizeof *f);
	f->uid = uid;
	f->of = c;
	chan_open(&f->chan, c->loop, fd, false, &ops);
	chan_limit_fds(&f->chan, &c->front_fds);
	f->next = c->fronts;
	c->fronts = f;
	chan_pause(&f->chan, c->paused);
}

bool conns_peer(struct conns *c, const char *peer, const struct msg *m, int fd)
{
	if (!strcmp(peer, "door"))
		door_came(c, fd);
	else if (!strcmp(peer, "front"))
		front_came(c, fd, (uid_t)child_number(m, "uid", UINT32_MAX));
	else
		return false;
	return true;
}

void conns_wipe(struct conns *c)
{
	while (c->fronts)
		front_end(&c->fronts->chan, NULL);
	chan_close(&c->door);
	forget_all(c);
}

void conns_pause(struct conns *c, bool paused)
{
	c->paused = paused;
	for (struct conns_front *f = c->fronts; f; f = f->next)
		chan_pause(&f->chan, paused);
}

void conns_tell(const struct conns *c, uint32_t kind, uint64_t id,
		struct attr_view v)
{
	const struct conn *conn = conns_find(c, (uint32_t)(id >> 32));
	struct conns_front *f = conn ? front_find(c, conn->subject.uid) : NULL;

	if (f)
		chan_tell(&f->chan, kind, id, v);
}
