/* The file view when its keeper ends, when it ends itself, and when it is unmounted.
 * test: not under valgrind: it knows no seccomp and no FUSE */
#include "tests/unit/view_world.h"

#include <sys/mount.h>

/* Until the actor waits in the kernel: 'S' or 'D' in a system call of a file. */
static void until_it_asks_the_kernel(const struct actor *a)
{
	char path[64], text[64] = "";

	(void)snprintf(path, sizeof path, "/proc/%d/wchan", a->pid);
	while (!strstr(text, "fuse") && !strstr(text, "request_wait")) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof text - 1);

		text[n < 0 ? 0 : n] = 0;
		close(fd);
		(void)sched_yield();
	}
}

static void keeper_ends(void)
{
	fd_close(&world.role.vault);
}

static void keeper_comes(void)
{
	role_meets(&world.role, "peer=keeper");
}

static void test_an_open_waits_for_the_next_keeper(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	const struct result *r;
	uint64_t id;

	(void)state;
	actor_tell(&a, ACT_OPEN, O_RDONLY, 0, path_of(AGENT_A, "key.pem"));
	id = keeper_hears(KV_OPEN, AGENT_A, "key", a.pid);
	keeper_ends();
	keeper_comes();
	keeper_tells(AGENT_A, a.pid, SIZES);
	world_all_told();
	/* the old question's answer would be nobody's */
	keeper_gives(id, 7, 10);
	keeper_gives(keeper_hears(KV_OPEN, AGENT_A, "key", a.pid), 1, KEY_LEN);
	r = actor_says(&a);
	assert_int_equal(r->error, 0);
	assert_content(actor_does(&a, ACT_PREAD, (uint64_t)r->value, 0, NULL),
		       1, KEY_LEN);
	actor_end(&a);
}

/* No keeper comes. */
static void test_an_open_without_keeper_ends(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->error,
		0);
	keeper_ends();
	assert_int_equal(actor_does(&a, ACT_OPEN, O_RDONLY, 0,
				    path_of(AGENT_A, "key.pem"))
				 ->error,
			 EAGAIN);
	actor_end(&a);
}

static void test_a_silent_keeper_is_not_waited_for_long(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	assert_int_equal(actor_does(&a, ACT_OPEN, O_RDONLY, 0,
				    path_of(AGENT_A, "key.pem"))
				 ->error,
			 ETIMEDOUT);
	actor_end(&a);
}

static void test_who_waits_can_be_interrupted(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);

	(void)state;
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->error,
		0);
	keeper_ends();
	actor_tell(&a, ACT_OPEN, O_RDONLY, 0, path_of(AGENT_A, "key.pem"));
	until_it_asks_the_kernel(&a);
	assert_int_equal(kill(a.pid, SIGUSR1), 0);
	assert_int_equal(actor_says(&a)->error, EINTR);
	actor_tell(&a, ACT_OPEN, O_RDONLY, 0, path_of(AGENT_A, "key.pem"));
	until_it_asks_the_kernel(&a);
	actor_end(&a);
}

/* Keeper's answer is a matter of a moment: a timer of the caller's does not make its
 * open fail. */
static void test_who_asked_keeper_gets_the_answer(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor other = actor_child(&a);
	struct procinfo p = { 0 };
	uint64_t id;

	(void)state;
	actor_tell(&a, ACT_OPEN, O_RDONLY, 0, path_of(AGENT_A, "key.pem"));
	id = keeper_hears(KV_OPEN, AGENT_A, "key", a.pid);
	until_it_asks_the_kernel(&a);
	assert_int_equal(kill(a.pid, SIGUSR1), 0);
	/* the kernel has told the view when it waits without heeding signals, and
	 * the view has heard it when it answers the next one */
	while (p.state != 'D')
		assert_int_equal(procinfo_read_stat(a.pid, &p, NULL), OK);
	assert_int_equal(
		actor_does(&other, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))
			->error,
		0);
	actor_end(&other);
	keeper_gives(id, 1, KEY_LEN);
	assert_int_equal(actor_says(&a)->error, 0);
	actor_end(&a);
}

static void test_open_files_outlive_keeper(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd = (uint64_t)world_open(&a, AGENT_A, "key", 1, KEY_LEN);

	(void)state;
	keeper_ends();
	assert_content(actor_does(&a, ACT_PREAD, fd, 0, NULL), 1, KEY_LEN);
	keeper_comes();
	keeper_tells(AGENT_A, a.pid, SIZES);
	world_all_told();
	assert_content(actor_does(&a, ACT_PREAD, fd, 0, NULL), 1, KEY_LEN);
	actor_end(&a);
}

/* An agent that died or was revoked while there was no keeper. */
static void test_what_the_next_keeper_does_not_know_is_gone(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct actor b = world_agent(AGENT_B, WORLD_UID, SIZES);
	uint64_t fd = (uint64_t)world_open(&a, AGENT_A, "key", 1, KEY_LEN);

	(void)state;
	keeper_ends();
	keeper_comes();
	keeper_tells(AGENT_B, b.pid, SIZES);
	world_all_told();
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->error,
		ENOENT);
	assert_int_equal(actor_does(&a, ACT_PREAD, fd, 0, NULL)->error,
			 EKEYREVOKED);
	assert_int_equal(
		actor_does(&b, ACT_STAT, 0, 0, path_of(AGENT_B, NULL))->error,
		0);
	actor_end(&a);
	actor_end(&b);
}

/* A new view: a path that is in use is not missing until keeper has told it. */
static void test_callers_wait_until_agents_are_told(void **state)
{
	struct actor a = actor_new(WORLD_UID);

	(void)state;
	assert_int_equal(actor_does(&a, ACT_STAT, 0, 0, "/")->error, 0);
	actor_tell(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL));
	until_it_asks_the_kernel(&a);
	keeper_tells(AGENT_A, a.pid, SIZES);
	world_all_told();
	assert_int_equal(actor_says(&a)->error, 0);
	actor_end(&a);
}

static void test_a_killed_view_and_the_next_one(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	uint64_t fd = (uint64_t)world_open(&a, AGENT_A, "key", 1, KEY_LEN);

	(void)state;
	actor_tell(&a, ACT_OPEN, O_RDONLY, 0, path_of(AGENT_A, "ca.pem"));
	(void)keeper_hears(KV_OPEN, AGENT_A, "ca", a.pid);
	assert_int_equal(kill(world.role.pid, SIGKILL), 0);
	/* nobody hangs: an error now, and another one until it is mounted anew */
	assert_true(actor_says(&a)->error != 0);
	(void)role_end(&world.role);
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(NULL, NULL))->error,
		ENOTCONN);
	world_mount();
	keeper_tells(AGENT_A, a.pid, SIZES);
	world_all_told();
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->error,
		0);
	assert_true(actor_does(&a, ACT_PREAD, fd, 0, NULL)->error != 0);
	(void)world_open(&a, AGENT_A, "key", 1, KEY_LEN);
	actor_end(&a);
}

static void test_an_unmounted_view_says_so(void **state)
{
	struct actor a = world_agent(AGENT_A, WORLD_UID, SIZES);
	struct fault f = { 0 };
	struct msg m = { 0 };

	(void)state;
	assert_int_equal(
		actor_does(&a, ACT_STAT, 0, 0, path_of(AGENT_A, NULL))->error,
		0);
	assert_int_equal(umount2(world.fs, 0), 0);
	fault_ok(chan_get1(world.role.sup, &world.role.in, &m, NULL,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	assert_int_equal(m.kind, SUP_UNMOUNTED);
	actor_end(&a);
}

static void test_it_ends_with_its_supervisor(void **state)
{
	(void)state;
	fd_close(&world.role.sup);
	assert_int_equal(role_end(&world.role), 0);
	world_mount();
}

static void test_a_keeper_that_breaks_the_dialogue_ends_it(void **state)
{
	static const char *const bad[] = {
		"agent=" AGENT_A,
		"agent=x pid=1 start=1 user_ns=1 " SIZES,
		"agent=" AGENT_A " pid=-1 start=1 user_ns=1 " SIZES,
		"agent=" AGENT_A " pid=1 start=1 user_ns=1 changed=1 "
		"size.cert=999999999 size.chain=1 size.key=1 size.ca=1 "
		"size.bundle=1",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		AUTO(attrs_wipe) struct attrs a = { 0 };
		int status;

		attrs_init(&a);
		list_of(&a, bad[i]);
		role_send(&world.role, KV_AGENT, 0, &a);
		assert_int_equal(waitpid(world.role.pid, &status, 0),
				 world.role.pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		fd_close(&world.role.sup);
		fd_close(&world.role.vault);
		buf_wipe(&world.role.in);
		world_mount();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
		T(test_an_open_waits_for_the_next_keeper),
		T(test_an_open_without_keeper_ends),
		T(test_a_silent_keeper_is_not_waited_for_long),
		T(test_who_waits_can_be_interrupted),
		T(test_who_asked_keeper_gets_the_answer),
		T(test_open_files_outlive_keeper),
		T(test_what_the_next_keeper_does_not_know_is_gone),
		T(test_callers_wait_until_agents_are_told),
		T(test_a_killed_view_and_the_next_one),
		T(test_an_unmounted_view_says_so),
		T(test_it_ends_with_its_supervisor),
		T(test_a_keeper_that_breaks_the_dialogue_ends_it),
	};

	return world_main("view_keeper", tests, NELEM(tests));
}
