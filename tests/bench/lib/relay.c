/* Benchmarks only: two processes and no work; see relay.h. Both wait as a daemon does, for
 * any of several, and close what came. */
#include "tests/bench/lib/relay.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FDS = 2,
	ROOM = 256,
	EVENTS = 8,
};

struct relay {
	int fd;
	pid_t front, core;
};

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int) * FDS)];
};

struct piece {
	uint8_t bytes[ROOM];
	size_t len;
	int fd[FDS];
	size_t n;
};

static void put(int to, struct piece *p)
{
	union control ctl = { 0 };
	struct iovec iov = { .iov_base = p->bytes, .iov_len = p->len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (p->n) {
		m.msg_control = &ctl;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * p->n);
		ctl.head.cmsg_level = SOL_SOCKET;
		ctl.head.cmsg_type = SCM_RIGHTS;
		ctl.head.cmsg_len = CMSG_LEN(sizeof(int) * p->n);
		memcpy(CMSG_DATA(&ctl.head), p->fd, sizeof(int) * p->n);
	}
	ENSURE(sendmsg(to, &m, MSG_NOSIGNAL) == (ssize_t)p->len);
}

/* False at the end. */
static bool get(int from, struct piece *p)
{
	union control ctl;
	struct iovec iov = { .iov_base = p->bytes, .iov_len = sizeof p->bytes };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };
	ssize_t n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h;

	if (n <= 0)
		return false;
	p->len = (size_t)n;
	p->n = 0;
	h = CMSG_FIRSTHDR(&m);
	if (h) {
		p->n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(p->fd, CMSG_DATA(h), sizeof(int) * p->n);
	}
	return true;
}

static void close_all(struct piece *p)
{
	while (p->n)
		close(p->fd[--p->n]);
}

static int watch(const int *fd, size_t n)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (size_t i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fd[i] };

		ENSURE(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd[i], &e));
	}
	return epoll;
}

static _Noreturn void pass_on(int client, int core)
{
	int epoll = watch((const int[]){ client, core }, 2);
	struct epoll_event ev[EVENTS];
	struct piece p;

	for (;;) {
		int n = epoll_wait(epoll, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int from = ev[i].data.fd;

			if (!get(from, &p))
				_exit(0);
			put(from == client ? core : client, &p);
			close_all(&p);
		}
	}
}

static _Noreturn void answer(int front)
{
	static const uint8_t token[RELAY_TOKEN];
	struct piece p, out = { .len = RELAY_ANSWER };
	int epoll = watch(&front, 1);
	struct epoll_event ev[EVENTS];

	for (;;) {
		(void)epoll_wait(epoll, ev, EVENTS, -1);
		if (!get(front, &p))
			_exit(0);
		ENSURE(p.n == FDS &&
		       write(p.fd[0], token, sizeof token) == sizeof token);
		put(front, &out);
		close_all(&p);
	}
}

struct relay *relay_start(void)
{
	struct relay *r = xcalloc(1, sizeof *r);
	int outer[2], inner[2];

	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, outer));
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, inner));
	r->fd = outer[0];
	r->front = fork();
	if (r->front == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		pass_on(outer[1], inner[0]);
	}
	r->core = fork();
	if (r->core == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		answer(inner[1]);
	}
	close(outer[1]);
	close(inner[0]);
	close(inner[1]);
	return r;
}

void relay_turn(struct relay *r, int fd)
{
	struct piece p = { .len = RELAY_CALL, .n = FDS, .fd = { -1, fd } };
	uint8_t in[RELAY_ANSWER];
	size_t have = 0;
	int pair[2];

	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	p.fd[0] = pair[1];
	put(r->fd, &p);
	while (have < sizeof in) {
		ssize_t n = read(r->fd, in + have, sizeof in - have);

		ENSURE(n > 0);
		have += (size_t)n;
	}
	close(pair[1]);
	ENSURE(read(pair[0], in, sizeof in) == RELAY_TOKEN);
	close(pair[0]);
}

void relay_stop(struct relay *r)
{
	(void)kill(r->front, SIGKILL);
	(void)kill(r->core, SIGKILL);
	(void)waitpid(r->front, NULL, 0);
	(void)waitpid(r->core, NULL, 0);
	close(r->fd);
	free(r);
}
