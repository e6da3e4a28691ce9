/* What certmgr's net makes of an answer, and of the CA's URL. */
#include "certmgr/net.h"

#include "tests/unit/unit.h"

#define PEM                                                                    \
	"-----BEGIN CERTIFICATE-----\\nMAMCAQE=\\n-----END CERTIFICATE-----\\n"
#define ISSUED                                                                 \
	"{\"certificate\":\"" PEM "\",\"chain\":\"" PEM PEM                    \
	"\",\"verify_by\":\"2030-01-01T00:00:00Z\",\"more\":{\"a\":[1]}}"
#define PROBLEM                                                                \
	"{\"type\":\"urn:cretula:error:denied\",\"title\":\"t\","              \
	"\"status\":403,\"detail\":\"because\"}"

static enum outcome outcome_of(unsigned status, const char *body,
			       struct fault *f)
{
	struct web_answer a = { .status = status,
				.body = span_str(body),
				.why = { ERR_TIMEOUT, "no answer" } };

	*f = (struct fault){ .code = OK };
	return answer_outcome(&a, f);
}

static void test_outcomes(void **state)
{
	static const struct {
		unsigned status;
		const char *body;
		enum outcome is;
	} cases[] = {
		{ 0, "", OUTCOME_AWAY },
		{ 1, "", OUTCOME_STRANGE },
		{ 200, "", OUTCOME_DONE },
		{ 201, PROBLEM, OUTCOME_STRANGE },
		{ 301, PROBLEM, OUTCOME_STRANGE },
		{ 400, PROBLEM, OUTCOME_FINAL },
		{ 400, "", OUTCOME_STRANGE },
		{ 400, "{\"type\":\"urn:cretula:error:denied\"}",
		  OUTCOME_STRANGE },
		{ 400, "{\"type\":\"urn:cretula:error:ok\",\"detail\":\"x\"}",
		  OUTCOME_STRANGE },
		{ 400, "{\"type\":\"urn:cretula:error:\",\"detail\":\"x\"}",
		  OUTCOME_STRANGE },
		{ 400, "{\"type\":\"about:blank\",\"detail\":\"x\"}",
		  OUTCOME_STRANGE },
		{ 401, PROBLEM, OUTCOME_REFUSED },
		{ 401, "<html>", OUTCOME_STRANGE },
		{ 403, PROBLEM, OUTCOME_FINAL },
		{ 408, PROBLEM, OUTCOME_STRANGE },
		{ 429, PROBLEM, OUTCOME_BUSY },
		{ 429, "", OUTCOME_BUSY },
		{ 500, PROBLEM, OUTCOME_AWAY },
		{ 503, "", OUTCOME_AWAY },
		{ 999, "", OUTCOME_AWAY },
	};
	struct fault f;

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		assert_int_equal(outcome_of(cases[i].status, cases[i].body, &f),
				 cases[i].is);
		assert_int_equal(f.code == OK, cases[i].is == OUTCOME_DONE);
	}
	assert_int_equal(outcome_of(403, PROBLEM, &f), OUTCOME_FINAL);
	assert_int_equal(f.code, ERR_DENIED);
	assert_string_equal(f.text, "because");
	(void)outcome_of(0, "", &f);
	assert_int_equal(f.code, ERR_TIMEOUT);
}

static void test_a_certificate_is_taken_out(void **state)
{
	AUTO(answer_cert_wipe) struct answer_cert c = { 0 };
	struct fault f;

	(void)state;
	assert_int_equal(answer_cert_parse(span_str(ISSUED), &c, &f), OK);
	assert_int_equal(c.cert.len, 5);
	assert_memory_equal(c.cert.p, "\x30\x03\x02\x01\x01", 5);
	assert_int_equal(c.issuing.len, 5);
	assert_int_equal(c.verify_by, 1893456000);
}

static void test_what_is_cut_short_is_refused(void **state)
{
	const size_t n = strlen(ISSUED), m = strlen(PROBLEM);
	struct answer_cert c = { 0 };
	struct fault f;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		char *copy = xmemdup(ISSUED, i + 1);

		assert_int_equal(answer_cert_parse(span_of(copy, i), &c, &f),
				 ERR_INVALID);
		free(copy);
	}
	for (size_t i = 0; i < m; i++) {
		struct web_answer a = { .status = 403,
					.body = span_of(PROBLEM, i) };

		assert_int_equal(answer_outcome(&a, &f), OUTCOME_STRANGE);
	}
}

static void test_other_forms_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"{}",
		ISSUED "x",
		"{\"certificate\":\"" PEM "\"}",
		"{\"certificate\":\"" PEM "\",\"chain\":\"\"}",
		"{\"certificate\":\"" PEM "\",\"chain\":[\"" PEM "\"]}",
		"{\"certificate\":\"" PEM "\",\"chain\":\"" PEM
		"\",\"verify_by\":\"soon\"}",
		"{\"certificate\":\"" PEM "\",\"chain\":\"" PEM
		"\",\"verify_by\":1}",
		"{\"certificate\":\"" PEM "\",\"certificate\":\"" PEM
		"\",\"chain\":\"" PEM "\"}",
	};
	struct answer_cert c = { 0 };
	struct fault f;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(answer_cert_parse(span_str(bad[i]), &c, &f),
				 ERR_INVALID);
}

static void test_the_issuing_certificate_is_taken_out(void **state)
{
	AUTO(buf_wipe) struct buf b = { 0 };
	struct fault f;

	(void)state;
	buf_init(&b, CERT_MAX);
	assert_int_equal(
		answer_issuing(span_str("{\"issuing\":\"" PEM "\"}"), &b, &f),
		OK);
	assert_int_equal(b.len, 5);
	assert_int_equal(
		answer_issuing(span_str("{\"root\":\"" PEM "\"}"), &b, &f),
		ERR_INVALID);
}

static void test_places(void **state)
{
	static const struct {
		const char *url, *is, *host;
		uint16_t port;
	} good[] = {
		{ "https://ca.example", "https://ca.example:443", "ca.example",
		  443 },
		{ "https://ca.example:7443/", "https://ca.example:7443",
		  "ca.example", 7443 },
		{ "https://192.0.2.1:1", "https://192.0.2.1:1", "192.0.2.1",
		  1 },
		{ "https://[2001:db8::1]:7443", "https://[2001:db8::1]:7443",
		  "2001:db8::1", 7443 },
		{ "https://[::1]", "https://[::1]:443", "::1", 443 },
	};
	static const char *const bad[] = {
		"",
		"http://ca.example",
		"https://",
		"https://:7443",
		"https://ca.example:",
		"https://ca.example:0",
		"https://ca.example:65536",
		"https://ca.example:1x",
		"https://ca.example/v1",
		"https://ca.example?x",
		"https://user@ca.example",
		"https://[::1",
		"https://[]",
		"https://[::1]x",
		"https://ca.example\r\n:1",
		"ca.example:7443",
	};
	struct web_place p;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		assert_int_equal(web_place_parse("https", good[i].url, &p, &f),
				 OK);
		assert_string_equal(p.url, good[i].is);
		assert_string_equal(p.host, good[i].host);
		assert_int_equal(p.port, good[i].port);
	}
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(web_place_parse("https", bad[i], &p, &f),
				 ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_a_certificate_is_taken_out),
		cmocka_unit_test(test_what_is_cut_short_is_refused),
		cmocka_unit_test(test_other_forms_are_refused),
		cmocka_unit_test(test_the_issuing_certificate_is_taken_out),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
