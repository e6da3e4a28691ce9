/* One segment of the audit log: a file of numbered records (lib/audit_file.h gives
 * its bytes). Used by lib/audit_file only. */
#ifndef LIB_AUDIT_SEGMENT_H
#define LIB_AUDIT_SEGMENT_H

#include "lib/audit_file.h"

enum {
	SEGMENT_NAME = 16, /* "log-00000001" and room */
	SEGMENT_NUMBER_MAX = 99999999,
};

struct segment;

void segment_name(unsigned number, char name[SEGMENT_NAME]);

/* Opens a file under dir for reading and writing: O_NOFOLLOW, a regular file of this
 * user that nobody else can write. create: makes it, 0600, and it must not exist. */
MUST enum err segment_file(int dir, const char *name, bool create, int *fd,
			   struct fault *f);

/* A new segment with its head written and the folder synced. ERR_TOO_LARGE: its number is
 * over SEGMENT_NUMBER_MAX. */
MUST enum err segment_create(int dir, unsigned number, uint64_t first,
			     struct segment **out, struct fault *f);

/* Opens one and finds its records. *torn: bytes after the last whole record, which
 * stay until segment_cut. ERR_NOT_FOUND: not even its head is whole (its bytes in
 * *torn). ERR_INVALID: damaged. */
MUST enum err segment_open(int dir, unsigned number, struct segment **out,
			   uint64_t *torn, struct fault *f);
void segment_close(struct segment **s);

/* Index of the first record in the segment of that number. */
MUST enum err segment_first(int dir, unsigned number, uint64_t *first,
			    struct fault *f);

uint64_t segment_start(const struct segment *s); /* index of its first record */
uint64_t segment_next(const struct segment *s);  /* of the next one */
uint64_t segment_bytes(const struct segment *s);

/* Takes off what follows the last whole record. */
MUST enum err segment_cut(struct segment *s, struct fault *f);

/* Appends records that were laid out as the file has them, in one write; what fails
 * is taken off again. *broken: even that failed. */
MUST enum err segment_append(struct segment *s, const struct attr_view *record,
			     unsigned count, bool sync, struct buf *scratch,
			     bool *broken, struct fault *f);
MUST enum err segment_sync(struct segment *s, struct fault *f);

/* Gives the records from … (an index of this segment), at most count. */
MUST enum err segment_read(struct segment *s, uint64_t from, uint64_t count,
			   audit_file_fn *each, void *arg, struct fault *f);

/* The sentence for a failed write, by errno. */
enum err segment_errno(struct fault *f, const char *what, int error);

#endif
