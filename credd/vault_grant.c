/* Vault: grants, added, listed and removed. A grant is one sealed row: grant=LIST. */
#include "credd/vault.h"

#include "lib/grant_call.h"

#include <stdlib.h>
#include <string.h>

enum err grant_load_row(struct vrow *row, struct fault *f)
{
	struct attr_view text;
	struct attrs a;
	struct grant *g;
	enum err e;

	attrs_init(&a);
	e = rows_open(row, &a, f);
	if (e == OK)
		e = call_list(attrs_view(&a), "grant", &text, f);
	if (e == OK)
		e = grant_parse(text, &g, f);
	if (e == OK) {
		g->id = row->place.row;
		e = grant_set_add(vault.grants, g);
		if (e != OK)
			grant_free(g);
	}
	attrs_wipe(&a);
	return e;
}

/* add */

static void added(struct job *j)
{
	j->grant->id = j->number;
	ENSURE(grant_set_add(vault.grants, j->grant) == OK);
	j->grant = NULL;
	ENSURE(attrs_add_u64(&j->reply, "id", j->number) == OK);
}

static enum err put_grant(struct job *j, struct change *c,
			  struct attr_view text)
{
	struct attrs a;
	enum err e;

	j->number = change_row(ROW_GRANT);
	attrs_init(&a);
	e = attrs_add(&a, "grant", 0, text.p, text.len);
	if (e == OK)
		e = change_put(c, ROW_GRANT, j->number, "", "", 0,
			       attrs_view(&a), &j->made, &j->fault);
	attrs_wipe(&a);
	if (e != OK)
		return e;
	TRY(attrs_add_u64(&j->what, "grant", j->number));
	return grant_add_limits(&j->what, text);
}

void verb_grant_add(struct job *j)
{
	struct attr_view text;
	struct change *c;
	enum err e = call_list(job_attrs(j), "grant", &text, &j->fault);

	if (e == OK)
		e = grant_parse(text, &j->grant, &j->fault);
	if (e == OK)
		e = grant_kept_check(j->grant, false, &j->fault);
	if (e != OK) {
		job_done(j, e);
		return;
	}
	c = change_new();
	e = put_grant(j, c, text);
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	job_commit(j, c, added);
}

/* remove */

static void removed(struct job *j)
{
	ENSURE(grant_set_drop(vault.grants, j->number) == OK);
}

void verb_grant_remove(struct job *j)
{
	struct vrow *row = NULL;
	struct change *c;
	enum err e = call_number(job_attrs(j), "id", 0, INT64_MAX, &j->number,
				 &j->fault);

	if (e == OK)
		row = rows_find(ROW_GRANT, j->number);
	if (e == OK && !row)
		e = fault_set(&j->fault, ERR_NOT_FOUND,
			      "there is no grant %llu",
			      (unsigned long long)j->number);
	if (e == OK)
		e = attrs_add_u64(&j->what, "grant", j->number);
	if (e != OK) {
		job_done(j, e);
		return;
	}
	c = change_new();
	change_drop(c, row);
	job_commit(j, c, removed);
}

/* list */

static bool names(const struct grant *g, const char *credential)
{
	const struct span_set *set = &g->set[GRANT_CREDENTIAL];

	for (unsigned i = 0; i < set->count; i++)
		if (set->item[i].len == strlen(credential) &&
		    !memcmp(set->item[i].p, credential, set->item[i].len))
			return true;
	return false;
}

void verb_grant_list(const struct call *c, struct attr_view v)
{
	char credential[VAULT_NAME_MAX + 1] = "";
	struct fault f;
	enum err e =
		call_text(v, "credential", credential, sizeof credential, &f);

	if (e != OK && e != ERR_NOT_FOUND) {
		call_fault(c, &f);
		return;
	}
	grants_list(c, vault.grants, credential[0] ? names : NULL, credential);
}
