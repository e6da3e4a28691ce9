/* What must hold of every decision, over random grants and requests: adding only
 * allows, removing only denies, narrowing allows no more, order does not matter. */
#include "tests/unit/grant_world.h"

static void test_adding_only_allows_and_removing_only_denies(void **state)
{
	unsigned turned = 0;
	struct attrs a;

	(void)state;
	attrs_init(&a);
	for (int round = 0; round < 4000; round++) {
		struct grant_set *set = grant_set_new();
		uint64_t extra = 1 + unit_below(&rnd, 9), before, with, after;
		struct world w;

		for (uint64_t id = 1; id <= 9; id++) {
			random_grant(&a);
			if (id != extra)
				assert_int_equal(
					grant_set_add(set, make(&a, id)), OK);
		}
		random_grant(&a);
		random_world(&w);
		before = allowed_by(set, &w);
		assert_int_equal(grant_set_add(set, make(&a, extra)), OK);
		with = allowed_by(set, &w);
		assert_int_equal(grant_set_drop(set, extra), OK);
		after = allowed_by(set, &w);
		assert_true(!before || with);
		assert_true(with || !after);
		assert_true(before == after);
		/* the oldest decides */
		assert_true(!before || (with == before || with == extra));
		assert_true(!before || with <= before);
		turned += !before && with;
		world_wipe(&w);
		grant_set_free(set);
	}
	attrs_wipe(&a);
	assert_true(turned > 20);
}

static bool grant_has(const struct attrs *a, const char *name)
{
	return attr_count(attrs_view(a), name) != 0;
}

/* out: in, with one limit more. False if there is none to add. */
static bool narrow_by_adding(const struct attrs *in, struct attrs *out)
{
	const struct maybe *m = chance(70) ? &PICK(sets) : &PICK(singles);

	if (!strcmp(m->name, "reveal") || grant_has(in, m->name))
		return false;
	assert_int_equal(attrs_add_view(out, attrs_view(in)), OK);
	if (m >= sets && m < sets + NELEM(sets)) {
		put_set(out, m->name, m->from, m->n);
		return true;
	}
	/* only what is narrower than the preset of 900 s narrows */
	assert_int_equal(
		attrs_add_str(out, m->name,
			      m->from == periods ? "10s" : PICK(times)),
		OK);
	return true;
}

/* out: in, with the last value of one set taken away, or any made a period. */
static bool narrow_by_taking(const struct attrs *in, struct attrs *out)
{
	struct attr_view it = attrs_view(in);
	struct attr a;
	size_t which = unit_below(&rnd, in->count);
	bool done = false;

	for (size_t i = 0; attr_next(&it, &a); i++) {
		const uint8_t *comma = memrchr(a.value, ',', a.len);

		if (i == which && comma) {
			a.len = (uint32_t)(comma - a.value);
			done = true;
		}
		if (i == which && attr_is(&a, "any")) {
			a.value = (const uint8_t *)"900s";
			a.len = 4;
			done = true;
		}
		assert_int_equal(attrs_add_attr(out, &a), OK);
	}
	return done;
}

static void test_narrowing_never_allows_more(void **state)
{
	unsigned narrowed = 0, turned = 0;
	struct attrs wide, narrow;

	(void)state;
	attrs_init(&wide);
	attrs_init(&narrow);
	while (narrowed < 30000) {
		struct grant *g = NULL;
		struct world w;
		bool had, has;

		random_grant(&wide);
		attrs_clear(&narrow);
		if (!(chance(50) ? narrow_by_adding(&wide, &narrow)
				 : narrow_by_taking(&wide, &narrow)) ||
		    grant_parse(attrs_view(&narrow), &g, NULL) != OK)
			continue;
		grant_free(g);
		random_world(&w);
		had = grant_allows(&wide, &w);
		has = grant_allows(&narrow, &w);
		assert_true(had || !has);
		narrowed++;
		turned += had && !has;
		world_wipe(&w);
	}
	assert_true(turned > 50);
	attrs_wipe(&wide);
	attrs_wipe(&narrow);
}

static void shuffle(const struct attrs *in, struct attrs *out)
{
	struct attr item[32];
	struct attr_view it = attrs_view(in);
	size_t n = 0;

	while (n < 32 && attr_next(&it, &item[n]))
		n++;
	for (size_t i = n; i > 1; i--) {
		size_t j = unit_below(&rnd, i);
		struct attr t = item[i - 1];

		item[i - 1] = item[j];
		item[j] = t;
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(attrs_add_attr(out, &item[i]), OK);
}

static void test_order_does_not_matter(void **state)
{
	struct attrs a, b;
	unsigned allowed = 0;

	(void)state;
	attrs_init(&a);
	attrs_init(&b);
	for (int i = 0; i < 20000; i++) {
		struct world w;
		bool is;

		random_grant(&a);
		attrs_clear(&b);
		shuffle(&a, &b);
		random_world(&w);
		is = grant_allows(&a, &w);
		assert_int_equal(is, grant_allows(&b, &w));
		allowed += is;
		world_wipe(&w);
	}
	assert_true(allowed > 100);
	attrs_wipe(&a);
	attrs_wipe(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_adding_only_allows_and_removing_only_denies),
		cmocka_unit_test(test_narrowing_never_allows_more),
		cmocka_unit_test(test_order_does_not_matter),
	};

	rnd = unit_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
