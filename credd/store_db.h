/* The store's file: sealed rows in SQLite, store.db in the current folder (WAL,
 * synchronous, one process at a time). Every change is one transaction.
 *
 *	meta(name, value)	format=1, store=16 bytes
 *	rows(tbl, row, name, module, version, generation, blob)
 *
 * Errors: ERR_UNAVAILABLE: the disk (full, unreadable, in use), nothing was
 * changed; ERR_INVALID: the file or folder is not as it should be;
 * ERR_UNSUPPORTED: a newer format; ERR_INTERNAL: used out of order. */
#ifndef CREDD_STORE_DB_H
#define CREDD_STORE_DB_H

#include "lib/row.h"

enum {
	STORE_FORMAT = 1
};

struct store_db;

/* Opens the store of the current folder, which must belong to this user with mode
 * 0700; the file likewise, a plain file with mode 0600. It is no error if there is
 * none yet. */
MUST enum err store_db_open(struct store_db **out, struct fault *f);
void store_db_close(struct store_db *db); /* NULL is fine */

/* The id of the store, false if there is none yet. */
bool store_db_id(const struct store_db *db, uint8_t id[STORE_ID_SIZE]);

/* Begins a transaction; with create, that of a new store of that id. ERR_EXISTS:
 * there is one; ERR_NOT_FOUND: there is none. */
MUST enum err store_db_begin(struct store_db *db, const uint8_t *create,
			     struct fault *f);

/* Inside a transaction. put replaces; ERR_NOT_FOUND: no such row to drop. */
MUST enum err store_db_put(struct store_db *db, const struct row *r,
			   struct fault *f);
MUST enum err store_db_drop(struct store_db *db, enum row_table t, uint64_t row,
			    struct fault *f);

/* Durable when it returns OK; otherwise nothing was changed. */
MUST enum err store_db_commit(struct store_db *db, struct fault *f);

/* Undoes what was begun, if anything was. */
void store_db_rollback(struct store_db *db);

/* Walks over all rows: first, then next until it gives false in *more. r is valid
 * until the next call. rest ends a walk early; nothing may be changed meanwhile. */
MUST enum err store_db_first(struct store_db *db, struct fault *f);
MUST enum err store_db_next(struct store_db *db, struct row *r, bool *more,
			    struct fault *f);
void store_db_rest(struct store_db *db);

#endif
