/* Vault: credentials and their versions. A version is one sealed row; its
 * confidential attributes are sealed once more inside, under a key of their own, and
 * are opened only for the worker that gets them.
 * Row: current=yes|no enabled=yes|no made= [destroy_at=] attributes=LIST
 * confidential=NAME… dek= sealed= */
#include "credd/vault.h"

#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

static void cred_key(const void *value, const void **key, size_t *len)
{
	const struct cred *c = value;

	*key = c->name;
	*len = strlen(c->name);
}

void creds_init(void)
{
	vault.creds = map_new(cred_key);
}

struct cred *cred_find(const char *name, size_t len)
{
	return map_find(vault.creds, name, len);
}

bool cred_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (!n || n > VAULT_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool letter = (c >= 'a' && c <= 'z') ||
			      (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!letter && (i == 0 || !strchr("._-/@", c)))
			return false;
	}
	return true;
}

/* Versions */

static void version_free(struct version *v)
{
	if (v->worker)
		worker_retire(v->worker);
	free(v);
}

void cred_free(struct cred *c)
{
	while (c->current) {
		struct version *v = c->current;

		c->current = v->next;
		version_free(v);
	}
	free(c);
}

void creds_close(void)
{
	struct cred *c;
	size_t at = 0;

	while ((c = map_next(vault.creds, &at)))
		cred_free(c);
	map_free(vault.creds);
	creds_init();
}

/* Keeps the current one first, the others behind it in no order. */
static void version_link(struct cred *c, struct version *v, bool current)
{
	if (current || !c->current) {
		v->next = c->current;
		c->current = v;
	} else {
		v->next = c->current->next;
		c->current->next = v;
	}
}

static void version_unlink(struct cred *c, struct version *v)
{
	struct version **at = &c->current;

	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
}

/* The credential's own end, if the module's attributes name one. */
static int64_t end_of(struct attr_view shared)
{
	struct attr a;
	int64_t t;

	if (attr_only(shared, "not_after", &a) == OK &&
	    clock_parse((const char *)a.value, a.len, &t) == OK)
		return t;
	return 0;
}

/* Loading */

static bool flag(struct attr_view v, const char *name)
{
	struct attr a;

	return attr_only(v, name, &a) == OK && attr_is(&a, "yes");
}

static enum err version_parse(struct vrow *row, struct attr_view v,
			      struct version *out, struct fault *f)
{
	struct attr_view shared;
	uint64_t made, destroy_at;

	TRY(call_number(v, "made", 0, INT64_MAX, &made, f));
	TRY(call_number(v, "destroy_at", 0, INT64_MAX, &destroy_at, f));
	TRY(call_list(v, "attributes", &shared, f));
	*out = (struct version){ .row = row,
				 .number = row->version,
				 .made = (int64_t)made,
				 .destroy_at = (int64_t)destroy_at,
				 .current = flag(v, "current"),
				 .not_after = end_of(shared) };
	return OK;
}

static struct cred *cred_get(const char *name, struct module *m)
{
	struct cred *c = cred_find(name, strlen(name));

	if (c)
		return c;
	c = xcalloc(1, sizeof *c);
	memcpy(c->name, name, strlen(name) + 1);
	c->module = m;
	map_add(vault.creds, c);
	return c;
}

enum err cred_load_row(struct vrow *row, struct fault *f)
{
	struct module *m = module_find(row->module);
	struct version parsed, *v;
	struct attrs a;
	struct cred *c;
	enum err e;

	if (!m || !m->row || !cred_name_ok(row->name))
		return fault_set(f, ERR_INVALID,
				 "credential '%s' is of module '%s', which the "
				 "store does not pin",
				 row->name, row->module);
	attrs_init(&a);
	e = rows_open(row, &a, f);
	if (e == OK)
		e = version_parse(row, attrs_view(&a), &parsed, f);
	if (e == OK) {
		c = cred_get(row->name, m);
		v = xmemdup(&parsed, sizeof parsed);
		version_link(c, v, v->current);
		if (v->current)
			c->enabled = flag(attrs_view(&a), "enabled");
	}
	attrs_wipe(&a);
	return e;
}

enum err creds_check(struct fault *f)
{
	struct cred *c;
	size_t at = 0;

	while ((c = map_next(vault.creds, &at)))
		if (!c->current->current ||
		    (c->current->next && c->current->next->current))
			return fault_set(f, ERR_INVALID,
					 "credential '%s' has not exactly one "
					 "current version",
					 c->name);
	return OK;
}

/* The whole of a version, for the worker that is to have it */

static enum err open_sealed(const struct vrow *row, struct attr_view v,
			    struct attrs *out, struct fault *f)
{
	struct row r = vrow_row(row);
	struct attr dek, sealed;

	if (attr_only(v, "dek", &dek) != OK ||
	    attr_only(v, "sealed", &sealed) != OK)
		return fault_set(f, ERR_INVALID,
				 "credential '%s' has lost its confidential "
				 "part",
				 row->name);
	return seal_open_confidential(vault.keys, &r.head, dek.value, dek.len,
				      sealed.value, sealed.len, out, f);
}

enum err cred_attributes(const struct version *v, struct attrs *out,
			 struct fault *f)
{
	struct attr_view shared;
	struct attrs plain, secret;
	enum err e;

	attrs_init(&plain);
	attrs_init_secret(&secret);
	e = rows_open(v->row, &plain, f);
	if (e == OK)
		e = call_list(attrs_view(&plain), "attributes", &shared, f);
	if (e == OK)
		e = attrs_add_view(out, shared);
	if (e == OK)
		e = open_sealed(v->row, attrs_view(&plain), &secret, f);
	if (e == OK)
		e = attrs_add_view(out, attrs_view(&secret));
	attrs_wipe(&plain);
	attrs_wipe(&secret);
	return e;
}

/* Rows */

/* What a version row says besides what is sealed inside it. */
struct version_says {
	bool current, enabled;
	int64_t made, destroy_at;
};

static enum err says_format(const struct version_says *s, struct attrs *a)
{
	TRY(attrs_add_str(a, "current", s->current ? "yes" : "no"));
	TRY(attrs_add_str(a, "enabled", s->enabled ? "yes" : "no"));
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
	static const char *const says_not[] = { "attributes", "confidential",
						"dek", "sealed" };
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

/* add */

static void added(struct job *j)
{
	struct version *v = xcalloc(1, sizeof *v);
	struct cred *c = cred_get(j->made->name, j->module);

	*v = (struct version){ .row = j->made,
			       .number = j->made->version,
			       .made = j->now,
			       .current = true,
			       .not_after = end_of(attrs_view(&j->shared)) };
	if (c->current) { /* a rotation */
		c->current->current = false;
		if (j->replaced) {
			c->current->row = j->replaced;
			c->current->destroy_at = j->now + (int64_t)j->number;
			cred_sweep_by(c->current->destroy_at);
			if (c->current->worker)
				worker_retire(c->current->worker);
		} else {
			struct version *old = c->current;

			version_unlink(c, old);
			version_free(old);
		}
	} else {
		c->enabled = true;
	}
	version_link(c, v, true);
	ENSURE(attrs_add_u64(&j->reply, "version", v->number) == OK);
}

static enum err put_added(struct job *j, struct change *c)
{
	struct version_says says = { .current = true,
				     .enabled = true,
				     .made = clock_wall() };
	struct cred *old = cred_find(j->name, strlen(j->name));
	uint64_t number = 1;

	j->now = says.made;
	if (old) {
		struct version_says was = { .enabled = old->enabled,
					    .made = old->current->made,
					    .destroy_at = j->now +
							  (int64_t)j->number };

		says.enabled = old->enabled;
		number = old->current->number + 1;
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

	if (e != OK) {
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
static void check_by_module(struct job *j)
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
	return OK;
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
		check_by_module(j);
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

static enum err parse_rotate(struct job *j)
{
	TRY(cred_need(j));
	attrs_clear(&j->what);
	TRY(call_number(job_attrs(j), "grace", 0, VAULT_GRACE_MAX, &j->number,
			&j->fault));
	if (j->number) {
		unsigned n = 0;

		for (struct version *v = j->cred->current; v; v = v->next)
			n++;
		if (n >= VAULT_VERSIONS)
			return fault_set(&j->fault, ERR_LIMITED,
					 "credential '%s' keeps %u versions "
					 "already: rotate without --grace",
					 j->name, n);
	}
	TRY(take_attributes(j));
	TRY(inherit(j));
	return module_check_attributes(j->module, attrs_view(&j->shared),
				       attrs_view(&j->plain), &j->fault);
}

void verb_cred_rotate(struct job *j)
{
	enum err e = parse_rotate(j);

	if (e == OK)
		check_by_module(j);
	else
		job_done(j, e);
}

/* For vault_cred_admin.c */

enum err cred_put_enabled(struct change *c, const struct cred *cred,
			  bool enabled, struct vrow **made, struct fault *f)
{
	struct version_says says = { .current = true,
				     .enabled = enabled,
				     .made = cred->current->made };

	return put_again(c, cred->current, &says, made, f);
}

void cred_drop_version(struct cred *c, struct version *v)
{
	version_unlink(c, v);
	version_free(v);
}
