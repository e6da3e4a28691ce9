/* lib/ocsp: requests made by libcrypto and by hand, and ResponseData, are read to the
 * byte, and what is none is refused. */
#include "tests/unit/ocsp_world.h"

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

/* Not only after the message: after the last field of each of its parts. */
static void test_nothing_more_is_taken_in_any_part(void **state)
{
	AUTO(buf_wipe) struct buf q = { .max = 1 << 17 };
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	struct span ders[OCSP_CERTS_MAX];
	struct ocsp_basic b, back;
	struct odd everything = odds[0];
	struct ocsp_request r;
	int i, left = -1;

	(void)state;
	everything.requestor = DER_CTX | 2;
	everything.version = 0;
	everything.unknown = everything.unknown_single = 1;
	everything.nonce = 16;
	odd_request(&q, &everything);
	for (i = 0; left < 0; i++) {
		AUTO(buf_wipe) struct buf out = { .max = 1 << 17 };

		left = i;
		swell(rd_from(q.p, q.len), &left, &out);
		assert_int_equal(parse(span_of(out.p, out.len), &r),
				 left < 0 ? ERR_INVALID : OK);
	}
	/* request, tbs, [0], [1], list, one, CertID, algorithm, and [0] and [2] of
	 * extensions with one and two of them */
	assert_int_equal(i - 1, 15);
	basic_of(&b, 3, NOW, ders);
	b.single[1].reason = 1;
	b.nonce = span_str("0123456789abcdef");
	assert_int_equal(ocsp_data_build(&b, &data), OK);
	for (i = 0, left = -1; left < 0; i++) {
		AUTO(buf_wipe) struct buf out = { .max = OCSP_RESPONSE_MAX };

		left = i;
		swell(rd_from(data.p, data.len), &left, &out);
		assert_int_equal(
			ocsp_data_parse(span_of(out.p, out.len), &back, NULL),
			left < 0 ? ERR_INVALID : OK);
	}
	basic_wipe(&b, ders);
}

static void test_a_signature_is_one_value(void **state)
{
	OCSP_REQUEST *q = request_of(1, false, true);
	struct span der = req_der(q);
	struct rd r = span_rd(der), body, sig, value;
	AUTO(buf_wipe) struct buf out = { .max = OCSP_REQUEST_MAX };
	struct ocsp_request back;
	struct span tbs;
	size_t seq, outer;

	(void)state;
	assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
	assert_int_equal(der_whole(&body, DER_SEQ, &tbs), OK);
	assert_int_equal(der_get(&body, DER_CTX_SEQ | 0, &sig), OK);
	assert_int_equal(der_get(&sig, DER_SEQ, &value), OK);
	for (int more = 0; more < 2; more++) {
		buf_clear(&out);
		assert_int_equal(der_begin(&out, DER_SEQ, &seq), OK);
		assert_int_equal(der_put_raw(&out, tbs), OK);
		assert_int_equal(der_begin(&out, DER_CTX_SEQ | 0, &outer), OK);
		assert_int_equal(
			der_put(&out, DER_SEQ, value.p, rd_left(&value)), OK);
		if (more)
			assert_int_equal(der_put_null(&out), OK);
		assert_int_equal(der_end(&out, outer), OK);
		assert_int_equal(der_end(&out, seq), OK);
		assert_int_equal(parse(span_of(out.p, out.len), &back),
				 more ? ERR_INVALID : OK);
	}
	span_free(der);
	OCSP_REQUEST_free(q);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_libcrypto_asks),
		cmocka_unit_test(test_the_issuer_is_known_by_both_hashes),
		cmocka_unit_test(test_every_cut_of_a_request_is_refused),
		cmocka_unit_test(test_changed_bytes_do_no_harm),
		cmocka_unit_test(test_odd_requests),
		cmocka_unit_test(test_nothing_more_is_taken_in_any_part),
		cmocka_unit_test(test_a_signature_is_one_value),
		cmocka_unit_test(test_data_comes_back),
		cmocka_unit_test(test_cuts_and_changes_of_data),
		cmocka_unit_test(test_wrong_data_is_not_built),
		cmocka_unit_test(test_foreign_data_is_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
