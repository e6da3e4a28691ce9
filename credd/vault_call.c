/* Vault: calls of clients. Finds the verb, checks who may use it and in which
 * state, and runs it. Everything here was parsed by a front before. */
#include "credd/vault.h"

#include "lib/dns_name.h"

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

/* Beside these, what only some may do who are not on this machine: REMOTE_… */
static const struct call_verb verbs[] = {
	{ "run", 0, verb_run, NULL, " verb credential op request module" },
	{ "status", 0, verb_status, NULL, " verb" },
	{ "credentials", NEED_OPEN, verb_credentials, NULL, " verb" },
	{ "modules", NEED_OPEN, verb_modules, NULL, " verb" },
	{ "transport", 0, verb_transport, NULL, " verb" },
	{ "init", NEED_ADMIN | NEED_BOX | REMOTE_INIT, NULL, verb_init,
	  " verb box ops mem" },
	{ "unseal", NEED_ADMIN | NEED_BOX | REMOTE_UNSEAL, NULL, verb_unseal,
	  " verb box" },
	{ "seal", NEED_ADMIN | NEED_OPEN, NULL, verb_seal, " verb" },
	{ "slot.add", NEED_ADMIN | NEED_OPEN | NEED_BOX | REMOTE_SLOT, NULL,
	  verb_slot_add, " verb box ops mem" },
	{ "slot.list", NEED_ADMIN | REMOTE_SLOT, verb_slot_list, NULL,
	  " verb" },
	{ "slot.remove", NEED_ADMIN | NEED_OPEN | REMOTE_SLOT, NULL,
	  verb_slot_remove, " verb slot" },
	{ "credential.add", NEED_ADMIN | NEED_OPEN | NEED_BOX, NULL,
	  verb_cred_add, " verb name module attributes box" },
	{ "credential.list", NEED_ADMIN | NEED_OPEN, verb_cred_list, NULL,
	  " verb" },
	{ "credential.show", NEED_ADMIN | NEED_OPEN, verb_cred_show, NULL,
	  " verb name" },
	{ "credential.rotate", NEED_ADMIN | NEED_OPEN | NEED_BOX, NULL,
	  verb_cred_rotate, " verb name attributes box grace version" },
	{ "credential.enable", NEED_ADMIN | NEED_OPEN, NULL, verb_cred_enable,
	  " verb name" },
	{ "credential.disable", NEED_ADMIN | NEED_OPEN, NULL, verb_cred_disable,
	  " verb name" },
	{ "credential.remove", NEED_ADMIN | NEED_OPEN, NULL, verb_cred_remove,
	  " verb name" },
	{ "credential.export-sealed", NEED_ADMIN | NEED_OPEN | REMOTE_EXPORT,
	  verb_cred_export, NULL, " verb name to version not_after" },
	/* from afar too: only to peers, which peer.add has let in */
	{ "credential.seal-rotation", NEED_ADMIN | NEED_OPEN, NULL,
	  verb_cred_seal_rotation, " verb name to version" },
	{ "credential.import", NEED_ADMIN | NEED_OPEN, NULL, verb_cred_import,
	  " verb export anonymous grace dry_run" },
	{ "peer.self", NEED_ADMIN | NEED_OPEN, verb_peer_self, NULL, " verb" },
	{ "peer.list", NEED_ADMIN | NEED_OPEN, verb_peer_list, NULL, " verb" },
	/* who may choose where rotations go gets the secret */
	{ "peer.add", NEED_ADMIN | NEED_OPEN | REMOTE_EXPORT, NULL,
	  verb_peer_add, " verb name node store seal sign url" },
	{ "peer.remove", NEED_ADMIN | NEED_OPEN, NULL, verb_peer_remove,
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

static const char *node_name(void)
{
	static char name[DNS_MAX + 1];
	struct fault f;

	if (call_text(attrs_view(&vault.start), "node", name, sizeof name,
		      &f) != OK)
		return "this node";
	return name;
}

/* A grant that lets somebody see a secret is more than other grants. */
static unsigned verb_needs(const struct call_verb *v, struct attr_view attrs)
{
	struct attr_view grant;
	struct fault f;

	if (v->job == verb_grant_add &&
	    call_list(attrs, "grant", &grant, &f) == OK &&
	    attr_count(grant, "reveal"))
		return v->need | REMOTE_REVEAL;
	return v->need;
}

static enum err verb_allowed(const struct call_verb *v, const struct conn *conn,
			     struct attr_view attrs, struct fault *f)
{
	const struct subject *s = &conn->subject;

	if (v->need & NEED_ADMIN && !s->admin)
		return remote_admin_deny(s, "credd", node_name(), v->name, f);
	TRY(remote_admin_check(vault.remote_admin, verb_needs(v, attrs), s,
			       v->name, f));
	if (v->need & NEED_OPEN)
		return call_open(f);
	return OK;
}

static void verb_do(const struct call_verb *v, const struct call *c,
		    struct attr_view attrs)
{
	if (v->now)
		v->now(c, attrs);
	else
		job_queue(c, v->name, v->need & NEED_OPEN, attrs, v->job);
}

void call_run(const struct conn *conn, const struct msg *m)
{
	struct call c = call_new(&vault.server, m->id);
	const struct call_verb *v =
		call_verb_find(verbs, NELEM(verbs), m->attrs);
	struct fault f;

	if (!v)
		call_error(&c, ERR_UNSUPPORTED,
			   "the call names no verb that this version knows");
	else if (verb_allowed(v, conn, m->attrs, &f) == ERR_DENIED &&
		 vault.state == VAULT_OPEN)
		run_refuse_verb(&c, v->name, &f);
	else if (verb_allowed(v, conn, m->attrs, &f) != OK ||
		 call_verb_check(v, m->attrs, &f) != OK)
		call_fault(&c, &f);
	else
		verb_do(v, &c, m->attrs);
}
