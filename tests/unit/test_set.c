/* lib/set.c: what was deleted, added or put back is noticed, and told apart. */
#include "lib/set.h"

#include "tests/unit/store_test.h"

enum {
	ROWS = 20,
	BLOB = 16
};

static struct seal_keys *keys;

static int begin(void **state)
{
	AUTO(mem_free) uint8_t *master = known(kat_master, NULL);
	AUTO(mem_free) uint8_t *store = known(kat_store, NULL);

	(void)state;
	keys = seal_keys_new(master, store, 7);
	return 0;
}

static int end(void **state)
{
	(void)state;
	seal_keys_drop(&keys);
	return 0;
}

static struct row row_of(struct row_head h, const void *blob, size_t len)
{
	return (struct row){ .head = h, .blob = blob, .blob_len = len };
}

static void test_known_sums(void **state)
{
	size_t n;
	AUTO(mem_free) uint8_t *blob = known(kat_row, &n);
	AUTO(mem_free) uint8_t *one = known(kat_set_one, NULL);
	AUTO(mem_free) uint8_t *both = known(kat_set_both, NULL);
	struct row r = row_of(known_head(), blob, n);
	struct row slot = row_of(head_of(ROW_SLOT, 1, NULL, 2), "other", 5);
	struct set s;

	(void)state;
	set_init(&s);
	set_add(&s, keys, &r);
	assert_memory_equal(s.sum, one, SET_SUM);
	set_add(&s, keys, &slot);
	assert_memory_equal(s.sum, both, SET_SUM);
	assert_int_equal(s.rows, 2);
	assert_int_equal(s.newest, 41);
	set_drop(&s, keys, &slot);
	assert_memory_equal(s.sum, one, SET_SUM);
	assert_int_equal(s.rows, 1);
}

struct world {
	struct row row[ROWS];
	uint8_t blob[ROWS][BLOB];
	struct set_state st;
};

static void count(const struct world *w, struct set *s)
{
	set_init(s);
	for (size_t i = 0; i < ROWS; i++)
		set_add(s, keys, &w->row[i]);
}

static void world_make(struct world *w)
{
	memset(w, 0, sizeof *w);
	for (size_t i = 0; i < ROWS; i++) {
		memset(w->blob[i], (int)i, BLOB);
		w->row[i] = row_of(head_of(ROW_GRANT, i + 1, NULL, i + 1),
				   w->blob[i], BLOB);
	}
	w->st.generation = ROWS;
	w->st.audit_size = 5;
	count(w, &w->st.set);
}

static void expect(const struct set *s, const struct set_state *st,
		   const char *words)
{
	struct fault f = { 0 };
	enum err e = set_check(s, st, &f);

	assert_int_equal(e, words ? ERR_INVALID : OK);
	if (words && !strstr(f.text, words))
		fail_msg("'%s' does not say '%s'", f.text, words);
}

static void test_same_rows_in_any_order_are_the_set(void **state)
{
	struct world w;
	struct set s;

	(void)state;
	world_make(&w);
	set_init(&s);
	for (size_t i = ROWS; i > 0; i--)
		set_add(&s, keys, &w.row[i - 1]);
	expect(&s, &w.st, NULL);
}

static void test_any_deleted_row_is_noticed(void **state)
{
	struct world w;
	struct set s;

	(void)state;
	world_make(&w);
	for (size_t i = 0; i < ROWS; i++) {
		count(&w, &s);
		set_drop(&s, keys, &w.row[i]);
		expect(&s, &w.st, "rows were deleted");
	}
}

static void test_any_added_row_is_noticed(void **state)
{
	struct world w;
	struct set s;
	struct row more;

	(void)state;
	world_make(&w);
	more = row_of(head_of(ROW_SLOT, 9, NULL, 3), "slot", 4);
	count(&w, &s);
	set_add(&s, keys, &more);
	expect(&s, &w.st, "added or put back");
	/* The same row twice cancels in the sum, not in the number. */
	set_add(&s, keys, &more);
	assert_memory_equal(s.sum, w.st.set.sum, SET_SUM);
	expect(&s, &w.st, "added or put back");
}

static void test_any_old_row_is_noticed(void **state)
{
	struct world w;
	struct set s;

	(void)state;
	world_make(&w);
	for (size_t i = 0; i < ROWS; i++) {
		struct row old = w.row[i];

		count(&w, &s);
		set_drop(&s, keys, &w.row[i]);
		old.head.generation--;
		set_add(&s, keys, &old);
		expect(&s, &w.st, "old copy");
	}
}

static void test_exchanged_blob_is_noticed(void **state)
{
	struct world w;
	struct set s;

	(void)state;
	world_make(&w);
	w.blob[3][0] ^= 1;
	count(&w, &s);
	expect(&s, &w.st, "old copy");
}

static void test_old_state_row_is_noticed(void **state)
{
	struct world w;
	struct set s;

	(void)state;
	world_make(&w);
	count(&w, &s);
	w.st.generation--;
	expect(&s, &w.st, "the state row was put back");
}

static void test_state_comes_back(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct set_state got;
	struct world w;
	struct fault f;

	(void)state;
	world_make(&w);
	attrs_init(&a);
	assert_int_equal(set_state_format(&w.st, &a), OK);
	assert_int_equal(attrs_add_str(&a, "time", "7"), OK);
	assert_int_equal(set_state_parse(attrs_view(&a), &got, &f), OK);
	assert_memory_equal(&got, &w.st, sizeof got);
	assert_int_equal(set_state_format(&w.st, &a), OK);
	assert_int_equal(set_state_parse(attrs_view(&a), &got, &f),
			 ERR_INVALID);
}

static void test_state_cut_short_is_refused(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct set_state got;
	struct attr_view v;
	struct world w;
	struct fault f;

	(void)state;
	world_make(&w);
	attrs_init(&a);
	assert_int_equal(set_state_format(&w.st, &a), OK);
	for (size_t n = 0; n < a.bytes.len; n++) {
		enum err e = attr_parse(a.bytes.p, n, &v, &f);

		if (e == OK)
			e = set_state_parse(v, &got, &f);
		assert_int_equal(e, ERR_INVALID);
	}
}

/* Whatever is done to a random store, only the rows themselves pass. */
static void test_random_changes(void **state)
{
	uint64_t seed = unit_seed();
	struct world w;

	(void)state;
	for (int round = 0; round < 300; round++) {
		size_t i = unit_below(&seed, ROWS);
		struct set s;

		world_make(&w);
		switch (unit_below(&seed, 4)) {
		case 0:
			w.row[i].head.row += 1 + unit_below(&seed, 99);
			break;
		case 1:
			w.row[i].head.table = ROW_KEY;
			break;
		case 2:
			w.row[i].blob_len = unit_below(&seed, BLOB);
			break;
		default:
			w.row[i] = w.row[(i + 1) % ROWS];
		}
		count(&w, &s);
		assert_int_equal(set_check(&s, &w.st, NULL), ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_sums),
		cmocka_unit_test(test_same_rows_in_any_order_are_the_set),
		cmocka_unit_test(test_any_deleted_row_is_noticed),
		cmocka_unit_test(test_any_added_row_is_noticed),
		cmocka_unit_test(test_any_old_row_is_noticed),
		cmocka_unit_test(test_exchanged_blob_is_noticed),
		cmocka_unit_test(test_old_state_row_is_noticed),
		cmocka_unit_test(test_state_comes_back),
		cmocka_unit_test(test_state_cut_short_is_refused),
		cmocka_unit_test(test_random_changes),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
