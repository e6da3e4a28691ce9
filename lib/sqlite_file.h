/* Opens a database in the current folder by SQLite with everything switched off that a
 * store has no use for, and puts SQLite's errors into sentences. For the store roles;
 * only programs that use it need SQLite. */
#ifndef LIB_SQLITE_FILE_H
#define LIB_SQLITE_FILE_H

#include "lib/err.h"

#include <sqlite3.h>

struct sqlite_file {
	const char *name; /* "store.db"; static */
	int value_max;    /* bytes of the largest value and row */
	sqlite3 *sql;     /* NULL while closed */
};

/* The current folder: ours, 0700. */
MUST enum err sqlite_folder_check(struct fault *f);

/* *there: whether the file exists; if it does it is ours, plain, 0600. */
MUST enum err sqlite_file_check(const struct sqlite_file *s, bool *there,
				struct fault *f);

/* Makes the empty file, 0600. */
MUST enum err sqlite_file_make(const struct sqlite_file *s, struct fault *f);

/* Opens it: WAL, synchronous=FULL, for this process alone. */
MUST enum err sqlite_file_open(struct sqlite_file *s, struct fault *f);

/* Closes what is open; every statement must have been finalized. */
void sqlite_file_close(struct sqlite_file *s);

/* The error and the sentence for a result code of the last call. */
enum err sqlite_file_fault(const struct sqlite_file *s, int rc,
			   struct fault *f);

/* Runs statements without results. */
MUST enum err sqlite_file_exec(const struct sqlite_file *s, const char *text,
			       struct fault *f);

/* True if there is no table in it: what a crash while it was made leaves. */
MUST enum err sqlite_file_empty(const struct sqlite_file *s, bool *empty,
				struct fault *f);

#endif
