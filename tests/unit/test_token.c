/* lib/token: a token made by another implementation is read, made and signed with the
 * same, and no other text than a token is one. */
#include "lib/token.h"

#include "lib/enc.h"

#include "tests/unit/unit.h"

/* Made by python-cryptography and hashlib: id a0 a1 … af, seed 00 01 … 1f; signed for
 * SHA-256("spki") and the CSR "request". */
static const char known[] =
	"ct1_ucq2fi5euwtkpkfjvkv2zlnov4aacaqdaqcqmbyibefawdanbyhraeiscmkbkfqxda"
	"mrugy4dupb6nbw4joq";
static const char known_public[] =
	"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
static const char known_sig[] =
	"848bc5ad2864c6f61507f11c41e077354be5ebec7570e65a4589e197314c7468153651"
	"d328af88a6b4218aa9af8db4ccf13cf439d2c7e814e1e54931d6822802";
static const char known_ca[] =
	"6feecc8c16c5551d9feb3eb5f77e2da773bf68bd9ef9c52927ceb2c86e56892b";

static uint8_t ca_hash[TOKEN_HASH];
static const char csr[] = "request";
enum {
	CSR_LEN = sizeof csr - 1
};

static int begin(void **state)
{
	(void)state;
	return enc_hex_parse(known_ca, strlen(known_ca), ca_hash,
			     sizeof ca_hash) != OK;
}

static struct token sample(void)
{
	struct token t = { .seed = NULL };
	struct fault f;

	assert_int_equal(token_parse(known, strlen(known), &t, &f), OK);
	return t;
}

static void test_reads_the_known_token(void **state)
{
	AUTO(token_wipe) struct token t = sample();

	(void)state;
	for (size_t i = 0; i < TOKEN_ID; i++)
		assert_int_equal(t.id[i], 0xa0 + i);
	for (size_t i = 0; i < KEY_SIZE; i++)
		assert_int_equal(secret_bytes(t.seed)[i], i);
}

static void test_writes_the_known_token(void **state)
{
	AUTO(token_wipe) struct token t = sample();
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init_secret(&b, TOKEN_TEXT);
	assert_int_equal(token_format(&t, &b), OK);
	assert_int_equal(b.len, TOKEN_TEXT);
	assert_memory_equal(b.p, known, TOKEN_TEXT);
}

static void test_has_the_known_public_key(void **state)
{
	AUTO(token_wipe) struct token t = sample();
	uint8_t pub[TOKEN_PUBLIC];
	char hex[2 * TOKEN_PUBLIC + 1];

	(void)state;
	token_public(&t, pub);
	enc_hex(pub, sizeof pub, hex);
	assert_string_equal(hex, known_public);
}

static void test_signs_as_the_other_implementation(void **state)
{
	AUTO(token_wipe) struct token t = sample();
	uint8_t sig[TOKEN_SIG], pub[TOKEN_PUBLIC];
	char hex[2 * TOKEN_SIG + 1];

	(void)state;
	token_sign(&t, ca_hash, csr, CSR_LEN, sig);
	enc_hex(sig, sizeof sig, hex);
	assert_string_equal(hex, known_sig);
	token_public(&t, pub);
	assert_int_equal(token_verify(t.id, pub, ca_hash, csr, CSR_LEN, sig),
			 OK);
}

/* Each byte of everything that goes in is under the signature. */
static void test_no_byte_of_a_request_can_be_changed(void **state)
{
	AUTO(token_wipe) struct token t = sample();
	struct {
		uint8_t id[TOKEN_ID], pub[TOKEN_PUBLIC], ca[TOKEN_HASH],
			csr[CSR_LEN], sig[TOKEN_SIG];
	} all;
	uint8_t *bytes = (uint8_t *)&all;

	(void)state;
	memcpy(all.id, t.id, sizeof all.id);
	memcpy(all.ca, ca_hash, sizeof all.ca);
	memcpy(all.csr, csr, CSR_LEN);
	token_public(&t, all.pub);
	token_sign(&t, ca_hash, csr, CSR_LEN, all.sig);
	for (size_t i = 0; i < 8 * sizeof all; i++) {
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(token_verify(all.id, all.pub, all.ca, all.csr,
					      CSR_LEN, all.sig),
				 ERR_UNAUTHENTICATED);
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(token_verify(all.id, all.pub, all.ca, all.csr,
				      CSR_LEN - 1, all.sig),
			 ERR_UNAUTHENTICATED);
	assert_int_equal(token_verify(all.id, all.pub, all.ca, all.csr, CSR_LEN,
				      all.sig),
			 OK);
}

static void test_tokens_differ(void **state)
{
	AUTO(token_wipe) struct token a = { .seed = NULL };
	AUTO(token_wipe) struct token b = { .seed = NULL };

	(void)state;
	token_make(&a);
	token_make(&b);
	assert_memory_not_equal(a.id, b.id, TOKEN_ID);
	assert_memory_not_equal(secret_bytes(a.seed), secret_bytes(b.seed),
				KEY_SIZE);
}

static void test_made_ones_are_read_again(void **state)
{
	AUTO(token_wipe) struct token a = { .seed = NULL };
	AUTO(token_wipe) struct token b = { .seed = NULL };
	AUTO(buf_wipe) struct buf text = { 0 };

	(void)state;
	buf_init_secret(&text, TOKEN_TEXT);
	token_make(&a);
	assert_int_equal(token_format(&a, &text), OK);
	assert_int_equal(token_parse((const char *)text.p, text.len, &b, NULL),
			 OK);
	assert_memory_equal(a.id, b.id, TOKEN_ID);
	assert_memory_equal(secret_bytes(a.seed), secret_bytes(b.seed),
			    KEY_SIZE);
}

static void test_a_buffer_that_is_too_small_gets_nothing(void **state)
{
	AUTO(token_wipe) struct token t = sample();
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init_secret(&b, TOKEN_TEXT - 1);
	assert_int_equal(token_format(&t, &b), ERR_TOO_LARGE);
	assert_int_equal(b.len, 0);
}

/* Refused, with a sentence that shows nothing of the token. */
static void refused(const char *text, size_t len, enum err want)
{
	struct token t = { .seed = NULL };
	struct fault f = { .code = OK };

	assert_int_equal(token_parse(text, len, &t, &f), want);
	assert_null(t.seed);
	assert_int_equal(f.code, want);
	assert_true(f.text[0]);
	for (size_t i = 4; i + 6 <= strlen(known); i++)
		assert_null(memmem(f.text, strlen(f.text), known + i, 6));
}

static void test_cut_short(void **state)
{
	(void)state;
	for (size_t n = 0; n < strlen(known); n++)
		refused(known, n, ERR_INVALID);
}

/* One letter changed: the check tells, or the last one's bits. */
static void test_a_wrong_letter_anywhere(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	char text[sizeof known];

	(void)state;
	for (size_t i = 4; i < strlen(known); i++) {
		for (size_t k = 0; k < 32; k++) {
			memcpy(text, known, sizeof known);
			if (text[i] == letters[k])
				continue;
			text[i] = letters[k];
			refused(text, strlen(text), ERR_INVALID);
		}
	}
}

static void test_what_is_no_letter_of_a_token(void **state)
{
	static const char bad[] = "ABZ0189=-_. \n\t\xc3";
	char text[sizeof known];

	(void)state;
	for (size_t i = 4; i < strlen(known); i++) {
		for (size_t k = 0; k < sizeof bad; k++) { /* NUL too */
			memcpy(text, known, sizeof known);
			text[i] = bad[k];
			refused(text, strlen(known), ERR_INVALID);
		}
	}
}

static void test_other_versions_are_unsupported(void **state)
{
	char text[sizeof known];

	(void)state;
	memcpy(text, known, sizeof known);
	text[2] = '2';
	refused(text, strlen(text), ERR_UNSUPPORTED);
	text[2] = '0';
	refused(text, strlen(text), ERR_UNSUPPORTED);
	refused("ct2_", 4, ERR_UNSUPPORTED);
}

static void test_other_things_are_no_tokens(void **state)
{
	char text[sizeof known + 8];

	(void)state;
	memcpy(text, known, sizeof known);
	text[1] = 'a';
	refused(text, strlen(known), ERR_INVALID);
	memcpy(text, known, sizeof known);
	text[0] = 'C';
	refused(text, strlen(known), ERR_INVALID);
	memcpy(text, known, sizeof known);
	memcpy(text + strlen(known), "a", 2);
	refused(text, strlen(text), ERR_INVALID);
	memcpy(text + strlen(known), "======", 7);
	refused(text, strlen(text), ERR_INVALID);
	refused("", 0, ERR_INVALID);
	refused("\n", 1, ERR_INVALID);
}

static void test_blanks_and_one_newline_around_it(void **state)
{
	static const char *const good[] = { "%s\n", "%s\r\n", "  %s ",
					    "\t%s\t\n" },
				 *const bad[] = { "%s\n\n", "\n%s", "%s\n ",
						  "%s %s" };
	char text[4 * sizeof known];

	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		AUTO(token_wipe) struct token t = { .seed = NULL };
		const char *at = strchr(good[i], '%');
		size_t head = (size_t)(at - good[i]);

		snprintf(text, sizeof text, "%.*s%s%s", (int)head, good[i],
			 known, at + 2);
		assert_int_equal(token_parse(text, strlen(text), &t, NULL), OK);
	}
	for (size_t i = 0; i < NELEM(bad); i++) {
		const char *at = strchr(bad[i], '%');
		size_t head = (size_t)(at - bad[i]);

		snprintf(text, sizeof text, "%.*s%s%s", (int)head, bad[i],
			 known, at[2] == ' ' ? " again" : at + 2);
		refused(text, strlen(text), ERR_INVALID);
	}
	memset(text, ' ', sizeof text);
	memcpy(text, known, strlen(known));
	refused(text, sizeof text, ERR_INVALID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_the_known_token),
		cmocka_unit_test(test_writes_the_known_token),
		cmocka_unit_test(test_has_the_known_public_key),
		cmocka_unit_test(test_signs_as_the_other_implementation),
		cmocka_unit_test(test_no_byte_of_a_request_can_be_changed),
		cmocka_unit_test(test_tokens_differ),
		cmocka_unit_test(test_made_ones_are_read_again),
		cmocka_unit_test(test_a_buffer_that_is_too_small_gets_nothing),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_a_wrong_letter_anywhere),
		cmocka_unit_test(test_what_is_no_letter_of_a_token),
		cmocka_unit_test(test_other_versions_are_unsupported),
		cmocka_unit_test(test_other_things_are_no_tokens),
		cmocka_unit_test(test_blanks_and_one_newline_around_it),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
