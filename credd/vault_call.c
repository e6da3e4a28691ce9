/* Vault: calls of clients. Finds the verb, checks who may use it and in which
 * state, and answers. Everything here was parsed by a front before. */
#include "credd/vault.h"

#include "lib/enc.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Answers */

void call_request_id(const struct call *c, char text[REQUEST_ID])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;
	uint64_t n = c->number;
	int shift = 60;

	enc_hex(vault.boot, sizeof vault.boot, p);
	p += 2 * sizeof vault.boot;
	*p++ = '-';
	while (shift && !(n >> shift & 15))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = digits[n >> shift & 15];
	*p = 0;
}

const struct conn *call_conn(const struct call *c)
{
	return conn_find((uint32_t)(c->id >> 32));
}

static void call_send(const struct call *c, uint32_t kind, struct attr_view v)
{
	const struct conn *conn = call_conn(c);
	struct front *f = conn ? front_find(conn->subject.uid) : NULL;

	if (f)
		chan_tell(&f->chan, kind, c->id, v);
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

enum err call_open(struct fault *f)
{
	switch (vault.state) {
	case VAULT_OPEN:
		return OK;
	case VAULT_STARTING:
		return fault_set(f, ERR_UNAVAILABLE,
				 "credd is starting: try again");
	case VAULT_EMPTY:
		return fault_set(f, ERR_SEALED,
				 "there is no store yet: run 'cretula init'");
	case VAULT_SEALED:
		return fault_set(f, ERR_SEALED,
				 "the store is sealed: run 'cretula unseal'");
	case VAULT_BROKEN:
		*f = vault.broken;
		return f->code;
	}
	UNREACHABLE("a state");
}

/* Verbs */

enum verb_need {
	NEED_ADMIN = 1,
	NEED_OPEN = 2,
	NEED_BOX = 4, /* confidential values, opened before the verb runs */
};

static const struct verb {
	const char *name;
	unsigned need;
	void (*now)(const struct call *c, struct attr_view v); /* answers */
	void (*job)(struct job *j); /* changes something: one at a time */
	const char *takes;          /* its attributes, between blanks */
} verbs[] = {
	{ "run", 0, verb_run, NULL, " verb credential op request" },
	{ "status", 0, verb_status, NULL, " verb" },
	{ "init", NEED_ADMIN | NEED_BOX, NULL, verb_init, " verb box ops mem" },
	{ "unseal", NEED_ADMIN | NEED_BOX, NULL, verb_unseal, " verb box" },
	{ "seal", NEED_ADMIN | NEED_OPEN, NULL, verb_seal, " verb" },
	{ "slot.add", NEED_ADMIN | NEED_OPEN | NEED_BOX, NULL, verb_slot_add,
	  " verb box ops mem" },
	{ "slot.list", NEED_ADMIN, verb_slot_list, NULL, " verb" },
	{ "slot.remove", NEED_ADMIN | NEED_OPEN, NULL, verb_slot_remove,
	  " verb slot" },
	{ "credential.add", NEED_ADMIN | NEED_OPEN | NEED_BOX, NULL,
	  verb_cred_add, " verb name module attributes box" },
	{ "credential.list", NEED_ADMIN | NEED_OPEN, verb_cred_list, NULL,
	  " verb" },
	{ "credential.show", NEED_ADMIN | NEED_OPEN, verb_cred_show, NULL,
	  " verb name" },
	{ "credential.rotate", NEED_ADMIN | NEED_OPEN | NEED_BOX, NULL,
	  verb_cred_rotate, " verb name attributes box grace" },
	{ "credential.enable", NEED_ADMIN | NEED_OPEN, NULL, verb_cred_enable,
	  " verb name" },
	{ "credential.disable", NEED_ADMIN | NEED_OPEN, NULL, verb_cred_disable,
	  " verb name" },
	{ "credential.remove", NEED_ADMIN | NEED_OPEN, NULL, verb_cred_remove,
	  " verb name" },
	{ "grant.add", NEED_ADMIN | NEED_OPEN, NULL, verb_grant_add,
	  " verb grant" },
	{ "grant.list", NEED_ADMIN | NEED_OPEN, verb_grant_list, NULL,
	  " verb credential" },
	{ "grant.remove", NEED_ADMIN | NEED_OPEN, NULL, verb_grant_remove,
	  " verb id" },
	{ "grant.test", NEED_ADMIN | NEED_OPEN, verb_grant_test, NULL,
	  " verb subject credential op request" },
	{ "module.list", NEED_ADMIN | NEED_OPEN, verb_module_list, NULL,
	  " verb" },
	{ "audit.show", NEED_ADMIN | NEED_OPEN, verb_audit_show, NULL,
	  " verb from count" },
	{ "audit.notes", NEED_ADMIN | NEED_OPEN, verb_audit_notes, NULL,
	  " verb" },
};

static const struct verb *verb_find(const struct attr *a)
{
	for (size_t i = 0; i < NELEM(verbs); i++)
		if (attr_is(a, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static bool verb_takes(const struct verb *v, const struct attr *a)
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

/* What a verb does not know is refused, not passed over: it may be a misspelt
 * limit. (Each verb refuses what is there twice when it reads it.) */
static enum err verb_check(const struct verb *v, struct attr_view attrs,
			   struct fault *f)
{
	struct attr a;

	while (attr_next(&attrs, &a))
		if (!verb_takes(v, &a))
			return fault_set(f, ERR_INVALID,
					 "'%s' has no attribute '%.*s'",
					 v->name, a.name_len, a.name);
	return OK;
}

static enum err verb_allowed(const struct verb *v, const struct conn *conn,
			     struct fault *f)
{
	if (v->need & NEED_ADMIN && !conn->subject.admin)
		return fault_set(f, ERR_DENIED,
				 "'%s' is for admins: connect to admin.sock",
				 v->name);
	if (v->need & NEED_OPEN)
		return call_open(f);
	return OK;
}

static void verb_do(const struct verb *v, const struct call *c,
		    struct attr_view attrs)
{
	if (v->now)
		v->now(c, attrs);
	else
		job_queue(c, v->name, v->need & NEED_OPEN, attrs, v->job);
}

void call_run(struct front *front, const struct msg *m)
{
	const struct conn *conn = conn_find((uint32_t)(m->id >> 32));
	struct call c = { .id = m->id, .number = ++vault.calls };
	const struct verb *v = NULL;
	struct fault f;
	struct attr a;

	/* a front speaks for connections of its own uid only; one that has just
	 * ended is nobody's any more */
	if (!conn || conn->subject.uid != front->uid)
		return;
	if (attr_only(m->attrs, "verb", &a) == OK)
		v = verb_find(&a);
	if (!v)
		call_error(&c, ERR_UNSUPPORTED,
			   "the call names no verb that this version knows");
	else if (verb_allowed(v, conn, &f) == ERR_DENIED &&
		 vault.state == VAULT_OPEN)
		run_refuse_verb(&c, v->name, &f);
	else if (verb_allowed(v, conn, &f) != OK ||
		 verb_check(v, m->attrs, &f) != OK)
		call_fault(&c, &f);
	else
		verb_do(v, &c, m->attrs);
}
