/* lib/gate_shake.c: handshakes that stop half way cost nothing and may go on. */
#include "tests/unit/gate_tls_world.h"

#include <poll.h>

enum {
	LOOKS = 20, /* at what the gate does */
	CLIENTS = 50,
};

/* A client whose words are held back after so many bytes. */
struct halting {
	int fd;
	size_t left;
	size_t n;
	uint8_t held[4096];
};

static char state_of(pid_t pid)
{
	char path[64], line[512];
	const char *at;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof line, f));
	(void)fclose(f);
	at = strrchr(line, ')');
	assert_non_null(at);
	return at[2];
}

/* One that tries a handshake again and again is seen to sleep hardly ever. */
static void assert_sleeps(const struct world *w)
{
	uint64_t end = clock_boot() + WORLD_WAIT_S * CLOCK_SECOND;

	for (int asleep = 0; asleep < LOOKS;) {
		asleep = state_of(w->pid) == 'S' ? asleep + 1 : 0;
		if (clock_boot() > end)
			fail_msg("the gate does not sleep");
		(void)poll(NULL, 0, 1);
	}
}

static ssize_t halting_push(gnutls_transport_ptr_t arg, const void *p, size_t n)
{
	struct halting *h = arg;
	size_t some = MIN(n, h->left);

	assert_int_equal(send(h->fd, p, some, MSG_NOSIGNAL), (ssize_t)some);
	h->left -= some;
	assert_true(h->n + n - some <= sizeof h->held);
	memcpy(h->held + h->n, (const uint8_t *)p + some, n - some);
	h->n += n - some;
	return (ssize_t)n;
}

static ssize_t halting_pull(gnutls_transport_ptr_t arg, void *p, size_t n)
{
	return recv(((struct halting *)arg)->fd, p, n, MSG_DONTWAIT);
}

static gnutls_session_t halting_begin(struct halting *h, struct world *w,
				      gnutls_certificate_credentials_t cred,
				      size_t bytes)
{
	gnutls_session_t s;

	*h = (struct halting){ .fd = client_open(w->tls), .left = bytes };
	good(gnutls_init(&s, GNUTLS_CLIENT));
	good(gnutls_set_default_priority(s));
	good(gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, cred));
	gnutls_transport_set_ptr(s, h);
	gnutls_transport_set_push_function(s, halting_push);
	gnutls_transport_set_pull_function(s, halting_pull);
	assert_int_equal(gnutls_handshake(s), GNUTLS_E_AGAIN);
	assert_true(h->n > 0);
	return s;
}

/* Says what was held back, and goes on to the end. */
static void halting_finish(struct halting *h, gnutls_session_t s)
{
	int e;

	assert_int_equal(send(h->fd, h->held, h->n, MSG_NOSIGNAL),
			 (ssize_t)h->n);
	h->left = SIZE_MAX;
	while ((e = gnutls_handshake(s)) == GNUTLS_E_AGAIN) {
		struct pollfd p = { .fd = h->fd, .events = POLLIN };

		assert_int_equal(poll(&p, 1, WORLD_WAIT_S * 1000), 1);
	}
	good(e);
}

static void halt_and_go_on(struct world *w, size_t bytes)
{
	gnutls_certificate_credentials_t cred;
	static struct halting h[CLIENTS];
	gnutls_session_t s[CLIENTS];

	good(gnutls_certificate_allocate_credentials(&cred));
	for (int i = 0; i < CLIENTS; i++)
		s[i] = halting_begin(&h[i], w, cred, bytes);
	assert_sleeps(w);
	for (int i = 0; i < CLIENTS; i++) {
		if (i % 2)
			halting_finish(&h[i], s[i]);
		gnutls_deinit(s[i]);
		close(h[i].fd);
	}
	assert_sleeps(w);
	gnutls_certificate_free_credentials(cred);
}

static void one_that_stops_half_way_costs_nothing(void **state)
{
	struct test_ca ca;
	struct world w;

	(void)state;
	world_start(&w);
	test_ca_make(&ca);
	world_chain(&w, &ca);
	world_certify(&w, &ca, 3600);
	world_quiet(&w);
	halt_and_go_on(&w, 1);
	halt_and_go_on(&w, 100);
	world_end(&w);
	test_ca_wipe(&ca);
}

static void those_set_aside_end_with_the_gate(void **state)
{
	gnutls_certificate_credentials_t cred;
	gnutls_session_t s;
	struct test_ca ca;
	struct halting h;
	struct world w;

	(void)state;
	world_start(&w);
	test_ca_make(&ca);
	good(gnutls_certificate_allocate_credentials(&cred));
	s = halting_begin(&h, &w, cred, 60);
	assert_sleeps(&w);
	world_end(&w);
	gnutls_deinit(s);
	close(h.fd);
	gnutls_certificate_free_credentials(cred);
	test_ca_wipe(&ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_stops_half_way_costs_nothing),
		cmocka_unit_test(those_set_aside_end_with_the_gate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
