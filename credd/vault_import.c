/* Vault: sealed exports taken in (lib/export.h): opened in secret memory, looked at by
 * the module like anything that is added, and then a version like any other. */
#include "credd/vault.h"

#include "lib/enc.h"

#include <string.h>

/* Who made it: a peer, or nobody that is known, which a person has to allow. */
static enum err know_sender(struct job *j, const struct export *x)
{
	char sign[2 * EXPORT_KEY + 1];
	struct attr a;
	bool anyone = attr_only(job_attrs(j), "anonymous", &a) == OK &&
		      attr_is(&a, "yes");

	j->peer = x->anonymous ? NULL : peer_signing(x->sender);
	if (j->peer)
		return peer_audit(j->peer, "from", &j->what);
	if (!x->anonymous) {
		enc_hex(x->sender, EXPORT_KEY, sign);
		TRY(attrs_add_str(&j->what, "sender", sign));
	}
	if (x->purpose == EXPORT_ROTATE)
		return fault_set(&j->fault, ERR_DENIED,
				 "a rotation comes from a peer, and the sender "
				 "is none: 'cretula peer add' makes him one");
	if (!anyone)
		return fault_set(&j->fault, ERR_DENIED,
				 "the sealed export is %s: '--anonymous' "
				 "imports it all the same",
				 x->anonymous ? "anonymous"
					      : "of a sender who is no peer");
	return attrs_add_str(&j->what, "from", "anonymous");
}

/* What is confidential is marked; the module's declaration is asked later. */
static enum err take_attributes(struct job *j, const struct export *x)
{
	struct attr_view it = x->attributes;
	struct attr a;

	while (attr_next(&it, &a))
		TRY(attrs_add_attr(a.flags & ATTR_CONFIDENTIAL ? &j->plain
							       : &j->shared,
				   &a));
	if (j->shared.bytes.len + j->plain.bytes.len > VAULT_CREDENTIAL_MAX)
		return fault_set(&j->fault, ERR_TOO_LARGE,
				 "the credential is over %d bytes",
				 VAULT_CREDENTIAL_MAX);
	return cred_take_exportable(j);
}

static enum err find_module(struct job *j, const struct export *x)
{
	j->module = module_find(x->module);
	if (!j->module || !j->module->row)
		return fault_set(&j->fault, ERR_NOT_FOUND,
				 "the sealed export is for module '%s', which "
				 "is not installed here",
				 x->module);
	if (j->cred && j->cred->module != j->module)
		return fault_set(&j->fault, ERR_CONFLICT,
				 "credential '%s' is of module '%s' here, and "
				 "the sealed export is of '%s'",
				 j->name, j->cred->module->name, x->module);
	return OK;
}

static enum err say(struct job *j, const struct export *x)
{
	struct attr from;

	TRY(attrs_add_str(&j->reply, "name", j->name));
	TRY(attrs_add_str(&j->reply, "module", x->module));
	TRY(attrs_add_str(&j->reply, "purpose",
			  export_purpose_name(x->purpose)));
	if (attr_find(attrs_view(&j->what), "from", &from))
		TRY(attrs_add_attr(&j->reply, &from));
	return attrs_add_str(&j->what, "purpose",
			     export_purpose_name(x->purpose));
}

/* What was opened, checked against what is here. *there: nothing is to be done. */
static enum err accept(struct job *j, const struct export *x, bool *there)
{
	struct export_seen seen;
	struct attr a;

	memcpy(j->name, x->name, sizeof j->name);
	if (!cred_name_ok(j->name))
		return fault_set(&j->fault, ERR_INVALID,
				 "the sealed export has no name of a "
				 "credential");
	j->cred = cred_find(j->name, strlen(j->name));
	seen = seen_of(j->name);
	TRY(know_sender(j, x));
	TRY(export_check(x, &seen, clock_wall(), &j->want.number, there,
			 &j->fault));
	TRY(say(j, x));
	if (*there) {
		TRY(attrs_add_u64(&j->reply, "version", j->want.number));
		return attrs_add_str(&j->reply, "already", "yes");
	}
	TRY(find_module(j, x));
	if (j->cred)
		TRY(cred_room(j));
	TRY(take_attributes(j, x));
	j->want.made = x->version ? MIN(x->made, clock_wall()) : x->made;
	j->want.has_id = true;
	memcpy(j->want.id, x->id, EXPORT_ID);
	j->want.dry =
		attr_find(job_attrs(j), "dry_run", &a) && attr_is(&a, "yes");
	if (j->want.dry) {
		TRY(attrs_add_u64(&j->reply, "version", j->want.number));
		TRY(attrs_add_str(&j->reply, "dry_run", "yes"));
	}
	return module_check_attributes(j->module, attrs_view(&j->shared),
				       attrs_view(&j->plain), &j->fault);
}

static enum err import(struct job *j, bool *there)
{
	struct export x;
	struct attr a;

	if (attr_only(job_attrs(j), "export", &a) != OK)
		return fault_set(&j->fault, ERR_INVALID,
				 "the call has no sealed export");
	TRY(call_number(job_attrs(j), "grace", 0, VAULT_GRACE_MAX, &j->number,
			&j->fault));
	TRY(export_ready(&j->fault));
	TRY(export_open(vault.export_keys, a.value, a.len, &j->box, &x,
			&j->fault));
	return accept(j, &x, there);
}

/* Who may not, and what is to come back: on record, as every denial. */
static void refusal_recorded(struct job *j, enum err e)
{
	job_done(j, e == OK ? j->fault.code : e);
}

static void refuse(struct job *j)
{
	enum err e = attrs_add_str(&j->what, "outcome", "deny");

	if (e == OK && j->name[0])
		e = attrs_add_str(&j->what, "credential", j->name);
	if (e == OK)
		e = attrs_add_str(&j->what, "reason", j->fault.text);
	if (e == OK)
		e = job_event(j);
	if (e != OK) {
		job_done(j, fault_set(&j->fault, e, "the record is too large"));
		return;
	}
	j->then = refusal_recorded;
	audit_job_record(j, attrs_view(&j->what));
}

void verb_cred_import(struct job *j)
{
	bool there = false;
	enum err e = import(j, &there);

	attrs_clear(&j->box);
	if (e == ERR_DENIED || e == ERR_CONFLICT)
		refuse(j);
	else if (e != OK || there)
		job_done(j, e);
	else
		cred_make(j);
}
