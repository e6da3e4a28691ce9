/* Options, errors and calls of the command. Runs in cretula; holds nothing. */
#include "tools/cli.h"

#include "lib/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum common_opt {
	OPT_HELP,
	OPT_JSON,
	OPT_FIELD,
	OPT_CONNECT,
	OPT_IDENTITY,
	OPT_CA,
	OPT__MAX
};

static const struct opt common[] = {
	[OPT_HELP] = { "help", NULL, "this text" },
	[OPT_JSON] = { "json", NULL, "print JSON, one object a line" },
	[OPT_FIELD] = { "field", "NAME", "print only that attribute's value" },
	[OPT_CONNECT] = { "connect", "URL", "the daemon at https://HOST:PORT" },
	[OPT_IDENTITY] = { "identity", "FILE",
			   "… with this key and certificate (PEM)" },
	[OPT_CA] = { "ca", "FILE", "… whose chain ends in this root (PEM)" },
	[OPT__MAX] = { 0 },
};

enum {
	TIME_MAX = INT32_MAX, /* seconds of a duration that is given */
};

static bool repeats(const struct opt *o)
{
	static const char more[] = "…";
	size_t n = o->arg ? strlen(o->arg) : 0;

	return n >= sizeof more - 1 &&
	       !strcmp(o->arg + n - (sizeof more - 1), more);
}

/* Its value stands behind '=' or is left out. */
static bool optional(const struct opt *o)
{
	return o->arg && o->arg[0] == '[';
}

/* A letter may have several bytes. */
static int columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void help_opt(const struct opt *o)
{
	const char *arg = o->arg ? o->arg : "";

	printf("  --%s %s%*s %s\n", o->name, arg,
	       MAX(20 - columns(o->name) - columns(arg), 0), "", o->help);
}

/* What it does is done on this host: no --connect. */
static bool is_local(const struct verb *v)
{
	static const char *const local[] = { "agent run",  "agent claim",
					     "ca init",    "ca enrol",
					     "playground", "seal-for",
					     "version" };
	char name[64];

	(void)snprintf(name, sizeof name, "%s%s%s", v->noun, v->verb ? " " : "",
		       v->verb ? v->verb : "");
	for (size_t i = 0; i < NELEM(local); i++)
		if (!strcmp(name, local[i]))
			return true;
	return false;
}

static bool has_opt(const struct verb *v, const char *name)
{
	const struct opt *o = v->opts;

	while (o && o->name && strcmp(o->name, name) != 0)
		o++;
	return o && o->name;
}

static void help_opts(const struct verb *v)
{
	for (const struct opt *o = v->opts; o && o->name; o++)
		help_opt(o);
	for (const struct opt *o = common; o->name; o++)
		if (!has_opt(v, o->name) &&
		    (o < common + OPT_CONNECT || !is_local(v)))
			help_opt(o);
}

void cli_usage_line(const struct verb *v, FILE *to)
{
	fprintf(to, "usage: cretula %s", v->noun);
	if (v->verb)
		fprintf(to, " %s", v->verb);
	if (v->args[0])
		fprintf(to, " %s", v->args);
	fputc('\n', to);
}

void cli_help(const struct verb *v)
{
	cli_usage_line(v, stdout);
	printf("%s\n\n", v->help);
	if (v->more)
		printf("%s\n", v->more);
	help_opts(v);
	printf("\nexample:\n  %s\n", v->example);
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	fputs("cretula: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	cli_usage_line(cli->verb, stderr);
	return EXIT_USAGE;
}

void cli_plain(FILE *f, const void *text, size_t n)
{
	const unsigned char *p = text;

	for (size_t i = 0; i < n; i++) {
		unsigned char next = i + 1 < n ? p[i + 1] : 0;

		if (p[i] == 0xc2 && next >= 0x80 && next < 0xa0) { /* C1 */
			fprintf(f, "\\x%02X\\x%02X", p[i], next);
			i++;
		} else if (p[i] < ' ' || p[i] == 0x7f) {
			fprintf(f, "\\x%02X", p[i]);
		} else {
			fputc(p[i], f);
		}
	}
}

void cli_say(const char *fmt, ...)
{
	AUTO(mem_free) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	ENSURE(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	fputs("cretula: ", stderr);
	cli_plain(stderr, text, strlen(text));
	fputc('\n', stderr);
}

int cli_failed(const struct cretula_error *err)
{
	fputs("cretula: ", stderr);
	cli_plain(stderr, err->text, strlen(err->text));
	if (err->retry_after)
		fprintf(stderr, " (try again in %u s)", err->retry_after);
	if (err->request_id[0])
		fprintf(stderr, " [request %s]", err->request_id);
	fputc('\n', stderr);
	return err->reached ? err_exit((enum err)err->code) : EXIT_NOT_REACHED;
}

int cli_fault(enum err e, const struct fault *f)
{
	cli_say("%s", f && f->text[0] ? f->text : err_name(e));
	return err_exit(e);
}

/* The place of option `name` (n letters) in a table, or -1. */
static int opt_place(const struct opt *o, const char *name, size_t n)
{
	for (int i = 0; o && o[i].name; i++)
		if (strlen(o[i].name) == n && !memcmp(o[i].name, name, n))
			return i;
	return -1;
}

const char *cli_opt(const struct cli *cli, const char *name)
{
	int i = opt_place(cli->verb->opts, name, strlen(name));

	ENSURE(i >= 0 && i < CLI_OPTS_MAX);
	return cli->opt[i];
}

const char *cli_next(const struct cli *cli, const char *name, size_t *at)
{
	while (*at < cli->givens) {
		const struct given *g = &cli->given[(*at)++];

		if (!strcmp(g->opt->name, name))
			return g->value;
	}
	return NULL;
}

int cli_add(const struct cli *cli, const char *opt, const char *name,
	    struct attrs *out)
{
	const char *value;
	size_t at = 0;

	while ((value = cli_next(cli, opt, &at)))
		if (attrs_add_str(out, name, value) != OK)
			return cli_usage(cli, "--%s is too long", opt);
	return 0;
}

int cli_add_time(const struct cli *cli, const char *opt, const char *name,
		 bool bare, struct attrs *out)
{
	const char *value = cli_opt(cli, opt);
	uint64_t seconds;

	if (!value)
		return 0;
	if (num_duration(value, strlen(value), bare, TIME_MAX, &seconds) != OK)
		return cli_usage(cli,
				 "--%s is a duration such as 90s, 5m, 24h "
				 "or 7d",
				 opt);
	ENSURE(attrs_add_u64(out, name, seconds) == OK);
	return 0;
}

int cli_words(const struct cli *cli, size_t max)
{
	if (cli->words <= max)
		return 0;
	return cli_usage(cli, "'%s' is one word too many", cli->word[max]);
}

static const char **common_slot(struct cli *cli, enum common_opt o,
				const char **flag)
{
	switch (o) {
	case OPT_FIELD:
		return &cli->field;
	case OPT_CONNECT:
		return &cli->connect;
	case OPT_IDENTITY:
		return &cli->identity;
	case OPT_CA:
		return &cli->ca;
	case OPT_HELP:
	case OPT_JSON:
	case OPT__MAX:
		break;
	}
	return flag;
}

/* The option of that name and where its value goes; NULL if unknown. */
static const struct opt *opt_find(struct cli *cli, const char *name, size_t n,
				  bool leads, const char **flag,
				  const char ***slot)
{
	int i = leads ? -1 : opt_place(cli->verb->opts, name, n);

	if (i >= 0) {
		*slot = &cli->opt[i];
		return &cli->verb->opts[i];
	}
	i = opt_place(common, name, n);
	if (i < 0)
		return NULL;
	*slot = common_slot(cli, (enum common_opt)i, flag);
	return &common[i];
}

/* Takes --name[=value] [value]; *at moves over the words it took. */
static int take_option(struct cli *cli, int argc, char **argv, bool leads,
		       int *at)
{
	const char *name = argv[*at] + 2, *flag = NULL, *value, **slot;
	const char *eq = strchr(name, '=');
	size_t n = eq ? (size_t)(eq - name) : strlen(name);
	const struct opt *o = opt_find(cli, name, n, leads, &flag, &slot);

	if (!o)
		return cli_usage(cli, "there is no option '--%.*s'", (int)n,
				 name);
	if (!o->arg && eq)
		return cli_usage(cli, "--%s takes no value", o->name);
	if (o->arg && !eq && !optional(o) && *at + 1 >= argc)
		return cli_usage(cli, "--%s needs a value: %s", o->name,
				 o->arg);
	if (*slot && !repeats(o))
		return cli_usage(cli, "--%s is given twice", o->name);
	value = eq ? eq + 1 : o->arg && !optional(o) ? argv[++*at] : "";
	cli->given[cli->givens++] = (struct given){ o, value };
	if (!*slot)
		*slot = value;
	if (o == &common[OPT_HELP]) {
		cli_help(cli->verb);
		return EXIT_DONE;
	}
	cli->json |= o == &common[OPT_JSON];
	return -1;
}

int cli_parse(struct cli *cli, int argc, char **argv, int leading)
{
	bool options = true;

	cli->word = xcalloc((size_t)argc + 1, sizeof *cli->word);
	cli->given = xcalloc((size_t)argc + 1, sizeof *cli->given);
	for (int i = 0; i < argc; i++) {
		int rc;

		if (!options || strncmp(argv[i], "--", 2) != 0) {
			cli->word[cli->words++] = argv[i];
			continue;
		}
		if (!argv[i][2]) {
			options = false;
			continue;
		}
		rc = take_option(cli, argc, argv, i < leading, &i);
		if (rc >= 0)
			return rc;
	}
	if (cli->json && cli->field)
		return cli_usage(cli, "--json and --field exclude each other");
	return -1;
}

bool cli_expects(const struct cli *cli, enum client_daemon d)
{
	AUTO(mem_free) char *path = NULL;

	if (cli->connect)
		return d == cli->daemon;
	if (getenv(client_env(d)))
		return true;
	return !client_path(d, NULL, false, &path, NULL) && !access(path, F_OK);
}

void cli_turn(struct cli *cli, enum client_daemon d)
{
	cretula_close(cli->c);
	cli->c = NULL;
	cli->daemon = d;
}

/* What hands over descriptors, or asks nobody. */
int cli_check_connect(const struct cli *cli)
{
	const char *noun = cli->verb->noun, *verb = cli->verb->verb;

	if (!cli->connect)
		return 0;
	if (!strcmp(noun, "agent") &&
	    (!strcmp(verb, "run") || !strcmp(verb, "claim")))
		return cli_usage(cli,
				 "'agent %s' does not go over --connect: "
				 "process and token are handed over as "
				 "descriptors, by the socket of this node's "
				 "certmgr only",
				 verb);
	if (!strcmp(noun, "ca") &&
	    (!strcmp(verb, "init") || !strcmp(verb, "enrol")))
		return cli_usage(cli,
				 strcmp(verb, "enrol") != 0
					 ? "'ca init' is done on the CA's own "
					   "host: no --connect"
					 : "'ca enrol' goes over --url: no "
					   "--connect");
	if (!strcmp(noun, "playground") || !strcmp(noun, "version") ||
	    !strcmp(noun, "seal-for"))
		return cli_usage(cli, "'%s' asks no daemon: no --connect",
				 noun);
	return 0;
}

enum cretula_err cli_connect(const struct cli *cli, enum client_daemon d,
			     bool admin, struct cretula **c,
			     struct cretula_error *err)
{
	const struct cretula_tls tls = { .identity = cli->identity,
					 .ca = cli->ca };

	if (cli->connect || cli->identity || cli->ca)
		return client_open_tls(d, cli->connect, &tls, c, err);
	return client_open(d, NULL, admin, c, err);
}

enum cretula_err cli_connect_peer(const struct cli *cli, const char *url,
				  struct cretula **c, struct cretula_error *err)
{
	const struct cretula_tls tls = { .identity = cli->identity,
					 .ca = cli->ca };

	if (!strncmp(url, "https://", 8))
		return client_open_tls(CLIENT_CREDD, url, &tls, c, err);
	return client_open(CLIENT_CREDD, url, true, c, err);
}

int cli_open_own(struct cli *cli)
{
	const char *where = getenv(client_env(CLIENT_CREDD));
	struct cretula_error err;

	if (cli->c || cli->connect || (where && !strncmp(where, "https:", 6)))
		return cli_open(cli, true);
	if (client_open(CLIENT_CREDD, NULL, true, &cli->c, &err))
		return cli_failed(&err);
	return 0;
}

int cli_open(struct cli *cli, bool admin)
{
	struct cretula_error err;

	if (cli->c)
		return 0;
	if (cli_connect(cli, cli->daemon, admin, &cli->c, &err))
		return cli_failed(&err);
	return 0;
}

int cli_ask(struct cli *cli, bool admin, const char *verb,
	    struct attr_view args, const struct attrs *box,
	    struct cretula_answer **answer)
{
	struct cretula_error err;
	int rc = cli_open(cli, admin);

	if (rc)
		return rc;
	if (client_call(cli->c, verb, args, box, answer, &err))
		return cli_failed(&err);
	return 0;
}

/* Opens it as an admin, or if that is not for us (or not there, where only api.sock has
 * been put) as anybody. */
static int open_either(struct cli *cli, bool *admin)
{
	struct cretula_error err;
	enum cretula_err e = cli_connect(cli, cli->daemon, true, &cli->c, &err);

	*admin = !e;
	if (e == CRETULA_ERR_DENIED || (e && !err.reached && !cli->connect))
		e = cli_connect(cli, cli->daemon, false, &cli->c, &err);
	if (e)
		return cli_failed(&err);
	*admin &= !cli->c->web || client_web_admin(cli->c);
	return 0;
}

int cli_ask_either(struct cli *cli, const char *admins, const char *everybodys,
		   struct cretula_answer **answer)
{
	struct attr_view none = { 0 };
	bool admin = false;
	int rc = open_either(cli, &admin);

	return rc ? rc
		  : cli_ask(cli, admin, admin ? admins : everybodys, none, NULL,
			    answer);
}
