/* Channels in a loop. Used by every process; a channel that carries confidential
 * values keeps its bytes in secret memory. */
#include "lib/chan.h"

#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CHAN_IN_MAX = 4 + MSG_MAX + CHAN_GULP,
	CHAN_EAGER = 24 << 10, /* bytes that do not wait for the turn's end */
	CHAN_KEPT = 16 << 10,  /* bytes a channel with nothing to hold keeps */
};

union chan_control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * 32) +
		  CMSG_SPACE(sizeof(struct ucred))];
};

/* All reads of a process go through one gulp; what is whole is handed over from
 * there, and only a cut-off rest is kept by the channel. */
static uint8_t *chan_scratch(bool secret)
{
	static uint8_t *plain, *locked;
	uint8_t **at = secret ? &locked : &plain;

	if (!*at)
		*at = secret ? secret_alloc(CHAN_GULP) : xcalloc(1, CHAN_GULP);
	return *at;
}

static void chan_on(struct loop_fd *w, uint32_t events);
static void chan_on_work(struct loop_work *w);

void chan_open(struct chan *c, struct loop *l, int fd, bool secret,
	       const struct chan_ops *ops)
{
	*c = (struct chan){
		.ops = ops, .loop = l, .secret = secret, .creds_pidfd = -1
	};
	c->watch =
		(struct loop_fd){ .fd = fd, .events = EPOLLIN, .on = chan_on };
	c->flush.on = chan_on_work;
	(secret ? buf_init_secret : buf_init)(&c->in, CHAN_IN_MAX);
	(secret ? buf_init_secret : buf_init)(&c->out, CHAN_OUT_MAX);
	ENSURE(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
	ENSURE(loop_watch(l, &c->watch) == OK);
}

void chan_expect_process(struct chan *c, int32_t pid, int pidfd)
{
	c->creds = true;
	c->creds_pid = pid;
	c->creds_pidfd = pidfd;
}

bool chan_is_open(const struct chan *c)
{
	return c->loop != NULL;
}

void chan_close(struct chan *c)
{
	if (!c->loop)
		return;
	if (c->gone)
		*c->gone = true;
	loop_unwatch(&c->watch);
	loop_undefer(c->loop, &c->flush);
	for (size_t i = 0; i < c->fds.n; i++)
		close(c->fds.fd[i]);
	c->fds.n = 0;
	close(c->watch.fd);
	c->watch.fd = -1;
	fd_close(&c->creds_pidfd);
	buf_wipe(&c->in);
	buf_wipe(&c->out);
	c->loop = NULL;
}

static void chan_end(struct chan *c, enum err e, const char *text)
{
	struct fault why;

	if (c->ended)
		return;
	c->ended = true;
	loop_unwatch(&c->watch);
	(void)fault_set(&why, e, "%s", text);
	c->ops->on_end(c, &why);
}

/* Making secret memory costs several system calls, so that what is small stays for
 * the next message; what was large is given back. */
static void chan_rest(struct buf *b, size_t kept)
{
	if (b->cap > kept)
		buf_wipe(b);
}

/* Writing */

static void chan_want(struct chan *c)
{
	if (c->ended)
		return;
	loop_change(&c->watch,
		    (c->paused ? 0 : (uint32_t)EPOLLIN) |
			    (c->out.len || c->full ? (uint32_t)EPOLLOUT : 0));
}

void chan_flush(struct chan *c)
{
	size_t done = 0;

	while (done < c->out.len) {
		ssize_t n =
			send(c->watch.fd, c->out.p + done, c->out.len - done,
			     MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			c->full = true;
			break;
		}
		if (n < 0) { /* the reading side will tell */
			done = c->out.len;
			break;
		}
		done += (size_t)n;
	}
	if (done == c->out.len)
		buf_clear(&c->out);
	else
		buf_drop(&c->out, done);
	if (!c->out.len)
		chan_rest(&c->out, CHAN_OUT_KEPT);
	chan_want(c);
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

static enum err send_all(int fd, const uint8_t *p, size_t n, const int *fds,
			 size_t nfds)
{
	union chan_control ctl;
	struct iovec iov = { .iov_base = NULL, .iov_len = 0 };
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
	while (n) {
		ssize_t k;
		union {
			const uint8_t *in;
			void *out;
		} base = { .in = p };

		iov.iov_base = base.out;
		iov.iov_len = n;
		k = sendmsg(fd, &m, MSG_NOSIGNAL);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return ERR_UNAVAILABLE;
		p += k;
		n -= (size_t)k;
		m.msg_control = NULL;
		m.msg_controllen = 0;
	}
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
	struct buf b;
	enum err e;

	(secret ? buf_init_secret : buf_init)(&b, MSG_MAX + 4);
	e = msg_put(&b, kind, id, attrs);
	if (e == OK)
		e = send_all(fd, b.p, b.len, fds, nfds);
	buf_wipe(&b);
	return e;
}

enum err chan_send_fds(struct chan *c, uint32_t kind, uint64_t id,
		       struct attr_view attrs, const int *fd, size_t n)
{
	enum err e = OK;

	if (!c->loop || c->ended)
		return ERR_UNAVAILABLE;
	ENSURE(n <= CHAN_FDS_MAX);
	set_blocking(c->watch.fd, true);
	if (c->out.len)
		e = send_all(c->watch.fd, c->out.p, c->out.len, NULL, 0);
	buf_clear(&c->out);
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
	buf_clear(&c->out);
}

/* Reading */

int chan_take_fd(struct chan *c)
{
	int fd;

	if (!c->fds.n)
		return -1;
	fd = c->fds.fd[0];
	c->fds.n--;
	memmove(c->fds.fd, c->fds.fd + 1, c->fds.n * sizeof(int));
	return fd;
}

static void keep_fds(struct chan_fds *f, const struct cmsghdr *h)
{
	size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd[32];

	memcpy(fd, CMSG_DATA(h), MIN(n, NELEM(fd)) * sizeof(int));
	for (size_t i = 0; i < n && i < NELEM(fd); i++) {
		if (f->n < NELEM(f->fd))
			f->fd[f->n++] = fd[i];
		else
			close(fd[i]);
	}
}

/* False if the kernel attached another pid than the one expected. */
static bool take_control(struct msghdr *m, struct chan_fds *f, bool creds,
			 int32_t pid)
{
	bool same = !creds;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_RIGHTS)
			keep_fds(f, h);
		if (creds && h->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;

			memcpy(&u, CMSG_DATA(h), sizeof u);
			same = u.pid == pid;
		}
	}
	return same;
}

/* A pid may be somebody else's once its process has ended. */
static bool process_lives(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static ssize_t gulp(struct chan *c, uint8_t *p, size_t n)
{
	union chan_control ctl;
	struct iovec iov = { .iov_base = p, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };
	ssize_t k;

	do
		k = recvmsg(c->watch.fd, &m, MSG_CMSG_CLOEXEC);
	while (k < 0 && errno == EINTR);
	if (k <= 0)
		return k;
	if (!take_control(&m, &c->fds, c->creds, c->creds_pid) ||
	    (c->creds && !process_lives(c->creds_pidfd))) {
		errno = EPERM;
		return -1;
	}
	return k;
}

/* Hands over every whole message of p[0..n); returns what was used, or SIZE_MAX
 * when the channel was closed or has ended. */
static size_t chan_deliver(struct chan *c, const uint8_t *p, size_t n)
{
	bool gone = false;
	size_t done = 0;

	c->gone = &gone;
	while (!c->paused) {
		struct fault f;
		struct msg m;
		size_t used;
		enum err e = msg_get(p + done, n - done, &m, &used, &f);

		if (e == ERR_PENDING)
			break;
		if (e != OK) {
			chan_end(c, e, f.text);
			goto out;
		}
		done += used;
		c->ops->on_msg(c, &m);
		if (gone || c->ended)
			goto out;
	}
	c->gone = NULL;
	return done;
out:
	if (!gone)
		c->gone = NULL;
	return SIZE_MAX;
}

/* Everything kept plus k new bytes of scratch. */
static void chan_take(struct chan *c, uint8_t *scratch, size_t k)
{
	bool kept = c->in.len > 0;
	bool secret = c->secret;
	size_t used;

	if (kept) {
		if (buf_put(&c->in, scratch, k) != OK) {
			chan_end(c, ERR_TOO_LARGE, "too much unread input");
			return;
		}
		used = chan_deliver(c, c->in.p, c->in.len);
		if (used != SIZE_MAX)
			buf_drop(&c->in, used);
	} else {
		used = chan_deliver(c, scratch, k);
		if (used < k)
			ENSURE(buf_put(&c->in, scratch + used, k - used) == OK);
	}
	if (used != SIZE_MAX && !c->in.len)
		chan_rest(&c->in, CHAN_KEPT);
	if (secret)
		secret_zero(scratch, k);
}

static void chan_read(struct chan *c)
{
	uint8_t *scratch = chan_scratch(c->secret);
	ssize_t k = gulp(c, scratch, CHAN_GULP);

	if (k > 0) {
		chan_take(c, scratch, (size_t)k);
		return;
	}
	if (k < 0 && errno == EAGAIN)
		return;
	if (k < 0 && errno == EPERM)
		chan_end(c, ERR_UNAUTHENTICATED,
			 "another process than the one that connected wrote to "
			 "this connection");
	else
		chan_end(c, ERR_UNAVAILABLE, "the peer closed the connection");
}

static void chan_on(struct loop_fd *w, uint32_t events)
{
	struct chan *c =
		(struct chan *)((char *)w - offsetof(struct chan, watch));

	if (events & EPOLLOUT) {
		bool gone = false;

		c->gone = &gone;
		c->full = false;
		chan_flush(c);
		if (!c->out.len && c->ops->on_drain)
			c->ops->on_drain(c);
		if (gone)
			return;
		c->gone = NULL;
	}
	if (c->paused && (events & (EPOLLHUP | EPOLLERR)))
		chan_end(c, ERR_UNAVAILABLE, "the peer closed the connection");
	else if (!c->paused && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		chan_read(c);
}

static void chan_on_work(struct loop_work *w)
{
	struct chan *c =
		(struct chan *)((char *)w - offsetof(struct chan, flush));

	if (c->ended)
		return;
	if (c->out.len)
		chan_flush(c);
	if (!c->paused && c->in.len) {
		size_t used = chan_deliver(c, c->in.p, c->in.len);

		if (used != SIZE_MAX)
			buf_drop(&c->in, used);
	}
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
