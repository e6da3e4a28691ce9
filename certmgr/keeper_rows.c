/* Keeper: what is kept in the store. Agents and owed revocations that have changed are
 * written together, one transaction at a time; grants (keeper_rows_grant.c) beside them.
 * Nothing confidential is in a row.
 *	keeper -> store	RS_LOAD, RS_COMMIT	store -> keeper	RS_LOAD, RS_ROW,
 *						RS_LOADED, RS_DONE, RS_FAILED */
#include "certmgr/keeper_rows.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

static struct agent **dirty; /* those whose row is to be written */
static size_t n_dirty, dirty_room;
static struct owed **owed;
static size_t n_owed, owed_room;
static uint64_t bad_rows; /* of a load: how many could not be read */
/* … how many have been taken, and have come since a store was asked. They come in the
 * same order each time, and are not changed until all are here. */
static uint64_t rows_taken, rows_came;

/* A transaction whose answer was lost with the store: what the next one has tells
 * whether it was done. */
static struct {
	bool is;
	bool had_store, puts,
		drops;            /* it made a store, puts rows, drops some */
	uint64_t drop;            /* the first of these */
	bool new_seen, drop_seen; /* a row that it put; the one it dropped */
} lost;

uint64_t rows_next(void)
{
	return ++keeper.next_row;
}

void rows_soon(void)
{
	if (!keeper.committing && keeper.loaded && chan_is_open(&keeper.store))
		loop_defer(keeper.loop, &keeper.commit_work);
}

/* The list, with room for one more. */
static void *roomy(void *list, size_t n, size_t *room, size_t each)
{
	if (n < *room)
		return list;
	*room = *room ? 2 * *room : 64;
	return xrealloc(list, *room * each);
}

void rows_dirty_boot(struct agent *a)
{
	if (!a->dirty) {
		dirty = roomy(dirty, n_dirty, &dirty_room, sizeof(*dirty));
		dirty[n_dirty++] = a;
		a->dirty = true;
	}
	rows_soon();
}

void rows_dirty(struct agent *a)
{
	a->lasting = true;
	rows_dirty_boot(a);
}

void rows_owed_dirty(struct owed *o)
{
	if (!o->dirty) {
		owed = roomy(owed, n_owed, &owed_room, sizeof(*owed));
		owed[n_owed++] = o;
		o->dirty = true;
	}
	rows_soon();
}

/* One transaction */

/* Takes list. */
static enum err add_list(struct attrs *msg, const char *name,
			 struct attrs *list)
{
	enum err e = attrs_add(msg, name, 0, list->bytes.p, list->bytes.len);

	attrs_wipe(list);
	return e;
}

enum err rows_put(struct attrs *msg, enum row_table t, uint64_t row,
		  const char *name, struct attr_view blob)
{
	struct row r = { .blob = blob.p, .blob_len = blob.len };
	struct attrs list;

	r.head.table = t;
	r.head.row = row;
	r.head.generation = keeper.generation + 1;
	TRY(row_head_name(&r.head, name, NULL));
	lost.puts = true;
	attrs_init(&list);
	ENSURE(row_format(&r, &list) == OK);
	return add_list(msg, "put", &list);
}

enum err rows_drop(struct attrs *msg, enum row_table t, uint64_t row)
{
	struct attrs list;

	if (!lost.drops)
		lost.drop = row;
	lost.drops = true;
	attrs_init(&list);
	ENSURE(attrs_add_str(&list, "table", row_table_name(t)) == OK);
	ENSURE(attrs_add_u64(&list, "row", row) == OK);
	return add_list(msg, "drop", &list);
}

/* The machine's going down must not undo it. */
static bool flying_lasting;

static void add_agent(struct attrs *msg, struct agent *a)
{
	struct attrs blob;

	flying_lasting |= a->lasting || a->gone;
	a->dirty = a->lasting = false;
	a->flying = true;
	a->put = !a->gone;
	if (a->gone) {
		if (a->stored)
			ENSURE(rows_drop(msg, ROW_AGENT, a->row) == OK);
		return;
	}
	attrs_init(&blob);
	ENSURE(agent_format(a, &blob) == OK);
	ENSURE(rows_put(msg, ROW_AGENT, a->row, a->id, attrs_view(&blob)) ==
	       OK);
	attrs_wipe(&blob);
}

/* stored is kept by `flying` the first time: a revocation that is done before its row
 * was ever written needs none. */
static void add_owed(struct attrs *msg, struct owed *o)
{
	struct attrs blob;

	flying_lasting = true;
	o->dirty = false;
	o->flying = true;
	if (o->done) {
		if (o->stored)
			ENSURE(rows_drop(msg, ROW_OWED, o->row) == OK);
		return;
	}
	attrs_init(&blob);
	ENSURE(owed_format(o, &blob) == OK);
	ENSURE(rows_put(msg, ROW_OWED, o->row, o->serial, attrs_view(&blob)) ==
	       OK);
	attrs_wipe(&blob);
	o->stored = true;
}

/* What is in flight, until the store has answered. */
static struct agent *flying[KEEPER_BATCH];
static struct owed *flying_owed[KEEPER_BATCH];
static size_t n_flying, n_flying_owed;

static void fill(struct attrs *msg)
{
	size_t used = 0;

	if (grants_wait()) {
		flying_lasting = true;
		grants_put(msg);
	}
	while (used < n_owed && n_flying_owed < KEEPER_BATCH &&
	       msg->bytes.len < KEEPER_BATCH_BYTES) {
		add_owed(msg, owed[used]);
		flying_owed[n_flying_owed++] = owed[used++];
	}
	n_owed -= used;
	if (n_owed) { /* no agent goes before what is owed for it is there */
		memmove(owed, owed + used, n_owed * sizeof(*owed));
		return;
	}
	used = 0;
	while (used < n_dirty && n_flying < KEEPER_BATCH &&
	       msg->bytes.len < KEEPER_BATCH_BYTES) {
		add_agent(msg, dirty[used]);
		flying[n_flying++] = dirty[used++];
	}
	n_dirty -= used;
	if (n_dirty)
		memmove(dirty, dirty + used, n_dirty * sizeof(*dirty));
}

static void commit_now(struct loop_work *w)
{
	struct attrs msg;

	(void)w;
	if (keeper.committing || !keeper.loaded ||
	    !chan_is_open(&keeper.store) ||
	    (!n_dirty && !n_owed && !grants_wait() && keeper.has_store))
		return;
	memset(&lost, 0, sizeof lost);
	lost.had_store = keeper.has_store;
	attrs_init(&msg);
	if (!keeper.has_store)
		ENSURE(attrs_add(&msg, "create", 0, keeper.store_id,
				 sizeof keeper.store_id) == OK);
	flying_lasting = !keeper.has_store;
	fill(&msg);
	if (!flying_lasting)
		ENSURE(attrs_add_str(&msg, "boot", "yes") == OK);
	keeper.committing = true;
	if (chan_send(&keeper.store, RS_COMMIT, KEEPER_ID_COMMIT,
		      attrs_view(&msg)) != OK)
		log_text(LOG_ERR, "commit", "the store is not there");
	attrs_wipe(&msg);
}

static void again(struct loop_timer *t)
{
	(void)t;
	rows_soon();
}

/* Its answer */

static void written(struct agent *a)
{
	a->flying = false;
	if (a->gone) {
		a->stored = a->put;
		if (!a->dirty)
			agent_free(a);
		return;
	}
	if (!a->stored)
		arena_plan_stored(a->slot);
	a->stored = true;
	net_want(&a->now);
	net_want(&a->coming);
	claims_stored(a);
}

static void owed_written(struct owed *o)
{
	o->flying = false;
	if (!o->done || o->dirty)
		return;
	waits_end(&o->waits, NULL, "revoked");
	owed_free(o);
}

static void committed(void)
{
	size_t n = n_flying, m = n_flying_owed;

	keeper.committing = false;
	keeper.generation++;
	keeper.has_store = true;
	keeper.store_fault.code = OK;
	n_flying = n_flying_owed = 0;
	grants_over(NULL);
	for (size_t i = 0; i < n; i++)
		written(flying[i]);
	for (size_t i = 0; i < m; i++)
		owed_written(flying_owed[i]);
	rows_soon();
}

/* Nothing of it was done: all of it is to be written again, a little later. A grant is
 * refused instead, as somebody waits. */
static void not_committed(const struct fault *why)
{
	size_t n = n_flying, m = n_flying_owed;

	keeper.committing = false;
	n_flying = n_flying_owed = 0;
	for (size_t i = 0; i < n; i++) {
		flying[i]->flying = false;
		rows_dirty(flying[i]);
	}
	for (size_t i = 0; i < m; i++) {
		flying_owed[i]->flying = false;
		rows_owed_dirty(flying_owed[i]);
	}
	grants_over(why);
	loop_undefer(keeper.loop, &keeper.commit_work);
	loop_arm(keeper.loop, &keeper.commit_timer,
		 loop_now(keeper.loop) + CLOCK_SECOND);
}

static void failed(const struct msg *m)
{
	char text[KEEPER_TEXT];
	struct fault f;

	if (call_need(m->attrs, "text", text, sizeof text, &f) != OK)
		child_broken("store");
	if (m->id == KEEPER_ID_LOAD) {
		(void)fault_set(&f, ERR_UNAVAILABLE, "%s", text);
		keeper_break(&f);
		return;
	}
	log_text(LOG_ERR, "not_written", "%s", text);
	(void)fault_set(&keeper.store_fault, ERR_UNAVAILABLE,
			"the store cannot be written: %s", text);
	not_committed(&keeper.store_fault);
}

/* Loading */

static void store_told(const struct msg *m)
{
	struct attr a;

	if (attr_only(m->attrs, "store", &a) != OK || a.len != STORE_ID_SIZE)
		child_broken("store");
	memcpy(keeper.store_id, a.value, STORE_ID_SIZE);
	keeper.has_store = true;
}

static void row_came(const struct msg *m)
{
	struct attr_view blob;
	struct fault f = { 0 };
	struct row r;
	enum err e;

	if (row_parse(m->attrs, &r, &f) != OK)
		child_broken("store");
	if (lost.is) {
		lost.new_seen |= r.head.generation > keeper.generation;
		lost.drop_seen |= r.head.row == lost.drop;
	}
	if (keeper.loaded || rows_came++ < rows_taken)
		return;
	rows_taken++;
	keeper.next_row = MAX(keeper.next_row, r.head.row);
	keeper.generation = MAX(keeper.generation, r.head.generation);
	e = attr_parse(r.blob, r.blob_len, &blob, &f);
	if (e == OK && r.head.table == ROW_AGENT)
		e = agent_load(r.head.row, blob, &f);
	else if (e == OK && r.head.table == ROW_GRANT)
		e = grant_load(r.head.row, blob, &f);
	else if (e == OK && r.head.table == ROW_OWED)
		owed_load(r.head.row, blob);
	if (e == OK)
		return;
	bad_rows++;
	log_text(LOG_ERR, "bad_row", "%s/%llu: %s",
		 row_table_name(r.head.table), (unsigned long long)r.head.row,
		 f.text);
}

static bool was_done(void)
{
	if (lost.puts)
		return lost.new_seen;
	return lost.drops ? !lost.drop_seen
			  : keeper.has_store && !lost.had_store;
}

static void found(void)
{
	struct fault f;

	lost.is = false;
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"the store was started anew: try again");
	if (was_done())
		committed();
	else
		not_committed(&f);
}

static void loaded(void)
{
	struct fault f;

	if (lost.is)
		found();
	if (keeper.loaded)
		return;
	keeper.loaded = true;
	if (bad_rows) {
		(void)fault_set(&f, ERR_INVALID,
				"%llu rows of the store cannot be read: put a "
				"copy of it back, or move it away and start "
				"anew",
				(unsigned long long)bad_rows);
		keeper_break(&f);
		return;
	}
	if (!keeper.has_store)
		random_fill(keeper.store_id, sizeof keeper.store_id);
	agents_adopt();
	loop_defer(keeper.loop, &keeper.commit_work);
	keeper_rows_loaded();
}

void rows_from_store(const struct msg *m)
{
	switch ((enum rowstore_kind)m->kind) {
	case RS_LOAD:
		store_told(m);
		return;
	case RS_ROW:
		row_came(m);
		return;
	case RS_LOADED:
		loaded();
		return;
	case RS_DONE:
		committed();
		return;
	case RS_FAILED:
		failed(m);
		return;
	case RS_COMMIT:
	case RS_AUDIT_OPEN:
	case RS_RECORD:
	case RS_AUDIT_READY:
	case RS_APPEND:
	case RS_APPENDED:
	case RS_CHECKPOINT:
	case RS_READ:
	case RS_NOTE:
		break;
	}
	child_broken("store");
}

void rows_store_came(void)
{
	if (!keeper.loaded || lost.is) {
		rows_came = 0;
		if (chan_send(&keeper.store, RS_LOAD, KEEPER_ID_LOAD,
			      (struct attr_view){ 0 }) != OK)
			log_text(LOG_ERR, "load", "the store is not there");
		return;
	}
	rows_soon();
}

void rows_store_gone(void)
{
	lost.is = keeper.committing;
	lost.new_seen = lost.drop_seen = false;
}

void rows_init(void)
{
	keeper.commit_work.on = commit_now;
	keeper.commit_timer.on = again;
}
