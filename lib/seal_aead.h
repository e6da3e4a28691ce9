/* XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) as rows and slots use it:
 * nonce[24] | ciphertext | tag[16], a fresh nonce from getrandom each time; and
 * wrapped keys, which also carry a commitment to the wrapping key. */
#ifndef LIB_SEAL_AEAD_H
#define LIB_SEAL_AEAD_H

#include "lib/buf.h"
#include "lib/secret.h"
#include "lib/span.h"

/* Appends nonce, ciphertext and tag of the plaintext a | b. Nothing is appended
 * on error; no copy of the plaintext stays behind in out. */
MUST enum err aead_seal(const uint8_t key[KEY_SIZE], struct span aad,
			struct span a, struct span b, struct buf *out);

/* Appends the plaintext to out. ERR_INVALID, and nothing appended, if it is cut
 * short or the tag is wrong. */
MUST enum err aead_open(const uint8_t key[KEY_SIZE], struct span aad,
			const uint8_t *box, size_t len, struct buf *out);

/* Only whether it would open. */
MUST enum err aead_check(const uint8_t key[KEY_SIZE], struct span aad,
			 const uint8_t *box, size_t len);

/* Appends the plaintext without looking at the tag: not to be believed. */
MUST enum err aead_peek(const uint8_t key[KEY_SIZE], const uint8_t *box,
			size_t len, struct buf *out);

/* nonce[24] | AEAD(inner)[48] | BLAKE2b-256(key = kek; aad), and back.
 * ERR_CONFLICT: kek or aad is not what it was wrapped with; ERR_INVALID: it is,
 * but the rest is damaged. */
MUST enum err key_wrap(const uint8_t kek[KEY_SIZE], struct span aad,
		       const struct secret *inner, struct buf *out);
MUST enum err key_unwrap(const uint8_t kek[KEY_SIZE], struct span aad,
			 const uint8_t *wrapped, size_t len,
			 struct secret **inner);

#endif
