/* Benchmarks: what credd is compared with, the least a server can do: one thread,
 * epoll, reads calls and answers each with a fixed frame. */
#ifndef TESTS_BENCH_ECHO_H
#define TESTS_BENCH_ECHO_H

#include "lib/attr.h"

struct echo;

/* Starts it as a process of its own; it answers every call by a REPLY of `reply`
 * bytes in all. */
struct echo *echo_start(size_t reply);

/* Ends it. */
void echo_stop(struct echo *e);

/* A load_connect; arg: the struct echo. */
int echo_connect(void *arg);

#endif
