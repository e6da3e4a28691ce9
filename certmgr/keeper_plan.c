/* Keeper: an agent that may be started is made: what was asked for is checked, and the plan
 * put where a new keeper finds it; then the token is given out and the caller answered. */
#include "certmgr/keeper_spawn.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Names travel to the CA as they are; it decides about them. */
static enum err take_names(struct agent *a, struct attr_view v, struct fault *f)
{
	struct attr at;

	while (attr_next(&v, &at)) {
		if (!attr_named(&at, "name") && !attr_named(&at, "uri"))
			continue;
		if (attrs_add_attr(&a->names, &at) != OK ||
		    a->names.bytes.len > KEEPER_NAMES)
			return fault_set(f, ERR_TOO_LARGE,
					 "names and endpoints of one agent may "
					 "have %d bytes together",
					 KEEPER_NAMES);
	}
	return OK;
}

static enum err take_view(struct agent *a, struct attr_view v, struct fault *f)
{
	char text[8] = "no";
	enum err e = call_text(v, "view", text, sizeof text, f);

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	if (!strcmp(text, "no"))
		return OK;
	if (strcmp(text, "yes") != 0 && strcmp(text, "self") != 0)
		return fault_set(f, ERR_INVALID,
				 "view= is 'yes', 'self' or 'no', not '%s'",
				 text);
	if (!keeper.view_path)
		return fault_set(f, ERR_UNSUPPORTED,
				 "there is no file view here: it needs "
				 "certmgr to be started as root, and FUSE");
	if (!a->bound)
		return fault_set(f, ERR_INVALID,
				 "a file view needs the agent's process: name "
				 "it by a pidfd");
	a->view = text[0] == 's' ? AGENT_VIEW_SELF : AGENT_VIEW_TREE;
	return OK;
}

static const struct {
	const char *name;
	int number;
} names[] = {
	{ "HUP", SIGHUP },     { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
	{ "INT", SIGINT },     { "TERM", SIGTERM }, { "QUIT", SIGQUIT },
	{ "WINCH", SIGWINCH },
};

const char *agent_signal(const struct agent *a)
{
	for (size_t i = 0; i < NELEM(names); i++)
		if (a->on_renew == names[i].number)
			return names[i].name;
	return "?";
}

static enum err take_signal(struct agent *a, struct attr_view v,
			    struct fault *f)
{
	char text[16] = "";
	enum err e = call_text(v, "on_renew", text, sizeof text, f);

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK)
		return e;
	for (size_t i = 0; i < NELEM(names); i++)
		if (!strcmp(text, names[i].name) ||
		    (!strncmp(text, "SIG", 3) &&
		     !strcmp(text + 3, names[i].name)))
			a->on_renew = names[i].number;
	if (a->on_renew && a->bound)
		return OK;
	return fault_set(f, ERR_INVALID,
			 a->bound ? "on_renew= is HUP, USR1, USR2, INT, TERM, "
				    "QUIT or WINCH"
				  : "on_renew= needs the agent's process: name "
				    "it by a pidfd");
}

/* Whose the agent is: root's parents may start agents of others. */
static enum err take_user(struct agent *a, const struct spawn *s,
			  const struct subject *by, struct fault *f)
{
	uint64_t uid;

	TRY(call_number(spawn_asked(s), "uid", by->uid, UINT32_MAX - 1, &uid,
			f));
	if (uid != by->uid && by->uid != 0)
		return fault_set(f, ERR_DENIED,
				 "only root starts agents of other users");
	if (a->bound && a->who.uid != by->uid && by->uid != 0)
		return fault_set(f, ERR_DENIED, "process %d is another user's",
				 (int)a->who.pid);
	a->spawner = by->uid;
	a->uid = (uid_t)uid;
	return OK;
}

static enum err fill(struct agent *a, struct spawn *s, const struct subject *by,
		     struct fault *f)
{
	(void)snprintf(a->type, sizeof a->type, "%s", s->type);
	a->made = clock_wall();
	if (s->pidfd >= 0) {
		agent_bind(a, &s->who, s->pidfd);
		s->pidfd = -1;
		a->examined = s->examined;
	}
	TRY(take_user(a, s, by, f));
	TRY(take_names(a, spawn_asked(s), f));
	TRY(take_view(a, spawn_asked(s), f));
	TRY(take_signal(a, spawn_asked(s), f));
	return call_number(spawn_asked(s), "lifetime", 0, 90 * 86400ull,
			   &a->lifetime, f);
}

static void make_token(struct agent *a, struct buf *text)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };

	agent_token_make(a->id, &t);
	agent_token_hash(&t, a->token);
	ENSURE(agent_token_format(&t, text) == OK);
}

/* From here on a new keeper knows it, and the token's hash. */
static enum err plan(struct agent *a, struct fault *f)
{
	struct attrs v;
	enum err e;

	attrs_init(&v);
	a->row = rows_next();
	hold_begin(a, &a->now, 0);
	e = agent_format(a, &v);
	if (e == OK && v.bytes.len > KEEPER_PLAN)
		e = fault_set(f, ERR_TOO_LARGE,
			      "what is said of this agent is too long: fewer "
			      "names");
	if (e == OK)
		arena_plan(a->slot, a->id, attrs_view(&v));
	attrs_wipe(&v);
	return e;
}

static enum err give_token(struct agent *a, const struct spawn *s,
			   struct fault *f)
{
	AUTO(buf_wipe)
	struct buf text = { .max = 2 * AGENT_TOKEN_TEXT, .secret = true };

	make_token(a, &text);
	TRY(plan(a, f));
	if (send(s->token_fd, text.p, text.len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)text.len)
		return fault_set(f, ERR_INVALID,
				 "the token cannot be written to the socket "
				 "that came with the call");
	return OK;
}

static void record(const struct agent *a, const struct spawn *s)
{
	struct attrs more;

	attrs_init(&more);
	ENSURE(attrs_add_str(&more, "decision", "allow") == OK);
	if (s->grant)
		ENSURE(attrs_add_u64(&more, "grant", s->grant) == OK);
	else
		ENSURE(attrs_add_str(&more, "by",
				     s->gate ? "gate" : "capability") == OK);
	ENSURE(attrs_add_u64(&more, "spawner", a->spawner) == OK);
	call_named(&s->call, &more);
	agent_record(a, "spawn", attrs_view(&more));
	attrs_wipe(&more);
}

static void reply(const struct agent *a, struct attrs *r)
{
	ENSURE(attrs_add_str(r, "agent", a->id) == OK);
	ENSURE(attrs_add_str(r, "instance", keeper.instance) == OK);
	if (a->view != AGENT_VIEW_NO)
		ENSURE(attrs_add_fmt(r, "dir", "%s/%s", keeper.view_path,
				     a->id) == OK);
}

static void answer(struct agent *a, struct spawn *s)
{
	struct attrs r;
	struct attr at;

	attrs_init(&r);
	reply(a, &r);
	if (attr_find(spawn_asked(s), "wait", &at) && attr_is(&at, "yes"))
		wait_agent(a, &s->call, &r);
	else
		call_reply(&s->call, &r);
	attrs_wipe(&r);
	conns_flush(&keeper.conns, s->call.id);
}

/* Nobody waits for these, which are done in the same turn. */
static void follow_up(struct agent *a, struct spawn *s)
{
	agent_charge(a);
	keeper.spawned++;
	agent_watch(a);
	record(a, s);
	view_tell(a);
	rows_dirty(a);
	agent_schedule(a);
	agent_examine(a);
	spawn_free(s);
}

/* Nothing has been promised: it leaves no trace. */
static void undo(struct agent *a)
{
	agent_unbind(a);
	keeper.live--;
	a->state = AGENT_ENDED;
	a->gone = true;
	arena_plan_stored(a->slot);
	hold_wipe(a, &a->now);
	rows_dirty(a);
}

/* A process that lives on and asks again (a gate without profile) has one at a time of
 * those that the CA will not have. By pid: when a start is made, door has not looked. */
static void end_failed(const struct spawn *s)
{
	const struct agent *a;
	struct agent *old = NULL;
	bool failed = false;
	size_t at = 0;

	if (s->pidfd < 0 || !keeper.some_failed)
		return;
	while (!old && (a = map_next(keeper.agents, &at))) {
		failed |= a->failed != OK;
		if (a->failed != OK && a->state == AGENT_LIVE && a->bound &&
		    a->now.state != HOLD_MADE && a->spawner == s->uid &&
		    !strcmp(a->type, s->type) && a->who.pid == s->who.pid)
			old = agent_find(a->id);
	}
	keeper.some_failed = failed;
	if (old)
		agent_end(old, "ended", "cessationOfOperation");
}

void spawn_make(struct spawn *s, const struct subject *by)
{
	char id[AGENT_ID_LEN + 1];
	struct agent *a;
	struct fault f;

	end_failed(s);
	agent_id_make(clock_wall_ns() / CLOCK_MS, id);
	a = agent_new(id, arena_take(), &f);
	if (!a) {
		spawn_error(s, &f);
		return;
	}
	if (fill(a, s, by, &f) != OK || agent_may_charge(a, &f) != OK ||
	    give_token(a, s, &f) != OK) {
		undo(a);
		if (f.code == ERR_DENIED)
			spawn_deny(s, &f);
		else
			spawn_error(s, &f);
		return;
	}
	answer(a, s);
	follow_up(a, s);
}
