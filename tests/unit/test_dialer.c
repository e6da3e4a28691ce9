/* The dialer in a process of its own, confined, in a network of its own.
 * test: not under valgrind: it knows no seccomp and no Landlock */
#include "lib/kinds.h"
#include "lib/roles.h"

#include "tests/unit/role_test.h"

#include "tests/unit/dialer_world.h"

enum {
	DIALS = 64,    /* at once, as the dialer has it */
	WAITING = 512, /* in its queue */
	TOO_MANY = 10,
	DIAL_S = 5, /* the longest dial */
};

static pid_t dns;
static int listener, listener6, at_own, at_mine, at_loop;

static int begin(void **state)
{
	(void)state;
	if (getuid())
		return 0;
	dns = world_begin();
	listener = world_listen(WORLD_HOST, 128);
	listener6 = world_listen(WORLD_HOST6, 8);
	at_own = world_listen(WORLD_OWN, 8);
	at_mine = world_listen(WORLD_MINE, 8);
	at_loop = world_listen("127.0.0.1", 8);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (dns) {
		(void)kill(dns, SIGKILL);
		(void)waitpid(dns, NULL, 0);
	}
	return 0;
}

static void needs_root(void)
{
	if (getuid())
		skip();
}

static void start(struct role *r)
{
	role_start_for(r, role_dialer, -1, "peer=issuer");
}

static void dial(struct role *r, uint64_t id, const char *host, bool loopback)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	struct fault f = { .text = "sending" };

	attrs_init(&a);
	assert_int_equal(attrs_add_str(&a, "host", host), OK);
	assert_int_equal(attrs_add_u64(&a, "port", WORLD_PORT), OK);
	if (loopback)
		assert_int_equal(attrs_add_str(&a, "loopback", "yes"), OK);
	fault_ok(chan_put1(r->vault, DIAL, id, attrs_view(&a)), &f);
}

static struct msg answer(struct role *r, int *fd)
{
	struct fault f = { 0 };
	struct msg m = { 0 };

	*fd = -1;
	fault_ok(chan_get1(r->vault, &r->in, &m, fd,
			   clock_boot() + ROLE_WAIT_S * CLOCK_SECOND, &f),
		 &f);
	return m;
}

static void assert_text(const struct msg *m, const char *name,
			const char *words)
{
	struct attr a;

	assert_int_equal(attr_only(m->attrs, name, &a), OK);
	if (!memmem(a.value, a.len, words, strlen(words)))
		fail_msg("%.*s", (int)a.len, (const char *)a.value);
}

/* It is connected to what listens there: a byte gets through. */
static void assert_connects(struct role *r, const char *host, bool loopback,
			    const char *address, int at)
{
	AUTO(fd_close) int fd = -1;
	AUTO(fd_close) int peer = -1;
	struct msg m;
	struct attr a;
	char c = 0;

	dial(r, 17, host, loopback);
	m = answer(r, &fd);
	if (m.kind == DIAL_FAILED)
		assert_text(&m, "text", "(connected)");
	assert_int_equal(m.kind, DIAL_CONNECTED);
	assert_int_equal(m.id, 17);
	assert_int_equal(attr_only(m.attrs, "address", &a), OK);
	assert_true(attr_is(&a, address));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	peer = accept(at, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(read(peer, &c, 1), 1);
	assert_int_equal(c, 'x');
}

static void assert_fails(struct role *r, const char *host, bool loopback,
			 const char *words)
{
	struct msg m;
	int fd;

	dial(r, 18, host, loopback);
	m = answer(r, &fd);
	assert_int_equal(m.kind, DIAL_FAILED);
	assert_int_equal(m.id, 18);
	assert_int_equal(fd, -1);
	assert_text(&m, "text", words);
}

static void test_names_and_addresses_are_dialled(void **state)
{
	struct role r;

	(void)state;
	needs_root();
	start(&r);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	assert_connects(&r, "HOST.test.", false, WORLD_HOST, listener);
	assert_connects(&r, "six.test", false, WORLD_HOST6, listener6);
	assert_connects(&r, WORLD_HOST, false, WORLD_HOST, listener);
	assert_connects(&r, WORLD_HOST6, false, WORLD_HOST6, listener6);
	assert_connects(&r, "hosted.test", false, WORLD_HOST, listener);
	assert_connects(&r, "alias", false, WORLD_HOST, listener);
	assert_int_equal(role_end(&r), 0);
}

static void test_forbidden_addresses_are_not(void **state)
{
	static const struct {
		const char *host, *words;
	} no[] = {
		{ "loop.test", "'127.0.0.1' is a loopback address" },
		{ "loop6.test", "'::1' is a loopback address" },
		{ "mapped.test", "'127.0.0.1' is a loopback address" },
		{ "localhost", "is a loopback address" },
		{ "127.0.0.1", "is a loopback address" },
		{ "::1", "is a loopback address" },
		{ "::ffff:127.0.0.1", "is a loopback address" },
		{ "meta.test", "is a link-local address" },
		{ "169.254.169.254", "is a link-local address" },
		{ "nat64.test", "in disguise" },
		{ "own.test", "is an address of this machine" },
		{ WORLD_OWN, "is an address of this machine" },
		{ "2001:db8:2::1", "is an address of this machine" },
		{ "mine.test", "it is this machine" },
		{ "0.0.0.0", "is an unspecified address" },
		{ "many.test", "is a loopback address" },
	};
	struct role r;

	(void)state;
	needs_root();
	start(&r);
	for (size_t i = 0; i < NELEM(no); i++)
		assert_fails(&r, no[i].host, false, no[i].words);
	assert_int_equal(role_end(&r), 0);
}

/* In the playground. */
static void test_loopback_is_allowed_when_asked_for(void **state)
{
	struct role r;

	(void)state;
	needs_root();
	start(&r);
	assert_connects(&r, "loop.test", true, "127.0.0.1", at_loop);
	assert_connects(&r, "localhost", true, "127.0.0.1", at_loop);
	assert_connects(&r, "many.test", true, "127.0.0.1", at_loop);
	assert_connects(&r, "host.test", true, WORLD_HOST, listener);
	assert_fails(&r, "own.test", true, "an address of this machine");
	assert_fails(&r, "mine.test", true, "it is this machine");
	assert_fails(&r, "meta.test", true, "a link-local address");
	assert_fails(&r, "loop.test", false, "a loopback address");
	assert_int_equal(role_end(&r), 0);
}

/* An address that the machine got after the dialer was confined. */
static void test_new_addresses_are_ours_too(void **state)
{
	struct role r;

	(void)state;
	needs_root();
	start(&r);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	assert_int_equal(system("ip address add " WORLD_HOST "/32 dev lo"), 0);
	assert_fails(&r, "host.test", false, "an address of this machine");
	assert_int_equal(system("ip address del " WORLD_HOST "/32 dev lo; "
				"ip route replace local 198.51.100.0/24 dev "
				"lo src " WORLD_OWN),
			 0);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	assert_int_equal(role_end(&r), 0);
}

static void test_allowed_addresses_are_tried_in_turn(void **state)
{
	uint64_t from;
	struct role r;

	(void)state;
	needs_root();
	start(&r);
	assert_connects(&r, "mixed.test", false, WORLD_HOST, listener);
	from = clock_boot();
	assert_connects(&r, "turns.test", false, WORLD_HOST, listener);
	assert_in_range((clock_boot() - from) / CLOCK_SECOND, 0, DIAL_S - 1);
	assert_fails(&r, "refuses.test", false, "Connection refused");
	from = clock_boot();
	assert_fails(&r, "dead.test", false, "no answer in time");
	assert_in_range((clock_boot() - from) / CLOCK_MS, DIAL_S * 1000 - 500,
			20000);
	assert_int_equal(role_end(&r), 0);
}

static void test_names_that_are_not(void **state)
{
	struct role r;
	char name[400];

	(void)state;
	needs_root();
	start(&r);
	assert_fails(&r, "none.test", false, "'none.test' has no address");
	/* a search list would find these */
	assert_fails(&r, "lost.test", false, "'lost.test' has no address");
	assert_fails(&r, "lost", false, "'lost' has no address");
	assert_fails(&r, "garbage.test", false, "garbage.test");
	assert_fails(&r, "silent.test", false, "no name server answers");
	assert_fails(&r, "", false, "neither a name nor an address");
	assert_fails(&r, "a b", false, "neither a name nor an address");
	assert_fails(&r, "/etc/passwd", false, "neither a name");
	assert_fails(&r, "fe80::1%lo", false, "neither a name");
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = 0;
	assert_fails(&r, name, false, "neither a name");
	name[200] = 0; /* a label of 200 */
	assert_fails(&r, name, false, name);
	assert_fails(&r, "a..b", false, "a..b");
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	assert_int_equal(role_end(&r), 0);
}

static void test_a_slow_one_holds_up_nobody(void **state)
{
	struct role r;
	struct msg m;
	int fd;

	(void)state;
	needs_root();
	start(&r);
	dial(&r, 1, "silent.test", false);
	dial(&r, 2, "dead.test", false);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	for (int i = 0; i < 2; i++) {
		m = answer(&r, &fd);
		assert_int_equal(m.kind, DIAL_FAILED);
		assert_in_range(m.id, 1, 2);
	}
	assert_int_equal(role_end(&r), 0);
}

static void test_dials_are_bounded(void **state)
{
	size_t turned_away = 0, waited = 0, dialled = 0;
	struct role r;
	struct msg m;
	struct attr a;
	int fd;

	(void)state;
	needs_root();
	start(&r);
	for (uint64_t i = 0; i < DIALS + WAITING + TOO_MANY; i++)
		dial(&r, i, "silent.test", false);
	for (uint64_t i = 0; i < DIALS + WAITING + TOO_MANY; i++) {
		m = answer(&r, &fd);
		assert_int_equal(m.kind, DIAL_FAILED);
		assert_int_equal(attr_only(m.attrs, "text", &a), OK);
		turned_away += attr_is(&a, "too many connections are being "
					   "made: try again later");
		waited += attr_is(&a, "too many connections are being made: "
				      "its turn did not come in time");
		dialled += memmem(a.value, a.len, "silent.test", 11) != NULL;
	}
	assert_int_equal(turned_away, TOO_MANY);
	assert_int_equal(waited + dialled, DIALS + WAITING);
	assert_in_range(dialled, DIALS, DIALS + WAITING);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	assert_int_equal(role_end(&r), 0);
}

/* All of them at once, and each gets its own connection. */
static void test_many_are_made_at_once(void **state)
{
	uint64_t seen = 0;
	struct role r;
	struct msg m;
	int fd;

	(void)state;
	needs_root();
	start(&r);
	for (uint64_t i = 0; i < DIALS; i++)
		dial(&r, i, "host.test", false);
	for (uint64_t i = 0; i < DIALS; i++) {
		m = answer(&r, &fd);
		assert_int_equal(m.kind, DIAL_CONNECTED);
		assert_true(fd >= 0 && m.id < DIALS);
		seen |= 1ull << m.id;
		close(fd);
		close(accept(listener, NULL, NULL));
	}
	assert_true(seen == UINT64_MAX);
	assert_int_equal(role_end(&r), 0);
}

/* What the old one wanted is not told the new one. */
static void test_a_new_issuer_is_served(void **state)
{
	struct role r;

	(void)state;
	needs_root();
	start(&r);
	dial(&r, 1, "dead.test", false);
	dial(&r, 2, "silent.test", false);
	role_meets(&r, "peer=issuer");
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	assert_fails(&r, "dead.test", false, "no answer in time");
	assert_int_equal(role_end(&r), 0);
}

/* Who does not read what he asked for has only himself to blame. */
static void test_who_does_not_read_holds_up_nobody(void **state)
{
	struct pollfd w = { .fd = listener, .events = POLLIN };
	struct role r, other;

	(void)state;
	needs_root();
	start(&r);
	other = r;
	buf_init(&other.in, MSG_MAX + MSG_HEAD);
	other.vault = -1;
	role_meets(&other, "peer=verifier");
	for (uint64_t i = 0; i < WAITING; i++)
		dial(&other, i, WORLD_HOST, false);
	for (uint64_t i = 0; i < WAITING; i++) {
		assert_int_equal(poll(&w, 1, ROLE_WAIT_S * 1000), 1);
		close(accept(listener, NULL, NULL));
	}
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	fd_close(&other.vault);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	buf_wipe(&other.in);
	(void)role_end(&r);
}

/* A verifier beside the issuer: each gets its own, and one's end is not the other's. */
static void test_two_are_served_at_once(void **state)
{
	struct role r, other;

	(void)state;
	needs_root();
	start(&r);
	other = r;
	buf_init(&other.in, MSG_MAX + MSG_HEAD);
	other.vault = -1;
	role_meets(&other, "peer=verifier");
	assert_connects(&other, "host.test", false, WORLD_HOST, listener);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	dial(&other, 18, "silent.test", false);
	assert_connects(&other, "host.test", false, WORLD_HOST, listener);
	fd_close(&other.vault);
	assert_connects(&r, "host.test", false, WORLD_HOST, listener);
	buf_wipe(&other.in);
	(void)role_end(&r);
}

/* Without a network of one's own. */
static void test_loopback_is_refused_to_anybody(void **state)
{
	struct role r;

	(void)state;
	start(&r);
	assert_fails(&r, "127.0.0.1", false, "is a loopback address");
	assert_fails(&r, "localhost", false, "is a loopback address");
	assert_fails(&r, "127.255.255.254", true, "127.255.255.254");
	assert_int_equal(role_end(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_and_addresses_are_dialled),
		cmocka_unit_test(test_forbidden_addresses_are_not),
		cmocka_unit_test(test_loopback_is_allowed_when_asked_for),
		cmocka_unit_test(test_new_addresses_are_ours_too),
		cmocka_unit_test(test_allowed_addresses_are_tried_in_turn),
		cmocka_unit_test(test_names_that_are_not),
		cmocka_unit_test(test_a_slow_one_holds_up_nobody),
		cmocka_unit_test(test_dials_are_bounded),
		cmocka_unit_test(test_many_are_made_at_once),
		cmocka_unit_test(test_a_new_issuer_is_served),
		cmocka_unit_test(test_two_are_served_at_once),
		cmocka_unit_test(test_who_does_not_read_holds_up_nobody),
		cmocka_unit_test(test_loopback_is_refused_to_anybody),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
