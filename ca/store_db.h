/* The inventory: ca.db in the current folder (SQLite; WAL, synchronous, one process).
 *
 *	state		one row: generation, counters, size of the log, last frontier
 *	meta		name, value: what the issuer keeps
 *	name		dictionary of nodes and types
 *	cert		by issuance number; small rows, so that a page holds forty
 *	der		the certificates themselves, by number
 *	revoked		by number: all that a CRL entry needs
 *	expiry		how many certificates end in each 1024 seconds
 *	token, alarm	enrolment tokens and what was tried with spent ones
 *	log		audit records by index
 *	tile		roots of 256^level records (lib/merkle.h)
 *	note		every checkpoint
 *
 * cert, der, log and their indexes grow at their ends: numbers, times and UUIDv7 go
 * up. Names of nodes and types are few.
 *
 * Errors: ERR_UNAVAILABLE: the disk (full, unreadable, in use), nothing was changed;
 * ERR_INVALID: file or folder are not as they should be; ERR_UNSUPPORTED: a newer
 * format; ERR_EXISTS, ERR_NOT_FOUND, ERR_CONFLICT as each function says. */
#ifndef CA_STORE_DB_H
#define CA_STORE_DB_H

#include "ca/store_sql.h"
#include "lib/attr.h"
#include "lib/merkle.h"
#include "lib/sqlite_file.h"

enum {
	STORE_FORMAT = 1,
	STORE_TAIL = 12,       /* random octets of a serial */
	STORE_HASH = 32,       /* SHA-256 of a request */
	STORE_TOKEN = 16,      /* id of a token */
	STORE_NAME_MAX = 256,  /* bytes of a node, type, agent or address */
	STORE_TEXT_MAX = 1024, /* of an alarm */
	STORE_REASON_MAX = 10, /* CRLReason */
	STORE_WAL_HIGH =
		4096, /* pages in the write-ahead log: time to empty it */
	STORE_META_MAX = 64 << 10, /* bytes of what the issuer keeps by name */
	STORE_ALARMS = 16, /* kept of one token; more are only counted */
};

#define STORE_NUMBER_MAX (((uint64_t)1 << 40) - 1) /* of a serial */
#define STORE_TIME_MAX   ((uint64_t)253402300799)  /* the end of year 9999 */
#define STORE_INT_MAX    ((uint64_t)INT64_MAX)

/* What a transaction changes as a whole. */
struct store_state {
	uint64_t generation;
	uint64_t next; /* lowest number never used */
	uint64_t certs, revoked, alarms;
	uint64_t log_size;
	uint64_t note_size; /* of the last checkpoint */
	/* The records and tiles after the last whole tile, one tree a level. */
	struct merkle part[MERKLE_TILES];
};

struct store_db {
	struct sqlite_file file;
	sqlite3_stmt *stmt[SQL__MAX];
	struct store_state now;  /* as committed */
	struct store_state want; /* as the open transaction makes it */
	unsigned wal;            /* pages in the write-ahead log */
	unsigned wal_next;       /* … when one that failed is tried again */
};

/* Opens it, making it if there is none. */
MUST enum err store_db_open(struct store_db **out, struct fault *f);
void store_db_close(struct store_db *db); /* NULL is fine */

/* One transaction at a time. commit: durable when it returns OK; otherwise, and
 * after rollback, nothing was changed. */
MUST enum err store_db_begin(struct store_db *db, uint64_t generation,
			     struct fault *f);
MUST enum err store_db_commit(struct store_db *db, struct fault *f);
void store_db_rollback(struct store_db *db);

/* Ends every statement that is half read, for that would keep a transaction open, and
 * the write-ahead log from being emptied. After each answer. */
void store_db_rest(struct store_db *db);

/* Empties the write-ahead log into the file. For idle moments. */
MUST enum err store_db_checkpoint(struct store_db *db, struct fault *f);

/* A statement, reset, without bindings. */
MUST enum err store_sql(struct store_db *db, enum store_sql which,
			sqlite3_stmt **out, struct fault *f);

/* Numbers up to STORE_INT_MAX; bytes and text stay the caller's until the statement
 * has run. */
void store_bind_u64(sqlite3_stmt *s, int i, uint64_t n);
void store_bind_blob(sqlite3_stmt *s, int i, struct attr_view v);
void store_bind_text(sqlite3_stmt *s, int i, struct attr_view v);

/* Steps: *row false at the end, when the statement has been reset. */
MUST enum err store_step(struct store_db *db, sqlite3_stmt *s, bool *row,
			 struct fault *f);
/* Runs a statement that has no rows. ERR_EXISTS: its key is there already. */
MUST enum err store_run(struct store_db *db, sqlite3_stmt *s, struct fault *f);
/* Its one row's first column, a number; ERR_NOT_FOUND if there is no row. */
MUST enum err store_one(struct store_db *db, sqlite3_stmt *s, uint64_t *n,
			struct fault *f);

/* Columns: what is NULL, negative or of another type is 0, or no bytes. */
uint64_t store_col_u64(sqlite3_stmt *s, int i);
struct attr_view store_col_bytes(sqlite3_stmt *s, int i);
bool store_col_null(sqlite3_stmt *s, int i);

/* The file was edited or damaged. */
enum err store_damaged(struct fault *f, const char *what);

#endif
