/* lib/lint.c: each rule is broken on purpose, by editing the DER of a certificate that
 * breaks none, and must be the one that the linter names. */
#include "lib/lint.h"

#include "lib/enc.h"
#include "lib/oid.h"

#include "tests/unit/cert_world.h"

static struct world world;

enum kind {
	LEAF,
	RSA,
	ENDPOINT,
	SPIFFE,
	NAMELESS,
	OCSP,
	ISSUING,
	ROOT,
};

static struct cert good(enum kind k)
{
	switch (k) {
	case LEAF:
		return world_leaf(&world, &world.leaf);
	case RSA:
		return world_leaf(&world, &world.rsa);
	case ENDPOINT:
		return world_endpoint(&world);
	case SPIFFE:
		return world_spiffe(&world);
	case NAMELESS:
		return world_nameless(&world);
	case OCSP:
		return world_ocsp(&world);
	case ISSUING:
		return world_issuing(&world);
	case ROOT:
		return world_root(&world);
	}
	UNREACHABLE("kind");
}

/* ---- a small language for DER: HH{…} a value that contains values, HH'text' one
 * that contains text, HH*N one of N letters a; other pairs of digits are bytes */

static uint8_t der_byte(const char **at)
{
	uint8_t b;

	assert_int_equal(enc_hex_parse(*at, 2, &b, 1), OK);
	*at += 2;
	return b;
}

static void der_text(const char **at, struct buf *out)
{
	while (**at && **at != '}') {
		const char *from;
		size_t m, n = 0;
		uint8_t tag;

		if (**at == ' ') {
			++*at;
			continue;
		}
		tag = der_byte(at);
		from = *at;
		if (*from != '{' && *from != '\'' && *from != '*') {
			assert_int_equal(buf_u8(out, tag), OK);
			continue;
		}
		++*at;
		assert_int_equal(der_begin(out, tag, &m), OK);
		if (*from == '{')
			der_text(at, out);
		else if (*from == '\'')
			for (; **at != '\''; ++*at)
				assert_int_equal(buf_u8(out, (uint8_t) * *at),
						 OK);
		else
			for (; **at >= '0' && **at <= '9'; ++*at)
				n = 10 * n + (size_t)(**at - '0');
		while (n--)
			assert_int_equal(buf_u8(out, 'a'), OK);
		if (*from != '*')
			++*at; /* the closing one */
		assert_int_equal(der_end(out, m), OK);
	}
}

/* ---- a certificate taken apart, changed, put together again */

enum part {
	VERSION,
	SERIAL,
	ALG,
	ISSUER,
	VALIDITY,
	SUBJECT,
	SPKI,
	UNIQUE, /* put in by an edit */
	EXTS,   /* instead of all extensions */
	AFTER,  /* behind them */
	PARTS
};

enum {
	MAX_EXTS = 12
};

struct pieces {
	struct span part[PARTS];
	struct piece {
		struct span id, value;
		struct span critical; /* BOOLEAN, or nothing */
	} ext[MAX_EXTS];
	unsigned exts;
};

static void take_ext(struct rd *list, struct piece *x)
{
	struct rd body;

	assert_int_equal(der_get(list, DER_SEQ, &body), OK);
	assert_int_equal(der_oid(&body, &x->id), OK);
	x->critical = span_of(NULL, 0);
	if (der_is(&body, DER_BOOLEAN))
		assert_int_equal(der_whole(&body, DER_BOOLEAN, &x->critical),
				 OK);
	assert_int_equal(der_span(&body, DER_OCTETS, &x->value), OK);
}

static void take_apart(const struct buf *tbs, struct pieces *p)
{
	struct rd r = rd_from(tbs->p, tbs->len), body, ext, list, inner;
	unsigned tag;

	*p = (struct pieces){ .exts = 0 };
	assert_int_equal(der_get(&r, DER_SEQ, &body), OK);
	for (unsigned i = VERSION; i <= SPKI; i++)
		assert_int_equal(der_any(&body, &tag, &inner, &p->part[i]), OK);
	assert_int_equal(der_get(&body, DER_CTX_SEQ | 3, &ext), OK);
	assert_int_equal(der_get(&ext, DER_SEQ, &list), OK);
	while (rd_left(&list)) {
		assert_true(p->exts < MAX_EXTS - 1);
		take_ext(&list, &p->ext[p->exts++]);
	}
}

static void put_exts(const struct pieces *p, struct buf *out)
{
	size_t m, list, seq;

	assert_int_equal(der_begin(out, DER_CTX_SEQ | 3, &m), OK);
	assert_int_equal(der_begin(out, DER_SEQ, &list), OK);
	for (unsigned i = 0; i < p->exts; i++) {
		const struct piece *x = &p->ext[i];

		assert_int_equal(der_begin(out, DER_SEQ, &seq), OK);
		assert_int_equal(der_put_span(out, DER_OID, x->id), OK);
		assert_int_equal(der_put_raw(out, x->critical), OK);
		assert_int_equal(der_put_span(out, DER_OCTETS, x->value), OK);
		assert_int_equal(der_end(out, seq), OK);
	}
	assert_int_equal(der_end(out, list), OK);
	assert_int_equal(der_end(out, m), OK);
}

static void put_together(const struct pieces *p, struct buf *out)
{
	size_t m;

	assert_int_equal(der_begin(out, DER_SEQ, &m), OK);
	for (unsigned i = VERSION; i <= AFTER; i++) {
		if (i == EXTS && !p->part[EXTS].n)
			put_exts(p, out);
		else
			assert_int_equal(der_put_raw(out, p->part[i]), OK);
	}
	assert_int_equal(der_end(out, m), OK);
}

static struct piece *piece_of(struct pieces *p, enum oid o)
{
	for (unsigned i = 0; i < p->exts; i++)
		if (span_equal(p->ext[i].id, oid_bytes(o)))
			return &p->ext[i];
	return NULL;
}

/* ---- the cases */

enum op {
	PART,  /* part `what` becomes `to` */
	VALUE, /* extension `what` has that value; put in if it is not there */
	CRITICAL, /* extension `what` has `to` where its critical stands */
	DROP,     /* extension `what` is gone */
	AGAIN,    /* extension `what` is there twice */
	STRANGE,  /* an extension with OID `to` */
};

struct broken {
	const char *rule;
	enum kind kind;
	enum op op;
	int what; /* enum part or enum oid */
	const char *to;
};

#define P256_HEAD       "30{06{2a8648ce3d0201} 06{2a8648ce3d030107}}"
#define RSA_HEAD        "30{06{2a864886f70d010101} 05{}}"
#define E65537          "02{010001}"
#define DC_EXAMPLE      "31{30{06{0992268993f22c640119} 16'example'}}"
#define UTF8(oid, text) "31{30{06{" oid "} 0c" text "}}"
#define CN              "550403"
#define OU              "55040b"
#define SAN(names)      VALUE, OID_SUBJECT_ALT_NAME, "30{" names "}"
#define URL(text)       "30{30{a0{a0{86'" text "'}}}}"
#define OCSP_AT(text)   "30{30{06{2b06010505073001} 86'" text "'}}"

static const struct broken cases[] = {
	{ "structure", LEAF, PART, VERSION, "02{01}02{01}" },
	{ "structure", LEAF, PART, VALIDITY, "" },
	{ "structure", LEAF, PART, EXTS, "a3{30{}}" },
	{ "structure", LEAF, PART, EXTS, "a3{30{30{06{551d0f}}}}" },
	{ "structure", LEAF, PART, AFTER, "05{}" },
	{ "version-3", LEAF, PART, VERSION, "a0{02{01}}" },
	{ "version-3", LEAF, PART, VERSION, "" },
	{ "serial-minimal", LEAF, PART, SERIAL, "02{0001}" },
	{ "serial-minimal", LEAF, PART, SERIAL, "02{}" },
	{ "serial-positive", LEAF, PART, SERIAL, "02{81}" },
	{ "serial-positive", LEAF, PART, SERIAL, "02{00}" },
	{ "serial-length", LEAF, PART, SERIAL, "02*21" },
	{ "signature-algorithm", LEAF, PART, ALG,
	  "30{06{2a8648ce3d040302} 05{}}" },
	{ "signature-algorithm", LEAF, PART, ALG,
	  "30{06{2a864886f70d01010b}}" },
	{ "signature-algorithm", LEAF, PART, ALG,
	  "30{06{2a864886f70d010105} 05{}}" },
	{ "issuer-empty", LEAF, PART, ISSUER, "30{}" },
	{ "issuer-name", LEAF, PART, ISSUER, "30{" UTF8(CN, "'issuing'") "}" },
	{ "root-name", ROOT, PART, SUBJECT, "30{" UTF8(CN, "'root'") "}" },
	{ "validity-form", LEAF, PART, VALIDITY,
	  "30{17'2601020300Z' 17'260103030000Z'}" },
	{ "validity-form", LEAF, PART, VALIDITY,
	  "30{18'20260102030000Z' 17'260103030000Z'}" },
	{ "validity-form", LEAF, PART, VALIDITY,
	  "30{17'260102030000+0000' 17'260103030000Z'}" },
	{ "validity-order", LEAF, PART, VALIDITY,
	  "30{17'260103030000Z' 17'260102030000Z'}" },
	{ "validity-issuer", LEAF, PART, VALIDITY,
	  "30{17'260102030000Z' 18'20600101000000Z'}" },
	{ "leaf-life", LEAF, PART, VALIDITY,
	  "30{17'260102030000Z' 17'260402030101Z'}" },
	{ "subject-form", LEAF, PART, SUBJECT, "30{31{}}" },
	{ "subject-form", LEAF, PART, SUBJECT,
	  "30{31{30{06{550403} 0c'a'} 30{06{55040b} 0c'a'}}}" },
	{ "subject-known", LEAF, PART, SUBJECT,
	  "30{" UTF8("550406", "'DE'") "}" },
	{ "subject-once", LEAF, PART, SUBJECT,
	  "30{" UTF8(CN, "'a'") UTF8(CN, "'b'") "}" },
	{ "subject-type", LEAF, PART, SUBJECT, "30{31{30{06{550403} 13'a'}}}" },
	{ "subject-value-empty", LEAF, PART, SUBJECT,
	  "30{" UTF8(OU, "{}") "}" },
	{ "subject-length", LEAF, PART, SUBJECT, "30{" UTF8(CN, "*65") "}" },
	{ "subject-text", LEAF, PART, SUBJECT, "30{" UTF8(CN, "{6100}") "}" },
	{ "subject-text", LEAF, PART, SUBJECT, "30{" UTF8(CN, "{610a}") "}" },
	{ "subject-text", LEAF, PART, SUBJECT, "30{" UTF8(CN, "{c285}") "}" },
	{ "subject-text", LEAF, PART, SUBJECT, "30{" UTF8(CN, "{c3}") "}" },
	{ "subject-text", LEAF, PART, SUBJECT,
	  "30{31{30{06{0992268993f22c640119} 16'a_b'}}}" },
	{ "key-known", LEAF, PART, SPKI, "30{30{06{2b656f}} 03{00 61616161}}" },
	{ "key-form", LEAF, PART, SPKI, "30{" P256_HEAD "03*66}" },
	{ "key-form", LEAF, PART, SPKI,
	  "30{30{06{2a8648ce3d0201} 06{2a8648ce3d030101}} 03{0004}}" },
	{ "key-form", LEAF, PART, SPKI, "30{30{06{2b6570} 05{}} 03{00}}" },
	{ "key-form", LEAF, PART, SPKI,
	  "30{30{06{2a864886f70d010101}} 03{00 30{02*256 " E65537 "}}}" },
	{ "key-strength", LEAF, PART, SPKI,
	  "30{" RSA_HEAD "03{00 30{02*128 " E65537 "}}}" },
	{ "key-strength", RSA, PART, SPKI,
	  "30{" RSA_HEAD "03{00 30{02*257 02{03}}}}" },
	{ "key-strength", RSA, PART, SPKI,
	  "30{" RSA_HEAD "03{00 30{02*257 02{010002}}}}" },
	{ "unique-ids", LEAF, PART, UNIQUE, "81{0061}" },
	{ "unique-ids", LEAF, PART, UNIQUE, "82{0061}" },
	{ "extension-once", LEAF, AGAIN, OID_EXT_KEY_USAGE, NULL },
	{ "extension-once", ISSUING, AGAIN, OID_NAME_CONSTRAINTS, NULL },
	{ "extension-known", LEAF, STRANGE, 0, "2a030405" },
	{ "extension-known", LEAF, VALUE, OID_CRL_NUMBER, "02{01}" },
	{ "extension-empty", LEAF, VALUE, OID_EXT_KEY_USAGE, "" },
	{ "extension-default", LEAF, CRITICAL, OID_EXT_KEY_USAGE, "01{00}" },
	{ "extension-critical", LEAF, CRITICAL, OID_BASIC_CONSTRAINTS, "" },
	{ "extension-critical", LEAF, CRITICAL, OID_KEY_USAGE, "" },
	{ "extension-critical", ISSUING, CRITICAL, OID_NAME_CONSTRAINTS, "" },
	{ "extension-critical", LEAF, CRITICAL, OID_CAPABILITIES, "01{ff}" },
	{ "extension-critical", LEAF, CRITICAL, OID_AUTHORITY_KEY_ID,
	  "01{ff}" },
	{ "basic-constraints", LEAF, DROP, OID_BASIC_CONSTRAINTS, NULL },
	{ "basic-constraints", ISSUING, DROP, OID_BASIC_CONSTRAINTS, NULL },
	{ "basic-constraints-form", LEAF, VALUE, OID_BASIC_CONSTRAINTS,
	  "30{01{00}}" },
	{ "path-length-ca", LEAF, VALUE, OID_BASIC_CONSTRAINTS, "30{02{00}}" },
	{ "root-ca", ROOT, VALUE, OID_BASIC_CONSTRAINTS, "30{}" },
	{ "ca-subject", ISSUING, PART, SUBJECT, "30{}" },
	{ "key-usage-form", LEAF, VALUE, OID_KEY_USAGE, "03{0080}" },
	{ "key-usage-form", LEAF, VALUE, OID_KEY_USAGE, "03{00}" },
	{ "ca-key-usage", ISSUING, DROP, OID_KEY_USAGE, NULL },
	{ "ca-key-usage", ISSUING, VALUE, OID_KEY_USAGE, "03{0102}" },
	{ "cert-sign-ca", LEAF, VALUE, OID_KEY_USAGE, "03{0284}" },
	{ "cert-sign-ca", LEAF, VALUE, OID_KEY_USAGE, "03{0182}" },
	{ "leaf-key-usage", LEAF, DROP, OID_KEY_USAGE, NULL },
	{ "leaf-key-usage", RSA, VALUE, OID_KEY_USAGE, "03{0520}" },
	{ "key-encipherment-rsa", LEAF, VALUE, OID_KEY_USAGE, "03{05a0}" },
	{ "key-usage-known", LEAF, VALUE, OID_KEY_USAGE, "03{06c0}" },
	{ "key-usage-known", ISSUING, VALUE, OID_KEY_USAGE, "03{0146}" },
	{ "ext-key-usage-form", LEAF, VALUE, OID_EXT_KEY_USAGE, "30{}" },
	{ "ext-key-usage-form", LEAF, VALUE, OID_EXT_KEY_USAGE,
	  "30{06{2b06010505070301} 06{2b06010505070301}}" },
	{ "leaf-ext-key-usage", LEAF, DROP, OID_EXT_KEY_USAGE, NULL },
	{ "any-ext-key-usage", LEAF, VALUE, OID_EXT_KEY_USAGE,
	  "30{06{2b06010505070301} 06{551d2500}}" },
	{ "ext-key-usage-known", LEAF, VALUE, OID_EXT_KEY_USAGE,
	  "30{06{2b06010505070303}}" },
	{ "alt-name-form", LEAF, SAN("") },
	{ "alt-name-form", LEAF, SAN("82{}") },
	{ "empty-subject", LEAF, PART, SUBJECT, "30{}" },
	{ "empty-subject", NAMELESS, DROP, OID_SUBJECT_ALT_NAME, NULL },
	{ "alt-name-critical", LEAF, CRITICAL, OID_SUBJECT_ALT_NAME, "01{ff}" },
	{ "leaf-alt-name", LEAF, DROP, OID_SUBJECT_ALT_NAME, NULL },
	{ "alt-name-kind", LEAF, SAN("81'a@example'") },
	{ "alt-name-kind", LEAF, SAN("82'a.example' a4{30{}}") },
	{ "ip-length", LEAF, SAN("87{7f0000}") },
	{ "ip-length", LEAF, SAN("87{7f000001ffffff00}") },
	{ "dns-length", LEAF, SAN("82*254") },
	{ "dns-trailing-dot", LEAF, SAN("82'a.example.'") },
	{ "dns-underscore", LEAF, SAN("82'a.example' 82'a_b.example'") },
	{ "dns-wildcard", LEAF, SAN("82'*a.example'") },
	{ "dns-wildcard", LEAF, SAN("82'a.*.example'") },
	{ "dns-wildcard", LEAF, SAN("82'*.*.example'") },
	{ "dns-wildcard", LEAF, SAN("82'*'") },
	{ "dns-label", LEAF, SAN("82'a..example'") },
	{ "dns-label", LEAF, SAN("82'-a.example'") },
	{ "dns-label", LEAF, SAN("82'a b.example'") },
	{ "dns-label", LEAF, SAN("82*64") },
	{ "dns-label", LEAF, SAN("82{c3a4 2e6465}") },
	{ "dns-label", LEAF, SAN("82{61002e6465}") },
	{ "dns-a-label", LEAF, SAN("82'ab--c.example'") },
	{ "dns-a-label", LEAF, SAN("82'a.bq--c.example'") },
	{ "uri-text", LEAF, SAN("86'http://a b'") },
	{ "uri-text", LEAF, SAN("86{687474703a2f2f6100}") },
	{ "uri-absolute", LEAF, SAN("86'urn:a:b'") },
	{ "uri-absolute", LEAF, SAN("86'/path'") },
	{ "uri-absolute", LEAF, SAN("86'http:///path'") },
	{ "uri-host", LEAF, SAN("86'https://[::1]:443'") },
	{ "uri-host", LEAF, SAN("86'https://u@a.example'") },
	{ "uri-host", LEAF, SAN("86'https://a.example:0'") },
	{ "uri-host", LEAF, SAN("86'https://a.example:65536'") },
	{ "spiffe-alone", SPIFFE,
	  SAN("86'spiffe://trust.example/a' 86'https://a.example'") },
	{ "spiffe-alone", SPIFFE,
	  SAN("86'spiffe://trust.example/a' 86'SPIFFE://trust.example/b'") },
	{ "spiffe-form", SPIFFE, SAN("86'spiffe://trust.example:1/a'") },
	{ "spiffe-form", SPIFFE, SAN("86'spiffe://Trust.example/a'") },
	{ "spiffe-form", SPIFFE, SAN("86'spiffe://trust.example'") },
	{ "spiffe-form", SPIFFE, SAN("86'spiffe://trust.example/a/'") },
	{ "spiffe-form", SPIFFE, SAN("86'spiffe://trust.example/a?b'") },
	{ "authority-key", LEAF, DROP, OID_AUTHORITY_KEY_ID, NULL },
	{ "authority-key-form", LEAF, VALUE, OID_AUTHORITY_KEY_ID,
	  "30{80*20 82{01}}" },
	{ "authority-key-form", LEAF, VALUE, OID_AUTHORITY_KEY_ID, "30{}" },
	{ "authority-key-same", LEAF, VALUE, OID_AUTHORITY_KEY_ID,
	  "30{80*20}" },
	{ "ca-subject-key", ISSUING, DROP, OID_SUBJECT_KEY_ID, NULL },
	{ "subject-key-form", LEAF, VALUE, OID_SUBJECT_KEY_ID, "04*19" },
	{ "subject-key-hash", LEAF, VALUE, OID_SUBJECT_KEY_ID, "04*20" },
	{ "subject-key-hash", ISSUING, VALUE, OID_SUBJECT_KEY_ID, "04*20" },
	{ "name-constraints-ca", LEAF, VALUE, OID_NAME_CONSTRAINTS,
	  "30{a0{30{82'a.example'}}}" },
	{ "name-constraints-form", ISSUING, VALUE, OID_NAME_CONSTRAINTS,
	  "30{}" },
	{ "name-constraints-form", ISSUING, VALUE, OID_NAME_CONSTRAINTS,
	  "30{a0{}}" },
	{ "name-constraints-form", ISSUING, VALUE, OID_NAME_CONSTRAINTS,
	  "30{a0{30{82'a.example' 80{01}}}}" },
	{ "name-constraints-base", ISSUING, VALUE, OID_NAME_CONSTRAINTS,
	  "30{a0{30{82'.a.example'}}}" },
	{ "name-constraints-base", ISSUING, VALUE, OID_NAME_CONSTRAINTS,
	  "30{a1{30{87{00000000}}}}" },
	{ "name-constraints-base", ISSUING, VALUE, OID_NAME_CONSTRAINTS,
	  "30{a1{30{87{00000000 ff00ff00}}}}" },
	{ "name-constraints-base", ISSUING, VALUE, OID_NAME_CONSTRAINTS,
	  "30{a0{30{86'http://a.example'}}}" },
	{ "crl-points-form", LEAF, VALUE, OID_CRL_POINTS, "30{30{}}" },
	{ "crl-points-http", LEAF, VALUE, OID_CRL_POINTS,
	  URL("https://a.example/crl") },
	{ "crl-points-http", LEAF, VALUE, OID_CRL_POINTS,
	  URL("ldap://a.example/crl") },
	{ "authority-info-form", LEAF, VALUE, OID_AUTHORITY_INFO, "30{}" },
	{ "authority-info-form", LEAF, VALUE, OID_AUTHORITY_INFO,
	  "30{30{06{2b060105050730 03} 86'http://a.example'}}" },
	{ "authority-info-http", LEAF, VALUE, OID_AUTHORITY_INFO,
	  OCSP_AT("https://a.example/ocsp") },
	{ "ocsp-signing-alone", OCSP, VALUE, OID_EXT_KEY_USAGE,
	  "30{06{2b06010505070301} 06{2b06010505070309}}" },
	{ "ocsp-nocheck", OCSP, DROP, OID_OCSP_NOCHECK, NULL },
	{ "ocsp-no-pointers", OCSP, VALUE, OID_AUTHORITY_INFO,
	  OCSP_AT("http://a.example/ocsp") },
	{ "ocsp-no-pointers", OCSP, VALUE, OID_CRL_POINTS,
	  URL("http://a.example/crl") },
	{ "nocheck-form", OCSP, VALUE, OID_OCSP_NOCHECK, "30{}" },
	{ "nocheck-ocsp", LEAF, VALUE, OID_OCSP_NOCHECK, "05{}" },
	{ "capabilities-form", LEAF, VALUE, OID_CAPABILITIES, "0c'a:b@c'" },
	{ "capabilities-form", LEAF, VALUE, OID_CAPABILITIES, "30{16'a:b@c'}" },
	{ "capabilities-size", LEAF, VALUE, OID_CAPABILITIES, "30{}" },
	{ "capabilities-size", LEAF, VALUE, OID_CAPABILITIES, "30{0c*129}" },
	{ "capabilities-sorted", LEAF, VALUE, OID_CAPABILITIES,
	  "30{0c'b:b@c' 0c'a:b@c'}" },
	{ "capabilities-sorted", LEAF, VALUE, OID_CAPABILITIES,
	  "30{0c'a:b@c' 0c'a:b@c'}" },
	{ "capabilities-sorted", LEAF, VALUE, OID_CAPABILITIES,
	  "30{0c'a:b@cc' 0c'a:b@c'}" },
	{ "capabilities-text", LEAF, VALUE, OID_CAPABILITIES, "30{0c'a:b'}" },
	{ "capabilities-text", LEAF, VALUE, OID_CAPABILITIES, "30{0c'A:b@c'}" },
	{ "capabilities-text", LEAF, VALUE, OID_CAPABILITIES,
	  "30{0c'a:b@{node}'}" },
	{ "capabilities-leaf", ISSUING, VALUE, OID_CAPABILITIES,
	  "30{0c'a:b@c'}" },
};

static void edit_ext(struct pieces *p, const struct broken *b, struct span to)
{
	struct piece *x;

	if (b->op == STRANGE) {
		p->ext[p->exts++] =
			(struct piece){ .id = to, .value = span_str("a") };
		return;
	}
	x = piece_of(p, (enum oid)b->what);
	if (b->op == VALUE && !x) {
		x = &p->ext[p->exts++];
		x->id = oid_bytes((enum oid)b->what);
		if (b->what == OID_NAME_CONSTRAINTS)
			x->critical = span_of("\x01\x01\xff", 3);
	}
	assert_non_null(x);
	if (b->op == VALUE)
		x->value = to;
	else if (b->op == CRITICAL)
		x->critical = to;
	else if (b->op == AGAIN)
		p->ext[p->exts++] = *x;
	else if (b->op == DROP)
		*x = p->ext[--p->exts];
}

/* The issuer as the linter knows him. */
static void issuer_of(enum kind k, struct buf *name, struct lint_issuer *i)
{
	const bool by_root = k == ROOT || k == ISSUING;
	const struct world_key *key = by_root ? &world.root : &world.issuing;
	const struct dn dn = world_ca_name(by_root ? "root" : "issuing");

	buf_init(name, 1024);
	assert_int_equal(dn_put(name, &dn), OK);
	*i = (struct lint_issuer){
		.name = span_of(name->p, name->len),
		.key_id = span_of(key->id, CERT_KEY_ID),
		.not_after =
			k == ROOT ? INT64_MAX : world_now + 9000ll * WORLD_DAY,
		.self = k == ROOT
	};
}

static enum err lint_edited(const struct broken *b, struct fault *f)
{
	AUTO(buf_wipe) struct buf tbs;
	AUTO(buf_wipe) struct buf to;
	AUTO(buf_wipe) struct buf edited;
	AUTO(buf_wipe) struct buf name;
	const struct cert c = good(b->kind);
	const char *text = b->to ? b->to : "";
	struct lint_issuer issuer;
	struct pieces p;

	world_tbs(&c, &tbs);
	buf_init(&to, CERT_MAX);
	buf_init(&edited, CERT_MAX);
	der_text(&text, &to);
	take_apart(&tbs, &p);
	if (b->op == PART)
		p.part[b->what] = span_of(to.p, to.len);
	else
		edit_ext(&p, b, span_of(to.p, to.len));
	put_together(&p, &edited);
	issuer_of(b->kind, &name, &issuer);
	return lint_tbs(span_of(edited.p, edited.len), &issuer, f);
}

static bool says(const struct fault *f, const char *rule)
{
	char start[128];

	(void)snprintf(start, sizeof start, "rule %s (", rule);
	return !strncmp(f->text, start, strlen(start));
}

static void test_each_rule_broken_is_named(void **state)
{
	bool failed = false;

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct fault f = { .code = OK };
		const enum err e = lint_edited(&cases[i], &f);

		if (e == ERR_INVALID && says(&f, cases[i].rule))
			continue;
		failed = true;
		print_message("case %zu, %s, %s: %s\n", i, cases[i].rule,
			      cases[i].to ? cases[i].to : "", f.text);
	}
	assert_false(failed);
}

static void test_every_rule_is_broken_by_a_case(void **state)
{
	bool failed = false;

	(void)state;
	for (const struct lint_rule *r = lint_rules; r->name; r++) {
		bool found = false;

		assert_true(r->source && *r->source);
		for (size_t i = 0; i < NELEM(cases); i++)
			found = found || !strcmp(cases[i].rule, r->name);
		if (!found)
			print_message("no case breaks %s\n", r->name);
		failed = failed || !found;
	}
	assert_false(failed);
}

static void test_names_of_rules_are_different(void **state)
{
	(void)state;
	for (const struct lint_rule *r = lint_rules; r->name; r++)
		for (const struct lint_rule *s = lint_rules; s != r; s++)
			assert_string_not_equal(r->name, s->name);
}

static enum err lint_good(const struct cert *c, enum kind k, struct fault *f)
{
	AUTO(buf_wipe) struct buf tbs;
	AUTO(buf_wipe) struct buf name;
	struct lint_issuer issuer;

	world_tbs(c, &tbs);
	issuer_of(k, &name, &issuer);
	return lint_tbs(span_of(tbs.p, tbs.len), &issuer, f);
}

static void passes(const struct cert *c, enum kind k)
{
	struct fault f = { .code = OK };

	if (lint_good(c, k, &f) != OK)
		fail_msg("kind %d: %s", k, f.text);
}

static void test_good_ones_break_none(void **state)
{
	struct cert c;

	(void)state;
	for (unsigned k = LEAF; k <= ROOT; k++) {
		c = good((enum kind)k);
		passes(&c, (enum kind)k);
	}
	c = world_leaf(&world, &world.ed);
	passes(&c, LEAF);
	c = world_leaf(&world, &world.p384);
	passes(&c, LEAF);
	c = good(LEAF);
	c.not_before = world_now;
	c.not_after = world_now + LINT_LEAF_LIFE;
	passes(&c, LEAF);
	c.dns.at[0] = span_str("xn--bcher-kva.corp.example");
	passes(&c, LEAF);
	c = good(ROOT);
	c.authority_key = c.subject_key;
	passes(&c, ROOT);
}

static void test_cut_short_never_passes(void **state)
{
	AUTO(buf_wipe) struct buf tbs;
	AUTO(buf_wipe) struct buf name;
	const struct cert c = good(ENDPOINT);
	struct lint_issuer issuer;
	struct fault f;

	(void)state;
	world_tbs(&c, &tbs);
	issuer_of(ENDPOINT, &name, &issuer);
	for (size_t n = 0; n < tbs.len; n++) {
		uint8_t *cut = xmemdup(tbs.p, n ? n : 1);

		assert_int_equal(lint_tbs(span_of(cut, n), &issuer, &f),
				 ERR_INVALID);
		free(cut);
	}
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
		cmocka_unit_test(test_good_ones_break_none),
		cmocka_unit_test(test_each_rule_broken_is_named),
		cmocka_unit_test(test_every_rule_is_broken_by_a_case),
		cmocka_unit_test(test_names_of_rules_are_different),
		cmocka_unit_test(test_cut_short_never_passes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
