/* lib/attr_text.c: the text and JSON forms of the attribute list. */
#include "lib/attr.h"

#include "tests/unit/unit.h"

#include <stdio.h>

static void parse(struct attrs *a, const char *text)
{
	struct fault f = { .code = OK };
	enum err e;

	attrs_init(a);
	e = attrs_parse_text(a, text, strlen(text), &f);
	if (e != OK)
		fail_msg("'%s': %s", text, f.text);
}

static void refused(const char *text, const char *why)
{
	struct attrs a;
	struct fault f = { .code = OK };

	attrs_init(&a);
	assert_int_not_equal(attrs_parse_text(&a, text, strlen(text), &f), OK);
	if (!strstr(f.text, why))
		fail_msg("'%s' gives '%s', not '%s'", text, f.text, why);
	attrs_wipe(&a);
}

static char *text_of(const struct attrs *a)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	assert_int_equal(attr_format_text(attrs_view(a), &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	return (char *)b.p;
}

static char *json_of(const struct attrs *a)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	assert_int_equal(attr_format_json(attrs_view(a), &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	return (char *)b.p;
}

static void formats_as(const char *in, const char *text, const char *json)
{
	struct attrs a;
	AUTO(mem_free) char *t = NULL;
	AUTO(mem_free) char *j = NULL;

	parse(&a, in);
	t = text_of(&a);
	j = json_of(&a);
	assert_string_equal(t, text);
	assert_string_equal(j, json);
	attrs_wipe(&a);
}

static void test_forms(void **state)
{
	(void)state;
	formats_as("", "", "{}");
	formats_as("  a=b\t c=d ", "a=b c=d", "{\"a\":\"b\",\"c\":\"d\"}");
	formats_as("a=", "a=\"\"", "{\"a\":\"\"}");
	formats_as("a=\"x y\"", "a=\"x y\"", "{\"a\":\"x y\"}");
	formats_as("a=b=c", "a=\"b=c\"", "{\"a\":\"b=c\"}");
	formats_as("a=b\\n", "a=\"b\\\\n\"", "{\"a\":\"b\\\\n\"}");
	formats_as("a=\"\\\"\\\\\\n\\t\\x00\\x7f\"",
		   "a=\"\\\"\\\\\\n\\t\\x00\\x7F\"",
		   "{\"a\":\"\\\"\\\\\\n\\t\\u0000\\u007f\"}");
	formats_as("a=gr\xc3\xbc\xc3\x9f", "a=gr\xc3\xbc\xc3\x9f",
		   "{\"a\":\"gr\xc3\xbc\xc3\x9f\"}");
	formats_as("a=1 b=2 a=3", "a=1 b=2 a=3",
		   "{\"a\":[\"1\",\"3\"],\"b\":\"2\"}");
	formats_as("a=\"\\xff\"", "a=\"\\xFF\"",
		   "{\"a\":{\"base64\":\"/w==\"}}");
}

static void test_what_deceives_is_escaped(void **state)
{
	(void)state;
	/* C1 control (CSI), right-to-left override, line separator */
	formats_as("a=\xc2\x9b", "a=\"\\xC2\\x9B\"", "{\"a\":\"\\u009b\"}");
	formats_as("a=\xe2\x80\xae", "a=\"\\xE2\\x80\\xAE\"",
		   "{\"a\":\"\\u202e\"}");
	formats_as("a=\xe2\x80\xa8", "a=\"\\xE2\\x80\\xA8\"",
		   "{\"a\":\"\\u2028\"}");
}

static void test_confidential_is_never_shown(void **state)
{
	struct attrs a;
	struct attr one;

	(void)state;
	formats_as("a=b !secret_key=hunter2 c=d", "a=b !secret_key? c=d",
		   "{\"a\":\"b\",\"secret_key\":{\"confidential\":true},"
		   "\"c\":\"d\"}");
	parse(&a, "!k=\"v w\"");
	assert_true(attr_find(attrs_view(&a), "k", &one));
	assert_true(attr_is(&one, "v w"));
	assert_int_equal(one.flags, ATTR_CONFIDENTIAL);
	attrs_wipe(&a);
}

static void test_secret_list_takes_quoted_values(void **state)
{
	struct attrs a;
	struct attr one;
	static const char text[] = "!k=\"a\\x00b\"";

	(void)state;
	attrs_init_secret(&a);
	assert_int_equal(attrs_parse_text(&a, text, strlen(text), NULL), OK);
	assert_true(attr_find(attrs_view(&a), "k", &one));
	assert_int_equal(one.len, 3);
	assert_true(a.bytes.secret);
	attrs_wipe(&a);
}

static void test_refusals(void **state)
{
	(void)state;
	refused("!secret_key?", "'!secret_key?' is a placeholder");
	refused("a=b !k? c=d", "placeholder");
	refused("a?", "'=' is missing");
	refused("a", "after 'a' a '=' is missing");
	refused("a b=c", "after 'a' a '=' is missing");
	refused("=b", "begins with a name");
	refused("A=b", "begins with a name");
	refused("1a=b", "begins with a name");
	refused("!=b", "begins with a name");
	refused("!!a=b", "begins with a name");
	refused("a=\"b", "does not end");
	refused("a=\"b\\", "does not end");
	refused("a=\"b\\q\"", "unknown escape");
	refused("a=\"b\\x4\"", "unknown escape");
	refused("a=\"b\"c", "a blank is missing");
	refused("a=b\"c\"", "quote all of it");
	refused("a=b\nc=d", "control character");
	refused("a=\"b\nc\"", "control character");
	refused("a=\x1b[31m", "control character");
	refused("a=\xff", "not UTF-8");
	refused("a=\xc0\xaf", "not UTF-8");
	refused("a=\xed\xa0\x80", "not UTF-8");
	refused("a234567890123456789012345678901234567890123456789012345678"
		"9012345=v",
		"at most 64");
}

static void test_cut_short_quoted_fails_cleanly(void **state)
{
	static const char text[] = "name=\"a\\\\b\\\"c\\x41\\n\"";

	(void)state;
	for (size_t n = 1; n < strlen(text); n++) {
		struct attrs a;
		char *copy = xmemdup(text, n);
		enum err e;

		attrs_init(&a);
		e = attrs_parse_text(&a, copy, n, NULL);
		/* "name=" alone is a whole attribute: an empty value */
		assert_int_equal(e, n == 5 ? OK : ERR_INVALID);
		attrs_wipe(&a);
		free(copy);
	}
}

static void random_list(struct attrs *a, uint64_t *rnd)
{
	static const char alphabet[] = "abcz09_.-";
	unsigned n = (unsigned)unit_below(rnd, 6);

	attrs_init(a);
	for (unsigned i = 0; i < n; i++) {
		char name[8] = "n";
		uint8_t value[24];
		size_t len = unit_below(rnd, sizeof value);
		bool plain = unit_below(rnd, 2);

		for (size_t j = 1; j <= unit_below(rnd, 6); j++)
			name[j] = alphabet[unit_below(rnd, 9)];
		for (size_t j = 0; j < len; j++)
			value[j] = plain ? (uint8_t)(' ' + unit_below(rnd, 95))
					 : (uint8_t)unit_below(rnd, 256);
		assert_int_equal(attrs_add(a, name, 0, value, len), OK);
	}
}

static void test_parse_of_format_is_the_same_list(void **state)
{
	uint64_t rnd = unit_seed();

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct attrs a, b;
		AUTO(mem_free) char *t = NULL;

		random_list(&a, &rnd);
		t = text_of(&a);
		parse(&b, t);
		assert_int_equal(a.bytes.len, b.bytes.len);
		if (a.bytes.len)
			assert_memory_equal(a.bytes.p, b.bytes.p, a.bytes.len);
		assert_null(strchr(t, '\n'));
		attrs_wipe(&a);
		attrs_wipe(&b);
	}
}

static void test_format_stops_at_the_limit(void **state)
{
	struct attrs a;
	struct buf b;

	(void)state;
	parse(&a, "a=0123456789 b=\"0123456789 \\x01\"");
	for (size_t max = 0; max < 32; max++) {
		buf_init(&b, max);
		assert_int_equal(attr_format_text(attrs_view(&a), &b),
				 ERR_TOO_LARGE);
		assert_true(b.len <= max);
		buf_wipe(&b);
	}
	attrs_wipe(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_what_deceives_is_escaped),
		cmocka_unit_test(test_confidential_is_never_shown),
		cmocka_unit_test(test_secret_list_takes_quoted_values),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_cut_short_quoted_fails_cleanly),
		cmocka_unit_test(test_parse_of_format_is_the_same_list),
		cmocka_unit_test(test_format_stops_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
