/* Keeper: what a pidfd itself tells. */
#include "certmgr/keeper_pidfd.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* <linux/pidfd.h> of Linux 6.13; Debian 12's headers are older. */
struct pidfd_info {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid;
	uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};

enum {
	PIDFD_IDS = 1 << 0 | 1 << 1, /* pid and credentials: always told */
};

#define PIDFD_GET_INFO _IOWR(0xff, 11, struct pidfd_info)

_Static_assert(sizeof(struct pidfd_info) == 64, "its first version");

enum err pidfd_look(int pidfd, struct procinfo *p, struct fault *f)
{
	struct pidfd_info i = { .mask = PIDFD_IDS };
	socklen_t n = sizeof(int);
	int type;

	memset(p, 0, sizeof *p);
	if (ioctl(pidfd, PIDFD_GET_INFO, &i)) {
		if (errno == ESRCH)
			return fault_set(f, ERR_NOT_FOUND,
					 "the process of this pidfd has "
					 "ended");
		if (!getsockopt(pidfd, SOL_SOCKET, SO_TYPE, &type, &n))
			return fault_set(f, ERR_INVALID,
					 "the second descriptor of agent.spawn "
					 "is a pidfd: this one is a socket");
		return fault_set(f, ERR_UNSUPPORTED,
				 "this kernel does not say what a pidfd is");
	}
	if (!i.pid || i.pid != i.tgid)
		return fault_set(f, ERR_INVALID,
				 "the pidfd is of no process that can be seen "
				 "from here");
	p->pid = (pid_t)i.pid;
	p->parent = (pid_t)i.ppid;
	p->uid = i.ruid;
	p->euid = i.euid;
	p->fsuid = i.fsuid;
	p->gid = i.rgid;
	return OK;
}
