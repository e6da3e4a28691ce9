/* Benchmarks: one thread that keeps many kept HTTP/1.1 connections busy, over TLS
 * or not, one request in flight each, and notes how long each answer took. */
#ifndef TESTS_BENCH_WEB_H
#define TESTS_BENCH_WEB_H

#include "lib/span.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	WEB_CONNS_MAX = 256
};

/* Where to: a UNIX socket, or an address of this machine and PEM files for mutual TLS
 * (root NULL: plain HTTP). */
struct web_to {
	const char *path; /* of the UNIX socket; NULL: the port */
	const char *host; /* as the certificate has it */
	uint16_t port;
	const char *root, *cert, *key;
};

/* The next request, borrowed until the next call; p NULL: there are no more. */
typedef struct span web_next(void *arg);

struct web_result {
	uint64_t answers, refused; /* of status 200 or 201, and others */
	uint64_t ns;
	double p50_us, p99_us;
	size_t bytes;      /* of the last answer, head and body */
	char refusal[512]; /* what the first one that was refused said */
};

/* Asks for ns nanoseconds, or until there are no more requests. Exits with a
 * sentence if there is no connection or it ends. */
void web_run(const struct web_to *to, unsigned conns, uint64_t ns,
	     web_next *next, void *arg, struct web_result *out);

/* HOST:PORT. Exits with a sentence. */
uint16_t web_port(const char *address);

/* rate= p50_us= … as one line of JSON. */
void web_say(const struct web_result *r);

#endif
