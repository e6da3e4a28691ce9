/* Used by whoever checks or makes signatures; holds no key. */
#include "lib/evp.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

static _Thread_local EVP_MD *kept_md[EVP_HASH__MAX];
static _Thread_local EVP_MD_CTX *kept_digest;
static _Thread_local EVP_PKEY *kept_group[KEY__MAX];
static _Thread_local EVP_PKEY_CTX *kept_maker[KEY__MAX];

const EVP_MD *evp_md(enum evp_hash h)
{
	static const char *const names[] = {
		[EVP_HASH_SHA1] = "SHA1",
		[EVP_HASH_SHA256] = "SHA256",
		[EVP_HASH_SHA384] = "SHA384",
		[EVP_HASH_SHA512] = "SHA512",
	};
	_Static_assert(NELEM(names) == EVP_HASH__MAX, "every hash has a name");

	if (!kept_md[h])
		kept_md[h] = EVP_MD_fetch(NULL, names[h], NULL);
	ENSURE(kept_md[h]);
	return kept_md[h];
}

size_t evp_digest(enum evp_hash h, struct span data,
		  uint8_t out[EVP_MAX_MD_SIZE])
{
	unsigned n = 0;

	if (!kept_digest)
		kept_digest = EVP_MD_CTX_new();
	ENSURE(kept_digest);
	ENSURE(EVP_DigestInit_ex2(kept_digest, evp_md(h), NULL) == 1);
	ENSURE(EVP_DigestUpdate(kept_digest, data.p, data.n) == 1);
	ENSURE(EVP_DigestFinal_ex(kept_digest, out, &n) == 1);
	return n;
}

enum evp_hash evp_hash_of(enum sig_alg alg)
{
	switch (alg) {
	case SIG_ECDSA_SHA256:
	case SIG_RSA_SHA256:
		return EVP_HASH_SHA256;
	case SIG_ECDSA_SHA384:
	case SIG_RSA_SHA384:
		return EVP_HASH_SHA384;
	case SIG_RSA_SHA512:
		return EVP_HASH_SHA512;
	case SIG_ED25519:
	case SIG__MAX:
		break;
	}
	UNREACHABLE("a signature algorithm without a digest");
}

const char *evp_group(enum key_type t)
{
	ENSURE(t == KEY_P256 || t == KEY_P384);
	return t == KEY_P256 ? "P-256" : "P-384";
}

/* OSSL_PARAM has no const; the name is only read. */
static OSSL_PARAM group_param(enum key_type t, char room[8])
{
	const char *name = evp_group(t);

	for (size_t i = 0; i < 8; i++) {
		room[i] = name[i];
		if (!name[i])
			break;
	}
	return OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						room, 0);
}

static EVP_PKEY *group_new(enum key_type t)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *k = NULL;
	char name[8];
	OSSL_PARAM p[] = { group_param(t, name), OSSL_PARAM_construct_end() };

	ENSURE(c && EVP_PKEY_fromdata_init(c) == 1);
	ENSURE(EVP_PKEY_fromdata(c, &k, EVP_PKEY_KEY_PARAMETERS, p) == 1);
	EVP_PKEY_CTX_free(c);
	return k;
}

EVP_PKEY *evp_ec_empty(enum key_type t)
{
	EVP_PKEY *k = EVP_PKEY_new();

	if (!kept_group[t])
		kept_group[t] = group_new(t);
	ENSURE(k && EVP_PKEY_copy_parameters(k, kept_group[t]) == 1);
	return k;
}

static EVP_PKEY_CTX *maker_new(enum key_type t)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	char name[8];
	OSSL_PARAM p[] = { group_param(t, name), OSSL_PARAM_construct_end() };

	ENSURE(c && EVP_PKEY_keygen_init(c) == 1);
	ENSURE(EVP_PKEY_CTX_set_params(c, p) == 1);
	return c;
}

EVP_PKEY *evp_ec_generate(enum key_type t)
{
	EVP_PKEY *k = NULL;

	if (!kept_maker[t])
		kept_maker[t] = maker_new(t);
	return EVP_PKEY_generate(kept_maker[t], &k) == 1 ? k : NULL;
}

/* A key pair of each curve has the generators seeded too. */
void pubkey_warm(void)
{
	static const enum key_type curves[] = { KEY_P256, KEY_P384 };
	uint8_t digest[EVP_MAX_MD_SIZE];

	ENSURE(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1);
	for (unsigned h = 0; h < EVP_HASH__MAX; h++)
		evp_digest((enum evp_hash)h, span_str(""), digest);
	for (size_t i = 0; i < NELEM(curves); i++) {
		EVP_PKEY *k = evp_ec_generate(curves[i]);

		ENSURE(k);
		EVP_PKEY_free(k);
		EVP_PKEY_free(evp_ec_empty(curves[i]));
	}
}
