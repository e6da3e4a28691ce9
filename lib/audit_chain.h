/* The running hash of a CA's signer, replayed over its log: a certificate that was signed
 * and left out of the log shows as a number that is missing, one that was exchanged as a
 * hash that does not follow (docs/audit.md).
 *
 * A record of an issuance says signed=N (how many the signer had signed with it),
 * chain=HEX, serial= and tbs= (SHA-256 of what was signed):
 *	chain(N) = SHA-256(chain(N-1) | number u64 | tbs)
 * A checkpoint carries count and hash as of its signing. */
#ifndef LIB_AUDIT_CHAIN_H
#define LIB_AUDIT_CHAIN_H

#include "lib/attr.h"
#include "lib/note.h"

struct audit_chain {
	bool begun;
	uint64_t count; /* of the last record */
	struct merkle_hash chain;
	uint64_t missing;  /* signed, and in no record */
	uint64_t restarts; /* the signer died and lost count */
};

/* The next record of the log, whatever it is. ERR_INVALID if its hash does not follow
 * from the one before. Begins with { 0 }. */
MUST enum err audit_chain_record(struct audit_chain *c, struct attr_view record,
				 struct fault *f);

/* The log's last checkpoint, when all records were given: what it says was signed
 * beyond the log is missing, too. ERR_INVALID if it says another hash. */
MUST enum err audit_chain_end(struct audit_chain *c, const struct note *last,
			      struct fault *f);

#endif
