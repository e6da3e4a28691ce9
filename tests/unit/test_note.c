/* lib/note: a checkpoint made by another implementation is the one we make, and no
 * other text than ours is read. */
#include "lib/note.h"

#include "tests/unit/unit.h"

static const char origin[] = "cretula/credd/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";

/* Made by python-cryptography from the seed 00 01 … 1f; root: SHA-256("root"). */
static const char known[] =
	"cretula/credd/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\n"
	"1234\n"
	"SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
	"time=2026-01-02T03:04:05Z generation=15\n"
	"\n"
	"\xe2\x80\x94 cretula/credd/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf IV3+rXfQY0aM"
	"IA+nL/2Rh21K/KPr9U0NIzuRtebucoCNsav8B9/MgynbET6Koh2glPgLl4fgYHhUGFDL"
	"aEn9Gu/vgg0=\n";

#define HEX63 "a23456789012345678901234567890123456789012345678901234567890123"
#define HEX64 "0" HEX63

static struct secret *seed;
static uint8_t key[NOTE_PUBLIC];

static int begin(void **state)
{
	uint8_t bytes[KEY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	seed = secret_from(bytes);
	note_public(seed, key);
	return 0;
}

static int end(void **state)
{
	(void)state;
	secret_drop(&seed);
	return 0;
}

static struct note sample(void)
{
	struct note n = { .size = 1234, .time = 1767323045, .generation = 15 };
	uint8_t id[NOTE_STORE_ID];

	for (size_t i = 0; i < sizeof id; i++)
		id[i] = (uint8_t)(0xa0 + i);
	note_origin("credd", id, n.origin);
	merkle_sha256("root", 4, NULL, 0, &n.root);
	return n;
}

static void test_signs_the_known_note(void **state)
{
	AUTO(buf_wipe) struct buf b = { .max = NOTE_MAX };
	struct note n = sample();

	(void)state;
	assert_string_equal(n.origin, origin);
	assert_int_equal(note_sign(&n, seed, &b), OK);
	assert_int_equal(b.len, strlen(known));
	assert_memory_equal(b.p, known, b.len);
}

static void test_reads_the_known_note(void **state)
{
	struct note n, want = sample();
	struct fault f;

	(void)state;
	assert_int_equal(note_verify(known, strlen(known), key, origin, &n, &f),
			 OK);
	assert_string_equal(n.origin, want.origin);
	assert_int_equal(n.size, 1234);
	assert_int_equal(n.time, want.time);
	assert_int_equal(n.generation, 15);
	assert_true(merkle_equal(&n.root, &want.root));
}

static void test_every_changed_bit_is_refused(void **state)
{
	char text[sizeof known];
	struct note n;

	(void)state;
	for (size_t i = 0; i < strlen(known); i++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(text, known, sizeof known);
			text[i] = (char)(text[i] ^ (1 << bit));
			assert_int_equal(note_verify(text, strlen(known), key,
						     NULL, &n, NULL),
					 ERR_INVALID);
		}
	}
}

static void test_every_cut_is_refused(void **state)
{
	struct note n;

	(void)state;
	for (size_t i = 0; i < strlen(known); i++)
		assert_int_equal(note_parse(known, i, &n, NULL), ERR_INVALID);
}

static void test_every_added_byte_is_refused(void **state)
{
	static const char add[] = "\n 0=\r";
	char text[sizeof known + 1];
	struct note n;

	(void)state;
	for (size_t i = 0; i <= strlen(known); i++) {
		for (size_t c = 0; c < strlen(add); c++) {
			memcpy(text, known, i);
			text[i] = add[c];
			memcpy(text + i + 1, known + i, strlen(known) - i);
			assert_int_equal(note_verify(text, strlen(known) + 1,
						     key, NULL, &n, NULL),
					 ERR_INVALID);
		}
	}
}

/* Numbers and times have one text, whoever signed it. */
static void test_other_spellings_are_refused(void **state)
{
	static const char *const other[][2] = {
		{ "\n1234\n", "\n01234\n" },
		{ "generation=15", "generation=015" },
		{ "03:04:05Z", "03:04:05.0Z" },
		{ "generation=15\n", "generation=15 more=1\n" },
		{ "\n\n", "\nextension\n\n" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(other); i++) {
		const char *at = strstr(known, other[i][0]);
		char text[NOTE_MAX];
		struct note n;

		assert_non_null(at);
		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - known),
			 known, other[i][1], at + strlen(other[i][0]));
		assert_int_equal(note_parse(text, strlen(text), &n, NULL),
				 ERR_INVALID);
	}
}

static void test_another_key_and_another_origin(void **state)
{
	struct secret *other = secret_random();
	uint8_t pub[NOTE_PUBLIC];
	struct fault f;
	struct note n;

	(void)state;
	note_public(other, pub);
	assert_int_equal(note_verify(known, strlen(known), pub, NULL, &n, &f),
			 ERR_INVALID);
	assert_non_null(strstr(f.text, "another key"));
	assert_int_equal(
		note_verify(known, strlen(known), key, "cretula/ca/00", &n, &f),
		ERR_INVALID);
	assert_non_null(strstr(f.text, "not 'cretula/ca/00'"));
	secret_drop(&other);
}

static void test_round_trip(void **state)
{
	uint64_t rnd = unit_seed();

	(void)state;
	for (int i = 0; i < 500; i++) {
		AUTO(buf_wipe) struct buf b = { .max = NOTE_MAX };
		struct note n = sample(), got;

		n.size = unit_next(&rnd) >> (1 + unit_below(&rnd, 63));
		n.generation = unit_next(&rnd) >> unit_below(&rnd, 64);
		n.time = (int64_t)unit_below(&rnd, 250000000000);
		assert_int_equal(note_sign(&n, seed, &b), OK);
		assert_int_equal(
			note_verify(b.p, b.len, key, n.origin, &got, NULL), OK);
		assert_int_equal(got.size, n.size);
		assert_int_equal(got.generation, n.generation);
		assert_int_equal(got.time, n.time);
	}
}

/* The note of a CA's log, whose signer tells what else it signed. */
static struct note sample_chained(void)
{
	struct note n = sample();

	n.chained = true;
	n.count = 70000;
	n.epoch = 3;
	merkle_sha256("chain", 5, NULL, 0, &n.chain);
	return n;
}

static void test_chained_round_trip(void **state)
{
	static const char want[] =
		"\ntime=2026-01-02T03:04:05Z generation=15 signed=70000 "
		"epoch=3 chain=";
	AUTO(buf_wipe) struct buf b = { .max = NOTE_MAX };
	struct note n = sample_chained(), got;

	(void)state;
	assert_int_equal(note_sign(&n, seed, &b), OK);
	assert_non_null(memmem(b.p, b.len, want, strlen(want)));
	assert_int_equal(note_verify(b.p, b.len, key, origin, &got, NULL), OK);
	assert_true(got.chained);
	assert_int_equal(got.count, 70000);
	assert_int_equal(got.epoch, 3);
	assert_true(merkle_equal(&got.chain, &n.chain));
	assert_int_equal(
		note_verify(known, strlen(known), key, origin, &got, NULL), OK);
	assert_false(got.chained);
}

static void test_chained_cut_or_changed_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf b = { .max = NOTE_MAX };
	struct note n = sample_chained(), got;

	(void)state;
	assert_int_equal(note_sign(&n, seed, &b), OK);
	for (size_t i = 0; i < b.len; i++) {
		assert_int_equal(note_parse(b.p, i, &got, NULL), ERR_INVALID);
		for (int bit = 0; bit < 8; bit++) {
			b.p[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(
				note_verify(b.p, b.len, key, NULL, &got, NULL),
				ERR_INVALID);
			b.p[i] ^= (uint8_t)(1 << bit);
		}
	}
}

static void test_half_a_chain_is_refused(void **state)
{
	static const char *const bad[] = {
		" ",
		" signed=1",
		" signed=1 epoch=1",
		" signed=1 epoch=1 chain=00",
		" epoch=1 signed=1 chain=" HEX64,
		" signed=1 epoch=01 chain=" HEX64,
		" signed=1 epoch=1 chain=" HEX64 " ",
		(" signed=1 epoch=1 chain=A" HEX63),
	};
	const char *at = strstr(known, "\n\n");

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		char text[NOTE_MAX];
		struct note n;

		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - known),
			 known, bad[i], at);
		assert_int_equal(note_parse(text, strlen(text), &n, NULL),
				 ERR_INVALID);
	}
}

static void test_origin_of_strange_letters_is_not_signed(void **state)
{
	static const char *const bad[] = { "", "a b", "a\nb", "a=b",
					   "\xc3\xa9" };
	AUTO(buf_wipe) struct buf b = { .max = NOTE_MAX };
	struct note n = sample();

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		memcpy(n.origin, bad[i], strlen(bad[i]) + 1);
		assert_int_equal(note_sign(&n, seed, &b), ERR_INVALID);
		assert_int_equal(b.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signs_the_known_note),
		cmocka_unit_test(test_reads_the_known_note),
		cmocka_unit_test(test_every_changed_bit_is_refused),
		cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_every_added_byte_is_refused),
		cmocka_unit_test(test_other_spellings_are_refused),
		cmocka_unit_test(test_another_key_and_another_origin),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_chained_round_trip),
		cmocka_unit_test(test_chained_cut_or_changed_is_refused),
		cmocka_unit_test(test_half_a_chain_is_refused),
		cmocka_unit_test(test_origin_of_strange_letters_is_not_signed),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
