/* Benchmarks only: the echo server; see echo.h. It finds the calls by their lengths
 * and looks at nothing else in them but the id. */
#include "tests/bench/lib/echo.h"

#include "credd/kinds.h"
#include "lib/msg.h"
#include "lib/rd.h"
#include "tests/bench/lib/load.h"
#include "tests/bench/lib/stage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ROOM = 256 << 10,
	EVENTS = 64,
	FDS = 1024,
	BATCH = 64, /* calls answered in one write */
};

struct echo {
	pid_t pid;
	struct sockaddr_un at;
};

struct peer {
	size_t have;
	uint8_t in[ROOM];
};

struct server {
	int listener, epoll;
	struct peer *peer[FDS];
	uint8_t *reply; /* BATCH of them, their ids to be filled in */
	size_t reply_len;
};

static void watch(const struct server *s, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	ENSURE(!epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e));
}

static void peer_came(struct server *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	ENSURE(fd < FDS);
	s->peer[fd] = xcalloc(1, sizeof *s->peer[fd]);
	watch(s, fd);
}

static void peer_end(struct server *s, int fd)
{
	free(s->peer[fd]);
	s->peer[fd] = NULL;
	close(fd);
}

/* Answers up to BATCH whole calls of p[0..n); the bytes they were. */
static size_t answer(struct server *s, int fd, const uint8_t *p, size_t n)
{
	size_t done = 0, count = 0, size = s->reply_len;
	struct rd r = rd_from(p, n);
	const uint8_t *rest;
	uint32_t len, kind;
	uint64_t id;

	while (count < BATCH && rd_u32(&r, &len) == OK && rd_left(&r) >= len) {
		uint8_t *at = s->reply + count * size;

		ENSURE(rd_u32(&r, &kind) == OK && rd_u64(&r, &id) == OK);
		ENSURE(rd_bytes(&r, len - (MSG_HEAD - 4), &rest) == OK);
		at[MSG_HEAD - 1] = (uint8_t)id;
		done += 4 + len;
		count++;
	}
	if (count && write(fd, s->reply, count * size) < 0 && errno != EAGAIN)
		return SIZE_MAX;
	return done;
}

static void peer_says(struct server *s, int fd)
{
	struct peer *c = s->peer[fd];
	ssize_t n = read(fd, c->in + c->have, ROOM - c->have);
	size_t done = 0, k;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		peer_end(s, fd);
		return;
	}
	c->have += (size_t)n;
	while ((k = answer(s, fd, c->in + done, c->have - done))) {
		if (k == SIZE_MAX) {
			peer_end(s, fd);
			return;
		}
		done += k;
	}
	memmove(c->in, c->in + done, c->have - done);
	c->have -= done;
}

static void make_reply(struct server *s, size_t reply)
{
	struct attrs a;
	struct buf b;
	size_t head = MSG_HEAD + 6 + 1; /* of a message of one attribute "r" */
	uint8_t *filler = xcalloc(1, reply);

	ENSURE(reply >= head);
	attrs_init(&a);
	buf_init(&b, MSG_MAX + 4);
	ENSURE(attrs_add(&a, "r", 0, filler, reply - head) == OK);
	ENSURE(msg_put(&b, CLIENT_REPLY, 0, attrs_view(&a)) == OK);
	ENSURE(b.len == reply);
	s->reply_len = reply;
	s->reply = xcalloc(BATCH, reply);
	for (size_t i = 0; i < BATCH; i++)
		memcpy(s->reply + i * reply, b.p, reply);
	free(filler);
	buf_wipe(&b);
	attrs_wipe(&a);
}

static _Noreturn void serve(int listener, size_t reply)
{
	struct server s = { .listener = listener };
	struct epoll_event ev[EVENTS];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	make_reply(&s, reply);
	watch(&s, listener);
	for (;;) {
		int n = epoll_wait(s.epoll, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.fd == listener)
				peer_came(&s);
			else
				peer_says(&s, ev[i].data.fd);
		}
	}
}

struct echo *echo_start(size_t reply)
{
	struct echo *e = xcalloc(1, sizeof *e);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	e->at.sun_family = AF_UNIX;
	(void)snprintf(e->at.sun_path, sizeof e->at.sun_path, "%s/echo.sock",
		       bench_folder());
	(void)unlink(e->at.sun_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&e->at, sizeof e->at) ||
	    listen(fd, LOAD_CONNS_MAX))
		bench_die("no echo server: %s", strerror(errno));
	e->pid = fork();
	if (e->pid == 0)
		serve(fd, reply);
	close(fd);
	return e;
}

void echo_stop(struct echo *e)
{
	(void)kill(e->pid, SIGKILL);
	(void)waitpid(e->pid, NULL, 0);
	free(e);
}

int echo_connect(void *arg)
{
	const struct echo *e = arg;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&e->at, sizeof e->at)) {
		close(fd);
		return -1;
	}
	return fd;
}
