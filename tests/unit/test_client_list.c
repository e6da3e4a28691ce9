/* lib/client_list.c: attribute lists as programs see them. */
#include "cretula/client.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct cretula_list *sample(void)
{
	struct cretula_list *l = cretula_list_new();

	assert_int_equal(cretula_list_add_str(l, "name", "one"), 0);
	assert_int_equal(cretula_list_add(l, "bytes", "a\0b", 3), 0);
	assert_int_equal(cretula_list_add_str(l, "name", ""), 0);
	return l;
}

static void assert_item(const struct cretula_item *item, const char *name,
			const char *value, size_t len)
{
	assert_int_equal(item->name_len, strlen(name));
	assert_memory_equal(item->name, name, item->name_len);
	assert_int_equal(item->len, len);
	assert_memory_equal(item->value, value, len);
	assert_false(item->confidential);
}

static void steps_go_through_all_in_order(void **state)
{
	struct cretula_list *l = sample(), *none = cretula_list_new();
	struct cretula_item item;
	size_t at = 0;

	(void)state;
	assert_int_equal(cretula_list_count(l), 3);
	assert_true(cretula_list_next(l, &at, &item));
	assert_item(&item, "name", "one", 3);
	assert_true(cretula_list_next(l, &at, &item));
	assert_item(&item, "bytes", "a\0b", 3);
	assert_true(cretula_list_next(l, &at, &item));
	assert_item(&item, "name", "", 0);
	assert_false(cretula_list_next(l, &at, &item));
	assert_false(cretula_list_next(l, &at, &item));
	at = 0;
	assert_int_equal(cretula_list_count(none), 0);
	assert_false(cretula_list_next(none, &at, &item));
	cretula_list_free(none);
	cretula_list_free(l);
}

static void a_list_in_a_list_is_opened_again(void **state)
{
	struct cretula_list *inner = sample(), *outer = cretula_list_new();
	struct cretula_list *opened = NULL;
	struct cretula_item item;

	(void)state;
	assert_int_equal(cretula_list_add_list(outer, "request", inner), 0);
	cretula_list_free(inner);
	assert_true(cretula_list_find(outer, "request", &item));
	assert_int_equal(cretula_list_open(item.value, item.len, &opened), 0);
	assert_int_equal(cretula_list_count(opened), 3);
	assert_true(cretula_list_find(opened, "bytes", &item));
	assert_item(&item, "bytes", "a\0b", 3);
	cretula_list_free(opened);
	cretula_list_free(outer);
}

static void what_is_cut_short_is_no_list(void **state)
{
	struct cretula_list *l = sample(), *outer = cretula_list_new();
	struct cretula_list *opened = NULL;
	struct cretula_item item;
	unsigned good = 0;

	(void)state;
	assert_int_equal(cretula_list_add_list(outer, "request", l), 0);
	assert_true(cretula_list_find(outer, "request", &item));
	for (size_t n = 0; n < item.len; n++) {
		if (cretula_list_open(item.value, n, &opened) == 0) {
			good++; /* ends between two, or is empty */
			cretula_list_free(opened);
		}
		opened = NULL;
	}
	assert_int_equal(good, 3);
	assert_int_equal(cretula_list_open("\xff", 1, &opened),
			 CRETULA_ERR_INVALID);
	assert_null(opened);
	cretula_list_free(outer);
	cretula_list_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_go_through_all_in_order),
		cmocka_unit_test(a_list_in_a_list_is_opened_again),
		cmocka_unit_test(what_is_cut_short_is_no_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
