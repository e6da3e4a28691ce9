/* lib/ocsp_path: every way in which clients write the same request, and nothing
 * that is none. */
#include "lib/ocsp_path.h"

#include "lib/enc.h"
#include "lib/ocsp.h"
#include "tests/unit/unit.h"

/* DER that has +, / and // in its base64: MAP//v7/++8= */
static const uint8_t sample[] = {
	0x30, 0x03, 0xff, 0xfe, 0xfe, 0xff, 0xfb, 0xef
};
static const char plain[] = "MAP//v7/++8=";

static enum err decode(const char *raw, size_t len, struct buf *out)
{
	struct fault f = { .text = "" };
	enum err e = ocsp_path_decode(raw, len, out, &f);

	/* every refusal says why */
	assert_true(e == OK || (e == ERR_INVALID && f.text[0]));
	assert_true(e == OK || !out->len);
	return e;
}

static void test_every_spelling_is_the_same_request(void **state)
{
	static const char *const same[] = {
		plain,
		"MAP//v7/++8",              /* no padding */
		"MAP//v7/++8%3D",           /* as RFC 6960 says, */
		"MAP%2F%2Fv7%2F%2B%2B8%3D", /* the whole of it */
		"MAP%2f%2fv7%2f%2b%2b8%3d", /* in lower case */
		"MAP%2F/v7/%2b+8=",         /* and mixed */
		"/MAP//v7/++8=",            /* a URL that ended in a slash */
		"%4DAP//v7/++8=",           /* escaped without need */
	};

	(void)state;
	for (size_t i = 0; i < NELEM(same); i++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_REQUEST_MAX };

		assert_int_equal(decode(same[i], strlen(same[i]), &out), OK);
		assert_int_equal(out.len, sizeof sample);
		assert_memory_equal(out.p, sample, sizeof sample);
	}
}

static void test_anything_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"=",
		"====",
		"M", /* six bits */
		"MAP/A",
		"MAP//v7/++8==", /* too much padding */
		"MAP//v7/++8%3D%3D",
		"MAP//v7/++8=A",
		"MAP//v7/++9=",   /* a bit after the end */
		"MAP//v7/++8=\n", /* */
		"MAP//v7/  8=",   /* + taken for a blank */
		"MAP//v7/%20%208=",
		"MAP__v7_--8=",         /* the other base64 */
		"MAP%252F%252Fv7/++8=", /* escaped twice */
		"MAP//v7/++8%",
		"MAP//v7/++8%3",
		"MAP//v7/++8%3G",
		"MAP//v7/++8%00",
		"MAP//v7/++8=?x=1",
		"MAP//v7/++8=#",
		"MAP//v7/++8/../x",
		"\xc3\xa4MAP",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_REQUEST_MAX };

		assert_int_equal(decode(bad[i], strlen(bad[i]), &out),
				 ERR_INVALID);
	}
}

/* A random request in a random spelling. */
static void spell(struct buf *text, const struct buf *b64, uint64_t *seed)
{
	bool padded = unit_below(seed, 2);

	for (size_t i = 0; i < b64->len; i++) {
		const char c = (char)b64->p[i];

		if (c == '=' && !padded)
			continue;
		if (unit_below(seed, 3))
			assert_int_equal(buf_u8(text, (uint8_t)c), OK);
		else if (unit_below(seed, 2))
			assert_int_equal(buf_fmt(text, "%%%02x", c), OK);
		else
			assert_int_equal(buf_fmt(text, "%%%02X", c), OK);
	}
}

static void test_random_requests_come_back(void **state)
{
	uint64_t seed = unit_seed();

	(void)state;
	for (int i = 0; i < 3000; i++) {
		AUTO(buf_wipe) struct buf b64 = { .max = 1 << 20 };
		AUTO(buf_wipe) struct buf text = { .max = 1 << 20 };
		AUTO(buf_wipe) struct buf out = { .max = OCSP_REQUEST_MAX };
		size_t n = 1 + unit_below(&seed, 300);
		uint8_t der[300] = { 0x30 };

		for (size_t k = 1; k < n; k++)
			der[k] = (uint8_t)unit_next(&seed);
		assert_int_equal(enc_base64(der, n, &b64), OK);
		spell(&text, &b64, &seed);
		assert_int_equal(decode((char *)text.p, text.len, &out), OK);
		assert_int_equal(out.len, n);
		assert_memory_equal(out.p, der, n);
	}
}

static void test_the_largest_request_and_one_more(void **state)
{
	uint8_t *der = xcalloc(1, OCSP_REQUEST_MAX + 1);

	(void)state;
	der[0] = 0x30;
	for (size_t n = OCSP_REQUEST_MAX - 2; n <= OCSP_REQUEST_MAX + 1; n++) {
		AUTO(buf_wipe) struct buf b64 = { .max = 1 << 20 };
		AUTO(buf_wipe) struct buf text = { .max = 1 << 20 };
		AUTO(buf_wipe) struct buf out = { .max = 1 << 20 };
		enum err want = n > OCSP_REQUEST_MAX ? ERR_INVALID : OK;

		assert_int_equal(enc_base64(der, n, &b64), OK);
		for (size_t i = 0; i < b64.len; i++)
			assert_int_equal(buf_fmt(&text, "%%%02X", b64.p[i]),
					 OK);
		assert_int_equal(decode((char *)text.p, text.len, &out), want);
		assert_int_equal(decode((char *)b64.p, b64.len, &out), want);
		assert_int_equal(out.len, want == OK ? 2 * n : 0);
		if (want == OK)
			buf_clear(&out);
	}
	free(der);
}

/* A cut text is another text: refused, or a shorter request. */
static void test_every_cut_ends_well(void **state)
{
	(void)state;
	for (size_t i = 0; i < strlen(plain); i++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_REQUEST_MAX };
		char *copy = xmemdup(plain, i);

		if (decode(copy, i, &out) == OK) {
			assert_true(out.len < sizeof sample ||
				    i == strlen(plain) - 1);
			assert_memory_equal(out.p, sample, out.len);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_spelling_is_the_same_request),
		cmocka_unit_test(test_anything_else_is_refused),
		cmocka_unit_test(test_random_requests_come_back),
		cmocka_unit_test(test_the_largest_request_and_one_more),
		cmocka_unit_test(test_every_cut_ends_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
