/* The file view for its tests: a real mount below a temporary folder, the view's role
 * in a process of its own, confined, with the test in the places of supervisor and
 * keeper, and actors: processes that do in the file system what they are told. Needs
 * root. */
#ifndef TESTS_VIEW_WORLD_H
#define TESTS_VIEW_WORLD_H

#include "certmgr/kinds.h"
#include "certmgr/mount.h"
#include "certmgr/roles.h"
#include "lib/procinfo.h"

#include "tests/unit/role_test.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum {
	WORLD_PATH = 256,
	WORLD_DATA = 16384,
	WORLD_UID = 31337, /* nobody has them */
	WORLD_OTHER_UID = 31338,
	KEY_LEN = 241,
	CERT_LEN = 900,
	CHAIN_LEN = 1800,
	CA_LEN = 901,
	BUNDLE_LEN = 5000,
};

#define AGENT_A "01900000-0000-7000-8000-00000000000a"
#define AGENT_B "01900000-0000-7000-8000-00000000000b"

enum act {
	ACT_FORK,  /* a child that is an actor; the socket comes beside */
	ACT_STAT,  /* value: size; data: struct stat */
	ACT_FSTAT, /* of descriptor n */
	ACT_OPEN,  /* n: flags; value: the descriptor */
	ACT_PREAD, /* n: descriptor, m: offset */
	ACT_CLOSE,
	ACT_LIST, /* data: the names, a blank after each, sorted by the kernel */
	ACT_MMAP,     /* n: descriptor, m: length; MAP_PRIVATE */
	ACT_SENDFILE, /* n: descriptor, m: length */
	ACT_MKDIR,
	ACT_UNLINK,
	ACT_CHDIR,
	ACT_SETRESUID, /* n: real, m: effective and saved */
	ACT_SETFSUID,  /* n; value: what it is now */
	ACT_UNSHARE,   /* n: CLONE_NEW* */
	ACT_SUBREAPER,
	ACT_PASS,        /* takes a descriptor; value: its number */
	ACT_THREAD_STAT, /* as ACT_STAT, by another thread */
	ACT_END,
};

struct order {
	enum act act;
	uint64_t n, m;
	char path[WORLD_PATH];
};

struct result {
	int64_t value;
	int error;
	size_t len;
	char data[WORLD_DATA];
};

struct actor {
	int sock;
	pid_t pid;
};

struct world {
	char folder[64], fs[96];
	struct role role; /* its `vault` is the view's keeper: we */
};

static struct world world;

/* Actors */

static inline void actor_loop(int sock);

static inline int64_t actor_fork(int sock, int fd)
{
	pid_t pid = fork();

	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, 0);
		close(sock);
		actor_loop(fd);
	}
	close(fd);
	return pid;
}

static inline int64_t actor_stat(const char *path, struct result *r)
{
	struct stat st;

	if (stat(path, &st))
		return -1;
	memcpy(r->data, &st, sizeof st);
	r->len = sizeof st;
	return st.st_size;
}

static inline void *actor_thread(void *arg)
{
	const char *path = *(const char **)arg;
	struct stat st;

	return stat(path, &st) ? (void *)(intptr_t)errno : NULL;
}

static inline int64_t actor_thread_stat(const char *path)
{
	pthread_t t;
	void *no = NULL;

	if (pthread_create(&t, NULL, actor_thread, &path) ||
	    pthread_join(t, &no))
		return -1;
	errno = (int)(intptr_t)no;
	return errno ? -1 : 0;
}

static inline int64_t actor_list(const char *path, struct result *r)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	if (!d)
		return -1;
	errno = 0;
	while ((e = readdir(d))) {
		int n = snprintf(r->data + r->len, sizeof r->data - r->len,
				 "%s ", e->d_name);

		r->len += (size_t)n;
	}
	(void)closedir(d);
	return errno ? -1 : 0;
}

static inline int64_t actor_mmap(int fd, size_t len, struct result *r)
{
	void *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);

	if (p == MAP_FAILED)
		return -1;
	memcpy(r->data, p, len);
	r->len = len;
	return munmap(p, len);
}

static inline int64_t actor_sendfile(int fd, size_t len, struct result *r)
{
	int to = memfd_create("copy", MFD_CLOEXEC);
	ssize_t n = sendfile(to, fd, NULL, len);

	if (n >= 0)
		r->len = (size_t)pread(to, r->data, sizeof r->data, 0);
	close(to);
	return n;
}

static inline int64_t actor_do(int sock, const struct order *o, int fd,
			       struct result *r)
{
	int n = (int)o->n;
	ssize_t got;

	switch (o->act) {
	case ACT_FORK:
		return actor_fork(sock, fd);
	case ACT_STAT:
		return actor_stat(o->path, r);
	case ACT_FSTAT: {
		struct stat st;

		return fstat(n, &st) ? -1 : st.st_size;
	}
	case ACT_OPEN:
		return open(o->path, n | O_CLOEXEC, 0600);
	case ACT_PREAD:
		got = pread(n, r->data, sizeof r->data, (off_t)o->m);
		r->len = got < 0 ? 0 : (size_t)got;
		return got;
	case ACT_CLOSE:
		return close(n);
	case ACT_LIST:
		return actor_list(o->path, r);
	case ACT_MMAP:
		return actor_mmap(n, o->m, r);
	case ACT_SENDFILE:
		return actor_sendfile(n, o->m, r);
	case ACT_MKDIR:
		return mkdir(o->path, 0700);
	case ACT_UNLINK:
		return unlink(o->path);
	case ACT_CHDIR:
		return chdir(o->path);
	case ACT_SETRESUID:
		return setresuid((uid_t)o->n, (uid_t)o->m, (uid_t)o->m);
	case ACT_SETFSUID:
		(void)syscall(SYS_setfsuid, o->n);
		return syscall(SYS_setfsuid, -1);
	case ACT_UNSHARE:
		return unshare(n);
	case ACT_SUBREAPER:
		return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	case ACT_PASS:
		return fd;
	case ACT_THREAD_STAT:
		return actor_thread_stat(o->path);
	case ACT_END:
		break;
	}
	_exit(0);
}

static inline ssize_t order_take(int sock, struct order *o, int *fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = { 0 };
	struct iovec iov = { .iov_base = o, .iov_len = sizeof *o };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &ctl,
			    .msg_controllen = sizeof ctl };
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n > 0 && CMSG_FIRSTHDR(&m))
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof *fd);
	return n;
}

static inline void actor_woken(int sig)
{
	(void)sig;
}

static inline void actor_loop(int sock)
{
	/* SIGUSR1 interrupts what it waits for */
	static const struct sigaction woken = { .sa_handler = actor_woken };
	static struct result r;
	struct order o;
	int fd;

	(void)sigaction(SIGUSR1, &woken, NULL);
	while (order_take(sock, &o, &fd) == (ssize_t)sizeof o) {
		r = (struct result){ 0 };
		errno = 0;
		r.value = actor_do(sock, &o, fd, &r);
		r.error = r.value < 0 ? errno : 0;
		if (send(sock, &r, offsetof(struct result, data) + r.len,
			 MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static inline struct actor actor_new(uid_t uid)
{
	struct actor a;
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fflush(NULL);
	a.pid = fork();
	if (!a.pid) {
		if (dup2(pair[1], 3) < 0)
			_exit(70);
		close_range(4, ~0u, 0);
		if (uid && setresuid(uid, uid, uid))
			_exit(70);
		actor_loop(3);
	}
	close(pair[1]);
	a.sock = pair[0];
	return a;
}

static inline void order_send(const struct actor *a, const struct order *o,
			      int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = { 0 };
	struct order copy = *o;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof copy };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &ctl;
		m.msg_controllen = sizeof ctl;
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&ctl.align), &fd, sizeof fd);
	}
	assert_int_equal(sendmsg(a->sock, &m, MSG_NOSIGNAL), sizeof copy);
}

/* Tells it; the result comes when it has done it. */
static inline void actor_tell(const struct actor *a, enum act act, uint64_t n,
			      uint64_t m, const char *path)
{
	struct order o = { .act = act, .n = n, .m = m };

	if (path)
		(void)snprintf(o.path, sizeof o.path, "%s", path);
	order_send(a, &o, -1);
}

static inline const struct result *actor_says(const struct actor *a)
{
	static struct result r;
	struct pollfd p = { .fd = a->sock, .events = POLLIN };

	assert_int_equal(poll(&p, 1, ROLE_WAIT_S * 1000), 1);
	memset(&r, 0, sizeof r);
	assert_true(recv(a->sock, &r, sizeof r, 0) > 0);
	return &r;
}

static inline const struct result *actor_does(const struct actor *a,
					      enum act act, uint64_t n,
					      uint64_t m, const char *path)
{
	actor_tell(a, act, n, m, path);
	return actor_says(a);
}

static inline struct actor actor_child(const struct actor *of)
{
	struct order o = { .act = ACT_FORK };
	struct actor a;
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	order_send(of, &o, pair[1]);
	close(pair[1]);
	a.pid = (pid_t)actor_says(of)->value;
	assert_true(a.pid > 0);
	a.sock = pair[0];
	return a;
}

/* Gives it a descriptor of ours or of another actor's. */
static inline int actor_pass(const struct actor *to, int fd)
{
	struct order o = { .act = ACT_PASS };

	order_send(to, &o, fd);
	return (int)actor_says(to)->value;
}

/* Ends it, and waits until it has ended (also of one that is not our child). */
static inline void actor_end(struct actor *a)
{
	int pidfd = (int)syscall(SYS_pidfd_open, a->pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	(void)kill(a->pid, SIGKILL);
	if (pidfd >= 0)
		assert_int_equal(poll(&p, 1, ROLE_WAIT_S * 1000), 1);
	fd_close(&pidfd);
	fd_close(&a->sock);
	(void)waitpid(a->pid, NULL, 0);
}

/* Keeper */

/* Says it, and waits until the view has read it: it heeds that before it takes another
 * request of the kernel's. */
static inline void keeper_says(uint32_t kind, uint64_t id,
			       const struct attrs *a)
{
	int left = 1;

	role_send(&world.role, kind, id, a);
	while (left) {
		assert_int_equal(ioctl(world.role.vault, SIOCOUTQ, &left), 0);
		(void)sched_yield();
	}
}

static inline struct attrs agent_attrs(const char *id, pid_t pid,
				       const char *more)
{
	struct procinfo p = { 0 };
	struct fault f = { 0 };
	struct attrs a;

	if (pid)
		fault_ok(procinfo_read(pid, &p, &f), &f);
	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "agent", id), OK);
	assert_int_equal(attrs_add_u64(&a, "pid", (uint64_t)p.pid), OK);
	assert_int_equal(attrs_add_u64(&a, "start", p.start), OK);
	assert_int_equal(attrs_add_u64(&a, "uid", p.uid), OK);
	assert_int_equal(attrs_add_u64(&a, "user_ns", p.user_ns), OK);
	list_of(&a, more);
	return a;
}

#define SIZES                                                                  \
	"changed=1700000000 size.cert=900 size.chain=1800 size.key=241 "       \
	"size.ca=901 size.bundle=5000"
#define NO_SIZES                                                               \
	"changed=1700000000 size.cert=0 size.chain=0 size.key=0 size.ca=0 "    \
	"size.bundle=0"

static inline void keeper_tells(const char *id, pid_t pid, const char *more)
{
	AUTO(attrs_wipe) struct attrs a = agent_attrs(id, pid, more);

	keeper_says(KV_AGENT, 0, &a);
}

static inline void keeper_gone(const char *id)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "agent", id), OK);
	keeper_says(KV_GONE, 0, &a);
}

/* What a file of that length says. */
static inline void content_of(char seed, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (char)('a' + (seed + (int)i * 7) % 26);
}

static inline void assert_content(const struct result *r, char seed, size_t len)
{
	static char want[WORLD_DATA];

	content_of(seed, len, want);
	assert_int_equal(r->len, len);
	assert_memory_equal(r->data, want, len);
}

/* The next message of the view must be of that kind; its id. */
static inline uint64_t keeper_hears(uint32_t kind, const char *agent,
				    const char *file, pid_t pid)
{
	struct msg m = role_get(&world.role);
	struct procinfo p;
	struct fault f = { 0 };
	struct attr a;

	assert_int_equal(m.kind, kind);
	assert_int_equal(attr_only(m.attrs, "agent", &a), OK);
	assert_true(attr_is(&a, agent));
	if (file) {
		assert_int_equal(attr_only(m.attrs, "file", &a), OK);
		assert_true(attr_is(&a, file));
	}
	fault_ok(procinfo_parse(m.attrs, &p, &f), &f);
	assert_int_equal(p.pid, pid);
	return m.id;
}

static inline void keeper_gives(uint64_t id, char seed, size_t len)
{
	static char content[WORLD_DATA];
	AUTO(attrs_wipe) struct attrs a = { 0 };

	content_of(seed, len, content);
	attrs_init(&a);
	assert_int_equal(
		attrs_add(&a, "content", ATTR_CONFIDENTIAL, content, len), OK);
	keeper_says(KV_CONTENT, id, &a);
}

static inline void keeper_refuses(uint64_t id, const char *error)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "error", error), OK);
	keeper_says(KV_REFUSED, id, &a);
}

/* The world */

static inline const char *path_of(const char *agent, const char *file)
{
	static char path[WORLD_PATH];

	(void)snprintf(path, sizeof path, "%s%s%s%s%s", world.fs,
		       agent ? "/" : "", agent ? agent : "", file ? "/" : "",
		       file ? file : "");
	return path;
}

/* Mounts, and starts a view that has not heard of its keeper's agents yet. */
static inline void world_mount(void)
{
	struct fault f = { 0 };
	int fd = -1;

	fault_ok(view_mount(world.fs, &fd, &f), &f);
	role_start_for(&world.role, role_view, fd, "peer=keeper");
	close(fd);
}

static inline void world_all_told(void)
{
	keeper_says(KV_ALL, 0, NULL);
}

static inline int world_begin(void **state)
{
	(void)state;
	(void)snprintf(world.folder, sizeof world.folder,
		       "/tmp/test_view.XXXXXX");
	if (!mkdtemp(world.folder) || chmod(world.folder, 0755))
		return -1;
	(void)snprintf(world.fs, sizeof world.fs, "%s/run/fs", world.folder);
	world_mount();
	return 0;
}

static inline int world_end(void **state)
{
	struct fault f = { 0 };
	char run[96];

	(void)state;
	(void)role_end(&world.role);
	if (view_unmount(world.fs, &f) != OK) {
		print_message("%s\n", f.text);
		return -1;
	}
	(void)snprintf(run, sizeof run, "%s/run", world.folder);
	return rmdir(world.fs) || rmdir(run) || rmdir(world.folder);
}

/* An agent with its folder, which the view knows. */
static inline struct actor world_agent(const char *id, uid_t uid,
				       const char *more)
{
	struct actor a = actor_new(uid);

	/* it has changed its uid when it answers */
	assert_int_equal(actor_does(&a, ACT_STAT, 0, 0, "/")->error, 0);
	keeper_tells(id, a.pid, more);
	world_all_told();
	return a;
}

/* Opens a file whose content keeper gives; the descriptor. */
static inline int world_open(const struct actor *by, const char *agent,
			     const char *word, char seed, size_t len)
{
	char file[32];
	const struct result *r;

	(void)snprintf(file, sizeof file, "%s.pem", word);
	actor_tell(by, ACT_OPEN, O_RDONLY, 0, path_of(agent, file));
	keeper_gives(keeper_hears(KV_OPEN, agent, word, by->pid), seed, len);
	r = actor_says(by);
	assert_int_equal(r->error, 0);
	return (int)r->value;
}

static inline int world_main(const char *name, const struct CMUnitTest *tests,
			     size_t n)
{
	if (geteuid() || access("/dev/fuse", R_OK | W_OK)) {
		print_message("skipped: needs root and /dev/fuse\n");
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

#endif
