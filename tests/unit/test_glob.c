/* lib/glob.c: patterns of hosts, paths and other texts. */
#include "lib/clock.h"
#include "lib/glob.h"

#include "tests/unit/unit.h"

static bool is(enum glob_kind kind, const char *pattern, const char *text)
{
	struct fault f;

	if (glob_check(kind, "x", pattern, strlen(pattern), &f) != OK)
		fail_msg("'%s': %s", pattern, f.text);
	return glob_match(kind, pattern, strlen(pattern), text, strlen(text));
}

struct sample {
	const char *pattern, *text;
	bool fits;
};

static void check(enum glob_kind kind, const struct sample *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is(kind, s[i].pattern, s[i].text) != s[i].fits)
			fail_msg("'%s' and '%s'", s[i].pattern, s[i].text);
}

static void test_host_star_spans_dots(void **state)
{
	static const struct sample s[] = {
		{ "*.amazonaws.com", "s3.amazonaws.com", true },
		{ "*.amazonaws.com", "b.s3.eu-west-1.amazonaws.com", true },
		{ "*.amazonaws.com", "S3.AmazonAWS.com", true },
		{ "*.AMAZONAWS.com", "s3.amazonaws.com", true },
		{ "*.amazonaws.com", "amazonaws.com", false },
		{ "*.amazonaws.com", "s3.amazonaws.com.evil.example", false },
		{ "*.amazonaws.com", "s3.amazonaws.com.", false },
		{ "*.amazonaws.com", "s3xamazonaws.com", false },
		{ "s3.*.amazonaws.com", "s3.eu.amazonaws.com", true },
		{ "*", "anything", true },
		{ "a.example", "a.example", true },
		{ "a.example", "a.exampl", false },
		{ "a.example", "a.example2", false },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "abc", true },
		{ "a*b*c", "acb", false },
	};

	(void)state;
	check(GLOB_HOST, s, NELEM(s));
}

static void test_path_star_is_one_segment(void **state)
{
	static const struct sample s[] = {
		{ "/a/*", "/a/b", true },
		{ "/a/*", "/a/b/c", false },
		{ "/a/*", "/a/", false },
		{ "/a/*", "/a", false },
		{ "/*", "/", false },
		{ "/*/x", "//x", false },
		{ "/*/x", "/b/x", true },
		{ "/a/f*", "/a/f", true },
		{ "/a/f*", "/a/foo", true },
		{ "/a/f*", "/a/f/o", false },
		{ "/a/*.txt", "/a/.txt", true },
		{ "/**", "/", true },
		{ "/**", "/a/b/c", true },
		{ "/a/**", "/a/", true },
		{ "/a/**", "/a/b/c", true },
		{ "/a/**", "/ab", false },
		{ "/a/**", "/a", false },
		{ "/a/**/z", "/a/b/c/z", true },
		{ "/a/**/z", "/a/z", false },
		{ "/a/**z", "/a/b/z", true },
		{ "**", "", true },
		{ "/*/**/k*", "/b/x/y/key", true },
		{ "/*/**/k*", "/b/x/y/key/z", false },
		{ "/A", "/a", false },
	};

	(void)state;
	check(GLOB_PATH, s, NELEM(s));
}

static void test_any(void **state)
{
	static const struct sample s[] = {
		{ "Get*", "GetObject", true }, { "Get*", "Get", true },
		{ "Get*", "get", false },      { "*", "", true },
		{ "a?", "ab", false },         { "a?", "a?", true },
		{ "*/*", "a/b/c", true },      { "a", "", false },
	};

	(void)state;
	check(GLOB_ANY, s, NELEM(s));
}

static void test_what_is_no_pattern(void **state)
{
	char big[GLOB_MAX + 1];

	(void)state;
	memset(big, 'a', sizeof big);
	assert_int_equal(glob_check(GLOB_ANY, "x", "", 0, NULL), ERR_INVALID);
	assert_int_equal(glob_check(GLOB_ANY, "x", "**", 2, NULL), ERR_INVALID);
	assert_int_equal(glob_check(GLOB_HOST, "x", "**", 2, NULL),
			 ERR_INVALID);
	assert_int_equal(glob_check(GLOB_PATH, "x", "***", 3, NULL),
			 ERR_INVALID);
	assert_int_equal(glob_check(GLOB_PATH, "x", "/**/**", 6, NULL), OK);
	assert_int_equal(glob_check(GLOB_ANY, "x", big, GLOB_MAX, NULL), OK);
	assert_int_equal(glob_check(GLOB_ANY, "x", big, GLOB_MAX + 1, NULL),
			 ERR_INVALID);
}

/* The definition, slow but plain. */
static bool slow(enum glob_kind kind, const char *p, const char *p0,
		 const char *t)
{
	bool all, alone;

	if (!*p)
		return !*t;
	if (*p != '*')
		return *t == *p && slow(kind, p + 1, p0, t + 1);
	all = kind != GLOB_PATH || p[1] == '*';
	alone = kind == GLOB_PATH && !all && (p == p0 || p[-1] == '/') &&
		(!p[1] || p[1] == '/');
	p += kind == GLOB_PATH && all ? 2 : 1;
	if (!alone && slow(kind, p, p0, t))
		return true;
	for (; *t && (all || *t != '/'); t++)
		if (slow(kind, p, p0, t + 1))
			return true;
	return false;
}

static void test_agrees_with_the_plain_definition(void **state)
{
	uint64_t rnd = unit_seed();
	unsigned fits = 0;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		char p[10] = "", t[12] = "";
		enum glob_kind kind =
			unit_below(&rnd, 2) ? GLOB_PATH : GLOB_ANY;
		size_t n = 1 + unit_below(&rnd, 8), m = unit_below(&rnd, 10);

		for (size_t k = 0; k < n; k++)
			p[k] = "ab/***"[unit_below(&rnd, 6)];
		for (size_t k = 0; k < m; k++)
			t[k] = "ab/"[unit_below(&rnd, 3)];
		if (glob_check(kind, "x", p, n, NULL) != OK)
			continue;
		if (is(kind, p, t) != slow(kind, p, p, t))
			fail_msg("kind %d: '%s' and '%s'", (int)kind, p, t);
		fits += is(kind, p, t);
	}
	assert_in_range(fits, 1000, 299000);
}

/* A backtracking matcher would take longer than the universe has. */
static void test_nasty_patterns_cost_no_more(void **state)
{
	char p[GLOB_MAX + 1], t[8193];
	uint64_t start = clock_boot();

	(void)state;
	for (size_t i = 0; i < GLOB_MAX; i++)
		p[i] = i % 2 ? 'a' : '*';
	p[GLOB_MAX - 1] = 'b';
	p[GLOB_MAX] = 0;
	memset(t, 'a', sizeof t - 1);
	t[sizeof t - 1] = 0;
	assert_false(is(GLOB_ANY, p, t));
	assert_false(is(GLOB_PATH, p, t));
	assert_true(clock_boot() - start < 5 * CLOCK_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_star_spans_dots),
		cmocka_unit_test(test_path_star_is_one_segment),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_what_is_no_pattern),
		cmocka_unit_test(test_agrees_with_the_plain_definition),
		cmocka_unit_test(test_nasty_patterns_cost_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
