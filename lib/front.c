/* Front: parses what clients of one uid send. Holds their connections, a pidfd of
 * the process behind each, and no secret; names connections, never subjects. Descriptors
 * beside a call (fds=) go on to the core unread, if they are UNIX stream sockets or pidfds:
 * closing others (files of FUSE, TCP sockets that linger) may take as long as a stranger
 * likes, which he shall do to his own front only.
 *	door -> front	DF_CONN conn + connection + pidfd
 *	front -> door	DF_CLOSED conn			door -> front	DF_DROP conn
 *	front -> core	CLIENT_CALL conn|id … + fds	core -> front	CLIENT_REPLY …
 *							core -> front	FC_CLOSE + fd
 * A broken front can use what its uid may use, and nothing else. */
#include "lib/call_check.h"
#include "lib/child.h"
#include "lib/clock.h"
#include "lib/roles.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRONT_IDLE_NS (30 * CLOCK_SECOND)

enum {
	FRONT_HASH = 256,
	FRONT_IN_FLIGHT = 128,      /* calls of one connection */
	FRONT_DRAIN = 16,           /* reads of what a passed socket holds */
	FRONT_CLIENT_OUT = 4 << 20, /* unread answers until we stop reading */
	FRONT_CORE_OUT = 16 << 20,  /* unread calls until we stop reading */
	FRONT_CALL_FDS = 2,         /* descriptors beside a call */
	FRONT_FDS = 32, /* … of calls that are not whole yet, in all: DOOR_FDS
			   leaves room for them */
};

struct front_conn {
	struct chan chan; /* first member */
	uint32_t id;
	unsigned in_flight;
	uint32_t call[FRONT_IN_FLIGHT]; /* their ids */
	struct front_conn *next;
};

static struct {
	struct loop *loop;
	struct chan sup, door, core;
	struct front_conn *conns[FRONT_HASH];
	bool held; /* clients are not read: no core, or it is behind */
	unsigned n_conns;
	struct loop_timer idle;
	struct chan_budget fds;
} front;

static struct front_conn *conn_find(uint32_t id)
{
	struct front_conn *c = front.conns[id % FRONT_HASH];

	while (c && c->id != id)
		c = c->next;
	return c;
}

/* Forgets a connection; the others are told unless they told us. */
static void conn_end(struct front_conn *c, bool tell_door)
{
	struct front_conn **at = &front.conns[c->id % FRONT_HASH];

	if (tell_door)
		chan_tell(&front.door, DF_CLOSED, c->id,
			  (struct attr_view){ 0 });
	if (chan_is_open(&front.core))
		chan_tell(&front.core, FC_CLOSED, (uint64_t)c->id << 32,
			  (struct attr_view){ 0 });
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	chan_close(&c->chan);
	free(c);
	if (!--front.n_conns)
		loop_arm(front.loop, &front.idle,
			 loop_now(front.loop) + FRONT_IDLE_NS);
}

static void for_each_conn(void (*each)(struct front_conn *c))
{
	struct front_conn *c, *next;

	for (size_t i = 0; i < FRONT_HASH; i++) {
		for (c = front.conns[i]; c; c = next) {
			next = c->next;
			each(c);
		}
	}
}

/* Errors of our own */

static void make_error(struct attrs *a, enum err code, const char *text)
{
	attrs_init(a);
	ENSURE(attrs_add_str(a, "error", err_name(code)) == OK);
	ENSURE(attrs_add_str(a, "text", text) == OK);
	if (code == ERR_UNAVAILABLE || code == ERR_LIMITED)
		ENSURE(attrs_add_u64(a, "retry_after", 1) == OK);
}

static void answer_error(struct front_conn *c, uint32_t id, enum err code,
			 const char *text)
{
	struct attrs a;

	make_error(&a, code, text);
	chan_tell(&c->chan, CLIENT_ERROR, id, attrs_view(&a));
	attrs_wipe(&a);
}

/* About the connection itself, which then ends. */
static void conn_refuse(struct front_conn *c, enum err code, const char *text)
{
	struct attrs a;

	make_error(&a, code, text);
	chan_last(&c->chan, CLIENT_ERROR, UINT32_MAX, attrs_view(&a));
	attrs_wipe(&a);
	conn_end(c, true);
}

/* Calls */

static bool call_known(const struct front_conn *c, uint32_t id)
{
	for (unsigned i = 0; i < c->in_flight; i++)
		if (c->call[i] == id)
			return true;
	return false;
}

static void call_done(struct front_conn *c, uint32_t id)
{
	for (unsigned i = 0; i < c->in_flight; i++) {
		if (c->call[i] == id) {
			c->call[i] = c->call[--c->in_flight];
			return;
		}
	}
}

static void pace(struct front_conn *c)
{
	chan_pause(&c->chan, front.held || c->chan.out.len > FRONT_CLIENT_OUT);
}

static void hold(bool held)
{
	if (front.held == held)
		return;
	front.held = held;
	for_each_conn(pace);
}

/* The descriptors beside a call */

struct call_fds {
	int fd[FRONT_CALL_FDS];
	size_t n;
};

static void call_fds_close(struct call_fds *d)
{
	while (d->n)
		chan_drop_fd(&front.fds, d->fd[--d->n]);
}

static bool is_unix_stream(int fd)
{
	int domain, type;
	socklen_t n = sizeof domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n))
		return false;
	n = sizeof type;
	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) &&
	       domain == AF_UNIX && type == SOCK_STREAM;
}

/* Whether it lives and may be signalled is another matter. */
static bool is_pidfd(int fd)
{
	return !syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) ||
	       errno != EBADF;
}

/* Takes what fds= announces. False: there is nothing to pass on, and the client has been
 * told; c may be gone. */
static bool call_fds_take(struct front_conn *c, const struct msg *m,
			  struct call_fds *d)
{
	uint64_t n;
	struct attr a;
	enum err e;

	if (!attr_count(m->attrs, "fds"))
		return true;
	if (attr_only(m->attrs, "fds", &a) != OK ||
	    attr_u64(&a, FRONT_CALL_FDS, &n) != OK || !n) {
		answer_error(c, (uint32_t)m->id, ERR_INVALID,
			     "fds= says how many descriptors came with this "
			     "call: 1 or 2");
		return false;
	}
	e = chan_take_fds(&c->chan, d->fd, n);
	if (e != OK) {
		conn_refuse(c, e,
			    e == ERR_LIMITED
				    ? "a descriptor could not be received: too "
				      "many are open here"
				    : "fewer descriptors came than fds= says: "
				      "send them with the first byte of their "
				      "call");
		return false;
	}
	d->n = n;
	for (size_t i = 0; i < n; i++) {
		if (is_unix_stream(d->fd[i]) || is_pidfd(d->fd[i]))
			continue;
		answer_error(c, (uint32_t)m->id, ERR_INVALID,
			     "a descriptor beside a call is a UNIX stream "
			     "socket or a pidfd: this one is neither");
		return false;
	}
	return true;
}

static void pass_on(const struct front_conn *c, const struct msg *m,
		    struct call_fds *d)
{
	uint64_t id = (uint64_t)c->id << 32 | m->id;
	enum err e;

	if (d->n)
		e = chan_post_fds(&front.core, CLIENT_CALL, id, m->attrs, d->fd,
				  d->n);
	else
		e = chan_send(&front.core, CLIENT_CALL, id, m->attrs);
	d->n = 0;
	if (e != OK)
		child_broken("core");
	if (front.core.out.len > FRONT_CORE_OUT || chan_posted(&front.core))
		hold(true);
}

static void from_client(struct chan *ch, const struct msg *m)
{
	struct front_conn *c = (struct front_conn *)ch;
	AUTO(call_fds_close) struct call_fds fds = { .n = 0 };
	struct fault f;

	if (m->kind != CLIENT_CALL || m->id >= UINT32_MAX) {
		conn_refuse(c, ERR_INVALID,
			    "a client sends calls (kind 1) with ids below "
			    "2^32-1");
		return;
	}
	if (!call_fds_take(c, m, &fds))
		return;
	if (call_check(m->attrs, &f) != OK) {
		answer_error(c, (uint32_t)m->id, f.code, f.text);
		return;
	}
	if (call_known(c, (uint32_t)m->id)) {
		conn_refuse(c, ERR_INVALID,
			    "two calls in flight have the same id");
		return;
	}
	if (c->in_flight == FRONT_IN_FLIGHT) {
		answer_error(c, (uint32_t)m->id, ERR_LIMITED,
			     "more than 128 calls of this connection are in "
			     "flight: read answers first");
		return;
	}
	c->call[c->in_flight++] = (uint32_t)m->id;
	pass_on(c, m, &fds);
}

static void client_end(struct chan *ch, const struct fault *why)
{
	struct front_conn *c = (struct front_conn *)ch;

	if (why->code == ERR_UNAVAILABLE) /* simply closed */
		conn_end(c, true);
	else
		conn_refuse(c, why->code, why->text);
}

static void client_drained(struct chan *ch)
{
	pace((struct front_conn *)ch);
}

static void conn_came(const struct msg *m, int fd, int pidfd)
{
	static const struct chan_ops ops = { from_client, client_end,
					     client_drained };
	struct front_conn *c = xcalloc(1, sizeof *c);

	front.n_conns++;
	loop_disarm(&front.idle);
	c->id = (uint32_t)m->id;
	chan_open(&c->chan, front.loop, fd, false, &ops);
	chan_limit_fds(&c->chan, &front.fds);
	chan_expect_process(&c->chan,
			    (int32_t)child_number(m, "pid", INT32_MAX), pidfd);
	c->next = front.conns[c->id % FRONT_HASH];
	front.conns[c->id % FRONT_HASH] = c;
	pace(c);
}

/* Door */

static void from_door(struct chan *ch, const struct msg *m)
{
	struct front_conn *c = conn_find((uint32_t)m->id);
	int fd, pidfd;

	switch ((enum door_front_kind)m->kind) {
	case DF_CONN:
		fd = chan_take_fd(ch);
		pidfd = chan_take_fd(ch);
		if (fd < 0 || pidfd < 0 || c)
			child_broken("door");
		conn_came(m, fd, pidfd);
		return;
	case DF_DROP:
		if (c)
			conn_end(c, false);
		return;
	case DF_CLOSED:
		break;
	}
	child_broken("door");
}

static void drop_conn(struct front_conn *c)
{
	conn_end(c, false);
}

/* What door knew about our connections is gone with it, so they end too: a client
 * connects again and is examined again. */
static void door_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch);
	for_each_conn(drop_conn);
}

/* The core */

/* A descriptor that the core has done with. What it only looked at is taken out first:
 * the close of a socket that has something in it resets the other end. */
static void end_passed(int fd)
{
	char b[512];

	for (int i = 0; i < FRONT_DRAIN; i++)
		if (recv(fd, b, sizeof b, MSG_DONTWAIT) <= 0)
			break;
	explicit_bzero(b, sizeof b);
	fd_close(&fd);
}

static void from_core(struct chan *ch, const struct msg *m)
{
	struct front_conn *c = conn_find((uint32_t)(m->id >> 32));
	uint32_t id = (uint32_t)m->id;

	if (m->kind == FC_CLOSE) {
		end_passed(chan_take_fd(ch));
		return;
	}
	if (m->kind == FC_DROP) {
		if (c)
			conn_end(c, true);
		return;
	}
	if (m->kind != CLIENT_REPLY && m->kind != CLIENT_ERROR &&
	    m->kind != CLIENT_ITEM)
		child_broken("core");
	if (!c || !call_known(c, id))
		return;
	if (m->kind != CLIENT_ITEM)
		call_done(c, id);
	if (chan_send(&c->chan, m->kind, id, m->attrs) != OK) {
		conn_end(c, true); /* it never reads */
		return;
	}
	pace(c);
}

static void give_up_calls(struct front_conn *c)
{
	while (c->in_flight)
		answer_error(c, c->call[--c->in_flight], ERR_UNAVAILABLE,
			     "what serves this call was started anew while it "
			     "was in flight: send it again");
}

static void core_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch);
	for_each_conn(give_up_calls);
	hold(true);
}

/* The core has caught up: read from clients again. */
static void core_drained(struct chan *ch)
{
	(void)ch;
	hold(false);
}

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops door_ops = { from_door, door_end, NULL };
	static const struct chan_ops core_ops = { from_core, core_end,
						  core_drained };

	(void)m;
	if (!strcmp(peer, "door")) {
		chan_close(&front.door);
		chan_open(&front.door, front.loop, fd, false, &door_ops);
	} else {
		chan_close(&front.core);
		chan_open(&front.core, front.loop, fd, false, &core_ops);
		hold(false);
	}
}

static void idle(struct loop_timer *t)
{
	(void)t;
	chan_tell(&front.sup, SUP_IDLE, 0, (struct attr_view){ 0 });
}

int role_front(void)
{
	static const struct child_ops ops = { .peer = peer_came };

	front.loop = loop_new();
	front.held = true;
	front.idle.on = idle;
	front.fds = (struct chan_budget){ .each = FRONT_CALL_FDS,
					  .all = FRONT_FDS,
					  .strangers = true };
	child_start(front.loop, &front.sup, CONFINE_FRONT, &ops);
	child_ready(&front.sup);
	loop_run(front.loop);
	return 0;
}
