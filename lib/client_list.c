/* Attribute lists, as the public header shows them. Runs in clients;
 * holds what the caller puts in. */
#include "lib/client.h"

#include <stdlib.h>
#include <string.h>

struct cretula_list *cretula_list_new(void)
{
	struct cretula_list *l = xcalloc(1, sizeof *l);

	attrs_init(&l->a);
	return l;
}

struct cretula_list *cretula_list_new_secret(void)
{
	struct cretula_list *l = xcalloc(1, sizeof *l);

	attrs_init_secret(&l->a);
	return l;
}

void cretula_list_free(struct cretula_list *l)
{
	if (!l)
		return;
	attrs_wipe(&l->a);
	free(l);
}

enum cretula_err cretula_list_add(struct cretula_list *l, const char *name,
				  const void *value, size_t len)
{
	return (enum cretula_err)attrs_add_named(&l->a, name, strlen(name), 0,
						 value, len);
}

enum cretula_err cretula_list_add_str(struct cretula_list *l, const char *name,
				      const char *value)
{
	return cretula_list_add(l, name, value, strlen(value));
}

enum cretula_err cretula_list_add_list(struct cretula_list *l, const char *name,
				       const struct cretula_list *inner)
{
	return cretula_list_add(l, name, inner->a.bytes.p, inner->a.bytes.len);
}

unsigned cretula_list_count(const struct cretula_list *l)
{
	return l->a.count;
}

static void item_from(const struct attr *a, struct cretula_item *item)
{
	*item = (struct cretula_item){
		.name = a->name,
		.name_len = a->name_len,
		.value = a->value,
		.len = a->len,
		.confidential = (a->flags & ATTR_CONFIDENTIAL) != 0,
	};
}

int cretula_list_next(const struct cretula_list *l, size_t *at,
		      struct cretula_item *item)
{
	struct attr_view rest = attrs_view(&l->a);
	struct attr a;

	if (*at >= rest.len)
		return 0;
	rest.p += *at;
	rest.len -= *at;
	if (!attr_next(&rest, &a))
		return 0;
	*at = l->a.bytes.len - rest.len;
	item_from(&a, item);
	return 1;
}

int cretula_list_find(const struct cretula_list *l, const char *name,
		      struct cretula_item *item)
{
	struct attr a;

	if (!attr_find(attrs_view(&l->a), name, &a))
		return 0;
	item_from(&a, item);
	return 1;
}

enum cretula_err cretula_list_open(const void *bytes, size_t len,
				   struct cretula_list **l)
{
	struct attr_view v;
	enum err e = attr_parse(bytes, len, &v, NULL);

	if (e != OK)
		return (enum cretula_err)e;
	*l = cretula_list_new();
	e = attrs_add_view(&(*l)->a, v);
	ENSURE(e == OK);
	return CRETULA_ERR_NONE;
}
