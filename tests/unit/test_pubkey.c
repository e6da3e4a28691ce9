/* lib/pubkey.c, sig_check.c, sig_alg.c: keys and signatures that OpenSSL made are
 * taken, weak and strange ones are refused by name. */
#include "lib/pubkey.h"

#include "tests/unit/unit.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

enum {
	DER_MAX = 2048
};

#define LIT(text) span_of(text, sizeof(text) - 1)

struct made {
	EVP_PKEY *pkey;
	unsigned char *der;
	struct span spki;
	struct pubkey key;
};

static EVP_PKEY *generate(enum key_type t)
{
	switch (t) {
	case KEY_P256:
		return EVP_EC_gen("P-256");
	case KEY_P384:
		return EVP_EC_gen("P-384");
	case KEY_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case KEY_RSA:
		return EVP_RSA_gen(2048);
	case KEY__MAX:
		break;
	}
	return NULL;
}

static void make(enum key_type t, struct made *m)
{
	struct fault f = { 0 };
	int n;

	m->pkey = generate(t);
	assert_non_null(m->pkey);
	m->der = NULL;
	n = i2d_PUBKEY(m->pkey, &m->der);
	assert_true(n > 0);
	m->spki = span_of(m->der, (size_t)n);
	assert_int_equal(pubkey_parse(m->spki, &m->key, &f), OK);
}

static void drop(struct made *m)
{
	EVP_PKEY_free(m->pkey);
	OPENSSL_free(m->der);
}

static size_t sign(EVP_PKEY *k, const char *md, struct span data, uint8_t *out)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t n = DER_MAX;

	assert_non_null(c);
	assert_int_equal(
		EVP_DigestSignInit_ex(c, NULL, md, NULL, NULL, k, NULL), 1);
	assert_int_equal(EVP_DigestSign(c, out, &n, data.p, data.n), 1);
	EVP_MD_CTX_free(c);
	return n;
}

static void test_keys_of_openssl_are_taken(void **state)
{
	static const unsigned bits[] = { 256, 384, 256, 2048 };

	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		uint8_t id[20], hash[32], want[32];
		struct made m;

		make((enum key_type)t, &m);
		assert_int_equal(m.key.type, t);
		assert_int_equal(m.key.bits, bits[t]);
		assert_true(span_equal(m.key.spki, m.spki));
		pubkey_id(&m.key, id);
		SHA1(m.key.key.p, m.key.key.n, want);
		assert_memory_equal(id, want, 20);
		pubkey_hash(&m.key, hash);
		SHA256(m.spki.p, m.spki.n, want);
		assert_memory_equal(hash, want, 32);
		drop(&m);
	}
}

static const struct {
	enum key_type key;
	enum sig_alg alg;
	const char *md;
} signs[] = {
	{ KEY_P256, SIG_ECDSA_SHA256, "SHA256" },
	{ KEY_P256, SIG_ECDSA_SHA384, "SHA384" },
	{ KEY_P384, SIG_ECDSA_SHA384, "SHA384" },
	{ KEY_P384, SIG_ECDSA_SHA256, "SHA256" },
	{ KEY_ED25519, SIG_ED25519, NULL },
	{ KEY_RSA, SIG_RSA_SHA256, "SHA256" },
	{ KEY_RSA, SIG_RSA_SHA384, "SHA384" },
	{ KEY_RSA, SIG_RSA_SHA512, "SHA512" },
};

/* Of every algorithm only the right one takes the signature, changed neither in the
 * data nor in any octet of itself. */
static void test_only_the_right_signature_is_taken(void **state)
{
	struct span data = span_str("to be signed"),
		    other = span_str("tampered");

	(void)state;
	for (size_t i = 0; i < NELEM(signs); i++) {
		uint8_t bytes[DER_MAX];
		struct sig_check *v;
		struct span sig;
		struct made m;

		make(signs[i].key, &m);
		sig = span_of(bytes, sign(m.pkey, signs[i].md, data, bytes));
		v = sig_check_new(&m.key);
		assert_non_null(v);
		for (unsigned a = 0; a < SIG__MAX; a++) {
			enum err want = a == signs[i].alg ? OK : ERR_INVALID;

			assert_int_equal(
				sig_check_run(v, (enum sig_alg)a, data, sig),
				want);
			assert_int_equal(pubkey_verify(&m.key, (enum sig_alg)a,
						       data, sig),
					 want);
		}
		assert_int_equal(sig_check_run(v, signs[i].alg, other, sig),
				 ERR_INVALID);
		for (size_t at = 0; at < sig.n; at++) {
			bytes[at] ^= (uint8_t)(1u << at % 8);
			assert_int_equal(
				sig_check_run(v, signs[i].alg, data, sig),
				ERR_INVALID);
			bytes[at] ^= (uint8_t)(1u << at % 8);
		}
		for (size_t n = 0; n < sig.n; n++)
			assert_int_equal(sig_check_run(v, signs[i].alg, data,
						       span_of(bytes, n)),
					 ERR_INVALID);
		assert_int_equal(sig_check_run(v, signs[i].alg, data, sig), OK);
		sig_check_free(&v);
		drop(&m);
	}
}

/* The key that is kept for points takes each of them anew. */
static void test_keys_do_not_stand_for_each_other(void **state)
{
	struct span data = span_str("whose");
	uint8_t bytes[2][DER_MAX];
	struct span sig[2];
	struct made m[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		make(KEY_P256, &m[i]);
		sig[i] = span_of(bytes[i],
				 sign(m[i].pkey, "SHA256", data, bytes[i]));
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(pubkey_verify(&m[i & 1].key, SIG_ECDSA_SHA256,
					       data, sig[i >> 1 & 1]),
				 (i & 1) == (i >> 1 & 1) ? OK : ERR_INVALID);
	drop(&m[0]);
	drop(&m[1]);
}

/* r and s in other octets, that some verifiers would read as the same numbers. */
static void test_ecdsa_signatures_are_strict_der(void **state)
{
	struct span data = span_str("strict"), r, s;
	uint8_t bytes[DER_MAX], odd[DER_MAX];
	struct rd at, body;
	struct buf b;
	struct made m;
	size_t n;

	(void)state;
	make(KEY_P256, &m);
	n = sign(m.pkey, "SHA256", data, bytes);
	at = rd_from(bytes, n);
	assert_int_equal(der_get(&at, DER_SEQ, &body), OK);
	assert_int_equal(der_uint(&body, &r), OK);
	assert_int_equal(der_uint(&body, &s), OK);
	buf_init(&b, DER_MAX);
	assert_int_equal(buf_u8(&b, DER_SEQ), OK);
	assert_int_equal(buf_u8(&b, 0x81), OK);
	assert_int_equal(buf_put(&b, bytes + 1, n - 1), OK);
	assert_int_equal(pubkey_verify(&m.key, SIG_ECDSA_SHA256, data,
				       span_of(b.p, b.len)),
			 ERR_INVALID);
	memcpy(odd, bytes, n);
	odd[n] = 0;
	assert_int_equal(pubkey_verify(&m.key, SIG_ECDSA_SHA256, data,
				       span_of(odd, n + 1)),
			 ERR_INVALID);
	buf_clear(&b); /* a zero too many before r */
	size_t seq;
	assert_int_equal(der_begin(&b, DER_SEQ, &seq), OK);
	odd[0] = odd[1] = 0;
	memcpy(odd + 2, r.p, r.n);
	assert_int_equal(der_put(&b, DER_INTEGER, odd, r.n + 2), OK);
	assert_int_equal(der_put_uint(&b, s), OK);
	assert_int_equal(der_end(&b, seq), OK);
	assert_int_equal(pubkey_verify(&m.key, SIG_ECDSA_SHA256, data,
				       span_of(b.p, b.len)),
			 ERR_INVALID);
	buf_wipe(&b);
	drop(&m);
}

static void refused(struct span spki, const char *why)
{
	struct fault f = { 0 };
	struct pubkey k = { .bits = 7 };

	assert_int_equal(pubkey_parse(spki, &k, &f), ERR_INVALID);
	assert_int_equal(k.bits, 7);
	if (!strstr(f.text, why))
		fail_msg("'%s' does not say '%s'", f.text, why);
	assert_int_equal(pubkey_parse(spki, &k, NULL), ERR_INVALID);
}

static void test_what_is_cut_short_or_has_more_is_refused(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		uint8_t more[DER_MAX] = { 0 };
		struct made m;

		make((enum key_type)t, &m);
		for (size_t n = 0; n < m.spki.n; n++)
			refused(span_of(m.spki.p, n), "not a DER");
		memcpy(more, m.spki.p, m.spki.n);
		refused(span_of(more, m.spki.n + 1), "not a DER");
		drop(&m);
	}
}

static void test_other_curves_are_refused_by_name(void **state)
{
	static const struct {
		const char *group, *why;
	} curves[] = {
		{ "prime192v1", "the curve P-192" },
		{ "secp224r1", "the curve P-224" },
		{ "secp521r1", "the curve P-521" },
		{ "secp256k1", "the curve secp256k1" },
		{ "brainpoolP256r1", "the curve of this key" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(curves); i++) {
		EVP_PKEY *k = EVP_EC_gen(curves[i].group);
		unsigned char *der = NULL;
		int n = i2d_PUBKEY(k, &der);

		assert_true(n > 0);
		refused(span_of(der, (size_t)n), curves[i].why);
		OPENSSL_free(der);
		EVP_PKEY_free(k);
	}
}

/* An SPKI of these parts; params is what follows the identifier. */
static struct span spki_of(struct buf *b, enum oid o, struct span params,
			   struct span key)
{
	size_t m, alg;

	buf_clear(b);
	assert_int_equal(der_begin(b, DER_SEQ, &m), OK);
	assert_int_equal(der_begin(b, DER_SEQ, &alg), OK);
	assert_int_equal(oid_put(b, o), OK);
	assert_int_equal(der_put_raw(b, params), OK);
	assert_int_equal(der_end(b, alg), OK);
	assert_int_equal(der_put_bits(b, key.p, key.n), OK);
	assert_int_equal(der_end(b, m), OK);
	return span_of(b->p, b->len);
}

#define P256_PARAMS LIT("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")

static void test_points_are_whole_and_on_the_curve(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	uint8_t point[66] = { 0 };
	struct made m;

	(void)state;
	buf_init(&b, DER_MAX);
	make(KEY_P256, &m);
	memcpy(point, m.key.key.p, 65);
	point[0] = (uint8_t)(2 + (point[64] & 1));
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, span_of(point, 33)),
		"compressed");
	point[0] = (uint8_t)(6 + (point[64] & 1));
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, span_of(point, 65)),
		"not 04, x and y");
	point[0] = 4;
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, span_of(point, 66)),
		"not 04, x and y");
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, LIT("\x00")),
		"not 04, x and y");
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, LIT("")),
		"not 04, x and y");
	point[64] ^= 1;
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, span_of(point, 65)),
		"not on its curve");
	memset(point + 1, 0xff, 64); /* past the field */
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, span_of(point, 65)),
		"not on its curve");
	memset(point + 1, 0, 64);
	refused(spki_of(&b, OID_EC_KEY, P256_PARAMS, span_of(point, 65)),
		"not on its curve");
	refused(spki_of(&b, OID_EC_KEY, LIT(""), m.key.key),
		"does not name its curve");
	refused(spki_of(&b, OID_EC_KEY, LIT("\x05\x00"), m.key.key),
		"does not name its curve");
	refused(spki_of(&b, OID_EC_KEY, LIT("\x30\x00"), m.key.key),
		"spelled out");
	drop(&m);
}

static void test_ed25519_points_are_of_the_group(void **state)
{
	/* of order 4, 1, 8, and y past the field */
	static const char *const low[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	AUTO(buf_wipe) struct buf b = { 0 };
	struct made m;

	(void)state;
	buf_init(&b, DER_MAX);
	make(KEY_ED25519, &m);
	for (size_t i = 0; i < NELEM(low); i++) {
		unsigned char *p = OPENSSL_hexstr2buf(low[i], NULL);

		refused(spki_of(&b, OID_ED25519, LIT(""), span_of(p, 32)),
			"low order");
		OPENSSL_free(p);
	}
	refused(spki_of(&b, OID_ED25519, LIT(""), span_of(m.key.key.p, 31)),
		"has 32 bytes, not 31");
	refused(spki_of(&b, OID_ED25519, LIT("\x05\x00"), m.key.key), "absent");
	drop(&m);
}

/* An RSA key of n bytes, all but the first and last of them random. */
static struct span rsa_of(struct buf *b, uint64_t *rng, size_t n, uint8_t first,
			  uint8_t last, uint64_t e)
{
	AUTO(buf_wipe) struct buf key = { 0 };
	uint8_t modulus[1024];
	size_t m;

	buf_init(&key, DER_MAX);
	for (size_t i = 0; i < n; i++)
		modulus[i] = (uint8_t)unit_next(rng);
	modulus[0] = first;
	modulus[n - 1] = last;
	assert_int_equal(der_begin(&key, DER_SEQ, &m), OK);
	assert_int_equal(der_put_uint(&key, span_of(modulus, n)), OK);
	assert_int_equal(der_put_u64(&key, DER_INTEGER, e), OK);
	assert_int_equal(der_end(&key, m), OK);
	return spki_of(b, OID_RSA, LIT("\x05\x00"), span_of(key.p, key.len));
}

/* The key's modulus with another exponent. */
static struct span rsa_with(struct buf *b, const struct made *k, uint64_t e)
{
	AUTO(buf_wipe) struct buf key = { 0 };
	struct span n, was;
	size_t m;

	buf_init(&key, DER_MAX);
	assert_int_equal(pubkey_rsa(k->key.key, &n, &was), OK);
	assert_int_equal(der_begin(&key, DER_SEQ, &m), OK);
	assert_int_equal(der_put_uint(&key, n), OK);
	assert_int_equal(der_put_u64(&key, DER_INTEGER, e), OK);
	assert_int_equal(der_end(&key, m), OK);
	return spki_of(b, OID_RSA, LIT("\x05\x00"), span_of(key.p, key.len));
}

static void test_weak_rsa_keys_are_refused(void **state)
{
	uint64_t rng = unit_seed();
	AUTO(buf_wipe) struct buf b = { 0 };
	uint8_t zeros[256] = { 0 };
	struct made m;
	struct pubkey k;

	(void)state;
	buf_init(&b, DER_MAX);
	make(KEY_RSA, &m);
	refused(rsa_of(&b, &rng, 128, 0x80, 1, 65537), "of 1024 bits");
	refused(rsa_of(&b, &rng, 256, 0x7f, 1, 65537), "of 2047 bits");
	refused(rsa_of(&b, &rng, 513, 0x01, 1, 65537), "of 4097 bits");
	refused(rsa_of(&b, &rng, 1024, 0x80, 1, 65537), "of 8192 bits");
	refused(rsa_of(&b, &rng, 256, 0x80, 2, 65537), "even");
	refused(rsa_with(&b, &m, 1), "exponent 1 is too small");
	refused(rsa_with(&b, &m, 3), "exponent 3 is too small");
	refused(rsa_with(&b, &m, 65535), "exponent 65535 is too small");
	refused(rsa_with(&b, &m, 65538), "exponent 65538 is even");
	refused(rsa_with(&b, &m, 1ull << 32 | 1), "of 33 bits is too large");
	assert_int_equal(pubkey_parse(rsa_with(&b, &m, 0xffffffff), &k, NULL),
			 OK);
	refused(rsa_with(&b, &m, 0), "not a DER sequence");
	refused(spki_of(&b, OID_RSA, LIT("\x05\x00"), span_of(zeros, 256)),
		"not a DER sequence");
	refused(spki_of(&b, OID_RSA, LIT(""), m.key.key), "NULL");
	drop(&m);
}

/* 2^2047 + c, where c makes it a multiple of each prime below 100 in turn. */
static void test_moduli_with_small_factors_are_refused(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 }, key = { 0 };
	unsigned tried = 0;

	(void)state;
	buf_init(&b, DER_MAX);
	buf_init(&key, DER_MAX);
	for (unsigned p = 3; p < 100; p += 2) {
		uint8_t n[256] = { 0x80 };
		unsigned rest = 0, c = 1;
		size_t m;

		if ((p % 3 == 0 && p > 3) || (p % 5 == 0 && p > 5) ||
		    (p % 7 == 0 && p > 7))
			continue;
		for (size_t i = 0; i < sizeof n; i++)
			rest = (rest * 256 + n[i]) % p;
		while ((rest + c) % p)
			c += 2;
		n[sizeof n - 1] = (uint8_t)c;
		buf_clear(&key);
		assert_int_equal(der_begin(&key, DER_SEQ, &m), OK);
		assert_int_equal(der_put_uint(&key, span_of(n, sizeof n)), OK);
		assert_int_equal(der_put_u64(&key, DER_INTEGER, 65537), OK);
		assert_int_equal(der_end(&key, m), OK);
		refused(spki_of(&b, OID_RSA, LIT("\x05\x00"),
				span_of(key.p, key.len)),
			"factor below 100");
		tried++;
	}
	assert_int_equal(tried, 24);
}

static void test_other_algorithms_are_refused(void **state)
{
	static const char *const names[] = { "X25519", "ED448" };
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < NELEM(names); i++) {
		EVP_PKEY *k = EVP_PKEY_Q_keygen(NULL, NULL, names[i]);
		unsigned char *der = NULL;
		int n = i2d_PUBKEY(k, &der);

		assert_true(n > 0);
		refused(span_of(der, (size_t)n), "not one we take");
		OPENSSL_free(der);
		EVP_PKEY_free(k);
	}
	buf_init(&b, DER_MAX);
	refused(spki_of(&b, OID_CN, LIT(""), LIT("")), "not one we take");
}

static enum err alg_of(struct span s)
{
	struct rd r = span_rd(s);
	enum sig_alg a;

	return sig_alg_get(&r, &a);
}

static void test_algorithms_have_their_exact_parameters(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init(&b, DER_MAX);
	for (unsigned i = 0; i < SIG__MAX; i++) {
		enum sig_alg a = SIG__MAX;
		struct rd r;

		buf_clear(&b);
		assert_int_equal(sig_alg_put(&b, (enum sig_alg)i), OK);
		r = rd_from(b.p, b.len);
		assert_int_equal(sig_alg_get(&r, &a), OK);
		assert_int_equal(a, i);
		assert_int_equal(rd_end(&r), OK);
		for (size_t n = 0; n < b.len; n++)
			assert_int_equal(alg_of(span_of(b.p, n)), ERR_INVALID);
	}
	/* RSA without NULL, Ed25519 with, SHA-1 */
	assert_int_equal(alg_of(LIT("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d"
				    "\x01\x01\x0b")),
			 ERR_INVALID);
	assert_int_equal(alg_of(LIT("\x30\x07\x06\x03\x2b\x65\x70\x05\x00")),
			 ERR_INVALID);
	assert_int_equal(alg_of(LIT("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d"
				    "\x01\x01\x05\x05\x00")),
			 ERR_INVALID);
	for (unsigned t = 0; t < KEY__MAX; t++)
		assert_true(sig_alg_fits(sig_alg_of((enum key_type)t),
					 (enum key_type)t));
	assert_false(sig_alg_fits(SIG_ED25519, KEY_P256));
	assert_false(sig_alg_fits(SIG_ECDSA_SHA256, KEY_RSA));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_openssl_are_taken),
		cmocka_unit_test(test_only_the_right_signature_is_taken),
		cmocka_unit_test(test_keys_do_not_stand_for_each_other),
		cmocka_unit_test(test_ecdsa_signatures_are_strict_der),
		cmocka_unit_test(test_what_is_cut_short_or_has_more_is_refused),
		cmocka_unit_test(test_other_curves_are_refused_by_name),
		cmocka_unit_test(test_points_are_whole_and_on_the_curve),
		cmocka_unit_test(test_ed25519_points_are_of_the_group),
		cmocka_unit_test(test_weak_rsa_keys_are_refused),
		cmocka_unit_test(test_moduli_with_small_factors_are_refused),
		cmocka_unit_test(test_other_algorithms_are_refused),
		cmocka_unit_test(test_algorithms_have_their_exact_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
