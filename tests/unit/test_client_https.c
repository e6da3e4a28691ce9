/* libcretula by HTTPS against a TLS server of the test's own: a thread that plays a
 * script. */
#include "tests/unit/tls_world.h"

#include "lib/box.h"
#include "lib/enc.h"

#include <poll.h>

static const char EMPTY[] = "{\"items\":[],\"reply\":[]}";

static void check_answer(struct cretula_answer *a)
{
	struct cretula_item item;

	assert_int_equal(cretula_answer_count(a), 2);
	assert_true(cretula_list_find(cretula_answer_item(a, 1), "n", &item));
	assert_memory_equal(item.value, "two", 3);
	assert_true(cretula_list_find(cretula_answer_reply(a), "b", &item));
	assert_int_equal(item.len, 3);
	assert_memory_equal(item.value, "\0\1\2", 3);
	cretula_answer_free(a);
}

/* --- answers */

static void a_call_gets_its_items_and_reply(void **state)
{
	struct cretula *c = connected(replies);
	struct cretula_list *args = cretula_list_new();
	struct cretula_answer *a = NULL;
	struct cretula_error err;

	(void)state;
	assert_int_equal(cretula_list_add(args, "text", "a\"\n", 3), 0);
	assert_int_equal(cretula_list_add(args, "bytes", "\0\1\2", 3), 0);
	for (int i = 0; i < 3; i++) {
		if (cretula_call(c, "status", args, NULL, &a, &err))
			fail_msg("%s", err.text);
		check_answer(a);
	}
	assert_int_equal(g.conns, 1);
	assert_true(asks(request, "status"));
	assert_non_null(strstr(request, "Host: localhost:"));
	assert_non_null(strstr(request, "{\"list\":[[\"text\",\"a\\\"\\n\"],"
					"[\"bytes\",{\"base64\":\"AAEC\"}]]}"));
	cretula_list_free(args);
	cretula_close(c);
}

static size_t cut;
static const char CHUNKED[] =
	"HTTP/1.1 100 Continue\r\n\r\n"
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	"Transfer-Encoding: chunked\r\n\r\n"
	"5;x=y\r\n{\"ite\r\n"
	"1F\r\nms\":[[[\"n\",\"one\"]],[[\"n\",\"two\"]\r\n"
	"35\r\n]],\"reply\":[[\"b\",{\"base64\":\"AAEC\"}],[\"x\",\"0123456\"]]}"
	"\r\n0\r\nTrailer: x\r\n\r\n";

/* Every other connection's answer stops after `cut` bytes, the next one's comes in two
 * pieces with their boundary there. */
static void cut_script(struct peer *p)
{
	while (next_request(p, request)) {
		if (cut)
			(void)send_text(p, CHUNKED, cut);
		if (p->n % 2 == 0)
			return;
		(void)send_text(p, CHUNKED + cut, strlen(CHUNKED) - cut);
	}
}

static void an_answer_may_be_cut_at_every_byte(void **state)
{
	struct cretula_tls tls = files();
	struct cretula_error err;
	int conns = 0;

	(void)state;
	serving(cut_script);
	for (cut = 0; cut < strlen(CHUNKED); cut++) {
		struct cretula_answer *a = NULL;
		struct cretula *c = NULL;

		if (cretula_open_tls(g.url, &tls, &c, &err) ||
		    cretula_call(c, "status", NULL, NULL, &a, &err))
			fail_msg("cut at %zu: %s", cut, err.text);
		check_answer(a);
		conns += 2; /* repeated, as it is harmless */
		assert_int_equal(g.conns, conns);
		cretula_close(c);
	}
}

static void until_the_end(struct peer *p)
{
	static const char head[] = "HTTP/1.0 200 OK\r\n\r\n";

	if (!next_request(p, request))
		return;
	(void)send_text(p, head, strlen(head));
	(void)send_text(p, REPLY, strlen(REPLY));
}

static void an_answer_without_length_ends_with_its_connection(void **state)
{
	struct cretula *c = connected(until_the_end);
	struct cretula_answer *a = NULL;
	struct cretula_error err;

	(void)state;
	for (int i = 0; i < 2; i++) {
		if (cretula_call(c, "seal", NULL, NULL, &a, &err))
			fail_msg("%s", err.text);
		check_answer(a);
	}
	assert_int_equal(g.conns, 2);
	cretula_close(c);
}

static void problems(struct peer *p)
{
	for (int i = 0; next_request(p, request); i++)
		if (i == 0)
			problem(p, 429,
				"{\"type\":\"urn:cretula:error:limited\","
				"\"title\":\"t\",\"detail\":\"too \\u00e4\","
				"\"request_id\":\"0a1b\",\"x\":[1,{\"y\":null}]}");
		else if (i == 1)
			say(p, 503, "application/problem+json",
			    "Retry-After: 7\r\n", "{\"title\":\"not now\"}");
		else if (i == 2)
			say(p, 404, "text/html", "", "<p>no</p>");
		else if (i == 3)
			problem(p, 202,
				"{\"type\":\"urn:cretula:error:pending\"}");
		else
			problem(p, 501,
				"{\"type\":\"urn:cretula:error:unsupported\","
				"\"detail\":\"the call names no verb\"}");
}

static void problems_keep_their_sentence_and_id(void **state)
{
	struct cretula *c = connected(problems);
	struct cretula_error err;

	(void)state;
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_LIMITED);
	assert_string_equal(err.text, "too \xc3\xa4");
	assert_string_equal(err.request_id, "0a1b");
	assert_int_equal(err.reached, 1);
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_UNAVAILABLE);
	assert_string_equal(err.text, "not now");
	assert_int_equal(err.retry_after, 7);
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "has no calls of ours (status 404)"));
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_PENDING);
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "may not be credd's address"));
	assert_int_equal(g.conns, 1);
	cretula_close(c);
}

static const char *garbage;

static void garbage_script(struct peer *p)
{
	if (next_request(p, request))
		(void)send_text(p, garbage, strlen(garbage));
	while (next_request(p, request))
		;
}

static void garbage_is_an_error_not_a_crash(void **state)
{
	static const char *const all[] = {
		"SSH-2.0-x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}}",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		("HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n"
		 "{\"reply\":[[\"N\",\"value\"]]}"),
	};
	struct cretula_error err;
	void *s = NULL;

	(void)state;
	for (size_t i = 0; i < NELEM(all); i++) {
		struct cretula *c;

		garbage = all[i];
		assert_int_equal(world_start(&s), 0);
		c = connected(garbage_script);
		assert_int_not_equal(call(c, "status", &err), 0);
		assert_int_equal(err.reached, 1);
		assert_non_null(strstr(err.text, "is unreadable: "));
		cretula_close(c);
		assert_int_equal(world_stop(&s), 0);
	}
}

/* --- several at once */

/* Reads three before it answers any. */
static void three_first(struct peer *p)
{
	char text[64];

	for (int i = 0; i < 3; i++)
		if (!next_request(p, request))
			return;
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof text,
			 "{\"items\":[],\"reply\":[[\"n\",\"%d\"]]}", i);
		answer(p, text);
	}
	while (next_request(p, request))
		answer(p, EMPTY);
}

static void harmless_calls_go_out_in_a_row(void **state)
{
	struct cretula *c = connected(three_first);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	struct cretula_item item;
	uint32_t id[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			cretula_submit(c, "status", NULL, &id[i], &err), 0);
	for (size_t i = 3; i-- > 0;) {
		if (cretula_wait(c, id[i], &a, &err))
			fail_msg("%s", err.text);
		assert_true(
			cretula_list_find(cretula_answer_reply(a), "n", &item));
		assert_int_equal(item.value[0], '0' + (int)i);
		cretula_answer_free(a);
	}
	assert_int_equal(g.conns, 1);
	cretula_close(c);
}

static _Atomic int came, beside;

/* Nothing may have come behind a call that changes something, nor it behind others that
 * are not answered. */
static void alone_script(struct peer *p)
{
	while (next_request(p, request)) {
		struct pollfd w = { .fd = SSL_get_fd(p->ssl),
				    .events = POLLIN };

		came++;
		if (came == 2 || asks(request, "seal"))
			beside +=
				SSL_has_pending(p->ssl) || poll(&w, 1, 50) > 0;
		answer(p, EMPTY);
	}
}

static void what_changes_something_goes_alone(void **state)
{
	static const char *const verbs[] = { "status", "status", "seal",
					     "status" };
	struct cretula *c = connected(alone_script);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	uint32_t id[NELEM(verbs)];

	(void)state;
	came = 0;
	beside = 0;
	for (size_t i = 0; i < NELEM(verbs); i++)
		assert_int_equal(
			cretula_submit(c, verbs[i], NULL, &id[i], &err), 0);
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (cretula_wait(c, id[i], &a, &err))
			fail_msg("%s", err.text);
		cretula_answer_free(a);
	}
	assert_int_equal(came, NELEM(verbs));
	assert_int_equal(beside, 0);
	cretula_close(c);
}

/* One answer a connection, which says so. */
static void one_each(struct peer *p)
{
	if (next_request(p, request))
		say(p, 200, "application/json", "Connection: close\r\n", EMPTY);
}

static void a_polite_end_loses_nothing(void **state)
{
	static const char *const verbs[] = { "status", "status", "status",
					     "seal", "status" };
	struct cretula *c = connected(one_each);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	uint32_t id[NELEM(verbs)];

	(void)state;
	for (size_t i = 0; i < NELEM(verbs); i++)
		assert_int_equal(
			cretula_submit(c, verbs[i], NULL, &id[i], &err), 0);
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (cretula_wait(c, id[i], &a, &err))
			fail_msg("%zu: %s", i, err.text);
		cretula_answer_free(a);
	}
	assert_int_equal(g.conns, NELEM(verbs));
	cretula_close(c);
}

/* The first connection ends in the middle. */
static void first_ends(struct peer *p)
{
	while (next_request(p, request)) {
		if (p->n == 0)
			return;
		answer(p, EMPTY);
	}
}

static void a_harmless_call_is_repeated_once(void **state)
{
	struct cretula *c = connected(first_ends);
	struct cretula_error err;

	(void)state;
	if (call(c, "credential.list", &err))
		fail_msg("%s", err.text);
	assert_int_equal(g.conns, 2);
	cretula_close(c);
}

static void a_call_that_changes_things_is_not_repeated(void **state)
{
	struct cretula *c = connected(first_ends);
	struct cretula_error err;

	(void)state;
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_UNAVAILABLE);
	assert_non_null(strstr(err.text, "it may or may not have been done"));
	assert_int_equal(g.conns, 1);
	if (call(c, "seal", &err)) /* on a new connection */
		fail_msg("%s", err.text);
	assert_int_equal(g.conns, 2);
	cretula_close(c);
}

static void one_quiet_end(struct peer *p)
{
	if (next_request(p, request))
		answer(p, EMPTY);
}

static void one_that_ended_meanwhile_is_made_anew(void **state)
{
	struct cretula *c = connected(one_quiet_end);
	struct cretula_error err;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct pollfd w = { .events = POLLIN };

		if (call(c, "seal", &err))
			fail_msg("%s", err.text);
		w.fd = cretula_fd(c); /* until its end is there */
		assert_true(w.fd < 0 || poll(&w, 1, 30000) == 1);
	}
	assert_int_equal(g.conns, 3);
	cretula_close(c);
}

static void an_event_loop_gets_its_answers(void **state)
{
	struct cretula *c = connected(replies);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	uint32_t id[40], ready;
	size_t done = 0;

	(void)state;
	for (size_t i = 0; i < NELEM(id); i++)
		assert_int_equal(cretula_submit(c, i % 7 ? "status" : "seal",
						NULL, &id[i], &err),
				 0);
	while (done < NELEM(id)) {
		struct pollfd w = { .fd = cretula_fd(c),
				    .events = cretula_events(c) };

		assert_int_equal(poll(&w, 1, 30000), 1);
		cretula_process(c);
		while (cretula_ready(c, &ready)) {
			assert_int_equal(ready,
					 id[done++]); /* in their order */
			if (cretula_wait(c, ready, &a, &err))
				fail_msg("%s", err.text);
			check_answer(a);
		}
	}
	assert_int_equal(cretula_events(c), POLLIN);
	assert_int_equal(g.conns, 1);
	cretula_close(c);
}

static void silent(struct peer *p)
{
	if (p->n == 0) {
		while (next_request(p, request))
			;
		return;
	}
	replies(p);
}

static void no_answer_in_time_is_a_timeout_and_nothing_waits_behind_it(
	void **state)
{
	struct cretula *c = connected(silent);
	struct cretula_error err;

	(void)state;
	cretula_timeout(c, 50);
	assert_int_equal(call(c, "seal", &err), CRETULA_ERR_TIMEOUT);
	cretula_timeout(c, 30000);
	if (call(c, "seal", &err))
		fail_msg("%s", err.text);
	cretula_close(c);
}

static void hangs_up(struct peer *p)
{
	(void)p;
}

static void a_server_that_hangs_up_is_not_asked_for_ever(void **state)
{
	struct cretula *c = connected(hangs_up);
	struct cretula_error err;

	(void)state;
	cretula_timeout(c, -1);
	assert_int_equal(call(c, "status", &err), CRETULA_ERR_UNAVAILABLE);
	assert_true(g.conns <= 4); /* the first may be seen to be over */
	cretula_close(c);
}

/* --- boxes, descriptors, addresses */

static struct box_keys *keys[2];
static struct buf opened;

static void boxes(struct peer *p)
{
	static const char mark[] = "[\"box\",{\"base64\":\"";
	static int asked;
	char text[256];
	struct buf b;

	buf_init(&b, REQUEST_ROOM);
	for (asked = 0; next_request(p, request);) {
		char *at = strstr(request, mark);
		struct attrs list;

		buf_clear(&b);
		if (asks(request, "transport")) {
			ENSURE(enc_base64(box_public(keys[asked++ > 0]),
					  BOX_KEY, &b) == OK);
			snprintf(
				text, sizeof text,
				"{\"items\":[],\"reply\":[[\"key\",{\"base64\":"
				"\"%.*s\"}]]}",
				(int)b.len, (const char *)b.p);
			answer(p, text);
			continue;
		}
		ENSURE(at);
		at += strlen(mark);
		ENSURE(enc_base64_parse(at, strcspn(at, "\""), &b) == OK);
		attrs_init_secret(&list);
		if (box_open(keys[1], b.p, b.len, &list, NULL) == OK) {
			ENSURE(buf_put(&opened, list.bytes.p, list.bytes.len) ==
			       OK);
			answer(p, EMPTY);
		} else {
			problem(p, 409,
				"{\"type\":\"urn:cretula:error:conflict\"}");
		}
		attrs_wipe(&list);
	}
	buf_wipe(&b);
}

static void a_box_is_sealed_to_the_key_that_the_daemon_tells(void **state)
{
	struct cretula_list *box;
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	struct cretula *c;

	(void)state;
	keys[0] = box_keys_random();
	keys[1] = box_keys_random();
	buf_init(&opened, 4096);
	box = cretula_list_new_secret();
	assert_int_equal(cretula_list_add_str(box, "secret_key", "s3cr3t"), 0);
	c = connected(boxes);
	/* the daemon has another key than it told first */
	if (cretula_call(c, "credential.add", NULL, box, &a, &err))
		fail_msg("%s", err.text);
	cretula_answer_free(a);
	assert_non_null(memmem(opened.p, opened.len, "s3cr3t", 6));
	assert_null(strstr(request, "s3cr3t"));
	cretula_list_free(box);
	cretula_close(c);
	buf_wipe(&opened);
	box_keys_drop(&keys[0]);
	box_keys_drop(&keys[1]);
}

static void descriptors_do_not_travel(void **state)
{
	struct cretula *c = connected(replies);
	struct cretula_answer *a = NULL;
	struct cretula_error err;
	const int fd[1] = { 0 };

	(void)state;
	assert_int_equal(client_call_fds(c, "agent.claim",
					 (struct attr_view){ 0 }, fd, 1, &a,
					 &err),
			 CRETULA_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "takes descriptors"));
	cretula_close(c);
}

static void addresses_are_read_strictly(void **state)
{
	static const char *const bad[] = {
		"https://",        "https://:1",    "https://h:0",
		"https://h:65536", "https://h:",    "https://h:1/x",
		"https://u@h:1",   "https://h:1?x", "https://[::1",
		"https://[::1]x",  "https://h:1:2", "https://h h:1",
		"https://[h]]:1",  "http://h:1",
	};
	static const struct {
		const char *url, *host, *port, *authority;
	} good[] = {
		{ "https://h", "h", "443", "h:443" },
		{ "https://n1.example:8443/", "n1.example", "8443",
		  "n1.example:8443" },
		{ "https://[::1]:8443", "::1", "8443", "[::1]:8443" },
		{ "https://127.0.0.1:1", "127.0.0.1", "1", "127.0.0.1:1" },
	};
	struct cretula_error err;
	struct client_web *w;

	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		assert_int_equal(client_web_new(good[i].url, NULL, &w, &err),
				 0);
		assert_string_equal(w->host, good[i].host);
		assert_string_equal(w->port, good[i].port);
		assert_string_equal(w->authority, good[i].authority);
		client_web_free(w);
	}
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct cretula *c = NULL;
		enum cretula_err e = cretula_open_tls(bad[i], NULL, &c, &err);

		if (e != CRETULA_ERR_INVALID && e != CRETULA_ERR_UNSUPPORTED)
			fail_msg("%s", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_GATE(a_call_gets_its_items_and_reply),
		WITH_GATE(an_answer_may_be_cut_at_every_byte),
		WITH_GATE(an_answer_without_length_ends_with_its_connection),
		WITH_GATE(problems_keep_their_sentence_and_id),
		cmocka_unit_test(garbage_is_an_error_not_a_crash),
		WITH_GATE(harmless_calls_go_out_in_a_row),
		WITH_GATE(what_changes_something_goes_alone),
		WITH_GATE(a_polite_end_loses_nothing),
		WITH_GATE(a_harmless_call_is_repeated_once),
		WITH_GATE(a_call_that_changes_things_is_not_repeated),
		WITH_GATE(one_that_ended_meanwhile_is_made_anew),
		WITH_GATE(an_event_loop_gets_its_answers),
		WITH_GATE(
			no_answer_in_time_is_a_timeout_and_nothing_waits_behind_it),
		WITH_GATE(a_server_that_hangs_up_is_not_asked_for_ever),
		WITH_GATE(a_box_is_sealed_to_the_key_that_the_daemon_tells),
		WITH_GATE(descriptors_do_not_travel),
		cmocka_unit_test(addresses_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
