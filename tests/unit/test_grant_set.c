/* lib/grant_set.c, lib/grant_index.c: the index against brute force, and the set. */
#include "lib/clock.h"

#include "tests/unit/grant_world.h"

/* Index against brute force. */

static void brute(const struct grant_set *set, struct world *w, bool admit,
		  struct grant_decision *d)
{
	*d = (struct grant_decision){ .verdict = GRANT_DENY };
	for (size_t i = 0; i < grant_set_count(set); i++) {
		const struct grant *g = grant_set_at(set, i);

		d->verdict = admit ? grant_admits(g, &w->s, &w->rq, now, NULL)
				   : grant_match(g, &w->s, &w->rq, now, NULL);
		if (d->verdict == GRANT_DENY)
			continue;
		d->grant = g;
		if (d->verdict == GRANT_NEEDS_EXE)
			d->exe = grant_exe_wanted(g, &w->proof);
		return;
	}
}

static enum grant_verdict same_as_brute(const struct grant_set *set,
					struct world *w)
{
	struct grant_decision a, b;

	grants_admit(set, &w->s, &w->rq, now, &a);
	brute(set, w, true, &b);
	assert_int_equal(a.verdict, b.verdict);
	assert_ptr_equal(a.grant, b.grant);
	grants_decide(set, &w->s, &w->rq, now, &a);
	brute(set, w, false, &b);
	assert_int_equal(a.verdict, b.verdict);
	assert_ptr_equal(a.grant, b.grant);
	assert_ptr_equal(a.exe.p, b.exe.p);
	if (a.verdict == GRANT_DENY)
		assert_true(a.why.code == ERR_DENIED && a.why.text[0]);
	if (a.verdict == GRANT_NEEDS_ALIVE || a.verdict == GRANT_NEEDS_EXE)
		answer(w, a.exe);
	return a.verdict;
}

static void test_index_decides_as_brute_force(void **state)
{
	unsigned verdicts[4] = { 0 };
	struct attrs a;

	(void)state;
	attrs_init(&a);
	for (int round = 0; round < 200; round++) {
		struct grant_set *set = grant_set_new();

		for (uint64_t id = 1; id <= 40; id++) {
			random_grant(&a);
			assert_int_equal(grant_set_add(set, make(&a, id * 7)),
					 OK);
		}
		for (int i = 0; i < 200; i++) {
			struct world w;

			if (i % 10 == 9)
				(void)!grant_set_drop(
					set, 7 * (1 + unit_below(&rnd, 40)));
			random_world(&w);
			for (int k = 0; k < 4; k++)
				verdicts[same_as_brute(set, &w)]++;
			world_wipe(&w);
		}
		grant_set_free(set);
	}
	attrs_wipe(&a);
	for (int i = 0; i < 4; i++)
		assert_true(verdicts[i] > 500);
}

/* The set itself. */

static struct grant *of(const char *text, uint64_t id)
{
	struct attrs a;
	struct grant *g;

	attrs_init(&a);
	assert_int_equal(attrs_parse_text(&a, text, strlen(text), NULL), OK);
	g = make(&a, id);
	attrs_wipe(&a);
	return g;
}

static void test_add_find_drop(void **state)
{
	struct grant_set *set = grant_set_new();
	struct grant *g = of("credential=a uid=1,1,2 gid=5", 9);
	struct grant *twin = of("credential=a uid=1", 9);

	(void)state;
	assert_int_equal(grant_set_add(set, g), OK);
	assert_int_equal(grant_set_add(set, twin), ERR_EXISTS);
	grant_free(twin);
	assert_int_equal(grant_set_add(set, of("credential=a uid=1", 4)), OK);
	assert_ptr_equal(grant_set_find(set, 9), g);
	assert_null(grant_set_find(set, 5));
	assert_int_equal(grant_set_count(set), 2);
	assert_int_equal(grant_set_at(set, 0)->id, 4);
	assert_int_equal(grant_set_drop(set, 5), ERR_NOT_FOUND);
	assert_int_equal(grant_set_drop(set, 9), OK);
	assert_int_equal(grant_set_drop(set, 9), ERR_NOT_FOUND);
	assert_int_equal(grant_set_count(set), 1);
	grant_set_free(set);
	grant_set_free(NULL);
}

static void test_denial_reads_the_same_for_any_name(void **state)
{
	struct grant_set *set = grant_set_new();
	struct subject s = { .uid = 1 };
	struct grant_request rq = { .credential = "a", .op = "sign" };
	struct grant_decision d;
	char first[FAULT_TEXT_MAX];

	(void)state;
	assert_int_equal(grant_set_add(set, of("credential=a uid=2", 1)), OK);
	grants_admit(set, &s, &rq, now, &d);
	assert_int_equal(d.verdict, GRANT_DENY);
	memcpy(first, d.why.text, sizeof first);
	assert_non_null(strstr(first, "no grant lets uid 1 run 'sign' with "
				      "credential 'a'"));
	assert_int_equal(grant_set_drop(set, 1), OK);
	grants_admit(set, &s, &rq, now, &d);
	assert_string_equal(first, d.why.text);
	grant_set_free(set);
}

static void test_explanations(void **state)
{
	struct grant_set *set = grant_set_new();
	struct subject s = { .uid = 1 };
	struct grant_request rq = { .credential = "a", .op = "sign" };
	struct buf b;

	(void)state;
	buf_init(&b, 65536);
	assert_int_equal(grants_explain(set, &s, &rq, now, &b), OK);
	assert_int_equal(grant_set_add(set, of("credential=a uid=2", 1)), OK);
	assert_int_equal(grant_set_add(set, of("credential=b uid=1", 2)), OK);
	assert_int_equal(grant_set_add(set, of("credential=a,b uid=1", 3)), OK);
	assert_int_equal(
		grant_set_add(set, of("credential=a uid=1 exe=/bin/x", 4)), OK);
	assert_int_equal(grants_explain(set, &s, &rq, now, &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p,
			    "no grant names credential 'a'\n"
			    "grant 1: uid 1 is not among its uids\n"
			    "grant 3: allows it\n"
			    "grant 4: allows it if the program is the file "
			    "/bin/x\n");
	buf_wipe(&b);
	grant_set_free(set);
}

/* n grants for n uids on one credential, and n by unit, by group and by name. */
static struct grant_set *many(uint64_t n)
{
	static const struct {
		const char *before, *after;
	} form[] = { { "credential=one uid=", "" },
		     { "credential=two gid=", "" },
		     { "credential=three unit=u", ".service" },
		     { "uid=7 credential=c", "" } };
	struct grant_set *set = grant_set_new();
	struct attrs a;
	char text[64];

	attrs_init(&a);
	for (uint64_t i = 1; i <= n; i++) {
		(void)snprintf(text, sizeof text, "%s%llu%s",
			       form[i % NELEM(form)].before,
			       (unsigned long long)i,
			       form[i % NELEM(form)].after);
		attrs_clear(&a);
		assert_int_equal(attrs_parse_text(&a, text, strlen(text), NULL),
				 OK);
		assert_int_equal(grant_set_add(set, make(&a, i)), OK);
	}
	attrs_wipe(&a);
	return set;
}

static uint64_t time_of(const struct grant_set *set, unsigned runs)
{
	static const char *const names[] = { "one", "two", "three", "c3" };
	uint32_t gid = 1;
	char unit[] = "u2.service";
	struct subject s = {
		.uid = 7, .gids = &gid, .gid_count = 1, .unit = unit
	};
	struct grant_decision d;
	uint64_t start = clock_boot();

	for (unsigned i = 0; i < runs; i++) {
		struct grant_request rq = { .credential = names[i % 4],
					    .op = "sign" };

		grants_admit(set, &s, &rq, now, &d);
	}
	return clock_boot() - start;
}

static void test_cost_does_not_grow_with_grants(void **state)
{
	struct grant_set *few = many(12), *lots = many(100000);
	uint64_t small = UINT64_MAX, large = UINT64_MAX;

	(void)state;
	/* a scan of 25,000 candidates would cost thousands of times as much;
	 * the best of several runs, because others use this machine too */
	for (int i = 0; i < 7; i++) {
		uint64_t a = time_of(few, 20000), b = time_of(lots, 20000);

		small = MIN(small, a);
		large = MIN(large, b);
	}
	print_message("decision with 12 grants %llu ns, with 100000 %llu ns\n",
		      (unsigned long long)small / 20000,
		      (unsigned long long)large / 20000);
	assert_true(large < 10 * small);
	grant_set_free(few);
	grant_set_free(lots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_decides_as_brute_force),
		cmocka_unit_test(test_add_find_drop),
		cmocka_unit_test(test_denial_reads_the_same_for_any_name),
		cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_cost_does_not_grow_with_grants),
	};

	rnd = unit_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
