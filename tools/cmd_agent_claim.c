/* cretula agent claim: the agent's own side, from a command line. Runs in cretula, which
 * is the agent; holds its private key in secret memory until it is printed. */
#include "tools/agent.h"

#include <cretula/agent.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int flags_of(const struct cli *cli, unsigned *flags)
{
	const char *way = cli_opt(cli, "way");

	*flags = 0;
	if (way && !strcmp(way, "keyring"))
		*flags = CRETULA_AGENT_KEYRING_ONLY;
	else if (way && !strcmp(way, "socket"))
		*flags = CRETULA_AGENT_SOCKET_ONLY;
	else if (way)
		return cli_usage(cli,
				 "--way is 'keyring' or 'socket', not "
				 "'%s'",
				 way);
	return 0;
}

/* Not through stdio, whose buffer is ordinary memory. */
static int write_whole(const char *p, size_t n)
{
	if (fd_write(STDOUT_FILENO, p, n))
		return EXIT_DONE;
	cli_say("standard output cannot be written to: %s", strerror(errno));
	return EXIT_FAILED;
}

static int print_pem(const struct cretula_agent *a)
{
	size_t cert, chain, key;
	const char *cert_pem = cretula_agent_certificate(a, &cert),
		   *chain_pem = cretula_agent_chain(a, &chain),
		   *key_pem = cretula_agent_key(a, &key);
	int rc = write_whole(cert_pem, cert);

	if (!rc)
		rc = write_whole(chain_pem, chain);
	return rc ? rc : write_whole(key_pem, key);
}

static enum err describe(const struct cretula_agent *a, struct attrs *out)
{
	TRY(attrs_add_str(out, "agent", cretula_agent_id(a)));
	TRY(attrs_add_str(out, "serial", cretula_agent_serial(a)));
	TRY(attrs_add_u64(out, "not_after",
			  (uint64_t)cretula_agent_not_after(a)));
	TRY(attrs_add_u64(out, "renew_at",
			  (uint64_t)cretula_agent_renew_at(a)));
	return attrs_add_str(out, "way",
			     cretula_way_name(cretula_agent_way(a)));
}

static int print_claim(const struct cli *cli, const struct cretula_agent *a)
{
	struct attrs out;
	int rc;

	if (cli_opt(cli, "pem"))
		return print_pem(a);
	attrs_init(&out);
	ENSURE(describe(a, &out) == OK);
	rc = agent_print(cli, attrs_view(&out));
	attrs_wipe(&out);
	return rc;
}

int agent_claim_run(struct cli *cli)
{
	struct cretula_agent *a = NULL;
	struct cretula_error err;
	unsigned flags;
	int rc = cli_words(cli, 0);

	if (!rc)
		rc = flags_of(cli, &flags);
	if (rc)
		return rc;
	if (cretula_agent_new(&a, &err))
		return cli_failed(&err);
	cretula_agent_set(a, flags);
	if (cretula_agent_claim(a, &err)) {
		rc = cli_failed(&err);
	} else {
		if (cretula_agent_way(a) == CRETULA_WAY_SOCKET &&
		    !cli_opt(cli, "way"))
			cli_say("claimed over certmgr's socket: %s",
				cretula_agent_why(a));
		rc = print_claim(cli, a);
	}
	cretula_agent_free(a);
	return rc;
}
