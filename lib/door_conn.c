/* Door, its connections: accepts them, learns from the kernel who is behind each, and tells
 * the core. Holds the listeners, one pidfd and one `maps` descriptor a process, and
 * CAP_SYS_PTRACE to look at processes of other users. Reads one thing a client
 * chose: the nonce of the hello, which it made itself.
 *	door -> core	DC_CONN conn uid gid groups pid …   core -> door  DC_KNOWN
 *	door -> front	DF_CONN conn + connection, pidfd    front -> door  DF_CLOSED
 *	core -> door	DC_CHECK conn [exe]                 door -> core  DC_CHECKED
 * Descriptors at start: 3 supervisor, 4 api.sock, 5 admin.sock (listening). */
#include "lib/door.h"

#include "lib/clock.h"
#include "lib/hello.h"
#include "lib/kinds.h"
#include "lib/log.h"
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

struct door_user *door_user_get(uid_t uid)
{
	struct door_user *u = door.users;

	while (u && u->uid != uid)
		u = u->next;
	if (u)
		return u;
	u = xcalloc(1, sizeof *u);
	u->uid = uid;
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

/* Says why in the protocol's own words, before closing. */
static void refuse(int sock, enum err code, const char *text)
{
	struct attrs a;
	struct buf b;

	attrs_init(&a);
	buf_init(&b, MSG_MAX);
	if (attrs_add_str(&a, "error", err_name(code)) == OK &&
	    attrs_add_str(&a, "text", text) == OK &&
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
	if (c->state == DOOR_HANDED)
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

static void conn_refuse(struct door_conn *c, enum err code, const char *text)
{
	refuse(c->sock, code, text);
	door_conn_end(c, false);
}

static void conn_late(struct loop_timer *t)
{
	struct door_conn *c =
		(struct door_conn *)((char *)t -
				     offsetof(struct door_conn, deadline));

	conn_refuse(c, ERR_TIMEOUT,
		    "the hello was not answered within 5 seconds: send the "
		    "nonce back and the version");
}

/* What the front does not take now it gets with front_drained: c stays known. */
static void hand_over(struct door_conn *c)
{
	int fd[] = { c->sock, fcntl(c->proc->peer.pidfd, F_DUPFD_CLOEXEC, 0) };
	struct attrs a;
	enum err e;

	if (fd[1] < 0) {
		conn_refuse(c, ERR_LIMITED, "too many descriptors are open");
		return;
	}
	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "pid", (uint64_t)c->proc->peer.pid) == OK);
	if (c->admin)
		ENSURE(attrs_add_str(&a, "admin", "yes") == OK);
	(void)!door_conn_rights(c->sock, true);
	e = chan_post_fds(&c->user->front, DF_CONN, c->id, attrs_view(&a), fd,
			  NELEM(fd));
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
	chan_tell(&door.sup, SUP_FRONT, 0, attrs_view(&a));
	attrs_wipe(&a);
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

/* The hello: the answer must come from the process that connected, which must
 * still be the program it was. */

static ssize_t hello_read(int sock, uint8_t *p, pid_t *pid)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(256)];
	} ctl;
	struct iovec iov = { .iov_base = p, .iov_len = HELLO_CLIENT };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*pid = -1;
	for (struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL; h;
	     h = CMSG_NXTHDR(&m, h)) {
		struct ucred u;
		int fd;

		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&u, CMSG_DATA(h), sizeof u);
			*pid = u.pid;
		}
		for (size_t i = 0; h->cmsg_type == SCM_RIGHTS &&
				   CMSG_LEN((i + 1) * sizeof fd) <= h->cmsg_len;
		     i++) {
			memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
			close(fd);
		}
	}
	return n;
}

static void hello_check(struct door_conn *c, const uint8_t *answer, pid_t pid)
{
	struct rd r = rd_from(answer + HELLO_NONCE, 2);
	const struct peer *p = &c->proc->peer;
	uint16_t version;

	ENSURE(rd_u16(&r, &version) == OK);
	if (pid != p->pid)
		conn_refuse(c, ERR_UNAUTHENTICATED,
			    "the hello was answered by another process than "
			    "the one that connected");
	else if (!secret_equal(answer, c->nonce, HELLO_NONCE))
		conn_refuse(
			c, ERR_UNAUTHENTICATED,
			"the hello carries another nonce than the one sent");
	else if (version != HELLO_VERSION)
		conn_refuse(c, ERR_UNSUPPORTED,
			    "this server speaks version 1 of the protocol");
	else if (!peer_alive(p) || (p->exe_known && !peer_same_program(p)))
		conn_refuse(c, ERR_UNAUTHENTICATED,
			    "the process ran another program before it "
			    "answered the hello: connect again");
	else if (peer_format(p, c->sock, &c->subject) != OK ||
		 (c->admin && attrs_add_str(&c->subject, "admin", "yes") != OK))
		conn_refuse(c, ERR_INTERNAL, "the subject is too large");
	else {
		loop_disarm(&c->deadline);
		loop_unwatch(&c->watch);
		c->user->hellos--;
		door_conn_tell(c);
	}
}

static void conn_readable(struct loop_fd *w, uint32_t events)
{
	struct door_conn *c = (struct door_conn *)w; /* its first member */
	uint8_t answer[HELLO_CLIENT];
	pid_t pid;
	ssize_t n = hello_read(c->sock, answer, &pid);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == HELLO_CLIENT)
		hello_check(c, answer, pid);
	else if (n > 0)
		conn_refuse(c, ERR_INVALID,
			    "the hello has to be answered in one piece: nonce "
			    "and version, 18 bytes");
	else
		door_conn_end(c, false);
}

static enum err hello_send(struct door_conn *c)
{
	struct buf b;
	enum err e = OK;

	random_fill(c->nonce, sizeof c->nonce);
	buf_init(&b, HELLO_SERVER);
	ENSURE(buf_put(&b, c->nonce, sizeof c->nonce) == OK);
	ENSURE(buf_u16(&b, HELLO_VERSION) == OK);
	ENSURE(buf_u16(&b, HELLO_VERSION) == OK);
	if (send(c->sock, b.p, b.len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    HELLO_SERVER)
		e = ERR_UNAVAILABLE;
	buf_wipe(&b);
	return e;
}

/* Never all ones (that is nobody), and never one that is still in use. */
static uint32_t next_id(void)
{
	do
		door.last_id++;
	while (door.last_id == UINT32_MAX || door_conn_find(door.last_id));
	return door.last_id;
}

static void conn_new(int sock, struct door_proc *p, struct door_user *u,
		     bool admin)
{
	struct door_conn *c = xcalloc(1, sizeof *c);
	int on = 1;

	*c = (struct door_conn){ .id = next_id(),
				 .sock = sock,
				 .proc = p,
				 .user = u,
				 .admin = admin };
	c->watch = (struct loop_fd){ .fd = sock,
				     .events = EPOLLIN,
				     .on = conn_readable };
	c->deadline.on = conn_late;
	attrs_init(&c->subject);
	c->next = door.conns[c->id % DOOR_HASH];
	door.conns[c->id % DOOR_HASH] = c;
	door.n_conns++;
	door.n_socks++;
	u->conns++;
	u->hellos++;
	loop_arm(door.loop, &c->deadline, loop_now(door.loop) + DOOR_HELLO_NS);
	/* before the nonce leaves: its answer carries credentials for sure */
	ENSURE(!setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	ENSURE(loop_watch(door.loop, &c->watch) == OK);
	if (hello_send(c) != OK)
		door_conn_end(c, false);
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

void door_conn_accepted(int sock, bool admin)
{
	struct door_proc *p;
	struct door_user *u;
	struct fault f;

	if (proc_get(sock, &p, &f) != OK) {
		refuse(sock, f.code, f.text);
		close(sock);
		return;
	}
	u = door_user_get(p->peer.uid);
	if (is_full(u)) {
		refuse(sock, ERR_LIMITED,
		       "too many connections of this user are open: close some "
		       "or send several requests over one");
		close(sock);
		proc_drop(p);
		door_user_drop(u);
		return;
	}
	conn_new(sock, p, u, admin);
}
