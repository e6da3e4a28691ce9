/* lib/audit: records, their indexes and acknowledgements, counted denials. */
#include "tests/unit/audit_keeper.h"

#include "lib/enc.h"

static void test_record_has_time_first(void **state)
{
	struct attr_view v;
	struct attr one;

	(void)state;
	put_many(1);
	send_all();
	v = kept_at(0);
	assert_true(attr_next(&v, &one));
	assert_true(attr_named(&one, "time"));
	assert_true(attr_is(&one, "2026-01-02T03:04:05.123456Z"));
	assert_attr(0, "n", "0");
}

static void test_confidential_values_stay_out(void **state)
{
	struct attrs what;
	struct attr one;
	uint64_t index;

	(void)state;
	attrs_init(&what);
	assert_int_equal(
		attrs_add(&what, "secret_key", ATTR_CONFIDENTIAL, "hunter2", 7),
		OK);
	assert_int_equal(
		audit_record(a, now, attrs_view(&what), 0, &index, NULL), OK);
	send_all();
	assert_true(attr_find(kept_at(0), "secret_key", &one));
	assert_int_equal(one.len, 0);
	assert_int_equal(one.flags, ATTR_CONFIDENTIAL);
	assert_null(memmem(k.p[0], k.len[0], "hunter2", 7));
	attrs_wipe(&what);
}

static void test_one_append_at_a_time(void **state)
{
	(void)state;
	put_many(3);
	assert_int_equal(audit_deadline(a), 0);
	assert_int_equal(audit_send(a), OK);
	put_many(2);
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(k.calls, 1);
	assert_int_equal(k.handed, 3);
	assert_int_equal(audit_kept(a), 0);
	ack();
	assert_int_equal(audit_kept(a), 3);
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(k.handed, 5);
	ack();
	assert_int_equal(audit_kept(a), 5);
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(k.calls, 2);
}

static void test_a_wrong_acknowledgement_is_refused(void **state)
{
	(void)state;
	assert_int_equal(audit_acked(a, 0), ERR_INVALID);
	put_many(3);
	assert_int_equal(audit_acked(a, 3), ERR_INVALID);
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(audit_acked(a, 2), ERR_INVALID);
	assert_int_equal(audit_acked(a, 4), ERR_INVALID);
	assert_int_equal(audit_failed(a, 3, now.boot), ERR_INVALID);
	assert_int_equal(audit_acked(a, 3), OK);
}

static void test_admin_records_go_apart(void **state)
{
	uint64_t index;

	(void)state;
	assert_int_equal(put(0, 0, &index), OK);
	assert_int_equal(put(1, AUDIT_ADMIN, &index), OK);
	assert_int_equal(put(2, AUDIT_ADMIN, &index), OK);
	assert_int_equal(put(3, 0, &index), OK);
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(k.handed, 1);
	assert_int_equal(k.flags, 0);
	ack();
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(k.handed, 3);
	assert_int_equal(k.flags, AUDIT_ADMIN);
	ack();
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(k.handed, 4);
}

static void test_failure_gives_the_indexes_back(void **state)
{
	uint64_t index;

	(void)state;
	put_many(5);
	assert_int_equal(audit_send(a), OK);
	put_many(5);
	written(2);
	assert_int_equal(audit_failed(a, 2, now.boot), OK);
	k.handed = 2;
	assert_int_equal(audit_kept(a), 2);
	assert_int_equal(audit_size(a), 2);
	assert_int_equal(put(7, 0, &index), ERR_UNAVAILABLE);
	assert_int_equal(put(8, AUDIT_ADMIN, &index), OK);
	assert_int_equal(index, 2);
	now.boot += CLOCK_SECOND;
	assert_int_equal(put(9, 0, &index), OK);
	assert_int_equal(index, 3);
	send_all();
	assert_attr(2, "n", "8");
	assert_attr(3, "n", "9");
	(void)read_back(OK);
}

static void test_what_waits_is_bounded(void **state)
{
	uint64_t index;

	(void)state;
	put_many(AUDIT_PENDING_MAX);
	assert_int_equal(put(0, 0, &index), ERR_UNAVAILABLE);
	assert_int_equal(audit_send(a), OK);
	assert_true(k.handed <= AUDIT_BATCH_MAX);
	ack();
	assert_int_equal(put(0, 0, &index), OK);
	assert_int_equal(index, AUDIT_PENDING_MAX);
	send_all();
	(void)read_back(OK);
}

static void test_bytes_that_wait_are_bounded(void **state)
{
	uint8_t *big = xcalloc(1, AUDIT_RECORD_MAX);
	struct attrs what;
	uint64_t index, n = 0;

	(void)state;
	attrs_init(&what);
	assert_int_equal(attrs_add(&what, "big", 0, big, AUDIT_RECORD_MAX), OK);
	assert_int_equal(
		audit_record(a, now, attrs_view(&what), 0, &index, NULL),
		ERR_TOO_LARGE);
	attrs_clear(&what);
	assert_int_equal(attrs_add(&what, "big", 0, big, AUDIT_RECORD_MAX - 64),
			 OK);
	while (audit_record(a, now, attrs_view(&what), 0, &index, NULL) == OK)
		n++;
	assert_in_range(n, 255, 257);
	attrs_wipe(&what);
	free(big);
}

static enum err deny(const char *who, const char *id, uint64_t *index)
{
	struct attrs what, once;
	enum err e;

	attrs_init(&what);
	attrs_init(&once);
	assert_int_equal(attrs_add_str(&what, "subject", who), OK);
	assert_int_equal(attrs_add_str(&once, "request_id", id), OK);
	e = audit_denial(a, now, attrs_view(&what), attrs_view(&once), index,
			 NULL);
	attrs_wipe(&what);
	attrs_wipe(&once);
	return e;
}

static void test_equal_denials_are_counted(void **state)
{
	uint64_t index;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(
			deny("uid:1000", i ? "later" : "first", &index), OK);
		assert_int_equal(index, 0);
	}
	assert_int_equal(deny("uid:1001", "other", &index), OK);
	assert_int_equal(index, 1);
	send_all();
	assert_int_equal(audit_size(a), 2);
	assert_int_equal(audit_deadline(a),
			 MIN(now.boot + CLOCK_SECOND, 5 * CLOCK_SECOND));
	now.boot += CLOCK_SECOND - 1;
	audit_denials(a, now, false);
	assert_int_equal(audit_size(a), 2);
	now.boot++;
	audit_denials(a, now, false);
	assert_int_equal(audit_size(a), 3);
	send_all();
	assert_attr(0, "request_id", "first");
	assert_attr(2, "subject", "uid:1000");
	assert_attr(2, "count", "999");
	assert_int_equal(attr_count(kept_at(2), "request_id"), 0);
	assert_int_equal(deny("uid:1000", "again", &index), OK);
	assert_int_equal(index, 3);
}

static void test_more_denials_than_the_table_holds(void **state)
{
	uint64_t index;
	char who[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(who, sizeof who, "uid:%d", i);
		assert_int_equal(deny(who, "a", &index), OK);
		assert_int_equal(index, i);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(who, sizeof who, "uid:%d", i);
		assert_int_equal(deny(who, "b", &index), OK);
	}
	/* each is in the log, as a record or in a count */
	audit_denials(a, now, true);
	assert_int_equal(audit_size(a), 2000);
}

static void test_a_denial_that_was_not_written_counts_none(void **state)
{
	uint64_t index;

	(void)state;
	assert_int_equal(deny("uid:1", "a", &index), OK);
	assert_int_equal(deny("uid:1", "b", &index), OK);
	assert_int_equal(audit_send(a), OK);
	assert_int_equal(audit_failed(a, 0, now.boot), OK);
	k.handed = 0;
	assert_int_equal(deny("uid:1", "c", &index), ERR_UNAVAILABLE);
	audit_denials(a, now, true);
	assert_int_equal(audit_size(a), 0);
}

static void test_checkpoint_covers_what_is_kept(void **state)
{
	uint8_t key[NOTE_PUBLIC];
	struct note n;

	(void)state;
	note_public(seed, key);
	assert_memory_equal(key, audit_key(a), sizeof key);
	put_many(10);
	assert_false(audit_checkpoint_due(a, now.boot));
	send_all();
	put_many(3);
	assert_true(audit_checkpoint_due(a, now.boot));
	assert_int_equal(audit_checkpoint(a, now, 7), OK);
	assert_false(audit_checkpoint_due(a, now.boot));
	assert_int_equal(
		note_verify(k.note.p, k.note.len, key, origin, &n, NULL), OK);
	assert_int_equal(n.size, 10);
	assert_int_equal(n.generation, 7);
	audit_noted(a, true);
	send_all();
	assert_false(audit_checkpoint_due(a, now.boot));
	now.boot += AUDIT_CHECKPOINT_SECONDS * CLOCK_SECOND;
	assert_int_equal(audit_deadline(a), now.boot);
	assert_true(audit_checkpoint_due(a, now.boot));
	(void)read_back(OK);
}

static void test_checkpoints_of_many_records_are_a_second_apart(void **state)
{
	(void)state;
	put_many(1);
	send_all();
	assert_int_equal(audit_checkpoint(a, now, 7), OK);
	audit_noted(a, true);
	put_many(AUDIT_CHECKPOINT_RECORDS);
	send_all();
	assert_false(audit_checkpoint_due(a, now.boot + CLOCK_SECOND - 1));
	assert_int_equal(audit_deadline(a), now.boot + CLOCK_SECOND);
	assert_true(audit_checkpoint_due(a, now.boot + CLOCK_SECOND));
}

static void test_checkpoint_that_failed_is_due_again(void **state)
{
	(void)state;
	put_many(1);
	send_all();
	assert_int_equal(audit_checkpoint(a, now, 7), OK);
	audit_noted(a, false);
	now.boot += AUDIT_CHECKPOINT_SECONDS * CLOCK_SECOND;
	assert_true(audit_checkpoint_due(a, now.boot));
}

static void test_digest_is_salted(void **state)
{
	AUTO(buf_wipe) struct buf salt = { .max = 64 }, text = { .max = 64 };
	AUTO(attrs_wipe) struct attrs x = { 0 }, y = { 0 };
	struct merkle_hash h;
	struct attr s, d, other;

	(void)state;
	attrs_init(&x);
	attrs_init(&y);
	assert_int_equal(audit_digest(&x, "request", 7), OK);
	assert_int_equal(audit_digest(&y, "request", 7), OK);
	assert_int_equal(attr_only(attrs_view(&x), "salt", &s), OK);
	assert_int_equal(attr_only(attrs_view(&x), "digest", &d), OK);
	assert_int_equal(attr_only(attrs_view(&y), "digest", &other), OK);
	assert_memory_not_equal(d.value, other.value, d.len);
	assert_int_equal(enc_base64_parse((const char *)s.value, s.len, &salt),
			 OK);
	assert_int_equal(salt.len, 16);
	merkle_sha256(salt.p, salt.len, "request", 7, &h);
	assert_int_equal(enc_base64(h.b, MERKLE_HASH, &text), OK);
	assert_int_equal(text.len, d.len);
	assert_memory_equal(text.p, d.value, d.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_record_has_time_first),
		TEST(test_confidential_values_stay_out),
		TEST(test_one_append_at_a_time),
		TEST(test_a_wrong_acknowledgement_is_refused),
		TEST(test_admin_records_go_apart),
		TEST(test_failure_gives_the_indexes_back),
		TEST(test_what_waits_is_bounded),
		TEST(test_bytes_that_wait_are_bounded),
		TEST(test_equal_denials_are_counted),
		TEST(test_more_denials_than_the_table_holds),
		TEST(test_a_denial_that_was_not_written_counts_none),
		TEST(test_checkpoint_covers_what_is_kept),
		TEST(test_checkpoints_of_many_records_are_a_second_apart),
		TEST(test_checkpoint_that_failed_is_due_again),
		TEST(test_digest_is_salted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
