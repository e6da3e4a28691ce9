/* View: a process that agents are bound to, as /proc and its pidfd tell. Most requests
 * come from such a process itself, so that little is read anew for each. */
#include "certmgr/view.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	TEXT_ROOM = 1024, /* of stat, or of status up to its line Gid */
};

/* How old may be what keeper writes down but nobody judges by: the ids, and the program,
 * of which is seen at once that it is another one, but that costs half as much as all
 * the rest of opening a file. */
#define KNOWN_TIME  CLOCK_SECOND
#define LOOKED_TIME (10 * CLOCK_MS)

static ssize_t text_read(int fd, char text[TEXT_ROOM])
{
	ssize_t n;

	do {
		n = pread(fd, text, TEXT_ROOM, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

static bool status_read(int fd, struct procinfo *p)
{
	char text[TEXT_ROOM];
	ssize_t n = text_read(fd, text);

	return n > 0 && procinfo_parse_status(text, (size_t)n, p) == OK;
}

static bool stat_read(int fd, struct procinfo *p)
{
	char text[TEXT_ROOM];
	ssize_t n = text_read(fd, text);

	return n > 0 && procinfo_parse_stat(text, (size_t)n, p) == OK;
}

static int proc_open(pid_t pid, const char *name)
{
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool view_caller_ids(pid_t tid, struct procinfo *p)
{
	AUTO(fd_close) int fd = tid > 0 ? proc_open(tid, "status") : -1;

	*p = (struct procinfo){ 0 };
	return fd >= 0 && status_read(fd, p);
}

bool view_owner_lives(const struct view_owner *o)
{
	struct pollfd p = { .fd = o->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

bool view_owner_ids(struct view_owner *o)
{
	return status_read(o->status, &o->now) && view_owner_lives(o);
}

bool view_owner_look(struct view_owner *o, uid_t uid, struct procinfo *who)
{
	uint64_t now = loop_now(view.loop);
	struct procinfo p;

	if (o->looked_at && now - o->looked_at < LOOKED_TIME &&
	    uid == o->now.fsuid) {
		*who = o->now;
		return view_owner_lives(o);
	}
	if (!stat_read(o->stat, &p))
		return false;
	if (!o->known_at || now - o->known_at > KNOWN_TIME || !p.image ||
	    p.image != o->now.image || uid != o->now.fsuid) {
		if (procinfo_read(o->pid, &o->now, NULL) != OK)
			return false;
		o->known_at = now;
	}
	o->now.parent = p.parent;
	o->looked_at = now;
	*who = o->now;
	return view_owner_lives(o);
}

void view_owner_free(struct view_owner *o)
{
	if (!o)
		return;
	if (o->end.loop)
		loop_unwatch(&o->end);
	fd_close(&o->pidfd);
	fd_close(&o->stat);
	fd_close(&o->status);
	free(o);
}

/* The pidfd is opened first and asked last: between that the pid was nobody else's, and
 * its start proves that it is the process keeper means. */
static bool owner_open(struct view_owner *o)
{
	struct procinfo p;

	o->pidfd = (int)syscall(SYS_pidfd_open, o->pid, 0);
	if (o->pidfd < 0)
		return false;
	o->stat = proc_open(o->pid, "stat");
	o->status = o->stat < 0 ? -1 : proc_open(o->pid, "status");
	if (o->status < 0)
		return false;
	errno = ESRCH;
	return stat_read(o->stat, &p) && p.start == o->start &&
	       view_owner_ids(o);
}

struct view_owner *view_owner_new(pid_t pid, uint64_t start)
{
	struct view_owner *o = xcalloc(1, sizeof *o);

	*o = (struct view_owner){ .pid = pid,
				  .start = start,
				  .pidfd = -1,
				  .stat = -1,
				  .status = -1 };
	if (owner_open(o))
		return o;
	if (errno != ENOENT && errno != ESRCH)
		log_text(LOG_ERR, "owner",
			 "process %d cannot be looked at (%s): its agent has "
			 "no file view",
			 (int)pid, strerror(errno));
	view_owner_free(o);
	return NULL;
}
