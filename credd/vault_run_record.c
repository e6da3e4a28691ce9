/* Vault: what the log says about a request: one record a decision. */
#include "credd/vault.h"

#include <string.h>

static enum err add_facts(struct attrs *a, const struct run *r)
{
	static const char *const kept[] = { "service", "region", "action",
					    "host" };
	struct attr_view v = { .p = r->facts.p, .len = r->facts.len };
	struct attr one;

	while (attr_next(&v, &one)) {
		for (size_t i = 0; i < NELEM(kept); i++)
			if (one.len <= VAULT_FACT_KEPT &&
			    attr_named(&one, kept[i]))
				TRY(attrs_add_attr(a, &one));
	}
	return OK;
}

static enum err add_recipient(struct attrs *a, const char *to)
{
	const struct peer *p = peer_find(to);

	return p ? peer_audit(p, "to", a) : attrs_add_str(a, "to", to);
}

static enum err what_was_asked(struct attrs *a, const struct run *r,
			       const char *outcome)
{
	const struct conn *c = call_conn(&r->call);

	attrs_clear(a);
	if (!c)
		return ERR_UNAVAILABLE;
	if (r->verb) { /* no request, but an admin verb */
		TRY(attrs_add_str(a, "event", r->op));
		TRY(attrs_add_str(a, "outcome", outcome));
		return attrs_add_view(a, attrs_view(&c->said));
	}
	TRY(attrs_add_str(a, "event",
			  r->want ? "credential.export-sealed" : "run"));
	TRY(attrs_add_str(a, "outcome", outcome));
	TRY(attrs_add_str(a, "credential", r->credential));
	TRY(attrs_add_str(a, "op", r->op));
	if (r->want)
		TRY(add_recipient(a, r->want->to));
	TRY(attrs_add_view(a, attrs_view(&c->said)));
	return add_facts(a, r);
}

enum err run_record_allowed(struct run *r, struct fault *f)
{
	static struct attrs a;
	char id[REQUEST_ID];

	if (!a.bytes.max)
		attrs_init(&a);
	call_request_id(&r->call, id);
	TRY(what_was_asked(&a, r, "allow"));
	TRY(attrs_add_u64(&a, "version", r->version_number));
	TRY(attrs_add_u64(&a, "grant", r->grant));
	TRY(attrs_add_str(&a, "request_id", id));
	TRY(audit_digest(&a, r->request.p, r->request.len));
	r->wait.then = run_written;
	return audit_link_record(vault.log, attrs_view(&a), 0, &r->wait, f);
}

enum err run_record_denied(struct run *r, const struct fault *why,
			   struct fault *f)
{
	static struct attrs a, once;
	char id[REQUEST_ID];

	if (!a.bytes.max) {
		attrs_init(&a);
		attrs_init(&once);
	}
	attrs_clear(&once);
	call_request_id(&r->call, id);
	TRY(what_was_asked(&a, r, "deny"));
	TRY(attrs_add_str(&a, "reason", why->text));
	TRY(attrs_add_str(&once, "request_id", id));
	TRY(audit_digest(&once, r->request.p, r->request.len));
	r->wait.then = run_written;
	return audit_link_denial(vault.log, attrs_view(&a), attrs_view(&once),
				 &r->wait, f);
}

void run_record_tripwire(struct run *r)
{
	struct attrs a;
	struct fault f;

	attrs_init(&a);
	if (what_was_asked(&a, r, "withheld") == OK)
		(void)!audit_link_record(vault.log, attrs_view(&a), 0, NULL,
					 &f);
	attrs_wipe(&a);
}
