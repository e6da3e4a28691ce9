/* lib/audit: reading back where the log stands, and going on after its keeper was
 * started anew. */
#include "tests/unit/audit_keeper.h"

static void test_tail_notices_what_was_changed(void **state)
{

	(void)state;
	put_many(10);
	send_all();
	assert_int_equal(audit_checkpoint(a, now, 7), OK);
	audit_noted(a, true);
	put_many(4);
	send_all();
	(void)read_back(OK);
	for (size_t i = 0; i < k.frontier.len; i++) {
		k.frontier.p[i] ^= 4;
		(void)read_back(ERR_INVALID);
		k.frontier.p[i] ^= 4;
	}
	for (size_t i = 0; i < k.note.len; i++) {
		k.note.p[i] ^= 1;
		(void)read_back(ERR_INVALID);
		k.note.p[i] ^= 1;
	}
	k.size = 9;
	(void)read_back(ERR_CONFLICT);
}

/* The keeper dies with `done` of what it was handed written; then all goes on. */
static void test_resume_sends_the_rest_again(void **state)
{
	uint64_t rnd = unit_seed();
	struct fault f;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct audit_tail t;
		uint64_t handed;

		put_many(1 + unit_below(&rnd, 20));
		assert_int_equal(audit_send(a), OK);
		put_many(unit_below(&rnd, 20));
		handed = k.handed - k.size;
		written(k.size + unit_below(&rnd, handed + 1));
		k.handed = k.size;
		t = read_back(OK);
		if (audit_resume(a, &t, &f) != OK)
			fail_msg("%s", f.text);
		assert_int_equal(audit_kept(a), k.size);
		if (unit_below(&rnd, 3))
			send_all();
		if (unit_below(&rnd, 3))
			continue;
		assert_int_equal(audit_checkpoint(a, now, 1), OK);
		audit_noted(a, true);
	}
	send_all();
	(void)read_back(OK);
	assert_int_equal(k.size, audit_size(a));
}

/* What was with the keeper goes again as it was, not with what came meanwhile. */
static void test_resume_hands_over_the_same_again(void **state)
{
	struct audit_tail t;
	struct fault f;

	(void)state;
	put_many(5);
	assert_int_equal(audit_send(a), OK);
	put_many(3);
	assert_true(audit_behind(a, 2, SIZE_MAX));
	assert_false(audit_behind(a, 3, SIZE_MAX));
	k.handed = k.size;
	t = read_back(OK);
	assert_int_equal(audit_resume(a, &t, &f), OK);
	assert_int_equal(audit_again(a, 9), ERR_INVALID);
	assert_int_equal(audit_again(a, 5), OK);
	assert_int_equal(audit_again(a, 5), ERR_INVALID);
	k.handed = k.size + 5;
	ack();
	assert_int_equal(audit_kept(a), 5);
	send_all();
	(void)read_back(OK);
	assert_int_equal(k.size, 8);
}

static void test_resume_notices_a_cut_log(void **state)
{
	struct audit_tail t;
	struct fault f;

	(void)state;
	put_many(10);
	send_all();
	k.size = 9;
	t = read_back(OK);
	assert_int_equal(audit_resume(a, &t, &f), ERR_CONFLICT);
	assert_string_equal(f.text,
			    "the audit log was cut: it holds 9 records, "
			    "10 were acknowledged");
	k.size = 10;
	k.p[4][k.len[4] - 1] ^= 1;
	t = read_back(OK);
	assert_int_equal(audit_resume(a, &t, &f), ERR_CONFLICT);
	assert_non_null(strstr(f.text, "was changed"));
	k.p[4][k.len[4] - 1] ^= 1;
	k.p[10] = xmemdup(k.p[0], k.len[0]);
	k.len[10] = k.len[0];
	k.size = 11;
	t = read_back(OK);
	assert_int_equal(audit_resume(a, &t, &f), ERR_CONFLICT);
	assert_non_null(strstr(f.text, "only 10 were written"));
}

static void test_resume_notices_a_missing_checkpoint(void **state)
{
	struct audit_tail t;
	struct fault f;

	(void)state;
	put_many(10);
	send_all();
	assert_int_equal(audit_checkpoint(a, now, 7), OK);
	audit_noted(a, true);
	buf_clear(&k.note);
	t = read_back(OK);
	assert_int_equal(audit_resume(a, &t, &f), ERR_CONFLICT);
	assert_non_null(strstr(f.text, "the one of size 10 is missing"));
}

static void test_old_store_and_cut_log_are_refused(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(audit_check_generation(15, 15, &f), OK);
	assert_int_equal(audit_check_generation(15, 16, &f), OK);
	assert_int_equal(audit_check_generation(15, 12, &f), ERR_CONFLICT);
	assert_non_null(strstr(f.text, "the store is older than its audit log: "
				       "generation 12, the log says 15"));
	assert_int_equal(audit_check_size(90, 90, &f), OK);
	assert_int_equal(audit_check_size(89, 90, &f), ERR_CONFLICT);
	assert_non_null(strstr(f.text, "was cut: it holds 89 records"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tail_notices_what_was_changed),
		TEST(test_resume_sends_the_rest_again),
		TEST(test_resume_hands_over_the_same_again),
		TEST(test_resume_notices_a_cut_log),
		TEST(test_resume_notices_a_missing_checkpoint),
		TEST(test_old_store_and_cut_log_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
