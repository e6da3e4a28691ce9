/* The prober in a process of its own, confined, against real TLS servers and against
 * peers that are none.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "ca/kinds.h"
#include "ca/prober.h"
#include "ca/roles.h"

#include "tests/unit/role_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>

enum {
	SILENCE_S = 4, /* at least */
	LINE = 256,
};

static char folder[64];

/* A TLS server of another make: openssl s_server. */
struct server {
	pid_t pid;
	uint16_t port;
};

/* Runs a line of the shell in the folder. */
static void shell(const char *fmt, const char *a, const char *b)
{
	char *line;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	assert_true(asprintf(&line, fmt, a, b) > 0);
#pragma GCC diagnostic pop
	if (system(line) != 0)
		fail_msg("%s", line);
	free(line);
}

/* NAME.key, NAME.pem (its certificate), NAME.spki. */
static void make_key(const char *name, const char *how)
{
	shell("openssl genpkey -quiet %2$s -out %1$s.key 2>/dev/null || "
	      "openssl genpkey %2$s -out %1$s.key 2>/dev/null",
	      name, how);
	shell("openssl req -x509 -key %s.key -subj /CN=%s -days 2 -out "
	      "tmp.pem 2>/dev/null",
	      name, name);
	shell("mv tmp.pem %s.pem && openssl pkey -in %1$s.key -pubout "
	      "-outform DER -out %1$s.spki",
	      name, NULL);
}

static int begin(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_prober.XXXXXX");
	if (!mkdtemp(folder) || chdir(folder))
		return -1;
	make_key("p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
	make_key("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384");
	make_key("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048");
	make_key("ed25519", "-algorithm ED25519");
	make_key("other", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256");
	return 0;
}

static int end(void **state)
{
	(void)state;
	return chdir("/") || system("rm -r /tmp/test_prober.??????");
}

/* It says "ACCEPT ADDRESS:PORT" when it listens. */
static uint16_t port_said(int fd)
{
	FILE *f = fdopen(fd, "r");
	char line[LINE];
	uint64_t port = 0;

	assert_non_null(f);
	while (!port && fgets(line, sizeof line, f)) {
		const char *colon = strrchr(line, ':');

		if (strncmp(line, "ACCEPT", 6) != 0 || !colon)
			continue;
		assert_int_equal(num_u64(colon + 1, strcspn(colon + 1, "\n"),
					 65535, &port),
				 OK);
	}
	fclose(f);
	assert_true(port > 0);
	return (uint16_t)port;
}

static struct server serve(const char *key, const char *options)
{
	struct server s = { 0 };
	int out[2];
	char *line;

	assert_true(asprintf(&line,
			     "trap '' PIPE; exec openssl s_server -accept "
			     "127.0.0.1:0 -key %s.key -cert %s.pem %s "
			     "2>/dev/null </dev/zero",
			     key, key, options) > 0);
	assert_int_equal(pipe(out), 0);
	fflush(NULL);
	s.pid = fork();
	if (!s.pid) {
		(void)setsid();
		(void)dup2(out[1], 1);
		close_range(3, ~0u, 0);
		(void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(70);
	}
	close(out[1]);
	s.port = port_said(out[0]);
	free(line);
	return s;
}

static void serve_end(const struct server *s)
{
	assert_int_equal(kill(-s->pid, SIGKILL), 0);
	assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

static int connected(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

/* The prober with its connection. Takes fd. */
static void probe_start(struct role *r, const char *key, const char *host,
			int fd)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	uint8_t spki[PROBE_SPKI_MAX];
	char path[64];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s.spki", key);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(spki, 1, sizeof spki, f);
	fclose(f);
	role_start_for(r, role_prober, -1, "peer=issuer");
	attrs_init(&a);
	assert_int_equal(attrs_add(&a, "spki", 0, spki, n), OK);
	assert_int_equal(attrs_add_str(&a, "host", host), OK);
	fd_send(r->vault, IP_PROBE, 0, attrs_view(&a), fd);
	close(fd);
}

/* What it says; then it has ended by itself, and not by its filter. */
static void probe_says(struct role *r, const char *proven, const char *words)
{
	struct msg m = role_get(r);
	struct attr p, t;

	assert_int_equal(m.kind, IP_RESULT);
	assert_int_equal(attr_only(m.attrs, "proven", &p), OK);
	assert_int_equal(attr_only(m.attrs, "text", &t), OK);
	if (!attr_is(&p, proven) ||
	    !memmem(t.value, t.len, words, strlen(words)))
		fail_msg("proven=%.*s: %.*s", (int)p.len, (const char *)p.value,
			 (int)t.len, (const char *)t.value);
	assert_int_equal(role_end(r), 0);
}

static void probe(const char *key, uint16_t port, const char *proven,
		  const char *words)
{
	struct role r;

	probe_start(&r, key, "agent.n1.example", connected(port));
	probe_says(&r, proven, words);
}

static void test_every_key_type_is_proven(void **state)
{
	static const char *const keys[] = { "p256", "p384", "rsa", "ed25519" };

	(void)state;
	for (size_t i = 0; i < NELEM(keys); i++) {
		struct server s = serve(keys[i], "-alpn cretula-verify");

		probe(keys[i], s.port, "yes", "it has the key");
		serve_end(&s);
	}
}

static void test_a_server_that_speaks_more_is_proven(void **state)
{
	struct server s = serve("p256", "-alpn h2,cretula-verify "
					"-num_tickets 8");

	(void)state;
	probe("p256", s.port, "yes", "it has the key");
	serve_end(&s);
}

/* s_server refuses every other name, and goes over to a context without ALPN for the
 * one that it waits for. */
static void test_the_name_is_sent(void **state)
{
	struct server s = serve("p256", "-alpn cretula-verify -servername "
					"agent.n1.example -servername_fatal "
					"-key2 other.key -cert2 other.pem");

	(void)state;
	probe("other", s.port, "no", "does not choose the protocol");
	serve_end(&s);
	s = serve("p256", "-alpn cretula-verify -servername n2.example "
			  "-servername_fatal -key2 other.key -cert2 other.pem");
	probe("other", s.port, "no", "unrecognized name");
	serve_end(&s);
}

static void test_another_key_is_not_proven(void **state)
{
	struct server s = serve("p256", "-alpn cretula-verify");

	(void)state;
	probe("other", s.port, "no", "of another key");
	probe("rsa", s.port, "no", "of another key");
	serve_end(&s);
}

/* The right certificate first in the chain, with the key of another one: s_server does
 * not do that, so that the certificate is only beside its own. */
static void test_the_key_further_up_is_not_proven(void **state)
{
	struct server s = serve("p256", "-alpn cretula-verify "
					"-cert_chain other.pem");

	(void)state;
	probe("other", s.port, "no", "of another key");
	serve_end(&s);
}

static void test_no_alpn_is_not_proven(void **state)
{
	struct server s = serve("p256", "");

	(void)state;
	probe("p256", s.port, "no", "does not choose the protocol");
	serve_end(&s);
	s = serve("p256", "-alpn h2");
	probe("p256", s.port, "no", "no TLS 1.3 handshake: ");
	serve_end(&s);
}

static void test_tls_1_2_is_not_proven(void **state)
{
	struct server s = serve("p256", "-alpn cretula-verify -tls1_2");

	(void)state;
	probe("p256", s.port, "no", "no TLS 1.3 handshake: ");
	serve_end(&s);
}

static void test_a_server_that_wants_a_certificate_is_proven(void **state)
{
	struct server s = serve("p256", "-alpn cretula-verify -verify 1");

	(void)state;
	probe("p256", s.port, "yes", "it has the key");
	serve_end(&s);
}

static void test_another_group_is_found(void **state)
{
	struct server s = serve("p256", "-alpn cretula-verify -groups P-384");

	(void)state;
	probe("p256", s.port, "yes", "it has the key");
	serve_end(&s);
}

static void test_a_huge_certificate_is_too_much(void **state)
{
	struct server s;

	(void)state;
	shell("openssl req -x509 -key other.key -subj /CN=huge -days 2 "
	      "-addext \"nsComment=$(head -c 80000 /dev/zero | tr '\\0' x)\" "
	      "-out huge.pem && cp other.key huge.key && cp %s.spki "
	      "%s.spki",
	      "other", "huge");
	s = serve("huge", "-alpn cretula-verify");
	probe("huge", s.port, "no", "more than a handshake takes");
	serve_end(&s);
}

/* Peers that are no servers: the other end of a pair. */

static int pair_with(struct role *r)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	probe_start(r, "p256", "127.0.0.1", pair[1]);
	return pair[0];
}

static void test_garbage_is_not_proven(void **state)
{
	static const char *const said[] = { "HTTP/1.1 400 Bad Request\r\n\r\n",
					    "\x16\x03\x03\xff\xff\xff\xff\xff",
					    "\x15\x03\x03\x00" };

	(void)state;
	for (size_t i = 0; i < NELEM(said); i++) {
		struct role r;
		int fd = pair_with(&r);

		assert_true(write(fd, said[i], strlen(said[i])) > 0);
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		probe_says(&r, "no", "handshake");
		close(fd);
	}
}

static void test_closing_at_once_is_not_proven(void **state)
{
	struct role r;

	(void)state;
	close(pair_with(&r));
	probe_says(&r, "no", "closed the connection");
}

static void test_a_reset_is_not_proven(void **state)
{
	struct linger now = { .l_onoff = 1 };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct role r;

	(void)state;
	assert_int_equal(bind(l, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
	probe_start(&r, "p256", "n1.example", connected(ntohs(at.sin_port)));
	fd = accept(l, NULL, NULL);
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
	close(fd);
	probe_says(&r, "no", "closed the connection");
	close(l);
}

static void test_silence_is_not_proven(void **state)
{
	uint64_t from = clock_boot();
	struct role r;
	int fd = pair_with(&r);

	(void)state;
	probe_says(&r, "no", "not done in time");
	assert_in_range((clock_boot() - from) / CLOCK_SECOND, SILENCE_S, 30);
	close(fd);
}

/* Records that TLS 1.3 lets a server send for nothing, without end. */
static void test_endless_bytes_are_not_proven(void **state)
{
	static const uint8_t record[] = { 0x14, 3, 3, 0, 1, 1 };
	size_t sent = 0;
	struct role r;
	int fd = pair_with(&r);

	(void)state;
	while (send(fd, record, sizeof record, MSG_NOSIGNAL) > 0)
		sent += sizeof record;
	assert_in_range(sent, 1, 4 << 20);
	probe_says(&r, "no", "");
	close(fd);
}

/* Not through another process: the count itself. */
static void test_the_bytes_of_a_peer_are_counted(void **state)
{
	static const uint8_t big[PROBE_BYTES_MAX + 1] = { 0x16 };
	struct handshake *h = handshake_new("x", 1, "n1.example");
	struct fault why = { 0 };

	(void)state;
	assert_int_equal(handshake_take(h, "\x14\x03\x03", 3, &why),
			 HANDSHAKE_GOES_ON);
	assert_int_equal(handshake_take(h, big, PROBE_BYTES_MAX - 2, &why),
			 HANDSHAKE_FAILED);
	assert_non_null(strstr(why.text, "more than a handshake takes"));
	assert_int_equal(handshake_take(h, "x", 1, &why), HANDSHAKE_FAILED);
	handshake_free(h);
}

static void test_it_ends_with_its_issuer(void **state)
{
	struct role r;
	int fd = pair_with(&r);

	(void)state;
	fd_close(&r.vault);
	assert_int_equal(role_end(&r), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key_type_is_proven),
		cmocka_unit_test(test_a_server_that_speaks_more_is_proven),
		cmocka_unit_test(test_the_name_is_sent),
		cmocka_unit_test(test_another_key_is_not_proven),
		cmocka_unit_test(test_the_key_further_up_is_not_proven),
		cmocka_unit_test(test_no_alpn_is_not_proven),
		cmocka_unit_test(test_tls_1_2_is_not_proven),
		cmocka_unit_test(
			test_a_server_that_wants_a_certificate_is_proven),
		cmocka_unit_test(test_another_group_is_found),
		cmocka_unit_test(test_a_huge_certificate_is_too_much),
		cmocka_unit_test(test_garbage_is_not_proven),
		cmocka_unit_test(test_closing_at_once_is_not_proven),
		cmocka_unit_test(test_a_reset_is_not_proven),
		cmocka_unit_test(test_silence_is_not_proven),
		cmocka_unit_test(test_endless_bytes_are_not_proven),
		cmocka_unit_test(test_the_bytes_of_a_peer_are_counted),
		cmocka_unit_test(test_it_ends_with_its_issuer),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, begin, end);
}
