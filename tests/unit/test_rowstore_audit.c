/* The audit log of the store role, as the vault sees it. What the files are like is
 * tested with lib/audit_file.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "lib/roles.h"

#include "tests/unit/role_test.h"

#include <ftw.h>
#include <sys/stat.h>

enum {
	MANY = 1000,
	RECORD = 2000,
};

static char folder[64];
static int folder_fd = -1;

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder,
		       "/tmp/test_rowstore_audit.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void start(struct role *r)
{
	role_start(r, role_rowstore, folder_fd);
}

static struct msg ask(struct role *r, uint32_t kind, uint64_t id,
		      const char *text)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	list_of(&a, text);
	role_send(r, kind, id, &a);
	return role_get(r);
}

static uint64_t size_of(const struct msg *m)
{
	struct attr a;
	uint64_t n = 0;

	assert_int_equal(m->kind, RS_AUDIT_OPEN);
	assert_int_equal(attr_only(m->attrs, "size", &a), OK);
	assert_int_equal(attr_u64(&a, UINT64_MAX, &n), OK);
	return n;
}

/* A record is a list: here of one attribute. */
static void add_record(struct attrs *a, const char *value)
{
	AUTO(attrs_wipe) struct attrs one = { 0 };

	attrs_init(&one);
	assert_int_equal(attrs_add_str(&one, "event", value), OK);
	assert_int_equal(attrs_add(a, "record", 0, one.bytes.p, one.bytes.len),
			 OK);
}

static void assert_record(const struct msg *m, uint64_t index, const char *want)
{
	struct attr_view v;
	struct attr a;

	assert_int_equal(m->kind, RS_RECORD);
	assert_int_equal(m->id, index);
	assert_int_equal(attr_only(m->attrs, "record", &a), OK);
	assert_int_equal(attr_parse(a.value, a.len, &v, NULL), OK);
	assert_int_equal(attr_only(v, "event", &a), OK);
	assert_true(attr_is(&a, want));
}

static struct msg append_one(struct role *r, uint64_t first, const char *value)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	add_record(&a, value);
	list_of(&a, "admin=yes");
	role_send(r, RS_APPEND, first, &a);
	return role_get(r);
}

static void append_three(struct role *r)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct msg m;

	attrs_init(&a);
	add_record(&a, "zero");
	add_record(&a, "one");
	add_record(&a, "two");
	list_of(&a, "sync=yes");
	role_send(r, RS_APPEND, 0, &a);
	m = role_get(r);
	assert_int_equal(m.kind, RS_APPENDED);
	assert_int_equal(m.id, 3);
}

static void test_new_log_is_empty(void **state)
{
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	m = ask(&r, RS_AUDIT_OPEN, 4, "");
	assert_int_equal(m.id, 4);
	assert_int_equal(size_of(&m), 0);
	m = role_get(&r);
	assert_int_equal(m.kind, RS_AUDIT_READY);
	assert_int_equal(role_end(&r), 0);
}

static void test_records_outlive_the_process(void **state)
{
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	append_three(&r);
	assert_int_equal(kill(r.pid, SIGKILL), 0);
	(void)role_end(&r);
	start(&r);
	m = ask(&r, RS_AUDIT_OPEN, 4, "");
	assert_int_equal(size_of(&m), 3);
	m = role_get(&r);
	assert_record(&m, 0, "zero");
	m = role_get(&r);
	assert_record(&m, 1, "one");
	m = role_get(&r);
	assert_record(&m, 2, "two");
	m = role_get(&r);
	assert_int_equal(m.kind, RS_AUDIT_READY);
	assert_int_equal(role_end(&r), 0);
}

static void test_append_out_of_order_is_refused(void **state)
{
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	append_three(&r);
	m = append_one(&r, 2, "again");
	assert_int_equal(m.id, 2);
	assert_failed(&m, RS_FAILED, "conflict", "");
	m = append_one(&r, 3, "three");
	assert_int_equal(m.kind, RS_APPENDED);
	assert_int_equal(m.id, 4);
	assert_int_equal(role_end(&r), 0);
}

static void test_reading_a_part(void **state)
{
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	append_three(&r);
	m = ask(&r, RS_READ, 8, "from=1 count=1");
	assert_record(&m, 1, "one");
	m = role_get(&r);
	assert_int_equal(m.kind, RS_DONE);
	assert_int_equal(m.id, 8);
	m = ask(&r, RS_READ, 8, "from=2 count=500");
	assert_record(&m, 2, "two");
	m = role_get(&r);
	assert_int_equal(m.kind, RS_DONE);
	m = ask(&r, RS_READ, 8, "from=3 count=500");
	assert_int_equal(m.kind, RS_DONE);
	m = ask(&r, RS_READ, 8, "from=0 count=0");
	assert_int_equal(m.kind, RS_DONE);
	m = ask(&r, RS_READ, 8, "notes=yes");
	assert_int_equal(m.kind, RS_DONE);
	m = ask(&r, RS_READ, 8, "from=x count=1");
	assert_failed(&m, RS_FAILED, "invalid", "from");
	assert_int_equal(role_end(&r), 0);
}

static void test_many_records_come_in_order(void **state)
{
	AUTO(mem_free) char *long_one = xcalloc(1, RECORD + 1);
	struct role r;
	struct msg m;

	(void)state;
	memset(long_one, 'r', RECORD);
	start(&r);
	for (uint64_t n = 0; n < MANY; n += 100) {
		AUTO(attrs_wipe) struct attrs a = { 0 };

		attrs_init(&a);
		for (int i = 0; i < 100; i++)
			add_record(&a, long_one);
		role_send(&r, RS_APPEND, n, &a);
		m = role_get(&r);
		assert_int_equal(m.kind, RS_APPENDED);
		assert_int_equal(m.id, n + 100);
	}
	m = ask(&r, RS_READ, 1, "from=10 count=900");
	for (uint64_t n = 10; n < 910; n++, m = role_get(&r))
		assert_record(&m, n, long_one);
	assert_int_equal(m.kind, RS_DONE);
	assert_int_equal(role_end(&r), 0);
}

static void test_questions_behind_a_long_answer_wait(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	append_three(&r);
	attrs_init(&a);
	role_send(&r, RS_AUDIT_OPEN, 1, &a);
	role_send(&r, RS_LOAD, 2, &a);
	add_record(&a, "three");
	role_send(&r, RS_APPEND, 3, &a);
	m = role_get(&r);
	assert_int_equal(size_of(&m), 3);
	for (int i = 0; i < 3; i++) {
		m = role_get(&r);
		assert_int_equal(m.kind, RS_RECORD);
	}
	m = role_get(&r);
	assert_int_equal(m.kind, RS_AUDIT_READY);
	m = role_get(&r);
	assert_int_equal(m.kind, RS_LOADED);
	m = role_get(&r);
	assert_int_equal(m.kind, RS_APPENDED);
	assert_int_equal(role_end(&r), 0);
}

static void test_unreadable_checkpoint_is_refused(void **state)
{
	struct role r;
	struct msg m;

	(void)state;
	start(&r);
	append_three(&r);
	m = ask(&r, RS_CHECKPOINT, 5, "note=x");
	assert_int_equal(m.id, 5);
	assert_failed(&m, RS_FAILED, "invalid", "frontier");
	m = ask(&r, RS_CHECKPOINT, 5, "note=x frontier=y");
	assert_failed(&m, RS_FAILED, "invalid", "");
	assert_int_equal(role_end(&r), 0);
}

#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_new_log_is_empty),
		IN_FOLDER(test_records_outlive_the_process),
		IN_FOLDER(test_append_out_of_order_is_refused),
		IN_FOLDER(test_reading_a_part),
		IN_FOLDER(test_many_records_come_in_order),
		IN_FOLDER(test_questions_behind_a_long_answer_wait),
		IN_FOLDER(test_unreadable_checkpoint_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
