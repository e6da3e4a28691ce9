/* cretula module list: the mechanisms there are, and what their credentials need. */
#include "tools/declared.h"

#include <cretula/module.h>

#include <stdlib.h>
#include <string.h>

/* Appends what = the name of each inner list called what, marked. */
static enum err add_names(struct attr_view decl, const char *what,
			  struct attrs *out)
{
	struct attr_view one;
	struct attr a, n;

	while (attr_next(&decl, &a)) {
		if (!attr_named(&a, what) ||
		    attr_parse(a.value, a.len, &one, NULL) != OK ||
		    !attr_find(one, "name", &n))
			continue;
		TRY(attrs_add(out, what, 0, n.value, n.len));
	}
	return OK;
}

static enum err add_attributes(struct attr_view decl, struct attrs *out)
{
	char name[ATTR_NAME_MAX + 1];
	unsigned kind;

	while (declared_next(&decl, name, &kind)) {
		TRY(attrs_add_str(
			out, kind & CRETULA_REQUIRED ? "requires" : "accepts",
			name));
		if (kind & CRETULA_CONFIDENTIAL)
			TRY(attrs_add_str(out, "confidential", name));
		if (kind & CRETULA_BINDING)
			TRY(attrs_add_str(out, "binding", name));
	}
	return OK;
}

/* One module as people see it: name, summary, hash, operations, attributes; who is no
 * admin is told of operations only. */
static enum err summary(struct attr_view v, struct attrs *out)
{
	struct attr_view all = v, decl;
	struct attr a;

	while (attr_next(&v, &a)) {
		if (attr_named(&a, "operation"))
			continue;
		if (!attr_named(&a, "declaration")) {
			TRY(attrs_add_attr(out, &a));
			continue;
		}
		TRY(attr_parse(a.value, a.len, &decl, NULL));
		TRY(add_names(decl, "operation", out));
		TRY(add_attributes(decl, out));
	}
	return add_names(all, "operation", out);
}

/* "  WHAT: a b c", unless there is none. */
static void line(struct attr_view v, const char *what, const char *label)
{
	bool any = false;
	struct attr a;

	while (attr_next(&v, &a)) {
		if (!attr_named(&a, what))
			continue;
		printf("%s%.*s", any ? " " : label, (int)a.len,
		       (const char *)a.value);
		any = true;
	}
	if (any)
		printf("\n");
}

/* For people: a paragraph. */
static int print_lines(struct attr_view v)
{
	line(v, "name", "");
	line(v, "summary", "  ");
	line(v, "operation", "  operations: ");
	line(v, "requires", "  required: ");
	line(v, "accepts", "  optional: ");
	line(v, "confidential", "  confidential: ");
	line(v, "binding", "  binding: ");
	line(v, "sha256", "  sha256: ");
	line(v, "usable", "  usable: ");
	return EXIT_DONE;
}

static int print_module(const struct cli *cli, struct attr_view v)
{
	struct attrs out;
	enum err e;
	int rc;

	attrs_init(&out);
	e = summary(v, &out);
	if (e != OK)
		rc = cli_fault(e, NULL);
	else if (cli->json || cli->field)
		rc = out_list(cli, attrs_view(&out), NULL);
	else
		rc = print_lines(attrs_view(&out));
	attrs_wipe(&out);
	return rc;
}

static int run_list(struct cli *cli)
{
	struct cretula_answer *answer = NULL;
	int rc;

	if (cli->words)
		return cli_usage(cli, "'%s' is one word too many",
				 cli->word[0]);
	rc = cli_ask_either(cli, "module.list", "modules", &answer);
	for (unsigned i = 0; !rc && i < answer->count; i++)
		rc = print_module(cli, attrs_view(&answer->item[i].a));
	cretula_answer_free(answer);
	return rc;
}

const struct verb verbs_module[] = {
	{ "module", "list", "", "the modules, their operations and attributes",
	  NULL, "cretula module list", NULL, run_list },
	{ 0 },
};
