/* lib/der.c, der_put.c, der_time.c: strict DER, both ways. */
#include "lib/der.h"

#include "tests/unit/unit.h"

#include <openssl/asn1.h>

enum {
	ROUNDS = 3000,
	BUF_MAX = 1 << 20
};

#define LIT(text) span_of(text, sizeof(text) - 1)

static bool any_ok(struct span s)
{
	struct rd r = span_rd(s), body;
	struct span whole;
	unsigned tag;

	if (der_any(&r, &tag, &body, &whole) != OK) {
		assert_ptr_equal(r.p, s.p);
		return false;
	}
	assert_ptr_equal(body.end, r.p);
	assert_int_equal(whole.n, r.p - s.p);
	return true;
}

static void test_only_the_shortest_definite_length_is_read(void **state)
{
	(void)state;
	assert_true(any_ok(LIT("\x04\x00")));
	assert_true(any_ok(LIT("\x04\x02xy")));
	assert_false(any_ok(LIT("\x04\x02x")));
	assert_false(any_ok(LIT("\x04\x80\x00\x00")));
	assert_false(any_ok(LIT("\x30\x80\x00\x00")));
	assert_false(any_ok(LIT("\x04\x81\x01x")));
	assert_false(any_ok(LIT("\x04\x81\x7fx")));
	assert_false(any_ok(LIT("\x04\x82\x00\x01x")));
	assert_false(any_ok(LIT("\x04\xffx")));
	assert_false(any_ok(LIT("\x04\x85\x00\x00\x00\x00\x01x")));
	assert_false(any_ok(LIT("\x04\x84\xff\xff\xff\xffx")));
	assert_false(any_ok(LIT("\x04\x88\xff\xff\xff\xff\xff\xff\xff\xffx")));
	assert_false(any_ok(LIT("\x04")));
	assert_false(any_ok(LIT("")));
}

static void test_strange_tags_are_refused(void **state)
{
	(void)state;
	assert_false(any_ok(LIT("\x1f\x01\x00"))); /* long form */
	assert_false(any_ok(LIT("\xbf\x81\x01\x00")));
	assert_false(any_ok(LIT("\x00\x00"))); /* end of contents */
	assert_false(any_ok(LIT("\x24\x00"))); /* string in pieces */
	assert_false(any_ok(LIT("\x23\x00")));
	assert_false(any_ok(LIT("\x2c\x00")));
	assert_false(any_ok(LIT("\x10\x00"))); /* primitive SEQUENCE */
	assert_false(any_ok(LIT("\x11\x00")));
	assert_true(any_ok(LIT("\x80\x00")));
	assert_true(any_ok(LIT("\xa3\x00")));
	assert_true(any_ok(LIT("\x30\x00")));
}

static void test_lengths_come_back_at_every_step(void **state)
{
	static const size_t sizes[] = { 0,     1,      0x7f,    0x80,   0xff,
					0x100, 0xffff, 0x10000, 0x12345 };
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init(&b, BUF_MAX);
	for (size_t i = 0; i < NELEM(sizes); i++) {
		uint8_t *at;
		struct rd r, body;
		size_t m, n = sizes[i];

		buf_clear(&b);
		assert_int_equal(der_begin(&b, DER_SEQ, &m), OK);
		assert_int_equal(buf_grow(&b, n, &at), OK);
		for (size_t k = 0; k < n; k++)
			at[k] = (uint8_t)k;
		assert_int_equal(der_end(&b, m), OK);
		assert_int_equal(b.len, der_head_size(n) + n);
		r = rd_from(b.p, b.len);
		assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
		assert_int_equal(rd_end(&r), OK);
		assert_int_equal(rd_left(&body), n);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(body.p[k], (uint8_t)k);
	}
}

static void test_a_full_buffer_is_too_large(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	uint8_t bytes[200] = { 0 };
	size_t m;

	(void)state;
	buf_init(&b, 202);
	assert_int_equal(der_put(&b, DER_OCTETS, bytes, 200), ERR_TOO_LARGE);
	assert_int_equal(b.len, 0);
	assert_int_equal(der_begin(&b, DER_SEQ, &m), OK);
	assert_int_equal(buf_put(&b, bytes, 200), OK);
	assert_int_equal(der_end(&b, m), ERR_TOO_LARGE);
}

static void test_opt_tells_what_is_there(void **state)
{
	struct rd r = rd_from("\x05\x00", 2), body;
	bool there = true;

	(void)state;
	assert_int_equal(der_opt(&r, DER_SEQ, &there, &body), OK);
	assert_false(there);
	assert_int_equal(der_opt(&r, DER_NULL, &there, &body), OK);
	assert_true(there);
	r = rd_from("\x05\x80", 2);
	assert_int_equal(der_opt(&r, DER_NULL, &there, &body), ERR_INVALID);
}

static enum err bool_of(struct span s, bool *v)
{
	struct rd r = span_rd(s);

	return der_bool(&r, v);
}

static void test_booleans_are_ff_or_00(void **state)
{
	bool v = false;

	(void)state;
	assert_int_equal(bool_of(LIT("\x01\x01\xff"), &v), OK);
	assert_true(v);
	assert_int_equal(bool_of(LIT("\x01\x01\x00"), &v), OK);
	assert_false(v);
	assert_int_equal(bool_of(LIT("\x01\x01\x01"), &v), ERR_INVALID);
	assert_int_equal(bool_of(LIT("\x01\x00"), &v), ERR_INVALID);
	assert_int_equal(bool_of(LIT("\x01\x02\xff\xff"), &v), ERR_INVALID);
}

static enum err u64_of(struct span s, uint64_t *v)
{
	struct rd r = span_rd(s);
	enum err e = der_u64(&r, DER_INTEGER, UINT64_MAX, v);

	assert_ptr_equal(r.p, e == OK ? s.p + s.n : s.p);
	return e;
}

static void test_integers_are_minimal_and_not_negative(void **state)
{
	uint64_t v = 7;
	struct span s;
	struct rd r;

	(void)state;
	assert_int_equal(u64_of(LIT("\x02\x00"), &v), ERR_INVALID);
	assert_int_equal(u64_of(LIT("\x02\x01\x80"), &v), ERR_INVALID);
	assert_int_equal(u64_of(LIT("\x02\x02\x00\x7f"), &v), ERR_INVALID);
	assert_int_equal(u64_of(LIT("\x02\x02\xff\xff"), &v), ERR_INVALID);
	assert_true(v == 7);
	assert_int_equal(u64_of(LIT("\x02\x01\x00"), &v), OK);
	assert_true(v == 0);
	assert_int_equal(u64_of(LIT("\x02\x02\x00\x80"), &v), OK);
	assert_true(v == 128);
	assert_int_equal(
		u64_of(LIT("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"), &v),
		OK);
	assert_true(v == UINT64_MAX);
	assert_int_equal(
		u64_of(LIT("\x02\x09\x01\xff\xff\xff\xff\xff\xff\xff\xff"), &v),
		ERR_INVALID);
	r = rd_from("\x02\x01\x00", 3);
	assert_int_equal(der_uint(&r, &s), ERR_INVALID);
	r = rd_from("\x02\x02\x00\x80", 4);
	assert_int_equal(der_uint(&r, &s), OK);
	assert_true(span_equal(s, LIT("\x80")));
	r = rd_from("\x0a\x01\x05", 3);
	assert_int_equal(der_u64(&r, DER_ENUM, 4, &v), ERR_INVALID);
	assert_int_equal(der_u64(&r, DER_ENUM, 5, &v), OK);
}

/* What der_put_u64 writes is what OpenSSL writes, and der_u64 reads it. */
static void test_integers_agree_with_openssl(void **state)
{
	uint64_t rng = unit_seed();
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init(&b, BUF_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t v = unit_next(&rng) >> unit_below(&rng, 64), back;
		ASN1_INTEGER *a = ASN1_INTEGER_new();
		unsigned char *der = NULL;
		int n;

		assert_non_null(a);
		assert_int_equal(ASN1_INTEGER_set_uint64(a, v), 1);
		n = i2d_ASN1_INTEGER(a, &der);
		buf_clear(&b);
		assert_int_equal(der_put_u64(&b, DER_INTEGER, v), OK);
		assert_int_equal(b.len, n);
		assert_memory_equal(b.p, der, b.len);
		assert_int_equal(u64_of(span_of(b.p, b.len), &back), OK);
		assert_true(back == v);
		OPENSSL_free(der);
		ASN1_INTEGER_free(a);
	}
}

static void test_unsigned_numbers_lose_zeros_and_gain_a_sign(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init(&b, BUF_MAX);
	assert_int_equal(der_put_uint(&b, LIT("\x00\x00\x85")), OK);
	assert_int_equal(der_put_uint(&b, LIT("\x00\x05")), OK);
	assert_int_equal(der_put_uint(&b, LIT("")), OK);
	assert_true(
		span_equal(span_of(b.p, b.len),
			   LIT("\x02\x02\x00\x85\x02\x01\x05\x02\x01\x00")));
}

static void test_bit_strings_have_no_unused_bits(void **state)
{
	struct rd r = rd_from("\x03\x02\x00x", 4);
	struct span s;

	(void)state;
	assert_int_equal(der_bits(&r, &s), OK);
	assert_true(span_is(s, "x"));
	r = rd_from("\x03\x02\x01x", 4);
	assert_int_equal(der_bits(&r, &s), ERR_INVALID);
	r = rd_from("\x03\x00", 2);
	assert_int_equal(der_bits(&r, &s), ERR_INVALID);
}

static enum err named_of(struct span s, unsigned *v)
{
	struct rd r = span_rd(s);

	return der_named_bits(&r, v);
}

static void test_named_bits_have_no_zeros_at_their_end(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	uint64_t rng = unit_seed();
	unsigned v = 0;

	(void)state;
	assert_int_equal(named_of(LIT("\x03\x02\x07\x80"), &v), OK);
	assert_int_equal(v, 1);
	assert_int_equal(named_of(LIT("\x03\x02\x01\x06"), &v), OK);
	assert_int_equal(v, 1 << 5 | 1 << 6);
	assert_int_equal(named_of(LIT("\x03\x01\x00"), &v), OK);
	assert_int_equal(v, 0);
	assert_int_equal(named_of(LIT("\x03\x01\x01"), &v), ERR_INVALID);
	assert_int_equal(named_of(LIT("\x03\x02\x00\x80"), &v), ERR_INVALID);
	assert_int_equal(named_of(LIT("\x03\x02\x07\xc0"), &v), ERR_INVALID);
	assert_int_equal(named_of(LIT("\x03\x02\x08\x80"), &v), ERR_INVALID);
	assert_int_equal(named_of(LIT("\x03\x02\x00\x00"), &v), ERR_INVALID);
	assert_int_equal(named_of(LIT("\x03\x06\x00\x01\x01\x01\x01\x01"), &v),
			 ERR_INVALID);
	buf_init(&b, BUF_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned x = (unsigned)(unit_next(&rng) >> 32) >>
			     unit_below(&rng, 32);

		buf_clear(&b);
		assert_int_equal(der_put_named_bits(&b, x), OK);
		assert_int_equal(named_of(span_of(b.p, b.len), &v), OK);
		assert_int_equal(v, x);
	}
}

static enum err time_of(struct span s, int64_t *v)
{
	struct rd r = span_rd(s);

	return der_time(&r, v);
}

static void test_times_are_as_certificates_have_them(void **state)
{
	static const char *bad[] = {
		"\x17\x0b"
		"2601021304Z",
		"\x17\x0d"
		"261321130405Z",
		"\x17\x0d"
		"260021130405Z",
		"\x17\x0d"
		"260230130405Z",
		"\x17\x0d"
		"250229130405Z",
		"\x17\x0d"
		"260100130405Z",
		"\x17\x0d"
		"260101240405Z",
		"\x17\x0d"
		"260101136005Z",
		"\x17\x0d"
		"260101130460Z",
		"\x17\x0d"
		"26010113040 Z",
		"\x17\x0d"
		"2601011304050",
		"\x17\x11"
		"260101130405+0100",
		"\x18\x0f"
		"20260101130405Z", /* to be said as UTCTime */
		"\x18\x0f"
		"20490101130405Z",
		"\x18\x12"
		"20510101130405.00Z",
		"\x18\x0f"
		"21000229130405Z",
		"\x18\x0d"
		"205101011304Z",
	};
	int64_t v = 0;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(time_of(span_str(bad[i]), &v), ERR_INVALID);
	assert_int_equal(time_of(LIT("\x17\x0d"
				     "700101000000Z"),
				 &v),
			 OK);
	assert_true(v == 0);
	assert_int_equal(time_of(LIT("\x17\x0d"
				     "240229235959Z"),
				 &v),
			 OK);
	assert_true(v == 1709251199);
	assert_int_equal(time_of(LIT("\x17\x0d"
				     "500101000000Z"),
				 &v),
			 OK);
	assert_true(v == -631152000);
	assert_int_equal(time_of(LIT("\x18\x0f"
				     "20500101000000Z"),
				 &v),
			 OK);
	assert_true(v == 2524608000);
}

/* Any second of 1950..9999 is written as OpenSSL writes it, and read back. */
static void test_times_agree_with_openssl(void **state)
{
	const int64_t first = -631152000, last = 253402300799;
	uint64_t rng = unit_seed();
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init(&b, BUF_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t span = (uint64_t)(last - first) + 1;
		int64_t v = first + (int64_t)(unit_next(&rng) % span), back;
		ASN1_TIME *t = ASN1_TIME_set(NULL, v);
		unsigned char *der = NULL;
		struct rd r;
		int n;

		assert_non_null(t);
		n = i2d_ASN1_TIME(t, &der);
		buf_clear(&b);
		assert_int_equal(der_put_time(&b, v), OK);
		assert_int_equal(b.len, n);
		assert_memory_equal(b.p, der, b.len);
		assert_int_equal(time_of(span_of(b.p, b.len), &back), OK);
		assert_true(back == v);
		buf_clear(&b);
		assert_int_equal(der_put_gtime(&b, v), OK);
		r = rd_from(b.p, b.len);
		assert_int_equal(der_gtime(&r, &back), OK);
		assert_true(back == v);
		OPENSSL_free(der);
		ASN1_TIME_free(t);
	}
	buf_clear(&b);
	assert_int_equal(der_put_time(&b, first - 1), ERR_INVALID);
	assert_int_equal(der_put_time(&b, last + 1), ERR_INVALID);
	assert_int_equal(der_put_gtime(&b, last + 1), ERR_INVALID);
	assert_int_equal(der_put_gtime(&b, INT64_MIN), ERR_INVALID);
	assert_int_equal(der_put_time(&b, INT64_MAX), ERR_INVALID);
}

static enum err oid_of(struct span s)
{
	struct rd r = span_rd(s);

	return der_oid(&r, &s);
}

static void test_identifiers_are_minimal_and_whole(void **state)
{
	(void)state;
	assert_int_equal(oid_of(LIT("\x06\x03\x55\x04\x03")), OK);
	assert_int_equal(oid_of(LIT("\x06\x00")), ERR_INVALID);
	assert_int_equal(oid_of(LIT("\x06\x03\x55\x04\x83")), ERR_INVALID);
	assert_int_equal(oid_of(LIT("\x06\x03\x55\x80\x03")), ERR_INVALID);
	assert_int_equal(oid_of(LIT("\x06\x03\x80\x04\x03")), ERR_INVALID);
	assert_int_equal(oid_of(LIT("\x06\x04\x55\x81\x80\x03")), OK);
}

/* Each prefix of a nested value fails and moves nothing. */
static void test_what_is_cut_short_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	uint8_t bytes[300] = { 0 };
	struct rd body;
	size_t m, k;

	(void)state;
	buf_init(&b, BUF_MAX);
	assert_int_equal(der_begin(&b, DER_SEQ, &m), OK);
	assert_int_equal(der_begin(&b, DER_SET, &k), OK);
	assert_int_equal(der_put(&b, DER_OCTETS, bytes, sizeof bytes), OK);
	assert_int_equal(der_end(&b, k), OK);
	assert_int_equal(der_put_null(&b), OK);
	assert_int_equal(der_end(&b, m), OK);
	for (size_t n = 0; n < b.len; n++) {
		struct rd r = rd_from(b.p, n);

		assert_int_equal(der_get(&r, DER_SEQ, &body), ERR_INVALID);
		assert_ptr_equal(r.p, b.p);
	}
	struct rd r = rd_from(b.p, b.len);

	assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_only_the_shortest_definite_length_is_read),
		cmocka_unit_test(test_strange_tags_are_refused),
		cmocka_unit_test(test_lengths_come_back_at_every_step),
		cmocka_unit_test(test_a_full_buffer_is_too_large),
		cmocka_unit_test(test_opt_tells_what_is_there),
		cmocka_unit_test(test_booleans_are_ff_or_00),
		cmocka_unit_test(test_integers_are_minimal_and_not_negative),
		cmocka_unit_test(test_integers_agree_with_openssl),
		cmocka_unit_test(
			test_unsigned_numbers_lose_zeros_and_gain_a_sign),
		cmocka_unit_test(test_bit_strings_have_no_unused_bits),
		cmocka_unit_test(test_named_bits_have_no_zeros_at_their_end),
		cmocka_unit_test(test_times_are_as_certificates_have_them),
		cmocka_unit_test(test_times_agree_with_openssl),
		cmocka_unit_test(test_identifiers_are_minimal_and_whole),
		cmocka_unit_test(test_what_is_cut_short_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
