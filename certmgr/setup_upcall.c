/* Supervisor of certmgr: the socket where the kernel's helper connects. Only root gets
 * into its folder, so that whoever connects is root, and was sent by the kernel. The
 * helper runs on the host with an empty environment; what is asked for says INSTANCE. */
#include "certmgr/supervisor.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	UPCALL_BACKLOG = 1024, /* the kernel runs that many helpers at once */
};

static const struct {
	const char *path;
	mode_t mode;
	mode_t never; /* bits that it must not have */
} folders[] = {
	{ "/run/cretula", 0755, 022 },
	{ UPCALL_FOLDER, 0700, 077 },
};

/* Root's, and no link to somewhere else. */
static enum err check_folder(const char *path, mode_t mode, mode_t never,
			     struct fault *f)
{
	AUTO(fd_close) int fd = -1;
	struct stat st;

	if (mkdir(path, mode) && errno != EEXIST)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the folder '%s' cannot be made: %s; with "
				 "upcall=no certmgr does without",
				 path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return fault_set(f, ERR_UNAVAILABLE,
				 "the folder '%s' cannot be opened: %s", path,
				 strerror(errno));
	if (st.st_uid == 0 && !(st.st_mode & never))
		return OK;
	return fault_set(f, ERR_DENIED,
			 "the folder '%s' has to be root's and closed to "
			 "others: run 'chown root %s && chmod %o %s'",
			 path, path, (unsigned)mode, path);
}

static enum err make_folders(struct fault *f)
{
	mode_t old = umask(022);
	enum err e = OK;

	for (size_t i = 0; i < NELEM(folders) && e == OK; i++)
		e = check_folder(folders[i].path, folders[i].mode,
				 folders[i].never, f);
	umask(old);
	return e;
}

static void socket_path(struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(a->sun_path, sizeof a->sun_path, UPCALL_FOLDER "/%s",
		       certmgr.instance);
}

/* One that is there already is ours, of a certmgr that was killed. */
static enum err listen_there(struct fault *f)
{
	struct sockaddr_un a;
	mode_t old = umask(0177);
	AUTO(fd_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool bad;

	socket_path(&a);
	(void)unlink(a.sun_path);
	bad = fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) ||
	      listen(fd, UPCALL_BACKLOG);
	umask(old);
	if (bad)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the socket '%s' cannot be made: %s",
				 a.sun_path, strerror(errno));
	certmgr.upcall_fd = fd;
	fd = -1;
	return OK;
}

enum err certmgr_upcall_open(struct fault *f)
{
	/* without, agents claim over the socket: keeper tells */
	if (!certmgr.upcall || !sup.setup.root)
		return OK;
	TRY(make_folders(f));
	return listen_there(f);
}

void certmgr_upcall_close(void)
{
	struct sockaddr_un a;

	if (certmgr.upcall_fd < 0)
		return;
	socket_path(&a);
	(void)unlink(a.sun_path);
	fd_close(&certmgr.upcall_fd);
}
