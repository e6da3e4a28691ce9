/* lib/http.c and lib/http_out.c: request text in, signed text out. */
#include "lib/http.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const char good[] = "POST /a/b?x=1&y=%20 HTTP/1.1\r\n"
			   "Host: example.com\r\n"
			   "X-Long: one\r\n"
			   "\t two  three \r\n"
			   "    four\r\n"
			   "Empty:\r\n"
			   "\r\n";

static enum err parse_n(const char *text, size_t n, bool raw,
			struct http_request *r, struct fault *f)
{
	/* A copy of its own, so that a sanitizer sees every byte too far. */
	char *copy = xmemdup(text, n);
	enum err e = http_parse(copy, n, raw, r, f);

	if (e == OK)
		http_wipe(r);
	free(copy);
	return e;
}

static enum err refused(const char *text, bool raw)
{
	struct http_request r;
	struct fault f = { 0 };
	enum err e = parse_n(text, strlen(text), raw, &r, &f);

	if (e != OK)
		assert_true(f.text[0] != '\0');
	return e;
}

static void parse(const char *text, bool raw, struct http_request *r)
{
	struct fault f = { 0 };

	assert_int_equal(http_parse(text, strlen(text), raw, r, &f), OK);
}

static void is(struct http_str s, const char *expected)
{
	assert_int_equal(s.len, strlen(expected));
	assert_memory_equal(s.p, expected, s.len);
}

static void reads_line_headers_and_folds(void **state)
{
	struct http_request r;

	(void)state;
	parse(good, false, &r);
	is(r.method, "POST");
	is(r.target, "/a/b?x=1&y=%20");
	is(r.version, "HTTP/1.1");
	assert_string_equal(r.eol, "\r\n");
	assert_int_equal(r.count, 3);
	is(r.header[1].name, "X-Long");
	is(r.header[1].value, "one two  three four");
	is(r.header[2].value, "");
	assert_ptr_equal(http_find(&r, "hOST"), &r.header[0]);
	http_wipe(&r);
}

static void needs_no_blank_line_and_no_last_newline(void **state)
{
	struct http_request r;
	size_t head;

	(void)state;
	parse("GET / HTTP/1.1\nHost:a", false, &r);
	is(r.header[0].value, "a");
	assert_string_equal(r.eol, "\n");
	http_wipe(&r);
	parse("GET / HTTP/1.1", false, &r);
	assert_int_equal(r.count, 0);
	http_wipe(&r);
	assert_false(http_head_ends("GET / HTTP/1.1\nHost:a", 21, &head));
	assert_int_equal(head, 21);
}

static void finds_the_end_of_the_head(void **state)
{
	static const char crlf[] = "GET / HTTP/1.1\r\nA:b\r\n\r\nbody\n\nmore";
	static const char lf[] = "GET / HTTP/1.1\n\n\n";
	size_t head = 0;

	(void)state;
	assert_true(http_head_ends(crlf, strlen(crlf), &head));
	assert_memory_equal(crlf + head, "body", 4);
	assert_true(http_head_ends(lf, strlen(lf), &head));
	assert_int_equal(head, 16);
	assert_false(http_head_ends("GET / HTTP/1.1\r\nA:b\r\n\r", 22, &head));
}

static void raw_targets_hold_blanks_and_utf8(void **state)
{
	static const char text[] = "GET /a b/\xe1\x88\xb4?q=c d HTTP/1.1\n";
	struct http_request r;

	(void)state;
	parse(text, true, &r);
	is(r.target, "/a b/\xe1\x88\xb4?q=c d");
	http_wipe(&r);
	assert_int_equal(refused(text, false), ERR_INVALID);
	assert_int_equal(refused("GET /\r/ HTTP/1.1\n", true), ERR_INVALID);
	assert_int_equal(parse_n("GET /\0/ HTTP/1.1\n", 17, true, &r, NULL),
			 ERR_INVALID);
}

static void refuses_what_is_not_strict(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"\r\nGET / HTTP/1.1\n",
		"GET /\n",
		"GET  HTTP/1.1\n",
		"GET / HTTP/2\n",
		"GET / HTTP/1.1 \n",
		"GET / http/1.1\n",
		" GET / HTTP/1.1\n",
		"G\tT / HTTP/1.1\n",
		"GET / HTTP/1.1\n folded: first\n",
		"GET / HTTP/1.1\nNo colon\n",
		"GET / HTTP/1.1\n: no name\n",
		"GET / HTTP/1.1\nName : blank\n",
		"GET / HTTP/1.1\nA: b\r c\n",
		"GET / HTTP/1.1\nA: b\n\x01\n",
		"GET / HTTP/1.1\nA: b\n  \nC: d\n",
		"GET / HTTP/1.1\nA: \x7f\n",
		"GET / HTTP/1.1\rA: b\n",
		"GET / HTTP/1.1\n\nA: b\n",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		if (refused(bad[i], false) != ERR_INVALID)
			fail_msg("taken: '%s'", bad[i]);
}

/* size bytes: before, as many c as needed, after. */
static char *filled(const char *before, char c, size_t size, const char *after)
{
	size_t b = strlen(before), a = strlen(after);
	char *s = xcalloc(1, size + 1);

	memset(s, c, size);
	memcpy(s, before, b);
	memcpy(s + size - a, after, a);
	return s;
}

static void limits_are_where_they_are_named(void **state)
{
	size_t around = strlen("GET  HTTP/1.1\n");
	struct http_request r;
	char *s;

	(void)state;
	s = filled("GET /", 'a', HTTP_TARGET_MAX + around, " HTTP/1.1\n");
	assert_int_equal(refused(s, false), OK);
	free(s);
	s = filled("GET /", 'a', HTTP_TARGET_MAX + around + 1, " HTTP/1.1\n");
	assert_int_equal(refused(s, false), ERR_TOO_LARGE);
	free(s);
	s = filled("GET / HTTP/1.1\nA:", 'a', HTTP_HEAD_MAX, "\n");
	assert_int_equal(refused(s, false), OK);
	free(s);
	s = filled("GET / HTTP/1.1\nA:", 'a', HTTP_HEAD_MAX + 1, "\n");
	assert_int_equal(refused(s, false), ERR_TOO_LARGE);
	free(s);
	s = xcalloc(1, 20 + 4 * (HTTP_HEADERS_MAX + 2));
	memcpy(s, "GET / HTTP/1.1\n", 15);
	for (size_t i = 0; i < HTTP_HEADERS_MAX; i++)
		memcpy(s + 15 + 4 * i, "A:b\n", 4);
	parse(s, false, &r);
	assert_int_equal(r.count, HTTP_HEADERS_MAX);
	http_wipe(&r);
	memcpy(s + 15 + 4 * HTTP_HEADERS_MAX, "A:b\n", 4);
	assert_int_equal(refused(s, false), ERR_TOO_LARGE);
	free(s);
}

static void every_prefix_is_clean(void **state)
{
	struct http_request r;
	struct fault f;

	(void)state;
	for (size_t n = 0; n < sizeof good; n++) {
		enum err e = parse_n(good, n, false, &r, &f);

		/* Whole after the version, cut within a header name or not. */
		if (n < strlen("POST /a/b?x=1&y=%20 HTTP/1.1"))
			assert_int_equal(e, ERR_INVALID);
	}
	assert_int_equal(parse_n(good, sizeof good - 1, false, &r, &f), OK);
}

static void becomes_attributes(void **state)
{
	struct http_request r;
	struct attrs a;
	struct attr one;

	(void)state;
	attrs_init(&a);
	parse(good, false, &r);
	assert_int_equal(http_attrs(&r, &a), OK);
	assert_int_equal(a.count, 5);
	assert_true(attr_find(attrs_view(&a), "header", &one));
	assert_true(attr_is(&one, "Host:example.com"));
	http_wipe(&r);
	attrs_wipe(&a);
}

/* What `what` composes of text and reply (pairs of name and value). */
static char *composed(const char *text, const char *const *reply, int what)
{
	struct http_request r;
	struct attrs a;
	struct buf b;
	struct fault f = { 0 };
	enum err e = OK;

	attrs_init(&a);
	buf_init(&b, HTTP_OUT_MAX);
	parse(text, true, &r);
	for (; *reply; reply += 2)
		assert_int_equal(attrs_add_str(&a, reply[0], reply[1]), OK);
	e = what == 'h'   ? http_out_head(&r, attrs_view(&a), &b)
	    : what == 't' ? http_out_target(&r, attrs_view(&a), &b)
	    : what == 'a' ? http_out_headers(attrs_view(&a), &b)
			  : http_out_url(&r, attrs_view(&a), "https", &b, &f);
	if (e != OK) {
		buf_clear(&b);
		assert_int_equal(buf_str(&b, f.text), OK);
	}
	assert_int_equal(buf_u8(&b, 0), OK);
	http_wipe(&r);
	attrs_wipe(&a);
	return (char *)b.p;
}

static void check(const char *text, const char *const *reply, int what,
		  const char *expected)
{
	char *got = composed(text, reply, what);

	assert_string_equal(got, expected);
	free(got);
}

static void adds_headers_after_those_there(void **state)
{
	static const char *const reply[] = { "header", "X-Date: d", "header",
					     "Auth: s", NULL };

	(void)state;
	check("GET / HTTP/1.1\nHost:  a\nF: x\n y", reply, 'h',
	      "GET / HTTP/1.1\nHost:  a\nF: x y\nX-Date: d\nAuth: s\n\n");
	check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", reply, 'h',
	      "GET / HTTP/1.1\r\nHost: a\r\nX-Date: d\r\nAuth: s\r\n\r\n");
	check("GET / HTTP/1.1\r\n", reply, 'a', "X-Date: d\nAuth: s\n");
}

static void adds_and_drops_in_the_query(void **state)
{
	static const char *const add[] = { "query", "s=1&t=2", NULL };
	static const char *const drop[] = { "drop_query", "X-S", "query", "n=1",
					    NULL };
	static const char *const none[] = { NULL };

	(void)state;
	check("GET /p HTTP/1.1\n", add, 't', "/p?s=1&t=2");
	check("GET /p? HTTP/1.1\n", add, 't', "/p?s=1&t=2");
	check("GET /p?a HTTP/1.1\n", add, 't', "/p?a&s=1&t=2");
	check("GET /p?a& HTTP/1.1\n", add, 't', "/p?a&s=1&t=2");
	check("GET /p?X-S=o&a=1&X%2dS HTTP/1.1\n", drop, 't', "/p?a=1&n=1");
	check("GET /p?X-S=o HTTP/1.1\n", drop, 't', "/p?n=1");
	check("GET /p?x&&y=? HTTP/1.1\n", none, 't', "/p?x&&y=?");
}

static void drops_headers_in_any_case(void **state)
{
	static const char *const drop[] = { "drop_header", "authorization",
					    "header", "Authorization: new",
					    NULL };

	(void)state;
	check("GET / HTTP/1.1\nAuthorization: old\nHost: a\n", drop, 'h',
	      "GET / HTTP/1.1\nHost: a\nAuthorization: new\n\n");
}

static void makes_urls(void **state)
{
	static const char *const add[] = { "query", "s=1", NULL };

	(void)state;
	check("GET /a%20b HTTP/1.1\nHost: h:81\n", add, 'u',
	      "https://h:81/a%20b?s=1");
	check("GET /a b\xc3\xa9 HTTP/1.1\nHost: h\n", add, 'u',
	      "https://h/a%20b%C3%A9?s=1");
	check("GET / HTTP/1.1\n", add, 'u',
	      "the request has no Host header to make a URL of");
	check("GET / HTTP/1.1\nHost: a\nhost: b\n", add, 'u',
	      "the request has two Host headers");
}

static void refuses_additions_that_break_the_text(void **state)
{
	static const char *const bad[][2] = { { "header", "A: b\r\nC: d" },
					      { "header", "no colon" },
					      { "header", "" },
					      { "query", "a=b\n" },
					      { "target", "/\r" } };

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct attrs a;
		struct fault f;

		attrs_init(&a);
		assert_int_equal(attrs_add_str(&a, bad[i][0], bad[i][1]), OK);
		assert_int_equal(http_additions_check(attrs_view(&a), &f),
				 ERR_MODULE_FAILED);
		attrs_wipe(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_line_headers_and_folds),
		cmocka_unit_test(needs_no_blank_line_and_no_last_newline),
		cmocka_unit_test(finds_the_end_of_the_head),
		cmocka_unit_test(raw_targets_hold_blanks_and_utf8),
		cmocka_unit_test(refuses_what_is_not_strict),
		cmocka_unit_test(limits_are_where_they_are_named),
		cmocka_unit_test(every_prefix_is_clean),
		cmocka_unit_test(becomes_attributes),
		cmocka_unit_test(adds_headers_after_those_there),
		cmocka_unit_test(adds_and_drops_in_the_query),
		cmocka_unit_test(drops_headers_in_any_case),
		cmocka_unit_test(makes_urls),
		cmocka_unit_test(refuses_additions_that_break_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
