/* Verifying an audit log as it streams by: records in order, and checkpoints at any
 * time before the record that follows them. Recomputes the tree, so a checkpoint
 * given by `since` proves that the log extends what was seen then. */
#ifndef LIB_AUDIT_VERIFY_H
#define LIB_AUDIT_VERIFY_H

#include "lib/attr.h"
#include "lib/note.h"

enum {
	VERIFY_NOTES_MAX = 1 << 22
}; /* checkpoints that wait for their records */

struct audit_verdict {
	bool good;        /* no fault was found */
	bool since;       /* and the log extends the checkpoint given */
	uint64_t records; /* seen */
	uint64_t notes;   /* checkpoints whose records were seen and agree */
	uint64_t
		covered; /* records under the last of them: the rest is unsigned */
	uint64_t since_size;          /* of the checkpoint given */
	uint64_t generation;          /* of the last checkpoint */
	struct fault fault;           /* the first fault, if not good */
	char summary[FAULT_TEXT_MAX]; /* a sentence for people */
};

struct audit_verify;

/* A log that starts with record 0. origin NULL: that of the first checkpoint.
 * Borrows nothing. Free with audit_verify_free (AUTO-able). */
struct audit_verify *audit_verify_new(const char *origin,
				      const uint8_t key[NOTE_PUBLIC]);
void audit_verify_free(struct audit_verify **v);

/* The checkpoint somebody kept, before the first record. */
MUST enum err audit_verify_since(struct audit_verify *v, const void *text,
				 size_t len, struct fault *f);

/* The next checkpoint, the next record. Errors are the first fault found, and stay:
 * going on after one is allowed and changes nothing. */
MUST enum err audit_verify_note(struct audit_verify *v, const void *text,
				size_t len);
MUST enum err audit_verify_record(struct audit_verify *v, const void *record,
				  size_t len);

/* That was all; size: records the log says it has (UINT64_MAX: unknown). Returns the
 * fault's code, or OK; fills the verdict in either case. */
MUST enum err audit_verify_end(struct audit_verify *v, uint64_t size,
			       struct audit_verdict *out);

#endif
