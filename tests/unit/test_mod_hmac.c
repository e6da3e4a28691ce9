/* The hmac module as a host sees it. */
#include "tests/tool/modhost.h"
#include "tests/unit/unit.h"

static struct modhost h;
static struct modlist c, l;

static int setup(void **state)
{
	(void)state;
	h.call.now = 1700000000;
	modlist_clear(&c);
	modlist_clear(&l);
	return 0;
}

static void opened(void)
{
	assert_int_equal(modhost_check(&h, &c), CRETULA_OK);
	assert_int_equal(modhost_open(&h, &c), CRETULA_OK);
}

/* RFC 4231, test case 2; RFC 2202, test case 2 for SHA-1. */
static void known_answers(void **state)
{
	static const char *const known[][2] = {
		{ "sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
		{ "sha256", "5bdcc146bf60754e6a042426089575c75a003f089d273983"
			    "9dec58b964ec3843" },
		{ "sha384",
		  "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
		  "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649" },
		{ "sha512", "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd6"
			    "10270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd"
			    "caeab1a34d4a6b4b636e070a38bce737" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(known); i++) {
		modlist_clear(&c);
		modlist_clear(&l);
		modlist_fill(&c, "key", "Jefe", "algorithm", known[i][0], NULL);
		opened();
		modlist_str(&l, "data", "what do ya want for nothing?");
		assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
		assert_string_equal(modhost_get(&h, "signature", 0),
				    known[i][1]);
		assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
		assert_string_equal(modhost_get(&h, "signature", 0),
				    known[i][1]);
	}
}

static void key_encodings_agree(void **state)
{
	static const char *const keys[][2] = {
		{ "raw", "Jefe" },
		{ "hex", "4a656665" },
		{ "base64", "SmVmZQ==" },
	};

	(void)state;
	modlist_str(&l, "data", "what do ya want for nothing?");
	for (size_t i = 0; i < NELEM(keys); i++) {
		modlist_clear(&c);
		modlist_fill(&c, "key_encoding", keys[i][0], "key", keys[i][1],
			     "format", "base64", NULL);
		opened();
		assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
		assert_string_equal(
			modhost_get(&h, "signature", 0),
			"W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
	}
}

/* The HMAC of `text` under the key k, by data mode. */
static void expect_signed(const char *text)
{
	static struct modhost other;
	static struct modlist oc, ol;
	char have[256];

	snprintf(have, sizeof have, "%s", modhost_get(&h, "signature", 0));
	if (!other.m)
		modhost_load_named(&other, "hmac");
	modlist_clear(&oc);
	modlist_clear(&ol);
	modlist_str(&oc, "key", "k");
	modlist_str(&ol, "data", text);
	assert_int_equal(modhost_open(&other, &oc), CRETULA_OK);
	assert_int_equal(modhost_run(&other, "sign", &ol), CRETULA_OK);
	assert_string_equal(modhost_get(&other, "signature", 0), have);
	modhost_close(&other);
	modlist_clear(&oc);
	modlist_clear(&ol);
}

static void template_puts_the_request_together(void **state)
{
	(void)state;
	modlist_fill(&c, "key", "k", "template",
		     "{{v1}}\n{method} {target}|{path}|{query}|{host}\n{time} "
		     "{time_ms}\n{header:X-A}\n{body}:{body_sha256}",
		     "header", "X-Sig", "prefix", "v1=", NULL);
	opened();
	modlist_fill(&l, "method", "POST", "target", "/a?b=1&c", "header",
		     "Host: Example.com:1", "header", "x-a: 1", "header",
		     "X-A: 2", "body", "", NULL);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_memory_equal(modhost_get(&h, "header", 0), "X-Sig: v1=", 10);
	assert_string_equal(modhost_get(&h, "timestamp", 0), "1700000000");
	assert_string_equal(modhost_get(&h, "timestamp_ms", 0),
			    "1700000000000");
	expect_signed("{v1}\nPOST /a?b=1&c|/a|b=1&c|Example.com:1\n"
		      "1700000000 1700000000000\n1,2\n:"
		      "e3b0c44298fc1c149afbf4c8996fb924"
		      "27ae41e4649b934ca495991b7852b855");
}

static void nonce_is_given_or_made(void **state)
{
	char first[64], text[80];

	(void)state;
	modlist_fill(&c, "key", "k", "template", "n={nonce}", NULL);
	opened();
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	snprintf(first, sizeof first, "%s", modhost_get(&h, "nonce", 0));
	snprintf(text, sizeof text, "n=%s", first);
	expect_signed(text);
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_string_not_equal(first, modhost_get(&h, "nonce", 0));
	modlist_str(&l, "nonce", "seven");
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "nonce", 0), "seven");
	expect_signed("n=seven");
}

static void template_binds_what_is_signed(void **state)
{
	(void)state;
	modlist_fill(&c, "key", "k", "template", "{method}", NULL);
	opened();
	modlist_str(&l, "data", "GET");
	assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
	assert_non_null(strstr(h.call.text, "template"));
}

static void what_the_template_needs_must_be_there(void **state)
{
	static const char *const templates[] = { "{method}", "{target}",
						 "{path}",   "{query}",
						 "{host}",   "{header:A}" };

	(void)state;
	for (size_t i = 0; i < NELEM(templates); i++) {
		modlist_clear(&c);
		modlist_fill(&c, "key", "k", "template", templates[i], NULL);
		opened();
		assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
		assert_non_null(strstr(h.call.text, "needs"));
	}
}

static void bad_credentials_are_refused(void **state)
{
	static const char *const bad[][4] = {
		{ "key", "", "format", "hex" },
		{ "key", "zz", "key_encoding", "hex" },
		{ "key", "s3kr1t", "key_encoding", "hex" },
		{ "key", "s3kr1t!", "key_encoding", "base64" },
		{ "key", "s3kr1t", "key_encoding", "rot13" },
		{ "key", "s3kr1t", "algorithm", "md5" },
		{ "key", "s3kr1t", "format", "octal" },
		{ "key", "s3kr1t", "template", "" },
		{ "key", "s3kr1t", "template", "{nope}" },
		{ "key", "s3kr1t", "template", "{method" },
		{ "key", "s3kr1t", "template", "method}" },
		{ "key", "s3kr1t", "template", "{header:}" },
		{ "key", "s3kr1t", "prefix", "x" },
		{ "key", "s3kr1t", "header", "a:b" },
		{ "key", "s3kr1t", "key", "twice" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		modlist_clear(&c);
		modlist_fill(&c, bad[i][0], bad[i][1], bad[i][2], bad[i][3],
			     NULL);
		assert_int_equal(modhost_check(&h, &c), CRETULA_INVALID);
		assert_null(strstr(h.call.text, "s3kr1t"));
	}
}

static void bad_requests_are_refused_by_run_and_facts(void **state)
{
	static const char *const bad[][4] = {
		{ "data", "x", "method", "GET" },
		{ "data", "x", "header", "a: b" },
		{ "method", "get", "target", "/" },
		{ "method", "GET", "target", "/a b" },
		{ "method", "GET", "target", "/\n" },
		{ "method", "GET", "target", "a" },
		{ "method", "GET", "header", "a\nb: c" },
		{ "method", "GET", "time", "now" },
		{ "method", "GET", "time", "-1" },
		{ "method", "GET", "body_sha256", "00" },
		{ "method", "GET", "nonce", "a\nb" },
		{ "method", "GET", "method", "PUT" },
	};

	(void)state;
	modlist_fill(&c, "key", "k", "template", "{method}", NULL);
	opened();
	for (size_t i = 0; i < NELEM(bad); i++) {
		modlist_clear(&l);
		modlist_fill(&l, bad[i][0], bad[i][1], bad[i][2], bad[i][3],
			     NULL);
		assert_int_equal(modhost_run(&h, "sign", &l), CRETULA_INVALID);
		assert_int_equal(modhost_facts(&h, "sign", &l),
				 CRETULA_INVALID);
	}
	modlist_clear(&l);
	modlist_fill(&l, "method", "GET", "header", "Host: a", "header",
		     "host: b", NULL);
	assert_int_equal(modhost_facts(&h, "sign", &l), CRETULA_INVALID);
}

static void facts_are_what_is_signed(void **state)
{
	(void)state;
	modlist_fill(&l, "method", "GET", "target", "/p?a=1&b&&", "header",
		     "Host: Big.Example:80", "time", "5", NULL);
	assert_int_equal(modhost_facts(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "method", 0), "GET");
	assert_string_equal(modhost_get(&h, "path", 0), "/p");
	assert_string_equal(modhost_get(&h, "host", 0), "big.example");
	assert_string_equal(modhost_get(&h, "query", 0), "a=1");
	assert_string_equal(modhost_get(&h, "query", 1), "b=");
	assert_null(modhost_get(&h, "query", 2));
	assert_string_equal(modhost_get(&h, "time", 0), "5");
	modlist_clear(&l);
	modlist_fill(&l, "method", "GET", "target", "/p", NULL);
	assert_int_equal(modhost_facts(&h, "sign", &l), CRETULA_OK);
	assert_string_equal(modhost_get(&h, "query", 0), "");
	assert_null(modhost_get(&h, "query", 1));
	modlist_clear(&l);
	modlist_str(&l, "data", "x");
	assert_int_equal(modhost_facts(&h, "sign", &l), CRETULA_OK);
	assert_int_equal(h.call.out.count, 0);
}

/* Every prefix of a template and of a request: an answer, whichever. */
static void cut_short_values_end_cleanly(void **state)
{
	static const char template[] =
		"a{{b}}{method}{header:X-A}{body_sha256}";
	char text[sizeof template];

	(void)state;
	modlist_fill(&l, "method", "GET", "target", "/p?a=1", "header",
		     "X-A: b", "body", "x", NULL);
	for (size_t n = 0; n < sizeof template; n++) {
		snprintf(text, sizeof text, "%.*s", (int)n, template);
		modlist_clear(&c);
		modlist_fill(&c, "key", "k", "template", text, NULL);
		if (modhost_open(&h, &c) == CRETULA_OK)
			assert_int_equal(modhost_run(&h, "sign", &l),
					 CRETULA_OK);
	}
	for (size_t i = 0; i < l.count; i++) {
		size_t whole = l.item[i].len;

		for (size_t n = 0; n < whole; n++) {
			l.item[i].len = n;
			(void)modhost_run(&h, "sign", &l);
			(void)modhost_facts(&h, "sign", &l);
		}
		l.item[i].len = whole;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(known_answers, setup),
		cmocka_unit_test_setup(key_encodings_agree, setup),
		cmocka_unit_test_setup(template_puts_the_request_together,
				       setup),
		cmocka_unit_test_setup(nonce_is_given_or_made, setup),
		cmocka_unit_test_setup(template_binds_what_is_signed, setup),
		cmocka_unit_test_setup(what_the_template_needs_must_be_there,
				       setup),
		cmocka_unit_test_setup(bad_credentials_are_refused, setup),
		cmocka_unit_test_setup(
			bad_requests_are_refused_by_run_and_facts, setup),
		cmocka_unit_test_setup(facts_are_what_is_signed, setup),
		cmocka_unit_test_setup(cut_short_values_end_cleanly, setup),
	};
	int failed;

	modhost_load_named(&h, "hmac");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	modlist_clear(&c);
	modlist_clear(&l);
	modhost_close(&h);
	return failed;
}
