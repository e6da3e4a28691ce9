/* A root, an issuing CA and the kinds of leaves, made with cert_build and signed, for
 * tests of certificates and of the linter. */
#ifndef TESTS_CERT_WORLD_H
#define TESTS_CERT_WORLD_H

#include "lib/cert.h"
#include "lib/signkey.h"

#include "tests/unit/unit.h"

static inline struct span span_buf(const struct buf *b)
{
	return span_of(b->p, b->len);
}

#define WORLD_DOMAIN "corp.example"
#define WORLD_NODE   "n1.corp.example"
#define WORLD_AGENT  "01975c0e-0000-7000-8000-000000000001"

/* 2026-01-02T03:00:00Z; a test that runs programs which have a clock sets it. */
static int64_t world_now = 1767322800;

enum {
	WORLD_HOUR = 3600,
	WORLD_DAY = 24 * WORLD_HOUR,
};

/* A key and its identifier. */
struct world_key {
	struct signkey *key;
	uint8_t id[CERT_KEY_ID];
};

struct world {
	struct world_key root, issuing, leaf, rsa, ed, p384;
};

static inline void world_key(struct world_key *k, enum key_type t,
			     unsigned bits)
{
	struct pubkey pub;
	struct fault f;

	assert_int_equal(signkey_new(t, bits, &k->key, &f), OK);
	assert_int_equal(pubkey_parse(signkey_spki(k->key), &pub, &f), OK);
	pubkey_id(&pub, k->id);
}

/* type: of the keys that sign. */
static inline void world_make(struct world *w, enum key_type type)
{
	const unsigned bits = type == KEY_RSA ? 2048 : 0;

	world_key(&w->root, type, bits);
	world_key(&w->issuing, type, bits);
	world_key(&w->leaf, KEY_P256, 0);
	world_key(&w->rsa, KEY_RSA, 2048);
	world_key(&w->ed, KEY_ED25519, 0);
	world_key(&w->p384, KEY_P384, 0);
}

static inline void world_wipe(struct world *w)
{
	signkey_free(&w->root.key);
	signkey_free(&w->issuing.key);
	signkey_free(&w->leaf.key);
	signkey_free(&w->rsa.key);
	signkey_free(&w->ed.key);
	signkey_free(&w->p384.key);
}

static inline void world_name(struct cert_names *n, const char *text)
{
	n->at[n->count++] = span_str(text);
}

static inline struct span world_serial(uint8_t instance)
{
	static struct serial s[SERIAL_INSTANCE_MAX + 1];
	static const uint8_t tail[SERIAL_TAIL] = { 0xa5, 1, 2, 3, 4,  5,
						   6,    7, 8, 9, 10, 11 };

	serial_make(instance, 77, tail, &s[instance]);
	return span_of(s[instance].b, SERIAL_SIZE);
}

static inline struct dn world_ca_name(const char *cn)
{
	return (struct dn){ .domain = span_str(WORLD_DOMAIN),
			    .o = span_str("ca"),
			    .cn = span_str(cn) };
}

static inline void world_certify(struct cert *c, const struct world_key *by,
				 const struct world_key *of, const char *issuer)
{
	c->alg = signkey_alg(by->key);
	c->issuer = world_ca_name(issuer);
	c->spki = signkey_spki(of->key);
	c->authority_key = span_of(by->id, CERT_KEY_ID);
	c->subject_key = span_of(of->id, CERT_KEY_ID);
	c->not_before = world_now - 60;
}

static inline struct cert world_root(const struct world *w)
{
	struct cert c = { .ca = true, .path_len = -1 };

	world_certify(&c, &w->root, &w->root, "root");
	c.authority_key = span_of(NULL, 0);
	c.subject = c.issuer;
	c.serial = world_serial(1);
	c.not_after = world_now + 9000ll * WORLD_DAY; /* past 2049 */
	c.key_usage = KU_CERT_SIGN | KU_CRL_SIGN;
	return c;
}

static inline struct cert world_issuing(const struct world *w)
{
	struct cert c = { .ca = true, .path_len = 0, .exclude_ip = true };

	world_certify(&c, &w->root, &w->issuing, "root");
	c.subject = world_ca_name("issuing");
	c.serial = world_serial(2);
	c.not_after = world_now + 1000ll * WORLD_DAY;
	c.key_usage = KU_CERT_SIGN | KU_CRL_SIGN;
	world_name(&c.permit_dns, WORLD_DOMAIN);
	world_name(&c.permit_uri, "." WORLD_DOMAIN);
	world_name(&c.permit_uri, "trust.example");
	return c;
}

static inline struct cert world_plain(const struct world *w,
				      const struct world_key *key)
{
	struct cert c = { .path_len = -1 };

	world_certify(&c, &w->issuing, key, "issuing");
	c.subject = (struct dn){ .domain = span_str(WORLD_DOMAIN),
				 .o = span_str("web"),
				 .ou = span_str(WORLD_NODE),
				 .uid = span_str(WORLD_AGENT),
				 .cn = span_str(WORLD_AGENT) };
	c.serial = world_serial(3);
	c.not_after = world_now + WORLD_DAY;
	c.key_usage = KU_DIGITAL_SIGNATURE;
	if (signkey_type(key->key) == KEY_RSA)
		c.key_usage |= KU_KEY_ENCIPHERMENT;
	c.ext_usage = EKU_SERVER | EKU_CLIENT;
	c.crl_url = span_str("http://ca.corp.example:8080/crl/3");
	c.ocsp_url = span_str("http://ca.corp.example:8080/ocsp");
	c.issuer_url = span_str("http://ca.corp.example:8080/issuer.pem");
	return c;
}

static inline struct cert world_leaf(const struct world *w,
				     const struct world_key *key)
{
	struct cert c = world_plain(w, key);

	world_name(&c.dns, WORLD_AGENT "." WORLD_NODE);
	world_name(&c.dns, "*." WORLD_NODE);
	world_name(&c.caps, "admin:credd@n1");
	world_name(&c.caps, "sign:prod@*");
	return c;
}

static inline struct cert world_endpoint(const struct world *w)
{
	struct cert c = world_leaf(w, &w->leaf);

	world_name(&c.uri, "https+tcp://" WORLD_AGENT "." WORLD_NODE ":443");
	return c;
}

static inline struct cert world_spiffe(const struct world *w)
{
	struct cert c = world_plain(w, &w->leaf);

	c.subject.cn = span_of(NULL, 0);
	world_name(&c.uri, "spiffe://trust.example/web/" WORLD_AGENT);
	return c;
}

static inline struct cert world_nameless(const struct world *w)
{
	struct cert c = world_leaf(w, &w->leaf);

	c.subject = (struct dn){ .domain = { .n = 0 } };
	return c;
}

static inline struct cert world_ocsp(const struct world *w)
{
	struct cert c = world_plain(w, &w->leaf);

	c.subject = world_ca_name("ocsp");
	c.ext_usage = EKU_OCSP;
	c.nocheck = true;
	c.crl_url = c.ocsp_url = span_of(NULL, 0);
	return c;
}

/* Appends the TBSCertificate; the whole signed by key. */
static inline void world_tbs(const struct cert *c, struct buf *out)
{
	buf_init(out, CERT_MAX);
	assert_int_equal(cert_build(c, out), OK);
}

static inline void world_sign(const struct cert *c, const struct world_key *by,
			      struct buf *out)
{
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf sig = { 0 };

	world_tbs(c, &tbs);
	buf_init(&sig, 1024);
	buf_init(out, CERT_MAX);
	assert_int_equal(signkey_sign(by->key, span_of(tbs.p, tbs.len), &sig),
			 OK);
	assert_int_equal(cert_join(span_of(tbs.p, tbs.len), c->alg,
				   span_of(sig.p, sig.len), out),
			 OK);
}

#endif
