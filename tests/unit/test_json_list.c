/* lib/json_list.c, lib/json_list_put.c: JSON to attribute lists and back. */
#include "lib/json_attrs.h"
#include "lib/json_list.h"

#include "tests/unit/unit.h"

typedef enum err (*parser)(const void *text, size_t len, struct attrs *out,
			   struct fault *f);

static enum err parse(parser p, const char *text, struct attrs *a,
		      struct fault *f)
{
	attrs_init(a);
	f->text[0] = 0;
	return p(text, strlen(text), a, f);
}

static void list_is(const struct attrs *a, const char *wanted)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	assert_int_equal(attr_format_text(attrs_view(a), &text), OK);
	assert_int_equal(buf_u8(&text, 0), OK);
	assert_string_equal((char *)text.p, wanted);
	buf_wipe(&text);
}

static void object_is(const struct attrs *a, const char *arrays,
		      const char *wanted)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	assert_int_equal(json_list_format(attrs_view(a), arrays, &text), OK);
	assert_int_equal(buf_u8(&text, 0), OK);
	assert_string_equal((char *)text.p, wanted);
	buf_wipe(&text);
}

static void pairs_are(const struct attrs *a, const char *wanted)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	assert_int_equal(json_pairs_format(attrs_view(a), &text), OK);
	assert_int_equal(buf_u8(&text, 0), OK);
	assert_string_equal((char *)text.p, wanted);
	buf_wipe(&text);
}

static void every_kind_of_value_becomes_its_attribute(void **state)
{
	struct fault f;
	struct attrs a;

	(void)state;
	assert_int_equal(
		parse(json_list_parse,
		      "{\"a\":\"x\",\"n\":-7,\"t\":true,\"f\":false,"
		      "\"r\":[\"1\",2,true],\"e\":[],\"none\":null,"
		      "\"b\":{\"base64\":\"AP8=\"},\"u\":\"\xc3\xa4\"}",
		      &a, &f),
		OK);
	list_is(&a, "a=x n=-7 t=yes f=no r=1 r=2 r=yes b=\"\\x00\\xFF\" "
		    "u=\xc3\xa4");
	attrs_wipe(&a);
}

static void an_object_is_a_list_in_the_list(void **state)
{
	struct attr request, in;
	struct attr_view v;
	struct fault f;
	struct attrs a;

	(void)state;
	assert_int_equal(
		parse(json_list_parse,
		      "{\"request\":{\"method\":\"GET\",\"header\":[\"A:b\","
		      "\"C:d\"],\"request\":{}}}",
		      &a, &f),
		OK);
	assert_true(attr_find(attrs_view(&a), "request", &request));
	assert_int_equal(attr_parse(request.value, request.len, &v, &f), OK);
	assert_true(attr_find(v, "method", &in) && attr_is(&in, "GET"));
	assert_int_equal(attr_count(v, "header"), 2);
	object_is(&a, NULL,
		  "{\"request\":{\"method\":\"GET\",\"header\":[\"A:b\","
		  "\"C:d\"],\"request\":{}}}");
	attrs_wipe(&a);
}

static void pairs_keep_the_order_and_every_byte(void **state)
{
	static const char text[] =
		"{\"list\":[[\"a\",\"1\"],[\"b\",\"\"],[\"a\",\"\\n\\t\"],"
		"[\"c\",{\"base64\":\"AQ==\"}],[\"d\",{\"confidential\":true}]"
		",[\"e\",\"{\\\"\\\\\"]]}";
	struct fault f;
	struct attrs a;

	(void)state;
	assert_int_equal(parse(json_pairs_parse, text, &a, &f), OK);
	assert_int_equal(a.count, 6);
	pairs_are(&a, "[[\"a\",\"1\"],[\"b\",\"\"],[\"a\",\"\\n\\u0009\"],"
		      "[\"c\",{\"base64\":\"AQ==\"}],"
		      "[\"d\",{\"confidential\":true}],"
		      "[\"e\",\"{\\\"\\\\\"]]");
	attrs_wipe(&a);
	assert_int_equal(parse(json_pairs_parse, "{\"list\":[]}", &a, &f), OK);
	pairs_are(&a, "[]");
	attrs_wipe(&a);
}

static void pairs_hold_lists_too(void **state)
{
	struct fault f;
	struct attrs a;

	(void)state;
	assert_int_equal(parse(json_pairs_parse,
			       "{\"list\":[[\"grant\",[[\"op\",\"sign\"],"
			       "[\"op\",\"presign\"]]]]}",
			       &a, &f),
			 OK);
	object_is(&a, NULL, "{\"grant\":{\"op\":[\"sign\",\"presign\"]}}");
	attrs_wipe(&a);
}

static void names_that_repeat_are_arrays_and_some_always(void **state)
{
	struct attrs a;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "op", "x"), OK);
	assert_int_equal(attrs_add_str(&a, "header", "H"), OK);
	assert_int_equal(attrs_add_str(&a, "q", "1"), OK);
	assert_int_equal(attrs_add_str(&a, "q", "2"), OK);
	assert_int_equal(attrs_add(&a, "secret", ATTR_CONFIDENTIAL, "s", 1),
			 OK);
	object_is(&a, " header head ",
		  "{\"op\":\"x\",\"header\":[\"H\"],\"q\":[\"1\",\"2\"],"
		  "\"secret\":{\"confidential\":true}}");
	attrs_wipe(&a);
	object_is(&a, " header ", "{}");
}

static void what_is_no_text_is_base64(void **state)
{
	static const char *const odd[] = { "\x01", "a\x7f", "\xff", "\r",
					   "\xed\xa0\x80" };
	struct buf text;
	struct attrs a;

	(void)state;
	for (size_t i = 0; i < NELEM(odd); i++) {
		attrs_init(&a);
		buf_init(&text, 4096);
		assert_int_equal(attrs_add_str(&a, "v", odd[i]), OK);
		assert_int_equal(json_list_format(attrs_view(&a), NULL, &text),
				 OK);
		assert_memory_equal(text.p, "{\"v\":{\"base64\":\"", 16);
		buf_wipe(&text);
		attrs_wipe(&a);
	}
	/* a name of lists whose value is none */
	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "grant", "7"), OK);
	object_is(&a, NULL, "{\"grant\":\"7\"}");
	attrs_wipe(&a);
}

static const struct {
	parser parse;
	const char *text;
	const char *words;
} wrong[] = {
	{ json_list_parse, "", "not JSON" },
	{ json_list_parse, "[]", "must be a JSON object" },
	{ json_list_parse, "{\"a\":1}x", "line 1" },
	{ json_list_parse, "{\"a\":1,\"a\":1}", "duplicate" },
	{ json_list_parse, "{\"A\":1}", "'A' is no name" },
	{ json_list_parse, "{\"\":1}", "is no name" },
	{ json_list_parse, "{\"a\":1.5}", "fraction" },
	{ json_list_parse, "{\"a\":1e3}", "fraction" },
	{ json_list_parse, "{\"a\":99999999999999999999}", "not JSON" },
	{ json_list_parse, "{\"a\":[[1]]}", "an array in an array" },
	{ json_list_parse, "{\"a\":[null]}", "or null in one" },
	{ json_list_parse, "{\"a\":\"\\u0000\"}", "not JSON" },
	{ json_list_parse, "{\"a\":\"\xff\"}", "not JSON" },
	{ json_list_parse, "{\"a\":{\"base64\":\"A\"}}",
	  "must be a string of" },
	{ json_list_parse, "{\"a\":{\"base64\":7}}", "must be a string of" },
	{ json_list_parse, "{\"a\":{\"confidential\":\"pw\"}}", "came bare" },
	{ json_list_parse, "{\"a\":{\"confidential\":false}}", "came bare" },
	{ json_list_parse, "{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}", "too deep" },
	{ json_pairs_parse, "{}", "one member, 'list'" },
	{ json_pairs_parse, "{\"list\":{}}", "one member, 'list'" },
	{ json_pairs_parse, "{\"list\":[],\"a\":1}", "one member, 'list'" },
	{ json_pairs_parse, "{\"list\":[\"a\"]}", "an array of two" },
	{ json_pairs_parse, "{\"list\":[[\"a\"]]}", "an array of two" },
	{ json_pairs_parse, "{\"list\":[[\"a\",\"b\",\"c\"]]}",
	  "array of two" },
	{ json_pairs_parse, "{\"list\":[[7,\"b\"]]}", "an array of two" },
	{ json_pairs_parse, "{\"list\":[[\"a\",7]]}", "must be a string, " },
	{ json_pairs_parse, "{\"list\":[[\"a\",null]]}", "must be a string, " },
	{ json_pairs_parse, "{\"list\":[[\"a\",{\"b\":\"c\"}]]}", "must be a" },
	{ json_pairs_parse, "{\"list\":[[\"a b\",\"c\"]]}", "no name" },
	{ json_pairs_parse,
	  "{\"list\":[[\"a\",[[\"a\",[[\"a\",[[\"a\",[]]]]]]]]]}", "too deep" },
};

static void what_is_wrong_is_refused_and_named(void **state)
{
	struct fault f;
	struct attrs a;

	(void)state;
	for (size_t i = 0; i < NELEM(wrong); i++) {
		assert_int_equal(parse(wrong[i].parse, wrong[i].text, &a, &f),
				 ERR_INVALID);
		if (!strstr(f.text, wrong[i].words) || strstr(f.text, "pw"))
			fail_msg("%s: %s", wrong[i].text, f.text);
		attrs_wipe(&a);
	}
}

static void every_cut_of_a_good_body_is_refused(void **state)
{
	static const char object[] =
		"{\"a\":[\"x\",{\"base64\":\"YQ==\"}],\"b\":{\"c\":true}}";
	static const char pairs[] =
		"{\"list\":[[\"a\",\"x\"],[\"b\",[[\"c\",\"d\"]]]]}";
	struct fault f;
	struct attrs a;

	(void)state;
	for (size_t n = 0; n + 1 < sizeof object; n++) {
		attrs_init(&a);
		assert_int_equal(json_list_parse(object, n, &a, &f),
				 ERR_INVALID);
		attrs_wipe(&a);
	}
	for (size_t n = 0; n + 1 < sizeof pairs; n++) {
		attrs_init(&a);
		assert_int_equal(json_pairs_parse(pairs, n, &a, &f),
				 ERR_INVALID);
		attrs_wipe(&a);
	}
}

/* One attribute more than a list may have, and one byte more. */
static void lists_have_their_limits(void **state)
{
	struct fault f;
	struct attrs a;
	struct buf b;

	(void)state;
	for (int more = 0; more < 2; more++) {
		buf_init(&b, 1 << 20);
		assert_int_equal(buf_str(&b, "{\"a\":[0"), OK);
		for (int i = 1; i < ATTR_COUNT_MAX + more; i++)
			assert_int_equal(buf_str(&b, ",0"), OK);
		assert_int_equal(buf_str(&b, "]}"), OK);
		attrs_init(&a);
		assert_int_equal(json_list_parse(b.p, b.len, &a, &f),
				 more ? ERR_TOO_LARGE : OK);
		attrs_wipe(&a);
		buf_wipe(&b);
	}
	for (int more = 0; more < 2; more++) {
		size_t n = ATTR_BYTES_MAX - 7 + (size_t)more;
		uint8_t *at = NULL;

		buf_init(&b, 2 << 20);
		assert_int_equal(buf_str(&b, "{\"a\":\""), OK);
		assert_int_equal(buf_grow(&b, n, &at), OK);
		memset(at, 'x', n);
		assert_int_equal(buf_str(&b, "\"}"), OK);
		attrs_init(&a);
		assert_int_equal(json_list_parse(b.p, b.len, &a, &f),
				 more ? ERR_TOO_LARGE : OK);
		attrs_wipe(&a);
		buf_wipe(&b);
	}
}

static void an_answer_past_its_bound_is_too_large(void **state)
{
	struct attrs a;
	struct buf b;

	(void)state;
	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "name", "value"), OK);
	for (size_t n = 0; n < 16; n++) {
		buf_init(&b, n);
		assert_int_equal(json_list_format(attrs_view(&a), NULL, &b),
				 ERR_TOO_LARGE);
		buf_wipe(&b);
		buf_init(&b, n);
		assert_int_equal(json_pairs_format(attrs_view(&a), &b),
				 ERR_TOO_LARGE);
		buf_wipe(&b);
	}
	attrs_wipe(&a);
}

/* Random lists, any bytes: pairs out and in again are the same list. */
static void random_lists_survive_pairs(void **state)
{
	uint64_t seed = unit_seed();
	struct fault f;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct attrs a, back;
		uint8_t value[64];
		char name[4] = "abc";
		struct buf b;

		attrs_init(&a);
		attrs_init(&back);
		buf_init(&b, 1 << 20);
		for (uint64_t i = unit_next(&seed) % 20; i; i--) {
			size_t n = unit_next(&seed) % sizeof value;

			for (size_t k = 0; k < n; k++)
				value[k] = (uint8_t)(unit_next(&seed) &
						     (round % 2 ? 0xff : 0x7f));
			name[1] = (char)('a' + unit_next(&seed) % 4);
			assert_int_equal(attrs_add(&a, name, 0, value, n), OK);
		}
		assert_int_equal(buf_str(&b, "{\"list\":"), OK);
		assert_int_equal(json_pairs_format(attrs_view(&a), &b), OK);
		assert_int_equal(buf_str(&b, "}"), OK);
		assert_int_equal(json_pairs_parse(b.p, b.len, &back, &f), OK);
		assert_int_equal(back.bytes.len, a.bytes.len);
		if (a.bytes.len)
			assert_memory_equal(back.bytes.p, a.bytes.p,
					    a.bytes.len);
		buf_wipe(&b);
		attrs_wipe(&a);
		attrs_wipe(&back);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_value_becomes_its_attribute),
		cmocka_unit_test(an_object_is_a_list_in_the_list),
		cmocka_unit_test(pairs_keep_the_order_and_every_byte),
		cmocka_unit_test(pairs_hold_lists_too),
		cmocka_unit_test(names_that_repeat_are_arrays_and_some_always),
		cmocka_unit_test(what_is_no_text_is_base64),
		cmocka_unit_test(what_is_wrong_is_refused_and_named),
		cmocka_unit_test(every_cut_of_a_good_body_is_refused),
		cmocka_unit_test(lists_have_their_limits),
		cmocka_unit_test(an_answer_past_its_bound_is_too_large),
		cmocka_unit_test(random_lists_survive_pairs),
	};

	json_warm_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
