/* cretula status: what is wrong, what is weaker here, what to do. */
#include "tools/cli.h"

#include "lib/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of name as a C string; "" if absent. Freed by the caller. */
static char *text_of(struct attr_view v, const char *name)
{
	struct attr a;
	char *s;

	if (!attr_find(v, name, &a) || attr_str(&a, &s) != OK)
		return xstrdup("");
	return s;
}

/* Prints "  LABEL: VALUE" if there is such an attribute. */
static void line(struct attr_view v, const char *label, const char *name)
{
	AUTO(mem_free) char *value = text_of(v, name);

	if (value[0])
		printf("  %s: %s\n", label, value);
}

static void started(struct attr_view v)
{
	char text[CLOCK_TEXT];
	struct attr a;
	uint64_t t;

	if (!attr_find(v, "started", &a) ||
	    attr_u64(&a, 253402300799ull, &t) != OK)
		return;
	clock_format((int64_t)t, text);
	printf("  started: %s\n", text);
}

static void each(struct attr_view v, const char *label, const char *name)
{
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_named(&a, name))
			printf("%s: %.*s\n", label, (int)a.len,
			       (const char *)a.value);
}

/* What to do about a state that serves nobody; NULL if it serves. */
static const char *advice(struct attr_view v)
{
	struct attr a;

	if (!attr_find(v, "state", &a))
		return "credd does not say in which state it is";
	if (attr_is(&a, "uninitialised"))
		return "there is no store yet: run 'cretula init'";
	if (attr_is(&a, "sealed"))
		return "the store is sealed: run 'cretula unseal'";
	return NULL;
}

static void print_status(struct attr_view v)
{
	AUTO(mem_free) char *state = text_of(v, "state");

	printf("credd: %s\n", state[0] ? state : "in an unknown state");
	line(v, "store", "store");
	line(v, "generation", "generation");
	line(v, "credentials", "credentials");
	line(v, "grants", "grants");
	line(v, "workers", "workers");
	line(v, "connections", "connections");
	line(v, "audit records", "audit_size");
	started(v);
	each(v, "weaker here", "weaker");
	each(v, "needs attention", "attention");
	if (advice(v) && !attr_count(v, "attention"))
		printf("needs attention: %s\n", advice(v));
}

static int not_reached(const struct cli *cli, const struct cretula_error *err)
{
	struct attrs a;

	if (cli->json && !err->reached) {
		attrs_init(&a);
		ENSURE(attrs_add_str(&a, "state", "not_reached") == OK);
		ENSURE(attrs_add_str(&a, "attention", err->text) == OK);
		(void)out_list(cli, attrs_view(&a), NULL);
		attrs_wipe(&a);
	}
	return cli_failed(err);
}

static int run_status(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	struct attr_view v = { 0 };
	struct cretula_error err;
	int rc = EXIT_DONE;

	if (cli->words)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[0]);
	if (cretula_open(NULL, &cli->c, &err) ||
	    client_call(cli->c, "status", v, NULL, &answer, &err))
		return not_reached(cli, &err);
	v = attrs_view(&answer->reply.a);
	if (cli->json || cli->field)
		rc = out_list(cli, v, NULL);
	else
		print_status(v);
	if (!rc && !cli->field && (advice(v) || attr_count(v, "attention")))
		rc = EXIT_ATTENTION;
	cretula_answer_free(answer);
	return rc;
}

const struct verb verbs_status[] = {
	{ "status", NULL, "", "what is wrong, what is weaker here, what to do",
	  NULL, "cretula status", NULL, run_status },
	{ 0 },
};
