/* Benchmark client: one request to be signed, again and again over kept connections.
 *	gate_sign native|http PATH CONNS MS CREDENTIAL
 *	gate_sign tls ADDRESS CONNS MS CREDENTIAL ROOT IDENTITY
 * The request is the same for all three; one of a connection is in flight. */
#include "lib/clock.h"
#include "lib/num.h"
#include "tests/bench/lib/load.h"
#include "tests/bench/lib/stage.h"
#include "tests/bench/lib/web.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REQUEST_MAX = 8192
};

static struct {
	char text[REQUEST_MAX];
	size_t len;
} request;

static struct span next(void *arg)
{
	(void)arg;
	return span_of(request.text, request.len);
}

static uint64_t number(const char *text, uint64_t max)
{
	uint64_t n;

	if (num_u64(text, strlen(text), max, &n) != OK || !n)
		bench_die("'%s' is not a number", text);
	return n;
}

/* The attributes as the body has them: header= is an array. */
static char *body_make(void)
{
	json_t *body = json_object(), *headers = json_array();
	struct attr_view it;
	struct attrs list;
	struct attr a;
	char *text;

	bench_request(&list);
	it = attrs_view(&list);
	while (attr_next(&it, &a)) {
		json_t *v = json_stringn((const char *)a.value, a.len);

		if (a.name_len == 6 && !memcmp(a.name, "header", 6))
			ENSURE(!json_array_append_new(headers, v));
		else
			ENSURE(!json_object_setn_new(body, a.name, a.name_len,
						     v));
	}
	ENSURE(!json_object_set_new(body, "header", headers));
	text = json_dumps(body, JSON_COMPACT);
	ENSURE(text != NULL);
	json_decref(body);
	attrs_wipe(&list);
	return text;
}

static void request_make(const char *credential)
{
	char *body = body_make();
	int n = snprintf(request.text, sizeof request.text,
			 "POST /v1/modules/aws-sigv4/operations/sign/%s "
			 "HTTP/1.1\r\nHost: localhost\r\n"
			 "Content-Type: application/json\r\n"
			 "Content-Length: %zu\r\n\r\n%s",
			 credential, strlen(body), body);

	ENSURE(n > 0 && (size_t)n < sizeof request.text);
	request.len = (size_t)n;
	free(body);
}

static void native(char *path, unsigned conns, uint64_t ns,
		   const char *credential)
{
	struct web_result out = { 0 };
	struct load_round r;
	struct attrs call;
	struct load *l;

	bench_call(credential, &call);
	l = load_new(conns, 1, attrs_view(&call), bench_connect, path);
	r = load_run(l, ns);
	out.ns = ns;
	out.answers = (uint64_t)(r.per_second * (double)ns / 1e9);
	out.p50_us = r.median_us;
	out.p99_us = r.p99_us;
	out.bytes = load_reply_bytes(l);
	web_say(&out);
	load_free(l);
	attrs_wipe(&call);
}

int main(int argc, char **argv)
{
	struct web_to to = { .host = "localhost" };
	struct web_result out;
	bool tls = argc == 8 && !strcmp(argv[1], "tls");
	unsigned conns;
	uint64_t ns;

	if (argc != 6 && !tls)
		bench_die("usage: gate_sign native|http|tls WHERE CONNS MS "
			  "CREDENTIAL [ROOT IDENTITY]");
	ns = number(argv[4], 600000) * CLOCK_MS;
	conns = (unsigned)number(argv[3], LOAD_CONNS_MAX);
	if (!strcmp(argv[1], "native")) {
		native(argv[2], conns, ns, argv[5]);
		return 0;
	}
	request_make(argv[5]);
	if (tls) {
		to.port = web_port(argv[2]);
		to.root = argv[6];
		to.cert = to.key = argv[7];
	} else {
		to.path = argv[2];
	}
	web_run(&to, conns, ns, next, NULL, &out);
	web_say(&out);
	return 0;
}
