/* The core (credd's vault, ca's issuer): calls of clients and their answers. What is
 * read here was parsed by a front before. */
#include "lib/call.h"

#include "lib/enc.h"
#include "lib/secret.h"

#include <stdlib.h>
#include <string.h>

void call_server_init(struct call_server *s, const struct conns *conns)
{
	*s = (struct call_server){ .conns = conns };
	random_fill(s->boot, sizeof s->boot);
}

struct call call_new(struct call_server *s, uint64_t id)
{
	return (struct call){ .server = s, .id = id, .number = ++s->calls };
}

/* Answers */

void call_request_id(const struct call *c, char text[REQUEST_ID])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;
	uint64_t n = c->number;
	int shift = 60;

	enc_hex(c->server->boot, CALL_BOOT, p);
	p += 2 * (size_t)CALL_BOOT;
	*p++ = '-';
	while (shift && !(n >> shift & 15))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = digits[n >> shift & 15];
	*p = 0;
}

const struct conn *call_conn(const struct call *c)
{
	return conns_find(c->server->conns, (uint32_t)(c->id >> 32));
}

static void call_send(const struct call *c, uint32_t kind, struct attr_view v)
{
	if (c->id != CALL_NOBODY)
		conns_tell(c->server->conns, kind, c->id, v);
}

void call_reply(const struct call *c, struct attrs *reply)
{
	char id[REQUEST_ID];

	call_request_id(c, id);
	if (attrs_add_str(reply, "request_id", id) != OK)
		call_error(c, ERR_TOO_LARGE, "the answer is too large");
	else
		call_send(c, CLIENT_REPLY, attrs_view(reply));
}

void call_item(const struct call *c, struct attr_view item)
{
	call_send(c, CLIENT_ITEM, item);
}

void call_error(const struct call *c, enum err e, const char *text)
{
	struct attrs a;
	char id[REQUEST_ID];

	call_request_id(c, id);
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "error", err_name(e)) == OK);
	ENSURE(attrs_add_str(&a, "text", text) == OK);
	ENSURE(attrs_add_str(&a, "request_id", id) == OK);
	if (e == ERR_LIMITED || e == ERR_UNAVAILABLE)
		ENSURE(attrs_add_u64(&a, "retry_after", 1) == OK);
	call_send(c, CLIENT_ERROR, attrs_view(&a));
	attrs_wipe(&a);
}

void call_fault(const struct call *c, const struct fault *f)
{
	call_error(c, f->code, f->text);
}

/* Attributes of a call */

enum err call_text(struct attr_view v, const char *name, char *out, size_t size,
		   struct fault *f)
{
	struct attr a;
	enum err e = attr_only(v, name, &a);

	if (e == ERR_NOT_FOUND)
		return e;
	if (e != OK)
		return fault_set(f, e, "'%s' is there more than once", name);
	if (a.len >= size)
		return fault_set(f, ERR_TOO_LARGE,
				 "'%s' is over %zu bytes long", name, size - 1);
	if (a.len && memchr(a.value, 0, a.len))
		return fault_set(f, ERR_INVALID, "'%s' has a NUL byte", name);
	memcpy(out, a.value, a.len);
	out[a.len] = 0;
	return OK;
}

enum err call_need(struct attr_view v, const char *name, char *out, size_t size,
		   struct fault *f)
{
	enum err e = call_text(v, name, out, size, f);

	if (e != ERR_NOT_FOUND)
		return e;
	return fault_set(f, ERR_INVALID, "the call has no '%s'", name);
}

enum err call_number(struct attr_view v, const char *name, uint64_t preset,
		     uint64_t max, uint64_t *out, struct fault *f)
{
	struct attr a;
	enum err e = attr_only(v, name, &a);

	*out = preset;
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK || attr_u64(&a, max, out) != OK)
		return fault_set(f, ERR_INVALID,
				 "'%s' is not one number of at most %llu", name,
				 (unsigned long long)max);
	return OK;
}

enum err call_list(struct attr_view v, const char *name, struct attr_view *out,
		   struct fault *f)
{
	struct attr a;
	enum err e = attr_only(v, name, &a);

	*out = (struct attr_view){ 0 };
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK)
		return fault_set(f, e, "'%s' is there more than once", name);
	return attr_parse(a.value, a.len, out, f);
}

/* Verbs */

const struct call_verb *call_verb_find(const struct call_verb *table, size_t n,
				       struct attr_view call)
{
	struct attr a;

	if (attr_only(call, "verb", &a) != OK)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (attr_is(&a, table[i].name))
			return &table[i];
	return NULL;
}

static bool verb_takes(const struct call_verb *v, const struct attr *a)
{
	const char *word = v->takes;

	while (*word) {
		size_t n = strcspn(++word, " ");

		if (n == a->name_len && !memcmp(word, a->name, n))
			return true;
		word += n;
	}
	return false;
}

enum err call_verb_check(const struct call_verb *v, struct attr_view call,
			 struct fault *f)
{
	struct attr a;

	while (attr_next(&call, &a))
		if (!verb_takes(v, &a))
			return fault_set(f, ERR_INVALID,
					 "'%s' has no attribute '%.*s'",
					 v->name, a.name_len, a.name);
	return OK;
}
