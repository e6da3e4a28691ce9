/* OCSP requests (RFC 6960 section 4.1), as strangers send them; run by the issuer.
 * Holds nothing. DER is read strictly, what it says with patience: a version that
 * need not be said, parameters of a hash or none, any name, any signature. */
#include "lib/ocsp_id.h"

#include <openssl/evp.h>
#include <string.h>

enum {
	SERIAL_OCTETS_MAX = 21, /* 20 and a sign (RFC 5280 4.1.2.2) */
	GENERAL_NAME_MAX = 8,   /* the last of GeneralName's choices */
};

enum err ocsp_fail(enum err e, const char *what, struct fault *f)
{
	if (e == OK || (f && f->text[0]))
		return e;
	return fault_set(f, e, "%s", what);
}

static enum err hash_get(struct rd *r, enum ocsp_hash *hash, struct fault *f)
{
	struct rd alg;
	enum oid o;

	TRY(der_get(r, DER_SEQ, &alg));
	TRY(oid_get(&alg, &o));
	if (o != OID_SHA1 && o != OID_SHA256)
		return fault_set(f, ERR_UNSUPPORTED,
				 "a CertID has a hash that is neither SHA-1 "
				 "nor SHA-256");
	if (rd_left(&alg))
		TRY(der_null(&alg));
	TRY(rd_end(&alg));
	*hash = o == OID_SHA1 ? OCSP_SHA1 : OCSP_SHA256;
	return OK;
}

/* Any INTEGER: zero and negative ones were never issued, which is an answer too. Kept
 * whole, neither looks like a serial number of ours. */
static enum err serial_get(struct rd *r, struct span *serial)
{
	struct span s;

	TRY(der_span(r, DER_INTEGER, &s));
	if (!s.n || s.n > SERIAL_OCTETS_MAX)
		return ERR_INVALID;
	if (s.n > 1 && ((!s.p[0] && !(s.p[1] & 0x80)) ||
			(s.p[0] == 0xff && s.p[1] & 0x80)))
		return ERR_INVALID;
	if (s.n > 1 && !s.p[0])
		s = span_of(s.p + 1, s.n - 1);
	*serial = s;
	return OK;
}

enum err ocsp_id_get(struct rd *r, struct ocsp_id *id, struct fault *f)
{
	struct rd all = *r, body;
	size_t size;

	TRY(der_whole(r, DER_SEQ, &id->der));
	TRY(der_get(&all, DER_SEQ, &body));
	TRY(hash_get(&body, &id->hash, f));
	TRY(der_span(&body, DER_OCTETS, &id->name_hash));
	TRY(der_span(&body, DER_OCTETS, &id->key_hash));
	TRY(serial_get(&body, &id->serial));
	TRY(rd_end(&body));
	size = id->hash == OCSP_SHA1 ? 20 : 32;
	if (id->name_hash.n == size && id->key_hash.n == size)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "a CertID has hashes of %zu and %zu bytes, not %zu",
			 id->name_hash.n, id->key_hash.n, size);
}

enum err ocsp_nonce_get(struct span value, struct span *nonce, struct fault *f)
{
	struct rd r = span_rd(value);
	struct span n;

	TRY(der_span(&r, DER_OCTETS, &n));
	TRY(rd_end(&r));
	if (n.n < OCSP_NONCE_MIN || n.n > OCSP_NONCE_MAX)
		return fault_set(f, ERR_INVALID,
				 "a nonce of %zu bytes: it has %d to %d", n.n,
				 OCSP_NONCE_MIN, OCSP_NONCE_MAX);
	*nonce = n;
	return OK;
}

/* One Extension; nonce NULL where none belongs. */
static enum err extension_get(struct rd *r, struct span *nonce, struct fault *f)
{
	bool critical = false;
	struct span value;
	struct rd body;
	enum oid o;

	TRY(der_get(r, DER_SEQ, &body));
	TRY(oid_get(&body, &o));
	if (der_is(&body, DER_BOOLEAN))
		TRY(der_bool(&body, &critical));
	TRY(der_span(&body, DER_OCTETS, &value));
	TRY(rd_end(&body));
	if (nonce && o == OID_OCSP_NONCE) {
		if (nonce->p)
			return fault_set(f, ERR_INVALID,
					 "an OCSP request has two nonces");
		return ocsp_nonce_get(value, nonce, f);
	}
	if (critical)
		return fault_set(
			f, ERR_INVALID,
			"an OCSP request has a critical extension that "
			"is not known here");
	return OK;
}

/* [tag] EXPLICIT Extensions OPTIONAL. */
static enum err extensions_get(struct rd *r, unsigned tag, struct span *nonce,
			       struct fault *f)
{
	struct rd outer, list;
	bool there;

	TRY(der_opt(r, tag, &there, &outer));
	if (!there)
		return OK;
	TRY(der_get(&outer, DER_SEQ, &list));
	TRY(rd_end(&outer));
	do
		TRY(extension_get(&list, nonce, f));
	while (rd_left(&list));
	return OK;
}

static enum err list_get(struct rd *r, struct ocsp_request *q, struct fault *f)
{
	struct rd list, one;

	TRY(der_get(r, DER_SEQ, &list));
	if (!rd_left(&list))
		return fault_set(f, ERR_INVALID,
				 "an OCSP request asks for no certificate");
	while (rd_left(&list)) {
		if (q->count == OCSP_CERTS_MAX)
			return fault_set(f, ERR_TOO_LARGE,
					 "an OCSP request asks for over %d "
					 "certificates",
					 OCSP_CERTS_MAX);
		TRY(der_get(&list, DER_SEQ, &one));
		TRY(ocsp_id_get(&one, &q->id[q->count], f));
		TRY(extensions_get(&one, DER_CTX_SEQ | 0, NULL, f));
		TRY(rd_end(&one));
		q->count++;
	}
	return OK;
}

static enum err version_get(struct rd *r)
{
	bool there;
	uint64_t v;
	struct rd body;

	TRY(der_opt(r, DER_CTX_SEQ | 0, &there, &body));
	if (!there)
		return OK;
	TRY(der_u64(&body, DER_INTEGER, 0, &v));
	return rd_end(&body);
}

/* Read and forgotten: without a signature it proves nothing (RFC 9919), and a
 * signature is not looked at. */
static enum err requestor_get(struct rd *r)
{
	struct rd name, body;
	struct span whole;
	unsigned tag;
	bool there;

	TRY(der_opt(r, DER_CTX_SEQ | 1, &there, &name));
	if (!there)
		return OK;
	TRY(der_any(&name, &tag, &body, &whole));
	if (!(tag & DER_CTX) || tag & 0x40 || (tag & 0x1f) > GENERAL_NAME_MAX)
		return ERR_INVALID;
	return rd_end(&name);
}

static enum err request_get(struct rd *r, struct ocsp_request *q,
			    struct fault *f)
{
	struct rd request, tbs, sig;
	struct span whole;
	bool is_signed;

	TRY(der_get(r, DER_SEQ, &request));
	TRY(rd_end(r));
	TRY(der_get(&request, DER_SEQ, &tbs));
	TRY(version_get(&tbs));
	TRY(requestor_get(&tbs));
	TRY(list_get(&tbs, q, f));
	TRY(extensions_get(&tbs, DER_CTX_SEQ | 2, &q->nonce, f));
	TRY(rd_end(&tbs));
	TRY(der_opt(&request, DER_CTX_SEQ | 0, &is_signed, &sig));
	if (is_signed) {
		TRY(der_whole(&sig, DER_SEQ, &whole));
		TRY(rd_end(&sig));
	}
	return rd_end(&request);
}

enum err ocsp_request_parse(struct span der, struct ocsp_request *r,
			    struct fault *f)
{
	struct rd at = span_rd(der);

	r->count = 0;
	r->nonce = (struct span){ .p = NULL };
	if (der.n > OCSP_REQUEST_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "an OCSP request of %zu bytes: %d are taken",
				 der.n, OCSP_REQUEST_MAX);
	if (f)
		f->text[0] = 0;
	return ocsp_fail(request_get(&at, r, f),
			 "the OCSP request is not what RFC 6960 has", f);
}

static void digest(const EVP_MD *md, struct span s, uint8_t *out)
{
	ENSURE(EVP_Digest(s.p, s.n, out, NULL, md, NULL) == 1);
}

void ocsp_issuer_make(struct span name_der, const struct pubkey *key,
		      struct ocsp_issuer *out)
{
	digest(EVP_sha1(), name_der, out->sha1_name);
	digest(EVP_sha1(), key->key, out->sha1_key);
	digest(EVP_sha256(), name_der, out->sha256_name);
	digest(EVP_sha256(), key->key, out->sha256_key);
}

enum err ocsp_id_put(struct buf *b, enum ocsp_hash hash,
		     const struct ocsp_issuer *i, struct span serial)
{
	bool old = hash == OCSP_SHA1;
	size_t id, alg;

	TRY(der_begin(b, DER_SEQ, &id));
	TRY(der_begin(b, DER_SEQ, &alg));
	TRY(oid_put(b, old ? OID_SHA1 : OID_SHA256));
	TRY(der_put_null(b));
	TRY(der_end(b, alg));
	TRY(der_put_span(b, DER_OCTETS,
			 old ? span_of(i->sha1_name, sizeof i->sha1_name)
			     : span_of(i->sha256_name, sizeof i->sha256_name)));
	TRY(der_put_span(b, DER_OCTETS,
			 old ? span_of(i->sha1_key, sizeof i->sha1_key)
			     : span_of(i->sha256_key, sizeof i->sha256_key)));
	TRY(der_put_uint(b, serial));
	return der_end(b, id);
}

bool ocsp_issuer_is(const struct ocsp_issuer *i, const struct ocsp_id *id)
{
	if (id->hash == OCSP_SHA1)
		return span_equal(id->name_hash, span_of(i->sha1_name, 20)) &&
		       span_equal(id->key_hash, span_of(i->sha1_key, 20));
	return span_equal(id->name_hash, span_of(i->sha256_name, 32)) &&
	       span_equal(id->key_hash, span_of(i->sha256_key, 32));
}
