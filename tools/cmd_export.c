/* cretula credential export-sealed, credential import, seal-for: credentials that travel
 * sealed to another store. Runs in cretula; seal-for holds confidential values in locked
 * memory until they are sealed, the others never see one. */
#include "tools/file_out.h"
#include "tools/peer.h"

#include "lib/clock.h"
#include "lib/export.h"
#include "lib/num.h"

#include <string.h>
#include <unistd.h>

enum {
	EXPIRES_MAX = 3660 * 86400,
	GRACE_MAX = 366 * 86400,
};

/* Writing it: text unless --binary; to --out, else to standard output. */

static int put(struct cli *cli, const uint8_t *p, size_t n)
{
	const char *path = cli_opt(cli, "out");
	struct fault f = { 0 };
	enum err e;

	if (!path)
		return out_bytes(p, n);
	e = file_write(path, p, n, 0644, &f);
	return e == OK ? EXIT_DONE : cli_fault(e, &f);
}

static int put_export(struct cli *cli, const uint8_t *p, size_t n)
{
	AUTO(buf_wipe) struct buf text = { 0 };

	if (cli_opt(cli, "binary") && !cli_opt(cli, "out") &&
	    isatty(STDOUT_FILENO))
		return cli_usage(cli, "--binary is not for a terminal: "
				      "redirect it, or --out FILE");
	if (cli_opt(cli, "binary"))
		return put(cli, p, n);
	buf_init(&text, EXPORT_TEXT_MAX);
	if (export_armour(p, n, &text) != OK)
		return cli_fault(ERR_TOO_LARGE, NULL);
	return put(cli, text.p, text.len);
}

/* --expires as a moment; 0: none. */
static int expires(struct cli *cli, int64_t *at)
{
	const char *life = cli_opt(cli, "expires");
	uint64_t s;

	*at = 0;
	if (!life)
		return 0;
	if (num_duration(life, strlen(life), false, EXPIRES_MAX, &s) != OK ||
	    !s)
		return cli_usage(cli, "--expires is a duration such as 90s, 5m "
				      "or 24h");
	*at = clock_wall() + (int64_t)s;
	return 0;
}

static int version_opt(struct cli *cli, uint64_t *version)
{
	const char *v = cli_opt(cli, "version");

	*version = 0;
	if (!v || (num_u64(v, strlen(v), EXPORT_VERSION_MAX, version) == OK &&
		   *version))
		return 0;
	return cli_usage(cli, "--version is a number above 0");
}

/* export-sealed */

static int export_args(struct cli *cli, struct attrs *args)
{
	const char *to = cli_opt(cli, "to");
	uint64_t version;
	int64_t end;
	int rc = cli_words(cli, 1);

	if (rc)
		return rc;
	if (!cli->words || !to)
		return cli_usage(cli, "which credential, to which peer? NAME "
				      "--to PEER, see 'cretula peer list'");
	rc = version_opt(cli, &version);
	if (!rc)
		rc = expires(cli, &end);
	if (rc)
		return rc;
	if (attrs_add_str(args, "name", cli->word[0]) != OK ||
	    attrs_add_str(args, "to", to) != OK ||
	    (version && attrs_add_u64(args, "version", version) != OK) ||
	    (end && attrs_add_u64(args, "not_after", (uint64_t)end) != OK))
		return cli_usage(cli, "the name is too long");
	return 0;
}

static int run_export(struct cli *cli)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	struct cretula_answer *answer = NULL;
	struct attr a;
	int rc;

	attrs_init(&args);
	rc = export_args(cli, &args);
	if (!rc)
		rc = cli_ask(cli, true, "credential.export-sealed",
			     attrs_view(&args), NULL, &answer);
	if (!rc && (cli->json || cli->field))
		rc = out_reply(cli, answer);
	else if (!rc && attr_find(attrs_view(&answer->reply.a), "export", &a))
		rc = put_export(cli, a.value, a.len);
	cretula_answer_free(answer);
	return rc;
}

/* import */

static int import_args(struct cli *cli, struct attrs *args)
{
	const char *grace = cli_opt(cli, "grace");
	uint64_t s;

	if (cli_opt(cli, "anonymous"))
		ENSURE(attrs_add_str(args, "anonymous", "yes") == OK);
	if (cli_opt(cli, "dry-run"))
		ENSURE(attrs_add_str(args, "dry_run", "yes") == OK);
	if (!grace)
		return 0;
	if (num_duration(grace, strlen(grace), true, GRACE_MAX, &s) != OK)
		return cli_usage(cli, "--grace is a duration such as 90s, 5m "
				      "or 24h");
	ENSURE(attrs_add_u64(args, "grace", s) == OK);
	return 0;
}

static int import_file(struct cli *cli, struct attrs *args)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(buf_wipe) struct buf bytes = { 0 };
	struct fault f = { 0 };
	enum err e;

	buf_init(&text, 2 * CLI_FILE_MAX);
	buf_init(&bytes, EXPORT_MAX);
	e = file_read(cli->word[0], CLI_FILE_MAX, &text, &f);
	if (e == OK)
		e = export_unarmour(text.p, text.len, &bytes, &f);
	if (e == OK)
		e = attrs_add(args, "export", 0, bytes.p, bytes.len);
	return e == OK ? 0 : cli_fault(e, &f);
}

static int say_imported(struct cli *cli, const struct cretula_answer *answer)
{
	struct attr a;

	if (!cli->json && !cli->field &&
	    attr_find(attrs_view(&answer->reply.a), "already", &a))
		cli_say("it is there already: nothing was changed");
	return out_reply(cli, answer);
}

static int run_import(struct cli *cli)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	struct cretula_answer *answer = NULL;
	int rc = cli_words(cli, 1);

	if (!rc && !cli->words)
		rc = cli_usage(cli, "which file? - is standard input");
	attrs_init(&args);
	if (!rc)
		rc = import_args(cli, &args);
	if (!rc)
		rc = import_file(cli, &args);
	if (!rc)
		rc = cli_ask(cli, true, "credential.import", attrs_view(&args),
			     NULL, &answer);
	if (!rc)
		rc = say_imported(cli, answer);
	cretula_answer_free(answer);
	return rc;
}

/* seal-for: no daemon, so nobody to ask what is confidential: what comes from a file,
 * standard input or the terminal is */

static enum err take_secret(const char *name, const char *value,
			    struct attrs *list, struct fault *f)
{
	AUTO(buf_wipe) struct buf secret = { 0 };
	bool asked = !value || !value[0];

	buf_init_secret(&secret, 2 * CLI_SECRET_MAX);
	TRY(secret_read(asked                 ? NULL
			: !strcmp(value, "-") ? value
					      : value + 1,
			name, !asked, &secret, f));
	return attrs_add(list, name, ATTR_CONFIDENTIAL, secret.p, secret.len);
}

static bool keep_name(const char *value, char *out, size_t size)
{
	size_t n = value ? strlen(value) : 0;

	if (!n || n >= size || out[0])
		return false;
	memcpy(out, value, n + 1);
	return true;
}

static int take_word(struct cli *cli, const char *word, struct export *x,
		     struct attrs *list)
{
	char name[ATTR_NAME_MAX + 1];
	struct fault f = { 0 };
	const char *value;
	enum err e;

	if (!word_split(word, name, &value))
		return EXIT_USAGE;
	if (!strcmp(name, "name") || !strcmp(name, "module")) {
		bool is_name = !strcmp(name, "name");

		return keep_name(value, is_name ? x->name : x->module,
				 is_name ? sizeof x->name : sizeof x->module)
			       ? 0
			       : cli_usage(cli, "%s= is one name", name);
	}
	if (attr_count(attrs_view(list), name))
		return cli_usage(cli, "'%s' is given twice", name);
	if (!value || !value[0] || value[0] == '@' || !strcmp(value, "-"))
		e = take_secret(name, value, list, &f);
	else
		e = attrs_add_str(list, name, value);
	return e == OK ? 0 : cli_fault(e, &f);
}

static int take_words(struct cli *cli, struct export *x, struct attrs *list)
{
	size_t from_stdin = 0;
	int rc = 0;

	for (size_t i = 1; i < cli->words; i++) {
		const char *eq = strchr(cli->word[i], '=');

		from_stdin += eq && !strcmp(eq, "=-");
	}
	if (from_stdin > 1)
		return cli_usage(cli, "only one value can come from standard "
				      "input");
	for (size_t i = 1; i < cli->words && !rc; i++)
		rc = take_word(cli, cli->word[i], x, list);
	if (!rc && (!x->name[0] || !x->module[0]))
		rc = cli_usage(cli, "name=NAME and module=MODULE say what it "
				    "becomes there");
	if (!rc && !list->count)
		rc = cli_usage(cli, "there is nothing to seal: ATTR=VALUE, "
				    "SECRET=@FILE");
	return rc;
}

static int seal_and_put(struct cli *cli, const struct export_pub *pub,
			const struct export *x)
{
	AUTO(buf_wipe) struct buf sealed = { 0 };
	struct fault f = { 0 };
	enum err e;

	buf_init(&sealed, EXPORT_MAX);
	e = export_make(x, pub->seal, NULL, &sealed, &f);
	return e == OK ? put_export(cli, sealed.p, sealed.len)
		       : cli_fault(e, &f);
}

static int run_seal_for(struct cli *cli)
{
	struct export x = { .purpose = EXPORT_SEAL, .anonymous = true };
	AUTO(attrs_wipe) struct attrs list = { 0 };
	struct fault f = { 0 };
	struct export_pub pub;
	enum err e;
	int rc;

	if (!cli->words)
		return cli_usage(cli, "for whom? HOST.pub is what 'cretula "
				      "peer self' prints there");
	e = peer_pub_read(cli->word[0], &pub, &f);
	if (e != OK)
		return cli_fault(e, &f);
	attrs_init_secret(&list);
	rc = version_opt(cli, &x.version);
	if (!rc)
		rc = expires(cli, &x.not_after);
	if (!rc)
		rc = take_words(cli, &x, &list);
	if (rc)
		return rc;
	random_fill(x.id, EXPORT_ID);
	x.made = clock_wall();
	x.attributes = attrs_view(&list);
	return seal_and_put(cli, &pub, &x);
}

#define OUT_OPTS                                                               \
	{ "version", "N",                                                      \
	  "the version (default: the current, or next, one)" },                \
		{ "expires", "TIME", "to be imported within that time" },      \
		{ "out", "FILE", "write it there" },                           \
	{                                                                      \
		"binary", NULL, "bytes instead of text"                        \
	}

static const struct opt export_opts[] = {
	{ "to", "PEER", "for whom: see 'cretula peer list'" },
	OUT_OPTS,
	{ 0 },
};

static const struct opt import_opts[] = {
	{ "anonymous", NULL, "whoever made it: by seal-for, or no peer" },
	{ "grace", "TIME", "how long a version it replaces may be used" },
	{ "dry-run", NULL, "open and check it, change nothing" },
	{ 0 },
};

static const struct opt seal_opts[] = { OUT_OPTS, { 0 } };

const struct verb verbs_export[] = {
	{ "credential", "export-sealed",
	  "NAME --to PEER [--version N] [--expires TIME] [--out FILE]",
	  "seal a version to another store",
	  "Needs a grant with op=export reveal=secret for whoever asks, admins "
	  "too. What comes out\ncan be sent by anything: only that peer opens "
	  "it, and sees who made it.\n",
	  "cretula credential export-sealed prod --to n1 --out prod.csx",
	  export_opts, run_export },
	{ "credential", "import",
	  "FILE|- [--anonymous] [--grace TIME] [--dry-run]",
	  "take in what was sealed for this store", NULL,
	  "cretula credential import prod.csx", import_opts, run_import },
	{ "seal-for", NULL,
	  "HOST.pub name=NAME module=MODULE ATTR=VALUE … SECRET=@FILE",
	  "seal a new secret to a store, without any daemon",
	  "What comes from @FILE, - (standard input) or, given only as SECRET, "
	  "the terminal is\nconfidential, the rest is not. Nobody signs it: "
	  "'credential import --anonymous' there.\n",
	  "cretula seal-for n1.pub name=prod module=aws-sigv4 "
	  "access_key=AKIDEXAMPLE secret_key=@/root/key >prod.csx",
	  seal_opts, run_seal_for },
	{ 0 },
};
