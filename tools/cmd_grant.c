/* cretula grant …: rules that let a subject run an operation on a credential, which
 * credd keeps, or start agents of a type, which certmgr keeps. Each numbers its own:
 * certmgr's are called agent/ID here. */
#include "tools/cli.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char agent_mark[] = "agent/";

/* What says who asks; in `grant test` the rest says what is asked. */
static const char *const subject_names[] = {
	"uid",      "gid",       "groups", "pid",    "exe",
	"unit",     "user_unit", "via",    "cert.o", "cert.ou",
	"cert.uid", "cert.cap",  "serial",
};

static bool is_subject(const char *name)
{
	for (size_t i = 0; i < NELEM(subject_names); i++)
		if (!strcmp(subject_names[i], name))
			return true;
	return false;
}

static bool is_number(const char *s)
{
	return s[0] && s[strspn(s, "0123456789")] == '\0';
}

/* The number of a user or group; a number stays. */
static enum err put_id(const char *id, bool group, struct buf *out)
{
	if (is_number(id))
		return buf_str(out, id);
	if (group) {
		const struct group *g = getgrnam(id);

		return g ? buf_fmt(out, "%u", g->gr_gid) : ERR_NOT_FOUND;
	}
	const struct passwd *p = getpwnam(id);

	return p ? buf_fmt(out, "%u", p->pw_uid) : ERR_NOT_FOUND;
}

/* A comma-separated set of users or groups as numbers. */
static int put_ids(const struct cli *cli, const char *name, const char *value,
		   struct buf *out)
{
	AUTO(mem_free) char *copy = xstrdup(value);
	char *rest = copy, *id;

	while ((id = strsep(&rest, ","))) {
		if (out->len && buf_u8(out, ',') != OK)
			return EXIT_FAILED;
		if (put_id(id, name[0] == 'g', out) != OK)
			return cli_usage(cli, "there is no %s '%s'",
					 name[0] == 'g' ? "group" : "user", id);
	}
	return 0;
}

/* Appends one word; names of users and groups become numbers. */
static int add_word(const struct cli *cli, const char *name, const char *value,
		    struct attrs *out)
{
	struct buf ids;
	int rc = 0;

	if (!value)
		return cli_usage(cli, "'%s' has no value: %s=VALUE", name,
				 name);
	buf_init(&ids, CLI_FILE_MAX);
	if (!strcmp(name, "uid") || !strcmp(name, "gid") ||
	    !strcmp(name, "groups")) {
		rc = put_ids(cli, name, value, &ids);
		if (!rc && buf_u8(&ids, 0) != OK)
			rc = EXIT_FAILED;
		value = (const char *)ids.p;
	}
	if (!rc && attrs_add_str(out, name, value) != OK)
		rc = cli_usage(cli, "too many attributes");
	buf_wipe(&ids);
	return rc;
}

/* Does a word say name=? */
static bool says(const struct cli *cli, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < cli->words; i++)
		if (!strncmp(cli->word[i], name, n) && cli->word[i][n] == '=')
			return true;
	return false;
}

/* agent= is certmgr's to judge, also beside credential=, as it is credd's without. */
static void turn_by_words(struct cli *cli)
{
	if (says(cli, "agent"))
		cli_turn(cli, CLIENT_CERTMGR);
}

/* A grant that only certmgr keeps: behind --connect can be either. */
static bool for_agents(struct attr_view item)
{
	struct attr_view grant;
	struct attr a;

	return attr_find(item, "grant", &a) &&
	       attr_parse(a.value, a.len, &grant, NULL) == OK &&
	       attr_count(grant, "agent");
}

/* An answer of certmgr: its ids, in attributes of that name, as people write them. */
static void mark(const struct cli *cli, const char *name,
		 struct cretula_list *list)
{
	struct attr_view v = attrs_view(&list->a);
	struct attrs out;
	struct attr a;

	if (cli->daemon != CLIENT_CERTMGR && !for_agents(v))
		return;
	attrs_init(&out);
	while (attr_next(&v, &a))
		if (attr_named(&a, name))
			ENSURE(attrs_add_fmt(&out, name, "%s%.*s", agent_mark,
					     (int)a.len,
					     (const char *)a.value) == OK);
		else
			ENSURE(attrs_add_attr(&out, &a) == OK);
	attrs_wipe(&list->a);
	list->a = out;
}

static int run_add(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	char name[ATTR_NAME_MAX + 1];
	struct attrs grant, args;
	const char *value;
	int rc = 0;

	if (!cli->words)
		return cli_usage(cli, "a grant is a list of attributes");
	turn_by_words(cli);
	attrs_init(&grant);
	attrs_init(&args);
	for (size_t i = 0; !rc && i < cli->words; i++)
		rc = word_split(cli->word[i], name, &value)
			     ? add_word(cli, name, value, &grant)
			     : EXIT_USAGE;
	if (!rc &&
	    attrs_add(&args, "grant", 0, grant.bytes.p, grant.bytes.len) != OK)
		rc = cli_usage(cli, "the grant is too long");
	if (!rc)
		rc = cli_ask(cli, true, "grant.add", attrs_view(&args), NULL,
			     &answer);
	if (!rc) {
		mark(cli, "id", &answer->reply);
		rc = out_reply(cli, answer);
	}
	cretula_answer_free(answer);
	attrs_wipe(&args);
	attrs_wipe(&grant);
	return rc;
}

static int list_of(struct cli *cli, enum client_daemon d,
		   const struct attrs *args)
{
	struct cretula_answer *answer = NULL;
	int rc;

	cli_turn(cli, d);
	rc = cli_ask(cli, true, "grant.list", attrs_view(args), NULL, &answer);
	for (unsigned i = 0; !rc && i < answer->count; i++)
		mark(cli, "id", &answer->item[i]);
	if (!rc)
		rc = out_items(cli, answer, "grant");
	cretula_answer_free(answer);
	return rc;
}

/* What the daemons keep that are here and that the words do not leave out. One that
 * does not answer does not hide what the other says. */
static int run_list(struct cli *cli)
{
	bool agents =
		cli_expects(cli, CLIENT_CERTMGR) && !says(cli, "credential");
	bool credentials =
		cli_expects(cli, CLIENT_CREDD) && !says(cli, "agent");
	struct attrs args;
	int rc, other = 0;

	attrs_init(&args);
	rc = words_attrs(cli, 0, &args);
	if (!rc && says(cli, "agent"))
		agents = true;
	if (!rc && (credentials || !agents))
		other = list_of(cli, CLIENT_CREDD, &args);
	if (!rc && agents)
		rc = list_of(cli, CLIENT_CERTMGR, &args);
	attrs_wipe(&args);
	return rc ? rc : other;
}

static int run_remove(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	const char *id = cli->word[0];
	struct attrs args;
	int rc;

	if (cli->words != 1)
		return cli_usage(cli, "which grant? see 'cretula grant list'");
	if (!strncmp(id, agent_mark, sizeof agent_mark - 1)) {
		cli_turn(cli, CLIENT_CERTMGR);
		id += sizeof agent_mark - 1;
	}
	attrs_init(&args);
	if (attrs_add_str(&args, "id", id) != OK)
		rc = cli_usage(cli, "that is no grant");
	else
		rc = cli_ask(cli, true, "grant.remove", attrs_view(&args), NULL,
			     &answer);
	if (!rc)
		rc = out_reply(cli, answer);
	cretula_answer_free(answer);
	attrs_wipe(&args);
	return rc;
}

/* What `grant test` asks about. */
struct question {
	struct attrs args; /* credential= op= … */
	struct attrs subject;
	struct attrs options; /* of the request */
	struct attrs request;
};

static int sort_words(struct cli *cli, struct question *q)
{
	char name[ATTR_NAME_MAX + 1];
	const char *value;
	int rc = 0;

	for (size_t i = 0; !rc && i < cli->words; i++) {
		if (!word_split(cli->word[i], name, &value))
			return EXIT_USAGE;
		rc = add_word(cli, name, value,
			      is_subject(name) ? &q->subject
			      : !strcmp(name, "credential") ||
					      !strcmp(name, "agent")
				      ? &q->args
				      : &q->options);
	}
	return rc;
}

/* A request may come from a file or a pipe; a terminal or /dev/null has none. */
static bool input_given(void)
{
	struct stat st;

	return !fstat(STDIN_FILENO, &st) && !S_ISCHR(st.st_mode);
}

static int parse_request(const struct request_in *in,
			 const struct client_options *o, struct attrs *out)
{
	struct cretula_error err;
	struct http_request r;
	struct fault f = { 0 };
	enum cretula_err ce;
	enum err e = http_parse((const char *)in->head.p, in->head.len, o->raw,
				&r, &f);

	if (e != OK)
		return cli_fault(e, &f);
	ce = client_request(&r, o, &in->about, out, &err);
	http_wipe(&r);
	return ce ? cli_failed(&err) : 0;
}

static int build_request(struct question *q)
{
	struct request_in in = { .spool = -1 };
	struct cretula_error err;
	struct client_options o;
	int rc = 0;

	if (client_options(attrs_view(&q->options), &o, &err))
		return cli_failed(&err);
	if (attrs_add_str(&q->args, "op", o.op) != OK)
		rc = EXIT_FAILED;
	if (!rc && !attr_count(attrs_view(&o.rest), "data") && input_given())
		rc = request_read(&in, false);
	if (!rc && in.head.len)
		rc = parse_request(&in, &o, &q->request);
	else if (!rc && attrs_add_view(&q->request, attrs_view(&o.rest)) != OK)
		rc = EXIT_FAILED;
	request_wipe(&in);
	client_options_wipe(&o);
	return rc;
}

/* A line for each grant; certmgr's are called agent/NUMBER everywhere. */
static void print_reason(const struct cli *cli, char *reason)
{
	static const char word[] = "grant ";
	char *rest = reason, *line;

	while ((line = strsep(&rest, "\n"))) {
		bool names = cli->daemon == CLIENT_CERTMGR &&
			     !strncmp(line, word, sizeof word - 1);

		if (names)
			printf("%s%s%s\n", word, agent_mark,
			       line + sizeof word - 1);
		else if (*line)
			printf("%s\n", line);
	}
}

/* For people: the decision, and why; a line for each fact. */
static int print_lines(const struct cli *cli, struct attr_view v)
{
	AUTO(mem_free) char *reason = NULL;
	struct attr a;

	if (attr_find(v, "decision", &a))
		printf("decision=%.*s", (int)a.len, (const char *)a.value);
	if (attr_find(v, "grant", &a))
		printf(" grant=%.*s", (int)a.len, (const char *)a.value);
	printf("\n");
	if (attr_find(v, "reason", &a) && attr_str(&a, &reason) == OK)
		print_reason(cli, reason);
	while (attr_next(&v, &a))
		if (attr_named(&a, "fact"))
			printf("fact: %.*s\n", (int)a.len,
			       (const char *)a.value);
	return EXIT_DONE;
}

static int print_decision(const struct cli *cli,
			  const struct cretula_answer *answer)
{
	struct attr_view v = attrs_view(&answer->reply.a);
	bool lines = !cli->json && !cli->field;
	struct attr a;
	int rc = lines ? print_lines(cli, v) : out_reply(cli, answer);

	if (!rc && attr_find(v, "decision", &a) && !attr_is(&a, "allow"))
		rc = err_exit(ERR_DENIED);
	return rc;
}

static int ask_question(struct cli *cli, struct question *q)
{
	struct cretula_answer *answer = NULL;
	int rc;

	bool agent = cli->daemon == CLIENT_CERTMGR;

	if (attrs_add(&q->args, "subject", 0, q->subject.bytes.p,
		      q->subject.bytes.len) != OK ||
	    (!agent && attrs_add(&q->args, "request", 0, q->request.bytes.p,
				 q->request.bytes.len) != OK))
		return cli_usage(cli, "the request is too long");
	rc = cli_ask(cli, true, "grant.test", attrs_view(&q->args), NULL,
		     &answer);
	if (!rc) {
		mark(cli, "grant", &answer->reply);
		rc = print_decision(cli, answer);
	}
	cretula_answer_free(answer);
	return rc;
}

/* Who starts an agent makes no request. */
static int agent_question(const struct cli *cli, const struct question *q)
{
	if (q->options.count || attr_count(attrs_view(&q->args), "credential"))
		return cli_usage(cli, "beside agent= there is only who asks: "
				      "uid= gid= exe= unit= …");
	return 0;
}

static int run_test(struct cli *cli)
{
	struct question q;
	int rc;

	attrs_init(&q.args);
	attrs_init(&q.subject);
	attrs_init(&q.options);
	attrs_init(&q.request);
	turn_by_words(cli);
	rc = sort_words(cli, &q);
	if (!rc && cli->daemon == CLIENT_CERTMGR)
		rc = agent_question(cli, &q);
	else if (!rc && !attr_count(attrs_view(&q.args), "credential"))
		rc = cli_usage(cli,
			       "which credential, or which type of agents? "
			       "credential=NAME or agent=TYPE");
	else if (!rc)
		rc = build_request(&q);
	if (!rc)
		rc = ask_question(cli, &q);
	attrs_wipe(&q.args);
	attrs_wipe(&q.subject);
	attrs_wipe(&q.options);
	attrs_wipe(&q.request);
	return rc;
}

const struct verb verbs_grant[] = {
	{ "grant", "add",
	  "{credential=NAME op=OP,… LIMIT=… | agent=TYPE,…} SUBJECT=… …",
	  "allow a subject an operation on a credential, or to start agents",
	  "subjects: uid gid exe unit user_unit (users and groups also by "
	  "name)\n"
	  "          cert.o cert.ou cert.uid cert.cap: who comes with a "
	  "certificate,\n"
	  "          by its type, node, agent or capability\n"
	  "limits:   method host path query service region action\n"
	  "          max_skew lifetime not_before not_after reveal\n"
	  "          (of agents: not_before not_after)\n"
	  "Values are sets, comma-separated; '*' stands for anything, in path "
	  "for one\nsegment and '**' for several.\n",
	  "cretula grant add credential=prod op=sign,presign uid=1000 "
	  "host=*.amazonaws.com max_skew=300s\n  "
	  "cretula grant add credential=prod op=sign cert.ou=n1.example "
	  "cert.o=web",
	  NULL, run_add },
	{ "grant", "list", "[credential=NAME | agent=TYPE]",
	  "the grants there are",
	  "credd's have a number as ID, certmgr's, for agents, are agent/NUMBER",
	  "cretula grant list credential=prod", NULL, run_list },
	{ "grant", "remove", "ID", "take a grant back", NULL,
	  "cretula grant remove 3", NULL, run_remove },
	{ "grant", "test",
	  "{credential=NAME op=OP [ATTR=VALUE …] | agent=TYPE} SUBJECT=… … "
	  "[<REQUEST]",
	  "which grant decides a request, and why", NULL,
	  "cretula grant test credential=prod op=sign uid=1000 <request.txt",
	  NULL, run_test },
	{ 0 },
};
