/* lib/audit_link: a core's log with the test in the place of its store, message by
 * message; and with a real store, which is killed.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "lib/roles.h"

#include "tests/unit/audit_link_world.h"

#include <signal.h>

enum {
	MANY = 3000, /* records for the real store */
};

/* Records */

static void test_a_record_is_told_when_it_is_acknowledged(void **state)
{
	struct waiter a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	assert_int_equal(record(&b, "n=b", 0), OK);
	expect(RS_APPEND); /* one batch a turn */
	assert_int_equal(keep_records(), 2);
	assert_int_equal(record(&c, "n=c", 0), OK);
	expect_nothing(); /* one batch at a time */
	assert_int_equal(a.told + b.told + c.told, 0);
	assert_int_equal(a.wait.index, 1);
	assert_int_equal(b.wait.index, 2);
	say_appended(2);
	assert_told(&a, NULL);
	assert_told(&b, NULL);
	assert_int_equal(c.told, 0);
	expect(RS_APPEND);
	say_appended(keep_records());
	assert_told(&c, NULL);
}

static void test_nothing_is_recorded_before_it_is_open(void **state)
{
	struct waiter a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(record(&a, "n=a", 0), ERR_UNAVAILABLE);
	note(&b);
	assert_int_equal(b.told, 0);
	turn();
	assert_int_equal(a.told, 0);
	assert_told(&b, "not open");
}

static void test_a_refused_record_and_all_after_it_are_told_why(void **state)
{
	struct waiter a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	assert_int_equal(record(&b, "n=b", 0), OK);
	expect(RS_APPEND);
	assert_int_equal(record(&c, "n=c", 0), OK);
	assert_null(audit_link_trouble(w.link));
	say_failed(w.m.id + 1, "the disk is full");
	assert_told(&a, NULL); /* the first of them was written */
	assert_told(&b, "the disk is full");
	assert_told(&c, "the disk is full");
	assert_non_null(audit_link_trouble(w.link));
	assert_non_null(strstr(audit_link_trouble(w.link)->text,
			       "could not be written down: the disk is full"));
	assert_int_equal(audit_kept(audit_link_audit(w.link)), 2);
}

static void test_trouble_lasts_until_an_ordinary_record_is_written(void **state)
{
	uint64_t end = clock_boot() + WAIT_S * CLOCK_SECOND;
	struct waiter a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	expect(RS_APPEND);
	say_failed(w.m.id, "the disk is full");
	assert_told(&a, "the disk is full");
	assert_int_equal(record(&b, "n=b", AUDIT_ADMIN), OK);
	expect(RS_APPEND); /* an admin's may use the reserve */
	say_appended(keep_records());
	assert_told(&b, NULL);
	assert_non_null(audit_link_trouble(w.link));
	while (record(&c, "n=c", 0) != OK) { /* after a second */
		assert_true(clock_boot() < end);
		loop_turn(w.loop, CLOCK_SECOND / 10);
	}
	expect(RS_APPEND);
	say_appended(keep_records());
	assert_told(&c, NULL);
	assert_null(audit_link_trouble(w.link));
}

static void test_a_denial_that_is_only_counted_waits_for_nothing(void **state)
{
	struct waiter a = { 0 }, b = { 0 }, other = { 0 };

	(void)state;
	open_played();
	deny(&a);
	expect(RS_APPEND);
	say_appended(keep_records());
	assert_told(&a, NULL);
	assert_int_equal(record(&other, "n=other", 0), OK);
	deny(&b);
	if (b.wait.index == a.wait.index) {
		assert_int_equal(b.told, 0); /* never inside of the call */
		turn();
		assert_told(&b, NULL);
		assert_int_equal(other.told, 0);
	} else {
		print_message("too slow: its second was over before\n");
	}
	audit_link_forget(w.link, &other.wait);
	audit_link_forget(w.link, &b.wait);
}

static void test_who_is_forgotten_is_not_told(void **state)
{
	struct waiter a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	assert_int_equal(record(&b, "n=b", 0), OK);
	assert_int_equal(record(&c, "n=c", 0), OK);
	audit_link_forget(w.link, &c.wait);
	audit_link_forget(w.link, &a.wait);
	audit_link_forget(w.link, &a.wait);
	expect(RS_APPEND);
	say_appended(keep_records());
	assert_told(&b, NULL);
	assert_int_equal(a.told + c.told, 0);
}

static void test_closing_tells_who_waits(void **state)
{
	struct waiter a = { 0 }, b = { .closes = true }, c = { 0 }, d = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	assert_int_equal(record(&b, "n=b", 0), OK);
	expect(RS_APPEND);
	assert_int_equal(record(&c, "n=c", 0), OK);
	note(&d);
	say_appended(keep_records());
	assert_told(&a, NULL);
	assert_told(&b, NULL); /* and closes */
	assert_told(&c, "closed");
	assert_told(&d, "closed");
	assert_false(audit_link_is_open(w.link));
}

/* Checkpoints */

static void test_a_checkpoint_is_told_when_it_is_written(void **state)
{
	struct waiter a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	open_played();
	w.generation = 5;
	note(&a);
	expect(RS_CHECKPOINT);
	w.generation = 6;
	note(&b); /* while one is on its way */
	note(&c);
	expect_nothing();
	assert_int_equal(a.told, 0);
	say(RS_DONE, STORE_ID_NOTE, NULL);
	expect(RS_CHECKPOINT); /* one for both */
	assert_told(&a, NULL);
	assert_int_equal(b.told + c.told, 0);
	say(RS_DONE, STORE_ID_NOTE, NULL);
	turn();
	assert_told(&b, NULL);
	assert_told(&c, NULL);
}

static void test_what_a_checkpoint_says_already_is_not_said_again(void **state)
{
	struct waiter a = { 0 };

	(void)state;
	open_played();
	note(&a);
	assert_int_equal(a.told, 0);
	expect_nothing();
	assert_told(&a, NULL);
}

static void test_a_checkpoint_that_is_not_written_is_told(void **state)
{
	struct waiter a = { 0 }, b = { 0 };

	(void)state;
	open_played();
	w.generation = 5;
	note(&a);
	expect(RS_CHECKPOINT);
	say_failed(STORE_ID_NOTE, "the disk is full");
	assert_told(&a, "not written");
	note(&b);
	expect(RS_CHECKPOINT);
	fd_close(&w.peer);
	turn();
	assert_told(&b, "started anew");
}

/* A store that was started anew */

static void test_records_in_flight_outlive_the_store(void **state)
{
	struct waiter a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	assert_int_equal(record(&b, "n=b", 0), OK);
	expect(RS_APPEND);
	assert_int_equal(keep_records(), 2);
	w.size++; /* it dies having written one of them */
	assert_int_equal(record(&c, "n=c", 0), OK);
	fd_close(&w.peer);
	turn();
	assert_int_equal(record(&d, "n=d", 0), OK); /* while there is none */
	meet();
	audit_link_store_came(w.link);
	expect(RS_AUDIT_OPEN);
	expect_nothing(); /* until it has told where its log ends */
	say_where();
	assert_told(&a, NULL);
	assert_int_equal(b.told + c.told + d.told, 0);
	expect(RS_APPEND);
	assert_int_equal(keep_records(), 3);
	say_appended(3);
	assert_told(&b, NULL);
	assert_told(&c, NULL);
	assert_told(&d, NULL);
	assert_int_equal(w.broken, 0);
}

static void test_a_new_store_gets_nothing_before_it_has_told(void **state)
{
	struct waiter a = { 0 }, b = { 0 };

	(void)state;
	open_played();
	fd_close(&w.peer);
	turn();
	assert_int_equal(record(&a, "n=a", 0), OK);
	w.generation = 5;
	note(&b);
	meet();
	audit_link_store_came(w.link);
	expect(RS_AUDIT_OPEN);
	expect_nothing();
	say_where();
	expect(RS_CHECKPOINT); /* of what is there */
	say(RS_DONE, STORE_ID_NOTE, NULL);
	expect(RS_APPEND);
	say_appended(keep_records());
	assert_told(&b, NULL);
	assert_told(&a, NULL);
}

static void test_another_log_than_before_breaks_it(void **state)
{
	struct waiter a = { 0 }, b = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	expect(RS_APPEND);
	assert_int_equal(keep_records(), 1);
	w.kept[1].p[w.kept[1].len - 1] ^= 1;
	w.size++;
	note(&b);
	die_and_come();
	assert_int_equal(w.broken, 1);
	assert_false(audit_link_is_open(w.link));
	assert_int_equal(a.told, 1);
	assert_int_equal(a.why.code, ERR_CONFLICT);
	assert_int_equal(b.told, 1);
	assert_int_equal(record(&a, "n=a", 0), ERR_UNAVAILABLE);
}

static void test_a_store_that_dies_while_it_opens_is_asked_again(void **state)
{
	(void)state;
	open_link(); /* there is none yet */
	turn();
	meet();
	audit_link_store_came(w.link);
	expect(RS_AUDIT_OPEN);
	die_and_come();
	assert_int_equal(w.opened, 1);
	assert_true(audit_link_is_open(w.link));
}

static void test_a_log_that_cannot_be_opened_is_told(void **state)
{
	(void)state;
	open_played();
	audit_link_close(w.link);
	open_link();
	expect(RS_AUDIT_OPEN);
	say_failed(STORE_ID_LOG, "the folder is gone");
	assert_int_equal(w.opened, 2);
	assert_int_equal(w.why.code, ERR_UNAVAILABLE);
	assert_false(audit_link_is_open(w.link));
	open_link();
	expect(RS_AUDIT_OPEN);
	free(w.note.p);
	w.note = (struct piece){ xmemdup("x", 1), 1 };
	say_where();
	assert_int_equal(w.opened, 3);
	assert_int_not_equal(w.why.code, OK);
}

static void test_what_is_the_cores_own_is_left_to_it(void **state)
{
	struct msg m = { .kind = RS_DONE, .id = STORE_ID_OWN };

	(void)state;
	open_played();
	assert_false(audit_link_from_store(w.link, &m));
	m.kind = RS_FAILED;
	m.id = STORE_ID_OWN + 7;
	assert_false(audit_link_from_store(w.link, &m));
	m.kind = RS_ROW;
	assert_false(audit_link_from_store(w.link, &m));
	assert_int_equal(w.others, 0);
}

/* The end */

static void test_the_end_comes_after_the_last_checkpoint(void **state)
{
	struct waiter a = { 0 };

	(void)state;
	open_played();
	assert_int_equal(record(&a, "n=a", 0), OK);
	audit_link_end(w.link);
	assert_int_equal(w.ended, 0);
	expect(RS_APPEND);
	say_appended(keep_records());
	assert_told(&a, NULL);
	assert_int_equal(w.ended, 0);
	hear();
	assert_int_equal(w.m.kind, RS_CHECKPOINT);
	keep_note();
	say(RS_DONE, STORE_ID_NOTE, NULL);
	turn();
	assert_int_equal(w.ended, 1);
}

static void test_without_a_log_the_end_is_at_once(void **state)
{
	(void)state;
	audit_link_end(w.link);
	assert_int_equal(w.ended, 1);
}

/* A real store */

static void start_real(struct role *r)
{
	static const struct chan_ops ops = { heard, gone, NULL };

	role_start(r, role_rowstore, folder_fd);
	chan_open(&w.store, w.loop, r->vault, false, &ops);
	r->vault = -1;
}

static void until(const unsigned *count, unsigned n)
{
	uint64_t end = clock_boot() + WAIT_S * CLOCK_SECOND;

	while (*count < n) {
		assert_true(clock_boot() < end);
		loop_turn(w.loop, CLOCK_SECOND);
	}
}

/* Some a turn. */
static void record_many(struct waiter *all, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		assert_int_equal(record(&all[i], "event=many", 0), OK);
		if (i % 50 == 0)
			turn();
	}
}

static void test_a_killed_store_loses_and_doubles_nothing(void **state)
{
	static struct waiter all[MANY];
	struct role r = { 0 };

	(void)state;
	memset(all, 0, sizeof all);
	start_real(&r);
	open_link();
	until(&w.opened, 1);
	assert_int_equal(w.why.code, OK);
	record_many(all, 0, MANY / 2);
	assert_true(w.told < MANY / 2); /* some are in flight */
	kill(r.pid, SIGKILL);
	(void)role_end(&r);
	record_many(all, MANY / 2, MANY);
	while (chan_is_open(&w.store))
		loop_turn(w.loop, CLOCK_SECOND);
	start_real(&r);
	audit_link_store_came(w.link);
	until(&w.told, MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_told(&all[i], NULL);
	w.generation = 9;
	audit_link_end(w.link);
	until(&w.ended, 1);
	audit_link_close(w.link);
	open_link(); /* what the log says now */
	until(&w.opened, 2);
	assert_int_equal(w.why.code, OK);
	assert_int_equal(w.tail.tree.size, MANY);
	assert_true(w.tail.noted);
	assert_int_equal(w.tail.note.size, MANY);
	assert_int_equal(w.tail.note.generation, 9);
	assert_int_equal(w.broken, 0);
	(void)role_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_record_is_told_when_it_is_acknowledged),
		TEST(test_nothing_is_recorded_before_it_is_open),
		TEST(test_a_refused_record_and_all_after_it_are_told_why),
		TEST(test_trouble_lasts_until_an_ordinary_record_is_written),
		TEST(test_a_denial_that_is_only_counted_waits_for_nothing),
		TEST(test_who_is_forgotten_is_not_told),
		TEST(test_closing_tells_who_waits),
		TEST(test_a_checkpoint_is_told_when_it_is_written),
		TEST(test_what_a_checkpoint_says_already_is_not_said_again),
		TEST(test_a_checkpoint_that_is_not_written_is_told),
		TEST(test_records_in_flight_outlive_the_store),
		TEST(test_a_new_store_gets_nothing_before_it_has_told),
		TEST(test_another_log_than_before_breaks_it),
		TEST(test_a_store_that_dies_while_it_opens_is_asked_again),
		TEST(test_a_log_that_cannot_be_opened_is_told),
		TEST(test_what_is_the_cores_own_is_left_to_it),
		TEST(test_the_end_comes_after_the_last_checkpoint),
		TEST(test_without_a_log_the_end_is_at_once),
		TEST(test_a_killed_store_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
