/* What the tests of OCSP share: a world, requests made by libcrypto, what we say of
 * certificates. */
#ifndef TESTS_UNIT_OCSP_WORLD_H
#define TESTS_UNIT_OCSP_WORLD_H

#include "lib/clock.h"
#include "lib/ocsp.h"
#include "tests/unit/pki_world.h"

#include <openssl/ocsp.h>

static struct pki world;

static inline int begin(void **state)
{
	(void)state;
	pki_open(&world);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	pki_close(&world);
	return 0;
}

static inline struct serial serial_of(uint64_t number)
{
	uint8_t tail[SERIAL_TAIL];
	struct serial s;

	for (size_t i = 0; i < sizeof tail; i++)
		tail[i] = (uint8_t)(0xf0 + i + number);
	serial_make(1, number, tail, &s);
	return s;
}

/* libcrypto's CertID for a serial under the world's CA. */
static inline OCSP_CERTID *id_new(const EVP_MD *md, const uint8_t *serial,
				  size_t n)
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
static inline struct span id_der(const EVP_MD *md, const struct serial *s)
{
	OCSP_CERTID *id = id_new(md, s->b, SERIAL_SIZE);
	uint8_t *der = NULL;
	int n = i2d_OCSP_CERTID(id, &der);

	assert_true(n > 0);
	OCSP_CERTID_free(id);
	return span_of(der, (size_t)n);
}

static inline struct span req_der(OCSP_REQUEST *q)
{
	uint8_t *der = NULL;
	int n = i2d_OCSP_REQUEST(q, &der);

	assert_true(n > 0);
	return span_of(der, (size_t)n);
}

static inline void span_free(struct span s)
{
	free((void *)(uintptr_t)s.p);
}

static inline enum err parse(struct span der, struct ocsp_request *r)
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

static inline void same_octets(struct span got, const ASN1_STRING *want)
{
	assert_int_equal(got.n, ASN1_STRING_length(want));
	assert_memory_equal(got.p, ASN1_STRING_get0_data(want), got.n);
}

static inline OCSP_REQUEST *request_of(unsigned certs, bool nonce, bool sign)
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

static const int64_t NOW = 1767323045; /* 2026-01-02T03:04:05Z */

/* An answer about `count` certificates: good, revoked (each reason), unknown in turn.
 * ders: what id.der borrows from. */
static inline void basic_of(struct ocsp_basic *b, unsigned count, int64_t now,
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

static inline void basic_wipe(const struct ocsp_basic *b, struct span *ders)
{
	for (unsigned i = 0; i < b->count; i++)
		span_free(ders[i]);
}

/* Replaces the one place where `from` stands in data. */
static inline void swap(struct buf *data, const char *from, const char *to,
			size_t n)
{
	uint8_t *at = memmem(data->p, data->len, from, n);

	assert_non_null(at);
	memcpy(at, to, n);
}

/* Writes der again with a NULL more at the end of its constructed value number *at;
 * *at is then counted down past 0. */
static inline void swell(struct rd r, int *at, struct buf *out)
{
	while (rd_left(&r)) {
		struct span whole;
		struct rd body;
		unsigned tag;
		size_t mark;
		bool here;

		assert_int_equal(der_any(&r, &tag, &body, &whole), OK);
		if (!(tag & 0x20)) {
			assert_int_equal(der_put_raw(out, whole), OK);
			continue;
		}
		here = (*at)-- == 0;
		assert_int_equal(der_begin(out, tag, &mark), OK);
		swell(body, at, out);
		if (here)
			assert_int_equal(der_put_null(out), OK);
		assert_int_equal(der_end(out, mark), OK);
	}
}

#endif
