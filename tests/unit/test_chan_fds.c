/* lib/chan.c, lib/chan_write.c: descriptors beside messages, between real sockets: what
 * the kernel promises, what is queued, what cannot be received. */
#include "lib/chan.h"
#include "lib/clock.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FDS = 4,
};

/* Takes of each message as many descriptors as its kind says. */
struct seen {
	struct chan c; /* first member */
	unsigned msgs;
	enum err took[64];
	uint64_t id[64];
	bool right; /* each was its message's own */
	bool ended;
	struct fault why;
};

static struct loop *loop;

static uint64_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void on_msg(struct chan *c, const struct msg *m)
{
	struct seen *s = (struct seen *)c;
	int fd[FDS];
	struct attr a;
	uint64_t ino;

	assert_true(s->msgs < NELEM(s->took));
	s->id[s->msgs] = m->id;
	s->took[s->msgs] = chan_take_fds(c, fd, m->kind);
	for (size_t i = 0; s->took[s->msgs] == OK && i < m->kind; i++) {
		assert_int_equal(attr_only(m->attrs, "ino", &a), OK);
		assert_int_equal(attr_u64(&a, UINT64_MAX, &ino), OK);
		s->right = s->right && ino == inode(fd[i]);
		close(fd[i]);
	}
	s->msgs++;
}

static void on_end(struct chan *c, const struct fault *why)
{
	struct seen *s = (struct seen *)c;

	s->ended = true;
	s->why = *why;
}

static const struct chan_ops ops = { on_msg, on_end, NULL };

static size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void begin(struct seen *a, struct seen *b)
{
	int sv[2];

	loop = loop_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	memset(a, 0, sizeof *a);
	memset(b, 0, sizeof *b);
	a->right = b->right = true;
	chan_open(&a->c, loop, sv[0], false, &ops);
	chan_open(&b->c, loop, sv[1], false, &ops);
}

static void finish(struct seen *a, struct seen *b)
{
	chan_close(&a->c);
	chan_close(&b->c);
	loop_free(loop);
}

/* A message with n copies of a new pipe's end. */
static enum err post(struct seen *s, uint64_t id, size_t n, size_t pad)
{
	static char bytes[MSG_MAX];
	int p[2], fd[FDS];
	struct attrs a;
	enum err e;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	attrs_init(&a);
	assert_int_equal(attrs_add_u64(&a, "ino", inode(p[0])), OK);
	assert_int_equal(attrs_add(&a, "pad", 0, bytes, pad), OK);
	for (size_t i = 0; i < n; i++)
		fd[i] = fcntl(p[0], F_DUPFD_CLOEXEC, 0);
	e = n ? chan_post_fds(&s->c, (uint32_t)n, id, attrs_view(&a), fd, n)
	      : chan_send(&s->c, 0, id, attrs_view(&a));
	attrs_wipe(&a);
	close(p[0]);
	close(p[1]);
	return e;
}

/* What lib/chan.c relies on: descriptors end a read with what was sent beside them. */
static void the_kernel_ends_a_read_with_them(void **state)
{
	static const struct {
		const char *bytes;
		bool with;
	} sent[] = {
		{ "a", false }, { "bb", false },   { "ccc", true },
		{ "d", false }, { "ee", true },    { "fff", true },
		{ "g", false }, { "hhhh", false },
	};
	static const ssize_t reads[] = { 6, 3, 3, 5 };
	static const size_t came[] = { 1, 1, 1, 0 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 8)];
	} ctl;
	char bytes[64];
	int sv[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	for (size_t i = 0; i < NELEM(sent); i++) {
		struct iovec iov = { bytes, strlen(sent[i].bytes) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

		memcpy(bytes, sent[i].bytes, iov.iov_len);
		memset(&ctl, 0, sizeof ctl);
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&ctl.align), &sv[0], sizeof fd);
		if (sent[i].with) {
			m.msg_control = &ctl;
			m.msg_controllen = CMSG_SPACE(sizeof fd);
		}
		assert_int_equal(sendmsg(sv[0], &m, 0), iov.iov_len);
	}
	for (size_t i = 0; i < NELEM(reads); i++) {
		struct iovec iov = { bytes, sizeof bytes };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &ctl,
				    .msg_controllen = sizeof ctl };

		assert_int_equal(recvmsg(sv[1], &m, 0), reads[i]);
		assert_int_equal(m.msg_controllen > 0, came[i]);
		if (came[i]) {
			memcpy(&fd, CMSG_DATA(&ctl.align), sizeof fd);
			close(fd);
		}
	}
	close(sv[0]);
	close(sv[1]);
}

/* More than the socket takes, small and large ones, with and without. */
static void what_is_queued_keeps_its_order_and_its_own(void **state)
{
	uint64_t seed = unit_seed();
	size_t before = open_fds();
	struct seen a, b;

	(void)state;
	begin(&a, &b);
	chan_pause(&b.c, true);
	for (uint64_t i = 0; i < 64; i++) {
		size_t pad =
			unit_below(&seed, 4) ? 10 : unit_below(&seed, 300000);

		assert_int_equal(post(&a, i, unit_below(&seed, 4), pad), OK);
		if (unit_below(&seed, 2))
			loop_turn(loop, 0);
	}
	assert_true(chan_posted(&a.c) > 0);
	chan_pause(&b.c, false);
	while (b.msgs < 64)
		loop_turn(loop, CLOCK_SECOND);
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(b.id[i], i);
		assert_int_equal(b.took[i], OK);
	}
	assert_true(b.right);
	assert_int_equal(chan_posted(&a.c), 0);
	finish(&a, &b);
	assert_int_equal(open_fds(), before);
}

static void what_is_not_sent_is_closed(void **state)
{
	size_t before = open_fds();
	struct seen a, b;

	(void)state;
	begin(&a, &b);
	chan_pause(&b.c, true);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(post(&a, i, 2, 300000), OK);
	assert_true(chan_posted(&a.c) > 0);
	chan_close(&a.c);
	assert_int_equal(post(&a, 9, 1, 0), ERR_UNAVAILABLE);
	finish(&a, &b);
	assert_int_equal(open_fds(), before);
}

/* As if as many were open as may be. */
static void starve(bool on)
{
	static struct rlimit was;
	struct rlimit r;

	if (on) {
		assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
		r = was;
		r.rlim_cur = 3;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
	} else {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	}
}

static void one_that_cannot_be_received_ends_a_channel(void **state)
{
	struct seen a, b;

	(void)state;
	begin(&a, &b);
	assert_int_equal(post(&a, 1, 1, 0), OK);
	starve(true);
	while (!b.ended)
		loop_turn(loop, CLOCK_SECOND);
	starve(false);
	assert_int_equal(b.why.code, ERR_LIMITED);
	assert_int_equal(b.msgs, 0);
	finish(&a, &b);
}

static void with_a_budget_only_its_message_fails(void **state)
{
	struct chan_budget budget = { .each = 2, .all = 8 };
	struct seen a, b;

	(void)state;
	begin(&a, &b);
	chan_limit_fds(&b.c, &budget);
	assert_int_equal(post(&a, 1, 0, 0), OK);
	assert_int_equal(post(&a, 2, 2, 0), OK);
	starve(true);
	while (b.msgs < 2)
		loop_turn(loop, CLOCK_SECOND);
	starve(false);
	assert_int_equal(b.took[0], OK);
	assert_int_equal(b.took[1], ERR_LIMITED);
	assert_int_equal(post(&a, 3, 2, 0), OK);
	while (b.msgs < 3)
		loop_turn(loop, CLOCK_SECOND);
	assert_int_equal(b.took[2], OK);
	assert_false(b.ended);
	assert_int_equal(budget.held, 0);
	finish(&a, &b);
}

static void too_many_with_one_message_end_it(void **state)
{
	struct chan_budget budget = { .each = 2, .all = 8 };
	size_t before = open_fds();
	struct seen a, b;

	(void)state;
	begin(&a, &b);
	chan_limit_fds(&b.c, &budget);
	assert_int_equal(post(&a, 1, 3, 0), OK);
	while (!b.ended)
		loop_turn(loop, CLOCK_SECOND);
	assert_int_equal(b.why.code, ERR_INVALID);
	assert_int_equal(b.msgs, 0);
	finish(&a, &b);
	assert_int_equal(budget.held, 0);
	assert_int_equal(open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_ends_a_read_with_them),
		cmocka_unit_test(what_is_queued_keeps_its_order_and_its_own),
		cmocka_unit_test(what_is_not_sent_is_closed),
		cmocka_unit_test(one_that_cannot_be_received_ends_a_channel),
		cmocka_unit_test(with_a_budget_only_its_message_fails),
		cmocka_unit_test(too_many_with_one_message_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
