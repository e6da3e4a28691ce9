/* lib/capability.c: what certificates allow, its text and its DER. */
#include "lib/capability.h"

#include "tests/unit/unit.h"

static enum err parse(const char *text, bool template, struct capability *c)
{
	struct fault f = { .code = OK };
	const enum err e = capability_parse(span_str(text), template, c, &f);

	assert_int_equal(f.code, e);
	return e;
}

static void test_has_three_parts(void **state)
{
	struct capability c;

	(void)state;
	assert_int_equal(parse("sign:prod-1.a_B@web.nodes", false, &c), OK);
	assert_true(span_is(c.verb, "sign"));
	assert_true(span_is(c.object, "prod-1.a_B"));
	assert_true(span_is(c.scope, "web.nodes"));
	assert_int_equal(parse("issue:*@*", false, &c), OK);
	assert_true(span_is(c.object, "*") && span_is(c.scope, "*"));
	assert_int_equal(parse("issue:web@{node}", true, &c), OK);
	assert_true(span_is(c.scope, "{node}"));
}

static void test_refuses_other_texts(void **state)
{
	static const char *const bad[] = {
		"",        "a",          "a:b",          "a@b",
		":b@c",    "a:@c",       "a:b@",         "A:b@c",
		"a1:b@c",  "*:b@c",      "a:b*@c",       "a:b@c*",
		"a:**@c",  "a:b@c@d",    "a:b:c@d",      "a:b@c d",
		"a:b@c\n", "a: b@c",     "a:b@\xc3\xa4", "a:b@c/d",
		"a:b@{x}", "a:{node}@c", "a:b@c{node}",
	};
	struct capability c;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		assert_int_equal(parse(bad[i], false, &c), ERR_INVALID);
		assert_int_equal(parse(bad[i], true, &c), ERR_INVALID);
	}
	assert_int_equal(parse("a:b@{node}", false, &c), ERR_INVALID);
	assert_int_equal(
		capability_parse(span_of("a:b@c\0", 6), false, &c, NULL),
		ERR_INVALID);
}

static void test_has_at_most_128_bytes(void **state)
{
	char text[CAP_MAX + 2] = "sign:prod@";
	struct capability c;

	(void)state;
	memset(text + 10, 'a', CAP_MAX - 10);
	assert_int_equal(parse(text, false, &c), OK);
	text[CAP_MAX] = 'a';
	assert_int_equal(parse(text, false, &c), ERR_INVALID);
}

static bool covers(const char *have, const char *want)
{
	struct capability h, w;

	assert_int_equal(parse(have, false, &h), OK);
	assert_int_equal(parse(want, false, &w), OK);
	return capability_covers(&h, &w);
}

static void test_covers(void **state)
{
	(void)state;
	assert_true(covers("sign:a@n", "sign:a@n"));
	assert_true(covers("sign:*@n", "sign:a@n"));
	assert_true(covers("sign:a@*", "sign:a@n"));
	assert_true(covers("sign:*@*", "sign:*@*"));
	assert_false(covers("sign:a@n", "sign:*@n"));
	assert_false(covers("sign:a@n", "sign:a@*"));
	assert_false(covers("sign:a@n", "sign:A@n"));
	assert_false(covers("sign:a@n", "sign:a@n1"));
	assert_false(covers("sign:a@n1", "sign:a@n"));
	assert_false(covers("sign:*@*", "issue:a@n"));
	assert_false(covers("sig:a@n", "sign:a@n"));
}

static void test_held_by_one_of_several(void **state)
{
	struct cert_names have = { .count = 0 };
	struct capability want;

	(void)state;
	assert_int_equal(parse("sign:a@n", false, &want), OK);
	assert_false(capability_held(&have, &want));
	have.at[have.count++] = span_str("not one");
	have.at[have.count++] = span_str("issue:*@*");
	assert_false(capability_held(&have, &want));
	have.at[have.count++] = span_str("sign:*@n");
	assert_true(capability_held(&have, &want));
}

static void test_delegates(void **state)
{
	static const char *const texts[] = { "admin:a@n", "issue:a@n",
					     "sign:a@n", "administer:a@n" };
	struct capability c;

	(void)state;
	for (size_t i = 0; i < NELEM(texts); i++) {
		assert_int_equal(parse(texts[i], false, &c), OK);
		assert_int_equal(capability_delegates(&c), i < 2);
	}
}

static enum err fill(const char *template, const char *node, const char *want)
{
	char room[CAP_MAX + 1];
	struct span out = { .n = 0 };

	TRY(capability_fill(span_str(template), span_str(node), room, &out));
	assert_true(span_is(out, want));
	assert_string_equal(room, want);
	return OK;
}

static void test_fills_in_the_node(void **state)
{
	char node[CAP_MAX + 1] = "";

	(void)state;
	assert_int_equal(fill("sign:a@{node}", "n1.x", "sign:a@n1.x"), OK);
	assert_int_equal(fill("sign:a@web", "n1.x", "sign:a@web"), OK);
	assert_int_equal(fill("sign:a@{node}", "*", "sign:a@*"), OK);
	assert_int_equal(fill("sign:a@{node}", "", ""), ERR_INVALID);
	assert_int_equal(fill("sign:a@{node}", "n 1", ""), ERR_INVALID);
	assert_int_equal(fill("sign:a@{node}", "{node}", ""), ERR_INVALID);
	memset(node, 'n', CAP_MAX);
	assert_int_equal(fill("sign:a@{node}", node, ""), ERR_INVALID);
}

static void names(struct cert_names *n, const char *const *texts, size_t count)
{
	n->count = 0;
	for (size_t i = 0; i < count; i++)
		n->at[n->count++] = span_str(texts[i]);
}

static void test_sorts_and_drops_duplicates(void **state)
{
	static const char *const texts[] = { "b:b@c", "a:b@cd", "a:b@c",
					     "b:b@c", "a:b@c" };
	struct cert_names n;

	(void)state;
	names(&n, texts, NELEM(texts));
	capabilities_sort(&n);
	assert_int_equal(n.count, 3);
	assert_true(span_is(n.at[0], "a:b@c"));
	assert_true(span_is(n.at[1], "a:b@cd"));
	assert_true(span_is(n.at[2], "b:b@c"));
	n.count = 0;
	capabilities_sort(&n);
	assert_int_equal(n.count, 0);
}

static void test_der_known_and_round(void **state)
{
	static const char *const texts[] = { "a:b@c", "sign:*@*" };
	static const char want[] = "\x30\x11\x0c\x05"
				   "a:b@c\x0c\x08sign:*@*";
	AUTO(buf_wipe) struct buf b = { 0 };
	struct cert_names n, got;
	struct rd r;

	(void)state;
	buf_init(&b, 4096);
	names(&n, texts, NELEM(texts));
	assert_int_equal(capabilities_put(&b, &n), OK);
	assert_int_equal(b.len, sizeof want - 1);
	assert_memory_equal(b.p, want, b.len);
	r = rd_from(b.p, b.len);
	assert_int_equal(capabilities_get(&r, &got), OK);
	assert_int_equal(rd_left(&r), 0);
	assert_int_equal(got.count, 2);
	assert_true(span_is(got.at[0], "a:b@c"));
	for (size_t k = 0; k < b.len; k++) {
		r = rd_from(b.p, k);
		assert_int_equal(capabilities_get(&r, &got), ERR_INVALID);
		assert_int_equal(rd_left(&r), k);
	}
}

static enum err put(const char *const *texts, size_t count)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct cert_names n;

	buf_init(&b, 1 << 16);
	names(&n, texts, count);
	return capabilities_put(&b, &n);
}

static void test_der_refuses(void **state)
{
	static const char *const unsorted[] = { "b:b@c", "a:b@c" };
	static const char *const twice[] = { "a:b@c", "a:b@c" };
	static const char *const template[] = { "a:b@{node}" };
	static const char *const bad[] = {
		"\x30\x00", /* none */
		"\x30\x07\x16\x05"
		"a:b@c", /* IA5String */
		"\x30\x0e\x0c\x05"
		"b:b@c\x0c\x05"
		"a:b@c", /* not sorted */
		"\x30\x0e\x0c\x05"
		"a:b@c\x0c\x05"
		"a:b@c", /* twice */
		"\x31\x07\x0c\x05"
		"a:b@c", /* a SET */
	};
	struct cert_names got;

	(void)state;
	assert_int_equal(put(unsorted, 2), ERR_INVALID);
	assert_int_equal(put(twice, 2), ERR_INVALID);
	assert_int_equal(put(template, 1), ERR_INVALID);
	assert_int_equal(put(NULL, 0), ERR_INVALID);
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct rd r = rd_from(bad[i], i ? strlen(bad[i]) : 2);

		assert_int_equal(capabilities_get(&r, &got), ERR_INVALID);
	}
}

static void test_der_holds_at_most_32(void **state)
{
	char room[CERT_CAPS_MAX + 1][16];
	AUTO(buf_wipe) struct buf b = { 0 };
	struct cert_names n = { .count = 0 }, got;
	struct rd r;
	size_t m;

	(void)state;
	buf_init(&b, 1 << 16);
	assert_int_equal(der_begin(&b, DER_SEQ, &m), OK);
	for (unsigned i = 0; i <= CERT_CAPS_MAX; i++) {
		(void)snprintf(room[i], sizeof room[i], "a:%02u@c", i);
		assert_int_equal(der_put_span(&b, DER_UTF8, span_str(room[i])),
				 OK);
		if (i < CERT_NAMES_MAX)
			n.at[n.count++] = span_str(room[i]);
	}
	assert_int_equal(der_end(&b, m), OK);
	r = rd_from(b.p, b.len);
	assert_int_equal(capabilities_get(&r, &got), ERR_INVALID);
	buf_clear(&b);
	assert_int_equal(capabilities_put(&b, &n), OK);
	r = rd_from(b.p, b.len);
	assert_int_equal(capabilities_get(&r, &got), OK);
	assert_int_equal(got.count, CERT_CAPS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has_three_parts),
		cmocka_unit_test(test_refuses_other_texts),
		cmocka_unit_test(test_has_at_most_128_bytes),
		cmocka_unit_test(test_covers),
		cmocka_unit_test(test_held_by_one_of_several),
		cmocka_unit_test(test_delegates),
		cmocka_unit_test(test_fills_in_the_node),
		cmocka_unit_test(test_sorts_and_drops_duplicates),
		cmocka_unit_test(test_der_known_and_round),
		cmocka_unit_test(test_der_refuses),
		cmocka_unit_test(test_der_holds_at_most_32),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
