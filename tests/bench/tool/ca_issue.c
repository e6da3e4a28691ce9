/* Benchmark client: certificates asked for over kept connections, by requests that are
 * all made before the clock starts.
 *	ca_issue KIND ADDRESS CONNS MS COUNT [ROOT CERT KEY TYPE NODE]
 * KIND: cretula (mutual TLS, POST /v1/certificates) or cfssl (HTTP, its sign). Each of
 * COUNT requests has a key pair of its own. */
#include "lib/csr.h"
#include "lib/num.h"
#include "lib/pem.h"
#include "lib/signkey.h"
#include "tests/bench/lib/stage.h"
#include "tests/bench/lib/web.h"

#include "lib/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REQUEST_MAX = 4096
};

struct requests {
	struct buf all;
	size_t *at; /* count + 1 offsets in all */
	size_t count, next;
};

static uint64_t number(const char *text, uint64_t max)
{
	uint64_t n;

	if (num_u64(text, strlen(text), max, &n) != OK || !n)
		bench_die("'%s' is not a number of 1 to %llu", text,
			  (unsigned long long)max);
	return n;
}

/* A CSR as PEM with the line ends of a JSON string. */
static void csr_json(struct buf *out)
{
	AUTO(signkey_free) struct signkey *k = NULL;
	AUTO(buf_wipe)
	struct buf der = { .max = CSR_MAX }, pem = { .max = CSR_MAX };
	struct fault f;

	ENSURE(signkey_new(KEY_P256, 0, &k, &f) == OK);
	ENSURE(csr_build(k, "bench", NULL, &der) == OK);
	ENSURE(pem_put("CERTIFICATE REQUEST", span_of(der.p, der.len), &pem) ==
	       OK);
	for (size_t i = 0; i < pem.len; i++)
		ENSURE((pem.p[i] == '\n' ? buf_put(out, "\\n", 2)
					 : buf_put(out, &pem.p[i], 1)) == OK);
}

static void request_add(struct requests *r, const char *kind, char **rest)
{
	AUTO(buf_wipe) struct buf csr = { .max = CSR_MAX };
	char body[REQUEST_MAX], all[REQUEST_MAX + 512];
	bool ours = !strcmp(kind, "cretula");
	int n;

	csr_json(&csr);
	if (ours)
		n = snprintf(body, sizeof body,
			     "{\"type\":\"%s\",\"node\":\"%s\",\"csr\":\"%.*s\""
			     "}",
			     rest[3], rest[4], (int)csr.len,
			     (const char *)csr.p);
	else
		n = snprintf(body, sizeof body,
			     "{\"hostname\":\"n1.example\","
			     "\"certificate_request\":\"%.*s\"}",
			     (int)csr.len, (const char *)csr.p);
	ENSURE(n > 0 && (size_t)n < sizeof body);
	n = snprintf(all, sizeof all,
		     "POST %s HTTP/1.1\r\nHost: localhost\r\n"
		     "Content-Type: application/json\r\n"
		     "Content-Length: %d\r\n\r\n%s",
		     ours ? "/v1/certificates" : "/api/v1/cfssl/sign", n, body);
	ENSURE(n > 0 && buf_put(&r->all, all, (size_t)n) == OK);
	r->at[++r->count] = r->all.len;
}

static struct span next(void *arg)
{
	struct requests *r = arg;
	size_t i = r->next++;

	if (i >= r->count)
		return (struct span){ 0 };
	return span_of(r->all.p + r->at[i], r->at[i + 1] - r->at[i]);
}

int main(int argc, char **argv)
{
	struct web_to to = { .host = "localhost" };
	struct requests r = { 0 };
	struct web_result out;
	uint64_t count;

	if (argc != 6 && argc != 11)
		bench_die("usage: ca_issue KIND ADDRESS CONNS MS COUNT "
			  "[ROOT CERT KEY TYPE NODE]");
	count = number(argv[5], 1000000);
	buf_init(&r.all, count * REQUEST_MAX);
	r.at = xcalloc(count + 1, sizeof *r.at);
	for (uint64_t i = 0; i < count; i++)
		request_add(&r, argv[1], argv + 6);
	to.port = web_port(argv[2]);
	if (argc == 11) {
		to.root = argv[6];
		to.cert = argv[7];
		to.key = argv[8];
	}
	web_run(&to, (unsigned)number(argv[3], WEB_CONNS_MAX),
		number(argv[4], 600000) * CLOCK_MS, next, &r, &out);
	web_say(&out);
	free(r.at);
	buf_wipe(&r.all);
	return 0;
}
