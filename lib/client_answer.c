/* What a daemon answers: lists, or an error. Runs in clients; holds the answer. */
#include "lib/client.h"

#include <stdlib.h>
#include <string.h>

struct cretula_answer *client_answer_new(void)
{
	struct cretula_answer *a = xcalloc(1, sizeof *a);

	attrs_init(&a->reply.a);
	return a;
}

static void get_text(struct attr_view v, const char *name, char *out,
		     size_t size)
{
	struct attr a;
	size_t n = 0;

	if (attr_find(v, name, &a)) {
		n = MIN(a.len, size - 1);
		memcpy(out, a.value, n);
	}
	out[n] = '\0';
}

void client_error_read(struct attr_view v, struct cretula_error *err)
{
	enum err e = ERR_INTERNAL;
	uint64_t n = 0;
	struct attr a;

	*err = (struct cretula_error){ .reached = 1 };
	if (attr_find(v, "error", &a) &&
	    (err_parse((const char *)a.value, a.len, &e) != OK || e == OK))
		e = ERR_INTERNAL;
	err->code = (enum cretula_err)e;
	get_text(v, "text", err->text, sizeof err->text);
	get_text(v, "request_id", err->request_id, sizeof err->request_id);
	if (attr_find(v, "retry_after", &a) &&
	    attr_u64(&a, UINT32_MAX, &n) == OK)
		err->retry_after = (unsigned)n;
	if (!err->text[0])
		get_text(v, "error", err->text, sizeof err->text);
}

enum err client_answer_item(struct cretula_answer *a, struct attr_view v)
{
	if (a->bytes + v.len > CLIENT_ANSWER_MAX)
		return ERR_TOO_LARGE;
	a->bytes += v.len;
	if (!(a->count & (a->count - 1)))
		a->item = xrealloc(a->item, (a->count ? 2 * a->count : 1) *
						    sizeof *a->item);
	attrs_init(&a->item[a->count].a);
	return attrs_add_view(&a->item[a->count++].a, v);
}

const struct cretula_list *cretula_answer_reply(const struct cretula_answer *a)
{
	return &a->reply;
}

unsigned cretula_answer_count(const struct cretula_answer *a)
{
	return a->count;
}

const struct cretula_list *cretula_answer_item(const struct cretula_answer *a,
					       unsigned i)
{
	ENSURE(i < a->count);
	return &a->item[i];
}

void cretula_answer_free(struct cretula_answer *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < a->count; i++)
		attrs_wipe(&a->item[i].a);
	free(a->item);
	attrs_wipe(&a->reply.a);
	free(a);
}
