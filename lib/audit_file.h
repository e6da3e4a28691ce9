/* The audit log in files: the store's side, without any key. In a folder `audit`:
 *
 *	log-00000001 …	segments: "cretlog1" | index of its first record u64, then
 *			records: length u32 | bytes. A new one from 64 MiB on.
 *	checkpoints	entries: text of the note | line frontier=BASE64 | line =
 *
 * Records are numbered from 0. What an append reported as done is in the file
 * (with AUDIT_SYNC, on the disk), in whole records, whatever is killed when: an
 * append that fails leaves nothing, and a record cut short by a kill is taken off
 * when the folder is opened next. It was never acknowledged. */
#ifndef LIB_AUDIT_FILE_H
#define LIB_AUDIT_FILE_H

#include "lib/attr.h"

enum {
	AUDIT_RECORD_MAX = 1 << 16,  /* bytes of one record */
	AUDIT_BATCH_MAX = 4000,      /* records of one append: fit a message */
	AUDIT_BATCH_BYTES = 1 << 19, /* and their bytes, 16 more for each */
	AUDIT_RESERVE = 64 << 20,    /* bytes of the disk kept for admins */
	AUDIT_SEGMENT = 64 << 20,    /* bytes of a segment, about */
};

enum audit_flag {
	AUDIT_ADMIN = 1, /* may use the reserve */
	AUDIT_SYNC = 2,  /* on the disk before it returns */
};

struct audit_file;

/* Opens (or makes) the folder `audit` under the state folder dir, which is borrowed
 * for the call. Takes off a torn last record or checkpoint. A torn record that a
 * checkpoint covers, a missing segment, a file of another owner or mode: refused,
 * nothing is changed. */
MUST enum err audit_file_open(int dir, struct audit_file **out,
			      struct fault *f);
void audit_file_close(struct audit_file **af); /* AUTO-able; NULL is fine */

/* Records in the log; bytes taken off at open (0: nothing was torn). */
uint64_t audit_file_size(const struct audit_file *af);
uint64_t audit_file_torn(const struct audit_file *af);

/* The last checkpoint: its text and the frontier's bytes (lib/merkle.h), borrowed
 * until the next checkpoint; its size. False if there is none. */
bool audit_file_note(const struct audit_file *af, struct attr_view *note,
		     struct attr_view *frontier, uint64_t *size);

/* Appends count records, in one write. `first` must be the log's size, or it is
 * ERR_CONFLICT. All or none: ERR_UNAVAILABLE when the disk is full or, without
 * AUDIT_ADMIN, nearly full. Should the disk fail so that not even undoing is
 * possible, every later append fails too, until the folder is opened anew. */
MUST enum err audit_file_append(struct audit_file *af, uint64_t first,
				const struct attr_view *record, unsigned count,
				unsigned flags, struct fault *f);

/* Syncs the records, then appends a checkpoint and syncs it. The note must parse
 * and cover no more than the log holds; frontier must be of the same size. */
MUST enum err audit_file_checkpoint(struct audit_file *af, const void *note,
				    size_t note_len, const void *frontier,
				    size_t frontier_len, struct fault *f);

/* Makes everything appended so far durable. */
MUST enum err audit_file_sync(struct audit_file *af, struct fault *f);

/* Called for each record (index) or note (number from 0); bytes are borrowed for
 * the call. Anything but OK ends the reading and is returned. */
typedef enum err audit_file_fn(void *arg, uint64_t index,
			       struct attr_view bytes);

/* Records from, from + 1, …, at most count, to the end of the log. */
MUST enum err audit_file_read(struct audit_file *af, uint64_t from,
			      uint64_t count, audit_file_fn *each, void *arg,
			      struct fault *f);
MUST enum err audit_file_notes(struct audit_file *af, audit_file_fn *each,
			       void *arg, struct fault *f);

/* For tests and configuration: other bounds than the named ones. */
void audit_file_bounds(struct audit_file *af, uint64_t reserve,
		       uint64_t segment);

#endif
