/* What unit tests share: cmocka's includes and seeded random numbers. A run can
 * be repeated with UNIT_SEED=N. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include "lib/num.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The state of a generator; prints the seed so that a failure can be repeated. */
static inline uint64_t unit_seed(void)
{
	const char *said = getenv("UNIT_SEED");
	struct timespec t;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &t);
	seed = (uint64_t)t.tv_nsec;
	if (said && num_u64(said, strlen(said), UINT64_MAX, &seed) != OK)
		print_message("UNIT_SEED is not a number\n");
	print_message("UNIT_SEED=%" PRIu64 "\n", seed);
	return seed;
}

/* The next number (splitmix64). */
static inline uint64_t unit_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* A number from 0 to n - 1. */
static inline size_t unit_below(uint64_t *state, size_t n)
{
	return (size_t)(unit_next(state) % n);
}

#endif
