/* cretula ca enrol: a certificate for a token. Runs in cretula; holds the token, in
 * locked memory, which never leaves: what does is a signature by it. */
#include "tools/enrol.h"
#include "tools/secrets.h"

#include "lib/csr.h"
#include "lib/pem.h"

#include <stdlib.h>
#include <string.h>

enum {
	CSR_TEXT_MAX = 64 << 10,
};

enum err enrol_sign(const struct enrol *n, struct span issuer,
		    uint8_t sig[TOKEN_SIG], struct fault *f)
{
	uint8_t hash[TOKEN_HASH];
	struct pubkey key;
	struct cert c;

	TRY(ca_cert_parse(issuer, &c, f));
	TRY(pubkey_parse(c.spki, &key, f));
	pubkey_hash(&key, hash);
	token_sign(&n->token, hash, n->csr.p, n->csr.len, sig);
	return OK;
}

static enum err read_token(const struct cli *cli, struct enrol *n,
			   struct fault *f)
{
	const char *source = cli_opt(cli, "token");
	struct buf text;
	enum err e;

	buf_init_secret(&text, 2 * CLI_SECRET_MAX);
	e = secret_read(source[0] == '@' ? source + 1 : source, "token", true,
			&text, f);
	if (e == OK)
		e = token_parse((const char *)text.p, text.len, &n->token, f);
	buf_wipe(&text);
	return e;
}

static enum err decode_csr(const char *path, const struct buf *text,
			   struct buf *der, struct fault *f)
{
	static const char *const labels[] = { "CERTIFICATE REQUEST",
					      "NEW CERTIFICATE REQUEST" };
	enum err e = ERR_NOT_FOUND;
	size_t used;

	if (text->len && text->p[0] == 0x30) /* DER: a SEQUENCE */
		return buf_put(der, text->p, text->len);
	for (size_t i = 0; i < NELEM(labels) && e == ERR_NOT_FOUND; i++)
		e = pem_get(labels[i], (const char *)text->p, text->len, der,
			    &used, f);
	if (e != ERR_NOT_FOUND)
		return e;
	return fault_set(f, ERR_INVALID,
			 "'%s' holds no certificate request: make one with "
			 "'openssl req -new'",
			 path);
}

static enum err read_csr(const struct cli *cli, struct enrol *n,
			 struct fault *f)
{
	const char *path = cli_opt(cli, "csr");
	struct buf text;
	enum err e;

	buf_init(&text, 2 * CSR_TEXT_MAX);
	e = file_read(path[0] == '@' ? path + 1 : path, CSR_TEXT_MAX, &text, f);
	if (e == OK)
		e = decode_csr(path, &text, &n->csr, f);
	buf_wipe(&text);
	return e;
}

static int read_asks(const struct cli *cli, struct enrol *n)
{
	int rc = cli_add(cli, "name", "name", &n->asks);

	if (!rc)
		rc = cli_add(cli, "uri", "uri", &n->asks);
	if (!rc)
		rc = cli_add(cli, "agent", "agent", &n->asks);
	if (!rc)
		rc = cli_add_time(cli, "lifetime", "lifetime", false, &n->asks);
	if (!rc)
		rc = cli_add(cli, "endpoint", "endpoint", &n->asks);
	return rc;
}

/* By the local socket */

static int take_answer(const struct cretula_answer *answer, struct enrol *n)
{
	struct attr_view v = attrs_view(&answer->reply.a);
	struct span cert, issuer;
	struct attr a;
	int rc = ca_cert_of(answer, "certificate", &cert);

	if (!rc)
		rc = ca_cert_of(answer, "issuer", &issuer);
	if (rc)
		return rc;
	ENSURE(buf_put(&n->cert, cert.p, cert.n) == OK);
	ENSURE(buf_put(&n->issuer, issuer.p, issuer.n) == OK);
	while (attr_next(&v, &a))
		if (!attr_named(&a, "certificate") && !attr_named(&a, "issuer"))
			ENSURE(attrs_add_attr(&n->said, &a) == OK);
	return 0;
}

static int sign_local(struct cli *cli, struct enrol *n, uint8_t sig[TOKEN_SIG])
{
	struct cretula_answer *chain = NULL;
	struct attr_view none = { 0 };
	struct fault f = { 0 };
	struct span issuer;
	enum err e;
	int rc = ca_ask(cli, false, "ca.chain", none, NULL, &chain);

	if (!rc)
		rc = ca_cert_of(chain, "issuer", &issuer);
	if (!rc) {
		e = enrol_sign(n, issuer, sig, &f);
		rc = e == OK ? 0 : cli_fault(e, &f);
	}
	cretula_answer_free(chain);
	return rc;
}

static int enrol_local(struct cli *cli, struct enrol *n)
{
	struct cretula_answer *answer = NULL;
	uint8_t sig[TOKEN_SIG];
	struct attrs args;
	int rc = sign_local(cli, n, sig);

	if (rc)
		return rc;
	attrs_init(&args);
	ENSURE(attrs_add(&args, "token_id", 0, n->token.id, TOKEN_ID) == OK);
	ENSURE(attrs_add(&args, "signature", 0, sig, sizeof sig) == OK);
	if (attrs_add(&args, "csr", 0, n->csr.p, n->csr.len) != OK ||
	    attrs_add_view(&args, attrs_view(&n->asks)) != OK)
		rc = cli_fault(ERR_TOO_LARGE, NULL);
	if (!rc)
		rc = ca_ask(cli, false, "ca.enrol", attrs_view(&args), NULL,
			    &answer);
	if (!rc)
		rc = take_answer(answer, n);
	cretula_answer_free(answer);
	attrs_wipe(&args);
	return rc;
}

/* Output */

static enum err add_pem(struct attrs *a, const char *name,
			const struct buf *der)
{
	struct buf b;
	enum err e;

	buf_init(&b, CLI_FILE_MAX);
	e = pem_put("CERTIFICATE", span_of(der->p, der->len), &b);
	if (e == OK)
		e = attrs_add(a, name, 0, b.p, b.len);
	buf_wipe(&b);
	return e;
}

static int print_result(const struct cli *cli, struct enrol *n)
{
	int rc;

	if (cli->json || cli->field) {
		if (add_pem(&n->said, "certificate", &n->cert) != OK ||
		    add_pem(&n->said, "chain", &n->issuer) != OK)
			return cli_fault(ERR_TOO_LARGE, NULL);
		return out_list(cli, attrs_view(&n->said), NULL);
	}
	rc = ca_print_pem("CERTIFICATE", span_of(n->cert.p, n->cert.len));
	if (rc)
		return rc;
	return ca_print_pem("CERTIFICATE", span_of(n->issuer.p, n->issuer.len));
}

/* --url, or CRETULA_CA when it is one; NULL: the local socket. */
static const char *url_of(const struct cli *cli)
{
	const char *url = cli_opt(cli, "url");
	const char *env = getenv("CRETULA_CA");

	if (!url && env && !strncmp(env, "https://", 8))
		url = env;
	return url;
}

static int run(struct cli *cli, struct enrol *n)
{
	const char *url = url_of(cli), *root = cli_opt(cli, "ca");
	struct fault f = { 0 };
	enum err e;
	int rc;

	if (url && strncmp(url, "https://", 8))
		return cli_usage(cli, "--url is https://HOST:PORT, not '%s'",
				 url);
	if (!root)
		root = getenv("CRETULA_CA_ROOT");
	if (url && !root)
		return cli_usage(cli,
				 "--url needs --ca FILE (or "
				 "CRETULA_CA_ROOT): the root certificate, "
				 "from 'cretula ca root' on the CA's host");
	rc = read_asks(cli, n);
	if (rc)
		return rc;
	e = read_token(cli, n, &f);
	if (e == OK)
		e = read_csr(cli, n, &f);
	if (e != OK)
		return cli_fault(e, &f);
	rc = url ? enrol_http(url, root, n) : enrol_local(cli, n);
	return rc ? rc : print_result(cli, n);
}

int ca_enrol_run(struct cli *cli)
{
	struct enrol n = { 0 };
	int rc = cli_words(cli, 0);

	if (!rc && (!cli_opt(cli, "token") || !cli_opt(cli, "csr")))
		rc = cli_usage(cli, "an enrolment needs --token and --csr");
	if (!rc)
		rc = source_check(cli, "token");
	if (!rc && !strcmp(cli_opt(cli, "token"), "-") &&
	    !strcmp(cli_opt(cli, "csr"), "-"))
		rc = cli_usage(cli, "standard input is either the token or the "
				    "request");
	if (rc)
		return rc;
	buf_init(&n.csr, CSR_TEXT_MAX);
	buf_init(&n.cert, CERT_MAX);
	buf_init(&n.issuer, CERT_MAX);
	attrs_init(&n.asks);
	attrs_init(&n.said);
	rc = run(cli, &n);
	token_wipe(&n.token);
	attrs_wipe(&n.said);
	attrs_wipe(&n.asks);
	buf_wipe(&n.issuer);
	buf_wipe(&n.cert);
	buf_wipe(&n.csr);
	return rc;
}
