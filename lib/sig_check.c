/* Checking signatures. Used by whoever is shown something signed; holds no private
 * key. Keys are those that pubkey_parse let through; what it did not see is still
 * refused, with less to say about it. */
#include "lib/evp.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <sodium.h>

#include <stdlib.h>
#include <string.h>

enum {
	RSA_BYTES_MAX = 4096 / 8,
	ED_SIZE = crypto_sign_PUBLICKEYBYTES,
	ED_SIG_SIZE = crypto_sign_BYTES,
};

struct sig_check {
	enum key_type type;
	EVP_PKEY *pkey;    /* none for Ed25519 */
	EVP_PKEY_CTX *ctx; /* set up for alg */
	enum sig_alg alg;
	uint8_t ed[ED_SIZE];
};

/* For keys that are used once: only the point in them changes. */
static _Thread_local struct sig_check *kept[KEY__MAX];

static EVP_PKEY *rsa_from(BIGNUM *n, BIGNUM *e, OSSL_PARAM_BLD *b)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *p = NULL;
	EVP_PKEY *k = NULL;

	ENSURE(c && n && e && b);
	ENSURE(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) == 1);
	ENSURE(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e) == 1);
	p = OSSL_PARAM_BLD_to_param(b);
	if (EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, p) != 1)
		k = NULL;
	OSSL_PARAM_free(p);
	EVP_PKEY_CTX_free(c);
	return k;
}

static EVP_PKEY *rsa_new(struct span key)
{
	struct span n, e;
	OSSL_PARAM_BLD *b;
	EVP_PKEY *k;
	BIGNUM *bn, *be;

	if (pubkey_rsa(key, &n, &e) != OK || n.n > RSA_BYTES_MAX ||
	    e.n > RSA_BYTES_MAX)
		return NULL;
	bn = BN_bin2bn(n.p, (int)n.n, NULL);
	be = BN_bin2bn(e.p, (int)e.n, NULL);
	b = OSSL_PARAM_BLD_new();
	k = rsa_from(bn, be, b);
	OSSL_PARAM_BLD_free(b);
	BN_free(bn);
	BN_free(be);
	return k;
}

static EVP_PKEY *ec_new(const struct pubkey *k)
{
	EVP_PKEY *key = evp_ec_empty(k->type);

	if (EVP_PKEY_set1_encoded_public_key(key, k->key.p, k->key.n) == 1)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static bool set_ctx(struct sig_check *v, enum sig_alg alg)
{
	if (!v->ctx)
		v->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, v->pkey, NULL);
	if (!v->ctx || EVP_PKEY_verify_init(v->ctx) != 1)
		return false;
	if (v->type == KEY_RSA &&
	    EVP_PKEY_CTX_set_rsa_padding(v->ctx, RSA_PKCS1_PADDING) != 1)
		return false;
	if (EVP_PKEY_CTX_set_signature_md(v->ctx, evp_md(evp_hash_of(alg))) !=
	    1)
		return false;
	v->alg = alg;
	return true;
}

/* Takes pkey, which NULL makes a NULL of. */
static struct sig_check *sig_check_of(enum key_type t, EVP_PKEY *pkey)
{
	struct sig_check *v;

	if (!pkey)
		return NULL;
	v = xcalloc(1, sizeof *v);
	v->type = t;
	v->pkey = pkey;
	if (!set_ctx(v, sig_alg_of(t)))
		sig_check_free(&v);
	return v;
}

static struct sig_check *kept_for(enum key_type t)
{
	if (!kept[t])
		kept[t] = sig_check_of(t, evp_ec_empty(t));
	ENSURE(kept[t]);
	return kept[t];
}

struct sig_check *sig_check_new(const struct pubkey *k)
{
	struct sig_check *v;

	if (k->type == KEY_ED25519) {
		ENSURE(k->key.n == ED_SIZE);
		v = xcalloc(1, sizeof *v);
		v->type = KEY_ED25519;
		memcpy(v->ed, k->key.p, ED_SIZE);
		return v;
	}
	v = sig_check_of(k->type,
			 k->type == KEY_RSA ? rsa_new(k->key) : ec_new(k));
	if (!v)
		ERR_clear_error();
	return v;
}

void sig_check_free(struct sig_check **v)
{
	if (!*v)
		return;
	EVP_PKEY_CTX_free((*v)->ctx);
	EVP_PKEY_free((*v)->pkey);
	free(*v);
	*v = NULL;
}

/* SEQUENCE { r, s }, both positive, nothing else. */
static bool is_ecdsa(struct span sig)
{
	struct rd r = span_rd(sig), body;
	struct span n;

	return der_get(&r, DER_SEQ, &body) == OK && rd_end(&r) == OK &&
	       der_uint(&body, &n) == OK && der_uint(&body, &n) == OK &&
	       rd_end(&body) == OK;
}

enum err sig_check_run(struct sig_check *v, enum sig_alg alg, struct span data,
		       struct span sig)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	size_t n;

	if (alg >= SIG__MAX || !sig_alg_fits(alg, v->type))
		return ERR_INVALID;
	if (v->type == KEY_ED25519)
		return sig.n == ED_SIG_SIZE &&
				       !crypto_sign_verify_detached(
					       sig.p, data.p, data.n, v->ed)
			       ? OK
			       : ERR_INVALID;
	if (v->type != KEY_RSA && !is_ecdsa(sig))
		return ERR_INVALID;
	if (v->alg != alg && !set_ctx(v, alg))
		return ERR_INVALID;
	n = evp_digest(evp_hash_of(alg), data, digest);
	if (EVP_PKEY_verify(v->ctx, sig.p, sig.n, digest, n) == 1)
		return OK;
	ERR_clear_error();
	return ERR_INVALID;
}

enum err pubkey_verify(const struct pubkey *k, enum sig_alg alg,
		       struct span data, struct span sig)
{
	AUTO(sig_check_free) struct sig_check *own = NULL;
	struct sig_check *v;

	if (k->type == KEY_P256 || k->type == KEY_P384) {
		v = kept_for(k->type);
		if (EVP_PKEY_set1_encoded_public_key(v->pkey, k->key.p,
						     k->key.n) == 1)
			return sig_check_run(v, alg, data, sig);
		ERR_clear_error();
		return ERR_INVALID;
	}
	own = sig_check_new(k);
	return own ? sig_check_run(own, alg, data, sig) : ERR_INVALID;
}
