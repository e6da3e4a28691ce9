/* An attribute list with equal names together: what JSON wants, where a name is there
 * once and has an array of values. */
#ifndef LIB_ATTR_GROUP_H
#define LIB_ATTR_GROUP_H

#include "lib/attr.h"

struct attr_at {
	struct attr a;
	unsigned at;    /* place in the list */
	unsigned first; /* place of the first of that name */
};

/* The attributes of v, those of a name together and in their order, the names in the
 * order of their first. A malloc'd array; a of each borrows from v. */
struct attr_at *attr_group(struct attr_view v, unsigned *count);

/* How many of the n (at least 1) at g have the name of the first. */
unsigned attr_group_len(const struct attr_at *g, unsigned n);

#endif
