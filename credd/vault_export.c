/* Vault: versions of credentials sealed to other stores (lib/export.h).
 *	credential.export-sealed	what a grant with reveal=secret on op `export` allows
 *	credential.seal-rotation	the current version, for a store that has the
 *					credential already: nobody gets to see it
 * The secret is opened for the moment in which it is sealed again. */
#include "credd/vault.h"

#include "lib/enc.h"

#include <stdlib.h>
#include <string.h>

static struct version *version_find(struct cred *c, uint64_t number)
{
	struct version *v = c->current;

	while (v && number && v->number != number)
		v = v->next;
	return v;
}

static enum err may_leave(const struct cred *c, struct fault *f)
{
	if (!c->kept_here)
		return OK;
	return fault_set(
		f, ERR_DENIED,
		"credential '%s' was made with exportable=no: it never "
		"leaves this store",
		c->name);
}

/* Appends the export of v to out. */
static enum err seal_version(const struct cred *c, const struct version *v,
			     const struct peer *to, enum export_purpose purpose,
			     int64_t not_after, struct buf *out,
			     struct fault *f)
{
	struct export x = { .purpose = purpose,
			    .version = v->number,
			    .made = v->made,
			    .not_after = not_after };
	struct attrs all;
	enum err e;

	memcpy(x.name, c->name, sizeof c->name);
	memcpy(x.module, c->module->name, sizeof c->module->name);
	memcpy(x.id, v->id, EXPORT_ID);
	attrs_init_secret(&all);
	e = cred_attributes(v, &all, f);
	x.attributes = attrs_view(&all);
	if (e == OK)
		e = export_make(&x, to->pub.seal, vault.export_keys, out, f);
	attrs_wipe(&all);
	return e;
}

static enum err reply_export(struct attrs *reply, const struct peer *to,
			     const struct buf *sealed)
{
	TRY(attrs_add(reply, "export", 0, sealed->p, sealed->len));
	return peer_audit(to, "to", reply);
}

/* export-sealed: a request like any other, decided by grants */

static enum err parse_export(struct attr_view v, struct run *r,
			     struct export_want *want, struct fault *f)
{
	uint64_t end;

	TRY(call_need(v, "name", r->credential, sizeof r->credential, f));
	TRY(call_need(v, "to", want->to, sizeof want->to, f));
	TRY(call_number(v, "version", 0, EXPORT_VERSION_MAX, &want->version,
			f));
	TRY(call_number(v, "not_after", 0, INT64_MAX / 2, &end, f));
	want->not_after = (int64_t)end;
	if (end && want->not_after <= clock_wall())
		return fault_set(f, ERR_INVALID,
				 "the export would be over before it begins");
	TRY(export_ready(f));
	if (!peer_find(want->to))
		return fault_set(f, ERR_NOT_FOUND,
				 "there is no peer '%s': 'cretula peer add' "
				 "makes one of the other's seal.pub",
				 want->to);
	return OK;
}

void verb_cred_export(const struct call *c, struct attr_view v)
{
	struct export_want *want = xcalloc(1, sizeof *want);
	struct fault f;
	struct user *u = run_room(&call_conn(c)->subject, &f);
	struct run *r = u ? run_new(c, u, v) : NULL;

	if (!r || parse_export(v, r, want, &f) != OK) {
		run_free(r);
		free(want);
		call_fault(c, &f);
		return;
	}
	r->want = want;
	memcpy(r->op, "export", sizeof "export");
	r->reveals = CRETULA_REVEAL_SECRET;
	run_admit_export(r);
}

enum err export_run(struct run *r, struct fault *f)
{
	struct peer *to = peer_find(r->want->to);
	struct version *v = version_find(r->cred, r->want->version);
	struct buf sealed;
	enum err e = OK;

	buf_init(&sealed, EXPORT_MAX);
	if (!to)
		e = fault_set(f, ERR_NOT_FOUND,
			      "peer '%s' was removed just now", r->want->to);
	if (e == OK && !v)
		e = fault_set(
			f, ERR_NOT_FOUND, "credential '%s' has no version %llu",
			r->credential, (unsigned long long)r->want->version);
	if (e == OK)
		e = may_leave(r->cred, f);
	if (e == OK)
		r->version_number = v->number;
	if (e == OK)
		e = seal_version(r->cred, v, to, EXPORT_EXPORT,
				 r->want->not_after, &sealed, f);
	if (e == OK)
		e = reply_export(&r->reply, to, &sealed);
	buf_wipe(&sealed);
	return e;
}

/* seal-rotation */

static void rotation_recorded(struct job *j, enum err e)
{
	job_done(j, e);
}

static enum err seal_rotation(struct job *j)
{
	struct buf sealed;
	uint64_t number;
	enum err e;

	TRY(cred_need(j));
	TRY(peer_need(j, "to"));
	TRY(export_ready(&j->fault));
	TRY(may_leave(j->cred, &j->fault));
	TRY(call_number(job_attrs(j), "version", 0, EXPORT_VERSION_MAX, &number,
			&j->fault));
	if (number && number != j->cred->current->number)
		return fault_set(&j->fault, ERR_CONFLICT,
				 "version %llu of '%s' is not the current one: "
				 "only that is sent to others, and it is %llu",
				 (unsigned long long)number, j->name,
				 (unsigned long long)j->cred->current->number);
	buf_init(&sealed, EXPORT_MAX);
	e = seal_version(j->cred, j->cred->current, j->peer, EXPORT_ROTATE, 0,
			 &sealed, &j->fault);
	if (e == OK)
		e = reply_export(&j->reply, j->peer, &sealed);
	buf_wipe(&sealed);
	TRY(e);
	TRY(attrs_add_u64(&j->reply, "version", j->cred->current->number));
	attrs_clear(&j->what);
	TRY(attrs_add_str(&j->what, "credential", j->name));
	TRY(attrs_add_u64(&j->what, "version", j->cred->current->number));
	return peer_audit(j->peer, "to", &j->what);
}

void verb_cred_seal_rotation(struct job *j)
{
	enum err e = seal_rotation(j);

	if (e == OK)
		e = job_event(j);
	if (e != OK) {
		job_done(j, e);
		return;
	}
	j->then = rotation_recorded; /* nothing leaves before it is on record */
	audit_job_record(j, attrs_view(&j->what));
}
