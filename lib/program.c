/* What main does in every daemon's process. Holds nothing. */
#include "lib/program.h"

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static int run_role(const struct program *p, const char *name)
{
	for (size_t i = 0; i < p->roles; i++)
		if (!strcmp(p->role[i].name, name))
			return p->role[i].run();
	fprintf(stderr, "%s: no role is called '%s'\n", p->name, name);
	return 2;
}

static int usage(const struct program *p, FILE *to, int code)
{
	fprintf(to,
		"usage: %s [--config FILE]\n"
		"\n"
		"%s"
		"\n"
		"example: %s --config /etc/cretula/%s.conf\n",
		p->name, p->about, p->name, p->name);
	return code;
}

int program_main(const struct program *p, int argc, char **argv)
{
	const char *config = NULL;

	/* nobody but root looks into any of our processes, from the start */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (argc == 2 && !strncmp(argv[1], "--role=", 7)) {
		(void)prctl(PR_SET_NAME, argv[0], 0, 0, 0); /* PROGRAM-ROLE */
		return run_role(p, argv[1] + 7);
	}
	if (argc == 2 && !strcmp(argv[1], "--help"))
		return usage(p, stdout, 0);
	if (argc == 3 && !strcmp(argv[1], "--config"))
		config = argv[2];
	else if (argc != 1)
		return usage(p, stderr, 2);
	return p->supervisor(config);
}
