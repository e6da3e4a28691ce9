/* Store: the audit log's folder. Holds records and checkpoints, never a key.
 *	core -> store	RS_AUDIT_OPEN, RS_APPEND, RS_CHECKPOINT, RS_READ */
#include "lib/audit_file.h"

#include "lib/audit_notes.h"
#include "lib/audit_segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	SEGMENTS_MAX = 1 << 20
};

static const char folder[] = "audit";

struct audit_file {
	int dir;
	uint64_t *first; /* of every segment; number i + 1 */
	unsigned count;
	struct segment *last;
	struct segment *old; /* the one of the others that was read last */
	unsigned old_at;
	struct audit_notes notes;
	uint64_t torn, reserve, segment_max;
	struct buf scratch;
	bool broken;
};

static enum err folder_open(int state, int *dir, struct fault *f)
{
	AUTO(fd_close) int fd = -1;
	struct stat st;

	if (!mkdirat(state, folder, 0700)) {
		if (fsync(state))
			return segment_errno(f, "cannot make the audit folder",
					     errno);
	} else if (errno != EEXIST) {
		return segment_errno(f, "cannot make the audit folder", errno);
	}
	fd = openat(state, folder,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return segment_errno(f, "cannot open the audit folder", errno);
	if (fstat(fd, &st) || st.st_uid != geteuid() || st.st_mode & 077)
		return fault_set(f, ERR_INVALID,
				 "the folder '%s' is not this user's alone: "
				 "make it 0700",
				 folder);
	*dir = fd;
	fd = -1;
	return OK;
}

/* The number in "log-00000001"; 0 if it is no such name. */
static unsigned name_number(const char *name)
{
	char again[SEGMENT_NAME];
	unsigned n = 0;

	if (strlen(name) != strlen("log-00000001"))
		return 0;
	for (const char *c = name + 4; *c; c++) {
		if (*c < '0' || *c > '9')
			return 0;
		n = n * 10 + (unsigned)(*c - '0');
	}
	segment_name(n, again);
	return strcmp(name, again) ? 0 : n;
}

static void dir_close(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* How many segments there are and the highest number: the same, or some are gone. */
static enum err count_segments(struct audit_file *af, struct fault *f)
{
	int again = openat(af->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO(dir_close) DIR *d = again < 0 ? NULL : fdopendir(again);
	unsigned highest = 0;
	struct dirent *e;

	if (!d) {
		int error = errno;

		fd_close(&again);
		return segment_errno(f, "cannot list the audit folder", error);
	}
	while ((e = readdir(d))) {
		unsigned n = name_number(e->d_name);

		af->count += n != 0;
		highest = n > highest ? n : highest;
	}
	if (highest != af->count || highest > SEGMENTS_MAX)
		return fault_set(f, ERR_INVALID,
				 "the audit log has %u files, the last of them "
				 "is 'log-%08u': some are missing",
				 af->count, highest);
	return OK;
}

static void first_add(struct audit_file *af, uint64_t first)
{
	af->first = xrealloc(af->first, (af->count + 1) * sizeof *af->first);
	af->first[af->count++] = first;
}

static enum err new_segment(struct audit_file *af, uint64_t first,
			    struct fault *f)
{
	struct segment *s;

	if (af->count >= SEGMENTS_MAX)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the audit log has too many files");
	TRY(segment_create(af->dir, af->count + 1, first, &s, f));
	segment_close(&af->last);
	af->last = s;
	first_add(af, first);
	return OK;
}

/* Opens the last segment. One whose head is not whole was being made when the store
 * was killed: nothing was in it, and it goes. */
static enum err open_last(struct audit_file *af, uint64_t *torn,
			  struct fault *f)
{
	char name[SEGMENT_NAME];
	enum err e;

	if (!af->count)
		return new_segment(af, 0, f);
	e = segment_open(af->dir, af->count, &af->last, torn, f);
	if (e != ERR_NOT_FOUND)
		return e;
	segment_name(af->count, name);
	if (unlinkat(af->dir, name, 0) || fsync(af->dir))
		return segment_errno(f,
				     "cannot remove an empty file of the "
				     "audit log",
				     errno);
	af->torn += *torn;
	*torn = 0;
	af->count--;
	return af->count ? segment_open(af->dir, af->count, &af->last, torn, f)
			 : new_segment(af, 0, f);
}

static enum err open_firsts(struct audit_file *af, struct fault *f)
{
	uint64_t before = 0;

	if (af->first)
		return OK; /* made just now */
	af->first = xcalloc(af->count, sizeof *af->first);
	for (unsigned i = 0; i < af->count; i++) {
		TRY(segment_first(af->dir, i + 1, &af->first[i], f));
		if (i ? af->first[i] <= before : af->first[i] != 0)
			return fault_set(
				f, ERR_INVALID,
				"the audit log's 'log-%08u' begins with "
				"record %llu, which is out of order",
				i + 1, (unsigned long long)af->first[i]);
		before = af->first[i];
	}
	return OK;
}

static enum err cut_torn(struct audit_file *af, uint64_t records,
			 uint64_t notes, struct fault *f)
{
	uint64_t size = segment_next(af->last);

	if (records && af->notes.text.len && af->notes.last.size > size)
		return fault_set(f, ERR_INVALID,
				 "the audit log ends in the middle of record "
				 "%llu, but its last checkpoint covers %llu "
				 "records: it was cut or damaged",
				 (unsigned long long)size,
				 (unsigned long long)af->notes.last.size);
	if (records)
		TRY(segment_cut(af->last, f));
	if (notes)
		TRY(audit_notes_cut(&af->notes, f));
	af->torn += records + notes;
	return OK;
}

static enum err open_all(struct audit_file *af, struct fault *f)
{
	uint64_t records = 0, notes = 0;

	TRY(audit_notes_open(&af->notes, af->dir, &notes, f));
	TRY(count_segments(af, f));
	TRY(open_last(af, &records, f));
	TRY(open_firsts(af, f));
	return cut_torn(af, records, notes, f);
}

enum err audit_file_open(int dir, struct audit_file **out, struct fault *f)
{
	AUTO(audit_file_close) struct audit_file *af = xcalloc(1, sizeof *af);

	af->dir = -1;
	af->notes.fd = -1;
	audit_file_bounds(af, AUDIT_RESERVE, AUDIT_SEGMENT);
	buf_init(&af->scratch, AUDIT_BATCH_BYTES);
	TRY(folder_open(dir, &af->dir, f));
	TRY(open_all(af, f));
	*out = af;
	af = NULL;
	return OK;
}

void audit_file_close(struct audit_file **af)
{
	struct audit_file *a = *af;

	if (!a)
		return;
	segment_close(&a->last);
	segment_close(&a->old);
	audit_notes_close(&a->notes);
	fd_close(&a->dir);
	buf_wipe(&a->scratch);
	free(a->first);
	free(a);
	*af = NULL;
}

void audit_file_bounds(struct audit_file *af, uint64_t reserve,
		       uint64_t segment)
{
	af->reserve = reserve;
	af->segment_max = segment;
}

uint64_t audit_file_size(const struct audit_file *af)
{
	return segment_next(af->last);
}

uint64_t audit_file_torn(const struct audit_file *af)
{
	return af->torn;
}

bool audit_file_note(const struct audit_file *af, struct attr_view *note,
		     struct attr_view *frontier, uint64_t *size)
{
	const struct audit_notes *n = &af->notes;

	if (!n->text.len)
		return false;
	*note = (struct attr_view){ n->text.p, n->text.len };
	*frontier = (struct attr_view){ n->frontier.p, n->frontier.len };
	*size = n->last.size;
	return true;
}

static enum err check_broken(const struct audit_file *af, struct fault *f)
{
	if (!af->broken)
		return OK;
	return fault_set(f, ERR_UNAVAILABLE,
			 "the audit log's disk failed and nothing is known of "
			 "its end: the store must start anew");
}

static enum err check_batch(const struct audit_file *af, uint64_t first,
			    const struct attr_view *record, unsigned count,
			    struct fault *f)
{
	struct attr_view list;

	if (first != audit_file_size(af))
		return fault_set(f, ERR_CONFLICT,
				 "audit record %llu does not follow a log of "
				 "size %llu",
				 (unsigned long long)first,
				 (unsigned long long)audit_file_size(af));
	if (count > AUDIT_BATCH_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "more than %d audit records at once",
				 AUDIT_BATCH_MAX);
	for (unsigned i = 0; i < count; i++) {
		if (!record[i].len || record[i].len > AUDIT_RECORD_MAX)
			return fault_set(f, ERR_TOO_LARGE,
					 "an audit record is empty or over %d "
					 "bytes",
					 AUDIT_RECORD_MAX);
		TRY(attr_parse(record[i].p, record[i].len, &list, f));
	}
	return OK;
}

/* The disk's end is for admins, who may have to clean up. */
static enum err check_room(const struct audit_file *af, struct fault *f)
{
	struct statvfs vfs;

	if (fstatvfs(af->dir, &vfs))
		return segment_errno(f, "cannot ask for the disk's free space",
				     errno);
	if ((uint64_t)vfs.f_bavail * vfs.f_frsize >= af->reserve)
		return OK;
	return fault_set(
		f, ERR_UNAVAILABLE,
		"the audit log cannot be written: the disk is nearly "
		"full, and its last %llu MiB are kept for admins: free "
		"some space",
		(unsigned long long)(af->reserve >> 20));
}

static enum err rotate(struct audit_file *af, struct fault *f)
{
	if (segment_bytes(af->last) < af->segment_max ||
	    segment_next(af->last) == segment_start(af->last))
		return OK;
	TRY(segment_sync(af->last, f));
	return new_segment(af, segment_next(af->last), f);
}

enum err audit_file_append(struct audit_file *af, uint64_t first,
			   const struct attr_view *record, unsigned count,
			   unsigned flags, struct fault *f)
{
	TRY(check_broken(af, f));
	TRY(check_batch(af, first, record, count, f));
	if (!count)
		return flags & AUDIT_SYNC ? audit_file_sync(af, f) : OK;
	if (!(flags & AUDIT_ADMIN))
		TRY(check_room(af, f));
	TRY(rotate(af, f));
	return segment_append(af->last, record, count, flags & AUDIT_SYNC,
			      &af->scratch, &af->broken, f);
}

enum err audit_file_sync(struct audit_file *af, struct fault *f)
{
	enum err e;

	TRY(check_broken(af, f));
	e = segment_sync(af->last, f);
	af->broken = e != OK;
	return e;
}

enum err audit_file_checkpoint(struct audit_file *af, const void *note,
			       size_t note_len, const void *frontier,
			       size_t frontier_len, struct fault *f)
{
	struct note n;

	TRY(note_parse(note, note_len, &n, f));
	if (n.size > audit_file_size(af))
		return fault_set(f, ERR_CONFLICT,
				 "a checkpoint of size %llu does not fit a log "
				 "of size %llu",
				 (unsigned long long)n.size,
				 (unsigned long long)audit_file_size(af));
	TRY(audit_file_sync(af, f));
	return audit_notes_add(&af->notes, note, note_len, frontier,
			       frontier_len, &af->broken, f);
}

/* The segment that holds record `index`. */
static unsigned segment_of(const struct audit_file *af, uint64_t index)
{
	unsigned lo = 0, hi = af->count;

	while (hi - lo > 1) {
		unsigned mid = lo + (hi - lo) / 2;

		if (af->first[mid] <= index)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* The segment at `i`, opened; *end: the index after its last record. */
static enum err segment_at(struct audit_file *af, unsigned i,
			   struct segment **s, uint64_t *end, struct fault *f)
{
	uint64_t torn = 0;

	*end = i + 1 < af->count ? af->first[i + 1] : audit_file_size(af);
	if (i + 1 == af->count) {
		*s = af->last;
		return OK;
	}
	if (!af->old || af->old_at != i) {
		segment_close(&af->old);
		TRY(segment_open(af->dir, i + 1, &af->old, &torn, f));
		af->old_at = i;
	}
	*s = af->old;
	if (segment_next(*s) == *end && !torn)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "the records of the audit log's 'log-%08u' end before "
			 "%llu, the next file begins with %llu",
			 i + 1, (unsigned long long)segment_next(*s),
			 (unsigned long long)*end);
}

enum err audit_file_read(struct audit_file *af, uint64_t from, uint64_t count,
			 audit_file_fn *each, void *arg, struct fault *f)
{
	uint64_t size = audit_file_size(af);

	if (from >= size)
		return OK;
	count = MIN(count, size - from);
	for (unsigned i = segment_of(af, from); count; i++) {
		struct segment *s;
		uint64_t end, n;

		TRY(segment_at(af, i, &s, &end, f));
		n = MIN(count, end - from);
		TRY(segment_read(s, from, n, each, arg, f));
		from += n;
		count -= n;
	}
	return OK;
}

enum err audit_file_notes(struct audit_file *af, audit_file_fn *each, void *arg,
			  struct fault *f)
{
	return audit_notes_read(&af->notes, each, arg, f);
}
