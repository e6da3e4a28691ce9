/* lib/agent_bundle: what certmgr writes is read, of every kind of key; everything else,
 * a byte less or more, a part that does not belong to the others, is refused with a
 * sentence. */
#include "tests/unit/bundle_world.h"

static struct world w;

static int begin(void **state)
{
	(void)state;
	world_make(&w, KEY_P256);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world_wipe(&w);
	return 0;
}

static void refused(const void *text, size_t len, const char *agent)
{
	AUTO(agent_bundle_wipe) struct agent_bundle b = { .certs = 0 };
	struct fault f = { .code = OK };
	enum err e = agent_bundle_parse(text, len, agent, &b, &f);

	assert_true(e == ERR_INVALID || e == ERR_TOO_LARGE);
	assert_int_equal(f.code, e);
	assert_true(f.text[0]);
	assert_null(strstr(f.text, "-----"));
}

static void reads_back(const struct world_key *key, bool spiffe)
{
	AUTO(agent_bundle_wipe) struct agent_bundle b = { .certs = 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cert leaf = spiffe ? world_spiffe(&w) : world_leaf(&w, key);
	struct fault f = { .text = "" };
	size_t n;

	bundle_make(&w, key, &leaf, &text);
	if (agent_bundle_parse((const char *)text.p, text.len, WORLD_AGENT, &b,
			       &f) != OK)
		fail_msg("%s", f.text);
	assert_int_equal(b.certs, 2);
	assert_string_equal(b.agent, WORLD_AGENT);
	assert_int_equal(b.not_before, world_now - 60);
	assert_int_equal(b.not_after, world_now + WORLD_DAY);
	assert_int_equal(agent_bundle_renew_at(&b),
			 world_now - 60 + (WORLD_DAY + 60) * 2 / 3);
	assert_string_equal(b.serial, "03000000004da50102030405060708090a0b");
	/* its parts are the text, each with a NUL behind it */
	assert_true(b.key.secret);
	n = b.key.len + b.cert.len + b.chain.len;
	assert_int_equal(n, text.len);
	assert_memory_equal(b.key.p, text.p, b.key.len);
	assert_memory_equal(b.cert.p, text.p + b.key.len, b.cert.len);
	assert_memory_equal(b.chain.p, text.p + b.key.len + b.cert.len,
			    b.chain.len);
	assert_int_equal(strlen((const char *)b.key.p), b.key.len);
	assert_int_equal(strlen((const char *)b.cert.p), b.cert.len);
	assert_int_equal(strlen((const char *)b.chain.p), b.chain.len);
}

static void test_reads_every_kind_of_key(void **state)
{
	(void)state;
	reads_back(&w.leaf, false);
	reads_back(&w.p384, false);
	reads_back(&w.ed, false);
	reads_back(&w.rsa, false);
	reads_back(&w.leaf, true);
}

static void test_cut_short_or_longer(void **state)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf);
	size_t last;

	(void)state;
	bundle_make(&w, &w.leaf, &leaf, &text);
	for (size_t n = 0; n < text.len; n++)
		refused(text.p, n, NULL);
	last = text.len;
	assert_int_equal(buf_u8(&text, '\n'), OK);
	refused(text.p, text.len, NULL);
	text.len = last;
	assert_int_equal(buf_u8(&text, 0), OK);
	refused(text.p, text.len, NULL);
}

/* Where a byte more does not break a block it still is not what certmgr writes. */
static void test_one_byte_put_in_anywhere(void **state)
{
	static const char put[] = "\n\r A=";
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(buf_wipe) struct buf other = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf);
	uint64_t seed = unit_seed();

	(void)state;
	bundle_make(&w, &w.leaf, &leaf, &text);
	buf_init_secret(&other, text.len + 1);
	for (size_t i = 0; i < text.len; i += 1 + unit_below(&seed, 3)) {
		char c = put[unit_below(&seed, sizeof put - 1)];

		buf_clear(&other);
		assert_int_equal(buf_put(&other, text.p, i), OK);
		assert_int_equal(buf_u8(&other, (uint8_t)c), OK);
		assert_int_equal(buf_put(&other, text.p + i, text.len - i), OK);
		refused(other.p, other.len, NULL);
	}
}

static void test_another_agents(void **state)
{
	AUTO(agent_bundle_wipe) struct agent_bundle b = { .certs = 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf);

	(void)state;
	bundle_make(&w, &w.leaf, &leaf, &text);
	refused(text.p, text.len, "01975c0e-0000-7000-8000-000000000002");
	assert_int_equal(agent_bundle_parse((const char *)text.p, text.len,
					    NULL, &b, NULL),
			 OK);
}

static void test_a_key_of_another_certificate(void **state)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf);

	(void)state;
	bundle_make(&w, &w.ed, &leaf, &text);
	refused(text.p, text.len, WORLD_AGENT);
}

static void test_a_certificate_that_is_no_agents(void **state)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(buf_wipe) struct buf none = { 0 };
	struct cert ocsp = world_ocsp(&w), nameless = world_nameless(&w);

	(void)state;
	bundle_make(&w, &w.leaf, &ocsp, &text);
	refused(text.p, text.len, NULL);
	bundle_make(&w, &w.leaf, &nameless, &none);
	refused(none.p, none.len, NULL);
}

/* Signed by a key that is not in the CA certificate behind it. */
static void test_a_chain_that_does_not_hold(void **state)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf), ca = world_issuing(&w),
		    root = world_root(&w), no_ca = world_leaf(&w, &w.issuing);

	(void)state;
	buf_init_secret(&text, AGENT_BUNDLE_MAX);
	bundle_key(&w.leaf, &text);
	bundle_cert(&leaf, &w.root, &text);
	bundle_cert(&ca, &w.root, &text);
	refused(text.p, text.len, NULL);
	buf_clear(&text);
	bundle_key(&w.leaf, &text);
	bundle_cert(&leaf, &w.issuing, &text);
	bundle_cert(&root, &w.root, &text); /* not its issuer */
	refused(text.p, text.len, NULL);
	buf_clear(&text);
	bundle_key(&w.leaf, &text);
	bundle_cert(&leaf, &w.issuing, &text);
	bundle_cert(&leaf, &w.issuing, &text); /* not its issuer either */
	refused(text.p, text.len, NULL);
	no_ca.subject = ca.subject; /* its name and key, but no CA */
	buf_clear(&text);
	bundle_key(&w.leaf, &text);
	bundle_cert(&leaf, &w.issuing, &text);
	bundle_cert(&no_ca, &w.root, &text);
	refused(text.p, text.len, NULL);
}

static void test_a_chain_with_its_root(void **state)
{
	AUTO(agent_bundle_wipe) struct agent_bundle b = { .certs = 0 };
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf), root = world_root(&w);

	(void)state;
	bundle_make(&w, &w.leaf, &leaf, &text);
	bundle_cert(&root, &w.root, &text);
	assert_int_equal(agent_bundle_parse((const char *)text.p, text.len,
					    NULL, &b, NULL),
			 OK);
	assert_int_equal(b.certs, 3);
	for (int i = 0; i < 2; i++)
		bundle_cert(&root, &w.root, &text);
	agent_bundle_wipe(&b);
	assert_int_equal(agent_bundle_parse((const char *)text.p, text.len,
					    NULL, &b, NULL),
			 OK);
	bundle_cert(&root, &w.root, &text); /* one too many */
	refused(text.p, text.len, NULL);
}

static void test_blocks_in_another_order(void **state)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf), ca = world_issuing(&w);

	(void)state;
	buf_init_secret(&text, AGENT_BUNDLE_MAX);
	bundle_cert(&leaf, &w.issuing, &text);
	bundle_cert(&ca, &w.root, &text);
	refused(text.p, text.len, NULL);
	bundle_key(&w.leaf, &text);
	refused(text.p, text.len, NULL);
	buf_clear(&text);
	bundle_key(&w.leaf, &text);
	bundle_cert(&ca, &w.root, &text);
	bundle_cert(&leaf, &w.issuing, &text);
	refused(text.p, text.len, NULL);
}

static void test_what_no_key_of_the_kernel_holds(void **state)
{
	static char text[AGENT_BUNDLE_MAX + 1];

	(void)state;
	memset(text, 'A', sizeof text);
	refused(text, sizeof text, NULL);
	refused(text, sizeof text - 1, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_every_kind_of_key),
		cmocka_unit_test(test_cut_short_or_longer),
		cmocka_unit_test(test_one_byte_put_in_anywhere),
		cmocka_unit_test(test_another_agents),
		cmocka_unit_test(test_a_key_of_another_certificate),
		cmocka_unit_test(test_a_certificate_that_is_no_agents),
		cmocka_unit_test(test_a_chain_that_does_not_hold),
		cmocka_unit_test(test_a_chain_with_its_root),
		cmocka_unit_test(test_blocks_in_another_order),
		cmocka_unit_test(test_what_no_key_of_the_kernel_holds),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
