/* cretula ca revoke. Runs in cretula; holds nothing. */
#include "tools/ca.h"

#include <stdio.h>
#include <string.h>

static int which(const struct cli *cli, struct attrs *args)
{
	bool set = cli_opt(cli, "agent") || cli_opt(cli, "node") ||
		   cli_opt(cli, "type");
	struct serial s;
	int rc = cli_words(cli, 1);

	if (!rc && cli->words && set)
		rc = cli_usage(cli, "a SERIAL and --agent, --node or --type "
				    "exclude each other");
	if (!rc && !cli->words && !set)
		rc = cli_usage(cli, "say which: SERIAL, --agent, --node or "
				    "--type");
	if (!rc && cli->words) {
		char hex[2 * SERIAL_SIZE + 1];

		rc = ca_serial(cli, cli->word[0], &s);
		if (rc)
			return rc;
		serial_format(&s, hex);
		ENSURE(attrs_add_str(args, "serial", hex) == OK);
	}
	if (!rc)
		rc = cli_add(cli, "agent", "agent", args);
	if (!rc)
		rc = cli_add(cli, "node", "node", args);
	if (!rc)
		rc = cli_add(cli, "type", "type", args);
	return rc;
}

int ca_revoke_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attrs args;
	int rc;

	attrs_init(&args);
	rc = which(cli, &args);
	if (!rc)
		rc = cli_add(cli, "reason", "reason", &args);
	if (!rc)
		rc = ca_ask(cli, true, "ca.revoke", attrs_view(&args), NULL,
			    &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	attrs_wipe(&args);
	return rc;
}
