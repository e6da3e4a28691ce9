/* gate: what has not been answered in time. Holds nothing. */
#include "lib/gate_due.h"

static void fire(struct loop_timer *t)
{
	struct gate_dues *q =
		(struct gate_dues *)((char *)t -
				     offsetof(struct gate_dues, timer));
	struct gate_due *d;

	while ((d = q->first) && d->at <= loop_now(q->loop)) {
		gate_due_drop(q, d);
		q->on(d);
	}
	if (q->first)
		loop_arm(q->loop, &q->timer, q->first->at);
}

void gate_dues_init(struct gate_dues *q, struct loop *l, uint64_t after,
		    void (*on)(struct gate_due *d))
{
	*q = (struct gate_dues){ .loop = l, .after = after, .on = on };
	q->timer.on = fire;
}

void gate_dues_end(struct gate_dues *q)
{
	loop_disarm(&q->timer);
}

void gate_due_add(struct gate_dues *q, struct gate_due *d)
{
	d->at = loop_now(q->loop) + q->after;
	d->prev = q->last;
	d->next = NULL;
	*(q->last ? &q->last->next : &q->first) = d;
	q->last = d;
	if (!q->timer.loop)
		loop_arm(q->loop, &q->timer, q->first->at);
}

void gate_due_drop(struct gate_dues *q, struct gate_due *d)
{
	*(d->prev ? &d->prev->next : &q->first) = d->next;
	*(d->next ? &d->next->prev : &q->last) = d->prev;
}
