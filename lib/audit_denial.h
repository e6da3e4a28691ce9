/* Denials being counted: equal ones within a second become one record. A small table
 * with a bound; what does not fit is simply not counted together. Used by lib/audit
 * only. */
#ifndef LIB_AUDIT_DENIAL_H
#define LIB_AUDIT_DENIAL_H

#include "lib/attr.h"

enum {
	DENIALS_MAX = 256,   /* different ones at once */
	DENIAL_BYTES = 2048, /* longer ones are not counted */
};

struct denial {
	uint8_t *what; /* owned; NULL: the slot is free */
	uint32_t len;
	uint32_t hash;
	uint64_t index; /* of the record of the first */
	uint64_t count; /* of the others */
	uint64_t until; /* boottime, ns */
};

struct denials {
	struct denial at[DENIALS_MAX];
	unsigned used; /* slots below this may be in use */
};

void denials_wipe(struct denials *d);

/* The equal one whose second is not over; NULL if there is none. */
struct denial *denials_find(struct denials *d, struct attr_view what,
			    uint64_t boot);

/* A free slot, or NULL if there is none or `what` is too long. Copies. */
struct denial *denials_add(struct denials *d, struct attr_view what,
			   uint64_t index, uint64_t until);
void denials_drop(struct denials *d, struct denial *one);

/* The earliest end of a second in which something was counted. */
uint64_t denials_deadline(const struct denials *d);

#endif
