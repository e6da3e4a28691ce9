/* gate: lists to JSON. Holds one answer at a time. */
#include "lib/json_list.h"

#include "lib/attr_group.h"
#include "lib/enc.h"
#include "lib/json_put.h"

#include <string.h>

/* Names whose values are lists, where they are ones. */
static const char *const JSON_LISTS[] = { "request",   "attributes",
					  "grant",     "subject",
					  "operation", "declaration",
					  "attribute" };

static bool is_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] < 0x20 && p[i] != '\t' && p[i] != '\n') ||
		    p[i] == 0x7f)
			return false;
	return enc_utf8_ok(p, n);
}

static enum err put_plain(struct buf *out, const struct attr *a)
{
	if (a->flags & ATTR_CONFIDENTIAL)
		return buf_str(out, "{\"confidential\":true}");
	if (is_text(a->value, a->len))
		return json_put_string(out, a->value, a->len);
	TRY(buf_str(out, "{\"base64\":\""));
	TRY(enc_base64(a->value, a->len, out));
	return buf_str(out, "\"}");
}

/* Objects */

static bool holds_list(const struct attr *a, struct attr_view *v)
{
	if (a->flags & ATTR_CONFIDENTIAL)
		return false;
	for (size_t i = 0; i < NELEM(JSON_LISTS); i++)
		if (attr_named(a, JSON_LISTS[i]))
			return attr_parse(a->value, a->len, v, NULL) == OK;
	return false;
}

static bool is_array(const struct attr *a, const char *arrays)
{
	const char *at = arrays;

	while (at && (at = memmem(at, strlen(at), a->name, a->name_len))) {
		if (at > arrays && at[-1] == ' ' && at[a->name_len] == ' ')
			return true;
		at++;
	}
	return false;
}

static enum err put_object(struct attr_view v, const char *arrays,
			   unsigned depth, struct buf *out);

static enum err put_one(const struct attr *a, unsigned depth, struct buf *out)
{
	struct attr_view inner;

	if (depth < JSON_LIST_DEPTH && holds_list(a, &inner))
		return put_object(inner, NULL, depth + 1, out);
	return put_plain(out, a);
}

static enum err put_group(const struct attr_at *g, unsigned n, bool array,
			  unsigned depth, struct buf *out)
{
	TRY(buf_str(out, "\""));
	TRY(buf_put(out, g->a.name, g->a.name_len));
	TRY(buf_str(out, array ? "\":[" : "\":"));
	for (unsigned i = 0; i < n; i++) {
		if (i)
			TRY(buf_str(out, ","));
		TRY(put_one(&g[i].a, depth, out));
	}
	return array ? buf_str(out, "]") : OK;
}

static enum err put_object(struct attr_view v, const char *arrays,
			   unsigned depth, struct buf *out)
{
	unsigned n, k;
	AUTO(mem_free) struct attr_at *g = attr_group(v, &n);

	TRY(buf_str(out, "{"));
	for (unsigned i = 0; i < n; i += k) {
		k = attr_group_len(g + i, n - i);
		if (i)
			TRY(buf_str(out, ","));
		TRY(put_group(g + i, k, k > 1 || is_array(&g[i].a, arrays),
			      depth, out));
	}
	return buf_str(out, "}");
}

enum err json_list_format(struct attr_view v, const char *arrays,
			  struct buf *out)
{
	return put_object(v, arrays, 1, out);
}

/* Pairs */

enum err json_pairs_format(struct attr_view v, struct buf *out)
{
	const char *before = "[[\"";
	struct attr a;

	while (attr_next(&v, &a)) {
		TRY(buf_str(out, before));
		TRY(buf_put(out, a.name, a.name_len));
		TRY(buf_str(out, "\","));
		TRY(put_plain(out, &a));
		TRY(buf_str(out, "]"));
		before = ",[\"";
	}
	return buf_str(out, *before == ',' ? "]" : "[]");
}
