/* lib/export.c: sealed exports: known answers, who may open one, who made it, what is
 * refused, and the rules of versions. HOST.pub: test_export_pub.c. */
#include "lib/export.h"

#include "lib/box.h"
#include "tests/unit/kat_export.h"
#include "tests/unit/store_test.h"

static struct export_keys *store, *sender;
static uint8_t seal_seed[EXPORT_KEY], sign_seed[EXPORT_KEY];

static int begin(void **state)
{
	uint8_t other[EXPORT_KEY];

	(void)state;
	for (size_t i = 0; i < EXPORT_KEY; i++) {
		seal_seed[i] = (uint8_t)(i + 1);
		sign_seed[i] = (uint8_t)(i + 0x41);
		other[i] = (uint8_t)(i + 0x21);
	}
	store = export_keys_new(seal_seed, other);
	sender = export_keys_new(other, sign_seed);
	return 0;
}

static int end(void **state)
{
	(void)state;
	export_keys_drop(&store);
	export_keys_drop(&sender);
	return 0;
}

static enum err open_with(const struct export_keys *k, const void *p, size_t n,
			  struct fault *f)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };
	struct export x;
	enum err e;

	attrs_init_secret(&list);
	e = export_open(k, p, n, &list, &x, f);
	if (e != OK)
		assert_int_equal(list.bytes.len, 0);
	return e;
}

static struct export example(struct attrs *attributes)
{
	struct export x = { .purpose = EXPORT_ROTATE,
			    .name = "prod",
			    .module = "hmac",
			    .version = 3,
			    .made = 1000,
			    .id = { 1, 2, 3 } };

	attrs_init(attributes);
	list_of(attributes, "!key=hunter2 algorithm=sha256");
	x.attributes = attrs_view(attributes);
	return x;
}

static void make(const struct export_keys *from, const struct export_keys *to,
		 struct buf *out)
{
	AUTO(attrs_wipe) struct attrs attributes = { 0 };
	struct export x = example(&attributes);
	struct fault f;

	x.anonymous = !from;
	if (!from)
		x.purpose = EXPORT_SEAL;
	buf_init(out, EXPORT_MAX);
	assert_int_equal(export_make(&x, export_seal_key(to), from, out, &f),
			 OK);
}

/* Known answers */

static void check_known(const char *kat, bool anonymous)
{
	size_t n, plain_len;
	AUTO(mem_free) uint8_t *bytes = known(kat, &n);
	AUTO(mem_free) uint8_t *sign = known(kat_sign_public, NULL);
	AUTO(mem_free) uint8_t *plain = known(kat_attributes, &plain_len);
	AUTO(attrs_wipe) struct attrs list = { 0 };
	struct export x;
	struct fault f;

	attrs_init_secret(&list);
	assert_int_equal(export_open(store, bytes, n, &list, &x, &f), OK);
	assert_int_equal(x.purpose, anonymous ? EXPORT_SEAL : EXPORT_EXPORT);
	assert_int_equal(x.anonymous, anonymous);
	if (!anonymous)
		assert_memory_equal(x.sender, sign, EXPORT_KEY);
	assert_string_equal(x.name, "prod");
	assert_string_equal(x.module, "aws-sigv4");
	assert_int_equal(x.version, anonymous ? 0 : 7);
	assert_int_equal(x.made, 1700000000);
	assert_int_equal(x.not_after, 1700086400);
	assert_int_equal(x.id[0], 0xe0);
	assert_int_equal(x.attributes.len, plain_len);
	assert_memory_equal(x.attributes.p, plain, plain_len);
}

static void test_known_exports_open(void **state)
{
	AUTO(mem_free) uint8_t *seal = known(kat_seal_public, NULL);
	AUTO(mem_free) uint8_t *sign = known(kat_sign_public, NULL);

	(void)state;
	assert_memory_equal(export_seal_key(store), seal, EXPORT_KEY);
	assert_memory_equal(export_sign_key(sender), sign, EXPORT_KEY);
	check_known(kat_signed, false);
	check_known(kat_anonymous, true);
}

static void test_export_comes_back(void **state)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };
	AUTO(buf_wipe) struct buf out = { 0 };
	struct export x;
	struct fault f;
	struct attr a;

	(void)state;
	make(sender, store, &out);
	attrs_init_secret(&list);
	assert_int_equal(export_open(store, out.p, out.len, &list, &x, &f), OK);
	assert_int_equal(x.purpose, EXPORT_ROTATE);
	assert_int_equal(x.version, 3);
	assert_memory_equal(x.sender, export_sign_key(sender), EXPORT_KEY);
	assert_int_equal(attr_only(x.attributes, "key", &a), OK);
	assert_true(attr_is(&a, "hunter2"));
	assert_int_equal(a.flags, ATTR_CONFIDENTIAL);
}

/* Damage */

static void test_every_flipped_bit_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf out = { 0 };
	struct fault f;

	(void)state;
	make(sender, store, &out);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		out.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(open_with(store, out.p, out.len, &f), OK);
		assert_null(strstr(f.text, "hunter"));
		out.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(open_with(store, out.p, out.len, &f), OK);
}

static void test_cut_short_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf out = { 0 };
	struct fault f;

	(void)state;
	make(sender, store, &out);
	for (size_t n = 0; n < out.len; n++) {
		AUTO(mem_free) void *cut = xmemdup(out.p, n);

		assert_int_equal(open_with(store, cut, n, &f), ERR_INVALID);
	}
	assert_int_equal(buf_u8(&out, 0), OK);
	assert_int_equal(open_with(store, out.p, out.len, &f), ERR_INVALID);
}

static void test_newer_ones_are_unsupported(void **state)
{
	AUTO(buf_wipe) struct buf out = { 0 };
	struct fault f;

	(void)state;
	make(sender, store, &out);
	out.p[4] = 2;
	assert_int_equal(open_with(store, out.p, out.len, &f), ERR_UNSUPPORTED);
	out.p[4] = 1;
	out.p[3] = '2';
	assert_int_equal(open_with(store, out.p, out.len, &f), ERR_UNSUPPORTED);
}

static void test_another_store_is_named(void **state)
{
	AUTO(buf_wipe) struct buf out = { 0 };
	uint8_t id[EXPORT_KEY_ID];
	char text[2 * EXPORT_KEY_ID + 1];
	struct fault f;

	(void)state;
	make(sender, store, &out);
	assert_int_equal(open_with(sender, out.p, out.len, &f), ERR_CONFLICT);
	export_key_id(export_seal_key(store), id);
	enc_hex(id, sizeof id, text);
	assert_non_null(strstr(f.text, text));
}

/* The list inside, which a sender may make as he likes */

static enum err parse(const char *text, const struct attrs *attributes,
		      struct fault *f)
{
	AUTO(attrs_wipe) struct attrs list = { 0 };
	struct export x;

	attrs_init(&list);
	assert_int_equal(
		attrs_add(&list, "to", 0, export_seal_key(store), EXPORT_KEY),
		OK);
	list_of(&list, text);
	if (attributes)
		assert_int_equal(
			attrs_add(&list, "attributes", ATTR_CONFIDENTIAL,
				  attributes->bytes.p, attributes->bytes.len),
			OK);
	return export_list_parse(attrs_view(&list), export_seal_key(store), &x,
				 f);
}

#define ANON "purpose=seal from=anonymous name=prod module=hmac made=5"
#define ID16 " id=0123456789abcdef"

static void test_lists_that_are_not_right(void **state)
{
	static const char *const wrong[] = {
		"",
		ANON,
		ANON " id=0123456789abcde",
		ANON ID16 ID16,
		ANON ID16 " name=other",
		ANON ID16 " more=1",
		ANON ID16 " version=0",
		ANON ID16 " version=99999999999999999",
		ANON ID16 " not_after=-1",
		"purpose=sale from=anonymous name=prod module=hmac made=5" ID16,
		"purpose=export from=anonymous name=prod module=hmac made=5" ID16,
		"purpose=rotate from=anonymous name=prod module=hmac made=5" ID16,
		"purpose=seal from=somebody name=prod module=hmac made=5" ID16,
		"purpose=seal from=anonymous name=\"\" module=hmac made=5" ID16,
		"purpose=seal from=anonymous name=\"a\\x00b\" module=hmac made=5" ID16,
		"purpose=seal from=anonymous name=prod module=HMAC made=5" ID16,
		"purpose=seal from=anonymous name=prod module=hmac" ID16,
		"purpose=seal from=anonymous name=prod module=hmac made=x" ID16,
	};
	AUTO(attrs_wipe) struct attrs attributes = { 0 };
	struct fault f;

	(void)state;
	(void)example(&attributes);
	assert_int_equal(parse(ANON ID16, &attributes, &f), OK);
	assert_int_equal(
		parse(ANON ID16 " version=2 not_after=9", &attributes, &f), OK);
	assert_int_equal(parse(ANON ID16, NULL, &f), ERR_INVALID);
	for (size_t i = 0; i < NELEM(wrong); i++)
		assert_int_not_equal(parse(wrong[i], &attributes, &f), OK);
}

/* Reads `from`, changes one thing, and gives it to the reader. */
static enum err with_list(void (*change)(struct attrs *list), struct fault *f)
{
	AUTO(box_keys_drop) struct box_keys *box = box_keys_from(seal_seed);
	AUTO(attrs_wipe) struct attrs list = { 0 };
	AUTO(buf_wipe) struct buf out = { 0 };
	struct export x;

	make(sender, store, &out);
	attrs_init_secret(&list);
	assert_int_equal(box_open(box, out.p + EXPORT_HEAD,
				  out.len - EXPORT_HEAD, &list, f),
			 OK);
	change(&list);
	return export_list_parse(attrs_view(&list), export_seal_key(store), &x,
				 f);
}

static void unchanged(struct attrs *list)
{
	(void)list;
}

static void other_version(struct attrs *list)
{
	struct attr a;

	assert_true(attr_find(attrs_view(list), "version", &a));
	list->bytes.p[a.value - list->bytes.p] = '9';
}

static void other_sender(struct attrs *list)
{
	struct attr a;

	assert_true(attr_find(attrs_view(list), "from", &a));
	memcpy(list->bytes.p + (a.value - list->bytes.p),
	       export_sign_key(store), EXPORT_KEY);
}

static void other_recipient(struct attrs *list)
{
	struct attr a;

	assert_true(attr_find(attrs_view(list), "to", &a));
	memcpy(list->bytes.p + (a.value - list->bytes.p),
	       export_seal_key(sender), EXPORT_KEY);
}

static void something_behind(struct attrs *list)
{
	assert_int_equal(attrs_add_u64(list, "not_after", 5), OK);
}

static void no_signature(struct attrs *list)
{
	list->bytes.len -= 6 + strlen("signature") + EXPORT_SIG;
	list->count--;
}

static void test_signature_holds_all_of_it(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(with_list(unchanged, &f), OK);
	assert_int_equal(with_list(other_version, &f), ERR_INVALID);
	assert_non_null(strstr(f.text, "signature"));
	assert_int_equal(with_list(other_sender, &f), ERR_INVALID);
	assert_int_equal(with_list(something_behind, &f), ERR_INVALID);
	assert_int_not_equal(with_list(no_signature, &f), OK);
}

/* Who gets one may not pass it on as its sender's. */
static void test_what_was_for_another_is_a_conflict(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(with_list(other_recipient, &f), ERR_CONFLICT);
}

static void test_too_large_is_refused(void **state)
{
	AUTO(attrs_wipe) struct attrs attributes = { 0 };
	AUTO(mem_free) char *big = xcalloc(1, EXPORT_LIST_MAX);
	AUTO(buf_wipe) struct buf out = { 0 };
	struct export x = example(&attributes);
	struct fault f;

	(void)state;
	assert_int_equal(attrs_add(&attributes, "big", 0, big, EXPORT_LIST_MAX),
			 OK);
	x.attributes = attrs_view(&attributes);
	buf_init(&out, EXPORT_MAX);
	assert_int_equal(
		export_make(&x, export_seal_key(store), sender, &out, &f),
		ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
}

/* Rules */

static enum err judge(const struct export *x, const struct export_seen *s,
		      int64_t now, uint64_t *number, bool *there)
{
	struct fault f;

	return export_check(x, s, now, number, there, &f);
}

static void test_version_has_to_be_above_all_seen(void **state)
{
	struct export x = { .purpose = EXPORT_EXPORT, .version = 5, .made = 9 };
	struct export_seen s = { .version = 4, .current = true, .id = { 1 } };
	uint64_t n;
	bool there;

	(void)state;
	assert_int_equal(judge(&x, &s, 10, &n, &there), OK);
	assert_int_equal(n, 5);
	assert_false(there);
	for (s.version = 5; s.version < 8; s.version++)
		assert_int_equal(judge(&x, &s, 10, &n, &there), ERR_CONFLICT);
	s = (struct export_seen){ .version = 5 }; /* removed since */
	assert_int_equal(judge(&x, &s, 10, &n, &there), ERR_CONFLICT);
	s = (struct export_seen){ 0 };
	assert_int_equal(judge(&x, &s, 10, &n, &there), OK);
	s.version = 7;
	x.version = 7 + EXPORT_STEP_MAX;
	assert_int_equal(judge(&x, &s, 10, &n, &there), OK);
	x.version++;
	assert_int_equal(judge(&x, &s, 10, &n, &there), ERR_CONFLICT);
}

static void test_the_same_again_is_there(void **state)
{
	struct export x = { .purpose = EXPORT_ROTATE,
			    .version = 5,
			    .not_after = 1,
			    .id = { 7 } };
	struct export_seen s = { .version = 5, .current = true, .id = { 7 } };
	uint64_t n = 0;
	bool there = false;

	(void)state;
	assert_int_equal(judge(&x, &s, 10, &n, &there), OK);
	assert_true(there);
	assert_int_equal(n, 5);
	x.not_after = 0;
	x.version = 6; /* by a store that forgot what it had called so */
	assert_int_equal(judge(&x, &s, 10, &n, &there), OK);
	assert_false(there);
	assert_int_equal(n, 6);
	s.current = false;
	x.not_after = 0;
	assert_int_equal(judge(&x, &s, 10, &n, &there), ERR_NOT_FOUND);
}

static void test_rotation_needs_the_credential(void **state)
{
	struct export x = { .purpose = EXPORT_ROTATE, .version = 5 };
	struct export_seen s = { .version = 2 };
	uint64_t n;
	bool there;

	(void)state;
	assert_int_equal(judge(&x, &s, 10, &n, &there), ERR_NOT_FOUND);
	s.current = true;
	s.id[0] = 1;
	assert_int_equal(judge(&x, &s, 10, &n, &there), OK);
}

static void test_without_a_version_it_has_to_be_younger(void **state)
{
	struct export x = { .purpose = EXPORT_SEAL, .made = 100, .id = { 3 } };
	struct export_seen s = { .version = 4, .made = 99, .current = true };
	uint64_t n;
	bool there;

	(void)state;
	assert_int_equal(judge(&x, &s, 100, &n, &there), OK);
	assert_int_equal(n, 5);
	s.made = 100;
	assert_int_equal(judge(&x, &s, 100, &n, &there), ERR_CONFLICT);
	s = (struct export_seen){ 0 };
	assert_int_equal(judge(&x, &s, 100, &n, &there), OK);
	assert_int_equal(n, 1);
	x.made = 100 + EXPORT_SKEW;
	assert_int_equal(judge(&x, &s, 100, &n, &there), OK);
	x.made++;
	assert_int_equal(judge(&x, &s, 100, &n, &there), ERR_INVALID);
}

static void test_time_is_over(void **state)
{
	struct export x = { .purpose = EXPORT_EXPORT,
			    .version = 1,
			    .made = 5,
			    .not_after = 10,
			    .id = { 3 } };
	struct export_seen s = { 0 };
	uint64_t n;
	bool there;

	(void)state;
	assert_int_equal(judge(&x, &s, 10, &n, &there), OK);
	assert_int_equal(judge(&x, &s, 11, &n, &there), ERR_EXPIRED);
}

/* Armour */

static void test_armour_comes_back(void **state)
{
	AUTO(buf_wipe) struct buf out = { 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(buf_wipe) struct buf back = { 0 };
	struct fault f;

	(void)state;
	make(NULL, store, &out);
	buf_init(&text, EXPORT_TEXT_MAX);
	assert_int_equal(buf_str(&text, "Dear all,\n\n"), OK);
	assert_int_equal(export_armour(out.p, out.len, &text), OK);
	buf_init(&back, EXPORT_MAX);
	assert_int_equal(export_unarmour(text.p, text.len, &back, &f), OK);
	assert_int_equal(back.len, out.len);
	assert_memory_equal(back.p, out.p, out.len);
	buf_clear(&back);
	assert_int_equal(export_unarmour(out.p, out.len, &back, &f), OK);
	assert_int_equal(back.len, out.len);
	buf_clear(&back);
	assert_int_equal(export_unarmour("hello\n", 6, &back, &f), ERR_INVALID);
	assert_int_equal(export_unarmour("", 0, &back, &f), ERR_INVALID);
}

static void test_the_largest_has_an_armour(void **state)
{
	AUTO(mem_free) uint8_t *bytes = xcalloc(1, EXPORT_MAX);
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(buf_wipe) struct buf back = { 0 };
	struct fault f;

	(void)state;
	buf_init(&text, EXPORT_TEXT_MAX);
	buf_init(&back, EXPORT_MAX);
	assert_int_equal(export_armour(bytes, EXPORT_MAX, &text), OK);
	assert_int_equal(export_unarmour(text.p, text.len, &back, &f), OK);
	assert_int_equal(back.len, EXPORT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_exports_open),
		cmocka_unit_test(test_export_comes_back),
		cmocka_unit_test(test_every_flipped_bit_is_refused),
		cmocka_unit_test(test_cut_short_is_refused),
		cmocka_unit_test(test_newer_ones_are_unsupported),
		cmocka_unit_test(test_another_store_is_named),
		cmocka_unit_test(test_lists_that_are_not_right),
		cmocka_unit_test(test_signature_holds_all_of_it),
		cmocka_unit_test(test_what_was_for_another_is_a_conflict),
		cmocka_unit_test(test_too_large_is_refused),
		cmocka_unit_test(test_version_has_to_be_above_all_seen),
		cmocka_unit_test(test_the_same_again_is_there),
		cmocka_unit_test(test_rotation_needs_the_credential),
		cmocka_unit_test(test_without_a_version_it_has_to_be_younger),
		cmocka_unit_test(test_time_is_over),
		cmocka_unit_test(test_armour_comes_back),
		cmocka_unit_test(test_the_largest_has_an_armour),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
