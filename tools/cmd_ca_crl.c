/* cretula ca crl: what is published, and the lists themselves, as everybody gets them.
 * Runs in cretula; holds nothing. */
#include "tools/ca.h"
#include "tools/file_out.h"
#include "tools/web.h"

#include "lib/enc.h"
#include "lib/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SHARD_MAX = 4096,
	FILE_MODE = 0644,
	PATH_ROOM = 32,
	LINE = 48, /* bytes of a line of PEM */
};

/* Which list is wanted: its address after the base, "" for none. 0 or an exit code. */
static int which(const struct cli *cli, char path[PATH_ROOM])
{
	const char *shard = cli_opt(cli, "shard");
	bool full = cli_opt(cli, "full"), root = cli_opt(cli, "root");
	bool one = shard || full || root;
	uint64_t n = 0;
	int rc = cli_words(cli, 0);

	if (!rc && !!shard + full + root > 1)
		rc = cli_usage(cli, "--shard, --full and --root exclude each "
				    "other");
	if (!rc && one && cli_opt(cli, "publish"))
		rc = cli_usage(cli, "--publish prints no list");
	if (!rc && !one && (cli_opt(cli, "pem") || cli_opt(cli, "out")))
		rc = cli_usage(cli, "--pem and --out go with --shard, --full "
				    "or --root");
	if (!rc && shard && num_u64(shard, strlen(shard), SHARD_MAX, &n) != OK)
		rc = cli_usage(cli, "--shard is a number");
	(void)snprintf(path, PATH_ROOM, "%s",
		       root   ? "/root.crl"
		       : full ? "/crl"
			      : "");
	if (!rc && shard)
		(void)snprintf(path, PATH_ROOM, "/crl/%llu",
			       (unsigned long long)n);
	return rc;
}

/* The list's address: as published, but from CRETULA_CA_HTTP if that is said. */
static int url_of(const struct cretula_answer *answer, const char *path,
		  char **url)
{
	const char *base = getenv("CRETULA_CA_HTTP");
	const size_t tail = sizeof "/crl" - 1; /* of the first one's address */
	struct attr a;

	if (!answer->count ||
	    !attr_find(attrs_view(&answer->item[0].a), "url", &a) ||
	    a.len <= tail) {
		cli_say("ca does not say where its lists are");
		return EXIT_FAILED;
	}
	if (base)
		ENSURE(asprintf(url, "%s%s", base, path) > 0);
	else
		ENSURE(asprintf(url, "%.*s%s", (int)(a.len - tail),
				(const char *)a.value, path) > 0);
	return 0;
}

/* Only the daemon knows how many shards there are. */
static int check_shard(const struct cli *cli,
		       const struct cretula_answer *answer)
{
	const char *shard = cli_opt(cli, "shard");
	uint64_t n;

	if (!shard || num_u64(shard, strlen(shard), SHARD_MAX, &n) != OK ||
	    n + 1 < answer->count)
		return 0;
	cli_say("there is no such list: the shards are 0 to %u",
		answer->count ? answer->count - 2 : 0);
	return err_exit(ERR_NOT_FOUND);
}

/* Lists are larger than what pem_put is for. */
static enum err to_pem(const struct buf *der, struct buf *out)
{
	TRY(buf_str(out, "-----BEGIN X509 CRL-----\n"));
	for (size_t at = 0; at < der->len; at += LINE) {
		TRY(enc_base64(der->p + at, MIN(der->len - at, (size_t)LINE),
			       out));
		TRY(buf_u8(out, '\n'));
	}
	return buf_str(out, "-----END X509 CRL-----\n");
}

static int put(const struct cli *cli, const struct buf *bytes)
{
	const char *path = cli_opt(cli, "out");
	struct fault f = { 0 };
	enum err e;

	if (!path && !cli_opt(cli, "pem") && isatty(STDOUT_FILENO))
		return cli_usage(cli, "a list is not for a terminal: --pem, or "
				      "--out FILE");
	if (!path)
		return out_bytes(bytes->p, bytes->len);
	e = file_write(path, bytes->p, bytes->len, FILE_MODE, &f);
	return e == OK ? EXIT_DONE : cli_fault(e, &f);
}

static int fetch(const struct cli *cli, const char *url)
{
	struct web w = { .url = url, .max = WEB_CRL_MAX };
	struct buf der, pem;
	struct fault f = { 0 };
	bool reached = true;
	enum err e;
	int rc;

	buf_init(&der, 2ull * WEB_CRL_MAX);
	buf_init(&pem, 2ull * WEB_CRL_MAX);
	e = web_fetch(&w, &der, &reached, &f);
	if (e == OK && cli_opt(cli, "pem"))
		e = to_pem(&der, &pem);
	if (e == OK)
		rc = put(cli, cli_opt(cli, "pem") ? &pem : &der);
	else
		rc = cli_fault(e, &f);
	buf_wipe(&pem);
	buf_wipe(&der);
	return reached ? rc : EXIT_NOT_REACHED;
}

int ca_crl_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	AUTO(mem_free) char *url = NULL;
	char path[PATH_ROOM];
	struct attrs args;
	int rc = which(cli, path);

	if (rc)
		return rc;
	attrs_init(&args);
	if (cli_opt(cli, "publish"))
		ENSURE(attrs_add_str(&args, "publish", "yes") == OK);
	rc = ca_ask(cli, true, "ca.crl", attrs_view(&args), NULL, &answer);
	attrs_wipe(&args);
	if (!rc && !path[0])
		rc = out_items(cli, answer, NULL);
	if (!rc && path[0])
		rc = check_shard(cli, answer);
	if (!rc && path[0])
		rc = url_of(answer, path, &url);
	cretula_answer_free(answer);
	return rc || !path[0] ? rc : fetch(cli, url);
}
