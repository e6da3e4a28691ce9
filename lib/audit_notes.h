/* The file of checkpoints beside the audit log. Used by lib/audit_file only. */
#ifndef LIB_AUDIT_NOTES_H
#define LIB_AUDIT_NOTES_H

#include "lib/audit_file.h"
#include "lib/note.h"

enum {
	NOTES_ENTRY_MAX = 4096
}; /* bytes of one entry */

struct audit_notes {
	int fd;
	uint64_t end;        /* after the last whole entry */
	struct buf text;     /* of the last note; empty: there is none */
	struct buf frontier; /* its bytes */
	struct note last;
};

/* Opens or makes `checkpoints` under dir and reads its last entry. *torn: bytes after
 * it; they stay until audit_notes_cut. */
MUST enum err audit_notes_open(struct audit_notes *n, int dir, uint64_t *torn,
			       struct fault *f);
void audit_notes_close(struct audit_notes *n); /* n->fd -1: never opened */
MUST enum err audit_notes_cut(struct audit_notes *n, struct fault *f);

/* Appends and syncs. The note must parse, its frontier be of its size, and its size
 * not below the last one's. */
MUST enum err audit_notes_add(struct audit_notes *n, const void *note,
			      size_t note_len, const void *frontier,
			      size_t frontier_len, bool *broken,
			      struct fault *f);

MUST enum err audit_notes_read(struct audit_notes *n, audit_file_fn *each,
			       void *arg, struct fault *f);

/* One entry at the start of p: its note, its frontier decoded into `frontier`, its
 * length. ERR_INVALID if there is no whole one. */
MUST enum err audit_notes_entry(const void *p, size_t len,
				struct attr_view *note, struct buf *frontier,
				size_t *used);

#endif
