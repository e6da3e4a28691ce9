/* lib/rd.c: the bounded reader. */
#include "lib/rd.h"

#include "tests/unit/unit.h"

static void test_integers_are_big_endian(void **state)
{
	static const uint8_t bytes[] = { 1, 2,  3,  4,  5,  6,  7, 8,
					 9, 10, 11, 12, 13, 14, 15 };
	struct rd r = rd_from(bytes, sizeof bytes);
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;

	(void)state;
	assert_int_equal(rd_u8(&r, &a), OK);
	assert_int_equal(rd_u16(&r, &b), OK);
	assert_int_equal(rd_u32(&r, &c), OK);
	assert_int_equal(rd_end(&r), ERR_INVALID);
	assert_int_equal(rd_u64(&r, &d), OK);
	assert_int_equal(a, 0x01);
	assert_int_equal(b, 0x0203);
	assert_int_equal(c, 0x04050607);
	assert_true(d == 0x08090a0b0c0d0e0f);
	assert_int_equal(rd_end(&r), OK);
}

/* Every read of more than is left fails, and moves and writes nothing. */
static void test_too_few_bytes_change_nothing(void **state)
{
	static const uint8_t bytes[8] = { 0 };

	(void)state;
	for (size_t n = 0; n < 8; n++) {
		struct rd r = rd_from(bytes, n);
		uint64_t d = 7;
		const uint8_t *p = NULL;
		uint8_t copy[8] = { 9 };

		assert_int_equal(rd_u64(&r, &d), ERR_INVALID);
		assert_int_equal(rd_bytes(&r, n + 1, &p), ERR_INVALID);
		assert_int_equal(rd_bytes(&r, SIZE_MAX, &p), ERR_INVALID);
		assert_int_equal(rd_copy(&r, n + 1, copy), ERR_INVALID);
		assert_int_equal(rd_left(&r), n);
		assert_true(d == 7 && !p && copy[0] == 9);
	}
}

static void test_small_reads_fail_at_the_end(void **state)
{
	struct rd r = rd_from("x", 1);
	uint8_t a = 7;
	uint16_t b = 7;
	uint32_t c = 7;

	(void)state;
	assert_int_equal(rd_u32(&r, &c), ERR_INVALID);
	assert_int_equal(rd_u16(&r, &b), ERR_INVALID);
	assert_int_equal(rd_u8(&r, &a), OK);
	assert_int_equal(rd_u8(&r, &a), ERR_INVALID);
	assert_int_equal(a, 'x');
	assert_true(b == 7 && c == 7);
}

static void test_bytes_point_into_the_source(void **state)
{
	static const char text[] = "abcdef";
	struct rd r = rd_from(text, 6);
	const uint8_t *p;
	char copy[3];

	(void)state;
	assert_int_equal(rd_bytes(&r, 2, &p), OK);
	assert_ptr_equal(p, text);
	assert_int_equal(rd_copy(&r, 3, copy), OK);
	assert_memory_equal(copy, "cde", 3);
	assert_int_equal(rd_bytes(&r, 0, &p), OK);
	assert_int_equal(rd_left(&r), 1);
}

static void test_nothing_to_read(void **state)
{
	struct rd r = rd_from(NULL, 0);
	const uint8_t *p;

	(void)state;
	assert_int_equal(rd_left(&r), 0);
	assert_int_equal(rd_end(&r), OK);
	assert_int_equal(rd_bytes(&r, 0, &p), OK);
	assert_int_equal(rd_bytes(&r, 1, &p), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers_are_big_endian),
		cmocka_unit_test(test_too_few_bytes_change_nothing),
		cmocka_unit_test(test_small_reads_fail_at_the_end),
		cmocka_unit_test(test_bytes_point_into_the_source),
		cmocka_unit_test(test_nothing_to_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
