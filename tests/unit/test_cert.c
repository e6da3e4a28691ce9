/* lib/cert.c: what is built is read back as it was, and nothing else is read. */
#include "lib/cert.h"

#include "tests/unit/cert_world.h"

static struct world world;

struct maker {
	struct cert (*make)(const struct world *w);
};

static struct cert leaf(const struct world *w)
{
	return world_leaf(w, &w->leaf);
}

static struct cert rsa(const struct world *w)
{
	return world_leaf(w, &w->rsa);
}

static struct cert ed25519(const struct world *w)
{
	return world_leaf(w, &w->ed);
}

static const struct maker makers[] = {
	{ world_root },   { world_issuing },  { leaf },
	{ rsa },          { ed25519 },        { world_endpoint },
	{ world_spiffe }, { world_nameless }, { world_ocsp },
};

static bool same_names(const struct cert_names *a, const struct cert_names *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (!span_equal(a->at[i], b->at[i]))
			return false;
	return true;
}

static bool same_dn(const struct dn *a, const struct dn *b)
{
	return span_equal(a->domain, b->domain) && span_equal(a->o, b->o) &&
	       span_equal(a->ou, b->ou) && span_equal(a->uid, b->uid) &&
	       span_equal(a->cn, b->cn);
}

static void assert_same(const struct cert *a, const struct cert *b)
{
	assert_true(span_equal(a->serial, b->serial));
	assert_int_equal(a->alg, b->alg);
	assert_true(same_dn(&a->issuer, &b->issuer));
	assert_true(same_dn(&a->subject, &b->subject));
	assert_true(a->not_before == b->not_before);
	assert_true(a->not_after == b->not_after);
	assert_true(span_equal(a->spki, b->spki));
	assert_int_equal(a->ca, b->ca);
	assert_int_equal(a->path_len, b->path_len);
	assert_int_equal(a->key_usage, b->key_usage);
	assert_int_equal(a->ext_usage, b->ext_usage);
	assert_true(same_names(&a->dns, &b->dns));
	assert_true(same_names(&a->uri, &b->uri));
	assert_true(same_names(&a->caps, &b->caps));
	assert_int_equal(a->nocheck, b->nocheck);
	assert_true(span_equal(a->subject_key, b->subject_key));
	assert_true(span_equal(a->authority_key, b->authority_key));
	assert_true(span_equal(a->crl_url, b->crl_url));
	assert_true(span_equal(a->ocsp_url, b->ocsp_url));
	assert_true(span_equal(a->issuer_url, b->issuer_url));
	assert_true(same_names(&a->permit_dns, &b->permit_dns));
	assert_true(same_names(&a->permit_uri, &b->permit_uri));
	assert_int_equal(a->exclude_ip, b->exclude_ip);
}

static void goes_round(const struct cert *c)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf again = { 0 };
	AUTO(buf_wipe) struct buf name = { 0 };
	struct fault f = { .code = OK };
	struct cert got;

	world_tbs(c, &tbs);
	if (cert_parse_tbs(span_of(tbs.p, tbs.len), &got, &f) != OK)
		fail_msg("%s", f.text);
	assert_same(c, &got);
	world_tbs(&got, &again);
	assert_int_equal(again.len, tbs.len);
	assert_memory_equal(again.p, tbs.p, tbs.len);
	buf_init(&name, 4096);
	assert_int_equal(dn_put(&name, &c->subject), OK);
	assert_true(span_equal(got.subject_der, span_of(name.p, name.len)));
	buf_clear(&name);
	assert_int_equal(dn_put(&name, &c->issuer), OK);
	assert_true(span_equal(got.issuer_der, span_of(name.p, name.len)));
}

static void test_goes_round(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(makers); i++) {
		const struct cert c = makers[i].make(&world);

		goes_round(&c);
	}
}

static bool chance(uint64_t *seed)
{
	return unit_next(seed) & 1;
}

/* Any part of a certificate may be there or not. */
static void test_random_ones_go_round(void **state)
{
	uint64_t seed = unit_seed();

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		struct cert c =
			makers[unit_below(&seed, NELEM(makers))].make(&world);
		struct span *part[] = { &c.crl_url,       &c.ocsp_url,
					&c.issuer_url,    &c.subject_key,
					&c.authority_key, &c.subject.o,
					&c.subject.cn,    &c.subject.domain,
					&c.issuer.ou };
		struct cert_names *names[] = { &c.dns, &c.uri, &c.caps,
					       &c.permit_dns, &c.permit_uri };

		for (size_t k = 0; k < NELEM(part); k++)
			if (chance(&seed))
				*part[k] = span_of(NULL, 0);
		for (size_t k = 0; k < NELEM(names); k++)
			names[k]->count = (unsigned)unit_below(
				&seed, names[k]->count + 1);
		c.ca = chance(&seed);
		c.path_len = c.ca ? (int)unit_below(&seed, 4) - 1 : -1;
		c.key_usage &= (unsigned)unit_next(&seed);
		c.ext_usage &= (unsigned)unit_next(&seed);
		c.nocheck = chance(&seed);
		c.exclude_ip = chance(&seed);
		goes_round(&c);
	}
}

static void test_leaf_has_an_empty_basic_constraints(void **state)
{
	static const uint8_t want[] = { 0x30, 0x0c, 0x06, 0x03, 0x55,
					0x1d, 0x13, 0x01, 0x01, 0xff,
					0x04, 0x02, 0x30, 0x00 };
	AUTO(buf_wipe) struct buf tbs = { 0 };
	const struct cert c = leaf(&world);

	(void)state;
	world_tbs(&c, &tbs);
	assert_non_null(memmem(tbs.p, tbs.len, want, sizeof want));
}

static void refuses_to_build(const struct cert *c)
{
	AUTO(buf_wipe) struct buf b = { 0 };

	buf_init(&b, CERT_MAX);
	assert_int_equal(buf_str(&b, "kept"), OK);
	assert_int_equal(cert_build(c, &b), ERR_INVALID);
	assert_int_equal(b.len, 4);
}

static void test_refuses_to_build_what_it_would_not_read(void **state)
{
	static const uint8_t big[21] = { 1 };
	struct cert c;

	(void)state;
#define BAD(change)                                                            \
	do {                                                                   \
		c = leaf(&world);                                              \
		change;                                                        \
		refuses_to_build(&c);                                          \
	} while (0)
	BAD(c.serial = span_of(NULL, 0));
	BAD(c.serial = span_of("\0\1", 2));
	BAD(c.serial = span_of(big, sizeof big));
	BAD(c.serial =
		    span_of("\xff\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1", 20));
	BAD(c.subject.cn = span_of("a\0b", 3));
	BAD(c.subject.domain = span_str("a..b"));
	BAD(c.not_after = c.not_before - 1);
	BAD(c.not_after = 300000000000);
	BAD(c.spki = span_of(NULL, 0));
	BAD(c.spki.n--);
	BAD(c.spki = span_of("\x30\x01\x00\x00", 4));
	BAD(c.path_len = 0);
	BAD((c.ca = true, c.path_len = CERT_PATH_MAX + 1));
	BAD(c.key_usage = 1 << 1);
	BAD(c.ext_usage = 1 << 3);
	BAD(c.dns.at[0] = span_str(""));
	BAD(c.dns.at[0] = span_str("a b"));
	BAD(c.dns.at[0] = span_of("a\0b", 3));
	BAD(c.dns.at[0] = span_str("\xc3\xa4.de"));
	BAD(c.dns.count = CERT_NAMES_MAX + 1);
	BAD(world_name(&c.uri, "http://a\n"));
	BAD(c.crl_url = span_str("http://\x7f"));
	BAD(c.ocsp_url = span_str(" "));
	BAD(c.subject_key.n = 19);
	BAD(c.authority_key.n = 1);
	BAD(c.caps.at[0] = span_str("z:z@z"));
	BAD(c.caps.at[0] = c.caps.at[1]);
	BAD(c.caps.at[0] = span_str("a:b"));
	BAD(world_name(&c.permit_dns, "a b"));
	BAD((c.permit_dns = c.dns, c.permit_dns.count = CERT_DOMAINS_MAX + 1));
#undef BAD
}

/* Each bit of a certificate turned: refused, or read as something that is built with
 * just those bytes. */
static void test_nothing_is_read_that_is_not_built(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(makers); i++) {
		AUTO(buf_wipe) struct buf tbs = { 0 };
		const struct cert c = makers[i].make(&world);
		struct cert got;

		world_tbs(&c, &tbs);
		for (size_t bit = 0; bit < 8 * tbs.len; bit++) {
			AUTO(buf_wipe) struct buf again = { 0 };

			buf_init(&again, CERT_MAX);
			tbs.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (cert_parse_tbs(span_of(tbs.p, tbs.len), &got,
					   NULL) == OK) {
				assert_int_equal(cert_build(&got, &again), OK);
				assert_int_equal(again.len, tbs.len);
				assert_memory_equal(again.p, tbs.p, tbs.len);
			}
			tbs.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void test_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(makers); i++) {
		AUTO(buf_wipe) struct buf tbs = { 0 };
		const struct cert c = makers[i].make(&world);
		struct cert got;
		struct fault f;

		world_tbs(&c, &tbs);
		for (size_t n = 0; n < tbs.len; n++) {
			uint8_t *cut = xmemdup(tbs.p, n ? n : 1);

			assert_int_equal(
				cert_parse_tbs(span_of(cut, n), &got, &f),
				ERR_INVALID);
			assert_true(f.text[0]);
			free(cut);
		}
	}
}

static void test_bytes_after_it_are_refused(void **state)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	const struct cert c = leaf(&world);
	struct cert got;

	(void)state;
	world_tbs(&c, &tbs);
	assert_int_equal(buf_u8(&tbs, 0), OK);
	assert_int_equal(cert_parse_tbs(span_of(tbs.p, tbs.len), &got, NULL),
			 ERR_INVALID);
}

/* Puts the extensions at places a and b of the list the other way round. */
static void swap_extensions(const struct buf *tbs, unsigned a, struct buf *out)
{
	struct rd r = rd_from(tbs->p, tbs->len), body, ext, list;
	struct span one[16];
	unsigned n = 0;
	size_t m, k, l;

	assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
	assert_int_equal(der_begin(out, DER_SEQ, &m), OK);
	while (!der_is(&body, DER_CTX_SEQ | 3)) {
		struct span whole;
		struct rd in;
		unsigned tag;

		assert_int_equal(der_any(&body, &tag, &in, &whole), OK);
		assert_int_equal(der_put_raw(out, whole), OK);
	}
	assert_int_equal(der_get(&body, DER_CTX_SEQ | 3, &ext), OK);
	assert_int_equal(der_get(&ext, DER_SEQ, &list), OK);
	while (rd_left(&list))
		assert_int_equal(der_whole(&list, DER_SEQ, &one[n++]), OK);
	assert_true(a + 1 < n);
	assert_int_equal(der_begin(out, DER_CTX_SEQ | 3, &k), OK);
	assert_int_equal(der_begin(out, DER_SEQ, &l), OK);
	for (unsigned i = 0; i < n; i++) {
		const unsigned from = i == a ? a + 1 : i == a + 1 ? a : i;

		assert_int_equal(der_put_raw(out, one[from]), OK);
	}
	assert_int_equal(der_end(out, l), OK);
	assert_int_equal(der_end(out, k), OK);
	assert_int_equal(der_end(out, m), OK);
}

/* The other criticality: dropped if it is there, put in if not; or FALSE put in. */
static void turn_critical(struct span one, bool said_false, struct buf *out)
{
	static const uint8_t yes[] = { DER_BOOLEAN, 1, 0xff };
	static const uint8_t no[] = { DER_BOOLEAN, 1, 0 };
	struct rd r = span_rd(one), body;
	struct span id;
	bool was;
	size_t m;

	assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
	assert_int_equal(der_whole(&body, DER_OID, &id), OK);
	assert_int_equal(der_begin(out, DER_SEQ, &m), OK);
	assert_int_equal(der_put_raw(out, id), OK);
	if (der_is(&body, DER_BOOLEAN))
		assert_int_equal(der_bool(&body, &was), OK);
	else if (!said_false)
		assert_int_equal(buf_put(out, yes, sizeof yes), OK);
	if (said_false)
		assert_int_equal(buf_put(out, no, sizeof no), OK);
	assert_int_equal(buf_put(out, body.p, rd_left(&body)), OK);
	assert_int_equal(der_end(out, m), OK);
}

static void refuses_other_critical(const struct buf *tbs, unsigned place,
				   bool said_false)
{
	AUTO(buf_wipe) struct buf other = { 0 };
	struct rd r = rd_from(tbs->p, tbs->len), body, ext, seq;
	struct span whole;
	const uint8_t *start;
	struct cert got;
	size_t m, k, l;

	buf_init(&other, CERT_MAX);
	assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
	start = body.p;
	while (!der_is(&body, DER_CTX_SEQ | 3))
		assert_int_equal(der_any(&body, &(unsigned){ 0 }, &seq, &whole),
				 OK);
	assert_int_equal(der_begin(&other, DER_SEQ, &m), OK);
	assert_int_equal(buf_put(&other, start, (size_t)(body.p - start)), OK);
	assert_int_equal(der_get(&body, DER_CTX_SEQ | 3, &ext), OK);
	assert_int_equal(der_get(&ext, DER_SEQ, &seq), OK);
	assert_int_equal(der_begin(&other, DER_CTX_SEQ | 3, &k), OK);
	assert_int_equal(der_begin(&other, DER_SEQ, &l), OK);
	for (unsigned i = 0; rd_left(&seq); i++) {
		assert_int_equal(der_whole(&seq, DER_SEQ, &whole), OK);
		if (i == place)
			turn_critical(whole, said_false, &other);
		else
			assert_int_equal(der_put_raw(&other, whole), OK);
	}
	assert_int_equal(der_end(&other, l), OK);
	assert_int_equal(der_end(&other, k), OK);
	assert_int_equal(der_end(&other, m), OK);
	assert_int_not_equal(other.len, tbs->len);
	assert_int_equal(
		cert_parse_tbs(span_of(other.p, other.len), &got, NULL),
		ERR_INVALID);
}

static void test_another_criticality_is_refused(void **state)
{
	struct cert two[2];

	(void)state;
	/* not in an initializer: gcc 12 with -ftrivial-auto-var-init=zero
	 * clears there what it takes for padding */
	two[0] = leaf(&world);
	two[1] = world_issuing(&world);
	for (size_t i = 0; i < NELEM(two); i++) {
		AUTO(buf_wipe) struct buf tbs = { 0 };

		world_tbs(&two[i], &tbs);
		for (unsigned k = 0; k < (i ? 5 : 9); k++)
			refuses_other_critical(&tbs, k, false);
		refuses_other_critical(&tbs, 0, true);
		refuses_other_critical(&tbs, 1, true);
	}
}

static void test_another_order_is_refused(void **state)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	const struct cert c = leaf(&world);

	(void)state;
	world_tbs(&c, &tbs);
	for (unsigned i = 0; i < 8; i++) {
		AUTO(buf_wipe) struct buf other = { 0 };
		struct fault f = { .code = OK };
		struct cert got;

		buf_init(&other, CERT_MAX);
		swap_extensions(&tbs, i, &other);
		assert_int_equal(other.len, tbs.len);
		assert_int_equal(
			cert_parse_tbs(span_of(other.p, other.len), &got, &f),
			ERR_INVALID);
		assert_non_null(strstr(f.text, "not in its place"));
	}
}

static void test_too_large(void **state)
{
	static char room[CERT_NAMES_MAX][URI_MAX + 1];
	AUTO(buf_wipe) struct buf out = { 0 };
	AUTO(mem_free) void *big = xcalloc(1, CERT_MAX + 1);
	struct cert c = leaf(&world), got;
	struct cert_signed s;
	struct fault f;

	(void)state;
	buf_init(&out, 1 << 20);
	for (unsigned i = 0; i < CERT_NAMES_MAX; i++) {
		memset(room[i], 'a', URI_MAX);
		world_name(&c.uri, room[i]);
	}
	assert_int_equal(cert_build(&c, &out), OK); /* the most there can be */
	assert_true(out.len < CERT_TBS_MAX);
	assert_int_equal(
		cert_parse_tbs(span_of(big, CERT_TBS_MAX + 1), &got, &f),
		ERR_TOO_LARGE);
	assert_int_equal(cert_split(span_of(big, CERT_MAX + 1), &s, &f),
			 ERR_TOO_LARGE);
}

static void test_splits_what_it_joined(void **state)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf der = { 0 };
	const struct cert c = leaf(&world);
	struct cert_signed s;
	struct pubkey key;

	(void)state;
	world_tbs(&c, &tbs);
	world_sign(&c, &world.issuing, &der);
	assert_int_equal(cert_split(span_of(der.p, der.len), &s, NULL), OK);
	assert_true(span_equal(s.tbs, span_of(tbs.p, tbs.len)));
	assert_int_equal(s.alg, c.alg);
	assert_int_equal(
		pubkey_parse(signkey_spki(world.issuing.key), &key, NULL), OK);
	assert_int_equal(pubkey_verify(&key, s.alg, s.tbs, s.sig), OK);
	for (size_t n = 0; n < der.len; n++)
		assert_int_equal(cert_split(span_of(der.p, n), &s, NULL),
				 ERR_INVALID);
	assert_int_equal(buf_u8(&der, 0), OK);
	assert_int_equal(cert_split(span_of(der.p, der.len), &s, NULL),
			 ERR_INVALID);
}

static void test_split_refuses_another_algorithm(void **state)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf der = { 0 };
	const struct cert c = leaf(&world);
	struct cert_signed s;
	struct fault f;

	(void)state;
	world_tbs(&c, &tbs);
	buf_init(&der, CERT_MAX);
	assert_int_equal(cert_join(span_of(tbs.p, tbs.len), SIG_ECDSA_SHA384,
				   span_str("sig"), &der),
			 OK);
	assert_int_equal(cert_split(span_of(der.p, der.len), &s, &f),
			 ERR_INVALID);
	assert_non_null(strstr(f.text, "naming another"));
}

static int set_up(void **state)
{
	(void)state;
	world_make(&world, KEY_P256);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_wipe(&world);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_round),
		cmocka_unit_test(test_random_ones_go_round),
		cmocka_unit_test(test_leaf_has_an_empty_basic_constraints),
		cmocka_unit_test(test_refuses_to_build_what_it_would_not_read),
		cmocka_unit_test(test_nothing_is_read_that_is_not_built),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_bytes_after_it_are_refused),
		cmocka_unit_test(test_another_order_is_refused),
		cmocka_unit_test(test_another_criticality_is_refused),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_splits_what_it_joined),
		cmocka_unit_test(test_split_refuses_another_algorithm),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
