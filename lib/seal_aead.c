/* Used by vault and opener; holds a key only while it is called. */
#include "lib/seal_aead.h"

#include <sodium.h>
#include <string.h>

enum {
	NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	COMMIT = 32,
};

enum err aead_seal(const uint8_t key[KEY_SIZE], struct span aad, struct span a,
		   struct span b, struct buf *out)
{
	size_t n = a.n + b.n;
	uint8_t *at;

	TRY(buf_grow(out, NONCE + n + TAG, &at));
	random_fill(at, NONCE);
	if (a.n)
		memcpy(at + NONCE, a.p, a.n);
	if (b.n)
		memcpy(at + NONCE + a.n, b.p, b.n);
	ENSURE(crypto_aead_xchacha20poly1305_ietf_encrypt(
		       at + NONCE, NULL, at + NONCE, n, aad.p, aad.n, NULL, at,
		       key) == 0);
	return OK;
}

enum err aead_open(const uint8_t key[KEY_SIZE], struct span aad,
		   const uint8_t *box, size_t len, struct buf *out)
{
	uint8_t *at;

	if (len < NONCE + TAG)
		return ERR_INVALID;
	TRY(buf_grow(out, len - NONCE - TAG, &at));
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    at, NULL, NULL, box + NONCE, len - NONCE, aad.p, aad.n, box,
		    key) == 0)
		return OK;
	out->len -= len - NONCE - TAG;
	return ERR_INVALID;
}

enum err aead_check(const uint8_t key[KEY_SIZE], struct span aad,
		    const uint8_t *box, size_t len)
{
	if (len < NONCE + TAG)
		return ERR_INVALID;
	/* Without a place for the plaintext only the tag is verified. */
	if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
		    NULL, NULL, box + NONCE, len - NONCE - TAG, box + len - TAG,
		    aad.p, aad.n, box, key) != 0)
		return ERR_INVALID;
	return OK;
}

enum err aead_peek(const uint8_t key[KEY_SIZE], const uint8_t *box, size_t len,
		   struct buf *out)
{
	uint8_t *at;

	if (len < NONCE + TAG)
		return ERR_INVALID;
	TRY(buf_grow(out, len - NONCE - TAG, &at));
	/* Block 0 of the stream is the tag's key, the text begins at 1. */
	ENSURE(crypto_stream_xchacha20_xor_ic(
		       at, box + NONCE, len - NONCE - TAG, box, 1, key) == 0);
	return OK;
}

static void commitment(uint8_t out[COMMIT], const uint8_t kek[KEY_SIZE],
		       struct span aad)
{
	ENSURE(crypto_generichash_blake2b(out, COMMIT, aad.p, aad.n, kek,
					  KEY_SIZE) == 0);
}

enum err key_wrap(const uint8_t kek[KEY_SIZE], struct span aad,
		  const struct secret *inner, struct buf *out)
{
	struct span plain = { .p = secret_bytes(inner), .n = KEY_SIZE };
	uint8_t *at;

	TRY(buf_reserve(out, NONCE + KEY_SIZE + TAG + COMMIT));
	TRY(aead_seal(kek, aad, plain, (struct span){ 0 }, out));
	TRY(buf_grow(out, COMMIT, &at));
	commitment(at, kek, aad);
	return OK;
}

enum err key_unwrap(const uint8_t kek[KEY_SIZE], struct span aad,
		    const uint8_t *wrapped, size_t len, struct secret **inner)
{
	AUTO(secret_drop) struct secret *key = NULL;
	size_t box = NONCE + KEY_SIZE + TAG;
	uint8_t want[COMMIT];

	if (len != box + COMMIT)
		return ERR_INVALID;
	commitment(want, kek, aad);
	if (!secret_equal(want, wrapped + box, COMMIT))
		return ERR_CONFLICT;
	key = secret_new();
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    secret_edit(key), NULL, NULL, wrapped + NONCE, box - NONCE,
		    aad.p, aad.n, wrapped, kek) != 0)
		return ERR_INVALID;
	*inner = key;
	key = NULL;
	return OK;
}
