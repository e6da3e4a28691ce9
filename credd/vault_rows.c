/* Vault: the rows of the store in memory (their blobs sealed), how they are loaded,
 * and changes: all rows of one are written in one transaction, together with the
 * state row that signs the whole set.
 *	vault -> store	RS_LOAD, RS_COMMIT	store -> vault	RS_ROW, RS_LOADED,
 *							RS_DONE, RS_FAILED */
#include "credd/vault.h"
#include "lib/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void row_key(const void *value, const void **key, size_t *len)
{
	const struct vrow *v = value;

	*key = &v->place;
	*len = sizeof v->place;
}

void rows_init(void)
{
	vault.rows = map_new(row_key);
}

struct vrow *rows_find(enum row_table table, uint64_t row)
{
	struct vrow_place p = { .table = table, .row = row };

	return map_find(vault.rows, &p, sizeof p);
}

struct row vrow_row(const struct vrow *v)
{
	struct row r = { .blob = v->blob, .blob_len = v->blob_len };

	r.head.table = (enum row_table)v->place.table;
	r.head.row = v->place.row;
	r.head.version = v->version;
	r.head.generation = v->generation;
	ENSURE(row_head_name(&r.head, v->name, v->module) == OK);
	return r;
}

static struct vrow *vrow_new(const struct row *r)
{
	struct vrow *v = xcalloc(1, sizeof *v);

	v->place.table = r->head.table;
	v->place.row = r->head.row;
	v->version = r->head.version;
	v->generation = r->head.generation;
	v->name = xstrdup(r->head.name);
	v->module = xstrdup(r->head.module);
	v->blob = xmemdup(r->blob, r->blob_len);
	v->blob_len = r->blob_len;
	return v;
}

void vrow_free(struct vrow *v)
{
	if (!v)
		return;
	free(v->name);
	free(v->module);
	free(v->blob);
	free(v);
}

enum err rows_open(const struct vrow *v, struct attrs *out, struct fault *f)
{
	struct row r = vrow_row(v);

	return seal_open_row(vault.keys, &r.head, r.blob, r.blob_len, out, f);
}

void rows_forget(void)
{
	struct vrow *v;
	size_t at = 0;

	while ((v = map_next(vault.rows, &at)))
		vrow_free(v);
	map_free(vault.rows);
	vrow_free(vault.state_row);
	vault.state_row = NULL;
	rows_init();
}

/* Loading */

void rows_load(void)
{
	vault.loading = true;
	chan_tell(&vault.store, RS_LOAD, STORE_ID_LOAD,
		  (struct attr_view){ 0 });
}

static void row_keep(struct vrow *v)
{
	if (v->place.table == ROW_STATE) {
		vrow_free(vault.state_row);
		vault.state_row = v;
		return;
	}
	map_add(vault.rows, v);
	if (v->place.row >= vault.next_row[v->place.table])
		vault.next_row[v->place.table] = v->place.row + 1;
}

static void row_came(const struct msg *m)
{
	struct fault f;
	struct row r;
	struct vrow *v;

	if (row_parse(m->attrs, &r, &f) != OK) {
		f.code = ERR_INVALID;
		seal_break(&f);
		return;
	}
	if (vault.store_lost) { /* only what a lost commit came to matters */
		if (r.head.table == ROW_STATE) {
			vrow_free(vault.state_row);
			vault.state_row = vrow_new(&r);
		}
		return;
	}
	v = vrow_new(&r);
	if (r.head.table != ROW_STATE && rows_find(r.head.table, r.head.row)) {
		vrow_free(v);
		(void)fault_set(&f, ERR_INVALID,
				"the store has a row twice: restore a backup");
		seal_break(&f);
		return;
	}
	row_keep(v);
}

static void load_began(const struct msg *m)
{
	struct attr a;

	if (attr_only(m->attrs, "store", &a) != OK)
		return;
	if (a.len != STORE_ID_SIZE)
		child_broken("store");
	memcpy(vault.store_id, a.value, STORE_ID_SIZE);
	vault.has_store = true;
}

/* Changes */

struct change *change_new(void)
{
	struct change *c = xcalloc(1, sizeof *c);

	c->generation = vault.generation + 1;
	c->set = vault.set;
	return c;
}

void change_free(struct change *c)
{
	for (size_t i = 0; i < c->puts; i++)
		vrow_free(c->put[i]);
	free(c);
}

enum err change_head(struct change *c, enum row_table table, uint64_t row,
		     const char *name, const char *module, uint64_t version,
		     struct row_head *h, struct fault *f)
{
	*h = (struct row_head){ .table = table,
				.row = row,
				.version = version,
				.generation = c->generation };
	if (row_head_name(h, name, module) != OK)
		return fault_set(f, ERR_TOO_LARGE, "the name is too long");
	return OK;
}

static enum err change_add(struct change *c, const struct row *r,
			   struct vrow **made, struct fault *f)
{
	struct vrow *v;

	if (c->puts == CHANGE_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "one change touches more than %d rows",
				 CHANGE_MAX);
	v = vrow_new(r);
	c->put[c->puts++] = v;
	if (r->head.table != ROW_STATE)
		set_add(&c->set, vault.keys, r);
	if (made)
		*made = v;
	return OK;
}

uint64_t change_row(enum row_table table)
{
	if (!vault.next_row[table])
		vault.next_row[table] = 1;
	return vault.next_row[table]++;
}

enum err change_put(struct change *c, enum row_table table, uint64_t row,
		    const char *name, const char *module, uint64_t version,
		    struct attr_view plain, struct vrow **made, struct fault *f)
{
	struct row r = { .blob = NULL };
	struct buf blob;
	enum err e;

	TRY(change_head(c, table, row, name, module, version, &r.head, f));
	buf_init(&blob, ROW_BLOB_MAX);
	e = seal_row(vault.keys, &r.head, plain, &blob);
	r.blob = blob.p;
	r.blob_len = blob.len;
	e = e == OK ? change_add(c, &r, made, f)
		    : fault_set(f, e, "'%s' is too large to be stored", name);
	buf_wipe(&blob);
	return e;
}

enum err change_put_blob(struct change *c, enum row_table table, uint64_t row,
			 const char *name, const void *blob, size_t len,
			 struct vrow **made, struct fault *f)
{
	struct row r = { .blob = blob, .blob_len = len };

	TRY(change_head(c, table, row, name, "", 0, &r.head, f));
	return change_add(c, &r, made, f);
}

void change_drop(struct change *c, struct vrow *old)
{
	struct row r = vrow_row(old);

	ENSURE(c->drops < CHANGE_MAX);
	c->drop[c->drops++] = old;
	set_drop(&c->set, vault.keys, &r);
}

/* Row numbers are not used again, not after a restart either: the log names
 * grants by them. */
static enum err next_rows_format(struct attrs *a)
{
	char name[ATTR_NAME_MAX + 1];

	for (unsigned t = 0; t < ROW__MAX; t++) {
		if (t == ROW_STATE || !vault.next_row[t])
			continue;
		(void)snprintf(name, sizeof name, "next.%s",
			       row_table_name((enum row_table)t));
		TRY(attrs_add_u64(a, name, vault.next_row[t]));
	}
	return OK;
}

enum err next_rows_parse(struct attr_view state, struct fault *f)
{
	char name[ATTR_NAME_MAX + 1];
	uint64_t next;

	for (unsigned t = 0; t < ROW__MAX; t++) {
		if (t == ROW_STATE)
			continue;
		(void)snprintf(name, sizeof name, "next.%s",
			       row_table_name((enum row_table)t));
		TRY(call_number(state, name, 0, UINT64_MAX, &next, f));
		if (next > vault.next_row[t])
			vault.next_row[t] = next;
	}
	return OK;
}

static enum err put_state_row(struct change *c, struct fault *f)
{
	const struct audit *audit = audit_link_audit(vault.log);
	struct set_state st = { .generation = c->generation,
				.audit_size = audit ? audit_kept(audit) : 0,
				.set = c->set };
	struct attrs a;
	enum err e;

	st.set.newest = c->generation;
	attrs_init(&a);
	e = set_state_format(&st, &a);
	if (e == OK)
		e = next_rows_format(&a);
	if (e == OK)
		e = change_put(c, ROW_STATE, SET_STATE_ROW, "state", "", 0,
			       attrs_view(&a), NULL, f);
	attrs_wipe(&a);
	return e;
}

static bool replaced(const struct change *c, const struct vrow *old)
{
	for (size_t i = 0; i < c->puts; i++)
		if (c->put[i]->place.table == old->place.table &&
		    c->put[i]->place.row == old->place.row)
			return true;
	return false;
}

static enum err change_message(const struct change *c, struct attrs *msg)
{
	struct attrs one;
	enum err e = OK;

	attrs_init(&one);
	if (c->create)
		e = attrs_add(msg, "create", 0, vault.store_id, STORE_ID_SIZE);
	for (size_t i = 0; i < c->puts && e == OK; i++) {
		struct row r = vrow_row(c->put[i]);

		attrs_clear(&one);
		e = row_format(&r, &one);
		if (e == OK)
			e = attrs_add(msg, "put", 0, one.bytes.p,
				      one.bytes.len);
	}
	for (size_t i = 0; i < c->drops && e == OK; i++) {
		if (replaced(c, c->drop[i]))
			continue;
		attrs_clear(&one);
		e = attrs_add_str(
			&one, "table",
			row_table_name(
				(enum row_table)c->drop[i]->place.table));
		if (e == OK)
			e = attrs_add_u64(&one, "row", c->drop[i]->place.row);
		if (e == OK)
			e = attrs_add(msg, "drop", 0, one.bytes.p,
				      one.bytes.len);
	}
	attrs_wipe(&one);
	return e;
}

static void change_end(enum err e)
{
	struct job *j = vault.change_job;

	change_free(vault.change);
	vault.change = NULL;
	vault.change_job = NULL;
	j->then(j, e);
}

void change_run(struct change *c, struct job *j)
{
	struct attrs msg;
	enum err e;

	ENSURE(!vault.change);
	vault.change = c;
	vault.change_job = j;
	attrs_init(&msg);
	e = put_state_row(c, &j->fault);
	if (e == OK && change_message(c, &msg) != OK)
		e = fault_set(&j->fault, ERR_TOO_LARGE,
			      "the change is too large for one transaction");
	if (e == OK && chan_send(&vault.store, RS_COMMIT, STORE_ID_COMMIT,
				 attrs_view(&msg)) != OK)
		e = fault_set(&j->fault, ERR_UNAVAILABLE,
			      "the store is being started anew: try again");
	attrs_wipe(&msg);
	if (e != OK)
		change_end(e);
}

/* The transaction is in the store: the rows in memory follow. */
static void change_apply(struct change *c)
{
	for (size_t i = 0; i < c->drops; i++) {
		struct vrow *old = map_drop(vault.rows, &c->drop[i]->place,
					    sizeof c->drop[i]->place);

		ENSURE(old == c->drop[i]);
		vrow_free(old);
	}
	for (size_t i = 0; i < c->puts; i++) {
		row_keep(c->put[i]);
		c->put[i] = NULL;
	}
	c->puts = 0;
	vault.set = c->set;
	vault.generation = c->generation;
	vault.has_store = true;
}

static void change_failed(const struct msg *m, struct fault *f)
{
	char name[64], text[FAULT_TEXT_MAX];
	enum err code = ERR_UNAVAILABLE;

	(void)snprintf(text, sizeof text, "the store refused the change");
	if (call_text(m->attrs, "error", name, sizeof name, f) == OK &&
	    err_parse(name, strlen(name), &code) != OK)
		code = ERR_UNAVAILABLE;
	(void)!call_text(m->attrs, "text", text, sizeof text, f);
	(void)fault_set(f, code, "%s", text);
}

/* The store died with a change under way, came back, and now its state row tells
 * whether the change was made. */
static void change_resolve(void)
{
	struct set_state st;
	struct fault f;
	struct attrs a;
	bool made;

	vault.store_lost = false;
	if (!vault.change)
		return;
	attrs_init(&a);
	made = vault.state_row && rows_open(vault.state_row, &a, &f) == OK &&
	       set_state_parse(attrs_view(&a), &st, &f) == OK &&
	       st.generation == vault.change->generation;
	attrs_wipe(&a);
	if (made) {
		change_apply(vault.change);
		change_end(OK);
		return;
	}
	change_end(fault_set(&vault.change_job->fault, ERR_UNAVAILABLE,
			     "the store was started anew: nothing was changed, "
			     "try again"));
}

static void load_ended(void)
{
	vault.loading = false;
	vault.rows_known = true;
	if (vault.store_lost)
		change_resolve();
	else
		seal_loaded();
}

static void answer_failed(const struct msg *m)
{
	struct fault f;

	if (m->id == STORE_ID_LOAD) { /* it cannot even be read */
		vault.loading = false;
		change_failed(m, &f);
		seal_break(&f);
		return;
	}
	if (!vault.change)
		child_broken("store");
	change_failed(m, &vault.change_job->fault);
	change_end(vault.change_job->fault.code);
}

/* A commit's answer; RS_LOAD's rows and end. */
void rows_from_store(const struct msg *m)
{
	switch ((enum rowstore_kind)m->kind) {
	case RS_LOAD:
		load_began(m);
		return;
	case RS_ROW:
		row_came(m);
		return;
	case RS_LOADED:
		load_ended();
		return;
	case RS_DONE:
		if (!vault.change)
			child_broken("store");
		change_apply(vault.change);
		change_end(OK);
		return;
	case RS_FAILED:
		answer_failed(m);
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
