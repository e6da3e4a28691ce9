/* Vault: credentials added and rotated: the module looks at the attributes, then a new
 * version's row is sealed, its confidential part under a key of its own. */
#include "credd/vault.h"

#include <stdlib.h>
#include <string.h>

/* Rows */

/* What a version row says besides what is sealed inside it. */
struct version_says {
	bool current, enabled, kept_here;
	int64_t made, destroy_at;
};

static enum err says_format(const struct version_says *s, struct attrs *a)
{
	TRY(attrs_add_str(a, "current", s->current ? "yes" : "no"));
	TRY(attrs_add_str(a, "enabled", s->enabled ? "yes" : "no"));
	if (s->kept_here)
		TRY(attrs_add_str(a, "exportable", "no"));
	TRY(attrs_add_u64(a, "made", (uint64_t)s->made));
	if (s->destroy_at)
		TRY(attrs_add_u64(a, "destroy_at", (uint64_t)s->destroy_at));
	return OK;
}

static enum err add_part(struct attrs *a, const char *name, const struct buf *b)
{
	return attrs_add(a, name, 0, b->p, b->len);
}

/* What is sealed inside, so that it can be shown without being opened. */
static enum err add_names(struct attrs *a, struct attr_view confidential)
{
	struct attr one;

	while (attr_next(&confidential, &one))
		TRY(attrs_add(a, "confidential", 0, one.name, one.name_len));
	return OK;
}

/* A new version's row: j->shared and j->plain are its attributes. */
static enum err put_new(struct job *j, struct change *c, const char *name,
			const char *module, uint64_t number,
			const struct version_says *says, struct vrow **made)
{
	uint64_t row = change_row(ROW_CREDENTIAL);
	struct buf dek, sealed;
	struct row_head head;
	struct attrs a;
	enum err e;

	attrs_init(&a);
	buf_init(&dek, ROW_BLOB_MAX);
	buf_init(&sealed, ROW_BLOB_MAX);
	e = change_head(c, ROW_CREDENTIAL, row, name, module, number, &head,
			&j->fault);
	if (e == OK)
		e = seal_confidential(vault.keys, &head, attrs_view(&j->plain),
				      &dek, &sealed);
	if (e == OK)
		e = says_format(says, &a);
	if (e == OK)
		e = attrs_add(&a, "id", 0, j->want.id, EXPORT_ID);
	if (e == OK)
		e = add_part(&a, "attributes", &j->shared.bytes);
	if (e == OK)
		e = add_names(&a, attrs_view(&j->plain));
	if (e == OK)
		e = add_part(&a, "dek", &dek);
	if (e == OK)
		e = add_part(&a, "sealed", &sealed);
	if (e == OK)
		e = change_put(c, ROW_CREDENTIAL, row, name, module, number,
			       attrs_view(&a), made, &j->fault);
	else
		(void)fault_set(&j->fault, e, "the credential is too large");
	attrs_wipe(&a);
	buf_wipe(&dek);
	buf_wipe(&sealed);
	return e;
}

/* The same version saying something else; what is sealed inside stays as it is. */
static enum err put_again(struct change *c, const struct version *v,
			  const struct version_says *says, struct vrow **made,
			  struct fault *f)
{
	static const char *const says_not[] = { "id", "attributes",
						"confidential", "dek",
						"sealed" };
	struct attr_view it;
	struct attrs old, a;
	struct attr one;
	enum err e;

	attrs_init(&old);
	attrs_init(&a);
	e = rows_open(v->row, &old, f);
	if (e == OK)
		e = says_format(says, &a);
	it = attrs_view(&old);
	while (e == OK && attr_next(&it, &one))
		for (size_t i = 0; i < NELEM(says_not) && e == OK; i++)
			if (attr_named(&one, says_not[i]))
				e = attrs_add_attr(&a, &one);
	if (e == OK) {
		change_drop(c, v->row);
		e = change_put(c, ROW_CREDENTIAL, v->row->place.row,
			       v->row->name, v->row->module, v->number,
			       attrs_view(&a), made, f);
	}
	attrs_wipe(&old);
	attrs_wipe(&a);
	return e;
}

/* When the version that a rotation replaces ends: the second in which it was
 * replaced had already begun, so that none of the grace is cut off. */
static int64_t grace_end(const struct job *j)
{
	return j->now + (int64_t)j->number + 1;
}

/* add */

static void added(struct job *j)
{
	struct version *v = xcalloc(1, sizeof *v);
	struct cred *c = cred_get(j->made->name, j->module);

	*v = (struct version){ .row = j->made,
			       .number = j->made->version,
			       .made = j->want.made,
			       .current = true,
			       .not_after =
				       cred_end_of(attrs_view(&j->shared)) };
	memcpy(v->id, j->want.id, EXPORT_ID);
	if (c->current) { /* a rotation */
		c->current->current = false;
		if (j->replaced) {
			c->current->row = j->replaced;
			c->current->destroy_at = grace_end(j);
			cred_sweep_by(c->current->destroy_at);
			if (c->current->worker)
				worker_retire(c->current->worker);
		} else {
			struct version *old = c->current;

			cred_drop_version(c, old);
		}
	} else {
		c->enabled = true;
		c->kept_here = j->kept_here;
	}
	cred_link_version(c, v, true);
	ENSURE(attrs_add_u64(&j->reply, "version", v->number) == OK);
}

/* Never before the version that it follows, whatever the clocks say: what is older than
 * that one does not come back (export_check). */
static int64_t made_when(const struct job *j, const struct export_seen *seen)
{
	int64_t made = j->want.made ? j->want.made : j->now;

	return seen->version ? MAX(made, seen->made) : made;
}

static enum err put_added(struct job *j, struct change *c)
{
	struct export_seen seen = seen_of(j->name);
	struct cred *old = cred_find(j->name, strlen(j->name));
	struct version_says says = { .current = true,
				     .enabled = true,
				     .kept_here = j->kept_here };
	uint64_t number = seen.version + 1;

	j->now = clock_wall();
	says.made = j->want.made = made_when(j, &seen);
	if (!j->want.has_id)
		random_fill(j->want.id, EXPORT_ID);
	if (j->want.number)
		number = j->want.number;
	if (old) {
		struct version_says was = { .enabled = old->enabled,
					    .kept_here = old->kept_here,
					    .made = old->current->made,
					    .destroy_at = grace_end(j) };

		says.enabled = old->enabled;
		says.kept_here = old->kept_here;
		if (j->number)
			TRY(put_again(c, old->current, &was, &j->replaced,
				      &j->fault));
		else
			change_drop(c, old->current->row);
	}
	TRY(attrs_add_str(&j->what, "credential", j->name));
	TRY(attrs_add_str(&j->what, "module", j->module->name));
	TRY(attrs_add_u64(&j->what, "version", number));
	return put_new(j, c, j->name, j->module->name, number, &says, &j->made);
}

static void add_checked(struct job *j, enum err e)
{
	struct change *c;

	if (e != OK || j->want.dry) {
		job_done(j, e);
		return;
	}
	c = change_new();
	e = put_added(j, c);
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	job_commit(j, c, added);
}

/* The module looks at the attributes, in a worker that then ends. */
void cred_make(struct job *j)
{
	struct worker *w =
		worker_start(j->module, NULL, NULL, UINT32_MAX, &j->fault);

	j->then = add_checked;
	if (!w) {
		job_done(j, j->fault.code);
		return;
	}
	if (attrs_add_view(&w->secret, attrs_view(&j->shared)) != OK ||
	    attrs_add_view(&w->secret, attrs_view(&j->plain)) != OK) {
		worker_kill(w, "the credential is too large");
		return;
	}
	worker_job(w, j);
}

/* exportable=no is fixed when a credential is made, by whatever makes it. */
enum err cred_take_exportable(struct job *j)
{
	struct cred *old = cred_find(j->name, strlen(j->name));
	AUTO(attrs_wipe) struct attrs rest = { 0 };
	struct attr_view it = attrs_view(&j->shared);
	struct attr said, a;
	enum err e = attr_only(it, "exportable", &said);

	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK || !(attr_is(&said, "no") || attr_is(&said, "yes")))
		return fault_set(&j->fault, ERR_INVALID,
				 "exportable= is 'yes' or 'no'");
	j->kept_here = attr_is(&said, "no");
	if (old && old->kept_here != j->kept_here)
		return fault_set(&j->fault, ERR_INVALID,
				 "credential '%s' was made with exportable=%s, "
				 "which never changes",
				 old->name, old->kept_here ? "no" : "yes");
	attrs_init(&rest);
	while (attr_next(&it, &a))
		if (!attr_named(&a, "exportable"))
			TRY(attrs_add_attr(&rest, &a));
	attrs_clear(&j->shared);
	return attrs_add_view(&j->shared, attrs_view(&rest));
}

/* Confidential attributes come in the box, marked as such. */
static enum err take_attributes(struct job *j)
{
	struct attr_view shared, box;
	struct attr a;

	TRY(call_list(job_attrs(j), "attributes", &shared, &j->fault));
	TRY(attrs_add_view(&j->shared, shared));
	TRY(seal_open_box(job_attrs(j), &j->box, &j->fault));
	box = attrs_view(&j->box);
	while (attr_next(&box, &a))
		TRY(attrs_add_named(&j->plain, a.name, a.name_len,
				    ATTR_CONFIDENTIAL, a.value, a.len));
	if (j->shared.bytes.len + j->plain.bytes.len > VAULT_CREDENTIAL_MAX)
		return fault_set(&j->fault, ERR_TOO_LARGE,
				 "the credential is over %d bytes",
				 VAULT_CREDENTIAL_MAX);
	return cred_take_exportable(j);
}

static enum err parse_add(struct job *j)
{
	char module[ATTR_NAME_MAX + 1];

	TRY(call_need(job_attrs(j), "name", j->name, sizeof j->name,
		      &j->fault));
	TRY(call_need(job_attrs(j), "module", module, sizeof module,
		      &j->fault));
	if (!cred_name_ok(j->name))
		return fault_set(&j->fault, ERR_INVALID,
				 "a credential's name has letters, digits and "
				 "._-/@ and begins with a letter or digit");
	if (cred_find(j->name, strlen(j->name)))
		return fault_set(&j->fault, ERR_EXISTS,
				 "credential '%s' exists: 'cretula credential "
				 "rotate %s' gives it new secrets",
				 j->name, j->name);
	j->module = module_find(module);
	if (!j->module || !j->module->row)
		return fault_set(&j->fault, ERR_NOT_FOUND,
				 "there is no module '%s': 'cretula module "
				 "list' shows which there are",
				 module);
	TRY(take_attributes(j));
	return module_check_attributes(j->module, attrs_view(&j->shared),
				       attrs_view(&j->plain), &j->fault);
}

void verb_cred_add(struct job *j)
{
	enum err e = parse_add(j);

	if (e == OK)
		cred_make(j);
	else
		job_done(j, e);
}

/* rotate */

enum err cred_need(struct job *j)
{
	TRY(call_need(job_attrs(j), "name", j->name, sizeof j->name,
		      &j->fault));
	j->cred = cred_find(j->name, strlen(j->name));
	if (!j->cred)
		return fault_set(&j->fault, ERR_NOT_FOUND,
				 "there is no credential '%s'", j->name);
	j->module = j->cred->module;
	return attrs_add_str(&j->what, "name", j->name);
}

static bool has(struct attr_view v, const struct attr *a)
{
	struct attr other;

	while (attr_next(&v, &other))
		if (other.name_len == a->name_len &&
		    !memcmp(other.name, a->name, a->name_len))
			return true;
	return false;
}

/* What the call does not name stays as it was. */
static enum err inherit(struct job *j)
{
	struct attrs old;
	struct attr_view it;
	struct attr a;
	bool bound = false, kept = false;
	enum err e;

	attrs_init_secret(&old);
	e = cred_attributes(j->cred->current, &old, &j->fault);
	it = attrs_view(&old);
	while (e == OK && attr_next(&it, &a)) {
		bool secret = a.flags & ATTR_CONFIDENTIAL;
		struct attrs *to = secret ? &j->plain : &j->shared;
		unsigned kind = 0;

		if (has(attrs_view(to), &a)) {
			bound |= module_attribute(j->module, &a, &kind) &&
				 kind & CRETULA_BINDING;
			continue;
		}
		kept |= secret;
		e = attrs_add_attr(to, &a);
	}
	attrs_wipe(&old);
	if (e == OK && bound && kept)
		return fault_set(&j->fault, ERR_INVALID,
				 "an attribute that says where the secret is "
				 "sent changes only together with every "
				 "confidential value: give them anew");
	return e;
}

enum err cred_room(struct job *j)
{
	unsigned n = 0;

	if (!j->number)
		return OK;
	for (struct version *v = j->cred->current; v; v = v->next)
		n++;
	if (n >= VAULT_VERSIONS)
		return fault_set(&j->fault, ERR_LIMITED,
				 "credential '%s' keeps %u versions already: "
				 "rotate without --grace",
				 j->name, n);
	return OK;
}

/* A number may be left out, none is used twice: who rotates several stores gives the
 * new version the same number in all of them. */
static enum err rotate_number(struct job *j)
{
	uint64_t now = j->cred->current->number;

	TRY(call_number(job_attrs(j), "version", 0, EXPORT_VERSION_MAX,
			&j->want.number, &j->fault));
	if (j->want.number && j->want.number <= now)
		return fault_set(&j->fault, ERR_CONFLICT,
				 "credential '%s' has version %llu already: "
				 "somebody else has rotated it",
				 j->name, (unsigned long long)now);
	return export_step_check(j->want.number, now, j->name, &j->fault);
}

static enum err parse_rotate(struct job *j)
{
	TRY(cred_need(j));
	attrs_clear(&j->what);
	TRY(call_number(job_attrs(j), "grace", 0, VAULT_GRACE_MAX, &j->number,
			&j->fault));
	TRY(cred_room(j));
	TRY(rotate_number(j));
	TRY(take_attributes(j));
	TRY(inherit(j));
	return module_check_attributes(j->module, attrs_view(&j->shared),
				       attrs_view(&j->plain), &j->fault);
}

void verb_cred_rotate(struct job *j)
{
	enum err e = parse_rotate(j);

	if (e == OK)
		cred_make(j);
	else
		job_done(j, e);
}

enum err cred_put_enabled(struct change *c, const struct cred *cred,
			  bool enabled, struct vrow **made, struct fault *f)
{
	struct version_says says = { .current = true,
				     .enabled = enabled,
				     .kept_here = cred->kept_here,
				     .made = cred->current->made };

	return put_again(c, cred->current, &says, made, f);
}
