/* Benchmarks: a playground to run in, rounds that alternate, and the table. */
#ifndef TESTS_BENCH_STAGE_H
#define TESTS_BENCH_STAGE_H

#include "lib/attr.h"
#include "tests/bench/lib/load.h"

enum {
	BENCH_ROUNDS = 5
};

/* Ends the program with a sentence. */
_Noreturn void bench_die(const char *fmt, ...) PRINTF(1, 2);

/* Runs this program inside `cretula playground` of $CRETULA_BUILD; returns when it
 * is the one inside. */
void bench_enter(char **argv);

/* Makes one more playground, and this program runs inside that one, too: what
 * bench_socket(0) and (1) name. */
void bench_enter_twice(char **argv);

/* The api.sock of the first or the second playground. */
const char *bench_socket(unsigned which);

const char *bench_build(void);  /* the build folder */
const char *bench_folder(void); /* the playground's */

/* How long a round is: $BENCH_MS milliseconds, one second if it does not say. */
uint64_t bench_round_ns(void);

double bench_median(double *v, unsigned n); /* sorts v */

/* A load_connect to credd; arg: the path of its socket. */
int bench_connect(void *arg);

/* The call that is measured: `run` of a realistic S3 GET with this credential. */
void bench_call(const char *credential, struct attrs *call);
/* Only its request=. */
void bench_request(struct attrs *request);

/* The table: a heading; a figure beside its target (at least, or at most); and one
 * that has no target. */
void bench_heading(const char *what);
void bench_at_least(const char *what, double measured, double target);
void bench_at_most(const char *what, double measured, double target,
		   const char *unit);
void bench_figure(const char *what, double measured, const char *unit);

#endif
