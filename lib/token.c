/* Enrolment tokens. Made and verified by the CA's issuer, which keeps id and public
 * key; held whole only by `ca token` while it prints one and by who enrols. */
#include "lib/token.h"

#include "lib/token_text.h"

#include <sodium.h>
#include <string.h>

_Static_assert((int)TOKEN_ID == TOKEN_TEXT_ID &&
		       (int)TOKEN_TEXT == TOKEN_TEXT_LEN,
	       "as every token");
_Static_assert(KEY_SIZE == crypto_sign_SEEDBYTES, "an Ed25519 seed");
_Static_assert(TOKEN_PUBLIC == crypto_sign_PUBLICKEYBYTES, "Ed25519");
_Static_assert(TOKEN_SIG == crypto_sign_BYTES, "Ed25519");

/* The NUL at its end is part of what is signed. */
static const char purpose[] = "cretula-enrol-v1";

enum {
	SIGNED = sizeof purpose + TOKEN_HASH + TOKEN_ID + TOKEN_HASH
};

void token_make(struct token *t)
{
	random_fill(t->id, sizeof t->id);
	t->seed = secret_random();
}

void token_wipe(struct token *t)
{
	secret_drop(&t->seed);
	memset(t->id, 0, sizeof t->id);
}

/* libsodium's form of the secret key: seed and public key. */
static uint8_t *key_pair(const struct secret *seed, uint8_t pub[TOKEN_PUBLIC])
{
	uint8_t *sk = secret_alloc(crypto_sign_SECRETKEYBYTES);

	ENSURE(!crypto_sign_seed_keypair(pub, sk, secret_bytes(seed)));
	return sk;
}

void token_public(const struct token *t, uint8_t out[TOKEN_PUBLIC])
{
	secret_free(key_pair(t->seed, out));
}

enum err token_format(const struct token *t, struct buf *out)
{
	return token_text_format(TOKEN_ENROLMENT, t->id, t->seed, out);
}

enum err token_parse(const char *text, size_t len, struct token *t,
		     struct fault *f)
{
	return token_text_parse(TOKEN_ENROLMENT, text, len, t->id, &t->seed, f);
}

/* What is signed, of fixed length: each part has one. */
static void message(const uint8_t ca_hash[TOKEN_HASH],
		    const uint8_t id[TOKEN_ID], const void *csr, size_t len,
		    uint8_t out[SIGNED])
{
	uint8_t *at = out;

	_Static_assert(TOKEN_HASH == crypto_hash_sha256_BYTES, "SHA-256");
	memcpy(at, purpose, sizeof purpose);
	at += sizeof purpose;
	memcpy(at, ca_hash, TOKEN_HASH);
	at += TOKEN_HASH;
	memcpy(at, id, TOKEN_ID);
	at += TOKEN_ID;
	ENSURE(!crypto_hash_sha256(at, csr, len));
}

void token_sign(const struct token *t, const uint8_t ca_hash[TOKEN_HASH],
		const void *csr, size_t len, uint8_t sig[TOKEN_SIG])
{
	uint8_t pub[TOKEN_PUBLIC], m[SIGNED];
	uint8_t *sk = key_pair(t->seed, pub);

	message(ca_hash, t->id, csr, len, m);
	ENSURE(!crypto_sign_detached(sig, NULL, m, sizeof m, sk));
	secret_free(sk);
}

enum err token_verify(const uint8_t id[TOKEN_ID],
		      const uint8_t public_key[TOKEN_PUBLIC],
		      const uint8_t ca_hash[TOKEN_HASH], const void *csr,
		      size_t len, const uint8_t sig[TOKEN_SIG])
{
	uint8_t m[SIGNED];

	message(ca_hash, id, csr, len, m);
	if (crypto_sign_verify_detached(sig, m, sizeof m, public_key))
		return ERR_UNAUTHENTICATED;
	return OK;
}
