/* Who sees an agent's folder in the file view: the agent, its descendants with its uid
 * and user namespace, and nobody else.
 * test: not under valgrind: it knows no seccomp and no FUSE */
#include "tests/unit/view_world.h"

#include "certmgr/view.h"

/* All of it is there for that actor: the name, the list, the content. */
static void assert_sees(const struct actor *by, const char *agent)
{
	char list[WORLD_PATH];
	uint64_t fd;

	assert_int_equal(
		actor_does(by, ACT_STAT, 0, 0, path_of(agent, NULL))->error, 0);
	assert_int_equal(
		actor_does(by, ACT_STAT, 0, 0, path_of(agent, "key.pem"))
			->value,
		KEY_LEN);
	(void)snprintf(list, sizeof list, ". .. %s ", agent);
	assert_string_equal(
		actor_does(by, ACT_LIST, 0, 0, path_of(NULL, NULL))->data,
		list);
	fd = (uint64_t)world_open(by, agent, "key", 1, KEY_LEN);
	assert_content(actor_does(by, ACT_PREAD, fd, 0, NULL), 1, KEY_LEN);
	assert_int_equal(actor_does(by, ACT_CLOSE, fd, 0, NULL)->error, 0);
}

/* For him it does not exist. Keeper is told of the first try, and not of the next ones
 * within a second. */
static void assert_blind(const struct actor *by, const char *agent)
{
	assert_int_equal(
		actor_does(by, ACT_STAT, 0, 0, path_of(agent, NULL))->error,
		ENOENT);
	assert_int_equal(
		actor_does(by, ACT_OPEN, O_RDONLY, 0, path_of(agent, "key.pem"))
			->error,
		ENOENT);
	assert_string_equal(
		actor_does(by, ACT_LIST, 0, 0, path_of(NULL, NULL))->data,
		". .. ");
	assert_int_equal(
		actor_does(by, ACT_LIST, 0, 0, path_of(agent, NULL))->error,
		ENOENT);
	(void)keeper_hears(KV_DENIED, agent, NULL, by->pid);
}

static void test_the_agent_and_its_descendants(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor child = actor_child(&a), grandchild = actor_child(&child);

	(void)state;
	assert_sees(&a, AGENT_A);
	assert_sees(&child, AGENT_A);
	assert_sees(&grandchild, AGENT_A);
	actor_end(&grandchild);
	actor_end(&child);
	actor_end(&a);
}

static void test_another_thread_of_the_agent(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	assert_int_equal(actor_does(&a, ACT_THREAD_STAT, 0, 0,
				    path_of(AGENT_A, "key.pem"))
				 ->error,
			 0);
	actor_end(&a);
}

static void test_not_another_process_of_the_same_uid(void **state)
{
	struct actor other = actor_new(WORLD_UID);
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	assert_blind(&other, AGENT_A);
	assert_int_equal(actor_does(&other, ACT_THREAD_STAT, 0, 0,
				    path_of(AGENT_A, NULL))
				 ->error,
			 ENOENT);
	actor_end(&other);
	actor_end(&a);
}

static void test_not_root_nor_its_parent(void **state)
{
	struct actor root = actor_new(0);
	struct actor parent = actor_new(0);
	struct actor a = actor_child(&parent);

	(void)state;
	assert_int_equal(
		actor_does(&a, ACT_SETRESUID, WORLD_UID, WORLD_UID, NULL)
			->error,
		0);
	keeper_tells(AGENT_A, a.pid, SIZES);
	world_all_told();
	assert_blind(&root, AGENT_A);
	assert_blind(&parent, AGENT_A);
	assert_sees(&a, AGENT_A);
	actor_end(&a);
	actor_end(&parent);
	actor_end(&root);
}

static void test_root_that_is_the_agent(void **state)
{
	struct actor a = world_agent(AGENT_A, 0, SIZES);
	struct actor child = actor_child(&a);

	(void)state;
	assert_sees(&a, AGENT_A);
	assert_sees(&child, AGENT_A);
	assert_int_equal(
		actor_does(&child, ACT_SETRESUID, WORLD_UID, WORLD_UID, NULL)
			->error,
		0);
	assert_blind(&child, AGENT_A);
	actor_end(&child);
	actor_end(&a);
}

/* Each of its uids counts. */
static void test_not_a_descendant_of_another_uid(void **state)
{
	static const struct {
		enum act act;
		uint64_t n, m;
	} changes[] = {
		{ ACT_SETRESUID, WORLD_OTHER_UID, WORLD_OTHER_UID },
		{ ACT_SETRESUID, WORLD_OTHER_UID, 0 }, /* only the real one */
		{ ACT_SETRESUID, 0, WORLD_OTHER_UID },
		{ ACT_SETFSUID, WORLD_OTHER_UID, 0 },
	};
	struct actor a = world_agent(AGENT_A, 0, SIZES);

	(void)state;
	for (size_t i = 0; i < NELEM(changes); i++) {
		struct actor child = actor_child(&a);

		assert_int_equal(actor_does(&child, changes[i].act,
					    changes[i].n, changes[i].m, NULL)
					 ->error,
				 0);
		assert_blind(&child, AGENT_A);
		actor_end(&child);
	}
	actor_end(&a);
}

/* A privileged process that acts for another one, with the agent's file system uid. */
static void test_not_one_whose_effective_uid_is_another(void **state)
{
	struct actor a = world_agent(AGENT_A, 0, SIZES);
	struct actor child = actor_child(&a);

	(void)state;
	assert_int_equal(
		actor_does(&child, ACT_SETRESUID, 0, WORLD_OTHER_UID, NULL)
			->error,
		0);
	assert_int_equal(actor_does(&child, ACT_SETFSUID, 0, 0, NULL)->value,
			 0);
	assert_blind(&child, AGENT_A);
	actor_end(&child);
	actor_end(&a);
}

/* The agent's own uid may change, and then its descendants need the new one. */
static void test_the_uid_is_the_present_one(void **state)
{
	struct actor a = world_agent(AGENT_A, 0, SIZES);
	struct actor child = actor_child(&a);
	struct stat st;

	(void)state;
	assert_int_equal(
		actor_does(&a, ACT_SETRESUID, WORLD_UID, WORLD_UID, NULL)
			->error,
		0);
	assert_sees(&a, AGENT_A);
	memcpy(&st,
	       actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->data,
	       sizeof st);
	assert_int_equal(st.st_uid, WORLD_UID);
	assert_blind(&child, AGENT_A);
	assert_int_equal(
		actor_does(&child, ACT_SETRESUID, WORLD_UID, WORLD_UID, NULL)
			->error,
		0);
	assert_sees(&child, AGENT_A);
	actor_end(&child);
	actor_end(&a);
}

static void test_not_a_descendant_in_another_user_namespace(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor child = actor_child(&a);
	int error =
		actor_does(&child, ACT_UNSHARE, CLONE_NEWUSER, 0, NULL)->error;

	(void)state;
	if (error) {
		print_message("skipped: no user namespaces here\n");
		actor_end(&child);
		actor_end(&a);
		return;
	}
	assert_blind(&child, AGENT_A);
	assert_sees(&a, AGENT_A);
	actor_end(&child);
	actor_end(&a);
}

static void test_only_the_agent_itself_with_self(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, "self=yes " SIZES);
	struct actor child = actor_child(&a);

	(void)state;
	assert_sees(&a, AGENT_A);
	assert_blind(&child, AGENT_A);
	actor_end(&child);
	actor_end(&a);
}

static void test_not_who_was_reparented_away(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor child = actor_child(&a), grandchild = actor_child(&child);

	(void)state;
	assert_sees(&grandchild, AGENT_A);
	/* its parent ends, and it is a child of init, or of who takes such */
	actor_end(&child);
	assert_int_equal(actor_does(&a, ACT_STAT, 0, 0, "/")->error, 0);
	(void)waitpid(child.pid, NULL, 0);
	while (!actor_does(&grandchild, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))
			->error)
		(void)sched_yield(); /* what was judged stands for 2 ms */
	assert_blind(&grandchild, AGENT_A);
	actor_end(&grandchild);
	actor_end(&a);
}

static void test_who_is_taken_by_the_agent_again(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor child = actor_child(&a), grandchild = actor_child(&child);

	(void)state;
	assert_int_equal(actor_does(&a, ACT_SUBREAPER, 0, 0, NULL)->error, 0);
	actor_end(&child);
	assert_sees(&grandchild, AGENT_A);
	actor_end(&grandchild);
	actor_end(&a);
}

static void test_a_dead_agent_has_nothing(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor child = actor_child(&a);

	(void)state;
	assert_sees(&child, AGENT_A);
	actor_end(&a);
	while (!actor_does(&child, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))
			->error)
		(void)sched_yield();
	assert_int_equal(actor_does(&child, ACT_OPEN, O_RDONLY, 0,
				    path_of(AGENT_A, "key.pem"))
				 ->error,
			 ENOENT);
	actor_end(&child);
}

/* Keeper means a process that ended before somebody else got its pid. */
static void test_not_a_later_process_of_the_same_pid(void **state)
{
	struct actor a = actor_new(WORLD_UID);
	AUTO(attrs_wipe) struct attrs was = { 0 };
	struct procinfo p;
	struct fault f;

	(void)state;
	fault_ok(procinfo_read(a.pid, &p, &f), &f);
	attrs_init(&was);
	list_of(&was, "agent=" AGENT_A " " SIZES);
	assert_int_equal(attrs_add_u64(&was, "pid", (uint64_t)a.pid), OK);
	assert_int_equal(attrs_add_u64(&was, "start", p.start - 1), OK);
	assert_int_equal(attrs_add_u64(&was, "user_ns", p.user_ns), OK);
	keeper_says(KV_AGENT, 0, &was);
	world_all_told();
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->error,
		ENOENT);
	keeper_tells(AGENT_A, a.pid, SIZES);
	assert_sees(&a, AGENT_A);
	actor_end(&a);
}

static void test_agents_do_not_see_each_other(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor b = world_agent(AGENT_B, WORLD_UID, SIZES);

	(void)state;
	assert_sees(&a, AGENT_A);
	assert_sees(&b, AGENT_B);
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_B, NULL))->error,
		ENOENT);
	(void)keeper_hears(KV_DENIED, AGENT_B, NULL, a.pid);
	actor_end(&a);
	actor_end(&b);
}

static void test_one_process_that_is_two_agents(void **state)
{
	struct actor a = world_agent(AGENT_B, WORLD_UID, SIZES);

	(void)state;
	keeper_tells(AGENT_A, a.pid, SIZES);
	assert_string_equal(
		actor_does(&a, ACT_LIST, 0, 0, path_of(NULL, NULL))->data,
		". .. " AGENT_B " " AGENT_A " ");
	keeper_gone(AGENT_B);
	assert_sees(&a, AGENT_A);
	actor_end(&a);
}

/* Of agents that ended before their process so many are kept, and no more. */
static void test_a_process_that_outlives_many_agents(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	unsigned revoked = 0, n = VIEW_GONE + 2;
	char id[] = AGENT_B;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		id[sizeof id - 2] = (char)('0' + i);
		keeper_tells(id, a.pid, SIZES);
		keeper_gone(id);
	}
	for (unsigned i = 0; i < n; i++) {
		int no;

		id[sizeof id - 2] = (char)('0' + i);
		no = actor_does(&a, ACT_STAT, 0, 0, path_of(id, NULL))->error;
		assert_true(no == EKEYREVOKED || no == ENOENT);
		revoked += no == EKEYREVOKED;
	}
	assert_int_equal(revoked, VIEW_GONE);
	id[sizeof id - 2] = '0';
	(void)keeper_hears(KV_DENIED, id, NULL, a.pid);
	assert_sees(&a, AGENT_A);
	actor_end(&a);
}

/* A folder that one stood in while one might: relative names are judged, too. */
static void test_relative_names_are_judged(void **state)
{
	struct actor a = world_agent(AGENT_A, 0, SIZES);
	struct actor child = actor_child(&a);
	uint64_t fd;

	(void)state;
	assert_int_equal(
		actor_does(&child, ACT_CHDIR, 0, 0, path_of(AGENT_A, NULL))
			->error,
		0);
	assert_int_equal(
		actor_does(&child, ACT_SETRESUID, WORLD_UID, WORLD_UID, NULL)
			->error,
		0);
	assert_int_equal(
		actor_does(&child, ACT_OPEN, O_RDONLY, 0, "key.pem")->error,
		ENOENT);
	(void)keeper_hears(KV_DENIED, AGENT_A, NULL, child.pid);
	assert_int_equal(actor_does(&child, ACT_STAT, 0, 0, "key.pem")->error,
			 ENOENT);
	/* the agent has it open: so much may be asked by whoever has it, too */
	fd = (uint64_t)world_open(&a, AGENT_A, "key", 1, KEY_LEN);
	assert_int_equal(actor_does(&a, ACT_FSTAT, fd, 0, NULL)->value,
			 KEY_LEN);
	actor_end(&child);
	actor_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
		T(test_the_agent_and_its_descendants),
		T(test_another_thread_of_the_agent),
		T(test_not_another_process_of_the_same_uid),
		T(test_not_root_nor_its_parent),
		T(test_root_that_is_the_agent),
		T(test_not_a_descendant_of_another_uid),
		T(test_not_one_whose_effective_uid_is_another),
		T(test_the_uid_is_the_present_one),
		T(test_not_a_descendant_in_another_user_namespace),
		T(test_only_the_agent_itself_with_self),
		T(test_not_who_was_reparented_away),
		T(test_who_is_taken_by_the_agent_again),
		T(test_a_dead_agent_has_nothing),
		T(test_not_a_later_process_of_the_same_pid),
		T(test_agents_do_not_see_each_other),
		T(test_one_process_that_is_two_agents),
		T(test_a_process_that_outlives_many_agents),
		T(test_relative_names_are_judged),
	};

	return world_main("view_see", tests, NELEM(tests));
}
