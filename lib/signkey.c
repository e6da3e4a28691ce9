/* Signer: the process that has a CA's keys (the keeper has agents', a command its
 * own). Holds one private key a struct: of EC and RSA in OpenSSL's memory, of
 * Ed25519 in secret memory. lib/signkey_pkcs8.c takes keys in and out. */
#include "lib/signkey_part.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include <stdlib.h>

enum {
	RSA_BITS_MIN = 2048,
	RSA_BITS_MAX = 4096,
	POINT_MAX = 1 + 2 * 48,
	SPKI_MAX = 1 << 10,
};

enum err signkey_put_algorithm(struct buf *b, enum key_type t)
{
	size_t m;

	TRY(der_begin(b, DER_SEQ, &m));
	switch (t) {
	case KEY_P256:
	case KEY_P384:
		TRY(oid_put(b, OID_EC_KEY));
		TRY(oid_put(b, t == KEY_P256 ? OID_P256 : OID_P384));
		break;
	case KEY_ED25519:
		TRY(oid_put(b, OID_ED25519));
		break;
	case KEY_RSA:
		TRY(oid_put(b, OID_RSA));
		TRY(der_put_null(b));
		break;
	case KEY__MAX:
		UNREACHABLE("a key type");
	}
	return der_end(b, m);
}

static enum err put_spki(struct buf *b, enum key_type t, struct span key)
{
	size_t m;

	TRY(der_begin(b, DER_SEQ, &m));
	TRY(signkey_put_algorithm(b, t));
	TRY(der_put_bits(b, key.p, key.n));
	return der_end(b, m);
}

static enum err put_number(struct buf *b, const EVP_PKEY *k, const char *name)
{
	uint8_t bytes[RSA_BITS_MAX / 8];
	BIGNUM *n = NULL;
	enum err e = ERR_INTERNAL;
	int len;

	if (EVP_PKEY_get_bn_param(k, name, &n) == 1 &&
	    BN_num_bytes(n) <= (int)sizeof bytes) {
		len = BN_bn2bin(n, bytes);
		e = der_put_uint(b, span_of(bytes, (size_t)len));
	}
	BN_free(n);
	return e;
}

static enum err rsa_spki(struct signkey *k)
{
	AUTO(buf_wipe) struct buf key = { 0 };
	size_t m;

	buf_init(&key, SPKI_MAX);
	TRY(der_begin(&key, DER_SEQ, &m));
	TRY(put_number(&key, k->pkey, OSSL_PKEY_PARAM_RSA_N));
	TRY(put_number(&key, k->pkey, OSSL_PKEY_PARAM_RSA_E));
	TRY(der_end(&key, m));
	return put_spki(&k->spki, k->type, span_of(key.p, key.len));
}

static enum err ec_spki(struct signkey *k)
{
	enum err e = ERR_INTERNAL;
	unsigned char *point = NULL;
	size_t n = EVP_PKEY_get1_encoded_public_key(k->pkey, &point);

	if (n && n <= POINT_MAX)
		e = put_spki(&k->spki, k->type, span_of(point, n));
	OPENSSL_free(point);
	return e;
}

static enum err make_spki(struct signkey *k)
{
	buf_init(&k->spki, SPKI_MAX);
	if (k->type == KEY_ED25519)
		return put_spki(&k->spki, k->type,
				span_of(k->ed + crypto_sign_SEEDBYTES,
					crypto_sign_PUBLICKEYBYTES));
	return k->type == KEY_RSA ? rsa_spki(k) : ec_spki(k);
}

/* The context that every signature goes through, set up once. */
static enum err make_ctx(struct signkey *k)
{
	const EVP_MD *md;

	if (k->type == KEY_ED25519)
		return OK;
	md = evp_md(evp_hash_of(signkey_alg(k)));
	k->digest = EVP_MD_CTX_new();
	k->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	if (!k->digest || !k->ctx || EVP_PKEY_sign_init(k->ctx) != 1)
		return ERR_INTERNAL;
	if (k->type == KEY_RSA &&
	    EVP_PKEY_CTX_set_rsa_padding(k->ctx, RSA_PKCS1_PADDING) != 1)
		return ERR_INTERNAL;
	if (EVP_PKEY_CTX_set_signature_md(k->ctx, md) != 1)
		return ERR_INTERNAL;
	return OK;
}

enum err signkey_finish_making(struct signkey *k)
{
	enum err e = make_spki(k);

	if (e == OK)
		e = make_ctx(k);
	if (e != OK)
		ERR_clear_error();
	return e;
}

static enum err make_key(struct signkey *k, unsigned bits)
{
	uint8_t public[crypto_sign_PUBLICKEYBYTES];

	switch (k->type) {
	case KEY_P256:
	case KEY_P384:
		k->pkey = evp_ec_generate(k->type);
		return k->pkey ? OK : ERR_INTERNAL;
	case KEY_RSA:
		k->pkey = EVP_RSA_gen(bits);
		return k->pkey ? OK : ERR_INTERNAL;
	case KEY_ED25519:
		k->ed = secret_alloc(crypto_sign_SECRETKEYBYTES);
		return crypto_sign_keypair(public, k->ed) ? ERR_INTERNAL : OK;
	case KEY__MAX:
		break;
	}
	UNREACHABLE("a key type");
}

enum err signkey_new(enum key_type t, unsigned bits, struct signkey **out,
		     struct fault *f)
{
	AUTO(signkey_free) struct signkey *k = NULL;
	enum err e;

	if (t == KEY_RSA &&
	    (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || bits % 8))
		return fault_set(f, ERR_INVALID,
				 "an RSA key has 2048 to 4096 bits, a multiple "
				 "of 8, not %u",
				 bits);
	if (t != KEY_RSA && bits)
		return fault_set(f, ERR_INVALID,
				 "a %s key has no other size: leave the bits "
				 "out",
				 key_type_name(t));
	k = xcalloc(1, sizeof *k);
	k->type = t;
	e = make_key(k, bits);
	if (e == OK)
		e = signkey_finish_making(k);
	if (e != OK) {
		ERR_clear_error();
		return fault_set(f, e, "making a %s key failed in OpenSSL",
				 key_type_name(t));
	}
	*out = k;
	k = NULL;
	return OK;
}

void signkey_free(struct signkey **k)
{
	if (!*k)
		return;
	EVP_PKEY_CTX_free((*k)->ctx);
	EVP_MD_CTX_free((*k)->digest);
	EVP_PKEY_free((*k)->pkey);
	secret_free((*k)->ed);
	buf_wipe(&(*k)->spki);
	free(*k);
	*k = NULL;
}

enum key_type signkey_type(const struct signkey *k)
{
	return k->type;
}

enum sig_alg signkey_alg(const struct signkey *k)
{
	return sig_alg_of(k->type);
}

struct span signkey_spki(const struct signkey *k)
{
	return span_of(k->spki.p, k->spki.len);
}

/* --- signing */

static enum err sign_digest(struct signkey *k, const uint8_t *digest, size_t n,
			    struct buf *out)
{
	size_t room = (size_t)EVP_PKEY_get_size(k->pkey), len = room;
	uint8_t *at;

	TRY(buf_grow(out, room, &at));
	if (EVP_PKEY_sign(k->ctx, at, &len, digest, n) != 1) {
		ERR_clear_error();
		out->len -= room;
		return ERR_INTERNAL;
	}
	out->len -= room - len;
	return OK;
}

static enum err sign_ed25519(struct signkey *k, struct span data,
			     struct buf *out)
{
	uint8_t *at;

	TRY(buf_grow(out, crypto_sign_BYTES, &at));
	if (crypto_sign_detached(at, NULL, data.p, data.n, k->ed) == 0)
		return OK;
	out->len -= crypto_sign_BYTES;
	return ERR_INTERNAL;
}

enum err signkey_sign(struct signkey *k, struct span data, struct buf *out)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t n;

	if (k->type == KEY_ED25519)
		return sign_ed25519(k, data, out);
	n = evp_digest(evp_hash_of(signkey_alg(k)), data, digest);
	return sign_digest(k, digest, n, out);
}

enum err signkey_begin(struct signkey *k)
{
	if (k->type == KEY_ED25519)
		return ERR_UNSUPPORTED;
	if (EVP_DigestInit_ex2(k->digest, evp_md(evp_hash_of(signkey_alg(k))),
			       NULL) != 1)
		return ERR_INTERNAL;
	k->begun = true;
	return OK;
}

enum err signkey_update(struct signkey *k, const void *p, size_t n)
{
	ENSURE(k->begun);
	return EVP_DigestUpdate(k->digest, p, n) == 1 ? OK : ERR_INTERNAL;
}

enum err signkey_finish(struct signkey *k, struct buf *out)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	ENSURE(k->begun);
	k->begun = false;
	if (EVP_DigestFinal_ex(k->digest, digest, &n) != 1)
		return ERR_INTERNAL;
	return sign_digest(k, digest, n, out);
}
