/* Benchmark client: one OCSP request again and again over kept connections.
 *	ca_ocsp get|post|nonce ADDRESS CONNS MS FILE
 * FILE: the DER of a request. nonce: it ends with the 16 bytes of a nonce, which are
 * other ones each time, so that each answer is signed for itself. */
#include "lib/clock.h"
#include "lib/enc.h"
#include "lib/num.h"
#include "lib/secret.h"
#include "tests/bench/lib/stage.h"
#include "tests/bench/lib/web.h"

#include <stdio.h>
#include <string.h>

enum {
	DER_MAX = 1024,
	NONCE = 16,
};

static struct {
	char text[4 * DER_MAX];
	size_t len;
	bool nonce;
} request;

static struct span next(void *arg)
{
	static uint64_t count;

	(void)arg;
	count++;
	if (request.nonce)
		memcpy(request.text + request.len - sizeof count, &count,
		       sizeof count);
	return span_of(request.text, request.len);
}

static void get_make(const uint8_t *der, size_t n)
{
	AUTO(buf_wipe) struct buf b = { .max = 2 * DER_MAX };

	ENSURE(enc_base64(der, n, &b) == OK);
	request.len = (size_t)snprintf(
		request.text, sizeof request.text,
		"GET /ocsp/%.*s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		(int)b.len, (const char *)b.p);
}

static void post_make(const uint8_t *der, size_t n)
{
	int head = snprintf(request.text, sizeof request.text,
			    "POST /ocsp HTTP/1.1\r\nHost: localhost\r\n"
			    "Content-Type: application/ocsp-request\r\n"
			    "Content-Length: %zu\r\n\r\n",
			    n);

	memcpy(request.text + head, der, n);
	request.len = (size_t)head + n;
}

static uint64_t number(const char *text, uint64_t max)
{
	uint64_t n;

	if (num_u64(text, strlen(text), max, &n) != OK || !n)
		bench_die("'%s' is not a number", text);
	return n;
}

int main(int argc, char **argv)
{
	struct web_to to = { .host = "localhost" };
	static uint8_t der[DER_MAX];
	struct web_result out;
	size_t n;
	FILE *f;

	if (argc != 6)
		bench_die("usage: ca_ocsp get|post|nonce ADDRESS CONNS MS "
			  "FILE");
	f = fopen(argv[5], "re");
	n = f ? fread(der, 1, sizeof der, f) : 0;
	if (n < NONCE)
		bench_die("'%s' is no request", argv[5]);
	(void)fclose(f);
	if (!strcmp(argv[1], "get"))
		get_make(der, n);
	else
		post_make(der, n);
	if (!strcmp(argv[1], "nonce")) {
		request.nonce = true;
		random_fill(request.text + request.len - NONCE, NONCE);
	}
	to.port = web_port(argv[2]);
	web_run(&to, (unsigned)number(argv[3], WEB_CONNS_MAX),
		number(argv[4], 600000) * CLOCK_MS, next, NULL, &out);
	web_say(&out);
	return 0;
}
