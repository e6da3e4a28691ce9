/* lib/log.c: what reaches standard error, read back through a socket that keeps
 * the bounds of each write. */
#include "lib/log.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int sock[2];
static int saved_stderr;

static int begin(void **state)
{
	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sock))
		return -1;
	saved_stderr = dup(STDERR_FILENO);
	dup2(sock[1], STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

static int end(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(sock[0]);
	close(sock[1]);
	return 0;
}

/* The next write(2), or "" if there was none. */
static const char *line(void)
{
	static char text[16384];
	ssize_t n = recv(sock[0], text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}

static void test_one_line_is_one_write(void **state)
{
	struct attrs a;
	const char *got;
	char *end_at;

	(void)state;
	log_open("credd", "vault", LOG_INFO);
	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "subject", "uid:1000"), OK);
	assert_int_equal(attrs_add(&a, "text", 0, "two\nlines", 9), OK);
	errno = EBADF;
	log_event(LOG_WARN, "sign", attrs_view(&a));
	assert_int_equal(errno, EBADF);
	got = line();
	assert_memory_equal(got, "level=warn time=2", 17);
	has(got, "Z daemon=credd role=vault event=sign subject=uid:1000 "
		 "text=\"two\\nlines\"\n");
	end_at = strchr(got, '\n');
	assert_int_equal(end_at[1], 0);
	assert_string_equal(line(), "");
	attrs_wipe(&a);
}

static void test_confidential_is_not_printed(void **state)
{
	struct attrs a;
	const char *got;

	(void)state;
	log_open("credd", "vault", LOG_INFO);
	attrs_init(&a);
	assert_int_equal(
		attrs_add(&a, "secret_key", ATTR_CONFIDENTIAL, "hunter2", 7),
		OK);
	log_event(LOG_INFO, "add", attrs_view(&a));
	got = line();
	has(got, " !secret_key?\n");
	assert_null(strstr(got, "hunter2"));
	attrs_wipe(&a);
}

static void test_levels_beyond_are_silent(void **state)
{
	(void)state;
	log_open("credd", "door", LOG_WARN);
	log_text(LOG_INFO, "quiet", "not seen");
	log_text(LOG_WARN, "loud", "uid %d", 7);
	has(line(), "role=door event=loud text=\"uid 7\"\n");
	assert_string_equal(line(), "");
}

static void test_journal_gets_priorities(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	(void)snprintf(stream, sizeof stream, "%llu:%llu",
		       (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("credd", "door", LOG_DEBUG);
	log_text(LOG_DEBUG, "e", "t");
	assert_memory_equal(line(), "<7>level=debug ", 15);
	log_text(LOG_CRIT, "e", "t");
	assert_memory_equal(line(), "<2>level=crit ", 14);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open("credd", "door", LOG_DEBUG);
	log_text(LOG_CRIT, "e", "t");
	assert_memory_equal(line(), "level=crit ", 11);
}

static void test_too_long_is_cut_between_attributes(void **state)
{
	struct attrs a;
	char big[9000];
	const char *got;

	(void)state;
	log_open("credd", "door", LOG_INFO);
	memset(big, 'x', sizeof big);
	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "before", "1"), OK);
	assert_int_equal(attrs_add(&a, "big", 0, big, sizeof big), OK);
	assert_int_equal(attrs_add_str(&a, "after", "2"), OK);
	log_event(LOG_INFO, "e", attrs_view(&a));
	got = line();
	has(got, " before=1 after=2 cut=yes\n");
	assert_null(strstr(got, "xxx"));
	attrs_wipe(&a);
}

static void test_closed_standard_error_is_survived(void **state)
{
	(void)state;
	log_open("credd", "door", LOG_INFO);
	close(STDERR_FILENO);
	errno = ENOENT;
	log_text(LOG_INFO, "e", "t");
	log_event(LOG_INFO, "e", (struct attr_view){ .len = 0 });
	assert_int_equal(errno, ENOENT);
	dup2(sock[1], STDERR_FILENO);
	assert_string_equal(line(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_line_is_one_write,
						begin, end),
		cmocka_unit_test_setup_teardown(
			test_confidential_is_not_printed, begin, end),
		cmocka_unit_test_setup_teardown(test_levels_beyond_are_silent,
						begin, end),
		cmocka_unit_test_setup_teardown(test_journal_gets_priorities,
						begin, end),
		cmocka_unit_test_setup_teardown(
			test_too_long_is_cut_between_attributes, begin, end),
		cmocka_unit_test_setup_teardown(
			test_closed_standard_error_is_survived, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
