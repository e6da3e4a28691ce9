/* Issuer: questions to the store whose answers come as items.
 *	issuer -> store	IS_FIND, IS_TOKEN, IS_READ, IS_PROVE, IS_COUNT
 *	store -> issuer	IS_ITEM, IS_RECORD, IS_NOTE, IS_PROOF, IS_COUNTS, IS_DONE */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/enc.h"

#include <stdlib.h>

static struct map *finds;
static struct find *reading; /* the log: one reader at a time */

static void find_key(const void *value, const void **key, size_t *len)
{
	const struct find *q = value;

	*key = &q->id;
	*len = sizeof q->id;
}

void find_init(void)
{
	finds = map_new(find_key);
}

static void find_end(struct find *q, bool more, const struct fault *f)
{
	(void)map_drop(finds, &q->id, sizeof q->id);
	if (reading == q)
		reading = NULL;
	q->end(q, more, f);
}

void find_start(struct find *q, uint32_t kind, struct attr_view ask)
{
	struct fault f;

	q->id = issuer_id(ABOUT_FIND);
	if (kind == IS_READ && reading) {
		(void)fault_set(&f, ERR_LIMITED,
				"somebody else reads the log: try again");
		q->end(q, false, &f);
		return;
	}
	map_add(finds, q);
	if (kind == IS_READ)
		reading = q;
	if (chan_is_open(&issuer.store) &&
	    chan_send(&issuer.store, kind, q->id, ask) == OK)
		return;
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"the CA's store is being started anew: try again");
	find_end(q, false, &f);
}

static enum err fault_of(const struct msg *m, struct fault *f)
{
	char text[FAULT_TEXT_MAX / 2], name[32];
	enum err code = ERR_INTERNAL;
	struct fault bad;

	if (call_need(m->attrs, "text", text, sizeof text, &bad) != OK ||
	    call_need(m->attrs, "error", name, sizeof name, &bad) != OK ||
	    err_parse(name, strlen(name), &code) != OK)
		child_broken("store");
	return fault_set(f, code, "%s", text);
}

bool find_message(const struct msg *m)
{
	struct find *q = map_find(finds, &m->id, sizeof m->id);
	struct fault f;
	struct attr a;

	/* the log's own messages say an index, not a question */
	if (reading && (m->kind == IS_RECORD || m->kind == IS_NOTE)) {
		reading->index = m->id;
		reading->item(reading, m->attrs);
		return true;
	}
	if (!q)
		return false;
	if (m->kind == IS_FAILED) {
		(void)fault_of(m, &f);
		find_end(q, false, &f);
		return true;
	}
	if (m->kind != IS_DONE)
		q->item(q, m->attrs);
	if (attr_only(m->attrs, "after", &a) == OK &&
	    attr_u64(&a, SERIAL_NUMBER_MAX, &q->after) != OK)
		child_broken("store");
	/* one answer, or the last of several */
	if (m->kind == IS_DONE || m->kind == IS_PROOF || m->kind == IS_COUNTS)
		find_end(q,
			 attr_only(m->attrs, "more", &a) == OK &&
				 attr_is(&a, "yes"),
			 NULL);
	return true;
}

void finds_fail(const struct fault *f)
{
	struct find *q;
	size_t at = 0;

	while ((q = map_next(finds, &at))) {
		find_end(q, false, f);
		at = 0;
	}
}
