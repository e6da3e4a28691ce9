/* credd/vault_run_table.c: how many requests who may have in flight. */
#include "credd/vault.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

struct vault vault;

void worker_forget(struct run *r)
{
	(void)r;
}

enum {
	KEPT = VAULT_RUNS + 1
};

static struct run *kept[KEPT];
static size_t n_kept;
static const struct call nobody = { .id = CALL_NOBODY };

static int begin(void **state)
{
	(void)state;
	vault = (struct vault){ 0 };
	run_init();
	return 0;
}

static int end(void **state)
{
	(void)state;
	while (n_kept)
		run_free(kept[--n_kept]);
	assert_int_equal(map_count(vault.users), 0);
	assert_int_equal(map_count(vault.runs), 0);
	assert_int_equal(vault.remote_runs, 0);
	map_free(vault.users);
	map_free(vault.runs);
	return 0;
}

static bool run_one(const struct subject *s)
{
	struct fault f;
	struct user *u = run_room(s, &f);

	if (!u)
		assert_int_equal(f.code, ERR_LIMITED);
	else
		kept[n_kept++] = run_new(&nobody, u, (struct attr_view){ 0 });
	return u;
}

/* How many of n there is room for. */
static unsigned run_some(const struct subject *s, unsigned n)
{
	unsigned done = 0;

	while (done < n && run_one(s))
		done++;
	return done;
}

/* Agent i of a node. */
static unsigned run_agent(char *node, unsigned i, unsigned n)
{
	char id[16];
	const struct subject s = { .via = VIA_TLS,
				   .uid = SUBJECT_NO_ID,
				   .cert = { .uid = id, .ou = node } };

	(void)snprintf(id, sizeof id, "agent-%u", i);
	return run_some(&s, n);
}

static void test_a_user_has_a_quota(void **state)
{
	struct subject s = { .uid = 7 };

	(void)state;
	assert_int_equal(run_some(&s, KEPT), VAULT_USER_RUNS);
	run_free(kept[--n_kept]);
	assert_int_equal(run_some(&s, 2), 1);
	s.uid = 8;
	assert_int_equal(run_some(&s, 10), 10);
}

static void test_many_agents_of_a_node_have_one_quota(void **state)
{
	static char n1[] = "n1", n2[] = "n2";
	const struct subject here = { .uid = 7 };
	unsigned all = 0;

	(void)state;
	assert_int_equal(run_agent(n1, 0, KEPT), VAULT_AGENT_RUNS);
	for (unsigned i = 1; i < 3000; i++)
		all += run_agent(n1, i, 3);
	assert_int_equal(all, VAULT_USER_RUNS - VAULT_AGENT_RUNS);
	assert_int_equal(run_agent(n2, 3000, 10), 10);
	run_free(kept[0]);
	kept[0] = kept[--n_kept];
	assert_int_equal(run_agent(n1, 3001, 10), 1);
	assert_int_equal(run_some(&here, 10), 10);
}

static void test_all_remote_ones_leave_room(void **state)
{
	const struct subject here = { .uid = 7 };
	char node[16];
	unsigned all = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		(void)snprintf(node, sizeof node, "node-%u", i);
		all += run_agent(node, i, KEPT);
	}
	assert_int_equal(all, VAULT_REMOTE_RUNS);
	assert_int_equal(run_some(&here, KEPT), VAULT_USER_RUNS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_user_has_a_quota, begin,
						end),
		cmocka_unit_test_setup_teardown(
			test_many_agents_of_a_node_have_one_quota, begin, end),
		cmocka_unit_test_setup_teardown(test_all_remote_ones_leave_room,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
