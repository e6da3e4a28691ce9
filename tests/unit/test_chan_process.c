/* lib/chan.c, chan_expect_process: bytes are believed only from one living process.
 * test: not under valgrind: it knows no pidfd */
#include "lib/chan.h"
#include "lib/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	struct chan c; /* first member */
	unsigned msgs;
	bool ended;
	enum err why;
};

static void on_msg(struct chan *c, const struct msg *m)
{
	(void)m;
	((struct seen *)c)->msgs++;
}

static void on_end(struct chan *c, const struct fault *why)
{
	((struct seen *)c)->ended = true;
	((struct seen *)c)->why = why->code;
}

/* A child that has written one message and then waits, or has ended: a pid that
 * nobody else has yet, as it is not reaped. */
static pid_t writer(int sock, bool stays, int *pidfd)
{
	pid_t pid = fork();
	struct pollfd p = { .events = POLLIN };

	if (!pid) {
		if (chan_put1(sock, 1, 1, (struct attr_view){ 0 }) != OK)
			_exit(1);
		if (stays)
			(void)pause();
		_exit(0);
	}
	assert_true(pid > 0);
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(*pidfd >= 0);
	p.fd = *pidfd;
	if (!stays)
		assert_int_equal(poll(&p, 1, 120000), 1);
	return pid;
}

static void hear(struct seen *s, bool stays, int32_t wrong)
{
	static const struct chan_ops ops = { on_msg, on_end, NULL };
	struct loop *l = loop_new();
	int sv[2], pidfd, on = 1;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	assert_int_equal(
		setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	pid = writer(sv[1], stays, &pidfd);
	*s = (struct seen){ .msgs = 0 };
	chan_open(&s->c, l, sv[0], false, &ops);
	chan_expect_process(&s->c, pid + wrong, pidfd);
	while (!s->msgs && !s->ended)
		loop_turn(l, CLOCK_SECOND);
	chan_close(&s->c);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(sv[1]);
	loop_free(l);
}

static void a_living_process_is_heard(void **state)
{
	struct seen s;

	(void)state;
	hear(&s, true, 0);
	assert_int_equal(s.msgs, 1);
}

static void another_pid_ends_the_channel(void **state)
{
	struct seen s;

	(void)state;
	hear(&s, true, 1);
	assert_int_equal(s.msgs, 0);
	assert_int_equal(s.why, ERR_UNAUTHENTICATED);
}

static void a_process_that_has_ended_is_not_believed(void **state)
{
	struct seen s;

	(void)state;
	hear(&s, false, 0);
	assert_int_equal(s.msgs, 0);
	assert_int_equal(s.why, ERR_UNAUTHENTICATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_living_process_is_heard),
		cmocka_unit_test(another_pid_ends_the_channel),
		cmocka_unit_test(a_process_that_has_ended_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
