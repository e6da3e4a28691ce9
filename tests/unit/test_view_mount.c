/* Mounting the file view: what lies on the folder is read in the kernel's list, dead
 * mounts go, others' mounts stay.
 * test: not under valgrind: it knows no FUSE */
#include "certmgr/mount.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE(point, type)                                                      \
	"36 35 98:0 / " point " ro,nosuid shared:1 master:2 - " type           \
	" cretula ro,user_id=0\n"

static void counted(const char *text, const char *folder, size_t want,
		    bool foreign)
{
	size_t n = 99;
	bool other = !foreign;

	assert_int_equal(
		view_mounts_count(text, strlen(text), folder, &n, &other), OK);
	assert_int_equal(n, want);
	assert_int_equal(other, foreign);
}

static void test_mounts_are_counted(void **state)
{
	(void)state;
	counted("", "/run/fs", 0, false);
	counted(LINE("/run", "tmpfs"), "/run/fs", 0, false);
	counted(LINE("/run/fs", "fuse.cretula"), "/run/fs", 1, false);
	counted(LINE("/run/fs", "fuse.cretula") LINE("/run/fs", "fuse.cretula"),
		"/run/fs", 2, false);
	counted(LINE("/run/fs2", "fuse.cretula") LINE("/run/f", "fuse.cretula"),
		"/run/fs", 0, false);
	counted(LINE("/run/fs", "fuse.cretula2"), "/run/fs", 0, true);
}

static void test_the_uppermost_decides(void **state)
{
	(void)state;
	counted(LINE("/run/fs", "tmpfs") LINE("/run/fs", "fuse.cretula"),
		"/run/fs", 1, false);
	counted(LINE("/run/fs", "fuse.cretula") LINE("/run/fs", "tmpfs"),
		"/run/fs", 1, true);
}

static void test_names_with_blanks(void **state)
{
	(void)state;
	counted(LINE("/a\\040b\\134\\011\\012/fs", "fuse.cretula"),
		"/a b\\\t\n/fs", 1, false);
	counted(LINE("/a\\040b/fs", "fuse.cretula"), "/a\\040b/fs", 0, false);
}

static void test_cut_short(void **state)
{
	const char text[] = LINE("/run/fs", "fuse.cretula");
	size_t n;
	bool other;

	(void)state;
	for (size_t i = 1; i + 1 < sizeof text; i++)
		assert_int_equal(
			view_mounts_count(text, i, "/run/fs", &n, &other),
			ERR_INVALID);
	assert_int_equal(view_mounts_count("a b c\n", 6, "/", &n, &other),
			 ERR_INVALID);
	assert_int_equal(view_mounts_count("\n", 1, "/", &n, &other),
			 ERR_INVALID);
}

/* For real */

static char folder[64], fs[96];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_view_mount.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(fs, sizeof fs, "%s/some where/fs", folder);
	return 0;
}

static int end(void **state)
{
	struct fault f = { 0 };
	char line[128];

	(void)state;
	if (view_unmount(fs, &f) != OK)
		print_message("%s\n", f.text);
	(void)snprintf(line, sizeof line, "rm -r %s", folder);
	return system(line);
}

static void mounted(int *fd)
{
	struct fault f = { 0 };

	if (view_mount(fs, fd, &f) != OK)
		fail_msg("%s", f.text);
	assert_true(*fd >= 0);
	assert_int_equal(fcntl(*fd, F_GETFD), FD_CLOEXEC);
}

static void test_mounted_and_unmounted(void **state)
{
	struct fault f = { 0 };
	struct stat st;
	int fd = -1;

	(void)state;
	mounted(&fd);
	close(fd);
	assert_int_equal(stat(fs, &st), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(view_unmount(fs, &f), OK);
	assert_int_equal(stat(fs, &st), 0);
	assert_int_equal(view_unmount(fs, &f), OK);
}

/* kill -9 of everything, several times over. */
static void test_dead_mounts_are_cleared(void **state)
{
	struct fault f = { 0 };
	struct stat st;
	int fd = -1;

	(void)state;
	mounted(&fd);
	close(fd);
	for (unsigned i = 0; i < 3; i++) {
		char options[96];

		fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		(void)snprintf(options, sizeof options,
			       "fd=%d,rootmode=40555,user_id=0,group_id=0", fd);
		assert_int_equal(
			mount("cretula", fs, "fuse.cretula", 0, options), 0);
		close(fd);
	}
	mounted(&fd);
	assert_int_equal(umount2(fs, MNT_DETACH), 0);
	assert_int_equal(stat(fs, &st), 0); /* nothing was below it */
	close(fd);
	assert_int_equal(view_unmount(fs, &f), OK);
}

/* One that is served by a process that does not answer is not asked. */
static void test_a_mute_mount_is_cleared(void **state)
{
	int mute = -1, fd = -1;

	(void)state;
	mounted(&mute);
	mounted(&fd);
	close(fd);
	close(mute);
}

static void test_others_mounts_stay(void **state)
{
	struct fault f = { 0 };
	struct stat st;
	char deep[128];
	int fd = -1;

	(void)state;
	mounted(&fd);
	close(fd);
	assert_int_equal(view_unmount(fs, &f), OK);
	assert_int_equal(mount("none", fs, "tmpfs", 0, "size=64k,mode=755"), 0);
	(void)snprintf(deep, sizeof deep, "%s/file", fs);
	close(open(deep, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(view_unmount(fs, &f), OK);
	assert_int_equal(stat(deep, &st), 0);
	/* ours lies on it and goes, it stays */
	mounted(&fd);
	close(fd);
	assert_int_equal(view_unmount(fs, &f), OK);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(umount2(fs, 0), 0);
}

static void test_a_folder_that_others_can_write_is_refused(void **state)
{
	struct fault f = { 0 };
	int fd = -1;

	(void)state;
	mounted(&fd);
	close(fd);
	assert_int_equal(view_unmount(fs, &f), OK);
	assert_int_equal(chmod(fs, 0775), 0);
	assert_int_equal(view_mount(fs, &fd, &f), ERR_DENIED);
	assert_non_null(strstr(f.text, "others can write"));
	assert_int_equal(chmod(fs, 0755), 0);
	assert_int_equal(chown(fs, 31337, 0), 0);
	assert_int_equal(view_mount(fs, &fd, &f), ERR_DENIED);
	assert_int_equal(rmdir(fs), 0);
	assert_int_equal(symlink("/tmp", fs), 0);
	assert_int_equal(view_mount(fs, &fd, &f), ERR_UNAVAILABLE);
	assert_int_equal(unlink(fs), 0);
}

static void test_paths_that_are_none(void **state)
{
	static const char *const bad[] = { "relative/fs", "/", "/tmp/.",
					   "/tmp/..", "" };
	struct fault f = { 0 };
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(view_mount(bad[i], &fd, &f), ERR_INVALID);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest text[] = {
		cmocka_unit_test(test_mounts_are_counted),
		cmocka_unit_test(test_the_uppermost_decides),
		cmocka_unit_test(test_names_with_blanks),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_paths_that_are_none),
	};
	const struct CMUnitTest real[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(test_mounted_and_unmounted),
		T(test_dead_mounts_are_cleared),
		T(test_a_mute_mount_is_cleared),
		T(test_others_mounts_stay),
		T(test_a_folder_that_others_can_write_is_refused),
	};
	int bad = cmocka_run_group_tests(text, NULL, NULL);

	if (geteuid() || access("/dev/fuse", R_OK | W_OK)) {
		print_message("the rest needs root and /dev/fuse: skipped\n");
		return bad;
	}
	return bad + cmocka_run_group_tests(real, NULL, NULL);
}
