/* lib/box.c: transport boxes and the file that publishes their key. */
#include "lib/box.h"

#include "tests/unit/store_test.h"

static struct box_keys *keys;

static int begin(void **state)
{
	uint8_t secret[BOX_KEY];

	(void)state;
	for (size_t i = 0; i < BOX_KEY; i++)
		secret[i] = (uint8_t)(i + 1);
	keys = box_keys_from(secret);
	return 0;
}

static int end(void **state)
{
	(void)state;
	box_keys_drop(&keys);
	return 0;
}

static enum err open_with(const struct box_keys *k, const void *p, size_t n,
			  struct fault *f)
{
	AUTO(attrs_wipe) struct attrs out = { 0 };
	enum err e;

	attrs_init_secret(&out);
	e = box_open(k, p, n, &out, f);
	if (e != OK)
		assert_int_equal(out.bytes.len, 0);
	return e;
}

static void seal_text(const char *text, struct buf *out)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	list_of(&a, text);
	buf_init(out, ATTR_BYTES_MAX);
	assert_int_equal(box_seal(box_public(keys), attrs_view(&a), out), OK);
}

static void test_known_box_opens(void **state)
{
	size_t n, plain_len;
	AUTO(mem_free) uint8_t *pub = known(kat_box_public, NULL);
	AUTO(mem_free) uint8_t *box = known(kat_box, &n);
	AUTO(mem_free) uint8_t *plain = known(kat_plain, &plain_len);
	AUTO(attrs_wipe) struct attrs out = { 0 };
	struct fault f;

	(void)state;
	attrs_init_secret(&out);
	assert_memory_equal(pub, box_public(keys), BOX_KEY);
	assert_int_equal(box_open(keys, box, n, &out, &f), OK);
	assert_int_equal(out.bytes.len, plain_len);
	assert_memory_equal(out.bytes.p, plain, plain_len);
	assert_int_equal(out.count, 2);
}

static void test_box_comes_back(void **state)
{
	AUTO(attrs_wipe) struct attrs out = { 0 };
	AUTO(buf_wipe) struct buf box = { 0 };
	struct fault f;
	struct attr a;

	(void)state;
	seal_text("!secret=hunter2 type=passphrase", &box);
	attrs_init_secret(&out);
	assert_int_equal(box_open(keys, box.p, box.len, &out, &f), OK);
	assert_int_equal(out.count, 2);
	assert_int_equal(attr_only(attrs_view(&out), "secret", &a), OK);
	assert_true(attr_is(&a, "hunter2"));
	assert_int_equal(a.flags, ATTR_CONFIDENTIAL);
}

static void test_box_for_another_key_is_a_conflict(void **state)
{
	AUTO(box_keys_drop) struct box_keys *other = box_keys_random();
	AUTO(buf_wipe) struct buf box = { 0 };
	struct fault f;

	(void)state;
	seal_text("a=1", &box);
	assert_int_equal(open_with(other, box.p, box.len, &f), ERR_CONFLICT);
	assert_non_null(strstr(f.text, "read transport.pub again"));
}

static void test_every_flipped_bit_is_noticed(void **state)
{
	AUTO(buf_wipe) struct buf box = { 0 };
	struct fault f;

	(void)state;
	seal_text("a=1", &box);
	for (size_t bit = 0; bit < box.len * 8; bit++) {
		/* The top bit of an X25519 key is ignored, but the nonce is
		 * made from the key as sent. */
		box.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(open_with(keys, box.p, box.len, &f),
				 ERR_CONFLICT);
		box.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(open_with(keys, box.p, box.len, &f), OK);
}

static void test_box_cut_short_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf box = { 0 };
	struct fault f;

	(void)state;
	seal_text("a=1", &box);
	for (size_t n = 0; n < box.len; n++) {
		AUTO(mem_free) void *cut = xmemdup(box.p, n);

		assert_int_equal(open_with(keys, cut, n, &f),
				 n < BOX_EXTRA ? ERR_INVALID : ERR_CONFLICT);
	}
}

static void test_box_of_no_list_is_refused(void **state)
{
	struct attr_view junk = { .p = (const uint8_t *)"junk", .len = 4 };
	AUTO(buf_wipe) struct buf box = { 0 };
	struct fault f;

	(void)state;
	buf_init(&box, 4096);
	assert_int_equal(box_seal(box_public(keys), junk, &box), OK);
	assert_int_equal(open_with(keys, box.p, box.len, &f), ERR_INVALID);
}

static void test_useless_public_key_is_refused(void **state)
{
	static const uint8_t zero[BOX_KEY];
	AUTO(buf_wipe) struct buf box = { 0 };

	(void)state;
	buf_init(&box, 4096);
	assert_int_equal(box_seal(zero, (struct attr_view){ 0 }, &box),
			 ERR_INVALID);
	assert_int_equal(box.len, 0);
}

static void test_file_comes_back(void **state)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	uint8_t pub[BOX_KEY];
	struct fault f;

	(void)state;
	buf_init(&text, BOX_FILE_MAX);
	assert_int_equal(box_pub_format(box_public(keys), &text), OK);
	assert_int_equal(text.p[text.len - 1], '\n');
	assert_int_equal(box_pub_parse(text.p, text.len, pub, &f), OK);
	assert_memory_equal(pub, box_public(keys), BOX_KEY);
	assert_int_equal(box_pub_parse(text.p, text.len - 1, pub, &f), OK);
	for (size_t n = 0; n + 1 < text.len; n++)
		assert_int_equal(box_pub_parse(text.p, n, pub, &f),
				 ERR_INVALID);
}

static enum err parse(const char *text)
{
	uint8_t pub[BOX_KEY];
	struct fault f;

	return box_pub_parse(text, strlen(text), pub, &f);
}

static void test_odd_files_are_refused(void **state)
{
	(void)state;
	assert_int_equal(parse("version=2 curve=x448 key=AAAA"),
			 ERR_UNSUPPORTED);
	assert_int_equal(parse("version=1 key=AAAA"), ERR_INVALID);
	assert_int_equal(parse("version=1 key=\"\""), ERR_INVALID);
	assert_int_equal(
		parse("version=1 key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
		      "more=1"),
		ERR_INVALID);
	assert_int_equal(
		parse("version=1 key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
		      "\nversion=1"),
		ERR_INVALID);
	assert_int_equal(
		parse("version=1 key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
		OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_box_opens),
		cmocka_unit_test(test_box_comes_back),
		cmocka_unit_test(test_box_for_another_key_is_a_conflict),
		cmocka_unit_test(test_every_flipped_bit_is_noticed),
		cmocka_unit_test(test_box_cut_short_is_refused),
		cmocka_unit_test(test_box_of_no_list_is_refused),
		cmocka_unit_test(test_useless_public_key_is_refused),
		cmocka_unit_test(test_file_comes_back),
		cmocka_unit_test(test_odd_files_are_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
