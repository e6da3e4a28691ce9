/* Used by ca's signer and certmgr's net: the small files of a role's own folder. What lies
 * on the disk may have been edited by whoever could write there. */
#include "lib/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FILE_MODE = 0600,
	MODE_BITS = 07777,
	OWN_NAME = 64,
};

static enum err disk(const char *name, const char *what, struct fault *f)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the disk is full: '%s' cannot be %s", name,
				 what);
	return fault_set(f, ERR_UNAVAILABLE, "'%s' cannot be %s: %s", name,
			 what, strerror(errno));
}

bool own_file_there(int dir, const char *name)
{
	struct stat st;

	return !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || errno != ENOENT;
}

static enum err check(int fd, const char *name, struct stat *st,
		      struct fault *f)
{
	if (fstat(fd, st))
		return disk(name, "read", f);
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() ||
	    st->st_nlink != 1)
		return fault_set(f, ERR_INVALID,
				 "'%s' has to be a plain file of uid %u with "
				 "one name",
				 name, geteuid());
	if ((st->st_mode & MODE_BITS) != FILE_MODE)
		return fault_set(
			f, ERR_INVALID,
			"'%s' has mode %04o: set it to 0600 with chmod", name,
			st->st_mode & MODE_BITS);
	return OK;
}

enum err own_file_read(int dir, const char *name, struct buf *out,
		       struct fault *f)
{
	AUTO(fd_close)
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	uint8_t *at;

	if (fd < 0 && errno == ENOENT)
		return fault_set(f, ERR_NOT_FOUND, "there is no '%s'", name);
	if (fd < 0)
		return disk(name, "opened", f);
	TRY(check(fd, name, &st, f));
	if (st.st_size < 0 || buf_reserve(out, (size_t)st.st_size) != OK)
		return fault_set(f, ERR_TOO_LARGE, "'%s' is over %zu bytes",
				 name, out->max);
	TRY(buf_grow(out, (size_t)st.st_size, &at));
	if (pread(fd, at, (size_t)st.st_size, 0) != (ssize_t)st.st_size)
		return disk(name, "read", f);
	return OK;
}

static enum err write_beside(int dir, const char *name, const char *temp,
			     const struct buf *b, struct fault *f)
{
	AUTO(fd_close) int fd = -1;

	if (unlinkat(dir, temp, 0) && errno != ENOENT)
		return disk(name, "replaced", f);
	fd = openat(dir, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    FILE_MODE);
	if (fd < 0 || fchmod(fd, FILE_MODE))
		return disk(name, "made", f);
	if (write(fd, b->p, b->len) != (ssize_t)b->len || fsync(fd))
		return disk(name, "written", f);
	return OK;
}

enum err own_file_replace(int dir, const char *name, const struct buf *b,
			  struct fault *f)
{
	char temp[OWN_NAME];
	enum err e;

	ENSURE(snprintf(temp, sizeof temp, "%s.new", name) < OWN_NAME);
	e = write_beside(dir, name, temp, b, f);
	if (e == OK && (renameat(dir, temp, dir, name) || fsync(dir)))
		e = disk(name, "put in place", f);
	if (e != OK)
		(void)unlinkat(dir, temp, 0);
	return e;
}
