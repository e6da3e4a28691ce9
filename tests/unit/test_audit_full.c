/* lib/audit_file under a real SIGKILL and on a disk that is really full. */
#include "tests/unit/audit_place.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* A real writer, really killed: what it had been told is written is there. */
static void writer(struct place *p, int told)
{
	struct audit_file *af = NULL;
	uint64_t size;

	if (audit_file_open(p->dir, &af, NULL) != OK)
		_exit(1);
	audit_file_bounds(af, 0, 100000);
	for (unsigned i = 1;; i++) {
		size = audit_file_size(af);
		if (append(af, size, 1 + i % 60, 0, NULL) != OK)
			_exit(2);
		size = audit_file_size(af);
		if (write(told, &size, sizeof size) != sizeof size)
			_exit(3);
	}
}

static uint64_t kill_after(struct place *p, size_t messages)
{
	uint64_t size = 0, next;
	int told[2], status;
	pid_t child;

	assert_int_equal(pipe(told), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		close(told[0]);
		writer(p, told[1]);
	}
	close(told[1]);
	for (size_t i = 0; i < messages; i++)
		assert_int_equal(read(told[0], &size, sizeof size),
				 sizeof size);
	kill(child, SIGKILL);
	while (read(told[0], &next, sizeof next) == sizeof next)
		size = next;
	close(told[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return size;
}

static void test_a_killed_writer_loses_nothing(void **state)
{
	uint64_t rnd = unit_seed();

	for (int i = 0; i < 40; i++) {
		uint64_t told = kill_after(*state, 1 + unit_below(&rnd, 40));
		struct audit_file *af = reopen(*state);

		assert_true(audit_file_size(af) >= told);
		assert_whole(af);
		audit_file_close(&af);
	}
}

/* A small disk of its own, in a mount namespace of its own. Runs in a child; 77: not
 * possible here. */
static int on_small_disk(struct place *p, void (*run)(struct place *))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child) {
		assert_int_equal(waitpid(child, &status, 0), child);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	if ((unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", p->path, "tmpfs", 0, "size=1m,mode=0700"))
		_exit(77);
	close(p->dir);
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		_exit(77);
	run(p);
	_exit(0);
}

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond);     \
			_exit(1);                                              \
		}                                                              \
	} while (0)

/* Fills the disk, appending until it is refused. */
static enum err fill(struct audit_file *af, unsigned flags, struct fault *f)
{
	for (;;) {
		uint64_t size = audit_file_size(af);
		enum err e = append(af, size, 40, flags, f);

		if (e != OK) {
			CHECK(audit_file_size(af) == size);
			return e;
		}
	}
}

static enum err count_each(void *arg, uint64_t index, struct attr_view v)
{
	uint64_t *n = arg;

	(void)v;
	CHECK(index == *n);
	++*n;
	return OK;
}

static void full_disk(struct place *p)
{
	struct audit_file *af = NULL;
	struct fault f = { 0 };
	uint64_t n = 0, ordinary, all;

	CHECK(audit_file_open(p->dir, &af, &f) == OK);
	audit_file_bounds(af, 256 << 10, 100000);
	CHECK(fill(af, 0, &f) == ERR_UNAVAILABLE);
	CHECK(strstr(f.text, "nearly full"));
	ordinary = audit_file_size(af);
	CHECK(fill(af, AUDIT_ADMIN, &f) == ERR_UNAVAILABLE);
	CHECK(strstr(f.text, "the disk is full"));
	all = audit_file_size(af);
	CHECK(ordinary > 1000 && all > ordinary + 500);
	audit_file_close(&af);
	CHECK(audit_file_open(p->dir, &af, &f) == OK);
	CHECK(audit_file_size(af) == all && audit_file_torn(af) == 0);
	CHECK(audit_file_read(af, 0, UINT64_MAX, count_each, &n, &f) == OK);
	CHECK(n == all);
	/* some room again: it goes on, without the store being started anew */
	CHECK(fill(af, AUDIT_ADMIN, &f) == ERR_UNAVAILABLE);
	CHECK(!unlinkat(p->dir, "ballast", 0));
	CHECK(append(af, audit_file_size(af), 5, AUDIT_ADMIN | AUDIT_SYNC,
		     &f) == OK);
	audit_file_close(&af);
}

static void full_disk_with_ballast(struct place *p)
{
	int fd = openat(p->dir, "ballast", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && !posix_fallocate(fd, 0, 64 << 10));
	close(fd);
	full_disk(p);
}

static void test_full_disk(void **state)
{
	int rc = on_small_disk(*state, full_disk_with_ballast);

	if (rc == 77) {
		print_message("skipped: no mount namespace to be had here\n");
		skip();
	}
	assert_int_equal(rc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_killed_writer_loses_nothing),
		TEST(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
