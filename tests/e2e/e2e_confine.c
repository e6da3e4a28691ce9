/* Tests: each role's confinement, by trying for real, in a process confined as that
 * role, what it may and may not do. One process for each role and act. */
#include "lib/confine.h"
#include "lib/secret.h"
#include "lib/subtree.h"
#include "tests/e2e/lib/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOBODY = 62993,
	ROLES = CONFINE_VERIFIER + 1, /* workers: e2e_sandbox */
	TEXT_MAX_ = 256,
};

/* Made before the confinement, as a role's descriptors are. */
static struct {
	int pair[2];
	int memfd;
	int folder;
	int below;    /* a folder in it */
	int outside;  /* listens in it */
	int listener; /* TCP, on a loopback port */
	struct sockaddr_in at;
	char path[64];
	pid_t parent;
	uint8_t sign_key[crypto_sign_SECRETKEYBYTES];
} have;

static long act_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long act_create(void)
{
	return openat(have.folder, "made", O_CREAT | O_RDWR, 0600);
}

static long act_create_elsewhere(void)
{
	return open("/var/tmp/cretula-made", O_CREAT | O_RDWR, 0666);
}

static long act_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static long act_socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

/* A socket that is no business of somebody who was given a folder below it. */
static long act_climb(void)
{
	static const struct sockaddr_un at = { .sun_family = AF_UNIX,
					       .sun_path = "../outside.sock" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || fchdir(have.below))
		return -1;
	if (!connect(fd, (const struct sockaddr *)&at, sizeof at))
		return fd;
	errno = errno == ENOENT ? EACCES : errno; /* as if it were not there */
	return -1;
}

static long act_addresses(void)
{
	struct ifaddrs *all;
	int r = getifaddrs(&all);

	if (!r)
		freeifaddrs(all);
	return r;
}

static long act_socketpair(void)
{
	int sv[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
}

static long act_accept(void)
{
	long r = accept4(have.pair[0], NULL, NULL, 0);

	return r < 0 && errno == EINVAL ? 0 : r; /* it is not listening */
}

/* A connection that waits there: also from a network of one's own. */
static long act_serve(void)
{
	int fd = accept4(have.listener, NULL, NULL, SOCK_CLOEXEC);
	int on = 1;

	return fd < 0 ? fd
		      : setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
				   sizeof on);
}

static long act_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? fd
		      : connect(fd, (const struct sockaddr *)&have.at,
				sizeof have.at);
}

static long act_listen(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? fd
		      : bind(fd, (const struct sockaddr *)&any, sizeof any);
}

/* As the loader does. */
static long act_map_library(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE,
		       have.memfd, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long act_make_memfd(void)
{
	int fd = memfd_create("crl", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 4096))
		return -1;
	return fcntl(fd, F_ADD_SEALS,
		     F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE);
}

static long act_fork(void)
{
	long r = fork();

	if (!r)
		_exit(0);
	return r;
}

static long act_exec(void)
{
	char path[] = "/nowhere";
	char *argv[] = { path, NULL };
	long r = execve(path, argv, argv + 1);

	return r < 0 && errno == ENOENT ? 0 : r;
}

static long act_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long act_vm_read(void)
{
	char b[8];
	struct iovec to = { b, sizeof b };

	return syscall(SYS_process_vm_readv, getpid(), &to, 1, &to, 1, 0);
}

static long act_keyctl(void)
{
	return syscall(SYS_keyctl, 0, -3, 0);
}

static long act_io_uring(void)
{
	char params[256] = { 0 };

	return syscall(SYS_io_uring_setup, 4, params);
}

static long act_exec_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long act_map_memfd(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
		       have.memfd, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long act_setuid(void)
{
	return setresuid(0, 0, 0);
}

static long act_kill(void)
{
	return kill(have.parent, 0);
}

static long act_pidfd(void)
{
	return syscall(SYS_pidfd_open, have.parent, 0);
}

/* Of a process of another user, where this one is started as root. */
static long act_read_exe(void)
{
	char path[64], text[64];

	(void)snprintf(path, sizeof path, "/proc/%d/exe", have.parent);
	return readlinkat(AT_FDCWD, path, text, sizeof text);
}

static long act_mount(void)
{
	return syscall(SYS_mount, "none", have.path, "tmpfs", 0, NULL);
}

static long act_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}

/* What all of them live on. */
static long act_talk(void)
{
	char b[16];
	void *p = malloc(1 << 20);
	long r;

	if (!p || !memset(p, 1, 1 << 20))
		return -1;
	free(p);
	r = send(have.pair[0], "hello", 5, MSG_NOSIGNAL);
	if (r == 5)
		r = recv(have.pair[1], b, sizeof b, 0);
	return r == 5 && getpid() > 0 ? 0 : -1;
}

/* The loop and channels of every role but the worker. */
static void talked(struct chan *c, const struct msg *m)
{
	(void)m;
	loop_stop(c->loop);
}

static void talk_ended(struct chan *c, const struct fault *why)
{
	(void)c;
	(void)why;
	abort();
}

static long act_loop(void)
{
	static const struct chan_ops ops = { .on_msg = talked,
					     .on_end = talk_ended };
	struct loop *l = loop_new();
	struct chan a, b;

	chan_open(&a, l, have.pair[0], false, &ops);
	chan_open(&b, l, have.pair[1], true, &ops);
	if (chan_send(&a, 1, 1, (struct attr_view){ 0 }) != OK)
		return -1;
	loop_run(l);
	chan_close(&a);
	chan_close(&b);
	loop_free(l);
	return 0;
}

static long act_secrets(void)
{
	struct secret *s = secret_random();
	uint8_t out[64];
	unsigned long long n;

	if (crypto_sign_detached(out, &n, (const uint8_t *)"x", 1,
				 have.sign_key) ||
	    !EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret_bytes(s),
		       KEY_SIZE, (const uint8_t *)"x", 1, out, sizeof out,
		       NULL))
		return -1;
	secret_drop(&s);
	return 0;
}

static long act_argon2(void)
{
	uint8_t key[32];
	static const uint8_t salt[crypto_pwhash_SALTBYTES];

	return crypto_pwhash(key, sizeof key, "passphrase", 10, salt, 1,
			     64 << 20, crypto_pwhash_ALG_ARGON2ID13);
}

static long act_sqlite(void)
{
	char path[64];
	sqlite3 *db = NULL;
	int e;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d/made", have.folder);
	e = sqlite3_open_v2(path, &db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (!e)
		e = sqlite3_exec(db,
				 "PRAGMA journal_mode=WAL;"
				 "PRAGMA synchronous=FULL;"
				 "CREATE TABLE t (a INTEGER PRIMARY KEY);"
				 "INSERT INTO t VALUES (1);"
				 "PRAGMA wal_checkpoint(TRUNCATE);",
				 NULL, NULL, NULL);
	(void)sqlite3_close(db);
	(void)unlinkat(have.folder, "made-wal", 0);
	(void)unlinkat(have.folder, "made-shm", 0);
	return e ? -1 : 0;
}

static long act_abort(void)
{
	abort();
}

/* One letter a role: supervisor, door, front, vault, store, opener, zygote; gate,
 * that of remote clients, issuer, store, signer, prober, dialer of ca; verifier.
 *	a allowed   k killed by the filter   f fails, EACCES or EPERM
 *	d dies by SIGABRT   - has no use for it, not tried */
static const struct {
	const char *name;
	long (*run)(void);
	const char *want;
	bool as_root; /* else another outcome is right */
} acts[] = {
	{ "open a file", act_open, "aakkfkakkkffkfk", false },
	{ "make a file in its folder", act_create, "akkkakakkkaakkk", true },
	{ "make a file elsewhere", act_create_elsewhere, "akkkfkakkkffkkk",
	  false },
	{ "make a socket", act_socket, "akkkkkkkkkkkkak", false },
	{ "make a UNIX socket", act_socket_unix, "akkkkkkkakkkkkk", false },
	{ "connect above its folder", act_climb, "fkkkkkkkfkkkkkk", true },
	{ "ask for addresses", act_addresses, "akkkkkkkkkkkkak", false },
	{ "make a socket pair", act_socketpair, "akkakkkkaakkkkk", false },
	{ "accept", act_accept, "aakkkkkaakkkkka", false },
	{ "accept TCP", act_serve, "a------aakkkkka", false },
	{ "connect TCP", act_connect, "akkkkkkkkkkkkak", false },
	{ "bind TCP", act_listen, "akkkkkkkkkkkkfk", false },
	{ "fork", act_fork, "akkkkkkkkkkkkkk", false },
	{ "exec", act_exec, "akkkkkkkkkkkkkk", false },
	{ "ptrace", act_ptrace, "kkkkkkkkkkkkkkk", false },
	{ "read another's memory", act_vm_read, "kkkkkkkkkkkkkkk", false },
	{ "keyctl", act_keyctl, "kkkkkkkkkkkkkkk", false },
	{ "io_uring", act_io_uring, "kkkkkkkkkkkkkkk", false },
	{ "executable memory", act_exec_memory, "akkkkkkkkkkkkkk", false },
	{ "map a library", act_map_library, "akkkkkakkkkkkkk", false },
	{ "map a memfd", act_map_memfd, "akkaakaaaaaakkk", false },
	{ "make a memfd", act_make_memfd, "akkkkkkkkakkkkk", false },
	{ "become root", act_setuid, "akkkkkfkkkkkkkk", true },
	{ "signal the parent", act_kill, "akkkkkkkkkkkkkk", false },
	{ "pidfd of another", act_pidfd, "aakkkkkkkkkkkkk", false },
	{ "read another's exe", act_read_exe, "aakkfkfkkkffkfk", true },
	{ "mount", act_mount, "akkkkkfkkkkkkkk", true },
	{ "unshare", act_unshare, "akkkkkkkkkkkkkk", true },
	{ "talk", act_talk, "aaaaaaaaaaaaaaa", false },
	{ "loop and channels", act_loop, "aaaaaaaaaaaaaaa", false },
	{ "secret memory and signatures", act_secrets, "---a-aaaaa-a---",
	  false },
	{ "Argon2id", act_argon2, "-----a-----a---", false },
	{ "SQLite", act_sqlite, "----a-----a----", true },
	{ "abort", act_abort, "ddddddddddddddd", false },
};

static void prepare_below(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char below[sizeof have.path + 8];

	(void)snprintf(below, sizeof below, "%s/below", have.path);
	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s/outside.sock",
		       have.path);
	have.outside = socket(AF_UNIX, SOCK_STREAM, 0);
	ENSURE(!mkdir(below, 0755) &&
	       !bind(have.outside, (const struct sockaddr *)&at, sizeof at) &&
	       !chmod(at.sun_path, 0777) && !listen(have.outside, 64));
	have.below = subtree_open(below);
	ENSURE(have.below >= 0);
}

/* What a role is allowed it does for real: in mounts that end with this test. */
static void prepare(void)
{
	uint8_t public[crypto_sign_PUBLICKEYBYTES], mac[32];
	socklen_t len = sizeof have.at;

	if (!getuid())
		ENSURE(!unshare(CLONE_NEWNS) &&
		       !syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE,
				NULL));
	have.parent = getpid();
	ENSURE(sodium_init() >= 0 &&
	       !crypto_sign_keypair(public, have.sign_key));
	/* the first use reads the configuration */
	ENSURE(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, public,
			 sizeof public, public, 1, mac, sizeof mac, NULL));
	(void)snprintf(have.path, sizeof have.path,
		       "/tmp/cretula-confine-XXXXXX");
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM, 0, have.pair));
	have.memfd = memfd_create("arena", 0);
	ENSURE(have.memfd >= 0 && !ftruncate(have.memfd, 4096));
	ENSURE(mkdtemp(have.path));
	have.folder = open(have.path, O_RDONLY | O_DIRECTORY);
	ENSURE(have.folder >= 0 && !chmod(have.path, 0777));
	prepare_below();
	have.at.sin_family = AF_INET;
	have.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	have.listener = socket(AF_INET, SOCK_STREAM, 0);
	ENSURE(!bind(have.listener, (const struct sockaddr *)&have.at,
		     sizeof have.at) &&
	       !listen(have.listener, 64) &&
	       !getsockname(have.listener, (struct sockaddr *)&have.at, &len));
}

static enum err confine_as(enum confine_role role, struct fault *f)
{
	struct confine_spec s = confine_spec_of(role);
	struct confine_report r = { .count = 0 };

	s.change_ids = !getuid();
	s.uid = s.gid = NOBODY;
	if (s.files == CONFINE_FILES_PATHS) {
		s.path[0] = (struct landlock_path){ .fd = have.folder,
						    .rights = LANDLOCK_READ |
							      LANDLOCK_WRITE };
		s.paths = 1;
	}
	return confine_apply(&s, &r, f);
}

/* What the act returned, through a pipe. */
struct said {
	long result;
	int error;
};

_Noreturn static void act_and_say(enum confine_role role, long (*run)(void),
				  int to)
{
	struct said s = { .result = 0 };
	struct fault f;

	if (confine_as(role, &f) != OK) {
		fprintf(stderr, "# %s\n", f.text);
		_exit(99);
	}
	errno = 0;
	s.result = run();
	s.error = errno;
	(void)!write(to, &s, sizeof s);
	_exit(0);
}

static char outcome(int status, const struct said *s, bool said)
{
	bool san = !strcmp(confine_variant_name(), "sanitizer");

	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS    ? 'k'
		       : WTERMSIG(status) == SIGABRT ? 'd'
						     : '?';
	if (!said)
		return san && WEXITSTATUS(status) == 1 ? 'd' : '?';
	if (s->result >= 0)
		return 'a';
	return s->error == EACCES || s->error == EPERM ? 'f' : '?';
}

/* A client that waits at the listener. */
static int connected(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ENSURE(fd >= 0 &&
	       !connect(fd, (const struct sockaddr *)&have.at, sizeof have.at));
	return fd;
}

/* Takes what nobody has accepted. */
static void hang_up(void)
{
	int fd;

	ENSURE(!fcntl(have.listener, F_SETFL, O_NONBLOCK));
	while ((fd = accept(have.listener, NULL, NULL)) >= 0)
		close(fd);
	ENSURE(!fcntl(have.listener, F_SETFL, 0));
}

static void try_act(enum confine_role role, size_t i)
{
	char name[TEXT_MAX_], want = acts[i].want[role], got;
	struct said s = { .result = 0 };
	int to[2], status;
	bool said;
	pid_t pid;
	int client = -1;

	if (acts[i].run == act_serve)
		client = connected();
	ENSURE(!pipe(to));
	pid = fork();
	if (!pid)
		act_and_say(role, acts[i].run, to[1]);
	close(to[1]);
	said = read(to[0], &s, sizeof s) == sizeof s;
	close(to[0]);
	ENSURE(waitpid(pid, &status, 0) == pid);
	if (client >= 0) {
		close(client);
		hang_up();
	}
	(void)unlinkat(have.folder, "made", 0);
	(void)unlink("/var/tmp/cretula-made");
	(void)umount2(have.path, MNT_DETACH);
	got = outcome(status, &s, said);
	if (want == 'k' && !strcmp(confine_variant_name(), "sanitizer"))
		want = 'f';
	(void)snprintf(name, sizeof name, "confine/%s: %s",
		       confine_role_name(role), acts[i].name);
	if (acts[i].as_root && getuid())
		case_skip(name, "needs root");
	else
		case_check(got == want, name,
			   "%c, expected %c (status %x, result %ld, %s)", got,
			   want, (unsigned)status, s.result, strerror(s.error));
}

_Noreturn static void confined_until_killed(enum confine_role role, int to)
{
	struct fault f;
	char c;

	if (confine_as(role, &f) != OK)
		_exit(99);
	(void)!write(to, "", 1);
	(void)!read(have.pair[0], &c, 1);
	_exit(0);
}

static bool status_says(pid_t pid, const char *line)
{
	char path[64];
	struct buf b;
	bool found;

	(void)snprintf(path, sizeof path, "/proc/%d/status", pid);
	b = rig_file(path);
	found = memmem(b.p, b.len, line, strlen(line)) != NULL;
	buf_wipe(&b);
	return found;
}

/* Ids, capabilities and dumps, as the kernel shows them to others. */
static void look_at(enum confine_role role)
{
	const char *caps = role == CONFINE_DOOR
				   ? "\nCapEff:\t0000000000080000\n"
				   : "\nCapEff:\t0000000000000000\n";
	char name[TEXT_MAX_], path[64], c;
	struct stat st;
	int to[2];
	pid_t pid;

	ENSURE(!pipe(to));
	pid = fork();
	if (!pid)
		confined_until_killed(role, to[1]);
	close(to[1]);
	(void)snprintf(name, sizeof name, "confine/%s: seen from outside",
		       confine_role_name(role));
	(void)snprintf(path, sizeof path, "/proc/%d/mem", pid);
	if (read(to[0], &c, 1) != 1)
		case_failed(name, "it is not confined");
	else if (getuid())
		case_check(status_says(pid, "\nNoNewPrivs:\t1\n") &&
				   status_says(pid, "\nSeccomp:\t2\n") &&
				   access(path, R_OK),
			   name, "not as it should be");
	else
		case_check(status_says(pid, "\nNoNewPrivs:\t1\n") &&
				   status_says(pid, "\nSeccomp:\t2\n") &&
				   status_says(pid, "\nUid:\t62993\t62993\t"
						    "62993\t62993\n") &&
				   status_says(pid, "\nGroups:\t \n") &&
				   status_says(pid, caps) &&
				   /* what may not be dumped is root's */
				   !stat(path, &st) && st.st_uid == 0,
			   name, "not as it should be");
	close(to[0]);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

int main(void)
{
	prepare();
	for (size_t i = 0; i < NELEM(acts); i++)
		ENSURE(strlen(acts[i].want) == ROLES);
	for (int role = 0; role < ROLES; role++) {
		for (size_t i = 0; i < NELEM(acts); i++)
			if (acts[i].want[role] != '-')
				try_act((enum confine_role)role, i);
		if (role != CONFINE_SUPERVISOR)
			look_at((enum confine_role)role);
	}
	(void)unlinkat(have.folder, "outside.sock", 0);
	(void)unlinkat(have.folder, "below", AT_REMOVEDIR);
	(void)rmdir(have.path);
	return cases_failed() ? 1 : 0;
}
