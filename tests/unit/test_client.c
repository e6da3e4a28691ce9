/* libcretula against a daemon of the test's own: a thread that plays a script.
 * test: not under valgrind: a forked child ends with what its parent has */
#include "lib/clock.h"

#include "tests/unit/client_daemon.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two items and a reply with the call's own verb. */
static void items_script(int fd, int n)
{
	struct attr verb;
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	while (next(fd, &in, &m)) {
		ENSURE(m.kind == CALL && attr_find(m.attrs, "verb", &verb));
		say(fd, ITEM, m.id, "n", "one");
		say(fd, ITEM, m.id, "n", "two");
		ENSURE(chan_put1(fd, REPLY, m.id, m.attrs) == OK);
	}
	buf_wipe(&in);
}

static void a_call_gets_its_items_and_reply(void **state)
{
	struct cretula *c = connected(items_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	struct cretula_item item;

	(void)state;
	assert_int_equal(
		cretula_call(c, "credential.list", NULL, NULL, &a, &err), 0);
	assert_int_equal(cretula_answer_count(a), 2);
	assert_true(cretula_list_find(cretula_answer_item(a, 1), "n", &item));
	assert_memory_equal(item.value, "two", 3);
	assert_true(cretula_list_find(cretula_answer_reply(a), "verb", &item));
	assert_int_equal(item.len, strlen("credential.list"));
	cretula_answer_free(a);
	cretula_close(c);
}

static void error_script(int fd, int n)
{
	struct attrs a;
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "error", "limited") == OK);
	ENSURE(attrs_add_str(&a, "text", "too many") == OK);
	ENSURE(attrs_add_str(&a, "request_id", "0a1b") == OK);
	ENSURE(attrs_add_str(&a, "retry_after", "7") == OK);
	while (next(fd, &in, &m))
		ENSURE(chan_put1(fd, ERROR, m.id, attrs_view(&a)) == OK);
	attrs_wipe(&a);
	buf_wipe(&in);
}

static void an_error_keeps_its_sentence_and_id(void **state)
{
	struct cretula *c = connected(error_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err;

	(void)state;
	assert_int_equal(cretula_call(c, "seal", NULL, NULL, &a, &err),
			 CRETULA_ERR_LIMITED);
	assert_null(a);
	assert_string_equal(err.text, "too many");
	assert_string_equal(err.request_id, "0a1b");
	assert_int_equal(err.retry_after, 7);
	assert_int_equal(err.reached, 1);
	cretula_close(c);
}

/* Answers three calls in the opposite order. */
static void reverse_script(int fd, int n)
{
	uint64_t id[3];
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	for (size_t i = 0; i < 3; i++) {
		ENSURE(next(fd, &in, &m));
		id[i] = m.id;
	}
	for (size_t i = 3; i-- > 0;)
		say(fd, REPLY, id[i], "n", i == 0 ? "0" : i == 1 ? "1" : "2");
	(void)next(fd, &in, &m);
	buf_wipe(&in);
}

static void answers_come_in_any_order(void **state)
{
	struct cretula *c = connected(reverse_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	struct cretula_item item;
	uint32_t id[3], first = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			cretula_submit(c, "status", NULL, &id[i], &err), 0);
	assert_true(cretula_events(c) & POLLOUT);
	for (char i = '0'; i < '3'; i++) {
		assert_int_equal(cretula_wait(c, id[i - '0'], &a, &err), 0);
		assert_true(
			cretula_list_find(cretula_answer_reply(a), "n", &item));
		assert_int_equal(item.value[0], i);
		cretula_answer_free(a);
	}
	assert_int_equal(cretula_wait(c, id[0], &a, &err),
			 CRETULA_ERR_NOT_FOUND);
	assert_int_equal(cretula_wait_any(c, &first, &err),
			 CRETULA_ERR_NOT_FOUND);
	cretula_close(c);
}

static void too_many_in_flight_are_refused(void **state)
{
	struct cretula *c = connected(items_script);
	struct cretula_error err;
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < CRETULA_IN_FLIGHT; i++)
		assert_int_equal(cretula_submit(c, "status", NULL, &id, &err),
				 0);
	assert_int_equal(cretula_submit(c, "status", NULL, &id, &err),
			 CRETULA_ERR_LIMITED);
	cretula_close(c);
}

/* The first connection ends after a call and half an answer. */
static void dies_once_script(int fd, int n)
{
	struct buf in;
	struct msg m;

	buf_init(&in, 4 << 20);
	if (n == 0 && next(fd, &in, &m))
		say(fd, ITEM, m.id, "n", "half");
	if (n > 0)
		items_script(fd, n);
	buf_wipe(&in);
}

static void a_harmless_call_is_repeated_once(void **state)
{
	struct cretula *c = connected(dies_once_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };

	(void)state;
	if (cretula_call(c, "run", NULL, NULL, &a, &err))
		fail_msg("%s", err.text);
	assert_int_equal(cretula_answer_count(a), 2);
	cretula_answer_free(a);
	cretula_close(c);
}

static void a_call_that_changes_things_is_not_repeated(void **state)
{
	struct cretula *c = connected(dies_once_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };

	(void)state;
	assert_int_equal(cretula_call(c, "grant.add", NULL, NULL, &a, &err),
			 CRETULA_ERR_UNAVAILABLE);
	assert_int_equal(cretula_call(c, "grant.add", NULL, NULL, &a, &err), 0);
	cretula_answer_free(a);
	cretula_close(c);
}

static void dies_always_script(int fd, int n)
{
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	(void)next(fd, &in, &m);
	buf_wipe(&in);
}

static void it_is_not_repeated_twice(void **state)
{
	struct cretula *c = connected(dies_always_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };

	(void)state;
	assert_int_equal(cretula_call(c, "run", NULL, NULL, &a, &err),
			 CRETULA_ERR_UNAVAILABLE);
	cretula_close(c);
}

static void silent_script(int fd, int n)
{
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	while (next(fd, &in, &m))
		;
	buf_wipe(&in);
}

static void no_answer_in_time_is_a_timeout(void **state)
{
	struct cretula *c = connected(silent_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err;

	(void)state;
	cretula_timeout(c, 20);
	assert_int_equal(cretula_call(c, "run", NULL, NULL, &a, &err),
			 CRETULA_ERR_TIMEOUT);
	assert_int_equal(err.reached, 1);
	cretula_close(c);
}

static void garbage_script(int fd, int n)
{
	(void)n;
	(void)send(fd, "\xff\xff\xff\xff garbage", 12, MSG_NOSIGNAL);
	silent_script(fd, n);
}

static void garbage_is_an_error_not_a_crash(void **state)
{
	struct cretula *c = connected(garbage_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err;

	(void)state;
	assert_int_equal(cretula_call(c, "seal", NULL, NULL, &a, &err),
			 CRETULA_ERR_INTERNAL);
	cretula_close(c);
}

static void refuses_script(int fd, int n)
{
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	(void)next(fd, &in, &m);
	say(fd, ERROR, CLIENT_NO_ID, "error", "limited");
	buf_wipe(&in);
}

static void an_error_about_the_connection_ends_every_call(void **state)
{
	struct cretula *c = connected(refuses_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	uint32_t one, two;

	(void)state;
	assert_int_equal(cretula_submit(c, "run", NULL, &one, &err), 0);
	assert_int_equal(cretula_submit(c, "run", NULL, &two, &err), 0);
	assert_int_equal(cretula_wait(c, two, &a, &err), CRETULA_ERR_LIMITED);
	assert_int_equal(cretula_wait(c, one, &a, &err), CRETULA_ERR_LIMITED);
	cretula_close(c);
}

static void another_protocol_is_unsupported(void **state)
{
	struct cretula_error err;
	struct cretula *c = NULL;

	(void)state;
	d.low = 2;
	d.high = 3;
	d.script = items_script;
	assert_int_equal(pthread_create(&d.thread, NULL, serve, NULL), 0);
	assert_int_equal(cretula_open(d.path, &c, &err),
			 CRETULA_ERR_UNSUPPORTED);
	assert_null(c);
}

static void nobody_there_is_not_reached(void **state)
{
	struct cretula_error err;
	struct cretula *c = NULL;
	char path[300];

	(void)state;
	assert_int_equal(cretula_open("/tmp/cretula-none/api.sock", &c, &err),
			 CRETULA_ERR_UNAVAILABLE);
	assert_int_equal(err.reached, 0);
	assert_int_equal(cretula_open("http://example.com", &c, &err),
			 CRETULA_ERR_UNSUPPORTED);
	memset(path, 'x', sizeof path);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	assert_int_equal(cretula_open(path, &c, &err), CRETULA_ERR_UNAVAILABLE);
}

static void a_path_too_long_for_an_address_works(void **state)
{
	struct cretula_error err = { 0 };
	struct cretula *c = connected(items_script), *other = NULL;
	char dots[201] = "", path[300];

	(void)state;
	cretula_close(c);
	for (size_t i = 0; i + 1 < sizeof dots; i += 2)
		memcpy(dots + i, "/.", 2);
	dots[sizeof dots - 1] = '\0';
	snprintf(path, sizeof path, "unix://%s%s/api.sock", d.folder, dots);
	if (cretula_open(path, &other, &err))
		fail_msg("%s", err.text);
	cretula_close(other);
}

static void a_forked_child_connects_anew(void **state)
{
	struct cretula *c = connected(items_script);
	struct cretula_answer *a = NULL;
	int status = 0;
	pid_t pid;

	(void)state;
	/* The script serves one connection after the other. */
	pid = fork();
	if (pid == 0) {
		int before = c->fd;

		alarm(20);
		shutdown(before, SHUT_RDWR);
		_exit(cretula_call(c, "status", NULL, NULL, &a, NULL) == 0 &&
				      c->pid == getpid()
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	cretula_close(c);
}

/* Opens the box of the first call with a new key: conflict; then tells what was in
 * the second's. */
static void box_script(int fd, int n)
{
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	while (next(fd, &in, &m)) {
		struct attr box;
		struct attrs list;

		attrs_init_secret(&list);
		ENSURE(attr_find(m.attrs, "box", &box));
		if (box_open(d.keys, box.value, box.len, &list, NULL) == OK)
			ENSURE(chan_put1(fd, REPLY, m.id, attrs_view(&list)) ==
			       OK);
		else {
			write_pub();
			say(fd, ERROR, m.id, "error", "conflict");
		}
		attrs_wipe(&list);
	}
	buf_wipe(&in);
}

static void a_box_for_an_old_key_is_sealed_anew(void **state)
{
	struct cretula *c = connected(box_script);
	struct cretula_list *box = cretula_list_new_secret();
	struct cretula_answer *a = NULL;
	struct cretula_error err = { 0 };
	struct cretula_item item;

	(void)state;
	box_keys_drop(&d.keys);
	d.keys = box_keys_random();
	assert_int_equal(cretula_list_add_str(box, "secret", "tell nobody"), 0);
	if (cretula_call(c, "unseal", NULL, box, &a, &err))
		fail_msg("%s", err.text);
	assert_true(
		cretula_list_find(cretula_answer_reply(a), "secret", &item));
	assert_memory_equal(item.value, "tell nobody", item.len);
	cretula_answer_free(a);
	cretula_list_free(box);
	cretula_close(c);
}

/* Replies with the request's own attributes, and something to add. */
static void sign_script(int fd, int n)
{
	struct buf in;
	struct msg m;

	(void)n;
	buf_init(&in, 4 << 20);
	while (next(fd, &in, &m)) {
		struct attrs out;
		struct attr_view list;
		struct attr request, op, a;

		attrs_init(&out);
		ENSURE(attr_find(m.attrs, "request", &request));
		ENSURE(attr_find(m.attrs, "op", &op));
		ENSURE(attr_parse(request.value, request.len, &list, NULL) ==
		       OK);
		while (attr_next(&list, &a))
			if (!attr_named(&a, "header") &&
			    !attr_named(&a, "target"))
				ENSURE(attrs_add_attr(&out, &a) == OK);
		if (attr_is(&op, "presign"))
			ENSURE(attrs_add_str(&out, "query", "s=1") == OK);
		else
			ENSURE(attrs_add_str(&out, "header", "Sig: 1") == OK);
		ENSURE(chan_put1(fd, REPLY, m.id, attrs_view(&out)) == OK);
		attrs_wipe(&out);
	}
	buf_wipe(&in);
}

static void text_is(struct cretula_signed *s, enum cretula_form form,
		    const char *expected)
{
	struct cretula_error err = { 0 };
	struct cretula_text t;

	if (cretula_signed_get(s, form, &t, &err))
		assert_string_equal(err.text, expected);
	else
		assert_string_equal(t.p, expected);
}

static void signs_text_and_puts_it_together(void **state)
{
	static const char text[] = "PUT /k HTTP/1.1\r\nHost: h\r\n\r\nbody";
	struct cretula *c = connected(sign_script);
	struct cretula_signed *s = NULL;
	struct cretula_error err = { 0 };
	struct cretula_item item;

	(void)state;
	if (cretula_sign_http(c, "prod", NULL, text, strlen(text), &s, &err))
		fail_msg("%s", err.text);
	text_is(s, CRETULA_SIGNED_REQUEST,
		"PUT /k HTTP/1.1\r\nHost: h\r\nSig: 1\r\n\r\nbody");
	text_is(s, CRETULA_SIGNED_HEADERS, "Sig: 1\n");
	text_is(s, CRETULA_SIGNED_URL,
		"nothing was added to the URL: ask for it with op=presign");
	assert_true(cretula_list_find(cretula_signed_reply(s), "body", &item));
	assert_int_equal(item.len, 4);
	cretula_signed_free(s);
	cretula_close(c);
}

static void options_travel_under_their_names(void **state)
{
	static const char *const given[][2] = {
		{ "op", "presign" },  { "expires", "15m" },
		{ "body", "ignore" }, { "target", "raw" },
		{ "scheme", "http" }, { "region", "eu-west-1" },
	};
	struct cretula *c = connected(sign_script);
	struct cretula_list *o = cretula_list_new();
	static const char *const headers[] = { "Host: h", NULL };
	struct cretula_request r = { .method = "GET",
				     .target = "/a b",
				     .header = headers };
	struct cretula_signed *s = NULL;
	struct cretula_error err = { 0 };
	struct cretula_item item;

	(void)state;
	for (size_t i = 0; i < NELEM(given); i++)
		assert_int_equal(
			cretula_list_add_str(o, given[i][0], given[i][1]), 0);
	if (cretula_sign_request(c, "prod", o, &r, &s, &err))
		fail_msg("%s", err.text);
	text_is(s, CRETULA_SIGNED_URL, "http://h/a%20b?s=1");
	text_is(s, CRETULA_SIGNED_TARGET, "/a b?s=1");
	assert_true(
		cretula_list_find(cretula_signed_reply(s), "expires", &item));
	assert_memory_equal(item.value, "900", 3);
	assert_true(
		cretula_list_find(cretula_signed_reply(s), "body_mode", &item));
	assert_true(cretula_list_find(cretula_signed_reply(s), "target_mode",
				      &item));
	assert_false(
		cretula_list_find(cretula_signed_reply(s), "scheme", &item));
	cretula_signed_free(s);
	cretula_list_free(o);
	cretula_close(c);
}

static void wrong_options_are_refused_before_credd_is_asked(void **state)
{
	static const char *const bad[][2] = {
		{ "expires", "soon" },  { "body", "maybe" },
		{ "target", "cooked" }, { "scheme", "ftp" },
		{ "method", "PUT" },    { "body_sha256", "00" },
		{ "op", "" },
	};
	static const char text[] = "GET / HTTP/1.1\n";
	struct cretula *c = connected(silent_script);
	struct cretula_signed *s = NULL;

	(void)state;
	cretula_timeout(c, 1000);
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct cretula_list *o = cretula_list_new();

		assert_int_equal(cretula_list_add_str(o, bad[i][0], bad[i][1]),
				 0);
		assert_int_equal(cretula_sign_http(c, "p", o, text,
						   strlen(text), &s, NULL),
				 CRETULA_ERR_INVALID);
		cretula_list_free(o);
	}
	cretula_close(c);
}

/* Which of body= and body_sha256= credd gets for size bytes of that type. */
static const char *sent_as(struct cretula *c, const char *type, size_t size)
{
	const char *header[] = { "Host: h", type, NULL };
	uint8_t *body = xcalloc(1, size);
	struct cretula_request r = { .method = "POST",
				     .target = "/",
				     .header = header,
				     .body = body,
				     .body_len = size };
	struct cretula_signed *s = NULL;
	struct cretula_error err = { 0 };
	struct cretula_item item;
	const char *name;

	if (cretula_sign_request(c, "p", NULL, &r, &s, &err))
		fail_msg("%s", err.text);
	name = cretula_list_find(cretula_signed_reply(s), "body", &item)
		       ? "body"
	       : cretula_list_find(cretula_signed_reply(s), "body_sha256",
				   &item)
		       ? "body_sha256"
		       : "neither";
	cretula_signed_free(s);
	free(body);
	return name;
}

static void large_bodies_stay_here_forms_travel(void **state)
{
	static const char plain[] = "Content-Type: text/plain";
	static const char form[] = "Content-Type: "
				   "application/x-www-form-urlencoded; a=b";
	struct cretula *c = connected(sign_script);

	(void)state;
	assert_string_equal(sent_as(c, plain, 0), "neither");
	assert_string_equal(sent_as(c, plain, CLIENT_BODY_SENT_MAX), "body");
	assert_string_equal(sent_as(c, plain, CLIENT_BODY_SENT_MAX + 1),
			    "body_sha256");
	assert_string_equal(sent_as(c, form, CLIENT_FORM_SENT_MAX), "body");
	assert_string_equal(sent_as(c, form, CLIENT_FORM_SENT_MAX + 1),
			    "body_sha256");
	cretula_close(c);
}

static void a_body_of_another_length_is_refused(void **state)
{
	static const char text[] = "PUT / HTTP/1.1\nContent-Length: 3\n\nfour";
	struct cretula *c = connected(silent_script);
	struct cretula_signed *s = NULL;
	struct cretula_error err;

	(void)state;
	assert_int_equal(
		cretula_sign_http(c, "p", NULL, text, strlen(text), &s, &err),
		CRETULA_ERR_INVALID);
	assert_string_equal(err.text, "the Content-Length header says 3 bytes, "
				      "the body has 4");
	cretula_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(a_call_gets_its_items_and_reply),
		WITH_DAEMON(an_error_keeps_its_sentence_and_id),
		WITH_DAEMON(answers_come_in_any_order),
		WITH_DAEMON(too_many_in_flight_are_refused),
		WITH_DAEMON(a_harmless_call_is_repeated_once),
		WITH_DAEMON(a_call_that_changes_things_is_not_repeated),
		WITH_DAEMON(it_is_not_repeated_twice),
		WITH_DAEMON(no_answer_in_time_is_a_timeout),
		WITH_DAEMON(garbage_is_an_error_not_a_crash),
		WITH_DAEMON(an_error_about_the_connection_ends_every_call),
		WITH_DAEMON(another_protocol_is_unsupported),
		cmocka_unit_test(nobody_there_is_not_reached),
		WITH_DAEMON(a_path_too_long_for_an_address_works),
		WITH_DAEMON(a_forked_child_connects_anew),
		WITH_DAEMON(a_box_for_an_old_key_is_sealed_anew),
		WITH_DAEMON(signs_text_and_puts_it_together),
		WITH_DAEMON(options_travel_under_their_names),
		WITH_DAEMON(wrong_options_are_refused_before_credd_is_asked),
		WITH_DAEMON(large_bodies_stay_here_forms_travel),
		WITH_DAEMON(a_body_of_another_length_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
