/* ResponseData of OCSP (RFC 6960 section 4.2): made by the issuer, read back by the
 * signer before it signs. Holds nothing. One struct has one encoding: RFC 9919's
 * profile, byKey, nextUpdate always there, no extension but the nonce. Answers that
 * are signed live are made once a request, so nothing here calls OpenSSL. */
#include "lib/ocsp_id.h"

#include <string.h>

enum {
	TAG_GOOD = DER_CTX | 0,
	TAG_REVOKED = DER_CTX_SEQ | 1,
	TAG_UNKNOWN = DER_CTX | 2,
	REASON_HOLD = 6,
	REASON_PRIVILEGE = 9,
	REASON_LAST = 10,
};

/* Those of RFC 5280 that an answer can give: 7 is unused, removeFromCRL (8) belongs
 * to delta lists, unspecified (0) is left unsaid. */
static bool reason_ok(uint64_t reason)
{
	return (reason >= 1 && reason <= REASON_HOLD) ||
	       reason == REASON_PRIVILEGE || reason == REASON_LAST;
}

static enum err revoked_put(struct buf *b, const struct ocsp_single *s)
{
	size_t info, reason;

	if (s->reason && !reason_ok(s->reason))
		return ERR_INVALID;
	TRY(der_begin(b, TAG_REVOKED, &info));
	TRY(der_put_gtime(b, s->revoked_at));
	if (s->reason) {
		TRY(der_begin(b, DER_CTX_SEQ | 0, &reason));
		TRY(der_put_u64(b, DER_ENUM, s->reason));
		TRY(der_end(b, reason));
	}
	return der_end(b, info);
}

static enum err status_put(struct buf *b, const struct ocsp_single *s)
{
	switch (s->status) {
	case OCSP_GOOD:
		return der_put(b, TAG_GOOD, NULL, 0);
	case OCSP_REVOKED:
		return revoked_put(b, s);
	case OCSP_UNKNOWN:
		return der_put(b, TAG_UNKNOWN, NULL, 0);
	}
	return ERR_INVALID;
}

static enum err single_put(struct buf *b, const struct ocsp_single *s)
{
	size_t single, next;

	if (!s->id.der.n || s->next_update <= s->this_update)
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &single));
	TRY(der_put_raw(b, s->id.der));
	TRY(status_put(b, s));
	TRY(der_put_gtime(b, s->this_update));
	TRY(der_begin(b, DER_CTX_SEQ | 0, &next));
	TRY(der_put_gtime(b, s->next_update));
	TRY(der_end(b, next));
	return der_end(b, single);
}

enum err ocsp_nonce_put(struct buf *b, unsigned tag, struct span nonce)
{
	size_t outer, list, ext, value;

	if (nonce.n < OCSP_NONCE_MIN || nonce.n > OCSP_NONCE_MAX)
		return ERR_INVALID;
	TRY(der_begin(b, tag, &outer));
	TRY(der_begin(b, DER_SEQ, &list));
	TRY(der_begin(b, DER_SEQ, &ext));
	TRY(oid_put(b, OID_OCSP_NONCE));
	TRY(der_begin(b, DER_OCTETS, &value));
	TRY(der_put_span(b, DER_OCTETS, nonce));
	TRY(der_end(b, value));
	TRY(der_end(b, ext));
	TRY(der_end(b, list));
	return der_end(b, outer);
}

static enum err responder_put(struct buf *b, const uint8_t key[20])
{
	size_t by_key;

	TRY(der_begin(b, DER_CTX_SEQ | 2, &by_key));
	TRY(der_put(b, DER_OCTETS, key, 20));
	return der_end(b, by_key);
}

enum err ocsp_data_build(const struct ocsp_basic *d, struct buf *b)
{
	size_t data, list;

	if (!d->count || d->count > OCSP_CERTS_MAX)
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &data));
	TRY(responder_put(b, d->responder));
	TRY(der_put_gtime(b, d->produced_at));
	TRY(der_begin(b, DER_SEQ, &list));
	for (unsigned i = 0; i < d->count; i++)
		TRY(single_put(b, &d->single[i]));
	TRY(der_end(b, list));
	if (d->nonce.p)
		TRY(ocsp_nonce_put(b, DER_CTX_SEQ | 1, d->nonce));
	return der_end(b, data);
}

static enum err revoked_get(struct rd *r, struct ocsp_single *s,
			    struct fault *f)
{
	struct rd info, code;
	uint64_t reason = 0;
	bool there;

	TRY(der_get(r, TAG_REVOKED, &info));
	TRY(der_gtime(&info, &s->revoked_at));
	TRY(der_opt(&info, DER_CTX_SEQ | 0, &there, &code));
	if (there) {
		TRY(der_u64(&code, DER_ENUM, UINT8_MAX, &reason));
		TRY(rd_end(&code));
		if (!reason_ok(reason))
			return fault_set(f, ERR_INVALID,
					 "an OCSP answer gives the reason %u",
					 (unsigned)reason);
	}
	s->reason = (unsigned)reason;
	return rd_end(&info);
}

static enum err status_get(struct rd *r, struct ocsp_single *s, struct fault *f)
{
	struct span empty;

	s->revoked_at = 0;
	s->reason = 0;
	if (der_is(r, TAG_REVOKED)) {
		s->status = OCSP_REVOKED;
		return revoked_get(r, s, f);
	}
	if (der_is(r, TAG_GOOD)) {
		s->status = OCSP_GOOD;
		TRY(der_span(r, TAG_GOOD, &empty));
	} else {
		s->status = OCSP_UNKNOWN;
		TRY(der_span(r, TAG_UNKNOWN, &empty));
	}
	return empty.n ? ERR_INVALID : OK;
}

static enum err single_get(struct rd *r, struct ocsp_single *s, struct fault *f)
{
	struct rd body, next;

	TRY(der_get(r, DER_SEQ, &body));
	TRY(ocsp_id_get(&body, &s->id, f));
	TRY(status_get(&body, s, f));
	TRY(der_gtime(&body, &s->this_update));
	TRY(der_get(&body, DER_CTX_SEQ | 0, &next));
	TRY(der_gtime(&next, &s->next_update));
	TRY(rd_end(&next));
	TRY(rd_end(&body));
	if (s->next_update > s->this_update)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "an OCSP answer ends before it begins");
}

static enum err nonce_get(struct rd *r, struct span *nonce, struct fault *f)
{
	struct rd outer, list, ext;
	struct span value;
	bool there;
	enum oid o;

	*nonce = (struct span){ .p = NULL };
	TRY(der_opt(r, DER_CTX_SEQ | 1, &there, &outer));
	if (!there)
		return OK;
	TRY(der_get(&outer, DER_SEQ, &list));
	TRY(rd_end(&outer));
	TRY(der_get(&list, DER_SEQ, &ext));
	TRY(rd_end(&list));
	TRY(oid_get(&ext, &o));
	if (o != OID_OCSP_NONCE)
		return fault_set(f, ERR_INVALID,
				 "an OCSP answer has an extension that is no "
				 "nonce");
	TRY(der_span(&ext, DER_OCTETS, &value));
	TRY(rd_end(&ext));
	return ocsp_nonce_get(value, nonce, f);
}

static enum err singles_get(struct rd *r, struct ocsp_basic *d, struct fault *f)
{
	struct rd list;

	TRY(der_get(r, DER_SEQ, &list));
	d->count = 0;
	do {
		if (d->count == OCSP_CERTS_MAX)
			return fault_set(f, ERR_INVALID,
					 "an OCSP answer speaks of over %d "
					 "certificates",
					 OCSP_CERTS_MAX);
		TRY(single_get(&list, &d->single[d->count], f));
		d->count++;
	} while (rd_left(&list));
	return OK;
}

static enum err data_get(struct rd *r, struct ocsp_basic *d, struct fault *f)
{
	struct rd data, responder;
	struct span key;

	TRY(der_get(r, DER_SEQ, &data));
	TRY(rd_end(r));
	TRY(der_get(&data, DER_CTX_SEQ | 2, &responder));
	TRY(der_span(&responder, DER_OCTETS, &key));
	TRY(rd_end(&responder));
	if (key.n != sizeof d->responder)
		return ERR_INVALID;
	memcpy(d->responder, key.p, sizeof d->responder);
	TRY(der_gtime(&data, &d->produced_at));
	TRY(singles_get(&data, d, f));
	TRY(nonce_get(&data, &d->nonce, f));
	return rd_end(&data);
}

enum err ocsp_data_parse(struct span der, struct ocsp_basic *b, struct fault *f)
{
	struct rd r = span_rd(der);
	enum err e;

	if (f)
		f->text[0] = 0;
	e = data_get(&r, b, f);
	/* a hash that we never answer with is no less wrong here */
	if (e == ERR_UNSUPPORTED)
		e = ERR_INVALID;
	return ocsp_fail(e, "the OCSP answer is not the one that is made here",
			 f);
}
