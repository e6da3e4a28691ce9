/* Sealing rows of the store.
 *
 * Subkeys of the master key: BLAKE2b-256 (RFC 7693), keyed with it, salt = store
 * id, personal = cretula-wrap, cretula-row, cretula-set, zero-padded to 16.
 *
 * Row blob: format 01 | suite 01 | epoch u32 | nonce[24] | ciphertext | tag[16],
 * XChaCha20-Poly1305 under the row subkey, AAD the binary attribute list
 *	format= suite= epoch= store= table= row= name= module= version= generation=
 * The plaintext is a list whose first attribute, place=, is the list from table=
 * on; it lets a row that was moved be told from one that was edited.
 *
 * Confidential attributes of a row: a list sealed under a data key of its own
 * (nonce[24] | ciphertext | tag, AAD format= suite= store= use=confidential table=
 * row= name= module= version=), the data key wrapped under the wrap subkey
 * (nonce[24] | ciphertext[32] | tag[16] | commitment[32], AAD the same with epoch=
 * after suite= and use=dek; commitment BLAKE2b-256(key = wrap subkey; AAD)).
 * Neither is bound to the generation, so that a row can be sealed anew without
 * its confidential values being opened; the data key's ciphertext is not bound to
 * the epoch, so that a new master key needs the data key wrapped anew, no more. */
#ifndef LIB_SEAL_H
#define LIB_SEAL_H

#include "lib/row.h"
#include "lib/secret.h"

enum {
	SEAL_FORMAT = 1,
	SEAL_SUITE = 1, /* XChaCha20-Poly1305, BLAKE2b */
	SEAL_NONCE = 24,
	SEAL_TAG = 16,
	SEAL_COMMIT = 32,
	SEAL_HEAD = 6 + SEAL_NONCE,
	SEAL_WRAPPED = SEAL_NONCE + KEY_SIZE + SEAL_TAG + SEAL_COMMIT,
};

/* The subkeys of one master key, store and epoch, in secret memory. */
struct seal_keys;

struct seal_keys *seal_keys_new(const uint8_t master[KEY_SIZE],
				const uint8_t store[STORE_ID_SIZE],
				uint32_t epoch);
void seal_keys_drop(struct seal_keys **k); /* wipes, frees, sets NULL */

const uint8_t *seal_set_key(const struct seal_keys *k); /* for lib/set.c */

/* Appends the sealed row to out. ERR_TOO_LARGE if it would pass ROW_BLOB_MAX. */
MUST enum err seal_row(const struct seal_keys *k, const struct row_head *h,
		       struct attr_view plain, struct buf *out);

/* Opens a row into out, an empty list (secret if the row may hold keys). Errors:
 * ERR_UNSUPPORTED: sealed by a newer version; ERR_CONFLICT: of another epoch;
 * ERR_INVALID: cut short, moved (the sentence says from where) or edited. */
MUST enum err seal_open_row(const struct seal_keys *k, const struct row_head *h,
			    const void *blob, size_t len, struct attrs *out,
			    struct fault *f);

/* Appends a wrapped data key (SEAL_WRAPPED bytes) to out, and back.
 * ERR_CONFLICT: wrapped under another key or for another row; ERR_INVALID:
 * damaged. */
MUST enum err seal_wrap(const struct seal_keys *k, const struct row_head *h,
			const struct secret *dek, struct buf *out);
MUST enum err seal_unwrap(const struct seal_keys *k, const struct row_head *h,
			  const void *wrapped, size_t len, struct secret **dek,
			  struct fault *f);

/* Seals confidential attributes under a fresh data key: its wrapped form is
 * appended to wrapped (the row's dek=), the list's to sealed (its sealed=). */
MUST enum err seal_confidential(const struct seal_keys *k,
				const struct row_head *h,
				struct attr_view plain, struct buf *wrapped,
				struct buf *sealed);

/* Opens them into out, an empty list in secret memory. */
MUST enum err seal_open_confidential(const struct seal_keys *k,
				     const struct row_head *h,
				     const void *wrapped, size_t wrapped_len,
				     const void *sealed, size_t sealed_len,
				     struct attrs *out, struct fault *f);

#endif
