/* cretula ca list, show. Runs in cretula; holds nothing. */
#include "tools/ca.h"

#include "lib/enc.h"
#include "lib/merkle.h"
#include "lib/pem.h"

#include <stdio.h>
#include <string.h>

/* As expiring=: so far away that it means "not expired". */
#define EVER (UINT32_MAX - 1ull)

static int list_args(const struct cli *cli, struct attrs *args)
{
	bool revoked = cli_opt(cli, "revoked"), valid = cli_opt(cli, "valid");
	int rc = cli_words(cli, 0);

	if (!rc && revoked && valid)
		rc = cli_usage(cli, "--revoked and --valid exclude each other");
	if (!rc)
		rc = cli_add(cli, "type", "type", args);
	if (!rc)
		rc = cli_add(cli, "node", "node", args);
	if (!rc)
		rc = cli_add(cli, "agent", "agent", args);
	if (!rc)
		rc = cli_add_time(cli, "expiring", "expiring", false, args);
	if (!rc)
		rc = cli_add(cli, "limit", "limit", args);
	if (rc)
		return rc;
	if (revoked || valid)
		ENSURE(attrs_add_str(args, "revoked", revoked ? "yes" : "no") ==
		       OK);
	if (valid && !cli_opt(cli, "expiring"))
		ENSURE(attrs_add_u64(args, "expiring", EVER) == OK);
	return 0;
}

int ca_list_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attrs args;
	struct attr a;
	int rc;

	attrs_init(&args);
	rc = list_args(cli, &args);
	if (!rc)
		rc = ca_ask(cli, true, "ca.list", attrs_view(&args), NULL,
			    &answer);
	attrs_wipe(&args);
	if (!rc)
		rc = out_items(cli, answer, NULL);
	if (!rc && !cli_opt(cli, "limit") &&
	    attr_find(attrs_view(&answer->reply.a), "more", &a))
		cli_say("there are more than these %u: narrow them down",
			answer->count);
	cretula_answer_free(answer);
	return rc;
}

/* show */

static enum err add_names(struct attrs *out, const char *name,
			  const struct cert_names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		TRY(attrs_add(out, name, 0, names->at[i].p, names->at[i].n));
	return OK;
}

static enum err add_usage(struct attrs *out, unsigned usage)
{
	if (usage & EKU_SERVER)
		TRY(attrs_add_str(out, "usage", "server"));
	if (usage & EKU_CLIENT)
		TRY(attrs_add_str(out, "usage", "client"));
	if (usage & EKU_OCSP)
		TRY(attrs_add_str(out, "usage", "ocsp"));
	return OK;
}

static enum err add_key(struct attrs *out, struct span spki, struct fault *f)
{
	struct pubkey k;

	TRY(pubkey_parse(spki, &k, f));
	if (k.type != KEY_RSA)
		return attrs_add_str(out, "key", key_type_name(k.type));
	return attrs_add_fmt(out, "key", "%s%u", key_type_name(k.type), k.bits);
}

static enum err add_sha256(struct attrs *out, struct span der)
{
	char hex[2 * MERKLE_HASH + 1];
	struct merkle_hash h;

	merkle_sha256(der.p, der.n, NULL, 0, &h);
	enc_hex(h.b, sizeof h.b, hex);
	return attrs_add_str(out, "sha256", hex);
}

/* What ca says of it, then what it says itself. */
static enum err describe(struct attr_view v, struct span der, struct attrs *out,
			 struct fault *f)
{
	struct attr_view it = v;
	struct attr a;
	struct cert c;

	TRY(ca_cert_parse(der, &c, f));
	while (attr_next(&it, &a))
		if (!attr_named(&a, "certificate") &&
		    !attr_named(&a, "request_id"))
			TRY(attrs_add_attr(out, &a));
	TRY(add_names(out, "name", &c.dns));
	TRY(add_names(out, "uri", &c.uri));
	TRY(add_names(out, "capability", &c.caps));
	TRY(add_usage(out, c.ext_usage));
	TRY(add_key(out, c.spki, f));
	return add_sha256(out, der);
}

static enum err add_pem(struct attrs *out, struct span der)
{
	struct buf b;
	enum err e;

	buf_init(&b, CLI_FILE_MAX);
	e = pem_put("CERTIFICATE", der, &b);
	if (e == OK)
		e = attrs_add(out, "certificate", 0, b.p, b.len);
	buf_wipe(&b);
	return e;
}

/* For people: a line each. */
static void print_lines(struct attr_view v)
{
	struct attr a;

	while (attr_next(&v, &a))
		printf("%.*s: %.*s\n", a.name_len, a.name, (int)a.len,
		       (const char *)a.value);
}

static int print_cert(const struct cli *cli, struct attr_view v,
		      struct span der)
{
	struct fault f = { 0 };
	struct attrs out;
	int rc = EXIT_DONE;
	enum err e;

	attrs_init(&out);
	e = describe(v, der, &out, &f);
	if (e == OK && (cli->json || cli->field))
		e = add_pem(&out, der);
	if (e != OK)
		rc = cli_fault(e, &f);
	else if (cli->json || cli->field)
		rc = out_list(cli, attrs_view(&out), NULL);
	else
		print_lines(attrs_view(&out));
	attrs_wipe(&out);
	return rc;
}

int ca_show_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	char hex[2 * SERIAL_SIZE + 1];
	struct attrs args;
	struct serial s;
	struct span der;
	int rc = cli_words(cli, 1);

	if (!rc && !cli->words)
		rc = cli_usage(cli, "say which: SERIAL");
	if (!rc)
		rc = ca_serial(cli, cli->word[0], &s);
	if (rc)
		return rc;
	attrs_init(&args);
	serial_format(&s, hex);
	ENSURE(attrs_add_str(&args, "serial", hex) == OK);
	rc = ca_ask(cli, true, "ca.show", attrs_view(&args), NULL, &answer);
	if (!rc)
		rc = ca_cert_of(answer, "certificate", &der);
	if (!rc)
		rc = cli_opt(cli, "pem")
			     ? ca_print_pem("CERTIFICATE", der)
			     : print_cert(cli, attrs_view(&answer->reply.a),
					  der);
	cretula_answer_free(answer);
	attrs_wipe(&args);
	return rc;
}
