/* Zygote, and the worker it has just cloned. Holds our code only: what is here has
 * run before the first byte of a module is looked at.
 *
 * The order matters: the root while capable, then ids (which clear the death signal
 * and the dump flag), Landlock while descriptors may still be opened, limits, and
 * the filter last. */
#include "credd/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	OWN_NS = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		 CLONE_NEWCGROUP,
	WORKER_NS = OWN_NS | CLONE_NEWPID,
	WORKER_FILES = 16, /* 0 to 4, and what the loader opens */
	ROOT_SLACK = 64 << 10,
	FD_ABOVE = 64,
};

#define MOUNT_POINT "/worker"
#define MODULE_FILE "module.so"

static enum err cage_failed(struct fault *f, const char *step)
{
	return fault_set(f, ERR_INTERNAL, "cannot make the sandbox: %s: %s",
			 step, strerror(errno));
}

static enum err put_text(const char *path, const char *text)
{
	AUTO(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return ERR_UNSUPPORTED;
	return OK;
}

/* A user namespace with one id, ours, which is root in it. */
static enum err own_userns(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char text[32];

	/* The maps belong to root while this process may not be dumped. */
	if (unshare(CLONE_NEWUSER) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		return ERR_UNSUPPORTED;
	TRY(put_text("/proc/self/setgroups", "deny"));
	(void)snprintf(text, sizeof text, "0 %u 1\n", uid);
	TRY(put_text("/proc/self/uid_map", text));
	(void)snprintf(text, sizeof text, "0 %u 1\n", gid);
	return put_text("/proc/self/gid_map", text);
}

static enum err fill_zygote(void *arg, struct fault *f)
{
	(void)arg;
	return mkdir(&MOUNT_POINT[1], 0700) ? cage_failed(f, "mkdir") : OK;
}

/* Everything that would read a file or take long when a worker first needs it. */
static enum err warm_up(struct fault *f)
{
	uint8_t bytes[32];
	EVP_MD *md;
	EVP_MAC *mac;
	bool ok;

	if (sodium_init() < 0)
		return fault_set(f, ERR_INTERNAL, "libsodium does not start");
	/* Fetched once, they stay in the library's store. */
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	ok = md && mac && RAND_bytes(bytes, sizeof bytes) == 1 &&
	     RAND_priv_bytes(bytes, sizeof bytes) == 1 &&
	     EVP_Digest(bytes, sizeof bytes, bytes, NULL, md, NULL) == 1;
	EVP_MD_free(md);
	EVP_MAC_free(mac);
	sodium_memzero(bytes, sizeof bytes);
	return ok ? OK : fault_set(f, ERR_INTERNAL, "libcrypto does not start");
}

static enum err address_space(uint64_t *bytes, struct fault *f)
{
	AUTO(fd_close) int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	uint64_t pages = 0;

	if (n <= 0)
		return cage_failed(f, "/proc/self/statm");
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		pages = pages * 10 + (uint64_t)(text[i] - '0');
	*bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return OK;
}

/* The kind this process can have; CAGE_PLAIN with the reason if no better. */
static void choose_kind(struct cage *c, bool mapped, struct confine_report *r)
{
	c->kind = mapped ? CAGE_MAPPED : CAGE_SINGLE;
	if (!mapped && own_userns() != OK) {
		c->kind = CAGE_PLAIN;
		confine_weaker(r,
			       "workers have no namespaces of their own (%s): "
			       "allow user namespaces",
			       strerror(errno));
	}
}

enum err cage_prepare(struct cage *c, bool mapped, uid_t worker_uid,
		      struct confine_report *r, struct fault *f)
{
	*c = (struct cage){ .worker_uid = worker_uid,
			    .landlock = landlock_abi() > 0 };
	choose_kind(c, mapped, r);
	if (!c->landlock && c->kind == CAGE_PLAIN)
		return fault_set(
			f, ERR_UNSUPPORTED,
			"there is nothing to keep a module from files: "
			"neither user namespaces nor Landlock");
	if (!c->landlock)
		confine_weaker(r, "workers run without Landlock, which this "
				  "kernel lacks");
	TRY(warm_up(f));
	TRY(address_space(&c->baseline, f));
	c->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	c->zygote = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (c->null < 0 || c->zygote < 0)
		return cage_failed(f, "/dev/null, pidfd_open");
	TRY(confine_filter_new(CONFINE_WORKER_LOAD, &c->load, f));
	TRY(confine_filter_new(CONFINE_WORKER, &c->final, f));
	if (c->kind == CAGE_PLAIN)
		return OK;
	if (unshare(OWN_NS) == 0)
		return confine_root("/tmp", ROOT_SLACK, fill_zygote, NULL, f);
	return cage_weaken(c, r, strerror(errno), f);
}

enum err cage_weaken(struct cage *c, struct confine_report *r, const char *why,
		     struct fault *f)
{
	if (!c->landlock)
		return fault_set(
			f, ERR_UNSUPPORTED,
			"there is nothing to keep a module from files: "
			"%s, and no Landlock",
			why);
	c->kind = CAGE_PLAIN;
	confine_weaker(r, "workers have no namespaces of their own: %s", why);
	return OK;
}

unsigned long cage_clone_flags(const struct cage *c)
{
	return CLONE_PIDFD | SIGCHLD |
	       (c->kind == CAGE_PLAIN ? 0ul : (unsigned long)WORKER_NS);
}

/* Nothing stays open but 0, 1, 2 (nothing, unless sanitizers report), the channel
 * and the module. */
static enum err enter_fds(const struct cage *c, int chan, int module,
			  struct fault *f)
{
	int a = fcntl(chan, F_DUPFD_CLOEXEC, FD_ABOVE);
	int b = fcntl(module, F_DUPFD_CLOEXEC, FD_ABOVE);
	int z = fcntl(c->zygote, F_DUPFD_CLOEXEC, FD_ABOVE);
	int last = confine_variant_limits() ? STDERR_FILENO : STDOUT_FILENO;

	if (a < 0 || b < 0 || z < 0)
		return cage_failed(f, "dup");
	for (int fd = 0; fd <= last; fd++)
		if (dup2(c->null, fd) < 0)
			return cage_failed(f, "dup2");
	if (dup2(a, CAGE_CHAN) < 0 || dup2(b, CAGE_MODULE) < 0 ||
	    dup2(z, CAGE_ZYGOTE) < 0 ||
	    syscall(SYS_close_range, CAGE_ZYGOTE + 1u, ~0u, 0))
		return cage_failed(f, "close what is open");
	return OK;
}

/* The bytes the vault hashed become the one file of the root. */
static enum err fill_worker(void *arg, struct fault *f)
{
	AUTO(fd_close)
	int out = open(MODULE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		       0555);
	struct stat st;
	off_t at = 0;

	(void)arg;
	/* whatever umask came down to us */
	if (out < 0 || fchmod(out, 0555) || fstat(CAGE_MODULE, &st))
		return cage_failed(f, MODULE_FILE);
	while (at < st.st_size)
		if (sendfile(out, CAGE_MODULE, &at,
			     (size_t)(st.st_size - at)) <= 0)
			return cage_failed(f, "copy the module");
	return OK;
}

static enum err enter_root(const struct cage *c, const char **path,
			   struct fault *f)
{
	struct stat st;

	if (c->kind == CAGE_PLAIN) {
		*path = "/proc/self/fd/4";
		return OK;
	}
	if (fstat(CAGE_MODULE, &st) || st.st_size > CAGE_MODULE_MAX)
		return cage_failed(f, "the module's size");
	TRY(confine_root(MOUNT_POINT, (uint64_t)st.st_size + ROOT_SLACK,
			 fill_worker, NULL, f));
	(void)close(CAGE_MODULE);
	*path = "/" MODULE_FILE;
	return OK;
}

/* The death signal comes only from a zygote that dies after it was asked for. */
static enum err zygote_lives(struct fault *f)
{
	struct pollfd p = { .fd = CAGE_ZYGOTE, .events = POLLIN };

	if (poll(&p, 1, 0) != 0)
		return fault_set(f, ERR_UNAVAILABLE, "the zygote is gone");
	(void)close(CAGE_ZYGOTE);
	return OK;
}

static enum err enter_ids(const struct cage *c, struct fault *f)
{
	confine_bounding(0);
	if (c->kind == CAGE_MAPPED)
		TRY(confine_ids(c->worker_uid, c->worker_uid, true, 0, f));
	TRY(confine_caps(0, f));
	TRY(confine_process(true, f));
	return zygote_lives(f);
}

static enum err enter_files(const struct cage *c, struct fault *f)
{
	AUTO(fd_close) int root = -1;
	struct landlock_path only = { .rights = LANDLOCK_READ | LANDLOCK_EXEC };

	if (!c->landlock)
		return OK;
	if (c->kind == CAGE_PLAIN)
		return landlock_apply(NULL, 0, false, f);
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return cage_failed(f, "the root folder");
	only.fd = root;
	return landlock_apply(&only, 1, false, f);
}

static enum err enter_limits(const struct cage *c, uint64_t memory,
			     struct fault *f)
{
	TRY(confine_limit(RLIMIT_CORE, 0, f));
	TRY(confine_limit(RLIMIT_NPROC, 0, f));
	TRY(confine_limit(RLIMIT_NOFILE, WORKER_FILES, f));
	TRY(confine_limit(RLIMIT_SIGPENDING, 0, f));
	TRY(confine_limit(RLIMIT_MSGQUEUE, 0, f));
	if (!confine_variant_limits())
		return OK;
	TRY(confine_limit(RLIMIT_FSIZE, 0, f));
	return confine_limit(RLIMIT_AS, c->baseline + memory, f);
}

enum err cage_enter(struct cage *c, int chan, int module, uint64_t memory,
		    const char **path, struct fault *f)
{
	TRY(enter_fds(c, chan, module, f));
	TRY(enter_root(c, path, f));
	TRY(enter_ids(c, f));
	TRY(enter_files(c, f));
	TRY(enter_limits(c, memory, f));
	return confine_filter_load(c->load, f);
}
