/* Enrolment tokens. Made and verified by the CA's issuer, which keeps id and public
 * key; held whole only by `ca token` while it prints one and by who enrols. */
#include "lib/token.h"

#include "lib/enc.h"

#include <sodium.h>
#include <string.h>

enum {
	HEAD = 4, /* "ct1_" */
	SEED = KEY_SIZE,
	CHECK = 4,
	BODY = TOKEN_ID + SEED + CHECK,
	BLANKS_MAX = 64, /* around a token */
};

_Static_assert(TOKEN_TEXT == HEAD + (8 * BODY + 4) / 5, "letters of base32");
_Static_assert(SEED == crypto_sign_SEEDBYTES, "an Ed25519 seed");
_Static_assert(TOKEN_PUBLIC == crypto_sign_PUBLICKEYBYTES, "Ed25519");
_Static_assert(TOKEN_SIG == crypto_sign_BYTES, "Ed25519");

static const char head[] = "ct1_";

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

/* BLAKE2b of id and seed, of which a token carries the first bytes: against typing
 * errors, not against people. */
static void checksum(const uint8_t *body, uint8_t out[CHECK])
{
	uint8_t h[crypto_generichash_BYTES];

	ENSURE(!crypto_generichash(h, sizeof h, body, TOKEN_ID + SEED, NULL,
				   0));
	memcpy(out, h, CHECK);
	secret_zero(h, sizeof h);
}

enum err token_format(const struct token *t, struct buf *out)
{
	AUTO(buf_wipe) struct buf body = { 0 };
	uint8_t check[CHECK];

	buf_init_secret(&body, BODY);
	TRY(buf_put(&body, t->id, TOKEN_ID));
	TRY(buf_put(&body, secret_bytes(t->seed), SEED));
	checksum(body.p, check);
	TRY(buf_put(&body, check, CHECK));
	TRY(buf_reserve(out, TOKEN_TEXT));
	TRY(buf_str(out, head));
	return enc_base32(body.p, body.len, out);
}

/* Takes blanks off both ends, and one newline (as files end) off the last. */
static enum err trim(const char **text, size_t *len)
{
	const char *p = *text;
	size_t n = *len;

	if (n > TOKEN_TEXT + 2 * BLANKS_MAX)
		return ERR_INVALID;
	if (n && p[n - 1] == '\n') {
		n--;
		if (n && p[n - 1] == '\r')
			n--;
	}
	while (n && (p[0] == ' ' || p[0] == '\t')) {
		p++;
		n--;
	}
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	*text = p;
	*len = n;
	return OK;
}

static enum err head_check(const char *p, size_t n, struct fault *f)
{
	if (n >= HEAD && !memcmp(p, head, HEAD))
		return OK;
	if (n >= HEAD && !memcmp(p, "ct", 2) && p[2] >= '0' && p[2] <= '9' &&
	    p[3] == '_')
		return fault_set(f, ERR_UNSUPPORTED,
				 "this is an enrolment token of version %c: "
				 "only version 1 is known here",
				 p[2]);
	if (n >= HEAD && !memcmp(p, "ca1_", HEAD))
		return fault_set(f, ERR_INVALID,
				 "this is an agent's token, not an enrolment "
				 "token: those begin with 'ct1_'");
	return fault_set(f, ERR_INVALID,
			 "an enrolment token begins with 'ct1_'");
}

static enum err letters_check(const char *p, size_t n, struct fault *f)
{
	for (size_t i = HEAD; i < n; i++)
		if ((p[i] < 'a' || p[i] > 'z') && (p[i] < '2' || p[i] > '7'))
			return fault_set(f, ERR_INVALID,
					 "character %zu of the token is none "
					 "that a token has (a to z, 2 to 7)",
					 i + 1);
	if (n != TOKEN_TEXT)
		return fault_set(f, ERR_INVALID,
				 "an enrolment token has %d characters, not "
				 "%zu: it was not copied whole",
				 TOKEN_TEXT, n);
	return OK;
}

enum err token_parse(const char *text, size_t len, struct token *t,
		     struct fault *f)
{
	AUTO(buf_wipe) struct buf body = { 0 };
	uint8_t check[CHECK];

	buf_init_secret(&body, BODY);
	if (trim(&text, &len) != OK)
		return fault_set(f, ERR_INVALID,
				 "this is too long for an enrolment token");
	TRY(head_check(text, len, f));
	TRY(letters_check(text, len, f));
	if (enc_base32_parse(text + HEAD, len - HEAD, &body) != OK)
		return fault_set(f, ERR_INVALID,
				 "the last character of the token is wrong");
	ENSURE(body.len == BODY);
	checksum(body.p, check);
	if (!secret_equal(check, body.p + TOKEN_ID + SEED, CHECK))
		return fault_set(f, ERR_INVALID,
				 "the token's check does not fit: a character "
				 "of it is wrong");
	memcpy(t->id, body.p, TOKEN_ID);
	t->seed = secret_from(body.p + TOKEN_ID);
	return OK;
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
