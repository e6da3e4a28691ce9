/* Vault: credentials listed, shown, enabled, disabled, removed, and old versions
 * destroyed when their grace is over. Opens no confidential value. */
#include "credd/vault.h"

#include "lib/enc.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

/* enable, disable: the current version's row says it */

static void enabled_set(struct job *j)
{
	j->cred->enabled = j->number;
	j->cred->current->row = j->made;
	if (!j->cred->enabled && j->cred->current->worker)
		worker_retire(j->cred->current->worker);
}

static void set_enabled(struct job *j, bool enabled)
{
	struct change *c;
	enum err e = cred_need(j);

	if (e != OK) {
		job_done(j, e);
		return;
	}
	j->number = enabled;
	c = change_new();
	e = cred_put_enabled(c, j->cred, enabled, &j->made, &j->fault);
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	job_commit(j, c, enabled_set);
}

void verb_cred_enable(struct job *j)
{
	set_enabled(j, true);
}

void verb_cred_disable(struct job *j)
{
	set_enabled(j, false);
}

/* remove */

static void removed(struct job *j)
{
	seen_apply(j->made, j->cred->current->made);
	(void)map_drop(vault.creds, j->cred->name, strlen(j->cred->name));
	cred_free(j->cred);
	j->cred = NULL;
}

void verb_cred_remove(struct job *j)
{
	struct change *c;
	enum err e = cred_need(j);

	if (e != OK) {
		job_done(j, e);
		return;
	}
	c = change_new();
	for (struct version *v = j->cred->current; v; v = v->next)
		change_drop(c, v->row);
	e = seen_put(c, j->cred, &j->made, &j->fault);
	if (e != OK) {
		change_free(c);
		job_done(j, e);
		return;
	}
	job_commit(j, c, removed);
}

/* The sweep */

static struct version *overdue(struct cred *c, int64_t now)
{
	for (struct version *v = c->current->next; v; v = v->next)
		if (v->destroy_at && v->destroy_at <= now)
			return v;
	return NULL;
}

static struct cred *cred_overdue(int64_t now)
{
	struct cred *c;
	size_t at = 0;

	while ((c = map_next(vault.creds, &at)))
		if (overdue(c, now))
			return c;
	return NULL;
}

static void destroyed(struct job *j)
{
	struct version *v = overdue(j->cred, INT64_MAX);

	while (v && v->number != j->number)
		v = v->next;
	if (v)
		cred_drop_version(j->cred, v);
	cred_sweep();
}

static void sweep_first(struct job *j)
{
	struct cred *c =
		vault.state == VAULT_OPEN ? cred_overdue(clock_wall()) : NULL;
	struct version *v = c ? overdue(c, clock_wall()) : NULL;
	struct change *change;

	if (!v) {
		job_done(j, OK);
		return;
	}
	j->cred = c;
	j->number = v->number;
	ENSURE(attrs_add_str(&j->what, "credential", c->name) == OK);
	ENSURE(attrs_add_u64(&j->what, "version", v->number) == OK);
	change = change_new();
	change_drop(change, v->row);
	job_commit(j, change, destroyed);
}

static void sweep_time(struct loop_timer *t)
{
	(void)t;
	cred_sweep();
}

/* When the next version ends; INT64_MAX: none. */
static int64_t next_end(void)
{
	int64_t soonest = INT64_MAX;
	struct cred *c;
	size_t at = 0;

	while ((c = map_next(vault.creds, &at)))
		for (struct version *v = c->current->next; v; v = v->next)
			if (v->destroy_at && v->destroy_at < soonest)
				soonest = v->destroy_at;
	return soonest;
}

void cred_sweep_by(int64_t wall)
{
	int64_t left = MAX(wall - clock_wall(), 0);
	uint64_t wait = VAULT_SWEEP_NS;

	if (left < (int64_t)(VAULT_SWEEP_NS / CLOCK_SECOND))
		wait = (uint64_t)left * CLOCK_SECOND;
	vault.sweep.on = sweep_time;
	if (!vault.sweep.loop || vault.sweep.at > loop_now(vault.loop) + wait)
		loop_arm(vault.loop, &vault.sweep, loop_now(vault.loop) + wait);
}

/* A destruction that failed is tried again at the next sweep. */
void cred_sweep(void)
{
	int64_t now = clock_wall(), day = now / 86400;
	int64_t end = vault.state == VAULT_OPEN ? next_end() : INT64_MAX;

	if (vault.day && vault.day != day)
		workers_new_day();
	vault.day = day;
	loop_disarm(&vault.sweep);
	cred_sweep_by(end <= now ? INT64_MAX : end);
	if (end <= now)
		job_start(job_internal("credential.destroy"), sweep_first);
}

/* list, show */

static enum err list_item(const struct cred *c, struct attrs *item)
{
	TRY(attrs_add_str(item, "name", c->name));
	TRY(attrs_add_str(item, "module", c->module->name));
	TRY(attrs_add_u64(item, "version", c->current->number));
	TRY(attrs_add_str(item, "enabled", c->enabled ? "yes" : "no"));
	return attrs_add_u64(item, "made", (uint64_t)c->current->made);
}

void verb_cred_list(const struct call *call, struct attr_view v)
{
	struct attrs item, reply;
	struct cred *c;
	size_t at = 0;

	(void)v;
	attrs_init(&item);
	attrs_init(&reply);
	while ((c = map_next(vault.creds, &at))) {
		attrs_clear(&item);
		ENSURE(list_item(c, &item) == OK);
		call_item(call, attrs_view(&item));
	}
	call_reply(call, &reply);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}

/* The shareable attributes, and the names of the confidential ones with the
 * confidential flag and no value. */
static enum err show_attributes(const struct version *v, struct attrs *out,
				struct fault *f)
{
	struct attr_view it, shared;
	struct attrs plain;
	struct attr a;
	enum err e;

	attrs_init(&plain);
	e = rows_open(v->row, &plain, f);
	if (e == OK)
		e = call_list(attrs_view(&plain), "attributes", &shared, f);
	if (e == OK)
		e = attrs_add_view(out, shared);
	it = attrs_view(&plain);
	while (e == OK && attr_next(&it, &a))
		if (attr_named(&a, "confidential"))
			e = attrs_add_named(out, (const char *)a.value, a.len,
					    ATTR_CONFIDENTIAL, NULL, 0);
	attrs_wipe(&plain);
	return e;
}

static enum err show_item(const struct cred *c, const struct version *v,
			  struct attrs *item, struct fault *f)
{
	char id[2 * EXPORT_ID + 1];
	struct attrs list;
	enum err e;

	TRY(attrs_add_str(item, "name", c->name));
	TRY(attrs_add_str(item, "module", c->module->name));
	TRY(attrs_add_u64(item, "version", v->number));
	TRY(attrs_add_str(item, "current", v->current ? "yes" : "no"));
	TRY(attrs_add_str(item, "enabled", c->enabled ? "yes" : "no"));
	TRY(attrs_add_u64(item, "made", (uint64_t)v->made));
	if (v->destroy_at)
		TRY(attrs_add_u64(item, "destroy_at", (uint64_t)v->destroy_at));
	if (c->kept_here)
		TRY(attrs_add_str(item, "exportable", "no"));
	enc_hex(v->id, EXPORT_ID, id);
	TRY(attrs_add_str(item, "id", id));
	attrs_init(&list);
	e = show_attributes(v, &list, f);
	if (e == OK)
		e = attrs_add(item, "attributes", 0, list.bytes.p,
			      list.bytes.len);
	attrs_wipe(&list);
	return e;
}

void verb_cred_show(const struct call *call, struct attr_view v)
{
	char name[VAULT_NAME_MAX + 1];
	struct attrs item, reply;
	struct fault f = { .code = OK };
	struct cred *c;
	enum err e = call_need(v, "name", name, sizeof name, &f);

	c = e == OK ? cred_find(name, strlen(name)) : NULL;
	if (e == OK && !c)
		e = fault_set(&f, ERR_NOT_FOUND, "there is no credential '%s'",
			      name);
	attrs_init(&item);
	attrs_init(&reply);
	for (struct version *one = c ? c->current : NULL; one && e == OK;
	     one = one->next) {
		attrs_clear(&item);
		e = show_item(c, one, &item, &f);
		if (e == OK)
			call_item(call, attrs_view(&item));
	}
	if (e == OK)
		call_reply(call, &reply);
	else
		call_error(call, e, f.text);
	attrs_wipe(&item);
	attrs_wipe(&reply);
}
