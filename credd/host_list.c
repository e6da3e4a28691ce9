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

/* Copies n bytes and a NUL to *to, which moves on. */
static const uint8_t *put_with_nul(uint8_t **to, const void *p, size_t n)
{
	uint8_t *at = *to;

	if (n)
		memcpy(at, p, n);
	at[n] = 0;
	*to = at + n + 1;
	return at;
}

static void item_add(struct host_list *l, const struct attr *a, uint8_t **to)
{
	struct cretula_attr *one;

	if (l->view.count == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->item = xrealloc(l->item, l->room * sizeof *l->item);
	}
	one = &l->item[l->view.count++];
	one->name = (const char *)put_with_nul(to, a->name, a->name_len);
	one->value = put_with_nul(to, a->value, a->len);
	one->len = a->len;
}

enum err host_list_set(struct host_list *l, struct attr_view v)
{
	struct attr a;
	uint8_t *to;

	buf_clear(&l->bytes);
	l->view = (struct cretula_attrs){ NULL, 0 };
	/* Two NULs take the place of an attribute's six bytes of head, so this
	 * is enough for all, and nothing moves while items point into it. */
	TRY(buf_grow(&l->bytes, v.len, &to));
	while (attr_next(&v, &a))
		item_add(l, &a, &to);
	l->view.item = l->item;
	return OK;
}
