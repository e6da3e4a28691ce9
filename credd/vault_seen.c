/* Vault: the highest version there ever was of a credential's name. While there is such
 * a credential, its current version says it; when it is removed, a row `seen` keeps it,
 * so that no number is used twice and no old export comes back.
 * Row: name and version in its head; made= */
#include "credd/vault.h"

#include <stdlib.h>
#include <string.h>

struct seen {
	char name[VAULT_NAME_MAX + 1];
	struct vrow *row;
	int64_t made;
};

static void seen_key(const void *value, const void **key, size_t *len)
{
	const struct seen *s = value;

	*key = s->name;
	*len = strlen(s->name);
}

void seen_init(void)
{
	vault.seen = map_new(seen_key);
}

void seen_close(void)
{
	struct seen *s;
	size_t at = 0;

	while ((s = map_next(vault.seen, &at)))
		free(s);
	map_free(vault.seen);
	seen_init();
}

static struct seen *seen_find(const char *name)
{
	return map_find(vault.seen, name, strlen(name));
}

void seen_apply(struct vrow *made, int64_t when)
{
	struct seen *s = map_drop(vault.seen, made->name, strlen(made->name));

	if (!s)
		s = xcalloc(1, sizeof *s);
	memcpy(s->name, made->name, strlen(made->name) + 1);
	s->row = made;
	s->made = when;
	map_add(vault.seen, s);
}

enum err seen_load_row(struct vrow *v, struct fault *f)
{
	struct attrs a;
	uint64_t made;
	enum err e;

	if (!cred_name_ok(v->name) || seen_find(v->name))
		return fault_set(f, ERR_INVALID,
				 "the store says twice what was seen of '%s'",
				 v->name);
	attrs_init(&a);
	e = rows_open(v, &a, f);
	if (e == OK)
		e = call_number(attrs_view(&a), "made", 0, INT64_MAX, &made, f);
	attrs_wipe(&a);
	if (e == OK)
		seen_apply(v, (int64_t)made);
	return e;
}

struct export_seen seen_of(const char *name)
{
	const struct cred *c = cred_find(name, strlen(name));
	const struct seen *s = seen_find(name);
	struct export_seen out = { 0 };

	if (c) {
		out = (struct export_seen){ .version = c->current->number,
					    .made = c->current->made,
					    .current = true };
		memcpy(out.id, c->current->id, EXPORT_ID);
	} else if (s) {
		out = (struct export_seen){ .version = s->row->version,
					    .made = s->made };
	}
	return out;
}

enum err seen_put(struct change *c, const struct cred *cred, struct vrow **made,
		  struct fault *f)
{
	const struct version *v = cred->current;
	struct seen *old = seen_find(cred->name);
	uint64_t row = old ? old->row->place.row : change_row(ROW_SEEN);
	struct attrs a;
	enum err e;

	attrs_init(&a);
	e = attrs_add_u64(&a, "made", (uint64_t)v->made);
	if (e == OK && old)
		change_drop(c, old->row);
	if (e == OK)
		e = change_put(c, ROW_SEEN, row, cred->name, "", v->number,
			       attrs_view(&a), made, f);
	attrs_wipe(&a);
	return e;
}
