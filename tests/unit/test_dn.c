/* lib/dn.c: names, both ways, and as OpenSSL reads them. */
#include "lib/dn.h"

#include "tests/unit/unit.h"

#include <openssl/x509.h>

static struct dn full(void)
{
	return (struct dn){ .domain = span_str("a.corp.example"),
			    .o = span_str("web"),
			    .ou = span_str("n1.corp.example"),
			    .uid = span_str("b\xc3\xbc"),
			    .cn = span_str("x") };
}

static bool same(const struct dn *a, const struct dn *b)
{
	return span_equal(a->domain, b->domain) && span_equal(a->o, b->o) &&
	       span_equal(a->ou, b->ou) && span_equal(a->uid, b->uid) &&
	       span_equal(a->cn, b->cn);
}

static void goes_round(const struct dn *dn)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	char room[DN_DOMAIN_MAX + 1];
	struct dn got;
	struct rd r;

	buf_init(&b, 4096);
	assert_int_equal(dn_put(&b, dn), OK);
	r = rd_from(b.p, b.len);
	assert_int_equal(dn_get(&r, room, &got), OK);
	assert_int_equal(rd_left(&r), 0);
	assert_true(same(dn, &got));
}

static void test_goes_round(void **state)
{
	static const char part[] = "0123456789abcdef0123456789abcdef"
				   "0123456789abcdef0123456789abcdef";
	struct dn dn = full();

	(void)state;
	goes_round(&dn);
	dn.cn = span_str(part);
	goes_round(&dn);
	dn.o = dn.uid = span_of(NULL, 0);
	goes_round(&dn);
	dn.domain = span_str("example");
	goes_round(&dn);
	dn = (struct dn){ .domain = { .n = 0 } };
	goes_round(&dn);
}

static void test_openssl_reads_it(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	const struct dn dn = full();
	const unsigned char *p;
	X509_NAME *name;
	char *text;
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(dn_put(&b, &dn), OK);
	p = b.p;
	name = d2i_X509_NAME(NULL, &p, (long)b.len);
	assert_non_null(name);
	assert_ptr_equal(p, b.p + b.len);
	X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
	assert_int_equal(BIO_write(bio, "", 1), 1);
	assert_true(BIO_get_mem_data(bio, &text) > 0);
	assert_string_equal(text, "CN=x,UID=b\\C3\\BC,OU=n1.corp.example,"
				  "O=web,DC=a,DC=corp,DC=example");
	X509_NAME_free(name);
	BIO_free(bio);
}

static void refuses_put(struct dn dn)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, 4096);
	assert_int_equal(dn_put(&b, &dn), ERR_INVALID);
}

static void test_refuses_to_make(void **state)
{
	static const char *const domains[] = {
		".",          ".example",   "example.", "a..b",     "a_b",
		"-a.example", "a-.example", "a b",      "*.example"
	};
	static const char long_text[] = "0123456789abcdef0123456789abcdef"
					"0123456789abcdef0123456789abcdef0";
	struct dn dn;

	(void)state;
	for (size_t i = 0; i < NELEM(domains); i++) {
		dn = full();
		dn.domain = span_str(domains[i]);
		refuses_put(dn);
	}
	dn = full();
	dn.domain = span_str(long_text); /* a label of 65 */
	refuses_put(dn);
	dn = full();
	dn.cn = span_str(long_text);
	refuses_put(dn);
	dn.cn = span_of("a\0b", 3);
	refuses_put(dn);
	dn.cn = span_str("a\nb");
	refuses_put(dn);
	dn.cn = span_str("a\x7f");
	refuses_put(dn);
	dn.cn = span_str("\xc2\x9b");
	refuses_put(dn);
	dn.cn = span_str("\xff");
	refuses_put(dn);
}

/* Two names in one: the parts of b behind those of a, in one SEQUENCE. */
static enum err get_joined(const struct dn *a, const struct dn *b)
{
	AUTO(buf_wipe) struct buf x = { 0 };
	AUTO(buf_wipe) struct buf y = { 0 };
	char room[DN_DOMAIN_MAX + 1];
	struct dn got;
	struct rd r, parts;
	size_t m;

	buf_init(&x, 4096);
	buf_init(&y, 4096);
	assert_int_equal(der_begin(&y, DER_SEQ, &m), OK);
	for (unsigned i = 0; i < 2; i++) {
		buf_clear(&x);
		assert_int_equal(dn_put(&x, i ? b : a), OK);
		r = rd_from(x.p, x.len);
		assert_int_equal(der_get(&r, DER_SEQ, &parts), OK);
		assert_int_equal(buf_put(&y, parts.p, rd_left(&parts)), OK);
	}
	assert_int_equal(der_end(&y, m), OK);
	r = rd_from(y.p, y.len);
	return dn_get(&r, room, &got);
}

static void test_refuses_another_order_and_repetition(void **state)
{
	const struct dn o = { .o = span_str("a") };
	const struct dn ou = { .ou = span_str("b") };
	const struct dn cn = { .cn = span_str("c") };
	const struct dn dc = { .domain = span_str("example") };

	(void)state;
	assert_int_equal(get_joined(&o, &ou), OK);
	assert_int_equal(get_joined(&dc, &cn), OK);
	assert_int_equal(get_joined(&dc, &dc), OK); /* example.example */
	assert_int_equal(get_joined(&ou, &o), ERR_INVALID);
	assert_int_equal(get_joined(&cn, &cn), ERR_INVALID);
	assert_int_equal(get_joined(&o, &o), ERR_INVALID);
	assert_int_equal(get_joined(&o, &dc), ERR_INVALID);
}

static void test_refuses_another_shape(void **state)
{
	static const struct {
		const char *der;
		size_t n;
	} bad[] = {
#define DER(s) { s, sizeof s - 1 }
		/* CN as PrintableString */
		DER("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01"
		    "a"),
		/* an empty CN */
		DER("\x30\x0b\x31\x09\x30\x07\x06\x03\x55\x04\x03\x0c\x00"),
		/* C */
		DER("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x0c\x02"
		    "DE"),
		/* an empty set */
		DER("\x30\x02\x31\x00"),
		/* two attributes in a set */
		DER("\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x03\x0c\x01"
		    "a\x30\x08\x06\x03\x55\x04\x0a\x0c\x01"
		    "a"),
		/* a value and one more */
		DER("\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x01"
		    "a\x05\x00"),
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct rd r = rd_from(bad[i].der, bad[i].n);
		struct dn dn = { .cn = span_str("kept") };
		char room[DN_DOMAIN_MAX + 1];

		assert_int_equal(dn_get(&r, room, &dn), ERR_INVALID);
		assert_true(span_is(dn.cn, "kept"));
		assert_int_equal(rd_left(&r), bad[i].n);
	}
}

static void test_cut_short(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	const struct dn dn = full();

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(dn_put(&b, &dn), OK);
	for (size_t n = 0; n < b.len; n++) {
		uint8_t *cut = xmemdup(b.p, n ? n : 1);
		struct rd r = rd_from(cut, n);
		char room[DN_DOMAIN_MAX + 1];
		struct dn got;

		assert_int_equal(dn_get(&r, room, &got), ERR_INVALID);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_round),
		cmocka_unit_test(test_openssl_reads_it),
		cmocka_unit_test(test_refuses_to_make),
		cmocka_unit_test(test_refuses_another_order_and_repetition),
		cmocka_unit_test(test_refuses_another_shape),
		cmocka_unit_test(test_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
