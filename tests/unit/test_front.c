/* The front role, confined as in the daemon, with the test in the places of supervisor,
 * door, core and clients: what happens to descriptors beside calls.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/roles.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WAIT_S = 120,
	FDS = 8,
	IN_FLIGHT = 128,
	HELD = 32, /* what a front holds of calls that are not whole */
};

/* The core: answers every call, and looks into the sockets that came with it. */
struct core {
	struct chan chan; /* first member */
	struct chan_budget budget;
	unsigned calls, with, wrong;
	bool keep; /* send back nothing */
	int last;  /* the last descriptor, if kept */
};

struct door {
	struct chan chan; /* first member */
	unsigned closed;
};

static struct {
	struct loop *loop;
	pid_t pid;
	struct chan sup;
	unsigned ready;
	struct core core;
	struct door door;
	uint32_t conns;
} w;

static void until(const unsigned *count, unsigned n)
{
	uint64_t end = clock_boot() + WAIT_S * CLOCK_SECOND;

	while (*count < n) {
		assert_true(clock_boot() < end);
		loop_turn(w.loop, CLOCK_SECOND);
	}
}

static uint64_t number(const struct msg *m, const char *name)
{
	struct attr a;
	uint64_t n = 0;

	if (attr_find(m->attrs, name, &a))
		assert_int_equal(attr_u64(&a, UINT64_MAX, &n), OK);
	return n;
}

/* Each socket has the number of its call in it. */
static bool right(int fd, uint64_t n)
{
	uint64_t in = 0;

	return recv(fd, &in, sizeof in, MSG_PEEK | MSG_DONTWAIT) == sizeof in &&
	       in == n;
}

static void core_heard(struct chan *ch, const struct msg *m)
{
	struct core *c = (struct core *)ch;
	size_t n = (size_t)number(m, "fds");
	int fd[FDS];

	if (m->kind != CLIENT_CALL)
		return;
	c->calls++;
	c->with += n > 0;
	if (chan_take_fds(ch, fd, n) != OK) {
		c->wrong++;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		c->wrong += !right(fd[i], number(m, "n"));
		if (c->keep)
			c->last = fd[i];
		else
			assert_int_equal(chan_post_fds(ch, FC_CLOSE, 0,
						       (struct attr_view){ 0 },
						       &fd[i], 1),
					 OK);
	}
	chan_tell(ch, CLIENT_REPLY, m->id, (struct attr_view){ 0 });
}

static void door_heard(struct chan *ch, const struct msg *m)
{
	assert_int_equal(m->kind, DF_CLOSED);
	((struct door *)ch)->closed++;
}

static void sup_heard(struct chan *ch, const struct msg *m)
{
	(void)ch;
	w.ready += m->kind == SUP_READY;
}

static void ended(struct chan *c, const struct fault *why)
{
	fail_msg("the front ended: %s", why->text);
	chan_close(c);
}

static const struct chan_ops core_ops = { core_heard, ended, NULL };
static const struct chan_ops door_ops = { door_heard, ended, NULL };
static const struct chan_ops sup_ops = { sup_heard, ended, NULL };

static void pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
}

static void tell_sup(uint32_t kind, const char *text, int *fd)
{
	struct attrs a;
	struct fault f;

	attrs_init(&a);
	assert_int_equal(attrs_parse_text(&a, text, strlen(text), &f), OK);
	assert_int_equal(
		chan_send_fds(&w.sup, kind, 0, attrs_view(&a), fd, fd ? 1 : 0),
		OK);
	attrs_wipe(&a);
}

static void meets(struct chan *c, const struct chan_ops *ops, const char *peer)
{
	int sv[2];

	pair(sv);
	tell_sup(SUP_PEER, peer, &sv[1]);
	close(sv[1]);
	chan_open(c, w.loop, sv[0], false, ops);
}

static int begin(void **state)
{
	int sv[2];

	(void)state;
	memset(&w, 0, sizeof w);
	w.loop = loop_new();
	w.core.budget = (struct chan_budget){ .each = 2, .all = 128 };
	pair(sv);
	fflush(NULL);
	w.pid = fork();
	if (!w.pid) {
		if (sv[1] != SUP_FD && dup2(sv[1], SUP_FD) < 0)
			_exit(70);
		close_range(SUP_FD + 1, ~0u, 0);
		_exit(role_front());
	}
	close(sv[1]);
	chan_open(&w.sup, w.loop, sv[0], false, &sup_ops);
	tell_sup(SUP_START, "daemon=credd role=front", NULL);
	until(&w.ready, 1);
	meets(&w.door.chan, &door_ops, "peer=door");
	meets(&w.core.chan, &core_ops, "peer=vault");
	chan_limit_fds(&w.core.chan, &w.core.budget);
	return 0;
}

static int end(void **state)
{
	int status = -1;

	(void)state;
	chan_close(&w.sup);
	chan_close(&w.door.chan);
	chan_close(&w.core.chan);
	loop_free(w.loop);
	if (waitpid(w.pid, &status, 0) != w.pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status))
		return -1;
	return 0;
}

/* A client's side of a new connection. */
static int client(void)
{
	int sv[2], on = 1, fd[2];
	struct attrs a;

	pair(sv);
	assert_int_equal(
		setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	fd[0] = sv[1];
	fd[1] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	assert_true(fd[1] >= 0);
	attrs_init(&a);
	assert_int_equal(attrs_add_u64(&a, "pid", (uint64_t)getpid()), OK);
	assert_int_equal(chan_post_fds(&w.door.chan, DF_CONN, ++w.conns,
				       attrs_view(&a), fd, 2),
			 OK);
	attrs_wipe(&a);
	return sv[0];
}

/* Sends bytes with n descriptors. */
static void put(int fd, const void *p, size_t len, const int *fds, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 253)];
	} ctl = { 0 };
	struct buf b;
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	buf_init(&b, 4 + MSG_MAX);
	assert_int_equal(buf_put(&b, p, len), OK);
	iov = (struct iovec){ b.p, b.len };
	if (n) {
		m.msg_control = &ctl;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(&ctl.align), fds, sizeof(int) * n);
	}
	/* a connection that the front has ended takes nothing more */
	(void)!sendmsg(fd, &m, MSG_NOSIGNAL);
	buf_wipe(&b);
}

static void add_call(struct buf *b, uint64_t id, uint64_t n, const char *fds)
{
	struct attrs a;

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "verb", "x"), OK);
	assert_int_equal(attrs_add_u64(&a, "n", n), OK);
	if (fds)
		assert_int_equal(attrs_add_str(&a, "fds", fds), OK);
	assert_int_equal(msg_put(b, CLIENT_CALL, id, attrs_view(&a)), OK);
	attrs_wipe(&a);
}

/* A socket with n in it. */
static int marked(uint64_t n)
{
	int sv[2];

	pair(sv);
	assert_int_equal(write(sv[1], &n, sizeof n), sizeof n);
	close(sv[1]);
	return sv[0];
}

/* Sends one call with so many sockets, saying fds. */
static void call(int fd, uint64_t id, const char *fds, size_t n)
{
	int sock[253];
	struct buf b;

	buf_init(&b, 1 << 16);
	add_call(&b, id, id, fds);
	for (size_t i = 0; i < n; i++)
		sock[i] = marked(id);
	put(fd, b.p, b.len, sock, n);
	while (n)
		close(sock[--n]);
	buf_wipe(&b);
}

/* The next message of the front; its error, or "" for a reply, or "end". */
static const char *answer(int fd, uint64_t *id)
{
	static char text[32];
	struct buf in;
	struct msg m;
	struct attr a;
	struct fault f;

	buf_init(&in, 4 + MSG_MAX);
	text[0] = 0;
	if (chan_get1(fd, &in, &m, NULL, clock_boot() + WAIT_S * CLOCK_SECOND,
		      &f) != OK) {
		snprintf(text, sizeof text, "end");
		*id = 0;
	} else {
		*id = m.id;
		if (m.kind == CLIENT_ERROR &&
		    attr_only(m.attrs, "error", &a) == OK && a.len < 32)
			snprintf(text, sizeof text, "%.*s", (int)a.len,
				 (const char *)a.value);
	}
	buf_wipe(&in);
	return text;
}

static void until_answered(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (!poll(&p, 1, 0))
		loop_turn(w.loop, CLOCK_MS);
}

static void ends_with(int fd, const char *error)
{
	uint64_t id;

	assert_string_equal(answer(fd, &id), error);
	assert_int_equal(id, UINT32_MAX);
	assert_string_equal(answer(fd, &id), "end");
	close(fd);
}

static size_t front_fds(void)
{
	char path[64];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)w.pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void a_call_brings_its_descriptors(void **state)
{
	int fd = client();

	(void)state;
	call(fd, 5, "2", 2);
	until(&w.core.calls, 1);
	call(fd, 6, "1", 1);
	until(&w.core.calls, 2);
	assert_int_equal(w.core.with, 2);
	assert_int_equal(w.core.wrong, 0);
	close(fd);
}

/* Random calls, random pieces; sometimes plain calls leave together with one that has
 * descriptors, before or after it. */
static void pipelined_calls_keep_their_own_descriptors(void **state)
{
	uint64_t seed = unit_seed(), id;
	int fd = client();

	(void)state;
	for (unsigned round = 1; round <= 40; round++) {
		struct buf b;
		unsigned n = 1 + (unsigned)unit_below(&seed, IN_FLIGHT);

		buf_init(&b, 1 << 20);
		for (unsigned i = 0; i < n; i++) {
			uint64_t k = round * 1000 + i;

			if (unit_below(&seed, 3)) {
				add_call(&b, i, k, NULL);
			} else {
				size_t have = 1 + unit_below(&seed, 2);
				int sock[2] = { marked(k), marked(k) };

				put(fd, b.p, b.len, NULL, 0);
				buf_clear(&b);
				add_call(&b, i, k, have == 1 ? "1" : "2");
				if (unit_below(&seed, 2))
					add_call(&b, ++i, k + 1, NULL);
				put(fd, b.p, b.len, sock, have);
				buf_clear(&b);
				close(sock[0]);
				close(sock[1]);
			}
			n = i + 1 > n ? i + 1 : n;
		}
		put(fd, b.p, b.len, NULL, 0);
		buf_wipe(&b);
		until(&w.core.calls, w.core.calls + n);
		assert_int_equal(w.core.wrong, 0);
		loop_turn(w.loop, 0);
		for (unsigned i = 0; i < n; i++)
			assert_string_equal(answer(fd, &id), "");
	}
	assert_true(w.core.with > 40);
	close(fd);
}

static void a_core_that_does_not_read_gets_all_of_them_later(void **state)
{
	enum {
		CLIENTS = 6
	};
	int fd[CLIENTS];

	(void)state;
	chan_pause(&w.core.chan, true);
	for (size_t i = 0; i < CLIENTS; i++) {
		fd[i] = client();
		for (uint64_t k = 1; k <= IN_FLIGHT; k++)
			call(fd[i], k, k & 1 ? "1" : "2", k & 1 ? 1 : 2);
	}
	/* one that the front answers itself: it is not stuck */
	while (!w.door.closed) {
		int other = client();

		call(other, 1, NULL, 1);
		close(other);
		loop_turn(w.loop, CLOCK_MS);
	}
	chan_pause(&w.core.chan, false);
	until(&w.core.with, CLIENTS * IN_FLIGHT);
	assert_int_equal(w.core.wrong, 0);
	for (size_t i = 0; i < CLIENTS; i++)
		close(fd[i]);
}

static void what_was_not_announced_ends_the_connection(void **state)
{
	int fd = client();

	(void)state;
	call(fd, 1, NULL, 1);
	ends_with(fd, "invalid");
}

static void too_few_or_too_many_end_it(void **state)
{
	static const struct {
		const char *fds;
		size_t n;
	} cases[] = {
		{ "1", 0 }, { "2", 1 },  { "1", 2 },   { "2", 3 },
		{ "1", 3 }, { "2", 64 }, { "2", 253 },
	};
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		int fd = client();

		call(fd, 1, cases[i].fds, cases[i].n);
		if (cases[i].n == 2) { /* the first has been passed on */
			until(&w.core.calls, 1);
			while (strcmp(answer(fd, &id), "invalid"))
				;
			close(fd);
			continue;
		}
		ends_with(fd, "invalid");
	}
	assert_int_equal(w.core.calls, 1);
}

static void another_number_is_refused_and_nothing_else(void **state)
{
	static const char *const wrong[] = { "0", "3", "-1", "x", "" };
	int fd = client();
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < NELEM(wrong); i++) {
		call(fd, i, wrong[i], 0);
		assert_string_equal(answer(fd, &id), "invalid");
		assert_int_equal(id, i);
	}
	call(fd, 9, "1", 1);
	until(&w.core.calls, 1);
	close(fd);
}

static void only_sockets_and_pidfds_pass(void **state)
{
	int fd = client(), p[2], udp = socket(AF_UNIX, SOCK_DGRAM, 0);
	int bad[3], good = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct buf b;
	uint64_t id;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	bad[0] = p[0];
	bad[1] = udp;
	bad[2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	buf_init(&b, 1 << 16);
	for (size_t i = 0; i < NELEM(bad); i++) {
		buf_clear(&b);
		add_call(&b, i, i, "1");
		put(fd, b.p, b.len, &bad[i], 1);
		assert_string_equal(answer(fd, &id), "invalid");
		assert_int_equal(id, i);
		close(bad[i]);
	}
	close(p[1]);
	assert_int_equal(w.core.calls, 0);
	buf_clear(&b);
	add_call(&b, 9, 9, "1");
	w.core.keep = true;
	put(fd, b.p, b.len, &good, 1);
	until(&w.core.calls, 1);
	assert_int_equal(
		syscall(SYS_pidfd_send_signal, w.core.last, 0, NULL, 0), 0);
	close(w.core.last);
	close(good);
	buf_wipe(&b);
	close(fd);
}

/* Nobody makes the front run out of descriptors with calls that never end. */
static void descriptors_of_unfinished_calls_are_bounded(void **state)
{
	int fd[HELD / 2 + 1], sock[2] = { marked(1), marked(1) };
	struct buf b;
	uint64_t id;

	(void)state;
	buf_init(&b, 1 << 16);
	add_call(&b, 1, 1, "2");
	for (size_t i = 0; i < NELEM(fd); i++) {
		fd[i] = client();
		put(fd[i], b.p, b.len - 1, sock, 2);
		/* each is read before the next: one that answers comes after */
		if (i + 1 < NELEM(fd)) {
			int after = client();

			call(after, 1, "0", 0);
			assert_string_equal(answer(after, &id), "invalid");
			close(after);
		}
	}
	ends_with(fd[NELEM(fd) - 1], "limited");
	/* the others can go on */
	put(fd[0], b.p + b.len - 1, 1, NULL, 0);
	until(&w.core.calls, 1);
	assert_int_equal(w.core.with, 1);
	for (size_t i = 0; i + 1 < NELEM(fd); i++)
		close(fd[i]);
	close(sock[0]);
	close(sock[1]);
	buf_wipe(&b);
}

/* Random wrong things, thousands of them. */
static void nothing_leaks(void **state)
{
	static const char *const said[] = { NULL, "1", "2", "0", "x" };
	uint64_t seed = unit_seed();
	int good = client();
	size_t before;
	uint64_t id;

	(void)state;
	call(good, 1, "2", 2);
	until_answered(good);
	assert_string_equal(answer(good, &id), "");
	before = front_fds();
	for (unsigned round = 0; round < 3000; round++) {
		int fd = client();
		unsigned n = 1 + (unsigned)unit_below(&seed, 4);

		for (unsigned i = 0; i < n; i++)
			call(fd, i, said[unit_below(&seed, NELEM(said))],
			     unit_below(&seed, 20) ? unit_below(&seed, 4)
						   : 100);
		if (unit_below(&seed, 2)) {
			int sock = marked(1);

			put(fd, "\0\0\0\x40", 1 + unit_below(&seed, 4), &sock,
			    1);
			close(sock);
		}
		close(fd);
		loop_turn(w.loop, 0);
	}
	until(&w.door.closed, 3000);
	/* all that was sent back is closed when this is answered */
	call(good, 2, "2", 2);
	until_answered(good);
	assert_string_equal(answer(good, &id), "");
	assert_int_equal(id, 2);
	assert_int_equal(front_fds(), before);
	close(good);
}

static void the_core_has_them_closed_by_the_front(void **state)
{
	int fd = client(), sv[2];
	struct buf b;
	char byte;

	(void)state;
	pair(sv);
	buf_init(&b, 1 << 16);
	add_call(&b, 1, 1, "1");
	w.core.keep = true;
	put(fd, b.p, b.len, &sv[1], 1);
	close(sv[1]);
	until(&w.core.calls, 1);
	assert_int_equal(recv(sv[0], &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(chan_post_fds(&w.core.chan, FC_CLOSE, 0,
				       (struct attr_view){ 0 }, &w.core.last,
				       1),
			 OK);
	assert_int_equal(recv(sv[0], &byte, 1, 0), 0);
	close(sv[0]);
	close(fd);
	buf_wipe(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_call_brings_its_descriptors),
		CASE(pipelined_calls_keep_their_own_descriptors),
		CASE(a_core_that_does_not_read_gets_all_of_them_later),
		CASE(what_was_not_announced_ends_the_connection),
		CASE(too_few_or_too_many_end_it),
		CASE(another_number_is_refused_and_nothing_else),
		CASE(only_sockets_and_pidfds_pass),
		CASE(descriptors_of_unfinished_calls_are_bounded),
		CASE(nothing_leaks),
		CASE(the_core_has_them_closed_by_the_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
