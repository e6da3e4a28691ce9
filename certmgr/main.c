/* certmgr: dispatches to the supervisor (what a person starts) or to a child role
 * (what the supervisor starts). */
#include "certmgr/roles.h"
#include "lib/base.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static const struct {
	const char *name;
	int (*run)(void);
} roles[] = {
	{ "door", role_door },      { "front", role_front },
	{ "keeper", role_keeper },  { "net", role_net },
	{ "store", role_rowstore }, { "dialer", role_dialer },
	{ "view", role_view },
};

static int run_role(const char *name)
{
	for (size_t i = 0; i < NELEM(roles); i++)
		if (!strcmp(roles[i].name, name))
			return roles[i].run();
	fprintf(stderr, "certmgr: no role is called '%s'\n", name);
	return 2;
}

static int usage(FILE *to, int code)
{
	fprintf(to,
		"usage: certmgr [--config FILE]\n"
		"\n"
		"Makes a certificate for every agent of this node and hands "
		"it over by a\n"
		"one-time token. Runs in the foreground; see certmgr(8).\n"
		"\n"
		"example: certmgr --config /etc/cretula/certmgr.conf\n");
	return code;
}

int main(int argc, char **argv)
{
	const char *config = NULL;

	/* nobody but root looks into any of our processes, from the start */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (argc == 2 && !strncmp(argv[1], "--role=", 7)) {
		(void)prctl(PR_SET_NAME, argv[0], 0, 0, 0); /* certmgr-ROLE */
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
