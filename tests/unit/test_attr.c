/* lib/attr.c: the attribute list, binary form. */
#include "lib/attr.h"

#include "tests/unit/unit.h"

static void sample(struct attrs *a)
{
	attrs_init(a);
	assert_int_equal(attrs_add_str(a, "op", "sign"), OK);
	assert_int_equal(attrs_add(a, "body", 0, "a\0b", 3), OK);
	assert_int_equal(attrs_add(a, "key", ATTR_CONFIDENTIAL, "", 0), OK);
	assert_int_equal(attrs_add_u64(a, "op", 42), OK);
}

static enum err parses(const void *p, size_t len, struct fault *f)
{
	struct attr_view v;

	*f = (struct fault){ .code = OK };
	return attr_parse(p, len, &v, f);
}

static void test_bytes_are_as_documented(void **state)
{
	static const uint8_t want[] = { 2,   0,   0,   0,   0,   4,  'o', 'p',
					's', 'i', 'g', 'n', 3,   1,  0,   0,
					0,   1,   'k', 'e', 'y', 'x' };
	struct attrs a;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "op", "sign"), OK);
	assert_int_equal(attrs_add(&a, "key", ATTR_CONFIDENTIAL, "x", 1), OK);
	assert_int_equal(a.bytes.len, sizeof want);
	assert_memory_equal(a.bytes.p, want, sizeof want);
	attrs_wipe(&a);
}

static void test_what_is_added_reads_back(void **state)
{
	struct attrs a;
	struct attr_view it;
	struct attr one;
	uint64_t v;

	(void)state;
	sample(&a);
	assert_int_equal(attr_parse(a.bytes.p, a.bytes.len, &it, NULL), OK);
	assert_true(attr_next(&it, &one) && attr_named(&one, "op") &&
		    attr_is(&one, "sign"));
	assert_true(attr_next(&it, &one) && attr_named(&one, "body"));
	assert_int_equal(one.len, 3);
	assert_memory_equal(one.value, "a\0b", 3);
	assert_true(attr_next(&it, &one) && one.flags == ATTR_CONFIDENTIAL);
	assert_int_equal(one.len, 0);
	assert_true(attr_next(&it, &one));
	assert_int_equal(attr_u64(&one, 100, &v), OK);
	assert_int_equal(v, 42);
	assert_false(attr_next(&it, &one));
	attrs_wipe(&a);
}

/* Each prefix is a list only where an attribute ends. */
static void test_cut_short(void **state)
{
	struct attrs a;
	struct attr_view it;
	struct attr one;
	size_t ends[8] = { 0 }, n = 1;

	(void)state;
	sample(&a);
	it = attrs_view(&a);
	while (attr_next(&it, &one))
		ends[n++] = a.bytes.len - it.len;
	for (size_t len = 0, e = 0; len <= a.bytes.len; len++) {
		uint8_t *copy = xmemdup(a.bytes.p, len);
		struct fault f;
		bool whole = len == ends[e];

		assert_int_equal(parses(copy, len, &f),
				 whole ? OK : ERR_INVALID);
		e += whole;
		assert_true(whole || strstr(f.text, "cut short"));
		free(copy);
	}
	attrs_wipe(&a);
}

static void test_broken_lists_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} bad[] = {
		{ "\0\0\0\0\0\0", 6, "attribute name" },
		{ "\1\0\0\0\0\0A", 7, "attribute name" },
		{ "\1\0\0\0\0\0001", 7, "attribute name" },
		{ "\2\0\0\0\0\0a ", 8, "attribute name" },
		{ "\1\2\0\0\0\0a", 7, "unknown flags" },
		{ "\1\0\377\377\377\377a", 7, "cut short" },
		{ "\377\0\0\0\0\0a", 7, "cut short" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct fault f;

		assert_int_equal(parses(bad[i].bytes, bad[i].len, &f),
				 ERR_INVALID);
		if (!strstr(f.text, bad[i].why))
			fail_msg("%zu: %s", i, f.text);
	}
}

static void test_limits(void **state)
{
	AUTO(mem_free) uint8_t *big = xcalloc(1, ATTR_BYTES_MAX + 1);
	struct attrs a;
	struct fault f;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_add(&a, "a", 0, big, ATTR_BYTES_MAX - 6),
			 ERR_TOO_LARGE);
	assert_int_equal(attrs_add(&a, "a", 0, big, ATTR_BYTES_MAX - 7), OK);
	assert_int_equal(parses(a.bytes.p, a.bytes.len, &f), OK);
	assert_int_equal(attrs_add(&a, "a", 0, "", 0), ERR_TOO_LARGE);
	assert_int_equal(parses(big, ATTR_BYTES_MAX + 1, &f), ERR_TOO_LARGE);
	attrs_clear(&a);
	for (int i = 0; i < ATTR_COUNT_MAX; i++)
		assert_int_equal(attrs_add(&a, "a", 0, "", 0), OK);
	assert_int_equal(attrs_add(&a, "a", 0, "", 0), ERR_TOO_LARGE);
	assert_int_equal(parses(a.bytes.p, a.bytes.len, &f), OK);
	memcpy(big, a.bytes.p, a.bytes.len);
	memcpy(big + a.bytes.len, a.bytes.p, 7);
	assert_int_equal(parses(big, a.bytes.len + 7, &f), ERR_TOO_LARGE);
	attrs_wipe(&a);
}

static void test_names(void **state)
{
	char name[ATTR_NAME_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof name);
	assert_true(attr_name_ok(name, ATTR_NAME_MAX));
	assert_false(attr_name_ok(name, ATTR_NAME_MAX + 1));
	assert_true(attr_name_ok("a0_.-", 5));
	assert_false(attr_name_ok("", 0));
	assert_false(attr_name_ok("_a", 2));
	assert_false(attr_name_ok("aB", 2));
	assert_false(attr_name_ok("a\0", 2));
}

static void test_finding(void **state)
{
	struct attrs a;
	struct attr one;

	(void)state;
	sample(&a);
	assert_true(attr_find(attrs_view(&a), "op", &one));
	assert_true(attr_is(&one, "sign"));
	assert_false(attr_find(attrs_view(&a), "o", &one));
	assert_int_equal(attr_only(attrs_view(&a), "op", &one), ERR_INVALID);
	assert_int_equal(attr_only(attrs_view(&a), "none", &one),
			 ERR_NOT_FOUND);
	assert_int_equal(attr_only(attrs_view(&a), "body", &one), OK);
	assert_int_equal(attr_count(attrs_view(&a), "op"), 2);
	attrs_wipe(&a);
}

static void test_values(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "101"
	};
	struct attr a = { .name = "n", .name_len = 1 };
	uint64_t v = 7;
	char *s = NULL;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		a.value = (const uint8_t *)bad[i];
		a.len = (uint32_t)strlen(bad[i]);
		assert_int_equal(attr_u64(&a, 100, &v), ERR_INVALID);
	}
	assert_int_equal(v, 7);
	a.value = (const uint8_t *)"18446744073709551615";
	a.len = 20;
	assert_int_equal(attr_u64(&a, UINT64_MAX, &v), OK);
	assert_true(v == UINT64_MAX);
	assert_int_equal(attr_str(&a, &s), OK);
	assert_string_equal(s, "18446744073709551615");
	free(s);
	a.value = (const uint8_t *)"a\0b";
	a.len = 3;
	assert_int_equal(attr_str(&a, &s), ERR_INVALID);
}

static void test_lists_join(void **state)
{
	struct attrs a, b;

	(void)state;
	sample(&a);
	sample(&b);
	assert_int_equal(attrs_add_view(&b, attrs_view(&a)), OK);
	assert_int_equal(b.count, 8);
	assert_int_equal(b.bytes.len, 2 * a.bytes.len);
	assert_memory_equal(b.bytes.p + a.bytes.len, a.bytes.p, a.bytes.len);
	assert_int_equal(attrs_add_fmt(&b, "n", "%d:%s", 1, "x"), OK);
	assert_int_equal(attrs_add_named(&b, "N", 1, 0, "", 0), ERR_INVALID);
	assert_int_equal(b.count, 9);
	attrs_wipe(&a);
	attrs_wipe(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_are_as_documented),
		cmocka_unit_test(test_what_is_added_reads_back),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_broken_lists_are_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_finding),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lists_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
