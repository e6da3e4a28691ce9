/* A TCP connection to a name: its addresses one after the other. Runs in clients; holds
 * nothing. */
#include "lib/client_web.h"

#include "lib/clock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	AGAIN_PAUSE_MS = 50,
};

static void addresses_end(struct addrinfo **a)
{
	if (*a)
		freeaddrinfo(*a);
}

/* 0 or an errno; by deadline. */
static int finish(int fd, uint64_t deadline)
{
	struct pollfd w = { .fd = fd, .events = POLLOUT };
	int no = 0;
	socklen_t size = sizeof no;

	while (poll(&w, 1, client_poll_ms(deadline)) <= 0)
		if (clock_boot() >= deadline)
			return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &no, &size))
		return errno;
	return no;
}

static int connect_one(const struct addrinfo *a, uint64_t deadline, int *out)
{
	AUTO(fd_close)
	int fd = socket(a->ai_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	int no;

	if (fd < 0)
		return errno;
	no = connect(fd, a->ai_addr, a->ai_addrlen) ? errno : 0;
	if (no == EINPROGRESS || no == EINTR)
		no = finish(fd, deadline);
	if (no)
		return no;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*out = fd;
	fd = -1;
	return 0;
}

/* Each address gets its share of the time that is left. */
static uint64_t share(const struct addrinfo *a, uint64_t deadline)
{
	uint64_t now = clock_boot(), n = 0;

	for (; a; a = a->ai_next)
		n++;
	if (deadline == UINT64_MAX || deadline <= now)
		return deadline;
	return now + (deadline - now) / n;
}

static int connect_any(const struct addrinfo *all, uint64_t deadline, int *fd)
{
	int no = EADDRNOTAVAIL;

	for (const struct addrinfo *a = all; a; a = a->ai_next) {
		no = connect_one(a, share(a, deadline), fd);
		if (!no)
			return 0;
	}
	return no;
}

static enum cretula_err not_connected(const struct cretula *c, int no,
				      struct cretula_error *err)
{
	if (no == ECONNREFUSED)
		return client_unreached(err, ERR_UNAVAILABLE, c,
					"nobody listens there (listen= of its "
					"configuration)");
	return client_unreached(err,
				no == ETIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE,
				c, strerror(no));
}

enum cretula_err client_tcp_connect(const struct cretula *c, bool again,
				    uint64_t deadline, int *fd,
				    struct cretula_error *err)
{
	const struct timespec pause = { .tv_nsec = AGAIN_PAUSE_MS * 1000000 };
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICSERV };
	AUTO(addresses_end) struct addrinfo *all = NULL;
	int no = getaddrinfo(c->web->host, c->web->port, &hints, &all);
	char why[CLIENT_WHY_MAX];

	if (no) {
		(void)snprintf(why, sizeof why, "'%s' has no address: %s",
			       c->web->host,
			       no == EAI_SYSTEM ? strerror(errno)
						: gai_strerror(no));
		return client_unreached(err, ERR_UNAVAILABLE, c, why);
	}
	for (;;) {
		no = connect_any(all, deadline, fd);
		if (!no)
			return CRETULA_ERR_NONE;
		if (!again || no != ECONNREFUSED || clock_boot() >= deadline)
			return not_connected(c, no, err);
		(void)nanosleep(&pause, NULL);
	}
}
