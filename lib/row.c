/* Used by a core and its store; holds what is in the clear of a row, and its
 * blob. */
#include "lib/row.h"

#include <stdio.h>
#include <string.h>

enum {
	HEAD_ATTRS = 6,
	ROW_ATTRS = 7
};

static const char *const table_name[] = {
	[ROW_CREDENTIAL] = "credential",
	[ROW_GRANT] = "grant",
	[ROW_MODULE] = "module",
	[ROW_KEY] = "key",
	[ROW_STATE] = "state",
	[ROW_SLOT] = "slot",
	[ROW_AGENT] = "agent",
	[ROW_OWED] = "owed",
	[ROW_META] = "meta",
	[ROW_PEER] = "peer",
	[ROW_SEEN] = "seen",
};

_Static_assert(NELEM(table_name) == ROW__MAX, "every table has a name");

const char *row_table_name(enum row_table t)
{
	ENSURE((unsigned)t < ROW__MAX);
	return table_name[t];
}

enum err row_table_parse(const void *name, size_t len, enum row_table *t)
{
	for (unsigned i = 0; i < ROW__MAX; i++) {
		if (strlen(table_name[i]) == len &&
		    !memcmp(table_name[i], name, len)) {
			*t = (enum row_table)i;
			return OK;
		}
	}
	return ERR_INVALID;
}

enum err row_head_name(struct row_head *h, const char *name, const char *module)
{
	size_t n = name ? strlen(name) : 0;
	size_t m = module ? strlen(module) : 0;

	if (n > ROW_NAME_MAX || m > ROW_MODULE_MAX)
		return ERR_TOO_LARGE;
	memset(h->name, 0, sizeof h->name);
	memset(h->module, 0, sizeof h->module);
	if (n)
		memcpy(h->name, name, n);
	if (m)
		memcpy(h->module, module, m);
	return OK;
}

enum err row_head_format(const struct row_head *h, struct attrs *a)
{
	TRY(attrs_add_str(a, "table", row_table_name(h->table)));
	TRY(attrs_add_u64(a, "row", h->row));
	TRY(attrs_add_str(a, "name", h->name));
	TRY(attrs_add_str(a, "module", h->module));
	TRY(attrs_add_u64(a, "version", h->version));
	return attrs_add_u64(a, "generation", h->generation);
}

enum err row_format(const struct row *r, struct attrs *a)
{
	TRY(row_head_format(&r->head, a));
	return attrs_add(a, "blob", 0, r->blob, r->blob_len);
}

static enum err bad(struct fault *f, const char *name)
{
	return fault_set(f, ERR_INVALID,
			 "a row of the store has no readable '%s'", name);
}

static enum err get_table(struct attr_view v, enum row_table *t,
			  struct fault *f)
{
	struct attr a;

	if (attr_only(v, "table", &a) != OK)
		return bad(f, "table");
	if (row_table_parse(a.value, a.len, t) != OK)
		return fault_set(f, ERR_INVALID,
				 "a row of the store is of an unknown table");
	return OK;
}

static enum err get_number(struct attr_view v, const char *name, uint64_t *n,
			   struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK ||
	    attr_u64(&a, ROW_NUMBER_MAX, n) != OK)
		return bad(f, name);
	return OK;
}

static enum err get_text(struct attr_view v, const char *name, char *out,
			 size_t max, struct fault *f)
{
	struct attr a;

	if (attr_only(v, name, &a) != OK || a.len > max ||
	    (a.len && memchr(a.value, 0, a.len)))
		return bad(f, name);
	if (a.len)
		memcpy(out, a.value, a.len);
	out[a.len] = 0;
	return OK;
}

static unsigned count_all(struct attr_view v)
{
	struct attr a;
	unsigned n = 0;

	while (attr_next(&v, &a))
		n++;
	return n;
}

static enum err get_head(struct attr_view v, struct row_head *h,
			 struct fault *f)
{
	*h = (struct row_head){ 0 };
	TRY(get_table(v, &h->table, f));
	TRY(get_number(v, "row", &h->row, f));
	TRY(get_text(v, "name", h->name, ROW_NAME_MAX, f));
	TRY(get_text(v, "module", h->module, ROW_MODULE_MAX, f));
	TRY(get_number(v, "version", &h->version, f));
	return get_number(v, "generation", &h->generation, f);
}

/* Every wanted attribute was found exactly once: more means a stranger. */
static enum err check_count(struct attr_view v, unsigned want, struct fault *f)
{
	if (count_all(v) != want)
		return fault_set(f, ERR_INVALID,
				 "a row of the store has unknown attributes");
	return OK;
}

enum err row_head_parse(struct attr_view v, struct row_head *h, struct fault *f)
{
	struct row_head got;

	TRY(get_head(v, &got, f));
	TRY(check_count(v, HEAD_ATTRS, f));
	*h = got;
	return OK;
}

enum err row_parse(struct attr_view v, struct row *r, struct fault *f)
{
	struct row got;
	struct attr blob;

	TRY(get_head(v, &got.head, f));
	if (attr_only(v, "blob", &blob) != OK)
		return bad(f, "blob");
	TRY(check_count(v, ROW_ATTRS, f));
	if (blob.len > ROW_BLOB_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "a row of the store is over %d bytes",
				 ROW_BLOB_MAX);
	got.blob = blob.value;
	got.blob_len = blob.len;
	*r = got;
	return OK;
}

enum err row_parse_place(struct attr_view v, enum row_table *t, uint64_t *row,
			 struct fault *f)
{
	enum row_table table;
	uint64_t n;

	TRY(get_table(v, &table, f));
	TRY(get_number(v, "row", &n, f));
	TRY(check_count(v, 2, f));
	*t = table;
	*row = n;
	return OK;
}

void row_label(const struct row_head *h, char text[ROW_LABEL])
{
	size_t n = (size_t)snprintf(text, ROW_LABEL, "%s/%llu",
				    row_table_name(h->table),
				    (unsigned long long)h->row);

	if (!h->name[0])
		return;
	n += (size_t)snprintf(text + n, ROW_LABEL - n, " '");
	for (const char *c = h->name; *c && n < ROW_LABEL - 8; c++) {
		bool plain = *c > ' ' && *c < 0x7f && *c != '\'' && *c != '\\';

		n += (size_t)snprintf(text + n, ROW_LABEL - n,
				      plain ? "%c" : "\\x%02x",
				      (unsigned char)*c);
	}
	(void)snprintf(text + n, ROW_LABEL - n, "'");
}
