/* Benchmarks of certmgr: agents that this process starts, and is itself. */
#ifndef TESTS_BENCH_AGENTS_H
#define TESTS_BENCH_AGENTS_H

#include "lib/base.h"
#include "lib/buf.h"

#include <cretula/agent.h>

/* How long something took, each time. */
struct times {
	double *us;
	unsigned n, room;
};

/* A connection to certmgr; ends the program if there is none. */
struct cretula *agents_connect(const char *api);

/* Starts an agent of type web that is process pidfd. view: NULL or view='s value; wait:
 * until its certificate is there. */
void agents_spawn(struct cretula *c, int pidfd, const char *view, bool wait,
		  struct cretula_agent_ref *out);

/* Reads the token, which is there. The descriptor is to be closed. */
void agents_token(const struct cretula_agent_ref *ref, struct buf *token);

int agents_self(void); /* a pidfd of this process */

/* The argument as a number; ends the program if it is none. */
unsigned agents_number(const char *text, unsigned max);

void times_init(struct times *t, unsigned room);
void times_add(struct times *t, uint64_t since); /* boot clock, until now */
/* Prints "NAME_us": median, "NAME_p99_us": …; then ends what is kept. */
void times_print(struct times *t, const char *name);

#endif
