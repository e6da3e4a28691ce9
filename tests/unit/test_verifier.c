/* The verifier's dialogue, in a process of its own, confined.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "tests/unit/verifier_world.h"

static void start_known(struct ver *v, const char *how)
{
	ver_start(v, how);
	ver_chain(v, 1, &ca.leaf, &ca.issuing);
	ver_good(v);
	ver_known(v, 1);
}

/* ---- who it is */

static void test_a_good_one_is_told_the_core(void **state)
{
	struct subject s = { 0 };
	struct fault f = { 0 };
	struct ver v;
	struct msg m;
	struct attr a;

	(void)state;
	ver_start(&v, VER_CLOSED);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_good(&v);
	m = ver_conn(&v, 1);
	ver_has(&m, "via", "tls");
	ver_has(&m, "cert.o", "web");
	ver_has(&m, "cert.ou", WORLD_NODE);
	ver_has(&m, "cert.uid", WORLD_AGENT);
	ver_has(&m, "serial", "03000000004da50102030405060708090a0b");
	assert_int_equal(attr_count(m.attrs, "cert.cap"), 2);
	/* admin:credd@n1 */
	assert_int_equal(attr_only(m.attrs, "admin", &a), OK);
	assert_true(attr_is(&a, "yes"));
	fault_ok(subject_parse(m.attrs, &s, &f), &f);
	assert_true(s.admin && s.via == VIA_TLS);
	subject_wipe(&s);
	ver_stop(&v);
}

static void test_admin_is_of_this_daemon_and_node(void **state)
{
	static const struct {
		const char *cap;
		bool admin;
	} cases[] = {
		{ "admin:credd@n1", true },    { "admin:*@*", true },
		{ "admin:credd@*", true },     { "admin:credd@n2", false },
		{ "admin:certmgr@n1", false }, { "sign:credd@n1", false }
	};
	struct ver v;

	(void)state;
	ver_start(&v, VER_CLOSED);
	for (uint32_t i = 0; i < NELEM(cases); i++) {
		AUTO(buf_wipe) struct buf leaf = { 0 };
		struct cert c = world_plain(&ca.w, &ca.w.leaf);
		struct msg m;

		world_name(&c.caps, cases[i].cap);
		world_sign(&c, &ca.w.issuing, &leaf);
		ver_chain(&v, i, &leaf, &ca.issuing);
		ver_good(&v);
		m = ver_conn(&v, i);
		assert_int_equal(attr_count(m.attrs, "admin"), cases[i].admin);
	}
	ver_stop(&v);
}

static void test_another_name_of_the_node_makes_other_admins(void **state)
{
	struct ver v;
	struct msg m;

	(void)state;
	start_known(&v, VER_CLOSED);
	ver_root_of(&v, &ca.root, "n2");
	ver_dropped(&v, 1);
	m = ver_conn(&v, 1);
	assert_int_equal(attr_count(m.attrs, "admin"), 0);
	ver_root_of(&v, &ca.root, "n1");
	ver_dropped(&v, 1);
	m = ver_conn(&v, 1);
	assert_int_equal(attr_count(m.attrs, "admin"), 1);
	ver_stop(&v);
}

/* ---- who it is not */

static void assert_refused(struct ver *v, const struct buf *leaf,
			   const struct buf *issuing, const char *error,
			   const char *words)
{
	static uint32_t n = 1000;
	struct msg m;

	ver_chain(v, ++n, leaf, issuing);
	ver_bad(v, n, strcmp(error, "expired") ? error : "denied", words);
	m = ver_refused(v, error, words);
	ver_has(&m, "peer", "192.0.2.9");
	ver_has(&m, "count", "1");
	if (leaf)
		ver_has(&m, "cert.uid", WORLD_AGENT);
	ver_gone(v, n);
}

static void test_each_refusal_says_which(void **state)
{
	struct cert c = world_leaf(&ca.w, &ca.w.leaf);
	struct buf leaf = { 0 }, other = { 0 };
	struct ver v;

	(void)state;
	ver_start(&v, VER_CLOSED);
	assert_refused(&v, NULL, NULL, "unauthenticated",
		       "there is no client certificate");
	c.issuer = c.subject;
	world_sign(&c, &ca.w.leaf, &leaf);
	assert_refused(&v, &leaf, NULL, "denied", "is self-signed");
	buf_wipe(&leaf);

	c = world_leaf(&ca.other, &ca.other.leaf);
	world_sign(&c, &ca.other.issuing, &leaf);
	c = world_issuing(&ca.other);
	world_sign(&c, &ca.other.root, &other);
	assert_refused(&v, &leaf, &other, "denied", "is of another CA");
	buf_wipe(&leaf);
	buf_wipe(&other);

	c = world_leaf(&ca.w, &ca.w.leaf);
	c.not_before = world_now - 100;
	c.not_after = world_now - 1;
	world_sign(&c, &ca.w.issuing, &leaf);
	assert_refused(&v, &leaf, &ca.issuing, "expired", "expired at ");
	buf_wipe(&leaf);

	c = world_leaf(&ca.w, &ca.w.leaf);
	c.ext_usage = EKU_SERVER;
	world_sign(&c, &ca.w.issuing, &leaf);
	assert_refused(&v, &leaf, &ca.issuing, "denied", "not for clients");
	buf_wipe(&leaf);

	c = world_leaf(&ca.w, &ca.w.leaf);
	c.ocsp_url = span_of(NULL, 0);
	c.issuer_url = span_of(NULL, 0);
	world_sign(&c, &ca.w.issuing, &leaf);
	assert_refused(&v, &leaf, &ca.issuing, "denied",
		       "does not say where to ask");
	buf_wipe(&leaf);
	ver_quiet(&v); /* nobody was asked */
	ver_stop(&v);
}

static void test_the_same_refusal_is_counted(void **state)
{
	struct cert c = world_leaf(&ca.other, &ca.other.leaf);
	AUTO(buf_wipe) struct buf leaf = { 0 };
	unsigned told = 1, messages = 1;
	struct ver v;

	(void)state;
	world_sign(&c, &ca.other.issuing, &leaf);
	ver_start(&v, VER_CLOSED);
	for (uint32_t i = 0; i < 50; i++)
		ver_chain(&v, i, &leaf, NULL);
	for (uint32_t i = 0; i < 50; i++)
		ver_bad(&v, i, "denied", "is of another CA");
	(void)ver_refused(&v, "denied", "is of another CA");
	while (told < 50) {
		struct msg m = ver_refused(&v, "denied", "is of another CA");
		struct attr a;
		uint64_t n = 0;

		assert_int_equal(attr_only(m.attrs, "count", &a), OK);
		assert_int_equal(attr_u64(&a, 50, &n), OK);
		told += (unsigned)n;
		messages++;
	}
	assert_int_equal(told, 50);
	assert_true(messages < 10);
	ver_stop(&v);
}

static void test_without_a_root_nobody_comes_in(void **state)
{
	struct ver v;

	(void)state;
	ver_start_only(&v, VER_CLOSED);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_bad(&v, 1, "unavailable",
		"root certificate (ca_root=) is not known");
	(void)ver_refused(&v, "unavailable", "root certificate");
	ver_root(&v,
		 &ca.issuing); /* not this one: the leaf's CA is not below */
	ver_root(&v, &ca.root);
	ver_meet_gate(&v); /* behind the root */
	ver_chain(&v, 2, &ca.leaf, &ca.issuing);
	ver_good(&v);
	ver_known(&v, 2);
	ver_stop(&v);
}

static void test_another_root_ends_what_the_old_one_allowed(void **state)
{
	struct cert c = world_root(&ca.other);
	AUTO(buf_wipe) struct buf root = { 0 };
	struct ver v;

	(void)state;
	world_sign(&c, &ca.other.root, &root);
	start_known(&v, VER_CLOSED);
	ver_root(&v, &ca.root);
	ver_quiet(&v);
	ver_root(&v, &root);
	ver_bad(&v, 1, "denied", "is of another CA");
	ver_dropped(&v, 1);
	(void)ver_refused(&v, "denied", "is of another CA");
	ver_chain(&v, 2, &ca.leaf, &ca.issuing);
	ver_bad(&v, 2, "denied", "is of another CA");
	ver_stop(&v);
}

/* ---- revocation */

static void test_many_connections_cost_one_fetch(void **state)
{
	struct ver v;

	(void)state;
	ver_start(&v, VER_CLOSED);
	for (uint32_t i = 1; i <= 100; i++)
		ver_chain(&v, i, &ca.leaf, i % 2 ? &ca.issuing : NULL);
	ver_good(&v);
	for (uint32_t i = 1; i <= 100; i++) {
		struct msg m = ver_get(&v, v.core);

		assert_int_equal(m.kind, DC_CONN);
	}
	ver_chain(&v, 101, &ca.leaf, NULL);
	ver_known(&v, 101);
	ver_quiet(&v);
	ver_stop(&v);
}

static void test_a_revoked_one_is_refused_for_good(void **state)
{
	const struct lie revoked = { .status = OCSP_REVOKED };
	struct ver v;
	struct msg m;

	(void)state;
	ver_start(&v, VER_CLOSED);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_ocsp(&v, &revoked);
	ver_bad(&v, 1, "denied", "was revoked at ");
	m = ver_refused(&v, "denied", "(keyCompromise)");
	ver_has(&m, "serial", "03000000004da50102030405060708090a0b");
	ver_gone(&v, 1);
	ver_chain(&v, 2, &ca.leaf, NULL);
	ver_bad(&v, 2, "denied", "was revoked at ");
	ver_stop(&v);
}

/* Every way to lie, or to say nothing. */
static void test_what_cannot_be_believed_is_no_answer(void **state)
{
	struct buf wrong_use = { 0 }, wrong_ca = { 0 }, check = { 0 };
	struct ver v;

	(void)state;
	ver_signer(&ca.w.issuing, EKU_SERVER, &wrong_use);
	ver_signer(&ca.other.issuing, EKU_OCSP, &wrong_ca);
	ver_signer(&ca.w.issuing, EKU_OCSP | EKU_SERVER, &check);
	const struct {
		struct lie lie;
		const char *words;
	} cases[] = {
		{ { .raw = "no OCSP" }, "what came is no OCSP answer" },
		{ { .raw = "" }, "what came is no OCSP answer" },
		{ { .http = "500 Oh" }, "HTTP status 500" },
		{ { .http = "302 Found\r\nLocation: http://127.0.0.1/" },
		  "HTTP status 302" },
		{ { .raw = "\x30\x03\x0a\x01\x03" }, "'try later'" },
		{ { .signer = &ca.other.leaf }, "has not appointed" },
		{ { .cert = &wrong_ca }, "has not appointed" },
		{ { .cert = &wrong_use }, "not appointed for that" },
		{ { .cert = &check }, "lacks ocsp-nocheck" },
		{ { .broken = true }, "signature is wrong" },
		{ { .other_serial = true }, "about another certificate" },
		{ { .other_nonce = true }, "its nonce is not ours" },
		{ { .no_nonce = true, .age = 61 }, "is an old one" },
		{ { .age = 61 }, "is an old one" },
		{ { .no_nonce = true, .age = 1000, .life = 10 },
		  "is an old one" },
		{ { .age = -1000 }, "which is to come" },
		{ { .status = OCSP_UNKNOWN }, "does not know the certificate" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		ver_start(&v, VER_CLOSED);
		ver_chain(&v, 1, &ca.leaf, &ca.issuing);
		ver_ocsp(&v, &cases[i].lie);
		ver_bad(&v, 1, "unavailable", cases[i].words);
		(void)ver_refused(&v, "unavailable",
				  "is revoked cannot be checked: ");
		ver_stop(&v);
	}
	buf_wipe(&wrong_use);
	buf_wipe(&wrong_ca);
	buf_wipe(&check);
}

/* Nothing makes a revocation undone: not its age, nor another's nonce. */
static void test_a_revocation_counts_however_old_it_is(void **state)
{
	static const struct lie cases[] = {
		{ .status = OCSP_REVOKED, .age = 3000, .life = 10 },
		{ .status = OCSP_REVOKED, .no_nonce = true, .age = 90 },
		{ .status = OCSP_REVOKED, .other_nonce = true },
		{ .twice = true },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct ver v;

		ver_start(&v, "revocation=ocsp max_age=60 fail=open");
		ver_chain(&v, 1, &ca.leaf, &ca.issuing);
		ver_ocsp(&v, &cases[i]);
		ver_bad(&v, 1, "denied", "was revoked at ");
		(void)ver_refused(&v, "denied", "(keyCompromise)");
		ver_stop(&v);
	}
}

static void test_an_answer_without_a_nonce_may_be_young(void **state)
{
	const struct lie young = { .no_nonce = true, .age = 20 };
	struct ver v;

	(void)state;
	ver_start(&v, VER_CLOSED);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_ocsp(&v, &young);
	ver_known(&v, 1);
	ver_stop(&v);
}

static void test_the_ca_itself_may_sign(void **state)
{
	const struct lie own = { .signer = &ca.w.issuing };
	struct ver v;

	(void)state;
	ver_start(&v, VER_CLOSED);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_ocsp(&v, &own);
	ver_known(&v, 1);
	ver_stop(&v);
}

static void test_a_responder_that_is_down(void **state)
{
	struct ver v;

	(void)state;
	ver_start(&v, VER_CLOSED);
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_no_dial(&v);
	ver_bad(&v, 1, "unavailable",
		"cannot be checked: the CA at "
		"'http://ca.corp.example:8080' is not "
		"reached: nobody there");
	(void)ver_refused(&v, "unavailable", "nobody there");
	/* not asked for each: the next is told the same */
	ver_chain(&v, 2, &ca.leaf, &ca.issuing);
	ver_bad(&v, 2, "unavailable", "nobody there");
	ver_stop(&v);
}

static void test_fail_open_lets_in(void **state)
{
	const struct lie lies = { .other_serial = true };
	const struct lie revoked = { .status = OCSP_REVOKED };
	struct ver v;

	(void)state;
	ver_start(&v, "revocation=ocsp max_age=60 fail=open");
	ver_chain(&v, 1, &ca.leaf, &ca.issuing);
	ver_ocsp(&v, &lies);
	ver_unchecked(&v, "is about another certificate");
	ver_known(&v, 1); /* told before he is let in, and once */
	/* it asks on, and then there is an answer */
	ver_chain(&v, 2, &ca.leaf, &ca.issuing);
	ver_known(&v, 2);
	ver_ocsp(&v, &revoked);
	for (int i = 0; i < 2; i++) {
		struct msg m = ver_get(&v, v.gate);

		assert_int_equal(m.kind, GV_BAD);
		ver_has(&m, "error", "denied");
		ver_has(&m, "text", "was revoked");
	}
	ver_stop(&v);
}

/* ---- as time goes by */

static void test_open_connections_are_judged_again(void **state)
{
	const struct lie revoked = { .status = OCSP_REVOKED };
	struct ver v;

	(void)state;
	start_known(&v, "revocation=ocsp max_age=2 fail=closed");
	ver_good(&v); /* at half of it */
	ver_good(&v);
	ver_ocsp(&v, &revoked);
	ver_bad(&v, 1, "denied", "was revoked at ");
	ver_dropped(&v, 1);
	(void)ver_refused(&v, "denied", "was revoked at ");
	ver_gone(&v, 1);
	ver_stop(&v);
}

static void test_an_answer_that_is_too_old_is_none(void **state)
{
	struct ver v;
	bool bad = false;

	(void)state;
	start_known(&v, "revocation=ocsp max_age=3 fail=closed");
	while (!bad) {
		struct pollfd w[] = { { .fd = v.gate, .events = POLLIN },
				      { .fd = v.dialer, .events = POLLIN } };

		assert_true(poll(w, NELEM(w), 30000) > 0);
		bad = w[0].revents;
		if (!bad)
			ver_no_dial(&v);
	}
	ver_bad(&v, 1, "unavailable", "nobody there");
	ver_dropped(&v, 1);
	(void)ver_refused(&v, "unavailable", "nobody there");
	ver_stop(&v);
}

static void test_a_failure_in_between_does_no_harm(void **state)
{
	struct ver v;

	(void)state;
	start_known(&v, "revocation=ocsp max_age=8 fail=closed");
	ver_no_dial(&v);
	ver_good(&v);
	ver_chain(&v, 2, &ca.leaf, NULL);
	ver_known(&v, 2);
	ver_stop(&v);
}

static void test_it_ends_with_its_certificate(void **state)
{
	struct cert c = world_leaf(&ca.w, &ca.w.leaf);
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct ver v;

	(void)state;
	ver_start(&v, VER_CLOSED); /* however long that takes */
	c.not_after = clock_wall() + 2;
	world_sign(&c, &ca.w.issuing, &leaf);
	ver_chain(&v, 1, &leaf, &ca.issuing);
	ver_good(&v);
	ver_known(&v, 1);
	ver_bad(&v, 1, "denied", "expired at ");
	ver_dropped(&v, 1);
	(void)ver_refused(&v, "expired", "expired at ");
	ver_stop(&v);
}

/* ---- who dies */

static void test_a_new_core_is_told_again(void **state)
{
	struct ver v;

	(void)state;
	start_known(&v, VER_CLOSED);
	ver_meet_core(&v);
	ver_known(&v, 1);
	ver_stop(&v);
}

static void test_with_the_gate_all_its_connections_end(void **state)
{
	bool seen[4] = { false };
	struct ver v;

	(void)state;
	start_known(&v, VER_CLOSED);
	for (uint32_t i = 2; i <= 3; i++) {
		ver_chain(&v, i, &ca.leaf, NULL);
		ver_known(&v, i);
	}
	ver_meet_gate(&v);
	for (int i = 0; i < 3; i++) {
		struct msg m = ver_get(&v, v.core);

		assert_int_equal(m.kind, DC_GONE);
		assert_true(m.id >= VER_CONN(1) && m.id <= VER_CONN(3));
		assert_false(seen[m.id & 3]);
		seen[m.id & 3] = true;
	}
	ver_chain(&v, 9, &ca.leaf, NULL);
	ver_known(&v, 9);
	ver_stop(&v);
}

static void test_a_connection_that_ends_is_gone(void **state)
{
	struct ver v;

	(void)state;
	start_known(&v, VER_CLOSED);
	ver_gone(&v, 1);
	ver_dropped(&v, 1);
	/* before its verdict, nobody knows of it */
	ver_chain(&v, 2, &ca.leaf, NULL);
	(void)ver_conn(&v, 2);
	ver_gone(&v, 2);
	ver_dropped(&v, 2);
	ver_quiet(&v);
	ver_stop(&v);
}

static void test_a_gate_that_breaks_the_dialogue_is_ended(void **state)
{
	struct fault f = { .text = "sending" };
	struct ver v;
	struct msg m;

	(void)state;
	start_known(&v, VER_CLOSED);
	fault_ok(chan_put1(v.gate, GV_CHAIN, 7, (struct attr_view){ 0 }), &f);
	m = ver_get(&v, v.sup);
	assert_int_equal(m.kind, SUP_BROKEN);
	ver_has(&m, "uid", "4294967295");
	ver_has(&m, "http", "yes");
	ver_dropped(&v, 1);
	ver_stop(&v);
}

static void test_gates_of_this_machine_have_no_business_here(void **state)
{
	AUTO(fd_close) int fd = -1;
	struct ver v;
	char c;

	(void)state;
	start_known(&v, VER_CLOSED);
	fd = ver_meet(&v, "peer=gate uid=1000");
	assert_int_equal(read(fd, &c, 1), 0);
	ver_chain(&v, 2, &ca.leaf, NULL);
	ver_known(&v, 2);
	ver_stop(&v);
}

/* ---- the gate's own chain */

static void test_the_gates_own_chain_is_judged(void **state)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .text = "sending" };
	struct ver v;
	struct msg m;

	(void)state;
	ver_start(&v, VER_CLOSED);
	attrs_init(&a);
	assert_int_equal(attrs_add(&a, "cert", 0, ca.leaf.p, ca.leaf.len), OK);
	fault_ok(chan_put1(v.gate, GV_OWN, 0, attrs_view(&a)), &f);
	m = ver_get(&v, v.gate);
	assert_int_equal(m.kind, GV_OWNED);
	ver_has(&m, "text", "its issuer is not known here");
	assert_int_equal(attrs_add(&a, "cert", 0, ca.issuing.p, ca.issuing.len),
			 OK);
	fault_ok(chan_put1(v.gate, GV_OWN, 0, attrs_view(&a)), &f);
	m = ver_get(&v, v.gate);
	assert_int_equal(m.kind, GV_OWNED);
	assert_int_equal(attr_count(m.attrs, "issuing"), 1);
	assert_int_equal(attr_count(m.attrs, "root"), 1);
	/* from now on clients need not send it */
	ver_chain(&v, 1, &ca.leaf, NULL);
	ver_good(&v);
	ver_known(&v, 1);
	ver_stop(&v);
}

/* ---- confinement */

static void test_it_is_confined(void **state)
{
	struct ver v;

	(void)state;
	start_known(&v, VER_CLOSED);
	role_is_confined(v.pid);
	ver_stop(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_one_is_told_the_core),
		cmocka_unit_test(test_admin_is_of_this_daemon_and_node),
		cmocka_unit_test(
			test_another_name_of_the_node_makes_other_admins),
		cmocka_unit_test(test_each_refusal_says_which),
		cmocka_unit_test(test_the_same_refusal_is_counted),
		cmocka_unit_test(test_without_a_root_nobody_comes_in),
		cmocka_unit_test(
			test_another_root_ends_what_the_old_one_allowed),
		cmocka_unit_test(test_many_connections_cost_one_fetch),
		cmocka_unit_test(test_a_revoked_one_is_refused_for_good),
		cmocka_unit_test(test_what_cannot_be_believed_is_no_answer),
		cmocka_unit_test(test_a_revocation_counts_however_old_it_is),
		cmocka_unit_test(test_an_answer_without_a_nonce_may_be_young),
		cmocka_unit_test(test_the_ca_itself_may_sign),
		cmocka_unit_test(test_a_responder_that_is_down),
		cmocka_unit_test(test_fail_open_lets_in),
		cmocka_unit_test(test_open_connections_are_judged_again),
		cmocka_unit_test(test_an_answer_that_is_too_old_is_none),
		cmocka_unit_test(test_a_failure_in_between_does_no_harm),
		cmocka_unit_test(test_it_ends_with_its_certificate),
		cmocka_unit_test(test_a_new_core_is_told_again),
		cmocka_unit_test(test_with_the_gate_all_its_connections_end),
		cmocka_unit_test(test_a_connection_that_ends_is_gone),
		cmocka_unit_test(test_a_gate_that_breaks_the_dialogue_is_ended),
		cmocka_unit_test(
			test_gates_of_this_machine_have_no_business_here),
		cmocka_unit_test(test_the_gates_own_chain_is_judged),
		cmocka_unit_test(test_it_is_confined),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, ver_begin, ver_end);
}
