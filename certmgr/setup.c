/* Supervisor of certmgr: what it prepares besides what every daemon does: the audit
 * key, the files for net, the arena, the file view's mount. Reads no byte of a key. */
#include "certmgr/supervisor.h"

#include "certmgr/mount.h"
#include "lib/log.h"
#include "lib/remote.h"
#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AUDIT_KEY "audit.key"

enum {
	SETUP_URL_MAX = 255,
};

const struct conf_decl certmgr_decls[] = {
	{ .name = "run", .type = CONF_PATH },
	{ .name = "state", .type = CONF_PATH },
	{ .name = "admin_group", .type = CONF_TEXT, .preset = "cretula-admin" },
	{ .name = "ca", .type = CONF_TEXT },
	{ .name = "ca_root", .type = CONF_PATH },
	{ .name = "ca_hash", .type = CONF_TEXT },
	{ .name = "token", .type = CONF_PATH },
	{ .name = "bootstrap", .type = CONF_LIST },
	{ .name = "imds_url", .type = CONF_TEXT },
	{ .name = "verify_listen",
	  .type = CONF_TEXT,
	  .preset = "0.0.0.0:7446" },
	{ .name = "verify_endpoint", .type = CONF_TEXT },
	{ .name = "view", .type = CONF_TEXT, .preset = "/run/cretula/fs" },
	{ .name = "upcall", .type = CONF_BOOL, .preset = "yes" },
	{ .name = "claim_within",
	  .type = CONF_DURATION,
	  .preset = "10m",
	  .least = 1,
	  .most = 24 * 3600 },
	{ .name = "audit", .type = CONF_TEXT, .preset = "normal" },
	REMOTE_DECLS,
	{ .name = NULL },
};

/* Configuration */

/* https://HOST[:PORT], what net then asks below. */
static enum err check_url(const char *url, struct fault *f)
{
	const char *host = url + 8;
	size_t n = strlen(url);

	if (n > 4 && n <= SETUP_URL_MAX && !strncmp(url, "dns:", 4))
		return OK;
	if (n > 8 && n <= SETUP_URL_MAX && !strncmp(url, "https://", 8) &&
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789.-:[]") == n - 8)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "ca= is the base of the CA's addresses, "
			 "https://HOST[:PORT] without a slash at its end, not "
			 "'%s'",
			 url);
}

static enum err check_ca(struct fault *f)
{
	if (!certmgr.source.count && !certmgr.ca)
		return fault_set(f, ERR_INVALID,
				 "say ca=, the https:// address of the CA, or "
				 "bootstrap=: certmgr has its certificates "
				 "from there");
	if (!certmgr.source.count && !certmgr.ca_root && !certmgr.ca_hash)
		return fault_set(f, ERR_INVALID,
				 "say ca_root=, a file with the CA's root "
				 "certificate, or ca_hash=: certmgr has its "
				 "certificates from there");
	return certmgr.ca ? check_url(certmgr.ca, f) : OK;
}

static enum err take_view(struct attr_view conf, struct fault *f)
{
	AUTO(mem_free) char *view = conf_str(conf, "view");

	if (!strcmp(view, "no"))
		return OK;
	if (view[0] != '/')
		return fault_set(f, ERR_INVALID,
				 "view= is a folder, an absolute path, or 'no' "
				 "for no file view; not '%s'",
				 view);
	certmgr.view = view;
	view = NULL;
	return OK;
}

enum err certmgr_configure(struct attr_view conf, struct fault *f)
{
	attrs_init(&certmgr.weaker);
	remote_is_certmgr();
	certmgr.ca = conf_str(conf, "ca");
	certmgr.ca_root = conf_str(conf, "ca_root");
	TRY(certmgr_boot_configure(conf, f));
	certmgr.token = conf_str(conf, "token");
	certmgr.upcall = conf_bool(conf, "upcall");
	certmgr.claim_within = conf_u64(conf, "claim_within");
	TRY(conf_second(conf, "audit", "normal", "durable", &certmgr.durable,
			f));
	TRY(take_view(conf, f));
	return check_ca(f);
}

void certmgr_weaker(const char *text)
{
	log_text(LOG_WARN, "weaker", "%s", text);
	ENSURE(attrs_add_str(&certmgr.weaker, "weaker", text) == OK);
}

/* What is made once and kept */

/* Writes a file below the state folder, completely before it has its name. */
static enum err make_once(const char *name, const void *bytes, size_t len,
			  struct fault *f)
{
	int dir = sup.setup.state_fd;
	AUTO(mem_free) char *temp = NULL;
	AUTO(fd_close) int fd = -1;

	ENSURE(asprintf(&temp, ".%s.new", name) > 0);
	(void)unlinkat(dir, temp, 0);
	fd = openat(dir, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len || fsync(fd) ||
	    renameat(dir, temp, dir, name) || fsync(dir))
		return fault_set(f, ERR_UNAVAILABLE,
				 "'%s/%s' cannot be made: %s", sup.setup.state,
				 name, strerror(errno));
	return OK;
}

static bool is_there(const char *name)
{
	return !faccessat(sup.setup.state_fd, name, F_OK,
			  AT_SYMLINK_NOFOLLOW) ||
	       errno != ENOENT;
}

static enum err open_audit_key(struct fault *f)
{
	AUTO(mem_free) char *path = NULL;
	uint8_t key[CERTMGR_AUDIT_KEY];
	struct stat st;
	enum err e;

	ENSURE(asprintf(&path, "%s/" AUDIT_KEY, sup.setup.state) > 0);
	if (!is_there(AUDIT_KEY)) {
		random_fill(key, sizeof key);
		e = make_once(AUDIT_KEY, key, sizeof key, f);
		explicit_bzero(key, sizeof key);
		TRY(e);
	}
	TRY(sup_secret_file(path, "the audit key", &certmgr.audit_key_fd, f));
	if (fstat(certmgr.audit_key_fd, &st) || st.st_size != CERTMGR_AUDIT_KEY)
		return fault_set(
			f, ERR_INVALID,
			"the audit key '%s' has not %d bytes: bring it "
			"back from a backup",
			path, CERTMGR_AUDIT_KEY);
	return OK;
}

/* INSTANCE and a newline. */
static enum err read_instance(char text[CERTMGR_INSTANCE + 2], struct fault *f)
{
	AUTO(fd_close)
	int fd = openat(sup.setup.state_fd, "instance",
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, CERTMGR_INSTANCE + 2);

	if (n != CERTMGR_INSTANCE + 1 || text[CERTMGR_INSTANCE] != '\n' ||
	    strspn(text, "0123456789abcdef") != CERTMGR_INSTANCE)
		return fault_set(f, ERR_INVALID,
				 "'%s/instance' does not hold 8 hex digits: "
				 "remove it, and agents get new names",
				 sup.setup.state);
	return OK;
}

static enum err take_instance(struct fault *f)
{
	char text[CERTMGR_INSTANCE + 2] = "";
	uint32_t number;

	if (!is_there("instance")) {
		random_fill(&number, sizeof number);
		(void)snprintf(text, sizeof text, "%08x\n", number);
		TRY(make_once("instance", text, CERTMGR_INSTANCE + 1, f));
	}
	TRY(read_instance(text, f));
	memcpy(certmgr.instance, text, CERTMGR_INSTANCE);
	return OK;
}

/* Files for net */

/* What net trusts is what nobody but root, or who runs us, can change. */
static enum err open_root(struct fault *f)
{
	int fd = -1;
	struct stat st;

	if (!certmgr.ca_root)
		return OK;
	fd = open(certmgr.ca_root, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	certmgr.root_fd = fd;
	if (fd < 0 || fstat(fd, &st))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the CA's root certificate, ca_root='%s', "
				 "cannot be read: %s; 'cretula ca root' prints "
				 "it",
				 certmgr.ca_root, strerror(errno));
	if (S_ISREG(st.st_mode) && !(st.st_mode & 022) &&
	    (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    st.st_size <= CERTMGR_ROOT_MAX)
		return OK;
	return fault_set(f, ERR_DENIED,
			 "ca_root='%s' has to be a file of root's or of "
			 "certmgr's user, that nobody else can write",
			 certmgr.ca_root);
}

/* The arena */

/* As large as may be locked: root may not always raise the limit. */
static rlim_t arena_size(void)
{
	struct rlimit r;

	if (sup.setup.root && !getrlimit(RLIMIT_MEMLOCK, &r) &&
	    r.rlim_max >= CERTMGR_ARENA + CERTMGR_ARENA / 4)
		return CERTMGR_ARENA;
	return CERTMGR_ARENA_USER;
}

/* It counts as locked memory of whoever maps it, beside that process's secrets. */
static bool enough_may_be_locked(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_MEMLOCK, &r))
		return false;
	if (r.rlim_max < CERTMGR_LOCKED && sup.setup.root) {
		r.rlim_cur = r.rlim_max = CERTMGR_LOCKED;
		(void)setrlimit(RLIMIT_MEMLOCK, &r);
		(void)getrlimit(RLIMIT_MEMLOCK, &r);
	}
	return r.rlim_max >= arena_size() + arena_size() / 4;
}

int certmgr_arena(void)
{
	int fd = -1;

	if (enough_may_be_locked())
		fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)arena_size()))
		fd_close(&fd);
	return fd;
}

/* The file view */

enum err certmgr_mount(struct fault *f)
{
	TRY(view_mount(certmgr.view, &certmgr.view_fd, f));
	certmgr.mounted = true;
	return OK;
}

static enum err no_view(const char *why)
{
	certmgr_weaker(why);
	mem_free(&certmgr.view);
	certmgr.view = NULL;
	return OK;
}

static enum err prepare_view(struct fault *f)
{
	enum err e = OK;

	if (!certmgr.view)
		return OK;
	if (!sup.setup.root)
		return no_view("there is no file view: only root can mount it");
	e = certmgr_mount(f);
	if (e == ERR_UNSUPPORTED)
		return no_view("there is no file view: this kernel has no "
			       "FUSE");
	return e;
}

/* The end, unless by SIGKILL: what is outside of our folders goes. */
static void leave(void)
{
	struct fault f;

	if (certmgr.mounted && view_unmount(certmgr.view, &f) != OK)
		log_text(LOG_WARN, "not_unmounted", "%s", f.text);
	certmgr_upcall_close();
}

enum err certmgr_prepare(struct fault *f)
{
	TRY(sup_folder("store", ROLE_STORE, &certmgr.store_fd, f));
	TRY(sup_folder("net", ROLE_NET, &certmgr.net_fd, f));
	TRY(open_audit_key(f));
	TRY(take_instance(f));
	TRY(open_root(f));
	TRY(certmgr_publish_root(f));
	TRY(certmgr_boot_prepare(f));
	if (procinfo_boot(certmgr.boot) != OK)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the kernel does not say which boot this is: "
				 "'/proc/sys/kernel/random/boot_id' cannot be "
				 "read");
	certmgr.arena_fd = certmgr_arena();
	if (certmgr.arena_fd < 0)
		log_text(LOG_WARN, "no_arena",
			 "a keeper that dies forgets its keys: there is no "
			 "memfd_secret, or too little memory may be locked "
			 "(RLIMIT_MEMLOCK)");
	if (!sup.setup.root)
		certmgr_weaker("agents that nobody may look at are known by "
			       "their process, not by their program: only "
			       "root looks at them");
	ENSURE(!atexit(leave));
	TRY(certmgr_upcall_open(f));
	return prepare_view(f);
}
