/* Store: what the vault asks about rows. */
#include "credd/kinds.h"
#include "credd/store_db.h"
#include "credd/store_role.h"

/* Opened when first asked for, so that what is wrong with it is an answer, and can be
 * put right without a restart. */
static enum err db_open(struct store *s, struct fault *f)
{
	return s->db ? OK : store_db_open(&s->db, f);
}

static bool load_more(struct store *s)
{
	struct fault f = { 0 };
	struct row r;
	bool more;

	if (store_db_next(s->db, &r, &more, &f) != OK) {
		store_failed(s, s->id, &f);
		return false;
	}
	attrs_clear(&s->item);
	if (!more) {
		store_send(s, VS_LOADED, s->id);
		return false;
	}
	ENSURE(row_format(&r, &s->item) == OK);
	store_send(s, VS_ROW, s->id);
	return true;
}

static enum err load_begin(struct store *s, uint64_t id, struct fault *f)
{
	uint8_t store[STORE_ID_SIZE];

	TRY(db_open(s, f));
	TRY(store_db_first(s->db, f));
	if (!store_db_id(s->db, store))
		return OK;
	attrs_clear(&s->item);
	TRY(attrs_add(&s->item, "store", 0, store, sizeof store));
	TRY(attrs_add_u64(&s->item, "format", STORE_FORMAT));
	store_send(s, VS_LOAD, id);
	return OK;
}

void store_load(struct store *s, const struct msg *m)
{
	struct fault f = { 0 };

	if (load_begin(s, m->id, &f) != OK) {
		store_failed(s, m->id, &f);
		return;
	}
	store_stream(s, m->id, load_more);
}

/* One transaction */

static enum err change(struct store *s, const struct attr *a, struct fault *f)
{
	struct attr_view v;
	enum row_table t;
	uint64_t n;
	struct row r;

	if (attr_named(a, "create"))
		return OK; /* looked at before */
	if (!attr_named(a, "put") && !attr_named(a, "drop"))
		return fault_set(f, ERR_INVALID,
				 "a change of the store has '%.*s'",
				 a->name_len, a->name);
	TRY(attr_parse(a->value, a->len, &v, f));
	if (attr_named(a, "put")) {
		TRY(row_parse(v, &r, f));
		return store_db_put(s->db, &r, f);
	}
	TRY(row_parse_place(v, &t, &n, f));
	return store_db_drop(s->db, t, n, f);
}

static enum err change_all(struct store *s, struct attr_view changes,
			   struct fault *f)
{
	struct attr a;

	while (attr_next(&changes, &a))
		TRY(change(s, &a, f));
	return store_db_commit(s->db, f);
}

static enum err commit(struct store *s, struct attr_view changes,
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
	TRY(store_db_begin(s->db, id, f));
	e = change_all(s, changes, f);
	if (e != OK)
		store_db_rollback(s->db);
	return e;
}

void store_commit(struct store *s, const struct msg *m)
{
	struct fault f = { 0 };

	if (commit(s, m->attrs, &f) == OK)
		store_done(s, m->id);
	else
		store_failed(s, m->id, &f);
}
