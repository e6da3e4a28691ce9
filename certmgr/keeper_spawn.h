/* What the two files of agent.spawn share. */
#ifndef CERTMGR_KEEPER_SPAWN_H
#define CERTMGR_KEEPER_SPAWN_H

#include "certmgr/keeper.h"

enum {
	EXE_ASKED = 512
};

/* One that is being decided. */
struct spawn {
	uint64_t number;
	uid_t uid; /* whose call it is */
	struct call call;
	struct buf asked; /* the call's attributes */
	char type[TYPE_MAX + 1];
	int token_fd,
		pidfd; /* owned; pidfd -1: whoever claims first is bound */
	bool examined; /* `who` is from door, and so complete */
	bool who_known;
	struct procinfo who;
	struct proof proof;
	char exe[EXE_ASKED];
	size_t exe_len;
	uint64_t grant; /* which allows it; 0: none, but */
	bool gate;   /* certmgr's own gate asks; or the parent's certificate */
	bool parent; /* door looks at the parent now */
	struct fault deny; /* … and this is said if it is not that agent */
	struct spawn *next;
};

/* The attributes of its call. */
static inline struct attr_view spawn_asked(const struct spawn *s)
{
	return (struct attr_view){ s->asked.p, s->asked.len };
}

/* keeper_spawn.c */
void spawn_free(struct spawn *s);
void spawn_error(struct spawn *s, const struct fault *f);
void spawn_deny(struct spawn *s, const struct fault *f); /* on record */

/* keeper_plan.c: makes the agent, answers, and frees s. `by` may start it. */
void spawn_make(struct spawn *s, const struct subject *by);

#endif
