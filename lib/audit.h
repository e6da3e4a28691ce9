/* The writing side of the audit log: makes records, knows their tree, signs its
 * checkpoints; never touches a file. In credd the vault runs it (it holds the log's
 * Ed25519 key) and its sink sends to the store; in ca the sink adds rows to the
 * transaction at hand.
 *
 *	audit_record …		records wait in memory, numbered from the log's size
 *	audit_send		hands a run of them to the sink: one at a time
 *	audit_acked/_failed	the sink's answer; only now an answer may leave
 *	audit_checkpoint	a signed note over what was acknowledged
 *
 * After audit_failed the records from that index on are gone and their indexes are
 * used again: whoever waits for one of them is answered `unavailable`. Nothing else
 * is ever in flight then, so no late answer can be mistaken.
 *
 * A record is an attribute list, `time=` first (RFC 3339, UTC, microseconds), hashed
 * as it is and never encoded again. Confidential values never get in. */
#ifndef LIB_AUDIT_H
#define LIB_AUDIT_H

#include "lib/audit_file.h"
#include "lib/note.h"

enum {
	AUDIT_PENDING_MAX = 65536,       /* records not yet acknowledged */
	AUDIT_PENDING_BYTES = 16 << 20,  /* and their bytes */
	AUDIT_CHECKPOINT_RECORDS = 4096, /* a checkpoint is due after so many */
	AUDIT_CHECKPOINT_SECONDS = 5,    /* or so long, */
	AUDIT_CHECKPOINT_APART = 1,      /* but this many seconds apart: its
					    sync holds up what is answered */
};

/* Where records go. Both may answer later by audit_acked, audit_failed,
 * audit_noted; what they return is whether the handing over worked. */
struct audit_sink {
	/* flags: AUDIT_ADMIN (all of them are an admin's), AUDIT_SYNC */
	enum err (*append)(void *arg, uint64_t first,
			   const struct attr_view *record, unsigned count,
			   unsigned flags);
	/* n is what note says; note is empty in a log without a seed: whoever has
	 * the key signs n */
	enum err (*checkpoint)(void *arg, const struct note *n,
			       struct attr_view note,
			       struct attr_view frontier);
	void *arg;
};

/* What a log's keeper told about it, collected while it tells: the last checkpoint,
 * then every record after it. */
struct audit_tail {
	struct merkle tree;
	struct note note;
	bool noted;
};

/* Starts with the last checkpoint: checks its signature, its origin and that the
 * frontier is the tree it signs. note.len 0: there is none yet. */
MUST enum err audit_tail_open(struct audit_tail *t, const char *origin,
			      const uint8_t key[NOTE_PUBLIC],
			      struct attr_view note, struct attr_view frontier,
			      struct fault *f);

/* Adds the next record; it must have the index t->tree.size. */
MUST enum err audit_tail_add(struct audit_tail *t, uint64_t index,
			     struct attr_view record, struct fault *f);

/* The log ends at size: ERR_CONFLICT if records are missing. */
MUST enum err audit_tail_end(const struct audit_tail *t, uint64_t size,
			     struct fault *f);

/* A store whose sealed generation is below the log's was put back from an old copy;
 * a log shorter than the sealed state row knew it was cut. ERR_CONFLICT. */
MUST enum err audit_check_generation(uint64_t note, uint64_t store,
				     struct fault *f);
MUST enum err audit_check_size(uint64_t size, uint64_t sealed, struct fault *f);

/* Both clocks, passed in: wall clock in ns for records and notes, CLOCK_BOOTTIME in ns
 * for deadlines. */
struct audit_now {
	uint64_t wall;
	uint64_t boot;
};

struct audit;

/* A log that goes on where the tail ends. Copies origin, seed and sink. sync: every
 * append asks for AUDIT_SYNC (audit=durable). Free with audit_free (AUTO-able). */
struct audit *audit_new(const struct audit_tail *t, const char *origin,
			const struct secret *seed,
			const struct audit_sink *sink, bool sync);
/* The same where another process has the key and signs (ca's signer). */
struct audit *audit_new_unsigned(const struct audit_tail *t, const char *origin,
				 const uint8_t key[NOTE_PUBLIC],
				 const struct audit_sink *sink);
void audit_free(struct audit **a);

/* The keeper was started anew and told where its log ends. Everything acknowledged
 * must be there, and what is there beyond that must be what was handed over; it
 * counts as acknowledged now, the rest is handed over again by audit_send.
 * ERR_CONFLICT with the reason otherwise: the log was cut or changed. */
MUST enum err audit_resume(struct audit *a, const struct audit_tail *t,
			   struct fault *f);

/* Makes a record of `what`. Flags: AUDIT_ADMIN. *index: its number; it is kept when
 * audit_kept is above that. ERR_TOO_LARGE past AUDIT_RECORD_MAX; ERR_UNAVAILABLE when
 * too much waits, or the disk was full less than a second ago and the record is no
 * admin's. */
MUST enum err audit_record(struct audit *a, struct audit_now now,
			   struct attr_view what, unsigned flags,
			   uint64_t *index, struct fault *f);

/* Makes a record of a denial. The first is written like any other, so that no answer
 * precedes its record. Denials with the same `what` within a second of it are only
 * counted (*index is the first one's), and written as one more record with count=N by
 * audit_denials. `once` is only in the first: what differs each time. */
MUST enum err audit_denial(struct audit *a, struct audit_now now,
			   struct attr_view what, struct attr_view once,
			   uint64_t *index, struct fault *f);

/* Writes the counts whose second is over (all: every one, before the log is shown or
 * closed). One that cannot be written stays and is tried again a second later. */
void audit_denials(struct audit *a, struct audit_now now, bool all);

/* When audit_denials, audit_send or audit_checkpoint next have something to do, in ns
 * of CLOCK_BOOTTIME; UINT64_MAX: nothing waits. */
uint64_t audit_deadline(const struct audit *a);

/* Hands the next run of records to the sink, if none is in flight. */
MUST enum err audit_send(struct audit *a);

/* After audit_resume: the first n records that wait are with the sink again, as they
 * were (what was made meanwhile is not). ERR_INVALID if there are not that many. */
MUST enum err audit_again(struct audit *a, unsigned n);

/* True if more records, or bytes of them, wait to be handed over. */
bool audit_behind(const struct audit *a, size_t records, size_t bytes);

/* The sink's answers: the log has `size` records now (ERR_INVALID unless that is
 * what was handed over: the keeper is broken); the record `first` and all after it
 * were not written. */
MUST enum err audit_acked(struct audit *a, uint64_t size);
/* boot: now; others are refused for a second, so that a full disk is left alone. 0: it
 * was not the disk, and nobody is. */
MUST enum err audit_failed(struct audit *a, uint64_t first, uint64_t boot);

uint64_t audit_size(const struct audit *a);      /* records made */
uint64_t audit_kept(const struct audit *a);      /* records acknowledged */
const uint8_t *audit_key(const struct audit *a); /* NOTE_PUBLIC bytes */

/* True if enough records or time have passed since the last checkpoint. */
bool audit_checkpoint_due(const struct audit *a, uint64_t boot);

/* Signs what was acknowledged and hands it to the sink. Nothing is done if the last
 * checkpoint says the same or one is in flight; audit_noted ends that. */
MUST enum err audit_checkpoint(struct audit *a, struct audit_now now,
			       uint64_t generation);
void audit_noted(struct audit *a, bool written);

/* Adds salt= and digest=: 16 random bytes and SHA-256(salt | request), in base64. */
MUST enum err audit_digest(struct attrs *to, const void *request, size_t len);

#endif
