/* net: what keeper wants of the CA: a certificate issued, one revoked. Each is
 * answered once. Holds requests and what they are for; no key.
 *	keeper -> net	KN_ISSUE, KN_REVOKE
 *	net -> keeper	KN_ISSUED, KN_REVOKED, KN_FAILED */
#include "certmgr/net.h"

#include "lib/child.h"
#include "lib/csr.h"
#include "lib/json_attrs.h"
#include "lib/serial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REASON_MAX = 32,
};

struct errand {
	struct web_ask ask; /* first member */
	struct errand *next, **at;
	struct chan *keeper;
	uint64_t id;
	struct buf spki; /* of a certificate to be issued */
};

static struct errand *errands;
static size_t count;

static struct errand *errand_new(struct chan *keeper, uint64_t id)
{
	struct errand *e = xcalloc(1, sizeof *e);

	e->keeper = keeper;
	e->id = id;
	buf_init(&e->ask.body, NET_ASK_MAX);
	buf_init(&e->spki, CSR_MAX);
	e->next = errands;
	e->at = &errands;
	if (errands)
		errands->at = &e->next;
	errands = e;
	count++;
	return e;
}

static void errand_free(struct errand *e)
{
	*e->at = e->next;
	if (e->next)
		e->next->at = e->at;
	count--;
	buf_wipe(&e->ask.body);
	buf_wipe(&e->spki);
	free(e);
}

void errands_drop(void)
{
	while (errands) {
		web_cancel(&errands->ask);
		errand_free(errands);
	}
	web_next();
}

/* ---- answers */

static void say_failed(struct chan *keeper, uint64_t id, const struct fault *f,
		       bool final, uint64_t retry_after)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "error", err_name(f->code)) == OK);
	ENSURE(attrs_add_str(&a, "text", f->text) == OK);
	if (final)
		ENSURE(attrs_add_str(&a, "final", "yes") == OK);
	if (retry_after)
		ENSURE(attrs_add_u64(&a, "retry_after", retry_after) == OK);
	chan_tell(keeper, KN_FAILED, id, attrs_view(&a));
	attrs_wipe(&a);
}

/* True if there is an answer to look at; else that was it. */
static bool came_well(struct errand *e, const struct web_answer *a)
{
	struct fault f = { .code = OK };
	enum outcome o = answer_outcome(a, &f);

	node_met(o, &f);
	if (o != OUTCOME_DONE)
		say_failed(e->keeper, e->id, &f, o == OUTCOME_FINAL,
			   a->retry_after);
	return o == OUTCOME_DONE;
}

static enum err tell_issued(const struct errand *e, const struct web_answer *w,
			    struct fault *f)
{
	AUTO(answer_cert_wipe) struct answer_cert c = { 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct cert parsed;

	TRY(answer_cert_parse(w->body, &c, f));
	TRY(node_issuing(span_of(c.issuing.p, c.issuing.len), f));
	TRY(trust_check(span_of(c.cert.p, c.cert.len),
			span_of(e->spki.p, e->spki.len), &parsed, f));
	attrs_init(&a);
	TRY(attrs_add(&a, "certificate", 0, c.cert.p, c.cert.len));
	if (c.verify_by)
		TRY(attrs_add_u64(&a, "verify_by", (uint64_t)c.verify_by));
	chan_tell(e->keeper, KN_ISSUED, e->id, attrs_view(&a));
	return OK;
}

static void issued(struct web_ask *w, const struct web_answer *a)
{
	struct errand *e = (struct errand *)w;
	struct fault f = { .code = ERR_INTERNAL };

	if (came_well(e, a) && tell_issued(e, a, &f) != OK)
		say_failed(e->keeper, e->id, &f, false, 0);
	errand_free(e);
}

static void revoked(struct web_ask *w, const struct web_answer *a)
{
	struct errand *e = (struct errand *)w;
	struct attr_view none = { 0 };

	if (came_well(e, a))
		chan_tell(e->keeper, KN_REVOKED, e->id, none);
	errand_free(e);
}

/* ---- requests */

static const struct json_field issue_fields[] = {
	{ .name = "type", .kind = JSON_TEXT },
	{ .name = "node", .kind = JSON_TEXT },
	{ .name = "agent", .kind = JSON_TEXT },
	{ .name = "name", .kind = JSON_LIST, .json = "names" },
	{ .name = "uri", .kind = JSON_LIST, .json = "endpoints" },
	{ .name = "csr", .kind = JSON_BASE64 },
	{ .name = "life", .kind = JSON_DURATION, .json = "lifetime" },
	{ .name = "replaces", .kind = JSON_TEXT },
	{ .name = "repeat", .kind = JSON_BOOL },
};

static const struct json_field revoke_fields[] = {
	{ .name = "reason", .kind = JSON_TEXT },
};

/* JSON has durations, keeper seconds; the node is ours to say. */
static enum err issue_json(const struct msg *m, const char *node,
			   struct buf *out)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct attr life;

	attrs_init(&a);
	TRY(attrs_add_str(&a, "node", node));
	TRY(attrs_add_view(&a, m->attrs));
	if (attr_find(m->attrs, "lifetime", &life))
		TRY(attrs_add_fmt(&a, "life", "%.*ss", (int)life.len,
				  (const char *)life.value));
	return json_attrs_format(attrs_view(&a), issue_fields,
				 NELEM(issue_fields), out);
}

/* Who cannot be served at all is told so at once. */
static const char *may_begin(struct chan *keeper, uint64_t id)
{
	struct fault f;
	const char *node = node_name(&f);

	if (node && count < NET_IN_FLIGHT)
		return node;
	if (node)
		(void)fault_set(&f, ERR_LIMITED,
				"too many requests to the CA are in flight");
	say_failed(keeper, id, &f, false, 0);
	return NULL;
}

static void begin(struct errand *e, const char *path,
		  void (*done)(struct web_ask *w, const struct web_answer *a))
{
	ENSURE(snprintf(e->ask.path, sizeof e->ask.path, "%s", path) <
	       (int)sizeof e->ask.path);
	e->ask.place = net_place();
	e->ask.done = done;
	web_start(&e->ask);
}

void errand_issue(struct chan *keeper, const struct msg *m)
{
	const char *node = may_begin(keeper, m->id);
	struct errand *e;
	struct attr der;
	struct csr csr;

	if (attr_only(m->attrs, "csr", &der) != OK ||
	    csr_parse(span_of(der.value, der.len), &csr, NULL) != OK)
		child_broken("keeper");
	(void)child_text(m, "type");
	(void)child_text(m, "agent");
	if (!node)
		return;
	e = errand_new(keeper, m->id);
	ENSURE(buf_put(&e->spki, csr.key.spki.p, csr.key.spki.n) == OK);
	if (issue_json(m, node, &e->ask.body) != OK)
		child_broken("keeper");
	begin(e, "/v1/certificates", issued);
}

void errand_revoke(struct chan *keeper, const struct msg *m)
{
	const char *node = may_begin(keeper, m->id);
	const char *text = child_text(m, "serial");
	char path[NET_PATH_MAX], hex[2 * SERIAL_SIZE + 1];
	struct serial serial;
	struct errand *e;

	if (serial_parse(text, strlen(text), &serial) != OK ||
	    strlen(child_text(m, "reason")) > REASON_MAX)
		child_broken("keeper");
	if (!node)
		return;
	serial_format(&serial, hex);
	(void)snprintf(path, sizeof path, "/v1/certificates/%s/revoke", hex);
	e = errand_new(keeper, m->id);
	if (json_attrs_format(m->attrs, revoke_fields, NELEM(revoke_fields),
			      &e->ask.body) != OK)
		child_broken("keeper");
	begin(e, path, revoked);
}
