/* Vault: a request's salted digest for its record. Holds salts to come. */
#include "lib/audit.h"

#include "lib/enc.h"

/* One getrandom for many salts. They are no secret: each stands in its record. */
enum {
	SALT = 16,
	SALT_POOL = 64 * SALT
};

enum err audit_digest(struct attrs *to, const void *request, size_t len)
{
	static _Thread_local uint8_t pool[SALT_POOL];
	static _Thread_local size_t left;
	AUTO(buf_wipe) struct buf text = { .max = 128 };
	struct merkle_hash digest;
	const uint8_t *salt;

	if (!left) {
		random_fill(pool, sizeof pool);
		left = sizeof pool;
	}
	left -= SALT;
	salt = pool + left;
	merkle_sha256(salt, SALT, request, len, &digest);
	TRY(enc_base64(salt, SALT, &text));
	TRY(attrs_add(to, "salt", 0, text.p, text.len));
	buf_clear(&text);
	TRY(enc_base64(digest.b, sizeof digest.b, &text));
	return attrs_add(to, "digest", 0, text.p, text.len);
}
