/* cretula slot add, list, remove: what opens the store. */
#include "tools/secrets.h"

static const struct opt make_opts[] = { SLOT_MAKE_OPTS, { 0 } };

static int run_add(struct cli *cli)
{
	return slot_make(cli, "slot.add");
}

static int run_list(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view none = { 0 };
	int rc;

	if (cli->words)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[0]);
	rc = cli_ask(cli, true, "slot.list", none, NULL, &answer);
	if (!rc)
		rc = out_items(cli, answer, NULL);
	cretula_answer_free(answer);
	return rc;
}

static int run_remove(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attrs args;
	int rc;

	if (cli->words != 1)
		return cli_usage(cli, "which slot? see 'cretula slot list'");
	attrs_init(&args);
	if (attrs_add_str(&args, "slot", cli->word[0]) != OK)
		rc = cli_usage(cli, "that is no slot");
	else
		rc = cli_ask(cli, true, "slot.remove", attrs_view(&args), NULL,
			     &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	attrs_wipe(&args);
	return rc;
}

const struct verb verbs_slot[] = {
	{ "slot", "add",
	  "[--passphrase SOURCE | --key-file FILE] [--ops N] [--mem SIZE]",
	  "add a way to open the store", NULL,
	  "cretula slot add --key-file /etc/cretula/unseal.key", make_opts,
	  run_add },
	{ "slot", "list", "", "what opens the store", NULL, "cretula slot list",
	  NULL, run_list },
	{ "slot", "remove", "SLOT", "remove a way to open the store", NULL,
	  "cretula slot remove 2", NULL, run_remove },
	{ 0 },
};
