/* Files the command writes. Runs in cretula; holds nothing. */
#include "tools/file_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err failed(const char *name, struct fault *f)
{
	return fault_set(f, ERR_INVALID, "'%s' cannot be written: %s", name,
			 strerror(errno));
}

enum err file_write_at(int dir, const char *name, const void *p, size_t n,
		       mode_t mode, struct fault *f)
{
	char temp[NAME_MAX + 1];
	AUTO(fd_close) int fd = -1;
	int no;

	if (snprintf(temp, sizeof temp, ".%s.%d", name, (int)getpid()) >=
	    (int)sizeof temp)
		return fault_set(f, ERR_INVALID, "'%s' is too long a name",
				 name);
	(void)unlinkat(dir, temp, 0);
	fd = openat(dir, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return failed(name, f);
	if (fd_write(fd, p, n) && !fchmod(fd, mode) && !fsync(fd) &&
	    !renameat(dir, temp, dir, name) && !fsync(dir))
		return OK;
	no = errno;
	(void)unlinkat(dir, temp, 0);
	errno = no;
	return failed(name, f);
}

enum err file_remove_at(int dir, const char *name, struct fault *f)
{
	if (!unlinkat(dir, name, 0) && !fsync(dir))
		return OK;
	return fault_set(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID,
			 "'%s' cannot be removed: %s", name, strerror(errno));
}

static enum err write_special(const char *path, const void *p, size_t n,
			      struct fault *f)
{
	AUTO(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || !fd_write(fd, p, n))
		return failed(path, f);
	return OK;
}

enum err file_write(const char *path, const void *p, size_t n, mode_t mode,
		    struct fault *f)
{
	const char *slash = strrchr(path, '/');
	AUTO(mem_free) char *folder = NULL;
	AUTO(fd_close) int dir = -1;
	struct stat st;

	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return write_special(path, p, n, f);
	folder = slash ? xmemdup(path, (size_t)(slash - path) + 2)
		       : xstrdup(".");
	if (slash)
		folder[slash - path + 1] = '\0';
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return failed(path, f);
	return file_write_at(dir, slash ? slash + 1 : path, p, n, mode, f);
}
