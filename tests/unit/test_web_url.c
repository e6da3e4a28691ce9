/* lib/web_place.c: which URLs are asked, and what of them. */
#include "lib/web.h"

#include "tests/unit/unit.h"

static void test_urls_are_taken_apart(void **state)
{
	static const struct {
		const char *url, *place, *host, *path;
		unsigned port;
	} good[] = {
		{ "http://ca.example/ocsp", "http://ca.example:80",
		  "ca.example", "/ocsp", 80 },
		{ "http://ca.example:7080/crl/3?a=b", "http://ca.example:7080",
		  "ca.example", "/crl/3?a=b", 7080 },
		{ "http://127.0.0.1:1", "http://127.0.0.1:1", "127.0.0.1", "/",
		  1 },
		{ "http://[::1]:81/x", "http://[::1]:81", "::1", "/x", 81 },
	};
	struct web_place p;
	struct fault f;
	char path[WEB_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		assert_int_equal(web_url_parse("http", span_str(good[i].url),
					       &p, path, &f),
				 OK);
		assert_string_equal(p.url, good[i].place);
		assert_string_equal(p.host, good[i].host);
		assert_string_equal(path, good[i].path);
		assert_int_equal(p.port, good[i].port);
	}
}

static void test_others_are_not_asked(void **state)
{
	static const char *const bad[] = {
		"",
		"http://",
		"http:///ocsp",
		"https://ca.example/ocsp",
		"ftp://ca.example/",
		"file:///etc/passwd",
		"http://user:secret@ca.example/",
		"http://user@ca.example/",
		"http://ca.example:0/",
		"http://ca.example:65536/",
		"http://ca.example:/",
		"http://ca.example:80x/",
		"http://ca.example/a b",
		"http://ca.example/a\r\nHost: b",
		"http://ca.example/#f",
		"http://ca.example?x",
		"http://[::1/",
		"http://ca.\xc3\xa4.example/",
	};
	char path[WEB_PATH_MAX], most[2 * WEB_PATH_MAX];
	struct web_place p;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		f.text[0] = 0;
		if (web_url_parse("http", span_str(bad[i]), &p, path, &f) !=
			    ERR_INVALID ||
		    !f.text[0])
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(web_url_parse("http", span_of("http://a/\0b", 11), &p,
				       path, &f),
			 ERR_INVALID);
	memset(most, 'a', sizeof most);
	memcpy(most, "http://a/", 9);
	assert_int_equal(web_url_parse("http",
				       span_of(most, 8 + WEB_PATH_MAX - 1), &p,
				       path, &f),
			 OK);
	assert_int_equal(web_url_parse("http", span_of(most, 8 + WEB_PATH_MAX),
				       &p, path, &f),
			 ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls_are_taken_apart),
		cmocka_unit_test(test_others_are_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
