/* net: its own small files, read and replaced whole, in the folder that is descriptor 4.
 * The private key of the node passes through here, in secret memory. */
#include "certmgr/net.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLDER = 4,
	FILE_MODE = 0600,
	MODE_BITS = 07777,
	FILE_MAX = 128 << 10,
	FILE_NAME = 32,
};

static enum err disk(const char *name, const char *what, struct fault *f)
{
	return fault_set(f, ERR_UNAVAILABLE,
			 "the file '%s' of net's state folder cannot be %s: %s",
			 name, what, strerror(errno));
}

static enum err check(int fd, const char *name, struct stat *st,
		      struct fault *f)
{
	if (fstat(fd, st))
		return disk(name, "read", f);
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() ||
	    st->st_nlink != 1 || (st->st_mode & MODE_BITS) != FILE_MODE ||
	    st->st_size > FILE_MAX)
		return fault_set(f, ERR_INVALID,
				 "the file '%s' of net's state folder has to "
				 "be a plain file of uid %u, mode 0600",
				 name, geteuid());
	return OK;
}

enum err net_file_read(const char *name, struct attrs *out, struct fault *f)
{
	AUTO(fd_close)
	int fd = openat(FOLDER, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(buf_wipe) struct buf b = { 0 };
	struct attr_view v;
	struct stat st;
	uint8_t *at;

	if (fd < 0 && errno == ENOENT)
		return ERR_NOT_FOUND;
	if (fd < 0)
		return disk(name, "opened", f);
	TRY(check(fd, name, &st, f));
	buf_init_secret(&b, FILE_MAX);
	TRY(buf_grow(&b, (size_t)st.st_size, &at));
	if (pread(fd, at, b.len, 0) != (ssize_t)b.len)
		return disk(name, "read", f);
	if (attr_parse(b.p, b.len, &v, f) != OK || attrs_add_view(out, v) != OK)
		return fault_set(f, ERR_INVALID,
				 "the file '%s' of net's state folder is not "
				 "what net wrote",
				 name);
	return OK;
}

static enum err write_beside(const char *name, const char *temp,
			     const struct buf *b, struct fault *f)
{
	AUTO(fd_close) int fd = -1;

	if (unlinkat(FOLDER, temp, 0) && errno != ENOENT)
		return disk(name, "replaced", f);
	fd = openat(FOLDER, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    FILE_MODE);
	if (fd < 0 || fchmod(fd, FILE_MODE))
		return disk(name, "made", f);
	if (write(fd, b->p, b->len) != (ssize_t)b->len || fsync(fd))
		return disk(name, "written", f);
	return OK;
}

enum err net_file_write(const char *name, const struct attrs *a,
			struct fault *f)
{
	char temp[FILE_NAME];
	enum err e;

	ENSURE(a->bytes.len <= FILE_MAX &&
	       snprintf(temp, sizeof temp, "%s.new", name) < FILE_NAME);
	e = write_beside(name, temp, &a->bytes, f);
	if (e == OK && (renameat(FOLDER, temp, FOLDER, name) || fsync(FOLDER)))
		e = disk(name, "put in place", f);
	if (e != OK)
		(void)unlinkat(FOLDER, temp, 0);
	return e;
}

void net_file_drop(const char *name)
{
	if (unlinkat(FOLDER, name, 0) && errno != ENOENT)
		log_text(LOG_WARN, "file_left", "'%s' cannot be removed: %s",
			 name, strerror(errno));
}
