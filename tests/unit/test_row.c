/* lib/row.c: heads and rows as lists, and their names in sentences. */
#include "tests/unit/store_test.h"

static const uint8_t some_blob[] = { 1, 2, 3 };

static void format_one(struct attrs *a, struct row *r)
{
	r->head = known_head();
	r->blob = some_blob;
	r->blob_len = sizeof some_blob;
	attrs_init(a);
	assert_int_equal(row_format(r, a), OK);
}

static void test_row_comes_back(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct row r = { 0 }, got;
	struct fault f;

	(void)state;
	format_one(&a, &r);
	assert_int_equal(row_parse(attrs_view(&a), &got, &f), OK);
	assert_memory_equal(&got.head, &r.head, sizeof r.head);
	assert_int_equal(got.blob_len, 3);
	assert_memory_equal(got.blob, some_blob, 3);
}

static void test_row_cut_short_is_refused(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct row r = { 0 }, got;
	struct attr_view v;
	struct fault f;

	(void)state;
	format_one(&a, &r);
	for (size_t n = 0; n < a.bytes.len; n++) {
		enum err e = attr_parse(a.bytes.p, n, &v, &f);

		if (e == OK)
			e = row_parse(v, &got, &f);
		assert_int_equal(e, ERR_INVALID);
	}
}

static void refuse(const char *text)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct row got;
	struct fault f;

	attrs_init(&a);
	list_of(&a, text);
	assert_int_equal(row_parse(attrs_view(&a), &got, &f), ERR_INVALID);
}

static void test_odd_rows_are_refused(void **state)
{
	(void)state;
	refuse("table=wine row=1 name=a module=m version=1 generation=1 blob=x");
	refuse("table=key row=-1 name=a module=m version=1 generation=1 blob=x");
	refuse("table=key row=1 row=1 name=a module=m version=1 generation=1 "
	       "blob=x");
	refuse("table=key row=1 name=a module=m version=1 generation=1 blob=x "
	       "more=1");
	refuse("table=key row=9223372036854775808 name=a module=m version=1 "
	       "generation=1 blob=x");
	refuse("table=key row=1 name=\"a\\x00b\" module=m version=1 "
	       "generation=1 blob=x");
	refuse("table=key row=1 name=a module=m version=1 generation=1");
}

static void test_long_names_are_refused(void **state)
{
	struct row_head h;
	char name[ROW_NAME_MAX + 2];

	(void)state;
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	assert_int_equal(row_head_name(&h, name, ""), ERR_TOO_LARGE);
	name[ROW_NAME_MAX] = 0;
	assert_int_equal(row_head_name(&h, name, ""), OK);
	assert_string_equal(h.name, name);
}

static void test_place_of_a_drop(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	enum row_table t;
	struct fault f;
	uint64_t row;

	(void)state;
	attrs_init(&a);
	list_of(&a, "table=grant row=7");
	assert_int_equal(row_parse_place(attrs_view(&a), &t, &row, &f), OK);
	assert_int_equal(t, ROW_GRANT);
	assert_int_equal(row, 7);
	list_of(&a, "name=x");
	assert_int_equal(row_parse_place(attrs_view(&a), &t, &row, &f),
			 ERR_INVALID);
}

static void test_labels_are_printable_and_bounded(void **state)
{
	struct row_head h = known_head();
	char text[ROW_LABEL], name[ROW_NAME_MAX + 1];

	(void)state;
	row_label(&h, text);
	assert_string_equal(text, "credential/12 'prod'");
	h = head_of(ROW_STATE, 1, NULL, 1);
	row_label(&h, text);
	assert_string_equal(text, "state/1");
	h = head_of(ROW_KEY, 1, "a'b\n\x1b\xff", 1);
	row_label(&h, text);
	assert_string_equal(text, "key/1 'a\\x27b\\x0a\\x1b\\xff'");
	memset(name, '\n', ROW_NAME_MAX);
	name[ROW_NAME_MAX] = 0;
	h = head_of(ROW_CREDENTIAL, INT64_MAX, name, 1);
	row_label(&h, text);
	assert_true(strlen(text) < ROW_LABEL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_row_comes_back),
		cmocka_unit_test(test_row_cut_short_is_refused),
		cmocka_unit_test(test_odd_rows_are_refused),
		cmocka_unit_test(test_long_names_are_refused),
		cmocka_unit_test(test_place_of_a_drop),
		cmocka_unit_test(test_labels_are_printable_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
