/* Tests of the helper's parsers: what the kernel says about keys, parts of which
 * strangers wrote. */
#include "tools/request-key/text.h"

#include "tests/unit/unit.h"

#define ID     "01890a5d-ac96-774b-bcce-b302099a8057"
#define WANTED "user;1000;100;3f010000;cretula:cert:0123abcd:" ID

static void a_key_that_is_wanted_is_read(void **state)
{
	struct wanted w;

	(void)state;
	assert_int_equal(wanted_parse(WANTED, strlen(WANTED), &w), OK);
	assert_int_equal(w.owner, 1000);
	assert_string_equal(w.instance, "0123abcd");
	assert_string_equal(w.agent, ID);
}

static void ids_beyond_31_bits_are_printed_as_negative(void **state)
{
	static const char text[] =
		"user;-2;-1;3f010000;cretula:cert:0123abcd:" ID;
	struct wanted w;

	(void)state;
	assert_int_equal(wanted_parse(text, strlen(text), &w), OK);
	assert_int_equal(w.owner, UINT32_MAX - 1);
}

static void other_keys_are_refused(void **state)
{
	static const char *const bad[] = {
		"logon;1;1;3f010000;cretula:cert:0123abcd:" ID,
		"user;1;1;3f010000;cretula:cert:0123ABCD:" ID,
		"user;1;1;3f010000;cretula:cert:0123abc:" ID,
		"user;1;1;3f010000;cretula:cert:0123abcde:" ID,
		"user;1;1;3f010000;cretula:cert::" ID,
		"user;1;1;3f010000;cretula:cart:0123abcd:" ID,
		"user;1;1;3f010000;cretula:0123abcd:" ID,
		"user;1;1;3f010000;x;cretula:cert:0123abcd:" ID,
		"user;1;1;3f010000;cretula:cert:0123abcd:" ID "\n",
		"user;1;1;3f010000;cretula:cert:0123abcd:" ID ":x",
		"user;1;1;3f010000;cretula:cert:0123abcd: " ID,
		"user;1;1;3f010000;cretula:cert:0123abcd:01890A5D-ac96-774b-"
		"bcce-b302099a8057",
		"user;1;1;3f010000;cretula:cert:0123abcd:01890a5d-ac96-474b-"
		"bcce-b302099a8057",
		"user;1;1;3f01000;cretula:cert:0123abcd:" ID,
		"user;x;1;3f010000;cretula:cert:0123abcd:" ID,
		"user;--1;1;3f010000;cretula:cert:0123abcd:" ID,
		"user;-2147483649;1;3f010000;cretula:cert:0123abcd:" ID,
		"user;2147483648;1;3f010000;cretula:cert:0123abcd:" ID,
	};
	struct wanted w = { .owner = 7 };

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(wanted_parse(bad[i], strlen(bad[i]), &w),
				 ERR_INVALID);
	for (size_t n = 0; n < strlen(WANTED); n++)
		assert_int_equal(wanted_parse(WANTED, n, &w), ERR_INVALID);
	assert_int_equal(w.owner, 7);
}

static bool private_ring(const char *text)
{
	return ring_is_private(text, strlen(text));
}

static void rings_of_one_process_are_private(void **state)
{
	(void)state;
	assert_true(private_ring("keyring;1;1;3f010000;_tid"));
	assert_true(private_ring("keyring;1;-1;3f010000;_pid"));
	assert_true(private_ring("keyring;1;1;3f030000;_ses"));
	assert_false(private_ring("keyring;1;1;3f030000;_uid_ses.1"));
	assert_false(private_ring("keyring;1;1;3f030000;_uid.1"));
	assert_false(private_ring("keyring;1;1;3f030000;mine"));
	assert_false(private_ring("keyring;1;1;3f030000;_pid\n"));
	assert_false(private_ring("keyring;1;1;3f030000;x;_pid"));
	assert_false(private_ring("user;1;1;3f030000;_pid"));
	assert_false(private_ring("keyring;1;1;3f030000;"));
	assert_false(private_ring(""));
}

static void what_cannot_be_a_token_is_told(void **state)
{
	char much[TOKEN_LEN_MAX + 1];

	(void)state;
	memset(much, 'a', sizeof much);
	assert_true(token_looks_right("ca1_abc234", 10));
	assert_true(token_looks_right(" \tca1_abc \r\n", 12));
	assert_true(token_looks_right(much, TOKEN_LEN_MAX));
	assert_false(token_looks_right(much, TOKEN_LEN_MAX + 1));
	assert_false(token_looks_right("", 0));
	assert_false(token_looks_right(" \n ", 3));
	assert_false(token_looks_right("ca1 abc", 7));
	assert_false(token_looks_right("ca1\0abc", 7));
	assert_false(token_looks_right("ca1\nabc", 7));
	assert_false(token_looks_right("ca1-abc", 7));
	assert_false(token_looks_right("ca1\xff", 4));
}

/* /proc/keys */

#define AUTH 0x0abc1234
#define KEY  0x1f2e3d
#define LINE                                                                   \
	"0abc1234 I--Q---     1 perm 0b0b0000     0     0 .request_ "          \
	"key:1f2e3d pid:1234 ci:88\n"
#define OTHER                                                                  \
	"0000002a I--Q---    18 perm 1f3f0000     0 65534 keyring   _uid.0: "  \
	"empty\n"

/* Feeds the text in parts of n bytes. */
static enum err scan(const char *text, size_t n, pid_t *tid, uint64_t *callout)
{
	size_t len = strlen(text);
	struct keys_scan s;

	keys_scan_init(&s, AUTH, KEY);
	for (size_t i = 0; i < len; i += n)
		keys_scan_feed(&s, text + i, MIN(n, len - i));
	return keys_scan_end(&s, tid, callout);
}

static void the_requester_is_found(void **state)
{
	static const char text[] = OTHER LINE OTHER;
	uint64_t callout;
	pid_t tid;

	(void)state;
	for (size_t n = 1; n <= strlen(text); n++) {
		tid = 0;
		callout = 0;
		assert_int_equal(scan(text, n, &tid, &callout), OK);
		assert_int_equal(tid, 1234);
		assert_int_equal(callout, 88);
	}
}

static void long_lines_are_passed_over(void **state)
{
	char text[9000], pad[8000];
	uint64_t callout;
	pid_t tid;

	(void)state;
	memset(pad, 'x', sizeof pad - 1);
	pad[sizeof pad - 1] = 0;
	(void)snprintf(text, sizeof text, OTHER "1111111 user %s\n" LINE, pad);
	for (size_t n = 1; n < 5000; n += 97)
		assert_int_equal(scan(text, n, &tid, &callout), OK);
	assert_int_equal(tid, 1234);
	/* ours does not get longer by what is not in its place */
	(void)snprintf(text, sizeof text, "0abc1234 %s\n", pad);
	assert_int_equal(scan(text, 100, &tid, &callout), ERR_INVALID);
}

static void two_lines_are_a_forgery(void **state)
{
	uint64_t callout;
	pid_t tid = 7;

	(void)state;
	assert_int_equal(scan(LINE LINE, 9999, &tid, &callout), ERR_CONFLICT);
	assert_int_equal(scan(LINE OTHER "0abc1234 \n", 9999, &tid, &callout),
			 ERR_CONFLICT);
	assert_int_equal(scan("0abc1234 x\n" LINE, 9999, &tid, &callout),
			 ERR_CONFLICT);
	assert_int_equal(tid, 7);
}

static void lines_of_others_are_not_ours(void **state)
{
	uint64_t callout;
	pid_t tid = 7;

	(void)state;
	assert_int_equal(scan("", 1, &tid, &callout), ERR_NOT_FOUND);
	assert_int_equal(scan(OTHER " " LINE, 9999, &tid, &callout),
			 ERR_NOT_FOUND);
	assert_int_equal(scan(OTHER "x" LINE, 9999, &tid, &callout),
			 ERR_NOT_FOUND);
	assert_int_equal(scan("0abc12345" LINE, 9999, &tid, &callout),
			 ERR_NOT_FOUND);
	assert_int_equal(tid, 7);
}

static void lines_that_are_not_a_requesters_are_refused(void **state)
{
	static const char *const bad[] = {
		"0abc1234 \n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3d "
		"pid:1234\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3d "
		"pid:1234 ci:8 x\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3e "
		"pid:1234 ci:8\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3 "
		"pid:1234 ci:8\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 user key:1f2e3d pid:1234 "
		"ci:8\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3d "
		"pid:-1 ci:8\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3d "
		"pid:0 ci:8\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3d "
		"pid:1x ci:8\n",
		"0abc1234 I--Q--- 1 perm 0b0b0000 0 0 .request_ key:1f2e3d "
		"pid:1 ci:\n",
	};
	uint64_t callout;
	pid_t tid = 7;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(scan(bad[i], 9999, &tid, &callout),
				 ERR_INVALID);
	assert_int_equal(tid, 7);
}

static void cut_short_is_refused(void **state)
{
	static const char text[] = OTHER LINE;
	char part[sizeof text];
	uint64_t callout;
	pid_t tid;

	(void)state;
	for (size_t n = 0; n < strlen(text); n++) {
		memcpy(part, text, n);
		part[n] = 0;
		assert_true(scan(part, 9999, &tid, &callout) != OK);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_that_is_wanted_is_read),
		cmocka_unit_test(ids_beyond_31_bits_are_printed_as_negative),
		cmocka_unit_test(other_keys_are_refused),
		cmocka_unit_test(rings_of_one_process_are_private),
		cmocka_unit_test(what_cannot_be_a_token_is_told),
		cmocka_unit_test(the_requester_is_found),
		cmocka_unit_test(long_lines_are_passed_over),
		cmocka_unit_test(two_lines_are_a_forgery),
		cmocka_unit_test(lines_of_others_are_not_ours),
		cmocka_unit_test(lines_that_are_not_a_requesters_are_refused),
		cmocka_unit_test(cut_short_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
