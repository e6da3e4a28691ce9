/* Signature algorithms as certificates name them. Used by whoever reads or makes
 * something signed; holds nothing. */
#include "lib/pubkey.h"

static const struct {
	enum oid oid;
	enum key_type key;
} algs[] = {
	[SIG_ECDSA_SHA256] = { OID_ECDSA_SHA256, KEY_P256 },
	[SIG_ECDSA_SHA384] = { OID_ECDSA_SHA384, KEY_P384 },
	[SIG_ED25519] = { OID_ED25519, KEY_ED25519 },
	[SIG_RSA_SHA256] = { OID_RSA_SHA256, KEY_RSA },
	[SIG_RSA_SHA384] = { OID_RSA_SHA384, KEY_RSA },
	[SIG_RSA_SHA512] = { OID_RSA_SHA512, KEY_RSA },
};
_Static_assert(NELEM(algs) == SIG__MAX, "every algorithm is told of");

static bool is_ec(enum key_type t)
{
	return t == KEY_P256 || t == KEY_P384;
}

bool sig_alg_fits(enum sig_alg alg, enum key_type t)
{
	ENSURE(alg < SIG__MAX);
	return algs[alg].key == t || (is_ec(algs[alg].key) && is_ec(t));
}

enum sig_alg sig_alg_of(enum key_type t)
{
	for (unsigned i = 0; i < SIG__MAX; i++)
		if (algs[i].key == t)
			return (enum sig_alg)i;
	UNREACHABLE("a key type that signs nothing");
}

/* RFC 4055: NULL with RSA; RFC 5758, RFC 8410: nothing with the others. */
enum err sig_alg_get(struct rd *r, enum sig_alg *alg)
{
	struct rd at = *r, body;
	enum oid o;

	TRY(der_get(&at, DER_SEQ, &body));
	TRY(oid_get(&body, &o));
	for (unsigned i = 0; i < SIG__MAX; i++) {
		if (algs[i].oid != o)
			continue;
		if (algs[i].key == KEY_RSA)
			TRY(der_null(&body));
		TRY(rd_end(&body));
		*alg = (enum sig_alg)i;
		*r = at;
		return OK;
	}
	return ERR_INVALID;
}

enum err sig_alg_put(struct buf *b, enum sig_alg alg)
{
	size_t m;

	ENSURE(alg < SIG__MAX);
	TRY(der_begin(b, DER_SEQ, &m));
	TRY(oid_put(b, algs[alg].oid));
	if (algs[alg].key == KEY_RSA)
		TRY(der_put_null(b));
	return der_end(b, m);
}

enum err sig_split(struct span der, struct span *tbs, enum sig_alg *alg,
		   struct span *sig)
{
	struct rd r = span_rd(der), body;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_whole(&body, DER_SEQ, tbs));
	TRY(sig_alg_get(&body, alg));
	TRY(der_bits(&body, sig));
	return rd_end(&body);
}
