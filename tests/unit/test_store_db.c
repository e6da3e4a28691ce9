/* credd/store_db.c on real files in temporary folders. */
#include "credd/store_db.h"

#include "tests/unit/store_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FULL_BYTES = 512 << 10,
	FULL_BLOB = 40 << 10,
};

static const uint8_t store_id[STORE_ID_SIZE] = "0123456789abcde";
static char folder[64];

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_store_db.XXXXXX");
	return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	return chdir("/") || nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void db_end(struct store_db **db)
{
	store_db_close(*db);
	*db = NULL;
}

static void ok(enum err e, const struct fault *f)
{
	if (e != OK)
		fail_msg("%s: %s", err_name(e), f->text);
}

static struct store_db *db_open(void)
{
	struct store_db *db = NULL;
	struct fault f = { 0 };

	ok(store_db_open(&db, &f), &f);
	return db;
}

static struct row row_of(enum row_table t, uint64_t row, const char *blob)
{
	return (struct row){ .head = head_of(t, row, "prod", 4),
			     .blob = (const uint8_t *)blob,
			     .blob_len = strlen(blob) };
}

static void put(struct store_db *db, enum row_table t, uint64_t n,
		const char *blob)
{
	struct row r = row_of(t, n, blob);
	struct fault f = { 0 };

	ok(store_db_put(db, &r, &f), &f);
}

static void begin_ok(struct store_db *db, const uint8_t *create)
{
	struct fault f = { 0 };

	ok(store_db_begin(db, create, &f), &f);
}

static void commit_ok(struct store_db *db)
{
	struct fault f = { 0 };

	ok(store_db_commit(db, &f), &f);
}

/* A store with the rows grant/1 "one" and key/7 "seven". */
static struct store_db *db_with_rows(void)
{
	struct store_db *db = db_open();

	begin_ok(db, store_id);
	put(db, ROW_GRANT, 1, "one");
	put(db, ROW_KEY, 7, "seven");
	commit_ok(db);
	return db;
}

static unsigned count_rows(struct store_db *db)
{
	struct fault f = { 0 };
	struct row r;
	unsigned n = 0;
	bool more;

	ok(store_db_first(db, &f), &f);
	for (;;) {
		ok(store_db_next(db, &r, &more, &f), &f);
		if (!more)
			return n;
		n++;
	}
}

/* The blob of a row, "" if there is none. */
static void blob_of(struct store_db *db, enum row_table t, uint64_t row,
		    char *out)
{
	struct fault f = { 0 };
	struct row r;
	bool more;

	*out = 0;
	ok(store_db_first(db, &f), &f);
	do {
		ok(store_db_next(db, &r, &more, &f), &f);
		if (!more || r.head.table != t || r.head.row != row)
			continue;
		memcpy(out, r.blob, r.blob_len);
		out[r.blob_len] = 0;
	} while (more);
}

static void assert_blob(struct store_db *db, enum row_table t, uint64_t row,
			const char *want)
{
	char got[64];

	blob_of(db, t, row, got);
	assert_string_equal(got, want);
}

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
	struct store_db *db = NULL;
	struct fault f = { 0 };
	enum err e = store_db_open(&db, &f);

	store_db_close(db);
	assert_int_equal(e, want);
	if (!strstr(f.text, words))
		fail_msg("'%s' does not say '%s'", f.text, words);
}

/* Rows */

static void test_no_store_yet(void **state)
{
	AUTO(db_end) struct store_db *db = db_open();
	uint8_t id[STORE_ID_SIZE];
	struct fault f;

	(void)state;
	assert_false(store_db_id(db, id));
	assert_int_equal(count_rows(db), 0);
	assert_int_equal(store_db_begin(db, NULL, &f), ERR_NOT_FOUND);
	assert_int_equal(access("store.db", F_OK), -1);
}

static void test_rows_come_back_after_reopening(void **state)
{
	struct store_db *db = db_with_rows();
	uint8_t id[STORE_ID_SIZE];
	struct fault f;
	struct row r;
	bool more;

	(void)state;
	db_end(&db);
	db = db_open();
	assert_true(store_db_id(db, id));
	assert_memory_equal(id, store_id, STORE_ID_SIZE);
	assert_int_equal(count_rows(db), 2);
	ok(store_db_first(db, &f), &f);
	ok(store_db_next(db, &r, &more, &f), &f);
	assert_true(more);
	assert_int_equal(r.head.table, ROW_GRANT);
	assert_int_equal(r.head.row, 1);
	assert_int_equal(r.head.version, 3);
	assert_int_equal(r.head.generation, 4);
	assert_string_equal(r.head.name, "prod");
	assert_string_equal(r.head.module, "hmac");
	assert_int_equal(r.blob_len, 3);
	store_db_rest(db);
	db_end(&db);
}

static void test_put_replaces_and_drop_removes(void **state)
{
	AUTO(db_end) struct store_db *db = db_with_rows();
	struct fault f;

	(void)state;
	begin_ok(db, NULL);
	put(db, ROW_GRANT, 1, "uno");
	ok(store_db_drop(db, ROW_KEY, 7, &f), &f);
	commit_ok(db);
	assert_int_equal(count_rows(db), 1);
	assert_blob(db, ROW_GRANT, 1, "uno");
}

static void test_nothing_is_half_done(void **state)
{
	AUTO(db_end) struct store_db *db = db_with_rows();
	struct fault f = { 0 };

	(void)state;
	begin_ok(db, NULL);
	put(db, ROW_GRANT, 1, "changed");
	put(db, ROW_GRANT, 2, "new");
	assert_int_equal(store_db_drop(db, ROW_KEY, 8, &f), ERR_NOT_FOUND);
	assert_non_null(strstr(f.text, "key/8"));
	store_db_rollback(db);
	assert_int_equal(count_rows(db), 2);
	assert_blob(db, ROW_GRANT, 1, "one");
	begin_ok(db, NULL);
	commit_ok(db);
}

static void test_create_twice_is_refused(void **state)
{
	AUTO(db_end) struct store_db *db = db_with_rows();
	struct fault f;

	(void)state;
	assert_int_equal(store_db_begin(db, store_id, &f), ERR_EXISTS);
	assert_int_equal(count_rows(db), 2);
}

static void test_create_undone_leaves_no_store(void **state)
{
	struct store_db *db = db_open();
	uint8_t id[STORE_ID_SIZE];

	(void)state;
	begin_ok(db, store_id);
	put(db, ROW_GRANT, 1, "one");
	store_db_rollback(db);
	assert_false(store_db_id(db, id));
	db_end(&db);
	db = db_with_rows(); /* the empty file is used */
	assert_int_equal(count_rows(db), 2);
	db_end(&db);
}

static void test_empty_and_large_blobs(void **state)
{
	AUTO(db_end) struct store_db *db = db_with_rows();
	AUTO(mem_free) uint8_t *big = xcalloc(1, ROW_BLOB_MAX);
	struct row r = row_of(ROW_MODULE, 1, "");
	struct fault f;

	(void)state;
	begin_ok(db, NULL);
	ok(store_db_put(db, &r, &f), &f);
	r.head.row = 2;
	r.blob = big;
	r.blob_len = ROW_BLOB_MAX;
	ok(store_db_put(db, &r, &f), &f);
	commit_ok(db);
	assert_int_equal(count_rows(db), 4);
}

static bool file_holds(const char *name, const char *what)
{
	AUTO(fd_close) int fd = open(name, O_RDONLY);
	static char all[4 << 20];
	ssize_t n = fd < 0 ? 0 : read(fd, all, sizeof all);

	return n > 0 && memmem(all, (size_t)n, what, strlen(what));
}

static void test_dropped_row_is_gone_from_the_files(void **state)
{
	AUTO(db_end) struct store_db *db = db_with_rows();
	struct fault f;

	(void)state;
	begin_ok(db, NULL);
	put(db, ROW_CREDENTIAL, 9, "needle-in-the-store");
	commit_ok(db);
	assert_true(file_holds("store.db-wal", "needle-in-the-store") ||
		    file_holds("store.db", "needle-in-the-store"));
	begin_ok(db, NULL);
	ok(store_db_drop(db, ROW_CREDENTIAL, 9, &f), &f);
	commit_ok(db);
	assert_false(file_holds("store.db-wal", "needle-in-the-store"));
	assert_false(file_holds("store.db", "needle-in-the-store"));
}

static void test_killed_in_the_middle_keeps_what_was_committed(void **state)
{
	AUTO(db_end) struct store_db *db = NULL;
	int status;
	pid_t pid;

	(void)state;
	db = db_with_rows();
	db_end(&db);
	pid = fork();
	if (!pid) {
		db = db_open();
		begin_ok(db, NULL);
		put(db, ROW_GRANT, 2, "two");
		commit_ok(db);
		begin_ok(db, NULL);
		put(db, ROW_GRANT, 1, "lost");
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	db = db_open();
	assert_int_equal(count_rows(db), 3);
	assert_blob(db, ROW_GRANT, 1, "one");
	assert_blob(db, ROW_GRANT, 2, "two");
}

/* Files as they should not be */

static void test_files_are_ours_alone(void **state)
{
	AUTO(db_end) struct store_db *db = NULL;
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
	struct store_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	assert_int_equal(chmod("store.db", 0640), 0);
	open_fails(ERR_INVALID, "mode 0640");
}

static void test_symbolic_link_is_refused(void **state)
{
	struct store_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	assert_int_equal(rename("store.db", "other.db"), 0);
	assert_int_equal(symlink("other.db", "store.db"), 0);
	open_fails(ERR_INVALID, "symbolic link");
}

static void test_second_name_is_refused(void **state)
{
	struct store_db *db = db_with_rows();

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
		struct store_db *db = NULL;
		struct fault f = { 0 };

		if (chdir("in") || setresuid(12345, 12345, 12345) ||
		    store_db_open(&db, &f) != OK ||
		    store_db_begin(db, store_id, &f) != OK ||
		    store_db_commit(db, &f) != OK) {
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
	AUTO(db_end) struct store_db *db = db_with_rows();
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		struct store_db *second = NULL;
		struct fault f = { 0 };
		enum err e = store_db_open(&second, &f);

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
	struct store_db *db = db_with_rows();

	(void)state;
	db_end(&db);
	edit("UPDATE meta SET value = x'02' WHERE name = 'format'");
	open_fails(ERR_UNSUPPORTED, "newer version");
}

static void test_strange_databases_are_refused(void **state)
{
	struct store_db *db = db_with_rows();

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
	AUTO(db_end) struct store_db *db = NULL;
	struct fault f = { 0 };
	enum err e = OK;
	struct row r;
	bool more = true;

	edit(sql);
	db = db_open();
	ok(store_db_first(db, &f), &f);
	while (e == OK && more)
		e = store_db_next(db, &r, &more, &f);
	assert_int_equal(e, ERR_INVALID);
	assert_non_null(strstr(f.text, "edited"));
}

static void test_rows_no_version_writes_are_refused(void **state)
{
	struct store_db *db = db_with_rows();

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
	struct store_db *db = db_with_rows();
	struct fault f;

	(void)state;
	db_end(&db);
	edit("ALTER TABLE rows RENAME TO mine;"
	     "CREATE VIEW rows AS SELECT * FROM mine");
	db = db_open();
	assert_int_not_equal(store_db_first(db, &f), OK);
	db_end(&db);
}

/* The disk */

static void fill_until_full(struct store_db *db, uint64_t *done)
{
	static uint8_t blob[FULL_BLOB];
	struct fault f = { 0 };
	enum err e = OK;

	for (*done = 0; e == OK; ++*done) {
		struct row r = row_of(ROW_GRANT, 100 + *done, "");

		assert_true(*done < 100);
		r.blob = blob;
		r.blob_len = sizeof blob;
		e = store_db_begin(db, NULL, &f);
		if (e == OK)
			e = store_db_put(db, &r, &f);
		if (e == OK)
			e = store_db_commit(db, &f);
		store_db_rollback(db);
	}
	--*done;
	assert_int_equal(e, ERR_UNAVAILABLE);
	if (!strstr(f.text, "the disk is full") ||
	    !strstr(f.text, "nothing was changed"))
		fail_msg("%s", f.text);
}

static void on_small_disk(void)
{
	struct store_db *db = db_with_rows();
	uint64_t done;
	struct fault f;

	fill_until_full(db, &done);
	assert_int_equal(count_rows(db), 2 + done);
	db_end(&db);
	db = db_open();
	assert_int_equal(count_rows(db), 2 + done);
	assert_blob(db, ROW_GRANT, 1, "one");
	/* With room again it goes on. */
	assert_int_equal(mount(NULL, ".", NULL, MS_REMOUNT, "size=8m"), 0);
	begin_ok(db, NULL);
	ok(store_db_drop(db, ROW_GRANT, 100, &f), &f);
	commit_ok(db);
	assert_int_equal(count_rows(db), 1 + done);
	db_end(&db);
}

static void test_full_disk_changes_nothing(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdir("disk", 0700), 0);
	pid = fork();
	if (!pid) {
		char size[32];

		(void)snprintf(size, sizeof size, "mode=0700,size=%d",
			       FULL_BYTES);
		if (unshare(CLONE_NEWNS) ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", "disk", "tmpfs", 0, size) || chdir("disk"))
			_exit(77);
		on_small_disk();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void test_every_byte_changed_is_an_error_or_harmless(void **state)
{
	struct store_db *db = db_with_rows();
	uint64_t seed = unit_seed();
	struct stat st;

	(void)state;
	db_end(&db);
	assert_int_equal(stat("store.db", &st), 0);
	for (int i = 0; i < 300; i++) {
		off_t at = (off_t)unit_below(&seed, (size_t)st.st_size);
		uint8_t bit = (uint8_t)(1u << unit_below(&seed, 8));
		AUTO(fd_close) int fd = open("store.db", O_RDWR);
		struct fault f = { 0 };
		uint8_t was, is;
		bool more = true;
		struct row r;
		enum err e;

		assert_int_equal(pread(fd, &was, 1, at), 1);
		is = was ^ bit;
		assert_int_equal(pwrite(fd, &is, 1, at), 1);
		e = store_db_open(&db, &f);
		if (e == OK)
			e = store_db_first(db, &f);
		while (e == OK && more)
			e = store_db_next(db, &r, &more, &f);
		if (e != OK && !f.text[0])
			fail_msg("byte %ld: no sentence", (long)at);
		db_end(&db);
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
		unlink("store.db-wal");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_store_yet),
		TEST(test_rows_come_back_after_reopening),
		TEST(test_put_replaces_and_drop_removes),
		TEST(test_nothing_is_half_done),
		TEST(test_create_twice_is_refused),
		TEST(test_create_undone_leaves_no_store),
		TEST(test_empty_and_large_blobs),
		TEST(test_dropped_row_is_gone_from_the_files),
		TEST(test_killed_in_the_middle_keeps_what_was_committed),
		TEST(test_files_are_ours_alone),
		TEST(test_open_folder_is_refused),
		TEST(test_foreign_folder_is_refused),
		TEST(test_open_file_is_refused),
		TEST(test_symbolic_link_is_refused),
		TEST(test_second_name_is_refused),
		TEST(test_works_below_a_folder_it_may_not_search),
		TEST(test_second_process_is_refused),
		TEST(test_newer_format_is_refused),
		TEST(test_strange_databases_are_refused),
		TEST(test_no_database_is_damage),
		TEST(test_rows_no_version_writes_are_refused),
		TEST(test_view_in_place_of_the_table_is_refused),
		TEST(test_full_disk_changes_nothing),
		TEST(test_every_byte_changed_is_an_error_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
