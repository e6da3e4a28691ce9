/* Checkpoints of a log, as C2SP signed notes (tlog-checkpoint, signed-note):
 *
 *	cretula/credd/<store id in hex>			origin, also the key's name
 *	<size in decimal>
 *	<root in base64>
 *	time=<RFC 3339, UTC> generation=<decimal>	extension line; a log whose
 *		signer counts what else it signs (ca) goes on in the same line:
 *		 signed=<decimal> epoch=<decimal> chain=<64 hex digits>
 *	<empty line>
 *	— <origin> <base64 of key id[4] | Ed25519 signature[64]>
 *
 * The signature covers everything up to the empty line, the newline before it
 * included. Key id: the first 4 bytes of SHA-256(name | 0A | 01 | public key).
 * There is one text of a checkpoint: anything else is refused, trailing bytes and
 * second signatures too (cosignatures of witnesses are kept beside, not inside). */
#ifndef LIB_NOTE_H
#define LIB_NOTE_H

#include "lib/merkle.h"
#include "lib/secret.h"

enum {
	NOTE_ORIGIN_MAX = 128,
	NOTE_MAX = 1024, /* bytes of a note's text */
	NOTE_PUBLIC = 32,
	NOTE_SIG = 64,
	NOTE_STORE_ID = 16,
};

struct note {
	char origin[NOTE_ORIGIN_MAX + 1];
	uint64_t size;
	struct merkle_hash root;
	int64_t time; /* wall clock, s */
	uint64_t generation;
	/* what the signer of certificates has signed by then: how many since
	 * there is this CA, in which of its starts, and its running hash */
	bool chained;
	uint64_t count, epoch;
	struct merkle_hash chain;
};

/* "cretula/DAEMON/HEX" into origin. */
void note_origin(const char *daemon, const uint8_t store[NOTE_STORE_ID],
		 char origin[NOTE_ORIGIN_MAX + 1]);

/* The public key of an Ed25519 seed. */
void note_public(const struct secret *seed, uint8_t out[NOTE_PUBLIC]);

/* Appends the signed text. ERR_INVALID if the origin is empty, too long or has
 * anything but [A-Za-z0-9/._-], or the time has no RFC 3339 text. */
MUST enum err note_sign(const struct note *n, const struct secret *seed,
			struct buf *out);

/* Reads a text without looking at its signature: for who has no key (the store). */
MUST enum err note_parse(const void *text, size_t len, struct note *n,
			 struct fault *f);

/* Reads a text and checks that the key made it. origin may be NULL: any. */
MUST enum err note_verify(const void *text, size_t len,
			  const uint8_t key[NOTE_PUBLIC], const char *origin,
			  struct note *n, struct fault *f);

#endif
