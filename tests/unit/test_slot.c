/* lib/slot.c: a slot opens with its passphrase; a wrong one and damage are told
 * apart. Argon2id is run as rarely as the question allows. */
#include "lib/slot.h"

#include "lib/seal_aead.h"

#include "tests/unit/store_test.h"

#include <sodium.h>

#define PASS "correct horse"

struct made {
	struct slot_header h;
	struct buf header;
	struct buf blob;
};

static struct made one;

static struct slot_header wanted(void)
{
	struct slot_header h = { .type = SLOT_PASSPHRASE,
				 .slot = 5,
				 .epoch = 7,
				 .ops = 1,
				 .mem = SLOT_MEM_MIN };

	memset(h.store, 0xa0, STORE_ID_SIZE);
	return h;
}

static struct secret *master_key(void)
{
	AUTO(mem_free) uint8_t *key = known(kat_master, NULL);

	return secret_from(key);
}

static int begin(void **state)
{
	AUTO(secret_drop) struct secret *master = master_key();
	struct fault f;

	(void)state;
	one.h = wanted();
	buf_init(&one.header, SLOT_HEADER);
	buf_init(&one.blob, SLOT_BLOB);
	return slot_make(&one.h, PASS, strlen(PASS), master, &one.header,
			 &one.blob, &f) == OK
		       ? 0
		       : -1;
}

static int end(void **state)
{
	(void)state;
	buf_wipe(&one.header);
	buf_wipe(&one.blob);
	return 0;
}

static enum err open_with(const void *header, size_t header_len,
			  const void *blob, size_t blob_len, const char *pass,
			  struct fault *f)
{
	AUTO(secret_drop) struct secret *got = NULL;
	AUTO(secret_drop) struct secret *want = master_key();
	struct slot_header h;
	enum err e = slot_open(header, header_len, blob, blob_len, pass,
			       strlen(pass), &h, &got, f);

	if (e != OK) {
		assert_null(got);
		return e;
	}
	assert_true(
		secret_equal(secret_bytes(got), secret_bytes(want), KEY_SIZE));
	assert_int_equal(h.slot, 5);
	assert_int_equal(h.epoch, 7);
	return OK;
}

static enum err open_one(const char *pass, struct fault *f)
{
	return open_with(one.header.p, one.header.len, one.blob.p, one.blob.len,
			 pass, f);
}

static void expect(enum err e, enum err want, const struct fault *f,
		   const char *words)
{
	assert_int_equal(e, want);
	if (!strstr(f->text, words))
		fail_msg("'%s' does not say '%s'", f->text, words);
}

static void test_known_slot_opens(void **state)
{
	size_t n, m;
	AUTO(mem_free) uint8_t *header = known(kat_slot_header, &n);
	AUTO(mem_free) uint8_t *blob = known(kat_slot_blob, &m);
	struct fault f;

	(void)state;
	assert_int_equal(n, SLOT_HEADER);
	assert_int_equal(m, SLOT_BLOB);
	assert_int_equal(open_with(header, n, blob, m, PASS, &f), OK);
}

static void test_slot_opens_with_its_passphrase_only(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(open_one(PASS, &f), OK);
	expect(open_one("correct horsf", &f), ERR_DENIED, &f,
	       "wrong passphrase for slot 5");
	expect(open_one("", &f), ERR_INVALID, &f, "empty passphrase");
}

static void test_salt_and_nonce_are_fresh(void **state)
{
	AUTO(secret_drop) struct secret *master = master_key();
	AUTO(buf_wipe) struct buf header = { 0 }, blob = { 0 };
	struct slot_header h = wanted();
	struct fault f;

	(void)state;
	buf_init(&header, SLOT_HEADER);
	buf_init(&blob, SLOT_BLOB);
	assert_int_equal(
		slot_make(&h, PASS, strlen(PASS), master, &header, &blob, &f),
		OK);
	assert_memory_not_equal(h.salt, one.h.salt, SLOT_SALT);
	assert_memory_not_equal(blob.p, one.blob.p, 24);
}

/* Chance damage needs no Argon2id to be found, so all bits can be tried. */
static void test_every_flipped_bit_is_damage(void **state)
{
	struct buf *part[] = { &one.header, &one.blob };
	struct fault f;

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		for (size_t bit = 0; bit < part[p]->len * 8; bit++) {
			enum err want = p == 0 && bit < 8 ? ERR_UNSUPPORTED
							  : ERR_INVALID;

			part[p]->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(open_one(PASS, &f), want);
			part[p]->p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	one.blob.p[30] ^= 1;
	expect(open_one(PASS, &f), ERR_INVALID, &f, "slot 5 is damaged");
	one.blob.p[30] ^= 1;
	assert_int_equal(open_one(PASS, &f), OK);
}

/* What an editor would do who knows the unkeyed check. */
static void fix_check(void)
{
	crypto_generichash_blake2b_state h;
	uint8_t full[32];

	crypto_generichash_blake2b_init(&h, NULL, 0, sizeof full);
	crypto_generichash_blake2b_update(&h, one.header.p, one.header.len);
	crypto_generichash_blake2b_update(&h, one.blob.p, one.blob.len - 8);
	crypto_generichash_blake2b_final(&h, full, sizeof full);
	memcpy(one.blob.p + one.blob.len - 8, full, 8);
}

static void edited(struct buf *part, size_t at, enum err want,
		   const char *words)
{
	struct fault f;

	part->p[at] ^= 1;
	fix_check();
	expect(open_one(PASS, &f), want, &f, words);
	part->p[at] ^= 1;
	fix_check();
}

static void test_edits_with_the_check_made_good_do_not_open(void **state)
{
	(void)state;
	edited(&one.blob, 3, ERR_INVALID, "damaged");      /* nonce */
	edited(&one.blob, 30, ERR_INVALID, "damaged");     /* master key */
	edited(&one.blob, 80, ERR_DENIED, "passphrase");   /* commitment */
	edited(&one.header, 21, ERR_DENIED, "passphrase"); /* slot id */
	edited(&one.header, 25, ERR_DENIED, "passphrase"); /* epoch */
	edited(&one.header, 30, ERR_DENIED, "passphrase"); /* salt */
	edited(&one.header, 53, ERR_DENIED, "passphrase"); /* memory */
}

static void test_slot_cut_short_is_refused(void **state)
{
	struct slot_header h;
	struct fault f;

	(void)state;
	for (size_t n = 0; n < one.header.len; n++) {
		AUTO(mem_free) void *cut = xmemdup(one.header.p, n);

		assert_int_equal(slot_header_parse(cut, n, &h, &f),
				 ERR_INVALID);
		assert_int_equal(
			open_with(cut, n, one.blob.p, one.blob.len, PASS, &f),
			ERR_INVALID);
	}
	for (size_t n = 0; n < one.blob.len; n++) {
		AUTO(mem_free) void *cut = xmemdup(one.blob.p, n);

		expect(open_with(one.header.p, one.header.len, cut, n, PASS,
				 &f),
		       ERR_INVALID, &f, "slot 5 is damaged");
	}
}

static void test_trailing_bytes_are_refused(void **state)
{
	uint8_t header[SLOT_HEADER + 1] = { 0 };
	struct slot_header h;
	struct fault f;

	(void)state;
	memcpy(header, one.header.p, SLOT_HEADER);
	assert_int_equal(slot_header_parse(header, sizeof header, &h, &f),
			 ERR_INVALID);
}

static void test_cost_out_of_bounds_is_refused_unpaid(void **state)
{
	AUTO(secret_drop) struct secret *master = master_key();
	static const struct {
		uint32_t ops;
		uint64_t mem;
	} odd[] = {
		{ 0, SLOT_MEM_MIN },
		{ SLOT_OPS_MAX + 1, SLOT_MEM_MIN },
		{ UINT32_MAX, SLOT_MEM_MIN },
		{ 1, SLOT_MEM_MIN - 1 },
		{ 1, SLOT_MEM_MAX + 1 },
		{ 1, UINT64_MAX },
	};
	struct fault f;

	(void)state;
	for (size_t i = 0; i < NELEM(odd); i++) {
		AUTO(buf_wipe) struct buf header = { 0 }, blob = { 0 };
		struct slot_header h = wanted();

		buf_init(&header, SLOT_HEADER);
		buf_init(&blob, SLOT_BLOB);
		h.ops = odd[i].ops;
		h.mem = odd[i].mem;
		expect(slot_make(&h, PASS, strlen(PASS), master, &header, &blob,
				 &f),
		       ERR_INVALID, &f, "allowed are");
		assert_int_equal(header.len + blob.len, 0);
	}
}

static void test_newer_version_is_refused(void **state)
{
	uint8_t header[SLOT_HEADER + 9];
	struct slot_header h;
	struct fault f;

	(void)state;
	memset(header, 0, sizeof header);
	header[0] = 2;
	expect(slot_header_parse(header, sizeof header, &h, &f),
	       ERR_UNSUPPORTED, &f, "newer version");
}

static void test_key_file_needs_bytes(void **state)
{
	AUTO(secret_drop) struct secret *master = master_key();
	AUTO(buf_wipe) struct buf header = { 0 }, blob = { 0 };
	struct slot_header h = wanted();
	uint8_t file[64] = { 1, 2, 3 };
	struct slot_header got;
	struct secret *key = NULL;
	struct fault f;

	(void)state;
	buf_init(&header, SLOT_HEADER);
	buf_init(&blob, SLOT_BLOB);
	h.type = SLOT_KEYFILE;
	expect(slot_make(&h, file, SLOT_KEYFILE_MIN - 1, master, &header, &blob,
			 &f),
	       ERR_INVALID, &f, "at least 32");
	assert_int_equal(
		slot_make(&h, file, sizeof file, master, &header, &blob, &f),
		OK);
	file[0] ^= 1;
	expect(slot_open(header.p, header.len, blob.p, blob.len, file,
			 sizeof file, &got, &key, &f),
	       ERR_DENIED, &f, "wrong key file for slot 5");
	file[0] ^= 1;
	assert_int_equal(slot_open(header.p, header.len, blob.p, blob.len, file,
				   sizeof file, &got, &key, &f),
			 OK);
	secret_drop(&key);
}

static void test_row_splits(void **state)
{
	uint8_t row[SLOT_HEADER + SLOT_BLOB + 1] = { 1 };
	const uint8_t *header, *blob;
	struct fault f;

	(void)state;
	assert_int_equal(slot_split(row, sizeof row - 1, &header, &blob, &f),
			 OK);
	assert_ptr_equal(header, row);
	assert_ptr_equal(blob, row + SLOT_HEADER);
	assert_int_equal(slot_split(row, sizeof row, &header, &blob, &f),
			 ERR_INVALID);
	for (size_t n = 0; n < sizeof row - 1; n++)
		assert_int_equal(slot_split(row, n, &header, &blob, &f),
				 ERR_INVALID);
}

static void test_type_names(void **state)
{
	enum slot_type t;

	(void)state;
	assert_int_equal(slot_type_parse("keyfile", 7, &t), OK);
	assert_int_equal(t, SLOT_KEYFILE);
	assert_string_equal(slot_type_name(SLOT_PASSPHRASE), "passphrase");
	assert_int_equal(slot_type_parse("tpm", 3, &t), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_slot_opens),
		cmocka_unit_test(test_slot_opens_with_its_passphrase_only),
		cmocka_unit_test(test_salt_and_nonce_are_fresh),
		cmocka_unit_test(test_every_flipped_bit_is_damage),
		cmocka_unit_test(
			test_edits_with_the_check_made_good_do_not_open),
		cmocka_unit_test(test_slot_cut_short_is_refused),
		cmocka_unit_test(test_trailing_bytes_are_refused),
		cmocka_unit_test(test_cost_out_of_bounds_is_refused_unpaid),
		cmocka_unit_test(test_newer_version_is_refused),
		cmocka_unit_test(test_key_file_needs_bytes),
		cmocka_unit_test(test_row_splits),
		cmocka_unit_test(test_type_names),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
