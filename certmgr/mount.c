/* Supervisor, as root: mounts the file view and takes dead mounts away. What is mounted
 * is read in /proc/self/mountinfo and not asked of the mount itself, which need not
 * answer. */
#include "certmgr/mount.h"

#include "lib/buf.h"
#include "lib/rd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOUNT_TYPE "fuse.cretula"

enum {
	MOUNTS_TEXT_MAX = 64 << 20, /* of /proc/self/mountinfo */
	MOUNTS_GULP = 64 << 10,
	MOUNT_DEPTH_MAX = 64, /* dead mounts on each other */
	MOUNT_POINT = 4,      /* fields of a line, from 0 */
	FOLDER_MODE = 0755,
};

/* What is mounted */

struct field {
	const uint8_t *p;
	size_t n;
};

/* The next field of a line, and the blank after it. */
static bool field_next(struct rd *r, struct field *w)
{
	const uint8_t *end, *skipped;

	if (!rd_left(r))
		return false;
	end = memchr(r->p, ' ', rd_left(r));
	w->n = end ? (size_t)(end - r->p) : rd_left(r);
	return rd_bytes(r, w->n, &w->p) == OK &&
	       (!end || rd_bytes(r, 1, &skipped) == OK);
}

static bool field_is(const struct field *w, const char *text)
{
	return w->n == strlen(text) && !memcmp(w->p, text, w->n);
}

/* The kernel writes blanks, line ends and backslashes as \ooo. */
static bool field_is_path(const struct field *w, const char *path)
{
	struct rd r = rd_from(w->p, w->n);

	for (const char *c = path; *c; c++) {
		char want[8];
		const uint8_t *p;
		size_t n;

		if (strchr(" \t\n\\", *c))
			(void)snprintf(want, sizeof want, "\\%03o",
				       (unsigned)(unsigned char)*c);
		else
			(void)snprintf(want, sizeof want, "%c", *c);
		n = strlen(want);
		if (rd_bytes(&r, n, &p) != OK || memcmp(p, want, n) != 0)
			return false;
	}
	return !rd_left(&r);
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [OPTIONAL …] - TYPE SOURCE OPTIONS" */
static enum err line_read(struct rd line, const char *folder, bool *here,
			  bool *ours)
{
	struct field w = { NULL, 0 };

	for (unsigned i = 0; i <= MOUNT_POINT; i++)
		if (!field_next(&line, &w))
			return ERR_INVALID;
	*here = field_is_path(&w, folder);
	do {
		if (!field_next(&line, &w))
			return ERR_INVALID;
	} while (!field_is(&w, "-"));
	if (!field_next(&line, &w))
		return ERR_INVALID;
	*ours = field_is(&w, MOUNT_TYPE);
	return OK;
}

enum err view_mounts_count(const char *text, size_t len, const char *folder,
			   size_t *count, bool *other)
{
	struct rd r = rd_from(text, len);
	bool foreign = false;
	size_t n = 0;

	while (rd_left(&r)) {
		const uint8_t *end = memchr(r.p, '\n', rd_left(&r));
		bool here = false, ours = false;
		const uint8_t *p, *skipped;
		size_t chars;

		if (!end)
			return ERR_INVALID;
		chars = (size_t)(end - r.p);
		TRY(rd_bytes(&r, chars, &p));
		TRY(rd_bytes(&r, 1, &skipped));
		TRY(line_read(rd_from(p, chars), folder, &here, &ours));
		if (!here)
			continue;
		foreign = !ours;
		n += ours;
	}
	*count = n;
	*other = foreign;
	return OK;
}

static enum err mounts_on(const char *folder, size_t *count, bool *other,
			  struct fault *f)
{
	AUTO(fd_close)
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	AUTO(buf_wipe) struct buf b = { .max = MOUNTS_TEXT_MAX };
	ssize_t n = -1;

	while (fd >= 0) {
		uint8_t *at;

		TRY(buf_reserve(&b, MOUNTS_GULP));
		at = b.p + b.len;
		n = read(fd, at, MOUNTS_GULP);
		if (n <= 0)
			break;
		b.len += (size_t)n;
	}
	if (n < 0)
		return fault_set(f, ERR_UNAVAILABLE,
				 "/proc/self/mountinfo cannot be read: %s",
				 strerror(errno));
	if (view_mounts_count((const char *)b.p, b.len, folder, count, other) !=
	    OK)
		return fault_set(f, ERR_UNAVAILABLE,
				 "/proc/self/mountinfo is not as this program "
				 "knows it");
	return OK;
}

/* Folders */

static enum err path_check(const char *path, struct fault *f)
{
	const char *slash = strrchr(path, '/');

	if (path[0] == '/' && strlen(path) < PATH_MAX && slash[1] &&
	    strcmp(slash, "/.") != 0 && strcmp(slash, "/..") != 0)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "'%s' cannot be the folder of the file view: it has "
			 "to be an absolute path to a folder below another one",
			 path);
}

/* The path as the kernel has it. Only what is above the last part is looked at: the
 * folder itself may be a dead mount. */
static enum err folder_name(const char *path, char out[PATH_MAX],
			    struct fault *f)
{
	const char *slash = strrchr(path, '/');
	char above[PATH_MAX], real[PATH_MAX];
	int n;

	ENSURE(slash != NULL);
	(void)snprintf(above, sizeof above, "%.*s",
		       slash == path ? 1 : (int)(slash - path), path);
	if (!realpath(above, real))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the folder '%s' cannot be used: %s", above,
				 strerror(errno));
	n = snprintf(out, PATH_MAX, "%s%s", strcmp(real, "/") ? real : "",
		     slash);
	if (n < 0 || n >= PATH_MAX)
		return fault_set(f, ERR_INVALID, "'%s' is too long a path",
				 path);
	return OK;
}

/* Whoever comes between two mounts finds nothing (ENOENT), and is not forbidden to look
 * (EACCES), which would not pass. False: errno; also if it is there. */
static bool folder_made(const char *path)
{
	mode_t old = umask(022);
	bool made = !mkdir(path, FOLDER_MODE);

	umask(old);
	return made;
}

/* mkdir -p, but for the last part. */
static enum err folders_above(const char *path, struct fault *f)
{
	for (const char *at = strchr(path + 1, '/'); at;
	     at = strchr(at + 1, '/')) {
		char above[PATH_MAX];

		(void)snprintf(above, sizeof above, "%.*s", (int)(at - path),
			       path);
		if (!folder_made(above) && errno != EEXIST)
			return fault_set(f, ERR_UNAVAILABLE,
					 "the folder '%s' cannot be made: %s",
					 above, strerror(errno));
	}
	return OK;
}

/* The folder to mount on: nobody else may be able to put anything into it. */
static enum err folder_open(const char *folder, int *fd, struct fault *f)
{
	AUTO(fd_close) int dir = -1;
	struct stat st;

	if (!folder_made(folder) && errno != EEXIST)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the folder '%s' cannot be made: %s", folder,
				 strerror(errno));
	dir = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the folder '%s' cannot be opened: %s", folder,
				 strerror(errno));
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return fault_set(f, ERR_DENIED,
				 "the file view is not mounted on '%s': others "
				 "can write there: give it to root, mode 0755",
				 folder);
	*fd = dir;
	dir = -1;
	return OK;
}

/* Mounting */

static enum err clear(const char *folder, struct fault *f)
{
	for (unsigned i = 0; i < MOUNT_DEPTH_MAX; i++) {
		size_t count = 0;
		bool other = false;

		TRY(mounts_on(folder, &count, &other, f));
		if (!count)
			return OK;
		if (other)
			return fault_set(f, ERR_DENIED,
					 "something else is mounted on '%s': "
					 "unmount it, or choose another view=",
					 folder);
		if (umount2(folder, MNT_DETACH | UMOUNT_NOFOLLOW) &&
		    errno != EINVAL)
			return fault_set(f, ERR_UNAVAILABLE,
					 "the old mount on '%s' cannot be "
					 "taken away: %s",
					 folder, strerror(errno));
	}
	return fault_set(f, ERR_UNAVAILABLE,
			 "more than %d mounts lie on '%s': unmount them",
			 MOUNT_DEPTH_MAX, folder);
}

static enum err device_open(int *fd, struct fault *f)
{
	*fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (*fd >= 0)
		return OK;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return fault_set(f, ERR_UNSUPPORTED,
				 "there is no file view without /dev/fuse: "
				 "load the kernel module fuse");
	return fault_set(f, ERR_UNAVAILABLE, "/dev/fuse cannot be opened: %s",
			 strerror(errno));
}

static enum err mount_on(int dir, const char *folder, int fuse, struct fault *f)
{
	const unsigned long flags =
		MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
	char options[128], at[32];

	(void)snprintf(options, sizeof options,
		       "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other",
		       fuse, S_IFDIR | 0555u);
	(void)snprintf(at, sizeof at, "/proc/self/fd/%d", dir);
	if (!mount("cretula", at, MOUNT_TYPE, flags, options))
		return OK;
	if (errno == ENODEV)
		return fault_set(f, ERR_UNSUPPORTED,
				 "there is no file view without FUSE: load "
				 "the kernel module fuse");
	return fault_set(f, errno == EPERM ? ERR_DENIED : ERR_UNAVAILABLE,
			 "the file view cannot be mounted on '%s': %s", folder,
			 strerror(errno));
}

enum err view_mount(const char *path, int *fuse_fd, struct fault *f)
{
	AUTO(fd_close) int fuse = -1;
	AUTO(fd_close) int dir = -1;
	char folder[PATH_MAX];

	TRY(path_check(path, f));
	TRY(folders_above(path, f));
	TRY(folder_name(path, folder, f));
	TRY(clear(folder, f));
	TRY(folder_open(folder, &dir, f));
	TRY(device_open(&fuse, f));
	TRY(mount_on(dir, folder, fuse, f));
	*fuse_fd = fuse;
	fuse = -1;
	return OK;
}

enum err view_unmount(const char *path, struct fault *f)
{
	char folder[PATH_MAX];

	TRY(path_check(path, f));
	TRY(folder_name(path, folder, f));
	return clear(folder, f);
}
