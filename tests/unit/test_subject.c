/* lib/subject.c: who asks, and what door has proven. */
#include "lib/subject.h"

#include "tests/unit/unit.h"

static enum err parse(const char *text, struct subject *s, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	attrs_init(&a);
	assert_int_equal(attrs_parse_text(&a, text, strlen(text), NULL), OK);
	*f = (struct fault){ .code = OK };
	return subject_parse(attrs_view(&a), s, f);
}

static void formats_as(const char *in, const char *want)
{
	AUTO(subject_wipe) struct subject s = { 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(buf_wipe) struct buf b = { 0 };
	struct fault f;

	assert_int_equal(parse(in, &s, &f), OK);
	attrs_init(&a);
	buf_init(&b, 4096);
	assert_int_equal(subject_format(&s, &a), OK);
	assert_int_equal(attr_format_text(attrs_view(&a), &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p, want);
}

static void test_what_audit_says(void **state)
{
	(void)state;
	formats_as("uid=1000 gid=100 pid=123", "subject=uid:1000 pid=123");
	formats_as("uid=0 exe=/usr/bin/a unit=a.service user_unit=b.service",
		   "subject=uid:0 exe=/usr/bin/a unit=a.service "
		   "user_unit=b.service");
	formats_as("uid=5 via=gate", "subject=uid:5 via=gate");
	formats_as("via=tls cert.o=web cert.ou=n1.example cert.uid=0190 "
		   "cert.cap=a:b@c serial=01ab admin=yes",
		   "subject=agent:0190 type=web node=n1.example serial=01ab "
		   "via=tls");
	formats_as("via=tls serial=01ab",
		   "subject=agent:- serial=01ab via=tls");
}

static void test_groups(void **state)
{
	struct subject s;
	struct fault f;

	(void)state;
	assert_int_equal(parse("uid=1 gid=100 groups=30,20,30,100", &s, &f),
			 OK);
	assert_int_equal(s.gid_count, 3);
	assert_true(subject_in_group(&s, 20) && subject_in_group(&s, 30) &&
		    subject_in_group(&s, 100));
	assert_false(subject_in_group(&s, 0));
	subject_wipe(&s);
	assert_int_equal(parse("uid=1", &s, &f), OK);
	assert_int_equal(s.gid_count, 0);
	assert_false(subject_in_group(&s, 0));
	subject_wipe(&s);
}

static void test_of_too_many_groups_the_lowest_are_kept(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct subject s;
	struct fault f;

	(void)state;
	buf_init(&b, 1 << 20);
	assert_int_equal(buf_str(&b, "uid=1 gid=9999 groups=5000"), OK);
	for (int i = 4999; i >= 1; i--)
		assert_int_equal(buf_fmt(&b, ",%d", i), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_int_equal(parse((char *)b.p, &s, &f), OK);
	assert_int_equal(s.gid_count, SUBJECT_GIDS_MAX);
	assert_true(subject_in_group(&s, 1) && subject_in_group(&s, 256));
	assert_false(subject_in_group(&s, 257));
	assert_false(subject_in_group(&s, 9999));
	subject_wipe(&s);
}

static void test_refusals(void **state)
{
	static const char *const bad[] = {
		"",
		"gid=1",
		"uid=root",
		"uid=-1",
		"uid=4294967295",
		"uid=1 uid=2",
		"uid=1 gid=x",
		"uid=1 groups=1,,2",
		"uid=1 groups=1,",
		"uid=1 groups=,1",
		"uid=1 groups=4294967295",
		"uid=1 pid=2147483648",
		"uid=1 unit=",
		"uid=1 exe=\"/a\\x00\"",
		"uid=1 admin=1",
		"uid=1 via=door",
		"uid=1 colour=red",
		"uid=1 via=tls",
		"uid=1 cert.o=web",
		"via=tls gid=1",
		"via=tls groups=1",
		"via=tls pid=1",
		"via=tls exe=/a",
		"via=tls unit=a.service",
		"via=tls user_unit=a.service",
		"via=gate cert.o=web",
		"via=gate",
		"uid=0 via=gate admin=yes",
		"cert.o=",
		"cert.o=a cert.o=b",
		"cert.ou=a cert.ou=b",
		"cert.uid=a cert.uid=b",
		"serial=a serial=b",
		"cert.cap=\"a\\x00\"",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct subject s;
		struct fault f;

		if (parse(bad[i], &s, &f) != ERR_INVALID)
			fail_msg("'%s' was taken", bad[i]);
		assert_true(strlen(f.text) > 0);
		subject_wipe(&s);
	}
}

static void test_who_has_a_certificate(void **state)
{
	struct subject s;
	struct fault f;

	(void)state;
	assert_int_equal(
		parse("cert.o=web cert.ou=n1 cert.uid=a cert.cap=x:y@z "
		      "cert.cap=x:y@w serial=01 via=tls admin=yes",
		      &s, &f),
		OK);
	assert_int_equal(s.via, VIA_TLS);
	assert_true(s.uid == SUBJECT_NO_ID && s.gid == SUBJECT_NO_ID);
	assert_true(s.admin && !s.gid_count && !s.pid && !s.exe && !s.unit);
	assert_string_equal(s.cert.o, "web");
	assert_string_equal(s.cert.ou, "n1");
	assert_string_equal(s.cert.uid, "a");
	assert_string_equal(s.cert.serial, "01");
	assert_int_equal(s.cert.caps, 2);
	assert_string_equal(s.cert.cap[1], "x:y@w");
	assert_false(subject_in_group(&s, SUBJECT_NO_ID));
	subject_wipe(&s);
	/* a person who tests a grant need not say how he comes */
	assert_int_equal(parse("cert.o=web", &s, &f), OK);
	assert_int_equal(s.via, VIA_TLS);
	subject_wipe(&s);
	assert_int_equal(parse("uid=1", &s, &f), OK);
	assert_int_equal(s.via, VIA_SOCKET);
	subject_wipe(&s);
}

static void test_capabilities_are_bounded(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct subject s;
	struct fault f;

	(void)state;
	buf_init(&b, 1 << 16);
	assert_int_equal(buf_str(&b, "via=tls"), OK);
	for (int i = 0; i < SUBJECT_CAPS_MAX; i++)
		assert_int_equal(buf_fmt(&b, " cert.cap=a:b@%d", i), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_int_equal(parse((char *)b.p, &s, &f), OK);
	assert_int_equal(s.cert.caps, SUBJECT_CAPS_MAX);
	subject_wipe(&s);
	b.len--;
	assert_int_equal(buf_str(&b, " cert.cap=a:b@c"), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_int_equal(parse((char *)b.p, &s, &f), ERR_INVALID);
	subject_wipe(&s);
}

static uint64_t account(const char *text)
{
	struct subject s;
	struct fault f;
	uint64_t n;

	assert_int_equal(parse(text, &s, &f), OK);
	n = subject_account(&s);
	subject_wipe(&s);
	return n;
}

static uint64_t node_account(const char *text)
{
	struct subject s;
	struct fault f;
	uint64_t n;

	assert_int_equal(parse(text, &s, &f), OK);
	n = subject_node_account(&s);
	subject_wipe(&s);
	return n;
}

static void test_accounts_of_nodes(void **state)
{
	uint64_t n1 = node_account("cert.uid=a cert.ou=n1 serial=1");

	(void)state;
	assert_int_equal(node_account("uid=7"), 7);
	assert_true(n1 == node_account("cert.uid=b cert.ou=n1 serial=2"));
	assert_true(n1 != node_account("cert.uid=a cert.ou=n2 serial=1"));
	assert_true(n1 > UINT32_MAX);
	assert_true(n1 != account("cert.uid=n1 cert.ou=n1 serial=1"));
	/* a node gives its agents ids, and may give one that another's has */
	assert_true(account("cert.uid=a cert.ou=n1 serial=1") !=
		    account("cert.uid=a cert.ou=n2 serial=1"));
}

static void test_accounts(void **state)
{
	uint64_t a = account("cert.uid=a cert.o=web serial=1");

	(void)state;
	assert_int_equal(account("uid=7"), 7);
	assert_int_equal(account("uid=7 via=gate"), 7);
	/* his new certificate's, too */
	assert_true(a == account("cert.uid=a cert.o=web serial=2"));
	assert_true(a != account("cert.uid=b cert.o=web serial=1"));
	assert_true(a > UINT32_MAX);
	assert_true(account("serial=1") != account("serial=2"));
	assert_true(account("via=tls") > UINT32_MAX);
}

static void test_proofs(void **state)
{
	AUTO(proof_wipe) struct proof p = { .count = 0 };

	(void)state;
	assert_int_equal(proof_exe(NULL, "/a", 2), PROOF_UNKNOWN);
	assert_int_equal(proof_alive(NULL), PROOF_UNKNOWN);
	assert_int_equal(proof_exe(&p, "/a", 2), PROOF_UNKNOWN);
	proof_set(&p, "/a", 2, true, true);
	proof_set(&p, "/b", 2, true, false);
	assert_int_equal(proof_alive(&p), PROOF_YES);
	assert_int_equal(proof_exe(&p, "/a", 2), PROOF_YES);
	assert_int_equal(proof_exe(&p, "/b", 2), PROOF_NO);
	assert_int_equal(proof_exe(&p, "/ab", 3), PROOF_UNKNOWN);
	proof_set(&p, "/b", 2, true, true); /* the first answer stands */
	assert_int_equal(proof_exe(&p, "/b", 2), PROOF_NO);
	proof_set(&p, NULL, 0, false, false);
	assert_int_equal(proof_alive(&p), PROOF_NO);
	assert_int_equal(proof_exe(&p, "/a", 2), PROOF_NO);
	proof_set(&p, NULL, 0, true, false);
	assert_int_equal(proof_alive(&p), PROOF_NO);
}

static void test_proofs_are_bounded(void **state)
{
	AUTO(proof_wipe) struct proof p = { .count = 0 };
	char path[16];

	(void)state;
	for (int i = 0; i < PROOF_MAX + 5; i++) {
		int n = snprintf(path, sizeof path, "/%d", i);

		proof_set(&p, path, (size_t)n, true, true);
	}
	assert_int_equal(p.count, PROOF_MAX);
	assert_int_equal(proof_exe(&p, "/0", 2), PROOF_YES);
	assert_int_equal(proof_exe(&p, "/other", 6), PROOF_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_audit_says),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_of_too_many_groups_the_lowest_are_kept),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_who_has_a_certificate),
		cmocka_unit_test(test_capabilities_are_bounded),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_accounts_of_nodes),
		cmocka_unit_test(test_proofs),
		cmocka_unit_test(test_proofs_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
