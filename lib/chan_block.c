/* Channels without a loop: startup, one-shot roles and the command. */
#include "lib/chan.h"

#include "lib/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum err chan_put1(int fd, uint32_t kind, uint64_t id, struct attr_view attrs)
{
	struct buf b;
	size_t done = 0;
	enum err e;

	buf_init_secret(&b, MSG_MAX + 4);
	e = msg_put(&b, kind, id, attrs);
	while (e == OK && done < b.len) {
		ssize_t n = send(fd, b.p + done, b.len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			(void)poll(&p, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			e = ERR_UNAVAILABLE;
		} else if (n > 0) {
			done += (size_t)n;
		}
	}
	buf_wipe(&b);
	return e;
}

static enum err wait_readable(int fd, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		uint64_t now = clock_boot();
		int ms = -1;

		if (deadline != UINT64_MAX) {
			if (now >= deadline)
				return ERR_TIMEOUT;
			ms = (int)MIN((deadline - now) / CLOCK_MS + 1,
				      3600000u);
		}
		if (poll(&p, 1, ms) > 0)
			return OK;
	}
}

/* The first descriptor, if one is wanted and there is none yet; others are closed. (The
 * alignment of the room for one leaves room for a second.) */
static void keep_first(const struct cmsghdr *h, int *got_fd)
{
	size_t n;
	int fd;

	if (!h || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
		return;
	n = (h->cmsg_len - CMSG_LEN(0)) / sizeof fd;
	for (size_t i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
		if (got_fd && *got_fd < 0)
			*got_fd = fd;
		else
			close(fd);
	}
}

static ssize_t read_some(int fd, uint8_t *p, size_t n, int *got_fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct iovec iov = { .iov_base = p, .iov_len = n };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };
	ssize_t k = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

	if (k > 0)
		keep_first(CMSG_FIRSTHDR(&m), got_fd);
	return k;
}

/* Reads exactly n bytes, so that nothing of the next message is taken. */
static enum err read_exact(int fd, uint8_t *p, size_t n, int *got_fd,
			   uint64_t deadline)
{
	while (n) {
		ssize_t k;

		TRY(wait_readable(fd, deadline));
		k = read_some(fd, p, n, got_fd);
		if (k < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (k <= 0)
			return ERR_UNAVAILABLE;
		p += k;
		n -= (size_t)k;
	}
	return OK;
}

enum err chan_get1(int fd, struct buf *in, struct msg *m, int *got_fd,
		   uint64_t deadline, struct fault *f)
{
	uint8_t *head, *body;
	struct rd r;
	size_t used;
	uint32_t n;
	enum err e;

	buf_clear(in);
	if (got_fd)
		*got_fd = -1;
	TRY(buf_grow(in, 4, &head));
	e = read_exact(fd, head, 4, got_fd, deadline);
	if (e != OK)
		return fault_set(f, e, "no answer came");
	r = rd_from(in->p, 4);
	TRY(rd_u32(&r, &n));
	if (n > MSG_MAX)
		return fault_set(f, ERR_TOO_LARGE, "an answer is over %d bytes",
				 MSG_MAX);
	TRY(buf_grow(in, n, &body));
	e = read_exact(fd, body, n, got_fd, deadline);
	if (e != OK)
		return fault_set(f, e, "an answer was cut short");
	return msg_get(in->p, in->len, m, &used, f);
}
