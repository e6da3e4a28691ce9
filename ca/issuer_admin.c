/* Issuer: the verbs of the native protocol, over admin.sock and api.sock. */
#include "ca/issuer.h"

#include "ca/kinds_sup.h"
#include "lib/child.h"

enum {
	NEED_ADMIN = 1,
	NEED_CA = 2,
};

/* Asks of local clients are answered by the same functions as gate's. */
#define LOCAL(name)                                                            \
	static void name##_call(const struct call *c, struct attr_view v)      \
	{                                                                      \
		struct ask a = { .call = *c };                                 \
		name(&a, v);                                                   \
	}

void chain_run(const struct ask *a, struct attr_view v)
{
	struct attrs r;
	struct fault f;

	(void)v;
	if (issuer_open(&f) != OK) {
		ask_fault(a, &f);
		return;
	}
	attrs_init(&r);
	for (unsigned i = 0; i < issuer.scope.n_domains; i++)
		ENSURE(attrs_add_str(&r, "domain", issuer.scope.domain[i]) ==
		       OK);
	ENSURE(attrs_add(&r, "issuer", 0, issuer.issuing.p,
			 issuer.issuing.len) == OK);
	ENSURE(attrs_add(&r, "root", 0, issuer.root.p, issuer.root.len) == OK);
	ENSURE(attrs_add_str(&r, "http", issuer.http) == OK);
	ENSURE(attrs_add_str(&r, "https", issuer.https) == OK);
	ask_reply(a, &r);
	attrs_wipe(&r);
}

LOCAL(enrol_run)
LOCAL(verb_token)
LOCAL(verb_list)
LOCAL(verb_show)
LOCAL(verb_revoke)
LOCAL(verb_crl)
LOCAL(chain_run)
LOCAL(verb_profiles)
LOCAL(verb_reload)
LOCAL(verb_status)
LOCAL(verb_init)
LOCAL(verb_renew)
LOCAL(verb_audit_show)
LOCAL(verb_audit_notes)
LOCAL(verb_audit_prove)

static const struct call_verb verbs[] = {
	{ "status", 0, verb_status_call, NULL, " verb" },
	{ "ca.chain", NEED_CA, chain_run_call, NULL, " verb" },
	{ "ca.enrol", NEED_CA, enrol_run_call, NULL,
	  " verb token token_id csr signature name uri agent lifetime "
	  "endpoint" },
	{ "ca.init", NEED_ADMIN, verb_init_call, NULL,
	  " verb box domain trust_domain key_type bits shards instance "
	  "root_life issuing_life" },
	{ "ca.renew", NEED_ADMIN | NEED_CA, verb_renew_call, NULL,
	  " verb box issuing_life" },
	{ "ca.token", NEED_ADMIN | NEED_CA, verb_token_call, NULL,
	  " verb id public node type agent ttl lifetime verify_after bearer" },
	{ "ca.list", NEED_ADMIN | NEED_CA, verb_list_call, NULL,
	  " verb type node agent revoked expiring limit" },
	{ "ca.show", NEED_ADMIN | NEED_CA, verb_show_call, NULL,
	  " verb serial" },
	{ "ca.revoke", NEED_ADMIN | NEED_CA, verb_revoke_call, NULL,
	  " verb serial agent node type reason" },
	{ "ca.crl", NEED_ADMIN | NEED_CA, verb_crl_call, NULL,
	  " verb publish" },
	{ "ca.profiles", NEED_ADMIN, verb_profiles_call, NULL, " verb" },
	{ "ca.reload", NEED_ADMIN, verb_reload_call, NULL, " verb" },
	{ "audit.show", NEED_ADMIN | NEED_CA, verb_audit_show_call, NULL,
	  " verb from count" },
	{ "audit.notes", NEED_ADMIN | NEED_CA, verb_audit_notes_call, NULL,
	  " verb" },
	{ "audit.prove", NEED_ADMIN | NEED_CA, verb_audit_prove_call, NULL,
	  " verb serial index size" },
};

static enum err allowed(const struct call_verb *v, const struct conn *conn,
			struct fault *f)
{
	if (v->need & NEED_ADMIN && !conn->subject.admin)
		return fault_set(f, ERR_DENIED,
				 "'%s' is for admins: connect to admin.sock",
				 v->name);
	return v->need & NEED_CA ? issuer_open(f) : OK;
}

void admin_call(const struct conn *conn, const struct msg *m)
{
	struct call c = call_new(&issuer.server, m->id);
	const struct call_verb *v =
		call_verb_find(verbs, NELEM(verbs), m->attrs);
	struct ask a = { .call = c };
	struct attrs about;
	struct fault f;

	if (!v) {
		call_error(&c, ERR_UNSUPPORTED,
			   "the call names no verb that this version knows");
		return;
	}
	if (allowed(v, conn, &f) == ERR_DENIED) {
		attrs_init(&about);
		ENSURE(attrs_add_str(&about, "verb", v->name) == OK);
		txn_refuse(&a, "call", attrs_view(&about), &f);
		attrs_wipe(&about);
	} else if (allowed(v, conn, &f) != OK ||
		   call_verb_check(v, m->attrs, &f) != OK) {
		call_fault(&c, &f);
	} else {
		v->now(&c, m->attrs);
	}
}
