/* Calls of libcretula with descriptors beside them, against a daemon of the test's own
 * that reads with room for descriptors. */
#include "tests/unit/client_daemon.h"

#include <errno.h>
#include <poll.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* since Linux 6.16 */
#endif

enum {
	FDS = 8,
	LARGE = 900 << 10, /* bytes of a call that no socket takes at once */
};

/* What the daemon has seen of one connection. */
static struct seen {
	unsigned calls;
	char verb[8][32];  /* in the order of calls */
	size_t fds[8];     /* of each: what had come when it was whole */
	bool announced[8]; /* as many as fds= said */
	char told[8];      /* written to the first descriptor, if it is one */
} seen;

static size_t take(struct msghdr *m, int fd[FDS], size_t n)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t k = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		assert_true(h->cmsg_type == SCM_RIGHTS && n + k <= FDS);
		memcpy(fd + n, CMSG_DATA(h), k * sizeof(int));
		n += k;
	}
	return n;
}

/* Reads one read after the other; each call takes what has come by then. */
static void look(int conn, const struct msg *m, int fd[FDS], size_t n)
{
	uint64_t said = 0;
	struct attr a;
	unsigned i;

	if (!attr_find(m->attrs, "verb", &a)) { /* is anybody there? */
		assert_true(!n && m->id == CLIENT_PROBE_ID);
		say(conn, REPLY, m->id, "n", "yes");
		return;
	}
	i = seen.calls++;
	ENSURE(i < 8 && attr_find(m->attrs, "verb", &a) && a.len < 32);
	memcpy(seen.verb[i], a.value, a.len);
	if (attr_find(m->attrs, "fds", &a))
		ENSURE(attr_u64(&a, FDS, &said) == OK);
	seen.fds[i] = n;
	seen.announced[i] = said == n;
	if (n)
		ENSURE(write(fd[0], "x", 1) == 1);
	while (n)
		close(fd[--n]);
	say(conn, REPLY, m->id, "n", "done");
}

static void fds_script(int conn, int turn)
{
	static uint8_t room[LARGE];
	int fd[FDS];
	size_t len = 0, n = 0, used;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof fd)];
	} ctl;
	struct iovec iov;
	struct msg m;

	(void)turn;
	for (;;) {
		struct msghdr h = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &ctl,
				    .msg_controllen = sizeof ctl };
		ssize_t k;

		iov = (struct iovec){ room + len, sizeof room - len };
		k = recvmsg(conn, &h, MSG_CMSG_CLOEXEC);
		if (k <= 0)
			break;
		n = take(&h, fd, n);
		len += (size_t)k;
		while (msg_get(room, len, &m, &used, NULL) == OK) {
			look(conn, &m, fd, attr_count(m.attrs, "fds") ? n : 0);
			if (attr_count(m.attrs, "fds"))
				n = 0;
			len -= used;
			memmove(room, room + used, len);
		}
	}
	while (n)
		close(fd[--n]);
}

/* The first connection ends before it reads anything of a large call. */
static void starves_script(int conn, int turn)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };

	if (turn > 0)
		fds_script(conn, turn);
	else
		(void)poll(&p, 1, -1);
}

/* … and here after the call is there, all of it. */
static void swallows_script(int conn, int turn)
{
	struct buf in;
	struct msg m;

	buf_init(&in, 4 << 20);
	if (turn > 0)
		fds_script(conn, turn);
	else if (next(conn, &in, &m) && m.id == CLIENT_PROBE_ID) {
		say(conn, REPLY, m.id, "n", "yes");
		(void)next(conn, &in, &m);
	}
	buf_wipe(&in);
}

static struct cretula *begin(void (*script)(int, int), int pair[2])
{
	memset(&seen, 0, sizeof seen);
	assert_int_equal(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
	return connected(script);
}

static void finish(struct cretula *c, const int pair[2])
{
	cretula_close(c);
	close(pair[0]);
	close(pair[1]);
}

static char told(const int pair[2])
{
	char got = 0;

	return read(pair[0], &got, 1) == 1 ? got : 0;
}

static void a_call_brings_its_descriptors(void **state)
{
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };
	int pair[2], both[2];
	struct cretula *c = begin(fds_script, pair);

	(void)state;
	both[0] = both[1] = pair[1];
	for (size_t n = 1; n <= 2; n++) {
		assert_int_equal(client_call_fds(c, "agent.spawn",
						 (struct attr_view){ 0 }, both,
						 n, &a, &err),
				 0);
		cretula_answer_free(a);
		assert_int_equal(seen.fds[n - 1], n);
		assert_true(seen.announced[n - 1]);
		assert_int_equal(told(pair), 'x');
	}
	assert_true(fcntl(pair[1], F_GETFD) >= 0);
	finish(c, pair);
}

static void it_keeps_its_place_among_other_calls(void **state)
{
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };
	uint32_t id[3], with;
	int pair[2];
	struct cretula *c = begin(fds_script, pair);

	(void)state;
	assert_int_equal(cretula_submit(c, "before", NULL, &id[0], &err), 0);
	assert_int_equal(cretula_submit(c, "before", NULL, &id[1], &err), 0);
	assert_int_equal(client_submit_fds(c, "with", (struct attr_view){ 0 },
					   &pair[1], 1, &with, &err),
			 0);
	assert_int_equal(cretula_submit(c, "after", NULL, &id[2], &err), 0);
	/* one at a time */
	assert_int_equal(client_submit_fds(c, "with", (struct attr_view){ 0 },
					   &pair[1], 1, &with, &err),
			 CRETULA_ERR_LIMITED);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(cretula_wait(c, id[i], &a, &err), 0);
		cretula_answer_free(a);
	}
	assert_int_equal(seen.calls, 4);
	assert_string_equal(seen.verb[1], "before");
	assert_string_equal(seen.verb[2], "with");
	assert_int_equal(seen.fds[2], 1);
	assert_string_equal(seen.verb[3], "after");
	finish(c, pair);
}

static void large_args(struct attrs *args)
{
	static char bytes[LARGE - 100];

	attrs_init(args);
	memset(bytes, 'a', sizeof bytes);
	assert_int_equal(attrs_add(args, "pad", 0, bytes, sizeof bytes), OK);
}

static void it_is_sent_again_if_nobody_can_have_read_it(void **state)
{
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };
	struct attrs args;
	int pair[2];
	struct cretula *c = begin(starves_script, pair);

	(void)state;
	large_args(&args);
	if (client_call_fds(c, "agent.spawn", attrs_view(&args), &pair[1], 1,
			    &a, &err))
		fail_msg("%s", err.text);
	cretula_answer_free(a);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.fds[0], 1);
	assert_int_equal(told(pair), 'x');
	attrs_wipe(&args);
	finish(c, pair);
}

static void it_is_not_sent_again_once_it_was_written(void **state)
{
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };
	int pair[2];
	struct cretula *c = begin(swallows_script, pair);

	(void)state;
	/* "run" is harmless to repeat, but not with descriptors */
	assert_int_equal(client_call_fds(c, "run", (struct attr_view){ 0 },
					 &pair[1], 1, &a, &err),
			 CRETULA_ERR_UNAVAILABLE);
	assert_null(a);
	assert_int_equal(seen.calls, 0);
	finish(c, pair);
}

/* Reads nothing before it is told to. */
static int go[2];

static void waits_script(int conn, int turn)
{
	char byte;

	if (read(go[0], &byte, 1) == 1)
		fds_script(conn, turn);
}

/* What nobody waits for any more is not written: its descriptors may be others now. */
static void given_up_it_is_taken_back(void **state)
{
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };
	struct attrs args;
	uint32_t large, small, with;
	int pair[2];
	struct cretula *c;

	(void)state;
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	c = begin(waits_script, pair);
	large_args(&args);
	assert_int_equal(
		client_submit(c, "large", attrs_view(&args), &large, &err), 0);
	assert_int_equal(client_submit_fds(c, "with", (struct attr_view){ 0 },
					   &pair[1], 1, &with, &err),
			 0);
	assert_int_equal(cretula_submit(c, "status", NULL, &small, &err), 0);
	cretula_timeout(c, 0);
	assert_int_equal(cretula_wait(c, with, &a, &err), CRETULA_ERR_TIMEOUT);
	assert_int_equal(write(go[1], "g", 1), 1);
	cretula_timeout(c, 30000);
	assert_int_equal(cretula_wait(c, small, &a, &err), 0);
	cretula_answer_free(a);
	assert_int_equal(seen.calls, 2);
	assert_string_equal(seen.verb[0], "large");
	assert_string_equal(seen.verb[1], "status");
	assert_int_equal(told(pair), 0);
	attrs_wipe(&args);
	finish(c, pair);
	close(go[0]);
	close(go[1]);
}

/* As door does: descriptors may come only when the hello has been accepted. */
static void refuses_rights_script(int conn, int turn)
{
	int on = 1;
	char byte;

	if (read(go[0], &byte, 1) != 1)
		return;
	(void)setsockopt(conn, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
	fds_script(conn, turn);
}

static void it_waits_until_descriptors_may_come(void **state)
{
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };
	uint32_t with;
	int pair[2], off = 0;
	struct cretula *c;

	(void)state;
	if (setsockopt(d.listener, SOL_SOCKET, SO_PASSRIGHTS, &off,
		       sizeof off)) {
		d.script = fds_script;
		cretula_close(begin(fds_script, pair));
		close(pair[0]);
		close(pair[1]);
		skip(); /* not before Linux 6.16 */
	}
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	c = begin(refuses_rights_script, pair);
	assert_int_equal(client_submit_fds(c, "with", (struct attr_view){ 0 },
					   &pair[1], 1, &with, &err),
			 0);
	cretula_process(c);
	assert_true(c->fds.n == 1 && !c->fds.sent);
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(cretula_wait(c, with, &a, &err), 0);
	cretula_answer_free(a);
	assert_int_equal(told(pair), 'x');
	finish(c, pair);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(a_call_brings_its_descriptors),
		WITH_DAEMON(it_keeps_its_place_among_other_calls),
		WITH_DAEMON(it_is_sent_again_if_nobody_can_have_read_it),
		WITH_DAEMON(it_is_not_sent_again_once_it_was_written),
		WITH_DAEMON(given_up_it_is_taken_back),
		WITH_DAEMON(it_waits_until_descriptors_may_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
