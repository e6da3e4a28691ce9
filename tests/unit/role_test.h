/* Runs a child role in a forked process, with the test in the places of its supervisor
 * and of the process it speaks to (the vault, in credd). The role is confined as in the daemon. */
#ifndef TESTS_ROLE_TEST_H
#define TESTS_ROLE_TEST_H

#include "credd/kinds.h"
#include "lib/chan.h"
#include "lib/clock.h"

#include "tests/unit/fd_test.h"
#include "tests/unit/store_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ROLE_WAIT_S = 120
};

struct role {
	pid_t pid;
	int sup;
	int vault;
	struct buf in; /* of the last message read */
};

static inline void fault_ok(enum err e, const struct fault *f)
{
	if (e != OK)
		fail_msg("%s: %s", err_name(e), f->text);
}

/* Gives the role behind sup a channel to a (new) peer, which is the test: "peer=vault";
 * the test's end. */
static inline int role_peer(int sup, const char *peer)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	int pair[2];

	attrs_init(&a);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	list_of(&a, peer);
	fd_send(sup, SUP_PEER, 0, attrs_view(&a), pair[1]);
	close(pair[1]);
	return pair[0];
}

static inline void role_meets(struct role *r, const char *peer)
{
	fd_close(&r->vault);
	r->vault = role_peer(r->sup, peer);
}

/* Has that process given up what every role gives up? */
static inline void role_is_confined(pid_t pid)
{
	char path[64], text[4096];
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = read(fd, text, sizeof text - 1);
	assert_true(len > 0);
	text[len] = 0;
	close(fd);
	assert_non_null(strstr(text, "Seccomp:\t2\n"));
	assert_non_null(strstr(text, "NoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "CapEff:\t0000000000000000\n"));
	assert_non_null(strstr(text, "CapBnd:\t0000000000000000\n"));
	assert_non_null(strstr(text, "Threads:\t1\n"));
}

static inline void role_meets_vault(struct role *r)
{
	role_meets(r, "peer=vault");
}

static inline void role_child(int (*run)(void), int sup, int fd4)
{
	int high_sup = fcntl(sup, F_DUPFD, 20);
	int high4 = fd4 < 0 ? -1 : fcntl(fd4, F_DUPFD, 20);

	if (dup2(high_sup, 3) < 0)
		_exit(70);
	close(4);
	if (high4 >= 0 && dup2(high4, 4) < 0)
		_exit(70);
	close_range(5, ~0u, 0);
	_exit(run());
}

/* Starts it, waits until it is confined, and introduces the peer. */
static inline void role_start_for(struct role *r, int (*run)(void), int fd4,
				  const char *peer)
{
	struct fault f = { 0 };
	struct attrs a;
	struct msg m;
	int pair[2];

	buf_init(&r->in, MSG_MAX + MSG_HEAD);
	r->vault = -1;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	r->pid = fork();
	if (!r->pid)
		role_child(run, pair[1], fd4);
	close(pair[1]);
	r->sup = pair[0];
	attrs_init(&a);
	list_of(&a, "daemon=credd role=tested");
	fault_ok(chan_put1(r->sup, SUP_START, 0, attrs_view(&a)), &f);
	attrs_wipe(&a);
	fault_ok(chan_get1(r->sup, &r->in, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	assert_int_equal(m.kind, SUP_READY);
	role_meets(r, peer);
}

static inline void role_start(struct role *r, int (*run)(void), int fd4)
{
	role_start_for(r, run, fd4, "peer=vault");
}

/* What waitpid says when it has ended. */
static inline int role_end(struct role *r)
{
	int status = -1;

	fd_close(&r->vault);
	fd_close(&r->sup);
	buf_wipe(&r->in);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	return status;
}

static inline void role_send(struct role *r, uint32_t kind, uint64_t id,
			     const struct attrs *a)
{
	struct fault f = { .text = "sending" };

	fault_ok(chan_put1(r->vault, kind, id,
			   a ? attrs_view(a) : (struct attr_view){ 0 }),
		 &f);
}

/* The next message, valid until the one after it. */
static inline struct msg role_get(struct role *r)
{
	struct fault f = { 0 };
	struct msg m = { 0 };

	fault_ok(chan_get1(r->vault, &r->in, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	return m;
}

/* That message is a failure of that kind, and its sentence says so. */
static inline void assert_failed(const struct msg *m, uint32_t kind,
				 const char *error, const char *words)
{
	struct attr e, t;

	assert_int_equal(m->kind, kind);
	assert_int_equal(attr_only(m->attrs, "error", &e), OK);
	assert_int_equal(attr_only(m->attrs, "text", &t), OK);
	if (!attr_is(&e, error) ||
	    !memmem(t.value, t.len, words, strlen(words)))
		fail_msg("%.*s: %.*s", (int)e.len, (const char *)e.value,
			 (int)t.len, (const char *)t.value);
}

#endif
