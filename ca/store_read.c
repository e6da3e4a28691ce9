/* Store: the state at an issuer's start, and the audit log: reading and proving. */
#include "ca/kinds.h"
#include "ca/store_log.h"
#include "ca/store_role.h"
#include "lib/child.h"

enum {
	READ_STEP = 64, /* rows between two looks at the socket */
};

/* Long answers: each step is a query of its own, so that nothing stays open. */

/* Sends up to READ_STEP rows (index, bytes) from s->from on; *sent how many. */
static enum err rows_step(struct store *s, enum store_sql which, uint32_t kind,
			  const char *name, uint64_t *sent, struct fault *f)
{
	sqlite3_stmt *q;
	bool row;

	*sent = 0;
	TRY(store_sql(s->db, which, &q, f));
	store_bind_u64(q, 1, s->from);
	store_bind_u64(q, 2, MIN(s->left, READ_STEP));
	for (;;) {
		TRY(store_step(s->db, q, &row, f));
		if (!row)
			return OK;
		attrs_clear(&s->item);
		item_bytes(&s->item, name, store_col_bytes(q, 1));
		s->from = store_col_u64(q, 0);
		store_send(s, kind, s->from);
		s->from++;
		s->left--;
		++*sent;
	}
}

static bool rows_more(struct store *s, enum store_sql which, uint32_t kind,
		      const char *name, uint32_t last)
{
	struct fault f = { .code = ERR_INTERNAL };
	uint64_t sent = 0;

	if (s->left && rows_step(s, which, kind, name, &sent, &f) != OK) {
		store_failed(s, s->id, &f);
		return false;
	}
	if (s->left && sent == READ_STEP)
		return true;
	attrs_clear(&s->item);
	store_send(s, last, s->id);
	return false;
}

static bool load_more(struct store *s)
{
	return rows_more(s, SQL_LOG_FROM, IS_RECORD, "record", IS_READY);
}

static bool records_more(struct store *s)
{
	return rows_more(s, SQL_LOG_FROM, IS_RECORD, "record", IS_DONE);
}

static bool notes_more(struct store *s)
{
	return rows_more(s, SQL_NOTE_FROM, IS_NOTE, "text", IS_DONE);
}

/* The state */

static enum err add_metas(struct store *s, struct fault *f)
{
	sqlite3_stmt *q;
	bool row;

	TRY(store_sql(s->db, SQL_META_ALL, &q, f));
	for (;;) {
		TRY(store_step(s->db, q, &row, f));
		if (!row)
			return OK;
		attrs_clear(&s->row);
		item_bytes(&s->row, "name", store_col_bytes(q, 0));
		item_bytes(&s->row, "value", store_col_bytes(q, 1));
		TRY(attrs_add(&s->item, "meta", 0, s->row.bytes.p,
			      s->row.bytes.len));
	}
}

static enum err add_note(struct store *s, struct fault *f)
{
	sqlite3_stmt *q;
	bool row;

	TRY(store_sql(s->db, SQL_NOTE_LAST, &q, f));
	TRY(store_step(s->db, q, &row, f));
	if (!row)
		return OK;
	TRY(attrs_add(&s->item, "note", 0, store_col_bytes(q, 1).p,
		      store_col_bytes(q, 1).len));
	(void)sqlite3_reset(q);
	TRY(store_sql(s->db, SQL_FRONTIER_GET, &q, f));
	TRY(store_step(s->db, q, &row, f));
	if (!row)
		return store_damaged(f, "its state");
	TRY(attrs_add(&s->item, "frontier", 0, store_col_bytes(q, 0).p,
		      store_col_bytes(q, 0).len));
	(void)sqlite3_reset(q);
	return OK;
}

/* Opened when first asked for, so that what is wrong with it is an answer, and can be
 * put right without a restart. */
static enum err load(struct store *s, struct fault *f)
{
	const struct store_state *now;

	if (!s->db)
		TRY(store_db_open(&s->db, f));
	now = &s->db->now;
	attrs_clear(&s->item);
	item_u64(&s->item, "generation", now->generation);
	item_u64(&s->item, "next", now->next);
	item_u64(&s->item, "log_size", now->log_size);
	TRY(add_note(s, f));
	TRY(add_metas(s, f));
	s->from = now->note_size;
	s->left = now->log_size - now->note_size;
	return OK;
}

void store_load(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (load(s, &f) != OK) {
		store_failed(s, m->id, &f);
		return;
	}
	s->loaded = true;
	store_send(s, IS_STATE, m->id);
	store_stream(s, m->id, load_more);
}

/* Reading */

void store_read(struct store *s, const struct msg *m)
{
	bool notes = get_yes(m->attrs, "notes");

	s->from = 0;
	s->left = STORE_INT_MAX;
	if (!get_if_u64(m->attrs, "from", STORE_INT_MAX, &s->from) && !notes)
		child_broken("from");
	if (!get_if_u64(m->attrs, "count", STORE_INT_MAX, &s->left) && !notes)
		child_broken("count");
	store_stream(s, m->id, notes ? notes_more : records_more);
}

/* Proving */

static enum err record_of(struct store *s, uint64_t number, uint64_t *index,
			  struct fault *f)
{
	sqlite3_stmt *q;
	bool row, named;

	TRY(store_sql(s->db, SQL_CERT_LOG, &q, f));
	store_bind_u64(q, 1, number);
	TRY(store_step(s->db, q, &row, f));
	named = row && !store_col_null(q, 0);
	if (named)
		*index = store_col_u64(q, 0);
	if (row)
		(void)sqlite3_reset(q);
	if (named)
		return OK;
	return fault_set(f, ERR_NOT_FOUND,
			 row ? "the log has no record of certificate %llu"
			     : "there is no certificate of number %llu",
			 (unsigned long long)number);
}

static enum err prove(struct store *s, struct attr_view v,
		      struct merkle_proof *p, struct fault *f)
{
	uint64_t size = s->db->now.log_size, number, index = 0, old;

	(void)get_if_u64(v, "size", STORE_INT_MAX, &size);
	attrs_clear(&s->item);
	if (get_if_u64(v, "old", STORE_INT_MAX, &old)) {
		item_u64(&s->item, "old", old);
		item_u64(&s->item, "size", size);
		return store_log_extend(s->db, old, size, p, f);
	}
	if (get_if_u64(v, "number", STORE_NUMBER_MAX, &number))
		TRY(record_of(s, number, &index, f));
	else
		index = get_u64(v, "index", STORE_INT_MAX - 1);
	item_u64(&s->item, "index", index);
	item_u64(&s->item, "size", size);
	return store_log_prove(s->db, index, size, p, f);
}

void store_prove(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };
	struct merkle_proof p = { 0 };

	if (prove(s, m->attrs, &p, &f) != OK) {
		store_failed(s, m->id, &f);
		return;
	}
	for (unsigned i = 0; i < p.count; i++)
		item_bytes(&s->item, "hash",
			   (struct attr_view){ p.path[i].b, MERKLE_HASH });
	store_send(s, IS_PROOF, m->id);
}
