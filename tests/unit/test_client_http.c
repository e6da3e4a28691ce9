/* HTTP answers and their JSON, as libcretula reads them. */
#include "lib/client_http.h"
#include "lib/client_json.h"
#include "lib/json_list.h"

#include "tests/unit/unit.h"

enum {
	BODY_MAX = 64,
};

static enum err take(const char *text, size_t n, bool ended,
		     struct client_http *h, struct buf *body, size_t *left)
{
	struct fault f = { 0 };
	struct buf in;
	enum err e;

	buf_init(&in, 1 << 20);
	assert_int_equal(buf_put(&in, text, n), OK);
	e = client_http_take(&in, ended, h, body, &f);
	assert_true(e != ERR_INVALID || f.text[0]);
	*left = in.len;
	buf_wipe(&in);
	return e;
}

static const struct {
	const char *text;
	unsigned status;
	const char *body;
	size_t left;
	bool close, problem;
	unsigned retry;
} good[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP", 200, "{}", 4,
	  false, false, 0 },
	{ "HTTP/1.1 200\r\ncontent-length:0\r\nConnection: x, Close\r\n\r\n",
	  200, "", 0, true, false, 0 },
	{ "HTTP/1.0 503 a b\r\nContent-Length: 1\r\nRetry-After: 7\r\n"
	  "Content-Type: application/problem+json; charset=utf-8\r\n\r\nx",
	  503, "x", 0, true, true, 7 },
	{ "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
	  "Content-Length: 1\r\n\r\nx",
	  200, "x", 0, false, false, 0 },
	{ "HTTP/1.1 204 no\r\n\r\nrest", 204, "", 4, false, false, 0 },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1", 100, "", 8, false, false,
	  0 },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
	  "3\r\nabc\r\n0a ;e=\"1\"\r\n0123456789\r\n0\r\nT: x\r\n\r\nmore",
	  200, "abc0123456789", 4, false, false, 0 },
};

static void answers_are_taken_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		const char *t = good[i].text;
		struct client_http h = { .status = 0 };
		size_t left, whole = strlen(t) - good[i].left;
		struct buf body;

		buf_init(&body, BODY_MAX);
		for (size_t n = 0; n < whole; n++) {
			enum err e = take(t, n, false, &h, &body, &left);

			if (e != ERR_PENDING || left != n || body.len)
				fail_msg("%zu cut at %zu: %s", i, n,
					 err_name(e));
		}
		assert_int_equal(take(t, strlen(t), false, &h, &body, &left),
				 OK);
		assert_int_equal(h.status, good[i].status);
		assert_int_equal(left, good[i].left);
		assert_int_equal(h.close, good[i].close);
		assert_int_equal(h.problem, good[i].problem);
		assert_int_equal(h.retry_after, good[i].retry);
		assert_int_equal(body.len, strlen(good[i].body));
		assert_true(!body.len ||
			    !memcmp(body.p, good[i].body, body.len));
		buf_wipe(&body);
	}
}

static void one_without_length_ends_with_the_connection(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\n\r\nall of it";
	struct client_http h = { .status = 0 };
	struct buf body;
	size_t left;

	(void)state;
	buf_init(&body, BODY_MAX);
	assert_int_equal(take(text, strlen(text), false, &h, &body, &left),
			 ERR_PENDING);
	assert_int_equal(take(text, strlen(text), true, &h, &body, &left), OK);
	assert_true(h.close);
	assert_int_equal(body.len, 9);
	assert_int_equal(left, 0);
	buf_wipe(&body);
}

static void what_is_no_answer_is_refused(void **state)
{
	static const char *const bad[] = {
		"HTTP/2 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: x\ny\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		"Content-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
		"Transfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"000000001\r\nx\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"1\r\nxy\r\n",
	};
	struct client_http h = { .status = 0 };
	struct buf body;
	size_t left;

	(void)state;
	buf_init(&body, BODY_MAX);
	for (size_t i = 0; i < NELEM(bad); i++) {
		enum err e =
			take(bad[i], strlen(bad[i]), false, &h, &body, &left);

		if (e != ERR_INVALID || body.len || left != strlen(bad[i]))
			fail_msg("%zu: %s", i, err_name(e));
	}
	buf_wipe(&body);
}

static void what_is_too_long_is_refused_before_it_is_there(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"1\r\nx\r\n40\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"ffffffff\r\n",
	};
	struct client_http h = { .status = 0 };
	static char head[CLIENT_HTTP_HEAD_MAX + 1];
	struct buf body;
	size_t left;

	(void)state;
	buf_init(&body, BODY_MAX);
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(
			take(bad[i], strlen(bad[i]), false, &h, &body, &left),
			ERR_TOO_LARGE);
	memset(head, 'x', sizeof head);
	assert_int_equal(take(head, sizeof head, false, &h, &body, &left),
			 ERR_TOO_LARGE);
	assert_int_equal(body.len, 0);
	buf_wipe(&body);
}

/* --- JSON */

static enum err answer_of(const char *text, size_t n, struct attrs *out)
{
	struct cretula_answer *a = NULL;
	struct fault f = { 0 };
	enum err e = client_json_answer(text, n, &a, &f);

	if (e != OK) {
		assert_null(a);
		assert_non_null(strstr(f.text, "answer"));
		return e;
	}
	if (out)
		assert_int_equal(attrs_add_view(out, attrs_view(&a->reply.a)),
				 OK);
	cretula_answer_free(a);
	return OK;
}

static void a_list_comes_back_as_it_went(void **state)
{
	uint64_t seed = unit_seed();
	struct buf text;

	(void)state;
	buf_init(&text, 1 << 20);
	for (int round = 0; round < 300; round++) {
		struct attrs in, out;
		char value[64];

		attrs_init(&in);
		attrs_init(&out);
		for (size_t n = unit_below(&seed, 6); n--;) {
			size_t len = unit_below(&seed, sizeof value);

			for (size_t i = 0; i < len; i++)
				value[i] =
					(char)(unit_below(&seed, 3)
						       ? 32 + unit_below(&seed,
									 96)
						       : unit_below(&seed,
								    256));
			assert_int_equal(
				attrs_add(&in, "n.a-m_e", 0, value, len), OK);
		}
		assert_int_equal(
			attrs_add(&in, "hidden", ATTR_CONFIDENTIAL, "", 0), OK);
		buf_clear(&text);
		assert_int_equal(buf_str(&text, "{\"reply\":"), OK);
		assert_int_equal(json_pairs_format(attrs_view(&in), &text), OK);
		assert_int_equal(buf_str(&text, "}"), OK);
		for (size_t n = 0; n < text.len; n++)
			assert_int_equal(
				answer_of((const char *)text.p, n, NULL),
				ERR_INVALID);
		assert_int_equal(
			answer_of((const char *)text.p, text.len, &out), OK);
		assert_int_equal(in.bytes.len, out.bytes.len);
		assert_memory_equal(in.bytes.p, out.bytes.p, in.bytes.len);
		attrs_wipe(&in);
		attrs_wipe(&out);
	}
	buf_wipe(&text);
}

static void strings_are_read_as_rfc_8259_has_them(void **state)
{
	static const char text[] =
		" {\"more\" : [ 1, -2.5e+3, {\"a\":[]}, true,null ],\n\t"
		"\"reply\":[[\"a\",\"\\u0041\\u00e4\\u20AC\\uD83D\\uDE00\\\"\\\\"
		"\\/\\b\\f\\n\\r\\t\\u0000\"]] } ";
	static const char want[] = "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"\\/"
				   "\b\f\n\r\t\0";
	struct attrs out;
	struct attr a;

	(void)state;
	attrs_init(&out);
	assert_int_equal(answer_of(text, strlen(text), &out), OK);
	assert_true(attr_find(attrs_view(&out), "a", &a));
	assert_int_equal(a.len, sizeof want - 1);
	assert_memory_equal(a.value, want, a.len);
	attrs_wipe(&out);
}

static void other_json_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}x",
		"{\"reply\":{}}",
		"{\"reply\":[[\"a\"]]}",
		"{\"reply\":[[\"a\",\"b\",\"c\"]]}",
		"{\"reply\":[[\"a\",1]]}",
		"{\"reply\":[[\"A\",\"b\"]]}",
		"{\"reply\":[[\"a\",\"b\"],]}",
		"{\"reply\":[[\"a\",{\"base64\":\"A\"}]]}",
		"{\"reply\":[[\"a\",{\"base64\":\"AAEC\",\"x\":1}]]}",
		"{\"reply\":[[\"a\",{\"confidential\":false}]]}",
		"{\"reply\":[[\"a\",{\"hex\":\"00\"}]]}",
		"{\"reply\":[[\"a\",\"\\ud800\"]]}",
		"{\"reply\":[[\"a\",\"\\udc00\\ud800\"]]}",
		"{\"reply\":[[\"a\",\"\\x\"]]}",
		"{\"reply\":[[\"a\",\"\xff\"]]}",
		"{\"reply\":[[\"a\",\"\n\"]]}",
		"{\"items\":[[\"a\",\"b\"]]}",
		"{\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		if (answer_of(bad[i], strlen(bad[i]), NULL) != ERR_INVALID)
			fail_msg("%s", bad[i]);
}

static void a_problem_gives_code_sentence_and_id(void **state)
{
	static const char text[] =
		"{\"type\":\"urn:cretula:error:sealed\",\"title\":\"t\","
		"\"status\":503,\"detail\":\"d\",\"request_id\":\"0a-1\","
		"\"retry_after\":9}";
	struct cretula_error err = { .text = "as it was" };

	(void)state;
	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(
			client_json_problem(text, n, ERR_INTERNAL, &err),
			ERR_INVALID);
	assert_string_equal(err.text, "as it was");
	assert_int_equal(
		client_json_problem(text, strlen(text), ERR_INTERNAL, &err),
		OK);
	assert_int_equal(err.code, CRETULA_ERR_SEALED);
	assert_string_equal(err.text, "d");
	assert_string_equal(err.request_id, "0a-1");
	assert_int_equal(err.retry_after, 9);
	assert_int_equal(err.reached, 1);
	assert_int_equal(client_json_problem("{}", 2, ERR_DENIED, &err), OK);
	assert_int_equal(err.code, CRETULA_ERR_DENIED);
	assert_string_equal(err.text, "denied");
}

static void a_sentence_too_long_is_cut_between_letters(void **state)
{
	struct cretula_error err = { .text = "" };
	struct buf b;

	(void)state;
	buf_init(&b, 8192);
	assert_int_equal(buf_str(&b, "{\"detail\":\"x"), OK);
	for (int i = 0; i < 400; i++)
		assert_int_equal(buf_str(&b, "\xc3\xa4"), OK);
	assert_int_equal(buf_str(&b, "\"}"), OK);
	assert_int_equal(client_json_problem(b.p, b.len, ERR_INVALID, &err),
			 OK);
	assert_int_equal(strlen(err.text) % 2, 1);
	assert_true(strlen(err.text) > sizeof err.text - 4);
	buf_wipe(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_taken_whole),
		cmocka_unit_test(one_without_length_ends_with_the_connection),
		cmocka_unit_test(what_is_no_answer_is_refused),
		cmocka_unit_test(
			what_is_too_long_is_refused_before_it_is_there),
		cmocka_unit_test(a_list_comes_back_as_it_went),
		cmocka_unit_test(strings_are_read_as_rfc_8259_has_them),
		cmocka_unit_test(other_json_is_refused),
		cmocka_unit_test(a_problem_gives_code_sentence_and_id),
		cmocka_unit_test(a_sentence_too_long_is_cut_between_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
