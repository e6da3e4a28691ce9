/* cretula credential …: named sets of attributes, some of them confidential. Holds
 * confidential values in locked memory until they are sealed for the vault. */
#include "tools/declared.h"
#include "tools/rotate_all.h"

#include "lib/num.h"

#include <cretula/module.h>

#include <stdlib.h>
#include <string.h>

enum {
	GRACE_MAX = 366 * 86400,
};

/* Attributes every credential may have, besides its module's. */
static const char *const general[] = { "not_after", "exportable" };

/* What add and rotate send. */
struct change {
	struct attrs args;   /* name= module= … */
	struct attrs plain;  /* attributes= */
	struct attrs sealed; /* box= */
	bool stdin_used;
};

static void change_init(struct change *ch)
{
	*ch = (struct change){ 0 };
	attrs_init(&ch->args);
	attrs_init(&ch->plain);
	attrs_init_secret(&ch->sealed);
}

static void change_wipe(struct change *ch)
{
	attrs_wipe(&ch->args);
	attrs_wipe(&ch->plain);
	attrs_wipe(&ch->sealed);
}

/* A confidential attribute: from @FILE, - or the terminal, never from argv. */
static int take_confidential(struct cli *cli, struct change *ch,
			     const char *name, const char *value)
{
	bool asked = !value || !value[0];
	bool from_stdin = !asked && !strcmp(value, "-");
	struct fault f = { 0 };
	struct buf secret;
	enum err e;

	if (!asked && !from_stdin && value[0] != '@')
		return cli_usage(cli,
				 "'%s' is confidential: on the command line "
				 "it is seen in process lists and shell "
				 "history; give it as %s=@FILE, %s=- for "
				 "standard input, or only '%s' to be asked",
				 name, name, name, name);
	if (from_stdin && ch->stdin_used)
		return cli_usage(cli, "only one value can come from standard "
				      "input");
	ch->stdin_used |= from_stdin;
	buf_init_secret(&secret, 2 * CLI_SECRET_MAX);
	e = secret_read(asked        ? NULL
			: from_stdin ? value
				     : value + 1,
			name, !asked, &secret, &f);
	if (e == OK)
		e = attrs_add(&ch->sealed, name, 0, secret.p, secret.len);
	buf_wipe(&secret);
	return e == OK ? 0 : cli_fault(e, &f);
}

static bool is_general(const char *name)
{
	for (size_t i = 0; i < NELEM(general); i++)
		if (!strcmp(general[i], name))
			return true;
	return false;
}

static int take_word(struct cli *cli, struct change *ch, struct attr_view decl,
		     const char *module, const char *word)
{
	char name[ATTR_NAME_MAX + 1];
	const char *value;
	unsigned kind = 0;

	if (!word_split(word, name, &value))
		return EXIT_USAGE;
	if (!declared_kind(decl, name, &kind) && !is_general(name))
		return cli_usage(cli,
				 "module '%s' has no attribute '%s': see "
				 "'cretula module list'",
				 module, name);
	if (kind & CRETULA_CONFIDENTIAL)
		return take_confidential(cli, ch, name, value);
	if (!value)
		return cli_usage(cli, "'%s' has no value: %s=VALUE", name,
				 name);
	if (attrs_add_str(&ch->plain, name, value) != OK)
		return cli_usage(cli, "too many attributes");
	return 0;
}

/* What the module cannot do without and nobody gave is asked for. */
static int ask_missing(struct cli *cli, struct change *ch,
		       struct attr_view decl)
{
	const unsigned both = CRETULA_REQUIRED | CRETULA_CONFIDENTIAL;
	char name[ATTR_NAME_MAX + 1];
	unsigned kind;
	int rc = 0;

	while (!rc && declared_next(&decl, name, &kind))
		if ((kind & both) == both &&
		    !attr_count(attrs_view(&ch->sealed), name))
			rc = take_confidential(cli, ch, name, NULL);
	return rc;
}

static int take_words(struct cli *cli, struct change *ch, const char *module)
{
	struct cretula_answer *modules = NULL;
	struct attr_view decl = { 0 };
	int rc = declared_find(cli, module, &modules, &decl);

	for (size_t i = 1; !rc && i < cli->words; i++)
		if (strncmp(cli->word[i], "module=", 7) != 0)
			rc = take_word(cli, ch, decl, module, cli->word[i]);
	if (!rc)
		rc = ask_missing(cli, ch, decl);
	cretula_answer_free(modules);
	return rc;
}

static int send_change(struct cli *cli, struct change *ch, const char *verb)
{
	struct cretula_answer *answer = NULL;
	int rc;

	if (attrs_add(&ch->args, "attributes", 0, ch->plain.bytes.p,
		      ch->plain.bytes.len) != OK)
		return cli_usage(cli, "the attributes are too long");
	rc = cli_ask(cli, true, verb, attrs_view(&ch->args), &ch->sealed,
		     &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	return rc;
}

static const char *module_word(const struct cli *cli)
{
	const char *found = NULL;

	for (size_t i = 1; i < cli->words; i++)
		if (!strncmp(cli->word[i], "module=", 7))
			found = cli->word[i] + 7;
	return found;
}

static int run_add(struct cli *cli)
{
	const char *module = module_word(cli);
	struct change ch;
	int rc;

	if (!cli->words || strchr(cli->word[0], '='))
		return cli_usage(cli, "the credential needs a name");
	if (!module || !module[0])
		return cli_usage(cli, "which module? module=NAME, see 'cretula "
				      "module list'");
	change_init(&ch);
	if (attrs_add_str(&ch.args, "name", cli->word[0]) != OK ||
	    attrs_add_str(&ch.args, "module", module) != OK)
		rc = cli_usage(cli, "the name is too long");
	else
		rc = take_words(cli, &ch, module);
	if (!rc)
		rc = send_change(cli, &ch, "credential.add");
	change_wipe(&ch);
	return rc;
}

/* Calls a verb with name= the first word. 0 or an exit code. */
static int ask_name(struct cli *cli, const char *verb,
		    struct cretula_answer **answer)
{
	struct attrs args;
	int rc;

	if (!cli->words)
		return cli_usage(cli, "which credential? see 'cretula "
				      "credential list'");
	attrs_init(&args);
	rc = attrs_add_str(&args, "name", cli->word[0]) == OK
		     ? cli_ask(cli, true, verb, attrs_view(&args), NULL, answer)
		     : cli_usage(cli, "the name is too long");
	attrs_wipe(&args);
	return rc;
}

/* The module of an existing credential; freed by the caller. */
static int module_of(struct cli *cli, char **module)
{
	struct cretula_answer *shown = NULL;
	struct attr a;
	int rc = ask_name(cli, "credential.show", &shown);

	if (!rc && (!shown->count ||
		    !attr_find(attrs_view(&shown->item[0].a), "module", &a) ||
		    attr_str(&a, module) != OK)) {
		cli_say("credd does not say which module '%s' is for",
			cli->word[0]);
		rc = EXIT_FAILED;
	}
	cretula_answer_free(shown);
	return rc;
}

static int add_grace(struct cli *cli, struct change *ch)
{
	const char *grace = cli_opt(cli, "grace");
	uint64_t seconds;

	if (!grace)
		return 0;
	if (num_duration(grace, strlen(grace), true, GRACE_MAX, &seconds) != OK)
		return cli_usage(cli, "--grace is a duration such as 90s, 5m "
				      "or 24h");
	return attrs_add_u64(&ch->args, "grace", seconds) == OK ? 0
								: EXIT_FAILED;
}

/* --all: the same new version for every store that has the credential. The secret is
 * asked for when it is known which those are, and our own store comes first: what it
 * refuses goes nowhere. */
static int rotate_own(struct cli *cli, struct rotate_all *all)
{
	struct cretula_answer *answer = NULL;
	struct change ch;
	int rc;

	change_init(&ch);
	if (attrs_add_str(&ch.args, "name", all->name) != OK ||
	    attrs_add_u64(&ch.args, "version", all->version) != OK ||
	    attrs_add_u64(&ch.args, "grace", all->grace) != OK)
		rc = cli_usage(cli, "the name is too long");
	else
		rc = take_words(cli, &ch, all->module);
	if (!rc && attrs_add(&ch.args, "attributes", 0, ch.plain.bytes.p,
			     ch.plain.bytes.len) != OK)
		rc = cli_usage(cli, "the attributes are too long");
	if (!rc)
		rc = cli_ask(cli, true, "credential.rotate",
			     attrs_view(&ch.args), &ch.sealed, &answer);
	cretula_answer_free(answer);
	change_wipe(&ch);
	return rc;
}

static int all_grace(struct cli *cli, uint64_t *grace)
{
	const char *text = cli_opt(cli, "grace");

	*grace = ROTATE_GRACE;
	if (!text ||
	    (num_duration(text, strlen(text), true, GRACE_MAX, grace) == OK &&
	     *grace))
		return 0;
	return cli_usage(cli, "--grace is a duration such as 90s, 5m or 24h, "
			      "and with --all not 0");
}

static int run_rotate_all(struct cli *cli)
{
	bool resume = cli_opt(cli, "resume");
	struct rotate_all all = { .name = cli->words ? cli->word[0] : "" };
	int rc = all_grace(cli, &all.grace);

	if (!rc && !cli->words)
		rc = cli_usage(cli, "which credential? see 'cretula "
				    "credential list'");
	if (!rc && resume)
		rc = cli_words(cli, 1);
	if (!rc)
		rc = rotate_all_ask(cli, &all);
	if (!rc && resume)
		all.version = all.own;
	else if (!rc)
		rc = rotate_own(cli, &all);
	if (!rc)
		rc = rotate_all_send(cli, &all);
	rotate_all_wipe(&all);
	return rc;
}

static int run_rotate(struct cli *cli)
{
	AUTO(mem_free) char *module = NULL;
	struct change ch;
	int rc;

	if (cli_opt(cli, "all"))
		return run_rotate_all(cli);
	if (cli_opt(cli, "resume"))
		return cli_usage(cli, "--resume goes with --all");
	change_init(&ch);
	rc = add_grace(cli, &ch);
	if (!rc)
		rc = module_of(cli, &module);
	if (!rc && attrs_add_str(&ch.args, "name", cli->word[0]) != OK)
		rc = cli_usage(cli, "the name is too long");
	if (!rc)
		rc = take_words(cli, &ch, module);
	if (!rc)
		rc = send_change(cli, &ch, "credential.rotate");
	change_wipe(&ch);
	return rc;
}

static int run_list(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	int rc;

	if (cli->words)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[0]);
	rc = cli_ask_either(cli, "credential.list", "credentials", &answer);
	if (!rc)
		rc = out_items_by(cli, answer, "name");
	cretula_answer_free(answer);
	return rc;
}

static int run_show(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	int rc = ask_name(cli, "credential.show", &answer);

	if (!rc)
		rc = out_items(cli, answer, "attributes");
	cretula_answer_free(answer);
	return rc;
}

static int run_simple(struct cli *cli, const char *verb)
{
	struct cretula_answer *answer = NULL;
	int rc;

	if (cli->words > 1)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[1]);
	rc = ask_name(cli, verb, &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	return rc;
}

static int run_disable(struct cli *cli)
{
	return run_simple(cli, "credential.disable");
}

static int run_enable(struct cli *cli)
{
	return run_simple(cli, "credential.enable");
}

static int run_remove(struct cli *cli)
{
	return run_simple(cli, "credential.remove");
}

static const struct opt rotate_opts[] = {
	{ "grace", "TIME", "how long the old version stays (--all: 1h)" },
	{ "all", NULL, "and in every peer that has the credential" },
	{ "resume", NULL, "with --all: the current version, to those without" },
	{ 0 },
};

const struct verb verbs_credential[] = {
	{ "credential", "add", "NAME module=MODULE ATTR=VALUE … SECRET=@FILE",
	  "seal a credential",
	  "A confidential attribute is SECRET=@FILE (less one final newline), "
	  "SECRET=-\n(standard input), or asked for on the terminal; never on "
	  "the command line.\n'cretula module list' says what a module "
	  "needs.\n",
	  "cretula credential add prod module=aws-sigv4 access_key=AKIDEXAMPLE "
	  "secret_key=@/root/key",
	  NULL, run_add },
	{ "credential", "list", "", "the credentials there are",
	  "Who is no admin sees those that he may use, with the operations "
	  "that he may run.\n",
	  "cretula credential list --json", NULL, run_list },
	{ "credential", "show", "NAME", "a credential's versions, no secrets",
	  NULL, "cretula credential show prod", NULL, run_show },
	{ "credential", "rotate",
	  "NAME ATTR=VALUE … SECRET=@FILE [--grace TIME] [--all [--resume]]",
	  "make a new version current",
	  "With --all, each store of 'cretula peer list' that has the "
	  "credential gets the same version,\nsealed; a line for each says "
	  "what came of it. Exit code 0: all have it; 75: some were out of\n"
	  "reach; 1: some refused. Who lacks it keeps what he has, and gets it "
	  "by --all --resume.\n",
	  "cretula credential rotate prod access_key=AKIDNEW "
	  "secret_key=@/root/new --grace 1h",
	  rotate_opts, run_rotate },
	{ "credential", "disable", "NAME", "stop its use, keep it", NULL,
	  "cretula credential disable prod", NULL, run_disable },
	{ "credential", "enable", "NAME", "allow its use again", NULL,
	  "cretula credential enable prod", NULL, run_enable },
	{ "credential", "remove", "NAME", "destroy it", NULL,
	  "cretula credential remove prod", NULL, run_remove },
	{ 0 },
};
