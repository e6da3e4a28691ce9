/* cretula ca init, root. Runs in cretula; holds the root key's passphrase in locked memory
 * until it is sealed for the signer. */
#include "tools/ca.h"
#include "tools/secrets.h"

#include "lib/enc.h"
#include "lib/evp.h"
#include "lib/pem.h"

#include <string.h>

/* The passphrase of the root key, as LIST passphrase=. */
static int root_secret(const struct cli *cli, bool twice, struct attrs *box)
{
	struct fault f = { 0 };
	struct buf secret;
	enum err e;

	buf_init_secret(&secret, 2 * CLI_SECRET_MAX);
	e = passphrase_read(cli_opt(cli, "passphrase"), twice, &secret, &f);
	if (e == OK)
		e = attrs_add(box, "passphrase", 0, secret.p, secret.len);
	buf_wipe(&secret);
	return e == OK ? 0 : cli_fault(e, &f);
}

/* A verb that needs the root key. The connection first: nobody types a passphrase
 * for a daemon that is not there. */
static int root_ask(struct cli *cli, bool twice, const char *verb,
		    const struct attrs *args)
{
	struct cretula_answer *answer = NULL;
	struct attrs box;
	int rc;

	attrs_init_secret(&box);
	cli->daemon = CLIENT_CA;
	rc = cli_open(cli, true);
	if (!rc)
		rc = root_secret(cli, twice, &box);
	if (!rc)
		rc = ca_ask(cli, true, verb, attrs_view(args), &box, &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	attrs_wipe(&box);
	return rc;
}

static int add_key_type(const struct cli *cli, struct attrs *args)
{
	static const struct {
		const char *given, *type, *bits;
	} types[] = {
		{ "p256", "p256", NULL },
		{ "ed25519", "ed25519", NULL },
		{ "rsa2048", "rsa", "2048" },
		{ "rsa3072", "rsa", "3072" },
	};
	const char *given = cli_opt(cli, "key-type");

	for (size_t i = 0; i < NELEM(types); i++) {
		if (strcmp(given ? given : "p256", types[i].given) != 0)
			continue;
		ENSURE(attrs_add_str(args, "key_type", types[i].type) == OK);
		if (types[i].bits)
			ENSURE(attrs_add_str(args, "bits", types[i].bits) ==
			       OK);
		return 0;
	}
	return cli_usage(cli, "--key-type is p256, ed25519, rsa2048 or "
			      "rsa3072");
}

int ca_init_run(struct cli *cli)
{
	struct attrs args;
	int rc = cli_words(cli, 0);

	attrs_init(&args);
	if (!rc && !cli_opt(cli, "domain"))
		rc = cli_usage(cli, "a CA needs --domain: the DNS name under "
				    "which all that it certifies is");
	if (!rc)
		rc = source_check(cli, "passphrase");
	if (!rc)
		rc = cli_add(cli, "domain", "domain", &args);
	if (!rc)
		rc = cli_add(cli, "trust-domain", "trust_domain", &args);
	if (!rc)
		rc = add_key_type(cli, &args);
	if (!rc)
		rc = cli_add(cli, "shards", "shards", &args);
	if (!rc)
		rc = cli_add(cli, "instance", "instance", &args);
	if (!rc)
		rc = cli_add_time(cli, "root-life", "root_life", false, &args);
	if (!rc)
		rc = cli_add_time(cli, "issuing-life", "issuing_life", false,
				  &args);
	if (!rc)
		rc = root_ask(cli, true, "ca.init", &args);
	attrs_wipe(&args);
	return rc;
}

/* root */

static int renew(struct cli *cli)
{
	struct attrs args;
	int rc = source_check(cli, "passphrase");

	attrs_init(&args);
	if (!rc && cli->connect)
		rc = cli_usage(cli, "'ca root --renew' is done on the CA's own "
				    "host: no --connect");
	if (!rc && cli_opt(cli, "issuing"))
		rc = cli_usage(cli, "--issuing and --renew exclude each other");
	if (!rc)
		rc = cli_add_time(cli, "issuing-life", "issuing_life", false,
				  &args);
	if (!rc)
		rc = root_ask(cli, false, "ca.renew", &args);
	attrs_wipe(&args);
	return rc;
}

/* As certmgr's ca_hash= has it. */
static enum err add_hash(struct attrs *a, struct span root)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	size_t n = evp_digest(EVP_HASH_SHA256, root, hash);

	enc_hex(hash, n, hex);
	return attrs_add_fmt(a, "hash", "sha256:%s", hex);
}

/* Both as PEM, and the root's hash. */
static int print_chain(const struct cli *cli, struct span root,
		       struct span issuing)
{
	struct attrs a;
	struct buf b;
	int rc = EXIT_FAILED;

	attrs_init(&a);
	buf_init(&b, CLI_FILE_MAX);
	if (pem_put("CERTIFICATE", root, &b) == OK &&
	    add_hash(&a, root) == OK &&
	    attrs_add(&a, "root", 0, b.p, b.len) == OK) {
		buf_clear(&b);
		if (pem_put("CERTIFICATE", issuing, &b) == OK &&
		    attrs_add(&a, "issuing", 0, b.p, b.len) == OK)
			rc = out_list(cli, attrs_view(&a), NULL);
	}
	buf_wipe(&b);
	attrs_wipe(&a);
	return rc;
}

int ca_root_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view none = { 0 };
	struct span root, issuing;
	int rc = cli_words(cli, 0);

	if (!rc && cli_opt(cli, "renew"))
		return renew(cli);
	if (!rc && (cli_opt(cli, "passphrase") || cli_opt(cli, "issuing-life")))
		rc = cli_usage(cli, "--passphrase and --issuing-life go with "
				    "--renew");
	if (!rc)
		rc = ca_ask(cli, false, "ca.chain", none, NULL, &answer);
	if (!rc)
		rc = ca_cert_of(answer, "root", &root);
	if (!rc)
		rc = ca_cert_of(answer, "issuer", &issuing);
	if (!rc)
		rc = cli->json || cli->field
			     ? print_chain(cli, root, issuing)
			     : ca_print_pem("CERTIFICATE",
					    cli_opt(cli, "issuing") ? issuing
								    : root);
	cretula_answer_free(answer);
	return rc;
}
