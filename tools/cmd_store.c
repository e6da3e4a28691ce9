/* cretula init, unseal, seal. Holds a passphrase or key file's bytes in locked
 * memory until they are sealed for the vault. */
#include "tools/secrets.h"

static const struct opt make_opts[] = { SLOT_MAKE_OPTS, { 0 } };
static const struct opt open_opts[] = { SLOT_SECRET_OPTS, { 0 } };

static int run_init(struct cli *cli)
{
	return slot_make(cli, "init");
}

static int run_unseal(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view none = { 0 };
	struct attrs box;
	int rc = slot_check(cli);

	if (rc)
		return rc;
	attrs_init_secret(&box);
	rc = cli_open(cli, true);
	if (!rc)
		rc = slot_secret(cli, false, &box);
	if (!rc)
		rc = cli_ask(cli, true, "unseal", none, &box, &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	attrs_wipe(&box);
	return rc;
}

static int run_seal(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view none = { 0 };
	int rc;

	if (cli->words)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[0]);
	rc = cli_ask(cli, true, "seal", none, NULL, &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	return rc;
}

const struct verb verbs_store[] = {
	{ "init", NULL,
	  "[--passphrase SOURCE | --key-file FILE] [--ops N] [--mem SIZE]",
	  "make the store, the master key and its first key slot", NULL,
	  "cretula init --passphrase @/root/passphrase", make_opts, run_init },
	{ "unseal", NULL, "[--passphrase SOURCE | --key-file FILE]",
	  "bring the master key into credd's memory", NULL, "cretula unseal",
	  open_opts, run_unseal },
	{ "seal", NULL, "", "take the master key out of credd's memory", NULL,
	  "cretula seal", NULL, run_seal },
	{ 0 },
};
