/* A gate of the test's own for libcretula: two CAs, certificates by them as files, and a
 * thread that plays a script over each TLS connection. */
#ifndef TESTS_TLS_WORLD_H
#define TESTS_TLS_WORLD_H

#include "lib/client_web.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	REQUEST_ROOM = 4 << 20,
	PATH_ROOM = 96,
};

/* One connection of a client's. */
struct peer {
	SSL *ssl;
	int n;       /* which one, from 0 */
	char cn[64]; /* of its certificate; "" if it showed none */
};

static struct {
	char folder[40];
	char url[64];
	EVP_PKEY *root_key, *other_key;
	X509 *root, *other, *server;
	EVP_PKEY *server_key;
	int listener;
	pthread_t thread;
	bool running;
	X509 *believes; /* clients have to be by it; NULL: whoever */
	int only;       /* version of TLS; 0: any */
	void (*script)(struct peer *p);
	_Atomic int current, conns;
} g;

static inline const char *path_of(const char *name)
{
	static char path[4][PATH_ROOM];
	static unsigned at;
	char *p = path[at++ % NELEM(path)];

	snprintf(p, PATH_ROOM, "%s/%s", g.folder, name);
	return p;
}

static inline void extend(X509 *x, X509 *by, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, by, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ENSURE(e && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

/* By a CA, or by itself (by NULL); valid for `seconds` from an hour ago. */
static inline X509 *certificate(const char *cn, const char *san, EVP_PKEY *key,
				X509 *by, EVP_PKEY *by_key, long seconds)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	ENSURE(X509_set_version(x, 2));
	ENSURE(ASN1_INTEGER_set(X509_get_serialNumber(x), serial++));
	ENSURE(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const uint8_t *)cn, -1, -1, 0));
	ENSURE(X509_set_issuer_name(x, by ? X509_get_subject_name(by) : name));
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), seconds);
	ENSURE(X509_set_pubkey(x, key));
	extend(x, by ? by : x, NID_basic_constraints,
	       by ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (san)
		extend(x, by, NID_subject_alt_name, san);
	ENSURE(X509_sign(x, by_key, EVP_sha256()) > 0);
	return x;
}

static inline void write_pem(const char *name, EVP_PKEY *key, X509 *one,
			     X509 *two)
{
	FILE *f = fopen(path_of(name), "w");

	ENSURE(f);
	if (key)
		ENSURE(PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL,
						 NULL));
	ENSURE(!one || PEM_write_X509(f, one));
	ENSURE(!two || PEM_write_X509(f, two));
	fclose(f);
}

/* A client's identity in that file. */
static inline void write_client(const char *name, const char *cn, X509 *by,
				EVP_PKEY *by_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = certificate(cn, NULL, key, by, by_key, 3600);

	write_pem(name, key, x, by);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline void server_named(const char *san, X509 *by, EVP_PKEY *by_key,
				long seconds)
{
	X509_free(g.server);
	g.server =
		certificate("server", san, g.server_key, by, by_key, seconds);
}

/* --- the script's side */

static inline bool send_text(struct peer *p, const char *text, size_t n)
{
	return SSL_write(p->ssl, text, (int)n) == (int)n;
}

static inline void say(struct peer *p, unsigned status, const char *type,
		       const char *more, const char *body)
{
	char *text = NULL;
	int n = asprintf(&text,
			 "HTTP/1.1 %u X\r\nContent-Type: %s\r\n%s"
			 "Content-Length: %zu\r\n\r\n%s",
			 status, type, more, strlen(body), body);

	ENSURE(n > 0);
	(void)send_text(p, text, (size_t)n);
	free(text);
}

static inline void answer(struct peer *p, const char *json)
{
	say(p, 200, "application/json", "", json);
}

static inline void problem(struct peer *p, unsigned status, const char *json)
{
	say(p, status, "application/problem+json", "", json);
}

/* The next request, whole, with a NUL behind it; false at the end. */
static inline bool next_request(struct peer *p, char *text)
{
	static const char length[] = "Content-Length: ";
	size_t n = 0, need = REQUEST_ROOM;

	while (n < need) {
		char *end, *at;
		uint64_t body;
		int k = SSL_read(p->ssl, text + n, 1);

		if (k <= 0)
			return false;
		n += (size_t)k;
		text[n] = '\0';
		if (need != REQUEST_ROOM || !(end = strstr(text, "\r\n\r\n")))
			continue;
		at = strstr(text, length);
		ENSURE(at);
		at += sizeof length - 1;
		ENSURE(num_u64(at, strcspn(at, "\r"), REQUEST_ROOM / 2,
			       &body) == OK);
		need = (size_t)(end - text) + 4 + (size_t)body;
	}
	return true;
}

static inline bool asks(const char *request, const char *verb)
{
	char line[96];

	snprintf(line, sizeof line, "POST /v1/verbs/%s HTTP/1.1\r\n", verb);
	return !strncmp(request, line, strlen(line));
}

/* --- the server */

static inline int anybody(int good, X509_STORE_CTX *s)
{
	(void)good;
	(void)s;
	return 1;
}

static inline SSL_CTX *server_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	ENSURE(ctx && SSL_CTX_use_certificate(ctx, g.server) == 1 &&
	       SSL_CTX_use_PrivateKey(ctx, g.server_key) == 1);
	if (g.only)
		ENSURE(SSL_CTX_set_min_proto_version(ctx, g.only) &&
		       SSL_CTX_set_max_proto_version(ctx, g.only));
	if (g.believes)
		ENSURE(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
					   g.believes));
	SSL_CTX_set_verify(
		ctx,
		SSL_VERIFY_PEER |
			(g.believes ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
		g.believes ? NULL : anybody);
	return ctx;
}

static inline void serve_one(SSL_CTX *ctx, int fd, int n)
{
	struct peer p = { .ssl = SSL_new(ctx), .n = n };
	X509 *x;

	SSL_set_fd(p.ssl, fd);
	if (SSL_accept(p.ssl) == 1) {
		x = SSL_get1_peer_certificate(p.ssl);
		if (x)
			(void)X509_NAME_get_text_by_NID(
				X509_get_subject_name(x), NID_commonName, p.cn,
				sizeof p.cn);
		X509_free(x);
		g.script(&p);
	}
	/* What the client still sends is read, so that no reset overtakes us. */
	(void)shutdown(fd, SHUT_WR);
	while (recv(fd, p.cn, sizeof p.cn, 0) > 0)
		;
	SSL_free(p.ssl);
	ERR_clear_error();
}

static inline void *serve(void *arg)
{
	SSL_CTX *ctx = server_ctx();
	sigset_t pipe;

	(void)arg;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe,
			      NULL); /* ours; not the client's */
	for (;;) {
		int fd = accept(g.listener, NULL, NULL);

		if (fd < 0)
			break;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
				 sizeof(int));
		g.current = fd;
		serve_one(ctx, fd, g.conns++);
		g.current = -1;
		close(fd);
	}
	SSL_CTX_free(ctx);
	return NULL;
}

static inline int world_start(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof at;

	(void)state;
	memset(&g, 0, sizeof g);
	snprintf(g.folder, sizeof g.folder, "/tmp/cretula-test-XXXXXX");
	if (!mkdtemp(g.folder))
		return -1;
	unsetenv("CRETULA_IDENTITY");
	unsetenv("CRETULA_CA_ROOT");
	unsetenv("CRETULA_DIR");
	unsetenv("CRETULA_AGENT");
	g.root_key = EVP_EC_gen("P-256");
	g.other_key = EVP_EC_gen("P-256");
	g.server_key = EVP_EC_gen("P-256");
	g.root = certificate("root", NULL, g.root_key, NULL, g.root_key, 7200);
	g.other = certificate("other", NULL, g.other_key, NULL, g.other_key,
			      7200);
	server_named("DNS:localhost", g.root, g.root_key, 3600);
	write_pem("root.pem", NULL, g.root, NULL);
	write_pem("other.pem", NULL, g.other, NULL);
	write_client("client.pem", "client", g.root, g.root_key);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g.current = -1;
	g.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(g.listener, (struct sockaddr *)&at, sizeof at) ||
	    listen(g.listener, 8) ||
	    getsockname(g.listener, (struct sockaddr *)&at, &size))
		return -1;
	snprintf(g.url, sizeof g.url, "https://localhost:%u",
		 ntohs(at.sin_port));
	return 0;
}

static inline int world_stop(void **state)
{
	static const char *const files[] = { "root.pem", "other.pem",
					     "client.pem", "more.pem" };

	(void)state;
	(void)shutdown(g.listener, SHUT_RDWR);
	/* A test that failed has left its client open. */
	if (g.current >= 0)
		(void)shutdown(g.current, SHUT_RDWR);
	if (g.running)
		pthread_join(g.thread, NULL);
	close(g.listener);
	X509_free(g.root);
	X509_free(g.other);
	X509_free(g.server);
	EVP_PKEY_free(g.root_key);
	EVP_PKEY_free(g.other_key);
	EVP_PKEY_free(g.server_key);
	for (size_t i = 0; i < NELEM(files); i++)
		unlink(path_of(files[i]));
	return rmdir(g.folder);
}

static inline void serving(void (*script)(struct peer *p))
{
	g.script = script;
	g.running = true;
	assert_int_equal(pthread_create(&g.thread, NULL, serve, NULL), 0);
}

static inline struct cretula_tls files(void)
{
	return (struct cretula_tls){ .identity = path_of("client.pem"),
				     .ca = path_of("root.pem") };
}

static inline struct cretula *connected(void (*script)(struct peer *p))
{
	struct cretula_tls tls = files();
	struct cretula_error err = { 0 };
	struct cretula *c = NULL;

	serving(script);
	if (cretula_open_tls(g.url, &tls, &c, &err))
		fail_msg("%s", err.text);
	return c;
}

static const char REPLY[] = "{\"items\":[[[\"n\",\"one\"]],[[\"n\",\"two\"]]],"
			    "\"reply\":[[\"state\",\"open\"],"
			    "[\"b\",{\"base64\":\"AAEC\"}]]}";
static char request[REQUEST_ROOM];

static inline enum cretula_err call(struct cretula *c, const char *verb,
				    struct cretula_error *err)
{
	struct cretula_answer *a = NULL;
	enum cretula_err e = cretula_call(c, verb, NULL, NULL, &a, err);

	cretula_answer_free(a);
	return e;
}

static inline void replies(struct peer *p)
{
	while (next_request(p, request))
		answer(p, REPLY);
}

#define WITH_GATE(test)                                                        \
	cmocka_unit_test_setup_teardown(test, world_start, world_stop)

#endif
