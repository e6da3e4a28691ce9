/* lib/lint.c: each rule is broken on purpose, by editing the DER of a certificate that
 * breaks none, and must be the one that the linter names. */
#include "lib/lint.h"

#include "lib/enc.h"
#include "lib/oid.h"

#include "tests/unit/cert_world.h"
#include "tests/unit/lint_cases.h"

static struct world world;

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

/* ---- the language of lint_cases.h */

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
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf to = { 0 };
	AUTO(buf_wipe) struct buf edited = { 0 };
	AUTO(buf_wipe) struct buf name = { 0 };
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
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf name = { 0 };
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
	AUTO(buf_wipe) struct buf tbs = { 0 };
	AUTO(buf_wipe) struct buf name = { 0 };
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
