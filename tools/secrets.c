/* Passphrases and key files. Runs in cretula; holds the secret in locked memory until
 * it is sealed for the daemon that needs it. */
#include "tools/secrets.h"

#include "lib/num.h"

#include <string.h>

enum {
	ARGON_OPS_MAX = 10,
	ARGON_MEM_MIN = 64 << 20,
	ARGON_MEM_MAX = 1 << 30,
};

int source_check(const struct cli *cli, const char *name)
{
	const char *source = cli_opt(cli, name);

	if (!source || source[0] == '@' || !strcmp(source, "-"))
		return 0;
	return cli_usage(cli,
			 "a %s on the command line is seen in process "
			 "lists and shell history: give it as @FILE, or - "
			 "for standard input",
			 name);
}

int slot_check(const struct cli *cli)
{
	const char *pass = cli_opt(cli, "passphrase");

	if (pass && cli_opt(cli, "key-file"))
		return cli_usage(cli, "--passphrase and --key-file exclude "
				      "each other");
	if (cli->words)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[0]);
	return source_check(cli, "passphrase");
}

enum err passphrase_read(const char *source, bool twice, struct buf *out,
			 struct fault *f)
{
	if (!source && twice)
		return secret_ask_twice("passphrase", out, f);
	if (!source || !strcmp(source, "-"))
		return secret_read(source, "passphrase", true, out, f);
	return secret_read(source + 1, "passphrase", true, out, f);
}

int slot_secret(struct cli *cli, bool making, struct attrs *box)
{
	const char *pass = cli_opt(cli, "passphrase");
	const char *file = cli_opt(cli, "key-file");
	struct fault f = { 0 };
	struct buf secret;
	enum err e = OK;

	buf_init_secret(&secret, 2 * CLI_SECRET_MAX);
	if (file)
		e = secret_read(file[0] == '@' ? file + 1 : file, "key file",
				false, &secret, &f);
	else
		e = passphrase_read(pass, making, &secret, &f);
	if (e == OK)
		e = attrs_add_str(box, "type", file ? "keyfile" : "passphrase");
	if (e == OK)
		e = attrs_add(box, "secret", 0, secret.p, secret.len);
	buf_wipe(&secret);
	return e == OK ? 0 : cli_fault(e, &f);
}

int slot_cost(struct cli *cli, struct attrs *args)
{
	const char *ops = cli_opt(cli, "ops");
	const char *mem = cli_opt(cli, "mem");
	uint64_t n;

	if (ops && (num_u64(ops, strlen(ops), ARGON_OPS_MAX, &n) != OK || !n))
		return cli_usage(cli, "--ops is a number from 1 to %d",
				 ARGON_OPS_MAX);
	if (ops)
		ENSURE(attrs_add_u64(args, "ops", n) == OK);
	if (mem && (num_size(mem, strlen(mem), ARGON_MEM_MAX, &n) != OK ||
		    n < ARGON_MEM_MIN))
		return cli_usage(cli, "--mem is a size from 64M to 1G");
	if (mem)
		ENSURE(attrs_add_u64(args, "mem", n) == OK);
	return 0;
}

int slot_make(struct cli *cli, const char *verb)
{
	struct cretula_answer *answer = NULL;
	struct attrs args, box;
	int rc;

	attrs_init(&args);
	attrs_init_secret(&box);
	rc = slot_check(cli);
	if (!rc)
		rc = slot_cost(cli, &args);
	if (!rc)
		rc = cli_open(cli, true);
	if (!rc)
		rc = slot_secret(cli, true, &box);
	if (!rc)
		rc = cli_ask(cli, true, verb, attrs_view(&args), &box, &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	attrs_wipe(&box);
	attrs_wipe(&args);
	return rc;
}
