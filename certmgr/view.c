/* View: serves the file view, /run/cretula/fs, to the processes it is for. Holds the
 * descriptor of the mount, the content of files that are open, and CAP_SYS_PTRACE to
 * look at who opens them; keeper gives it a file's content at each open and not before.
 *	keeper -> view	KV_AGENT KV_GONE KV_ALL, KV_CONTENT KV_REFUSED
 *	view -> keeper	KV_OPEN KV_DENIED
 *	view -> supervisor	SUP_UNMOUNTED
 * Descriptors at start: 3 supervisor, 4 the mounted /dev/fuse. */
#include "certmgr/view.h"

#include "certmgr/roles.h"
#include "lib/child.h"

struct view view;

static struct loop_timer tell_timer;

/* The kernel's requests wait until the first keeper has told its agents: a path that
 * was there before this process is not missing for a moment. */
static void all_told(struct loop_timer *t)
{
	(void)t;
	loop_disarm(&tell_timer);
	if (chan_is_open(&view.keeper))
		view_agents_fresh();
	view_fuse_begin();
}

static bool take(const struct msg *m)
{
	switch ((enum keeper_view_kind)m->kind) {
	case KV_AGENT:
		return view_agent_told(m);
	case KV_GONE:
		return view_agent_gone(m);
	case KV_ALL:
		all_told(NULL);
		return true;
	case KV_CONTENT:
	case KV_REFUSED:
		return view_open_answered(m);
	case KV_OPEN:
	case KV_DENIED:
		break;
	}
	return false;
}

static void from_keeper(struct chan *c, const struct msg *m)
{
	(void)c;
	if (!take(m))
		child_broken("keeper");
}

/* It is being started anew. Until the next one has spoken, what is known stays. */
static void keeper_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
	view_opens_wait();
}

static void peer_came(const char *name, const struct msg *m, int fd)
{
	static const struct chan_ops ops = { from_keeper, keeper_end, NULL };

	(void)m;
	if (strcmp(name, "keeper") != 0)
		child_broken("supervisor");
	if (chan_is_open(&view.keeper))
		keeper_end(&view.keeper, NULL);
	chan_open(&view.keeper, view.loop, fd, true, &ops);
	view_agents_stale();
	loop_arm(view.loop, &tell_timer, clock_boot() + VIEW_TELL_TIME);
}

/* libfuse opens and allocates what it needs now. */
static void start(const struct msg *m)
{
	(void)m;
	view_fuse_init();
}

int role_view(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .start = start };

	tell_timer.on = all_told;
	view.loop = loop_new();
	view_agents_init();
	view_opens_init();
	child_start(view.loop, &view.sup, CONFINE_VIEW, &ops);
	child_ready(&view.sup);
	loop_arm(view.loop, &tell_timer, clock_boot() + VIEW_TELL_TIME);
	loop_run(view.loop);
	return 0;
}
