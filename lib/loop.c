/* The event loop of every process. Holds nothing of its own. */
#include "lib/loop.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LOOP_EVENTS = 64
};

struct loop {
	int epoll;
	uint64_t now;
	size_t watched;
	bool stop;
	struct loop_timer **heap;
	size_t timers;
	size_t timers_cap;
	struct loop_work *work;
	struct loop_work **work_end;
	struct epoll_event ev[LOOP_EVENTS];
	int pending; /* events of this turn, for loop_unwatch */
};

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof *l);

	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	ENSURE(l->epoll >= 0);
	l->now = clock_boot();
	l->work_end = &l->work;
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close(l->epoll);
	free(l->heap);
	free(l);
}

uint64_t loop_now(const struct loop *l)
{
	return l->now;
}

/* Descriptors */

enum err loop_watch(struct loop *l, struct loop_fd *w)
{
	struct epoll_event e = { .events = w->events, .data.ptr = w };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e))
		return ERR_INTERNAL;
	w->loop = l;
	l->watched++;
	return OK;
}

void loop_change(struct loop_fd *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	if (!w->loop || w->events == events)
		return;
	w->events = events;
	ENSURE(!epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &e));
}

void loop_unwatch(struct loop_fd *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < l->pending; i++)
		if (l->ev[i].data.ptr == w)
			l->ev[i].data.ptr = NULL;
	w->loop = NULL;
	l->watched--;
}

/* Deadlines: a binary heap, earliest first */

static void heap_set(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->index = i;
}

static void heap_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];

	while (i && l->heap[(i - 1) / 2]->at > t->at) {
		heap_set(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];

	for (;;) {
		size_t c = 2 * i + 1;

		if (c + 1 < l->timers && l->heap[c + 1]->at < l->heap[c]->at)
			c++;
		if (c >= l->timers || l->heap[c]->at >= t->at)
			break;
		heap_set(l, i, l->heap[c]);
		i = c;
	}
	heap_set(l, i, t);
}

void loop_disarm(struct loop_timer *t)
{
	struct loop *l = t->loop;
	size_t i = t->index;
	struct loop_timer *last;

	if (!l)
		return;
	t->loop = NULL;
	last = l->heap[--l->timers];
	if (last == t)
		return;
	heap_set(l, i, last);
	heap_up(l, i);
	heap_down(l, last->index);
}

void loop_arm(struct loop *l, struct loop_timer *t, uint64_t at)
{
	loop_disarm(t);
	if (l->timers == l->timers_cap) {
		l->timers_cap = l->timers_cap ? 2 * l->timers_cap : 16;
		l->heap = xrealloc(l->heap, l->timers_cap * sizeof *l->heap);
	}
	t->at = at;
	t->loop = l;
	l->timers++;
	heap_set(l, l->timers - 1, t);
	heap_up(l, l->timers - 1);
}

/* Work at the end of a turn */

void loop_defer(struct loop *l, struct loop_work *w)
{
	if (w->queued)
		return;
	w->queued = true;
	w->next = NULL;
	*l->work_end = w;
	l->work_end = &w->next;
}

void loop_undefer(struct loop *l, struct loop_work *w)
{
	struct loop_work **at = &l->work;

	if (!w->queued)
		return;
	while (*at && *at != w)
		at = &(*at)->next;
	ENSURE(*at == w);
	*at = w->next;
	if (l->work_end == &w->next)
		l->work_end = at;
	w->queued = false;
}

static void loop_do_work(struct loop *l)
{
	struct loop_work *w;

	while ((w = l->work)) {
		l->work = w->next;
		if (!l->work)
			l->work_end = &l->work;
		w->queued = false;
		w->on(w);
	}
}

/* One turn */

static int loop_wait_ms(const struct loop *l, uint64_t wait_ns)
{
	uint64_t now = clock_boot();

	if (l->work)
		return 0;
	if (l->timers) {
		uint64_t at = l->heap[0]->at;

		wait_ns = MIN(wait_ns, at > now ? at - now : 0);
	}
	if (wait_ns == UINT64_MAX)
		return -1;
	wait_ns = (wait_ns + CLOCK_MS - 1) / CLOCK_MS;
	return (int)MIN(wait_ns, 3600000u);
}

static void loop_fire(struct loop *l)
{
	while (l->timers && l->heap[0]->at <= l->now) {
		struct loop_timer *t = l->heap[0];

		loop_disarm(t);
		t->on(t);
	}
}

void loop_turn(struct loop *l, uint64_t wait_ns)
{
	int n = epoll_wait(l->epoll, l->ev, LOOP_EVENTS,
			   loop_wait_ms(l, wait_ns));

	ENSURE(n >= 0 || errno == EINTR);
	l->now = clock_boot();
	l->pending = n > 0 ? n : 0;
	for (int i = 0; i < l->pending; i++) {
		struct loop_fd *w = l->ev[i].data.ptr;

		if (w)
			w->on(w, l->ev[i].events);
	}
	l->pending = 0;
	loop_fire(l);
	loop_do_work(l);
}

void loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop && (l->watched || l->timers || l->work))
		loop_turn(l, UINT64_MAX);
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}
