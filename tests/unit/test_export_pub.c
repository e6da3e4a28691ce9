/* lib/export_pub.c: HOST.pub, which comes by mail. */
#include "lib/export.h"

#include "lib/clock.h"
#include "tests/unit/store_test.h"

static struct export_pub example(void)
{
	struct export_pub p = { .node = "n1.example",
				.url = "https://n1.example:7444",
				.store = { 1, 2, 3 } };
	uint8_t seed[EXPORT_KEY] = { 9 };
	struct export_keys *k = export_keys_new(seed, seed);

	memcpy(p.seal, export_seal_key(k), EXPORT_KEY);
	memcpy(p.sign, export_sign_key(k), EXPORT_KEY);
	export_keys_drop(&k);
	return p;
}

static void format(const struct export_pub *p, struct buf *out)
{
	buf_init(out, EXPORT_PUB_MAX);
	assert_int_equal(export_pub_format(p, out), OK);
}

static void test_line_comes_back(void **state)
{
	struct export_pub p = example(), back;
	struct fault f;

	(void)state;
	for (int url = 1; url >= 0; url--) {
		AUTO(buf_wipe) struct buf line = { 0 };

		if (!url)
			p.url[0] = '\0';
		format(&p, &line);
		assert_int_equal(export_pub_parse(line.p, line.len, &back, &f),
				 OK);
		assert_string_equal(back.node, p.node);
		assert_string_equal(back.url, p.url);
		assert_memory_equal(back.store, p.store, EXPORT_STORE);
		assert_memory_equal(back.seal, p.seal, EXPORT_KEY);
		assert_memory_equal(back.sign, p.sign, EXPORT_KEY);
	}
}

static void test_cut_short_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf line = { 0 };
	struct export_pub p = example(), back;
	struct fault f;

	(void)state;
	p.url[0] = '\0';
	format(&p, &line);
	for (size_t n = 0; n + 1 < line.len; n++)
		assert_int_equal(export_pub_parse(line.p, n, &back, &f),
				 ERR_INVALID);
}

static enum err with(const char *from, const char *to)
{
	AUTO(buf_wipe) struct buf line = { 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	struct export_pub p = example(), back;
	struct fault f;
	char *at;

	format(&p, &line);
	assert_int_equal(buf_u8(&line, 0), OK);
	at = strstr((char *)line.p, from);
	assert_non_null(at);
	buf_init(&text, 4 * EXPORT_PUB_MAX);
	assert_int_equal(buf_fmt(&text, "%.*s%s%s", (int)(at - (char *)line.p),
				 (char *)line.p, to, at + strlen(from)),
			 OK);
	return export_pub_parse(text.p, text.len, &back, &f);
}

static void test_odd_lines_are_refused(void **state)
{
	(void)state;
	assert_int_equal(with("version=1", "version=1"), OK);
	assert_int_equal(with("version=1", "version=2"), ERR_UNSUPPORTED);
	assert_int_equal(with("version=1", "version=one"), ERR_INVALID);
	assert_int_equal(with("name=n1", "name=\"n 1\""), ERR_INVALID);
	assert_int_equal(with("name=n1.example", "name=\"\""), ERR_INVALID);
	assert_int_equal(with("store=01", "store=0"), ERR_INVALID);
	assert_int_equal(with("https:", "http:"), ERR_INVALID);
	assert_int_equal(with("https://n1", "https://n1\\n"), ERR_INVALID);
	assert_int_equal(with("url=", "more=1 url="), ERR_INVALID);
	assert_int_equal(with("url=", "name=n2 url="), ERR_INVALID);
	assert_int_equal(with("\n", "\nversion=1\n"), ERR_INVALID);
}

/* Keys that no box can be made for, or that anybody could sign for. */
static void test_useless_keys_are_refused(void **state)
{
	struct export_pub p = example();
	struct fault f;

	(void)state;
	assert_int_equal(export_pub_check(&p, &f), OK);
	memset(p.seal, 0, EXPORT_KEY);
	assert_int_equal(export_pub_check(&p, &f), ERR_INVALID);
	p = example();
	memset(p.sign, 0, EXPORT_KEY);
	p.sign[0] = 1; /* the neutral element */
	assert_int_equal(export_pub_check(&p, &f), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_comes_back),
		cmocka_unit_test(test_cut_short_is_refused),
		cmocka_unit_test(test_odd_lines_are_refused),
		cmocka_unit_test(test_useless_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
