/* Door looks at a process for the core, which has it as a pidfd, as a connection, or as
 * pid and start from before. Holds one pidfd at a time.
 *	core -> door	DC_EXAMINE [+ pidfd | conn= | pid= start=]
 *	door -> core	DC_EXAMINED alive=no | alive=yes pid= … + pidfd */
#include "lib/door.h"

#include "lib/child.h"
#include "lib/kinds.h"
#include "lib/procinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The process behind a connection as long as it has not exec'ed, which is asked after
 * everything was read. */
static bool look_at_conn(const struct msg *m, int *pidfd, struct procinfo *p)
{
	uint32_t id = (uint32_t)child_number(m, "conn", UINT32_MAX);
	const struct door_conn *c = door_conn_find(id);
	struct fault f;

	if (!c || c->proc->dead)
		return false;
	*pidfd = fcntl(c->proc->peer.pidfd, F_DUPFD_CLOEXEC, 0);
	return *pidfd >= 0 && procinfo_of_pidfd(*pidfd, p, &f) == OK &&
	       peer_alive(&c->proc->peer);
}

/* A pid may be somebody else's by now: start says; 0: the core finds out itself. */
static bool look_at_pid(const struct msg *m, int *pidfd, struct procinfo *p)
{
	pid_t pid = (pid_t)child_number(m, "pid", INT32_MAX);
	uint64_t start = child_number(m, "start", UINT64_MAX);
	struct fault f;

	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return *pidfd >= 0 && procinfo_of_pidfd(*pidfd, p, &f) == OK &&
	       p->pid == pid && (!start || p->start == start);
}

static bool look(const struct msg *m, int *pidfd, struct procinfo *p)
{
	struct fault f;

	if (attr_count(m->attrs, "conn"))
		return look_at_conn(m, pidfd, p);
	if (attr_count(m->attrs, "pid"))
		return look_at_pid(m, pidfd, p);
	if (*pidfd < 0)
		child_broken("core");
	return procinfo_of_pidfd(*pidfd, p, &f) == OK;
}

void door_examine(const struct msg *m, int pidfd)
{
	AUTO(fd_close) int fd = pidfd;
	struct procinfo p = { 0 };
	struct attrs out;

	attrs_init(&out);
	if (look(m, &fd, &p)) {
		ENSURE(attrs_add_str(&out, "alive", "yes") == OK);
		ENSURE(procinfo_format(&p, &out) == OK);
		(void)!chan_post_fds(&door.core, DC_EXAMINED, m->id,
				     attrs_view(&out), &fd, 1);
		fd = -1;
		if (chan_posted(&door.core))
			chan_pause(&door.core, true);
	} else {
		ENSURE(attrs_add_str(&out, "alive", "no") == OK);
		chan_tell(&door.core, DC_EXAMINED, m->id, attrs_view(&out));
	}
	attrs_wipe(&out);
}
