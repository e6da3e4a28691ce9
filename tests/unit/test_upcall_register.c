/* Tests of tools/upcall: the helper and its line come and go, in a mount namespace
 * whose /run, /etc/request-key.d and /usr/libexec are this test's own.
 * test: not under valgrind: it forks and kills */
#include "tools/upcall.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OLD "/run/old-helper"
#define NEW "/run/new-helper"

static bool ready;

static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static int own_mounts(void **state)
{
	static const char *const own[] = { "/run", "/etc/request-key.d",
					   "/usr/libexec" };

	(void)state;
	if (geteuid() || access("/sbin/request-key", X_OK))
		return 0;
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	for (size_t i = 0; i < NELEM(own); i++) {
		(void)mkdir(own[i], 0755);
		if (mount("none", own[i], "tmpfs", 0, "mode=0755"))
			return -1;
	}
	put_text(OLD, "old helper\n");
	put_text(NEW, "new helper\n");
	ready = true;
	return 0;
}

static void need_mounts(void)
{
	if (!ready)
		skip();
}

static bool has(const char *path, const char *text)
{
	char is[256] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, is, sizeof is - 1);

	if (fd >= 0)
		(void)close(fd);
	return n >= 0 && strstr(is, text);
}

static bool gone(const char *path)
{
	struct stat st;

	return lstat(path, &st) && errno == ENOENT;
}

static bool nothing_left(void)
{
	return gone(UPCALL_CONF) && gone("/usr/libexec/cretula") &&
	       gone("/etc/request-key.d/.cretula.conf.playground");
}

static void put_in_place(const char *helper)
{
	struct fault f = { .code = OK };

	if (upcall_register(helper, &f) != OK)
		fail_msg("%s", f.text);
}

/* A child that registers, says so, and unregisters when its input ends. */
struct other {
	pid_t pid;
	int end;
};

static int ends[2] = { -1, -1 }; /* of those that live: not another's */

static struct other other_registers(const char *helper)
{
	int in[2], out[2];
	struct other o;
	char b;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	o.pid = fork();
	assert_true(o.pid >= 0);
	if (!o.pid) {
		struct fault f;

		(void)close(in[1]);
		for (size_t i = 0; i < NELEM(ends); i++)
			if (ends[i] >= 0)
				(void)close(ends[i]);
		if (upcall_register(helper, &f) != OK ||
		    write(out[1], "x", 1) != 1 || read(in[0], &b, 1) != 0)
			_exit(1);
		upcall_unregister();
		_exit(0);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	assert_int_equal(read(out[0], &b, 1), 1);
	(void)close(out[0]);
	o.end = in[1];
	ends[ends[0] >= 0] = in[1];
	return o;
}

static void other_ends(struct other *o, bool killed)
{
	int status;

	if (killed)
		assert_int_equal(kill(o->pid, SIGKILL), 0);
	for (size_t i = 0; i < NELEM(ends); i++)
		if (ends[i] == o->end)
			ends[i] = -1;
	(void)close(o->end);
	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	assert_true(killed ? WIFSIGNALED(status) : status == 0);
}

static void both_come_and_go(void **state)
{
	struct stat st;

	(void)state;
	need_mounts();
	put_in_place(OLD);
	assert_true(has(UPCALL_HELPER, "old helper"));
	assert_true(has(UPCALL_CONF, "\ncreate\tuser\tcretula:cert:*\t*\t"
				     "/usr/libexec/cretula/"
				     "cretula-request-key %k\n"));
	assert_int_equal(stat(UPCALL_HELPER, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(stat(UPCALL_CONF, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	upcall_unregister();
	assert_true(nothing_left());
	upcall_unregister();
}

static void the_last_one_takes_them_away(void **state)
{
	struct other a, b;

	(void)state;
	need_mounts();
	a = other_registers(OLD);
	b = other_registers(OLD);
	put_in_place(OLD);
	other_ends(&a, false);
	assert_true(has(UPCALL_HELPER, "old helper"));
	upcall_unregister();
	assert_true(has(UPCALL_HELPER, "old helper"));
	other_ends(&b, false);
	assert_true(nothing_left());
}

static void one_who_is_killed_does_not_count(void **state)
{
	struct other a;

	(void)state;
	need_mounts();
	a = other_registers(OLD);
	put_in_place(OLD);
	other_ends(&a, true);
	assert_true(has(UPCALL_HELPER, "old helper"));
	upcall_unregister();
	assert_true(nothing_left());
}

/* Who died between the mark and the file that it names has the rename fail here. */
static void who_dies_while_replacing_leaves_it_ours(void **state)
{
	struct fault f;
	struct other a;

	(void)state;
	need_mounts();
	a = other_registers(OLD);
	other_ends(&a, true);
	assert_int_equal(
		mount(UPCALL_HELPER, UPCALL_HELPER, NULL, MS_BIND, NULL), 0);
	assert_int_equal(upcall_register(NEW, &f), ERR_UNAVAILABLE);
	assert_int_equal(umount2(UPCALL_HELPER, MNT_DETACH), 0);
	put_in_place(NEW);
	assert_true(has(UPCALL_HELPER, "new helper"));
	upcall_unregister();
	assert_true(nothing_left());
}

static void what_a_dead_one_left_is_replaced(void **state)
{
	struct other a;

	(void)state;
	need_mounts();
	a = other_registers(OLD);
	other_ends(&a, true);
	assert_true(has(UPCALL_HELPER, "old helper"));
	put_in_place(NEW);
	assert_true(has(UPCALL_HELPER, "new helper"));
	upcall_unregister();
	assert_true(nothing_left());
}

static void what_a_package_installed_is_left_alone(void **state)
{
	(void)state;
	need_mounts();
	assert_int_equal(mkdir("/usr/libexec/cretula", 0755), 0);
	put_text(UPCALL_HELPER, "package\n");
	put_in_place(NEW);
	assert_true(has(UPCALL_HELPER, "package"));
	assert_true(has(UPCALL_CONF, "create"));
	upcall_unregister();
	assert_true(has(UPCALL_HELPER, "package"));
	assert_true(gone(UPCALL_CONF));
	put_text(UPCALL_CONF, "# of the admin\n");
	put_in_place(NEW);
	upcall_unregister();
	assert_true(has(UPCALL_HELPER, "package"));
	assert_true(has(UPCALL_CONF, "of the admin"));
	assert_int_equal(unlink(UPCALL_CONF), 0);
	assert_int_equal(unlink(UPCALL_HELPER), 0);
	assert_int_equal(rmdir("/usr/libexec/cretula"), 0);
}

/* A package that is installed meanwhile renames its own over what is there. */
static void what_a_package_put_over_it_is_left_alone(void **state)
{
	(void)state;
	need_mounts();
	put_in_place(OLD);
	put_text("/usr/libexec/cretula/new", "package\n");
	assert_int_equal(rename("/usr/libexec/cretula/new", UPCALL_HELPER), 0);
	upcall_unregister();
	assert_true(has(UPCALL_HELPER, "package"));
	assert_true(gone(UPCALL_CONF));
	assert_int_equal(unlink(UPCALL_HELPER), 0);
	assert_int_equal(rmdir("/usr/libexec/cretula"), 0);
}

static void a_helper_that_is_missing_is_told(void **state)
{
	struct fault f = { .code = OK };

	(void)state;
	need_mounts();
	assert_int_equal(upcall_register("/run/none", &f), ERR_NOT_FOUND);
	assert_non_null(strstr(f.text, "/run/none"));
	assert_true(gone(UPCALL_CONF));
	upcall_unregister();
}

static void only_root_can(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	need_mounts();
	pid = fork();
	if (!pid) {
		struct fault f;

		_exit(setresuid(62993, 62993, 62993) ||
		      upcall_register(OLD, &f) != ERR_DENIED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_come_and_go),
		cmocka_unit_test(the_last_one_takes_them_away),
		cmocka_unit_test(one_who_is_killed_does_not_count),
		cmocka_unit_test(who_dies_while_replacing_leaves_it_ours),
		cmocka_unit_test(what_a_dead_one_left_is_replaced),
		cmocka_unit_test(what_a_package_installed_is_left_alone),
		cmocka_unit_test(what_a_package_put_over_it_is_left_alone),
		cmocka_unit_test(a_helper_that_is_missing_is_told),
		cmocka_unit_test(only_root_can),
	};

	return cmocka_run_group_tests(tests, own_mounts, NULL);
}
