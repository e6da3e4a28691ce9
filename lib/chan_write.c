/* Channels, their writing half: a turn's messages in one batch, and descriptors, which
 * leave with the first byte of their message. Used by every process. */
#include "lib/chan_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CHAN_EAGER = 24 << 10, /* bytes that do not wait for the turn's end */
};

/* A queued message with descriptors: from at to end of what is queued. */
struct chan_post {
	struct chan_post *next;
	size_t at, end;
	int fd[CHAN_FDS_MAX]; /* owned */
	size_t n;
};

void chan_rest(struct buf *b, size_t kept)
{
	if (b->cap > kept)
		buf_wipe(b);
}

static void close_fds(int *fd, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fd_close(&fd[i]);
}

static void drop_first(struct chan *c)
{
	struct chan_post *p = c->posts;

	c->posts = p->next;
	close_fds(p->fd, p->n);
	free(p);
}

void chan_unpost(struct chan *c)
{
	while (c->posts)
		drop_first(c);
}

size_t chan_posted(const struct chan *c)
{
	size_t n = 0;

	for (const struct chan_post *p = c->posts; p; p = p->next)
		n += p->n;
	return n;
}

static void chan_want(struct chan *c)
{
	if (c->ended)
		return;
	loop_change(&c->watch,
		    (c->paused ? 0 : (uint32_t)EPOLLIN) |
			    (c->out.len || c->full ? (uint32_t)EPOLLOUT : 0));
}

static ssize_t send_with(int fd, const uint8_t *p, size_t n, const int *fds,
			 size_t nfds, int flags)
{
	union chan_control ctl;
	union {
		const uint8_t *in;
		void *out;
	} base = { .in = p };
	struct iovec iov = { .iov_base = base.out, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *h = &ctl.align;

	if (nfds) {
		memset(&ctl, 0, sizeof ctl);
		m.msg_control = &ctl;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * nfds);
	}
	return sendmsg(fd, &m, flags | MSG_NOSIGNAL);
}

/* What is queued from `at`: as far as the next message with descriptors, or that one
 * with them, alone: whoever reads it finds no other message behind them in one read. */
static ssize_t write_piece(struct chan *c, size_t at, int flags)
{
	const struct chan_post *p = c->posts;
	ssize_t n;

	if (!p || at < p->at)
		return send(c->watch.fd, c->out.p + at,
			    (p ? p->at : c->out.len) - at,
			    flags | MSG_NOSIGNAL);
	n = send_with(c->watch.fd, c->out.p + at, p->end - at, p->fd, p->n,
		      flags);
	if (n > 0)
		drop_first(c);
	return n;
}

static void wrote(struct chan *c, size_t done)
{
	if (done == c->out.len)
		buf_clear(&c->out);
	else
		buf_drop(&c->out, done);
	for (struct chan_post *p = c->posts; p; p = p->next) {
		p->at -= done;
		p->end -= done;
	}
}

/* Writes what is queued, with flags 0 all of it. */
static enum err write_out(struct chan *c, int flags)
{
	size_t done = 0;
	enum err e = OK;

	while (done < c->out.len) {
		ssize_t n = write_piece(c, done, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			c->full = true;
			break;
		}
		if (n < 0) { /* the reading side will tell */
			if (errno != EPIPE && errno != ECONNRESET)
				(void)shutdown(c->watch.fd, SHUT_RDWR);
			done = c->out.len;
			chan_unpost(c);
			e = ERR_UNAVAILABLE;
			break;
		}
		done += (size_t)n;
	}
	wrote(c, done);
	return e;
}

enum err chan_write(struct chan *c)
{
	enum err e = write_out(c, MSG_DONTWAIT);

	if (!c->out.len)
		chan_rest(&c->out, CHAN_OUT_KEPT);
	chan_want(c);
	return e;
}

void chan_flush(struct chan *c)
{
	(void)!chan_write(c);
}

enum err chan_send(struct chan *c, uint32_t kind, uint64_t id,
		   struct attr_view attrs)
{
	enum err e;

	if (!c->loop || c->ended)
		return ERR_UNAVAILABLE;
	if (attrs.len > MSG_MAX - MSG_HEAD)
		return ERR_TOO_LARGE;
	e = msg_put(&c->out, kind, id, attrs);
	if (e != OK)
		return ERR_LIMITED;
	/* A long batch is written in pieces, so that the peer works on one while
	 * we make the next. */
	if (c->out.len >= CHAN_EAGER && !(c->watch.events & EPOLLOUT))
		chan_flush(c);
	else
		loop_defer(c->loop, &c->flush);
	return OK;
}

void chan_tell(struct chan *c, uint32_t kind, uint64_t id,
	       struct attr_view attrs)
{
	enum err e = chan_send(c, kind, id, attrs);

	ENSURE(e != ERR_TOO_LARGE);
}

static void add_post(struct chan *c, size_t at, const int *fd, size_t n)
{
	struct chan_post *p = xcalloc(1, sizeof *p), **last = &c->posts;

	p->at = at;
	p->end = c->out.len;
	memcpy(p->fd, fd, n * sizeof *fd);
	p->n = n;
	while (*last)
		last = &(*last)->next;
	*last = p;
}

enum err chan_post_fds(struct chan *c, uint32_t kind, uint64_t id,
		       struct attr_view attrs, int *fd, size_t n)
{
	size_t at = c->out.len;
	enum err e = OK;

	ENSURE(n > 0 && n <= CHAN_FDS_MAX);
	if (!c->loop || c->ended)
		e = ERR_UNAVAILABLE;
	else if (attrs.len > MSG_MAX - MSG_HEAD)
		e = ERR_TOO_LARGE;
	else if (msg_put(&c->out, kind, id, attrs) != OK)
		e = ERR_LIMITED;
	if (e != OK) {
		close_fds(fd, n);
		return e;
	}
	add_post(c, at, fd, n);
	if (!(c->watch.events & EPOLLOUT))
		chan_flush(c);
	return OK;
}

static void set_blocking(int fd, bool on)
{
	int fl = fcntl(fd, F_GETFL);

	ENSURE(fl >= 0);
	ENSURE(!fcntl(fd, F_SETFL, on ? fl & ~O_NONBLOCK : fl | O_NONBLOCK));
}

static enum err send_one(int fd, bool secret, uint32_t kind, uint64_t id,
			 struct attr_view attrs, const int *fds, size_t nfds)
{
	size_t done = 0;
	struct buf b;
	enum err e;

	(secret ? buf_init_secret : buf_init)(&b, MSG_MAX + 4);
	e = msg_put(&b, kind, id, attrs);
	while (e == OK && done < b.len) {
		ssize_t n = send_with(fd, b.p + done, b.len - done, fds,
				      done ? 0 : nfds, 0);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			e = ERR_UNAVAILABLE;
	}
	buf_wipe(&b);
	return e;
}

enum err chan_send_fds(struct chan *c, uint32_t kind, uint64_t id,
		       struct attr_view attrs, const int *fd, size_t n)
{
	enum err e;

	if (!c->loop || c->ended)
		return ERR_UNAVAILABLE;
	ENSURE(n <= CHAN_FDS_MAX);
	set_blocking(c->watch.fd, true);
	e = write_out(c, 0);
	if (e == OK)
		e = send_one(c->watch.fd, c->secret, kind, id, attrs, fd, n);
	set_blocking(c->watch.fd, false);
	chan_want(c);
	return e;
}

void chan_last(struct chan *c, uint32_t kind, uint64_t id,
	       struct attr_view attrs)
{
	if (!c->loop || msg_put(&c->out, kind, id, attrs) != OK)
		return;
	(void)!send(c->watch.fd, c->out.p, c->out.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	chan_unpost(c);
	buf_clear(&c->out);
}

void chan_pause(struct chan *c, bool paused)
{
	if (!c->loop || c->paused == paused)
		return;
	c->paused = paused;
	chan_want(c);
	if (!paused && c->in.len)
		loop_defer(c->loop, &c->flush);
}
