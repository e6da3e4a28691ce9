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
	LINE = 48, /* bytes of a line of PEM */
};

/* Which list: `place` in the answer, the full one first. */
static int which(const struct cli *cli, bool *one, uint64_t *place)
{
	const char *shard = cli_opt(cli, "shard");
	bool full = cli_opt(cli, "full");
	int rc = cli_words(cli, 0);

	*one = shard || full;
	*place = 0;
	if (!rc && shard && full)
		rc = cli_usage(cli, "--shard and --full exclude each other");
	if (!rc && *one && cli_opt(cli, "publish"))
		rc = cli_usage(cli,
			       "--publish goes without --shard and --full");
	if (!rc && !*one && (cli_opt(cli, "pem") || cli_opt(cli, "out")))
		rc = cli_usage(cli,
			       "--pem and --out go with --shard or --full");
	if (!rc && shard &&
	    num_u64(shard, strlen(shard), SHARD_MAX, place) != OK)
		rc = cli_usage(cli, "--shard is a number");
	if (!rc && shard)
		++*place;
	return rc;
}

/* The list's address: as published, but from CRETULA_CA_HTTP if that is said. */
static int url_of(const struct cretula_answer *answer, uint64_t place,
		  char **url)
{
	const char *base = getenv("CRETULA_CA_HTTP");
	struct attr a;

	if (place >= answer->count) {
		cli_say("there is no such list: the shards are 0 to %u",
			answer->count ? answer->count - 2 : 0);
		return err_exit(ERR_NOT_FOUND);
	}
	if (base && place)
		ENSURE(asprintf(url, "%s/crl/%llu", base,
				(unsigned long long)place - 1) > 0);
	else if (base)
		ENSURE(asprintf(url, "%s/crl", base) > 0);
	else if (!attr_find(attrs_view(&answer->item[place].a), "url", &a) ||
		 attr_str(&a, url) != OK) {
		cli_say("ca does not say where that list is");
		return EXIT_FAILED;
	}
	return 0;
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
	struct attrs args;
	uint64_t place;
	bool one;
	int rc = which(cli, &one, &place);

	if (rc)
		return rc;
	attrs_init(&args);
	if (cli_opt(cli, "publish"))
		ENSURE(attrs_add_str(&args, "publish", "yes") == OK);
	rc = ca_ask(cli, true, "ca.crl", attrs_view(&args), NULL, &answer);
	attrs_wipe(&args);
	if (!rc && !one)
		rc = out_items(cli, answer, NULL);
	if (!rc && one)
		rc = url_of(answer, place, &url);
	cretula_answer_free(answer);
	return rc || !one ? rc : fetch(cli, url);
}
