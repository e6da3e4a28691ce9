/* The verifier with revocation=crl: the list that the certificate names, in a process of
 * its own, confined.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/verifier_world.h"

#define VER_LIST "revocation=crl max_age=60 fail=closed"

static void test_who_is_not_in_the_list_comes_in(void **state)
{
	const struct list l = { .number = 7, .later = true };
	struct ver v;

	(void)state;
	ver_start(&v, VER_LIST);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_list(&v, &l);
	ver_known(&v, 1);
	ver_stop(&v);
}

/* Another certificate, which the issuing CA signed; names its list. */
static void other_leaf(uint8_t instance, uint64_t number, struct buf *out)
{
	struct cert c = world_leaf(&ca.w, &ca.w.p384);
	struct serial serial;

	serial_make(instance, number, (const uint8_t *)"abcdefghijkl", &serial);
	c.serial = span_of(serial.b, SERIAL_SIZE);
	world_sign(&c, &ca.w.issuing, out);
}

static void test_one_list_is_for_many_certificates(void **state)
{
	const struct list l = { .number = 7, .revoked = true };
	AUTO(buf_wipe) struct buf other = { 0 };
	struct ver v;

	(void)state;
	other_leaf(3, 76, &other);
	ver_start(&v, VER_LIST);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_chain(&v, 2, &other, &ca.issuing);
	ver_list(&v, &l);
	(void)ver_conn(&v, 2);
	ver_bad(&v, 1, "denied", "was revoked at ");
	(void)ver_refused(&v, "denied", "(superseded)");
	ver_chain(&v, 3, &ca.leaf, NULL);
	ver_bad(&v, 3, "denied", "was revoked at ");
	ver_stop(&v);
}

static void test_lists_that_are_not_believed(void **state)
{
	static const struct {
		struct list list;
		const char *words;
	} cases[] = {
		{ { .number = 7, .by = &ca.w.leaf }, "signature is wrong" },
		{ { .number = 7, .point = "http://ca.corp.example:8080/crl/4" },
		  "is another than the one that the certificate names" },
		{ { .number = 7, .age = 4000 }, "is an old one" },
		{ { .number = 7, .age = -1000 }, "which is to come" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct ver v;

		ver_start(&v, VER_LIST);
		ver_chain(&v, 1, &ca.leaf, &ca.issuing);
		ver_list(&v, &cases[i].list);
		ver_bad(&v, 1, "unavailable", cases[i].words);
		(void)ver_refused(&v, "unavailable", cases[i].words);
		ver_stop(&v);
	}
}

/* The only list there was said so, and then there is none in time. */
static void test_an_old_list_still_revokes(void **state)
{
	const struct list l = { .number = 7, .revoked = true };
	AUTO(buf_wipe) struct buf other = { 0 };
	uint64_t known;
	struct ver v;

	(void)state;
	other_leaf(3, 76, &other);
	ver_start(&v, "revocation=crl max_age=2 fail=open");
	ver_chain(&v, 1, &other, &ca.issuing);
	ver_list(&v, &l);
	ver_known(&v, 1);
	known = clock_boot();
	while (clock_boot() < known + 2 * CLOCK_SECOND)
		ver_no_dial(&v);
	ver_chain(&v, 2, &ca.leaf, NULL);
	ver_bad(&v, 2, "denied", "was revoked at ");
	ver_stop(&v);
}

/* Its list cannot speak of it, and says nothing by being silent. */
static void test_a_list_of_another_instance_says_nothing(void **state)
{
	const struct list l = { .number = 7 };
	AUTO(buf_wipe) struct buf other = { 0 };
	struct ver v;

	(void)state;
	other_leaf(4, 76, &other);
	ver_start(&v, VER_LIST);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_list(&v, &l);
	ver_known(&v, 1);
	ver_chain(&v, 2, &other, &ca.issuing);
	ver_bad(&v, 2, "unavailable", "its list is another's as well");
	ver_stop(&v);
}

/* Who stands between holds back a revocation, with a list from before it. */
static void test_a_list_does_not_go_back(void **state)
{
	const struct list new = { .number = 7 };
	const struct list old = { .number = 6 };
	const struct list revoked = { .number = 8, .revoked = true };
	struct ver v;

	(void)state;
	ver_start(&v, "revocation=crl max_age=4 fail=closed");
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_list(&v, &new);
	ver_known(&v, 1);
	ver_list(&v, &old); /* no answer: it asks again */
	ver_list(&v, &revoked);
	ver_bad(&v, 1, "denied", "was revoked at ");
	ver_dropped(&v, 1);
	ver_stop(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_not_in_the_list_comes_in),
		cmocka_unit_test(test_one_list_is_for_many_certificates),
		cmocka_unit_test(test_lists_that_are_not_believed),
		cmocka_unit_test(test_an_old_list_still_revokes),
		cmocka_unit_test(test_a_list_of_another_instance_says_nothing),
		cmocka_unit_test(test_a_list_does_not_go_back),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, ver_begin, ver_end);
}
