/* Store: the checkpoints, as the vault signed them. Holds nothing secret. */
#include "lib/audit_notes.h"

#include "lib/audit_segment.h"
#include "lib/enc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BLOCK = 4 * NOTES_ENTRY_MAX
};

static const char file[] = "checkpoints";
static const char mark[] = "frontier=";

/* The last line of an entry; no line of a note is a lone equals sign. */
static const char last_line[] = "\n=\n";
enum {
	LAST_LINE = sizeof last_line - 1,
	NOTE_LINES = 6
};

static enum err line_step(struct rd *r)
{
	const uint8_t *nl = rd_left(r) ? memchr(r->p, '\n', rd_left(r)) : NULL;

	return nl ? rd_bytes(r, (size_t)(nl - r->p) + 1, &nl) : ERR_INVALID;
}

enum err audit_notes_entry(const void *p, size_t len, struct attr_view *note,
			   struct buf *frontier, size_t *used)
{
	struct rd r = rd_from(p, MIN(len, (size_t)NOTES_ENTRY_MAX));
	const uint8_t *start = r.p, *at;

	for (int i = 0; i < NOTE_LINES; i++)
		TRY(line_step(&r));
	*note = (struct attr_view){ start, (size_t)(r.p - start) };
	TRY(rd_bytes(&r, sizeof mark - 1, &at));
	if (note->len > NOTE_MAX || memcmp(at, mark, sizeof mark - 1))
		return ERR_INVALID;
	start = r.p;
	TRY(line_step(&r));
	r.p--; /* the newline belongs to last_line too */
	TRY(enc_base64_parse((const char *)start, (size_t)(r.p - start),
			     frontier));
	TRY(rd_bytes(&r, LAST_LINE, &at));
	if (memcmp(at, last_line, LAST_LINE))
		return ERR_INVALID;
	*used = (size_t)(r.p - note->p);
	return OK;
}

static enum err notes_damaged(struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "the audit log's '%s' is damaged: what ends it is no "
			 "checkpoint",
			 file);
}

/* The note parses and the frontier is of its size. */
static enum err entry_check(struct attr_view note, struct attr_view frontier,
			    struct note *n, struct fault *f)
{
	struct merkle m;

	TRY(note_parse(note.p, note.len, n, f));
	if (merkle_parse(frontier.p, frontier.len, &m) != OK ||
	    m.size != n->size)
		return fault_set(f, ERR_INVALID,
				 "the frontier beside the checkpoint of size "
				 "%llu is not one of that size",
				 (unsigned long long)n->size);
	return OK;
}

/* After the last whole entry within len bytes; 0 if none ends there. */
static size_t entry_end(const uint8_t *p, size_t len)
{
	for (; len >= LAST_LINE; len--)
		if (!memcmp(p + len - LAST_LINE, last_line, LAST_LINE))
			return len;
	return 0;
}

/* Reads the last whole entry of the file, of which p is the end from base on. */
static enum err notes_last(struct audit_notes *n, const uint8_t *p, size_t len,
			   uint64_t base, struct fault *f)
{
	size_t end = entry_end(p, len), start, used;
	struct attr_view note;

	if (len - end >= NOTES_ENTRY_MAX)
		return notes_damaged(f);
	n->end = base + end;
	if (!end)
		return OK;
	start = entry_end(p, end - 1);
	buf_clear(&n->frontier);
	if (audit_notes_entry(p + start, end - start, &note, &n->frontier,
			      &used) != OK ||
	    used != end - start)
		return notes_damaged(f);
	TRY(entry_check(note,
			(struct attr_view){ n->frontier.p, n->frontier.len },
			&n->last, f));
	return buf_put(&n->text, note.p, note.len);
}

/* Fills p from the offset; fewer bytes at the end of the file, -1 and errno. */
static ssize_t read_at(int fd, uint8_t *p, size_t n, uint64_t at)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = pread(fd, p + have, n - have, (off_t)(at + have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

static enum err notes_errno(struct fault *f)
{
	return segment_errno(f, "cannot read the audit log's checkpoints",
			     errno);
}

static enum err notes_load(struct audit_notes *n, uint64_t *torn,
			   struct fault *f)
{
	AUTO(mem_free) uint8_t *p = xcalloc(1, BLOCK);
	struct stat st;
	uint64_t size, base;
	ssize_t got;

	if (fstat(n->fd, &st))
		return notes_errno(f);
	size = (uint64_t)st.st_size;
	base = size > BLOCK ? size - BLOCK : 0;
	got = read_at(n->fd, p, BLOCK, base);
	if (got < 0)
		return notes_errno(f);
	TRY(notes_last(n, p, (size_t)got, base, f));
	*torn = size - n->end;
	return OK;
}

static enum err notes_file(int dir, int *fd, struct fault *f)
{
	enum err e = segment_file(dir, file, false, fd, f);

	if (e != ERR_NOT_FOUND)
		return e;
	TRY(segment_file(dir, file, true, fd, f));
	if (fsync(dir))
		return segment_errno(f, "cannot sync the audit folder", errno);
	return OK;
}

enum err audit_notes_open(struct audit_notes *n, int dir, uint64_t *torn,
			  struct fault *f)
{
	*n = (struct audit_notes){ .fd = -1 };
	buf_init(&n->text, NOTE_MAX);
	buf_init(&n->frontier, MERKLE_BYTES_MAX);
	TRY(notes_file(dir, &n->fd, f));
	return notes_load(n, torn, f);
}

void audit_notes_close(struct audit_notes *n)
{
	fd_close(&n->fd);
	buf_wipe(&n->text);
	buf_wipe(&n->frontier);
}

enum err audit_notes_cut(struct audit_notes *n, struct fault *f)
{
	if (ftruncate(n->fd, (off_t)n->end) || fsync(n->fd))
		return segment_errno(f,
				     "cannot take a torn checkpoint off the "
				     "audit log",
				     errno);
	return OK;
}

static enum err entry_format(struct attr_view note, struct attr_view frontier,
			     struct buf *out)
{
	TRY(buf_put(out, note.p, note.len));
	TRY(buf_str(out, mark));
	TRY(enc_base64(frontier.p, frontier.len, out));
	return buf_str(out, last_line);
}

static enum err notes_write(struct audit_notes *n, const struct buf *entry,
			    bool *broken, struct fault *f)
{
	ssize_t did = pwrite(n->fd, entry->p, entry->len, (off_t)n->end);
	bool wrote = did == (ssize_t)entry->len;
	int error = did < 0 ? errno : ENOSPC;

	if (wrote && !fdatasync(n->fd)) {
		n->end += entry->len;
		return OK;
	}
	if (wrote)
		error = errno;
	*broken = ftruncate(n->fd, (off_t)n->end) || wrote;
	return segment_errno(f,
			     "the checkpoint of the audit log cannot be "
			     "written",
			     error);
}

enum err audit_notes_add(struct audit_notes *n, const void *note,
			 size_t note_len, const void *frontier,
			 size_t frontier_len, bool *broken, struct fault *f)
{
	struct attr_view text = { note, note_len };
	struct attr_view hashes = { frontier, frontier_len };
	AUTO(buf_wipe) struct buf entry = { 0 };
	struct note got;

	buf_init(&entry, NOTES_ENTRY_MAX);
	TRY(entry_check(text, hashes, &got, f));
	if (n->text.len && got.size < n->last.size)
		return fault_set(
			f, ERR_CONFLICT,
			"the checkpoint of size %llu is older than the "
			"last one, of size %llu",
			(unsigned long long)got.size,
			(unsigned long long)n->last.size);
	TRY(entry_format(text, hashes, &entry));
	TRY(notes_write(n, &entry, broken, f));
	n->last = got;
	buf_clear(&n->text);
	buf_clear(&n->frontier);
	TRY(buf_put(&n->text, note, note_len));
	return buf_put(&n->frontier, frontier, frontier_len);
}

/* Gives the whole entries of p; *used: their bytes. */
static enum err notes_each(const uint8_t *p, size_t len, uint64_t *number,
			   audit_file_fn *each, void *arg, size_t *used)
{
	AUTO(buf_wipe) struct buf frontier = { 0 };
	struct attr_view note;
	size_t one;

	buf_init(&frontier, NOTES_ENTRY_MAX);
	for (*used = 0; *used < len; *used += one) {
		buf_clear(&frontier);
		if (audit_notes_entry(p + *used, len - *used, &note, &frontier,
				      &one) != OK)
			return OK;
		TRY(each(arg, (*number)++, note));
	}
	return OK;
}

enum err audit_notes_read(struct audit_notes *n, audit_file_fn *each, void *arg,
			  struct fault *f)
{
	AUTO(mem_free) uint8_t *p = xcalloc(1, BLOCK);
	uint64_t number = 0, at = 0;

	while (at < n->end) {
		size_t want = (size_t)MIN(n->end - at, (uint64_t)BLOCK), used;
		ssize_t got = read_at(n->fd, p, want, at);

		if (got < 0)
			return notes_errno(f);
		TRY(notes_each(p, (size_t)got, &number, each, arg, &used));
		if (!used)
			return fault_set(
				f, ERR_INVALID,
				"the audit log's '%s' is damaged after "
				"checkpoint %llu",
				file, (unsigned long long)number);
		at += used;
	}
	return OK;
}
