/* The door role, confined as in the daemon, with the test in the places of supervisor,
 * core, front and clients: it looks at processes for the core, and waits for nobody.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/hello.h"
#include "lib/kinds.h"
#include "lib/procinfo.h"
#include "lib/roles.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

enum {
	WAIT_S = 120,
	MANY = 350, /* hand-overs that no socket takes at once */
	FILES = 1024,
};

struct core {
	struct chan chan; /* first member */
	unsigned conns, examined;
	unsigned gone, handed; /* … of which their front will speak */
	uint32_t last;         /* connection */
	uint64_t id;
	bool alive;
	struct procinfo p;
	int pidfd;
};

struct front {
	struct chan chan; /* first member */
	unsigned conns;
	int sock; /* the last that came */
};

static struct {
	struct loop *loop;
	pid_t pid;
	struct chan sup;
	unsigned ready, wanted, broken, weaker;
	bool breaks; /* the front ends, and shall */
	struct core core;
	struct front front;
	struct sockaddr_un api;
	char folder[32];
} w;

static void until(const unsigned *count, unsigned n)
{
	uint64_t end = clock_boot() + WAIT_S * CLOCK_SECOND;

	while (*count < n) {
		assert_true(clock_boot() < end);
		loop_turn(w.loop, CLOCK_SECOND);
	}
}

static void core_heard(struct chan *ch, const struct msg *m)
{
	struct core *c = (struct core *)ch;
	struct fault f;
	struct attr a;

	if (m->kind == DC_CONN) {
		c->conns++;
		c->last = (uint32_t)m->id;
		chan_tell(ch, DC_KNOWN, m->id, (struct attr_view){ 0 });
	}
	c->gone += m->kind == DC_GONE;
	c->handed += m->kind == DC_GONE && attr_count(m->attrs, "handed");
	if (m->kind != DC_EXAMINED)
		return;
	c->examined++;
	c->id = m->id;
	fd_close(&c->pidfd);
	c->pidfd = chan_take_fd(ch);
	assert_int_equal(attr_only(m->attrs, "alive", &a), OK);
	c->alive = attr_is(&a, "yes");
	assert_int_equal(c->alive, c->pidfd >= 0);
	if (c->alive)
		assert_int_equal(procinfo_parse(m->attrs, &c->p, &f), OK);
}

static void front_heard(struct chan *ch, const struct msg *m)
{
	struct front *f = (struct front *)ch;
	int pidfd;

	assert_int_equal(m->kind, DF_CONN);
	fd_close(&f->sock);
	f->sock = chan_take_fd(ch);
	pidfd = chan_take_fd(ch);
	assert_true(f->sock >= 0 && pidfd >= 0);
	close(pidfd);
	f->conns++;
}

/* Whether it is said that descriptors cannot be refused. */
static bool says_rights(struct attr_view v)
{
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_named(&a, "weaker") &&
		    memmem(a.value, a.len, "SO_PASSRIGHTS", 13))
			return true;
	return false;
}

static void sup_heard(struct chan *ch, const struct msg *m)
{
	(void)ch;
	w.ready += m->kind == SUP_READY;
	w.wanted += m->kind == SUP_FRONT;
	w.broken += m->kind == SUP_BROKEN;
	w.weaker += m->kind == SUP_READY && says_rights(m->attrs);
}

static void ended(struct chan *c, const struct fault *why)
{
	if (c == &w.front.chan && w.breaks) {
		chan_close(c);
		return;
	}
	fail_msg("the door ended: %s", why->text);
	chan_close(c);
}

static const struct chan_ops core_ops = { core_heard, ended, NULL };
static const struct chan_ops front_ops = { front_heard, ended, NULL };
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

static void meets_front(void)
{
	char peer[64];

	snprintf(peer, sizeof peer, "peer=front uid=%u", (unsigned)getuid());
	meets(&w.front.chan, &front_ops, peer);
}

static int listener(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	w.api = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(w.api.sun_path, sizeof w.api.sun_path, "%s/%s", w.folder,
		 name);
	assert_int_equal(bind(fd, (struct sockaddr *)&w.api, sizeof w.api), 0);
	assert_int_equal(listen(fd, 512), 0);
	return fd;
}

static _Noreturn void child(int sup, int api, int admin)
{
	int high[] = { fcntl(sup, F_DUPFD, 20), fcntl(api, F_DUPFD, 20),
		       fcntl(admin, F_DUPFD, 20) };

	for (int i = 0; i < 3; i++)
		if (high[i] < 0 || dup2(high[i], SUP_FD + i) < 0)
			_exit(70);
	close_range(SUP_FD + 3, ~0u, 0);
	_exit(role_door());
}

/* As before Linux 6.16. */
static void without_passrights(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (!ctx ||
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOPROTOOPT),
			     SCMP_SYS(setsockopt), 1,
			     SCMP_A2(SCMP_CMP_EQ, SO_PASSRIGHTS, 0)) ||
	    seccomp_load(ctx))
		_exit(71);
	seccomp_release(ctx);
}

static int begin_as(bool old_kernel)
{
	struct rlimit r;
	int sv[2], api, admin;

	memset(&w, 0, sizeof w);
	w.core.pidfd = w.front.sock = -1;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
	r.rlim_cur = MIN(r.rlim_max, (rlim_t)FILES);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
	w.loop = loop_new();
	snprintf(w.folder, sizeof w.folder, "/tmp/cretula-test-XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	admin = listener("admin.sock");
	api = listener("api.sock");
	pair(sv);
	fflush(NULL);
	w.pid = fork();
	if (!w.pid && old_kernel)
		without_passrights();
	if (!w.pid)
		child(sv[1], api, admin);
	close(sv[1]);
	close(api);
	close(admin);
	chan_open(&w.sup, w.loop, sv[0], false, &sup_ops);
	tell_sup(SUP_START, "daemon=credd role=door", NULL);
	until(&w.ready, 1);
	meets(&w.core.chan, &core_ops, "peer=vault");
	return 0;
}

static int begin(void **state)
{
	(void)state;
	return begin_as(false);
}

static int begin_old(void **state)
{
	(void)state;
	return begin_as(true);
}

static int end(void **state)
{
	char path[64];
	int status = -1;

	(void)state;
	chan_close(&w.sup);
	chan_close(&w.core.chan);
	chan_close(&w.front.chan);
	fd_close(&w.core.pidfd);
	fd_close(&w.front.sock);
	loop_free(w.loop);
	unlink(w.api.sun_path);
	snprintf(path, sizeof path, "%s/admin.sock", w.folder);
	unlink(path);
	rmdir(w.folder);
	if (waitpid(w.pid, &status, 0) != w.pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status))
		return -1;
	return 0;
}

/* Clients */

static int connected(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&w.api, sizeof w.api),
			 0);
	return fd;
}

static bool hello(int fd)
{
	uint8_t in[HELLO_SERVER], out[HELLO_CLIENT] = { 0 };

	if (recv(fd, in, sizeof in, MSG_WAITALL) != sizeof in)
		return false;
	memcpy(out, in, HELLO_NONCE);
	out[HELLO_NONCE + 1] = HELLO_VERSION;
	return send(fd, out, sizeof out, MSG_NOSIGNAL) == sizeof out;
}

/* A child that waits; with says: it connects, says hello, and execs when it is told. */
struct kid {
	pid_t pid;
	int pidfd, tell;
};

static struct kid kid(bool connects)
{
	struct kid k = { .pidfd = -1 };
	int p[2];
	char byte;

	assert_int_equal(pipe2(p, 0), 0);
	fflush(NULL);
	k.pid = fork();
	if (!k.pid) {
		close(p[1]);
		if (connects) {
			int fd = connected();

			(void)fcntl(fd, F_SETFD, 0);
			if (!hello(fd))
				_exit(1);
		}
		if (read(p[0], &byte, 1) == 1)
			execl("/bin/sleep", "sleep", "1000", NULL);
		_exit(0);
	}
	close(p[0]);
	k.tell = p[1];
	k.pidfd = (int)syscall(SYS_pidfd_open, k.pid, 0);
	assert_true(k.pidfd >= 0);
	return k;
}

static void kid_end(struct kid *k)
{
	struct pollfd p = { .fd = k->pidfd, .events = POLLIN };

	if (k->pid) {
		kill(k->pid, SIGKILL);
		assert_int_equal(poll(&p, 1, WAIT_S * 1000), 1);
		assert_int_equal(waitpid(k->pid, NULL, 0), k->pid);
		close(k->tell);
	}
	k->pid = 0;
}

/* The core's questions */

static void ask(const char *text, int fd, uint64_t id)
{
	int own = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	unsigned before = w.core.examined;
	struct attrs a;
	struct fault f;

	attrs_init(&a);
	assert_int_equal(attrs_parse_text(&a, text, strlen(text), &f), OK);
	if (own >= 0)
		assert_int_equal(chan_post_fds(&w.core.chan, DC_EXAMINE, id,
					       attrs_view(&a), &own, 1),
				 OK);
	else
		chan_tell(&w.core.chan, DC_EXAMINE, id, attrs_view(&a));
	attrs_wipe(&a);
	until(&w.core.examined, before + 1);
	assert_int_equal(w.core.id, id);
}

/* The pidfd that came is of that process. */
static bool is_of(int pidfd, pid_t pid)
{
	struct procinfo p;
	struct fault f;

	return procinfo_of_pidfd(pidfd, &p, &f) == OK && p.pid == pid;
}

static void a_pidfd_is_looked_at(void **state)
{
	struct kid k = kid(false);
	struct procinfo here;
	struct fault f;
	int sock;

	(void)state;
	ask("", k.pidfd, 11);
	assert_true(w.core.alive);
	assert_int_equal(procinfo_of_pidfd(k.pidfd, &here, &f), OK);
	assert_true(procinfo_same(&here, &w.core.p));
	assert_true(procinfo_same_program(&here, &w.core.p));
	assert_int_equal(w.core.p.parent, getpid());
	assert_true(is_of(w.core.pidfd, k.pid));
	kid_end(&k);
	ask("", k.pidfd, 12);
	assert_false(w.core.alive);
	close(k.pidfd);
	sock = socket(AF_UNIX, SOCK_STREAM, 0);
	ask("", sock, 13);
	assert_false(w.core.alive);
	close(sock);
}

static void a_pid_counts_with_its_start_only(void **state)
{
	struct kid k = kid(false);
	uint64_t start;
	char text[96];

	(void)state;
	ask("", k.pidfd, 1);
	start = w.core.p.start;
	snprintf(text, sizeof text, "pid=%d start=%" PRIu64, (int)k.pid, start);
	ask(text, -1, 2);
	assert_true(w.core.alive);
	assert_true(is_of(w.core.pidfd, k.pid));
	snprintf(text, sizeof text, "pid=%d start=%" PRIu64, (int)k.pid,
		 start + 1);
	ask(text, -1, 3);
	assert_false(w.core.alive);
	kid_end(&k);
	snprintf(text, sizeof text, "pid=%d start=%" PRIu64, (int)k.pid, start);
	ask(text, -1, 4);
	assert_false(w.core.alive);
	close(k.pidfd);
}

static void a_connection_counts_until_its_process_execs(void **state)
{
	struct kid k = kid(true);
	uint64_t stop = clock_boot() + WAIT_S * CLOCK_SECOND;
	char text[64];

	(void)state;
	until(&w.core.conns, 1);
	snprintf(text, sizeof text, "conn=%u", w.core.last);
	ask(text, -1, 1);
	assert_true(w.core.alive);
	assert_int_equal(w.core.p.pid, k.pid);
	assert_true(is_of(w.core.pidfd, k.pid));
	assert_int_equal(write(k.tell, "x", 1), 1);
	do { /* as long as the exec takes */
		ask(text, -1, 2);
		assert_true(clock_boot() < stop);
	} while (w.core.alive);
	/* … although the process lives */
	assert_true(is_of(k.pidfd, k.pid));
	ask("conn=4294967295", -1, 3);
	assert_false(w.core.alive);
	kid_end(&k);
	close(k.pidfd);
}

/* Many questions at once, of a core that does not read the answers. */
static void no_answer_is_lost(void **state)
{
	enum {
		ASKED = 600
	};
	unsigned before;

	(void)state;
	chan_pause(&w.core.chan, true);
	for (uint64_t i = 0; i < ASKED; i++) {
		int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

		assert_true(fd >= 0);
		assert_int_equal(chan_post_fds(&w.core.chan, DC_EXAMINE, i,
					       (struct attr_view){ 0 }, &fd, 1),
				 OK);
		loop_turn(w.loop, 0);
	}
	before = w.core.examined;
	chan_pause(&w.core.chan, false);
	until(&w.core.examined, before + ASKED);
	assert_int_equal(w.core.id, ASKED - 1);
	assert_true(w.core.alive);
}

static int send_fd(int to, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof fd)];
	} ctl = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };

	ctl.align.cmsg_level = SOL_SOCKET;
	ctl.align.cmsg_type = SCM_RIGHTS;
	ctl.align.cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(&ctl.align), &fd, sizeof fd);
	return sendmsg(to, &m, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

/* The close of a descriptor may take as long as whoever sent it likes. */
static void the_door_takes_no_descriptors(void **state)
{
	int fd, on;
	socklen_t n = sizeof on;

	(void)state;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &n)) {
		close(fd);
		skip(); /* not before Linux 6.16 */
	}
	close(fd);
	meets_front();
	fd = connected();
	assert_int_equal(send_fd(fd, 0), EPERM);
	assert_true(hello(fd));
	until(&w.front.conns, 1);
	assert_int_equal(send_fd(fd, 0), 0);
	close(fd);
}

static void status_says_where_descriptors_cannot_be_refused(void **state)
{
	struct kid k;

	(void)state;
	assert_int_equal(w.weaker, 1);
	/* it serves all the same */
	meets_front();
	k = kid(true);
	until(&w.front.conns, 1);
	kid_end(&k);
	close(k.pidfd);
}

static void a_front_that_breaks_the_rules_is_the_supervisors_to_end(
	void **state)
{
	int fd = connected(), other;
	struct chan *c = &w.front.chan;

	(void)state;
	meets_front();
	assert_true(hello(fd));
	until(&w.front.conns, 1);
	w.breaks = true;
	chan_tell(c, DF_DROP, 0, (struct attr_view){ 0 });
	until(&w.broken, 1);
	chan_close(c);
	/* and all others are served */
	other = connected();
	assert_true(hello(other));
	until(&w.core.conns, 2);
	until(&w.wanted, 1);
	meets_front();
	until(&w.front.conns, 2);
	close(fd);
	close(other);
}

static void a_front_that_does_not_read_delays_nobody_else(void **state)
{
	int fd[MANY], other;
	struct kid k;

	(void)state;
	meets_front();
	chan_pause(&w.front.chan, true);
	for (unsigned i = 0; i < MANY; i++) {
		fd[i] = connected();
		assert_true(hello(fd[i]));
		until(&w.core.conns, i + 1);
	}
	/* the door still accepts, and answers */
	other = connected();
	assert_true(hello(other));
	until(&w.core.conns, MANY + 1);
	k = kid(false);
	ask("", k.pidfd, 1);
	assert_true(w.core.alive);
	kid_end(&k);
	close(k.pidfd);
	chan_pause(&w.front.chan, false);
	until(&w.front.conns, MANY + 1);
	assert_int_equal(w.wanted, 0);
	for (unsigned i = 0; i < MANY; i++)
		close(fd[i]);
	close(other);
}

/* What the dead one had not got, the next one gets. */
static void those_who_waited_for_a_front_that_died_get_another(void **state)
{
	int fd[MANY];
	unsigned got;

	(void)state;
	meets_front();
	chan_pause(&w.front.chan, true);
	for (unsigned i = 0; i < MANY; i++) {
		fd[i] = connected();
		assert_true(hello(fd[i]));
		until(&w.core.conns, i + 1);
	}
	ask("conn=4294967295", -1, 1); /* all of it has been handled */
	chan_close(&w.front.chan);
	until(&w.wanted, 1);
	meets_front();
	until(&w.front.conns, 1);
	ask("conn=4294967295", -1, 2);
	got = w.front.conns;
	assert_true(got < MANY);
	for (unsigned i = 0; i < MANY; i++)
		close(fd[i]);
}

static int handed_over(void)
{
	unsigned n = w.front.conns;
	int fd = connected();

	assert_true(hello(fd));
	until(&w.front.conns, n + 1);
	return fd;
}

/* Its front may have said so to the core before this one, or to none: who waits for it to be
 * said again would wait for ever. */
static void no_core_waits_for_what_its_front_told_another(void **state)
{
	int first, second;

	(void)state;
	meets_front();
	first = handed_over();
	chan_tell(&w.front.chan, DF_CLOSED, w.core.last,
		  (struct attr_view){ 0 });
	until(&w.core.gone, 1);
	assert_int_equal(w.core.handed, 1);
	second = handed_over();
	chan_close(&w.core.chan);
	meets(&w.core.chan, &core_ops, "peer=vault");
	until(&w.core.conns, 3);
	chan_tell(&w.front.chan, DF_CLOSED, w.core.last,
		  (struct attr_view){ 0 });
	until(&w.core.gone, 2);
	assert_int_equal(w.core.handed, 1);
	close(first);
	close(second);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_pidfd_is_looked_at),
		CASE(a_pid_counts_with_its_start_only),
		CASE(a_connection_counts_until_its_process_execs),
		CASE(no_answer_is_lost),
		CASE(the_door_takes_no_descriptors),
		cmocka_unit_test_setup_teardown(
			status_says_where_descriptors_cannot_be_refused,
			begin_old, end),
		CASE(a_front_that_breaks_the_rules_is_the_supervisors_to_end),
		CASE(a_front_that_does_not_read_delays_nobody_else),
		CASE(those_who_waited_for_a_front_that_died_get_another),
		CASE(no_core_waits_for_what_its_front_told_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
