/* Keeper: calls of clients. Finds the verb, checks who may use it, and runs it.
 * Everything here was parsed by a front before. */
#include "certmgr/keeper.h"

enum verb_need {
	NEED_ADMIN = 1,
	NEED_FDS = 2, /* descriptors beside the call, which HTTP has none of */
};

static void verb_audit_show(const struct call *c, struct attr_view v)
{
	audit_link_show(keeper.audit, c, v);
}

static void verb_audit_notes(const struct call *c, struct attr_view v)
{
	audit_link_notes(keeper.audit, c, v);
}

static const struct call_verb verbs[] = {
	{ "agent.spawn", NEED_FDS, verb_spawn, NULL,
	  " verb fds type uid view name uri lifetime on_renew wait" },
	{ "agent.claim", NEED_FDS, verb_claim, NULL, " verb fds agent" },
	{ "agent.list", 0, verb_list, NULL, " verb type" },
	{ "agent.show", 0, verb_show, NULL, " verb agent" },
	{ "agent.renew", 0, verb_renew, NULL, " verb agent" },
	{ "agent.revoke", 0, verb_revoke, NULL, " verb agent reason" },
	{ "status", 0, verb_status, NULL, " verb" },
	{ "grant.add", NEED_ADMIN, verb_grant_add, NULL, " verb grant" },
	{ "grant.list", NEED_ADMIN, verb_grant_list, NULL, " verb agent" },
	{ "grant.remove", NEED_ADMIN, verb_grant_remove, NULL, " verb id" },
	{ "grant.test", NEED_ADMIN, verb_grant_test, NULL,
	  " verb subject agent" },
	{ "audit.show", NEED_ADMIN, verb_audit_show, NULL, " verb from count" },
	{ "audit.notes", NEED_ADMIN, verb_audit_notes, NULL, " verb" },
};

void call_named(const struct call *c, struct attrs *what)
{
	char id[REQUEST_ID];

	call_request_id(c, id);
	ENSURE(attrs_add_str(what, "request_id", id) == OK);
}

/* On record, as every refusal. */
static void refuse(const struct call *c, const struct conn *conn,
		   const char *verb)
{
	struct attrs what, once;
	struct fault f;

	attrs_init(&what);
	attrs_init(&once);
	call_named(c, &once);
	ENSURE(attrs_add_str(&what, "event", "call") == OK);
	ENSURE(attrs_add_str(&what, "verb", verb) == OK);
	ENSURE(attrs_add_str(&what, "decision", "deny") == OK);
	ENSURE(attrs_add_view(&what, attrs_view(&conn->said)) == OK);
	if (audit_link_denial(keeper.audit, attrs_view(&what),
			      attrs_view(&once), NULL, &f) == OK)
		(void)remote_admin_deny(
			&conn->subject, "certmgr",
			keeper.node[0] ? keeper.node : keeper.host, verb, &f);
	call_fault(c, &f);
	attrs_wipe(&once);
	attrs_wipe(&what);
}

void call_run(const struct conn *conn, const struct msg *m)
{
	struct call c = call_new(&keeper.server, m->id);
	const struct call_verb *v =
		call_verb_find(verbs, NELEM(verbs), m->attrs);
	struct fault f;

	if (!v)
		call_error(&c, ERR_UNSUPPORTED,
			   "the call names no verb that this version knows");
	else if (v->need & NEED_ADMIN && !conn->subject.admin)
		refuse(&c, conn, v->name);
	else if (v->need & NEED_FDS && conn->subject.via != VIA_SOCKET)
		call_error(&c, ERR_UNSUPPORTED,
			   "agents are started and claim over api.sock on "
			   "their machine: by HTTP no descriptors come");
	else if (call_verb_check(v, m->attrs, &f) != OK)
		call_fault(&c, &f);
	else
		v->now(&c, m->attrs);
}
