/* lib/audit_file: what was acknowledged is there, in whole records, whatever was cut
 * off or changed. */
#include "tests/unit/audit_place.h"

#include "lib/audit_notes.h"
#include "lib/audit_segment.h"

#include <sys/stat.h>
#include <unistd.h>

/* A checkpoint over the file's first `size` records (their true tree). */
static void note_of(uint64_t size, uint64_t generation, struct buf *text,
		    struct buf *frontier)
{
	struct note n = { .origin = "cretula/test/00",
			  .size = size,
			  .time = 1767323045,
			  .generation = generation };
	struct secret *seed = secret_new();
	struct merkle_hash leaf;
	struct merkle m;
	struct attrs a;

	merkle_init(&m);
	attrs_init(&a);
	for (uint64_t i = 0; i < size; i++) {
		record(i, &a);
		merkle_leaf(a.bytes.p, a.bytes.len, &leaf);
		merkle_append(&m, &leaf);
	}
	merkle_root(&m, &n.root);
	assert_int_equal(note_sign(&n, seed, text), OK);
	assert_int_equal(merkle_format(&m, frontier), OK);
	attrs_wipe(&a);
	secret_drop(&seed);
}

static enum err checkpoint(struct audit_file *af, uint64_t size,
			   uint64_t generation, struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { .max = NOTE_MAX };
	AUTO(buf_wipe) struct buf frontier = { .max = MERKLE_BYTES_MAX };

	note_of(size, generation, &text, &frontier);
	return audit_file_checkpoint(af, text.p, text.len, frontier.p,
				     frontier.len, f);
}

static off_t file_size(struct place *p, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(p->dir, name, &st, 0), 0);
	return st.st_size;
}

static void file_cut(struct place *p, const char *name, off_t size)
{
	AUTO(fd_close) int fd = openat(p->dir, name, O_RDWR | O_CLOEXEC);

	assert_int_equal(ftruncate(fd, size), 0);
}

static void file_put(struct place *p, const char *name, off_t at, const void *b,
		     size_t n)
{
	AUTO(fd_close) int fd = openat(p->dir, name, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, b, n, at), n);
}

static void test_reads_back_what_was_appended(void **state)
{
	struct audit_file *af = reopen(*state);
	uint64_t rnd = unit_seed();

	for (int i = 0; i < 60; i++)
		add(af, 1 + (unsigned)unit_below(&rnd, 63));
	assert_whole(af);
	for (int i = 0; i < 200; i++) {
		uint64_t size = audit_file_size(af);
		uint64_t from = unit_below(&rnd, size + 2);
		uint64_t n = unit_below(&rnd, 600);

		assert_reads(af, from, n,
			     from >= size ? 0 : MIN(n, size - from));
	}
	audit_file_close(&af);
}

static void test_reads_back_after_reopening(void **state)
{
	struct audit_file *af = reopen(*state);
	uint64_t size;

	for (int i = 0; i < 20; i++)
		add(af, 30);
	size = audit_file_size(af);
	audit_file_close(&af);
	af = reopen(*state);
	assert_int_equal(audit_file_size(af), size);
	assert_int_equal(audit_file_torn(af), 0);
	add(af, 5);
	assert_whole(af);
	audit_file_close(&af);
}

static void test_goes_on_in_new_files(void **state)
{
	struct place *p = *state;
	struct audit_file *af = reopen(p);

	audit_file_bounds(af, 0, 2000);
	for (int i = 0; i < 100; i++)
		add(af, 1 + (unsigned)i % 30);
	assert_true(file_size(p, "audit/log-00000010") > 16);
	assert_whole(af);
	assert_reads(af, 777, 500, 500);
	audit_file_close(&af);
	af = reopen(p);
	audit_file_bounds(af, 0, 2000);
	assert_whole(af);
	add(af, 60);
	add(af, 60);
	assert_whole(af);
	audit_file_close(&af);
}

static void test_refuses_a_gap_and_a_repetition(void **state)
{
	struct audit_file *af = reopen(*state);
	struct fault f;

	add(af, 10);
	assert_int_equal(append(af, 9, 1, 0, &f), ERR_CONFLICT);
	assert_int_equal(append(af, 11, 1, 0, &f), ERR_CONFLICT);
	assert_int_equal(audit_file_size(af), 10);
	assert_whole(af);
	audit_file_close(&af);
}

static void test_refuses_a_record_too_long(void **state)
{
	struct audit_file *af = reopen(*state);
	uint8_t *big = xcalloc(1, AUDIT_RECORD_MAX);
	struct attrs a;
	struct attr_view v;
	struct fault f;

	attrs_init(&a);
	assert_int_equal(attrs_add(&a, "n", 0, big, AUDIT_RECORD_MAX - 7), OK);
	v = attrs_view(&a);
	assert_int_equal(v.len, AUDIT_RECORD_MAX);
	assert_int_equal(audit_file_append(af, 0, &v, 1, 0, &f), OK);
	attrs_clear(&a);
	assert_int_equal(attrs_add(&a, "n", 0, big, AUDIT_RECORD_MAX - 6), OK);
	v = attrs_view(&a);
	assert_int_equal(audit_file_append(af, 1, &v, 1, 0, &f), ERR_TOO_LARGE);
	v.len = 0;
	assert_int_equal(audit_file_append(af, 1, &v, 1, 0, &f), ERR_TOO_LARGE);
	assert_int_equal(audit_file_size(af), 1);
	attrs_wipe(&a);
	free(big);
	audit_file_close(&af);
}

/* A kill in the middle of a write leaves any part of what was written. */
static void test_cut_at_every_byte(void **state)
{
	static const char log[] = "audit/log-00000001";
	struct place *p = *state;
	struct audit_file *af = reopen(p);
	off_t ends[9] = { 0 };

	add(af, 20);
	assert_int_equal(checkpoint(af, 20, 1, NULL), OK);
	ends[0] = file_size(p, log);
	for (int i = 1; i < 9; i++) {
		add(af, 1);
		ends[i] = file_size(p, log);
	}
	audit_file_close(&af);
	for (off_t cut = ends[8] - 1; cut >= ends[0]; cut--) {
		uint64_t whole = 20;

		for (int i = 1; i < 9; i++)
			whole += cut >= ends[i];
		file_cut(p, log, cut);
		af = reopen(p);
		assert_int_equal(audit_file_size(af), whole);
		assert_int_equal(audit_file_torn(af), cut - ends[whole - 20]);
		assert_whole(af);
		while (audit_file_size(af) < 28)
			add(af, 1);
		assert_whole(af);
		audit_file_close(&af);
	}
}

static void test_zeros_at_the_end_are_torn(void **state)
{
	static const char log[] = "audit/log-00000001";
	struct place *p = *state;
	struct audit_file *af = reopen(p);
	off_t size;

	add(af, 20);
	size = file_size(p, log);
	audit_file_close(&af);
	file_cut(p, log, size + 5000);
	af = reopen(p);
	assert_int_equal(audit_file_size(af), 20);
	assert_int_equal(audit_file_torn(af), 5000);
	assert_int_equal(file_size(p, log), size);
	assert_whole(af);
	audit_file_close(&af);
}

static void assert_refused(struct place *p, const char *why)
{
	struct audit_file *af = NULL;
	struct fault f = { 0 };

	assert_int_not_equal(audit_file_open(p->dir, &af, &f), OK);
	assert_null(af);
	if (!strstr(f.text, why))
		fail_msg("'%s' does not say '%s'", f.text, why);
}

static void test_a_torn_record_under_a_checkpoint_is_kept(void **state)
{
	static const char log[] = "audit/log-00000001";
	struct place *p = *state;
	struct audit_file *af = reopen(p);
	off_t size;

	add(af, 20);
	assert_int_equal(checkpoint(af, 20, 1, NULL), OK);
	size = file_size(p, log);
	audit_file_close(&af);
	file_cut(p, log, size - 3);
	assert_refused(p, "its last checkpoint covers 20 records");
	assert_int_equal(file_size(p, log), size - 3);
}

static void test_damage_in_the_middle_is_not_torn(void **state)
{
	static const char log[] = "audit/log-00000001";
	struct place *p = *state;
	struct audit_file *af = reopen(p);
	off_t size;

	add(af, 20);
	size = file_size(p, log);
	audit_file_close(&af);
	file_put(p, log, 16, "\0\0\0", 4);
	assert_refused(p, "record 0 is not readable");
	file_put(p, log, 16, "\1\0\0", 4);
	assert_refused(p, "record 0 is not readable");
	file_put(p, log, 0, "C", 1);
	assert_refused(p, "does not begin as one of this version");
	assert_int_equal(file_size(p, log), size);
}

static void test_a_missing_file_is_told(void **state)
{
	struct place *p = *state;
	struct audit_file *af = reopen(p);

	audit_file_bounds(af, 0, 500);
	for (int i = 0; i < 30; i++)
		add(af, 20);
	audit_file_close(&af);
	assert_int_equal(unlinkat(p->dir, "audit/log-00000003", 0), 0);
	assert_refused(p, "some are missing");
}

static void test_a_file_whose_head_is_torn_goes(void **state)
{
	struct place *p = *state;
	struct audit_file *af = reopen(p);

	for (off_t head = 0; head < 16; head++) {
		AUTO(fd_close) int fd = -1;

		add(af, 3);
		audit_file_close(&af);
		fd = openat(p->dir, "audit/log-00000002",
			    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(
			pwrite(fd, "cretlog1\0\0\0\0\0\0\0\3", (size_t)head, 0),
			head);
		af = reopen(p);
		assert_int_equal(audit_file_torn(af), head);
		assert_whole(af);
	}
	audit_file_close(&af);
}

static void test_others_files_are_refused(void **state)
{
	static const char log[] = "audit/log-00000001";
	struct place *p = *state;
	struct audit_file *af = reopen(p);

	add(af, 3);
	audit_file_close(&af);
	assert_int_equal(fchmodat(p->dir, log, 0644, 0), 0);
	assert_refused(p, "is not a file of this user");
	assert_int_equal(renameat(p->dir, log, p->dir, "elsewhere"), 0);
	assert_int_equal(fchmodat(p->dir, "elsewhere", 0600, 0), 0);
	assert_int_equal(symlinkat("../elsewhere", p->dir, log), 0);
	assert_refused(p, "cannot open");
	assert_int_equal(unlinkat(p->dir, log, 0), 0);
	assert_int_equal(fchmodat(p->dir, "audit", 0750, 0), 0);
	assert_refused(p, "0700");
}

struct notes_seen {
	uint64_t count;
	struct note last;
};

static enum err see_note(void *arg, uint64_t number, struct attr_view v)
{
	struct notes_seen *s = arg;

	assert_int_equal(number, s->count);
	assert_int_equal(note_parse(v.p, v.len, &s->last, NULL), OK);
	assert_int_equal(s->last.generation, number);
	s->count++;
	return OK;
}

static void assert_notes(struct audit_file *af, uint64_t count)
{
	struct notes_seen s = { 0 };
	struct attr_view note, frontier;
	uint64_t size;
	struct fault f;

	if (audit_file_notes(af, see_note, &s, &f) != OK)
		fail_msg("%s", f.text);
	assert_int_equal(s.count, count);
	assert_int_equal(audit_file_note(af, &note, &frontier, &size),
			 count > 0);
	if (count) {
		struct merkle m;

		assert_int_equal(size, s.last.size);
		assert_int_equal(merkle_parse(frontier.p, frontier.len, &m),
				 OK);
		assert_int_equal(m.size, size);
	}
}

static void test_checkpoints_read_back(void **state)
{
	struct audit_file *af = reopen(*state);

	for (unsigned i = 0; i < 150; i++) {
		assert_notes(af, i);
		add(af, i % 4);
		assert_int_equal(checkpoint(af, audit_file_size(af), i, NULL),
				 OK);
		if (i % 10)
			continue;
		audit_file_close(&af);
		af = reopen(*state);
	}
	assert_notes(af, 150);
	audit_file_close(&af);
}

static void test_checkpoint_must_fit(void **state)
{
	AUTO(buf_wipe) struct buf text = { .max = NOTE_MAX };
	AUTO(buf_wipe) struct buf frontier = { .max = MERKLE_BYTES_MAX };
	struct audit_file *af = reopen(*state);
	struct fault f;

	add(af, 10);
	assert_int_equal(checkpoint(af, 11, 0, &f), ERR_CONFLICT);
	assert_int_equal(checkpoint(af, 10, 0, &f), OK);
	assert_int_equal(checkpoint(af, 9, 1, &f), ERR_CONFLICT);
	note_of(10, 1, &text, &frontier);
	assert_int_equal(audit_file_checkpoint(af, text.p, text.len, frontier.p,
					       frontier.len - 1, &f),
			 ERR_INVALID);
	assert_int_equal(audit_file_checkpoint(af, text.p, text.len - 1,
					       frontier.p, frontier.len, &f),
			 ERR_INVALID);
	assert_notes(af, 1);
	audit_file_close(&af);
}

static void test_checkpoint_cut_at_every_byte(void **state)
{
	static const char notes[] = "audit/checkpoints";
	struct place *p = *state;
	struct audit_file *af = reopen(p);
	off_t one, two;

	add(af, 13);
	assert_int_equal(checkpoint(af, 5, 0, NULL), OK);
	one = file_size(p, notes);
	assert_int_equal(checkpoint(af, 13, 1, NULL), OK);
	two = file_size(p, notes);
	audit_file_close(&af);
	for (off_t cut = two - 1; cut >= 0; cut--) {
		file_cut(p, notes, cut);
		af = reopen(p);
		assert_notes(af, cut >= one);
		assert_int_equal(audit_file_torn(af),
				 cut >= one ? cut - one : cut);
		audit_file_close(&af);
		/* opening took the torn part off: put some of it back */
		file_cut(p, notes, 0);
		af = reopen(p);
		assert_int_equal(checkpoint(af, 5, 0, NULL), OK);
		assert_int_equal(checkpoint(af, 13, 1, NULL), OK);
		audit_file_close(&af);
	}
}

/* A name has eight digits. */
static void test_the_last_number_is_the_last(void **state)
{
	struct place *p = *state;
	struct segment *s = NULL;
	struct fault f;

	assert_int_equal(
		segment_create(p->dir, SEGMENT_NUMBER_MAX + 1u, 0, &s, &f),
		ERR_TOO_LARGE);
	assert_null(s);
	assert_int_equal(segment_create(p->dir, SEGMENT_NUMBER_MAX, 0, &s, &f),
			 OK);
	segment_close(&s);
	assert_int_equal(unlinkat(p->dir, "log-99999999", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reads_back_what_was_appended),
		TEST(test_reads_back_after_reopening),
		TEST(test_goes_on_in_new_files),
		TEST(test_refuses_a_gap_and_a_repetition),
		TEST(test_refuses_a_record_too_long),
		TEST(test_cut_at_every_byte),
		TEST(test_zeros_at_the_end_are_torn),
		TEST(test_a_torn_record_under_a_checkpoint_is_kept),
		TEST(test_damage_in_the_middle_is_not_torn),
		TEST(test_a_missing_file_is_told),
		TEST(test_a_file_whose_head_is_torn_goes),
		TEST(test_others_files_are_refused),
		TEST(test_checkpoints_read_back),
		TEST(test_checkpoint_must_fit),
		TEST(test_checkpoint_cut_at_every_byte),
		TEST(test_the_last_number_is_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
