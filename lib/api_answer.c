/* gate: answers of the core to JSON. Holds them until their client has read them, all of
 * them together bounded. */
#include "lib/api.h"

#include "lib/json_list.h"
#include "lib/map.h"
#include "lib/problem.h"

#include <string.h>

enum {
	REQUEST_ID_MAX = 64,
	RETRY_MAX = 86400,
};

static void hold(struct api_conn *c, size_t bytes)
{
	api.held += bytes - c->held;
	c->held = bytes;
}

void api_answer_drop(struct api_conn *c)
{
	hold(c, 0);
	buf_wipe(&c->items);
	c->has_items = false;
}

static enum err too_large(struct fault *f)
{
	return fault_set(f, ERR_TOO_LARGE,
			 "the answer is over %d MiB: ask for less",
			 API_ANSWER_MAX >> 20);
}

/* Full: who has been reading for longest, and for long, makes room. */
static bool make_room(void)
{
	uint64_t now = loop_now(gate.loop);
	struct api_conn *c, *slowest = NULL;
	size_t at = 0;

	while ((c = map_next(api.conns, &at)))
		if (c->held && !c->called && now - c->answered >= api.read_ns &&
		    (!slowest || c->answered < slowest->answered))
			slowest = c;
	if (!slowest)
		return false;
	hold(slowest, 0);
	api.port.closed_full++;
	gate_conn_end(&slowest->http);
	return true;
}

static enum err take_room(struct api_conn *c, size_t bytes, struct fault *f)
{
	hold(c, bytes);
	while (api.held > API_ANSWERS_MAX)
		if (!make_room())
			return fault_set(f, ERR_UNAVAILABLE,
					 "too many answers wait to be read: "
					 "try again");
	return OK;
}

/* Items */

/* The operations of the module that the path names; the path of another one has none. */
static enum err put_operations(struct api_conn *c, struct attr_view v,
			       struct buf *out)
{
	char module[API_NAME_MAX + 1];
	const char *before = "";
	struct attr_view op;
	struct attr a;

	if (attr_only(v, "name", &a) != OK ||
	    api_var(c, 0, module, NULL) != OK || !attr_is(&a, module))
		return OK;
	c->has_items = true;
	while (attr_next(&v, &a)) {
		if (!attr_named(&a, "operation") ||
		    attr_parse(a.value, a.len, &op, NULL) != OK)
			continue;
		TRY(buf_str(out, before));
		TRY(json_list_format(op, NULL, out));
		before = ",";
	}
	return OK;
}

static enum err put_item(struct api_conn *c, struct attr_view v,
			 struct buf *out)
{
	const struct api_form *f = api_form_of(c);

	if (f->one_module)
		return put_operations(c, v, out);
	if (c->has_items)
		TRY(buf_str(out, ","));
	c->has_items = true;
	if (f->body == API_PAIRS)
		return json_pairs_format(v, out);
	return json_list_format(v, f->arrays, out);
}

enum err api_answer_item(struct api_conn *c, struct attr_view v,
			 struct fault *f)
{
	if (put_item(c, v, &c->items) != OK)
		return too_large(f);
	return take_room(c, c->items.cap, f);
}

/* The whole */

/* {"MEMBER":[items],attributes of the reply…} */
static enum err put_items(struct api_conn *c, const struct api_form *f,
			  struct attr_view v, struct buf *out)
{
	size_t at;

	TRY(buf_str(out, "{\""));
	TRY(buf_str(out, f->items));
	TRY(buf_str(out, "\":["));
	TRY(buf_put(out, c->items.p, c->items.len));
	TRY(buf_str(out, "]"));
	at = out->len;
	TRY(json_list_format(v, f->arrays, out));
	if (out->len ==
	    at + 2) { /* an empty object, of which the end is wanted */
		out->p[at] = '}';
		out->len--;
	} else {
		out->p[at] = ',';
	}
	return OK;
}

static enum err put_pairs(struct api_conn *c, struct attr_view v,
			  struct buf *out)
{
	TRY(buf_str(out, "{\"items\":["));
	TRY(buf_put(out, c->items.p, c->items.len));
	TRY(buf_str(out, "],\"reply\":"));
	TRY(json_pairs_format(v, out));
	return buf_str(out, "}");
}

static enum err put_answer(struct api_conn *c, struct attr_view v,
			   struct buf *out)
{
	const struct api_form *f = api_form_of(c);

	if (f->body == API_PAIRS)
		TRY(put_pairs(c, v, out));
	else if (f->items)
		TRY(put_items(c, f, v, out));
	else
		TRY(json_list_format(v, f->arrays, out));
	return buf_str(out, "\n");
}

enum err api_answer_reply(struct api_conn *c, struct attr_view v,
			  struct MHD_Response **out, struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { .max = API_ANSWER_MAX };
	struct MHD_Response *r;

	if (api_form_of(c)->one_module && !c->has_items)
		return fault_set(f, ERR_NOT_FOUND,
				 "there is no module of that name");
	if (put_answer(c, v, &b) != OK)
		return too_large(f);
	buf_wipe(&c->items);
	TRY(take_room(c, b.len, f));
	c->answered = loop_now(gate.loop);
	r = mhd_response(b.p, b.len, "application/json");
	mhd_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	*out = r;
	return OK;
}

/* Errors */

static void text_of(struct attr_view v, const char *name, char *out,
		    size_t size)
{
	size_t n = 0;
	struct attr a;

	if (attr_find(v, name, &a)) {
		n = MIN((size_t)a.len, size - 1);
		memcpy(out, a.value, n);
	}
	out[n] = 0;
}

struct MHD_Response *api_answer_error(struct attr_view v, unsigned *status)
{
	char id[REQUEST_ID_MAX + 1], text[FAULT_TEXT_MAX + 1];
	enum err code = ERR_INTERNAL;
	uint64_t retry = 0;
	struct attr a;

	if (attr_find(v, "error", &a) &&
	    err_parse((const char *)a.value, a.len, &code) != OK)
		code = ERR_INTERNAL;
	text_of(v, "text", text, sizeof text);
	text_of(v, "request_id", id, sizeof id);
	if (!attr_find(v, "retry_after", &a) ||
	    attr_u64(&a, RETRY_MAX, &retry) != OK)
		retry = gate_retry_of(code);
	*status = problem_status(code);
	return gate_problem(code, 0, text, id[0] ? id : NULL, retry);
}
