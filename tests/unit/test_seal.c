/* lib/seal.c: rows open where they were sealed, as they were sealed, or not at all,
 * and the sentence says why. */
#include "lib/seal.h"

#include "tests/unit/store_test.h"

static struct seal_keys *keys_of(uint32_t epoch)
{
	AUTO(mem_free) uint8_t *master = known(kat_master, NULL);
	AUTO(mem_free) uint8_t *store = known(kat_store, NULL);

	return seal_keys_new(master, store, epoch);
}

static struct seal_keys *keys;

static int begin(void **state)
{
	(void)state;
	keys = keys_of(7);
	return 0;
}

static int end(void **state)
{
	(void)state;
	seal_keys_drop(&keys);
	return 0;
}

static enum err open_with(const struct seal_keys *k, const struct row_head *h,
			  const uint8_t *p, size_t n, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs out = { 0 };
	enum err e;

	attrs_init(&out);
	e = seal_open_row(k, h, p, n, &out, f);
	if (e != OK)
		assert_int_equal(out.bytes.len, 0);
	return e;
}

static void expect(enum err e, enum err want, const struct fault *f,
		   const char *words)
{
	assert_int_equal(e, want);
	assert_int_equal(f->code, want);
	if (!strstr(f->text, words))
		fail_msg("'%s' does not say '%s'", f->text, words);
}

static void seal_one(const struct row_head *h, const char *text,
		     struct buf *out)
{
	AUTO(attrs_wipe) struct attrs plain = { 0 };

	attrs_init(&plain);
	list_of(&plain, text);
	buf_init(out, ROW_BLOB_MAX);
	assert_int_equal(seal_row(keys, h, attrs_view(&plain), out), OK);
}

/* Known answers */

static void test_known_row_opens(void **state)
{
	AUTO(attrs_wipe) struct attrs out = { 0 };
	struct row_head h = known_head();
	size_t n, plain_len;
	AUTO(mem_free) uint8_t *row = known(kat_row, &n);
	AUTO(mem_free) uint8_t *plain = known(kat_plain, &plain_len);
	struct fault f;

	(void)state;
	attrs_init(&out);
	assert_int_equal(seal_open_row(keys, &h, row, n, &out, &f), OK);
	assert_int_equal(out.bytes.len, plain_len);
	assert_memory_equal(out.bytes.p, plain, plain_len);
	assert_int_equal(out.count, 2);
}

static void test_known_confidential_opens(void **state)
{
	AUTO(attrs_wipe) struct attrs out = { 0 };
	struct row_head h = known_head();
	size_t dek_len, n, plain_len;
	AUTO(mem_free) uint8_t *dek = known(kat_wrapped, &dek_len);
	AUTO(mem_free) uint8_t *sealed = known(kat_sealed, &n);
	AUTO(mem_free) uint8_t *plain = known(kat_secret, &plain_len);
	struct fault f;

	(void)state;
	attrs_init_secret(&out);
	assert_int_equal(dek_len, SEAL_WRAPPED);
	assert_int_equal(seal_open_confidential(keys, &h, dek, dek_len, sealed,
						n, &out, &f),
			 OK);
	assert_int_equal(out.bytes.len, plain_len);
	assert_memory_equal(out.bytes.p, plain, plain_len);
	assert_int_equal(out.count, 1);
}

/* Rows */

static void test_row_comes_back(void **state)
{
	struct row_head h = known_head();
	AUTO(attrs_wipe) struct attrs out = { 0 };
	AUTO(buf_wipe) struct buf a = { 0 }, b = { 0 };
	struct fault f;
	struct attr note;

	(void)state;
	seal_one(&h, "endpoint=x note=\"two words\"", &a);
	seal_one(&h, "endpoint=x note=\"two words\"", &b);
	assert_int_equal(a.len, b.len);
	assert_memory_not_equal(a.p + 6, b.p + 6, SEAL_NONCE);
	assert_memory_not_equal(a.p + SEAL_HEAD, b.p + SEAL_HEAD, 16);
	attrs_init(&out);
	assert_int_equal(seal_open_row(keys, &h, a.p, a.len, &out, &f), OK);
	assert_int_equal(out.count, 2);
	assert_int_equal(attr_only(attrs_view(&out), "note", &note), OK);
	assert_true(attr_is(&note, "two words"));
}

static void test_empty_row_comes_back(void **state)
{
	struct row_head h = known_head();
	AUTO(buf_wipe) struct buf a = { 0 };
	struct fault f;

	(void)state;
	seal_one(&h, "", &a);
	assert_int_equal(open_with(keys, &h, a.p, a.len, &f), OK);
}

static void test_row_too_large_is_refused(void **state)
{
	struct row_head h = known_head();
	AUTO(attrs_wipe) struct attrs plain = { 0 };
	AUTO(buf_wipe) struct buf out = { 0 };
	AUTO(mem_free) void *big = xcalloc(1, ROW_BLOB_MAX);

	(void)state;
	attrs_init(&plain);
	buf_init(&out, ROW_BLOB_MAX);
	assert_int_equal(attrs_add(&plain, "big", 0, big, ROW_BLOB_MAX - 1024),
			 OK);
	assert_int_equal(seal_row(keys, &h, attrs_view(&plain), &out),
			 ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
}

static void test_every_flipped_bit_is_noticed(void **state)
{
	struct row_head h = known_head();
	AUTO(buf_wipe) struct buf a = { 0 };
	struct fault f;

	(void)state;
	seal_one(&h, "endpoint=x", &a);
	for (size_t bit = 0; bit < a.len * 8; bit++) {
		enum err want = bit < 16   ? ERR_UNSUPPORTED
				: bit < 48 ? ERR_CONFLICT
					   : ERR_INVALID;

		a.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect(open_with(keys, &h, a.p, a.len, &f), want, &f,
		       bit < 16   ? "newer version"
		       : bit < 48 ? "epoch"
				  : "edited");
		a.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(open_with(keys, &h, a.p, a.len, &f), OK);
}

static void test_row_cut_short_is_refused(void **state)
{
	struct row_head h = known_head();
	AUTO(buf_wipe) struct buf a = { 0 };
	struct fault f;

	(void)state;
	seal_one(&h, "endpoint=x", &a);
	for (size_t n = 0; n < a.len; n++) {
		AUTO(mem_free) void *cut = xmemdup(a.p, n);

		expect(open_with(keys, &h, cut, n, &f), ERR_INVALID, &f,
		       n < SEAL_HEAD + SEAL_TAG ? "cut short" : "edited");
	}
}

static void moved(const struct buf *blob, struct row_head to)
{
	struct fault f;
	bool here = to.table == ROW_CREDENTIAL && to.row == 12;

	expect(open_with(keys, &to, blob->p, blob->len, &f), ERR_INVALID, &f,
	       here ? "sealed as credential/12 'prod' (hmac, version 3, "
		      "generation 41) and its columns were edited"
		    : "sealed as credential/12 'prod' (hmac, version 3, "
		      "generation 41) and moved from there");
}

static void test_moved_row_says_from_where(void **state)
{
	struct row_head h = known_head(), to;
	AUTO(buf_wipe) struct buf a = { 0 };

	(void)state;
	seal_one(&h, "endpoint=x", &a);
	moved(&a, head_of(ROW_CREDENTIAL, 12, "test", 41));
	moved(&a, head_of(ROW_CREDENTIAL, 13, "prod", 41));
	moved(&a, head_of(ROW_GRANT, 12, "prod", 41));
	moved(&a, head_of(ROW_CREDENTIAL, 12, "prod", 42));
	to = h;
	to.version = 4;
	moved(&a, to);
	to = h;
	memcpy(to.module, "aws", 4);
	moved(&a, to);
}

static void test_other_keys_do_not_open(void **state)
{
	AUTO(mem_free) uint8_t *master = known(kat_master, NULL);
	AUTO(mem_free) uint8_t *store = known(kat_store, NULL);
	AUTO(seal_keys_drop) struct seal_keys *newer = keys_of(8);
	AUTO(seal_keys_drop) struct seal_keys *other = NULL;
	struct row_head h = known_head();
	AUTO(buf_wipe) struct buf a = { 0 };
	struct fault f;

	(void)state;
	seal_one(&h, "endpoint=x", &a);
	expect(open_with(newer, &h, a.p, a.len, &f), ERR_CONFLICT, &f,
	       "under key epoch 7, but the master key is of epoch 8");
	store[0] ^= 1;
	other = seal_keys_new(master, store, 7);
	expect(open_with(other, &h, a.p, a.len, &f), ERR_INVALID, &f, "edited");
	seal_keys_drop(&other);
	store[0] ^= 1;
	master[31] ^= 1;
	other = seal_keys_new(master, store, 7);
	expect(open_with(other, &h, a.p, a.len, &f), ERR_INVALID, &f, "edited");
}

static void test_random_bytes_do_not_open(void **state)
{
	struct row_head h = known_head();
	uint64_t seed = unit_seed();
	uint8_t p[300];
	struct fault f;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		size_t n = unit_below(&seed, sizeof p);

		for (size_t j = 0; j < n; j++)
			p[j] = (uint8_t)unit_next(&seed);
		if (n > 5 && i % 2)
			memcpy(p, "\1\1\0\0\0\7", 6);
		assert_int_not_equal(open_with(keys, &h, p, n, &f), OK);
	}
}

/* Confidential parts */

struct parts {
	struct buf dek;
	struct buf sealed;
};

static void parts_wipe(struct parts *p)
{
	buf_wipe(&p->dek);
	buf_wipe(&p->sealed);
}

static void seal_parts(const struct row_head *h, struct parts *p)
{
	AUTO(attrs_wipe) struct attrs plain = { 0 };

	attrs_init_secret(&plain);
	buf_init(&p->dek, ROW_BLOB_MAX);
	buf_init(&p->sealed, ROW_BLOB_MAX);
	list_of(&plain, "!secret_key=wJalrXUtnFEMI");
	assert_int_equal(seal_confidential(keys, h, attrs_view(&plain), &p->dek,
					   &p->sealed),
			 OK);
	assert_int_equal(p->dek.len, SEAL_WRAPPED);
}

static enum err open_parts(const struct seal_keys *k, const struct row_head *h,
			   const struct parts *p, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs out = { 0 };
	struct attr a;

	attrs_init_secret(&out);
	TRY(seal_open_confidential(k, h, p->dek.p, p->dek.len, p->sealed.p,
				   p->sealed.len, &out, f));
	assert_int_equal(attr_only(attrs_view(&out), "secret_key", &a), OK);
	assert_true(attr_is(&a, "wJalrXUtnFEMI"));
	assert_int_equal(a.flags, ATTR_CONFIDENTIAL);
	return OK;
}

static void test_confidential_outlives_a_new_generation(void **state)
{
	struct row_head h = known_head();
	AUTO(parts_wipe) struct parts p = { 0 };
	struct fault f;

	(void)state;
	seal_parts(&h, &p);
	assert_int_equal(open_parts(keys, &h, &p, &f), OK);
	h.generation++;
	assert_int_equal(open_parts(keys, &h, &p, &f), OK);
}

static void test_confidential_of_another_row_is_refused(void **state)
{
	struct row_head h = known_head(), to = h;
	AUTO(parts_wipe) struct parts p = { 0 }, q = { 0 };
	struct fault f;

	(void)state;
	seal_parts(&h, &p);
	to.version++;
	seal_parts(&to, &q);
	expect(open_parts(keys, &to, &p, &f), ERR_CONFLICT, &f,
	       "for another row");
	/* The wrapped key of one, the values of the other. */
	buf_wipe(&p.dek);
	assert_int_equal(buf_put(&p.dek, q.dek.p, q.dek.len), OK);
	expect(open_parts(keys, &to, &p, &f), ERR_INVALID, &f,
	       "confidential values of row credential/12");
}

static void test_flipped_bits_of_confidential_parts(void **state)
{
	struct row_head h = known_head();
	AUTO(parts_wipe) struct parts p = { 0 };
	size_t commit = SEAL_WRAPPED - SEAL_COMMIT;
	struct fault f;

	(void)state;
	seal_parts(&h, &p);
	for (size_t i = 0; i < p.dek.len; i++) {
		p.dek.p[i] ^= 0x10;
		expect(open_parts(keys, &h, &p, &f),
		       i < commit ? ERR_INVALID : ERR_CONFLICT, &f,
		       i < commit ? "damaged" : "another key");
		p.dek.p[i] ^= 0x10;
	}
	for (size_t i = 0; i < p.sealed.len; i++) {
		p.sealed.p[i] ^= 0x80;
		expect(open_parts(keys, &h, &p, &f), ERR_INVALID, &f,
		       "do not open");
		p.sealed.p[i] ^= 0x80;
	}
	assert_int_equal(open_parts(keys, &h, &p, &f), OK);
}

static void test_confidential_parts_cut_short(void **state)
{
	struct row_head h = known_head();
	AUTO(parts_wipe) struct parts p = { 0 };
	size_t n;
	struct fault f;

	(void)state;
	seal_parts(&h, &p);
	for (n = p.dek.len; p.dek.len-- > 0;)
		expect(open_parts(keys, &h, &p, &f), ERR_INVALID, &f,
		       "damaged");
	p.dek.len = n;
	for (n = p.sealed.len; p.sealed.len-- > 0;)
		expect(open_parts(keys, &h, &p, &f), ERR_INVALID, &f,
		       "do not open");
	p.sealed.len = n;
	assert_int_equal(open_parts(keys, &h, &p, &f), OK);
}

static void test_new_master_key_needs_only_the_key_wrapped_anew(void **state)
{
	AUTO(seal_keys_drop) struct seal_keys *newer = keys_of(8);
	AUTO(secret_drop) struct secret *dek = NULL;
	struct row_head h = known_head();
	AUTO(parts_wipe) struct parts p = { 0 };
	struct fault f;

	(void)state;
	seal_parts(&h, &p);
	expect(open_parts(newer, &h, &p, &f), ERR_CONFLICT, &f, "another key");
	assert_int_equal(seal_unwrap(keys, &h, p.dek.p, p.dek.len, &dek, &f),
			 OK);
	buf_clear(&p.dek);
	assert_int_equal(seal_wrap(newer, &h, dek, &p.dek), OK);
	assert_int_equal(open_parts(newer, &h, &p, &f), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_row_opens),
		cmocka_unit_test(test_known_confidential_opens),
		cmocka_unit_test(test_row_comes_back),
		cmocka_unit_test(test_empty_row_comes_back),
		cmocka_unit_test(test_row_too_large_is_refused),
		cmocka_unit_test(test_every_flipped_bit_is_noticed),
		cmocka_unit_test(test_row_cut_short_is_refused),
		cmocka_unit_test(test_moved_row_says_from_where),
		cmocka_unit_test(test_other_keys_do_not_open),
		cmocka_unit_test(test_random_bytes_do_not_open),
		cmocka_unit_test(test_confidential_outlives_a_new_generation),
		cmocka_unit_test(test_confidential_of_another_row_is_refused),
		cmocka_unit_test(test_flipped_bits_of_confidential_parts),
		cmocka_unit_test(test_confidential_parts_cut_short),
		cmocka_unit_test(
			test_new_master_key_needs_only_the_key_wrapped_anew),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
