/* Vault: opening and sealing the store. Unsealing brings the master key in (from an
 * opener, or from the arena after this process died), opens every row that decides
 * something, checks the set against its state row, and the store against its log.
 * Until all of that is well, nothing is served. */
#include "credd/vault.h"

#include "lib/enc.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The arena: one page of memfd_secret that outlives this process */

enum {
	ARENA_MARK = 8,
	ARENA_EPOCH = 8,
	ARENA_KEY = 16
};
static const uint8_t arena_mark[ARENA_MARK] = "cretula1";

static void arena_put(void)
{
	if (!vault.arena)
		return;
	memcpy(vault.arena + ARENA_KEY, secret_bytes(vault.master), KEY_SIZE);
	vault.arena[ARENA_EPOCH] = (uint8_t)(vault.epoch >> 24);
	vault.arena[ARENA_EPOCH + 1] = (uint8_t)(vault.epoch >> 16);
	vault.arena[ARENA_EPOCH + 2] = (uint8_t)(vault.epoch >> 8);
	vault.arena[ARENA_EPOCH + 3] = (uint8_t)vault.epoch;
	memcpy(vault.arena, arena_mark, ARENA_MARK);
}

static void arena_clear(void)
{
	if (vault.arena)
		secret_zero(vault.arena, ARENA_KEY + KEY_SIZE);
}

static bool arena_get(void)
{
	struct rd r;

	if (!vault.arena || memcmp(vault.arena, arena_mark, ARENA_MARK))
		return false;
	r = rd_from(vault.arena + ARENA_EPOCH, 4);
	ENSURE(rd_u32(&r, &vault.epoch) == OK);
	secret_drop(&vault.master);
	vault.master = secret_from(vault.arena + ARENA_KEY);
	return true;
}

/* States */

const struct box_keys *seal_box_keys(void)
{
	return vault.transport ? vault.transport : vault.boot_transport;
}

void seal_publish(void)
{
	const struct box_keys *k = seal_box_keys();
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add(&a, "key", 0, box_public(k), BOX_KEY) == OK);
	chan_tell(&vault.sup, SUP_TRANSPORT, 0, attrs_view(&a));
	attrs_wipe(&a);
}

void seal_set_state(enum vault_state s)
{
	vault.state = s;
	conns_pause(&vault.conns, s == VAULT_STARTING);
	if (s != VAULT_STARTING)
		vault_is_ready();
}

void seal_break(const struct fault *f)
{
	vault.broken = *f;
	log_text(LOG_CRIT, "store_refused", "%s", f->text);
	seal_set_state(VAULT_BROKEN);
}

/* Back to sealed rows and nothing else. */
void seal_forget(void)
{
	runs_fail(ERR_SEALED, "the store was sealed meanwhile");
	workers_kill_all();
	creds_close();
	seen_close();
	peers_close();
	grant_set_free(vault.grants);
	vault.grants = grant_set_new();
	modules_close();
	box_keys_drop(&vault.transport);
	audit_link_close(vault.log);
	secret_drop(&vault.audit_seed);
	seal_keys_drop(&vault.keys);
	secret_drop(&vault.master);
	set_init(&vault.set);
}

/* Opening */

enum err key_load_row(struct vrow *v, struct fault *f)
{
	struct attrs a;
	struct attr k;
	enum err e;

	attrs_init_secret(&a);
	e = rows_open(v, &a, f);
	if (e == OK &&
	    (attr_only(attrs_view(&a), "key", &k) != OK || k.len != KEY_SIZE))
		e = fault_set(f, ERR_INVALID, "the key row '%s' has no key",
			      v->name);
	if (e == OK && !strcmp(v->name, "audit")) {
		secret_drop(&vault.audit_seed);
		vault.audit_seed = secret_from(k.value);
	} else if (e == OK && !strcmp(v->name, "transport")) {
		box_keys_drop(&vault.transport);
		vault.transport = box_keys_from(k.value);
	} else if (e == OK && !strcmp(v->name, "sealing")) {
		secret_drop(&vault.sealing);
		vault.sealing = secret_from(k.value);
	} else if (e == OK && !strcmp(v->name, "signing")) {
		secret_drop(&vault.signing);
		vault.signing = secret_from(k.value);
	}
	attrs_wipe(&a);
	return e;
}

static enum err slot_check_row(const struct vrow *v, struct fault *f)
{
	const uint8_t *header, *blob;
	struct slot_header h;

	TRY(slot_split(v->blob, v->blob_len, &header, &blob, f));
	return slot_header_parse(header, SLOT_HEADER, &h, f);
}

static enum err load_row(struct vrow *v, struct fault *f)
{
	switch ((enum row_table)v->place.table) {
	case ROW_CREDENTIAL:
		return cred_load_row(v, f);
	case ROW_GRANT:
		return grant_load_row(v, f);
	case ROW_MODULE:
		return module_load_row(v, f);
	case ROW_KEY:
		return key_load_row(v, f);
	case ROW_SLOT:
		return slot_check_row(v, f);
	case ROW_PEER:
		return peer_load_row(v, f);
	case ROW_SEEN:
		return seen_load_row(v, f);
	case ROW_STATE:
	case ROW_AGENT:
	case ROW_OWED:
	case ROW_META:
	case ROW__MAX:
		break;
	}
	return fault_set(f, ERR_INVALID, "the store has a row of no table");
}

/* Modules first: credentials name them. */
static enum err load_tables(struct fault *f)
{
	struct vrow *v;
	size_t at = 0;

	while ((v = map_next(vault.rows, &at))) {
		struct row r = vrow_row(v);

		set_add(&vault.set, vault.keys, &r);
		if (v->place.table == ROW_MODULE)
			TRY(load_row(v, f));
	}
	at = 0;
	while ((v = map_next(vault.rows, &at)))
		if (v->place.table != ROW_MODULE)
			TRY(load_row(v, f));
	return creds_check(f);
}

static enum err open_state(struct set_state *st, struct fault *f)
{
	struct attrs a;
	enum err e;

	if (!vault.state_row)
		return fault_set(f, ERR_INVALID,
				 "the store's state row is gone: somebody "
				 "deleted it; restore a backup");
	attrs_init(&a);
	e = rows_open(vault.state_row, &a, f);
	if (e == OK)
		e = set_state_parse(attrs_view(&a), st, f);
	if (e == OK)
		e = next_rows_parse(attrs_view(&a), f);
	attrs_wipe(&a);
	return e;
}

static enum err open_rows(struct fault *f)
{
	set_init(&vault.set);
	vault.keys = seal_keys_new(secret_bytes(vault.master), vault.store_id,
				   vault.epoch);
	TRY(open_state(&vault.sealed_state, f));
	TRY(load_tables(f));
	TRY(set_check(&vault.set, &vault.sealed_state, f));
	vault.generation = vault.sealed_state.generation;
	if (!vault.audit_seed || !vault.transport)
		return fault_set(f, ERR_INVALID,
				 "the store has lost its keys: restore a "
				 "backup");
	return OK;
}

/* With the master key in vault.master: rows, then the log; `opening` is told. */
void seal_open_store(void (*opening)(enum err e, const struct fault *f))
{
	struct fault f;
	enum err e = open_rows(&f);

	vault.opening = opening;
	if (e != OK) {
		seal_forget();
		opening(e, &f);
		return;
	}
	audit_open_log();
}

void seal_opened_log(const struct fault *why)
{
	if (why)
		seal_forget();
	vault.opening(why ? why->code : OK, why);
}

void seal_now_open(void)
{
	arena_put();
	seal_set_state(VAULT_OPEN);
	seal_publish();
	chan_tell(&vault.sup, SUP_UNSEALED, 0, (struct attr_view){ 0 });
	peers_opened();
	cred_sweep();
}

/* Starting */

static void started_from_arena(enum err e, const struct fault *f)
{
	if (e != OK) {
		seal_break(f);
		return;
	}
	seal_now_open();
	log_text(LOG_INFO, "open", "opened with the key of the arena");
}

void seal_loaded(void)
{
	if (!vault.modules_known || vault.loading || !vault.rows_known ||
	    vault.state != VAULT_STARTING || !chan_is_open(&vault.zygote) ||
	    vault.master || vault.job)
		return;
	seal_publish();
	if (!vault.has_store) {
		seal_set_state(VAULT_EMPTY);
	} else if (arena_get()) {
		seal_open_store(started_from_arena);
	} else if (!unseal_by_keyfile()) {
		seal_set_state(VAULT_SEALED);
	}
}

/* The opener: one question, then it ends */

static void opener_late(struct loop_timer *t)
{
	struct job *j = (struct job *)((char *)t - offsetof(struct job, timer));

	chan_close(&vault.opener);
	j->then(j, fault_set(&j->fault, ERR_TIMEOUT,
			     "the opener did not answer: is there enough "
			     "memory for Argon2id?"));
}

void seal_ask_opener(struct job *j, uint32_t kind, struct attrs *question)
{
	struct attrs want;

	j->ask_kind = kind;
	j->ask = question;
	j->timer.on = opener_late;
	loop_arm(vault.loop, &j->timer, loop_now(vault.loop) + VAULT_OPENER_NS);
	attrs_init(&want);
	ENSURE(attrs_add_str(&want, "role", "opener") == OK);
	ENSURE(attrs_add_u64(&want, "ref", 0) == OK);
	chan_tell(&vault.sup, SUP_WANT, 0, attrs_view(&want));
	attrs_wipe(&want);
}

void seal_opener_came(int fd)
{
	static const struct chan_ops ops = { seal_from_opener, seal_opener_end,
					     NULL };
	struct job *j = vault.job;

	if (!j || !j->ask) {
		close(fd);
		return;
	}
	chan_close(&vault.opener);
	chan_open(&vault.opener, vault.loop, fd, true, &ops);
	chan_tell(&vault.opener, j->ask_kind, 0, attrs_view(j->ask));
	attrs_clear(j->ask);
	j->ask = NULL;
}

static void opener_answered(enum err e)
{
	struct job *j = vault.job;

	loop_disarm(&j->timer);
	chan_close(&vault.opener);
	j->then(j, e);
}

void seal_opener_end(struct chan *c, const struct fault *why)
{
	(void)c;
	(void)why;
	opener_answered(fault_set(&vault.job->fault, ERR_UNAVAILABLE,
				  "the opener ended without an answer: try "
				  "again"));
}

void seal_from_opener(struct chan *c, const struct msg *m)
{
	struct job *j = vault.job;
	char name[64], text[FAULT_TEXT_MAX];
	enum err e = ERR_INTERNAL;

	(void)c;
	if (m->kind == VO_KEY || m->kind == VO_SLOT) {
		attrs_clear(&j->plain);
		e = attrs_add_view(&j->plain, m->attrs);
	} else if (call_need(m->attrs, "error", name, sizeof name, &j->fault) ==
			   OK &&
		   err_parse(name, strlen(name), &e) == OK &&
		   call_need(m->attrs, "text", text, sizeof text, &j->fault) ==
			   OK) {
		(void)fault_set(&j->fault, e, "%s", text);
	}
	opener_answered(e);
}

/* Boxes */

enum err seal_open_box(struct attr_view v, struct attrs *out, struct fault *f)
{
	struct attr a;

	if (attr_only(v, "box", &a) != OK)
		return fault_set(f, ERR_INVALID,
				 "the call has no box with what is "
				 "confidential");
	if (vault.transport &&
	    box_open(vault.transport, a.value, a.len, out, f) == OK)
		return OK;
	attrs_clear(out);
	return box_open(vault.boot_transport, a.value, a.len, out, f);
}

/* seal */

static void sealed_noted(struct job *j, enum err e)
{
	seal_forget();
	arena_clear();
	seal_set_state(VAULT_SEALED);
	seal_publish();
	chan_tell(&vault.sup, SUP_SEALED, 0, (struct attr_view){ 0 });
	job_done(j, OK);
	(void)e;
}

static void seal_recorded(struct job *j, enum err e)
{
	if (e != OK) { /* sealing is never refused */
		sealed_noted(j, e);
		return;
	}
	j->then = sealed_noted;
	audit_job_note(j);
}

void verb_seal(struct job *j)
{
	j->then = seal_recorded;
	if (job_event(j) == OK)
		audit_job_record(j, attrs_view(&j->what));
	else
		seal_recorded(j, ERR_TOO_LARGE);
}
