/* OCSP as who asks sees it (RFC 6960): a request about one certificate, and an answer
 * taken apart; run by verifiers. Holds nothing. Who signed it: lib/revoked.c. */
#include "lib/ocsp_id.h"

enum {
	TAG_EXTENSIONS = DER_CTX_SEQ | 2, /* requestExtensions */
	TAG_BYTES = DER_CTX_SEQ | 0,      /* responseBytes */
	TAG_CERTS = DER_CTX_SEQ | 0,
};

enum err ocsp_request_put(struct buf *b, struct span id, struct span nonce)
{
	size_t request, tbs, list, one;

	TRY(der_begin(b, DER_SEQ, &request));
	TRY(der_begin(b, DER_SEQ, &tbs));
	TRY(der_begin(b, DER_SEQ, &list));
	TRY(der_begin(b, DER_SEQ, &one));
	TRY(der_put_raw(b, id));
	TRY(der_end(b, one));
	TRY(der_end(b, list));
	if (nonce.n)
		TRY(ocsp_nonce_put(b, TAG_EXTENSIONS, nonce));
	TRY(der_end(b, tbs));
	return der_end(b, request);
}

static enum err certs_get(struct rd *r, struct ocsp_response *out)
{
	struct rd outer, list;
	bool there;

	out->certs = 0;
	TRY(der_opt(r, TAG_CERTS, &there, &outer));
	if (!there)
		return OK;
	TRY(der_get(&outer, DER_SEQ, &list));
	TRY(rd_end(&outer));
	while (rd_left(&list)) {
		if (out->certs == OCSP_SIGNERS_MAX)
			return ERR_INVALID;
		TRY(der_whole(&list, DER_SEQ, &out->cert[out->certs++]));
	}
	return OK;
}

static enum err basic_get(struct span der, struct ocsp_response *out)
{
	struct rd r = span_rd(der), body;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_whole(&body, DER_SEQ, &out->data));
	TRY(sig_alg_get(&body, &out->alg));
	TRY(der_bits(&body, &out->sig));
	TRY(certs_get(&body, out));
	return rd_end(&body);
}

static enum err response_get(struct rd *r, struct ocsp_response *out)
{
	struct rd body, bytes, seq;
	struct span basic;
	uint64_t status;
	bool there;
	enum oid o;

	TRY(der_get(r, DER_SEQ, &body));
	TRY(rd_end(r));
	TRY(der_u64(&body, DER_ENUM, OCSP_UNAUTHORIZED, &status));
	out->status = (unsigned)status;
	TRY(der_opt(&body, TAG_BYTES, &there, &bytes));
	TRY(rd_end(&body));
	if (status != OCSP_OK)
		return there ? ERR_INVALID : OK;
	if (!there)
		return ERR_INVALID;
	TRY(der_get(&bytes, DER_SEQ, &seq));
	TRY(rd_end(&bytes));
	TRY(oid_get(&seq, &o));
	TRY(der_span(&seq, DER_OCTETS, &basic));
	TRY(rd_end(&seq));
	return o == OID_OCSP_BASIC ? basic_get(basic, out) : ERR_INVALID;
}

enum err ocsp_response_split(struct span der, struct ocsp_response *r,
			     struct fault *f)
{
	struct rd all = span_rd(der);

	*r = (struct ocsp_response){ .status = OCSP_INTERNAL };
	if (der.n <= OCSP_RESPONSE_MAX && response_get(&all, r) == OK)
		return OK;
	return fault_set(f, ERR_INVALID, "what came is no OCSP answer");
}
