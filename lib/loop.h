/* The event loop: descriptors, deadlines, and work put off to the end of a turn
 * (where channels write what the turn has queued, in one batch). One per process.
 * Nothing that runs in it blocks. */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include "lib/err.h"

#include <sys/epoll.h>

struct loop;

/* A watched descriptor, embedded in its owner. The loop never closes fd. */
struct loop_fd {
	int fd;
	uint32_t events; /* EPOLLIN | EPOLLOUT | …, as last set */
	void (*on)(struct loop_fd *w, uint32_t events);
	struct loop *loop; /* NULL while not watched */
};

/* A deadline, embedded in its owner. */
struct loop_timer {
	uint64_t at; /* CLOCK_BOOTTIME ns; meaningful while armed */
	void (*on)(struct loop_timer *t);
	struct loop *loop; /* NULL while not armed */
	size_t index;      /* place in the heap */
};

/* Work for the end of this turn, embedded in its owner. */
struct loop_work {
	void (*on)(struct loop_work *w);
	struct loop_work *next;
	bool queued;
};

struct loop *loop_new(void);
void loop_free(struct loop *l);

/* Watch w->fd for w->events; change; stop. Stopping inside any handler is
 * safe: no event of this turn reaches w afterwards. */
MUST enum err loop_watch(struct loop *l, struct loop_fd *w);
void loop_change(struct loop_fd *w, uint32_t events);
void loop_unwatch(struct loop_fd *w);

/* Arms (or re-arms) t for `at`; disarming what is not armed is fine. */
void loop_arm(struct loop *l, struct loop_timer *t, uint64_t at);
void loop_disarm(struct loop_timer *t);

/* Queues w once for the end of this turn; loop_undefer takes it back. */
void loop_defer(struct loop *l, struct loop_work *w);
void loop_undefer(struct loop *l, struct loop_work *w);

/* CLOCK_BOOTTIME as of the start of this turn. */
uint64_t loop_now(const struct loop *l);

/* Runs until loop_stop, or until nothing is watched and nothing armed. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* One turn: waits at most wait_ns (UINT64_MAX: no bound). For tests. */
void loop_turn(struct loop *l, uint64_t wait_ns);

#endif
