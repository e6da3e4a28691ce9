/* Vault: credentials and their versions. A version is one sealed row; its
 * confidential attributes are sealed once more inside, under a key of their own, and
 * are opened only for the worker that gets them.
 * Row: current=yes|no enabled=yes|no [exportable=no] made= [destroy_at=] id=
 * attributes=LIST confidential=NAME… dek= sealed= */
#include "credd/vault.h"

#include "lib/log.h"

#include <sodium.h>
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
void cred_link_version(struct cred *c, struct version *v, bool current)
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
int64_t cred_end_of(struct attr_view shared)
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

/* Of a row of before rows had one; a store from a backup uses its rows' numbers again, so
 * none is called that any more. */
static void version_id(const struct vrow *row, uint8_t id[EXPORT_ID])
{
	static const char use[] = "cretula-version";
	const uint64_t n = row->place.row;
	crypto_generichash_state h;
	uint8_t be[8];

	for (size_t i = 0; i < sizeof be; i++)
		be[i] = (uint8_t)(n >> (56 - 8 * i));
	(void)crypto_generichash_init(&h, NULL, 0, EXPORT_ID);
	(void)crypto_generichash_update(&h, (const uint8_t *)use, sizeof use);
	(void)crypto_generichash_update(&h, vault.store_id, STORE_ID_SIZE);
	(void)crypto_generichash_update(&h, be, sizeof be);
	(void)crypto_generichash_final(&h, id, EXPORT_ID);
}

static enum err id_parse(const struct vrow *row, struct attr_view v,
			 uint8_t id[EXPORT_ID], struct fault *f)
{
	struct attr a;
	enum err e = attr_only(v, "id", &a);

	if (e == ERR_NOT_FOUND) {
		version_id(row, id);
		return OK;
	}
	if (e != OK || a.len != EXPORT_ID)
		return fault_set(f, ERR_INVALID,
				 "a version of credential '%s' has no readable "
				 "id",
				 row->name);
	memcpy(id, a.value, EXPORT_ID);
	return OK;
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
				 .not_after = cred_end_of(shared) };
	return id_parse(row, v, out->id, f);
}

struct cred *cred_get(const char *name, struct module *m)
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
		cred_link_version(c, v, v->current);
		if (v->current) {
			c->enabled = flag(attrs_view(&a), "enabled");
			c->kept_here = attr_count(attrs_view(&a), "exportable");
		}
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

void cred_drop_version(struct cred *c, struct version *v)
{
	version_unlink(c, v);
	version_free(v);
}
