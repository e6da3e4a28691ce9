/* Deadlines of many waiting things, all of one length: a queue and one timer. */
#ifndef LIB_GATE_DUE_H
#define LIB_GATE_DUE_H

#include "lib/loop.h"

/* Embedded in its owner. */
struct gate_due {
	struct gate_due *next, *prev;
	uint64_t at;
};

struct gate_dues {
	struct loop *loop;
	struct gate_due *first, *last;
	struct loop_timer timer;
	uint64_t after; /* ns */
	/* d is out of the queue already */
	void (*on)(struct gate_due *d);
};

void gate_dues_init(struct gate_dues *q, struct loop *l, uint64_t after,
		    void (*on)(struct gate_due *d));
void gate_dues_end(struct gate_dues *q);
void gate_due_add(struct gate_dues *q, struct gate_due *d);
void gate_due_drop(struct gate_dues *q, struct gate_due *d);

#endif
