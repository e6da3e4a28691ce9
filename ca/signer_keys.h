/* The signer's key files, in its folder.
 *
 * `issuing`: 01 | store id[16] | generation u64 | BLAKE2b-256(key = master; all before
 * it) | a sealed row (lib/seal.h: table key, row 1, name "issuing") with issuing key,
 * log key, mark key, scope, both certificates and the root's CRL.
 * Master = BLAKE2b-256(key file; salt = store id, personal = "cretula-signer").
 *
 * `root.key`: 01 | a key slot (lib/slot.h, passphrase) | a sealed row (row 2, name
 * "root") under the slot's key with the root's private key. Needed for IG_RENEW only:
 * may be taken away, and brought back for that. */
#ifndef CA_SIGNER_KEYS_H
#define CA_SIGNER_KEYS_H

#include "lib/note.h"
#include "lib/row.h"
#include "lib/signkey.h"

#define KEYS_FILE "issuing"
#define ROOT_FILE "root.key"

enum {
	KEYS_FILE_MAX = 256 << 10,
	KEYS_KEYFILE_MIN = 32, /* bytes of a key file */
	KEYS_KEYFILE_MAX = 64 << 10,
	KEYS_CERT_MAX = 64 << 10,
};

struct signer_keys {
	uint8_t store[STORE_ID_SIZE];
	uint64_t generation; /* of the file */
	struct signkey *issuing;
	struct secret *log_seed; /* Ed25519 */
	struct secret *mark_key; /* of the high-water mark's checksums */
	uint8_t log_key[NOTE_PUBLIC];
	struct attrs scope;            /* as IG_INIT had it */
	struct buf root, issuing_cert; /* DER */
	struct buf root_says;          /* ca/signer_root.h: of the issuing CA */
	uint64_t root_next;            /* the root's own next number */
};

void keys_init(struct signer_keys *k); /* empty; keys_wipe is fine then */
void keys_wipe(struct signer_keys *k);

/* Fresh keys and store id; the rest is empty. */
MUST enum err keys_new(struct signer_keys *k, enum key_type t, unsigned bits,
		       struct fault *f);

/* Reads and opens `issuing` with the key file's bytes. ERR_NOT_FOUND: there is none
 * (no sentence); ERR_DENIED: another key file; ERR_INVALID: damaged or edited. */
MUST enum err keys_load(struct signer_keys *k, int dir,
			const struct buf *keyfile, struct fault *f);
/* Writes `issuing` (its generation goes up), in place of the one before: written,
 * synced, renamed, the folder synced. */
MUST enum err keys_save(struct signer_keys *k, int dir,
			const struct buf *keyfile, struct fault *f);
/* What keys_save writes, and back; for the tests. */
MUST enum err keys_format(const struct signer_keys *k,
			  const struct buf *keyfile, struct buf *out,
			  struct fault *f);
MUST enum err keys_parse(struct signer_keys *k, const void *p, size_t len,
			 const struct buf *keyfile, struct fault *f);

/* Writes `root.key`; ERR_EXISTS if it is there. Takes as long as Argon2id. */
MUST enum err root_save(const struct signer_keys *k, int dir,
			const struct signkey *root, struct attr_view passphrase,
			struct fault *f);
/* Opens it. ERR_NOT_FOUND: it was taken offline; ERR_DENIED: wrong passphrase;
 * ERR_CONFLICT: of another CA; ERR_INVALID: damaged. */
MUST enum err root_load(const struct signer_keys *k, int dir,
			struct attr_view passphrase, struct signkey **out,
			struct fault *f);

#endif
