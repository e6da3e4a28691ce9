/* Store: certificates as rows. The certificate itself lies in a table of its own, so
 * that walking the inventory does not read it. */
#include "ca/store_cert.h"

#include "lib/enc.h"

#include <string.h>

enum {
	SLOT_BITS = 10, /* certificates are counted by the 1024 s they end in */
	KEY_COMPROMISE = 1,
};

/* Names */

enum err store_name_id(struct store_db *db, struct attr_view text, bool make,
		       uint64_t *id, struct fault *f)
{
	sqlite3_stmt *s;
	enum err e;

	TRY(store_sql(db, SQL_NAME_ID, &s, f));
	store_bind_text(s, 1, text);
	*id = 0;
	e = store_one(db, s, id, f);
	if (e != ERR_NOT_FOUND || !make)
		return e == ERR_NOT_FOUND ? OK : e;
	TRY(store_sql(db, SQL_NAME_ADD, &s, f));
	store_bind_text(s, 1, text);
	TRY(store_run(db, s, f));
	*id = (uint64_t)sqlite3_last_insert_rowid(db->file.sql);
	return OK;
}

enum err store_name_text(struct store_db *db, uint64_t id,
			 struct attr_view *text, struct fault *f)
{
	sqlite3_stmt *s;
	bool row;

	TRY(store_sql(db, SQL_NAME_TEXT, &s, f));
	store_bind_u64(s, 1, id);
	TRY(store_step(db, s, &row, f));
	if (!row)
		return store_damaged(f, "a name is missing");
	*text = store_col_bytes(s, 0);
	return OK;
}

/* Agents */

static const uint8_t dash_at[] = { 8, 13, 18, 23 };

static void uuid_format(const uint8_t *id, char out[STORE_UUID_TEXT])
{
	char hex[2 * STORE_TOKEN + 1];
	size_t from = 0;

	enc_hex(id, STORE_TOKEN, hex);
	for (size_t i = 0; i < STORE_UUID_TEXT; i++)
		out[i] = memchr(dash_at, (int)i, sizeof dash_at) ? '-'
								 : hex[from++];
}

bool store_agent_parse(struct attr_view text, uint8_t out[STORE_TOKEN])
{
	char hex[2 * STORE_TOKEN], again[STORE_UUID_TEXT];
	size_t n = 0;

	if (text.len != STORE_UUID_TEXT)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!memchr(dash_at, (int)i, sizeof dash_at))
			hex[n++] = (char)text.p[i];
	if (enc_hex_parse(hex, n, out, STORE_TOKEN) != OK)
		return false;
	uuid_format(out, again);
	return !memcmp(again, text.p, sizeof again);
}

void store_agent_bind(sqlite3_stmt *s, int i, struct attr_view agent,
		      uint8_t room[STORE_TOKEN])
{
	if (store_agent_parse(agent, room))
		store_bind_blob(s, i, (struct attr_view){ room, STORE_TOKEN });
	else
		store_bind_text(s, i, agent);
}

struct attr_view store_agent_col(sqlite3_stmt *s, int i,
				 char room[STORE_UUID_TEXT])
{
	bool uuid = sqlite3_column_type(s, i) == SQLITE_BLOB;
	struct attr_view v = store_col_bytes(s, i);

	if (!uuid || v.len != STORE_TOKEN)
		return v;
	uuid_format(v.p, room);
	return (struct attr_view){ (const uint8_t *)room, STORE_UUID_TEXT };
}

/* Adding */

static enum err number_exists(enum err e, uint64_t number, struct fault *f)
{
	if (e != ERR_EXISTS)
		return e;
	return fault_set(f, ERR_EXISTS,
			 "certificate number %llu was issued already",
			 (unsigned long long)number);
}

static enum err no_number(uint64_t number, struct fault *f)
{
	return fault_set(f, ERR_NOT_FOUND,
			 "there is no certificate of number %llu",
			 (unsigned long long)number);
}

static enum err add_row(struct store_db *db, const struct store_cert *c,
			uint64_t node, uint64_t type, struct fault *f)
{
	uint8_t room[STORE_TOKEN];
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_CERT_ADD, &s, f));
	store_bind_u64(s, 1, c->number);
	store_bind_blob(s, 2, c->tail);
	store_agent_bind(s, 3, c->agent, room);
	store_bind_u64(s, 4, node);
	store_bind_u64(s, 5, type);
	store_bind_u64(s, 6, c->not_before);
	store_bind_u64(s, 7, c->not_after);
	store_bind_u64(s, 8, c->shard);
	if (c->log != UINT64_MAX)
		store_bind_u64(s, 9, c->log);
	if (c->unproven)
		store_bind_u64(s, 10, 1);
	if (c->request.len)
		store_bind_blob(s, 11, c->request);
	return store_run(db, s, f);
}

static enum err add_der(struct store_db *db, const struct store_cert *c,
			struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_DER_ADD, &s, f));
	store_bind_u64(s, 1, c->number);
	store_bind_blob(s, 2, c->der);
	return store_run(db, s, f);
}

static enum err count_slot(struct store_db *db, enum store_sql which,
			   uint64_t not_after, struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, which, &s, f));
	store_bind_u64(s, 1, not_after >> SLOT_BITS);
	return store_run(db, s, f);
}

enum err store_cert_add(struct store_db *db, const struct store_cert *c,
			struct fault *f)
{
	uint64_t node, type;

	TRY(store_name_id(db, c->node, true, &node, f));
	TRY(store_name_id(db, c->type, true, &type, f));
	TRY(number_exists(add_row(db, c, node, type, f), c->number, f));
	TRY(add_der(db, c, f));
	TRY(count_slot(db, SQL_EXPIRY_CERT, c->not_after, f));
	db->want.certs++;
	db->want.next = MAX(db->want.next, c->number + 1);
	return OK;
}

enum err store_cert_proven(struct store_db *db, uint64_t number,
			   struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_CERT_PROVEN, &s, f));
	store_bind_u64(s, 1, number);
	TRY(store_run(db, s, f));
	return sqlite3_changes(db->file.sql) ? OK : no_number(number, f);
}

/* Status */

enum err store_cert_status(struct store_db *db, uint64_t number, bool *there,
			   struct store_status *out, struct fault *f)
{
	struct attr_view tail;
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_CERT_STATUS, &s, f));
	store_bind_u64(s, 1, number);
	TRY(store_step(db, s, there, f));
	if (!*there)
		return OK;
	tail = store_col_bytes(s, 0);
	if (tail.len != STORE_TAIL)
		return store_damaged(f, "a serial");
	memcpy(out->tail, tail.p, STORE_TAIL);
	out->not_after = store_col_u64(s, 1);
	out->shard = store_col_u64(s, 2);
	out->revoked = !store_col_null(s, 3);
	out->at = store_col_u64(s, 3);
	out->reason = store_col_u64(s, 4);
	(void)sqlite3_reset(s);
	return OK;
}

/* Revoking */

static enum err revoke_new(struct store_db *db, uint64_t number,
			   const struct store_status *c, uint64_t at,
			   uint64_t reason, struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_REVOKED_ADD, &s, f));
	store_bind_u64(s, 1, number);
	store_bind_u64(s, 2, c->shard);
	store_bind_u64(s, 3, c->not_after);
	store_bind_u64(s, 4, at);
	store_bind_u64(s, 5, reason);
	store_bind_blob(s, 6, (struct attr_view){ c->tail, STORE_TAIL });
	TRY(store_run(db, s, f));
	TRY(count_slot(db, SQL_EXPIRY_REVOKED, c->not_after, f));
	db->want.revoked++;
	return OK;
}

enum err store_cert_revoke(struct store_db *db, uint64_t number, uint64_t at,
			   uint64_t reason, struct fault *f)
{
	struct store_status c;
	sqlite3_stmt *s;
	bool there;

	TRY(store_cert_status(db, number, &there, &c, f));
	if (!there)
		return no_number(number, f);
	if (!c.revoked)
		return revoke_new(db, number, &c, at, reason, f);
	if (reason != KEY_COMPROMISE || c.reason == KEY_COMPROMISE)
		return OK;
	TRY(store_sql(db, SQL_REVOKED_WORSE, &s, f));
	store_bind_u64(s, 1, number);
	store_bind_u64(s, 2, reason);
	return store_run(db, s, f);
}

/* Counting */

static enum err count_in(struct store_db *db, enum store_sql which,
			 uint64_t from, uint64_t to, uint64_t *n,
			 struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, which, &s, f));
	store_bind_u64(s, 1, from);
	store_bind_u64(s, 2, to);
	return store_one(db, s, n, f);
}

/* Whole slots by their sums, the one that `at` is in by its rows. */
enum err store_cert_alive(struct store_db *db, uint64_t at, uint64_t *n,
			  struct fault *f)
{
	uint64_t slot = at >> SLOT_BITS, end = (slot + 1) << SLOT_BITS;
	uint64_t later, certs, revoked;
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_EXPIRY_SUM, &s, f));
	store_bind_u64(s, 1, slot);
	TRY(store_one(db, s, &later, f));
	TRY(count_in(db, SQL_EXPIRY_CERTS_IN, at, end, &certs, f));
	TRY(count_in(db, SQL_EXPIRY_REVOKED_IN, at, end, &revoked, f));
	*n = later + certs - MIN(revoked, certs);
	return OK;
}
