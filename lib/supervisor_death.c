/* Supervisor: children that have died, or could not be started: what is started anew, and
 * when. Holds what supervisor.c holds. */
#include "lib/supervisor.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/subject.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum sup_life sup_life_of(const struct sup_child *c)
{
	return sup.daemon->role[c->role].life;
}

bool sup_is_outer(size_t role)
{
	return (sup.daemon->outer | sup.daemon->remote_only) >> role & 1;
}

static unsigned deaths_within(size_t role, uint64_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MIN(sup.deaths[role], SUP_DEATHS); i++)
		n += now - sup.death[role][i] < SUP_MINUTE;
	return n;
}

/* How many within a minute, with this one. */
static unsigned note_death(size_t role)
{
	uint64_t now = loop_now(sup.loop);

	sup.death[role][sup.deaths[role]++ % SUP_DEATHS] = now;
	return deaths_within(role, now);
}

static void count_death(size_t role)
{
	unsigned n = note_death(role);

	if (sup.daemon->died)
		sup.daemon->died(role, n);
	if (n < SUP_DEATHS || sup.daemon->role[role].life == SUP_ONE_SHOT)
		return;
	log_text(LOG_CRIT, "gave_up", "%s died %d times within a minute",
		 sup.daemon->role[role].name, SUP_DEATHS);
	exit(1);
}

/* Fronts that are idle are killed. */
static bool death_is_planned(const struct sup_child *c, struct proc_end end)
{
	switch (sup_life_of(c)) {
	case SUP_ALWAYS:
		return false;
	case SUP_PER_UID:
		return end.killed && end.value == SIGKILL;
	case SUP_ONE_SHOT:
		return !end.killed && end.value == 0;
	}
	UNREACHABLE("a life");
}

/* A front that was ready died of what its user sent. That is his loss: he shall not end
 * the daemon of all others with it. */
static bool is_its_users(const struct sup_child *c)
{
	return sup_life_of(c) == SUP_PER_UID && c->ready;
}

/* What reads strangers' bytes and was ready, or was once, died of what some of them sent:
 * that shall neither end the daemon nor keep the machine busy. */
static bool is_strangers(const struct sup_child *c)
{
	return (c->ready || sup.announced) &&
	       (c->front_uid == SUBJECT_NO_ID ||
		(sup_life_of(c) == SUP_ALWAYS && sup_is_outer(c->role)));
}

static void waited(struct loop_timer *t)
{
	size_t role = (size_t)(t - sup.again);
	bool gate = sup.daemon->http && role == sup.daemon->gate;

	sup_start(role, gate ? SUBJECT_NO_ID : 0, 0);
}

static void start_later(size_t role, unsigned doubled)
{
	uint64_t ms = (uint64_t)SUP_AGAIN_MS
		      << MIN(doubled, (unsigned)SUP_AGAIN_DOUBLED);

	sup.again[role].on = waited;
	loop_arm(sup.loop, &sup.again[role],
		 loop_now(sup.loop) + ms * CLOCK_MS);
}

static void start_again(const struct sup_child *c)
{
	unsigned n = note_death(c->role);

	if (n < SUP_DEATHS_QUICK)
		sup_start(c->role, c->front_uid, 0);
	else
		start_later(c->role, n - SUP_DEATHS_QUICK);
}

/* That is no death, which would speak against the role. */
static void try_again(const struct sup_child *c)
{
	unsigned n = ++sup.failed[c->role];

	if (n < SUP_DEATHS || is_strangers(c)) {
		start_later(c->role, n - 1);
		return;
	}
	log_text(LOG_CRIT, "gave_up", "%s could not be started %d times",
		 sup_name(c), SUP_DEATHS);
	exit(1);
}

void sup_not_started(const struct sup_child *c, const char *why)
{
	bool users =
		sup_life_of(c) == SUP_PER_UID && c->front_uid != SUBJECT_NO_ID;
	char text[FAULT_TEXT_MAX];

	log_text(sup.announced ? LOG_ERR : LOG_CRIT, "not_started", "%s: %s",
		 sup_name(c), why);
	if (users) {
		(void)snprintf(text, sizeof text, "%s: try again", why);
		sup_tell_no_front(c->role, c->front_uid, text);
	} else if (sup_life_of(c) != SUP_ONE_SHOT) {
		if (!sup.announced)
			exit(1);
		try_again(c);
	}
}

/* A front is started again when door asks, one that was idle never. */
void sup_child_died(struct loop_fd *w, uint32_t events)
{
	struct sup_child *c =
		(struct sup_child *)((char *)w -
				     offsetof(struct sup_child, dead));
	bool again = c->wanted_again || sup_life_of(c) == SUP_ALWAYS ||
		     c->front_uid == SUBJECT_NO_ID;
	struct proc_end end;
	char text[64];

	(void)events;
	loop_unwatch(&c->dead);
	chan_close(&c->chan);
	end = proc_reap(&c->proc);
	attrs_wipe(&c->notes);
	c->used = false;
	proc_end_text(end, text, sizeof text);
	if (!death_is_planned(c, end))
		log_text(LOG_ERR, "died", "%s %s", sup_name(c), text);
	if (is_strangers(c)) {
		start_again(c);
		return;
	}
	if (!death_is_planned(c, end) && !is_its_users(c))
		count_death(c->role);
	if (again)
		sup_start(c->role, c->front_uid, 0);
}
