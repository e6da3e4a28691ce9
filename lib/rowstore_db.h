/* The store's file: opaque rows in SQLite, store.db in the current folder (WAL,
 * synchronous, one process at a time). Every change is one transaction.
 *
 *	meta(name, value)	format=1, store=16 bytes
 *	rows(tbl, row, name, module, version, generation, blob)
 *
 * Errors: ERR_UNAVAILABLE: the disk (full, unreadable, in use), nothing was
 * changed; ERR_INVALID: the file or folder is not as it should be;
 * ERR_UNSUPPORTED: a newer format; ERR_INTERNAL: used out of order. */
#ifndef LIB_ROWSTORE_DB_H
#define LIB_ROWSTORE_DB_H

#include "lib/row.h"

enum {
	ROWSTORE_FORMAT = 1
};

struct rowstore_db;

/* Opens the store of the current folder, which must belong to this user with mode
 * 0700; the file likewise, a plain file with mode 0600. It is no error if there is
 * none yet. */
MUST enum err rowstore_db_open(struct rowstore_db **out, struct fault *f);
void rowstore_db_close(struct rowstore_db *db); /* NULL is fine */

/* The id of the store, false if there is none yet. */
bool rowstore_db_id(const struct rowstore_db *db, uint8_t id[STORE_ID_SIZE]);

/* Begins a transaction; with create, that of a new store of that id. boot: the machine's
 * going down may undo it. ERR_EXISTS: there is one; ERR_NOT_FOUND: there is none. */
MUST enum err rowstore_db_begin(struct rowstore_db *db, const uint8_t *create,
				bool boot, struct fault *f);

/* Inside a transaction. put replaces; ERR_NOT_FOUND: no such row to drop. */
MUST enum err rowstore_db_put(struct rowstore_db *db, const struct row *r,
			      struct fault *f);
MUST enum err rowstore_db_drop(struct rowstore_db *db, enum row_table t,
			       uint64_t row, struct fault *f);

/* Durable when it returns OK (of one begun with boot: whoever dies but the machine);
 * otherwise nothing was changed. */
MUST enum err rowstore_db_commit(struct rowstore_db *db, struct fault *f);

/* Undoes what was begun, if anything was. */
void rowstore_db_rollback(struct rowstore_db *db);

/* Walks over all rows: first, then next until it gives false in *more. r is valid
 * until the next call. rest ends a walk early; nothing may be changed meanwhile. */
MUST enum err rowstore_db_first(struct rowstore_db *db, struct fault *f);
MUST enum err rowstore_db_next(struct rowstore_db *db, struct row *r,
			       bool *more, struct fault *f);
void rowstore_db_rest(struct rowstore_db *db);

#endif
