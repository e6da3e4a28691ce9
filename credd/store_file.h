/* Opens store.db by SQLite with everything switched off that a store has no use
 * for, and puts SQLite's errors into sentences. */
#ifndef CREDD_STORE_FILE_H
#define CREDD_STORE_FILE_H

#include "lib/err.h"

#include <sqlite3.h>

#define STORE_FILE "store.db"

/* The current folder: ours, 0700. */
MUST enum err store_folder_check(struct fault *f);

/* *there: whether the file exists; if it does it is ours, plain, 0600. */
MUST enum err store_file_check(bool *there, struct fault *f);

/* Makes the empty file, 0600. */
MUST enum err store_file_make(struct fault *f);

MUST enum err store_file_open(sqlite3 **sql, struct fault *f);

/* The error and the sentence for a result code of the last call. */
enum err store_file_fault(sqlite3 *sql, int rc, struct fault *f);

/* Runs one statement without results. */
MUST enum err store_file_exec(sqlite3 *sql, const char *text, struct fault *f);

#endif
