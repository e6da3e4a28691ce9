/* gate: /v1/verbs/VERB, any call of the native protocol: lists as pairs in JSON, both ways
 * without a loss. Judges form only.
 *	gate -> issuer	GI_CALL verb=call call=LIST	issuer -> gate	GI_ITEM … GI_REPLY */
#include "ca/gate.h"

#include "lib/call_check.h"
#include "lib/json_list.h"

#include <string.h>

enum {
	VERB_MAX = 64,           /* bytes of its name */
	ANSWER_MAX = 16 << 20,   /* bytes of JSON of one answer */
	ANSWERS_MAX = 128 << 20, /* … of all that are not whole yet */
};

static size_t held; /* bytes of those */

static enum err add_name(const struct gate_conn *c, struct attrs *call,
			 struct fault *f)
{
	struct span name = c->var[0];

	if (!attr_name_ok((const char *)name.p, name.n) || name.n > VERB_MAX)
		return fault_set(f, ERR_NOT_FOUND,
				 "the path names no verb: docs/protocol.md "
				 "lists those there are");
	return attrs_add(call, "verb", 0, name.p, name.n);
}

enum err gate_verb_make(const struct gate_conn *c, struct attrs *a,
			struct fault *f)
{
	AUTO(attrs_wipe) struct attrs call = { 0 };

	attrs_init(&call);
	TRY(add_name(c, &call, f));
	if (c->body.len)
		TRY(json_pairs_parse(c->body.p, c->body.len, &call, f));
	TRY(call_check(attrs_view(&call), f));
	gate_add(a, "verb", "call");
	return attrs_add(a, "call", 0, call.bytes.p, call.bytes.len);
}

static enum err put_item(struct buf *items, struct attr_view v)
{
	if (items->len)
		TRY(buf_str(items, ","));
	return json_pairs_format(v, items);
}

enum err gate_verb_item(struct gate_conn *c, struct attr_view v,
			struct fault *f)
{
	struct buf *items = &conn_of(c)->items;
	enum err e;

	if (!items->max)
		buf_init(items, ANSWER_MAX);
	held -= items->cap;
	e = put_item(items, v);
	held += items->cap;
	if (e != OK)
		return fault_set(f, ERR_TOO_LARGE,
				 "the answer is over %d MiB: ask for less",
				 ANSWER_MAX >> 20);
	if (held > ANSWERS_MAX)
		return fault_set(f, ERR_UNAVAILABLE,
				 "too many answers are on their way: try "
				 "again");
	return OK;
}

enum err gate_verb_json(struct gate_conn *c, struct attr_view v,
			struct buf *out)
{
	const struct buf *items = &conn_of(c)->items;

	out->max = ANSWER_MAX;
	TRY(buf_str(out, "{\"items\":["));
	TRY(buf_put(out, items->p, items->len));
	TRY(buf_str(out, "],\"reply\":"));
	TRY(json_pairs_format(v, out));
	return buf_str(out, "}\n");
}

void gate_verb_drop(struct gate_conn *c)
{
	held -= conn_of(c)->items.cap;
	buf_wipe(&conn_of(c)->items);
	conn_of(c)->items = (struct buf){ 0 };
}
