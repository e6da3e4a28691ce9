/* Benchmarks only: see load.h. The same for credd and for what it is compared with. */
#include "tests/bench/lib/load.h"

#include "credd/kinds.h"
#include "lib/clock.h"
#include "lib/msg.h"
#include "tests/bench/lib/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	GULP = 256 << 10,
	EVENTS = 64,
	WAIT_MS = 10000, /* nothing answers for so long: give up */
};

struct load_conn {
	int fd;
	uint64_t sent[LOAD_WINDOW_MAX]; /* when the call of this id left */
	uint8_t *in;
	size_t have;
};

struct load {
	int epoll;
	unsigned conns, window;
	struct load_conn conn[LOAD_CONNS_MAX];
	struct buf frame; /* one call, its id to be filled in */
	uint8_t *out;     /* room for a window of them */
	size_t reply;
	uint64_t *took; /* ns */
	size_t count, room;
	uint64_t end;
	unsigned flying;
};

static void conn_open(struct load *l, struct load_conn *c, load_connect *make,
		      void *arg)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	c->fd = make(arg);
	if (c->fd < 0)
		bench_die("no connection: %s", strerror(errno));
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e))
		bench_die("no connection: %s", strerror(errno));
	c->in = xcalloc(1, GULP);
}

struct load *load_new(unsigned conns, unsigned window, struct attr_view call,
		      load_connect *make, void *arg)
{
	struct load *l = xcalloc(1, sizeof *l);

	ENSURE(conns <= LOAD_CONNS_MAX && window <= LOAD_WINDOW_MAX);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->conns = conns;
	l->window = window;
	buf_init(&l->frame, MSG_MAX + 4);
	ENSURE(msg_put(&l->frame, CLIENT_CALL, 0, call) == OK);
	l->out = xcalloc(window, l->frame.len);
	for (unsigned i = 0; i < conns; i++)
		conn_open(l, &l->conn[i], make, arg);
	return l;
}

void load_free(struct load *l)
{
	for (unsigned i = 0; i < l->conns; i++) {
		close(l->conn[i].fd);
		free(l->conn[i].in);
	}
	close(l->epoll);
	buf_wipe(&l->frame);
	free(l->out);
	free(l->took);
	free(l);
}

size_t load_reply_bytes(const struct load *l)
{
	return l->reply;
}

/* Writing */

static void write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			continue; /* 32 calls always fit; a moment */
		if (k <= 0)
			bench_die("cannot write: %s", strerror(errno));
		p += k;
		n -= (size_t)k;
	}
}

/* The n calls of these ids, in one write. */
static void send_calls(struct load *l, struct load_conn *c, const uint8_t *id,
		       unsigned n, uint64_t now)
{
	size_t size = l->frame.len;

	for (unsigned i = 0; i < n; i++) {
		memcpy(l->out + i * size, l->frame.p, size);
		l->out[i * size + MSG_HEAD - 1] = id[i];
		c->sent[id[i]] = now;
	}
	l->flying += n;
	write_all(c->fd, l->out, n * size);
}

/* Reading */

static void note(struct load *l, uint64_t ns)
{
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 1 << 20;
		l->took = xrealloc(l->took, l->room * sizeof *l->took);
	}
	l->took[l->count++] = ns;
}

static void check_answer(const struct msg *m, const struct load *l)
{
	struct attr a = { .len = 0 };

	if (m->kind == CLIENT_REPLY && m->id < l->window)
		return;
	if (!attr_find(m->attrs, "text", &a))
		bench_die("an answer of kind %u", m->kind);
	bench_die("refused: %.*s", (int)a.len, (const char *)a.value);
}

/* Every whole answer there is; the next calls in one write. */
static void take_answers(struct load *l, struct load_conn *c)
{
	uint64_t now = clock_boot();
	uint8_t id[LOAD_WINDOW_MAX];
	size_t done = 0, used;
	unsigned n = 0;
	struct msg m;

	while (msg_get(c->in + done, c->have - done, &m, &used, NULL) == OK) {
		check_answer(&m, l);
		done += used;
		l->reply = used;
		l->flying--;
		if (now >= l->end)
			continue;
		note(l, now - c->sent[m.id]);
		ENSURE(n < LOAD_WINDOW_MAX);
		id[n++] = (uint8_t)m.id;
	}
	memmove(c->in, c->in + done, c->have - done);
	c->have -= done;
	if (n)
		send_calls(l, c, id, n, now);
}

static void readable(struct load *l, struct load_conn *c)
{
	ssize_t n = read(c->fd, c->in + c->have, GULP - c->have);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		bench_die("the connection ended");
	c->have += (size_t)n;
	take_answers(l, c);
}

static void turn(struct load *l)
{
	struct epoll_event ev[EVENTS];
	int n = epoll_wait(l->epoll, ev, EVENTS, WAIT_MS);

	if (n == 0)
		bench_die("no answer within %d s", WAIT_MS / 1000);
	for (int i = 0; i < n; i++)
		readable(l, ev[i].data.ptr);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct load_round load_run(struct load *l, uint64_t ns)
{
	uint64_t start = clock_boot();
	uint8_t id[LOAD_WINDOW_MAX];
	struct load_round r = { 0 };

	l->count = 0;
	l->end = start + ns;
	for (unsigned i = 0; i < l->window; i++)
		id[i] = (uint8_t)i;
	for (unsigned i = 0; i < l->conns; i++)
		send_calls(l, &l->conn[i], id, l->window, clock_boot());
	while (l->flying)
		turn(l);
	if (!l->count)
		bench_die("nothing was answered in time");
	qsort(l->took, l->count, sizeof *l->took, by_size);
	r.per_second = (double)l->count * 1e9 / (double)ns;
	r.median_us = (double)l->took[l->count / 2] / 1e3;
	r.p99_us = (double)l->took[l->count - 1 - l->count / 100] / 1e3;
	return r;
}
