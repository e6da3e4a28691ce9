/* Tests of lib/proc: this program is also the child it starts.
 * test: not under valgrind: it knows no pidfd */
#include "lib/proc.h"

#include "lib/num.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum {
	PATIENCE_MS = 120000,
	IDS = 62990,
};

/* The child: says what it is through its first descriptor. */

static int number(const char *text)
{
	uint64_t v;

	return num_u64(text, strlen(text), INT32_MAX, &v) == OK ? (int)v : -1;
}

static void say_fds(char *text, size_t size)
{
	DIR *d = opendir("/proc/self/fd");
	bool open_fd[64] = { false };
	size_t n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		if (number(e->d_name) >= 0 && number(e->d_name) < 64 &&
		    number(e->d_name) != dirfd(d))
			open_fd[number(e->d_name)] = true;
	(void)closedir(d);
	for (int i = 0; i < 64; i++)
		if (open_fd[i])
			n += (size_t)snprintf(text + n, size - n, "%d ", i);
}

static int child_tell(const char *name)
{
	char text[1024] = "";

	say_fds(text, sizeof text);
	dprintf(PROC_FD_FIRST, "name=%s fds=%s", name, text);
	for (char **e = environ; *e; e++)
		dprintf(PROC_FD_FIRST, "env=%s ", *e);
	return 7;
}

/* Starts one that waits for ever, tells its pid, waits for ever. */
static int child_parent(void)
{
	int fd = PROC_FD_FIRST;
	struct proc_spec s = {
		.daemon = "test", .role = "wait", .fd = &fd, .fds = 1
	};
	struct proc p;
	struct fault f;

	if (proc_spawn(&s, &p, &f) != OK)
		return 1;
	dprintf(PROC_FD_FIRST, "%d", p.pid);
	for (;;)
		pause();
}

static int run_role(const char *role, const char *name)
{
	if (!strcmp(role, "tell"))
		return child_tell(name);
	if (!strcmp(role, "parent"))
		return child_parent();
	for (;;)
		pause();
}

/* The tests */

static struct proc start(const char *role, const int *fd, size_t fds,
			 const struct proc_idmap *map)
{
	struct proc_spec s = { .daemon = "test",
			       .role = role,
			       .fd = fd,
			       .fds = fds,
			       .idmap = map };
	struct proc p = { .pidfd = -1 };
	struct fault f = { .code = OK };

	if (proc_spawn(&s, &p, &f) != OK)
		fail_msg("%s", f.text);
	return p;
}

static void hear(int fd, char *text, size_t size)
{
	size_t n = 0;
	ssize_t k;

	while (n < size - 1 && (k = read(fd, text + n, size - 1 - n)) > 0)
		n += (size_t)k;
	text[n] = 0;
}

static void child_has_exactly_what_it_is_given(void **state)
{
	int sv[2], other = dup(1), high = fcntl(1, F_DUPFD, 40);
	char text[2048];
	struct proc_end end;
	struct proc p;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(setenv("CRETULA_TEST_SECRET", "x", 1), 0);
	assert_int_equal(setenv("LD_PRELOAD_X", "x", 1), 0);
	assert_int_equal(setenv("CRETULA_LOG", "debug", 1), 0);
	{
		int fds[] = { sv[1], high, other };

		p = start("tell", fds, 3, NULL);
	}
	close(sv[1]);
	hear(sv[0], text, sizeof text);
	end = proc_reap(&p);
	assert_non_null(strstr(text, "name=test-tell fds=0 1 2 3 4 5 env="));
	assert_non_null(strstr(text, "env=CRETULA_LOG=debug"));
	assert_null(strstr(text, "SECRET"));
	assert_null(strstr(text, "LD_"));
	assert_false(end.killed);
	assert_int_equal(end.value, 7);
	close(sv[0]);
	close(other);
	close(high);
}

/* Descriptors given in the order of their targets must not overwrite each other. */
static void descriptors_may_be_each_others_numbers(void **state)
{
	int a[2], b[2], fds[2];
	char text[2048];
	struct proc p;

	(void)state;
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	/* the one that shall be 3 is not at 3; what is at 3 shall be 4 */
	fds[0] = b[1];
	fds[1] = a[0];
	p = start("tell", fds, 2, NULL);
	close(b[1]);
	hear(b[0], text, sizeof text);
	(void)proc_reap(&p);
	assert_non_null(strstr(text, "fds=0 1 2 3 4"));
	close(a[0]);
	close(a[1]);
	close(b[0]);
}

static void a_killed_child_says_so(void **state)
{
	struct proc p = start("wait", NULL, 0, NULL);
	struct proc_end end;
	char text[64];

	(void)state;
	proc_kill(&p);
	end = proc_reap(&p);
	assert_true(end.killed);
	assert_int_equal(end.value, SIGKILL);
	assert_int_equal(p.pidfd, -1);
	proc_end_text(end, text, sizeof text);
	assert_string_equal(text, "killed by SIGKILL");
	proc_end_text((struct proc_end){ .value = 3 }, text, sizeof text);
	assert_string_equal(text, "exited with 3");
}

static void a_child_ends_with_its_parent(void **state)
{
	int sv[2], pidfd;
	struct pollfd wait;
	char text[32] = "";
	struct proc p;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	p = start("parent", &sv[1], 1, NULL);
	close(sv[1]);
	assert_true(read(sv[0], text, sizeof text - 1) > 0);
	pidfd = (int)syscall(SYS_pidfd_open, number(text), 0);
	assert_true(pidfd >= 0);
	proc_kill(&p);
	(void)proc_reap(&p);
	wait = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	close(pidfd);
	close(sv[0]);
}

static void root_in_a_user_namespace_is_nobody_outside(void **state)
{
	static const struct proc_idmap map = { IDS, IDS + 1 };
	char path[64], text[2048];
	struct proc p;
	int fd;

	(void)state;
	if (getuid())
		skip();
	p = start("wait", NULL, 0, &map);
	(void)snprintf(path, sizeof path, "/proc/%d/status", p.pid);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	hear(fd, text, sizeof text);
	close(fd);
	proc_kill(&p);
	(void)proc_reap(&p);
	assert_non_null(strstr(text, "\nUid:\t62990\t62990\t62990\t62990\n"));
	assert_non_null(strstr(text, "\nGroups:\t \n"));
}

/* Or a role would start anew without the namespace that it needs. */
static void where_nobody_makes_processes_it_is_not_the_namespace(void **state)
{
	static const struct rlimit none = { 0, 0 };
	static const struct proc_idmap map = { IDS, IDS + 1 };
	struct proc_spec s = { .daemon = "test",
			       .role = "wait",
			       .idmap = &map };
	struct proc p;
	struct fault f;
	int status;
	pid_t pid;

	(void)state;
	if (getuid()) /* may be one that may make no namespace */
		skip();
	fflush(NULL);
	pid = fork();
	if (!pid) /* root has no such limit */
		_exit(setresgid(IDS, IDS, IDS) || setresuid(IDS, IDS, IDS) ||
		      setrlimit(RLIMIT_NPROC, &none) ||
		      proc_spawn(&s, &p, &f) != ERR_UNAVAILABLE);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_has_exactly_what_it_is_given),
		cmocka_unit_test(descriptors_may_be_each_others_numbers),
		cmocka_unit_test(a_killed_child_says_so),
		cmocka_unit_test(a_child_ends_with_its_parent),
		cmocka_unit_test(root_in_a_user_namespace_is_nobody_outside),
		cmocka_unit_test(
			where_nobody_makes_processes_it_is_not_the_namespace),
	};

	if (argc == 2 && !strncmp(argv[1], "--role=", 7))
		return run_role(argv[1] + 7, argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
