/* cretula: the one command for people. Runs as whoever calls it; holds a secret
 * only while it is on its way into a daemon, in locked memory; an enrolment token from
 * its making until it is printed. */
#include "tools/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRETULA_VERSION "0.1"

static int run_version(struct cli *cli)
{
	struct attrs a;
	int rc;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "version", CRETULA_VERSION) == OK);
	ENSURE(attrs_add_u64(&a, "protocol", CLIENT_PROTOCOL) == OK);
	if (cli->json || cli->field)
		rc = out_list(cli, attrs_view(&a), NULL);
	else
		rc = out_bytes("cretula " CRETULA_VERSION "\n",
			       sizeof "cretula " CRETULA_VERSION);
	attrs_wipe(&a);
	return rc;
}

static const struct verb verbs_own[] = {
	{ "version", NULL, "", "the version of this command", NULL,
	  "cretula version", NULL, run_version },
	{ 0 },
};

static const struct verb *const tables[] = {
	verbs_store,      verbs_slot,  verbs_status, verbs_credential,
	verbs_export,     verbs_peer,  verbs_grant,  verbs_sign,
	verbs_module,     verbs_audit, verbs_ca,     verbs_agent,
	verbs_playground, verbs_own,
};

static void usage(FILE *to)
{
	fprintf(to, "usage: cretula NOUN [VERB] [ARGUMENT …]\n\n");
	for (size_t t = 0; t < NELEM(tables); t++)
		for (const struct verb *v = tables[t]; v->noun; v++)
			fprintf(to, "  %-10s %-13s %s\n", v->noun,
				v->verb ? v->verb : "", v->help);
	fprintf(to, "\nEvery verb has --help with an example, --json and "
		    "--field NAME; what asks a daemon,\n--connect "
		    "https://HOST:PORT. See cretula(1).\n");
}

/* How many letters to add, drop or change to make b of a (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	enum {
		WORD_MAX = 31
	};
	size_t row[WORD_MAX + 1], n = strlen(b);

	if (n > WORD_MAX || strlen(a) > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t change = corner + (a[i - 1] != b[j - 1]);
			size_t step = 1 + MIN(row[j], row[j - 1]);

			corner = row[j];
			row[j] = MIN(change, step);
		}
	}
	return row[n];
}

/* The word of the tables nearest to the one given; noun NULL: among nouns. */
static const char *nearest(const char *noun, const char *given)
{
	const char *best = NULL;
	size_t least = 3;

	for (size_t t = 0; t < NELEM(tables); t++)
		for (const struct verb *v = tables[t]; v->noun; v++) {
			const char *word = noun ? v->verb : v->noun;

			if (!word || (noun && strcmp(noun, v->noun) != 0) ||
			    distance(given, word) >= least)
				continue;
			least = distance(given, word);
			best = word;
		}
	return best;
}

static int unknown(const char *noun, const char *given)
{
	const char *like = nearest(noun, given);

	fprintf(stderr, "cretula: there is no command '%s%s%s'",
		noun ? noun : "", noun ? " " : "", given);
	if (like)
		fprintf(stderr, ": did you mean '%s'?", like);
	fprintf(stderr, "\n");
	if (!noun) {
		fprintf(stderr, "See 'cretula --help'.\n");
		return EXIT_USAGE;
	}
	for (size_t t = 0; t < NELEM(tables); t++)
		for (const struct verb *v = tables[t]; v->noun; v++)
			if (!strcmp(v->noun, noun))
				cli_usage_line(v, stderr);
	return EXIT_USAGE;
}

/* The verb that argv[1] (and argv[2]) name; *used: how many words that took. */
static const struct verb *find_verb(int argc, char **argv, int *used)
{
	for (size_t t = 0; t < NELEM(tables); t++)
		for (const struct verb *v = tables[t]; v->noun; v++) {
			if (strcmp(v->noun, argv[1]) != 0)
				continue;
			if (v->verb && (argc < 3 || strcmp(v->verb, argv[2])))
				continue;
			*used = v->verb ? 2 : 1;
			return v;
		}
	return NULL;
}

static bool is_noun(const char *word)
{
	for (size_t t = 0; t < NELEM(tables); t++)
		for (const struct verb *v = tables[t]; v->noun; v++)
			if (!strcmp(v->noun, word))
				return true;
	return false;
}

static int no_verb(int argc, char **argv)
{
	bool help = argc >= 3 && !strcmp(argv[2], "--help");

	if (!is_noun(argv[1]))
		return unknown(NULL, argv[1]);
	if (argc >= 3 && !help)
		return unknown(argv[1], argv[2]);
	if (!help)
		fprintf(stderr, "cretula: '%s' needs a verb\n", argv[1]);
	for (size_t t = 0; t < NELEM(tables); t++)
		for (const struct verb *v = tables[t]; v->noun; v++)
			if (!strcmp(v->noun, argv[1]))
				cli_usage_line(v, help ? stdout : stderr);
	return help ? EXIT_DONE : EXIT_USAGE;
}

/* How many words stand before the noun: --connect and the like. */
static int leading(int argc, char **argv)
{
	static const char *const with_value[] = { "--connect", "--identity",
						  "--ca", "--field" };
	int at = 1;

	while (at < argc && !strncmp(argv[at], "--", 2) && argv[at][2]) {
		size_t i = 0;

		while (i < NELEM(with_value) &&
		       strcmp(argv[at], with_value[i]) != 0)
			i++;
		at += i < NELEM(with_value) ? 2 : 1;
	}
	return MIN(at, argc) - 1;
}

/* Noun and verb first: those options behind them. */
static void reorder(int argc, char **argv, int options)
{
	int words = MIN(argc - 1 - options, 2);
	const struct verb *v;
	int used = 0;

	v = words ? find_verb(argc - options, argv + options, &used) : NULL;
	if (!v)
		used = words;
	for (int i = 1; i <= used; i++) {
		char *word = argv[options + i];

		memmove(argv + i + 1, argv + i, (size_t)options * sizeof *argv);
		argv[i] = word;
	}
}

int main(int argc, char **argv)
{
	static char version[] = "version";
	struct cli cli = { 0 };
	int used = 0, rc, first;

	cli.sigpipe = signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version"))
		argv[1] = version;
	first = leading(argc, argv);
	reorder(argc, argv, first);
	cli.verb = find_verb(argc, argv, &used);
	if (!cli.verb)
		return no_verb(argc, argv);
	rc = cli_parse(&cli, argc - 1 - used, argv + 1 + used, first);
	if (rc < 0 && cli_check_connect(&cli))
		rc = EXIT_USAGE;
	if (rc < 0)
		rc = cli.verb->run(&cli);
	cretula_close(cli.c);
	free(cli.word);
	free(cli.given);
	if (fflush(stdout) && rc == EXIT_DONE)
		rc = EXIT_FAILED;
	return rc;
}
