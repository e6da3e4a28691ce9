/* lib/child.c: how a role begins, and how it ends when its supervisor is broken. */
#include "lib/child.h"

#include "tests/unit/role_test.h"

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)peer;
	(void)m;
	close(fd);
}

/* Its log goes to descriptor 4. */
static int role_tested(void)
{
	static const struct child_ops ops = { .peer = peer_came };
	struct loop *l = loop_new();
	struct chan sup;

	if (dup2(4, STDERR_FILENO) < 0)
		_exit(70);
	memset(&sup, 0, sizeof sup);
	child_start(l, &sup, CONFINE_FRONT, &ops);
	child_ready(&sup);
	loop_run(l);
	return 0;
}

static void its_log_has_the_names_of_its_start(void **state)
{
	char text[1024] = "";
	struct role r;
	size_t n = 0;
	ssize_t got;
	int log[2];

	(void)state;
	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	role_start(&r, role_tested, log[1]);
	close(log[1]);
	/* what comes after the start must not change them */
	assert_int_equal(chan_put1(r.sup, SUP_NOTE, 0, (struct attr_view){ 0 }),
			 OK);
	while ((got = read(log[0], text + n, sizeof text - 1 - n)) > 0)
		n += (size_t)got;
	close(log[0]);
	assert_non_null(strstr(text, "daemon=credd role=tested "
				     "event=broken_peer"));
	assert_int_equal(WEXITSTATUS(role_end(&r)), 1);
}

static void it_ends_with_its_supervisor(void **state)
{
	struct role r;

	(void)state;
	role_start(&r, role_tested, STDERR_FILENO);
	assert_int_equal(role_end(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_log_has_the_names_of_its_start),
		cmocka_unit_test(it_ends_with_its_supervisor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
