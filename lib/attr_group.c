/* Used by whoever writes JSON; holds nothing. */
#include "lib/attr_group.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *x, const void *y)
{
	const struct attr_at *a = x, *b = y;
	size_t n = MIN(a->a.name_len, b->a.name_len);
	int d = memcmp(a->a.name, b->a.name, n);

	if (d)
		return d;
	if (a->a.name_len != b->a.name_len)
		return a->a.name_len < b->a.name_len ? -1 : 1;
	return a->at < b->at ? -1 : 1;
}

static int by_first(const void *x, const void *y)
{
	const struct attr_at *a = x, *b = y;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static bool same_name(const struct attr *a, const struct attr *b)
{
	return a->name_len == b->name_len &&
	       !memcmp(a->name, b->name, a->name_len);
}

struct attr_at *attr_group(struct attr_view v, unsigned *count)
{
	struct attr_view it = v;
	struct attr_at *items;
	struct attr a;
	unsigned n = 0;

	while (attr_next(&it, &a))
		n++;
	items = xcalloc(n, sizeof *items);
	for (unsigned i = 0; attr_next(&v, &a); i++)
		items[i] = (struct attr_at){ .a = a, .at = i, .first = i };
	qsort(items, n, sizeof *items, by_name);
	for (unsigned i = 1; i < n; i++)
		if (same_name(&items[i - 1].a, &items[i].a))
			items[i].first = items[i - 1].first;
	qsort(items, n, sizeof *items, by_first);
	*count = n;
	return items;
}

unsigned attr_group_len(const struct attr_at *g, unsigned n)
{
	unsigned k = 1;

	while (k < n && g[k].first == g[0].first)
		k++;
	return k;
}
