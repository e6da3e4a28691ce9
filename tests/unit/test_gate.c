/* ca/gate*.c on its plain port: OCSP, CRLs, certificates, and what is refused. */
#include "tests/unit/gate_world.h"

#include "lib/enc.h"
#include "lib/httpdate.h"

#include <sodium.h>
#include <sys/mman.h>

/* What a request looks like does not matter to the gate. */
static const char request[] = "a request about number 7";
static const char answer7[] = "the answer about number 7";

static void post(int fd, const void *p, size_t n)
{
	char head[256];

	(void)snprintf(
		head, sizeof head,
		"POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: "
		"application/ocsp-request\r\nContent-Length: %zu\r\n\r\n",
		n);
	client_text(fd, head);
	client_send(fd, p, n);
}

static void get(int fd, const char *method, const char *path, const char *more)
{
	char text[4096];

	(void)snprintf(text, sizeof text,
		       "%s %s HTTP/1.1\r\nHost: ca\r\n%s\r\n", method, path,
		       more);
	client_text(fd, text);
}

static void ask_is(const struct msg *m, const char *wanted)
{
	struct attr a;

	assert_int_equal(attr_only(m->attrs, "request", &a), OK);
	assert_true(attr_is(&a, wanted));
}

/* An answer that may be kept; refresh_in: seconds from now. */
static void answer_kept(struct world *w, uint64_t id, const char *text,
			int64_t refresh_in, unsigned number)
{
	int64_t now = clock_wall();
	struct attrs a;

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "response", text), OK);
	assert_int_equal(attrs_add_u64(&a, "status", 0), OK);
	assert_int_equal(attrs_add_u64(&a, "this_update", (uint64_t)now - 10),
			 OK);
	assert_int_equal(attrs_add_u64(&a, "next_update", (uint64_t)now + 600),
			 OK);
	assert_int_equal(
		attrs_add_u64(&a, "refresh", (uint64_t)(now + refresh_in)), OK);
	assert_int_equal(attrs_add_u64(&a, "number", number), OK);
	world_put(w, GI_OCSP_ANSWER, id, &a);
	attrs_wipe(&a);
}

static void body_is(const struct answer *r, const char *text)
{
	assert_int_equal(r->len, strlen(text));
	assert_memory_equal(r->body, text, r->len);
}

static void expect(int fd, const char *text)
{
	struct answer r;

	client_answer(fd, &r);
	assert_int_equal(r.status, 200);
	body_is(&r, text);
	answer_wipe(&r);
}

/* Makes the gate keep an answer. */
static void kept(struct world *w, int fd, int64_t refresh_in)
{
	struct msg m;

	post(fd, request, strlen(request));
	m = world_get(w, GI_OCSP);
	ask_is(&m, request);
	answer_kept(w, m.id, answer7, refresh_in, 7);
	expect(fd, answer7);
}

static void an_answer_is_asked_for_once_and_then_kept(void **state)
{
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	kept(&w, fd, 300);
	for (int i = 0; i < 3; i++) {
		post(fd, request, strlen(request));
		expect(fd, answer7);
	}
	/* the same request by GET, in base64 */
	get(fd, "GET", "/ocsp/YSByZXF1ZXN0IGFib3V0IG51bWJlciA3", "");
	expect(fd, answer7);
	get(fd, "GET", "/ocsp//YSByZXF1ZXN0IGFib3V0IG51bWJlciA3", "");
	expect(fd, answer7);
	world_quiet(&w);
	close(fd);
	world_end(&w);
}

static void its_headers_are_exact(void **state)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	char etag[128], hex[65], date[64], text[HTTPDATE_LEN + 1];
	struct answer r;
	struct world w;
	int64_t modified;
	long long age = -1;
	const char *at;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	kept(&w, fd, 300);
	get(fd, "GET", "/ocsp/YSByZXF1ZXN0IGFib3V0IG51bWJlciA3", "");
	client_answer(fd, &r);
	(void)crypto_hash_sha256(hash, (const uint8_t *)answer7,
				 strlen(answer7));
	enc_hex(hash, sizeof hash, hex);
	(void)snprintf(etag, sizeof etag, "ETag: \"%s\"", hex);
	answer_has(&r, etag);
	answer_has(&r, "Content-Type: application/ocsp-response");
	at = strstr(r.head, "Last-Modified: ");
	assert_non_null(at);
	memcpy(text, at + 15, HTTPDATE_LEN);
	text[HTTPDATE_LEN] = 0;
	assert_int_equal(httpdate_parse(text, HTTPDATE_LEN, &modified), OK);
	httpdate_format(modified + 610, text);
	(void)snprintf(date, sizeof date, "Expires: %s", text);
	answer_has(&r, date);
	assert_non_null(strstr(r.head, "\r\nDate: "));
	at = strstr(r.head, "Cache-Control: max-age=");
	assert_non_null(at);
	age = (int64_t)world_number(at + 23);
	assert_true(age > 580 && age < 600);
	assert_non_null(strstr(at, ", public, no-transform, must-revalidate"));
	answer_wipe(&r);
	close(fd);
	world_end(&w);
}

static void who_has_it_gets_304(void **state)
{
	static const char path[] = "/ocsp/YSByZXF1ZXN0IGFib3V0IG51bWJlciA3";
	uint8_t hash[crypto_hash_sha256_BYTES];
	char line[256], hex[65], date[HTTPDATE_LEN + 1];
	struct answer r;
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	kept(&w, fd, 300);
	(void)crypto_hash_sha256(hash, (const uint8_t *)answer7,
				 strlen(answer7));
	enc_hex(hash, sizeof hash, hex);
	(void)snprintf(line, sizeof line, "If-None-Match: \"x\", W/\"%s\"\r\n",
		       hex);
	get(fd, "GET", path, line);
	answer_read(&r, true, client_more, &fd);
	assert_int_equal(r.status, 304);
	assert_non_null(strstr(r.head, "ETag: "));
	answer_wipe(&r);
	httpdate_format(clock_wall(), date);
	(void)snprintf(line, sizeof line, "If-Modified-Since: %s\r\n", date);
	get(fd, "GET", path, line);
	answer_read(&r, true, client_more, &fd);
	assert_int_equal(r.status, 304);
	answer_wipe(&r);
	get(fd, "GET", path, "If-None-Match: \"x\"\r\n");
	expect(fd, answer7);
	get(fd, "HEAD", path, "");
	answer_read(&r, true, client_more, &fd);
	assert_int_equal(r.status, 200);
	answer_has(&r, "Content-Length: 25");
	answer_wipe(&r);
	close(fd);
	world_end(&w);
}

static void a_drop_is_done_when_it_is_answered(void **state)
{
	struct world w;
	struct msg m;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	kept(&w, fd, 300);
	world_put_text(&w, GI_DROP, 5, "number=8 number=7");
	assert_int_equal(world_get(&w, GI_DROPPED).id, 5);
	post(fd, request, strlen(request));
	m = world_get(&w, GI_OCSP);
	answer_kept(&w, m.id, "revoked", 300, 7);
	expect(fd, "revoked");
	world_put(&w, GI_DROP, 6, NULL);
	assert_int_equal(world_get(&w, GI_DROPPED).id, 6);
	post(fd, request, strlen(request));
	m = world_get(&w, GI_OCSP);
	answer_kept(&w, m.id, "again", 300, 7);
	expect(fd, "again");
	close(fd);
	world_end(&w);
}

static void an_answer_that_a_drop_overtook_is_asked_for_again(void **state)
{
	struct world w;
	struct msg m;
	uint64_t id;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	post(fd, request, strlen(request));
	id = world_get(&w, GI_OCSP).id;
	world_put_text(&w, GI_DROP, 5, "number=7");
	assert_int_equal(world_get(&w, GI_DROPPED).id, 5);
	answer_kept(&w, id, "good, long ago", 300, 7);
	m = world_get(&w, GI_OCSP);
	ask_is(&m, request);
	/* a drop of another number overtakes nothing, one of any no error */
	world_put_text(&w, GI_DROP, 6, "number=8");
	answer_kept(&w, m.id, "revoked", 300, 7);
	assert_int_equal(world_get(&w, GI_DROPPED).id, 6);
	expect(fd, "revoked");
	post(fd, "another", 7);
	m = world_get(&w, GI_OCSP);
	world_put(&w, GI_DROP, 7, NULL);
	world_put_text(&w, GI_OCSP_ANSWER, m.id, "response=no status=6");
	assert_int_equal(world_get(&w, GI_DROPPED).id, 7);
	expect(fd, "no");
	close(fd);
	world_end(&w);
}

static void an_old_answer_serves_while_it_is_asked_for_anew(void **state)
{
	struct world w;
	uint64_t id;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	kept(&w, fd, -1);
	/* kept() was answered from memory, and so asked again at once */
	id = world_get(&w, GI_OCSP).id;
	post(fd, request, strlen(request));
	expect(fd, answer7);
	world_quiet(&w); /* once */
	answer_kept(&w, id, "newer", 300, 7);
	world_quiet(&w);
	post(fd, request, strlen(request));
	expect(fd, "newer");
	close(fd);
	world_end(&w);
}

static void all_who_ask_the_same_wait_for_one_answer(void **state)
{
	int fd[50];
	struct world w;
	uint64_t id = 0;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < NELEM(fd); i++) {
		fd[i] = client_open(w.plain);
		post(fd[i], request, strlen(request));
		if (!i)
			id = world_get(&w, GI_OCSP).id;
	}
	close(fd[7]); /* one does not wait for it */
	answer_kept(&w, id, answer7, 300, 7);
	for (size_t i = 0; i < NELEM(fd); i++) {
		if (i == 7)
			continue;
		expect(fd[i], answer7);
		close(fd[i]);
	}
	world_quiet(&w);
	world_end(&w);
}

static void an_answer_without_times_is_for_one(void **state)
{
	struct answer r;
	struct world w;
	struct msg m;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	for (int i = 0; i < 2; i++) {
		post(fd, request, strlen(request));
		m = world_get(&w, GI_OCSP);
		world_put_text(&w, GI_OCSP_ANSWER, m.id,
			       "response=nonce status=0 number=7");
		client_answer(fd, &r);
		body_is(&r, "nonce");
		answer_has(&r, "Cache-Control: no-store");
		answer_wipe(&r);
	}
	close(fd);
	world_end(&w);
}

static void the_issuer_dies_and_clients_are_told_to_come_again(void **state)
{
	static const uint8_t later[] = { 0x30, 3, 0x0a, 1, 3 };
	struct answer r;
	struct world w;
	int fd, other;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	other = client_open(w.plain);
	kept(&w, other, 300);
	post(fd, "another", 7);
	(void)world_get(&w, GI_OCSP);
	fd_close(&w.issuer);
	client_answer(fd, &r);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.len, sizeof later);
	assert_memory_equal(r.body, later, sizeof later);
	answer_has(&r, "Cache-Control: no-store");
	answer_has(&r, "Retry-After: 1");
	answer_wipe(&r);
	/* what is kept still serves, until there is another issuer */
	post(other, request, strlen(request));
	expect(other, answer7);
	world_meet(&w);
	world_quiet(&w);
	kept(&w, other, 300);
	close(fd);
	close(other);
	world_end(&w);
}

static void what_is_no_request_is_malformed(void **state)
{
	static const char *const paths[] = { "/ocsp", "/ocsp/", "/ocsp/%zz",
					     "/ocsp/====", "/ocsp/a\"b" };
	static const uint8_t malformed[] = { 0x30, 3, 0x0a, 1, 1 };
	struct answer r;
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	for (size_t i = 0; i < NELEM(paths); i++) {
		get(fd, "GET", paths[i], "");
		client_answer(fd, &r);
		assert_int_equal(r.status, 200);
		assert_int_equal(r.len, sizeof malformed);
		assert_memory_equal(r.body, malformed, sizeof malformed);
		answer_has(&r, "Cache-Control: no-store");
		answer_wipe(&r);
	}
	close(fd);
	world_end(&w);
}

/* CRLs */

static void crl_put(struct world *w, const char *shard, const void *p, size_t n,
		    unsigned number)
{
	int fd = memfd_create("crl", MFD_CLOEXEC);
	char text[256];
	struct attrs a;

	assert_int_equal(pwrite(fd, p, n, 100), (ssize_t)n);
	(void)snprintf(text, sizeof text,
		       "%s number=%u this_update=784111777 "
		       "next_update=784115377 size=%zu offset=100",
		       shard, number, n);
	world_text(&a, text);
	fd_send(w->issuer, GI_CRL, number, attrs_view(&a), fd);
	attrs_wipe(&a);
	close(fd);
	assert_int_equal(world_get(w, GI_DROPPED).id, number);
}

static void crls_are_served_by_shard_with_their_dates(void **state)
{
	struct answer r;
	struct world w;
	char line[256];
	const char *at;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	crl_put(&w, "", "full", 4, 1);
	crl_put(&w, "shard=3", "third", 5, 2);
	get(fd, "GET", "/crl", "");
	client_answer(fd, &r);
	body_is(&r, "full");
	answer_has(&r, "Content-Type: application/pkix-crl");
	answer_has(&r, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT");
	answer_has(&r, "Expires: Sun, 06 Nov 1994 09:49:37 GMT");
	at = strstr(r.head, "ETag: ");
	assert_non_null(at);
	(void)snprintf(line, sizeof line, "If-None-Match: %.*s\r\n",
		       (int)strcspn(at + 6, "\r"), at + 6);
	answer_wipe(&r);
	get(fd, "GET", "/crl", line);
	answer_read(&r, true, client_more, &fd);
	assert_int_equal(r.status, 304);
	answer_wipe(&r);
	get(fd, "GET", "/crl/3", line);
	expect(fd, "third");
	get(fd, "HEAD", "/crl/3", "");
	answer_read(&r, true, client_more, &fd);
	answer_has(&r, "Content-Length: 5");
	answer_wipe(&r);
	crl_put(&w, "shard=3", "third again", 11, 3);
	get(fd, "GET", "/crl/3", "");
	expect(fd, "third again");
	get(fd, "GET", "/crl/4", "");
	client_answer(fd, &r);
	assert_int_equal(r.status, 404);
	answer_wipe(&r);
	close(fd);
	world_end(&w);
}

enum {
	BIG = 40 << 20
};

/* The shards come first. */
static void a_crl_that_is_not_there_yet_is_unavailable(void **state)
{
	static const char *const paths[] = { "/crl", "/crl/4" };
	struct answer r;
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	crl_put(&w, "shard=3", "third", 5, 1);
	for (size_t i = 0; i < NELEM(paths); i++) {
		get(fd, "GET", paths[i], "");
		client_answer(fd, &r);
		assert_int_equal(r.status, 503);
		answer_has(&r, "Retry-After: 1");
		body_has(&r, "has not been published yet");
		answer_wipe(&r);
	}
	close(fd);
	world_end(&w);
}

static void who_began_to_fetch_a_crl_gets_that_one_whole(void **state)
{
	uint8_t *big = malloc(BIG), *got = malloc(BIG + 4096);
	uint64_t seed = unit_seed();
	size_t n = 0, head;
	struct world w;
	ssize_t some;
	int fd, other;

	(void)state;
	assert_non_null(big);
	assert_non_null(got);
	for (size_t i = 0; i < BIG; i += 8) {
		uint64_t v = unit_next(&seed);

		memcpy(big + i, &v, sizeof v);
	}
	world_start(&w);
	crl_put(&w, "", big, BIG, 1);
	fd = client_open(w.plain);
	get(fd, "GET", "/crl", "Connection: close\r\n");
	assert_true(recv(fd, got, 1, MSG_PEEK) == 1);
	crl_put(&w, "", "short", 5, 2);
	other = client_open(w.plain);
	get(other, "GET", "/crl", "");
	expect(other, "short");
	while ((some = recv(fd, got + n, BIG + 4096 - n, 0)) > 0)
		n += (size_t)some;
	head = (size_t)((uint8_t *)memmem(got, n, "\r\n\r\n", 4) - got) + 4;
	assert_int_equal(n - head, BIG);
	assert_memory_equal(got + head, big, BIG);
	close(fd);
	close(other);
	world_end(&w);
	free(big);
	free(got);
}

/* Pages and refusals */

static void certificates_come_in_both_forms(void **state)
{
	struct answer r;
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	fd = client_open(w.plain);
	get(fd, "GET", "/root.pem", "");
	client_answer(fd, &r);
	assert_int_equal(r.status, 503);
	body_has(&r, "cretula ca init");
	answer_wipe(&r);
	world_put_text(&w, GI_CHAIN, 0, "issuer=issuing root=rooting");
	(void)world_get(&w, GI_TLS);
	get(fd, "GET", "/root.der", "");
	expect(fd, "rooting");
	get(fd, "GET", "/issuer.pem", "");
	expect(fd, "-----BEGIN CERTIFICATE-----\naXNzdWluZw==\n"
		   "-----END CERTIFICATE-----\n");
	close(fd);
	world_end(&w);
}

static const struct {
	const char *text;
	unsigned status;
	const char *line, *words;
} refusals[] = {
	{ "GET /nothing HTTP/1.1\r\nHost: ca\r\n\r\n", 404, NULL, "not_found" },
	{ "GET /v1/ca HTTP/1.1\r\nHost: ca\r\n\r\n", 404, NULL, "not_found" },
	{ "GET /metrics HTTP/1.1\r\nHost: ca\r\n\r\n", 404, NULL, "not_found" },
	{ "PUT /ocsp HTTP/1.1\r\nHost: ca\r\n\r\n", 405,
	  "Allow: GET, HEAD, POST", "unsupported" },
	{ "POST /crl HTTP/1.1\r\nHost: ca\r\n\r\n", 405, "Allow: GET, HEAD",
	  "unsupported" },
	{ "POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: text/html\r\n"
	  "Content-Length: 1\r\n\r\nx",
	  415, NULL, "application/ocsp-request" },
	{ "POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: "
	  "application/ocsp-request\r\nContent-Length: 8193\r\n\r\n",
	  413, NULL, "too_large" },
	{ "GET /crl HTTP/1.1\r\nHost: ca\r\nContent-Length: 3\r\n\r\nabc", 400,
	  NULL, "invalid" },
};

static void refusals_say_why(void **state)
{
	struct answer r;
	struct world w;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < NELEM(refusals); i++) {
		int fd = client_open(w.plain);

		client_text(fd, refusals[i].text);
		client_answer(fd, &r);
		assert_int_equal(r.status, refusals[i].status);
		answer_has(&r, "Content-Type: application/problem+json");
		body_has(&r, refusals[i].words);
		body_has(&r, "\"request_id\":\"");
		if (refusals[i].line)
			answer_has(&r, refusals[i].line);
		answer_wipe(&r);
		close(fd);
	}
	world_end(&w);
}

/* All of a body is under way when its head is refused: its sender still reads why. */
static void who_is_refused_while_sending_reads_why(void **state)
{
	static const char head[] =
		"POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: "
		"application/ocsp-request\r\nContent-Length: 2000000\r\n\r\n";
	uint8_t *body = calloc(1, 2000000);
	struct answer r;
	struct world w;

	(void)state;
	assert_non_null(body);
	world_start(&w);
	for (int i = 0; i < 50; i++) {
		int fd = client_open(w.plain);

		client_text(fd, head);
		for (size_t n = 0; n < 2000000; n += 100000)
			client_send(fd, body + n, 100000);
		client_answer(fd, &r);
		assert_int_equal(r.status, 413);
		answer_wipe(&r);
		close(fd);
	}
	world_end(&w);
	free(body);
}

/* A body in pieces without a length: it is told when it ends. */
static void a_chunked_body_over_its_limit_is_refused(void **state)
{
	char chunk[1032];
	struct answer r;
	struct world w;
	int fd;

	(void)state;
	memcpy(chunk, "400\r\n", 5);
	memset(chunk + 5, 'x', 1024);
	memcpy(chunk + 1029, "\r\n", 3);
	world_start(&w);
	fd = client_open(w.plain);
	client_text(fd, "POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: "
			"application/ocsp-request\r\n"
			"Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 9; i++)
		client_text(fd, chunk);
	client_text(fd, "0\r\n\r\n");
	client_answer(fd, &r);
	assert_int_equal(r.status, 413);
	answer_wipe(&r);
	close(fd);
	world_end(&w);
}

/* What two readers may find different ends of is the last of its connection, so that
 * what follows is nobody's request. */
static void where_a_request_ends_is_beyond_doubt(void **state)
{
	static const char *const doubtful[] = {
		"Content-Length: 3\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: chunked\r\nContent-Length: 3",
		"Content-Length: 3\r\nContent-Length: 40",
		"Content-Length: 40\r\nContent-Length: 3",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
		"Transfer-Encoding: gzip, chunked",
		"Transfer-Encoding: identity",
		"Content-Length : 3",
		"Content-Length\t: 3",
		"Content-Length: 3\r\nTransfer-Encoding : chunked",
		"Content-Length: 3\r\nX: y\rTransfer-Encoding: chunked",
		"Content-Length:\r\n 3",
		"Transfer-Encoding:\r\n chunked",
	};
	char text[512];
	struct answer r;
	struct world w;
	int fd;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < NELEM(doubtful); i++) {
		(void)snprintf(text, sizeof text,
			       "POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-"
			       "Type: application/ocsp-request\r\n%s\r\n\r\n"
			       "3\r\nabc\r\n0\r\n\r\n"
			       "GET /healthz HTTP/1.1\r\nHost: ca\r\n\r\n",
			       doubtful[i]);
		fd = client_open(w.plain);
		client_text(fd, text);
		client_answer(fd, &r);
		assert_int_equal(r.status, 400);
		answer_has(&r, "Connection: close");
		answer_wipe(&r);
		assert_int_equal(recv(fd, text, sizeof text, 0), 0);
		close(fd);
	}
	world_end(&w);
}

static void garbage_ends_its_own_connection_only(void **state)
{
	uint64_t seed = unit_seed();
	struct world w;
	int good;

	(void)state;
	world_start(&w);
	good = client_open(w.plain);
	kept(&w, good, 300);
	for (int i = 0; i < 300; i++) {
		int fd = client_open(i % 2 ? w.plain : w.tls);
		uint8_t p[600];
		size_t n = unit_next(&seed) % sizeof p;

		for (size_t k = 0; k < n; k++)
			p[k] = (uint8_t)unit_next(&seed);
		(void)send(fd, p, n, MSG_NOSIGNAL);
		if (i % 3 == 0)
			(void)send(fd, "\r\n\r\n", 4, MSG_NOSIGNAL);
		close(fd);
		post(good, request, strlen(request));
		expect(good, answer7);
	}
	close(good);
	world_end(&w);
}

/* Every prefix of a request: cut, then the connection ends. */
static void a_request_cut_short_is_nobodys_harm(void **state)
{
	static const char whole[] =
		"POST /ocsp HTTP/1.1\r\nHost: ca\r\nContent-Type: "
		"application/ocsp-request\r\nContent-Length: 5\r\n\r\nabcd";
	struct world w;
	int good;

	(void)state;
	world_start(&w);
	good = client_open(w.plain);
	kept(&w, good, 300);
	for (size_t n = 0; n < sizeof whole; n++) {
		int fd = client_open(w.plain);

		client_send(fd, whole, n);
		close(fd);
	}
	post(good, request, strlen(request));
	expect(good, answer7);
	world_quiet(&w);
	close(good);
	world_end(&w);
}

static void a_thousand_idle_and_half_sent_disturb_nobody(void **state)
{
	static int fd[400];
	struct world w;
	int good;

	(void)state;
	world_start(&w);
	for (size_t i = 0; i < NELEM(fd); i++) {
		fd[i] = client_open(i % 4 ? w.plain : w.tls);
		if (i % 2)
			client_text(fd[i], "GET /ocsp/abc HTTP/1.1\r\nHo");
	}
	good = client_open(w.plain);
	kept(&w, good, 300);
	for (size_t i = 0; i < NELEM(fd); i++)
		close(fd[i]);
	post(good, request, strlen(request));
	expect(good, answer7);
	close(good);
	world_end(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_asked_for_once_and_then_kept),
		cmocka_unit_test(its_headers_are_exact),
		cmocka_unit_test(who_has_it_gets_304),
		cmocka_unit_test(a_drop_is_done_when_it_is_answered),
		cmocka_unit_test(
			an_answer_that_a_drop_overtook_is_asked_for_again),
		cmocka_unit_test(
			an_old_answer_serves_while_it_is_asked_for_anew),
		cmocka_unit_test(all_who_ask_the_same_wait_for_one_answer),
		cmocka_unit_test(an_answer_without_times_is_for_one),
		cmocka_unit_test(
			the_issuer_dies_and_clients_are_told_to_come_again),
		cmocka_unit_test(what_is_no_request_is_malformed),
		cmocka_unit_test(crls_are_served_by_shard_with_their_dates),
		cmocka_unit_test(a_crl_that_is_not_there_yet_is_unavailable),
		cmocka_unit_test(who_began_to_fetch_a_crl_gets_that_one_whole),
		cmocka_unit_test(certificates_come_in_both_forms),
		cmocka_unit_test(refusals_say_why),
		cmocka_unit_test(who_is_refused_while_sending_reads_why),
		cmocka_unit_test(a_chunked_body_over_its_limit_is_refused),
		cmocka_unit_test(where_a_request_ends_is_beyond_doubt),
		cmocka_unit_test(garbage_ends_its_own_connection_only),
		cmocka_unit_test(a_request_cut_short_is_nobodys_harm),
		cmocka_unit_test(a_thousand_idle_and_half_sent_disturb_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
