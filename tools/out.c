/* How results look: attribute text, JSON, or one field. Runs in cretula. */
#include "tools/cli.h"

#include "lib/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int out_bytes(const void *p, size_t n)
{
	if (fwrite(p, 1, n, stdout) == n)
		return EXIT_DONE;
	cli_say("standard output cannot be written to");
	return EXIT_FAILED;
}

static bool is_time(const struct attr *a)
{
	return attr_named(a, "made") || attr_named(a, "started") ||
	       attr_named(a, "destroy_at") || attr_named(a, "node_not_after") ||
	       attr_named(a, "ca_away_since");
}

/* Seconds since 1970 become RFC 3339; all else stays. */
static enum err add_shown(struct attrs *out, const struct attr *a)
{
	char text[CLOCK_TEXT];
	uint64_t t;

	if (!is_time(a) || attr_u64(a, 253402300799ull, &t) != OK)
		return attrs_add_attr(out, a);
	clock_format((int64_t)t, text);
	return attrs_add_named(out, a->name, a->name_len, 0, text,
			       strlen(text));
}

/* v as people see it: times as text, and the attributes of the list `nested`
 * in place (spliced) or left out. */
static enum err shown(struct attr_view v, const char *nested, bool splice,
		      struct attrs *out)
{
	struct attr_view inner;
	struct attr a;

	while (attr_next(&v, &a)) {
		if (!nested || !attr_named(&a, nested)) {
			TRY(add_shown(out, &a));
			continue;
		}
		if (!splice)
			continue;
		TRY(attr_parse(a.value, a.len, &inner, NULL));
		TRY(attrs_add_view(out, inner));
	}
	return OK;
}

static enum err put_nested(struct attr_view v, const char *nested,
			   struct buf *b)
{
	struct attr_view inner;
	struct attr a;

	if (!attr_find(v, nested, &a))
		return OK;
	TRY(attr_parse(a.value, a.len, &inner, NULL));
	b->len--; /* the closing brace comes later */
	TRY(buf_fmt(b, "%s\"%s\":", b->p[b->len - 1] == '{' ? "" : ",",
		    nested));
	TRY(attr_format_json(inner, b));
	return buf_str(b, "}");
}

enum err out_json(struct attr_view v, const char *nested, struct buf *b)
{
	struct attrs plain;
	enum err e;

	attrs_init(&plain);
	e = shown(v, nested, false, &plain);
	if (e == OK)
		e = attr_format_json(attrs_view(&plain), b);
	attrs_wipe(&plain);
	return e == OK && nested ? put_nested(v, nested, b) : e;
}

static enum err out_text(struct attr_view v, const char *nested, struct buf *b)
{
	struct attrs flat;
	enum err e;

	attrs_init(&flat);
	e = shown(v, nested, true, &flat);
	if (e == OK)
		e = attr_format_text(attrs_view(&flat), b);
	attrs_wipe(&flat);
	return e;
}

int out_field(const char *name, struct attr_view v)
{
	bool found = false;
	struct attr a;

	while (attr_next(&v, &a)) {
		if (!attr_named(&a, name) || (a.flags & ATTR_CONFIDENTIAL))
			continue;
		found = true;
		if (out_bytes(a.value, a.len) || out_bytes("\n", 1))
			return EXIT_FAILED;
	}
	if (found)
		return EXIT_DONE;
	cli_say("the answer has no field '%s'", name);
	return EXIT_FAILED;
}

static int field_of(const struct cli *cli, struct attr_view v,
		    const char *nested)
{
	struct attrs flat;
	int rc;

	attrs_init(&flat);
	rc = shown(v, nested, true, &flat) == OK
		     ? out_field(cli->field, attrs_view(&flat))
		     : EXIT_FAILED;
	attrs_wipe(&flat);
	return rc;
}

int out_list(const struct cli *cli, struct attr_view v, const char *nested)
{
	struct buf b;
	enum err e;
	int rc;

	if (cli->field)
		return field_of(cli, v, nested);
	buf_init(&b, CLI_OUT_MAX);
	e = cli->json ? out_json(v, nested, &b) : out_text(v, nested, &b);
	if (e == OK)
		e = buf_str(&b, "\n");
	if (e == OK)
		rc = b.len > 1 ? out_bytes(b.p, b.len) : EXIT_DONE;
	else
		rc = cli_fault(e, NULL);
	buf_wipe(&b);
	return rc;
}

int out_items(const struct cli *cli, const struct cretula_answer *a,
	      const char *nested)
{
	int rc = EXIT_DONE;

	for (unsigned i = 0; i < a->count && rc == EXIT_DONE; i++)
		rc = out_list(cli, attrs_view(&a->item[i].a), nested);
	return rc;
}

/* Items without it come first. */
static int order(const void *x, const void *y, void *arg)
{
	const struct cretula_list *l = x, *r = y;
	const char *const *name = arg;
	struct attr a = { 0 }, b = { 0 };
	int d;

	(void)attr_find(attrs_view(&l->a), *name, &a);
	(void)attr_find(attrs_view(&r->a), *name, &b);
	d = memcmp(a.len ? a.value : (const void *)"",
		   b.len ? b.value : (const void *)"", MIN(a.len, b.len));
	return d ? d : (a.len > b.len) - (a.len < b.len);
}

void items_sort(struct cretula_answer *a, const char *name)
{
	if (a->count)
		qsort_r(a->item, a->count, sizeof *a->item, order, &name);
}

int out_items_by(const struct cli *cli, struct cretula_answer *a,
		 const char *name)
{
	items_sort(a, name);
	return out_items(cli, a, NULL);
}

/* The reply, in text without the id that only matters when something is wrong. */
int out_reply(const struct cli *cli, const struct cretula_answer *a)
{
	struct attr_view v = attrs_view(&a->reply.a);
	struct attrs plain;
	enum err e;
	int rc;

	if (cli->json || cli->field)
		return out_list(cli, v, NULL);
	attrs_init(&plain);
	e = shown(v, "request_id", false, &plain);
	rc = e == OK ? out_list(cli, attrs_view(&plain), NULL)
		     : cli_fault(e, NULL);
	attrs_wipe(&plain);
	return rc;
}
