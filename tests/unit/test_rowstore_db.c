/* lib/rowstore_db.c on real files in temporary folders: transactions, a process killed,
 * a full disk. */
#include "tests/unit/rowstore_db_test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum {
	FULL_BYTES = 512 << 10,
	FULL_BLOB = 40 << 10,
};

/* The blob of a row, "" if there is none. */
static void blob_of(struct rowstore_db *db, enum row_table t, uint64_t row,
		    char *out)
{
	struct fault f = { 0 };
	struct row r;
	bool more;

	*out = 0;
	ok(rowstore_db_first(db, &f), &f);
	do {
		ok(rowstore_db_next(db, &r, &more, &f), &f);
		if (!more || r.head.table != t || r.head.row != row)
			continue;
		memcpy(out, r.blob, r.blob_len);
		out[r.blob_len] = 0;
	} while (more);
}

static void assert_blob(struct rowstore_db *db, enum row_table t, uint64_t row,
			const char *want)
{
	char got[64];

	blob_of(db, t, row, got);
	assert_string_equal(got, want);
}

/* Rows */

static void test_no_store_yet(void **state)
{
	AUTO(db_end) struct rowstore_db *db = db_open();
	uint8_t id[STORE_ID_SIZE];
	struct fault f;

	(void)state;
	assert_false(rowstore_db_id(db, id));
	assert_int_equal(count_rows(db), 0);
	assert_int_equal(rowstore_db_begin(db, NULL, false, &f), ERR_NOT_FOUND);
	assert_int_equal(access("store.db", F_OK), -1);
}

static void test_rows_come_back_after_reopening(void **state)
{
	struct rowstore_db *db = db_with_rows();
	uint8_t id[STORE_ID_SIZE];
	struct fault f;
	struct row r;
	bool more;

	(void)state;
	db_end(&db);
	db = db_open();
	assert_true(rowstore_db_id(db, id));
	assert_memory_equal(id, store_id, STORE_ID_SIZE);
	assert_int_equal(count_rows(db), 2);
	ok(rowstore_db_first(db, &f), &f);
	ok(rowstore_db_next(db, &r, &more, &f), &f);
	assert_true(more);
	assert_int_equal(r.head.table, ROW_GRANT);
	assert_int_equal(r.head.row, 1);
	assert_int_equal(r.head.version, 3);
	assert_int_equal(r.head.generation, 4);
	assert_string_equal(r.head.name, "prod");
	assert_string_equal(r.head.module, "hmac");
	assert_int_equal(r.blob_len, 3);
	rowstore_db_rest(db);
	db_end(&db);
}

static void test_put_replaces_and_drop_removes(void **state)
{
	AUTO(db_end) struct rowstore_db *db = db_with_rows();
	struct fault f;

	(void)state;
	begin_ok(db, NULL);
	put(db, ROW_GRANT, 1, "uno");
	ok(rowstore_db_drop(db, ROW_KEY, 7, &f), &f);
	commit_ok(db);
	assert_int_equal(count_rows(db), 1);
	assert_blob(db, ROW_GRANT, 1, "uno");
}

static void test_nothing_is_half_done(void **state)
{
	AUTO(db_end) struct rowstore_db *db = db_with_rows();
	struct fault f = { 0 };

	(void)state;
	begin_ok(db, NULL);
	put(db, ROW_GRANT, 1, "changed");
	put(db, ROW_GRANT, 2, "new");
	assert_int_equal(rowstore_db_drop(db, ROW_KEY, 8, &f), ERR_NOT_FOUND);
	assert_non_null(strstr(f.text, "key/8"));
	rowstore_db_rollback(db);
	assert_int_equal(count_rows(db), 2);
	assert_blob(db, ROW_GRANT, 1, "one");
	begin_ok(db, NULL);
	commit_ok(db);
}

static void test_create_twice_is_refused(void **state)
{
	AUTO(db_end) struct rowstore_db *db = db_with_rows();
	struct fault f;

	(void)state;
	assert_int_equal(rowstore_db_begin(db, store_id, false, &f),
			 ERR_EXISTS);
	assert_int_equal(count_rows(db), 2);
}

static void test_create_undone_leaves_no_store(void **state)
{
	struct rowstore_db *db = db_open();
	uint8_t id[STORE_ID_SIZE];

	(void)state;
	begin_ok(db, store_id);
	put(db, ROW_GRANT, 1, "one");
	rowstore_db_rollback(db);
	assert_false(rowstore_db_id(db, id));
	db_end(&db);
	db = db_with_rows(); /* the empty file is used */
	assert_int_equal(count_rows(db), 2);
	db_end(&db);
}

static void test_empty_and_large_blobs(void **state)
{
	AUTO(db_end) struct rowstore_db *db = db_with_rows();
	AUTO(mem_free) uint8_t *big = xcalloc(1, ROW_BLOB_MAX);
	struct row r = row_of(ROW_MODULE, 1, "");
	struct fault f;

	(void)state;
	begin_ok(db, NULL);
	ok(rowstore_db_put(db, &r, &f), &f);
	r.head.row = 2;
	r.blob = big;
	r.blob_len = ROW_BLOB_MAX;
	ok(rowstore_db_put(db, &r, &f), &f);
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
	AUTO(db_end) struct rowstore_db *db = db_with_rows();
	struct fault f;

	(void)state;
	begin_ok(db, NULL);
	put(db, ROW_CREDENTIAL, 9, "needle-in-the-store");
	commit_ok(db);
	assert_true(file_holds("store.db-wal", "needle-in-the-store") ||
		    file_holds("store.db", "needle-in-the-store"));
	begin_ok(db, NULL);
	ok(rowstore_db_drop(db, ROW_CREDENTIAL, 9, &f), &f);
	commit_ok(db);
	assert_false(file_holds("store.db-wal", "needle-in-the-store"));
	assert_false(file_holds("store.db", "needle-in-the-store"));
}

static void test_killed_in_the_middle_keeps_what_was_committed(void **state)
{
	AUTO(db_end) struct rowstore_db *db = NULL;
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

/* The disk */

static void fill_until_full(struct rowstore_db *db, uint64_t *done)
{
	static uint8_t blob[FULL_BLOB];
	struct fault f = { 0 };
	enum err e = OK;

	for (*done = 0;; ++*done) {
		struct row r = row_of(ROW_GRANT, 100 + *done, "");

		assert_true(*done < 100);
		r.blob = blob;
		r.blob_len = sizeof blob;
		e = rowstore_db_begin(db, NULL, false, &f);
		if (e != OK)
			break;
		e = rowstore_db_put(db, &r, &f);
		if (e == OK) /* undoes itself when it fails */
			e = rowstore_db_commit(db, &f);
		else
			rowstore_db_rollback(db);
		if (e != OK)
			break;
	}
	assert_int_equal(e, ERR_UNAVAILABLE);
	if (!strstr(f.text, "the disk is full") ||
	    !strstr(f.text, "nothing was changed"))
		fail_msg("%s", f.text);
}

static void on_small_disk(void)
{
	struct rowstore_db *db = db_with_rows();
	uint64_t done;
	struct fault f;

	fill_until_full(db, &done);
	assert_int_equal(count_rows(db), 2 + done);
	db_end(&db);
	db = db_open();
	assert_int_equal(count_rows(db), 2 + done);
	assert_blob(db, ROW_GRANT, 1, "one");
	/* With room again it goes on. */
	assert_int_equal(mount("none", ".", "none", MS_REMOUNT, "size=8m"), 0);
	begin_ok(db, NULL);
	ok(rowstore_db_drop(db, ROW_GRANT, 100, &f), &f);
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
		    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) ||
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
	struct rowstore_db *db = db_with_rows();
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
		e = rowstore_db_open(&db, &f);
		if (e == OK)
			e = rowstore_db_first(db, &f);
		while (e == OK && more)
			e = rowstore_db_next(db, &r, &more, &f);
		if (e != OK && !f.text[0])
			fail_msg("byte %ld: no sentence", (long)at);
		db_end(&db);
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
		unlink("store.db-wal");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_no_store_yet),
		IN_FOLDER(test_rows_come_back_after_reopening),
		IN_FOLDER(test_put_replaces_and_drop_removes),
		IN_FOLDER(test_nothing_is_half_done),
		IN_FOLDER(test_create_twice_is_refused),
		IN_FOLDER(test_create_undone_leaves_no_store),
		IN_FOLDER(test_empty_and_large_blobs),
		IN_FOLDER(test_dropped_row_is_gone_from_the_files),
		IN_FOLDER(test_killed_in_the_middle_keeps_what_was_committed),
		IN_FOLDER(test_full_disk_changes_nothing),
		IN_FOLDER(test_every_byte_changed_is_an_error_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
