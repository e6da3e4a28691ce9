/* What a client writes, and the descriptors of one call among it. Runs in clients; the
 * descriptors are the caller's all the time: they are only lent to the kernel, with the
 * first byte of their call. */
#include "lib/client.h"

#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The first n bytes of what is queued, with the descriptors beside them. */
static ssize_t send_fds(const struct cretula *c, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * CLIENT_FDS_MAX)];
	} ctl = { 0 };
	struct iovec iov = { .iov_base = c->out.p + c->fds.at, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen =
				    CMSG_SPACE(sizeof(int) * c->fds.n) };
	struct cmsghdr *h = &ctl.align;

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * c->fds.n);
	memcpy(CMSG_DATA(h), c->fds.fd, sizeof(int) * c->fds.n);
	return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool client_fds_wait(const struct cretula *c)
{
	return c->fds.n && !c->fds.sent && !c->fds.at && !c->heard && c->probed;
}

/* A call of no verb: that it is answered, whatever with, says that the front has the
 * connection. Before, the kernel refuses descriptors (EPERM, since Linux 6.16). */
static ssize_t probe(struct cretula *c)
{
	struct buf b;
	ssize_t n = 0;

	errno = EAGAIN;
	if (c->probed)
		return -1;
	buf_init(&b, MSG_HEAD);
	ENSURE(msg_put(&b, CLIENT_CALL, CLIENT_PROBE_ID,
		       (struct attr_view){ 0 }) == OK);
	n = send(c->fd, b.p, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	c->probed = n == (ssize_t)b.len;
	if (c->probed)
		errno = EAGAIN;
	else if (n > 0)
		errno = EPIPE; /* half a message: nothing fits behind it */
	buf_wipe(&b);
	return -1;
}

/* Writes some of out from at: up to the call with descriptors, or that call with them,
 * alone, or what there is. */
static ssize_t write_piece(struct cretula *c, size_t at)
{
	size_t end = c->out.len;
	ssize_t n;

	if (c->fds.n && !c->fds.sent && at == c->fds.at) {
		if (!c->heard)
			return probe(c);
		n = send_fds(c, c->fds.end - at);
		c->fds.sent = n > 0;
		return n;
	}
	if (c->fds.n && !c->fds.sent)
		end = c->fds.at;
	return send(c->fd, c->out.p + at, end - at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The first `done` bytes of out have been written: a call that has been written whole may
 * have been served. */
static void written(struct cretula *c, size_t done)
{
	struct client_call *k;

	buf_drop(&c->out, done);
	if (!c->fds.n)
		return;
	if (c->fds.end > done) {
		c->fds.at -= MIN(c->fds.at, done);
		c->fds.end -= done;
		return;
	}
	c->fds.n = 0;
	k = client_find(c, c->fds.id);
	if (k) {
		k->repeats = false;
		buf_wipe(&k->frame);
	}
}

bool client_write(struct cretula *c)
{
	size_t at = 0;
	int no = 0;

	while (at < c->out.len) {
		ssize_t n = write_piece(c, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			no = errno;
			break;
		}
		at += (size_t)n;
	}
	written(c, at);
	return !no || no == EAGAIN;
}

void client_fds_mark(struct cretula *c, const struct client_call *k, size_t at)
{
	if (!c->fds.n || c->fds.id != k->id)
		return;
	c->fds.at = at;
	c->fds.end = c->out.len;
	c->fds.sent = false;
}

void client_fds_forget(struct cretula *c, const struct client_call *k)
{
	if (!c->fds.n || c->fds.id != k->id)
		return;
	c->fds.n = 0;
	if (c->fds.sent || c->fds.end > c->out.len)
		return;
	memmove(c->out.p + c->fds.at, c->out.p + c->fds.end,
		c->out.len - c->fds.end);
	c->out.len -= c->fds.end - c->fds.at;
}

/* The call is repeated as long as it has not been written whole: whoever reads it would
 * never have got all of it. */
static void keep(struct cretula *c, struct client_call *k, size_t before)
{
	k->repeats = true;
	if (k->frame.len)
		return;
	buf_init(&k->frame, 4 + MSG_MAX);
	ENSURE(buf_put(&k->frame, c->out.p + before, c->out.len - before) ==
	       OK);
}

enum cretula_err client_submit_fds(struct cretula *c, const char *verb,
				   struct attr_view args, const int *fd,
				   size_t n, uint32_t *id,
				   struct cretula_error *err)
{
	size_t before = 0;
	struct attrs all;
	enum cretula_err e;

	ENSURE(n >= 1 && n <= CLIENT_FDS_MAX);
	if (c->web)
		return client_fail(err, ERR_UNSUPPORTED,
				   "'%s' takes descriptors, which only its "
				   "socket on the same host can carry, not "
				   "'%s'",
				   verb, c->path);
	if (c->fds.n)
		return client_fail(err, ERR_LIMITED,
				   "another call with descriptors is being "
				   "written: wait for it first");
	attrs_init(&all);
	if (attrs_add_view(&all, args) != OK ||
	    attrs_add_u64(&all, "fds", n) != OK)
		e = client_fail(err, ERR_TOO_LARGE,
				"the request is over the %d bytes of one "
				"message",
				MSG_MAX);
	else
		e = client_submit_at(c, verb, attrs_view(&all), id, &before,
				     err);
	attrs_wipe(&all);
	if (e)
		return e;
	memcpy(c->fds.fd, fd, n * sizeof *fd);
	c->fds.n = n;
	c->fds.id = *id;
	keep(c, client_find(c, *id), before);
	client_fds_mark(c, client_find(c, *id), before);
	return CRETULA_ERR_NONE;
}

enum cretula_err client_call_fds(struct cretula *c, const char *verb,
				 struct attr_view args, const int *fd, size_t n,
				 struct cretula_answer **answer,
				 struct cretula_error *err)
{
	uint32_t id;
	enum cretula_err e = client_submit_fds(c, verb, args, fd, n, &id, err);

	return e ? e : cretula_wait(c, id, answer, err);
}
