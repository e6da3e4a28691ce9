/* ca/signer_mark: no number twice, whatever happens to the file or to the process. */
#include "ca/signer_mark.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

static struct secret *key;
static char path[64];
static int dir;

static int begin(void **state)
{
	(void)state;
	key = secret_random();
	(void)snprintf(path, sizeof path, "%s", "/tmp/test_mark.XXXXXX");
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	secret_drop(&key);
	(void)unlinkat(dir, MARK_FILE, 0);
	close(dir);
	return rmdir(path);
}

static void made(struct mark *m)
{
	struct fault f;

	assert_int_equal(mark_make(dir, key, 3, &f), OK);
	assert_int_equal(mark_open(m, dir, key, &f), OK);
}

static void again(struct mark *m)
{
	struct fault f;

	mark_close(m);
	assert_int_equal(mark_open(m, dir, key, &f), OK);
}

static enum err sign(struct mark *m, uint64_t number)
{
	struct fault f;
	enum err e = mark_take(m, number, &f);

	if (e == OK)
		mark_signed(m, number, "tbs", 3);
	return e;
}

/* Writes over one byte of the file. */
static void spoil(off_t at)
{
	int fd = openat(dir, MARK_FILE, O_RDWR);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

static void test_numbers_only_grow(void **state)
{
	struct mark m;

	(void)state;
	made(&m);
	assert_int_equal(sign(&m, 2), ERR_CONFLICT);
	assert_int_equal(sign(&m, 3), OK);
	assert_int_equal(sign(&m, 3), ERR_CONFLICT);
	assert_int_equal(sign(&m, 9), OK);
	assert_int_equal(sign(&m, 8), ERR_CONFLICT);
	assert_true(mark_spent(&m, 8));
	assert_false(mark_spent(&m, 10));
	assert_false(mark_spent(&m, 0));
	mark_close(&m);
}

static void test_a_number_beyond_the_block_is_refused(void **state)
{
	struct mark m;

	(void)state;
	made(&m);
	assert_int_equal(sign(&m, 3 + MARK_BLOCK), ERR_INVALID);
	assert_int_equal(sign(&m, UINT64_MAX), ERR_INVALID);
	assert_int_equal(sign(&m, 3 + MARK_BLOCK - 1), OK);
	assert_int_equal(sign(&m, 3 + MARK_BLOCK), OK);
	again(&m);
	assert_int_equal(m.next, 3 + 2 * MARK_BLOCK);
	assert_int_equal(sign(&m, 3 + 3 * MARK_BLOCK), ERR_INVALID);
	mark_close(&m);
}

static void test_refused_numbers_are_counted_along(void **state)
{
	struct mark m;

	(void)state;
	made(&m);
	for (uint64_t n = 3; n < 3 + 3 * MARK_BLOCK; n++)
		mark_skip(&m, n);
	assert_int_equal(sign(&m, 3 + 3 * MARK_BLOCK - 1), ERR_CONFLICT);
	assert_int_equal(sign(&m, 3 + 3 * MARK_BLOCK), OK);
	mark_skip(&m, UINT64_MAX);
	mark_skip(&m, 4);
	assert_int_equal(m.next, 3 + 3 * MARK_BLOCK + 1);
	assert_int_equal(m.now.count, 1);
	mark_close(&m);
}

static void test_a_start_gives_up_the_block_and_is_counted(void **state)
{
	struct mark m;

	(void)state;
	made(&m);
	assert_int_equal(m.now.epoch, 1);
	assert_int_equal(sign(&m, 3), OK);
	again(&m);
	assert_int_equal(m.now.epoch, 2);
	assert_int_equal(m.next, 3 + MARK_BLOCK);
	assert_int_equal(sign(&m, 4), ERR_CONFLICT);
	again(&m);
	assert_int_equal(m.now.epoch, 3);
	assert_int_equal(m.next, 3 + MARK_BLOCK);
	mark_close(&m);
}

static void test_count_and_chain_are_kept(void **state)
{
	struct merkle_hash before;
	struct mark m;
	struct fault f;

	(void)state;
	made(&m);
	assert_int_equal(sign(&m, 3), OK);
	assert_int_equal(sign(&m, 4), OK);
	m.now.log_size = 77;
	m.now.crl[MARK_SCOPES - 1] = 5;
	before = m.now.chain;
	assert_int_equal(mark_write(&m, &f), OK);
	again(&m);
	assert_int_equal(m.now.count, 2);
	assert_int_equal(m.now.log_size, 77);
	assert_int_equal(m.now.crl[MARK_SCOPES - 1], 5);
	assert_true(merkle_equal(&m.now.chain, &before));
	mark_close(&m);
}

/* SHA-256(0^32 | 00..03 | SHA-256("tbs")), as sha256sum has it. */
static void test_the_chain_is_as_written_down(void **state)
{
	uint8_t in[72] = { 0 };
	struct merkle_hash h, want;
	struct mark m;

	(void)state;
	made(&m);
	assert_int_equal(sign(&m, 3), OK);
	in[39] = 3;
	merkle_sha256("tbs", 3, NULL, 0, &h);
	memcpy(in + 40, h.b, MERKLE_HASH);
	merkle_sha256(in, sizeof in, NULL, 0, &want);
	assert_true(merkle_equal(&m.now.chain, &want));
	mark_close(&m);
}

/* Whichever record is lost, no number that can have been signed is free again. */
static void test_one_damaged_record_costs_a_block(void **state)
{
	(void)state;
	for (int place = 0; place < 2; place++) {
		struct mark m;
		uint64_t top;

		made(&m);
		for (uint64_t n = 3; n < 3 + 3 * MARK_BLOCK; n++)
			assert_int_equal(sign(&m, n), OK);
		top = m.next;
		mark_close(&m);
		spoil(place * MARK_SLOT + 100);
		again(&m);
		assert_true(m.mended);
		assert_true(m.next >= top);
		assert_true(m.next <= top + 2 * MARK_BLOCK);
		/* and it is whole again */
		again(&m);
		again(&m);
		assert_false(m.mended);
		mark_close(&m);
	}
}

static void test_two_damaged_records_are_refused(void **state)
{
	struct fault f;
	struct mark m;

	(void)state;
	made(&m);
	mark_close(&m);
	spoil(7);
	spoil(MARK_SLOT + MARK_RECORD - 1);
	assert_int_equal(mark_open(&m, dir, key, &f), ERR_INVALID);
	assert_non_null(strstr(f.text, "damaged or of another CA"));
}

static void test_the_mark_of_another_ca_is_refused(void **state)
{
	struct secret *other = secret_random();
	struct fault f;
	struct mark m;

	(void)state;
	made(&m);
	mark_close(&m);
	assert_int_equal(mark_open(&m, dir, other, &f), ERR_INVALID);
	secret_drop(&other);
}

static void test_a_missing_mark_is_refused(void **state)
{
	struct fault f;
	struct mark m;

	(void)state;
	(void)unlinkat(dir, MARK_FILE, 0);
	assert_int_equal(mark_open(&m, dir, key, &f), ERR_NOT_FOUND);
	assert_non_null(strstr(f.text, "restore the file 'mark'"));
}

static void test_a_link_is_not_followed(void **state)
{
	struct fault f;
	struct mark m;

	(void)state;
	made(&m);
	mark_close(&m);
	assert_int_equal(renameat(dir, MARK_FILE, dir, "other"), 0);
	assert_int_equal(symlinkat("other", dir, MARK_FILE), 0);
	assert_int_equal(mark_open(&m, dir, key, &f), ERR_UNAVAILABLE);
	assert_int_equal(unlinkat(dir, "other", 0), 0);
}

/* posix_fallocate has a result of its own and leaves errno alone. */
static void test_no_room_is_said(void **state)
{
	struct rlimit was, small;
	struct fault f;
	struct mark m;

	(void)state;
	made(&m);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){ .rlim_cur = MARK_SLOT + 100,
				 .rlim_max = was.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	errno = 0;
	for (int i = 0; i < 2; i++) /* one of them does not fit */
		(void)!mark_write(&m, &f);
	assert_non_null(strstr(f.text, "No space left"));
	assert_int_equal(mark_make(dir, key, 3, &f), ERR_UNAVAILABLE);
	assert_non_null(strstr(f.text, "cannot be made: File too large"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	mark_close(&m);
}

static void test_every_cut_and_every_changed_byte_is_refused(void **state)
{
	struct mark_record r = { .turn = 1, .end = 3 }, got;
	AUTO(buf_wipe) struct buf b = { 0 };

	(void)state;
	buf_init(&b, MARK_RECORD);
	assert_int_equal(mark_format(&r, key, &b), OK);
	assert_int_equal(b.len, MARK_RECORD);
	assert_int_equal(mark_parse(b.p, b.len, key, &got), OK);
	assert_memory_equal(&got, &r, sizeof r);
	for (size_t i = 0; i < b.len; i += i < 100 ? 1 : 97) {
		assert_int_equal(mark_parse(b.p, i, key, &got), ERR_INVALID);
		b.p[i] ^= 1;
		assert_int_equal(mark_parse(b.p, b.len, key, &got),
				 ERR_INVALID);
		b.p[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_only_grow),
		cmocka_unit_test(test_a_number_beyond_the_block_is_refused),
		cmocka_unit_test(test_refused_numbers_are_counted_along),
		cmocka_unit_test(
			test_a_start_gives_up_the_block_and_is_counted),
		cmocka_unit_test(test_count_and_chain_are_kept),
		cmocka_unit_test(test_the_chain_is_as_written_down),
		cmocka_unit_test(test_one_damaged_record_costs_a_block),
		cmocka_unit_test(test_two_damaged_records_are_refused),
		cmocka_unit_test(test_the_mark_of_another_ca_is_refused),
		cmocka_unit_test(test_a_missing_mark_is_refused),
		cmocka_unit_test(test_a_link_is_not_followed),
		cmocka_unit_test(test_no_room_is_said),
		cmocka_unit_test(
			test_every_cut_and_every_changed_byte_is_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
