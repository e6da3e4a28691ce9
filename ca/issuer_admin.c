/* Issuer: the verbs of the native protocol, over admin.sock and api.sock, or for admins by
 * gate. */
#include "ca/issuer.h"

#include "ca/kinds_sup.h"
#include "lib/capability.h"

enum {
	NEED_ADMIN = 1,
	NEED_CA = 2,
	NEED_HERE = 4, /* on this host only */
};

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

/* `run` answers, who asks may be a local client or one of gate's. */
static const struct {
	struct call_verb v; /* its name, needs and attributes */
	void (*run)(const struct ask *a, struct attr_view v);
} verbs[] = {
	{ { "status", 0, NULL, NULL, " verb" }, verb_status },
	{ { "ca.chain", NEED_CA, NULL, NULL, " verb" }, chain_run },
	{ { "ca.enrol", NEED_CA, NULL, NULL,
	    " verb token token_id csr signature name uri agent lifetime "
	    "endpoint source" },
	  enrol_run },
	{ { "ca.init", NEED_ADMIN | NEED_HERE, NULL, NULL,
	    " verb box domain trust_domain key_type bits shards instance "
	    "root_life issuing_life" },
	  verb_init },
	{ { "ca.renew", NEED_ADMIN | NEED_CA | NEED_HERE, NULL, NULL,
	    " verb box issuing_life" },
	  verb_renew },
	{ { "ca.token", NEED_ADMIN | NEED_CA, NULL, NULL,
	    " verb id public node type agent ttl lifetime verify_after "
	    "verify_port bearer for" },
	  verb_token },
	{ { "ca.list", NEED_ADMIN | NEED_CA, NULL, NULL,
	    " verb type node agent revoked expiring limit" },
	  verb_list },
	{ { "ca.show", NEED_ADMIN | NEED_CA, NULL, NULL, " verb serial" },
	  verb_show },
	{ { "ca.revoke", NEED_ADMIN | NEED_CA, NULL, NULL,
	    " verb serial agent node type reason" },
	  verb_revoke },
	{ { "ca.crl", NEED_ADMIN | NEED_CA, NULL, NULL, " verb publish" },
	  verb_crl },
	{ { "ca.profiles", NEED_ADMIN, NULL, NULL, " verb" }, verb_profiles },
	{ { "ca.reload", NEED_ADMIN, NULL, NULL, " verb" }, verb_reload },
	{ { "audit.show", NEED_ADMIN | NEED_CA, NULL, NULL,
	    " verb from count" },
	  verb_audit_show },
	{ { "audit.notes", NEED_ADMIN | NEED_CA, NULL, NULL, " verb" },
	  verb_audit_notes },
	{ { "audit.prove", NEED_ADMIN | NEED_CA, NULL, NULL,
	    " verb serial index size" },
	  verb_audit_prove },
};

static size_t verb_of(struct attr_view call)
{
	struct attr a;
	size_t i = 0;

	if (attr_only(call, "verb", &a) != OK)
		return NELEM(verbs);
	while (i < NELEM(verbs) && !attr_is(&a, verbs[i].v.name))
		i++;
	return i;
}

/* The capability admin:ca@NAME, NAME being one of those that this CA's HTTPS has. */
static bool may_admin(const struct tls_peer *p)
{
	struct attr_view it = attrs_view(&issuer.tls_names);
	struct capability want = { .verb = span_str("admin"),
				   .object = span_str("ca") };
	struct attr a;

	while (attr_next(&it, &a)) {
		want.scope = span_of(a.value, a.len);
		if (capability_held(&p->cert.caps, &want))
			return true;
	}
	return false;
}

bool admin_is(const struct ask *a)
{
	const struct conn *conn = a->by_gate ? NULL : call_conn(&a->call);
	const struct tls_peer *p = a->peer ? peer_find(a->peer) : NULL;

	if (!a->by_gate)
		return conn && conn->subject.admin;
	return p && p->state == PEER_GOOD && may_admin(p);
}

static enum err not_admin(const struct call_verb *v, struct fault *f)
{
	struct attr_view it = attrs_view(&issuer.tls_names);
	struct attr a = { 0 };

	(void)attr_next(&it, &a);
	return fault_set(f, ERR_DENIED,
			 "'%s' is for admins: the certificate lacks the "
			 "capability admin:ca@%.*s",
			 v->name, (int)a.len,
			 a.len ? (const char *)a.value : "");
}

static enum err remote_allowed(const struct ask *a, const struct call_verb *v,
			       struct fault *f)
{
	struct tls_peer *p = a->peer ? peer_find(a->peer) : NULL;

	TRY(peer_check(p, f));
	if (v->need & NEED_ADMIN && !may_admin(p))
		return not_admin(v, f);
	if (v->need & NEED_HERE)
		return fault_set(f, ERR_DENIED,
				 "'%s' is done on the CA's own host only: its "
				 "passphrase does not travel",
				 v->name);
	return OK;
}

static enum err allowed(const struct ask *a, const struct call_verb *v,
			struct fault *f)
{
	const struct conn *conn = a->by_gate ? NULL : call_conn(&a->call);

	if (a->by_gate)
		TRY(remote_allowed(a, v, f));
	else if (v->need & NEED_ADMIN && !(conn && conn->subject.admin))
		return fault_set(f, ERR_DENIED,
				 "'%s' is for admins: connect to admin.sock",
				 v->name);
	return v->need & NEED_CA ? issuer_open(f) : OK;
}

void admin_run(const struct ask *a, struct attr_view call)
{
	size_t i = verb_of(call);
	struct attrs about;
	struct fault f;
	enum err e;

	if (i == NELEM(verbs)) {
		(void)fault_set(&f, ERR_UNSUPPORTED,
				"the call names no verb that this version "
				"knows");
		ask_fault(a, &f);
		return;
	}
	e = allowed(a, &verbs[i].v, &f);
	if (e == ERR_DENIED || e == ERR_UNAUTHENTICATED) {
		attrs_init(&about);
		ENSURE(attrs_add_str(&about, "verb", verbs[i].v.name) == OK);
		txn_refuse(a, "call", attrs_view(&about), &f);
		attrs_wipe(&about);
	} else if (e != OK || call_verb_check(&verbs[i].v, call, &f) != OK) {
		ask_fault(a, &f);
	} else {
		verbs[i].run(a, call);
	}
}

void admin_call(const struct conn *conn, const struct msg *m)
{
	struct ask a = ask_of_client(m->id);

	(void)conn;
	admin_run(&a, m->attrs);
}
