/* Store: one file of the audit log. Holds records, which have no secret in them. */
#include "lib/audit_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HEAD = 16,
	LENGTH = 4,
	STEP = 256,       /* records between two marks */
	WINDOW = 2 << 16, /* bytes read at once: holds any record */
	MARKS_MAX = 1 << 20,
};

static const char magic[8] = "cretlog1";

struct segment {
	int fd;
	unsigned number;
	uint64_t first, count;
	uint64_t end;   /* after the last whole record */
	uint64_t *mark; /* offset of every STEPth record */
	size_t marks, mark_cap;
};

void segment_name(unsigned number, char name[SEGMENT_NAME])
{
	snprintf(name, SEGMENT_NAME, "log-%08u",
		 number % (SEGMENT_NUMBER_MAX + 1u));
}

enum err segment_errno(struct fault *f, const char *what, int error)
{
	if (error == ENOSPC || error == EDQUOT)
		return fault_set(f, ERR_UNAVAILABLE,
				 "%s: the disk is full: free some space", what);
	return fault_set(f, ERR_UNAVAILABLE, "%s: %s", what, strerror(error));
}

enum err segment_file(int dir, const char *name, bool create, int *fd,
		      struct fault *f)
{
	int how = create ? O_CREAT | O_EXCL : 0;
	AUTO(fd_close)
	int got =
		openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | how, 0600);
	struct stat st;

	if (got < 0 && errno == ENOENT)
		return fault_set(f, ERR_NOT_FOUND,
				 "the audit log has no file '%s'", name);
	if (got < 0) {
		int error = errno;
		char what[64];

		snprintf(what, sizeof what, "cannot open the audit log's '%s'",
			 name);
		return segment_errno(f, what, error);
	}
	if (fstat(got, &st) || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    st.st_uid != geteuid() || st.st_mode & 077)
		return fault_set(f, ERR_INVALID,
				 "the audit log's '%s' is not a file of this "
				 "user that only he can read and write",
				 name);
	*fd = got;
	got = -1;
	return OK;
}

void segment_close(struct segment **s)
{
	if (!*s)
		return;
	fd_close(&(*s)->fd);
	free((*s)->mark);
	free(*s);
	*s = NULL;
}

static struct segment *segment_new(int fd, unsigned number)
{
	struct segment *s = xcalloc(1, sizeof *s);

	s->fd = fd;
	s->number = number;
	s->end = HEAD;
	return s;
}

static void segment_mark(struct segment *s, uint64_t offset)
{
	if (s->count++ % STEP)
		return;
	ENSURE(s->marks < MARKS_MAX);
	if (s->marks == s->mark_cap) {
		s->mark_cap = s->mark_cap ? 2 * s->mark_cap : 64;
		s->mark = xrealloc(s->mark, s->mark_cap * sizeof *s->mark);
	}
	s->mark[s->marks++] = offset;
}

/* Writes all of it at the offset; errno tells. */
static bool write_all(int fd, const uint8_t *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t did = pwrite(fd, p, n, (off_t)at);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return false;
		p += did;
		n -= (size_t)did;
		at += (uint64_t)did;
	}
	return true;
}

enum err segment_create(int dir, unsigned number, uint64_t first,
			struct segment **out, struct fault *f)
{
	static const char what[] = "cannot begin a file of the audit log";
	char name[SEGMENT_NAME];
	AUTO(buf_wipe) struct buf head = { 0 };
	AUTO(fd_close) int fd = -1;

	if (number > SEGMENT_NUMBER_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "%s: it has %d of them, and no more numbers",
				 what, SEGMENT_NUMBER_MAX);
	buf_init(&head, HEAD);
	TRY(buf_put(&head, magic, sizeof magic));
	TRY(buf_u64(&head, first));
	segment_name(number, name);
	TRY(segment_file(dir, name, true, &fd, f));
	if (!write_all(fd, head.p, head.len, 0) || fdatasync(fd) ||
	    fsync(dir)) {
		int error = errno;

		(void)unlinkat(dir, name, 0);
		return segment_errno(f, what, error);
	}
	*out = segment_new(fd, number);
	(*out)->first = first;
	fd = -1;
	return OK;
}

/* A window on the file that moves forward. */
struct window {
	int fd;
	uint64_t at; /* offset of p[pos] */
	size_t pos, have;
	uint8_t p[WINDOW];
};

/* Makes up to n bytes visible; how many there are (fewer only at the end). Reading
 * fails like the end, with errno set. */
static size_t window_need(struct window *w, size_t n)
{
	ENSURE(n <= WINDOW);
	errno = 0;
	if (w->have - w->pos >= n)
		return n;
	memmove(w->p, w->p + w->pos, w->have - w->pos);
	w->have -= w->pos;
	w->pos = 0;
	while (w->have < n) {
		ssize_t got = pread(w->fd, w->p + w->have, WINDOW - w->have,
				    (off_t)(w->at + w->have));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		w->have += (size_t)got;
	}
	return MIN(n, w->have);
}

static void window_step(struct window *w, size_t n)
{
	ENSURE(w->have - w->pos >= n);
	w->pos += n;
	w->at += n;
}

static struct window *window_open(int fd, uint64_t at)
{
	struct window *w = xcalloc(1, sizeof *w);

	w->fd = fd;
	w->at = at;
	return w;
}

/* True if only zeros follow the next `skip` bytes, their last one included. */
static bool window_zeros(struct window *w, size_t skip)
{
	size_t got = window_need(w, skip);

	window_step(w, got && skip ? got - 1 : 0);
	while ((got = window_need(w, 1)) == 1) {
		if (w->p[w->pos])
			return false;
		window_step(w, 1);
	}
	return errno == 0;
}

enum found {
	FOUND_RECORD,
	FOUND_END,
	FOUND_TORN,
	FOUND_DAMAGE,
	FOUND_ERRNO,
};

/* The record at the window, which stays where it is. An append that was cut short
 * leaves fewer bytes than its length says; a lost power supply may leave zeros where
 * bytes were not yet on the disk. Anything else that is no record is damage. */
static enum found window_record(struct window *w, struct attr_view *v)
{
	size_t got = window_need(w, LENGTH);
	struct attr_view list;
	struct rd r;
	uint32_t n = 0;

	if (got < LENGTH)
		return errno ? FOUND_ERRNO : got ? FOUND_TORN : FOUND_END;
	r = rd_from(w->p + w->pos, LENGTH);
	ENSURE(rd_u32(&r, &n) == OK);
	if (!n)
		return window_zeros(w, 0) ? FOUND_TORN : FOUND_DAMAGE;
	if (n > AUDIT_RECORD_MAX)
		return FOUND_DAMAGE;
	if (window_need(w, LENGTH + n) < LENGTH + n)
		return errno ? FOUND_ERRNO : FOUND_TORN;
	*v = (struct attr_view){ w->p + w->pos + LENGTH, n };
	if (attr_parse(v->p, v->len, &list, NULL) != OK)
		return window_zeros(w, LENGTH + n) ? FOUND_TORN : FOUND_DAMAGE;
	return FOUND_RECORD;
}

static enum err segment_fault(const struct segment *s, enum found found,
			      uint64_t index, struct fault *f)
{
	if (found == FOUND_ERRNO)
		return fault_set(f, ERR_UNAVAILABLE,
				 "cannot read the audit log's 'log-%08u': %s",
				 s->number, strerror(errno));
	return fault_set(f, ERR_INVALID,
			 "the audit log's 'log-%08u' is damaged: record %llu "
			 "is not readable",
			 s->number, (unsigned long long)index);
}

static enum err segment_scan(struct segment *s, uint64_t *torn, struct fault *f)
{
	AUTO(mem_free) struct window *w = window_open(s->fd, HEAD);
	struct attr_view v;
	enum found found;
	struct stat st;

	while ((found = window_record(w, &v)) == FOUND_RECORD) {
		segment_mark(s, w->at);
		window_step(w, LENGTH + v.len);
		s->end = w->at;
	}
	if (found != FOUND_END && found != FOUND_TORN)
		return segment_fault(s, found, segment_next(s), f);
	if (fstat(s->fd, &st))
		return segment_fault(s, FOUND_ERRNO, segment_next(s), f);
	*torn = (uint64_t)st.st_size - s->end;
	return OK;
}

static enum err head_read(int fd, unsigned number, uint64_t *first,
			  uint64_t *torn, struct fault *f)
{
	uint8_t head[HEAD];
	ssize_t got = pread(fd, head, sizeof head, 0);
	struct rd r = rd_from(head, sizeof head);
	const uint8_t *start;

	if (got >= 0 && got < HEAD) {
		*torn = (uint64_t)got;
		return fault_set(f, ERR_NOT_FOUND,
				 "the audit log's 'log-%08u' has no head",
				 number);
	}
	if (got < 0 || rd_bytes(&r, sizeof magic, &start) != OK ||
	    memcmp(start, magic, sizeof magic))
		return fault_set(f, ERR_INVALID,
				 "the audit log's 'log-%08u' does not begin as "
				 "one of this version",
				 number);
	return rd_u64(&r, first);
}

enum err segment_first(int dir, unsigned number, uint64_t *first,
		       struct fault *f)
{
	char name[SEGMENT_NAME];
	AUTO(fd_close) int fd = -1;
	uint64_t torn;

	segment_name(number, name);
	TRY(segment_file(dir, name, false, &fd, f));
	return head_read(fd, number, first, &torn, f);
}

enum err segment_open(int dir, unsigned number, struct segment **out,
		      uint64_t *torn, struct fault *f)
{
	char name[SEGMENT_NAME];
	AUTO(segment_close) struct segment *s = NULL;
	int fd = -1;

	segment_name(number, name);
	TRY(segment_file(dir, name, false, &fd, f));
	s = segment_new(fd, number);
	TRY(head_read(fd, number, &s->first, torn, f));
	TRY(segment_scan(s, torn, f));
	*out = s;
	s = NULL;
	return OK;
}

uint64_t segment_start(const struct segment *s)
{
	return s->first;
}

uint64_t segment_next(const struct segment *s)
{
	return s->first + s->count;
}

uint64_t segment_bytes(const struct segment *s)
{
	return s->end;
}

enum err segment_cut(struct segment *s, struct fault *f)
{
	if (ftruncate(s->fd, (off_t)s->end) || fdatasync(s->fd))
		return segment_errno(f,
				     "cannot take a torn record off the audit "
				     "log",
				     errno);
	return OK;
}

static enum err lay_out(const struct attr_view *record, unsigned count,
			struct buf *out)
{
	for (unsigned i = 0; i < count; i++) {
		TRY(buf_u32(out, (uint32_t)record[i].len));
		TRY(buf_put(out, record[i].p, record[i].len));
	}
	return OK;
}

enum err segment_append(struct segment *s, const struct attr_view *record,
			unsigned count, bool sync, struct buf *scratch,
			bool *broken, struct fault *f)
{
	static const char what[] = "the audit log cannot be written";
	bool wrote;

	buf_clear(scratch);
	if (lay_out(record, count, scratch) != OK)
		return fault_set(f, ERR_TOO_LARGE,
				 "too many bytes of audit records at once");
	wrote = write_all(s->fd, scratch->p, scratch->len, s->end);
	if (!wrote || (sync && fdatasync(s->fd))) {
		int error = errno;

		/* After a failed sync the kernel may have dropped pages. */
		*broken = ftruncate(s->fd, (off_t)s->end) || wrote;
		return segment_errno(f, what, error);
	}
	for (unsigned i = 0; i < count; i++) {
		segment_mark(s, s->end);
		s->end += LENGTH + record[i].len;
	}
	return OK;
}

enum err segment_sync(struct segment *s, struct fault *f)
{
	if (fdatasync(s->fd))
		return segment_errno(f, "the audit log cannot be synced",
				     errno);
	return OK;
}

enum err segment_read(struct segment *s, uint64_t from, uint64_t count,
		      audit_file_fn *each, void *arg, struct fault *f)
{
	AUTO(mem_free) struct window *w = NULL;
	uint64_t at, skip;
	struct attr_view v;

	ENSURE(from >= s->first);
	if (from - s->first >= s->count)
		return OK;
	at = from - s->first;
	skip = at % STEP;
	w = window_open(s->fd, s->mark[at / STEP]);
	count = MIN(count, s->count - at);
	for (uint64_t i = 0; i < skip + count; i++) {
		enum found found = window_record(w, &v);

		if (found != FOUND_RECORD)
			return segment_fault(s, found, from - skip + i, f);
		if (i >= skip)
			TRY(each(arg, from + i - skip, v));
		window_step(w, LENGTH + v.len);
	}
	return OK;
}
