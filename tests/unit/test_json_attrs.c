/* lib/json_attrs.c, lib/problem.c, lib/etag.c: the JSON and HTTP edge. */
#include "lib/etag.h"
#include "lib/json_attrs.h"
#include "lib/problem.h"

#include "tests/unit/unit.h"

static const struct json_field fields[] = {
	{ .name = "id", .kind = JSON_HEX, .max = 4 },
	{ .name = "token", .kind = JSON_SECRET, .max = 8 },
	{ .name = "csr", .kind = JSON_DER, .max = 64, .label = { "X", "Y" } },
	{ .name = "signature", .kind = JSON_BASE64, .max = 8 },
	{ .name = "names", .kind = JSON_LIST, .max = 8 },
	{ .name = "agent", .kind = JSON_TEXT, .max = 8, .json = "Agent" },
	{ .name = "lifetime", .kind = JSON_DURATION, .max = 8 },
	{ .name = "again", .kind = JSON_BOOL },
};

static enum err parse(const char *text, struct attrs *a, struct fault *f)
{
	attrs_init(a);
	f->text[0] = 0;
	return json_attrs_parse(text, strlen(text), fields, NELEM(fields), a,
				f);
}

static void every_kind_of_field_becomes_its_attribute(void **state)
{
	struct fault f;
	struct attrs a;
	struct attr one;
	struct buf text;

	(void)state;
	assert_int_equal(
		parse("{\"id\":\"00FF\",\"token\":\"secret\",\"csr\":\"-----"
		      "BEGIN Y-----\\nYWJj\\n-----END Y-----\\n\","
		      "\"signature\":\"YQ==\",\"names\":[\"a\",\"b\"],"
		      "\"Agent\":\"x\",\"lifetime\":\"24h\",\"again\":true}",
		      &a, &f),
		OK);
	buf_init(&text, 4096);
	assert_int_equal(attr_format_text(attrs_view(&a), &text), OK);
	assert_int_equal(buf_u8(&text, 0), OK);
	assert_string_equal((char *)text.p,
			    "id=\"\\x00\\xFF\" !token? csr=abc signature=a "
			    "names=a names=b agent=x lifetime=86400 again=yes");
	buf_wipe(&text);
	attrs_wipe(&a);
	/* one name is a list of one; null is absent */
	assert_int_equal(parse("{\"names\":\"a\",\"Agent\":null}", &a, &f), OK);
	assert_int_equal(a.count, 1);
	attrs_wipe(&a);
	assert_int_equal(parse("{\"again\":false}", &a, &f), OK);
	assert_true(attr_find(attrs_view(&a), "again", &one) &&
		    attr_is(&one, "no"));
	attrs_wipe(&a);
}

static const struct {
	const char *text;
	enum err code;
	const char *words;
} wrong[] = {
	{ "", ERR_INVALID, "the body is not JSON" },
	{ "{\"again\":\"true\"}", ERR_INVALID, "must be true or false" },
	{ "{\"again\":1}", ERR_INVALID, "must be true or false" },
	{ "{\"again\":[true]}", ERR_INVALID, "must be true or false" },
	{ "{", ERR_INVALID, "line 1, column 1" },
	{ "{\"id\":\"00\"}x", ERR_INVALID, "line 1" },
	{ "{}\n{}", ERR_INVALID, "line 2" },
	{ "[7]", ERR_INVALID, "must be a JSON object" },
	{ "{\"agent\":\"x\"}", ERR_INVALID, "'agent' is not one" },
	{ "{\"id\":\"0\"}", ERR_INVALID, "'id' must be a string of hex" },
	{ "{\"id\":\"0x\"}", ERR_INVALID, "'id' must be a string of hex" },
	{ "{\"id\":\"\"}", ERR_INVALID, "'id' must be a string of hex" },
	{ "{\"id\":\"0011223344\"}", ERR_TOO_LARGE, "at most 4 bytes" },
	{ "{\"id\":7}", ERR_INVALID, "'id' must be" },
	{ "{\"signature\":\"YQ\"}", ERR_INVALID, "base64" },
	{ "{\"csr\":\"-----BEGIN Z-----\\nYWJj\\n-----END Z-----\\n\"}",
	  ERR_INVALID, "PEM, or base64 of DER" },
	{ "{\"lifetime\":\"1 day\"}", ERR_INVALID, "24h" },
	{ "{\"Agent\":\"123456789\"}", ERR_TOO_LARGE, "'Agent' is too large" },
	{ "{\"Agent\":\"a\\u0000\"}", ERR_INVALID, "not JSON" },
	{ "{\"Agent\":\"\\ud800\"}", ERR_INVALID, "not JSON" },
	{ "{\"Agent\":\"\xff\"}", ERR_INVALID, "not JSON" },
	{ "{\"Agent\":\"a\",\"Agent\":\"a\"}", ERR_INVALID, "duplicate" },
	{ "{\"names\":{\"a\":1}}", ERR_INVALID, "'names' must be an array" },
};

static void what_is_wrong_is_refused_with_its_place(void **state)
{
	struct fault f;
	struct attrs a;

	(void)state;
	for (size_t i = 0; i < NELEM(wrong); i++) {
		assert_int_equal(parse(wrong[i].text, &a, &f), wrong[i].code);
		if (!strstr(f.text, wrong[i].words))
			fail_msg("%s: %s", wrong[i].text, f.text);
		attrs_wipe(&a);
	}
}

static void every_cut_of_a_good_body_is_refused(void **state)
{
	static const char good[] =
		"{\"id\":\"00ff\",\"names\":[\"a\",\"b\"],\"csr\":\"YWJj\"}";
	struct fault f;
	struct attrs a;

	(void)state;
	for (size_t n = 0; n + 1 < sizeof good; n++) {
		attrs_init(&a);
		assert_int_equal(json_attrs_parse(good, n, fields,
						  NELEM(fields), &a, &f),
				 ERR_INVALID);
		attrs_wipe(&a);
	}
}

static const struct json_field shown[] = {
	{ .name = "der", .kind = JSON_PEM, .label = { "X" } },
	{ .name = "at", .kind = JSON_TIME },
	{ .name = "count", .kind = JSON_NUMBER },
	{ .name = "on", .kind = JSON_BOOL },
	{ .name = "one", .kind = JSON_LIST, .json = "list" },
	{ .name = "bytes", .kind = JSON_TEXT },
	{ .name = "hex", .kind = JSON_HEX },
	{ .name = "absent", .kind = JSON_TEXT },
};

static void format_is(const char *list, enum err wanted, const char *json)
{
	struct fault f = { .text = "" };
	struct attrs a;
	struct buf b;

	attrs_init(&a);
	buf_init(&b, 4096);
	if (attrs_parse_text(&a, list, strlen(list), &f) != OK)
		fail_msg("%s", f.text);
	assert_int_equal(
		json_attrs_format(attrs_view(&a), shown, NELEM(shown), &b),
		wanted);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p, json);
	buf_wipe(&b);
	attrs_wipe(&a);
}

static void a_list_is_told_by_its_table(void **state)
{
	(void)state;
	format_is("der=abc der=def at=784111777 count=7 on=no one=1 hidden=1 "
		  "bytes=\"\\xff\" hex=\"\\x01\\xff\"",
		  OK,
		  "{\"der\":\"-----BEGIN X-----\\nYWJj\\n-----END X-----\\n"
		  "-----BEGIN X-----\\nZGVm\\n-----END X-----\\n\","
		  "\"at\":\"1994-11-06T08:49:37Z\",\"count\":7,\"on\":false,"
		  "\"list\":[\"1\"],\"bytes\":\"/w==\",\"hex\":\"01ff\"}\n");
	format_is("at=soon", ERR_INVALID, "");
	format_is("count=-1", ERR_INVALID, "");
}

/* Nesting is jansson's recursion: the deepest that 64 KiB can hold. */
static void deep_nesting_is_refused(void **state)
{
	char *text = malloc(64 << 10);
	struct fault f;
	struct attrs a;

	(void)state;
	assert_non_null(text);
	memset(text, '[', 64 << 10);
	attrs_init(&a);
	assert_int_equal(
		json_attrs_parse(text, 64 << 10, fields, NELEM(fields), &a, &f),
		ERR_INVALID);
	attrs_wipe(&a);
	free(text);
}

static void a_problem_is_json_whatever_its_text(void **state)
{
	struct problem p = { ERR_UNSUPPORTED, 405, "a\"b\\c\n\x80", NULL };
	struct buf b;

	(void)state;
	buf_init(&b, PROBLEM_MAX);
	assert_int_equal(problem_format(&p, &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p,
			    "{\"type\":\"urn:cretula:error:unsupported\","
			    "\"title\":\"unsupported\",\"status\":405,"
			    "\"detail\":\"a\\\"b\\\\c\\n?\"}\n");
	buf_wipe(&b);
}

static void statuses_are_those_of_the_design(void **state)
{
	static const unsigned wanted[] = { 200, 403, 401, 404, 409, 400,
					   503, 410, 429, 409, 202, 503,
					   504, 502, 413, 501, 500 };

	(void)state;
	_Static_assert(NELEM(wanted) == E__MAX, "all of them");
	for (int i = 0; i < E__MAX; i++)
		assert_int_equal(problem_status((enum err)i), wanted[i]);
}

static void a_tag_is_found_in_its_list(void **state)
{
	static const char tag[] = "\"abc\"";

	(void)state;
	assert_true(etag_in("\"abc\"", tag));
	assert_true(etag_in("W/\"abc\"", tag));
	assert_true(etag_in("\"x\" , \"y,z\",\"abc\"", tag));
	assert_true(etag_in("*", tag));
	assert_false(etag_in("", tag));
	assert_false(etag_in("abc", tag));
	assert_false(etag_in("\"abcd\"", tag));
	assert_false(etag_in("\"x,\"abc\"", tag));
	assert_false(etag_in("\"ab", tag));
	assert_false(etag_in("\"abc\"x", tag));
	assert_false(etag_in(",,, ,", tag));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_field_becomes_its_attribute),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(every_cut_of_a_good_body_is_refused),
		cmocka_unit_test(a_list_is_told_by_its_table),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(a_problem_is_json_whatever_its_text),
		cmocka_unit_test(statuses_are_those_of_the_design),
		cmocka_unit_test(a_tag_is_found_in_its_list),
	};

	json_warm_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
