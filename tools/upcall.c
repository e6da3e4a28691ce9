/* Playground and tests, as root: the helper and its request-key.d line come and go
 * (upcall.h). Holds two locks, no secret. */
#include "tools/upcall.h"

#include "lib/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_MAX = 16 << 20, /* bytes of a helper */
	MARK_MAX = 64,
};

static const char conf_text[] =
	"# Put here by a cretula playground or a test; the last one takes it away.\n"
	"create\tuser\tcretula:cert:*\t*\t" UPCALL_HELPER " %k\n";

static int users = -1; /* our share of UPCALL_USERS */

/* Locks */

static enum err open_lock(const char *path, int *fd, struct fault *f)
{
	(void)mkdir("/run/cretula", 0755);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd >= 0)
		return OK;
	return fault_set(f, errno == EACCES ? ERR_DENIED : ERR_UNAVAILABLE,
			 "%s cannot be opened: %s", path, strerror(errno));
}

static bool lock(int fd, int how)
{
	while (flock(fd, how))
		if (errno != EINTR)
			return false;
	return true;
}

/* Files */

struct place {
	const char *path;
	const char *folder;
	const char
		*mark; /* names the inodes of what we put there, a line each */
	const char *temp;
	mode_t mode;
};

static const struct place helper_place = {
	.path = UPCALL_HELPER,
	.folder = "/usr/libexec/cretula",
	.mark = "/usr/libexec/cretula/.cretula-request-key.playground",
	.temp = "/usr/libexec/cretula/.cretula-request-key.new",
	.mode = 0755,
};

static const struct place conf_place = {
	.path = UPCALL_CONF,
	.folder = "/etc/request-key.d",
	.mark = "/etc/request-key.d/.cretula.conf.playground",
	.temp = "/etc/request-key.d/.cretula.conf.new",
	.mode = 0644,
};

static bool read_file(const char *path, struct buf *out)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	do {
		uint8_t *at;

		if (buf_reserve(out, PIPE_BUF) != OK)
			return false;
		at = out->p + out->len;
		n = read(fd, at, PIPE_BUF);
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return !n;
}

static bool write_file(const char *path, mode_t mode, const void *p, size_t len)
{
	AUTO(fd_close) int fd = -1;
	size_t done = 0;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	while (fd >= 0 && done < len) {
		ssize_t n = write(fd, (const uint8_t *)p + done, len - done);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	/* whatever the umask is */
	return fd >= 0 && !fchmod(fd, mode);
}

/* What the mark says of a file. */
static bool mark_text(const char *path, char text[MARK_MAX])
{
	struct stat st;

	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	(void)snprintf(text, MARK_MAX, "%ju %ju.%ld\n", (uintmax_t)st.st_ino,
		       (uintmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return true;
}

/* The file is there, and it is the one that one of us put there. */
static bool is_ours(const struct place *at)
{
	AUTO(buf_wipe) struct buf said = { 0 };
	char is[MARK_MAX];
	size_t n;

	buf_init(&said, 2 * PIPE_BUF);
	if (!mark_text(at->path, is) || !read_file(at->mark, &said))
		return false;
	n = strlen(is);
	for (size_t i = 0; i + n <= said.len; i++)
		if ((!i || said.p[i - 1] == '\n') && !memcmp(said.p + i, is, n))
			return true;
	return false;
}

static bool is_same(const struct place *at, const struct buf *want)
{
	AUTO(buf_wipe) struct buf is = { 0 };

	buf_init(&is, FILE_MAX);
	return read_file(at->path, &is) && is.len == want->len &&
	       !memcmp(is.p, want->p, is.len);
}

/* One line more, at once: whoever dies leaves what is there ours. */
static bool add_mark(const struct place *at, const char *text)
{
	AUTO(fd_close) int fd = -1;

	if (!is_ours(at))
		(void)unlink(at->mark);
	fd = open(at->mark,
		  O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd >= 0 &&
	       write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool put_new(const struct place *at, const struct buf *want)
{
	char mark[MARK_MAX];

	return write_file(at->temp, at->mode, want->p, want->len) &&
	       mark_text(at->temp, mark) && add_mark(at, mark) &&
	       !rename(at->temp, at->path);
}

static enum err put(const struct place *at, const struct buf *want,
		    struct fault *f)
{
	struct stat st;
	bool there = !lstat(at->path, &st);

	if (there && (!is_ours(at) || is_same(at, want)))
		return OK;
	if ((mkdir(at->folder, 0755) && errno != EEXIST) || !put_new(at, want))
		return fault_set(f, ERR_UNAVAILABLE,
				 "%s cannot be put in place: %s", at->path,
				 strerror(errno));
	return OK;
}

static void take_away(const struct place *at)
{
	if (is_ours(at))
		(void)unlink(at->path);
	(void)unlink(at->mark);
	(void)unlink(at->temp);
}

static enum err put_both(const char *helper_binary, struct fault *f)
{
	AUTO(buf_wipe) struct buf helper = { 0 }, conf = { 0 };

	buf_init(&helper, FILE_MAX);
	buf_init(&conf, sizeof conf_text);
	if (!read_file(helper_binary, &helper))
		return fault_set(f, ERR_NOT_FOUND,
				 "the helper '%s' cannot be read: %s",
				 helper_binary, strerror(errno));
	TRY(buf_str(&conf, conf_text));
	/* the line last: what it names is there */
	TRY(put(&helper_place, &helper, f));
	return put(&conf_place, &conf, f);
}

static enum err put_locked(const char *helper_binary, struct fault *f)
{
	AUTO(fd_close) int change = -1;
	AUTO(fd_close) int share = -1;

	TRY(open_lock(UPCALL_CHANGE, &change, f));
	TRY(open_lock(UPCALL_USERS, &share, f));
	if (!lock(change, LOCK_EX) || !lock(share, LOCK_SH))
		return fault_set(f, ERR_UNAVAILABLE, "%s cannot be locked: %s",
				 UPCALL_USERS, strerror(errno));
	TRY(put_both(helper_binary, f));
	users = share;
	share = -1;
	return OK;
}

enum err upcall_register(const char *helper_binary, struct fault *f)
{
	ENSURE(users < 0);
	if (geteuid())
		return fault_set(f, ERR_DENIED,
				 "only root can register what the kernel "
				 "calls for a key: agents claim over the "
				 "socket");
	if (access("/sbin/request-key", X_OK))
		return fault_set(f, ERR_UNSUPPORTED,
				 "there is no /sbin/request-key: install "
				 "keyutils");
	return put_locked(helper_binary, f);
}

void upcall_unregister(void)
{
	AUTO(fd_close) int change = -1;
	struct fault f;

	if (users < 0)
		return;
	if (open_lock(UPCALL_CHANGE, &change, &f) == OK &&
	    lock(change, LOCK_EX) && lock(users, LOCK_EX | LOCK_NB)) {
		take_away(&conf_place);
		take_away(&helper_place);
		/* fails where others have something in it */
		(void)rmdir(helper_place.folder);
	}
	fd_close(&users);
}
