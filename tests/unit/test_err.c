/* lib/err.c: the closed set of errors. */
#include "lib/err.h"

#include "tests/unit/unit.h"

static void test_every_name_reads_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < E__MAX; i++) {
		const char *name = err_name((enum err)i);
		enum err e = E__MAX;

		assert_int_equal(err_parse(name, strlen(name), &e), OK);
		assert_int_equal(e, i);
		for (size_t n = 0; n < strlen(name); n++)
			assert_int_equal(err_parse(name, n, &e), ERR_INVALID);
	}
}

static void test_unknown_names(void **state)
{
	enum err e = ERR_DENIED;

	(void)state;
	assert_int_equal(err_parse("", 0, &e), ERR_INVALID);
	assert_int_equal(err_parse("Denied", 6, &e), ERR_INVALID);
	assert_int_equal(err_parse("denied ", 7, &e), ERR_INVALID);
	assert_int_equal(e, ERR_DENIED);
}

static void test_exit_codes(void **state)
{
	(void)state;
	assert_int_equal(err_exit(OK), 0);
	assert_int_equal(err_exit(ERR_INVALID), 1);
	assert_int_equal(err_exit(ERR_DENIED), 3);
	assert_int_equal(err_exit(ERR_NOT_FOUND), 4);
	assert_int_equal(err_exit(ERR_SEALED), 5);
	assert_int_equal(err_exit(ERR_LIMITED), 75);
	for (unsigned i = 1; i < E__MAX; i++)
		assert_int_not_equal(err_exit((enum err)i), 0);
}

static void test_fault(void **state)
{
	struct fault f;
	char big[2 * FAULT_TEXT_MAX];

	(void)state;
	assert_int_equal(fault_set(&f, ERR_EXISTS, "'%s' is there", "a"),
			 ERR_EXISTS);
	assert_int_equal(f.code, ERR_EXISTS);
	assert_string_equal(f.text, "'a' is there");
	assert_int_equal(fault_set(NULL, ERR_SEALED, "x"), ERR_SEALED);
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	assert_int_equal(fault_set(&f, ERR_INVALID, "%s", big), ERR_INVALID);
	assert_int_equal(strlen(f.text), FAULT_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_name_reads_back),
		cmocka_unit_test(test_unknown_names),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
