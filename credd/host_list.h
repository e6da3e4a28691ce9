/* An attribute list in the form modules take: C strings and bytes with a NUL
 * behind them, in one piece of memory that is used again for the next list. */
#ifndef CREDD_HOST_LIST_H
#define CREDD_HOST_LIST_H

#include "cretula/module.h"
#include "lib/attr.h"

struct host_list {
	struct buf bytes;
	struct cretula_attr *item;
	size_t room;
	struct cretula_attrs view; /* valid until the next set or wipe */
};

void host_list_init(struct host_list *l, bool secret);
void host_list_wipe(struct host_list *l);

/* Replaces what l holds. ERR_TOO_LARGE past the limits of a list. */
MUST enum err host_list_set(struct host_list *l, struct attr_view v);

#endif
