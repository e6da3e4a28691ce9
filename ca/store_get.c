/* Store: reading what the issuer sent, which is trusted to be well formed: what is not
 * ends the process. And building answers, which fit by their bounds. */
#include "ca/store_role.h"
#include "lib/child.h"

bool get_if_bytes(struct attr_view v, const char *name, size_t min, size_t max,
		  struct attr_view *out)
{
	struct attr a;
	enum err e = attr_only(v, name, &a);

	if (e == ERR_NOT_FOUND)
		return false;
	if (e != OK || a.len < min || a.len > max)
		child_broken(name);
	*out = (struct attr_view){ .p = a.value, .len = a.len };
	return true;
}

struct attr_view get_bytes(struct attr_view v, const char *name, size_t min,
			   size_t max)
{
	struct attr_view out;

	if (!get_if_bytes(v, name, min, max, &out))
		child_broken(name);
	return out;
}

bool get_if_u64(struct attr_view v, const char *name, uint64_t max, uint64_t *n)
{
	struct attr a;
	enum err e = attr_only(v, name, &a);

	if (e == ERR_NOT_FOUND)
		return false;
	if (e != OK || attr_u64(&a, max, n) != OK)
		child_broken(name);
	return true;
}

uint64_t get_u64(struct attr_view v, const char *name, uint64_t max)
{
	uint64_t n;

	if (!get_if_u64(v, name, max, &n))
		child_broken(name);
	return n;
}

bool get_yes(struct attr_view v, const char *name)
{
	struct attr a;
	enum err e = attr_only(v, name, &a);

	if (e == ERR_NOT_FOUND)
		return false;
	if (e != OK || !attr_is(&a, "yes"))
		child_broken(name);
	return true;
}

struct attr_view get_list(const struct attr *a)
{
	struct attr_view v;

	if (attr_parse(a->value, a->len, &v, NULL) != OK)
		child_broken("a list");
	return v;
}

void item_bytes(struct attrs *a, const char *name, struct attr_view v)
{
	ENSURE(attrs_add(a, name, 0, v.p, v.len) == OK);
}

void item_u64(struct attrs *a, const char *name, uint64_t n)
{
	ENSURE(attrs_add_u64(a, name, n) == OK);
}

void item_list(struct attrs *a, const char *name, const struct attrs *list)
{
	ENSURE(attrs_add(a, name, 0, list->bytes.p, list->bytes.len) == OK);
}
