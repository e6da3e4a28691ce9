/* Store: what the core asks about rows. */
#include "lib/kinds.h"
#include "lib/rowstore_db.h"
#include "lib/rowstore_role.h"

/* Opened when first asked for, so that what is wrong with it is an answer, and can be
 * put right without a restart. */
static enum err db_open(struct rowstore *s, struct fault *f)
{
	return s->db ? OK : rowstore_db_open(&s->db, f);
}

static bool load_more(struct rowstore *s)
{
	struct fault f = { 0 };
	struct row r;
	bool more;

	if (rowstore_db_next(s->db, &r, &more, &f) != OK) {
		rowstore_failed(s, s->id, &f);
		return false;
	}
	attrs_clear(&s->item);
	if (!more) {
		rowstore_send(s, RS_LOADED, s->id);
		return false;
	}
	ENSURE(row_format(&r, &s->item) == OK);
	rowstore_send(s, RS_ROW, s->id);
	return true;
}

static enum err load_begin(struct rowstore *s, uint64_t id, struct fault *f)
{
	uint8_t store[STORE_ID_SIZE];

	TRY(db_open(s, f));
	TRY(rowstore_db_first(s->db, f));
	if (!rowstore_db_id(s->db, store))
		return OK;
	attrs_clear(&s->item);
	TRY(attrs_add(&s->item, "store", 0, store, sizeof store));
	TRY(attrs_add_u64(&s->item, "format", ROWSTORE_FORMAT));
	rowstore_send(s, RS_LOAD, id);
	return OK;
}

void rowstore_load(struct rowstore *s, const struct msg *m)
{
	struct fault f = { 0 };

	if (load_begin(s, m->id, &f) != OK) {
		rowstore_failed(s, m->id, &f);
		return;
	}
	rowstore_stream(s, m->id, load_more);
}

/* One transaction */

static enum err change(struct rowstore *s, const struct attr *a,
		       struct fault *f)
{
	struct attr_view v;
	enum row_table t;
	uint64_t n;
	struct row r;

	if (attr_named(a, "create") || attr_named(a, "boot"))
		return OK; /* looked at before */
	if (!attr_named(a, "put") && !attr_named(a, "drop"))
		return fault_set(f, ERR_INVALID,
				 "a change of the store has '%.*s'",
				 a->name_len, a->name);
	TRY(attr_parse(a->value, a->len, &v, f));
	if (attr_named(a, "put")) {
		TRY(row_parse(v, &r, f));
		return rowstore_db_put(s->db, &r, f);
	}
	TRY(row_parse_place(v, &t, &n, f));
	return rowstore_db_drop(s->db, t, n, f);
}

static enum err change_all(struct rowstore *s, struct attr_view changes,
			   struct fault *f)
{
	struct attr a;

	while (attr_next(&changes, &a))
		TRY(change(s, &a, f));
	return rowstore_db_commit(s->db, f);
}

static enum err commit(struct rowstore *s, struct attr_view changes,
		       struct fault *f)
{
	const uint8_t *id = NULL;
	struct attr create;
	enum err e = attr_only(changes, "create", &create);

	if (e == OK && create.len == STORE_ID_SIZE)
		id = create.value;
	else if (e != ERR_NOT_FOUND)
		return fault_set(f, ERR_INVALID, "a store id is no 16 bytes");
	TRY(db_open(s, f));
	TRY(rowstore_db_begin(s->db, id, attr_count(changes, "boot"), f));
	e = change_all(s, changes, f);
	if (e != OK)
		rowstore_db_rollback(s->db);
	return e;
}

void rowstore_commit(struct rowstore *s, const struct msg *m)
{
	struct fault f = { 0 };

	if (commit(s, m->attrs, &f) == OK)
		rowstore_done(s, m->id);
	else
		rowstore_failed(s, m->id, &f);
}
