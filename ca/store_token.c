/* Store: enrolment tokens as rows; the token itself, which is a key, is never here. */
#include "ca/store_token.h"

static enum err no_token(struct fault *f)
{
	return fault_set(f, ERR_NOT_FOUND, "there is no such enrolment token");
}

enum err store_token_add(struct store_db *db, struct attr_view id,
			 struct attr_view list, uint64_t expires,
			 struct fault *f)
{
	sqlite3_stmt *s;
	enum err e;

	TRY(store_sql(db, SQL_TOKEN_ADD, &s, f));
	store_bind_blob(s, 1, id);
	store_bind_blob(s, 2, list);
	store_bind_u64(s, 3, expires);
	e = store_run(db, s, f);
	if (e != ERR_EXISTS)
		return e;
	return fault_set(f, ERR_EXISTS,
			 "there is an enrolment token of that id already");
}

/* Why a token could not be used. */
static enum err not_used(struct store_db *db, struct attr_view id,
			 struct fault *f)
{
	sqlite3_stmt *s;
	uint64_t by;
	bool row;

	TRY(store_sql(db, SQL_TOKEN_GET, &s, f));
	store_bind_blob(s, 1, id);
	TRY(store_step(db, s, &row, f));
	if (!row)
		return no_token(f);
	by = store_col_u64(s, 2);
	(void)sqlite3_reset(s);
	return fault_set(f, ERR_CONFLICT,
			 "the enrolment token was used for certificate number "
			 "%llu",
			 (unsigned long long)by);
}

enum err store_token_use(struct store_db *db, struct attr_view id,
			 uint64_t number, struct attr_view request,
			 struct attr_view address, struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_TOKEN_USE, &s, f));
	store_bind_blob(s, 1, id);
	store_bind_u64(s, 2, number);
	store_bind_blob(s, 3, request);
	store_bind_text(s, 4, address);
	TRY(store_run(db, s, f));
	return sqlite3_changes(db->file.sql) ? OK : not_used(db, id, f);
}

static enum err alarm_count(struct store_db *db, struct attr_view id,
			    uint64_t *n, struct fault *f)
{
	sqlite3_stmt *s;
	bool row;

	TRY(store_sql(db, SQL_TOKEN_ALARM, &s, f));
	store_bind_blob(s, 1, id);
	TRY(store_run(db, s, f));
	if (!sqlite3_changes(db->file.sql))
		return no_token(f);
	TRY(store_sql(db, SQL_TOKEN_GET, &s, f));
	store_bind_blob(s, 1, id);
	TRY(store_step(db, s, &row, f));
	*n = row ? store_col_u64(s, 5) : 0;
	(void)sqlite3_reset(s);
	return OK;
}

enum err store_token_alarm(struct store_db *db, struct attr_view id,
			   uint64_t time, struct attr_view text,
			   struct fault *f)
{
	uint64_t n = 0, kept;
	sqlite3_stmt *s;

	TRY(alarm_count(db, id, &n, f));
	db->want.alarms++;
	TRY(store_sql(db, SQL_ALARM_COUNT, &s, f));
	store_bind_blob(s, 1, id);
	TRY(store_one(db, s, &kept, f));
	if (kept >= STORE_ALARMS)
		return OK;
	TRY(store_sql(db, SQL_ALARM_ADD, &s, f));
	store_bind_blob(s, 1, id);
	store_bind_u64(s, 2, n);
	store_bind_u64(s, 3, time);
	store_bind_text(s, 4, text);
	return store_run(db, s, f);
}

enum err store_token_settle(struct store_db *db, uint64_t number,
			    struct fault *f)
{
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_ALARM_SETTLE, &s, f));
	store_bind_u64(s, 1, number);
	return store_run(db, s, f);
}
