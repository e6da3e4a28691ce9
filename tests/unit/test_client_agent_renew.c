/* libcretula's agents: when they claim again, and what OpenSSL gets of it. */
#include "tests/unit/agent_world.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/timerfd.h>

/* ---- renewal */

/* Seconds until the descriptor is readable. */
static int64_t due(const struct cretula_agent *a)
{
	struct itimerspec t;

	assert_int_equal(timerfd_gettime(cretula_agent_fd(a), &t), 0);
	assert_true(t.it_value.tv_sec || t.it_value.tv_nsec);
	return t.it_value.tv_sec;
}

static void test_is_due_at_two_thirds(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	int64_t left;

	(void)state;
	daemon_begin();
	serve_cert(1, 300, 600);
	claimed(a);
	assert_int_equal(cretula_agent_renew_at(a),
			 cretula_agent_not_after(a) - 300);
	/* the clock goes on meanwhile, but not by minutes */
	left = cretula_agent_renew_at(a) - clock_wall();
	assert_true(left > 100 && left <= 300);
	assert_in_range(due(a), left - 100, left);
	cretula_agent_free(a);
}

static void test_the_descriptor_tells_when(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	struct pollfd p = { .fd = cretula_agent_fd(a), .events = POLLIN };
	int changed = -1;

	(void)state;
	daemon_begin();
	assert_int_equal(poll(&p, 1, 0), 0);
	/* two thirds of its life are over in a second */
	serve_cert(1, 3, 3);
	claimed(a);
	assert_int_equal(poll(&p, 1, 60000), 1);
	serve_cert(2, 60, WORLD_DAY);
	assert_int_equal(cretula_agent_renew(a, &changed, NULL), 0);
	assert_int_equal(changed, 1);
	assert_int_equal(cretula_agent_serial(a)[1], '2');
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(cretula_agent_renew(a, &changed, NULL), 0);
	assert_int_equal(changed, 0);
	cretula_agent_free(a);
}

/* Waits grow from 5 s to 5 minutes, a fourth more or less; a claim that works makes
 * the next one short again. */
static void test_backs_off_after_failures(void **state)
{
	static const int64_t want[] = { 5, 10, 20, 40, 80, 160, 300, 300 };
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);

	(void)state;
	daemon_begin();
	for (size_t i = 0; i < NELEM(want); i++) {
		served.error = "unavailable";
		assert_int_equal(cretula_agent_renew(a, NULL, NULL),
				 CRETULA_ERR_UNAVAILABLE);
		assert_in_range(due(a), want[i] - want[i] / 8 - 1,
				want[i] + want[i] / 8 + 1);
	}
	serve_cert(1, 60, WORLD_DAY);
	claimed(a);
	assert_true(due(a) > WORLD_HOUR);
	cretula_agent_free(a);
}

/* Two thirds are over, and certmgr has nothing newer: tried again, four times at
 * least before it ends. */
static void test_the_same_certificate_again_backs_off(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	int changed = -1;

	(void)state;
	daemon_begin();
	serve_cert(1, 10000, 2000);
	claimed(a);
	assert_in_range(due(a), 3, 7);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(cretula_agent_renew(a, &changed, NULL), 0);
		assert_int_equal(changed, 0);
	}
	assert_in_range(due(a), 200, 340);
	serve_cert(2, 10000, 80);
	assert_int_equal(cretula_agent_renew(a, &changed, NULL), 0);
	assert_int_equal(changed, 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(cretula_agent_renew(a, NULL, NULL), 0);
	assert_in_range(due(a), 1, 80 / 4 + 80 / 32);
	cretula_agent_free(a);
}

/* ---- OpenSSL */

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	assert_non_null(ctx);
	return ctx;
}

/* A handshake in memory; true if both sides are content. */
static bool shake(SSL *server, SSL *client)
{
	BIO *a, *b;
	int s = 0, c = 0;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 20 && (s != 1 || c != 1); i++) {
		c = SSL_do_handshake(client);
		s = SSL_do_handshake(server);
	}
	return s == 1 && c == 1;
}

/* The first digits of the serial that the server shows. */
static unsigned instance_of(SSL *client)
{
	X509 *cert = SSL_get1_peer_certificate(client);
	unsigned n;

	assert_non_null(cert);
	n = ASN1_STRING_get0_data(X509_get0_serialNumber(cert))[0];
	X509_free(cert);
	return n;
}

static void test_an_ssl_ctx_takes_it_and_the_next_one(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY);
	SSL_CTX *ctx = new_ctx(), *plain = new_ctx();
	SSL *old, *client, *late, *other;

	(void)state;
	daemon_begin();
	assert_int_equal(cretula_agent_use(a, ctx, NULL),
			 CRETULA_ERR_NOT_FOUND);
	serve_cert(1, 60, WORLD_DAY);
	claimed(a);
	assert_int_equal(cretula_agent_use(a, ctx, NULL), 0);
	old = SSL_new(ctx);
	serve_cert(2, 60, WORLD_DAY);
	claimed(a);
	assert_int_equal(cretula_agent_use(a, ctx, NULL), 0);
	late = SSL_new(ctx);
	client = SSL_new(plain);
	other = SSL_new(plain);
	assert_true(shake(old, client));
	assert_true(shake(late, other));
	assert_int_equal(instance_of(client), 1);
	assert_int_equal(instance_of(other), 2);
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(other)), 2);
	SSL_free(old);
	SSL_free(client);
	SSL_free(late);
	SSL_free(other);
	SSL_CTX_free(ctx);
	SSL_CTX_free(plain);
	cretula_agent_free(a);
}

static void test_peers_are_verified_if_asked_for(void **state)
{
	struct cretula_agent *a = new_agent(CRETULA_AGENT_SOCKET_ONLY |
					    CRETULA_AGENT_VERIFY_PEERS);
	SSL_CTX *ctx = new_ctx(), *plain = new_ctx();
	SSL *server, *client;

	(void)state;
	daemon_begin();
	serve_cert(1, 60, WORLD_DAY);
	claimed(a);
	assert_int_equal(cretula_agent_use(a, ctx, NULL), 0);
	assert_int_equal(cretula_agent_use(a, ctx, NULL), 0);
	server = SSL_new(ctx);
	client = SSL_new(plain);
	assert_false(shake(server, client));
	SSL_free(server);
	SSL_free(client);
	server = SSL_new(ctx);
	client = SSL_new(ctx); /* has a certificate, and verifies too */
	assert_true(shake(server, client));
	assert_int_equal(SSL_get_verify_result(client), X509_V_OK);
	assert_int_equal(SSL_get_verify_result(server), X509_V_OK);
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(ctx);
	SSL_CTX_free(plain);
	cretula_agent_free(a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_DAEMON(test_is_due_at_two_thirds),
		WITH_DAEMON(test_the_descriptor_tells_when),
		WITH_DAEMON(test_backs_off_after_failures),
		WITH_DAEMON(test_the_same_certificate_again_backs_off),
		WITH_DAEMON(test_an_ssl_ctx_takes_it_and_the_next_one),
		WITH_DAEMON(test_peers_are_verified_if_asked_for),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
