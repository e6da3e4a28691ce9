/* lib/ocsp: requests made by libcrypto are understood, answers made here are
 * understood by libcrypto, the openssl command and GnuTLS, and say the same. */
#include "lib/ocsp.h"

#include "lib/clock.h"
#include "tests/unit/pki_world.h"

#include <openssl/ocsp.h>

static struct pki world;

static int begin(void **state)
{
	(void)state;
	pki_open(&world);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pki_close(&world);
	return 0;
}

static struct serial serial_of(uint64_t number)
{
	uint8_t tail[SERIAL_TAIL];
	struct serial s;

	for (size_t i = 0; i < sizeof tail; i++)
		tail[i] = (uint8_t)(0xf0 + i + number);
	serial_make(1, number, tail, &s);
	return s;
}

/* libcrypto's CertID for a serial under the world's CA. */
static OCSP_CERTID *id_new(const EVP_MD *md, const uint8_t *serial, size_t n)
{
	BIGNUM *bn = BN_bin2bn(serial, (int)n, NULL);
	ASN1_INTEGER *v = BN_to_ASN1_INTEGER(bn, NULL);
	OCSP_CERTID *id =
		OCSP_cert_id_new(md, X509_get_subject_name(world.ca),
				 X509_get0_pubkey_bitstr(world.ca), v);

	ASN1_INTEGER_free(v);
	BN_free(bn);
	assert_non_null(id);
	return id;
}

/* Its DER; free with OPENSSL_free. */
static struct span id_der(const EVP_MD *md, const struct serial *s)
{
	OCSP_CERTID *id = id_new(md, s->b, SERIAL_SIZE);
	uint8_t *der = NULL;
	int n = i2d_OCSP_CERTID(id, &der);

	assert_true(n > 0);
	OCSP_CERTID_free(id);
	return span_of(der, (size_t)n);
}

static struct span req_der(OCSP_REQUEST *q)
{
	uint8_t *der = NULL;
	int n = i2d_OCSP_REQUEST(q, &der);

	assert_true(n > 0);
	return span_of(der, (size_t)n);
}

static void span_free(struct span s)
{
	free((void *)(uintptr_t)s.p);
}

static enum err parse(struct span der, struct ocsp_request *r)
{
	struct fault f = { .text = "" };
	uint8_t *copy = xmemdup(der.p, der.n);
	enum err e = ocsp_request_parse(span_of(copy, der.n), r, &f);

	assert_true(e == OK || (f.code == e && f.text[0]));
	/* r is not looked at after a refusal; else it borrows from the caller's */
	free(copy);
	if (e == OK)
		e = ocsp_request_parse(der, r, NULL);
	return e;
}

static void same_octets(struct span got, const ASN1_STRING *want)
{
	assert_int_equal(got.n, ASN1_STRING_length(want));
	assert_memory_equal(got.p, ASN1_STRING_get0_data(want), got.n);
}

/* What we read of each certificate of q is what libcrypto put there. */
static void same_ids(const struct ocsp_request *r, OCSP_REQUEST *q)
{
	assert_int_equal(r->count, OCSP_request_onereq_count(q));
	for (unsigned i = 0; i < r->count; i++) {
		OCSP_CERTID *id = OCSP_onereq_get0_id(
			OCSP_request_onereq_get0(q, (int)i));
		ASN1_OCTET_STRING *name, *key;
		ASN1_INTEGER *serial;
		ASN1_OBJECT *md;
		uint8_t *der = NULL;
		int n;

		OCSP_id_get0_info(&name, &md, &key, &serial, id);
		same_octets(r->id[i].name_hash, name);
		same_octets(r->id[i].key_hash, key);
		same_octets(r->id[i].serial, serial);
		assert_int_equal(r->id[i].hash, OBJ_obj2nid(md) == NID_sha256
							? OCSP_SHA256
							: OCSP_SHA1);
		n = i2d_OCSP_CERTID(id, &der);
		assert_int_equal(r->id[i].der.n, n);
		assert_memory_equal(r->id[i].der.p, der, (size_t)n);
		OPENSSL_free(der);
	}
}

static OCSP_REQUEST *request_of(unsigned certs, bool nonce, bool sign)
{
	OCSP_REQUEST *q = OCSP_REQUEST_new();

	for (unsigned i = 0; i < certs; i++) {
		struct serial s = serial_of(i + 1);

		assert_non_null(OCSP_request_add0_id(
			q, id_new(i % 2 ? EVP_sha256() : EVP_sha1(), s.b,
				  SERIAL_SIZE)));
	}
	if (nonce)
		assert_int_equal(OCSP_request_add1_nonce(q, NULL, 32), 1);
	if (sign)
		assert_int_equal(OCSP_request_sign(q, world.ocsp,
						   world.ocsp_key, EVP_sha256(),
						   NULL, 0),
				 1);
	return q;
}

static void test_reads_what_libcrypto_asks(void **state)
{
	static const unsigned counts[] = { 1, 2, 3, 32 };

	(void)state;
	for (unsigned i = 0; i < NELEM(counts) * 4; i++) {
		bool nonce = i & 1, sign = i & 2;
		OCSP_REQUEST *q = request_of(counts[i / 4], nonce, sign);
		struct span der = req_der(q);
		struct ocsp_request r;

		assert_int_equal(parse(der, &r), OK);
		same_ids(&r, q);
		assert_int_equal(r.nonce.n, nonce ? 32 : 0);
		assert_true(!r.nonce.p == !nonce);
		span_free(der);
		OCSP_REQUEST_free(q);
	}
}

static void test_the_issuer_is_known_by_both_hashes(void **state)
{
	OCSP_REQUEST *q = request_of(2, false, false);
	struct pubkey key = { .key = world.ca_bits };
	struct span der = req_der(q);
	struct ocsp_issuer issuer, other;
	struct ocsp_request r;

	(void)state;
	assert_int_equal(parse(der, &r), OK);
	ocsp_issuer_make(world.ca_name, &key, &issuer);
	assert_true(ocsp_issuer_is(&issuer, &r.id[0]));
	assert_true(ocsp_issuer_is(&issuer, &r.id[1]));
	key.key = span_of(world.ca_bits.p, world.ca_bits.n - 1);
	ocsp_issuer_make(world.ca_name, &key, &other);
	assert_false(ocsp_issuer_is(&other, &r.id[0]));
	assert_false(ocsp_issuer_is(&other, &r.id[1]));
	key.key = world.ca_bits;
	ocsp_issuer_make(span_of(world.ca_name.p, world.ca_name.n - 1), &key,
			 &other);
	assert_false(ocsp_issuer_is(&other, &r.id[0]));
	assert_false(ocsp_issuer_is(&other, &r.id[1]));
	span_free(der);
	OCSP_REQUEST_free(q);
}

static void test_every_cut_of_a_request_is_refused(void **state)
{
	OCSP_REQUEST *q = request_of(3, true, true);
	struct span der = req_der(q);
	uint8_t *more = xcalloc(1, der.n + 1);
	struct ocsp_request r;

	(void)state;
	for (size_t i = 0; i < der.n; i++)
		assert_int_equal(parse(span_of(der.p, i), &r), ERR_INVALID);
	memcpy(more, der.p, der.n);
	assert_int_equal(parse(span_of(more, der.n + 1), &r), ERR_INVALID);
	free(more);
	span_free(der);
	OCSP_REQUEST_free(q);
}

static void test_changed_bytes_do_no_harm(void **state)
{
	OCSP_REQUEST *q = request_of(2, true, false);
	struct span der = req_der(q);
	uint64_t seed = unit_seed();
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t *copy = xmemdup(der.p, der.n);
		struct ocsp_request r;

		copy[unit_below(&seed, der.n)] = (uint8_t)unit_next(&seed);
		copy[unit_below(&seed, der.n)] = (uint8_t)unit_next(&seed);
		if (ocsp_request_parse(span_of(copy, der.n), &r, NULL) == OK)
			taken++;
		free(copy);
	}
	/* hashes, serial and nonce may be anything; lengths and tags not */
	assert_in_range(taken, 1, 19000);
	span_free(der);
	OCSP_REQUEST_free(q);
}

/* Pieces of requests by hand: nested values from tags and contents. */
static void put(struct buf *b, unsigned tag, const struct buf *body)
{
	assert_int_equal(der_put(b, tag, body->p, body->len), OK);
}

struct odd {
	const char *what;
	enum err want;
	unsigned certs;
	enum oid hash;
	size_t name_hash, key_hash;
	int params; /* 0: NULL, 1: none, 2: an INTEGER */
	const char *serial;
	size_t serial_n;
	int version;        /* -1: none said */
	unsigned requestor; /* tag of the name, 0: none */
	int nonce;          /* bytes, -1: none */
	unsigned nonces;
	int unknown; /* 1: an extension, 2: critical, 3: empty list */
	int unknown_single;
};

static void odd_id(struct buf *out, const struct odd *o)
{
	AUTO(buf_wipe) struct buf id = { .max = 4096 };
	AUTO(buf_wipe) struct buf alg = { .max = 4096 };
	uint8_t zero[64] = { 0 };

	if (o->hash == OID_NONE)
		assert_int_equal(der_put(&alg, DER_OID, "\x2a\x03", 2), OK);
	else
		assert_int_equal(oid_put(&alg, o->hash), OK);
	if (o->params == 0)
		assert_int_equal(der_put_null(&alg), OK);
	if (o->params == 2)
		assert_int_equal(der_put_u64(&alg, DER_INTEGER, 1), OK);
	put(&id, DER_SEQ, &alg);
	assert_int_equal(der_put(&id, DER_OCTETS, zero, o->name_hash), OK);
	assert_int_equal(der_put(&id, DER_OCTETS, zero, o->key_hash), OK);
	assert_int_equal(der_put(&id, DER_INTEGER, o->serial, o->serial_n), OK);
	put(out, DER_SEQ, &id);
}

static void odd_extension(struct buf *out, const char *oid, size_t oid_n,
			  bool critical, const void *value, size_t n)
{
	AUTO(buf_wipe) struct buf ext = { .max = 4096 };

	assert_int_equal(der_put(&ext, DER_OID, oid, oid_n), OK);
	if (critical)
		assert_int_equal(der_put_bool(&ext, true), OK);
	assert_int_equal(der_put(&ext, DER_OCTETS, value, n), OK);
	put(out, DER_SEQ, &ext);
}

/* [tag] EXPLICIT Extensions of an unknown one and a nonce. */
static void odd_extensions(struct buf *out, unsigned tag, int unknown,
			   unsigned nonces, int nonce)
{
	AUTO(buf_wipe) struct buf list = { .max = 4096 };
	AUTO(buf_wipe) struct buf seq = { .max = 4096 };
	AUTO(buf_wipe) struct buf value = { .max = 4096 };
	struct span oid = oid_bytes(OID_OCSP_NONCE);
	uint8_t zero[256] = { 0 };

	if (!unknown && nonce < 0)
		return;
	if (unknown == 1 || unknown == 2)
		odd_extension(&list, "\x2a\x03\x04", 3, unknown == 2, "x", 1);
	if (nonce >= 0) {
		assert_int_equal(
			der_put(&value, DER_OCTETS, zero, (size_t)nonce), OK);
		for (unsigned i = 0; i < MAX(nonces, 1u); i++)
			odd_extension(&list, (const char *)oid.p, oid.n, false,
				      value.p, value.len);
	}
	put(&seq, DER_SEQ, &list);
	put(out, tag, &seq);
}

static void odd_request(struct buf *out, const struct odd *o)
{
	AUTO(buf_wipe) struct buf tbs = { .max = 1 << 16 };
	AUTO(buf_wipe) struct buf list = { .max = 1 << 16 };
	AUTO(buf_wipe) struct buf whole = { .max = 1 << 16 };
	AUTO(buf_wipe) struct buf version = { .max = 64 };
	AUTO(buf_wipe) struct buf name = { .max = 64 };

	if (o->version >= 0) {
		assert_int_equal(der_put_u64(&version, DER_INTEGER,
					     (uint64_t)o->version),
				 OK);
		put(&tbs, DER_CTX_SEQ | 0, &version);
	}
	if (o->requestor) {
		assert_int_equal(der_put(&name, o->requestor, "ab", 2), OK);
		put(&tbs, DER_CTX_SEQ | 1, &name);
	}
	for (unsigned i = 0; i < o->certs; i++) {
		AUTO(buf_wipe) struct buf one = { .max = 4096 };

		odd_id(&one, o);
		odd_extensions(&one, DER_CTX_SEQ | 0, o->unknown_single, 0, -1);
		put(&list, DER_SEQ, &one);
	}
	put(&tbs, DER_SEQ, &list);
	odd_extensions(&tbs, DER_CTX_SEQ | 2, o->unknown, o->nonces, o->nonce);
	put(&whole, DER_SEQ, &tbs);
	put(out, DER_SEQ, &whole);
}

#define ODD(text, e, ...)                                                      \
	{                                                                      \
		.what = text, .want = e, .certs = 1, .hash = OID_SHA1,         \
		.name_hash = 20, .key_hash = 20, .serial = "\x01",             \
		.serial_n = 1, .version = -1, .nonce = -1, __VA_ARGS__         \
	}
#define SERIAL(s) .serial = s, .serial_n = sizeof s - 1

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct odd odds[] = {
	ODD("nothing odd", OK, .unknown = 0),
	ODD("no parameters", OK, .params = 1),
	ODD("SHA-256", OK, .hash = OID_SHA256, .name_hash = 32, .key_hash = 32),
	ODD("v1 said", OK, .version = 0),
	ODD("v2", ERR_INVALID, .version = 1),
	ODD("a requestorName", OK, .requestor = DER_CTX | 2),
	ODD("a requestorName of no kind", ERR_INVALID,
	    .requestor = DER_CTX | 9),
	ODD("a bare name", ERR_INVALID, .requestor = DER_UTF8),
	ODD("an unknown extension", OK, .unknown = 1),
	ODD("a critical one", ERR_INVALID, .unknown = 2),
	ODD("no extension in the list", ERR_INVALID, .unknown = 3),
	ODD("an unknown single extension", OK, .unknown_single = 1),
	ODD("a critical single one", ERR_INVALID, .unknown_single = 2),
	ODD("the serial 0", OK, SERIAL("\x00")),
	ODD("a negative serial", OK, SERIAL("\xff")),
	ODD("a serial with a sign octet", OK, SERIAL("\x00\x80")),
	ODD("a serial with a zero", ERR_INVALID, SERIAL("\x00\x01")),
	ODD("a serial with ones", ERR_INVALID, SERIAL("\xff\x80")),
	ODD("no serial", ERR_INVALID, .serial_n = 0),
	ODD("a long serial", ERR_INVALID, SERIAL("1234567890123456789012")),
	ODD("a parameter", ERR_INVALID, .params = 2),
	ODD("another hash", ERR_UNSUPPORTED, .hash = OID_NONE),
	ODD("a hash too short", ERR_INVALID, .name_hash = 19),
	ODD("a hash too long", ERR_INVALID, .key_hash = 32),
	ODD("SHA-256 of 20 bytes", ERR_INVALID, .hash = OID_SHA256),
	ODD("a nonce of one byte", OK, .nonce = 1),
	ODD("a nonce of 128", OK, .nonce = 128),
	ODD("an empty nonce", ERR_INVALID, .nonce = 0),
	ODD("a nonce of 129", ERR_INVALID, .nonce = 129),
	ODD("two nonces", ERR_INVALID, .nonce = 16, .nonces = 2),
	ODD("no certificate", ERR_INVALID, .certs = 0),
	ODD("32 certificates", OK, .certs = 32),
	ODD("33", ERR_TOO_LARGE, .certs = 33),
	ODD("200", ERR_TOO_LARGE, .certs = 200),
};
#pragma GCC diagnostic pop

static void test_odd_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(odds); i++) {
		AUTO(buf_wipe) struct buf out = { .max = 1 << 17 };
		struct ocsp_request r;
		enum err e;

		odd_request(&out, &odds[i]);
		e = parse(span_of(out.p, out.len), &r);
		if (e != odds[i].want)
			print_error("%s: %s\n", odds[i].what, err_name(e));
		assert_int_equal(e, odds[i].want);
	}
}

static const int64_t NOW = 1767323045; /* 2026-01-02T03:04:05Z */

/* An answer about `count` certificates: good, revoked (each reason), unknown in turn.
 * ders: what id.der borrows from. */
static void basic_of(struct ocsp_basic *b, unsigned count, int64_t now,
		     struct span ders[OCSP_CERTS_MAX])
{
	static const unsigned reasons[] = { 0, 1, 2, 3, 4, 5, 6, 9, 10 };

	*b = (struct ocsp_basic){ .produced_at = now, .count = count };
	memcpy(b->responder, world.ocsp_id, sizeof b->responder);
	for (unsigned i = 0; i < count; i++) {
		struct serial s = serial_of(i + 1);
		struct ocsp_single *one = &b->single[i];

		ders[i] = id_der(i % 2 ? EVP_sha256() : EVP_sha1(), &s);
		one->id.der = ders[i];
		one->status = (enum ocsp_cert_status)(i % 3);
		one->this_update = now - 60;
		one->next_update = now + 600;
		if (one->status != OCSP_REVOKED)
			continue;
		one->revoked_at = now - 3600 - i;
		one->reason = reasons[i / 3 % NELEM(reasons)];
	}
}

static void basic_wipe(const struct ocsp_basic *b, struct span *ders)
{
	for (unsigned i = 0; i < b->count; i++)
		span_free(ders[i]);
}

static void same_basic(const struct ocsp_basic *a, const struct ocsp_basic *b)
{
	assert_memory_equal(a->responder, b->responder, sizeof a->responder);
	assert_int_equal(a->produced_at, b->produced_at);
	assert_int_equal(a->count, b->count);
	assert_true(span_equal(a->nonce, b->nonce));
	for (unsigned i = 0; i < a->count; i++) {
		const struct ocsp_single *x = &a->single[i], *y = &b->single[i];

		assert_true(span_equal(x->id.der, y->id.der));
		assert_int_equal(x->status, y->status);
		assert_int_equal(x->revoked_at, y->revoked_at);
		assert_int_equal(x->reason, y->reason);
		assert_int_equal(x->this_update, y->this_update);
		assert_int_equal(x->next_update, y->next_update);
	}
}

static void test_data_comes_back(void **state)
{
	uint8_t nonce[OCSP_NONCE_MAX] = { 7 };

	(void)state;
	for (unsigned count = 1; count <= OCSP_CERTS_MAX; count++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
		struct span ders[OCSP_CERTS_MAX];
		struct ocsp_basic b, back;
		struct fault f;

		basic_of(&b, count, NOW, ders);
		if (count % 2)
			b.nonce = span_of(nonce,
					  MIN(4 * count, OCSP_NONCE_MAX + 0u));
		assert_int_equal(ocsp_data_build(&b, &out), OK);
		assert_int_equal(
			ocsp_data_parse(span_of(out.p, out.len), &back, &f),
			OK);
		same_basic(&b, &back);
		assert_int_equal(back.single[0].id.serial.n, SERIAL_SIZE);
		basic_wipe(&b, ders);
	}
}

/* One encoding: whatever is read, built again, is the same bytes; cuts are none. */
static void test_cuts_and_changes_of_data(void **state)
{
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	uint64_t seed = unit_seed();
	struct span ders[OCSP_CERTS_MAX];
	struct ocsp_basic b, back;
	struct fault f;

	(void)state;
	basic_of(&b, 4, NOW, ders);
	b.nonce = span_str("0123456789abcdef");
	assert_int_equal(ocsp_data_build(&b, &out), OK);
	for (size_t i = 0; i < out.len; i++) {
		uint8_t *cut = xmemdup(out.p, i);

		assert_int_equal(ocsp_data_parse(span_of(cut, i), &back, &f),
				 ERR_INVALID);
		assert_true(f.text[0]);
		free(cut);
	}
	for (int i = 0; i < 20000; i++) {
		AUTO(buf_wipe) struct buf again = { .max = OCSP_RESPONSE_MAX };
		uint8_t *copy = xmemdup(out.p, out.len);

		copy[unit_below(&seed, out.len)] = (uint8_t)unit_next(&seed);
		if (ocsp_data_parse(span_of(copy, out.len), &back, NULL) ==
		    OK) {
			assert_int_equal(ocsp_data_build(&back, &again), OK);
			assert_int_equal(again.len, out.len);
			assert_memory_equal(again.p, copy, out.len);
		}
		free(copy);
	}
	basic_wipe(&b, ders);
}

static void test_wrong_data_is_not_built(void **state)
{
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	struct span ders[OCSP_CERTS_MAX];
	struct ocsp_basic good, b;
	uint8_t nonce[OCSP_NONCE_MAX + 1] = { 0 };
	static const unsigned bad_reasons[] = { 7, 8, 11, 255, 256 };

	(void)state;
	basic_of(&good, 3, NOW, ders);
	for (size_t i = 0; i < NELEM(bad_reasons); i++) {
		b = good;
		b.single[1].reason = bad_reasons[i];
		assert_int_equal(ocsp_data_build(&b, &out), ERR_INVALID);
	}
	b = good;
	b.count = 0;
	assert_int_equal(ocsp_data_build(&b, &out), ERR_INVALID);
	b.count = OCSP_CERTS_MAX + 1;
	assert_int_equal(ocsp_data_build(&b, &out), ERR_INVALID);
	b = good;
	b.single[2].next_update = b.single[2].this_update;
	assert_int_equal(ocsp_data_build(&b, &out), ERR_INVALID);
	b = good;
	b.single[0].id.der = span_of(NULL, 0);
	assert_int_equal(ocsp_data_build(&b, &out), ERR_INVALID);
	b = good;
	b.nonce = span_of(nonce, sizeof nonce);
	assert_int_equal(ocsp_data_build(&b, &out), ERR_INVALID);
	b.nonce = span_of(nonce, 0);
	assert_int_equal(ocsp_data_build(&b, &out), ERR_INVALID);
	basic_wipe(&good, ders);
}

/* Replaces the one place where `from` stands in data. */
static void swap(struct buf *data, const char *from, const char *to, size_t n)
{
	uint8_t *at = memmem(data->p, data->len, from, n);

	assert_non_null(at);
	memcpy(at, to, n);
}

/* What the signer must see: answers of a form that is not made here. */
static void test_foreign_data_is_refused(void **state)
{
	static const struct {
		const char *from, *to;
		size_t n;
	} swaps[] = {
		{ "\x80\x00\x18", "\x81\x00\x18", 3 }, /* good */
		{ "\xa0\x03\x0a\x01\x01", "\xa0\x03\x0a\x01\x00", 5 },
		{ "\xa0\x03\x0a\x01\x01", "\xa0\x03\x0a\x01\x07", 5 },
		{ "\xa0\x03\x0a\x01\x01", "\xa0\x03\x0a\x01\x08", 5 },
		{ "\xa0\x03\x0a\x01\x01", "\xa0\x03\x0a\x01\x0b", 5 },
		{ "\xa0\x03\x0a\x01\x01", "\xa0\x03\x02\x01\x01", 5 },
		{ "\xa2\x16\x04\x14", "\xa1\x16\x04\x14", 4 }, /* byName */
		{ "\x30\x01\x02", "\x30\x01\x09", 3 },         /* id-pkix… */
		{ "20260102030405Z", "20260102030460Z", 15 },
		{ "20260102030405Z", "20260102030405z", 15 },
		{ "\xa0\x11\x18\x0f", "\xa1\x11\x18\x0f", 4 },
	};
	struct span ders[OCSP_CERTS_MAX];
	struct ocsp_basic b, back;

	(void)state;
	basic_of(&b, 6, NOW, ders);
	b.nonce = span_str("0123456789abcdef");
	b.single[1].reason = 1;
	for (size_t i = 0; i < NELEM(swaps); i++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
		struct fault f;

		assert_int_equal(ocsp_data_build(&b, &out), OK);
		swap(&out, swaps[i].from, swaps[i].to, swaps[i].n);
		if (ocsp_data_parse(span_of(out.p, out.len), &back, &f) == OK)
			print_error("swap %zu was taken\n", i);
		assert_int_equal(
			ocsp_data_parse(span_of(out.p, out.len), &back, &f),
			ERR_INVALID);
	}
	basic_wipe(&b, ders);
}

/* data, signed by the delegated key. */
static void response_of(const struct ocsp_basic *b, struct buf *out)
{
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	struct span sig, cert = span_of(world.ocsp_der, world.ocsp_der_n);
	uint8_t room[600];

	assert_int_equal(ocsp_data_build(b, &data), OK);
	sig = pki_sign(world.ocsp_key, EVP_sha256(), span_of(data.p, data.len),
		       room);
	assert_int_equal(ocsp_response_join(span_of(data.p, data.len),
					    SIG_ECDSA_SHA256, sig, cert, out),
			 OK);
}

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *t)
{
	struct tm tm = { 0 };

	assert_non_null(t);
	assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
	return timegm(&tm);
}

/* libcrypto finds the single answer and reads what we said. */
static void same_single(OCSP_BASICRESP *basic, int i,
			const struct ocsp_single *want)
{
	static const int status[] = { V_OCSP_CERTSTATUS_GOOD,
				      V_OCSP_CERTSTATUS_REVOKED,
				      V_OCSP_CERTSTATUS_UNKNOWN };
	ASN1_GENERALIZEDTIME *revoked, *this_update, *next_update;
	const uint8_t *p = want->id.der.p;
	OCSP_CERTID *id = d2i_OCSP_CERTID(NULL, &p, (long)want->id.der.n);
	int reason = -9, got;

	assert_non_null(id);
	assert_int_equal(OCSP_resp_find(basic, id, -1), i);
	got = OCSP_single_get0_status(OCSP_resp_get0(basic, i), &reason,
				      &revoked, &this_update, &next_update);
	assert_int_equal(got, status[want->status]);
	assert_int_equal(seconds_of(this_update), want->this_update);
	assert_int_equal(seconds_of(next_update), want->next_update);
	if (want->status == OCSP_REVOKED) {
		assert_int_equal(seconds_of(revoked), want->revoked_at);
		assert_int_equal(reason, want->reason ? (int)want->reason : -1);
	}
	OCSP_CERTID_free(id);
}

static void verify(OCSP_BASICRESP *basic)
{
	X509_STORE *store = X509_STORE_new();

	X509_STORE_add_cert(store, world.ca);
	assert_int_equal(OCSP_basic_verify(basic, NULL, store, 0), 1);
	X509_STORE_free(store);
}

static void same_responder(OCSP_BASICRESP *basic)
{
	const ASN1_OCTET_STRING *by_key;
	const X509_NAME *by_name;

	assert_int_equal(OCSP_resp_get0_id(basic, &by_key, &by_name), 1);
	assert_null(by_name);
	same_octets(span_of(world.ocsp_id, 20), by_key);
	assert_int_equal(sk_X509_num(OCSP_resp_get0_certs(basic)), 1);
}

static void test_libcrypto_agrees_on_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
		unsigned count = i < 4 ? 3 : OCSP_CERTS_MAX;
		OCSP_REQUEST *q = request_of(count, i % 2, false);
		struct span ders[OCSP_CERTS_MAX], der = req_der(q);
		struct ocsp_request r;
		struct ocsp_basic b;
		OCSP_RESPONSE *resp;
		OCSP_BASICRESP *basic;
		const uint8_t *p;

		basic_of(&b, count, clock_wall() + (i & 2 ? -3 : 0), ders);
		assert_int_equal(parse(der, &r), OK);
		b.nonce = r.nonce;
		for (unsigned k = 0; k < count; k++)
			b.single[k].id = r.id[k];
		response_of(&b, &out);
		p = out.p;
		resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.len);
		assert_non_null(resp);
		assert_ptr_equal(p, out.p + out.len);
		assert_int_equal(OCSP_response_status(resp), 0);
		basic = OCSP_response_get1_basic(resp);
		assert_non_null(basic);
		verify(basic);
		same_responder(basic);
		assert_int_equal(seconds_of(OCSP_resp_get0_produced_at(basic)),
				 b.produced_at);
		/* 1: equal nonces, 2: both have none */
		assert_int_equal(OCSP_check_nonce(q, basic), i % 2 ? 1 : 2);
		assert_int_equal(OCSP_resp_count(basic), count);
		for (unsigned k = 0; k < count; k++)
			same_single(basic, (int)k, &b.single[k]);
		OCSP_BASICRESP_free(basic);
		OCSP_RESPONSE_free(resp);
		OCSP_REQUEST_free(q);
		span_free(der);
		basic_wipe(&b, ders);
	}
}

static void test_a_changed_answer_does_not_verify(void **state)
{
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	X509_STORE *store = X509_STORE_new();
	struct span ders[OCSP_CERTS_MAX];
	OCSP_BASICRESP *basic;
	struct ocsp_basic b;
	OCSP_RESPONSE *resp;
	const uint8_t *p;

	(void)state;
	basic_of(&b, 2, clock_wall(), ders);
	response_of(&b, &out);
	swap(&out, "\xa1\x11\x18\x0f\x32", "\xa1\x11\x18\x0f\x31", 5);
	p = out.p;
	resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.len);
	assert_non_null(resp);
	basic = OCSP_response_get1_basic(resp);
	X509_STORE_add_cert(store, world.ca);
	assert_int_not_equal(OCSP_basic_verify(basic, NULL, store, 0), 1);
	X509_STORE_free(store);
	OCSP_BASICRESP_free(basic);
	OCSP_RESPONSE_free(resp);
	basic_wipe(&b, ders);
}

static void test_error_answers(void **state)
{
	static const enum ocsp_status all[] = { OCSP_MALFORMED, OCSP_INTERNAL,
						OCSP_TRY_LATER,
						OCSP_UNAUTHORIZED };
	AUTO(buf_wipe) struct buf none = { .max = 64 };

	(void)state;
	for (size_t i = 0; i < NELEM(all); i++) {
		AUTO(buf_wipe) struct buf out = { .max = 64 };
		const uint8_t *p;
		OCSP_RESPONSE *resp;

		assert_int_equal(ocsp_error(all[i], &out), OK);
		p = out.p;
		resp = d2i_OCSP_RESPONSE(NULL, &p, (long)out.len);
		assert_non_null(resp);
		assert_int_equal(OCSP_response_status(resp), all[i]);
		assert_null(OCSP_response_get1_basic(resp));
		OCSP_RESPONSE_free(resp);
	}
	assert_int_equal(ocsp_error(OCSP_OK, &none), ERR_INVALID);
	assert_int_equal(none.len, 0);
}

/* ca.pem, ocsp.pem, leaf.pem and answer.der about the leaf lie in the folder. */
static void files_of(enum ocsp_cert_status status)
{
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	X509 *leaf = pki_cert("leaf", world.ocsp_key, world.ca, 1234567);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), leaf, world.ca);
	struct ocsp_basic b = { .produced_at = clock_wall(), .count = 1 };
	uint8_t *der = NULL;
	int n = i2d_OCSP_CERTID(id, &der);

	(void)serial;
	assert_true(n > 0);
	assert_true(X509_sign(leaf, world.ca_key, EVP_sha256()) > 0);
	memcpy(b.responder, world.ocsp_id, 20);
	b.single[0] = (struct ocsp_single){
		.id.der = span_of(der, (size_t)n),
		.status = status,
		.revoked_at = b.produced_at - 100,
		.reason = 1,
		.this_update = b.produced_at,
		.next_update = b.produced_at + 600,
	};
	response_of(&b, &out);
	pki_write(&world, "answer.der", out.p, out.len);
	pki_write_pem(&world, "leaf.pem", leaf);
	OPENSSL_free(der);
	OCSP_CERTID_free(id);
	X509_free(leaf);
}

static void test_the_openssl_command_reads_answers(void **state)
{
	static const char *const says[] = { "leaf.pem: good",
					    "leaf.pem: revoked",
					    "leaf.pem: unknown" };

	(void)state;
	if (!pki_has("openssl"))
		return;
	for (int i = 0; i < 3; i++) {
		files_of((enum ocsp_cert_status)i);
		pki_says(&world,
			 "openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce "
			 "-CAfile ca.pem -respin answer.der",
			 says[i]);
		pki_says(&world,
			 "openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce "
			 "-CAfile ca.pem -respin answer.der",
			 "Response verify OK");
	}
	files_of(OCSP_REVOKED);
	pki_says(&world,
		 "openssl ocsp -issuer ca.pem -cert leaf.pem -no_nonce "
		 "-CAfile ca.pem -respin answer.der",
		 "Reason: keyCompromise");
}

static void test_gnutls_reads_answers(void **state)
{
	static const char *const says[] = { "Certificate Status: good",
					    "Certificate Status: revoked",
					    "Certificate Status: unknown" };

	(void)state;
	if (!pki_has("ocsptool"))
		return;
	for (int i = 0; i < 3; i++) {
		files_of((enum ocsp_cert_status)i);
		pki_says(&world,
			 "ocsptool --response-info --inder --infile answer.der",
			 says[i]);
		pki_says(&world,
			 "ocsptool --verify-response --inder --load-trust "
			 "ca.pem --infile answer.der",
			 "Success");
	}
}

static void test_reads_what_programs_ask(void **state)
{
	static const char *const commands[] = {
		"openssl ocsp -issuer ca.pem -cert leaf.pem -reqout q.der",
		"openssl ocsp -sha256 -issuer ca.pem -cert leaf.pem -no_nonce "
		"-serial 0x0102 -reqout q.der",
		"ocsptool --generate-request --load-issuer ca.pem --load-cert "
		"leaf.pem --outder --outfile q.der",
	};
	char path[128], said[4096];

	(void)state;
	if (!pki_has("openssl") || !pki_has("ocsptool"))
		return;
	files_of(OCSP_GOOD);
	snprintf(path, sizeof path, "%s/q.der", world.folder);
	for (size_t i = 0; i < NELEM(commands); i++) {
		uint8_t der[OCSP_REQUEST_MAX];
		struct ocsp_request r;
		FILE *in;
		size_t n;

		assert_int_equal(
			pki_run(&world, commands[i], said, sizeof said), 0);
		in = fopen(path, "r");
		assert_non_null(in);
		n = fread(der, 1, sizeof der, in);
		fclose(in);
		assert_int_equal(parse(span_of(der, n), &r), OK);
		assert_int_equal(r.count, i == 1 ? 2 : 1);
		assert_true(!r.nonce.p == (i != 0));
		assert_int_equal(r.id[0].hash,
				 i == 1 ? OCSP_SHA256 : OCSP_SHA1);
	}
}

/* Not a limit that a busy machine could miss: told, so that it can be seen. */
static void test_tells_what_an_answer_costs(void **state)
{
	enum {
		ROUNDS = 100000
	};
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };
	struct span cert = span_of(world.ocsp_der, world.ocsp_der_n);
	struct span ders[OCSP_CERTS_MAX];
	struct ocsp_basic b, back;
	uint8_t sig[72] = { 0 };
	uint64_t t, built;

	(void)state;
	basic_of(&b, 1, NOW, ders);
	b.nonce = span_str("0123456789abcdef0123456789abcdef");
	t = clock_boot();
	for (int i = 0; i < ROUNDS; i++) {
		buf_clear(&data);
		buf_clear(&out);
		assert_int_equal(ocsp_data_build(&b, &data), OK);
		assert_int_equal(ocsp_response_join(span_of(data.p, data.len),
						    SIG_ECDSA_SHA256,
						    span_of(sig, sizeof sig),
						    cert, &out),
				 OK);
	}
	built = clock_boot() - t;
	t = clock_boot();
	for (int i = 0; i < ROUNDS; i++)
		assert_int_equal(
			ocsp_data_parse(span_of(data.p, data.len), &back, NULL),
			OK);
	print_message("data and response: %llu ns, reading data: %llu ns\n",
		      (unsigned long long)built / ROUNDS,
		      (unsigned long long)(clock_boot() - t) / ROUNDS);
	basic_wipe(&b, ders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_libcrypto_asks),
		cmocka_unit_test(test_the_issuer_is_known_by_both_hashes),
		cmocka_unit_test(test_every_cut_of_a_request_is_refused),
		cmocka_unit_test(test_changed_bytes_do_no_harm),
		cmocka_unit_test(test_odd_requests),
		cmocka_unit_test(test_data_comes_back),
		cmocka_unit_test(test_cuts_and_changes_of_data),
		cmocka_unit_test(test_wrong_data_is_not_built),
		cmocka_unit_test(test_foreign_data_is_refused),
		cmocka_unit_test(test_libcrypto_agrees_on_answers),
		cmocka_unit_test(test_a_changed_answer_does_not_verify),
		cmocka_unit_test(test_error_answers),
		cmocka_unit_test(test_the_openssl_command_reads_answers),
		cmocka_unit_test(test_gnutls_reads_answers),
		cmocka_unit_test(test_reads_what_programs_ask),
		cmocka_unit_test(test_tells_what_an_answer_costs),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
