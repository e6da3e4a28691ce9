/* lib/sqlite_file.c and what lib/rowstore_db.c makes of files and folders that are not
 * as they should be. */
#include "tests/unit/rowstore_db_test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/wait.h>

/* What an editor does: SQL on the closed file. */
static void edit(const char *sql)
{
	sqlite3 *s = NULL;

	assert_int_equal(sqlite3_open("store.db", &s), SQLITE_OK);
	if (sqlite3_exec(s, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(s));
	sqlite3_close(s);
}

static void open_fails(enum err want, const char *words)
{
	struct rowstore_db *db = NULL;
	struct fault f = { 0 };
	enum err e = rowstore_db_open(&db, &f);

	rowstore_db_close(db);
	assert_int_equal(e, want);
	if (!strstr(f.text, words))
		fail_msg("'%s' does not say '%s'", f.text, words);
}

/* Files as they should not be */

static void test_files_are_ours_alone(void **state)
{
	AUTO(db_end) struct rowstore_db *db = NULL;
	mode_t old = umask(0);
	struct stat st;

	(void)state;
	db = db_with_rows();
	umask(old);
	assert_int_equal(stat("store.db", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat("store.db-wal", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access("store.db-shm", F_OK), -1);
}

static void test_open_folder_is_refused(void **state)
{
	(void)state;
	assert_int_equal(chmod(".", 0750), 0);
	open_fails(ERR_INVALID, "mode 0750");
}

static void test_foreign_folder_is_refused(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(chown(".", 12345, 12345), 0);
	open_fails(ERR_INVALID, "uid 12345");
}

static void test_open_file_is_refused(void **state)
{
	struct rowstore_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	assert_int_equal(chmod("store.db", 0640), 0);
	open_fails(ERR_INVALID, "mode 0640");
}

static void test_symbolic_link_is_refused(void **state)
{
	struct rowstore_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	assert_int_equal(rename("store.db", "other.db"), 0);
	assert_int_equal(symlink("other.db", "store.db"), 0);
	open_fails(ERR_INVALID, "symbolic link");
}

static void test_second_name_is_refused(void **state)
{
	struct rowstore_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	assert_int_equal(link("store.db", "other.db"), 0);
	open_fails(ERR_INVALID, "2 names");
}

static void test_works_below_a_folder_it_may_not_search(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(mkdir("in", 0700), 0);
	assert_int_equal(chown("in", 12345, 12345), 0);
	pid = fork();
	if (!pid) {
		struct rowstore_db *db = NULL;
		struct fault f = { 0 };

		if (chdir("in") || setresuid(12345, 12345, 12345) ||
		    rowstore_db_open(&db, &f) != OK ||
		    rowstore_db_begin(db, store_id, false, &f) != OK ||
		    rowstore_db_commit(db, &f) != OK) {
			print_error("%s\n", f.text);
			_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access("in/store.db", F_OK), 0);
}

static void test_second_process_is_refused(void **state)
{
	AUTO(db_end) struct rowstore_db *db = db_with_rows();
	int status;
	pid_t pid = fork();

	(void)state;
	assert_non_null(db);
	if (!pid) {
		struct rowstore_db *second = NULL;
		struct fault f = { 0 };
		enum err e = rowstore_db_open(&second, &f);

		if (e != ERR_UNAVAILABLE || !strstr(f.text, "in use")) {
			print_error("%d %s\n", e, f.text);
			_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_newer_format_is_refused(void **state)
{
	struct rowstore_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	edit("UPDATE meta SET value = x'02' WHERE name = 'format'");
	open_fails(ERR_UNSUPPORTED, "newer version");
}

static void test_strange_databases_are_refused(void **state)
{
	struct rowstore_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	edit("UPDATE meta SET value = x'0101' WHERE name = 'format'");
	open_fails(ERR_INVALID, "format");
	edit("UPDATE meta SET value = x'01' WHERE name = 'format';"
	     "DELETE FROM meta WHERE name = 'store'");
	open_fails(ERR_INVALID, "id");
	edit("DROP TABLE meta");
	open_fails(ERR_INVALID, "not a store");
}

static void test_no_database_is_damage(void **state)
{
	int fd = open("store.db", O_CREAT | O_WRONLY, 0600);
	char junk[8192];

	(void)state;
	memset(junk, 'x', sizeof junk);
	assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
	close(fd);
	open_fails(ERR_INVALID, "damaged");
}

static void rows_fail(const char *sql)
{
	AUTO(db_end) struct rowstore_db *db = NULL;
	struct fault f = { 0 };
	enum err e = OK;
	struct row r;
	bool more = true;

	edit(sql);
	db = db_open();
	ok(rowstore_db_first(db, &f), &f);
	while (e == OK && more)
		e = rowstore_db_next(db, &r, &more, &f);
	assert_int_equal(e, ERR_INVALID);
	assert_non_null(strstr(f.text, "edited"));
}

static void test_rows_no_version_writes_are_refused(void **state)
{
	struct rowstore_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	rows_fail("UPDATE rows SET generation = -1 WHERE row = 7");
	rows_fail("UPDATE rows SET generation = 1, version = 'x'");
	rows_fail("UPDATE rows SET version = 1, blob = 'text'");
	rows_fail("UPDATE rows SET blob = x'00', tbl = 'wine' WHERE row = 7");
	rows_fail("UPDATE rows SET tbl = 'key', name = x'00' WHERE row = 7");
}

static void test_view_in_place_of_the_table_is_refused(void **state)
{
	struct rowstore_db *db = db_with_rows();
	struct fault f;

	(void)state;
	db_end(&db);
	edit("ALTER TABLE rows RENAME TO mine;"
	     "CREATE VIEW rows AS SELECT * FROM mine");
	db = db_open();
	assert_int_not_equal(rowstore_db_first(db, &f), OK);
	db_end(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_files_are_ours_alone),
		IN_FOLDER(test_open_folder_is_refused),
		IN_FOLDER(test_foreign_folder_is_refused),
		IN_FOLDER(test_open_file_is_refused),
		IN_FOLDER(test_symbolic_link_is_refused),
		IN_FOLDER(test_second_name_is_refused),
		IN_FOLDER(test_works_below_a_folder_it_may_not_search),
		IN_FOLDER(test_second_process_is_refused),
		IN_FOLDER(test_newer_format_is_refused),
		IN_FOLDER(test_strange_databases_are_refused),
		IN_FOLDER(test_no_database_is_damage),
		IN_FOLDER(test_rows_no_version_writes_are_refused),
		IN_FOLDER(test_view_in_place_of_the_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
