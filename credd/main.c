/* credd: dispatches to the supervisor (what a person starts) or to a child role
 * (what the supervisor starts). */
#include "credd/roles.h"
#include "lib/base.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static const struct {
	const char *name;
	int (*run)(void);
} roles[] = {
	{ "door", role_door },     { "front", role_front },
	{ "vault", role_vault },   { "store", role_rowstore },
	{ "opener", role_opener }, { "zygote", role_zygote },
};

static int run_role(const char *name)
{
	for (size_t i = 0; i < NELEM(roles); i++)
		if (!strcmp(roles[i].name, name))
			return roles[i].run();
	fprintf(stderr, "credd: no role is called '%s'\n", name);
	return 2;
}

static int usage(FILE *to, int code)
{
	fprintf(to,
		"usage: credd [--config FILE]\n"
		"\n"
		"Keeps provider secrets sealed and signs requests for clients\n"
		"that never see them. Runs in the foreground; see credd(8).\n"
		"\n"
		"example: credd --config /etc/cretula/credd.conf\n");
	return code;
}

int main(int argc, char **argv)
{
	const char *config = NULL;

	/* nobody but root looks into any of our processes, from the start */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (argc == 2 && !strncmp(argv[1], "--role=", 7)) {
		(void)prctl(PR_SET_NAME, argv[0], 0, 0, 0); /* credd-ROLE */
		return run_role(argv[1] + 7);
	}
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(stdout, 0);
	if (argc == 3 && !strcmp(argv[1], "--config"))
		config = argv[2];
	else if (argc != 1)
		return usage(stderr, 2);
	return role_supervisor(config);
}
