/* lib/pem.c: DER as text and back. */
#include "lib/pem.h"

#include "tests/unit/unit.h"

#include <openssl/bio.h>
#include <openssl/pem.h>

static void put(const char *label, const void *p, size_t n, struct buf *out)
{
	assert_int_equal(pem_put(label, span_of(p, n), out), OK);
}

static void test_known_text(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	uint8_t bytes[50];

	(void)state;
	buf_init(&b, 4096);
	memset(bytes, 0xff, sizeof bytes);
	put("CERTIFICATE", bytes, sizeof bytes, &b);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p,
			    "-----BEGIN CERTIFICATE-----\n"
			    "//////////////////////////////////////////////////"
			    "//////////////\n"
			    "//8=\n"
			    "-----END CERTIFICATE-----\n");
}

static void test_openssl_reads_the_same(void **state)
{
	uint64_t seed = unit_seed();
	uint8_t bytes[300];

	(void)state;
	for (size_t n = 1; n <= sizeof bytes; n += 7) {
		AUTO(buf_wipe) struct buf b = { 0 };
		char *name, *header;
		unsigned char *data;
		BIO *bio;
		long len;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)unit_next(&seed);
		buf_init(&b, 4096);
		put("X509 CRL", bytes, n, &b);
		bio = BIO_new_mem_buf(b.p, (int)b.len);
		assert_int_equal(PEM_read_bio(bio, &name, &header, &data, &len),
				 1);
		assert_string_equal(name, "X509 CRL");
		assert_int_equal(len, n);
		assert_memory_equal(data, bytes, n);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(data);
		BIO_free(bio);
	}
}

static enum err get(const char *text, const char *want, size_t *used)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct fault f = { .code = OK };
	enum err e;

	buf_init(&b, 256);
	assert_int_equal(buf_str(&b, "kept"), OK);
	*used = 12345;
	e = pem_get("A B", text, strlen(text), &b, used, &f);
	assert_int_equal(f.code, e);
	if (e != OK) {
		assert_int_equal(b.len, 4);
		assert_int_equal(*used, 12345);
		return e;
	}
	assert_int_equal(b.len, 4 + strlen(want));
	assert_memory_equal(b.p + 4, want, strlen(want));
	return OK;
}

#define BLOCK "-----BEGIN A B-----\nYWJj\n-----END A B-----\n"
#define OTHER "-----BEGIN A-----\nYWJj\n-----END A-----\n"

static void test_one_after_the_other(void **state)
{
	static const char text[] =
		"words\n" OTHER BLOCK
		"-----BEGIN A B-----\r\nYW\r\nJk\r\n-----END A B-----";
	size_t used, more;

	(void)state;
	assert_int_equal(get(text, "abc", &used), OK);
	assert_int_equal(used, strlen("words\n" OTHER BLOCK));
	assert_int_equal(get(text + used, "abd", &more), OK);
	assert_int_equal(used + more, strlen(text));
	assert_int_equal(get(text + used + more, "", &more), ERR_NOT_FOUND);
}

static void test_refuses_what_is_broken(void **state)
{
	size_t used;

	(void)state;
	assert_int_equal(get("", "", &used), ERR_NOT_FOUND);
	assert_int_equal(get(OTHER, "", &used), ERR_NOT_FOUND);
	assert_int_equal(get(" " BLOCK, "", &used), ERR_NOT_FOUND);
	assert_int_equal(get("-----BEGIN A B-----\nYWJj\n", "", &used),
			 ERR_INVALID);
	assert_int_equal(
		get("-----BEGIN A B-----\nYWJj\n-----END A-----\n", "", &used),
		ERR_INVALID);
	assert_int_equal(
		get("-----BEGIN A B-----\n-----END A B-----\n", "", &used),
		ERR_INVALID);
	assert_int_equal(get("-----BEGIN A B-----\nYW=j\n-----END A B-----\n",
			     "", &used),
			 ERR_INVALID);
	assert_int_equal(get("-----BEGIN A B-----\nProc-Type: 4,ENCRYPTED\n\n"
			     "YWJj\n-----END A B-----\n",
			     "", &used),
			 ERR_INVALID);
	assert_int_equal(get("-----BEGIN A B-----\nYWJj\n" BLOCK, "", &used),
			 ERR_INVALID);
}

static void test_cut_short(void **state)
{
	size_t used;

	(void)state;
	for (size_t n = 0; n < strlen(BLOCK) - 1; n++) {
		char cut[sizeof BLOCK];

		memcpy(cut, BLOCK, n);
		cut[n] = 0;
		assert_int_not_equal(get(cut, "", &used), OK);
	}
}

static void test_too_long(void **state)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(buf_wipe) struct buf out = { 0 };
	AUTO(buf_wipe) struct buf tiny = { 0 };
	struct fault f;
	size_t used;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&out, 1 << 20);
	buf_init(&tiny, 2);
	assert_int_equal(buf_str(&text, "-----BEGIN A B-----\n"), OK);
	for (unsigned i = 0; i <= PEM_BODY_MAX / 4; i++)
		assert_int_equal(buf_str(&text, "AAAA\n"), OK);
	assert_int_equal(buf_str(&text, "-----END A B-----\n"), OK);
	assert_int_equal(
		pem_get("A B", (char *)text.p, text.len, &out, &used, &f),
		ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	assert_int_equal(pem_get("A B", BLOCK, strlen(BLOCK), &tiny, &used, &f),
			 ERR_TOO_LARGE);
	assert_int_equal(tiny.len, 0);
	assert_int_equal(pem_put("A B", span_of(BLOCK, 30), &tiny),
			 ERR_TOO_LARGE);
	assert_int_equal(tiny.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_text),
		cmocka_unit_test(test_openssl_reads_the_same),
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_refuses_what_is_broken),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
