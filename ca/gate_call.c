/* gate: /v1/…, a JSON body to the attributes of a GI_CALL, its reply to JSON. Judges
 * form only: who may have what the issuer decides. A bearer token passes through here
 * and is wiped with its request.
 *	gate -> issuer	GI_PEER chain | GI_CALL verb …	issuer -> gate	GI_REPLY */
#include "ca/gate.h"

#include "ca/kinds.h"
#include "lib/clock.h"
#include "lib/csr.h"
#include "lib/json_attrs.h"
#include "lib/map.h"
#include "lib/problem.h"
#include "lib/secret.h"

#include <stdlib.h>
#include <string.h>

enum {
	SERIAL_TEXT_MAX = 64, /* hex digits and colons */
	REPLY_MAX = 512 << 10,
	REQUEST_ID_MAX = 64,
	RETRY_MAX = 86400,
};

#define CSR_FIELD                                                              \
	{                                                                      \
		.name = "csr", .kind = JSON_DER, .max = CSR_MAX, .label = {    \
			"CERTIFICATE REQUEST",                                 \
			"NEW CERTIFICATE REQUEST"                              \
		}                                                              \
	}
#define NAME_FIELDS                                                            \
	{ .name = "name",                                                      \
	  .kind = JSON_LIST,                                                   \
	  .max = DNS_NAME_MAX,                                                 \
	  .json = "names" },                                                   \
	{                                                                      \
		.name = "uri", .kind = JSON_LIST, .max = URI_MAX,              \
		.json = "endpoints"                                            \
	}

static const struct json_field enrol_fields[] = {
	{ .name = "token_id", .kind = JSON_HEX, .max = 16 },
	{ .name = "token", .kind = JSON_SECRET, .max = 256 },
	CSR_FIELD,
	{ .name = "signature", .kind = JSON_BASE64, .max = 64 },
	NAME_FIELDS,
	{ .name = "agent", .kind = JSON_TEXT, .max = DN_PART_MAX },
	{ .name = "lifetime", .kind = JSON_DURATION, .max = 16 },
	{ .name = "endpoint", .kind = JSON_TEXT, .max = DNS_NAME_MAX + 6 },
	{ .name = "source", .kind = JSON_TEXT, .max = 16 },
};

static const struct json_field issue_fields[] = {
	{ .name = "type", .kind = JSON_TEXT, .max = DN_PART_MAX },
	{ .name = "node", .kind = JSON_TEXT, .max = DN_PART_MAX },
	{ .name = "agent", .kind = JSON_TEXT, .max = DN_PART_MAX },
	NAME_FIELDS,
	CSR_FIELD,
	{ .name = "lifetime", .kind = JSON_DURATION, .max = 16 },
	{ .name = "replaces", .kind = JSON_TEXT, .max = SERIAL_TEXT_MAX },
	{ .name = "repeat", .kind = JSON_BOOL },
};

static const struct json_field renew_fields[] = {
	CSR_FIELD,
};

static const struct json_field revoke_fields[] = {
	{ .name = "reason", .kind = JSON_TEXT, .max = 64 },
};

#define CERT_LABEL                                                             \
	{                                                                      \
		"CERTIFICATE"                                                  \
	}

/* What a reply may tell, whatever the issuer says besides. */
static const struct json_field reply_fields[] = {
	{ .name = "certificate", .kind = JSON_PEM, .label = CERT_LABEL },
	{ .name = "issuer",
	  .kind = JSON_PEM,
	  .json = "chain",
	  .label = CERT_LABEL },
	{ .name = "serial", .kind = JSON_TEXT },
	{ .name = "agent", .kind = JSON_TEXT },
	{ .name = "type", .kind = JSON_TEXT },
	{ .name = "node", .kind = JSON_TEXT },
	{ .name = "not_before", .kind = JSON_TEXT },
	{ .name = "not_after", .kind = JSON_TEXT },
	{ .name = "status", .kind = JSON_TEXT },
	{ .name = "revoked", .kind = JSON_TEXT },
	{ .name = "reason", .kind = JSON_TEXT },
	{ .name = "good_until", .kind = JSON_TEXT },
	{ .name = "verify_by", .kind = JSON_TEXT },
	{ .name = "request_id", .kind = JSON_TEXT },
};

/* … about the CA itself. */
static const struct json_field ca_fields[] = {
	{ .name = "root", .kind = JSON_PEM, .label = CERT_LABEL },
	{ .name = "issuer",
	  .kind = JSON_PEM,
	  .json = "issuing",
	  .label = CERT_LABEL },
	{ .name = "domain", .kind = JSON_LIST, .json = "domains" },
	{ .name = "request_id", .kind = JSON_TEXT },
};

static const struct {
	const char *verb;
	const struct json_field *fields;
	size_t count;
	bool peer; /* a client certificate is needed */
} verbs[] = {
	{ "enrol", enrol_fields, NELEM(enrol_fields), false },
	{ "issue", issue_fields, NELEM(issue_fields), true },
	{ "renew", renew_fields, NELEM(renew_fields), true },
	{ "revoke", revoke_fields, NELEM(revoke_fields), true },
	{ "show", NULL, 0, true },
	{ "status", NULL, 0, false },
	{ "call", NULL, 0, true }, /* gate_verb.c */
};

static struct {
	struct map *by_id;
	struct gate_dues dues;
} calls;

static size_t verb_of(const struct gate_conn *c)
{
	size_t i = 0;

	while (strcmp(verbs[i].verb, c->route->verb))
		i++;
	return i;
}

/* Making one */

/* The issuer hears of a connection's chain once, when it first matters. */
static enum err tell_peer(struct gate_conn *c, struct fault *f)
{
	struct attrs a;
	enum err e;

	if (conn_of(c)->peer_told == ca_gate.issuer_nr)
		return OK;
	attrs_init(&a);
	e = gate_tls_peer(c, &a, f);
	if (e == OK &&
	    chan_send(&ca_gate.issuer, GI_PEER, c->id, attrs_view(&a)) != OK)
		e = fault_set(f, ERR_UNAVAILABLE,
			      "the issuer is behind: try again");
	if (e == OK) {
		conn_of(c)->peer_told = ca_gate.issuer_nr;
		ca_gate.peers++;
	}
	attrs_wipe(&a);
	return e;
}

static enum err add_serial(const struct gate_conn *c, struct attrs *a,
			   struct fault *f)
{
	struct span text = c->var[0];

	if (!c->vars)
		return OK;
	if (!text.n || text.n > SERIAL_TEXT_MAX ||
	    strspn((const char *)text.p, "0123456789abcdefABCDEF:") < text.n)
		return fault_set(f, ERR_INVALID,
				 "the path names no serial number: hex digits, "
				 "with or without colons");
	return attrs_add(a, "serial", 0, text.p, text.n);
}

static enum err make_call(struct gate_conn *c, struct attrs *a, struct fault *f)
{
	char address[GATE_ADDRESS];
	size_t v = verb_of(c);

	if (verbs[v].peer) {
		TRY(tell_peer(c, f));
		gate_add_u64(a, "peer", c->id);
	}
	if (gate_address(c, address))
		gate_add(a, "address", address);
	if (!strcmp(verbs[v].verb, "call"))
		return gate_verb_make(c, a, f);
	gate_add(a, "verb", verbs[v].verb);
	TRY(add_serial(c, a, f));
	if (!verbs[v].fields)
		return OK;
	return json_attrs_parse(c->body.p ? (const void *)c->body.p : "",
				c->body.len, verbs[v].fields, verbs[v].count, a,
				f);
}

static enum MHD_Result refuse(struct gate_conn *c, const struct fault *f)
{
	ca_gate.calls_failed++;
	return gate_refuse(c, f->code, f->text);
}

enum MHD_Result gate_call_run(struct gate_conn *c)
{
	struct fault f = { .code = ERR_INTERNAL };
	struct attrs a;
	enum err e = OK;

	if (!ca_gate.up)
		e = fault_set(&f, ERR_UNAVAILABLE,
			      "the issuer is being started: try again");
	else if (map_count(calls.by_id) >= GATE_CALLS ||
		 ca_gate.issuer.out.len > GATE_OUT_MAX)
		e = fault_set(&f, ERR_UNAVAILABLE,
			      "too many requests are in flight: try again");
	if (e != OK)
		return refuse(c, &f);
	attrs_init(&a);
	e = make_call(c, &a, &f);
	if (e == OK) {
		conn_of(c)->call = ++gate.next_id;
		e = chan_send(&ca_gate.issuer, GI_CALL, conn_of(c)->call,
			      attrs_view(&a));
		if (e != OK)
			(void)fault_set(&f, ERR_UNAVAILABLE,
					"the issuer is behind: try again");
	}
	if (a.bytes.p)
		secret_zero(a.bytes.p, a.bytes.cap);
	attrs_wipe(&a);
	if (e != OK)
		return refuse(c, &f);
	gate_body_drop(c); /* while it waits, others have that room */
	conn_of(c)->called = true;
	map_add(calls.by_id, c);
	gate_due_add(&calls.dues, &c->due);
	return gate_wait(c);
}

enum MHD_Result gate_call_ca(struct gate_conn *c)
{
	if (!ca_gate.issuer_der || !ca_gate.root_der)
		return gate_refuse(c, ERR_UNAVAILABLE,
				   "this CA has no certificates yet: run "
				   "'cretula ca init'");
	return gate_call_run(c);
}

/* Its end */

void gate_call_forget(struct gate_conn *c)
{
	if (!conn_of(c)->called)
		return;
	conn_of(c)->called = false;
	gate_verb_drop(c);
	gate_due_drop(&calls.dues, &c->due);
	(void)map_drop(calls.by_id, &conn_of(c)->call, sizeof(uint64_t));
}

static void call_failed(struct gate_conn *c, enum err code, const char *text)
{
	ca_gate.calls_failed++;
	gate_call_forget(c);
	gate_resume(c, problem_status(code),
		    gate_problem(code, 0, text, NULL,
				 code == ERR_UNAVAILABLE ? GATE_RETRY_S : 0));
}

static void call_overdue(struct gate_due *d)
{
	struct gate_conn *c =
		(struct gate_conn *)((char *)d -
				     offsetof(struct gate_conn, due));

	gate_due_add(&calls.dues, d);
	call_failed(c, ERR_TIMEOUT,
		    "no answer in time; it may have been done all the same: "
		    "the same request again fetches the result");
}

void gate_call_lost(void)
{
	while (calls.dues.first)
		call_failed(
			(struct gate_conn *)((char *)calls.dues.first -
					     offsetof(struct gate_conn, due)),
			ERR_UNAVAILABLE,
			"the issuer ended during this request; it may "
			"have been done: the same request again fetches "
			"the result");
}

/* Replies */

static void reply_error(struct gate_conn *c, struct attr_view v,
			const struct attr *name)
{
	char id[REQUEST_ID_MAX + 1] = "", text[FAULT_TEXT_MAX + 1] = "";
	enum err code = ERR_INTERNAL;
	uint64_t retry = 0;
	struct attr a;

	if (err_parse((const char *)name->value, name->len, &code) != OK)
		code = ERR_INTERNAL;
	if (attr_find(v, "text", &a))
		memcpy(text, a.value, MIN(a.len, sizeof text - 1));
	if (attr_find(v, "request_id", &a))
		memcpy(id, a.value, MIN(a.len, sizeof id - 1));
	if (!attr_find(v, "retry_after", &a) ||
	    attr_u64(&a, RETRY_MAX, &retry) != OK)
		retry = code == ERR_LIMITED || code == ERR_UNAVAILABLE
				? GATE_RETRY_S
				: 0;
	ca_gate.calls_failed++;
	gate_call_forget(c);
	gate_resume(c, problem_status(code),
		    gate_problem(code, 0, text, id[0] ? id : NULL, retry));
}

static enum err reply_json(struct gate_conn *c, struct attr_view v,
			   struct buf *out)
{
	struct attrs a;
	enum err e;

	if (!strcmp(c->route->verb, "call"))
		return gate_verb_json(c, v, out);
	if (c->route->run != gate_call_ca)
		return json_attrs_format(v, reply_fields, NELEM(reply_fields),
					 out);
	attrs_init(&a);
	e = attrs_add(&a, "root", 0, ca_gate.root_der, ca_gate.root_len);
	if (e == OK)
		e = attrs_add(&a, "issuer", 0, ca_gate.issuer_der,
			      ca_gate.issuer_len);
	if (e == OK)
		e = attrs_add_view(&a, v);
	if (e == OK)
		e = json_attrs_format(attrs_view(&a), ca_fields,
				      NELEM(ca_fields), out);
	attrs_wipe(&a);
	return e;
}

void gate_call_item(const struct msg *m)
{
	struct gate_conn *c = map_find(calls.by_id, &m->id, sizeof m->id);
	struct fault f;

	if (c && gate_verb_item(c, m->attrs, &f) != OK)
		call_failed(c, f.code, f.text);
}

void gate_call_reply(const struct msg *m)
{
	struct gate_conn *c = map_find(calls.by_id, &m->id, sizeof m->id);
	struct MHD_Response *r;
	struct attr a;
	struct buf b;

	if (!c) /* its client left, or it came too late */
		return;
	if (attr_find(m->attrs, "error", &a)) {
		reply_error(c, m->attrs, &a);
		return;
	}
	buf_init(&b, REPLY_MAX);
	if (reply_json(c, m->attrs, &b) == OK) {
		ca_gate.calls_done++;
		gate_call_forget(c);
		r = mhd_response(b.p, b.len, "application/json");
		mhd_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
		gate_resume(c, MHD_HTTP_OK, r);
	} else {
		call_failed(c, ERR_TOO_LARGE,
			    "the reply cannot be told in JSON: ask for less");
	}
	buf_wipe(&b);
}

static void call_key(const void *value, const void **key, size_t *len)
{
	*key = &((const struct ca_conn *)value)->call;
	*len = sizeof(uint64_t);
}

size_t gate_call_count(void)
{
	return map_count(calls.by_id);
}

void gate_call_open(void)
{
	calls.by_id = map_new(call_key);
	gate_dues_init(&calls.dues, gate.loop, GATE_CALL_S * CLOCK_SECOND,
		       call_overdue);
}

void gate_call_close(void)
{
	gate_dues_end(&calls.dues);
	map_free(calls.by_id);
	calls.by_id = NULL;
}
