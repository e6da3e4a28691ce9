/* View: who may see an agent's folder, by what /proc tells of the caller, who waits in
 * the kernel for our answer and so can neither end nor become another one meanwhile.
 *
 * It is the agent's process, or, unless self=yes, a descendant of it whose real,
 * effective and file system uid are the agent's present ones and whose user namespace
 * is the agent's. Who was reparented away is no descendant any more. Nobody else, not
 * root either. */
#include "certmgr/view.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	DENIED_MAX = 64, /* processes whose last refusal is remembered */
};

/* How long a descendant that was let see a folder is not looked at anew: for the few
 * requests that one path takes. Opening is always judged. */
#define SEEN_TIME (2 * CLOCK_MS)

/* Descent */

/* The next process to look at on the way up, and when the one below it started. */
struct climb {
	pid_t pid;
	uint64_t start;
	unsigned depth;
};

/* A parent is older than its child. A younger process under its pid is another one,
 * which came when the parent had gone. */
static bool climb(struct climb *c)
{
	struct procinfo p;

	if (c->pid <= 0 || ++c->depth > VIEW_DEPTH ||
	    procinfo_read_stat(c->pid, &p, NULL) != OK || p.start > c->start)
		return false;
	c->pid = p.parent;
	c->start = p.start;
	return true;
}

static struct climb climb_from(const struct procinfo *who)
{
	return (struct climb){ .pid = who->parent,
			       .start = who->start ? who->start : UINT64_MAX };
}

static bool is_below(const struct view_owner *o, const struct procinfo *who)
{
	struct climb c = climb_from(who);

	while (c.pid != o->pid)
		if (!climb(&c) || c.start < o->start)
			return false;
	return true;
}

/* Rules */

static bool all_ids_are(const struct procinfo *p, uid_t uid)
{
	return p->uid == uid && p->euid == uid && p->fsuid == uid;
}

/* 0: there is no such process. */
static uint64_t user_ns_of(pid_t id)
{
	struct stat st;
	char path[32];

	(void)snprintf(path, sizeof path, "/proc/%d/ns/user", (int)id);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* The agent's, as it was when the agent began and as it is. */
static bool in_user_ns(const struct view_agent *a, const struct procinfo *who)
{
	return who->user_ns && who->user_ns == a->user_ns &&
	       who->user_ns == user_ns_of(a->owner->pid);
}

/* Others are sent away before anything costs: the way up may be long, and everybody waits
 * meanwhile. Whether the owner lives is asked last: its pid was its own all the time then. */
static bool descends(const struct view_agent *a, const struct procinfo *who,
		     uid_t uid)
{
	return !a->self && all_ids_are(who, uid) && view_owner_ids(a->owner) &&
	       all_ids_are(&a->owner->now, uid) && in_user_ns(a, who) &&
	       is_below(a->owner, who) && view_owner_lives(a->owner);
}

/* Ids, parent and user namespace of the process of a thread. */
static bool caller_look(pid_t tid, struct procinfo *who)
{
	if (!view_caller_ids(tid, who))
		return false;
	who->user_ns = user_ns_of(tid);
	return true;
}

static bool is_thread_of(const struct view_owner *o, pid_t tid)
{
	char path[48];

	if (tid == o->pid)
		return true;
	(void)snprintf(path, sizeof path, "/proc/%d/task/%d", (int)o->pid,
		       (int)tid);
	return !faccessat(AT_FDCWD, path, F_OK, 0);
}

static bool looks_so(const struct view_agent *a, pid_t tid, uid_t uid)
{
	static struct {
		uint64_t agent, at;
		pid_t tid;
		uid_t uid;
	} last;
	struct procinfo who;

	if (last.agent == a->number && last.tid == tid && last.uid == uid &&
	    loop_now(view.loop) - last.at < SEEN_TIME)
		return view_owner_lives(a->owner);
	if (!caller_look(tid, &who) || !descends(a, &who, uid))
		return false;
	last.agent = a->number;
	last.at = loop_now(view.loop);
	last.tid = tid;
	last.uid = uid;
	return true;
}

bool view_may_see(const struct view_agent *a, pid_t tid, uid_t uid)
{
	if (!a->owner || tid <= 0)
		return false;
	if (is_thread_of(a->owner, tid))
		return view_owner_lives(a->owner);
	return !a->self && looks_so(a, tid, uid);
}

bool view_may_open(const struct view_agent *a, pid_t tid, uid_t uid,
		   struct procinfo *who)
{
	if (!a->owner || tid <= 0)
		return false;
	if (is_thread_of(a->owner, tid))
		return view_owner_look(a->owner, uid, who);
	return !a->self && procinfo_read(tid, who, NULL) == OK &&
	       descends(a, who, uid);
}

/* The root's list */

struct seen {
	const struct view_agent **agent;
	size_t count;
};

static void seen_add(struct seen *s, const struct view_agent *a)
{
	size_t i = s->count;

	if (s->count == VIEW_SEEN)
		return;
	for (; i && s->agent[i - 1]->number > a->number; i--)
		s->agent[i] = s->agent[i - 1];
	s->agent[i] = a;
	s->count++;
}

/* The agents of one process: its own, or those of an ancestor. */
static void seen_of(struct seen *s, struct view_owner *o, bool itself,
		    const struct procinfo *who, uid_t uid)
{
	if (!o || !view_owner_ids(o))
		return;
	if (!itself && (!all_ids_are(who, uid) || !all_ids_are(&o->now, uid)))
		return;
	for (const struct view_agent *a = o->agents; a; a = a->next)
		if (!a->gone && (itself || (!a->self && in_user_ns(a, who))))
			seen_add(s, a);
}

size_t view_seen(pid_t tid, uid_t uid, const struct view_agent *seen[VIEW_SEEN])
{
	struct seen s = { .agent = seen };
	struct procinfo who;
	struct climb c;

	if (!caller_look(tid, &who))
		return 0;
	seen_of(&s, view_owner_find(who.pid), true, &who, uid);
	c = climb_from(&who);
	do {
		seen_of(&s, view_owner_find(c.pid), false, &who, uid);
	} while (climb(&c));
	return s.count;
}

/* Refusals */

static struct {
	pid_t pid;
	uint64_t at;
} denied[DENIED_MAX];

/* True if nothing was told of that process or thread within a second. When too many
 * want in at once, not all are told. */
static bool denied_now(pid_t pid, uint64_t now)
{
	size_t oldest = 0;

	for (size_t i = 0; i < DENIED_MAX; i++) {
		if (denied[i].pid == pid && now - denied[i].at < CLOCK_SECOND)
			return false;
		if (denied[i].at < denied[oldest].at)
			oldest = i;
	}
	if (denied[oldest].at && now - denied[oldest].at < CLOCK_SECOND)
		return false;
	denied[oldest].pid = pid;
	denied[oldest].at = now;
	return true;
}

void view_denied(const char *agent, pid_t tid)
{
	uint64_t now = loop_now(view.loop);
	struct procinfo who;
	struct attrs out;

	if (!chan_is_open(&view.keeper) || tid <= 0 || !denied_now(tid, now) ||
	    procinfo_read(tid, &who, NULL) != OK ||
	    (who.pid != tid && !denied_now(who.pid, now)))
		return;
	attrs_init(&out);
	ENSURE(attrs_add_str(&out, "agent", agent) == OK);
	ENSURE(procinfo_format(&who, &out) == OK);
	chan_tell(&view.keeper, KV_DENIED, 0, attrs_view(&out));
	attrs_wipe(&out);
}
