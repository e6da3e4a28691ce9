/* Inside of lib/conns.c (connections, and who says whose they are) and lib/conns_front.c
 * (what carries them). */
#ifndef LIB_CONNS_PART_H
#define LIB_CONNS_PART_H

#include "lib/conns.h"

struct conns_front {
	struct chan chan; /* first member */
	uid_t uid;
	bool http; /* a gate */
	struct conns *of;
	struct conns_front *next;
};

/* Forgets it. */
void conns_drop(struct conns *c, struct conn *conn);

/* What carries it; NULL: there is none now. */
struct conns_front *conns_front_of(const struct conns *c,
				   const struct conn *conn);
/* SUP_PEER of one; takes fd. */
void conns_front_came(struct conns *c, int fd, uid_t uid, bool http);
void conns_fronts_end(struct conns *c);

#endif
