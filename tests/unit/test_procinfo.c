/* Tests of lib/procinfo: the parsers over texts, and the reading over processes that
 * are started for it.
 * test: not under valgrind: it knows no pidfd */
#include "lib/procinfo.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	UID_A = 62991,
	GID_A = 62992,
};

/* Texts */

#define STAT_REST                                                              \
	" S 41 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 7788 9 10 11 "      \
	"4096 8192 140737488351232 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 1 2 3 4 "  \
	"5 6 7 0\n"
static const char stat_text[] = "42 (name)" STAT_REST;

static const char status_text[] = "Name:\tx y\nUmask:\t0022\nState:\tD (disk "
				  "sleep)\nTgid:\t42\nNgid:\t0\nPid:\t43\n"
				  "PPid:\t41\nTracerPid:\t0\nUid:\t1\t2\t3\t4\n"
				  "Gid:\t5\t6\t7\t8\nFDSize:\t64\n";

static void stat_is_read(void **state)
{
	struct procinfo p = { 0 };

	(void)state;
	assert_int_equal(procinfo_parse_stat(stat_text, strlen(stat_text), &p),
			 OK);
	assert_int_equal(p.pid, 42);
	assert_int_equal(p.parent, 41);
	assert_int_equal(p.start, 7788);
	assert_int_equal(p.state, 'S');
	assert_true(p.image != 0);
}

static void a_program_name_deceives_nobody(void **state)
{
	static const char *const names[] = {
		"7 () D 1 1 1", ") D 1 2 3 (", "\n43 (y) D 1", ")))", "", " ",
	};
	struct procinfo p, want = { 0 };
	char text[512];

	(void)state;
	assert_int_equal(
		procinfo_parse_stat(stat_text, strlen(stat_text), &want), OK);
	for (size_t i = 0; i < NELEM(names); i++) {
		int n = snprintf(text, sizeof text, "42 (%s)%s", names[i],
				 STAT_REST);

		memset(&p, 0, sizeof p);
		assert_int_equal(procinfo_parse_stat(text, (size_t)n, &p), OK);
		assert_memory_equal(&p, &want, sizeof p);
	}
}

static void stat_that_may_not_be_seen_has_no_image(void **state)
{
	static const char text[] =
		"1 (init) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 5 9 "
		"10 11 1 1 0 0 0 0\n";
	struct procinfo p = { .image = 5 };

	(void)state;
	assert_int_equal(procinfo_parse_stat(text, strlen(text), &p), OK);
	assert_true(p.image == 0);
}

static void image_depends_on_both_addresses(void **state)
{
	static const char form[] =
		"1 (x) S 0 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 5 9 10 11 %d 1 "
		"%d 0\n";
	static const int at[][2] = { { 1, 2 }, { 2, 1 }, { 1, 1 }, { 2, 2 } };
	struct procinfo p[4] = { 0 };
	char text[256];

	(void)state;
	for (size_t i = 0; i < NELEM(at); i++) {
		int n = snprintf(text, sizeof text, form, at[i][0], at[i][1]);

		assert_int_equal(procinfo_parse_stat(text, (size_t)n, &p[i]),
				 OK);
		for (size_t k = 0; k < i; k++)
			assert_true(p[i].image != p[k].image);
	}
}

static void bad_stat_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		")\n",
		"42 (x)\n",
		"42 x) S 1\n",
		"-1 (x)" STAT_REST,
		"99999999999 (x)" STAT_REST,
		"42 x(x)" STAT_REST,
		"42(x)" STAT_REST,
		"42 (x)  S 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7\n",
		"42 (x) SS 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7\n",
		"42 (x) S y 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7\n",
		"42 (x) S 1 2 3 4 5 - 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7\n",
	};
	struct procinfo p = { .pid = 7 };

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(
			procinfo_parse_stat(bad[i], strlen(bad[i]), &p),
			ERR_INVALID);
	for (size_t n = 0; n < strlen(stat_text); n++)
		assert_int_equal(procinfo_parse_stat(stat_text, n, &p),
				 ERR_INVALID);
	assert_int_equal(p.pid, 7);
}

static void status_is_read(void **state)
{
	struct procinfo p = { 0 };

	(void)state;
	assert_int_equal(
		procinfo_parse_status(status_text, strlen(status_text), &p),
		OK);
	assert_int_equal(p.pid, 42);
	assert_int_equal(p.parent, 41);
	assert_int_equal(p.state, 'D');
	assert_int_equal(p.uid, 1);
	assert_int_equal(p.euid, 2);
	assert_int_equal(p.fsuid, 4);
	assert_int_equal(p.gid, 5);
}

static void bad_status_is_refused(void **state)
{
	static const char *const bad[] = {
		"State:\tD\nTgid:\t1\nPPid:\t1\nUid:\t1\t2\t3\nGid:"
		"\t1\t2\t3\t4\n",
		"State:\tD\nTgid:\t1\nPPid:\t1\nUid:\t1\t2\t3\t4\t5\nGid:"
		"\t1\t2\t3\t4\n",
		"State:\tD\nTgid:\tx\nPPid:\t1\nUid:\t1\t2\t3\t4\nGid:"
		"\t1\t2\t3\t4\n",
		"State:\tD\nState:\tS\nTgid:\t1\nPPid:\t1\nUid:\t1\t2\t3\t4\n"
		"Gid:\t1\t2\t3\t4\n",
		"Tgid:\t1\nState:\tD\nPPid:\t1\nUid:\t1\t2\t3\t4\n"
		"Gid:\t1\t2\t3\t4\n",
		"State:\t\nTgid:\t1\nPPid:\t1\nUid:\t1\t2\t3\t4\n"
		"Gid:\t1\t2\t3\t4\n",
		"State:\tD\nTgid:\t1\nPPid:\t1\nUid:\t1\t2\t3\t4294967296\n"
		"Gid:\t1\t2\t3\t4\n",
	};
	size_t whole = (size_t)(strstr(status_text, "FDSize") - status_text);
	struct procinfo p = { .pid = 7 };

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(
			procinfo_parse_status(bad[i], strlen(bad[i]), &p),
			ERR_INVALID);
	for (size_t n = 0; n < whole; n++)
		assert_int_equal(procinfo_parse_status(status_text, n, &p),
				 ERR_INVALID);
	assert_int_equal(p.pid, 7);
	assert_int_equal(procinfo_parse_status(status_text, whole, &p), OK);
}

static void attributes_say_the_same(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct procinfo p, q = { 0 };
	struct fault f;

	(void)state;
	attrs_init(&a);
	assert_int_equal(procinfo_read(getpid(), &p, &f), OK);
	assert_int_equal(procinfo_format(&p, &a), OK);
	assert_int_equal(attrs_add_str(&a, "agent", "other"), OK);
	assert_int_equal(procinfo_parse(attrs_view(&a), &q, &f), OK);
	p.state = 0;
	assert_memory_equal(&p, &q, sizeof p);
}

static void attributes_missing_or_twice_are_refused(void **state)
{
	struct procinfo p = { .pid = 1 };
	struct attr_view it;
	struct attrs full, a;
	struct attr one, skip_it;
	struct fault f;

	(void)state;
	attrs_init(&full);
	assert_int_equal(procinfo_format(&p, &full), OK);
	for (struct attr_view v = attrs_view(&full); attr_next(&v, &skip_it);) {
		attrs_init(&a);
		for (it = attrs_view(&full); attr_next(&it, &one);)
			if (one.name != skip_it.name)
				assert_int_equal(attrs_add_attr(&a, &one), OK);
		assert_int_equal(procinfo_parse(attrs_view(&a), &p, &f),
				 ERR_INVALID);
		assert_int_equal(attrs_add_attr(&a, &skip_it), OK);
		assert_int_equal(procinfo_parse(attrs_view(&a), &p, &f), OK);
		assert_int_equal(attrs_add_attr(&a, &skip_it), OK);
		assert_int_equal(procinfo_parse(attrs_view(&a), &p, &f),
				 ERR_INVALID);
		attrs_wipe(&a);
	}
	attrs_wipe(&full);
}

/* Processes */

static void we_are_read(void **state)
{
	struct procinfo p, q;
	struct stat st;
	struct fault f;

	(void)state;
	assert_int_equal(procinfo_read(getpid(), &p, &f), OK);
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.parent, getppid());
	assert_int_equal(p.uid, getuid());
	assert_int_equal(p.euid, geteuid());
	assert_int_equal(p.fsuid, geteuid());
	assert_int_equal(p.gid, getgid());
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_true(p.exe_dev == st.st_dev && p.exe_ino == st.st_ino);
	assert_int_equal(stat("/proc/self/ns/user", &st), 0);
	assert_true(p.user_ns == st.st_ino);
	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	assert_true(p.pid_ns == st.st_ino);
	assert_true(p.image && p.dumpable && p.start);
	assert_int_equal(p.state, 'R');
	assert_int_equal(procinfo_read_stat(getpid(), &q, &f), OK);
	assert_true(procinfo_same(&p, &q));
	assert_int_equal(q.parent, p.parent);
	assert_true(q.image == p.image);
	assert_true(procinfo_same_program(&p, &p));
	assert_false(procinfo_same_program(&p, &q)); /* has no exe */
}

struct child {
	pid_t pid;
	int tell, said;
};

typedef void child_fn(void);

static int child_in, child_out; /* of the child itself */

/* Runs fn in a child, which says when it is done and ends with its input. */
static struct child start(child_fn *fn)
{
	int in[2], out[2];
	struct child c = { 0 };
	char b;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (!c.pid) {
		(void)close(in[1]);
		child_in = in[0];
		child_out = out[1];
		fn();
		if (write(out[1], "x", 1) == 1 && read(in[0], &b, 1) >= 0)
			_exit(0);
		_exit(1);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	c.tell = in[1];
	c.said = out[0];
	assert_int_equal(read(c.said, &b, 1), 1);
	return c;
}

static void end(struct child *c)
{
	int status;

	(void)close(c->tell);
	(void)close(c->said);
	(void)kill(c->pid, SIGKILL);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
}

static void nothing(void)
{
}

static void drop_ids(void)
{
	if (setresgid(GID_A, GID_A, GID_A) || setresuid(UID_A, UID_A, UID_A) ||
	    prctl(PR_SET_DUMPABLE, 1))
		_exit(9);
}

static void hide(void)
{
	drop_ids();
	if (prctl(PR_SET_DUMPABLE, 0))
		_exit(9);
}

static void another_user_is_read(void **state)
{
	struct child c;
	struct procinfo p;
	struct fault f;

	(void)state;
	if (getuid())
		skip();
	c = start(drop_ids);
	assert_int_equal(procinfo_read(c.pid, &p, &f), OK);
	assert_int_equal(p.uid, UID_A);
	assert_int_equal(p.fsuid, UID_A);
	assert_int_equal(p.gid, GID_A);
	assert_int_equal(p.parent, getpid());
	assert_true(p.dumpable && p.image && p.exe_ino && p.user_ns);
	end(&c);
}

static void who_hides_is_not_dumpable(void **state)
{
	struct child c;
	struct procinfo p;
	struct fault f;

	(void)state;
	if (getuid())
		skip();
	c = start(hide);
	assert_int_equal(procinfo_read(c.pid, &p, &f), OK);
	assert_false(p.dumpable);
	assert_true(p.image && p.exe_ino && p.user_ns && p.pid_ns);
	end(&c);
}

static struct procinfo child_saw;
static pid_t child_looks_at;

static void drop_and_look(void)
{
	struct fault f;

	drop_ids();
	if (procinfo_read(child_looks_at, &child_saw, &f) != OK ||
	    child_saw.image || child_saw.exe_ino || child_saw.user_ns ||
	    child_saw.pid_ns || !child_saw.start ||
	    child_saw.pid != child_looks_at)
		_exit(8);
}

static void what_may_not_be_read_is_0(void **state)
{
	struct child c;

	(void)state;
	if (getuid())
		skip();
	child_looks_at = getpid();
	c = start(drop_and_look);
	end(&c);
}

static pthread_barrier_t both;
static pid_t thread_id;

static void *stand(void *arg)
{
	thread_id = gettid();
	(void)pthread_barrier_wait(&both);
	(void)pthread_barrier_wait(&both);
	return arg;
}

static void a_thread_is_its_process(void **state)
{
	struct procinfo p, q;
	struct fault f;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
	/* a tick later, so that its own start differs */
	assert_int_equal(poll(NULL, 0, 30), 0);
	assert_int_equal(pthread_create(&t, NULL, stand, NULL), 0);
	(void)pthread_barrier_wait(&both);
	assert_int_equal(procinfo_read(getpid(), &p, &f), OK);
	assert_int_equal(procinfo_read(thread_id, &q, &f), OK);
	(void)pthread_barrier_wait(&both);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_not_equal(thread_id, getpid());
	assert_true(procinfo_same(&p, &q));
	assert_true(procinfo_same_program(&p, &q));
}

static void *after_leader(void *arg)
{
	thread_id = gettid();
	if (write(child_out, &thread_id, sizeof thread_id) < 0)
		_exit(7);
	for (;;)
		pause();
	return arg;
}

static void leave_a_thread(void)
{
	pthread_t t;

	if (write(child_out, "x", 1) != 1 ||
	    pthread_create(&t, NULL, after_leader, NULL))
		_exit(7);
	pthread_exit(NULL);
}

static void a_process_whose_leader_has_ended_is_read(void **state)
{
	struct child c = start(leave_a_thread);
	struct procinfo p = { .state = 0 }, q;
	struct fault f;
	pid_t tid;

	(void)state;
	assert_int_equal(read(c.said, &tid, sizeof tid), sizeof tid);
	while (p.state != 'Z')
		assert_int_equal(procinfo_read(c.pid, &p, &f), OK);
	assert_int_equal(procinfo_read(tid, &q, &f), OK);
	assert_true(procinfo_same(&p, &q));
	assert_true(!p.image && q.image && q.exe_ino);
	/* of the leader it cannot be said what it runs */
	assert_false(procinfo_same_program(&p, &q));
	end(&c);
}

static void exec_again(void)
{
	char b = 0;

	if (write(child_out, "x", 1) != 1 || read(child_in, &b, 1) != 1)
		_exit(6);
	(void)dup2(child_in, 0);
	(void)dup2(child_out, 1);
	(void)execl("/proc/self/exe", "test_procinfo", "--stand", (char *)NULL);
	_exit(6);
}

static void exec_is_another_program_of_the_same_process(void **state)
{
	struct child c = start(exec_again);
	struct procinfo p, q;
	struct fault f;
	char b;

	(void)state;
	assert_int_equal(procinfo_read(c.pid, &p, &f), OK);
	assert_int_equal(write(c.tell, "g", 1), 1);
	assert_int_equal(read(c.said, &b, 1), 1);
	assert_int_equal(procinfo_read(c.pid, &q, &f), OK);
	assert_true(procinfo_same(&p, &q));
	assert_true(p.exe_ino == q.exe_ino && p.exe_dev == q.exe_dev);
	assert_false(procinfo_same_program(&p, &q));
	end(&c);
}

static void nobody_is_not_found(void **state)
{
	struct procinfo p = { .pid = 5 };
	struct child c = start(nothing);
	struct fault f;

	(void)state;
	end(&c);
	assert_int_equal(procinfo_read(c.pid, &p, &f), ERR_NOT_FOUND);
	assert_int_equal(procinfo_read_stat(c.pid, &p, &f), ERR_NOT_FOUND);
	assert_int_equal(procinfo_read(-1, &p, &f), ERR_NOT_FOUND);
	assert_int_equal(p.pid, 5);
}

static void a_pidfd_names_its_process(void **state)
{
	struct child c = start(nothing);
	int fd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	struct procinfo p, q;
	struct fault f;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(procinfo_of_pidfd(fd, &p, &f), OK);
	assert_int_equal(procinfo_read(c.pid, &q, &f), OK);
	assert_true(procinfo_same_program(&p, &q));
	end(&c);
	assert_int_equal(procinfo_of_pidfd(fd, &p, &f), ERR_NOT_FOUND);
	(void)close(fd);
}

static void a_dead_child_not_reaped_is_not_found(void **state)
{
	struct child c = start(nothing);
	int fd = (int)syscall(SYS_pidfd_open, c.pid, 0);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	struct procinfo p;
	struct fault f;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(kill(c.pid, SIGKILL), 0);
	assert_int_equal(poll(&ended, 1, -1), 1);
	assert_int_equal(procinfo_of_pidfd(fd, &p, &f), ERR_NOT_FOUND);
	end(&c);
	(void)close(fd);
}

static void no_pidfd_is_invalid(void **state)
{
	struct procinfo p;
	struct fault f;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(procinfo_of_pidfd(fd, &p, &f), ERR_INVALID);
	(void)close(fd);
	assert_int_equal(procinfo_of_pidfd(fd, &p, &f), ERR_INVALID);
	assert_int_equal(procinfo_of_pidfd(-1, &p, &f), ERR_INVALID);
}

static void the_boot_has_an_id(void **state)
{
	char a[BOOT_ID + 1], b[BOOT_ID + 1];

	(void)state;
	assert_int_equal(procinfo_boot(a), OK);
	assert_int_equal(procinfo_boot(b), OK);
	assert_int_equal(strlen(a), BOOT_ID);
	assert_string_equal(a, b);
}

static int stand_and_end(void)
{
	char b;

	return write(1, "x", 1) == 1 && read(0, &b, 1) >= 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_is_read),
		cmocka_unit_test(a_program_name_deceives_nobody),
		cmocka_unit_test(stat_that_may_not_be_seen_has_no_image),
		cmocka_unit_test(image_depends_on_both_addresses),
		cmocka_unit_test(bad_stat_is_refused),
		cmocka_unit_test(status_is_read),
		cmocka_unit_test(bad_status_is_refused),
		cmocka_unit_test(attributes_say_the_same),
		cmocka_unit_test(attributes_missing_or_twice_are_refused),
		cmocka_unit_test(we_are_read),
		cmocka_unit_test(another_user_is_read),
		cmocka_unit_test(who_hides_is_not_dumpable),
		cmocka_unit_test(what_may_not_be_read_is_0),
		cmocka_unit_test(a_thread_is_its_process),
		cmocka_unit_test(a_process_whose_leader_has_ended_is_read),
		cmocka_unit_test(exec_is_another_program_of_the_same_process),
		cmocka_unit_test(nobody_is_not_found),
		cmocka_unit_test(a_pidfd_names_its_process),
		cmocka_unit_test(a_dead_child_not_reaped_is_not_found),
		cmocka_unit_test(no_pidfd_is_invalid),
		cmocka_unit_test(the_boot_has_an_id),
	};

	if (argc == 2 && !strcmp(argv[1], "--stand"))
		return stand_and_end();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
