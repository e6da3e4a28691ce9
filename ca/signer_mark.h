/* The high-water mark: which numbers of certificates may have been signed, and what
 * else the signer must not forget when it dies. A file of two records that are
 * written in turn, in place, and synced before anything is signed that needs them.
 *
 * Record: version 01 | turn u64 | end u64 | epoch u64 | count u64 | chain[32] |
 * log size u64 | CRL numbers u64 * MARK_SCOPES | BLAKE2b-256(key; all before it).
 * The key is the CA's own: a mark of another CA is no mark. */
#ifndef CA_SIGNER_MARK_H
#define CA_SIGNER_MARK_H

#include "lib/merkle.h"
#include "lib/secret.h"

enum {
	MARK_BLOCK = 1024, /* numbers reserved at once */
	MARK_SHARDS_MAX = 4096,
	MARK_SCOPES = 1 + MARK_SHARDS_MAX, /* the full CRL, then the shards */
	MARK_SUM = 32,
	MARK_RECORD = 1 + 5 * 8 + MERKLE_HASH + MARK_SCOPES * 8 + MARK_SUM,
	MARK_SLOT = 40 << 10, /* bytes from one record to the other */
};

#define MARK_FILE "mark"

/* What a record says. */
struct mark_record {
	uint64_t turn;  /* of two records the higher one counts */
	uint64_t end;   /* numbers below it may have been signed */
	uint64_t epoch; /* starts of the signer */
	uint64_t count; /* certificates signed, as far as was written */
	struct merkle_hash chain;
	uint64_t log_size; /* of the last checkpoint that was signed */
	uint64_t crl[MARK_SCOPES];
};

struct mark {
	int fd;                   /* -1: closed */
	const struct secret *key; /* borrowed */
	struct mark_record now;   /* with what is not yet written */
	uint64_t next;            /* the lowest number that may be signed */
	bool mended; /* one record was damaged; the numbers of a block are given up */
};

/* One record, and back: ERR_INVALID unless it is one, made with this key. */
MUST enum err mark_format(const struct mark_record *r, const struct secret *key,
			  struct buf *out);
MUST enum err mark_parse(const void *p, size_t len, const struct secret *key,
			 struct mark_record *r);

/* Makes the file (in place of one that is there), synced: numbers below end are
 * spent. */
MUST enum err mark_make(int dir, const struct secret *key, uint64_t end,
			struct fault *f);

/* Opens it for a start of the signer, whose epoch is written at once. key is kept.
 * ERR_NOT_FOUND, ERR_INVALID (damaged, of another CA), ERR_UNAVAILABLE (disk). */
MUST enum err mark_open(struct mark *m, int dir, const struct secret *key,
			struct fault *f);
void mark_close(struct mark *m);

/* May this number be signed now? Reserves (and syncs) the next block when it is the
 * first of it. ERR_CONFLICT: it may have been signed before; ERR_INVALID: it is
 * beyond the block; ERR_UNAVAILABLE: the disk. */
MUST enum err mark_take(struct mark *m, uint64_t number, struct fault *f);

/* It was signed, over this TBSCertificate: no longer to be had, and
 * chain' = SHA-256(chain | number u64 | SHA-256(tbs)). */
void mark_signed(struct mark *m, uint64_t number, const void *tbs, size_t len);

/* It was refused for another reason: it is not to be had any more either. Else an
 * issuer that goes on counting while everything is refused would leave the block. */
void mark_skip(struct mark *m, uint64_t number);

/* True if that number may have been signed. */
bool mark_spent(const struct mark *m, uint64_t number);

/* Writes and syncs m->now. What failed to be written may be tried again. */
MUST enum err mark_write(struct mark *m, struct fault *f);

#endif
