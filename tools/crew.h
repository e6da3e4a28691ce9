/* The same done for many, a bounded number of them at once, and told of in their order.
 * For what waits for others; it runs in threads of its own. */
#ifndef TOOLS_CREW_H
#define TOOLS_CREW_H

#include <stddef.h>

enum {
	CREW_MAX = 16, /* at once */
};

struct crew_job {
	size_t count;
	/* In order, one at a time: what is to be had of one for all. May be NULL. */
	void (*begin)(void *arg, size_t i);
	/* At the same time as others: touches what belongs to i only. */
	void (*work)(void *arg, size_t i);
	/* In order, in the caller's thread, as soon as the work of i and of all before
	 * it is done. May be NULL. */
	void (*done)(void *arg, size_t i);
	void *arg;
};

/* Returns when all is done. */
void crew_run(const struct crew_job *job);

#endif
