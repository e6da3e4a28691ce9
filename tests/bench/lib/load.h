/* Benchmarks: one thread that keeps many connections busy with the same call, over
 * epoll, and notes how long each answer took. */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include "lib/attr.h"

enum {
	LOAD_CONNS_MAX = 64,
	LOAD_WINDOW_MAX = 32, /* calls in flight of one connection */
};

struct load;

/* What a round measured. */
struct load_round {
	double per_second;
	double median_us; /* from writing a call to reading its answer */
	double p99_us;
};

/* How a connection is made: a connected socket, or -1 with errno. */
typedef int load_connect(void *arg);

/* conns connections with window calls in flight each; every call has these
 * attributes. Exits with a sentence if there is no connection. */
struct load *load_new(unsigned conns, unsigned window, struct attr_view call,
		      load_connect *connect, void *arg);
void load_free(struct load *l);

/* Runs for ns nanoseconds, then until nothing is in flight; what is answered after
 * the time does not count. Exits with the error's text at the first call that is
 * not answered by a REPLY. */
struct load_round load_run(struct load *l, uint64_t ns);

/* Bytes of the last answer, head included. */
size_t load_reply_bytes(const struct load *l);

#endif
