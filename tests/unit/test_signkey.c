/* lib/signkey.c, signkey_pkcs8.c: keys made, sealed to bytes and back, used; each
 * step compared with OpenSSL. */
#include "lib/secret.h"
#include "lib/signkey.h"

#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

enum {
	KEY_MAX = 4096
};

static struct signkey *make(enum key_type t)
{
	struct signkey *k = NULL;
	struct fault f = { 0 };

	assert_int_equal(signkey_new(t, t == KEY_RSA ? 2048 : 0, &k, &f), OK);
	assert_int_equal(signkey_type(k), t);
	assert_int_equal(signkey_alg(k), sig_alg_of(t));
	return k;
}

static void format(const struct signkey *k, struct buf *b)
{
	buf_init_secret(b, KEY_MAX);
	assert_int_equal(signkey_format(k, b), OK);
}

static const char *digest_of(enum key_type t)
{
	if (t == KEY_ED25519)
		return NULL;
	return t == KEY_P384 ? "SHA384" : "SHA256";
}

/* OpenSSL reads the public key, and takes what the private one signed. */
static void openssl_takes(const struct signkey *k, struct span data,
			  struct span sig)
{
	struct span spki = signkey_spki(k);
	const unsigned char *p = spki.p;
	EVP_PKEY *public = d2i_PUBKEY(NULL, &p, (long)spki.n);
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	assert_non_null(public);
	assert_ptr_equal(p, spki.p + spki.n);
	assert_int_equal(EVP_DigestVerifyInit_ex(c, NULL,
						 digest_of(signkey_type(k)),
						 NULL, NULL, public, NULL),
			 1);
	assert_int_equal(EVP_DigestVerify(c, sig.p, sig.n, data.p, data.n), 1);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(public);
}

static void test_what_they_sign_openssl_takes(void **state)
{
	struct span data = span_str("a certificate's bytes");

	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = make((enum key_type)t);
		AUTO(buf_wipe) struct buf sig = { 0 };
		struct pubkey p;

		buf_init(&sig, KEY_MAX);
		assert_int_equal(buf_str(&sig, "before"), OK);
		for (int i = 0; i < 3; i++) {
			sig.len = 6;
			assert_int_equal(signkey_sign(k, data, &sig), OK);
			assert_memory_equal(sig.p, "before", 6);
			openssl_takes(k, data, span_of(sig.p + 6, sig.len - 6));
		}
		assert_int_equal(pubkey_parse(signkey_spki(k), &p, NULL), OK);
		assert_int_equal(p.type, t);
		assert_int_equal(pubkey_verify(&p, signkey_alg(k), data,
					       span_of(sig.p + 6, sig.len - 6)),
				 OK);
	}
}

static void test_pieces_are_signed_as_the_whole(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = make((enum key_type)t);
		AUTO(buf_wipe) struct buf sig = { 0 };

		buf_init(&sig, KEY_MAX);
		if (t == KEY_ED25519) {
			assert_int_equal(signkey_begin(k), ERR_UNSUPPORTED);
			continue;
		}
		for (int i = 0; i < 2; i++) {
			buf_clear(&sig);
			assert_int_equal(signkey_begin(k), OK);
			assert_int_equal(signkey_update(k, "in ", 3), OK);
			assert_int_equal(signkey_update(k, "", 0), OK);
			assert_int_equal(signkey_update(k, "pieces", 6), OK);
			assert_int_equal(signkey_finish(k, &sig), OK);
			openssl_takes(k, span_str("in pieces"),
				      span_of(sig.p, sig.len));
		}
	}
}

static void test_pkcs8_is_what_openssl_writes(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = make((enum key_type)t);
		AUTO(signkey_free) struct signkey *back = NULL;
		PKCS8_PRIV_KEY_INFO *info;
		const unsigned char *p;
		unsigned char *der = NULL;
		struct fault f = { 0 };
		EVP_PKEY *pkey;
		struct buf b;
		int n;

		format(k, &b);
		p = b.p;
		pkey = d2i_AutoPrivateKey(NULL, &p, (long)b.len);
		assert_non_null(pkey);
		assert_ptr_equal(p, b.p + b.len);
		info = EVP_PKEY2PKCS8(pkey);
		n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
		assert_int_equal(n, b.len);
		assert_memory_equal(der, b.p, b.len);
		assert_int_equal(
			signkey_parse(span_of(der, (size_t)n), &back, &f), OK);
		assert_true(span_equal(signkey_spki(k), signkey_spki(back)));
		OPENSSL_free(der);
		PKCS8_PRIV_KEY_INFO_free(info);
		EVP_PKEY_free(pkey);
		buf_wipe(&b);
	}
}

static void test_a_key_that_came_back_signs(void **state)
{
	struct span data = span_str("after a restart");

	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = make((enum key_type)t);
		AUTO(signkey_free) struct signkey *back = NULL;
		AUTO(buf_wipe) struct buf sig = { 0 };
		struct buf b;

		format(k, &b);
		assert_int_equal(
			signkey_parse(span_of(b.p, b.len), &back, NULL), OK);
		buf_wipe(&b);
		buf_init(&sig, KEY_MAX);
		assert_int_equal(signkey_sign(back, data, &sig), OK);
		openssl_takes(k, data, span_of(sig.p, sig.len));
	}
}

static void refused(struct span pkcs8, const char *why)
{
	struct signkey *k = NULL;
	struct fault f = { 0 };

	assert_int_equal(signkey_parse(pkcs8, &k, &f), ERR_INVALID);
	assert_null(k);
	if (!strstr(f.text, why))
		fail_msg("'%s' does not say '%s'", f.text, why);
}

static void test_what_is_cut_short_or_has_more_is_refused(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = make((enum key_type)t);
		struct buf b;

		format(k, &b);
		for (size_t n = 0; n < b.len; n++)
			refused(span_of(b.p, n), "PKCS#8");
		assert_int_equal(buf_u8(&b, 0), OK);
		refused(span_of(b.p, b.len), "PKCS#8");
		buf_wipe(&b);
	}
}

/* An octet of the public half: the last of EC's point, one of RSA's modulus. */
static void test_halves_that_do_not_belong_together_are_refused(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = make((enum key_type)t);
		struct buf b;

		if (t == KEY_ED25519)
			continue;
		format(k, &b);
		b.p[t == KEY_RSA ? 100 : b.len - 1] ^= 1;
		refused(span_of(b.p, b.len), "damaged");
		buf_wipe(&b);
	}
}

static void test_scalars_are_in_their_range(void **state)
{
	static const uint8_t order[] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00,
					 0x00, 0x00, 0xff, 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
					 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
					 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
					 0x25, 0x51 };
	AUTO(signkey_free) struct signkey *k = make(KEY_P256);
	struct buf b;

	(void)state;
	format(k, &b);
	assert_int_equal(b.len, 138);
	memset(b.p + 36, 0, 32);
	refused(span_of(b.p, b.len), "damaged");
	memcpy(b.p + 36, order, 32);
	refused(span_of(b.p, b.len), "damaged");
	memset(b.p + 36, 0xff, 32);
	refused(span_of(b.p, b.len), "damaged");
	buf_wipe(&b);
}

static void test_other_keys_are_refused(void **state)
{
	static const char *const curves[] = { "prime192v1", "secp256k1" };
	struct signkey *k = NULL;
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < NELEM(curves); i++) {
		EVP_PKEY *pkey = EVP_EC_gen(curves[i]);
		PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
		unsigned char *der = NULL;
		int n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);

		refused(span_of(der, (size_t)n), "P-256");
		OPENSSL_free(der);
		PKCS8_PRIV_KEY_INFO_free(info);
		EVP_PKEY_free(pkey);
	}
	assert_int_equal(signkey_new(KEY_RSA, 1024, &k, &f), ERR_INVALID);
	assert_int_equal(signkey_new(KEY_RSA, 0, &k, &f), ERR_INVALID);
	assert_int_equal(signkey_new(KEY_RSA, 8192, &k, &f), ERR_INVALID);
	assert_int_equal(signkey_new(KEY_P256, 384, &k, &f), ERR_INVALID);
	assert_null(k);
}

static void test_a_full_buffer_gets_nothing(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = make((enum key_type)t);
		AUTO(buf_wipe) struct buf sig = { 0 }, key = { 0 };

		buf_init(&sig, 20);
		assert_int_equal(signkey_sign(k, span_str("x"), &sig),
				 ERR_TOO_LARGE);
		assert_int_equal(sig.len, 0);
		buf_init_secret(&key, 40);
		assert_int_equal(signkey_format(k, &key), ERR_TOO_LARGE);
		assert_int_equal(key.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_they_sign_openssl_takes),
		cmocka_unit_test(test_pieces_are_signed_as_the_whole),
		cmocka_unit_test(test_pkcs8_is_what_openssl_writes),
		cmocka_unit_test(test_a_key_that_came_back_signs),
		cmocka_unit_test(test_what_is_cut_short_or_has_more_is_refused),
		cmocka_unit_test(
			test_halves_that_do_not_belong_together_are_refused),
		cmocka_unit_test(test_scalars_are_in_their_range),
		cmocka_unit_test(test_other_keys_are_refused),
		cmocka_unit_test(test_a_full_buffer_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
