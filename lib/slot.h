/* A key slot: the master key wrapped under a key made from a passphrase or from
 * the bytes of a key file.
 *
 * Header, in the clear: version 01 | type u8 | store id[16] | slot u32 | epoch u32 |
 * salt[16] | Argon2id ops u32 | Argon2id memory in bytes u64.
 * Blob: nonce[24] | XChaCha20-Poly1305(master key)[48] | BLAKE2b-256(key = KEK;
 * header)[32] | check[8], the header as AAD. KEK = Argon2id(secret, salt, ops, mem).
 * The commitment tells a wrong passphrase from a damaged key; check, the first 8
 * bytes of BLAKE2b-256(header | blob before it), tells chance damage from either
 * before any memory is filled. It has no key and stops nobody who wants to edit.
 *
 * A key file goes the same way as a passphrase: nothing says that its bytes are
 * random, and the price is paid once an unseal. */
#ifndef LIB_SLOT_H
#define LIB_SLOT_H

#include "lib/row.h"
#include "lib/secret.h"

enum {
	SLOT_VERSION = 1,
	SLOT_SALT = 16,
	SLOT_HEADER = 54,
	SLOT_BLOB = 24 + KEY_SIZE + 16 + 32 + 8,
	SLOT_OPS_MIN = 1,
	SLOT_OPS_MAX = 10,
	SLOT_OPS = 3,            /* used when nobody says */
	SLOT_KEYFILE_MIN = 32,   /* bytes of a key file */
	SLOT_SECRET_MAX = 65536, /* bytes of a passphrase or key file */
};

#define SLOT_MEM_MIN (64ull << 20)
#define SLOT_MEM_MAX (1024ull << 20)
#define SLOT_MEM     (256ull << 20) /* used when nobody says */

enum slot_type {
	SLOT_PASSPHRASE = 1,
	SLOT_KEYFILE = 2,
};

struct slot_header {
	enum slot_type type;
	uint8_t store[STORE_ID_SIZE];
	uint32_t slot;
	uint32_t epoch;
	uint8_t salt[SLOT_SALT];
	uint32_t ops;
	uint64_t mem;
};

/* "passphrase", "keyfile"; static. And back: ERR_INVALID. */
const char *slot_type_name(enum slot_type t);
MUST enum err slot_type_parse(const void *name, size_t len, enum slot_type *t);

/* Reads exactly SLOT_HEADER bytes and checks every bound. ERR_UNSUPPORTED: a
 * newer version; ERR_INVALID with the reason otherwise. */
MUST enum err slot_header_parse(const void *p, size_t len,
				struct slot_header *h, struct fault *f);

/* Cuts the stored row (header | blob) in two; nothing else is checked. */
MUST enum err slot_split(const void *row, size_t len, const uint8_t **header,
			 const uint8_t **blob, struct fault *f);

/* Makes a slot as h says (its salt is chosen here), appending to header and blob.
 * ERR_INVALID: a bound is not kept; ERR_UNAVAILABLE: no memory for Argon2id.
 * Takes as long and as much memory as h says. */
MUST enum err slot_make(struct slot_header *h, const void *secret, size_t len,
			const struct secret *master, struct buf *header,
			struct buf *blob, struct fault *f);

/* Opens one. ERR_DENIED: wrong passphrase or key file; ERR_INVALID: damaged;
 * ERR_UNSUPPORTED, ERR_UNAVAILABLE as above. */
MUST enum err slot_open(const void *header, size_t header_len, const void *blob,
			size_t blob_len, const void *secret, size_t len,
			struct slot_header *h, struct secret **master,
			struct fault *f);

#endif
