/* What the tests of lib/audit_file share: a state folder that goes away, and records
 * whose bytes follow from their number. */
#ifndef TESTS_AUDIT_PLACE_H
#define TESTS_AUDIT_PLACE_H

#include "lib/audit_file.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

struct place {
	char path[64];
	int dir;
};

static inline int begin(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);

	snprintf(p->path, sizeof p->path, "/tmp/test_audit_file.XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return p->dir < 0 ? -1 : 0;
}

/* Removes a folder of files. */
static inline void empty(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(fd, e->d_name, 0);
	if (d)
		closedir(d);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

static inline int end(void **state)
{
	struct place *p = *state;
	int rc;

	empty(p->dir, "audit");
	unlinkat(p->dir, "elsewhere", 0);
	close(p->dir);
	rc = rmdir(p->path);
	free(p);
	return rc;
}

static inline struct audit_file *reopen(struct place *p)
{
	struct audit_file *af = NULL;
	struct fault f = { 0 };

	if (audit_file_open(p->dir, &af, &f) != OK)
		fail_msg("%s", f.text);
	return af;
}

/* Record i: i and some filler that follows from i. */
static inline void record(uint64_t i, struct attrs *a)
{
	uint8_t filler[64];
	size_t n = (size_t)(i * 7 % sizeof filler);

	memset(filler, (int)(i & 0xff), sizeof filler);
	attrs_clear(a);
	assert_int_equal(attrs_add_u64(a, "n", i), OK);
	assert_int_equal(attrs_add(a, "filler", 0, filler, n), OK);
}

static inline enum err append(struct audit_file *af, uint64_t from,
			      unsigned count, unsigned flags, struct fault *f)
{
	struct attr_view v[64] = { 0 };
	struct attrs a[64];
	enum err e;

	for (unsigned i = 0; i < count; i++) {
		attrs_init(&a[i]);
		record(from + i, &a[i]);
		v[i] = attrs_view(&a[i]);
	}
	e = audit_file_append(af, from, v, count, flags, f);
	for (unsigned i = 0; i < count; i++)
		attrs_wipe(&a[i]);
	return e;
}

static inline void add(struct audit_file *af, unsigned count)
{
	struct fault f;

	if (append(af, audit_file_size(af), count, 0, &f) != OK)
		fail_msg("%s", f.text);
}

struct seen {
	uint64_t from, count;
};

static inline enum err see(void *arg, uint64_t index, struct attr_view v)
{
	struct seen *s = arg;
	struct attrs a;

	attrs_init(&a);
	record(index, &a);
	assert_int_equal(index, s->from + s->count);
	assert_int_equal(v.len, a.bytes.len);
	assert_memory_equal(v.p, a.bytes.p, v.len);
	attrs_wipe(&a);
	s->count++;
	return OK;
}

static inline void assert_reads(struct audit_file *af, uint64_t from,
				uint64_t count, uint64_t want)
{
	struct seen s = { .from = from };
	struct fault f;

	if (audit_file_read(af, from, count, see, &s, &f) != OK)
		fail_msg("%s", f.text);
	assert_int_equal(s.count, want);
}

static inline void assert_whole(struct audit_file *af)
{
	assert_reads(af, 0, UINT64_MAX, audit_file_size(af));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
