/* Door: the hello: the answer must come from the process that connected, which must still
 * be the program it was. Reads one thing a client chose: the nonce, which it made itself. */
#include "lib/door.h"

#include "lib/clock.h"
#include "lib/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
		door_conn_refuse(
			c, ERR_UNAUTHENTICATED,
			"the hello was answered by another process than "
			"the one that connected");
	else if (!secret_equal(answer, c->nonce, HELLO_NONCE))
		door_conn_refuse(
			c, ERR_UNAUTHENTICATED,
			"the hello carries another nonce than the one sent");
	else if (version != HELLO_VERSION)
		door_conn_refuse(
			c, ERR_UNSUPPORTED,
			"this server speaks version 1 of the protocol");
	else if (!peer_alive(p) || (p->exe_known && !peer_same_program(p)))
		door_conn_refuse(c, ERR_UNAUTHENTICATED,
				 "the process ran another program before it "
				 "answered the hello: connect again");
	else if (peer_format(p, c->sock, &c->subject) != OK ||
		 (c->admin && attrs_add_str(&c->subject, "admin", "yes") != OK))
		door_conn_refuse(c, ERR_INTERNAL, "the subject is too large");
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
		door_conn_refuse(
			c, ERR_INVALID,
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

static void conn_late(struct loop_timer *t)
{
	struct door_conn *c =
		(struct door_conn *)((char *)t -
				     offsetof(struct door_conn, deadline));

	door_conn_refuse(
		c, ERR_TIMEOUT,
		"the hello was not answered within 5 seconds: send the "
		"nonce back and the version");
}

void door_hello_begin(struct door_conn *c)
{
	int on = 1;

	c->watch = (struct loop_fd){ .fd = c->sock,
				     .events = EPOLLIN,
				     .on = conn_readable };
	c->deadline.on = conn_late;
	loop_arm(door.loop, &c->deadline, loop_now(door.loop) + DOOR_HELLO_NS);
	/* before the nonce leaves: its answer carries credentials for sure */
	ENSURE(!setsockopt(c->sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	ENSURE(loop_watch(door.loop, &c->watch) == OK);
	if (hello_send(c) != OK)
		door_conn_end(c, false);
}
