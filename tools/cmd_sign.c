/* cretula sign: a request in, the request signed out. Holds the request; the secret
 * stays in credd. */
#include "tools/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct opt sign_opts[] = {
	{ "request", NULL, "print the whole signed request (the default)" },
	{ "headers", NULL, "print only the header lines that were added" },
	{ "url", NULL, "print the presigned URL" },
	{ 0 },
};

/* data=@FILE, data=- and data=TEXT; everything else as it is. */
static int add_word(struct cli *cli, const char *name, const char *value,
		    struct attrs *out, bool *has_data)
{
	struct fault f = { 0 };
	struct buf data;
	enum err e = OK;

	if (!value)
		return cli_usage(cli, "'%s' has no value: %s=VALUE", name,
				 name);
	if (strcmp(name, "data") != 0)
		return attrs_add_str(out, name, value) == OK
			       ? 0
			       : cli_usage(cli, "too many attributes");
	*has_data = true;
	buf_init(&data, 2 * CLI_FILE_MAX);
	if (!strcmp(value, "-"))
		e = file_read("-", CLI_FILE_MAX, &data, &f);
	else if (value[0] == '@')
		e = file_read(value + 1, CLI_FILE_MAX, &data, &f);
	else
		e = buf_str(&data, value);
	if (e == OK && attrs_add(out, "data", 0, data.p, data.len) != OK)
		e = fault_set(&f, ERR_TOO_LARGE,
			      "data= is over the %d bytes of one message",
			      ATTR_BYTES_MAX);
	buf_wipe(&data);
	return e == OK ? 0 : cli_fault(e, &f);
}

/* --url means presign, --json and --field everything there is to know. */
static int add_implied(struct cli *cli, struct attrs *out)
{
	struct attr_view v = attrs_view(out);
	enum err e = OK;

	if (cli_opt(cli, "url") && !attr_count(v, "op"))
		e = attrs_add_str(out, "op", "presign");
	if (e == OK && (cli->json || cli->field) && !attr_count(v, "explain"))
		e = attrs_add_str(out, "explain", "yes");
	return e == OK ? 0 : EXIT_FAILED;
}

static int take_words(struct cli *cli, struct attrs *out, bool *has_data)
{
	char name[ATTR_NAME_MAX + 1];
	const char *value;
	int rc = 0;

	for (size_t i = 1; !rc && i < cli->words; i++)
		rc = word_split(cli->word[i], name, &value)
			     ? add_word(cli, name, value, out, has_data)
			     : EXIT_USAGE;
	return rc || *has_data ? rc : add_implied(cli, out);
}

/* Given bytes were signed: the signature, or what else there is. */
static int print_answer(struct cli *cli, const struct cretula_answer *answer)
{
	struct attr_view v = attrs_view(&answer->reply.a);

	if (cli->json || cli->field || !attr_count(v, "signature"))
		return out_reply(cli, answer);
	return out_field("signature", v);
}

static int sign_data(struct cli *cli, struct client_options *o)
{
	struct cretula_answer *answer = NULL;
	struct cretula_list list = { .a = o->rest };
	struct cretula_error err;
	int rc;

	if (cli_opt(cli, "request") || cli_opt(cli, "headers") ||
	    cli_opt(cli, "url"))
		return cli_usage(cli, "with data= there is no HTTP request to "
				      "print: --json or --field");
	rc = cli_open(cli, false);
	if (rc)
		return rc;
	if (cretula_run(cli->c, cli->word[0], o->op, &list, &answer, &err))
		return cli_failed(&err);
	rc = print_answer(cli, answer);
	cretula_answer_free(answer);
	return rc;
}

static enum err add_form(struct cretula_signed *s, enum cretula_form form,
			 const char *name, struct attrs *out)
{
	struct cretula_text t;

	if (cretula_signed_get(s, form, &t, NULL))
		return OK; /* no URL, for instance */
	return attrs_add(out, name, 0, t.p, t.len);
}

/* The module's reply and the signed request's forms, but for the body. */
static enum err everything(struct cretula_signed *s, struct attrs *out)
{
	TRY(attrs_add_view(out, attrs_view(&cretula_signed_reply(s)->a)));
	TRY(attrs_add(out, "method", 0, s->request.method.p,
		      s->request.method.len));
	if (!attr_count(attrs_view(out), "target"))
		TRY(add_form(s, CRETULA_SIGNED_TARGET, "target", out));
	TRY(add_form(s, CRETULA_SIGNED_HEAD, "head", out));
	return add_form(s, CRETULA_SIGNED_URL, "url", out);
}

static int print_everything(const struct cli *cli, struct cretula_signed *s)
{
	struct attrs all;
	enum err e;
	int rc;

	attrs_init(&all);
	e = everything(s, &all);
	rc = e == OK ? out_list(cli, attrs_view(&all), NULL)
		     : cli_fault(e, NULL);
	attrs_wipe(&all);
	return rc;
}

static int print_form(struct cretula_signed *s, enum cretula_form form)
{
	struct cretula_error err;
	struct cretula_text t;

	if (cretula_signed_get(s, form, &t, &err))
		return cli_failed(&err);
	return out_bytes(t.p, t.len);
}

static int print_signed(const struct cli *cli, struct cretula_signed *s,
			const struct request_in *in)
{
	int rc;

	if (cli->json || cli->field)
		return print_everything(cli, s);
	if (cli_opt(cli, "headers"))
		return print_form(s, CRETULA_SIGNED_HEADERS);
	if (cli_opt(cli, "url")) {
		rc = print_form(s, CRETULA_SIGNED_URL);
		return rc ? rc : out_bytes("\n", 1);
	}
	rc = print_form(s, CRETULA_SIGNED_HEAD);
	return rc ? rc : request_body_out(in);
}

/* What the module tells besides: wanted by --json, and by --field for these. */
static bool wants_explain(const struct cli *cli, const struct client_options *o)
{
	if (attr_count(attrs_view(&o->rest), "explain"))
		return false;
	return cli->json ||
	       (cli->field && (!strcmp(cli->field, "canonical_request") ||
			       !strcmp(cli->field, "string_to_sign")));
}

static enum cretula_err sign_once(struct cli *cli,
				  const struct client_options *o,
				  const struct request_in *in,
				  struct cretula_signed **s,
				  struct cretula_error *err)
{
	return client_sign(cli->c, cli->word[0], o, (const char *)in->head.p,
			   in->head.len, &in->about, s, err);
}

/* Not every module knows explain=; one that refuses it is asked without. */
static int sign_explained(struct cli *cli, struct client_options *o,
			  const struct request_in *in,
			  struct cretula_signed **s)
{
	struct client_options more = *o;
	struct cretula_error err;
	enum cretula_err e = CRETULA_ERR_INVALID;

	if (wants_explain(cli, o)) {
		attrs_init(&more.rest);
		if (attrs_add_view(&more.rest, attrs_view(&o->rest)) == OK &&
		    attrs_add_str(&more.rest, "explain", "yes") == OK)
			e = sign_once(cli, &more, in, s, &err);
		attrs_wipe(&more.rest);
	}
	if (e == CRETULA_ERR_INVALID)
		e = sign_once(cli, o, in, s, &err);
	return e ? cli_failed(&err) : 0;
}

static int sign_request(struct cli *cli, struct client_options *o)
{
	bool keep = !cli->json && !cli->field && !cli_opt(cli, "headers") &&
		    !cli_opt(cli, "url");
	struct cretula_signed *s = NULL;
	struct request_in in;
	int rc = request_read(&in, keep);

	if (!rc)
		rc = cli_open(cli, false);
	if (!rc)
		rc = sign_explained(cli, o, &in, &s);
	if (!rc)
		rc = print_signed(cli, s, &in);
	cretula_signed_free(s);
	request_wipe(&in);
	return rc;
}

static int check_forms(const struct cli *cli)
{
	int forms = (cli_opt(cli, "request") != NULL) +
		    (cli_opt(cli, "headers") != NULL) +
		    (cli_opt(cli, "url") != NULL) + cli->json +
		    (cli->field != NULL);

	if (forms > 1)
		return cli_usage(cli, "one of --request, --headers, --url, "
				      "--json and --field");
	if (!cli->words || strchr(cli->word[0], '='))
		return cli_usage(cli, "which credential?");
	return 0;
}

static int run_sign(struct cli *cli)
{
	bool has_data = false;
	struct cretula_error err;
	struct client_options o;
	struct attrs given;
	int rc = check_forms(cli);

	if (rc)
		return rc;
	attrs_init(&given);
	rc = take_words(cli, &given, &has_data);
	if (!rc && client_options(attrs_view(&given), &o, &err)) {
		rc = cli_failed(&err);
	} else if (!rc) {
		rc = has_data ? sign_data(cli, &o) : sign_request(cli, &o);
		client_options_wipe(&o);
	}
	attrs_wipe(&given);
	return rc;
}

const struct verb verbs_sign[] = {
	{ "sign", NULL,
	  "NAME [op=OP] [ATTR=VALUE …] [--request|--headers|--url] <REQUEST",
	  "sign an HTTP request, or data=TEXT",
	  "attributes of HTTP requests (cretula(1) says more):\n"
	  "  op=sign|presign  region=R  service=S  time=YYYYMMDDTHHMMSSZ  "
	  "expires=15m\n"
	  "  payload=signed|unsigned|HEX  body=sign|ignore  "
	  "sha256_header=yes|no\n"
	  "  target=wire|raw  normalize=yes|no  token=sign|omit  resign=yes  "
	  "scheme=http\n"
	  "bytes: data=TEXT, data=@FILE or data=- (standard input)\n",
	  "printf 'GET / HTTP/1.1\\nHost: bucket.s3.amazonaws.com\\n' |\n"
	  "      cretula sign prod op=presign expires=15m --url",
	  sign_opts, run_sign },
	{ 0 },
};
