/* gate: the certificate that a client shows, as it comes in and before GnuTLS checks
 * a signature by its key: whether that is worth doing. GnuTLS takes keys of any size,
 * and with one strange RSA key this process, which has one thread, would be busy for
 * minutes or hours. What the certificate says the issuer judges. Holds nothing. */
#include "lib/gate_part.h"

#include "lib/oid.h"
#include "lib/pubkey.h"

enum {
	RSA_BYTES = 512, /* of a modulus */
	RSA_E_BYTES = 4,
};

/* RFC 5280, 4.1; what comes before the key is of no interest. */
static enum err spki_get(struct span cert, struct rd *spki)
{
	struct rd r = span_rd(cert), body, tbs, skip;
	bool version;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(der_get(&body, DER_SEQ, &tbs));
	TRY(der_opt(&tbs, DER_CTX_SEQ | 0, &version, &skip));
	TRY(der_get(&tbs, DER_INTEGER, &skip));
	for (int i = 0; i < 4; i++) /* signature, issuer, validity, subject */
		TRY(der_get(&tbs, DER_SEQ, &skip));
	return der_get(&tbs, DER_SEQ, spki);
}

/* Keys on a named curve are small; one spelled out GnuTLS does not know. */
static bool is_light(struct span cert)
{
	struct rd spki, alg;
	struct span key, n, e;
	enum oid o;

	if (spki_get(cert, &spki) != OK ||
	    der_get(&spki, DER_SEQ, &alg) != OK || oid_get(&alg, &o) != OK)
		return false;
	if (o == OID_EC_KEY || o == OID_ED25519)
		return true;
	return o == OID_RSA && der_bits(&spki, &key) == OK &&
	       pubkey_rsa(key, &n, &e) == OK && n.n <= RSA_BYTES &&
	       e.n <= RSA_E_BYTES;
}

static enum err u24(struct rd *r, size_t *v)
{
	uint16_t low = 0;
	uint8_t high = 0;

	TRY(rd_u8(r, &high));
	TRY(rd_u16(r, &low));
	*v = (size_t)high << 16 | low;
	return OK;
}

/* The first of the list (RFC 8446, 4.4.2; RFC 5246, 7.4.2); none: n is 0. */
static enum err leaf_get(struct rd *r, bool tls13, struct span *leaf)
{
	const uint8_t *at;
	uint8_t context = 0;
	size_t n = 0;

	*leaf = (struct span){ 0 };
	if (tls13)
		TRY(rd_u8(r, &context));
	TRY(rd_bytes(r, context, &at));
	TRY(u24(r, &n));
	if (!n)
		return OK;
	TRY(u24(r, &n));
	TRY(rd_bytes(r, n, &at));
	*leaf = span_of(at, n);
	return OK;
}

bool gate_shown_ok(const void *msg, size_t len, bool tls13)
{
	struct rd r = rd_from(msg, len);
	struct span leaf;

	return leaf_get(&r, tls13, &leaf) == OK && (!leaf.n || is_light(leaf));
}
