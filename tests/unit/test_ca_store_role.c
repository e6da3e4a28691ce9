/* ca's store as the issuer sees it: every kind of question over its channel.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/ca_store_test.h"

#include "ca/store_db.h"
#include "lib/num.h"

#include <poll.h>
#include <sys/inotify.h>

static void test_new_store_is_empty(void **state)
{
	struct role r;
	struct loaded l;
	struct stat st;

	(void)state;
	start(&r);
	load(&r, &l);
	assert_int_equal(l.generation, 0);
	assert_int_equal(l.next, 1);
	assert_int_equal(l.log_size, 0);
	assert_int_equal(l.records, 0);
	assert_false(attr_count(attrs_view(&l.state), "note"));
	attrs_wipe(&l.state);
	assert_int_equal(stat("ca.db", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access("ca.db-shm", F_OK), -1);
	assert_int_equal(role_end(&r), 0);
}

static void test_question_before_load_ends_it(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct role r;

	(void)state;
	attrs_init(&a);
	list_of(&a, "now=1 soon=2");
	start(&r);
	role_send(&r, IS_COUNT, 1, &a);
	assert_ends(&r);
}

static void test_unknown_message_ends_it(void **state)
{
	struct role r;

	(void)state;
	start_loaded(&r);
	role_send(&r, 999, 1, NULL);
	assert_ends(&r);
}

/* Statuses */

static struct attr_view row_at(struct attr_view v, unsigned n)
{
	struct attr_view row;
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_named(&a, "row") && !n--) {
			assert_int_equal(attr_parse(a.value, a.len, &row, NULL),
					 OK);
			return row;
		}
	fail_msg("there is no such row");
	return v;
}

static void make_certs(struct role *r, uint64_t *generation, uint64_t from,
		       uint64_t count)
{
	struct txn t = txn(generation);

	for (uint64_t i = from; i < from + count; i++) {
		struct cert c = cert_of(i);

		op_cert(&t, &c);
	}
	txn_done(r, &t);
}

static void test_statuses(void **state)
{
	uint64_t g;
	uint8_t tail[12];
	struct attr_view row;
	struct attr a;
	struct role r;
	struct txn t;
	struct msg m;

	(void)state;
	g = start_loaded(&r);
	make_certs(&r, &g, 10, 5);
	t = txn(&g);
	op_revoke(&t, 12, 2000, 4);
	txn_done(&r, &t);
	m = ask(&r, IS_STATUS, "number=12 number=99 number=10");
	assert_int_equal(m.kind, IS_STATUSES);
	assert_int_equal(m.id, 77);
	assert_int_equal(attr_count(m.attrs, "row"), 2);
	row = row_at(m.attrs, 0);
	assert_int_equal(number_in(row, "number"), 12);
	assert_int_equal(number_in(row, "not_after"), 5000);
	assert_int_equal(number_in(row, "revoked"), 2000);
	assert_int_equal(number_in(row, "reason"), 4);
	tail_of(12, tail);
	assert_int_equal(attr_only(row, "tail", &a), OK);
	assert_int_equal(a.len, sizeof tail);
	assert_memory_equal(a.value, tail, sizeof tail);
	row = row_at(m.attrs, 1);
	assert_int_equal(number_in(row, "number"), 10);
	assert_int_equal(attr_count(row, "revoked"), 0);
	assert_int_equal(role_end(&r), 0);
}

/* Revocation */

static void status_of(struct role *r, uint64_t number, uint64_t *at,
		      uint64_t *reason)
{
	char text[64];
	struct attr_view row;
	struct msg m;

	(void)snprintf(text, sizeof text, "number=%" PRIu64, number);
	m = ask(r, IS_STATUS, text);
	row = row_at(m.attrs, 0);
	*at = number_in(row, "revoked");
	*reason = number_in(row, "reason");
}

static void test_revoked_again_keeps_its_time(void **state)
{
	uint64_t g, at, reason;
	struct role r;
	struct txn t;

	(void)state;
	g = start_loaded(&r);
	make_certs(&r, &g, 1, 1);
	t = txn(&g);
	op_revoke(&t, 1, 2000, 4);
	op_revoke(&t, 1, 3000, 5);
	txn_done(&r, &t);
	status_of(&r, 1, &at, &reason);
	assert_int_equal(at, 2000);
	assert_int_equal(reason, 4);
	t = txn(&g);
	op_revoke(&t, 1, 3000, 1);
	txn_done(&r, &t);
	t = txn(&g);
	op_revoke(&t, 1, 3000, 4);
	txn_done(&r, &t);
	status_of(&r, 1, &at, &reason);
	assert_int_equal(at, 2000);
	assert_int_equal(reason, 1);
	t = txn(&g);
	op_revoke(&t, 2, 3000, 1);
	txn_fails(&r, &t, "not_found", "number 2");
	assert_int_equal(role_end(&r), 0);
}

enum {
	ENTRY = 8 + 12 + 8 + 1
};

static unsigned entries(struct role *r, const char *text, uint64_t *first,
			uint64_t *after, bool *more)
{
	struct msg m = ask(r, IS_REVOKED_FROM, text);
	struct attr a;
	struct rd rd;

	assert_int_equal(m.kind, IS_REVOKED);
	assert_int_equal(attr_only(m.attrs, "entries", &a), OK);
	assert_int_equal(a.len % ENTRY, 0);
	rd = rd_from(a.value, a.len);
	if (a.len)
		assert_int_equal(rd_u64(&rd, first), OK);
	*after = number_in(m.attrs, "after");
	*more = text_in(m.attrs, "more", "yes");
	return a.len / ENTRY;
}

static void test_revoked_in_pages(void **state)
{
	uint64_t g, first = 0, after;
	struct role r;
	struct txn t;
	bool more;

	(void)state;
	g = start_loaded(&r);
	make_certs(&r, &g, 1, 100);
	t = txn(&g);
	for (uint64_t i = 3; i <= 93; i += 3)
		op_revoke(&t, i, 2000 + i, 1);
	txn_done(&r, &t);
	assert_int_equal(entries(&r, "after=0 expired_before=0 limit=20",
				 &first, &after, &more),
			 20);
	assert_int_equal(first, 3);
	assert_int_equal(after, 60);
	assert_true(more);
	assert_int_equal(entries(&r, "after=60 expired_before=0 limit=11",
				 &first, &after, &more),
			 11);
	assert_int_equal(first, 63);
	assert_false(more);
	/* Shard 3: 3 15 27 39 51 63 75 87 */
	assert_int_equal(entries(&r,
				 "after=3 shard=3 expired_before=5000 limit=99",
				 &first, &after, &more),
			 7);
	assert_int_equal(first, 15);
	assert_int_equal(entries(&r, "after=0 expired_before=5001 limit=99",
				 &first, &after, &more),
			 0);
	assert_false(more);
	assert_int_equal(role_end(&r), 0);
}

static void test_entry_is_packed(void **state)
{
	uint8_t want[ENTRY] = { [7] = 9,
				[8 + 12 + 6] = 0x07,
				[8 + 12 + 7] = 0xd0,
				[8 + 12 + 8] = 4 };
	uint64_t g;
	struct role r;
	struct attr a;
	struct txn t;
	struct msg m;

	(void)state;
	tail_of(9, want + 8);
	g = start_loaded(&r);
	make_certs(&r, &g, 9, 1);
	t = txn(&g);
	op_revoke(&t, 9, 2000, 4);
	txn_done(&r, &t);
	m = ask(&r, IS_REVOKED_FROM, "after=0 expired_before=0 limit=16000");
	assert_int_equal(attr_only(m.attrs, "entries", &a), OK);
	assert_int_equal(a.len, ENTRY);
	assert_memory_equal(a.value, want, ENTRY);
	assert_int_equal(role_end(&r), 0);
}

/* Tokens */

#define TOKEN_A "id=aaaaaaaaaaaaaaaa "
#define TOKEN_B "id=bbbbbbbbbbbbbbbb "
#define HASH    "request=0123456789abcdef0123456789abcdef "

static void make_tokens(struct role *r, uint64_t *g)
{
	struct txn t = txn(g);

	op_text(&t, "token", TOKEN_A "node=n1 expires=5000 colour=blue");
	op_text(&t, "token", TOKEN_B "node=n2 expires=2000");
	txn_done(r, &t);
}

static void test_token_is_used_once(void **state)
{
	uint64_t g;
	struct role r;
	struct txn t;
	struct msg m;

	(void)state;
	g = start_loaded(&r);
	make_tokens(&r, &g);
	m = ask(&r, IS_TOKEN, "token=aaaaaaaaaaaaaaaa");
	assert_int_equal(m.kind, IS_ITEM);
	assert_true(text_in(m.attrs, "colour", "blue"));
	assert_int_equal(attr_count(m.attrs, "used"), 0);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	t = txn(&g);
	op_text(&t, "use", TOKEN_A HASH "number=7 address=192.0.2.1");
	txn_done(&r, &t);
	t = txn(&g);
	op_text(&t, "use", TOKEN_B HASH "number=8 address=192.0.2.1");
	op_text(&t, "use", TOKEN_A HASH "number=9 address=192.0.2.2");
	txn_fails(&r, &t, "conflict", "number 7");
	m = ask(&r, IS_TOKEN, "token=bbbbbbbbbbbbbbbb");
	assert_int_equal(attr_count(m.attrs, "used"), 0);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	m = ask(&r, IS_TOKEN, "token=aaaaaaaaaaaaaaaa");
	assert_int_equal(number_in(m.attrs, "used"), 7);
	assert_true(text_in(m.attrs, "address", "192.0.2.1"));
	assert_true(text_in(m.attrs, "request",
			    "0123456789abcdef0123456789abcdef"));
	assert_int_equal(role_get(&r).kind, IS_DONE);
	t = txn(&g);
	op_text(&t, "use", "id=cccccccccccccccc " HASH "number=9 address=x");
	txn_fails(&r, &t, "not_found", "no such enrolment token");
	t = txn(&g);
	op_text(&t, "token", TOKEN_A "node=n9");
	txn_fails(&r, &t, "exists", "already");
	m = ask(&r, IS_TOKEN, "token=cccccccccccccccc");
	assert_int_equal(m.kind, IS_DONE);
	assert_int_equal(role_end(&r), 0);
}

static void test_open_tokens_are_listed(void **state)
{
	uint64_t g;
	struct role r;
	struct msg m;

	(void)state;
	g = start_loaded(&r);
	make_tokens(&r, &g);
	m = ask(&r, IS_TOKEN, "tokens=yes now=2000");
	assert_int_equal(m.kind, IS_ITEM);
	assert_true(text_in(m.attrs, "node", "n1"));
	assert_int_equal(role_get(&r).kind, IS_DONE);
	m = ask(&r, IS_TOKEN, "tokens=yes now=1999");
	assert_int_equal(m.kind, IS_ITEM);
	assert_int_equal(role_get(&r).kind, IS_ITEM);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	assert_int_equal(role_end(&r), 0);
}

static void test_alarms_are_kept_and_counted(void **state)
{
	struct cert c = cert_of(2);
	uint64_t g;
	struct role r;
	struct txn t;
	struct msg m;

	(void)state;
	g = start_loaded(&r);
	make_tokens(&r, &g);
	assert_int_equal(ask(&r, IS_TOKEN, "alarms=yes").kind, IS_DONE);
	t = txn(&g);
	for (int i = 0; i < 40; i++)
		op_text(&t, "alarm",
			TOKEN_A "time=9 text=\"a second request\"");
	txn_done(&r, &t);
	m = ask(&r, IS_TOKEN, "alarms=yes");
	assert_int_equal(m.kind, IS_ITEM);
	assert_int_equal(number_in(m.attrs, "alarms"), 40);
	assert_int_equal(attr_count(m.attrs, "alarm"), 16);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	m = ask(&r, IS_COUNT, "now=1 soon=1");
	assert_int_equal(number_in(m.attrs, "alarms"), 40);
	/* nobody but who settles them ends them, and only those there are */
	t = txn(&g);
	op_cert(&t, &c);
	op_text(&t, "use", TOKEN_A HASH "number=2 address=192.0.2.1");
	op_text(&t, "revoke", "number=2 time=99 reason=0");
	txn_done(&r, &t);
	assert_int_equal(ask(&r, IS_TOKEN, "alarms=yes").kind, IS_ITEM);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	t = txn(&g);
	op_text(&t, "revoke", "number=2 time=100 reason=0 settle=yes");
	txn_done(&r, &t);
	assert_int_equal(ask(&r, IS_TOKEN, "alarms=yes").kind, IS_DONE);
	t = txn(&g);
	op_text(&t, "alarm", TOKEN_A "time=9 text=again");
	txn_done(&r, &t);
	m = ask(&r, IS_TOKEN, "alarms=yes");
	assert_int_equal(attr_count(m.attrs, "alarm"), 1);
	assert_int_equal(attr_count(m.attrs, "tail"), 1);
	assert_int_equal(role_get(&r).kind, IS_DONE);
	t = txn(&g);
	op_text(&t, "alarm", "id=cccccccccccccccc time=9 text=x");
	txn_fails(&r, &t, "not_found", "token");
	assert_int_equal(role_end(&r), 0);
}

/* Transactions */

static void test_order_of_transactions_is_kept(void **state)
{
	uint64_t g, wrong;
	struct role r;
	struct txn t;

	(void)state;
	g = start_loaded(&r);
	make_certs(&r, &g, 1, 2);
	wrong = g + 1;
	t = txn(&wrong);
	txn_fails(&r, &t, "conflict", "generation 3");
	wrong = g - 1;
	t = txn(&wrong);
	txn_fails(&r, &t, "conflict", "generation 1");
	t = txn(&g);
	op_records(&t, 1, 2);
	txn_fails(&r, &t, "conflict", "record 1");
	t = txn(&g);
	op_records(&t, 0, 2);
	txn_done(&r, &t);
	t = txn(&g);
	op_records(&t, 1, 2);
	txn_fails(&r, &t, "conflict", "record 1");
	assert_int_equal(role_end(&r), 0);
}

static void test_failed_transaction_changes_nothing(void **state)
{
	struct cert c = cert_of(2);
	uint64_t g;
	struct loaded l;
	struct role r;
	struct txn t;

	(void)state;
	g = start_loaded(&r);
	make_certs(&r, &g, 1, 1);
	t = txn(&g);
	op_records(&t, 0, 600);
	op_text(&t, "meta", "name=a value=b");
	op_cert(&t, &c);
	op_revoke(&t, 1, 9, 1);
	c.number = 1;
	op_cert(&t, &c);
	txn_fails(&r, &t, "exists", "number 1 ");
	load(&r, &l);
	assert_int_equal(l.generation, g);
	assert_int_equal(l.next, 2);
	assert_int_equal(l.log_size, 0);
	assert_int_equal(attr_count(attrs_view(&l.state), "meta"), 0);
	attrs_wipe(&l.state);
	assert_int_equal(
		number_in(ask(&r, IS_COUNT, "now=0 soon=0").attrs, "revoked"),
		0);
	assert_int_equal(role_end(&r), 0);
}

static void test_state_outlives_the_process(void **state)
{
	struct attr_view meta;
	struct loaded l;
	struct attr a;
	struct role r;
	struct txn t;
	uint64_t g;

	(void)state;
	g = start_loaded(&r);
	make_certs(&r, &g, 41, 1);
	t = txn(&g);
	op_text(&t, "meta", "name=crl value=1");
	op_text(&t, "meta", "name=crl value=2");
	op_records(&t, 0, 300);
	txn_done(&r, &t);
	assert_int_equal(kill(r.pid, SIGKILL), 0);
	(void)role_end(&r);
	start(&r);
	load(&r, &l);
	assert_int_equal(l.generation, 2);
	assert_int_equal(l.next, 42);
	assert_int_equal(l.log_size, 300);
	assert_int_equal(l.records, 300);
	assert_int_equal(attr_only(attrs_view(&l.state), "meta", &a), OK);
	assert_int_equal(attr_parse(a.value, a.len, &meta, NULL), OK);
	assert_true(text_in(meta, "name", "crl"));
	assert_true(text_in(meta, "value", "2"));
	attrs_wipe(&l.state);
	assert_int_equal(role_end(&r), 0);
}

static void test_second_issuer_is_served(void **state)
{
	struct loaded l;
	struct role r;
	uint64_t g;

	(void)state;
	g = start_loaded(&r);
	make_certs(&r, &g, 1, 50);
	role_send(&r, IS_LOAD, 9, NULL); /* and never read */
	role_meets(&r, "peer=issuer");
	load(&r, &l);
	assert_int_equal(l.generation, 1);
	attrs_wipe(&l.state);
	assert_int_equal(role_end(&r), 0);
}

static void test_counts(void **state)
{
	uint64_t g, times[] = { 1500, 1600, 3000, 3100, 90000 };
	struct role r;
	struct txn t;
	struct msg m;

	(void)state;
	g = start_loaded(&r);
	t = txn(&g);
	for (uint64_t i = 0; i < NELEM(times); i++) {
		struct cert c = cert_of(i + 1);

		c.not_after = times[i];
		op_cert(&t, &c);
	}
	op_revoke(&t, 1, 9, 1);
	op_revoke(&t, 4, 9, 1);
	txn_done(&r, &t);
	m = ask(&r, IS_COUNT, "now=1550 soon=3050");
	assert_int_equal(m.kind, IS_COUNTS);
	assert_int_equal(number_in(m.attrs, "certs"), 5);
	assert_int_equal(number_in(m.attrs, "revoked"), 2);
	assert_int_equal(number_in(m.attrs, "valid"), 3);
	assert_int_equal(number_in(m.attrs, "expiring"), 2);
	m = ask(&r, IS_COUNT, "now=3001 soon=99999");
	assert_int_equal(number_in(m.attrs, "valid"), 1);
	assert_int_equal(number_in(m.attrs, "expiring"), 1);
	assert_int_equal(role_end(&r), 0);
}

/* After any answer nothing is half read, which would keep the write-ahead log. */
static void assert_checkpoint_after(struct role *r, uint64_t *g, uint32_t kind,
				    const char *text)
{
	AUTO(fd_close) int in = inotify_init1(IN_CLOEXEC);
	struct pollfd p = { .fd = in, .events = POLLIN };
	struct msg m;

	assert_true(inotify_add_watch(in, "ca.db", IN_MODIFY) >= 0);
	make_certs(r, g, 1 + *g * 500, 500);
	for (m = ask(r, kind, text); m.kind == IS_ITEM; m = role_get(r))
		;
	if (poll(&p, 1, ROLE_WAIT_S * 1000) != 1)
		fail_msg("no checkpoint after '%s'", text);
}

static void test_log_is_emptied_in_idle_moments(void **state)
{
	struct role r;
	uint64_t g;

	(void)state;
	g = start_loaded(&r);
	make_tokens(&r, &g);
	assert_checkpoint_after(&r, &g, IS_FIND, "limit=10 der=yes");
	assert_checkpoint_after(&r, &g, IS_FIND, "type=web limit=10");
	assert_checkpoint_after(&r, &g, IS_TOKEN, "token=aaaaaaaaaaaaaaaa");
	assert_checkpoint_after(&r, &g, IS_TOKEN, "tokens=yes now=1");
	assert_checkpoint_after(&r, &g, IS_STATUS, "number=3");
	assert_checkpoint_after(&r, &g, IS_PROVE, "number=3");
	assert_checkpoint_after(&r, &g, IS_COUNT, "now=3 soon=4");
	assert_checkpoint_after(&r, &g, IS_REVOKED_FROM,
				"after=0 expired_before=0 limit=1");
	assert_int_equal(role_end(&r), 0);
}

/* Nanoseconds a process has been at work. */
static uint64_t work_of(pid_t pid)
{
	char path[64], text[64];
	uint64_t ns = 0;
	FILE *in;

	(void)snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_non_null(fgets(text, sizeof text, in));
	(void)fclose(in);
	assert_int_equal(num_u64(text, strcspn(text, " "), UINT64_MAX, &ns),
			 OK);
	return ns;
}

static void test_nothing_is_read_for_an_issuer_that_died(void **state)
{
	struct store_db *db;
	struct fault f = { 0 };
	struct loaded l;
	struct role r;
	uint64_t before;

	(void)state;
	assert_int_equal(store_db_open(&db, &f), OK);
	assert_int_equal(
		sqlite_file_exec(&db->file,
				 "INSERT INTO log WITH RECURSIVE i(n) AS "
				 "(VALUES(0) UNION ALL SELECT n + 1 FROM i "
				 "WHERE n < 600000) SELECT n, x'00' FROM i",
				 &f),
		OK);
	store_db_close(db);
	(void)start_loaded(&r);
	(void)ask(&r, IS_READ, "from=0 count=10000000");
	before = work_of(r.pid);
	role_meets(&r, "peer=issuer");
	load(&r, &l);
	attrs_wipe(&l.state);
	assert_in_range(work_of(r.pid) - before, 0, 50 * CLOCK_MS);
	assert_int_equal(role_end(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_new_store_is_empty),
		IN_FOLDER(test_question_before_load_ends_it),
		IN_FOLDER(test_unknown_message_ends_it),
		IN_FOLDER(test_statuses),
		IN_FOLDER(test_revoked_again_keeps_its_time),
		IN_FOLDER(test_revoked_in_pages),
		IN_FOLDER(test_entry_is_packed),
		IN_FOLDER(test_token_is_used_once),
		IN_FOLDER(test_open_tokens_are_listed),
		IN_FOLDER(test_alarms_are_kept_and_counted),
		IN_FOLDER(test_order_of_transactions_is_kept),
		IN_FOLDER(test_failed_transaction_changes_nothing),
		IN_FOLDER(test_state_outlives_the_process),
		IN_FOLDER(test_second_issuer_is_served),
		IN_FOLDER(test_nothing_is_read_for_an_issuer_that_died),
		IN_FOLDER(test_counts),
		IN_FOLDER(test_log_is_emptied_in_idle_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
