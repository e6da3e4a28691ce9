/* Lists of who waits for the audit log (struct audit_wait), in order. The head of a list
 * is no wait itself; who waits can leave whichever list it is in. */
#ifndef LIB_AUDIT_WAIT_H
#define LIB_AUDIT_WAIT_H

#include "lib/audit_link.h"

void waits_init(struct audit_wait *head);
bool waits_empty(const struct audit_wait *head);

/* Before `at`: at the end, if that is the head. */
void waits_put(struct audit_wait *at, struct audit_wait *w);
void waits_drop(struct audit_wait *w);

/* All of one list to the end of another. */
void waits_move(struct audit_wait *to, struct audit_wait *from);

/* Takes one from its list and calls its then; takes one after the other, until the list
 * is empty. */
void waits_tell(struct audit_wait *w, const struct fault *why);
void waits_tell_all(struct audit_wait *head, const struct fault *why);

#endif
