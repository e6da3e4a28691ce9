/* lib/remote_admin.c, lib/remote_status.c: what is for admins of this machine alone. */
#include "lib/remote_admin.h"
#include "lib/remote_status.h"

#include "tests/unit/grant_text.h"

static const unsigned own = 3; /* the daemon's bits: not looked at here */

static void test_names(void **state)
{
	struct attrs a;

	(void)state;
	list(&a, "remote_admin=unseal remote_admin=export-sealed "
		 "remote_admin=nothing node=n1 unseal=slot");
	assert_int_equal(remote_admin_parse(attrs_view(&a)),
			 REMOTE_UNSEAL | REMOTE_EXPORT);
	attrs_wipe(&a);
	list(&a, "remote_admin=init remote_admin=unseal remote_admin=slot "
		 "remote_admin=rekey remote_admin=restore remote_admin=module "
		 "remote_admin=export-sealed remote_admin=reveal");
	assert_int_equal(remote_admin_parse(attrs_view(&a)), REMOTE_ALL);
	attrs_wipe(&a);
}

static void test_who_may(void **state)
{
	struct subject here = { .via = VIA_SOCKET, .admin = true };
	struct subject away = { .via = VIA_TLS, .admin = true };
	struct fault f;

	(void)state;
	assert_int_equal(
		remote_admin_check(0, own | REMOTE_ALL, &here, "x", &f), OK);
	assert_int_equal(remote_admin_check(0, own, &away, "x", &f), OK);
	assert_int_equal(remote_admin_check(REMOTE_SLOT, own | REMOTE_SLOT,
					    &away, "x", &f),
			 OK);
	assert_int_equal(remote_admin_check(REMOTE_SLOT | REMOTE_MODULE,
					    own | REMOTE_UNSEAL, &away,
					    "unseal", &f),
			 ERR_DENIED);
	assert_string_equal(f.text,
			    "'unseal' is not done over the network: do it on "
			    "this machine, or name 'unseal' in remote_admin= "
			    "of the configuration");
	assert_int_equal(remote_admin_check(0, own | REMOTE_REVEAL, &away,
					    "grant.add", &f),
			 ERR_DENIED);
	assert_string_equal(f.text,
			    "'grant.add' with reveal= is not done over the "
			    "network: do it on this machine, or name 'reveal' "
			    "in remote_admin= of the configuration");
}

static void test_why_not(void **state)
{
	struct subject here = { .via = VIA_SOCKET };
	struct subject away = { .via = VIA_TLS };
	struct fault f;

	(void)state;
	assert_int_equal(remote_admin_deny(&here, "credd", "n1", "seal", &f),
			 ERR_DENIED);
	assert_string_equal(f.text,
			    "'seal' is for admins: connect to admin.sock");
	assert_int_equal(remote_admin_deny(&away, "credd", "n1", "seal", &f),
			 ERR_DENIED);
	assert_string_equal(f.text,
			    "'seal' is for admins: the certificate lacks the "
			    "capability admin:credd@n1");
}

static void says(const char *start, const char *status, const char *weaker)
{
	AUTO(attrs_wipe) struct attrs in = { 0 };
	AUTO(attrs_wipe) struct attrs out = { 0 };
	AUTO(buf_wipe) struct buf b = { 0 };
	struct refusals r = { .total = 7 };

	list(&in, start);
	attrs_init(&out);
	buf_init(&b, 4096);
	assert_int_equal(remote_status(attrs_view(&in), &r, &out), OK);
	assert_int_equal(attr_format_text(attrs_view(&out), &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p, status);
	buf_clear(&b);
	attrs_clear(&out);
	assert_int_equal(remote_status_weaker(attrs_view(&in), "vault", &out),
			 OK);
	assert_int_equal(attr_format_text(attrs_view(&out), &b), OK);
	assert_int_equal(buf_u8(&b, 0), OK);
	assert_string_equal((char *)b.p, weaker);
}

static void test_status(void **state)
{
	(void)state;
	says("node=n1 gate_type=gate", "", "");
	says("node=n1 https=0.0.0.0:443 revocation=ocsp max_age=60 fail=closed",
	     "https=0.0.0.0:443 revocation=ocsp revocation_max_age=60 "
	     "revocation_fail=closed remote_refused=7",
	     "");
	says("https=a:1 revocation=crl max_age=1 fail=open remote_admin=unseal",
	     "remote_admin=unseal https=a:1 revocation=crl "
	     "revocation_max_age=1 revocation_fail=open remote_refused=7",
	     "weaker=\"verifier: revocation_fail=open: while the CA cannot be "
	     "asked, revoked certificates are let in\" "
	     "weaker=\"vault: remote_admin=unseal: admins do that over the "
	     "network\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_who_may),
		cmocka_unit_test(test_why_not),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
