/* A daemon's main: dispatches to the supervisor (what a person starts) or to a child role
 * (what the supervisor starts). */
#ifndef LIB_PROGRAM_H
#define LIB_PROGRAM_H

#include "lib/base.h"

/* `PROGRAM --role=NAME` runs it. */
struct program_role {
	const char *name;
	int (*run)(void);
};

struct program {
	const char *name;
	const char *about; /* what it does, for --help: lines with their ends */
	const struct program_role *role;
	size_t roles;
	int (*supervisor)(
		const char *config); /* config: NULL: the usual files */
};

/* The exit code: 2 for a command line that says nothing known. */
int program_main(const struct program *p, int argc, char **argv);

#endif
