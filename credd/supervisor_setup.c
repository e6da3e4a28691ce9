/* Supervisor: what is prepared before any child starts: configuration, folders,
 * sockets, ids, the arena; and the modules' bytes. Holds no secret. */
#include "credd/supervisor.h"

#include "lib/conf.h"
#include "lib/enc.h"
#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	SETUP_UID_FIRST = 62000,
	SETUP_UID_LAST = 64000,
	SETUP_BACKLOG = 1024,
	SETUP_ARENA = 4096,
	SETUP_FILES = 65536, /* descriptors of each process, if we may */
};

static const struct conf_decl decls[] = {
	{ .name = "run", .type = CONF_PATH },
	{ .name = "state", .type = CONF_PATH },
	{ .name = "modules", .type = CONF_PATH, .preset = CRETULA_MODULES },
	{ .name = "audit", .type = CONF_TEXT, .preset = "normal" },
	{ .name = "unseal_keyfile", .type = CONF_PATH },
	{ .name = "admin_group", .type = CONF_TEXT, .preset = "cretula-admin" },
	{ .name = NULL },
};

/* Folders */

/* Where things are when nobody says: BASE/cretula/credd for root, below the XDG
 * folder for anybody else. NULL if neither variable is set. */
static char *own_folder(bool root, const char *base, const char *xdg,
			const char *below_home)
{
	const char *at = root ? base : getenv(xdg);
	const char *home = getenv("HOME");
	char *path = NULL;

	if (at && at[0] == '/')
		ENSURE(asprintf(&path, "%s/cretula/credd", at) > 0);
	else if (home && home[0] == '/' && below_home[0])
		ENSURE(asprintf(&path, "%s%s/cretula/credd", home, below_home) >
		       0);
	return path;
}

static enum err make_folders(const char *path)
{
	AUTO(mem_free) char *way = xstrdup(path);

	for (char *at = strchr(way + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = 0;
		if (mkdir(way, 0755) && errno != EEXIST)
			return ERR_UNAVAILABLE;
		*at = '/';
	}
	return OK;
}

static enum err open_folder(const char *path, mode_t mode, int *fd,
			    struct fault *f)
{
	struct stat st;
	mode_t old = umask(022);
	bool made = make_folders(path) == OK &&
		    (!mkdir(path, mode) || errno == EEXIST);

	umask(old);
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (!made || *fd < 0)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the folder '%s' cannot be opened: %s", path,
				 strerror(errno));
	if (fstat(*fd, &st) || (st.st_mode & 022))
		return fault_set(
			f, ERR_DENIED,
			"the folder '%s' can be written by others: run "
			"'chmod go-w %s'",
			path, path);
	return OK;
}

/* One of ours, from this start or an earlier one: the store's uid may be another
 * one than last time. */
static bool our_uid(uid_t uid, uid_t store)
{
	return uid == 0 || uid == geteuid() || uid == store ||
	       (uid >= SETUP_UID_FIRST && uid <= SETUP_UID_LAST);
}

static enum err check_owner(const struct setup *s, uid_t store, struct fault *f)
{
	struct stat st;

	if (fstat(s->state_fd, &st) || our_uid(st.st_uid, store))
		return OK;
	return fault_set(f, ERR_DENIED,
			 "the state folder '%s' belongs to uid %u: give it to "
			 "root with chown",
			 s->state, st.st_uid);
}

/* Gives the store what is ours. A file of somebody else, or with a second name, is
 * left to it to refuse. */
static void give_files(int dir, uid_t uid, int depth)
{
	int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again >= 0 ? fdopendir(again) : NULL;
	struct dirent *e;

	(void)!fchown(dir, uid, uid);
	while (d && (e = readdir(d))) {
		AUTO(fd_close) int fd = -1;
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		fd = openat(dir, e->d_name,
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) || !our_uid(st.st_uid, uid))
			continue;
		if (S_ISDIR(st.st_mode) && depth > 0)
			give_files(fd, uid, depth - 1);
		else if (S_ISREG(st.st_mode) && st.st_nlink == 1)
			(void)!fchown(fd, uid, uid);
	}
	if (d)
		closedir(d);
}

/* Ids */

static bool uid_in_use(uid_t uid)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool used = getpwuid(uid) != NULL;

	while (d && !used && (e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		used = !fstatat(dirfd(d), e->d_name, &st, 0) &&
		       st.st_uid == uid;
	}
	if (d)
		closedir(d);
	return used;
}

static uid_t pick_uid(const char *user, uid_t *next, gid_t *gid)
{
	const struct passwd *pw = getpwnam(user);

	if (pw) {
		*gid = pw->pw_gid;
		return pw->pw_uid;
	}
	while (*next < SETUP_UID_LAST && uid_in_use(*next))
		(*next)++;
	*gid = *next;
	return (*next)++;
}

static void pick_uids(struct setup *s)
{
	static const char *const user[] = {
		[ROLE_STORE] = "_cretula-store",
		[ROLE_ZYGOTE] = "_cretula-zygote",
		[ROLE_VAULT] = "_cretula-vault",
		[ROLE_DOOR] = "_cretula-door",
		[ROLE_FRONT] = "_cretula-front",
		[ROLE_OPENER] = "_cretula-opener",
	};
	uid_t next = SETUP_UID_FIRST;
	gid_t worker_gid;

	_Static_assert(NELEM(user) == ROLE__MAX, "every role has a user");
	for (size_t i = 0; i < ROLE__MAX; i++)
		s->uid[i] = pick_uid(user[i], &next, &s->gid[i]);
	s->worker_uid = pick_uid("_cretula-worker", &next, &worker_gid);
}

/* Sockets */

static enum err listen_at(const struct setup *s, const char *name, mode_t mode,
			  int *out, struct fault *f)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", s->run, name);
	mode_t old;
	int bad;

	if (n < 0 || (size_t)n >= sizeof a.sun_path)
		return fault_set(f, ERR_TOO_LARGE,
				 "the socket path '%s/%s' is over %zu bytes: "
				 "choose a shorter run=",
				 s->run, name, sizeof a.sun_path - 1);
	(void)unlinkat(s->run_fd, name, 0);
	*out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	old = umask(0777 & ~mode);
	bad = *out < 0 || bind(*out, (const struct sockaddr *)&a, sizeof a) ||
	      listen(*out, SETUP_BACKLOG);
	umask(old);
	if (bad)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the socket '%s' cannot be made: %s",
				 a.sun_path, strerror(errno));
	return OK;
}

static enum err open_sockets(struct setup *s, const char *group,
			     struct fault *f)
{
	const struct group *g = getgrnam(group);

	TRY(listen_at(s, "api.sock", 0666, &s->api, f));
	TRY(listen_at(s, "admin.sock", 0660, &s->admin, f));
	if (g && fchownat(s->run_fd, "admin.sock", (uid_t)-1, g->gr_gid,
			  AT_SYMLINK_NOFOLLOW))
		log_text(LOG_WARN, "admin_group",
			 "admin.sock cannot be given to group '%s': %s", group,
			 strerror(errno));
	return OK;
}

/* The arena and the key file */

int setup_arena(void)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, SETUP_ARENA))
		fd_close(&fd);
	if (fd < 0)
		log_text(
			LOG_WARN, "no_memfd_secret",
			"a vault that dies comes back sealed here: this kernel "
			"has no memfd_secret");
	return fd;
}

static enum err open_keyfile(struct setup *s, struct attr_view conf,
			     struct fault *f)
{
	AUTO(mem_free) char *path = conf_str(conf, "unseal_keyfile");
	struct stat st;

	s->keyfile = -1;
	if (!path)
		return OK;
	s->keyfile = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s->keyfile < 0 || fstat(s->keyfile, &st) || (st.st_mode & 077) ||
	    !S_ISREG(st.st_mode))
		return fault_set(f, ERR_DENIED,
				 "unseal_keyfile '%s' is not a file that only "
				 "its owner can read",
				 path);
	return OK;
}

/* A connection is a descriptor in door and two in its front; the preset of 1,024 is
 * for programs that use select(). */
static void raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= SETUP_FILES)
		return;
	r.rlim_cur = MIN(r.rlim_max, (rlim_t)SETUP_FILES);
	(void)setrlimit(RLIMIT_NOFILE, &r);
}

enum err setup_open(const char *config, struct setup *s, struct fault *f)
{
	struct attrs conf;
	char *audit, *group;
	enum err e;

	raise_files();
	attrs_init(&conf);
	e = conf_load(config, "credd", decls, &conf, f);
	if (e != OK) {
		attrs_wipe(&conf);
		return e;
	}
	s->root = geteuid() == 0;
	s->run = conf_str(attrs_view(&conf), "run");
	if (!s->run)
		s->run = own_folder(s->root, "/run", "XDG_RUNTIME_DIR", "");
	s->state = conf_str(attrs_view(&conf), "state");
	if (!s->state)
		s->state = own_folder(s->root, "/var/lib", "XDG_STATE_HOME",
				      "/.local/state");
	if (!s->run || !s->state) {
		attrs_wipe(&conf);
		return fault_set(f, ERR_INVALID,
				 "say run= and state=: neither XDG_RUNTIME_DIR "
				 "nor HOME names a place");
	}
	s->modules = conf_str(attrs_view(&conf), "modules");
	audit = conf_str(attrs_view(&conf), "audit");
	group = conf_str(attrs_view(&conf), "admin_group");
	s->durable = !strcmp(audit, "durable");
	if (!s->durable && strcmp(audit, "normal"))
		e = fault_set(f, ERR_INVALID,
			      "audit= is 'normal' or 'durable', not '%s'",
			      audit);
	if (e == OK)
		e = open_keyfile(s, attrs_view(&conf), f);
	if (e == OK)
		e = open_folder(s->state, 0700, &s->state_fd, f);
	if (e == OK)
		e = open_folder(s->run, 0755, &s->run_fd, f);
	if (e == OK)
		e = open_sockets(s, group, f);
	if (e == OK && s->root) {
		pick_uids(s);
		e = check_owner(s, s->uid[ROLE_STORE], f);
		if (e == OK)
			give_files(s->state_fd, s->uid[ROLE_STORE], 2);
	}
	s->arena = setup_arena();
	free(audit);
	free(group);
	attrs_wipe(&conf);
	return e;
}

/* transport.pub */

enum err setup_transport(const struct setup *s, const void *key, size_t len,
			 struct fault *f)
{
	static const char name[] = "transport.pub", temp[] = ".transport.pub";
	AUTO(fd_close) int fd = -1;
	struct buf text;
	bool good;

	(void)unlinkat(s->run_fd, temp, 0);
	fd = openat(s->run_fd, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	buf_init(&text, 256);
	good = fd >= 0 && buf_str(&text, "version=1 key=") == OK &&
	       enc_base64(key, len, &text) == OK &&
	       buf_str(&text, "\n") == OK && !fchmod(fd, 0644) &&
	       write(fd, text.p, text.len) == (ssize_t)text.len &&
	       !renameat(s->run_fd, temp, s->run_fd, name);
	buf_wipe(&text);
	if (!good)
		return fault_set(f, ERR_UNAVAILABLE, "cannot be written: %s",
				 strerror(errno));
	return OK;
}

/* Modules */

/* Copies a file into a memfd that nobody can change any more. */
static int sealed_copy(int from, size_t size)
{
	AUTO(fd_close)
	int to = memfd_create("module", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int out = to;
	size_t done = 0;
	char b[1 << 16];

	while (to >= 0 && done < size) {
		ssize_t n = read(from, b, sizeof b);

		if (n <= 0 || write(to, b, (size_t)n) != n)
			return -1;
		done += (size_t)n;
	}
	if (to < 0 || done != size ||
	    fcntl(to, F_ADD_SEALS,
		  F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return -1;
	to = -1;
	return out;
}

static bool module_name(const char *file, char *name, size_t size)
{
	size_t n = strlen(file);

	if (n < 4 || strcmp(file + n - 3, ".so") || n - 3 >= size)
		return false;
	memcpy(name, file, n - 3);
	name[n - 3] = 0;
	return attr_name_ok(name, n - 3);
}

static void give_module(int dir, const char *file, const char *name,
			void (*each)(const char *name, int fd))
{
	AUTO(fd_close)
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(fd_close) int copy = -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022) ||
	    st.st_size > SUP_MODULE_MAX) {
		log_text(LOG_WARN, "module_left_out",
			 "'%s' has to belong to root or to credd's user, be "
			 "writable by nobody else and have at most %d bytes",
			 file, SUP_MODULE_MAX);
		return;
	}
	copy = sealed_copy(fd, (size_t)st.st_size);
	if (copy >= 0)
		each(name, copy);
}

void setup_modules(const struct setup *s,
		   void (*each)(const char *name, int fd))
{
	DIR *d = opendir(s->modules);
	struct dirent *e;

	if (!d)
		log_text(LOG_ERR, "no_modules", "'%s': %s", s->modules,
			 strerror(errno));
	while (d && (e = readdir(d))) {
		char name[ATTR_NAME_MAX + 1];

		if (module_name(e->d_name, name, sizeof name))
			give_module(dirfd(d), e->d_name, name, each);
	}
	if (d)
		closedir(d);
}
