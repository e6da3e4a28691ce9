/* Store: opaque rows, and nothing to open those with that are sealed. */
#include "lib/rowstore_db.h"

#include "lib/sqlite_file.h"

#include <stdlib.h>
#include <string.h>

#define STORE_FILE "store.db"

enum {
	VALUE_MAX = ROW_BLOB_MAX + (64 << 10),
};

enum statement {
	SQL_PUT,
	SQL_DROP,
	SQL_ALL,
	SQL__MAX
};

#define COLUMNS "tbl, row, name, module, version, generation, blob"

static const char put_text[] = "INSERT OR REPLACE INTO rows (" COLUMNS
			       ") VALUES (?, ?, ?, ?, ?, ?, ?)";
static const char drop_text[] = "DELETE FROM rows WHERE tbl = ? AND row = ?";
static const char all_text[] = "SELECT " COLUMNS " FROM rows ORDER BY tbl, row";

static const char *const statement_text[] = {
	[SQL_PUT] = put_text,
	[SQL_DROP] = drop_text,
	[SQL_ALL] = all_text,
};

_Static_assert(NELEM(statement_text) == SQL__MAX, "every statement has a text");

static const char schema[] =
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) "
	"WITHOUT ROWID;"
	"CREATE TABLE rows (tbl TEXT NOT NULL, row INTEGER NOT NULL, "
	"name TEXT NOT NULL, module TEXT NOT NULL, version INTEGER NOT NULL, "
	"generation INTEGER NOT NULL, blob BLOB NOT NULL, "
	"PRIMARY KEY (tbl, row)) WITHOUT ROWID;";

struct rowstore_db {
	struct sqlite_file file; /* closed: there is none yet */
	sqlite3_stmt *stmt[SQL__MAX];
	uint8_t id[STORE_ID_SIZE];
	uint8_t new_id[STORE_ID_SIZE];
	bool exists;   /* id is the store's */
	bool creating; /* the open transaction makes the store new_id */
	bool dropped;  /* old rows are still in the write-ahead log */
	bool boot;     /* transactions are not synced */
};

static enum err oops(struct rowstore_db *db, int rc, struct fault *f)
{
	return sqlite_file_fault(&db->file, rc, f);
}

static enum err prepare(struct rowstore_db *db, enum statement s,
			sqlite3_stmt **out, struct fault *f)
{
	int rc;

	ENSURE(db->file.sql);
	if (!db->stmt[s]) {
		rc = sqlite3_prepare_v3(db->file.sql, statement_text[s], -1,
					SQLITE_PREPARE_PERSISTENT, &db->stmt[s],
					NULL);
		if (rc != SQLITE_OK)
			return oops(db, rc, f);
	}
	*out = db->stmt[s];
	return OK;
}

static void finish(sqlite3_stmt *s)
{
	if (!s)
		return;
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
}

/* Meta */

static enum err meta_bytes(struct rowstore_db *db, const char *name, void *out,
			   size_t len, bool *same_len, struct fault *f)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db->file.sql,
				    "SELECT value FROM meta WHERE name = ?", -1,
				    &s, NULL);

	*same_len = false;
	if (rc == SQLITE_ERROR)
		return fault_set(f, ERR_INVALID, "%s is not a store of cretula",
				 STORE_FILE);
	if (rc != SQLITE_OK)
		return oops(db, rc, f);
	(void)sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(s, 0) == (int)len &&
	    sqlite3_column_blob(s, 0)) {
		memcpy(out, sqlite3_column_blob(s, 0), len);
		*same_len = true;
	}
	sqlite3_finalize(s);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return oops(db, rc, f);
	return OK;
}

static enum err meta_put(struct rowstore_db *db, const char *name,
			 const void *value, size_t len, struct fault *f)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(
		db->file.sql, "INSERT INTO meta (name, value) VALUES (?, ?)",
		-1, &s, NULL);

	if (rc != SQLITE_OK)
		return oops(db, rc, f);
	(void)sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_blob(s, 2, value, (int)len, SQLITE_STATIC);
	rc = sqlite3_step(s);
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? OK : oops(db, rc, f);
}

static enum err read_meta(struct rowstore_db *db, struct fault *f)
{
	uint8_t format = 0;
	bool empty = false, ok;

	TRY(sqlite_file_empty(&db->file, &empty, f));
	if (empty)
		return OK;
	TRY(meta_bytes(db, "format", &format, 1, &ok, f));
	if (!ok)
		return fault_set(f, ERR_INVALID, "%s does not say its format",
				 STORE_FILE);
	if (format != ROWSTORE_FORMAT)
		return fault_set(f, ERR_UNSUPPORTED,
				 "%s is of format %u, this version reads %d: a "
				 "store from a newer version, which has to be "
				 "used",
				 STORE_FILE, format, ROWSTORE_FORMAT);
	TRY(meta_bytes(db, "store", db->id, STORE_ID_SIZE, &ok, f));
	if (!ok)
		return fault_set(f, ERR_INVALID, "%s does not say its id",
				 STORE_FILE);
	db->exists = true;
	return OK;
}

/* Open and close */

static enum err open_all(struct rowstore_db *db, struct fault *f)
{
	bool there;

	TRY(sqlite_folder_check(f));
	TRY(sqlite_file_check(&db->file, &there, f));
	if (!there)
		return OK;
	TRY(sqlite_file_open(&db->file, f));
	return read_meta(db, f);
}

enum err rowstore_db_open(struct rowstore_db **out, struct fault *f)
{
	struct rowstore_db *db = xcalloc(1, sizeof *db);
	enum err e;

	db->file.name = STORE_FILE;
	db->file.value_max = VALUE_MAX;
	e = open_all(db, f);
	if (e != OK) {
		rowstore_db_close(db);
		return e;
	}
	*out = db;
	return OK;
}

void rowstore_db_close(struct rowstore_db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < SQL__MAX; i++)
		sqlite3_finalize(db->stmt[i]);
	sqlite_file_close(&db->file);
	free(db);
}

bool rowstore_db_id(const struct rowstore_db *db, uint8_t id[STORE_ID_SIZE])
{
	if (db->exists)
		memcpy(id, db->id, STORE_ID_SIZE);
	return db->exists;
}

/* Transactions */

static enum err make_store(struct rowstore_db *db, const uint8_t *id,
			   struct fault *f)
{
	uint8_t format = ROWSTORE_FORMAT;

	TRY(sqlite_file_exec(&db->file, schema, f));
	TRY(meta_put(db, "format", &format, 1, f));
	TRY(meta_put(db, "store", id, STORE_ID_SIZE, f));
	memcpy(db->new_id, id, STORE_ID_SIZE);
	db->creating = true;
	return OK;
}

/* The log of SQLite is whole after a crash of the machine in either case; NORMAL may
 * lose its end. */
static enum err set_sync(struct rowstore_db *db, bool boot, struct fault *f)
{
	if (db->boot == boot)
		return OK;
	TRY(sqlite_file_exec(&db->file,
			     boot ? "PRAGMA synchronous=NORMAL"
				  : "PRAGMA synchronous=FULL",
			     f));
	db->boot = boot;
	return OK;
}

enum err rowstore_db_begin(struct rowstore_db *db, const uint8_t *create,
			   bool boot, struct fault *f)
{
	enum err e;

	if (create && db->exists)
		return fault_set(f, ERR_EXISTS,
				 "there is a store already: 'cretula init' is "
				 "for an empty state folder");
	if (!create && !db->exists)
		return fault_set(f, ERR_NOT_FOUND,
				 "there is no store yet: run 'cretula init'");
	if (!db->file.sql) {
		TRY(sqlite_file_make(&db->file, f));
		TRY(sqlite_file_open(&db->file, f));
	}
	TRY(set_sync(db, boot, f));
	TRY(sqlite_file_exec(&db->file, "BEGIN IMMEDIATE", f));
	if (!create)
		return OK;
	e = make_store(db, create, f);
	if (e != OK)
		rowstore_db_rollback(db);
	return e;
}

static void bind_text(sqlite3_stmt *s, int i, const char *text)
{
	ENSURE(sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

static void bind_number(sqlite3_stmt *s, int i, uint64_t n)
{
	ENSURE(n <= ROW_NUMBER_MAX);
	ENSURE(sqlite3_bind_int64(s, i, (sqlite3_int64)n) == SQLITE_OK);
}

enum err rowstore_db_put(struct rowstore_db *db, const struct row *r,
			 struct fault *f)
{
	const struct row_head *h = &r->head;
	sqlite3_stmt *s = NULL;
	int rc;

	TRY(prepare(db, SQL_PUT, &s, f));
	bind_text(s, 1, row_table_name(h->table));
	bind_number(s, 2, h->row);
	bind_text(s, 3, h->name);
	bind_text(s, 4, h->module);
	bind_number(s, 5, h->version);
	bind_number(s, 6, h->generation);
	/* A pointer that is never NULL: NULL would be another type. */
	rc = sqlite3_bind_blob64(s, 7, r->blob_len ? (const void *)r->blob : "",
				 r->blob_len, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	finish(s);
	return rc == SQLITE_DONE ? OK : oops(db, rc, f);
}

enum err rowstore_db_drop(struct rowstore_db *db, enum row_table t,
			  uint64_t row, struct fault *f)
{
	sqlite3_stmt *s = NULL;
	int rc;

	TRY(prepare(db, SQL_DROP, &s, f));
	bind_text(s, 1, row_table_name(t));
	bind_number(s, 2, row);
	rc = sqlite3_step(s);
	finish(s);
	if (rc != SQLITE_DONE)
		return oops(db, rc, f);
	if (!sqlite3_changes(db->file.sql))
		return fault_set(f, ERR_NOT_FOUND,
				 "the store has no row %s/%llu to remove",
				 row_table_name(t), (unsigned long long)row);
	db->dropped = true;
	return OK;
}

/* A dropped row is to be gone: its page is overwritten (secure_delete), and the
 * log that may hold the old page is emptied into the file and cut. Not done here,
 * it is tried again after the next transaction. */
static void forget_dropped(struct rowstore_db *db)
{
	if (db->dropped &&
	    sqlite_file_exec(&db->file, "PRAGMA wal_checkpoint(TRUNCATE)",
			     NULL) == OK)
		db->dropped = false;
}

enum err rowstore_db_commit(struct rowstore_db *db, struct fault *f)
{
	enum err e = sqlite_file_exec(&db->file, "COMMIT", f);

	if (e != OK) {
		rowstore_db_rollback(db);
		return e;
	}
	if (db->creating) {
		memcpy(db->id, db->new_id, STORE_ID_SIZE);
		db->creating = false;
		db->exists = true;
	}
	forget_dropped(db);
	return OK;
}

void rowstore_db_rollback(struct rowstore_db *db)
{
	db->creating = false;
	/* On a full disk SQLite may have rolled back already. */
	if (db->file.sql && !sqlite3_get_autocommit(db->file.sql))
		(void)sqlite3_exec(db->file.sql, "ROLLBACK", NULL, NULL, NULL);
}

/* Walking */

enum err rowstore_db_first(struct rowstore_db *db, struct fault *f)
{
	sqlite3_stmt *s = NULL;

	if (!db->exists)
		return OK;
	TRY(prepare(db, SQL_ALL, &s, f));
	finish(s);
	return OK;
}

static bool take_number(sqlite3_stmt *s, int i, uint64_t *n)
{
	sqlite3_int64 v = sqlite3_column_int64(s, i);

	if (sqlite3_column_type(s, i) != SQLITE_INTEGER || v < 0)
		return false;
	*n = (uint64_t)v;
	return true;
}

static bool take_text(sqlite3_stmt *s, int i, char *out, size_t max)
{
	const unsigned char *text = sqlite3_column_text(s, i);
	int n = sqlite3_column_bytes(s, i);

	if (sqlite3_column_type(s, i) != SQLITE_TEXT || !text ||
	    (size_t)n > max || memchr(text, 0, (size_t)n))
		return false;
	memcpy(out, text, (size_t)n);
	out[n] = 0;
	return true;
}

static bool take_row(sqlite3_stmt *s, struct row *r)
{
	char table[ROW_MODULE_MAX + 1];

	*r = (struct row){ 0 };
	if (!take_text(s, 0, table, ROW_MODULE_MAX) ||
	    row_table_parse(table, strlen(table), &r->head.table) != OK ||
	    !take_number(s, 1, &r->head.row) ||
	    !take_text(s, 2, r->head.name, ROW_NAME_MAX) ||
	    !take_text(s, 3, r->head.module, ROW_MODULE_MAX) ||
	    !take_number(s, 4, &r->head.version) ||
	    !take_number(s, 5, &r->head.generation) ||
	    sqlite3_column_type(s, 6) != SQLITE_BLOB)
		return false;
	r->blob = sqlite3_column_blob(s, 6);
	r->blob_len = (size_t)sqlite3_column_bytes(s, 6);
	return r->blob_len <= ROW_BLOB_MAX;
}

enum err rowstore_db_next(struct rowstore_db *db, struct row *r, bool *more,
			  struct fault *f)
{
	sqlite3_stmt *s = db->stmt[SQL_ALL];
	int rc;

	*more = false;
	if (!db->exists)
		return OK;
	ENSURE(s);
	rc = sqlite3_step(s);
	if (rc == SQLITE_DONE) {
		finish(s);
		return OK;
	}
	if (rc != SQLITE_ROW) {
		finish(s);
		return oops(db, rc, f);
	}
	if (!take_row(s, r)) {
		finish(s);
		return fault_set(f, ERR_INVALID,
				 "%s holds a row that no version has written: "
				 "it was edited",
				 STORE_FILE);
	}
	*more = true;
	return OK;
}

void rowstore_db_rest(struct rowstore_db *db)
{
	finish(db->stmt[SQL_ALL]);
}
