/* lib/buf.c: the bounded writer. */
#include "lib/buf.h"
#include "lib/rd.h"
#include "lib/secret.h"

#include "tests/unit/unit.h"

static void both(void (*f)(bool secret))
{
	f(false);
	f(true);
}

static void init(struct buf *b, size_t max, bool secret)
{
	if (secret)
		buf_init_secret(b, max);
	else
		buf_init(b, max);
}

static void read_back(bool secret)
{
	struct buf b;
	struct rd r;
	uint8_t a;
	uint16_t c;
	uint32_t d;
	uint64_t e;

	init(&b, 100, secret);
	assert_int_equal(buf_u8(&b, 0x12), OK);
	assert_int_equal(buf_u16(&b, 0x3456), OK);
	assert_int_equal(buf_u32(&b, 0x789abcde), OK);
	assert_int_equal(buf_u64(&b, 0x0123456789abcdef), OK);
	assert_int_equal(buf_str(&b, "text"), OK);
	assert_int_equal(b.len, 19);
	r = rd_from(b.p, b.len);
	assert_int_equal(rd_u8(&r, &a), OK);
	assert_int_equal(rd_u16(&r, &c), OK);
	assert_int_equal(rd_u32(&r, &d), OK);
	assert_int_equal(rd_u64(&r, &e), OK);
	assert_true(a == 0x12 && c == 0x3456 && d == 0x789abcde);
	assert_true(e == 0x0123456789abcdef);
	assert_memory_equal(r.p, "text", 4);
	buf_wipe(&b);
	assert_true(!b.p && !b.len && !b.cap);
}

static void test_what_is_written_reads_back(void **state)
{
	(void)state;
	both(read_back);
}

static void refuses(bool secret)
{
	struct buf b;
	uint8_t *at;

	init(&b, 10, secret);
	assert_int_equal(buf_str(&b, "12345678"), OK);
	assert_int_equal(buf_u32(&b, 1), ERR_TOO_LARGE);
	assert_int_equal(buf_put(&b, "123", 3), ERR_TOO_LARGE);
	assert_int_equal(buf_grow(&b, SIZE_MAX, &at), ERR_TOO_LARGE);
	assert_int_equal(buf_reserve(&b, 3), ERR_TOO_LARGE);
	assert_int_equal(b.len, 8);
	assert_int_equal(buf_u16(&b, 1), OK);
	assert_int_equal(buf_u8(&b, 1), ERR_TOO_LARGE);
	assert_int_equal(buf_put(&b, NULL, 0), OK);
	assert_int_equal(b.len, 10);
	buf_wipe(&b);
}

static void test_never_beyond_the_maximum(void **state)
{
	(void)state;
	both(refuses);
}

static void grows(bool secret)
{
	struct buf b;

	init(&b, 1 << 20, secret);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(buf_u32(&b, i), OK);
	for (uint32_t i = 0; i < 5000; i++) {
		struct rd r = rd_from(b.p + (size_t)i * 4, 4);
		uint32_t v = 0;

		assert_int_equal(rd_u32(&r, &v), OK);
		assert_int_equal(v, i);
	}
	buf_wipe(&b);
}

static void test_growing_keeps_the_content(void **state)
{
	(void)state;
	both(grows);
}

static void drops(bool secret)
{
	struct buf b;

	init(&b, 100, secret);
	assert_int_equal(buf_str(&b, "abcdef"), OK);
	buf_drop(&b, 0);
	buf_drop(&b, 2);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.p, "cdef", 4);
	buf_drop(&b, 4);
	assert_int_equal(b.len, 0);
	buf_wipe(&b);
}

static void test_dropping_moves_the_rest(void **state)
{
	(void)state;
	both(drops);
}

static void test_clearing_a_secret_wipes_it(void **state)
{
	struct buf b;

	(void)state;
	buf_init_secret(&b, 100);
	assert_int_equal(buf_str(&b, "secret"), OK);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_memory_equal(b.p, "\0\0\0\0\0\0", 6);
	buf_wipe(&b);
}

static void test_formatting(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 12);
	assert_int_equal(buf_fmt(&b, "%d-%s", 42, "x"), OK);
	assert_int_equal(b.len, 4);
	assert_int_equal(buf_fmt(&b, "%s", "0123456789"), ERR_TOO_LARGE);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.p, "42-x", 4);
	buf_wipe(&b);
}

/* The next user of the block finds nothing of the one before. */
static void test_kept_blocks_are_wiped(void **state)
{
	uint8_t zero[256] = { 0 };
	uint8_t *first, *second;

	(void)state;
	secret_keep();
	first = secret_take(sizeof zero);
	assert_memory_equal(first, zero, sizeof zero);
	memset(first, 'x', sizeof zero);
	secret_give(first, sizeof zero);
	second = secret_take(sizeof zero);
	assert_ptr_equal(second, first);
	assert_memory_equal(second, zero, sizeof zero);
	secret_give(second, sizeof zero);
	secret_give(NULL, sizeof zero);
	secret_give(secret_take(100), 100); /* a size that is not kept */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_reads_back),
		cmocka_unit_test(test_never_beyond_the_maximum),
		cmocka_unit_test(test_growing_keeps_the_content),
		cmocka_unit_test(test_dropping_moves_the_rest),
		cmocka_unit_test(test_clearing_a_secret_wipes_it),
		cmocka_unit_test(test_formatting),
		cmocka_unit_test(test_kept_blocks_are_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
