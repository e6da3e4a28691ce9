/* lib/serial.c: serial numbers, and their text. */
#include "lib/serial.h"

#include "tests/unit/unit.h"

static const uint8_t tail[SERIAL_TAIL] = { 0xde, 0xad, 0xbe, 0xef, 0, 1,
					   2,    3,    4,    5,    6, 0xff };

static void test_has_what_it_was_made_of(void **state)
{
	struct serial s;

	(void)state;
	serial_make(0x7f, SERIAL_NUMBER_MAX, tail, &s);
	assert_int_equal(serial_instance(&s), 0x7f);
	assert_true(serial_number(&s) == SERIAL_NUMBER_MAX);
	assert_memory_equal(serial_tail(&s), tail, SERIAL_TAIL);
	serial_make(1, 1, tail, &s);
	assert_int_equal(serial_instance(&s), 1);
	assert_true(serial_number(&s) == 1);
}

static void test_known_text(void **state)
{
	char text[2 * SERIAL_SIZE + 1];
	struct serial s;

	(void)state;
	serial_make(3, 0x0102030405, tail, &s);
	serial_format(&s, text);
	assert_string_equal(text, "030102030405deadbeef00010203040506ff");
}

static void reads(const char *text)
{
	struct serial want, got;

	serial_make(3, 0x0102030405, tail, &want);
	assert_int_equal(serial_parse(text, strlen(text), &got), OK);
	assert_memory_equal(&want, &got, sizeof want);
}

static void test_reads_either_case_and_colons(void **state)
{
	(void)state;
	reads("030102030405deadbeef00010203040506ff");
	reads("030102030405DEADBEEF00010203040506FF");
	reads("03:01:02:03:04:05:de:aD:BE:ef:00:01:02:03:04:05:06:ff");
}

static void refuses(const char *text)
{
	struct serial s = { { 9 } };

	assert_int_equal(serial_parse(text, strlen(text), &s), ERR_INVALID);
	assert_int_equal(s.b[0], 9);
}

static void test_refuses_everything_else(void **state)
{
	static const char good[] = "030102030405deadbeef00010203040506ff";
	static const char colons[] =
		"03:01:02:03:04:05:de:ad:be:ef:00:01:02:03:04:05:06:ff";
	struct serial s;

	(void)state;
	refuses("");
	for (size_t n = 0; n < sizeof good - 1; n++)
		assert_int_equal(serial_parse(good, n, &s), ERR_INVALID);
	for (size_t n = 0; n < sizeof colons - 1; n++)
		assert_int_equal(serial_parse(colons, n, &s), ERR_INVALID);
	refuses("030102030405deadbeef00010203040506ff0");
	refuses("030102030405deadbeef00010203040506ff00");
	refuses("030102030405deadbeef00010203040506fg");
	refuses("03:0102030405deadbeef00010203040506ff");
	refuses("03:01:02:03:04:05:de:ad:be:ef:00:01:02:03:04:05:06-ff");
	refuses("0x0102030405deadbeef00010203040506ff");
	/* instance 0, instance 128, number 0 */
	refuses("000102030405deadbeef00010203040506ff");
	refuses("800102030405deadbeef00010203040506ff");
	refuses("030000000000deadbeef00010203040506ff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has_what_it_was_made_of),
		cmocka_unit_test(test_known_text),
		cmocka_unit_test(test_reads_either_case_and_colons),
		cmocka_unit_test(test_refuses_everything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
