/* lib/audit_verify: logs as lib/audit makes them verify, and whatever is done to one
 * afterwards is told: a changed byte, a record or checkpoint gone, moved or added. */
#include "lib/audit_verify.h"

#include "lib/audit.h"
#include "lib/clock.h"
#include "tests/unit/unit.h"

enum {
	RECORDS_MAX = 400,
	NOTES_MAX = 64
};

struct item {
	uint8_t *p;
	size_t len;
};

struct log {
	struct item record[RECORDS_MAX + 1];
	struct item note[NOTES_MAX + 1];
	size_t records, notes;
};

static const char origin[] = "cretula/credd/00112233445566778899aabbccddeeff";
static struct secret *seed;
static uint8_t key[NOTE_PUBLIC];

static int begin(void **state)
{
	(void)state;
	seed = secret_random();
	note_public(seed, key);
	return 0;
}

static int end(void **state)
{
	(void)state;
	secret_drop(&seed);
	return 0;
}

static enum err take(void *arg, uint64_t first, const struct attr_view *r,
		     unsigned count, unsigned flags)
{
	struct log *l = arg;

	(void)flags;
	assert_int_equal(first, l->records);
	for (unsigned i = 0; i < count; i++)
		l->record[l->records++] =
			(struct item){ xmemdup(r[i].p, r[i].len), r[i].len };
	return OK;
}

static enum err take_note(void *arg, const struct note *n,
			  struct attr_view note, struct attr_view frontier)
{
	struct log *l = arg;

	(void)n;
	(void)frontier;
	l->note[l->notes++] =
		(struct item){ xmemdup(note.p, note.len), note.len };
	return OK;
}

static void add_records(struct audit *a, struct log *l, uint64_t *rnd, size_t n)
{
	struct audit_now now = { 1767323045123456789, CLOCK_SECOND };
	uint64_t index;

	for (size_t i = 0; i < n; i++) {
		struct attrs what;

		attrs_init(&what);
		assert_int_equal(attrs_add_u64(&what, "n", unit_next(rnd)), OK);
		assert_int_equal(audit_record(a, now, attrs_view(&what), 0,
					      &index, NULL),
				 OK);
		attrs_wipe(&what);
	}
	assert_int_equal(audit_send(a), OK);
	if (n)
		assert_int_equal(audit_acked(a, l->records), OK);
}

/* A random log; at least one record, and a checkpoint over all of it if `whole`. */
static void make_log(struct log *l, uint64_t *rnd, bool whole)
{
	struct audit_sink sink = { take, take_note, l };
	struct audit_tail t = { 0 };
	struct audit *a = audit_new(&t, origin, seed, &sink, false);
	size_t rounds = 1 + unit_below(rnd, 12);
	uint64_t generation = 1;

	memset(l, 0, sizeof *l);
	for (size_t i = 0; i < rounds; i++) {
		add_records(a, l, rnd, 1 + unit_below(rnd, 20));
		if (i + 1 < rounds && unit_below(rnd, 3) == 0)
			continue;
		if (i + 1 == rounds && !whole)
			continue;
		generation += unit_below(rnd, 3);
		assert_int_equal(
			audit_checkpoint(a,
					 (struct audit_now){ CLOCK_SECOND, 0 },
					 generation),
			OK);
		audit_noted(a, true);
	}
	audit_free(&a);
}

static void drop_log(struct log *l)
{
	for (size_t i = 0; i < l->records; i++)
		free(l->record[i].p);
	for (size_t i = 0; i < l->notes; i++)
		free(l->note[i].p);
}

/* Feeds it as the command does: all checkpoints, then all records. */
static enum err verify(const struct log *l, const struct item *since,
		       struct audit_verdict *d)
{
	struct audit_verify *v = audit_verify_new(origin, key);
	enum err e;

	if (since)
		assert_int_equal(
			audit_verify_since(v, since->p, since->len, NULL), OK);
	for (size_t i = 0; i < l->notes; i++)
		(void)!audit_verify_note(v, l->note[i].p, l->note[i].len);
	for (size_t i = 0; i < l->records; i++)
		(void)!audit_verify_record(v, l->record[i].p, l->record[i].len);
	e = audit_verify_end(v, l->records, d);
	audit_verify_free(&v);
	return e;
}

static void assert_bad(const struct log *l, const char *why)
{
	struct audit_verdict d;

	assert_int_equal(verify(l, NULL, &d), ERR_INVALID);
	assert_false(d.good);
	if (!strstr(d.summary, why))
		fail_msg("'%s' does not say '%s'", d.summary, why);
}

static void test_good_logs_are_good(void **state)
{
	uint64_t rnd = unit_seed();
	struct audit_verdict d;
	struct log l;

	(void)state;
	for (int i = 0; i < 200; i++) {
		bool whole = i % 2;

		make_log(&l, &rnd, whole);
		if (verify(&l, NULL, &d) != OK)
			fail_msg("%s", d.summary);
		assert_true(d.good);
		assert_false(d.since);
		assert_int_equal(d.records, l.records);
		assert_int_equal(d.notes, l.notes);
		assert_int_equal(whole, d.covered == d.records);
		assert_non_null(strstr(d.summary, "cannot be excluded"));
		drop_log(&l);
	}
}

static void test_any_changed_byte_of_a_record(void **state)
{
	uint64_t rnd = unit_seed();
	struct log l;

	(void)state;
	make_log(&l, &rnd, true);
	for (size_t i = 0; i < l.records; i++) {
		for (size_t b = 0; b < l.record[i].len; b++) {
			uint8_t *at = &l.record[i].p[b], was = *at;

			*at ^= (uint8_t)(1 + unit_below(&rnd, 255));
			assert_bad(&l, "record");
			*at = was;
		}
	}
	drop_log(&l);
}

static void test_any_changed_byte_of_a_note(void **state)
{
	uint64_t rnd = unit_seed();
	struct log l;

	(void)state;
	make_log(&l, &rnd, true);
	for (size_t i = 0; i < l.notes; i++) {
		char what[64];

		snprintf(what, sizeof what, "checkpoint %zu is not good", i);
		for (size_t b = 0; b < l.note[i].len; b++) {
			uint8_t *at = &l.note[i].p[b], was = *at;

			*at ^= (uint8_t)(1 + unit_below(&rnd, 255));
			assert_bad(&l, what);
			*at = was;
		}
	}
	drop_log(&l);
}

static void take_out(struct item *at, size_t *n, size_t i)
{
	memmove(at + i, at + i + 1, (*n - i - 1) * sizeof *at);
	--*n;
}

static void put_in(struct item *at, size_t *n, size_t i, struct item one)
{
	memmove(at + i + 1, at + i, (*n - i) * sizeof *at);
	at[i] = one;
	++*n;
}

static void test_a_record_gone_moved_or_twice(void **state)
{
	uint64_t rnd = unit_seed();
	struct log l;

	(void)state;
	for (int round = 0; round < 100; round++) {
		size_t i, j;
		struct item one;

		make_log(&l, &rnd, true);
		i = unit_below(&rnd, l.records);
		one = l.record[i];
		take_out(l.record, &l.records, i);
		assert_bad(&l, "");
		put_in(l.record, &l.records, i, one);

		j = unit_below(&rnd, l.records);
		if (i != j) {
			l.record[i] = l.record[j];
			l.record[j] = one;
			assert_bad(&l, "one of records");
			l.record[j] = l.record[i];
			l.record[i] = one;
		}
		if (i + 1 < l.records) { /* at the end it is just one more */
			put_in(l.record, &l.records, i, one);
			assert_bad(&l, "one of records");
			take_out(l.record, &l.records, i);
		}
		drop_log(&l);
	}
}

static void test_a_log_cut_under_its_checkpoint(void **state)
{
	uint64_t rnd = unit_seed();
	struct log l;
	size_t all;

	(void)state;
	make_log(&l, &rnd, true);
	all = l.records;
	for (l.records = 0; l.records < all; l.records++)
		assert_bad(&l, "the log was cut");
	drop_log(&l);
}

static void test_a_note_moved(void **state)
{
	uint64_t rnd = unit_seed();
	struct log l;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct item one;

		make_log(&l, &rnd, true);
		if (l.notes > 1) {
			size_t i = unit_below(&rnd, l.notes - 1);

			one = l.note[i];
			l.note[i] = l.note[i + 1];
			l.note[i + 1] = one;
			assert_bad(&l, "fewer than");
		}
		drop_log(&l);
	}
}

static void test_since_proves_that_nothing_was_cut(void **state)
{
	uint64_t rnd = unit_seed();
	struct audit_verdict d;
	struct log l;

	(void)state;
	for (int round = 0; round < 50; round++) {
		make_log(&l, &rnd, false);
		for (size_t i = 0; i < l.notes; i++) {
			if (verify(&l, &l.note[i], &d) != OK)
				fail_msg("%s", d.summary);
			assert_true(d.good && d.since);
			assert_non_null(strstr(d.summary, "none of those"));
		}
		drop_log(&l);
	}
}

/* The end of log and checkpoints taken off together: only `since` can tell. */
static void test_a_clean_cut_is_told_by_since_only(void **state)
{
	uint64_t rnd = unit_seed();
	struct audit_verdict d;
	struct note n;
	struct item last;
	struct log l;
	size_t all;

	(void)state;
	do {
		make_log(&l, &rnd, true);
		if (l.notes < 2)
			drop_log(&l);
	} while (l.notes < 2);
	all = l.records;
	last = l.note[--l.notes];
	assert_int_equal(note_parse(l.note[l.notes - 1].p,
				    l.note[l.notes - 1].len, &n, NULL),
			 OK);
	l.records = n.size;
	assert_int_equal(verify(&l, NULL, &d), OK);
	assert_non_null(strstr(d.summary, "cannot be excluded"));
	assert_int_equal(verify(&l, &last, &d), ERR_INVALID);
	assert_non_null(strstr(d.summary, "the log was cut"));
	assert_false(d.since);
	l.records = all;
	l.notes++;
	drop_log(&l);
}

/* Whoever has the key of the log can write it anew, but not what others kept. */
static void test_a_log_written_anew_is_told_by_since(void **state)
{
	uint64_t rnd = unit_seed();
	struct audit_verdict d;
	struct log old, l;
	bool told = false;

	(void)state;
	make_log(&old, &rnd, true);
	while (!told) {
		make_log(&l, &rnd, true);
		assert_int_equal(verify(&l, NULL, &d), OK);
		if (l.records >= old.records) {
			assert_int_equal(
				verify(&l, &old.note[old.notes - 1], &d),
				ERR_INVALID);
			assert_non_null(strstr(d.summary, "is not the one"));
			told = true;
		}
		drop_log(&l);
	}
	drop_log(&old);
}

static void test_another_log_and_another_key(void **state)
{
	uint64_t rnd = unit_seed();
	struct audit_verify *v;
	struct audit_verdict d;
	uint8_t pub[NOTE_PUBLIC] = { 9 };
	struct fault f;
	struct log l;

	(void)state;
	make_log(&l, &rnd, true);
	v = audit_verify_new("cretula/ca/00", key);
	assert_int_equal(audit_verify_since(v, l.note[0].p, l.note[0].len, &f),
			 ERR_INVALID);
	assert_int_equal(audit_verify_note(v, l.note[0].p, l.note[0].len),
			 ERR_INVALID);
	assert_int_equal(audit_verify_end(v, UINT64_MAX, &d), ERR_INVALID);
	assert_non_null(strstr(d.summary, "is of the log"));
	audit_verify_free(&v);
	v = audit_verify_new(NULL, pub);
	assert_int_equal(audit_verify_note(v, l.note[0].p, l.note[0].len),
			 ERR_INVALID);
	audit_verify_free(&v);
	drop_log(&l);
}

/* A store put back from an old copy signs on with a smaller generation. */
static void test_generations_only_grow(void **state)
{
	struct note n = { .size = 0, .generation = 5 };
	struct buf text = { .max = NOTE_MAX };
	struct audit_verify *v = audit_verify_new(origin, key);
	struct audit_verdict d;

	(void)state;
	memcpy(n.origin, origin, sizeof origin);
	merkle_sha256(NULL, 0, NULL, 0, &n.root);
	assert_int_equal(note_sign(&n, seed, &text), OK);
	assert_int_equal(audit_verify_note(v, text.p, text.len), OK);
	n.generation = 4;
	buf_clear(&text);
	assert_int_equal(note_sign(&n, seed, &text), OK);
	assert_int_equal(audit_verify_note(v, text.p, text.len), ERR_INVALID);
	assert_int_equal(audit_verify_end(v, 0, &d), ERR_INVALID);
	assert_non_null(strstr(d.summary, "an older store was put back"));
	audit_verify_free(&v);
	buf_wipe(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_logs_are_good),
		cmocka_unit_test(test_any_changed_byte_of_a_record),
		cmocka_unit_test(test_any_changed_byte_of_a_note),
		cmocka_unit_test(test_a_record_gone_moved_or_twice),
		cmocka_unit_test(test_a_log_cut_under_its_checkpoint),
		cmocka_unit_test(test_a_note_moved),
		cmocka_unit_test(test_since_proves_that_nothing_was_cut),
		cmocka_unit_test(test_a_clean_cut_is_told_by_since_only),
		cmocka_unit_test(test_a_log_written_anew_is_told_by_since),
		cmocka_unit_test(test_another_log_and_another_key),
		cmocka_unit_test(test_generations_only_grow),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
