/* Enrolment tokens (formats.md): `ct1_` + base32(id[16] | Ed25519 seed[32] | check[4]),
 * the check being the first bytes of BLAKE2b-256(id | seed). The token is a key: who
 * holds it signs a request with it; the CA has only id and public key. */
#ifndef LIB_TOKEN_H
#define LIB_TOKEN_H

#include "lib/buf.h"
#include "lib/secret.h"

enum {
	TOKEN_ID = 16,
	TOKEN_PUBLIC = 32,
	TOKEN_SIG = 64,
	TOKEN_TEXT = 4 + 84, /* characters of a token */
	TOKEN_HASH = 32,     /* SHA-256 */
};

struct token {
	uint8_t id[TOKEN_ID];
	struct secret *seed;
};

/* A new one; wiped with token_wipe (AUTO-able). */
void token_make(struct token *t);
void token_wipe(struct token *t);
void token_public(const struct token *t, uint8_t out[TOKEN_PUBLIC]);

/* Text without newline, appended to a secret buffer; and back, blanks around it and
 * one newline after it allowed. t must hold nothing. ERR_UNSUPPORTED: another version;
 * ERR_INVALID: says what is wrong (length, letter, check) and never the token. */
MUST enum err token_format(const struct token *t, struct buf *out);
MUST enum err token_parse(const char *text, size_t len, struct token *t,
			  struct fault *f);

/* The signature over "cretula-enrol-v1" 00 | SHA-256(issuing CA SPKI) | id |
 * SHA-256(CSR), and its check: ERR_UNAUTHENTICATED if it is wrong. */
void token_sign(const struct token *t, const uint8_t ca_hash[TOKEN_HASH],
		const void *csr, size_t len, uint8_t sig[TOKEN_SIG]);
MUST enum err token_verify(const uint8_t id[TOKEN_ID],
			   const uint8_t public_key[TOKEN_PUBLIC],
			   const uint8_t ca_hash[TOKEN_HASH], const void *csr,
			   size_t len, const uint8_t sig[TOKEN_SIG]);

#endif
