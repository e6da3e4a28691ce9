/* What lib/cert.c builds, as others see it: OpenSSL by its functions and its command,
 * GnuTLS by certtool (skipped where there is none). They take the chains, agree on the
 * fields, and hold to the name constraints. */
#include "tests/unit/cert_chain.h"

#define CAPS_OID                                                               \
	"1.2.840.113556.1.8000.2554.579.31074.48361.18620.45779.16163002."     \
	"10061261.1"

/* ---- what they make of good ones */

static void leaves(const struct world *w, struct cert out[8])
{
	out[0] = world_leaf(w, &w->leaf);
	out[1] = world_leaf(w, &w->rsa);
	out[2] = world_leaf(w, &w->ed);
	out[3] = world_leaf(w, &w->p384);
	out[4] = world_endpoint(w);
	out[5] = world_spiffe(w);
	out[6] = world_nameless(w);
	out[7] = world_ocsp(w);
}

static void test_openssl_takes_every_kind(void **state)
{
	(void)state;
	for (size_t t = 0; t < NELEM(types); t++) {
		struct cert kinds[8];

		leaves(&worlds[t], kinds);
		for (size_t i = 0; i < NELEM(kinds); i++) {
			AUTO(chain_wipe) struct chain ch = { 0 };

			chain_make(&worlds[t], &kinds[i], &ch);
			assert_int_equal(store_verify(&ch), X509_V_OK);
			if (openssl_verify())
				fail_msg("%s, kind %zu: %s",
					 key_type_name(types[t]), i, said);
		}
	}
}

static void test_gnutls_takes_every_kind(void **state)
{
	(void)state;
	for (size_t t = 0; t < NELEM(types); t++) {
		struct cert kinds[8];

		leaves(&worlds[t], kinds);
		for (size_t i = 0; i < NELEM(kinds); i++) {
			AUTO(chain_wipe) struct chain ch = { 0 };
			int e;

			chain_make(&worlds[t], &kinds[i], &ch);
			e = certtool_verify();
			if (e < 0)
				skip();
			if (e)
				fail_msg("%s, kind %zu: %s",
					 key_type_name(types[t]), i, said);
		}
	}
}

/* ---- the fields */

static void test_openssl_agrees_on_the_fields(void **state)
{
	const struct world *w = &worlds[0];
	const struct cert c = world_endpoint(w);
	const ASN1_OBJECT *caps = OBJ_txt2obj(CAPS_OID, 1);
	AUTO(chain_wipe) struct chain ch = { 0 };
	const ASN1_OCTET_STRING *id;
	X509 *leaf, *issuing;
	time_t end;

	(void)state;
	chain_make(w, &c, &ch);
	leaf = x509(&ch.leaf);
	issuing = x509(&ch.issuing);
	assert_int_equal(X509_get_version(leaf), X509_VERSION_3);
	assert_int_equal(X509_check_ca(leaf), 0);
	assert_int_equal(X509_check_ca(issuing), 1);
	assert_int_equal(X509_get_pathlen(issuing), 0);
	assert_int_equal(X509_check_issued(issuing, leaf), X509_V_OK);
	assert_int_equal(X509_verify(leaf, X509_get0_pubkey(issuing)), 1);
	assert_int_equal(X509_get_key_usage(leaf), X509v3_KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_extended_key_usage(leaf),
			 XKU_SSL_SERVER | XKU_SSL_CLIENT);
	assert_int_equal(X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0),
			 1);
	assert_int_equal(
		X509_check_host(leaf, WORLD_AGENT "." WORLD_NODE, 0, 0, NULL),
		1);
	assert_int_equal(X509_check_host(leaf, "x." WORLD_NODE, 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(leaf, "x.corp.example", 0, 0, NULL),
			 0);
	id = X509_get0_subject_key_id(leaf);
	assert_memory_equal(id->data, w->leaf.id, CERT_KEY_ID);
	id = X509_get0_authority_key_id(leaf);
	assert_memory_equal(id->data, w->issuing.id, CERT_KEY_ID);
	end = (time_t)c.not_after;
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(leaf), &end), -1);
	end--;
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(leaf), &end), 1);
	assert_true(X509_get_ext_by_OBJ(leaf, caps, -1) >= 0);
	ASN1_OBJECT_free((ASN1_OBJECT *)(uintptr_t)caps);
	X509_free(leaf);
	X509_free(issuing);
}

/* Every field as openssl and certtool print it. */
static void prints(const char *const *argv, const char *const *want)
{
	const int e = run(argv, said);

	if (e < 0)
		skip();
	assert_int_equal(e, 0);
	for (; *want; want++)
		if (!strstr(said, *want))
			fail_msg("no '%s' in: %s", *want, said);
}

static void test_commands_print_the_fields(void **state)
{
	static const char *const openssl[] = { "openssl", "x509", "-noout",
					       "-text",   "-in",  "leaf.pem",
					       NULL };
	static const char *const by_openssl[] = {
		"03:00:00:00:00:4d:a5:01:02:03:04:05:06:07:08:09:0a:0b",
		"Issuer: DC = example, DC = corp, O = ca, CN = issuing",
		"Subject: DC = example, DC = corp, O = web, OU = " WORLD_NODE
		", UID = " WORLD_AGENT ", CN = " WORLD_AGENT,
		"DNS:*." WORLD_NODE,
		"URI:https+tcp://" WORLD_AGENT "." WORLD_NODE ":443",
		"X509v3 Basic Constraints: critical\n                CA:FALSE",
		"X509v3 Key Usage: critical\n                Digital Signature\n",
		"OCSP - URI:http://ca.corp.example:8080/ocsp",
		"CA Issuers - URI:http://ca.corp.example:8080/issuer.pem",
		"URI:http://ca.corp.example:8080/crl/3",
		CAPS_OID,
		NULL
	};
	static const char *const certtool[] = { "certtool", "-i", "--infile",
						"leaf.pem", NULL };
	static const char *const by_certtool[] = {
		"Version: 3",
		"Serial Number (hex): 03000000004da50102030405060708090a0b",
		"Issuer: CN=issuing,O=ca,DC=corp,DC=example",
		"Certificate Authority (CA): FALSE",
		"Digital signature.",
		"TLS WWW Server.",
		"TLS WWW Client.",
		"DNSname: *." WORLD_NODE,
		"URI: https+tcp://" WORLD_AGENT "." WORLD_NODE ":443",
		"Access Location URI: http://ca.corp.example:8080/ocsp",
		"Access Location URI: http://ca.corp.example:8080/issuer.pem",
		"URI: http://ca.corp.example:8080/crl/3",
		"Unknown extension " CAPS_OID " (not critical)",
		NULL
	};
	const struct cert c = world_endpoint(&worlds[0]);
	AUTO(chain_wipe) struct chain ch = { 0 };

	(void)state;
	chain_make(&worlds[0], &c, &ch);
	prints(openssl, by_openssl);
	prints(certtool, by_certtool);
}

static void test_commands_print_the_constraints(void **state)
{
	static const char *const openssl[] = { "openssl", "x509", "-noout",
					       "-text",   "-in",  "issuing.pem",
					       NULL };
	static const char *const by_openssl[] = {
		"X509v3 Basic Constraints: critical\n"
		"                CA:TRUE, pathlen:0",
		"Certificate Sign, CRL Sign",
		"X509v3 Name Constraints: critical",
		"DNS:" WORLD_DOMAIN,
		"URI:." WORLD_DOMAIN,
		"URI:trust.example",
		"IP:0.0.0.0/0.0.0.0",
		NULL
	};
	static const char *const certtool[] = { "certtool", "-i", "--infile",
						"issuing.pem", NULL };
	static const char *const by_certtool[] = {
		"Path Length Constraint: 0",
		"Name Constraints (critical)",
		"DNSname: " WORLD_DOMAIN,
		"URI: ." WORLD_DOMAIN,
		"URI: trust.example",
		"0.0.0.0/0",
		"::/0",
		NULL
	};
	const struct cert c = world_endpoint(&worlds[0]);
	AUTO(chain_wipe) struct chain ch = { 0 };

	(void)state;
	chain_make(&worlds[0], &c, &ch);
	prints(openssl, by_openssl);
	prints(certtool, by_certtool);
}

/* ---- name constraints */

/* gnutls: what it does about that kind of name too. */
static void is_violation(struct chain *ch, int code, bool gnutls)
{
	int e;

	assert_int_equal(store_verify(ch), code);
	assert_int_not_equal(openssl_verify(), 0);
	e = certtool_verify();
	if (e >= 0)
		assert_int_equal(e != 0, gnutls);
}

static void test_names_outside_are_refused(void **state)
{
	static const char *const outside[] = { "a.other.example", "example",
					       "xcorp.example",
					       "corp.example.com" };

	(void)state;
	for (size_t i = 0; i < NELEM(outside); i++) {
		AUTO(chain_wipe) struct chain ch = { 0 };
		struct cert c = world_leaf(&worlds[0], &worlds[0].leaf);

		world_name(&c.dns, outside[i]);
		chain_make(&worlds[0], &c, &ch);
		is_violation(&ch, X509_V_ERR_PERMITTED_VIOLATION, true);
	}
}

static void test_addresses_are_refused(void **state)
{
	static const char *const from[] = { "abcd", "abcdefghijklmnop" };
	static const char *const to[] = { "\x7f\x01\x01\x01",
					  "\x20\x01\x0d\xb8yyyyyyyyyyyy" };

	(void)state;
	for (size_t i = 0; i < NELEM(from); i++) {
		AUTO(chain_wipe) struct chain ch = { 0 };
		struct cert c = world_leaf(&worlds[0], &worlds[0].leaf);

		world_name(&c.dns, from[i]);
		sign_with_ip(&worlds[0], &c, from[i], to[i], &ch.leaf);
		chain_finish(&worlds[0], &ch);
		is_violation(&ch, X509_V_ERR_EXCLUDED_VIOLATION, true);
	}
}

/* GnuTLS 3.7 does not look at the hosts of URIs; who receives such certificates of
 * ours checks them himself. */
static void test_uris_outside_are_refused_by_openssl(void **state)
{
	static const char *const outside[] = {
		"https://a.other.example:443",  "spiffe://other.example/web/a",
		"https://corp.example",         "https://xcorp.example/",
		"spiffe://a.trust.example/web", "https://127.0.0.1/",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(outside); i++) {
		AUTO(chain_wipe) struct chain ch = { 0 };
		struct cert c = world_plain(&worlds[0], &worlds[0].leaf);

		c.subject.cn = span_of(NULL, 0);
		world_name(&c.uri, outside[i]);
		chain_make(&worlds[0], &c, &ch);
		is_violation(&ch, X509_V_ERR_PERMITTED_VIOLATION, false);
	}
}

/* ---- */

static int set_up(void **state)
{
	(void)state;
	world_now = time(NULL);
	for (size_t i = 0; i < NELEM(types); i++)
		world_make(&worlds[i], types[i]);
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "root.pem", "issuing.pem",
					     "leaf.pem", "chain.pem" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < NELEM(types); i++)
		world_wipe(&worlds[i]);
	for (size_t i = 0; i < NELEM(files); i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openssl_takes_every_kind),
		cmocka_unit_test(test_gnutls_takes_every_kind),
		cmocka_unit_test(test_openssl_agrees_on_the_fields),
		cmocka_unit_test(test_commands_print_the_fields),
		cmocka_unit_test(test_commands_print_the_constraints),
		cmocka_unit_test(test_names_outside_are_refused),
		cmocka_unit_test(test_addresses_are_refused),
		cmocka_unit_test(test_uris_outside_are_refused_by_openssl),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
