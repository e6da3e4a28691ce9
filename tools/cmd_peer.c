/* cretula peer …: other stores, to which credentials are sealed and from which they
 * come. Runs in cretula; holds public keys only. */
#include "tools/peer.h"

#include <string.h>

static int run_self(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view none = { 0 };
	struct attr a;
	int rc = cli_words(cli, 0);

	if (!rc)
		rc = cli_ask(cli, true, "peer.self", none, NULL, &answer);
	if (!rc && (cli->json || cli->field))
		rc = out_reply(cli, answer);
	else if (!rc && attr_find(attrs_view(&answer->reply.a), "pub", &a))
		rc = out_bytes(a.value, a.len);
	cretula_answer_free(answer);
	return rc;
}

static int run_list(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view none = { 0 };
	int rc = cli_words(cli, 0);

	if (!rc)
		rc = cli_ask(cli, true, "peer.list", none, NULL, &answer);
	if (!rc)
		rc = out_items_by(cli, answer, "name");
	cretula_answer_free(answer);
	return rc;
}

enum err peer_pub_read(const char *path, struct export_pub *pub,
		       struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };

	buf_init(&text, CLI_FILE_MAX);
	TRY(file_read(path, EXPORT_PUB_MAX, &text, f));
	return export_pub_parse(text.p, text.len, pub, f);
}

static enum err pub_args(const char *name, const struct export_pub *p,
			 const char *url, struct attrs *a)
{
	TRY(attrs_add_str(a, "name", name));
	TRY(attrs_add_str(a, "node", p->node));
	TRY(attrs_add(a, "store", 0, p->store, EXPORT_STORE));
	TRY(attrs_add(a, "seal", 0, p->seal, EXPORT_KEY));
	TRY(attrs_add(a, "sign", 0, p->sign, EXPORT_KEY));
	return url && url[0] ? attrs_add_str(a, "url", url) : OK;
}

static int ask(struct cli *cli, const char *verb, const struct attrs *args)
{
	struct cretula_answer *answer = NULL;
	int rc = cli_ask(cli, true, verb, attrs_view(args), NULL, &answer);

	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	return rc;
}

static int run_add(struct cli *cli)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	const char *url = cli_opt(cli, "url");
	struct export_pub pub;
	struct fault f = { 0 };
	int rc = cli_words(cli, 2);
	enum err e;

	if (rc)
		return rc;
	if (cli->words < 2)
		return cli_usage(cli, "a peer needs a name, and the file that "
				      "its 'cretula peer self' prints");
	e = peer_pub_read(cli->word[1], &pub, &f);
	if (e != OK)
		return cli_fault(e, &f);
	attrs_init(&args);
	if (pub_args(cli->word[0], &pub, url ? url : pub.url, &args) != OK)
		return cli_usage(cli, "the name is too long");
	return ask(cli, "peer.add", &args);
}

static int run_remove(struct cli *cli)
{
	AUTO(attrs_wipe) struct attrs args = { 0 };
	int rc = cli_words(cli, 1);

	if (rc)
		return rc;
	if (!cli->words)
		return cli_usage(cli, "which peer? see 'cretula peer list'");
	attrs_init(&args);
	if (attrs_add_str(&args, "name", cli->word[0]) != OK)
		return cli_usage(cli, "the name is too long");
	return ask(cli, "peer.remove", &args);
}

static const struct opt add_opts[] = {
	{ "url", "URL", "where rotations are sent: https://HOST:PORT" },
	{ 0 },
};

const struct verb verbs_peer[] = {
	{ "peer", "self", "", "this store's public keys, for others",
	  "The line goes into a file, HOST.pub, that others give to 'peer add' "
	  "and 'seal-for'. It\nis no secret, but has to arrive unchanged: "
	  "compare the key id of 'peer list' by phone.\n",
	  "cretula peer self >n1.pub", NULL, run_self },
	{ "peer", "add", "NAME HOST.pub [--url URL]",
	  "know another store: seal to it, import from it", NULL,
	  "cretula peer add n1 n1.pub --url https://n1.example:7442", add_opts,
	  run_add },
	{ "peer", "list", "", "the stores that are known", NULL,
	  "cretula peer list --json", NULL, run_list },
	{ "peer", "remove", "NAME", "forget one: nothing goes there any more",
	  NULL, "cretula peer remove n1", NULL, run_remove },
	{ 0 },
};
