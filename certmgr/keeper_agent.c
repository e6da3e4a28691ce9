/* Keeper: the agents: who there is, what binds each to its process, and its end. Holds
 * a pidfd of each process. */
#include "certmgr/keeper.h"

#include "lib/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXAMINE_AGAIN (100 * CLOCK_MS)

enum {
	TICKS = 100 /* of a process's start in a second: USER_HZ, everywhere */
};

static struct loop_timer look_again; /* at processes */
static void time_to_look(struct loop_timer *t);
static struct agent_past *dead;
static unsigned dead_next;

/* How many each user has started */

struct user {
	uid_t uid;
	unsigned agents;
};

static struct map *users;

static void user_key(const void *value, const void **key, size_t *len)
{
	const struct user *u = value;

	*key = &u->uid;
	*len = sizeof u->uid;
}

enum err agent_may_charge(const struct agent *a, struct fault *f)
{
	const struct user *u = map_find(users, &a->spawner, sizeof a->spawner);

	if (!u || u->agents < KEEPER_USER_AGENTS)
		return OK;
	return fault_set(f, ERR_LIMITED,
			 "uid %u has started %d agents already: end one first",
			 (unsigned)u->uid, KEEPER_USER_AGENTS);
}

void agent_charge(struct agent *a)
{
	struct user *u = map_find(users, &a->spawner, sizeof a->spawner);

	if (!u) {
		u = xcalloc(1, sizeof *u);
		u->uid = a->spawner;
		map_add(users, u);
	}
	u->agents++;
	a->charged = true;
}

static void uncharge(struct agent *a)
{
	struct user *u = map_find(users, &a->spawner, sizeof a->spawner);

	if (!a->charged)
		return;
	a->charged = false;
	if (--u->agents)
		return;
	(void)map_drop(users, &a->spawner, sizeof a->spawner);
	free(u);
}

/* The table */

static void agent_key(const void *value, const void **key, size_t *len)
{
	const struct agent *a = value;

	*key = a->id;
	*len = AGENT_ID_LEN;
}

void agents_init(void)
{
	keeper.agents = map_new(agent_key);
	users = map_new(user_key);
	look_again.on = time_to_look;
	dead = xcalloc(KEEPER_DEAD, sizeof *dead);
}

struct agent *agent_find(const char *id)
{
	return strlen(id) == AGENT_ID_LEN
		       ? map_find(keeper.agents, id, AGENT_ID_LEN)
		       : NULL;
}

static void time_came(struct loop_timer *t);
static void process_ended(struct loop_fd *w, uint32_t events);

#define OF(ptr, member)                                                        \
	((struct agent *)(void *)((char *)(ptr)-offsetof(struct agent, member)))

struct agent *agent_new(const char *id, unsigned slot, struct fault *f)
{
	struct agent *a;

	if (slot == UINT_MAX) {
		(void)fault_set(f, ERR_LIMITED,
				"there are %u agents on this node already: "
				"end one first",
				keeper.slots);
		return NULL;
	}
	a = xcalloc(1, sizeof *a);
	(void)snprintf(a->id, sizeof a->id, "%s", id);
	a->slot = slot;
	a->pidfd = -1;
	attrs_init(&a->names);
	a->timer.on = time_came;
	a->now.of = a->coming.of = a;
	map_add(keeper.agents, a);
	keeper.live++;
	return a;
}

void agent_free(struct agent *a)
{
	(void)map_drop(keeper.agents, a->id, AGENT_ID_LEN);
	net_free_agent(a);
	uncharge(a);
	loop_disarm(&a->timer);
	agent_unbind(a);
	hold_wipe(a, &a->now);
	hold_wipe(a, &a->coming);
	if (a->slot != UINT_MAX)
		arena_free(a->slot);
	attrs_wipe(&a->names);
	free(a);
}

/* Its process */

void agent_bind(struct agent *a, const struct procinfo *p, int pidfd)
{
	a->who = *p;
	a->bound = true;
	agent_unbind(a);
	a->pidfd = pidfd;
	a->watch = (struct loop_fd){ .fd = pidfd,
				     .events = EPOLLIN,
				     .on = process_ended };
}

void agent_watch(struct agent *a)
{
	if (a->pidfd >= 0)
		ENSURE(loop_watch(keeper.loop, &a->watch) == OK);
}

void agent_unbind(struct agent *a)
{
	if (a->watch.loop)
		loop_unwatch(&a->watch);
	fd_close(&a->pidfd);
}

static bool hides(const struct procinfo *p)
{
	return !p->exe_ino;
}

bool agent_other_program(const struct agent *a, const struct procinfo *now)
{
	if (hides(&a->who) && hides(now))
		return false;
	return a->program && !procinfo_same_program(&a->who, now);
}

static void process_ended(struct loop_fd *w, uint32_t events)
{
	(void)events;
	agent_end(OF(w, watch), "ended", "cessationOfOperation");
}

/* After a restart nobody has a pidfd of it: door is asked whether pid and start still
 * name it. Who is known by a pidfd only is looked at in full. */
static enum err examine(struct agent *a)
{
	uint64_t ref = REF_AGENT | a->row;

	if (a->state != AGENT_LIVE || !a->bound || a->examined)
		return OK;
	if (a->pidfd >= 0)
		return conns_examine_pidfd(&keeper.conns, a->pidfd, ref);
	return conns_examine_pid(&keeper.conns, a->who.pid, a->who.start, ref);
}

void agent_examine(struct agent *a)
{
	if (examine(a) != OK) /* door is away, or has too much to do */
		loop_arm(keeper.loop, &look_again,
			 loop_now(keeper.loop) + EXAMINE_AGAIN);
}

void agents_examine(void)
{
	struct agent *a;
	size_t at = 0;

	while ((a = map_next(keeper.agents, &at)))
		agent_examine(a);
}

static void time_to_look(struct loop_timer *t)
{
	(void)t;
	agents_examine();
}

static struct agent *of_row(uint64_t row)
{
	struct agent *a;
	size_t at = 0;

	while ((a = map_next(keeper.agents, &at)))
		if (a->row == row)
			return a;
	return NULL;
}

/* The keeper before us ended before door had told it when the process began. Its pid was
 * the agent's when that was made: a process that began before is still the same. */
static bool was_there(const struct agent *a, const struct procinfo *p)
{
	uint64_t ago = (uint64_t)MAX(clock_wall() - a->made, 0) * CLOCK_SECOND;
	uint64_t now = loop_now(keeper.loop);
	uint64_t made = now > ago ? now - ago : 0;

	return p->start / TICKS <= made / CLOCK_SECOND + 1;
}

/* Also who was bound by a pidfd alone is looked at in full. */
void agents_examined(uint64_t ref, const struct procinfo *p, int pidfd)
{
	struct agent *a = of_row(ref & ~REF_KIND);

	if (!a || a->state != AGENT_LIVE || a->examined) {
		fd_close(&pidfd);
		return;
	}
	if (!p) {
		agent_end(a, "ended", "cessationOfOperation");
		return;
	}
	if (!a->who.start && a->pidfd < 0 && !was_there(a, p)) {
		fd_close(&pidfd);
		agent_end(a, "ended", "cessationOfOperation");
		return;
	}
	if (a->pidfd < 0 && pidfd < 0) { /* no room for a descriptor */
		loop_arm(keeper.loop, &look_again,
			 loop_now(keeper.loop) + EXAMINE_AGAIN);
		return;
	}
	if (agent_other_program(a, p)) {
		fd_close(&pidfd);
		agent_end(a, "other_program", "cessationOfOperation");
		return;
	}
	if (a->pidfd < 0) {
		agent_bind(a, p, pidfd);
		agent_watch(a);
	} else {
		fd_close(&pidfd);
	}
	a->who = *p;
	a->examined = true;
	rows_dirty(a);
	view_tell(a);
	view_known();
}

/* Time */

int64_t agent_renew_at(const struct hold *h)
{
	return h->not_before + (h->not_after - h->not_before) * 2 / 3;
}

static int64_t lead(const struct hold *h)
{
	int64_t most =
		(h->not_after - h->not_before) * KEEPER_LEAD_PERCENT / 100;
	uint32_t r;

	random_fill(&r, sizeof r);
	return most > 0 ? most / 2 + r % (uint32_t)(most / 2 + 1) : 0;
}

void agent_schedule(struct agent *a)
{
	int64_t now = clock_wall(), at = INT64_MAX;

	loop_disarm(&a->timer);
	if (a->state != AGENT_LIVE)
		return;
	if (!a->bound)
		at = a->made + (int64_t)keeper.claim_within;
	if (a->now.state == HOLD_MADE && a->coming.state == HOLD_NONE)
		at = MIN(at, agent_renew_at(&a->now) - lead(&a->now));
	if (a->failed != OK && at < now + KEEPER_REFUSED_S)
		at = a->bound ? now + KEEPER_REFUSED_S : at;
	if (at == INT64_MAX)
		return;
	loop_arm(keeper.loop, &a->timer,
		 loop_now(keeper.loop) +
			 (uint64_t)MAX(at - now, 1) * CLOCK_SECOND);
}

static void time_came(struct loop_timer *t)
{
	struct agent *a = OF(t, timer);
	int64_t now = clock_wall();

	if (!a->bound && now >= a->made + (int64_t)keeper.claim_within) {
		agent_end(a, "unclaimed", "cessationOfOperation");
		return;
	}
	if (a->now.state == HOLD_MADE && a->coming.state == HOLD_NONE)
		hold_renew(a);
	agent_schedule(a);
}

/* The end */

static void remember(const struct agent *a, const char *event)
{
	struct agent_past *d = &dead[dead_next++ % KEEPER_DEAD];

	memcpy(d->id, a->id, sizeof d->id);
	memcpy(d->type, a->type, sizeof d->type);
	memcpy(d->token, a->token, sizeof d->token);
	memcpy(d->serial, a->now.serial, sizeof d->serial);
	memcpy(d->reason, a->reason, sizeof d->reason);
	(void)snprintf(d->event, sizeof d->event, "%s", event);
	d->uid = a->uid;
	d->spawner = a->spawner;
	d->at = clock_wall();
}

const struct agent_past *agent_past(const char *id)
{
	for (unsigned i = 0; *id && i < KEEPER_DEAD; i++)
		if (!strcmp(dead[i].id, id))
			return &dead[i];
	return NULL;
}

bool agent_dead(const char *id, const uint8_t hash[AGENT_TOKEN_HASH],
		enum err *why)
{
	const struct agent_past *d = agent_past(id);

	if (!d || !secret_equal(d->token, hash, AGENT_TOKEN_HASH))
		return false;
	*why = strcmp(d->event, "unclaimed") ? ERR_CONFLICT : ERR_EXPIRED;
	return true;
}

void agent_record(const struct agent *a, const char *event,
		  struct attr_view more)
{
	struct attrs what;
	struct fault f;

	attrs_init(&what);
	ENSURE(attrs_add_fmt(&what, "event", "agent.%s", event) == OK);
	ENSURE(attrs_add_str(&what, "agent", a->id) == OK);
	ENSURE(attrs_add_str(&what, "type", a->type) == OK);
	if (a->bound)
		ENSURE(attrs_add_u64(&what, "pid", (uint64_t)a->who.pid) == OK);
	ENSURE(attrs_add_u64(&what, "uid", a->uid) == OK);
	if (attrs_add_view(&what, more) != OK ||
	    audit_link_record(keeper.audit, attrs_view(&what), 0, NULL, &f) !=
		    OK)
		log_text(LOG_ERR, "unrecorded", "agent.%s of %s", event, a->id);
	attrs_wipe(&what);
}

static void revoke(const struct agent *a, const struct hold *h)
{
	if (h->state == HOLD_MADE)
		(void)owed_add(a->id, h->serial, h->not_after, a->reason);
}

/* A request that nobody answered may have made a certificate: that is found out first
 * (the same request again), then it is revoked. */
static bool must_be_known(const struct hold *h)
{
	return h->state == HOLD_ASKED ||
	       (h->state == HOLD_WANTED && h->repeat && !net_too_early(h));
}

static void settle(struct agent *a, struct hold *h)
{
	revoke(a, h);
	if (h->has_key) {
		arena_key_drop(a->slot, h->key);
		h->has_key = false;
	}
	if (must_be_known(h))
		return;
	net_forget(h);
	hold_wipe(a, h);
}

static void gone_if_settled(struct agent *a)
{
	if (a->now.state != HOLD_NONE || a->coming.state != HOLD_NONE)
		return;
	a->gone = true;
	rows_dirty(a);
}

static void revoke_olds(struct agent *a)
{
	for (unsigned i = 0; i < a->olds; i++)
		(void)owed_add(a->id, a->old[i].serial, a->old[i].not_after,
			       a->reason);
	a->olds = 0;
}

static void record_end(const struct agent *a, const char *event)
{
	struct attrs more;

	attrs_init(&more);
	ENSURE(attrs_add_str(&more, "reason", a->reason) == OK);
	if (a->now.state == HOLD_MADE)
		ENSURE(attrs_add_str(&more, "serial", a->now.serial) == OK);
	agent_record(a, event, attrs_view(&more));
	attrs_wipe(&more);
}

void agent_end(struct agent *a, const char *event, const char *reason)
{
	bool expired = !strcmp(event, "unclaimed");

	if (a->state == AGENT_ENDED)
		return;
	a->state = AGENT_ENDED;
	keeper.live--;
	uncharge(a);
	arena_plan_stored(a->slot); /* nobody is to find it there any more */
	if (reason != a->reason)
		(void)snprintf(a->reason, sizeof a->reason, "%s", reason);
	record_end(a, event);
	remember(a, event);
	loop_disarm(&a->timer);
	agent_unbind(a);
	view_gone(a);
	view_known();
	settle(a, &a->now);
	settle(a, &a->coming);
	revoke_olds(a);
	rows_dirty(a);
	claims_refuse(a, expired ? ERR_EXPIRED : ERR_CONFLICT,
		      "this agent has ended");
	waits_look(a);
	gone_if_settled(a);
}

/* What the CA has made for an agent that has ended meanwhile. */
void agent_settled(struct agent *a, struct hold *h)
{
	revoke(a, h);
	hold_wipe(a, h);
	rows_dirty(a);
	gone_if_settled(a);
}

const char *agent_state_text(const struct agent *a)
{
	if (a->state == AGENT_ENDED)
		return "ended";
	if (a->failed != OK)
		return "failed";
	if (a->now.state != HOLD_MADE)
		return "queued";
	if (a->coming.state == HOLD_WANTED || a->coming.state == HOLD_ASKED)
		return "renewing";
	return a->claimed ? "claimed" : "made";
}
