/* lib/csr.c, csr_build.c: requests that `openssl req` and other programs made
 * (tests/data/fuzz/csr) and that libcrypto makes here are read as OpenSSL reads them;
 * what is broken, weak or strange is refused with its reason. */
#include "lib/csr.h"
#include "lib/signkey.h"

#include "tests/unit/unit.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum {
	DER_MAX = 64 << 10
};

#define LIT(text) span_of(text, sizeof(text) - 1)

static void refused(struct span der, const char *why)
{
	struct csr c = { .wants_ca = true };
	struct fault f = { 0 };

	assert_int_equal(csr_parse(der, &c, &f), ERR_INVALID);
	assert_null(c.der.p);
	if (!strstr(f.text, why))
		fail_msg("'%s' does not say '%s'", f.text, why);
}

static struct csr taken(struct span der)
{
	struct csr c;
	struct fault f = { 0 };

	if (csr_parse(der, &c, &f) != OK)
		fail_msg("refused: %s", f.text);
	assert_true(span_equal(c.der, der));
	return c;
}

/* --- as openssl req wrote them */

static struct span load(const char *name, uint8_t *room)
{
	char path[256];
	FILE *in;
	size_t n;

	snprintf(path, sizeof path, "tests/data/fuzz/csr/%s.der", name);
	in = fopen(path, "rb");
	if (!in)
		fail_msg("no %s here: tests run from the top folder", path);
	n = fread(room, 1, DER_MAX, in);
	fclose(in);
	return span_of(room, n);
}

static void test_requests_of_others_are_taken(void **state)
{
	static const struct {
		const char *name;
		enum key_type key;
		unsigned cn, dns, uri;
		bool other, ca, caps;
	} files[] = {
		{ "p256", KEY_P256, 1, 1, 1, false, false, false },
		{ "p384", KEY_P384, 1, 1, 1, false, false, false },
		{ "ed25519", KEY_ED25519, 1, 1, 1, false, false, false },
		{ "rsa2048", KEY_RSA, 1, 1, 1, false, false, false },
		{ "rsa4096", KEY_RSA, 1, 0, 0, false, false, false },
		{ "nosubj", KEY_P256, 0, 1, 1, false, false, false },
		{ "challenge", KEY_P256, 1, 1, 0, false, false, false },
		{ "ip", KEY_P256, 1, 1, 0, true, false, false },
		{ "ca", KEY_P256, 1, 0, 0, false, true, false },
		{ "certsign", KEY_P256, 1, 0, 0, false, true, false },
		{ "caps", KEY_P256, 1, 0, 0, false, false, true },
		/* certtool, cryptography, certutil, pki */
		{ "gnutls-p256", KEY_P256, 1, 1, 1, true, false, false },
		{ "python-p256", KEY_P256, 1, 1, 1, false, false, false },
		{ "nss-p256", KEY_P256, 1, 1, 0, false, false, false },
		{ "strongswan-rsa", KEY_RSA, 1, 1, 0, false, false, false },
	};
	static uint8_t room[DER_MAX];

	(void)state;
	for (size_t i = 0; i < NELEM(files); i++) {
		struct csr c = taken(load(files[i].name, room));

		assert_int_equal(c.key.type, files[i].key);
		assert_int_equal(c.cn.count, files[i].cn);
		assert_int_equal(c.dns.count, files[i].dns);
		assert_int_equal(c.uri.count, files[i].uri);
		assert_int_equal(c.other_names, files[i].other);
		assert_int_equal(c.wants_ca, files[i].ca);
		assert_int_equal(c.wants_caps, files[i].caps);
	}
}

static void test_weak_and_strange_ones_are_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} files[] = {
		{ "rsa1024", "an RSA key of 1024 bits is too weak" },
		{ "rsa2048e3", "the RSA exponent 3 is too small" },
		{ "p192", "the curve P-192 is not one we take" },
		{ "secp256k1", "the curve secp256k1 is not one we take" },
		{ "explicit", "spelled out" },
		{ "ed448", "algorithm is not one we take" },
		{ "rsapss", "algorithm is not one we take" },
		{ "sha1", "signed by an algorithm that is not taken" },
		{ "utf8", "the byte c3 in a common name" },
	};
	static uint8_t room[DER_MAX];

	(void)state;
	for (size_t i = 0; i < NELEM(files); i++)
		refused(load(files[i].name, room), files[i].why);
}

/* --- as libcrypto makes them */

static void add_names(X509_REQ *req, const char *names)
{
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	X509_EXTENSION *e =
		X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

	assert_non_null(e);
	assert_true(sk_X509_EXTENSION_push(exts, e) > 0);
	assert_int_equal(X509_REQ_add_extensions(req, exts), 1);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
}

static int request_of(EVP_PKEY *k, const EVP_MD *md, unsigned char **der)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_REQ_get_subject_name(req);
	int n;

	assert_int_equal(X509_NAME_add_entry_by_txt(
				 name, "O", MBSTRING_UTF8,
				 (const unsigned char *)"web", -1, -1, 0),
			 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(
				 name, "CN", MBSTRING_UTF8,
				 (const unsigned char *)"agent-7", -1, -1, 0),
			 1);
	assert_int_equal(X509_REQ_set_pubkey(req, k), 1);
	add_names(req, "DNS:a.n1.example,DNS:b.n1.example,URI:spiffe://x/y");
	assert_true(X509_REQ_sign(req, k, md) > 0);
	n = i2d_X509_REQ(req, der);
	X509_REQ_free(req);
	return n;
}

static void test_fields_are_those_that_libcrypto_wrote(void **state)
{
	struct {
		EVP_PKEY *key;
		const EVP_MD *md;
		enum key_type type;
	} keys[] = {
		{ EVP_EC_gen("P-256"), EVP_sha256(), KEY_P256 },
		{ EVP_EC_gen("P-256"), EVP_sha384(), KEY_P256 },
		{ EVP_EC_gen("P-384"), EVP_sha384(), KEY_P384 },
		{ EVP_EC_gen("P-384"), EVP_sha256(), KEY_P384 },
		{ EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, KEY_ED25519 },
		{ EVP_RSA_gen(2048), EVP_sha256(), KEY_RSA },
		{ EVP_RSA_gen(3072), EVP_sha512(), KEY_RSA },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(keys); i++) {
		unsigned char *der = NULL, *spki = NULL;
		int n = request_of(keys[i].key, keys[i].md, &der);
		int m = i2d_PUBKEY(keys[i].key, &spki);
		struct csr c;

		assert_true(n > 0 && m > 0);
		c = taken(span_of(der, (size_t)n));
		assert_int_equal(c.key.type, keys[i].type);
		assert_true(span_equal(c.key.spki, span_of(spki, (size_t)m)));
		assert_int_equal(c.cn.count, 1);
		assert_true(span_is(c.cn.at[0], "agent-7"));
		assert_int_equal(c.dns.count, 2);
		assert_true(span_is(c.dns.at[0], "a.n1.example"));
		assert_true(span_is(c.dns.at[1], "b.n1.example"));
		assert_int_equal(c.uri.count, 1);
		assert_true(span_is(c.uri.at[0], "spiffe://x/y"));
		assert_false(c.other_names || c.wants_ca || c.wants_caps);
		OPENSSL_free(der);
		OPENSSL_free(spki);
		EVP_PKEY_free(keys[i].key);
	}
}

/* --- made of parts, with a right signature */

static struct signkey *key; /* of P-256, for all of these */

static int make_key(void **state)
{
	(void)state;
	return signkey_new(KEY_P256, 0, &key, NULL) == OK ? 0 : -1;
}

static int drop_key(void **state)
{
	(void)state;
	signkey_free(&key);
	return 0;
}

static struct span tlv(struct buf *b, unsigned tag, struct span body)
{
	assert_int_equal(der_put_span(b, tag, body), OK);
	return span_of(b->p, b->len);
}

/* version, subject and attributes as they stand; attrs is the content of [0]. */
static void put_request(struct buf *out, struct span version,
			struct span subject, struct span attrs)
{
	AUTO(buf_wipe) struct buf info = { 0 }, sig = { 0 };
	size_t m;

	buf_init(&info, DER_MAX);
	buf_init(&sig, DER_MAX);
	assert_int_equal(der_begin(&info, DER_SEQ, &m), OK);
	assert_int_equal(der_put_raw(&info, version), OK);
	assert_int_equal(der_put_raw(&info, subject), OK);
	assert_int_equal(der_put_raw(&info, signkey_spki(key)), OK);
	if (attrs.p)
		assert_int_equal(der_put_span(&info, DER_CTX_SEQ, attrs), OK);
	assert_int_equal(der_end(&info, m), OK);
	assert_int_equal(signkey_sign(key, span_of(info.p, info.len), &sig),
			 OK);
	assert_int_equal(der_begin(out, DER_SEQ, &m), OK);
	assert_int_equal(buf_put(out, info.p, info.len), OK);
	assert_int_equal(sig_alg_put(out, SIG_ECDSA_SHA256), OK);
	assert_int_equal(der_put_bits(out, sig.p, sig.len), OK);
	assert_int_equal(der_end(out, m), OK);
}

#define VERSION LIT("\x02\x01\x00")
#define NOBODY  LIT("\x30\x00")
#define NO_ATTR LIT("")

/* What comes of a request with these parts: NULL, or why it is refused. */
static void expect(struct span version, struct span subject, struct span attrs,
		   const char *why)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, DER_MAX);
	put_request(&b, version, subject, attrs);
	if (why)
		refused(span_of(b.p, b.len), why);
	else
		taken(span_of(b.p, b.len));
}

static void expect_subject(struct span subject, const char *why)
{
	expect(VERSION, subject, NO_ATTR, why);
}

static void test_version_and_attributes_are_as_rfc_2986_has_them(void **state)
{
	(void)state;
	expect(VERSION, NOBODY, NO_ATTR, NULL);
	expect(VERSION, NOBODY, span_of(NULL, 0), NULL);
	expect(LIT("\x02\x01\x01"), NOBODY, NO_ATTR, "version");
	expect(LIT("\x02\x02\x00\x00"), NOBODY, NO_ATTR, "version");
	expect(LIT(""), NOBODY, NO_ATTR, "version");
	/* an attribute without a value; unknown ones; one twice */
	expect(VERSION, NOBODY, LIT("\x30\x07\x06\x03\x55\x04\x03\x31\x00"),
	       "list of attributes");
	expect(VERSION, NOBODY,
	       LIT("\x30\x09\x06\x03\x55\x04\x03\x31\x02\x05\x00"), NULL);
	expect(VERSION, NOBODY,
	       LIT("\x30\x09\x06\x03\x55\x04\x03\x31\x02\x05\x00"
		   "\x30\x09\x06\x03\x55\x04\x03\x31\x02\x05\x00"),
	       "attribute twice");
	expect(VERSION, NOBODY, LIT("\x05\x00"), "list of attributes");
}

/* A subject of one value. */
static void expect_name(unsigned tag, enum oid o, struct span value,
			const char *why)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	size_t name, set, seq;

	buf_init(&b, DER_MAX);
	assert_int_equal(der_begin(&b, DER_SEQ, &name), OK);
	assert_int_equal(der_begin(&b, DER_SET, &set), OK);
	assert_int_equal(der_begin(&b, DER_SEQ, &seq), OK);
	assert_int_equal(oid_put(&b, o), OK);
	assert_int_equal(der_put_span(&b, tag, value), OK);
	assert_int_equal(der_end(&b, seq), OK);
	assert_int_equal(der_end(&b, set), OK);
	assert_int_equal(der_end(&b, name), OK);
	expect_subject(span_of(b.p, b.len), why);
}

static void test_subjects_are_printable_ascii(void **state)
{
	(void)state;
	expect_name(DER_UTF8, OID_CN, LIT("agent 7"), NULL);
	expect_name(DER_PRINTABLE, OID_CN, LIT("agent"), NULL);
	expect_name(DER_IA5, OID_DC, LIT("example"), NULL);
	expect_name(DER_UTF8, OID_CN, LIT("good\0.evil"),
		    "a NUL byte in a common name");
	expect_name(DER_UTF8, OID_O, LIT("good\0.evil"),
		    "a NUL byte in a subject name");
	expect_name(DER_UTF8, OID_CN, LIT("a\nb"), "the byte 0a");
	expect_name(DER_UTF8, OID_CN, LIT("a\x7f"), "the byte 7f");
	expect_name(DER_UTF8, OID_OU, LIT("\xc3\xa9"), "the byte c3");
	expect_name(DER_UTF8, OID_CN, LIT(""), "an empty common name");
	expect_name(0x1e, OID_CN, LIT("\0a\0b"), "no UTF8String"); /* BMP */
	expect_name(0x14, OID_CN, LIT("ab"), "no UTF8String");     /* T61 */
	expect_name(DER_OCTETS, OID_CN, LIT("ab"), "no UTF8String");
	expect_subject(LIT("\x30\x02\x31\x00"), "request's subject");
	expect_subject(LIT("\x30\x02\x05\x00"), "request's subject");
	expect_subject(LIT("\x30\x04\x31\x02\x30\x00"), "request's subject");
}

static void test_a_subject_has_few_parts(void **state)
{
	AUTO(buf_wipe) struct buf many = { 0 };

	(void)state;
	buf_init(&many, DER_MAX);
	for (int i = 1; i <= 33; i++) {
		AUTO(buf_wipe) struct buf b = { 0 };

		buf_init(&b, DER_MAX);
		tlv(&many, DER_SET,
		    LIT("\x30\x08\x06\x03\x55\x04\x0a\x0c\x01"
			"x"));
		expect_subject(tlv(&b, DER_SEQ, span_of(many.p, many.len)),
			       i > 32 ? "more than 32 parts" : NULL);
	}
}

/* The extensionRequest attribute around these Extension values. */
static void expect_exts(struct span exts, const char *why)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	size_t attr, set;

	buf_init(&b, DER_MAX);
	assert_int_equal(der_begin(&b, DER_SEQ, &attr), OK);
	assert_int_equal(oid_put(&b, OID_EXTENSION_REQUEST), OK);
	assert_int_equal(der_begin(&b, DER_SET, &set), OK);
	assert_int_equal(der_put_span(&b, DER_SEQ, exts), OK);
	assert_int_equal(der_end(&b, set), OK);
	assert_int_equal(der_end(&b, attr), OK);
	expect(VERSION, NOBODY, span_of(b.p, b.len), why);
}

static void put_ext(struct buf *b, enum oid o, struct span value)
{
	size_t m;

	assert_int_equal(der_begin(b, DER_SEQ, &m), OK);
	assert_int_equal(oid_put(b, o), OK);
	assert_int_equal(der_put_span(b, DER_OCTETS, value), OK);
	assert_int_equal(der_end(b, m), OK);
}

static void expect_ext(enum oid o, struct span value, const char *why)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, DER_MAX);
	put_ext(&b, o, value);
	expect_exts(span_of(b.p, b.len), why);
}

static void test_alternative_names_are_printable_ascii(void **state)
{
	enum oid san = OID_SUBJECT_ALT_NAME;

	(void)state;
	expect_ext(san,
		   LIT("\x30\x05\x82\x03"
		       "a.b"),
		   NULL);
	expect_ext(san,
		   LIT("\x30\x05\x82\x03"
		       "a\0b"),
		   "a NUL byte in a DNS name");
	expect_ext(san,
		   LIT("\x30\x05\x86\x03"
		       "a\0b"),
		   "a NUL byte in a URI");
	expect_ext(san,
		   LIT("\x30\x05\x81\x03"
		       "a\0b"),
		   "a NUL byte in a mail address");
	expect_ext(san,
		   LIT("\x30\x05\x82\x03"
		       "a\xc3\xa9"),
		   "the byte c3 in a DNS name");
	expect_ext(san, LIT("\x30\x02\x82\x00"), "an empty DNS name");
	expect_ext(san, LIT("\x30\x00"), "subjectAltName");
	expect_ext(san, LIT(""), "subjectAltName");
	expect_ext(san, LIT("\x30\x05\x89\x03xyz"), "subjectAltName");
	expect_ext(san, LIT("\x30\x05\xa2\x03xyz"), "subjectAltName");
	expect_ext(san, LIT("\x30\x05\x0c\x03xyz"), "subjectAltName");
	expect_ext(san, LIT("\x30\x05\x82\x03xyz\x05\x00"), "subjectAltName");
}

static void test_names_have_a_bound(void **state)
{
	AUTO(buf_wipe) struct buf names = { 0 };

	(void)state;
	buf_init(&names, DER_MAX);
	for (int i = 1; i <= CERT_NAMES_MAX + 1; i++) {
		AUTO(buf_wipe) struct buf b = { 0 };

		buf_init(&b, DER_MAX);
		tlv(&names, DER_CTX | 2, LIT("a.example"));
		expect_ext(OID_SUBJECT_ALT_NAME,
			   tlv(&b, DER_SEQ, span_of(names.p, names.len)),
			   i > CERT_NAMES_MAX ? "more than 32 DNS names"
					      : NULL);
	}
}

static void test_extensions_are_strict_and_there_once(void **state)
{
	static const enum oid twice[] = { OID_SUBJECT_ALT_NAME,
					  OID_EXT_KEY_USAGE, OID_CAPABILITIES };

	(void)state;
	for (size_t i = 0; i < NELEM(twice); i++) {
		AUTO(buf_wipe) struct buf b = { 0 };

		buf_init(&b, DER_MAX);
		put_ext(&b, twice[i], LIT("\x30\x03\x82\x01x"));
		expect_exts(span_of(b.p, b.len), NULL);
		put_ext(&b, twice[i], LIT("\x30\x03\x82\x01x"));
		expect_exts(span_of(b.p, b.len), "an extension twice");
	}
	expect_exts(LIT(""), "list of extensions");
	/* critical: FALSE spelled out, and neither TRUE nor FALSE */
	expect_exts(LIT("\x30\x0a\x06\x03\x55\x1d\x25\x01\x01\xff\x04\x00"),
		    NULL);
	expect_exts(LIT("\x30\x0a\x06\x03\x55\x1d\x25\x01\x01\x00\x04\x00"),
		    "list of extensions");
	expect_exts(LIT("\x30\x0a\x06\x03\x55\x1d\x25\x01\x01\x01\x04\x00"),
		    "list of extensions");
	expect_ext(OID_BASIC_CONSTRAINTS, LIT("\x30\x00"), NULL);
	expect_ext(OID_BASIC_CONSTRAINTS, LIT("\x30\x03\x01\x01\x00"),
		   "basicConstraints");
	expect_ext(OID_BASIC_CONSTRAINTS, LIT("\x30\x00\x00"),
		   "basicConstraints");
	expect_ext(OID_KEY_USAGE, LIT("\x03\x02\x07\x80"), NULL);
	expect_ext(OID_KEY_USAGE, LIT("\x03\x02\x00\x80"), "keyUsage");
	expect_ext(OID_KEY_USAGE, LIT("\x05\x00"), "keyUsage");
}

static void test_two_lists_of_extensions_are_refused(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	size_t attr, set;

	(void)state;
	buf_init(&b, DER_MAX);
	assert_int_equal(der_begin(&b, DER_SEQ, &attr), OK);
	assert_int_equal(oid_put(&b, OID_EXTENSION_REQUEST), OK);
	assert_int_equal(der_begin(&b, DER_SET, &set), OK);
	for (int i = 0; i < 2; i++)
		tlv(&b, DER_SEQ, LIT("\x30\x07\x06\x03\x55\x1d\x25\x04\x00"));
	assert_int_equal(der_end(&b, set), OK);
	assert_int_equal(der_end(&b, attr), OK);
	expect(VERSION, NOBODY, span_of(b.p, b.len), "several lists");
}

/* --- damaged */

static void build(struct buf *b)
{
	struct cert_names dns = { .count = 0 };

	buf_init(b, DER_MAX);
	dns.at[dns.count++] = span_str("a.n1.example");
	assert_int_equal(csr_build(key, "agent-7", &dns, b), OK);
}

static void test_what_is_cut_short_or_has_more_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	build(&b);
	taken(span_of(b.p, b.len));
	for (size_t n = 0; n < b.len; n++)
		refused(span_of(b.p, n), "cut short");
	assert_int_equal(buf_u8(&b, '\n'), OK);
	refused(span_of(b.p, b.len), "after its end (1 bytes more)");
}

/* No bit of it can change: what is not refused as broken is not what was signed. */
static void test_no_bit_can_change(void **state)
{
	uint64_t rng = unit_seed();
	AUTO(buf_wipe) struct buf b = { 0 };
	struct csr c;

	(void)state;
	build(&b);
	for (size_t i = 0; i < b.len; i++) {
		uint8_t bit = (uint8_t)(1u << unit_below(&rng, 8));

		b.p[i] ^= bit;
		assert_int_equal(csr_parse(span_of(b.p, b.len), &c, NULL),
				 ERR_INVALID);
		b.p[i] ^= bit;
	}
	c = taken(span_of(b.p, b.len));
	b.p[c.cn.at[0].p - b.p] ^= 1; /* another name, signed by nobody */
	refused(span_of(b.p, b.len), "signature is wrong");
}

static void test_ber_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 }, ber = { 0 };

	(void)state;
	build(&b);
	buf_init(&ber, DER_MAX);
	assert_int_equal(b.p[1], 0x81);
	/* one octet of the length too many */
	assert_int_equal(buf_put(&ber, "\x30\x82\x00", 3), OK);
	assert_int_equal(buf_put(&ber, b.p + 2, b.len - 2), OK);
	refused(span_of(ber.p, ber.len), "not DER");
	/* no length at all */
	buf_clear(&ber);
	assert_int_equal(buf_put(&ber, "\x30\x80", 2), OK);
	assert_int_equal(buf_put(&ber, b.p + 3, b.len - 3), OK);
	assert_int_equal(buf_put(&ber, "\0\0", 2), OK);
	refused(span_of(ber.p, ber.len), "not DER");
	refused(LIT("-----BEGIN CERTIFICATE REQUEST-----\n"), "not DER");
}

static void test_another_keys_signature_is_refused(void **state)
{
	AUTO(signkey_free) struct signkey *other = NULL;
	AUTO(buf_wipe) struct buf b = { 0 }, mixed = { 0 }, sig = { 0 };
	struct span info, was;
	enum sig_alg alg;
	struct csr c;
	size_t m;

	(void)state;
	build(&b);
	buf_init(&mixed, DER_MAX);
	buf_init(&sig, DER_MAX);
	assert_int_equal(signkey_new(KEY_ED25519, 0, &other, NULL), OK);
	assert_int_equal(csr_parse_only(span_of(b.p, b.len), &c, &info, &alg,
					&was, NULL),
			 OK);
	assert_int_equal(signkey_sign(other, info, &sig), OK);
	assert_int_equal(der_begin(&mixed, DER_SEQ, &m), OK);
	assert_int_equal(der_put_raw(&mixed, info), OK);
	assert_int_equal(sig_alg_put(&mixed, SIG_ED25519), OK);
	assert_int_equal(der_put_bits(&mixed, sig.p, sig.len), OK);
	assert_int_equal(der_end(&mixed, m), OK);
	refused(span_of(mixed.p, mixed.len), "not of the kind");
}

static void test_large_ones_are_too_large(void **state)
{
	static uint8_t zeros[CSR_MAX + 1];
	struct fault f = { 0 };
	struct csr c;

	(void)state;
	assert_int_equal(csr_parse(span_of(zeros, sizeof zeros), &c, &f),
			 ERR_TOO_LARGE);
	assert_non_null(strstr(f.text, "at most 16384"));
	assert_int_equal(csr_parse(span_of(zeros, CSR_MAX), &c, &f),
			 ERR_INVALID);
}

/* --- csr_build */

static void test_openssl_takes_what_we_build(void **state)
{
	(void)state;
	for (unsigned t = 0; t < KEY__MAX; t++) {
		AUTO(signkey_free) struct signkey *k = NULL;
		AUTO(buf_wipe) struct buf b = { 0 };
		struct cert_names dns = { .count = 0 };
		STACK_OF(X509_EXTENSION) * exts;
		const unsigned char *p;
		X509_REQ *req;
		struct csr c;

		buf_init(&b, DER_MAX);
		dns.at[dns.count++] = span_str("a.n1.example");
		dns.at[dns.count++] = span_str("b.n1.example");
		assert_int_equal(signkey_new((enum key_type)t,
					     t == KEY_RSA ? 2048 : 0, &k, NULL),
				 OK);
		assert_int_equal(csr_build(k, "agent-7", &dns, &b), OK);
		p = b.p;
		req = d2i_X509_REQ(NULL, &p, (long)b.len);
		assert_non_null(req);
		assert_ptr_equal(p, b.p + b.len);
		assert_int_equal(
			X509_REQ_verify(req, X509_REQ_get0_pubkey(req)), 1);
		exts = X509_REQ_get_extensions(req);
		assert_int_equal(sk_X509_EXTENSION_num(exts), 1);
		sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
		X509_REQ_free(req);
		c = taken(span_of(b.p, b.len));
		assert_true(span_is(c.cn.at[0], "agent-7"));
		assert_int_equal(c.dns.count, 2);
		assert_true(span_is(c.dns.at[1], "b.n1.example"));
	}
}

static void test_what_would_be_refused_is_not_built(void **state)
{
	static const char long_cn[] = "0123456789012345678901234567890123456789"
				      "0123456789012345678901234";
	struct cert_names dns = { .count = 1 };
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init(&b, DER_MAX);
	dns.at[0] = LIT("a\0b");
	assert_int_equal(csr_build(key, "a", &dns, &b), ERR_INVALID);
	dns.at[0] = LIT("");
	assert_int_equal(csr_build(key, "a", &dns, &b), ERR_INVALID);
	assert_int_equal(csr_build(key, "caf\xc3\xa9", NULL, &b), ERR_INVALID);
	assert_int_equal(csr_build(key, long_cn, NULL, &b), ERR_INVALID);
	b.max = 150; /* no room for all of it, however long the signature */
	assert_int_equal(csr_build(key, "a", NULL, &b), ERR_TOO_LARGE);
	assert_int_equal(b.len, 0);
	b.max = DER_MAX;
	assert_int_equal(csr_build(key, NULL, NULL, &b), OK);
	taken(span_of(b.p, b.len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_of_others_are_taken),
		cmocka_unit_test(test_weak_and_strange_ones_are_refused),
		cmocka_unit_test(test_fields_are_those_that_libcrypto_wrote),
		cmocka_unit_test(
			test_version_and_attributes_are_as_rfc_2986_has_them),
		cmocka_unit_test(test_subjects_are_printable_ascii),
		cmocka_unit_test(test_a_subject_has_few_parts),
		cmocka_unit_test(test_alternative_names_are_printable_ascii),
		cmocka_unit_test(test_names_have_a_bound),
		cmocka_unit_test(test_extensions_are_strict_and_there_once),
		cmocka_unit_test(test_two_lists_of_extensions_are_refused),
		cmocka_unit_test(test_what_is_cut_short_or_has_more_is_refused),
		cmocka_unit_test(test_no_bit_can_change),
		cmocka_unit_test(test_ber_is_refused),
		cmocka_unit_test(test_another_keys_signature_is_refused),
		cmocka_unit_test(test_large_ones_are_too_large),
		cmocka_unit_test(test_openssl_takes_what_we_build),
		cmocka_unit_test(test_what_would_be_refused_is_not_built),
	};

	return cmocka_run_group_tests(tests, make_key, drop_key);
}
