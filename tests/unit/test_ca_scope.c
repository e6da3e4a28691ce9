/* lib/ca_scope: what a CA's scope may say, and what is taken of its certificate. */
#include "tests/unit/profile_world.h"

static void test_reads_and_writes(void **state)
{
	static const char line[] = "domain=example domain=localhost "
				   "trust_domain=mesh.example shards=8 "
				   "url=http://ca.example:7080 instance=5";
	AUTO(ca_scope_wipe) struct ca_scope s = { .instance = 0 };
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(buf_wipe) struct buf b = { .max = 4096 };

	(void)state;
	attrs_init(&a);
	assert_int_equal(scope_line(line, &s, NULL), OK);
	assert_int_equal(s.n_domains, 2);
	assert_string_equal(s.domain[1], "localhost");
	assert_string_equal(s.trust_domain, "mesh.example");
	assert_int_equal(s.shards, 8);
	assert_int_equal(s.instance, 5);
	assert_int_equal(ca_scope_format(&s, &a), OK);
	assert_int_equal(attr_format_text(attrs_view(&a), &b), OK);
	assert_int_equal(b.len, strlen(line));
	assert_memory_equal(b.p, line, b.len);
}

static void test_presets(void **state)
{
	AUTO(ca_scope_wipe) struct ca_scope s = { .instance = 0 };

	(void)state;
	assert_int_equal(
		scope_line("domain=a.example,b url=http://localhost", &s, NULL),
		OK);
	assert_string_equal(s.trust_domain, "a.example");
	assert_int_equal(s.shards, SCOPE_SHARDS);
	assert_int_equal(s.instance, 1);
}

static void test_refuses(void **state)
{
#define REST " url=http://ca.example"
	static const char *const bad[] = {
		"",
		"domain=example",
		"url=http://ca.example",
		"domain=" REST,
		"domain=Example" REST,
		"domain=.example" REST,
		"domain=example." REST,
		"domain=*.example" REST,
		"domain=10.0.0.1" REST,
		"domain=example,example" REST,
		"domain=a,b,c,d,e,f,g,h,i" REST,
		"domain=example trust_domain=a trust_domain=b" REST,
		"domain=example trust_domain=a/b" REST,
		"domain=example trust_domain=" REST,
		"domain=example shards=0" REST,
		"domain=example shards=4097" REST,
		"domain=example shards=x" REST,
		"domain=example instance=0" REST,
		"domain=example instance=128" REST,
		"domain=example color=red" REST,
		"domain=example !instance=1" REST,
		"domain=example url=https://ca.example",
		"domain=example url=http://",
		"domain=example url=http://ca.example/",
		"domain=example url=http://ca.example/x",
		"domain=example url=http://ca.example:",
		"domain=example url=http://ca.example:0",
		"domain=example url=http://ca.example:65536",
		"domain=example url=http://ca.example:80:80",
		"domain=example url=http://u@ca.example",
		"domain=example url=http://CA.example",
		"domain=example url=HTTP://ca.example",
		"domain=example url=http://[]",
		"domain=example url=http://[::1",
		"domain=example url=http://[x]:80",
		"domain=example url=http://a url=http://b",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct ca_scope s = { .shards = 7 };
		struct fault f = { .code = OK };

		if (scope_line(bad[i], &s, &f) != ERR_INVALID)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(s.shards, 7);
		assert_null(s.domain[0]);
		assert_true(f.text[0]);
	}
}

static void test_addresses_in_urls(void **state)
{
	static const char *const good[] = { "http://127.0.0.1:7080",
					    "http://[::1]:7080", "http://[::1]",
					    "http://ca:1",
					    "http://ca.example:65535" };
	char line[128];

	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		AUTO(ca_scope_wipe) struct ca_scope s = { .instance = 0 };

		snprintf(line, sizeof line, "domain=example url=%s", good[i]);
		if (scope_line(line, &s, NULL) != OK)
			fail_msg("refused: %s", good[i]);
		assert_string_equal(s.url, good[i]);
	}
}

/* The certificate. */

static void test_takes_name_and_key(void **state)
{
	struct world w;
	uint8_t id[20], hash[32];
	struct cert c;

	(void)state;
	world_open(&w);
	for (unsigned t = 0; t < KEY__MAX; t++) {
		c = world_issuing(&w.key[t], id);
		assert_int_equal(ca_scope_take(&w.scope, &c, NULL), OK);
		assert_int_equal(w.scope.alg, sig_alg_of((enum key_type)t));
		assert_memory_equal(w.scope.key_id, id, sizeof id);
		pubkey_hash(&w.key[t], hash);
		assert_memory_equal(w.scope.spki_hash, hash, sizeof hash);
	}
	assert_true(span_is(w.scope.name.domain, "example"));
	assert_true(span_is(w.scope.name.cn, "Cretula Issuing CA"));
	assert_ptr_not_equal(w.scope.name.cn.p, c.subject.cn.p);
	assert_int_equal(w.scope.not_after, c.not_after);
	world_close(&w);
}

static void test_takes_no_other_certificate(void **state)
{
	struct world w;
	uint8_t id[20];
	struct cert c, good;
	struct fault f;

	(void)state;
	world_open(&w);
	c = good = world_issuing(&w.ca_key, id);
	c.ca = false;
	assert_int_equal(ca_scope_take(&w.scope, &c, &f), ERR_INVALID);
	c = good;
	c.key_usage = KU_DIGITAL_SIGNATURE;
	assert_int_equal(ca_scope_take(&w.scope, &c, &f), ERR_INVALID);
	c = good;
	c.spki = w.key[KEY_P256].spki;
	assert_int_equal(ca_scope_take(&w.scope, &c, &f), ERR_INVALID);
	c = good;
	c.subject_key.n = 0;
	assert_int_equal(ca_scope_take(&w.scope, &c, &f), ERR_INVALID);
	c = good;
	c.spki.n--;
	assert_int_equal(ca_scope_take(&w.scope, &c, &f), ERR_INVALID);
	world_close(&w);
}

static void test_name_constraints_must_have_the_domains(void **state)
{
	struct world w;
	uint8_t id[20];
	struct cert c;
	struct fault f;

	(void)state;
	world_open(&w);
	c = world_issuing(&w.ca_key, id);
	c.permit_dns.at[c.permit_dns.count++] = span_str("example");
	assert_int_equal(ca_scope_take(&w.scope, &c, &f), ERR_INVALID);
	assert_non_null(strstr(f.text, "'localhost'"));
	c.permit_dns.at[c.permit_dns.count++] = span_str("localhost");
	assert_int_equal(ca_scope_take(&w.scope, &c, &f), OK);
	world_close(&w);
}

static void test_which_names_are_in_it(void **state)
{
	static const struct {
		const char *name;
		bool in;
	} cases[] = {
		{ "n1.example", true },    { "a.n1.example", true },
		{ "*.n1.example", true },  { "example", true },
		{ "localhost", true },     { "xexample", false },
		{ ".example", false },     { "n1.other", false },
		{ "n1.example.x", false }, { "", false },
		{ "xample", false },
	};
	struct world w;

	(void)state;
	world_open(&w);
	for (size_t i = 0; i < NELEM(cases); i++)
		if (ca_scope_has(&w.scope, span_str(cases[i].name)) !=
		    cases[i].in)
			fail_msg("'%s'", cases[i].name);
	world_close(&w);
}

/* A domain of several labels is not a name of a node. */
static void test_a_domain_itself(void **state)
{
	AUTO(ca_scope_wipe) struct ca_scope s = { .instance = 0 };

	(void)state;
	assert_int_equal(
		scope_line("domain=corp.example url=http://a", &s, NULL), OK);
	assert_false(ca_scope_has(&s, span_str("corp.example")));
	assert_true(ca_scope_has(&s, span_str("a.corp.example")));
	assert_false(ca_scope_has(&s, span_str("example")));
}

static void test_cut_short(void **state)
{
	static const char line[] = "domain=example,localhost shards=4 "
				   "url=http://ca.example:7080 instance=12";
	char cut[sizeof line];

	(void)state;
	for (size_t n = 0; n < sizeof line; n++) {
		AUTO(ca_scope_wipe) struct ca_scope s = { .instance = 0 };
		struct fault f = { .code = OK };

		memcpy(cut, line, n);
		cut[n] = 0;
		if (scope_line(cut, &s, &f) != OK)
			assert_true(f.text[0]);
		else
			assert_true(s.n_domains && s.url && s.instance);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_and_writes),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_addresses_in_urls),
		cmocka_unit_test(test_takes_name_and_key),
		cmocka_unit_test(test_takes_no_other_certificate),
		cmocka_unit_test(test_name_constraints_must_have_the_domains),
		cmocka_unit_test(test_which_names_are_in_it),
		cmocka_unit_test(test_a_domain_itself),
		cmocka_unit_test(test_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
