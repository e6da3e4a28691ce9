/* Keeper: an agent as a row of the store, and back; and what a keeper that was started
 * anew makes of both the rows and the arena. No private key is in a row. */
#include "certmgr/keeper.h"

#include "lib/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const view_names[] = {
	[AGENT_VIEW_NO] = "no",
	[AGENT_VIEW_TREE] = "yes",
	[AGENT_VIEW_SELF] = "self",
};

/* Out */

static enum err put_hold(struct attrs *out, const char *name,
			 const struct hold *h)
{
	struct attrs v;
	enum err e = OK;

	if (h->state == HOLD_NONE)
		return OK;
	attrs_init(&v);
	e = attrs_add_u64(&v, "key", h->key);
	if (e == OK && h->replaces[0])
		e = attrs_add_str(&v, "replaces", h->replaces);
	if (e == OK && h->after[0])
		e = attrs_add_str(&v, "after", h->after);
	if (e == OK && h->csr)
		e = attrs_add(&v, "csr", 0, h->csr, h->csr_len);
	if (e == OK && h->cert) {
		e = attrs_add(&v, "certificate", 0, h->cert, h->cert_len);
		if (e == OK)
			e = attrs_add_str(&v, "serial", h->serial);
		if (e == OK)
			e = attrs_add_u64(&v, "not_before",
					  (uint64_t)h->not_before);
		if (e == OK)
			e = attrs_add_u64(&v, "not_after",
					  (uint64_t)h->not_after);
	}
	if (e == OK)
		e = attrs_add(out, name, 0, v.bytes.p, v.bytes.len);
	attrs_wipe(&v);
	return e;
}

static enum err put_olds(struct attrs *out, const struct agent *a)
{
	for (unsigned i = 0; i < a->olds; i++)
		TRY(attrs_add_fmt(out, "old", "%s %lld", a->old[i].serial,
				  (long long)a->old[i].not_after));
	return OK;
}

static enum err put_process(struct attrs *out, const struct agent *a)
{
	struct attrs v;
	enum err e;

	if (!a->bound)
		return OK;
	attrs_init(&v);
	e = procinfo_format(&a->who, &v);
	if (e == OK)
		e = attrs_add(out, "process", 0, v.bytes.p, v.bytes.len);
	attrs_wipe(&v);
	if (e == OK && a->program)
		e = attrs_add_str(out, "program", "yes");
	return e;
}

enum err agent_format(const struct agent *a, struct attrs *out)
{
	TRY(attrs_add_str(out, "agent", a->id));
	TRY(attrs_add_str(out, "type", a->type));
	TRY(attrs_add_str(out, "boot", keeper.boot));
	TRY(attrs_add_u64(out, "spawner", a->spawner));
	TRY(attrs_add_u64(out, "uid", a->uid));
	TRY(attrs_add_u64(out, "made", (uint64_t)a->made));
	TRY(attrs_add(out, "token", 0, a->token, sizeof a->token));
	TRY(attrs_add_str(out, "view", view_names[a->view]));
	TRY(attrs_add_u64(out, "on_renew", (uint64_t)a->on_renew));
	TRY(attrs_add_u64(out, "lifetime", a->lifetime));
	TRY(attrs_add_view(out, attrs_view(&a->names)));
	TRY(put_process(out, a));
	if (a->claimed)
		TRY(attrs_add_str(out, "claimed", "yes"));
	if (a->changed)
		TRY(attrs_add_u64(out, "changed", (uint64_t)a->changed));
	if (a->state == AGENT_ENDED)
		TRY(attrs_add_str(out, "ended", a->reason));
	if (a->failed != OK)
		TRY(attrs_add_fmt(out, "failed", "%s %s", err_name(a->failed),
				  a->why));
	TRY(put_hold(out, "now", &a->now));
	TRY(put_hold(out, "coming", &a->coming));
	return put_olds(out, a);
}

/* In */

static enum err get_text(struct attr_view v, const char *name, char *out,
			 size_t size, struct fault *f)
{
	enum err e = call_text(v, name, out, size, f);

	if (e != ERR_NOT_FOUND)
		return e;
	out[0] = 0;
	return OK;
}

static enum err get_number(struct attr_view v, const char *name, uint64_t most,
			   uint64_t *out, struct fault *f)
{
	return call_number(v, name, 0, most, out, f);
}

static bool has(struct attr_view v, const char *name)
{
	struct attr a;

	return attr_find(v, name, &a);
}

static void *copy_of(struct attr_view v, const char *name, size_t *len)
{
	struct attr a;

	*len = 0;
	if (attr_only(v, name, &a) != OK || !a.len)
		return NULL;
	*len = a.len;
	return xmemdup(a.value, a.len);
}

/* Its key is where it was, if the arena outlived what was before us. */
static enum err get_hold(struct agent *a, struct attr_view row,
			 const char *name, struct hold *h, struct fault *f)
{
	struct attr_view v;
	uint64_t key, before, after;

	h->of = a;
	TRY(call_list(row, name, &v, f));
	if (!v.len)
		return OK;
	TRY(get_number(v, "key", ARENA_KEYS - 1, &key, f));
	TRY(get_number(v, "not_before", INT64_MAX, &before, f));
	TRY(get_number(v, "not_after", INT64_MAX, &after, f));
	TRY(get_text(v, "serial", h->serial, sizeof h->serial, f));
	TRY(get_text(v, "replaces", h->replaces, sizeof h->replaces, f));
	TRY(get_text(v, "after", h->after, sizeof h->after, f));
	h->key = (unsigned)key;
	h->not_before = (int64_t)before;
	h->not_after = (int64_t)after;
	h->csr = copy_of(v, "csr", &h->csr_len);
	h->cert = copy_of(v, "certificate", &h->cert_len);
	if (!h->csr && (!h->cert || !h->serial[0]))
		return fault_set(f, ERR_INVALID, "'%s' is not whole", name);
	h->state = h->cert ? HOLD_MADE : HOLD_WANTED;
	h->repeat = h->state == HOLD_WANTED;
	return OK;
}

static enum err get_olds(struct agent *a, struct attr_view v, struct fault *f)
{
	struct attr at;

	while (attr_next(&v, &at)) {
		struct old_cert *o = &a->old[a->olds];
		uint64_t end;
		struct attr n = at;

		if (!attr_named(&at, "old"))
			continue;
		if (a->olds == KEEPER_OLD || at.len < 2 * SERIAL_SIZE + 2)
			return fault_set(f, ERR_INVALID, "'old' is not whole");
		memcpy(o->serial, at.value, 2 * SERIAL_SIZE);
		n.value += 2 * SERIAL_SIZE + 1;
		n.len -= 2 * SERIAL_SIZE + 1;
		if (attr_u64(&n, INT64_MAX, &end) != OK)
			return fault_set(f, ERR_INVALID, "'old' has no date");
		o->not_after = (int64_t)end;
		a->olds++;
	}
	return OK;
}

static enum err get_view(struct agent *a, struct attr_view v, struct fault *f)
{
	char text[8];

	TRY(get_text(v, "view", text, sizeof text, f));
	for (unsigned i = 0; i < NELEM(view_names); i++)
		if (!strcmp(text, view_names[i]))
			a->view = (enum agent_view)i;
	return OK;
}

static enum err get_names(struct agent *a, struct attr_view v)
{
	struct attr at;

	while (attr_next(&v, &at))
		if (attr_named(&at, "name") || attr_named(&at, "uri"))
			TRY(attrs_add_attr(&a->names, &at));
	return OK;
}

static enum err get_numbers(struct agent *a, struct attr_view v,
			    struct fault *f)
{
	uint64_t n;

	TRY(get_number(v, "spawner", UINT32_MAX, &n, f));
	a->spawner = (uid_t)n;
	TRY(get_number(v, "uid", UINT32_MAX, &n, f));
	a->uid = (uid_t)n;
	TRY(get_number(v, "made", INT64_MAX, &n, f));
	a->made = (int64_t)n;
	TRY(get_number(v, "changed", INT64_MAX, &n, f));
	a->changed = (int64_t)n;
	TRY(get_number(v, "on_renew", 64, &n, f));
	a->on_renew = (int)n;
	return get_number(v, "lifetime", UINT32_MAX, &a->lifetime, f);
}

static enum err get_failed(struct agent *a, struct attr_view v, struct fault *f)
{
	char text[KEEPER_TEXT + 32];
	size_t n;

	TRY(get_text(v, "failed", text, sizeof text, f));
	n = strcspn(text, " ");
	if (text[0] && text[n]) {
		TRY(err_parse(text, n, &a->failed));
		keeper.some_failed = true;
		(void)snprintf(a->why, sizeof a->why, "%.*s",
			       (int)sizeof a->why - 1, text + n + 1);
	}
	return OK;
}

static enum err fill(struct agent *a, struct attr_view v, struct fault *f)
{
	struct attr_view process;
	struct attr token;

	TRY(call_need(v, "type", a->type, sizeof a->type, f));
	TRY(get_numbers(a, v, f));
	TRY(get_view(a, v, f));
	TRY(get_names(a, v));
	TRY(get_failed(a, v, f));
	if (attr_only(v, "token", &token) != OK ||
	    token.len != AGENT_TOKEN_HASH)
		return fault_set(f, ERR_INVALID, "it has no token's hash");
	memcpy(a->token, token.value, AGENT_TOKEN_HASH);
	TRY(call_list(v, "process", &process, f));
	a->bound = process.len > 0;
	if (a->bound)
		TRY(procinfo_parse(process, &a->who, f));
	a->program = has(v, "program");
	a->claimed = has(v, "claimed");
	TRY(get_hold(a, v, "now", &a->now, f));
	TRY(get_hold(a, v, "coming", &a->coming, f));
	return get_olds(a, v, f);
}

static bool other_boot(struct attr_view v)
{
	struct attr a;

	return attr_only(v, "boot", &a) != OK || !attr_is(&a, keeper.boot);
}

/* The one that it has, or a new one: also where all are taken it needs no other. */
static unsigned slot_of(const char *id)
{
	unsigned slot = arena_of(id);

	return slot == UINT_MAX ? arena_take() : slot;
}

static void look_for_keys(struct agent *a)
{
	if (strcmp(arena_owner(a->slot), a->id) != 0) {
		arena_plan(a->slot, a->id, (struct attr_view){ 0 });
		return;
	}
	a->now.has_key = arena_key(a->slot, a->now.key).n > 0;
	a->coming.has_key = arena_key(a->slot, a->coming.key).n > 0;
}

static enum err load(uint64_t row, struct attr_view v, bool stored,
		     struct fault *f)
{
	char id[AGENT_ID_LEN + 1], ended[32];
	struct agent *a;
	enum err e;

	TRY(call_need(v, "agent", id, sizeof id, f));
	TRY(agent_id_check(span_str(id), f));
	TRY(get_text(v, "ended", ended, sizeof ended, f));
	if (agent_find(id))
		return fault_set(f, ERR_INVALID, "agent '%s' is there twice",
				 id);
	a = agent_new(id, slot_of(id), f);
	if (!a)
		return f->code;
	a->row = row;
	a->stored = stored;
	e = fill(a, v, f);
	look_for_keys(a);
	if (e != OK) {
		keeper.live--;
		agent_free(a);
		return e;
	}
	if (ended[0] || other_boot(v))
		(void)snprintf(a->reason, sizeof a->reason, "%s",
			       ended[0] ? ended : "cessationOfOperation");
	else
		agent_charge(a); /* whatever the limit is now */
	return OK;
}

enum err agent_load(uint64_t row, struct attr_view v, struct fault *f)
{
	return load(row, v, true, f);
}

/* What follows, once the log is open */

/* A key that is gone with the memory that held it: of an agent that still needs it.
 * Its certificate is revoked, then another made: never two valid at once. If it was
 * about to be renewed, what was to come takes its place. */
static void replace_now(struct agent *a)
{
	char serial[sizeof a->now.serial];

	memcpy(serial, a->now.serial, sizeof serial);
	(void)owed_add(a->id, serial, a->now.not_after, "superseded");
	hold_wipe(a, &a->now);
	a->claimed = false;
	a->changed = clock_wall();
	if (a->coming.has_key) {
		a->now = a->coming;
		a->coming = (struct hold){ .of = a };
		rows_dirty(a);
		return;
	}
	hold_begin(a, &a->now, !a->coming.key);
	memcpy(a->now.after, serial, sizeof serial);
}

static void replace_lost(struct agent *a)
{
	bool needs = !a->claimed || a->view != AGENT_VIEW_NO;
	struct hold *next = &a->coming;

	if (next->state == HOLD_WANTED && !next->has_key)
		next->lost = true; /* to be known, then revoked */
	if (next->state == HOLD_MADE && !next->has_key) {
		(void)owed_add(a->id, next->serial, next->not_after,
			       "superseded");
		hold_wipe(a, next);
		rows_dirty(a);
	}
	if (a->now.state == HOLD_WANTED && !a->now.has_key)
		a->now.lost = true;
	else if (a->now.state == HOLD_MADE && !a->now.has_key && needs)
		replace_now(a);
}

void agent_resume(struct agent *a)
{
	if (a->reason[0]) {
		agent_end(a, "ended", a->reason);
		return;
	}
	replace_lost(a);
	net_want(&a->now);
	net_want(&a->coming);
	agent_schedule(a);
	view_tell(a);
}

static void adopt(unsigned slot)
{
	char id[AGENT_ID_LEN + 1];
	struct attr_view v;
	struct fault f;
	AUTO(mem_free) uint8_t *plan = NULL;

	(void)snprintf(id, sizeof id, "%s", arena_owner(slot));
	if (!id[0] || agent_find(id))
		return;
	v = arena_plan_of(slot);
	if (!v.len) {
		arena_free(slot);
		return;
	}
	plan = xmemdup(v.p, v.len);
	if (attr_parse(plan, v.len, &v, &f) != OK ||
	    load(rows_next(), v, false, &f) != OK) {
		log_text(LOG_ERR, "bad_plan", "%s: %s", id, f.text);
		if (arena_owner(slot)[0])
			arena_free(slot);
		return;
	}
	/* it was promised: nobody has been asked for its certificate yet */
	rows_dirty(agent_find(id));
}

void agents_adopt(void)
{
	for (unsigned i = 0; i < keeper.slots; i++)
		adopt(i);
}
