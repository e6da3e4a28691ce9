/* lib/oid.c: our octets are those that OpenSSL makes of the dotted text. */
#include "lib/oid.h"

#include "tests/unit/unit.h"

#include <openssl/objects.h>

static const struct {
	enum oid oid;
	const char *text;
} known[] = {
	{ OID_EC_KEY, "1.2.840.10045.2.1" },
	{ OID_P256, "1.2.840.10045.3.1.7" },
	{ OID_P384, "1.3.132.0.34" },
	{ OID_RSA, "1.2.840.113549.1.1.1" },
	{ OID_ED25519, "1.3.101.112" },
	{ OID_ECDSA_SHA256, "1.2.840.10045.4.3.2" },
	{ OID_ECDSA_SHA384, "1.2.840.10045.4.3.3" },
	{ OID_RSA_SHA256, "1.2.840.113549.1.1.11" },
	{ OID_RSA_SHA384, "1.2.840.113549.1.1.12" },
	{ OID_RSA_SHA512, "1.2.840.113549.1.1.13" },
	{ OID_CN, "2.5.4.3" },
	{ OID_O, "2.5.4.10" },
	{ OID_OU, "2.5.4.11" },
	{ OID_UID, "0.9.2342.19200300.100.1.1" },
	{ OID_DC, "0.9.2342.19200300.100.1.25" },
	{ OID_SUBJECT_KEY_ID, "2.5.29.14" },
	{ OID_AUTHORITY_KEY_ID, "2.5.29.35" },
	{ OID_KEY_USAGE, "2.5.29.15" },
	{ OID_SUBJECT_ALT_NAME, "2.5.29.17" },
	{ OID_BASIC_CONSTRAINTS, "2.5.29.19" },
	{ OID_NAME_CONSTRAINTS, "2.5.29.30" },
	{ OID_EXT_KEY_USAGE, "2.5.29.37" },
	{ OID_CRL_POINTS, "2.5.29.31" },
	{ OID_AUTHORITY_INFO, "1.3.6.1.5.5.7.1.1" },
	{ OID_CAPABILITIES,
	  "1.2.840.113556.1.8000.2554.579.31074.48361.18620.45779.16163002."
	  "10061261.1" },
	{ OID_OCSP_NOCHECK, "1.3.6.1.5.5.7.48.1.5" },
	{ OID_CRL_NUMBER, "2.5.29.20" },
	{ OID_CRL_REASON, "2.5.29.21" },
	{ OID_ISSUING_POINT, "2.5.29.28" },
	{ OID_SERVER_AUTH, "1.3.6.1.5.5.7.3.1" },
	{ OID_CLIENT_AUTH, "1.3.6.1.5.5.7.3.2" },
	{ OID_OCSP_SIGNING, "1.3.6.1.5.5.7.3.9" },
	{ OID_ACCESS_OCSP, "1.3.6.1.5.5.7.48.1" },
	{ OID_ACCESS_ISSUERS, "1.3.6.1.5.5.7.48.2" },
	{ OID_OCSP_BASIC, "1.3.6.1.5.5.7.48.1.1" },
	{ OID_OCSP_NONCE, "1.3.6.1.5.5.7.48.1.2" },
	{ OID_SHA1, "1.3.14.3.2.26" },
	{ OID_SHA256, "2.16.840.1.101.3.4.2.1" },
	{ OID_EXTENSION_REQUEST, "1.2.840.113549.1.9.14" },
};
_Static_assert(NELEM(known) == OID__MAX - 1, "every identifier is compared");

static void test_octets_are_those_of_openssl(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(known); i++) {
		ASN1_OBJECT *o = OBJ_txt2obj(known[i].text, 1);
		struct span s;

		assert_non_null(o);
		s = span_of(OBJ_get0_data(o), OBJ_length(o));
		assert_true(span_equal(oid_bytes(known[i].oid), s));
		assert_int_equal(oid_find(s), known[i].oid);
		ASN1_OBJECT_free(o);
	}
}

static void test_they_are_written_and_read_back(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	enum oid o;
	struct rd r;

	(void)state;
	buf_init(&b, 64);
	for (unsigned i = 1; i < OID__MAX; i++) {
		buf_clear(&b);
		assert_int_equal(oid_put(&b, (enum oid)i), OK);
		r = rd_from(b.p, b.len);
		assert_int_equal(oid_get(&r, &o), OK);
		assert_int_equal(o, i);
		assert_int_equal(rd_end(&r), OK);
	}
}

static void test_unknown_ones_are_none(void **state)
{
	struct rd r = rd_from("\x06\x03\x55\x04\x06", 5);
	enum oid o = OID_CN;

	(void)state;
	assert_int_equal(oid_get(&r, &o), OK);
	assert_int_equal(o, OID_NONE);
	assert_int_equal(oid_find(span_of("", 0)), OID_NONE);
	r = rd_from("\x05\x00", 2);
	assert_int_equal(oid_get(&r, &o), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octets_are_those_of_openssl),
		cmocka_unit_test(test_they_are_written_and_read_back),
		cmocka_unit_test(test_unknown_ones_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
