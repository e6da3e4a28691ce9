/* Channels in a loop, their reading half (lib/chan_write.c: writing). Used by every
 * process; a channel that carries confidential values keeps its bytes in secret memory.
 *
 * Descriptors and messages. The kernel hands descriptors over with the first byte that was
 * sent together with them, and ends that read with the bytes sent in the same sendmsg
 * (unix(7): they are a barrier): what was sent before may stand in front of them in one read,
 * what was sent after never follows. So a message that leaves in one sendmsg with its
 * descriptors has them all when it is whole, in the order of such messages, whatever else
 * is in the pipe; and of what one read brings, they belong to no message that begins after
 * it. What is left when every whole message has been handled and no part of one remains
 * belongs to nobody. */
#include "lib/chan_part.h"
#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CHAN_IN_MAX = 4 + MSG_MAX + CHAN_GULP,
	CHAN_KEPT = 16 << 10, /* bytes a channel with nothing to hold keeps */
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

/* The last close of a TCP socket may wait for its peer, for as long as whoever sent it
 * has said. */
void chan_drop_fd(const struct chan_budget *b, int fd)
{
	const struct linger none = { 0 };

	if (b && b->strangers)
		(void)!setsockopt(fd, SOL_SOCKET, SO_LINGER, &none,
				  sizeof none);
	close(fd);
}

void chan_close(struct chan *c)
{
	if (!c->loop)
		return;
	if (c->gone)
		*c->gone = true;
	loop_unwatch(&c->watch);
	loop_undefer(c->loop, &c->flush);
	while (c->fds.n)
		chan_drop_fd(c->budget, chan_take_fd(c));
	chan_unpost(c);
	close(c->watch.fd);
	c->watch.fd = -1;
	fd_close(&c->creds_pidfd);
	buf_wipe(&c->in);
	buf_wipe(&c->out);
	c->loop = NULL;
}

void chan_end(struct chan *c, enum err e, const char *text)
{
	struct fault why;

	if (c->ended)
		return;
	c->ended = true;
	loop_unwatch(&c->watch);
	(void)fault_set(&why, e, "%s", text);
	c->ops->on_end(c, &why);
}

/* Reading */

void chan_limit_fds(struct chan *c, struct chan_budget *b)
{
	c->budget = b;
}

int chan_take_fd(struct chan *c)
{
	int fd;

	if (!c->fds.n)
		return -1;
	fd = c->fds.fd[0];
	c->fds.n--;
	if (c->budget)
		c->budget->held--;
	memmove(c->fds.fd, c->fds.fd + 1, c->fds.n * sizeof(int));
	return fd;
}

enum err chan_take_fds(struct chan *c, int *fd, size_t n)
{
	bool lost = c->fds.lost;

	if (c->fds.n >= n) {
		for (size_t i = 0; i < n; i++)
			fd[i] = chan_take_fd(c);
		return OK;
	}
	c->fds.lost = false;
	while (c->fds.n)
		chan_drop_fd(c->budget, chan_take_fd(c));
	return lost ? ERR_LIMITED : ERR_INVALID;
}

static void keep_fds(struct chan *c, const struct cmsghdr *h)
{
	size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd[sizeof(union chan_control) / sizeof(int)];
	struct chan_fds *f = &c->fds;

	memcpy(fd, CMSG_DATA(h), n * sizeof(int));
	f->came = n;
	for (size_t i = 0; i < n; i++) {
		if (f->n == NELEM(f->fd)) {
			chan_drop_fd(c->budget, fd[i]);
			f->lost = true;
			continue;
		}
		f->fd[f->n++] = fd[i];
		if (c->budget)
			c->budget->held++;
	}
}

/* False if the kernel attached another pid than the one expected. */
static bool take_control(struct chan *c, struct msghdr *m)
{
	bool same = !c->creds;

	c->fds.came = 0;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_RIGHTS)
			keep_fds(c, h);
		if (c->creds && h->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;

			memcpy(&u, CMSG_DATA(h), sizeof u);
			same = u.pid == c->creds_pid;
		}
	}
	/* no room for them here, or none in our table of descriptors */
	if (m->msg_flags & MSG_CTRUNC)
		c->fds.lost = true;
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
	if (!take_control(c, &m) ||
	    (c->creds && !process_lives(c->creds_pidfd))) {
		errno = EPERM;
		return -1;
	}
	return k;
}

/* What the last read brought of descriptors; false, and the channel has ended, if that
 * was too much. */
static bool fds_bearable(struct chan *c)
{
	const struct chan_budget *b = c->budget;

	if (!b && c->fds.lost)
		chan_end(c, ERR_LIMITED,
			 "a descriptor could not be received: too many are "
			 "open");
	else if (b && c->fds.came > b->each)
		chan_end(c, ERR_INVALID,
			 "more descriptors came beside a call than any call "
			 "has");
	else if (b && b->held > b->all)
		chan_end(c, ERR_LIMITED,
			 "too many descriptors of calls that are not whole "
			 "yet: send such a call in one piece");
	else
		return true;
	return false;
}

/* Every whole message has been handled, unless we are paused: descriptors that are still
 * here can only be those of a message that is not whole. */
static void fds_left(struct chan *c)
{
	if (!c->budget || c->paused || c->ended)
		return;
	if (c->in.len ? c->fds.n > c->budget->each : c->fds.n || c->fds.lost)
		chan_end(c, ERR_INVALID,
			 "descriptors came that no call announced: send them "
			 "with the first byte of a call that says fds=");
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
	if (used != SIZE_MAX)
		fds_left(c);
}

static void chan_read(struct chan *c)
{
	uint8_t *scratch = chan_scratch(c->secret);
	ssize_t k = gulp(c, scratch, CHAN_GULP);

	if (k > 0) {
		if (fds_bearable(c))
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
		if (chan_write(c) == OK && !c->out.len && c->ops->on_drain)
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

		if (used == SIZE_MAX)
			return;
		buf_drop(&c->in, used);
		fds_left(c);
	}
}
