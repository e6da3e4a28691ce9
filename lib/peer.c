/* Door: who is behind a connection. Holds descriptors of that process only. */
#include "lib/peer.h"

#include "lib/procinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum {
	PEER_CGROUP_MAX = 4096
};

static int open_pidfd(int sock, pid_t pid)
{
	int fd = -1;
	socklen_t n = sizeof fd;

	/* since Linux 6.5 the kernel gives the very process that connected */
	if (!getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &n) && fd >= 0)
		return fd;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool pidfd_alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static int open_proc(pid_t pid, const char *name, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC);
}

static bool stat_proc(pid_t pid, const char *name, struct stat *st)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return !stat(path, st);
}

/* A process in a user namespace of its own arranges its own mounts and pids: what
 * it runs proves nothing to us. */
static bool same_user_namespace(pid_t pid)
{
	struct stat theirs, ours;

	return stat_proc(pid, "ns/user", &theirs) &&
	       !stat("/proc/self/ns/user", &ours) &&
	       theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

static bool exe_of(pid_t pid, uint64_t *dev, uint64_t *ino)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	return procinfo_exe(AT_FDCWD, path, dev, ino);
}

static void look_at_exe(struct peer *p)
{
	uint64_t dev = 0, ino = 0;

	p->exe_known = p->maps >= 0 && same_user_namespace(p->pid) &&
		       exe_of(p->pid, &dev, &ino);
	p->exe_dev = dev;
	p->exe_ino = ino;
}

static bool is_unit(const char *s, size_t n)
{
	static const char *const kinds[] = { ".service", ".scope", ".socket",
					     ".mount", ".swap" };

	for (size_t i = 0; i < NELEM(kinds); i++) {
		size_t k = strlen(kinds[i]);

		if (n > k && n < PEER_UNIT_MAX &&
		    !memcmp(s + n - k, kinds[i], k))
			return true;
	}
	return false;
}

void peer_units(const char *cgroup, char unit[PEER_UNIT_MAX],
		char user_unit[PEER_UNIT_MAX])
{
	bool user = false;

	unit[0] = user_unit[0] = 0;
	for (const char *at = cgroup; *at;) {
		size_t n = strcspn(at, "/\n");

		if (is_unit(at, n)) {
			char *to = user ? user_unit : unit;

			/* the outermost unit is systemd's, what is below it
			 * belongs to whom systemd gave the subtree */
			if (!to[0]) {
				memcpy(to, at, n);
				to[n] = 0;
			}
			if (n > 5 && !memcmp(at, "user@", 5))
				user = true;
		}
		at += n;
		if (*at == '\n')
			break;
		at += *at == '/';
	}
}

static void look_at_units(struct peer *p)
{
	char text[PEER_CGROUP_MAX];
	AUTO(fd_close) int fd = open_proc(p->pid, "cgroup", O_RDONLY);
	const char *v2;
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof text - 1);
	if (n <= 0)
		return;
	text[n] = 0;
	v2 = strstr(text, "0::/");
	if (v2 && (v2 == text || v2[-1] == '\n'))
		peer_units(v2 + 3, p->unit, p->user_unit);
}

enum err peer_open(int sock, struct peer *p, struct fault *f)
{
	struct ucred u;
	socklen_t n = sizeof u;

	*p = (struct peer){ .pidfd = -1, .maps = -1 };
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &u, &n) || u.pid <= 0)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the kernel does not say who connected");
	p->pid = u.pid;
	p->uid = u.uid;
	p->gid = u.gid;
	p->pidfd = open_pidfd(sock, u.pid);
	if (p->pidfd >= 0) {
		p->maps = open_proc(p->pid, "maps", O_RDONLY);
		look_at_exe(p);
		look_at_units(p);
	}
	/* alive after all was read: every answer was about this process */
	if (p->pidfd < 0 || !pidfd_alive(p->pidfd)) {
		peer_close(p);
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "process %d ended while it connected",
				 (int)u.pid);
	}
	return OK;
}

void peer_close(struct peer *p)
{
	fd_close(&p->pidfd);
	fd_close(&p->maps);
}

bool peer_alive(const struct peer *p)
{
	char c;

	if (!pidfd_alive(p->pidfd))
		return false;
	return p->maps < 0 || pread(p->maps, &c, 1, 0) == 1;
}

bool peer_same_program(const struct peer *p)
{
	uint64_t dev, ino;

	return p->exe_known && exe_of(p->pid, &dev, &ino) &&
	       dev == p->exe_dev && ino == p->exe_ino &&
	       same_user_namespace(p->pid) && peer_alive(p);
}

static bool safe_for(const struct stat *st, uid_t uid)
{
	if (st->st_uid == uid && uid != 0)
		return false;
	/* the group's bits are also the most that an access list gives anybody,
	 * so they count whatever the group is */
	return !(st->st_mode & (S_IWGRP | S_IWOTH));
}

bool peer_path_safe(const char *path, uid_t uid)
{
	char way[PATH_MAX];
	size_t n = strlen(path);
	struct stat st;

	if (path[0] != '/' || n >= sizeof way)
		return false;
	memcpy(way, path, n + 1);
	for (;;) {
		char *slash;

		if (stat(way, &st) || !safe_for(&st, uid))
			return false;
		if (!strcmp(way, "/"))
			return true;
		slash = strrchr(way, '/');
		slash[slash == way ? 1 : 0] = 0;
	}
}

bool peer_runs(const struct peer *p, const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (!peer_same_program(p) || !realpath(path, real) || stat(real, &st))
		return false;
	if (st.st_dev != p->exe_dev || st.st_ino != p->exe_ino)
		return false;
	return peer_path_safe(real, p->uid) && peer_path_safe(path, p->uid);
}

static enum err format_groups(int sock, gid_t gid, struct attrs *out)
{
	gid_t set[PEER_GROUPS_MAX];
	socklen_t n = sizeof set;
	struct buf text;
	enum err e;

	buf_init(&text, 16 * (PEER_GROUPS_MAX + 1));
	e = buf_fmt(&text, "%u", (unsigned)gid);
	if (!getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, set, &n))
		for (size_t i = 0; i < n / sizeof set[0] && e == OK; i++)
			e = buf_fmt(&text, ",%u", (unsigned)set[i]);
	if (e == OK)
		e = attrs_add(out, "groups", 0, text.p, text.len);
	buf_wipe(&text);
	return e;
}

static enum err format_exe(const struct peer *p, struct attrs *out)
{
	char path[64], target[PATH_MAX];
	ssize_t n;

	if (!p->exe_known)
		return OK;
	(void)snprintf(path, sizeof path, "/proc/%d/exe", (int)p->pid);
	n = readlink(path, target, sizeof target);
	if (n <= 0 || (size_t)n >= sizeof target)
		return OK;
	return attrs_add(out, "exe", 0, target, (size_t)n);
}

enum err peer_format_who(const struct peer *p, int sock, struct attrs *out)
{
	TRY(attrs_add_u64(out, "uid", p->uid));
	TRY(attrs_add_u64(out, "gid", p->gid));
	TRY(format_groups(sock, p->gid, out));
	return attrs_add_u64(out, "pid", (uint64_t)p->pid);
}

enum err peer_format(const struct peer *p, int sock, struct attrs *out)
{
	TRY(peer_format_who(p, sock, out));
	if (p->unit[0])
		TRY(attrs_add_str(out, "unit", p->unit));
	if (p->user_unit[0])
		TRY(attrs_add_str(out, "user_unit", p->user_unit));
	return format_exe(p, out);
}
