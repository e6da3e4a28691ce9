/* Benchmark: signing with many credentials and grants in the store beside ten of each,
 * by turns in one run: two playgrounds, of which the second is filled over
 * admin.sock. $BENCH_SCALE says how many: each is a durable change of its own (and a
 * credential is checked in a worker), so that 100,000 of both take a while. */
#include "lib/client.h"
#include "lib/clock.h"
#include "lib/msg.h"
#include "lib/num.h"
#include "tests/bench/lib/load.h"
#include "tests/bench/lib/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FEW = 10,
	MANY = 2000,
	FLYING = 100, /* admin calls in flight */
	CONNS = 64,
};

static unsigned many(void)
{
	const char *text = getenv("BENCH_SCALE");
	uint64_t n = MANY;

	if (text && (num_u64(text, strlen(text), 1000000, &n) != OK || !n))
		bench_die("BENCH_SCALE is not a number of 1 to 1000000");
	return (unsigned)n;
}

/* Filling */

struct fill {
	struct cretula *c;
	struct buf box; /* of the secret key, the same for all */
	uint32_t flying[FLYING];
	unsigned sent;
};

static void fill_wait(struct fill *f, uint32_t id)
{
	struct cretula_answer *answer = NULL;
	struct cretula_error err = { 0 };

	if (cretula_wait(f->c, id, &answer, &err))
		bench_die("%s", err.text);
	cretula_answer_free(answer);
}

static void fill_send(struct fill *f, const char *verb,
		      const struct attrs *args)
{
	struct cretula_error err = { 0 };
	unsigned slot = f->sent % FLYING;

	if (f->sent >= FLYING)
		fill_wait(f, f->flying[slot]);
	if (client_submit(f->c, verb, attrs_view(args), &f->flying[slot], &err))
		bench_die("%s", err.text);
	f->sent++;
}

static void fill_drain(struct fill *f)
{
	for (unsigned i = f->sent > FLYING ? f->sent - FLYING : 0; i < f->sent;
	     i++)
		fill_wait(f, f->flying[i % FLYING]);
	f->sent = 0;
}

static void add_credential(struct fill *f, const char *name)
{
	struct attrs args, plain;

	attrs_init(&args);
	attrs_init(&plain);
	ENSURE(attrs_add_str(&plain, "access_key", "AKIDEXAMPLE") == OK);
	ENSURE(attrs_add_str(&args, "name", name) == OK);
	ENSURE(attrs_add_str(&args, "module", "aws-sigv4") == OK);
	ENSURE(attrs_add(&args, "attributes", 0, plain.bytes.p,
			 plain.bytes.len) == OK);
	ENSURE(attrs_add(&args, "box", 0, f->box.p, f->box.len) == OK);
	fill_send(f, "credential.add", &args);
	attrs_wipe(&plain);
	attrs_wipe(&args);
}

static void add_grant(struct fill *f, const char *name)
{
	struct attrs args, grant;

	attrs_init(&args);
	attrs_init(&grant);
	ENSURE(attrs_add_str(&grant, "credential", name) == OK);
	ENSURE(attrs_add_str(&grant, "op", "sign") == OK);
	ENSURE(attrs_add_u64(&grant, "uid", getuid()) == OK);
	ENSURE(attrs_add_str(&grant, "service", "s3") == OK);
	ENSURE(attrs_add_str(&grant, "host", "*.amazonaws.com") == OK);
	ENSURE(attrs_add(&args, "grant", 0, grant.bytes.p, grant.bytes.len) ==
	       OK);
	fill_send(f, "grant.add", &args);
	attrs_wipe(&grant);
	attrs_wipe(&args);
}

static void fill_box(struct fill *f)
{
	struct cretula_error err = { 0 };
	struct attrs sealed;

	attrs_init_secret(&sealed);
	buf_init(&f->box, MSG_MAX);
	ENSURE(attrs_add_str(&sealed, "secret_key",
			     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY") == OK);
	if (client_box(f->c, &sealed, &f->box, &err))
		bench_die("%s", err.text);
	attrs_wipe(&sealed);
}

/* n credentials bench-0 … and a grant for each. */
static void fill(const char *socket, unsigned n)
{
	static const char *const what[] = { "credentials", "grants" };
	struct cretula_error err = { 0 };
	struct fill f = { .c = NULL };
	char name[32];

	if (cretula_open_admin(socket, &f.c, &err))
		bench_die("%s", err.text);
	fill_box(&f);
	for (unsigned k = 0; k < NELEM(what); k++) {
		uint64_t start = clock_boot();

		for (unsigned i = 0; i < n; i++) {
			(void)snprintf(name, sizeof name, "bench-%u", i);
			(k ? add_grant : add_credential)(&f, name);
		}
		fill_drain(&f);
		printf("  %u %s added in %.1f s\n", n, what[k],
		       (double)(clock_boot() - start) / 1e9);
		fflush(stdout);
	}
	buf_wipe(&f.box);
	cretula_close(f.c);
}

/* Measuring */

static struct load *signing(unsigned which, const char *credential)
{
	char *socket = xstrdup(bench_socket(which));
	struct attrs call;
	struct load *l;

	bench_call(credential, &call);
	l = load_new(CONNS, 1, attrs_view(&call), bench_connect, socket);
	(void)load_run(l, CLOCK_SECOND / 4);
	attrs_wipe(&call);
	free(socket);
	return l;
}

int main(int argc, char **argv)
{
	double few[BENCH_ROUNDS], lots[BENCH_ROUNDS];
	uint64_t ns = bench_round_ns();
	char what[64], last[32];
	struct load *a, *b;
	unsigned n = many();

	(void)argc;
	bench_enter_twice(argv);
	fill(bench_socket(0), FEW);
	fill(bench_socket(1), n);
	(void)snprintf(last, sizeof last, "bench-%u", n - 1);
	a = signing(0, "bench-9");
	b = signing(1, last);
	for (unsigned i = 0; i < BENCH_ROUNDS; i++) {
		few[i] = load_run(a, ns).per_second;
		lots[i] = load_run(b, ns).per_second;
	}
	load_free(a);
	load_free(b);
	bench_heading("scale");
	(void)snprintf(what, sizeof what, "%u credentials and grants / %d", n,
		       FEW);
	bench_at_least(what,
		       bench_median(lots, BENCH_ROUNDS) /
			       bench_median(few, BENCH_ROUNDS),
		       0.9);
	return 0;
}
