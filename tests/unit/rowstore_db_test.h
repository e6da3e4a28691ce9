/* What the tests of the store's file share: a temporary folder to be in, a store with
 * two rows, and its rows counted. */
#ifndef TESTS_ROWSTORE_DB_TEST_H
#define TESTS_ROWSTORE_DB_TEST_H

#include "lib/rowstore_db.h"

#include "tests/unit/store_test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t store_id[STORE_ID_SIZE] = "0123456789abcde";
static char folder[64];

static inline int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_rowstore_db.XXXXXX");
	return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int end(void **state)
{
	(void)state;
	return chdir("/") || nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void db_end(struct rowstore_db **db)
{
	rowstore_db_close(*db);
	*db = NULL;
}

static inline void ok(enum err e, const struct fault *f)
{
	if (e != OK)
		fail_msg("%s: %s", err_name(e), f->text);
}

static inline struct rowstore_db *db_open(void)
{
	struct rowstore_db *db = NULL;
	struct fault f = { 0 };

	ok(rowstore_db_open(&db, &f), &f);
	return db;
}

static inline struct row row_of(enum row_table t, uint64_t row,
				const char *blob)
{
	return (struct row){ .head = head_of(t, row, "prod", 4),
			     .blob = (const uint8_t *)blob,
			     .blob_len = strlen(blob) };
}

static inline void put(struct rowstore_db *db, enum row_table t, uint64_t n,
		       const char *blob)
{
	struct row r = row_of(t, n, blob);
	struct fault f = { 0 };

	ok(rowstore_db_put(db, &r, &f), &f);
}

static inline void begin_ok(struct rowstore_db *db, const uint8_t *create)
{
	struct fault f = { 0 };

	ok(rowstore_db_begin(db, create, false, &f), &f);
}

static inline void commit_ok(struct rowstore_db *db)
{
	struct fault f = { 0 };

	ok(rowstore_db_commit(db, &f), &f);
}

/* A store with the rows grant/1 "one" and key/7 "seven". */
static inline struct rowstore_db *db_with_rows(void)
{
	struct rowstore_db *db = db_open();

	begin_ok(db, store_id);
	put(db, ROW_GRANT, 1, "one");
	put(db, ROW_KEY, 7, "seven");
	commit_ok(db);
	return db;
}

static inline unsigned count_rows(struct rowstore_db *db)
{
	struct fault f = { 0 };
	struct row r;
	unsigned n = 0;
	bool more;

	ok(rowstore_db_first(db, &f), &f);
	for (;;) {
		ok(rowstore_db_next(db, &r, &more, &f), &f);
		if (!more)
			return n;
		n++;
	}
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
