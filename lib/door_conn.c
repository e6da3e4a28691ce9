/* Door, its connections: accepts them, learns from the kernel who is behind each, and tells
 * the core. Holds the listeners, one pidfd and one `maps` descriptor a process, and
 * CAP_SYS_PTRACE to look at processes of other users.
 *	door -> core	DC_CONN conn uid gid groups pid …   core -> door  DC_KNOWN
 *	door -> front	DF_CONN conn + connection, pidfd    front -> door  DF_CLOSED
 *	core -> door	DC_CHECK conn [exe]                 door -> core  DC_CHECKED
 * Descriptors at start: 3 supervisor, 4 api.sock, 5 admin.sock (listening). */
#include "lib/door.h"

#include "lib/clock.h"
#include "lib/hello.h"
#include "lib/kinds.h"
#include "lib/log.h"
#include "lib/passrights.h"
#include "lib/problem.h"
#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct door door;

/* Processes: one entry a process and program, shared by its connections */

static struct door_proc *proc_find(pid_t pid)
{
	struct door_proc *p = door.procs[(unsigned)pid % DOOR_HASH];

	while (p && (p->peer.pid != pid || p->dead || !peer_alive(&p->peer)))
		p = p->next;
	return p;
}

static void proc_drop(struct door_proc *p)
{
	struct door_proc **at = &door.procs[(unsigned)p->peer.pid % DOOR_HASH];

	if (--p->refs)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	loop_unwatch(&p->watch);
	peer_close(&p->peer);
	door.n_procs--;
	free(p);
}

static void proc_died(struct loop_fd *w, uint32_t events)
{
	struct door_proc *p = (struct door_proc *)w; /* its first member */
	struct door_conn *c, *next;

	(void)events;
	loop_unwatch(w);
	p->dead = true;
	p->refs++;
	for (size_t i = 0; i < DOOR_HASH; i++) {
		for (c = door.conns[i]; c; c = next) {
			next = c->next;
			if (c->proc == p)
				door_conn_end(c, true);
		}
	}
	proc_drop(p);
}

static enum err proc_get(int sock, struct door_proc **out, struct fault *f)
{
	struct ucred u;
	socklen_t n = sizeof u;
	struct door_proc *p;

	if (!getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &u, &n) &&
	    (p = proc_find(u.pid)) && p->peer.uid == u.uid) {
		p->refs++;
		*out = p;
		return OK;
	}
	p = xcalloc(1, sizeof *p);
	if (peer_open(sock, &p->peer, f) != OK) {
		free(p);
		return ERR_UNAUTHENTICATED;
	}
	p->refs = 1;
	door.n_procs++;
	p->next = door.procs[(unsigned)p->peer.pid % DOOR_HASH];
	door.procs[(unsigned)p->peer.pid % DOOR_HASH] = p;
	p->watch = (struct loop_fd){ .fd = p->peer.pidfd,
				     .events = EPOLLIN,
				     .on = proc_died };
	ENSURE(loop_watch(door.loop, &p->watch) == OK);
	*out = p;
	return OK;
}

/* Users: what one uid may have open at once, and its front */

struct door_user *door_user_get(uid_t uid, bool http)
{
	struct door_user *u = door.users;

	while (u && (u->uid != uid || u->http != http))
		u = u->next;
	if (u)
		return u;
	u = xcalloc(1, sizeof *u);
	u->uid = uid;
	u->http = http;
	u->next = door.users;
	door.users = u;
	return u;
}

void door_user_drop(struct door_user *u)
{
	struct door_user **at = &door.users;

	if (u->conns || chan_is_open(&u->front))
		return;
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	free(u);
}

/* Connections */

struct door_conn *door_conn_find(uint32_t id)
{
	struct door_conn *c = door.conns[id % DOOR_HASH];

	while (c && c->id != id)
		c = c->next;
	return c;
}

/* The same by HTTP, whatever is asked. */
static void refuse_http(int sock, enum err code, const char *text)
{
	struct problem p = { .code = code, .status = 503, .detail = text };
	struct buf body, b;

	buf_init(&body, PROBLEM_MAX);
	buf_init(&b, 2 * PROBLEM_MAX);
	if (problem_format(&p, &body) == OK &&
	    buf_fmt(&b,
		    "HTTP/1.1 503 Service Unavailable\r\n"
		    "Content-Type: " PROBLEM_TYPE "\r\nContent-Length: %zu\r\n"
		    "Retry-After: %d\r\nConnection: close\r\n\r\n",
		    body.len, DOOR_RETRY_S) == OK &&
	    buf_put(&b, body.p, body.len) == OK)
		(void)!send(sock, b.p, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	buf_wipe(&body);
	buf_wipe(&b);
}

/* Says why in the protocol's own words, before closing. */
static void refuse(int sock, enum err code, const char *text)
{
	struct attrs a;
	struct buf b;

	attrs_init(&a);
	buf_init(&b, MSG_MAX);
	if (attrs_add_str(&a, "error", err_name(code)) == OK &&
	    attrs_add_str(&a, "text", text) == OK &&
	    ((code != ERR_LIMITED && code != ERR_UNAVAILABLE) ||
	     attrs_add_u64(&a, "retry_after", DOOR_RETRY_S) == OK) &&
	    msg_put(&b, CLIENT_ERROR, UINT32_MAX, attrs_view(&a)) == OK)
		(void)!send(sock, b.p, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	attrs_wipe(&a);
	buf_wipe(&b);
}

static void sock_close(struct door_conn *c)
{
	door.n_socks -= c->sock >= 0;
	fd_close(&c->sock);
}

static void tell_gone(const struct door_conn *c)
{
	struct attrs a;

	attrs_init(&a);
	if (c->state == DOOR_HANDED && !c->retold)
		ENSURE(attrs_add_str(&a, "handed", "yes") == OK);
	chan_tell(&door.core, DC_GONE, c->id, attrs_view(&a));
	attrs_wipe(&a);
}

void door_conn_end(struct door_conn *c, bool tell_front)
{
	struct door_conn **at = &door.conns[c->id % DOOR_HASH];
	struct door_user *u = c->user;

	if (c->state == DOOR_HELLO)
		u->hellos--;
	if (c->state >= DOOR_TOLD)
		tell_gone(c);
	if (c->state == DOOR_HANDED && tell_front)
		chan_tell(&u->front, DF_DROP, c->id, (struct attr_view){ 0 });
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	loop_disarm(&c->deadline);
	loop_unwatch(&c->watch);
	sock_close(c);
	attrs_wipe(&c->subject);
	proc_drop(c->proc);
	u->conns--;
	door.n_conns--;
	free(c);
	door_user_drop(u);
}

void door_conn_refuse(struct door_conn *c, enum err code, const char *text)
{
	if (c->user->http)
		refuse_http(c->sock, code, text);
	else
		refuse(c->sock, code, text);
	door_conn_end(c, false);
}

/* What the front does not take now it gets with front_drained: c stays known. */
static void hand_over(struct door_conn *c)
{
	int fd[] = { c->sock, c->user->http ? -1
					    : fcntl(c->proc->peer.pidfd,
						    F_DUPFD_CLOEXEC, 0) };
	struct attrs a;
	enum err e;

	if (fd[1] < 0 && !c->user->http) {
		door_conn_refuse(c, ERR_LIMITED,
				 "too many descriptors are open");
		return;
	}
	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "pid", (uint64_t)c->proc->peer.pid) == OK);
	if (c->admin)
		ENSURE(attrs_add_str(&a, "admin", "yes") == OK);
	(void)!passrights_set(c->sock, !c->user->http);
	e = chan_post_fds(&c->user->front, DF_CONN, c->id, attrs_view(&a), fd,
			  c->user->http ? 1 : NELEM(fd));
	attrs_wipe(&a);
	c->sock = -1;
	door.n_socks--;
	c->state = DOOR_HANDED;
	if (e != OK)
		door_conn_end(c, false);
}

/* A front that does not read makes nobody wait but its own user. */
static bool takes_more(const struct door_user *u)
{
	return chan_is_open(&u->front) && !u->front.full &&
	       !chan_posted(&u->front);
}

void door_conn_hand_over(struct door_user *u)
{
	struct door_conn *c, *next;

	u->conns++; /* keeps u while connections end */
	for (size_t i = 0; i < DOOR_HASH && takes_more(u); i++) {
		for (c = door.conns[i]; c && takes_more(u); c = next) {
			next = c->next;
			if (c->user == u && c->state == DOOR_KNOWN)
				hand_over(c);
		}
	}
	u->conns--;
}

void door_front_ask(struct door_user *u)
{
	struct attrs a;

	if (u->asked)
		return;
	u->asked = true;
	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "uid", u->uid) == OK);
	if (u->http)
		ENSURE(attrs_add_str(&a, "http", "yes") == OK);
	chan_tell(&door.sup, SUP_FRONT, 0, attrs_view(&a));
	attrs_wipe(&a);
}

void door_front_none(struct door_user *u, const char *why)
{
	struct door_conn *c, *next;

	u->asked = false;
	u->conns++; /* keeps u while connections end */
	for (size_t i = 0; i < DOOR_HASH; i++) {
		for (c = door.conns[i]; c; c = next) {
			next = c->next;
			if (c->user == u && c->state == DOOR_KNOWN)
				door_conn_refuse(c, ERR_UNAVAILABLE, why);
		}
	}
	u->conns--;
	door_user_drop(u);
}

void door_conn_known(struct door_conn *c)
{
	if (c->state != DOOR_TOLD)
		return;
	c->state = DOOR_KNOWN;
	if (takes_more(c->user))
		hand_over(c);
	else if (!chan_is_open(&c->user->front))
		door_front_ask(c->user);
}

void door_conn_tell(struct door_conn *c)
{
	if (c->state == DOOR_HELLO)
		c->state = DOOR_TOLD;
	chan_tell(&door.core, DC_CONN, c->id, attrs_view(&c->subject));
}

/* Never one that is still in use, nor one of those of remote clients. */
static uint32_t next_id(void)
{
	do
		door.last_id = (door.last_id + 1) & ~CONN_REMOTE;
	while (door_conn_find(door.last_id));
	return door.last_id;
}

static struct door_conn *conn_new(int sock, struct door_proc *p,
				  struct door_user *u)
{
	struct door_conn *c = xcalloc(1, sizeof *c);

	*c = (struct door_conn){
		.id = next_id(), .sock = sock, .proc = p, .user = u
	};
	attrs_init(&c->subject);
	c->next = door.conns[c->id % DOOR_HASH];
	door.conns[c->id % DOOR_HASH] = c;
	door.n_conns++;
	door.n_socks++;
	u->conns++;
	u->hellos++;
	return c;
}

/* HTTP has no hello: who connected is known, which program sends is not. */
static void http_begin(struct door_conn *c)
{
	if (peer_format_who(&c->proc->peer, c->sock, &c->subject) != OK ||
	    attrs_add_str(&c->subject, "via", "gate") != OK) {
		door_conn_refuse(c, ERR_INTERNAL, "the subject is too large");
		return;
	}
	c->user->hellos--;
	door_conn_tell(c);
}

/* Who cannot accept for want of descriptors can refuse nobody either, and turns in a
 * circle: it must not come to that. */
void door_conn_limits(void)
{
	struct rlimit r;

	ENSURE(!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur > DOOR_FDS);
	door.max_fds = r.rlim_cur - DOOR_FDS;
	door.max_user_conns =
		MIN(door.max_fds / DOOR_FDS_FRONT, (uint64_t)DOOR_USER_CONNS);
}

static uint64_t fds_used(void)
{
	uint64_t n = (uint64_t)door.n_procs * DOOR_FDS_PROC + door.n_socks;

	for (const struct door_user *u = door.users; u; u = u->next)
		n += chan_posted(&u->front);
	return n;
}

static bool is_full(const struct door_user *u)
{
	return u->conns >= door.max_user_conns ||
	       u->hellos >= DOOR_USER_HELLOS || door.n_conns >= DOOR_CONNS ||
	       fds_used() >= door.max_fds;
}

static void turn_away(int sock, bool http, enum err code, const char *text)
{
	if (http)
		refuse_http(sock, code, text);
	else
		refuse(sock, code, text);
	close(sock);
}

void door_conn_accepted(int sock, const struct door_listener *l)
{
	struct door_proc *p;
	struct door_user *u;
	struct door_conn *c;
	struct fault f;

	if (proc_get(sock, &p, &f) != OK) {
		turn_away(sock, l->http, f.code, f.text);
		return;
	}
	u = door_user_get(p->peer.uid, l->http);
	if (is_full(u)) {
		turn_away(sock, l->http, ERR_LIMITED,
			  "too many connections of this user are open: close "
			  "some or send several requests over one");
		proc_drop(p);
		door_user_drop(u);
		return;
	}
	c = conn_new(sock, p, u);
	c->admin = l->admin;
	if (l->http)
		http_begin(c);
	else
		door_hello_begin(c);
}
