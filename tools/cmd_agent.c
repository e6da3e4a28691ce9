/* cretula agent …: its verbs, and those that look at agents and end them. Runs in
 * cretula; holds nothing. */
#include "tools/agent.h"

#include "lib/agent_id.h"
#include "lib/clock.h"
#include "lib/pem.h"

#include <cretula/agent.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ID_AT = 9, /* behind INSTANCE: */
};

int agent_ask(struct cli *cli, const char *verb, struct attr_view args,
	      struct cretula_answer **answer)
{
	struct cretula_error err;

	cli->daemon = CLIENT_CERTMGR;
	if (!cli->c && !cli->connect &&
	    cli_connect(cli, cli->daemon, true, &cli->c, &err))
		cli->c = NULL;
	return cli_ask(cli, false, verb, args, NULL, answer);
}

static bool is_time(const struct attr *a)
{
	return attr_named(a, "not_after") || attr_named(a, "renew_at") ||
	       attr_named(a, "not_before") || attr_named(a, "made") ||
	       attr_named(a, "ended");
}

/* Seconds since 1970 become RFC 3339; false if it is no time. */
static bool time_text(const struct attr *a, char text[CLOCK_TEXT])
{
	uint64_t t;

	if (!is_time(a) || attr_u64(a, 253402300799ull, &t) != OK)
		return false;
	clock_format((int64_t)t, text);
	return true;
}

static enum err add_pem(struct attrs *out, const struct attr *a)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, CLI_FILE_MAX);
	TRY(pem_put("CERTIFICATE", span_of(a->value, a->len), &b));
	return attrs_add(out, "certificate", 0, b.p, b.len);
}

static enum err shown(struct attr_view v, struct attrs *out)
{
	char text[CLOCK_TEXT];
	struct attr a;

	while (attr_next(&v, &a)) {
		if (attr_named(&a, "request_id"))
			continue;
		if (attr_named(&a, "certificate"))
			TRY(add_pem(out, &a));
		else if (time_text(&a, text))
			TRY(attrs_add_named(out, a.name, a.name_len, 0, text,
					    strlen(text)));
		else
			TRY(attrs_add_attr(out, &a));
	}
	return OK;
}

int agent_print(const struct cli *cli, struct attr_view v)
{
	struct attrs out;
	enum err e;
	int rc;

	attrs_init(&out);
	e = shown(v, &out);
	rc = e == OK ? out_list(cli, attrs_view(&out), NULL)
		     : cli_fault(e, NULL);
	attrs_wipe(&out);
	return rc;
}

/* --- list */

/* The table, as wide as what is in it; the last column only where there is something. */
static const struct {
	const char *title, *name;
} columns[] = {
	{ "AGENT", "agent" }, { "TYPE", "type" },
	{ "UID", "uid" },     { "PID", "pid" },
	{ "STATE", "state" }, { "NOT AFTER", "not_after" },
	{ "VIEW", "view" },   { "PTRACEABLE", "ptraceable" },
	{ "WHY", "text" },
};

enum {
	COLUMNS = NELEM(columns),
	LAST = COLUMNS - 1,
};

/* What stands in one cell; `-` where there is nothing. */
static struct span cell(struct attr_view v, size_t column,
			char time[CLOCK_TEXT])
{
	struct attr a;

	if (!attr_find(v, columns[column].name, &a) || !a.len)
		return span_str(column == LAST ? "" : "-");
	return time_text(&a, time) ? span_str(time) : span_of(a.value, a.len);
}

/* One more cell of a line; *gap blanks are owed, and never paid at its end. */
static void put_cell(struct span s, int width, int *gap)
{
	if (!s.n)
		return;
	printf("%*s", *gap, "");
	cli_plain(stdout, s.p, s.n);
	*gap = width - (int)s.n + 1;
}

static void print_table(const struct cretula_answer *a)
{
	int width[COLUMNS], gap = 0;
	char time[CLOCK_TEXT];
	bool why = false;

	for (size_t c = 0; c < COLUMNS; c++) {
		width[c] = (int)strlen(columns[c].title);
		for (unsigned i = 0; i < a->count; i++) {
			struct span s =
				cell(attrs_view(&a->item[i].a), c, time);

			width[c] = MAX(width[c], (int)s.n);
			why |= c == LAST && s.n;
		}
	}
	for (size_t c = 0; c < COLUMNS; c++)
		if (c != LAST || why)
			put_cell(span_str(columns[c].title), width[c], &gap);
	printf("\n");
	for (unsigned i = 0; i < a->count; i++) {
		gap = 0;
		for (size_t c = 0; c < COLUMNS; c++)
			put_cell(cell(attrs_view(&a->item[i].a), c, time),
				 width[c], &gap);
		printf("\n");
	}
}

static int print_list(const struct cli *cli, struct cretula_answer *a)
{
	int rc = EXIT_DONE;

	items_sort(a, "agent"); /* ids begin with the time */
	if (!cli->json && !cli->field && a->count)
		print_table(a);
	for (unsigned i = 0; i < a->count && rc == EXIT_DONE; i++)
		if (cli->json || cli->field)
			rc = agent_print(cli, attrs_view(&a->item[i].a));
	return rc;
}

static int list_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attrs args;
	int rc = cli_words(cli, 0);

	attrs_init(&args);
	if (!rc)
		rc = cli_add(cli, "type", "type", &args);
	if (!rc)
		rc = agent_ask(cli, "agent.list", attrs_view(&args), &answer);
	if (!rc)
		rc = print_list(cli, answer);
	cretula_answer_free(answer);
	attrs_wipe(&args);
	return rc;
}

/* --- show, renew, revoke */

/* The agent that is named: its id, or INSTANCE:AGENT-ID as in CRETULA_AGENT. */
static int add_agent(const struct cli *cli, struct attrs *args)
{
	const char *id = cli->words ? cli->word[0] : NULL;
	struct fault f = { 0 };
	int rc = cli_words(cli, 1);

	if (rc)
		return rc;
	if (!id)
		return cli_usage(cli, "say which: AGENT, see 'cretula agent "
				      "list'");
	if (strspn(id, "0123456789abcdef") == ID_AT - 1 && id[ID_AT - 1] == ':')
		id += ID_AT;
	if (agent_id_check(span_str(id), &f) != OK)
		return cli_usage(cli, "%s", f.text);
	ENSURE(attrs_add_str(args, "agent", id) == OK);
	return 0;
}

static int ask_one(struct cli *cli, const char *verb, const char *opt,
		   struct cretula_answer **answer)
{
	struct attrs args;
	int rc;

	attrs_init(&args);
	rc = add_agent(cli, &args);
	if (!rc && opt)
		rc = cli_add(cli, opt, opt, &args);
	if (!rc)
		rc = agent_ask(cli, verb, attrs_view(&args), answer);
	attrs_wipe(&args);
	return rc;
}

/* For people: a line each. */
static void print_lines(struct attr_view v)
{
	char text[CLOCK_TEXT];
	struct attr a;

	while (attr_next(&v, &a)) {
		if (attr_named(&a, "certificate") ||
		    attr_named(&a, "request_id"))
			continue;
		printf("%.*s: ", a.name_len, a.name);
		if (time_text(&a, text))
			printf("%s", text);
		else
			cli_plain(stdout, a.value, a.len);
		printf("\n");
	}
}

static int show_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	int rc = ask_one(cli, "agent.show", NULL, &answer);

	if (!rc && (cli->json || cli->field))
		rc = agent_print(cli, attrs_view(&answer->reply.a));
	else if (!rc)
		print_lines(attrs_view(&answer->reply.a));
	cretula_answer_free(answer);
	return rc;
}

static int renew_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	int rc = ask_one(cli, "agent.renew", NULL, &answer);

	if (!rc)
		rc = agent_print(cli, attrs_view(&answer->reply.a));
	cretula_answer_free(answer);
	return rc;
}

static int revoke_run(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	int rc = ask_one(cli, "agent.revoke", "reason", &answer);

	if (!rc)
		rc = agent_print(cli, attrs_view(&answer->reply.a));
	cretula_answer_free(answer);
	return rc;
}

static const struct opt run_opts[] = {
	{ "type", "TYPE", "what the agent is; needs a grant agent=TYPE" },
	{ "view", "[=self]",
	  "its certificate as files too, in $CRETULA_DIR; self: not for what "
	  "it starts" },
	{ "user", "USER", "become USER first; only root may" },
	{ "name", "DNS-NAME…", "a name to be in it; repeatable" },
	{ "endpoint", "URI…",
	  "PROTOCOL+TRANSPORT://… to be in it; repeatable" },
	{ "lifetime", "TIME", "how long its certificates shall be valid" },
	{ "on-renew", "SIGNAL",
	  "what COMMAND gets when there is a new one: "
	  "HUP, USR1, USR2 …" },
	{ 0 },
};

static const struct opt list_opts[] = {
	{ "type", "TYPE", "only of that type" },
	{ 0 },
};

static const struct opt revoke_opts[] = {
	{ "reason", "REASON",
	  "keyCompromise, superseded, …; default cessationOfOperation" },
	{ 0 },
};

static const struct opt claim_opts[] = {
	{ "pem", NULL, "print certificate, chain and private key" },
	{ "way", "WAY", "only that one: keyring or socket" },
	{ 0 },
};

const struct verb verbs_agent[] = {
	{ "agent", "run",
	  "--type TYPE [--view[=self]] [--user USER] [--name DNS-NAME] … "
	  "[--endpoint URI] … [--lifetime TIME] [--on-renew SIGNAL] -- COMMAND "
	  "[ARGUMENT …]",
	  "start COMMAND as an agent, with a certificate of its own",
	  "COMMAND finds its name in CRETULA_AGENT and its token behind the\n"
	  "descriptor CRETULA_TOKEN_FD. Its end is the agent's end.\n",
	  "cretula agent run --type web --view --user www-data --on-renew HUP "
	  "-- nginx -g 'daemon off;'",
	  run_opts, agent_run_run },
	{ "agent", "list", "[--type TYPE]", "the agents of this node", NULL,
	  "cretula agent list --json", list_opts, list_run },
	{ "agent", "show", "AGENT", "all that is known of one of them",
	  "The last thousand that ended are remembered, until certmgr's core ends\n"
	  "or dies.\n",
	  "cretula agent show 01975c0e-0000-7000-8000-000000000001", NULL,
	  show_run },
	{ "agent", "renew", "AGENT", "give it a new key and certificate now",
	  "Its file view has them at once; who claims gets them from then on.\n",
	  "cretula agent renew 01975c0e-0000-7000-8000-000000000001", NULL,
	  renew_run },
	{ "agent", "revoke", "AGENT [--reason REASON]",
	  "revoke its certificate and destroy its key", NULL,
	  "cretula agent revoke 01975c0e-0000-7000-8000-000000000001 --reason "
	  "keyCompromise",
	  revoke_opts, revoke_run },
	{ "agent", "claim", "[--pem] [--way WAY]",
	  "as the agent itself, claim the certificate",
	  "It must be what was started as the agent: claims by a child or after\n"
	  "another exec are refused. Shells use the file view.\n",
	  "cretula agent run --type web -- cretula agent claim", claim_opts,
	  agent_claim_run },
	{ 0 },
};
