/* cretula ca …: its verbs, and what several of them need. Runs in cretula; holds
 * nothing. */
#include "tools/ca.h"

#include "lib/pem.h"

#include <string.h>

int ca_ask(struct cli *cli, bool admin, const char *verb, struct attr_view args,
	   const struct attrs *box, struct cretula_answer **answer)
{
	cli->daemon = CLIENT_CA;
	return cli_ask(cli, admin, verb, args, box, answer);
}

int ca_cert_of(const struct cretula_answer *answer, const char *name,
	       struct span *der)
{
	struct attr a;

	if (attr_only(attrs_view(&answer->reply.a), name, &a) != OK) {
		cli_say("ca has answered without %s certificate",
			!strcmp(name, "certificate") ? "the" : "its own");
		return EXIT_FAILED;
	}
	*der = span_of(a.value, a.len);
	return 0;
}

int ca_print_pem(const char *label, struct span der)
{
	struct buf b;
	enum err e;
	int rc;

	buf_init(&b, CLI_FILE_MAX);
	e = pem_put(label, der, &b);
	rc = e == OK ? out_bytes(b.p, b.len) : cli_fault(e, NULL);
	buf_wipe(&b);
	return rc;
}

int ca_serial(const struct cli *cli, const char *word, struct serial *s)
{
	if (serial_parse(word, strlen(word), s) == OK)
		return 0;
	return cli_usage(cli,
			 "'%s' is no serial: those have 36 hex digits, "
			 "colons between pairs are fine",
			 word);
}

enum err ca_cert_parse(struct span der, struct cert *c, struct fault *f)
{
	struct cert_signed s;

	TRY(cert_split(der, &s, f));
	return cert_parse_tbs(s.tbs, c, f);
}

static const struct opt init_opts[] = {
	{ "domain", "DNS-NAME…", "what its certificates are for; repeatable" },
	{ "trust-domain", "NAME", "of SPIFFE ids; default: the first domain" },
	{ "key-type", "TYPE", "p256 (default), ed25519, rsa2048, rsa3072" },
	{ "passphrase", "SOURCE",
	  "of the root key: @FILE, or - for standard input; without: asked" },
	{ "shards", "N", "of the revocation list; default 16" },
	{ "instance", "N", "the first byte of serials, 1 to 127; default 1" },
	{ "root-life", "TIME", "of the root certificate" },
	{ "issuing-life", "TIME", "of the issuing CA's certificate" },
	{ 0 },
};

static const struct opt token_opts[] = {
	{ "node", "DNS-NAME", "whom it is for" },
	{ "type", "PROFILE", "what it is good for; default node" },
	{ "agent", "UUID", "only for that agent" },
	{ "ttl", "TIME", "how long it may be used; default 1h" },
	{ "lifetime", "TIME", "of the certificate, at most" },
	{ "verify-after", "TIME",
	  "the certificate is good that much later, if its host proves the "
	  "key till then; of type node: 30s; no: at once" },
	{ "verify-port", "N",
	  "… at that port of it, and at no other; below 1024 it is root's" },
	{ "for", "SOURCE",
	  "file, cmdline or user-data: print all that certmgr needs in that "
	  "form, not the token alone" },
	{ "url", "URL", "with --for: https://HOST:PORT of ca, or dns:NAME" },
	{ "bearer", NULL, "may be sent itself, by clients that cannot sign" },
	{ 0 },
};

static const struct opt list_opts[] = {
	{ "type", "PROFILE", "only of that type" },
	{ "node", "DNS-NAME", "only of that node" },
	{ "agent", "UUID", "only of that agent" },
	{ "expiring", "TIME", "only those that end within" },
	{ "revoked", NULL, "only revoked ones" },
	{ "valid", NULL, "only those neither revoked nor expired" },
	{ "limit", "N", "at most so many, the newest first" },
	{ 0 },
};

static const struct opt show_opts[] = {
	{ "pem", NULL, "print the certificate" },
	{ 0 },
};

static const struct opt revoke_opts[] = {
	{ "agent", "UUID", "all valid ones of that agent" },
	{ "node", "DNS-NAME", "all valid ones of that node" },
	{ "type", "PROFILE", "all valid ones of that type" },
	{ "reason", "REASON",
	  "keyCompromise, superseded, …; default unspecified" },
	{ 0 },
};

static const struct opt crl_opts[] = {
	{ "publish", NULL, "make all lists anew" },
	{ "shard", "N", "print that list" },
	{ "full", NULL, "print the list of all" },
	{ "root", NULL, "print the root's, of issuing CAs" },
	{ "pem", NULL, "as PEM, not as DER" },
	{ "out", "FILE", "write it there" },
	{ 0 },
};

static const struct opt root_opts[] = {
	{ "issuing", NULL, "the issuing CA's certificate instead" },
	{ "renew", NULL, "a new certificate for the issuing CA" },
	{ "passphrase", "SOURCE",
	  "of the root key: @FILE, or - for standard input; without: asked" },
	{ "issuing-life", "TIME", "of that certificate" },
	{ 0 },
};

static const struct opt enrol_opts[] = {
	{ "token", "SOURCE", "@FILE, or - for standard input" },
	{ "csr", "FILE", "the request, PEM or DER; - for standard input" },
	{ "url", "URL", "https://HOST:PORT; without: ca's local socket" },
	{ "ca", "FILE", "root certificate that URL is checked with" },
	{ "name", "DNS-NAME…", "a name to be in it; repeatable" },
	{ "uri", "URI…", "a URI to be in it; repeatable" },
	{ "agent", "UUID", "the agent's id, if it has one" },
	{ "lifetime", "TIME", "how long it shall be valid" },
	{ "endpoint", "HOST:PORT", "where the key is proven (verify-after)" },
	{ 0 },
};

const struct verb verbs_ca[] = {
	{ "ca", "init",
	  "--domain DNS-NAME … [--key-type TYPE] [--passphrase SOURCE]",
	  "make root and issuing CA", NULL,
	  "cretula ca init --domain example.org --passphrase @/root/passphrase",
	  init_opts, ca_init_run },
	{ "ca", "status", "", "how the CA is, and what to do", NULL,
	  "cretula ca status --field issuing_ends", NULL, ca_status_run },
	{ "ca", "token",
	  "--node DNS-NAME [--type PROFILE] [--ttl TIME] [--for SOURCE --url URL]",
	  "make an enrolment token, and print it", NULL,
	  "cretula ca token --node web1.example.org --ttl 10m >token",
	  token_opts, ca_token_run },
	{ "ca", "list",
	  "[--type PROFILE] [--node DNS-NAME] [--agent UUID] [--expiring TIME] "
	  "[--revoked | --valid] [--limit N]",
	  "the certificates it has issued", NULL,
	  "cretula ca list --expiring 24h --json", list_opts, ca_list_run },
	{ "ca", "show", "SERIAL [--pem]", "one of them", NULL,
	  "cretula ca show 0100000000178c1f0e4d5a6b7c8d9eafb0c1 --pem",
	  show_opts, ca_show_run },
	{ "ca", "revoke",
	  "SERIAL | --agent UUID | --node DNS-NAME | --type PROFILE "
	  "[--reason REASON]",
	  "revoke certificates", NULL,
	  "cretula ca revoke --node web1.example.org --reason keyCompromise",
	  revoke_opts, ca_revoke_run },
	{ "ca", "profile",
	  "list | show NAME | set NAME ATTRIBUTE=VALUE … | remove NAME",
	  "what certificates of a type may say", NULL,
	  "cretula ca profile set web life=24h usage=server 'dns=*.{node}'",
	  NULL, ca_profile_run },
	{ "ca", "crl",
	  "[--publish] | {--shard N | --full | --root} [--pem] [--out FILE]",
	  "the published revocation lists", NULL,
	  "cretula ca crl --full --out revoked.crl", crl_opts, ca_crl_run },
	{ "ca", "root",
	  "[--issuing] | --renew [--passphrase SOURCE] [--issuing-life TIME]",
	  "the root certificate", NULL, "cretula ca root >root.pem", root_opts,
	  ca_root_run },
	{ "ca", "enrol",
	  "--token SOURCE --csr FILE [--url URL --ca FILE] [--name DNS-NAME] …",
	  "a certificate for a token and a request", NULL,
	  "cretula ca enrol --token @token --csr key.csr >cert.pem", enrol_opts,
	  ca_enrol_run },
	{ 0 },
};
