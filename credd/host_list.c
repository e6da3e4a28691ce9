/* Worker: a list as the module takes it; see host_list.h. */
#include "credd/host_list.h"

#include <stdlib.h>
#include <string.h>

void host_list_init(struct host_list *l, bool secret)
{
	*l = (struct host_list){ .item = NULL };
	(secret ? buf_init_secret : buf_init)(&l->bytes, ATTR_BYTES_MAX);
}

void host_list_wipe(struct host_list *l)
{
	buf_wipe(&l->bytes);
	free(l->item);
	l->item = NULL;
	l->room = 0;
	l->view = (struct cretula_attrs){ NULL, 0 };
}

static enum err put_with_nul(struct buf *b, const void *p, size_t n,
			     const uint8_t **at)
{
	uint8_t *to;

	TRY(buf_grow(b, n + 1, &to));
	if (n)
		memcpy(to, p, n);
	to[n] = 0;
	*at = to;
	return OK;
}

static enum err item_add(struct host_list *l, const struct attr *a)
{
	struct cretula_attr *to;
	const uint8_t *name, *value;

	if (l->view.count == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->item = xrealloc(l->item, l->room * sizeof *l->item);
	}
	TRY(put_with_nul(&l->bytes, a->name, a->name_len, &name));
	TRY(put_with_nul(&l->bytes, a->value, a->len, &value));
	to = &l->item[l->view.count++];
	*to = (struct cretula_attr){ .name = (const char *)name,
				     .value = value,
				     .len = a->len };
	return OK;
}

enum err host_list_set(struct host_list *l, struct attr_view v)
{
	struct attr a;

	buf_clear(&l->bytes);
	l->view = (struct cretula_attrs){ NULL, 0 };
	/* Two NULs take the place of an attribute's six bytes of head, so this
	 * is enough and nothing moves while items point into it. */
	TRY(buf_reserve(&l->bytes, v.len));
	while (attr_next(&v, &a))
		TRY(item_add(l, &a));
	l->view.item = l->item;
	return OK;
}
