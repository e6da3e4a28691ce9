/* The store role as the vault sees it: confined, over its channel.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "lib/roles.h"

#include "tests/unit/role_test.h"

#include <ftw.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum {
	MANY = 100000,
	BATCH = 700,
	MANY_BLOB = 1024, /* so that all of them pass CHAN_OUT_MAX */
	PEAK_KIB = 40960,
};

static char folder[64];
static int folder_fd = -1;

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_store.XXXXXX");
	if (!mkdtemp(folder) || chdir(folder))
		return -1;
	folder_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0;
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
	fd_close(&folder_fd);
	return chdir("/") || nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start(struct role *r)
{
	role_start(r, role_rowstore, folder_fd);
}

static void add_row(struct attrs *changes, enum row_table t, uint64_t n,
		    const void *blob, size_t len)
{
	struct row row = { .head = head_of(t, n, "prod", 1),
			   .blob = blob,
			   .blob_len = len };
	AUTO(attrs_wipe) struct attrs one = { 0 };

	attrs_init(&one);
	assert_int_equal(row_format(&row, &one), OK);
	assert_int_equal(
		attrs_add(changes, "put", 0, one.bytes.p, one.bytes.len), OK);
}

static void add_drop(struct attrs *changes, const char *place)
{
	AUTO(attrs_wipe) struct attrs one = { 0 };

	attrs_init(&one);
	list_of(&one, place);
	assert_int_equal(
		attrs_add(changes, "drop", 0, one.bytes.p, one.bytes.len), OK);
}

static void add_create(struct attrs *changes)
{
	assert_int_equal(
		attrs_add(changes, "create", 0, "0123456789abcdef", 16), OK);
}

static void assert_done(struct role *r, uint64_t id)
{
	struct msg m = role_get(r);

	if (m.kind == RS_FAILED)
		assert_failed(&m, RS_DONE, "", "");
	assert_int_equal(m.kind, RS_DONE);
	assert_int_equal(m.id, id);
}

static void make_store(struct role *r)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	add_create(&a);
	add_row(&a, ROW_GRANT, 1, "one", 3);
	add_row(&a, ROW_KEY, 7, "seven", 5);
	role_send(r, RS_COMMIT, 5, &a);
	assert_done(r, 5);
}

/* Loads all and counts; the store must exist. */
static unsigned load(struct role *r)
{
	struct msg m;
	struct attr a;
	unsigned n = 0;
	struct row row;
	struct fault f = { 0 };

	role_send(r, RS_LOAD, 9, NULL);
	m = role_get(r);
	assert_int_equal(m.kind, RS_LOAD);
	assert_int_equal(attr_only(m.attrs, "store", &a), OK);
	assert_true(attr_is(&a, "0123456789abcdef"));
	for (m = role_get(r); m.kind == RS_ROW; m = role_get(r), n++)
		fault_ok(row_parse(m.attrs, &row, &f), &f);
	assert_int_equal(m.kind, RS_LOADED);
	assert_int_equal(m.id, 9);
	return n;
}

static void test_empty_folder_has_no_store(void **state)
{
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	role_send(&r, RS_LOAD, 3, NULL);
	m = role_get(&r);
	assert_int_equal(m.kind, RS_LOADED);
	assert_int_equal(m.id, 3);
	assert_int_equal(role_end(&r), 0);
	assert_int_equal(access("store.db", F_OK), -1);
}

static void test_rows_outlive_the_process(void **state)
{
	struct role r;

	(void)state;
	start(&r);
	make_store(&r);
	assert_int_equal(load(&r), 2);
	assert_int_equal(kill(r.pid, SIGKILL), 0);
	(void)role_end(&r);
	start(&r);
	assert_int_equal(load(&r), 2);
	assert_int_equal(role_end(&r), 0);
}

static void test_second_vault_is_served(void **state)
{
	struct role r;

	(void)state;
	start(&r);
	make_store(&r);
	role_send(&r, RS_LOAD, 9, NULL); /* and never read */
	role_meets_vault(&r);
	assert_int_equal(load(&r), 2);
	assert_int_equal(role_end(&r), 0);
}

static void test_failed_change_changes_nothing(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	make_store(&r);
	attrs_init(&a);
	add_row(&a, ROW_GRANT, 2, "two", 3);
	add_drop(&a, "table=key row=7");
	add_drop(&a, "table=key row=8");
	role_send(&r, RS_COMMIT, 6, &a);
	m = role_get(&r);
	assert_int_equal(m.id, 6);
	assert_failed(&m, RS_FAILED, "not_found", "key/8");
	assert_int_equal(load(&r), 2);
	attrs_clear(&a);
	add_create(&a);
	role_send(&r, RS_COMMIT, 7, &a);
	m = role_get(&r);
	assert_failed(&m, RS_FAILED, "exists", "already");
	assert_int_equal(role_end(&r), 0);
}

static void refuse(struct role *r, const char *name, const char *value)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct msg m;

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, name, value), OK);
	role_send(r, RS_COMMIT, 6, &a);
	m = role_get(r);
	assert_failed(&m, RS_FAILED, "invalid", "");
}

static void test_unreadable_changes_are_refused(void **state)
{
	struct role r;

	(void)state;
	start(&r);
	make_store(&r);
	refuse(&r, "put", "no list");
	refuse(&r, "put", "");
	refuse(&r, "drop", "");
	refuse(&r, "create", "short");
	refuse(&r, "truncate", "everything");
	assert_int_equal(load(&r), 2);
	assert_int_equal(role_end(&r), 0);
}

static void test_unknown_message_ends_it(void **state)
{
	struct role r;
	int status;

	(void)state;
	start(&r);
	role_send(&r, 999, 1, NULL);
	assert_int_equal(waitpid(r.pid, &status, 0), r.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	fd_close(&r.vault);
	fd_close(&r.sup);
	buf_wipe(&r.in);
}

static void edit(const char *sql)
{
	sqlite3 *s = NULL;

	assert_int_equal(sqlite3_open("store.db", &s), SQLITE_OK);
	assert_int_equal(sqlite3_exec(s, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(s);
}

static void test_newer_store_is_refused_until_put_right(void **state)
{
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	make_store(&r);
	assert_int_equal(role_end(&r), 0);
	edit("UPDATE meta SET value = x'02' WHERE name = 'format'");
	start(&r);
	role_send(&r, RS_LOAD, 1, NULL);
	m = role_get(&r);
	assert_failed(&m, RS_FAILED, "unsupported", "newer version");
	edit("UPDATE meta SET value = x'01' WHERE name = 'format'");
	assert_int_equal(load(&r), 2);
	assert_int_equal(role_end(&r), 0);
}

/* Peak resident memory of the stores so far, in KiB. */
static long peak(void)
{
	struct rusage use;

	assert_int_equal(getrusage(RUSAGE_CHILDREN, &use), 0);
	return use.ru_maxrss;
}

static void test_many_rows_are_streamed_not_piled_up(void **state)
{
	static uint8_t blob[MANY_BLOB];
	struct role r;

	(void)state;
	start(&r);
	for (uint64_t n = 0; n < MANY;) {
		AUTO(attrs_wipe) struct attrs a = { 0 };

		attrs_init(&a);
		if (!n)
			add_create(&a);
		for (unsigned i = 0; i < BATCH && n < MANY; i++)
			add_row(&a, ROW_CREDENTIAL, ++n, blob, sizeof blob);
		role_send(&r, RS_COMMIT, n, &a);
		assert_done(&r, n);
	}
	assert_int_equal(load(&r), MANY);
	assert_int_equal(role_end(&r), 0);
	print_message("peak of the store: %ld KiB\n", peak());
	if (!getenv("ASAN_OPTIONS") && peak() > PEAK_KIB)
		fail_msg("the store took %ld KiB", peak());
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_empty_folder_has_no_store),
		IN_FOLDER(test_rows_outlive_the_process),
		IN_FOLDER(test_second_vault_is_served),
		IN_FOLDER(test_failed_change_changes_nothing),
		IN_FOLDER(test_unreadable_changes_are_refused),
		IN_FOLDER(test_unknown_message_ends_it),
		IN_FOLDER(test_newer_store_is_refused_until_put_right),
		IN_FOLDER(test_many_rows_are_streamed_not_piled_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
