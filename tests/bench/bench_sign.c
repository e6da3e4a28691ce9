/* Benchmark: signing an S3 GET through credd beside a bare epoll echo of frames of
 * the same sizes, and beside the module's own code in a loop, by turns in one run. */
#include "credd/host.h"
#include "lib/clock.h"
#include "tests/bench/lib/echo.h"
#include "tests/bench/lib/load.h"
#include "tests/bench/lib/stage.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t round_ns;

/* Medians of a few rounds. */
struct medians {
	double per_second, median_us;
};

struct rounds {
	double rate[BENCH_ROUNDS], us[BENCH_ROUNDS];
};

static void rounds_add(struct rounds *r, unsigned i, struct load_round one)
{
	r->rate[i] = one.per_second;
	r->us[i] = one.median_us;
}

static struct medians rounds_end(struct rounds *r)
{
	return (struct medians){ bench_median(r->rate, BENCH_ROUNDS),
				 bench_median(r->us, BENCH_ROUNDS) };
}

/* The module in this process, called as its worker calls it. */

struct loop_of {
	struct host *facts, *run;
	struct attrs request, reply;
};

static struct host *host_new(void)
{
	struct fault f = { .code = OK };
	struct host *h;
	char path[512];

	(void)snprintf(path, sizeof path, "%s/modules/aws-sigv4.so",
		       bench_build());
	if (host_load(path, &h, &f) != OK)
		bench_die("%s", f.text);
	return h;
}

static void loop_init(struct loop_of *l)
{
	struct attrs credential;
	struct fault f;

	l->facts = host_new();
	l->run = host_new();
	attrs_init(&credential);
	ENSURE(attrs_add_str(&credential, "access_key", "AKIDEXAMPLE") == OK);
	ENSURE(attrs_add_str(&credential, "secret_key",
			     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY") == OK);
	ENSURE(host_credential(l->run, attrs_view(&credential), &f) == OK);
	attrs_wipe(&credential);
	bench_request(&l->request);
	attrs_init(&l->reply);
}

static void loop_wipe(struct loop_of *l)
{
	host_free(l->facts);
	host_free(l->run);
	attrs_wipe(&l->request);
	attrs_wipe(&l->reply);
}

/* One call, with the parsing of its bytes. */
static void loop_call(struct loop_of *l, struct host *h, int64_t now)
{
	const struct buf *b = &l->request.bytes;
	struct attr_view v;
	struct host_end end = { .fault.code = OK };
	enum err e = attr_parse(b->p, b->len, &v, &end.fault);

	if (e == OK && h == l->facts)
		e = host_facts(h, "sign", now, v, &l->reply, &end);
	else if (e == OK)
		e = host_run(h, 1, "sign", now, v, &l->reply, &end);
	if (e != OK)
		bench_die("the module refuses: %s", end.fault.text);
}

static double loop_rate(struct loop_of *l, bool facts)
{
	uint64_t start = clock_boot(), n = 0;

	while (clock_boot() - start < round_ns) {
		for (unsigned i = 0; i < 64; i++) {
			if (facts)
				loop_call(l, l->facts, clock_wall());
			loop_call(l, l->run, clock_wall());
		}
		n += 64;
	}
	return (double)n * 1e9 / (double)(clock_boot() - start);
}

/* The comparisons */

struct compared {
	struct medians credd, echo;
	double run, both; /* of the module, a second */
};

static void compare(unsigned conns, unsigned window, struct echo *echo,
		    struct loop_of *loop, struct compared *out)
{
	double run[BENCH_ROUNDS], both[BENCH_ROUNDS];
	struct rounds credd, bare;
	struct load *to_credd, *to_echo;
	struct attrs call;
	char *socket = xstrdup(bench_socket(0));

	bench_call("sample", &call);
	to_credd = load_new(conns, window, attrs_view(&call), bench_connect,
			    socket);
	to_echo =
		load_new(conns, window, attrs_view(&call), echo_connect, echo);
	(void)load_run(to_credd, round_ns / 4);
	for (unsigned i = 0; i < BENCH_ROUNDS; i++) {
		rounds_add(&bare, i, load_run(to_echo, round_ns));
		rounds_add(&credd, i, load_run(to_credd, round_ns));
		if (!loop)
			continue;
		run[i] = loop_rate(loop, false);
		both[i] = loop_rate(loop, true);
	}
	out->credd = rounds_end(&credd);
	out->echo = rounds_end(&bare);
	if (loop) {
		out->run = bench_median(run, BENCH_ROUNDS);
		out->both = bench_median(both, BENCH_ROUNDS);
	}
	load_free(to_credd);
	load_free(to_echo);
	attrs_wipe(&call);
	free(socket);
}

/* How large credd's answer is: the echo's will be the same. */
static size_t reply_bytes(void)
{
	char *socket = xstrdup(bench_socket(0));
	struct attrs call;
	struct load *l;
	size_t n;

	bench_call("sample", &call);
	l = load_new(1, 1, attrs_view(&call), bench_connect, socket);
	(void)load_run(l, CLOCK_SECOND / 4);
	n = load_reply_bytes(l);
	load_free(l);
	attrs_wipe(&call);
	free(socket);
	return n;
}

static void print_rates(unsigned conns, unsigned window,
			const struct compared *c)
{
	char what[64];

	(void)snprintf(what, sizeof what, "  credd, %u x %u", conns, window);
	printf("%-22s %10.0f/s %8.1f us   echo %10.0f/s %8.1f us\n", what,
	       c->credd.per_second, c->credd.median_us, c->echo.per_second,
	       c->echo.median_us);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const unsigned conns[] = { 1, 8, 64 };
	struct compared one[NELEM(conns)], batch;
	struct loop_of loop;
	struct echo *echo;
	size_t reply;

	(void)argc;
	bench_enter(argv);
	round_ns = bench_round_ns();
	reply = reply_bytes();
	echo = echo_start(reply);
	loop_init(&loop);
	printf("signing an S3 GET: connections x in flight, signatures a "
	       "second, median\n");
	for (size_t i = 0; i < NELEM(conns); i++) {
		compare(conns[i], 1, echo, NULL, &one[i]);
		print_rates(conns[i], 1, &one[i]);
	}
	compare(8, 32, echo, &loop, &batch);
	print_rates(8, 32, &batch);
	printf("  module in a loop     %10.0f/s   with facts %10.0f/s\n",
	       batch.run, batch.both);
	bench_heading("signing");
	bench_at_least("64 connections: credd / echo, a second",
		       one[2].credd.per_second / one[2].echo.per_second, 0.35);
	bench_at_least("8 x 32: credd / module's run in a loop",
		       batch.credd.per_second / batch.run, 0.6);
	bench_at_least("8 x 32: credd / module's facts and run in a loop",
		       batch.credd.per_second / batch.both, 0.6);
	bench_at_most("1 connection: credd's median / echo's",
		      one[0].credd.median_us / one[0].echo.median_us, 2.5, "");
	loop_wipe(&loop);
	echo_stop(echo);
	return 0;
}
