/* OCSPResponse (RFC 6960 section 4.2.1), put together by the signer around what it
 * signed; error answers by the issuer and gate. Holds nothing. */
#include "lib/ocsp.h"

enum {
	TAG_BYTES = DER_CTX_SEQ | 0, /* responseBytes */
	TAG_CERTS = DER_CTX_SEQ | 0,
};

static enum err certs_put(struct buf *b, struct span cert)
{
	size_t certs, list;

	if (!cert.n)
		return OK;
	TRY(der_begin(b, TAG_CERTS, &certs));
	TRY(der_begin(b, DER_SEQ, &list));
	TRY(der_put_raw(b, cert));
	TRY(der_end(b, list));
	return der_end(b, certs);
}

static enum err basic_put(struct buf *b, struct span data, enum sig_alg alg,
			  struct span sig, struct span cert)
{
	size_t basic;

	TRY(der_begin(b, DER_SEQ, &basic));
	TRY(der_put_raw(b, data));
	TRY(sig_alg_put(b, alg));
	TRY(der_put_bits(b, sig.p, sig.n));
	TRY(certs_put(b, cert));
	return der_end(b, basic);
}

enum err ocsp_response_join(struct span data, enum sig_alg alg, struct span sig,
			    struct span cert, struct buf *out)
{
	size_t response, bytes, seq, octets;

	TRY(der_begin(out, DER_SEQ, &response));
	TRY(der_put_u64(out, DER_ENUM, OCSP_OK));
	TRY(der_begin(out, TAG_BYTES, &bytes));
	TRY(der_begin(out, DER_SEQ, &seq));
	TRY(oid_put(out, OID_OCSP_BASIC));
	TRY(der_begin(out, DER_OCTETS, &octets));
	TRY(basic_put(out, data, alg, sig, cert));
	TRY(der_end(out, octets));
	TRY(der_end(out, seq));
	TRY(der_end(out, bytes));
	return der_end(out, response);
}

enum err ocsp_error(enum ocsp_status s, struct buf *out)
{
	size_t response;

	/* success has something to say */
	if (s == OCSP_OK)
		return ERR_INVALID;
	TRY(der_begin(out, DER_SEQ, &response));
	TRY(der_put_u64(out, DER_ENUM, s));
	return der_end(out, response);
}
