/* A configuration file on the disk, opened and checked. Used by supervisors and the
 * command, before anything is confined; holds no secret. */
#include "lib/conf_file.h"

#include "lib/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err conf_check_owner(int fd, const char *path, mode_t type,
				 struct fault *f)
{
	struct stat st;

	ENSURE(fstat(fd, &st) == 0);
	if ((st.st_mode & S_IFMT) != type)
		return fault_set(f, ERR_INVALID, "'%s' is not a %s", path,
				 type == S_IFDIR ? "folder" : "regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return fault_set(f, ERR_DENIED,
				 "'%s' belongs to uid %u: it must belong to "
				 "root or to uid %u",
				 path, st.st_uid, geteuid());
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return fault_set(f, ERR_DENIED,
				 "'%s' can be written by others: run 'chmod "
				 "go-w %s'",
				 path, path);
	return OK;
}

enum err conf_file_open(const char *path, mode_t type, int *out,
			struct fault *f)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	AUTO(fd_close) int fd = open(path, flags);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return ERR_NOT_FOUND;
	if (fd < 0 && errno == ELOOP)
		return fault_set(f, ERR_INVALID,
				 "'%s' is a symbolic link, which is not "
				 "followed",
				 path);
	if (fd < 0)
		return fault_set(f, ERR_INVALID, "cannot open '%s': %s", path,
				 strerror(errno));
	TRY(conf_check_owner(fd, path, type, f));
	*out = fd;
	fd = -1;
	return OK;
}

static enum err conf_slurp(int fd, const char *path, struct buf *b,
			   struct fault *f)
{
	for (;;) {
		ssize_t n;

		if (buf_reserve(b, 4096) != OK)
			return fault_set(f, ERR_TOO_LARGE,
					 "'%s' is over %d bytes", path,
					 CONF_FILE_MAX);
		n = read(fd, b->p + b->len, b->cap - b->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_set(f, ERR_INVALID, "cannot read '%s': %s",
					 path, strerror(errno));
		if (!n)
			return OK;
		b->len += (size_t)n;
	}
}

enum err conf_file_read(const char *path, struct buf *out, struct fault *f)
{
	AUTO(fd_close) int fd = -1;

	TRY(conf_file_open(path, S_IFREG, &fd, f));
	return conf_slurp(fd, path, out, f);
}
