/* The system calls of each role as a table: between lib/confine_calls.c, which has it, and
 * lib/confine_filter.c, which makes filters of it. */
#ifndef LIB_CONFINE_CALLS_H
#define LIB_CONFINE_CALLS_H

#include "lib/confine.h"

#include <seccomp.h>

enum {
	RULE_ARGS = 3,
	GROUPS_MAX = 12,
	/* Stands for "my own pid" until a filter is loaded; no pid is that high. */
	PID_MARK = 0x7ead5eed,
};

/* One call, with what its arguments have to be. */
struct rule {
	int nr;       /* -1: the end of its group */
	bool nothing; /* it succeeds and does nothing */
	unsigned args;
	struct scmp_arg_cmp arg[RULE_ARGS];
};

struct confine_calls {
	const char *name;
	bool listed_are_denied;
	const struct rule *group[GROUPS_MAX]; /* the rest is NULL */
};

const struct confine_calls *confine_calls_of(enum confine_role role);

#endif
