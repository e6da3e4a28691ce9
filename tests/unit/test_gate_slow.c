/* lib/gate_conn.c: clients that are slow, idle or too many. The gate runs in this
 * process, whose loop the clients turn. */
#include "tests/unit/gate_world.h"

#include <errno.h>
#include <sys/mman.h>

enum {
	FEW = 20,
	REQUEST_S = 3600, /* of which none passes */
	TRICKLE_S = 60,
};

static struct loop *loop;
static uint16_t tls_port, plain_port;
static int issuer;

static void open_gate(void)
{
	struct fault f = { .text = "" };
	int tls = world_listen(&tls_port), plain = world_listen(&plain_port);
	int pair[2];

	if (gate_open(tls, plain, FEW, &f) != OK)
		fail_msg("%s", f.text);
	loop = loop_new();
	gate_begin(loop);
	ca_gate.plain.request_ns = REQUEST_S * CLOCK_SECOND;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	gate_issuer(pair[0]);
	issuer = pair[1];
}

static void close_gate(void)
{
	gate_end();
	loop_free(loop);
	close(issuer);
}

/* Turns the loop until fd has something: its next byte, or 0 at its end. */
static ssize_t turn_until(int fd, char *p, size_t n)
{
	uint64_t end = clock_boot() + WORLD_WAIT_S * CLOCK_SECOND;
	ssize_t got;

	do {
		loop_turn(loop, 5 * CLOCK_MS);
		got = recv(fd, p, n, MSG_DONTWAIT);
	} while (got < 0 && errno == EAGAIN && clock_boot() < end);
	return got;
}

static void is_served(int fd)
{
	char p[1024];
	ssize_t n;

	client_text(fd, "GET /healthz HTTP/1.1\r\nHost: ca\r\n\r\n");
	n = turn_until(fd, p, sizeof p - 1);
	assert_true(n > 12);
	assert_memory_equal(p, "HTTP/1.1 200", 12);
}

/* Time passes for the connections of the plain port, as far as the gate knows: no
 * real time, which a busy machine makes pass between any two lines of a test. */
static void age(uint64_t ns)
{
	for (struct gate_conn *c = ca_gate.plain.oldest; c; c = c->newer) {
		c->since -= ns;
		if (c->began)
			c->began -= ns;
	}
	loop_arm(loop, &ca_gate.plain.slow,
		 ca_gate.plain.oldest->since + ca_gate.plain.request_ns);
	loop_turn(loop, 0);
}

static void who_trickles_is_ended_while_others_are_served(void **state)
{
	int slow, busy, fresh;
	char c;

	(void)state;
	open_gate();
	slow = client_open(plain_port);
	busy = client_open(plain_port);
	client_text(slow, "GET /heal");
	is_served(busy);
	for (int s = 0; s < REQUEST_S; s += TRICKLE_S) {
		assert_int_equal(ca_gate.plain.closed_slow, 0);
		assert_int_equal(recv(slow, &c, 1, MSG_DONTWAIT), -1);
		client_text(slow, "x");
		is_served(busy);
		age(TRICKLE_S * CLOCK_SECOND);
	}
	assert_int_equal(turn_until(slow, &c, 1), 0);
	assert_int_equal(ca_gate.plain.closed_slow, 1);
	is_served(busy);
	fresh = client_open(plain_port);
	is_served(fresh);
	assert_int_equal(ca_gate.plain.closed_slow, 1);
	close(slow);
	close(busy);
	close(fresh);
	close_gate();
}

static void when_it_is_full_the_one_idle_longest_goes(void **state)
{
	int fd[3 * FEW];
	char c;

	(void)state;
	open_gate();
	for (size_t i = 0; i < NELEM(fd); i++) {
		fd[i] = client_open(plain_port);
		is_served(fd[i]);
	}
	/* the newest all live, the oldest have met their end */
	for (size_t i = NELEM(fd) - FEW; i < NELEM(fd); i++)
		is_served(fd[i]);
	for (size_t i = 0; i < NELEM(fd) - FEW; i++)
		assert_int_equal(turn_until(fd[i], &c, 1), 0);
	assert_true(ca_gate.plain.conns <= FEW);
	assert_int_equal(ca_gate.plain.closed_full, NELEM(fd) - FEW);
	for (size_t i = 0; i < NELEM(fd); i++)
		close(fd[i]);
	close_gate();
}

/* Also the requests that still wait for the issuer. */
static void all_is_given_back_at_its_end(void **state)
{
	int fd[8];

	(void)state;
	open_gate();
	for (size_t i = 0; i < NELEM(fd); i++) {
		fd[i] = client_open(plain_port);
		client_text(fd[i],
			    "GET /ocsp/YWJj HTTP/1.1\r\nHost: x\r\n\r\n");
		loop_turn(loop, CLOCK_SECOND);
		loop_turn(loop, 0);
	}
	close_gate();
	for (size_t i = 0; i < NELEM(fd); i++)
		close(fd[i]);
}

/* A list too long for the sockets' buffers, which nobody reads. */
static void when_all_read_slowly_new_ones_are_served(void **state)
{
	static const char get[] = "GET /crl HTTP/1.1\r\nHost: ca\r\n\r\n";
	int fd[FEW], fresh, list = memfd_create("list", MFD_CLOEXEC);
	struct attrs a;
	struct msg m;

	(void)state;
	open_gate();
	assert_int_equal(ftruncate(list, 64 << 20), 0);
	world_text(&a, "number=1 this_update=1 next_update=9 size=67108864 "
		       "offset=0");
	m = (struct msg){ .kind = GI_CRL, .attrs = attrs_view(&a) };
	gate_crl_put(&m, list);
	attrs_wipe(&a);
	for (size_t i = 0; i < NELEM(fd); i++) {
		fd[i] = client_open(plain_port);
		client_text(fd[i], get);
		while (ca_gate.plain.requests <= i)
			loop_turn(loop, 5 * CLOCK_MS);
	}
	assert_int_equal(ca_gate.plain.closed_full, 0);
	for (size_t i = 0; i < NELEM(fd); i++) {
		fresh = client_open(plain_port);
		is_served(fresh);
		client_text(fresh, get);
		close(fd[i]);
		fd[i] = fresh;
	}
	assert_true(ca_gate.plain.conns <= FEW + 1);
	assert_true(ca_gate.plain.closed_full > 0);
	for (size_t i = 0; i < NELEM(fd); i++)
		close(fd[i]);
	close_gate();
}

/* Else what the issuer answers the one before would be taken for its own. */
static void another_gate_uses_other_ids(void **state)
{
	uint64_t before, now;

	(void)state;
	open_gate();
	before = gate.next_id;
	close_gate();
	open_gate();
	now = gate.next_id;
	close_gate();
	assert_true(MAX(before, now) - MIN(before, now) > 1 << 20);
	assert_int_equal(MAX(before, now) >> 55, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_trickles_is_ended_while_others_are_served),
		cmocka_unit_test(when_it_is_full_the_one_idle_longest_goes),
		cmocka_unit_test(when_all_read_slowly_new_ones_are_served),
		cmocka_unit_test(another_gate_uses_other_ids),
		cmocka_unit_test(all_is_given_back_at_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
