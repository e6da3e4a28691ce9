/* Signing keys as PKCS#8 (RFC 5208, 5915, 8410), in and out. Runs where signkey.c
 * does and sees the same keys; scalars of EC keys are written and read by hand
 * (OpenSSL's encoder takes 60 us), RSA's eight numbers go through OpenSSL. */
#include "lib/signkey_part.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <sodium.h>

#include <string.h>

enum {
	SCALAR_MAX = 48,
	POINT_MAX = 1 + 2 * SCALAR_MAX,
	EC_PKCS8_MAX = 256, /* room taken at once, so that secrets move less */
	VERSION_ED_PUBLIC = 1,
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 4096,
};

static size_t scalar_size(enum key_type t)
{
	return t == KEY_P256 ? 32 : 48;
}

/* The point in our own SPKI: its last bytes. */
static struct span own_point(const struct signkey *k)
{
	size_t n = 1 + 2 * scalar_size(k->type);

	return span_of(k->spki.p + k->spki.len - n, n);
}

/* --- out */

static enum err put_scalar(const struct signkey *k, struct buf *out)
{
	size_t n = scalar_size(k->type);
	BIGNUM *d = NULL;
	enum err e = ERR_INTERNAL;
	uint8_t *at;

	if (EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1)
		e = buf_grow(out, n, &at);
	if (e == OK && BN_bn2binpad(d, at, (int)n) != (int)n)
		e = ERR_INTERNAL;
	BN_clear_free(d);
	return e;
}

/* ECPrivateKey; the curve is named outside of it already. */
static enum err put_ec(const struct signkey *k, struct buf *out)
{
	struct span point = own_point(k);
	size_t seq, octets, ctx;

	TRY(der_begin(out, DER_SEQ, &seq));
	TRY(der_put_u64(out, DER_INTEGER, 1));
	TRY(der_begin(out, DER_OCTETS, &octets));
	TRY(put_scalar(k, out));
	TRY(der_end(out, octets));
	TRY(der_begin(out, DER_CTX_SEQ | 1, &ctx));
	TRY(der_put_bits(out, point.p, point.n));
	TRY(der_end(out, ctx));
	return der_end(out, seq);
}

/* PrivateKeyInfo of EC and Ed25519. */
static enum err put_info(const struct signkey *k, struct buf *out)
{
	size_t seq, octets;

	TRY(buf_reserve(out, EC_PKCS8_MAX));
	TRY(der_begin(out, DER_SEQ, &seq));
	TRY(der_put_u64(out, DER_INTEGER, 0));
	TRY(signkey_put_algorithm(out, k->type));
	TRY(der_begin(out, DER_OCTETS, &octets));
	if (k->type == KEY_ED25519)
		TRY(der_put(out, DER_OCTETS, k->ed, crypto_sign_SEEDBYTES));
	else
		TRY(put_ec(k, out));
	TRY(der_end(out, octets));
	return der_end(out, seq);
}

static enum err put_rsa(const struct signkey *k, struct buf *out)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(k->pkey);
	unsigned char *der = NULL;
	enum err e = ERR_INTERNAL;
	int n = 0;

	if (info)
		n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	if (n > 0) {
		e = buf_put(out, der, (size_t)n);
		OPENSSL_clear_free(der, (size_t)n);
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return e;
}

enum err signkey_format(const struct signkey *k, struct buf *out)
{
	size_t was = out->len;
	enum err e;

	ENSURE(out->secret);
	e = k->type == KEY_RSA ? put_rsa(k, out) : put_info(k, out);
	if (e != OK && out->len > was) {
		secret_zero(out->p + was, out->len - was);
		out->len = was;
	}
	return e;
}

/* --- in */

struct pkcs8 {
	enum key_type type;
	struct span key; /* content of the OCTET STRING */
	bool has_public;
	struct span public;
};

static enum err get_type(struct rd *r, enum key_type *t)
{
	struct rd body;
	enum oid o, curve;

	TRY(der_get(r, DER_SEQ, &body));
	TRY(oid_get(&body, &o));
	if (o == OID_EC_KEY) {
		TRY(oid_get(&body, &curve));
		if (curve != OID_P256 && curve != OID_P384)
			return ERR_INVALID;
		*t = curve == OID_P256 ? KEY_P256 : KEY_P384;
	} else if (o == OID_RSA) {
		TRY(der_null(&body));
		*t = KEY_RSA;
	} else if (o == OID_ED25519) {
		*t = KEY_ED25519;
	} else {
		return ERR_INVALID;
	}
	return rd_end(&body);
}

/* PrivateKeyInfo, and of RFC 5958 what `openssl genpkey` may write: version 1 with
 * the public key. Attributes are of no use to us. */
static enum err get_info(struct span der, struct pkcs8 *p)
{
	struct rd r = span_rd(der), body, rest;
	uint64_t version;
	bool there;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_u64(&body, DER_INTEGER, VERSION_ED_PUBLIC, &version));
	TRY(get_type(&body, &p->type));
	TRY(der_span(&body, DER_OCTETS, &p->key));
	TRY(der_opt(&body, DER_CTX_SEQ, &there, &rest));
	p->has_public = der_is(&body, DER_CTX | 1);
	if (p->has_public) {
		TRY(der_span(&body, DER_CTX | 1, &p->public));
		if (!version || !p->public.n || p->public.p[0])
			return ERR_INVALID;
		p->public = span_of(p->public.p + 1, p->public.n - 1);
	}
	return rd_end(&body);
}

static enum err get_ec(const struct pkcs8 *p, struct span *scalar,
		       bool *has_point, struct span *point)
{
	struct rd r = span_rd(p->key), body, inner;
	uint64_t version;
	enum oid curve;
	bool there;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(der_u64(&body, DER_INTEGER, 1, &version));
	TRY(der_span(&body, DER_OCTETS, scalar));
	if (version != 1 || scalar->n != scalar_size(p->type))
		return ERR_INVALID;
	TRY(der_opt(&body, DER_CTX_SEQ, &there, &inner));
	if (there) {
		TRY(oid_get(&inner, &curve));
		TRY(rd_end(&inner));
		if (curve != (p->type == KEY_P256 ? OID_P256 : OID_P384))
			return ERR_INVALID;
	}
	TRY(der_opt(&body, DER_CTX_SEQ | 1, has_point, &inner));
	if (*has_point) {
		TRY(der_bits(&inner, point));
		TRY(rd_end(&inner));
	}
	return rd_end(&body);
}

/* The point that goes with the scalar d: 1 <= d < order. False if it is not. */
static bool point_of(const EC_GROUP *g, const BIGNUM *d, uint8_t *out, size_t n)
{
	EC_POINT *p = EC_POINT_new(g);
	bool ok;

	ENSURE(p);
	ok = !BN_is_zero(d) && BN_cmp(d, EC_GROUP_get0_order(g)) < 0 &&
	     EC_POINT_mul(g, p, d, NULL, NULL, NULL) == 1 &&
	     EC_POINT_point2oct(g, p, POINT_CONVERSION_UNCOMPRESSED, out, n,
				NULL) == n;
	EC_POINT_free(p);
	return ok;
}

/* OSSL_PARAM has no const; these are only read. */
static EVP_PKEY *ec_from(enum key_type t, uint8_t *native, uint8_t *point)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	size_t n = scalar_size(t);
	EVP_PKEY *k = NULL;
	const char *name = evp_group(t);
	/* its length is measured when p is made */
	char *group = memcpy((char[8]){ "" }, name, strlen(name) + 1);
	OSSL_PARAM p[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						  point, 1 + 2 * n),
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, n),
		OSSL_PARAM_construct_end(),
	};

	ENSURE(c && EVP_PKEY_fromdata_init(c) == 1);
	if (EVP_PKEY_fromdata(c, &k, EVP_PKEY_KEYPAIR, p) != 1)
		k = NULL;
	EVP_PKEY_CTX_free(c);
	return k;
}

static EVP_PKEY *ec_key(enum key_type t, struct span scalar, uint8_t *point)
{
	int nid = t == KEY_P256 ? NID_X9_62_prime256v1 : NID_secp384r1;
	EC_GROUP *g = EC_GROUP_new_by_curve_name(nid);
	BIGNUM *d = BN_bin2bn(scalar.p, (int)scalar.n, NULL);
	uint8_t native[SCALAR_MAX];
	EVP_PKEY *k = NULL;

	ENSURE(g && d);
	if (point_of(g, d, point, 1 + 2 * scalar.n) &&
	    BN_bn2nativepad(d, native, (int)scalar.n) == (int)scalar.n)
		k = ec_from(t, native, point);
	secret_zero(native, sizeof native);
	BN_clear_free(d);
	EC_GROUP_free(g);
	return k;
}

static enum err parse_ec(struct signkey *k, const struct pkcs8 *p)
{
	struct span scalar, said;
	uint8_t point[POINT_MAX];
	bool has_point;

	TRY(get_ec(p, &scalar, &has_point, &said));
	k->pkey = ec_key(k->type, scalar, point);
	if (!k->pkey)
		return ERR_INVALID;
	if (has_point && !span_equal(said, span_of(point, 1 + 2 * scalar.n)))
		return ERR_INVALID;
	return OK;
}

static enum err parse_ed25519(struct signkey *k, const struct pkcs8 *p)
{
	struct rd r = span_rd(p->key);
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	struct span seed;

	TRY(der_span(&r, DER_OCTETS, &seed));
	TRY(rd_end(&r));
	if (seed.n != crypto_sign_SEEDBYTES)
		return ERR_INVALID;
	k->ed = secret_alloc(crypto_sign_SECRETKEYBYTES);
	if (crypto_sign_seed_keypair(public, k->ed, seed.p) != 0)
		return ERR_INTERNAL;
	if (p->has_public &&
	    !span_equal(p->public, span_of(public, sizeof public)))
		return ERR_INVALID;
	return OK;
}

static enum err parse_rsa(struct signkey *k, struct span der)
{
	const unsigned char *at = der.p;
	int bits;

	if (der.n > LONG_MAX)
		return ERR_INVALID;
	k->pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.n);
	if (!k->pkey || at != der.p + der.n || !EVP_PKEY_is_a(k->pkey, "RSA"))
		return ERR_INVALID;
	bits = EVP_PKEY_get_bits(k->pkey);
	return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? OK : ERR_INVALID;
}

/* Private and public half belong together: what one signs the other accepts. (An
 * RSA key that does not would also give its factors away with a signature.) */
static enum err check_pair(struct signkey *k)
{
	AUTO(buf_wipe) struct buf sig = { 0 };
	struct span probe = span_str("cretula signkey");
	struct pubkey public;

	buf_init(&sig, RSA_BITS_MAX / 8);
	TRY(pubkey_parse(signkey_spki(k), &public, NULL));
	TRY(signkey_sign(k, probe, &sig));
	return pubkey_verify(&public, signkey_alg(k), probe,
			     span_of(sig.p, sig.len));
}

static enum err parse_key(struct signkey *k, const struct pkcs8 *p,
			  struct span der)
{
	k->type = p->type;
	if (k->type == KEY_RSA)
		TRY(parse_rsa(k, der));
	else if (k->type == KEY_ED25519)
		TRY(parse_ed25519(k, p));
	else
		TRY(parse_ec(k, p));
	TRY(signkey_finish_making(k));
	return k->type == KEY_RSA ? check_pair(k) : OK;
}

enum err signkey_parse(struct span pkcs8, struct signkey **out, struct fault *f)
{
	AUTO(signkey_free) struct signkey *k = NULL;
	struct pkcs8 p = { 0 };

	if (get_info(pkcs8, &p) != OK)
		return fault_set(f, ERR_INVALID,
				 "the private key is not PKCS#8 in DER of a "
				 "P-256, P-384, Ed25519 or RSA key");
	k = xcalloc(1, sizeof *k);
	if (parse_key(k, &p, pkcs8) != OK) {
		ERR_clear_error();
		return fault_set(f, ERR_INVALID,
				 "the private %s key is damaged: its parts do "
				 "not belong together",
				 key_type_name(p.type));
	}
	*out = k;
	k = NULL;
	return OK;
}
