/* Benchmarks: the way of agent.spawn with nobody at work: a client's message with two
 * descriptors, one process that passes it on, another that writes into the first of them
 * and answers, by the way it came. What certmgr needs beyond this is its own. */
#ifndef TESTS_BENCH_RELAY_H
#define TESTS_BENCH_RELAY_H

#include "lib/base.h"

enum {
	RELAY_CALL = 60, /* bytes, about as many as agent.spawn has */
	RELAY_TOKEN = 88,
	RELAY_ANSWER = 112,
};

struct relay;

/* Starts both. */
struct relay *relay_start(void);

/* One turn: a socket pair, the call with one end of it and with fd, the answer, and what
 * then is in the other end. */
void relay_turn(struct relay *r, int fd);

/* Ends them. */
void relay_stop(struct relay *r);

#endif
