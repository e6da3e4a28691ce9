/* Door: accepts connections, learns from the kernel who is behind each, and tells
 * the core. Holds the listeners, one pidfd and one `maps` descriptor a process, and
 * CAP_SYS_PTRACE to look at processes of other users. Reads one thing a client
 * chose: the nonce of the hello, which it made itself.
 *	door -> core	DC_CONN conn uid gid groups pid …   core -> door  DC_KNOWN
 *	door -> front	DF_CONN conn + connection, pidfd    front -> door  DF_CLOSED
 *	door -> gate	DF_CONN conn + connection           gate -> door   DF_CLOSED
 *	core -> door	DC_CHECK conn [exe]                 door -> core  DC_CHECKED
 *	core -> door	DC_EXAMINE [+ pidfd]                door -> core  DC_EXAMINED
 * Nothing that clients or fronts do makes it wait: it posts, and closes nothing that a
 * stranger sent (sockets take no descriptors before their front has them).
 * Descriptors at start: 3 supervisor, 4 api.sock, 5 admin.sock, 6 http.sock (http=yes;
 * all listening). */
#include "lib/door.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/passrights.h"
#include "lib/roles.h"
#include "lib/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	DOOR_API_FD = 4,
	DOOR_ADMIN_FD = 5,
	DOOR_HTTP_FD = 6,
	DOOR_ACCEPTS = 32
};

static void accept_some(struct loop_fd *w, uint32_t events)
{
	struct door_listener *l = (struct door_listener *)w;

	(void)events;
	for (int i = 0; i < DOOR_ACCEPTS; i++) {
		int sock = accept4(w->fd, NULL, NULL,
				   SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (sock < 0)
			return;
		door_conn_accepted(sock, l);
	}
}

/* The core's questions */

static void check(const struct msg *m)
{
	struct door_conn *c = door_conn_find((uint32_t)m->id);
	bool alive = c && peer_alive(&c->proc->peer);
	bool runs = false;
	struct attrs out;
	struct attr a;

	if (alive && attr_find(m->attrs, "exe", &a)) {
		char *path = NULL;

		runs = attr_str(&a, &path) == OK &&
		       peer_runs(&c->proc->peer, path);
		free(path);
	}
	attrs_init(&out);
	ENSURE(attrs_add_str(&out, "alive", alive ? "yes" : "no") == OK);
	ENSURE(attrs_add_str(&out, "exe", runs ? "yes" : "no") == OK);
	if (attr_find(m->attrs, "ref", &a))
		ENSURE(attrs_add_attr(&out, &a) == OK);
	chan_tell(&door.core, DC_CHECKED, m->id, attrs_view(&out));
	attrs_wipe(&out);
}

static void from_core(struct chan *ch, const struct msg *m)
{
	struct door_conn *c;

	switch ((enum door_core_kind)m->kind) {
	case DC_KNOWN:
		c = door_conn_find((uint32_t)m->id);
		if (c)
			door_conn_known(c);
		return;
	case DC_CHECK:
		check(m);
		return;
	case DC_EXAMINE:
		/* those that name another have none beside them */
		door_examine(m, attr_count(m->attrs, "conn") ||
						attr_count(m->attrs, "pid")
					? -1
					: chan_take_fd(ch));
		return;
	case DC_CONN:
	case DC_GONE:
	case DC_CHECKED:
	case DC_EXAMINED:
	case DC_REFUSED:
	case DC_UNCHECKED:
		break;
	}
	child_broken("core");
}

/* The core is being started anew; every connection is told to the next one. */
static void core_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch);
}

static void tell_everything(void)
{
	for (size_t i = 0; i < DOOR_HASH; i++)
		for (struct door_conn *c = door.conns[i]; c; c = c->next)
			if (c->state != DOOR_HELLO) {
				c->retold = c->state == DOOR_HANDED;
				door_conn_tell(c);
			}
}

/* Fronts */

static void front_end(struct chan *ch, const struct fault *why);

static void from_front(struct chan *ch, const struct msg *m)
{
	struct door_user *u = (struct door_user *)ch;
	struct door_conn *c = door_conn_find((uint32_t)m->id);

	if (m->kind != DF_CLOSED) {
		struct fault why;

		(void)fault_set(&why, ERR_INVALID,
				"it says what no front says");
		front_end(ch, &why);
		return;
	}
	/* a front speaks of its own connections only */
	if (c && c->user == u && c->state == DOOR_HANDED)
		door_conn_end(c, false);
}

static void front_end(struct chan *ch, const struct fault *why)
{
	struct door_user *u = (struct door_user *)ch;
	struct door_conn *c, *next;
	bool waits = false;

	chan_close(ch);
	u->conns++; /* keeps u while its connections end */
	for (size_t i = 0; i < DOOR_HASH; i++) {
		for (c = door.conns[i]; c; c = next) {
			next = c->next;
			if (c->user == u && c->state == DOOR_HANDED)
				door_conn_end(c, false);
			else if (c->user == u && c->state == DOOR_KNOWN)
				waits = true;
		}
	}
	u->conns--;
	if (why && why->code != ERR_UNAVAILABLE)
		child_front_broken(&door.sup, u->uid, u->http, why->text);
	if (why && waits) /* those that it was too slow for */
		door_front_ask(u);
	if (why)
		door_user_drop(u);
}

static void front_drained(struct chan *ch)
{
	door_conn_hand_over((struct door_user *)ch);
}

static void front_came(int fd, uid_t uid, bool http)
{
	static const struct chan_ops ops = { from_front, front_end,
					     front_drained };
	static struct chan_budget none; /* it has none to send */
	struct door_user *u = door_user_get(uid, http);

	if (chan_is_open(&u->front))
		front_end(&u->front, NULL);
	/* what it could send is closed by whoever receives it */
	(void)!passrights_set(fd, false);
	chan_open(&u->front, door.loop, fd, false, &ops);
	chan_limit_fds(&u->front, &none);
	u->asked = false;
	door_conn_hand_over(u);
}

/* Answers to the core that it has not read yet: as long as there are some it is not
 * asked for more. */
static void core_drained(struct chan *ch)
{
	chan_pause(ch, false);
}

/* The supervisor */

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops core_ops = { from_core, core_end,
						  core_drained };
	bool http = !strcmp(peer, "gate");
	uint64_t uid;

	if (http || !strcmp(peer, "front")) {
		uid = child_number(m, "uid", UINT32_MAX);
		front_came(fd, (uid_t)uid, http);
	} else {
		chan_close(&door.core);
		chan_open(&door.core, door.loop, fd, false, &core_ops);
		tell_everything();
	}
}

static void from_supervisor(const struct msg *m)
{
	bool http = attr_count(m->attrs, "http");
	uid_t uid = (uid_t)child_number(m, "uid", UINT32_MAX);

	if (m->kind != SUP_NO_FRONT)
		child_broken("supervisor");
	door_front_none(door_user_get(uid, http), child_text(m, "text"));
}

static void listen_on(struct door_listener *l, int fd)
{
	l->watch = (struct loop_fd){ .fd = fd,
				     .events = EPOLLIN,
				     .on = accept_some };
	/* accepted sockets have what their listener has */
	if (!passrights_set(fd, false) && !l->admin && !l->http)
		child_weaker("whoever connects can make all others wait: this "
			     "kernel cannot keep what he sends from the door "
			     "(SO_PASSRIGHTS, Linux 6.16)");
	ENSURE(loop_watch(door.loop, &l->watch) == OK);
}

static void start(const struct msg *m)
{
	door.http.http = attr_count(m->attrs, "http") != 0;
}

int role_door(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = from_supervisor,
					      .start = start };

	door.loop = loop_new();
	door_conn_limits();
	/* not from 1: an answer on its way to a connection of the door before
	 * this one must not find a new connection of that number */
	random_fill(&door.last_id, sizeof door.last_id);
	door.last_id &= ~CONN_REMOTE;
	child_start(door.loop, &door.sup, CONFINE_DOOR, &ops);
	door.admin.admin = true;
	listen_on(&door.api, DOOR_API_FD);
	listen_on(&door.admin, DOOR_ADMIN_FD);
	if (door.http.http)
		listen_on(&door.http, DOOR_HTTP_FD);
	child_ready(&door.sup);
	loop_run(door.loop);
	return 0;
}
