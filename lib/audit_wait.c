/* A core (vault, keeper): lists of who waits for its audit log, rings through a head. */
#include "lib/audit_wait.h"

void waits_init(struct audit_wait *head)
{
	head->next = head->prev = head;
}

bool waits_empty(const struct audit_wait *head)
{
	return head->next == head;
}

void waits_put(struct audit_wait *at, struct audit_wait *w)
{
	w->next = at;
	w->prev = at->prev;
	at->prev->next = w;
	at->prev = w;
	w->waits = true;
}

void waits_drop(struct audit_wait *w)
{
	w->prev->next = w->next;
	w->next->prev = w->prev;
	w->waits = false;
}

void waits_move(struct audit_wait *to, struct audit_wait *from)
{
	while (!waits_empty(from)) {
		struct audit_wait *w = from->next;

		waits_drop(w);
		waits_put(to, w);
	}
}

void waits_tell(struct audit_wait *w, const struct fault *why)
{
	waits_drop(w);
	w->then(w, why);
}

void waits_tell_all(struct audit_wait *head, const struct fault *why)
{
	while (!waits_empty(head))
		waits_tell(head->next, why);
}
