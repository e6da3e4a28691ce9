/* Supervisor: what is prepared before any child starts: configuration, folders,
 * sockets, ids; and files that are read or published for the children. Holds no
 * secret. */
#include "lib/supervisor.h"

#include "lib/log.h"
#include "lib/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	SETUP_UID_FIRST = 62000,
	SETUP_UID_LAST = 64000,
	SETUP_BACKLOG = 1024,
	SETUP_FILES = 65536, /* descriptors of each process, if we may */
};

/* Folders */

/* Where things are when nobody says: BASE/cretula/DAEMON for root, below the XDG
 * folder for anybody else. NULL if neither variable is set. */
static char *own_folder(const char *base, const char *xdg,
			const char *below_home)
{
	const char *at = sup.setup.root ? base : getenv(xdg);
	const char *home = getenv("HOME");
	const char *name = sup.daemon->name;
	char *path = NULL;

	if (at && at[0] == '/')
		ENSURE(asprintf(&path, "%s/cretula/%s", at, name) > 0);
	else if (home && home[0] == '/' && below_home[0])
		ENSURE(asprintf(&path, "%s%s/cretula/%s", home, below_home,
				name) > 0);
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

/* One of ours, from this start or an earlier one: the role's uid may be another one
 * than last time. */
static bool our_uid(uid_t uid, uid_t owner)
{
	return uid == 0 || uid == geteuid() || uid == owner ||
	       (uid >= SETUP_UID_FIRST && uid <= SETUP_UID_LAST);
}

static enum err check_owner(int fd, const char *path, uid_t owner,
			    struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st) || our_uid(st.st_uid, owner))
		return OK;
	return fault_set(f, ERR_DENIED,
			 "the state folder '%s' belongs to uid %u: give it to "
			 "root with chown",
			 path, st.st_uid);
}

/* Gives uid what is ours. A file of somebody else, or with a second name, is left
 * to it to refuse. */
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

enum err sup_folder(const char *below, size_t role, int *fd, struct fault *f)
{
	AUTO(mem_free) char *path = NULL;
	uid_t uid = sup.setup.uid[role];

	if (below)
		ENSURE(asprintf(&path, "%s/%s", sup.setup.state, below) > 0);
	else
		path = xstrdup(sup.setup.state);
	TRY(open_folder(path, 0700, fd, f));
	if (!sup.setup.root)
		return OK;
	TRY(check_owner(*fd, path, uid, f));
	give_files(*fd, uid, 2);
	return OK;
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

static void pick_uids(void)
{
	struct sup_setup *s = &sup.setup;
	uid_t next = SETUP_UID_FIRST;
	gid_t other_gid;

	for (size_t i = 0; i < sup.daemon->roles; i++)
		s->uid[i] =
			pick_uid(sup.daemon->role[i].user, &next, &s->gid[i]);
	if (sup.daemon->other_user)
		s->other_uid =
			pick_uid(sup.daemon->other_user, &next, &other_gid);
}

/* Sockets */

static enum err listen_at(const char *name, mode_t mode, int *out,
			  struct fault *f)
{
	const struct sup_setup *s = &sup.setup;
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

static enum err open_sockets(const char *group, struct fault *f)
{
	struct sup_setup *s = &sup.setup;
	const struct group *g = getgrnam(group);

	TRY(listen_at("api.sock", 0666, &s->api, f));
	TRY(listen_at("admin.sock", 0660, &s->admin, f));
	if (sup.daemon->http)
		TRY(listen_at("http.sock", 0666, &s->http, f));
	if (g && fchownat(s->run_fd, "admin.sock", (uid_t)-1, g->gr_gid,
			  AT_SYMLINK_NOFOLLOW))
		log_text(LOG_WARN, "admin_group",
			 "admin.sock cannot be given to group '%s': %s", group,
			 strerror(errno));
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

static enum err choose_folders(struct attr_view conf, struct fault *f)
{
	struct sup_setup *s = &sup.setup;

	s->run = conf_str(conf, "run");
	if (!s->run)
		s->run = own_folder("/run", "XDG_RUNTIME_DIR", "");
	s->state = conf_str(conf, "state");
	if (!s->state)
		s->state = own_folder("/var/lib", "XDG_STATE_HOME",
				      "/.local/state");
	if (!s->run || !s->state)
		return fault_set(f, ERR_INVALID,
				 "say run= and state=: neither XDG_RUNTIME_DIR "
				 "nor HOME names a place");
	return OK;
}

static enum err setup_from(struct attr_view conf, struct fault *f)
{
	AUTO(mem_free) char *group = conf_str(conf, "admin_group");
	struct sup_setup *s = &sup.setup;

	s->root = geteuid() == 0;
	TRY(choose_folders(conf, f));
	if (sup.daemon->http)
		TRY(remote_configure(conf, f));
	if (sup.daemon->configure)
		TRY(sup.daemon->configure(conf, f));
	TRY(open_folder(s->state, 0700, &s->state_fd, f));
	TRY(open_folder(s->run, 0755, &s->run_fd, f));
	TRY(open_sockets(group, f));
	if (s->root)
		pick_uids();
	if (sup.daemon->http)
		TRY(remote_prepare(f));
	if (sup.daemon->prepare)
		TRY(sup.daemon->prepare(f));
	return OK;
}

enum err sup_setup(const char *config, struct fault *f)
{
	struct attrs conf;
	enum err e;

	raise_files();
	attrs_init(&conf);
	e = conf_load(config, sup.daemon->name, sup.daemon->decls, &conf, f);
	if (e == OK)
		e = setup_from(attrs_view(&conf), f);
	attrs_wipe(&conf);
	return e;
}

/* Files for the children */

enum err sup_secret_file(const char *path, const char *what, int *fd,
			 struct fault *f)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0 || fstat(*fd, &st) || (st.st_mode & 077) ||
	    !S_ISREG(st.st_mode))
		return fault_set(f, ERR_DENIED,
				 "%s '%s' is not a file that only its owner "
				 "can read",
				 what, path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return fault_set(f, ERR_DENIED,
				 "%s '%s' belongs to uid %u: it has to be "
				 "root's, or that of %s's user",
				 what, path, (unsigned)st.st_uid,
				 sup.daemon->name);
	return OK;
}

enum err sup_publish(const char *name, const struct buf *line, struct fault *f)
{
	AUTO(mem_free) char *temp = NULL;
	AUTO(fd_close) int fd = -1;
	int run = sup.setup.run_fd;

	ENSURE(asprintf(&temp, ".%s", name) > 0);
	(void)unlinkat(run, temp, 0);
	fd = openat(run, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) ||
	    write(fd, line->p, line->len) != (ssize_t)line->len ||
	    renameat(run, temp, run, name))
		return fault_set(f, ERR_UNAVAILABLE,
				 "'%s' cannot be written: %s", name,
				 strerror(errno));
	return OK;
}

int sup_trusted_file(int dir, const char *name, size_t max, size_t *size)
{
	AUTO(fd_close)
	int fd = openat(dir, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int out = fd;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022) ||
	    (uint64_t)st.st_size > max) {
		log_text(LOG_WARN, "file_left_out",
			 "'%s' has to belong to root or to %s's user, be "
			 "writable by nobody else and have at most %zu bytes",
			 name, sup.daemon->name, max);
		return -1;
	}
	*size = (size_t)st.st_size;
	fd = -1;
	return out;
}
