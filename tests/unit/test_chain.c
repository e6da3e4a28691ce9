/* lib/chain.c, cert_peek.c: chains of our CA and of others; each refusal says which. */
#include "lib/chain.h"

#include "lib/cert_peek.h"
#include "lib/oid.h"

#include "tests/unit/cert_world.h"
#include "tests/unit/pki_world.h"

/* OpenSSL's are other numbers than lib/cert.h's. */
#undef KU_KEY_ENCIPHERMENT
#undef KU_CRL_SIGN

static struct world w, other;
static struct buf root_der, issuing_der;
static struct pki pki; /* a CA that OpenSSL made */

static int begin(void **state)
{
	struct cert c;

	(void)state;
	world_now = 1767322800;
	world_make(&w, KEY_P256);
	world_make(&other, KEY_P256);
	c = world_root(&w);
	world_sign(&c, &w.root, &root_der);
	c = world_issuing(&w);
	world_sign(&c, &w.root, &issuing_der);
	pki_open(&pki);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pki_close(&pki);
	world_wipe(&w);
	world_wipe(&other);
	buf_wipe(&root_der);
	buf_wipe(&issuing_der);
	return 0;
}

static void take_root(struct chain_root *r)
{
	struct fault f = { .text = "" };

	if (chain_root_take(r, span_buf(&root_der), &f) != OK)
		fail_msg("%s", f.text);
}

/* What is said of these certificates, the leaf first. */
static enum err judge_at(const struct span *der, unsigned n, int64_t now,
			 struct fault *f)
{
	AUTO(chain_root_wipe) struct chain_root root = { .path_len = -1 };
	struct chain_in in = {
		.der = der, .count = n, .usage = EKU_CLIENT, .now = now
	};
	struct chain_end e;
	enum err err;

	take_root(&root);
	f->text[0] = 0;
	err = chain_check(&root, &in, &e, f);
	if (err == OK) {
		assert_ptr_equal(e.ca, e.made);
		assert_true(e.not_before <= now && now <= e.not_after);
		chain_ca_free(&e.made);
	} else {
		assert_int_equal(err, f->code);
		assert_true(f->text[0]);
	}
	return err;
}

static void assert_refused(enum err e, const struct fault *f, enum err want,
			   const char *words)
{
	if (e != want || !strstr(f->text, words))
		fail_msg("%s: %s (not %s: %s)", err_name(e), f->text,
			 err_name(want), words);
}

static void assert_bad_at(const struct buf *leaf, const struct buf *issuing,
			  int64_t now, enum err want, const char *words)
{
	const struct span der[] = { span_buf(leaf), span_buf(issuing) };
	struct fault f;

	assert_refused(judge_at(der, 2, now, &f), &f, want, words);
}

/* A leaf that the issuing CA signed all the same. */
static void assert_bad_leaf(const struct cert *c, enum err want,
			    const char *words)
{
	AUTO(buf_wipe) struct buf leaf = { 0 };

	world_sign(c, &w.issuing, &leaf);
	assert_bad_at(&leaf, &issuing_der, world_now, want, words);
}

static void assert_bad_issuing(const struct cert *c, enum err want,
			       const char *words)
{
	AUTO(buf_wipe) struct buf leaf = { 0 };
	AUTO(buf_wipe) struct buf issuing = { 0 };
	struct cert l = world_leaf(&w, &w.leaf);

	world_sign(&l, &w.issuing, &leaf);
	world_sign(c, &w.root, &issuing);
	assert_bad_at(&leaf, &issuing, world_now, want, words);
}

/* ---- good ones */

static void test_what_our_ca_issues_is_good(void **state)
{
	const struct cert all[] = {
		world_leaf(&w, &w.leaf), world_leaf(&w, &w.rsa),
		world_leaf(&w, &w.ed),   world_leaf(&w, &w.p384),
		world_endpoint(&w),      world_spiffe(&w)
	};

	(void)state;
	for (size_t i = 0; i < NELEM(all); i++) {
		AUTO(buf_wipe) struct buf leaf = { 0 };
		struct span der[3];
		struct fault f;

		world_sign(&all[i], &w.issuing, &leaf);
		der[0] = span_buf(&leaf);
		der[1] = span_buf(&root_der); /* in any order */
		der[2] = span_buf(&issuing_der);
		if (judge_at(der, 3, world_now, &f) != OK)
			fail_msg("%zu: %s", i, f.text);
	}
}

static void test_a_known_issuing_ca_need_not_be_sent(void **state)
{
	AUTO(chain_root_wipe) struct chain_root root = { .path_len = -1 };
	AUTO(chain_ca_free) struct chain_ca *ca = NULL;
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct cert c = world_leaf(&w, &w.leaf);
	const struct chain_ca *known[1];
	struct chain_end e;
	struct span der;
	struct fault f;
	struct chain_in in = { .der = &der,
			       .count = 1,
			       .known = known,
			       .n_known = 1,
			       .usage = EKU_CLIENT,
			       .now = world_now };

	(void)state;
	take_root(&root);
	assert_int_equal(
		chain_ca_new(&root, span_buf(&issuing_der), world_now, &ca, &f),
		OK);
	known[0] = ca;
	world_sign(&c, &w.issuing, &leaf);
	der = span_buf(&leaf);
	assert_int_equal(chain_check(&root, &in, &e, &f), OK);
	assert_ptr_equal(e.ca, ca);
	assert_null(e.made);
	assert_true(span_is(e.cert.subject.uid, WORLD_AGENT));
	assert_int_equal(e.not_after, c.not_after);
	assert_int_equal(e.not_before, world_now - 60);
}

static void test_both_ends_of_the_validity_are_inside(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct span der[2];
	struct fault f;

	(void)state;
	c.not_before = world_now - 30; /* the CA's are as of -60 */
	world_sign(&c, &w.issuing, &leaf);
	der[0] = span_buf(&leaf);
	der[1] = span_buf(&issuing_der);
	assert_int_equal(judge_at(der, 2, c.not_before, &f), OK);
	assert_int_equal(judge_at(der, 2, c.not_after, &f), OK);
	assert_refused(judge_at(der, 2, c.not_before - 1, &f), &f, ERR_EXPIRED,
		       "the client certificate is not valid before "
		       "2026-01-02T02:59:30Z");
	assert_refused(judge_at(der, 2, c.not_after + 1, &f), &f, ERR_EXPIRED,
		       "the client certificate expired at "
		       "2026-01-03T03:00:00Z: renew it");
}

/* ---- whose */

static void test_no_certificate(void **state)
{
	struct fault f;

	(void)state;
	assert_refused(judge_at(NULL, 0, world_now, &f), &f,
		       ERR_UNAUTHENTICATED, "no client certificate");
}

static void test_a_self_signed_one_with_all_the_right_names(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);
	AUTO(buf_wipe) struct buf leaf = { 0 };

	(void)state;
	c.issuer = c.subject;
	c.authority_key = c.subject_key;
	world_sign(&c, &w.leaf, &leaf);
	assert_bad_at(&leaf, &issuing_der, world_now, ERR_DENIED,
		      "is self-signed");
}

/* The same names throughout: only the keys are others. */
static void test_another_ca_of_the_same_name(void **state)
{
	struct cert c = world_issuing(&other);
	AUTO(buf_wipe) struct buf leaf = { 0 };
	AUTO(buf_wipe) struct buf issuing = { 0 };

	(void)state;
	world_sign(&c, &other.root, &issuing);
	c = world_leaf(&other, &other.leaf);
	world_sign(&c, &other.issuing, &leaf);
	assert_bad_at(&leaf, &issuing, world_now, ERR_DENIED,
		      "of another CA: its issuing CA is not signed by the "
		      "root");
	assert_bad_at(&leaf, &issuing_der, world_now, ERR_DENIED,
		      "of another CA: it names an issuer whose key has not");
}

/* Of a form that ours never has; with our issuing CA beside it. */
static void test_another_ca_by_openssl(void **state)
{
	AUTO(buf_wipe) struct buf leaf = { .max = CERT_MAX };
	AUTO(buf_wipe) struct buf ca = { .max = CERT_MAX };
	uint8_t *der = NULL;
	int n = i2d_X509(pki.ca, &der);

	(void)state;
	assert_int_equal(buf_put(&leaf, pki.ocsp_der, pki.ocsp_der_n), OK);
	assert_int_equal(buf_put(&ca, der, (size_t)n), OK);
	OPENSSL_free(der);
	assert_bad_at(&leaf, &ca, 0, ERR_DENIED, "of another CA: its issuing");
	assert_bad_at(&leaf, &issuing_der, world_now, ERR_DENIED,
		      "of another CA: its issuer is not known here");
	assert_bad_at(&ca, &issuing_der, world_now, ERR_DENIED,
		      "is self-signed");
}

static void test_a_leaf_does_not_issue(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);
	struct cert below = world_leaf(&w, &w.p384);
	AUTO(buf_wipe) struct buf leaf = { 0 };
	AUTO(buf_wipe) struct buf middle = { 0 };
	struct span der[3];
	struct fault f;

	(void)state;
	world_sign(&c, &w.issuing, &middle);
	below.issuer = c.subject;
	below.subject.uid = span_str("01975c0e-0000-7000-8000-000000000002");
	below.authority_key = c.subject_key;
	world_sign(&below, &w.leaf, &leaf);
	der[0] = span_buf(&leaf);
	der[1] = span_buf(&middle);
	der[2] = span_buf(&issuing_der);
	assert_refused(judge_at(der, 3, world_now, &f), &f, ERR_DENIED,
		       "of another CA: its issuing CA is not signed by the "
		       "root");
}

static void test_too_many_certificates(void **state)
{
	struct span der[CHAIN_MAX + 1];
	struct fault f;

	(void)state;
	for (size_t i = 0; i < NELEM(der); i++)
		der[i] = span_buf(&issuing_der);
	assert_refused(judge_at(der, NELEM(der), world_now, &f), &f, ERR_DENIED,
		       "over 8 certificates");
}

/* ---- what the leaf says */

static void test_a_leaf_of_another_use(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);

	(void)state;
	c.ext_usage = EKU_SERVER;
	assert_bad_leaf(&c, ERR_DENIED, "is not for clients");
	c = world_ocsp(&w);
	assert_bad_leaf(&c, ERR_DENIED, "is not for clients");
	c = world_leaf(&w, &w.rsa);
	c.key_usage = KU_KEY_ENCIPHERMENT;
	assert_bad_leaf(&c, ERR_DENIED, "lacks digitalSignature");
	c = world_issuing(&w);
	c.issuer = c.subject;
	c.subject = world_ca_name("below");
	c.authority_key = c.subject_key;
	assert_bad_leaf(&c, ERR_DENIED, "is a CA's");
}

static void test_a_leaf_of_other_names(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);

	(void)state;
	c.dns.at[0] = span_str("x.evil.example");
	assert_bad_leaf(&c, ERR_DENIED, "has the name 'x.evil.example'");
	c.dns.at[0] = span_str("xcorp.example");
	assert_bad_leaf(&c, ERR_DENIED, "has the name 'xcorp.example'");
	c = world_endpoint(&w);
	c.uri.at[0] = span_str("https+tcp://a.n1.evil.example:443");
	assert_bad_leaf(&c, ERR_DENIED, "which its CA may not certify");
	c.uri.at[0] = span_str("https://corp.example");
	assert_bad_leaf(&c, ERR_DENIED, "which its CA may not certify");
	c.uri.at[0] = span_str("https://a.corp.example@evil.example");
	assert_bad_leaf(&c, ERR_DENIED, "which its CA may not certify");
	c.uri.at[0] = span_str("https://a.corp.example:x@evil.example");
	assert_bad_leaf(&c, ERR_DENIED, "which its CA may not certify");
	c.uri.at[0] = span_str("urn:corp.example");
	assert_bad_leaf(&c, ERR_DENIED, "which its CA may not certify");
	c = world_spiffe(&w);
	c.uri.at[0] = span_str("spiffe://a.trust.example/web/x");
	assert_bad_leaf(&c, ERR_DENIED, "which its CA may not certify");
	c = world_nameless(&w);
	assert_bad_leaf(&c, ERR_DENIED, "lacks O, OU or UID");
}

static void put_part(struct buf *b, enum oid o, struct span value)
{
	size_t set, seq;

	assert_int_equal(der_begin(b, DER_SET, &set), OK);
	assert_int_equal(der_begin(b, DER_SEQ, &seq), OK);
	assert_int_equal(oid_put(b, o), OK);
	assert_int_equal(der_put_span(b, DER_UTF8, value), OK);
	assert_int_equal(der_end(b, seq), OK);
	assert_int_equal(der_end(b, set), OK);
}

/* The leaf with a subject of any bytes, which lib/dn.c does not write. */
static void sign_named(const struct span part[3], struct buf *out)
{
	static const enum oid names[3] = { OID_O, OID_OU, OID_UID };
	AUTO(buf_wipe) struct buf whole = { 0 };
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf sig = { 0 };
	struct cert leaf = world_leaf(&w, &w.leaf), c;
	struct rd r, body;
	struct fault f;
	size_t m, n;

	world_tbs(&leaf, &whole);
	assert_int_equal(cert_parse_tbs(span_buf(&whole), &c, &f), OK);
	r = span_rd(span_buf(&whole));
	assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
	buf_init(&tbs, CERT_MAX);
	buf_init(&sig, 1024);
	buf_init(out, CERT_MAX);
	assert_int_equal(der_begin(&tbs, DER_SEQ, &m), OK);
	n = (size_t)(c.subject_der.p - body.p);
	assert_int_equal(buf_put(&tbs, body.p, n), OK);
	assert_int_equal(der_begin(&tbs, DER_SEQ, &n), OK);
	for (size_t i = 0; i < 3; i++)
		if (part[i].p)
			put_part(&tbs, names[i], part[i]);
	assert_int_equal(der_end(&tbs, n), OK);
	n = (size_t)(c.subject_der.p + c.subject_der.n - body.p);
	assert_int_equal(buf_put(&tbs, body.p + n, rd_left(&body) - n), OK);
	assert_int_equal(der_end(&tbs, m), OK);
	assert_int_equal(signkey_sign(w.issuing.key, span_buf(&tbs), &sig), OK);
	assert_int_equal(
		cert_join(span_buf(&tbs), leaf.alg, span_buf(&sig), out), OK);
}

/* What the core could not take as a subject ends here, with a sentence. */
static void test_a_leaf_whose_subject_has_strange_bytes(void **state)
{
	static char lots[300];
	const struct span bad[] = {
		span_of("a\0b", 3),   span_of("\0", 1),
		span_of("", 0),       span_of(lots, 65),
		span_of(lots, 257),   span_of(lots, 300),
		span_str("a\nb"),     span_str("a\x1b[2Jb"),
		span_str("a\x7f"),    span_str("\xff\xfe"),
		span_str("\xc0\xaf"), span_str("\xc2\x85")
	};

	(void)state;
	memset(lots, 'a', sizeof lots);
	for (size_t at = 0; at < 3; at++) {
		for (size_t i = 0; i <= NELEM(bad); i++) {
			AUTO(buf_wipe) struct buf leaf = { 0 };
			struct span part[] = { span_str("web"),
					       span_str(WORLD_NODE),
					       span_str(WORLD_AGENT) };

			part[at] = i < NELEM(bad) ? bad[i] : span_of(NULL, 0);
			sign_named(part, &leaf);
			assert_bad_at(
				&leaf, &issuing_der, world_now, ERR_DENIED,
				i < NELEM(bad) ? "certificate: the subject"
					       : "lacks O, OU or UID");
		}
	}
}

static void test_a_leaf_of_another_key(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);

	(void)state;
	c.authority_key = span_of(w.root.id, CERT_KEY_ID);
	assert_bad_leaf(&c, ERR_DENIED, "names another key");
	c = world_leaf(&w, &w.leaf);
	c.serial = span_of("\x01\x02\x03", 3);
	assert_bad_leaf(&c, ERR_DENIED, "no agent's");
}

/* Signs a leaf whose TBS was changed: `from` became `to`, both of n bytes. */
static void assert_bad_tbs(const struct cert *c, const void *from,
			   const void *to, size_t n, const char *words)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf sig = { .max = 1024 };
	AUTO(buf_wipe) struct buf leaf = { .max = CERT_MAX };
	uint8_t *at;

	world_tbs(c, &tbs);
	at = memmem(tbs.p, tbs.len, from, n);
	assert_non_null(at);
	memcpy(at, to, n);
	assert_int_equal(signkey_sign(w.issuing.key, span_buf(&tbs), &sig), OK);
	assert_int_equal(
		cert_join(span_buf(&tbs), c->alg, span_buf(&sig), &leaf), OK);
	assert_bad_at(&leaf, &issuing_der, world_now, ERR_DENIED, words);
}

static void test_extensions_that_ours_have_not(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);

	(void)state;
	/* keyUsage, critical, becomes one that nobody knows (2.5.29.99) */
	assert_bad_tbs(&c, "\x55\x1d\x0f\x01\x01\xff",
		       "\x55\x1d\x63\x01\x01\xff", 6,
		       "a critical extension that is not known");
	/* not critical: the CRL's place */
	assert_bad_tbs(&c, "\x55\x1d\x1f", "\x55\x1d\x63", 3,
		       "not as our CA makes them: certificate: an extension "
		       "that is unknown");
	/* a capability that is none */
	assert_bad_tbs(&c, "admin:credd@n1", "admin;credd@n1", 14,
		       "not as our CA makes them: certificate: the extension "
		       "'capabilities'");
	/* a DNS name that becomes an address */
	c.dns.count = 1;
	c.dns.at[0] = span_str("abcd");
	assert_bad_tbs(&c,
		       "\x82\x04"
		       "abcd",
		       "\x87\x04\x7f\0\0\x01", 6, "names an IP address");
}

/* Names that the core could not take end here, with a sentence. */
static void test_names_that_are_none(void **state)
{
	struct cert c = world_plain(&w, &w.leaf);
	char words[96];

	(void)state;
	(void)snprintf(words, sizeof words,
		       "not as our CA makes them: certificate: the subject");
	assert_bad_tbs(&c, "\x0c\x03web", "\x0c\x03w\0b", 5, words);
	assert_bad_tbs(&c, "\x0c\x03web",
		       "\x0c\x03w\xff"
		       "b",
		       5, words);
	assert_bad_tbs(&c, "\x0c\x0f" WORLD_NODE, "\x0c\x0fn\0.corp.example",
		       17, words);
	/* UID becomes a second OU */
	assert_bad_tbs(&c, "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01",
		       "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x02", 10, words);
	/* a part that is empty, and what is left of it behind it */
	assert_bad_tbs(&c, "\x0c\x03web", "\x0c\0\x0c\x01x", 5, words);
	world_name(&c.caps, "sign:prod@*");
	assert_bad_tbs(&c, "sign:prod@*", "sign:pr\0d@*", 11,
		       "the extension 'capabilities'");
	assert_bad_tbs(&c, "\x0c\x0bsign:prod@*", "\x0c\0\x0c\x09gn:prod@*", 13,
		       "the extension 'capabilities'");
}

/* What is signed says by which algorithm; what stands beside it is nobody's word. */
static void test_another_algorithm_beside_the_signature(void **state)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf sig = { .max = 1024 };
	AUTO(buf_wipe) struct buf leaf = { .max = CERT_MAX };
	struct cert c = world_leaf(&w, &w.leaf);

	(void)state;
	c.alg = SIG_ECDSA_SHA384;
	world_tbs(&c, &tbs);
	assert_int_equal(signkey_sign(w.issuing.key, span_buf(&tbs), &sig), OK);
	assert_int_equal(cert_join(span_buf(&tbs), SIG_ECDSA_SHA256,
				   span_buf(&sig), &leaf),
			 OK);
	assert_bad_at(&leaf, &issuing_der, world_now, ERR_DENIED,
		      "signed with one algorithm and naming another");
}

/* ---- what the issuing CA's says */

static void test_issuing_cas_that_are_none(void **state)
{
	struct cert c = world_issuing(&w);

	(void)state;
	c.not_after = world_now - 1;
	c.not_before = world_now - 100;
	assert_bad_issuing(&c, ERR_EXPIRED,
			   "the issuing CA's certificate expired at "
			   "2026-01-02T02:59:59Z");
	c = world_issuing(&w);
	c.not_before = world_now + 10;
	assert_bad_issuing(&c, ERR_EXPIRED, "is not valid before");
	c = world_issuing(&w);
	c.ca = false;
	c.path_len = -1;
	c.key_usage = KU_CRL_SIGN;
	assert_bad_issuing(&c, ERR_DENIED, "is no CA");
	c = world_issuing(&w);
	c.authority_key = span_of(w.leaf.id, CERT_KEY_ID);
	assert_bad_issuing(&c, ERR_DENIED, "another key than the root's");
}

/* ---- more than one certificate of the issuing CA's key */

/* One that has ended, as it was before the CA renewed it. */
static void old_issuing(const struct world_key *by, struct buf *out)
{
	struct cert c = world_issuing(&w);

	c.not_before = world_now - 100;
	c.not_after = world_now - 1;
	world_sign(&c, by, out);
}

static void test_a_renewed_issuing_ca_beside_the_old_one(void **state)
{
	AUTO(buf_wipe) struct buf old = { 0 };
	AUTO(buf_wipe) struct buf cross = { 0 };
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct cert c = world_leaf(&w, &w.leaf);
	struct span der[3];
	struct fault f;

	(void)state;
	world_sign(&c, &w.issuing, &leaf);
	old_issuing(&w.root, &old);
	c = world_issuing(&w);
	world_sign(&c, &other.root, &cross);
	der[0] = span_buf(&leaf);
	der[2] = span_buf(&issuing_der);
	der[1] = span_buf(&old);
	if (judge_at(der, 3, world_now, &f) != OK)
		fail_msg("renewed: %s", f.text);
	der[1] = span_buf(&cross);
	if (judge_at(der, 3, world_now, &f) != OK)
		fail_msg("signed by another root as well: %s", f.text);
	/* of those that are all bad the first says why */
	der[1] = span_buf(&old);
	der[2] = span_buf(&cross);
	assert_refused(judge_at(der, 3, world_now, &f), &f, ERR_EXPIRED,
		       "the issuing CA's certificate expired");
}

static void test_a_renewed_issuing_ca_is_known(void **state)
{
	AUTO(chain_root_wipe) struct chain_root root = { .path_len = -1 };
	AUTO(chain_ca_free) struct chain_ca *old = NULL;
	AUTO(chain_ca_free) struct chain_ca *ca = NULL;
	AUTO(buf_wipe) struct buf der = { 0 };
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct cert c = world_leaf(&w, &w.leaf);
	const struct chain_ca *known[2];
	struct chain_end e;
	struct span sent[2];
	struct fault f;
	struct chain_in in = { .der = sent,
			       .known = known,
			       .n_known = 2,
			       .usage = EKU_CLIENT,
			       .now = world_now };

	(void)state;
	take_root(&root);
	old_issuing(&w.root, &der);
	assert_int_equal(
		chain_ca_new(&root, span_buf(&der), world_now - 9, &old, &f),
		OK);
	assert_int_equal(
		chain_ca_new(&root, span_buf(&issuing_der), world_now, &ca, &f),
		OK);
	known[0] = old;
	known[1] = ca;
	world_sign(&c, &w.issuing, &leaf);
	sent[0] = span_buf(&leaf);
	sent[1] = span_buf(&issuing_der);
	for (in.count = 1; in.count <= 2; in.count++) {
		if (chain_check(&root, &in, &e, &f) != OK)
			fail_msg("%u sent: %s", in.count, f.text);
		assert_null(e.made);
		assert_ptr_equal(e.ca, ca);
	}
}

/* ---- the root */

static void test_roots(void **state)
{
	AUTO(chain_root_wipe) struct chain_root root = { .path_len = -1 };
	AUTO(buf_wipe) struct buf der = { 0 };
	AUTO(chain_ca_free) struct chain_ca *ca = NULL;
	struct cert c = world_leaf(&w, &w.leaf);
	uint8_t *by = NULL;
	struct fault f;
	int n;

	(void)state;
	world_sign(&c, &w.issuing, &der);
	assert_refused(chain_root_take(&root, span_buf(&der), &f), &f,
		       ERR_INVALID, "it is not a CA's");
	assert_refused(chain_root_take(&root, span_of("x", 1), &f), &f,
		       ERR_INVALID, "it is not a certificate");
	/* one that others made is a root like any */
	n = i2d_X509(pki.ca, &by);
	assert_int_equal(chain_root_take(&root, span_of(by, (size_t)n), &f),
			 OK);
	OPENSSL_free(by);
	assert_int_equal(root.path_len, 0);
	/* a root that allows none below it */
	buf_wipe(&der);
	c = world_root(&w);
	c.path_len = 0;
	world_sign(&c, &w.root, &der);
	assert_int_equal(chain_root_take(&root, span_buf(&der), &f), OK);
	assert_refused(
		chain_ca_new(&root, span_buf(&issuing_der), world_now, &ca, &f),
		&f, ERR_DENIED, "pathLen 0");
	/* … and one that has ended */
	buf_wipe(&der);
	c.path_len = -1;
	c.not_after = world_now - 1;
	c.not_before = world_now - 100;
	world_sign(&c, &w.root, &der);
	assert_int_equal(chain_root_take(&root, span_buf(&der), &f), OK);
	assert_refused(
		chain_ca_new(&root, span_buf(&issuing_der), world_now, &ca, &f),
		&f, ERR_EXPIRED, "the CA's root certificate expired");
}

static void test_a_root_with_constraints(void **state)
{
	AUTO(chain_root_wipe) struct chain_root root = { .path_len = -1 };
	AUTO(chain_ca_free) struct chain_ca *ca = NULL;
	AUTO(buf_wipe) struct buf der = { 0 };
	struct cert c = world_root(&w);
	struct fault f;

	(void)state;
	world_name(&c.permit_dns, WORLD_DOMAIN);
	world_sign(&c, &w.root, &der);
	assert_int_equal(chain_root_take(&root, span_buf(&der), &f), OK);
	assert_true(root.constrained);
	assert_int_equal(
		chain_ca_new(&root, span_buf(&issuing_der), world_now, &ca, &f),
		OK);
}

/* They bind what is below the issuing CA as well. */
static void test_a_leaf_that_the_root_may_not_have(void **state)
{
	AUTO(chain_root_wipe) struct chain_root root = { .path_len = -1 };
	AUTO(buf_wipe) struct buf der = { 0 };
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct cert c = world_root(&w);
	struct span sent[2];
	struct chain_end e;
	struct fault f;
	struct chain_in in = {
		.der = sent, .count = 2, .usage = EKU_CLIENT, .now = world_now
	};

	(void)state;
	world_name(&c.permit_dns, "other.example");
	world_sign(&c, &w.root, &der);
	assert_int_equal(chain_root_take(&root, span_buf(&der), &f), OK);
	c = world_leaf(&w, &w.leaf);
	world_sign(&c, &w.issuing, &leaf);
	sent[0] = span_buf(&leaf);
	sent[1] = span_buf(&issuing_der);
	assert_refused(chain_check(&root, &in, &e, &f), &f, ERR_DENIED,
		       "which the root may not certify");
	assert_null(e.made);
}

/* ---- broken bytes */

static void test_what_is_cut_short_is_refused(void **state)
{
	struct cert c = world_leaf(&w, &w.leaf);
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct cert_peek p;
	struct fault f;

	(void)state;
	world_sign(&c, &w.issuing, &leaf);
	assert_int_equal(cert_peek(span_buf(&leaf), &p), OK);
	assert_int_equal(p.not_after, c.not_after);
	for (size_t n = 0; n < leaf.len; n++) {
		uint8_t *cut = xmemdup(leaf.p, n ? n : 1);
		struct span der[] = { span_of(cut, n), span_buf(&issuing_der) };

		assert_int_equal(cert_peek(der[0], &p), ERR_INVALID);
		assert_refused(judge_at(der, 2, world_now, &f), &f, ERR_DENIED,
			       "cannot be read");
		free(cut);
	}
}

/* No byte can be another. */
static void test_what_is_changed_is_refused(void **state)
{
	struct cert c = world_leaf(&w, &w.ed);
	AUTO(buf_wipe) struct buf leaf = { 0 };
	struct span der[2];
	struct fault f;

	(void)state;
	world_sign(&c, &w.issuing, &leaf);
	der[0] = span_buf(&leaf);
	der[1] = span_buf(&issuing_der);
	for (size_t i = 0; i < leaf.len; i++) {
		leaf.p[i] ^= 0x04;
		assert_int_not_equal(judge_at(der, 2, world_now, &f), OK);
		leaf.p[i] ^= 0x04;
	}
	assert_int_equal(judge_at(der, 2, world_now, &f), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_our_ca_issues_is_good),
		cmocka_unit_test(test_a_known_issuing_ca_need_not_be_sent),
		cmocka_unit_test(test_both_ends_of_the_validity_are_inside),
		cmocka_unit_test(test_no_certificate),
		cmocka_unit_test(
			test_a_self_signed_one_with_all_the_right_names),
		cmocka_unit_test(test_another_ca_of_the_same_name),
		cmocka_unit_test(test_another_ca_by_openssl),
		cmocka_unit_test(test_a_leaf_does_not_issue),
		cmocka_unit_test(test_too_many_certificates),
		cmocka_unit_test(test_a_leaf_of_another_use),
		cmocka_unit_test(test_a_leaf_of_other_names),
		cmocka_unit_test(test_a_leaf_whose_subject_has_strange_bytes),
		cmocka_unit_test(test_a_leaf_of_another_key),
		cmocka_unit_test(test_extensions_that_ours_have_not),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_another_algorithm_beside_the_signature),
		cmocka_unit_test(test_issuing_cas_that_are_none),
		cmocka_unit_test(test_a_renewed_issuing_ca_beside_the_old_one),
		cmocka_unit_test(test_a_renewed_issuing_ca_is_known),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_a_root_with_constraints),
		cmocka_unit_test(test_a_leaf_that_the_root_may_not_have),
		cmocka_unit_test(test_what_is_cut_short_is_refused),
		cmocka_unit_test(test_what_is_changed_is_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
