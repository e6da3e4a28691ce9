/* Store: opening the inventory, transactions, and statements made easy. */
#include "ca/store_db.h"

#include "ca/store_log.h"

#include <stdlib.h>

enum {
	VALUE_MAX = ATTR_VALUE_MAX + (64 << 10),
};

/* Statements */

enum err store_sql(struct store_db *db, enum store_sql which,
		   sqlite3_stmt **out, struct fault *f)
{
	sqlite3_stmt **s = &db->stmt[which];
	int rc;

	if (!*s) {
		rc = sqlite3_prepare_v3(db->file.sql, store_sql_text[which], -1,
					SQLITE_PREPARE_PERSISTENT, s, NULL);
		if (rc == SQLITE_ERROR)
			return store_damaged(f, "its tables");
		if (rc != SQLITE_OK)
			return sqlite_file_fault(&db->file, rc, f);
	}
	(void)sqlite3_reset(*s);
	(void)sqlite3_clear_bindings(*s);
	*out = *s;
	return OK;
}

void store_bind_u64(sqlite3_stmt *s, int i, uint64_t n)
{
	ENSURE(n <= STORE_INT_MAX);
	ENSURE(sqlite3_bind_int64(s, i, (sqlite3_int64)n) == SQLITE_OK);
}

/* A pointer that is never NULL: NULL would be another type. */
static const void *bytes_of(struct attr_view v)
{
	return v.len ? (const void *)v.p : "";
}

void store_bind_blob(sqlite3_stmt *s, int i, struct attr_view v)
{
	ENSURE(sqlite3_bind_blob64(s, i, bytes_of(v), v.len, SQLITE_STATIC) ==
	       SQLITE_OK);
}

void store_bind_text(sqlite3_stmt *s, int i, struct attr_view v)
{
	ENSURE(sqlite3_bind_text64(s, i, bytes_of(v), v.len, SQLITE_STATIC,
				   SQLITE_UTF8) == SQLITE_OK);
}

enum err store_step(struct store_db *db, sqlite3_stmt *s, bool *row,
		    struct fault *f)
{
	int rc = sqlite3_step(s);
	enum err e;

	*row = rc == SQLITE_ROW;
	if (*row)
		return OK;
	e = rc == SQLITE_DONE ? OK : sqlite_file_fault(&db->file, rc, f);
	(void)sqlite3_reset(s);
	return e;
}

enum err store_run(struct store_db *db, sqlite3_stmt *s, struct fault *f)
{
	int rc = sqlite3_step(s);
	enum err e = OK;

	if (rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_ROWID)
		e = fault_set(f, ERR_EXISTS, "the store has that row already");
	else if (rc != SQLITE_DONE)
		e = sqlite_file_fault(&db->file, rc, f);
	(void)sqlite3_reset(s);
	return e;
}

enum err store_one(struct store_db *db, sqlite3_stmt *s, uint64_t *n,
		   struct fault *f)
{
	bool row;

	TRY(store_step(db, s, &row, f));
	if (!row)
		return fault_set(f, ERR_NOT_FOUND, "the store has no such row");
	*n = store_col_u64(s, 0);
	(void)sqlite3_reset(s);
	return OK;
}

uint64_t store_col_u64(sqlite3_stmt *s, int i)
{
	sqlite3_int64 n = sqlite3_column_int64(s, i);

	return n < 0 ? 0 : (uint64_t)n;
}

struct attr_view store_col_bytes(sqlite3_stmt *s, int i)
{
	const void *p = sqlite3_column_blob(s, i);

	return (struct attr_view){ .p = p,
				   .len = p ? (size_t)sqlite3_column_bytes(s, i)
					    : 0 };
}

bool store_col_null(sqlite3_stmt *s, int i)
{
	return sqlite3_column_type(s, i) == SQLITE_NULL;
}

enum err store_damaged(struct fault *f, const char *what)
{
	return fault_set(f, ERR_INVALID,
			 "ca.db was edited or is damaged (%s): restore it from "
			 "a backup",
			 what);
}

/* Opening */

/* Checkpoints are made in idle moments; SQLite's own would hold up a commit. */
static int on_commit(void *arg, sqlite3 *sql, const char *name, int pages)
{
	struct store_db *db = arg;

	(void)sql;
	(void)name;
	db->wal = (unsigned)pages;
	return SQLITE_OK;
}

static enum err configure(struct store_db *db, struct fault *f)
{
	(void)sqlite3_wal_hook(db->file.sql, on_commit, db);
	/* Nothing here is secret, and pages are never emptied. */
	return sqlite_file_exec(&db->file,
				"PRAGMA secure_delete=OFF;"
				"PRAGMA cache_size=-6144",
				f);
}

static enum err make_tables(struct store_db *db, struct fault *f)
{
	enum err e;

	TRY(sqlite_file_exec(&db->file, "BEGIN IMMEDIATE", f));
	e = sqlite_file_exec(&db->file, store_schema, f);
	if (e == OK)
		e = sqlite_file_exec(&db->file, "COMMIT", f);
	if (e != OK)
		store_db_rollback(db);
	return e;
}

static enum err read_state(struct store_db *db, struct fault *f)
{
	struct store_state *n = &db->now;
	uint64_t format;
	sqlite3_stmt *s;
	bool row;

	TRY(store_sql(db, SQL_STATE_GET, &s, f));
	TRY(store_step(db, s, &row, f));
	if (!row)
		return store_damaged(f, "its state");
	format = store_col_u64(s, 0);
	n->generation = store_col_u64(s, 1);
	n->certs = store_col_u64(s, 2);
	n->revoked = store_col_u64(s, 3);
	n->alarms = store_col_u64(s, 4);
	n->log_size = store_col_u64(s, 5);
	(void)sqlite3_reset(s);
	if (format != STORE_FORMAT)
		return fault_set(f, ERR_UNSUPPORTED,
				 "ca.db is of format %llu, this version reads "
				 "%d: a newer version has to be used",
				 (unsigned long long)format, STORE_FORMAT);
	TRY(store_sql(db, SQL_CERT_TOP, &s, f));
	TRY(store_one(db, s, &n->next, f));
	n->next++; /* numbers begin with 1 */
	return store_log_open(db, f);
}

static enum err open_all(struct store_db *db, struct fault *f)
{
	bool there, empty;

	TRY(sqlite_folder_check(f));
	TRY(sqlite_file_check(&db->file, &there, f));
	if (!there)
		TRY(sqlite_file_make(&db->file, f));
	TRY(sqlite_file_open(&db->file, f));
	TRY(configure(db, f));
	TRY(sqlite_file_empty(&db->file, &empty, f));
	if (empty)
		TRY(make_tables(db, f));
	return read_state(db, f);
}

enum err store_db_open(struct store_db **out, struct fault *f)
{
	struct store_db *db = xcalloc(1, sizeof *db);
	enum err e;

	db->file.name = "ca.db";
	db->file.value_max = VALUE_MAX;
	e = open_all(db, f);
	if (e != OK) {
		store_db_close(db);
		return e;
	}
	*out = db;
	return OK;
}

void store_db_close(struct store_db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < SQL__MAX; i++)
		sqlite3_finalize(db->stmt[i]);
	sqlite_file_close(&db->file);
	free(db);
}

/* Transactions */

enum err store_db_begin(struct store_db *db, uint64_t generation,
			struct fault *f)
{
	if (generation != db->now.generation + 1)
		return fault_set(f, ERR_CONFLICT,
				 "a transaction of generation %llu cannot "
				 "follow generation %llu of the store",
				 (unsigned long long)generation,
				 (unsigned long long)db->now.generation);
	TRY(sqlite_file_exec(&db->file, "BEGIN IMMEDIATE", f));
	db->want = db->now;
	db->want.generation = generation;
	return OK;
}

static enum err commit(struct store_db *db, struct fault *f)
{
	const struct store_state *w = &db->want;
	sqlite3_stmt *s;

	TRY(store_sql(db, SQL_STATE_PUT, &s, f));
	store_bind_u64(s, 1, w->generation);
	store_bind_u64(s, 2, w->certs);
	store_bind_u64(s, 3, w->revoked);
	store_bind_u64(s, 4, w->alarms);
	store_bind_u64(s, 5, w->log_size);
	TRY(store_run(db, s, f));
	return sqlite_file_exec(&db->file, "COMMIT", f);
}

enum err store_db_commit(struct store_db *db, struct fault *f)
{
	enum err e = commit(db, f);

	if (e == OK)
		db->now = db->want;
	else
		store_db_rollback(db);
	return e;
}

void store_db_rest(struct store_db *db)
{
	for (size_t i = 0; i < SQL__MAX; i++)
		if (db->stmt[i] && sqlite3_stmt_busy(db->stmt[i]))
			(void)sqlite3_reset(db->stmt[i]);
}

void store_db_rollback(struct store_db *db)
{
	store_db_rest(db);
	/* On a full disk SQLite may have rolled back already. */
	if (!sqlite3_get_autocommit(db->file.sql))
		(void)sqlite3_exec(db->file.sql, "ROLLBACK", NULL, NULL, NULL);
}

enum err store_db_checkpoint(struct store_db *db, struct fault *f)
{
	int rc, all = 0, done = 0;

	rc = sqlite3_wal_checkpoint_v2(db->file.sql, NULL,
				       SQLITE_CHECKPOINT_PASSIVE, &all, &done);
	if (rc != SQLITE_OK)
		return sqlite_file_fault(&db->file, rc, f);
	if (done == all)
		db->wal = 0;
	return OK;
}
