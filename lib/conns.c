/* The core (credd's vault, ca's issuer, certmgr's keeper): who is behind a connection, as
 * door and the verifier say; and the fronts and gates that carry what it sends.
 *	door -> core	DC_CONN, DC_GONE, DC_CHECKED	core -> door	DC_KNOWN, DC_CHECK
 *	core -> door	DC_EXAMINE [+ pidfd]		door -> core	DC_EXAMINED + pidfd
 *	front -> core	CLIENT_CALL [+ fds], FC_CLOSED	core -> front	CLIENT_REPLY …
 *							core -> front	FC_CLOSE + fd
 *	verifier -> core DC_CONN, DC_GONE, DC_REFUSED	core -> verifier DC_KNOWN
 *	gate <-> core	as front, without descriptors */
#include "lib/conns_part.h"

#include "lib/child.h"
#include "lib/map.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The verifier speaks of remote clients, door of those of this machine. */
static bool is_remote(uint64_t id)
{
	return id & CONN_REMOTE;
}

static void conn_add(struct conns *c, struct chan *from, const struct msg *m)
{
	struct conn *conn = xcalloc(1, sizeof *conn);
	struct fault f;

	conn->id = (uint32_t)m->id;
	if (subject_parse(m->attrs, &conn->subject, &f) != OK ||
	    is_remote(m->id) != (conn->subject.via == VIA_TLS) ||
	    is_remote(m->id) != (from == &c->verifier.chan) ||
	    conns_find(c, conn->id))
		child_broken("door or verifier");
	attrs_init(&conn->said);
	if (subject_format(&conn->subject, &conn->said) != OK)
		child_broken("door or verifier");
	map_add(c->by_id, conn);
	chan_tell(from, DC_KNOWN, m->id, (struct attr_view){ 0 });
}

void conns_drop(struct conns *c, struct conn *conn)
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
	    !attr_find(m->attrs, "handed", &a) || !conns_front_of(c, conn)) {
		conns_drop(c, conn);
		return;
	}
	conn->gone = true;
	c->n_gone++;
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
		conn_add(c, &c->door, m);
		return;
	case DC_GONE:
		if (is_remote(m->id))
			break;
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
	case DC_REFUSED:
	case DC_UNCHECKED:
		break;
	}
	child_broken("door");
}

/* Those that its source knew of. */
static void forget(struct conns *c, bool remote)
{
	struct conn **drop = xcalloc(map_count(c->by_id) + 1, sizeof(*drop));
	struct conn *conn;
	size_t at = 0, n = 0;

	while ((conn = map_next(c->by_id, &at)))
		if (is_remote(conn->id) == remote)
			drop[n++] = conn;
	while (n)
		conns_drop(c, drop[--n]);
	free(drop);
}

/* Its connections end with door: the fronts close them, and clients come again. */
static void door_end(struct chan *ch, const struct fault *why)
{
	struct conns *c = (struct conns *)ch;

	(void)why;
	chan_close(ch);
	forget(c, false);
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

/* The verifier */

static void from_verifier(struct chan *ch, const struct msg *m)
{
	struct conns *c = ((struct conns_source *)ch)->of;

	switch ((enum door_core_kind)m->kind) {
	case DC_CONN:
		conn_add(c, ch, m);
		return;
	case DC_GONE:
		if (!is_remote(m->id))
			break;
		conn_gone(c, m);
		return;
	case DC_REFUSED:
	case DC_UNCHECKED:
		if (c->ops->refused)
			c->ops->refused(m);
		return;
	case DC_KNOWN:
	case DC_CHECK:
	case DC_CHECKED:
	case DC_EXAMINE:
	case DC_EXAMINED:
		break;
	}
	child_broken("verifier");
}

/* The next one is told of all connections by the gate, and judges them again. */
static void verifier_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch);
	forget(((struct conns_source *)ch)->of, true);
}

static void verifier_came(struct conns *c, int fd)
{
	static const struct chan_ops ops = { from_verifier, verifier_end,
					     NULL };

	if (chan_is_open(&c->verifier.chan))
		verifier_end(&c->verifier.chan, NULL);
	c->verifier.of = c;
	chan_open(&c->verifier.chan, c->loop, fd, false, &ops);
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

bool conns_peer(struct conns *c, const char *peer, const struct msg *m, int fd)
{
	/* ca's gate is another one: its calls are none of clients' */
	bool gate = !strcmp(peer, "gate") && attr_count(m->attrs, "uid");

	if (!strcmp(peer, "door"))
		door_came(c, fd);
	else if (!strcmp(peer, "verifier"))
		verifier_came(c, fd);
	else if (gate || !strcmp(peer, "front"))
		conns_front_came(
			c, fd, (uid_t)child_number(m, "uid", UINT32_MAX), gate);
	else
		return false;
	return true;
}

void conns_wipe(struct conns *c)
{
	conns_fronts_end(c);
	chan_close(&c->verifier.chan);
	chan_close(&c->door);
	forget(c, true);
	forget(c, false);
	map_free(c->by_id);
	c->by_id = NULL;
}
