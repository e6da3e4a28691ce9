/* The worker: a module host at the end of a channel, inside a sandbox or (bench,
 * tests) beside none. */
#ifndef CREDD_WORKER_H
#define CREDD_WORKER_H

#include "lib/confine.h"

struct worker_start {
	int chan;         /* the vault's channel, blocking */
	const char *path; /* of the module */
	/* Loaded once the module is; NULL: none. */
	struct confine_filter *filter;
};

/* Loads the module, says VW_READY, answers until the channel ends. Exit code. */
int worker_main(const struct worker_start *s);

/* Tells the vault that there will be no worker, and why (VW_FAILED, id 0). */
void worker_refuse(int chan, const struct fault *f);

#endif
