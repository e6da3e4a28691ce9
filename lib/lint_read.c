/* Part of the linter (lib/lint.c): cuts a TBSCertificate into its parts, and answers
 * what several rules want to know. Judges only what cannot be cut. */
#include "lib/lint_cert.h"

#include <string.h>

static enum err read_ext(struct rd *list, struct lint_ext *x)
{
	struct rd body;

	TRY(der_get(list, DER_SEQ, &body));
	TRY(der_oid(&body, &x->id));
	x->oid = oid_find(x->id);
	x->critical = x->said_false = false;
	if (der_is(&body, DER_BOOLEAN)) {
		TRY(der_bool(&body, &x->critical));
		x->said_false = !x->critical;
	}
	TRY(der_span(&body, DER_OCTETS, &x->value));
	return rd_end(&body);
}

static enum err read_exts(struct rd *r, struct lint_cert *c)
{
	struct rd outer, list;

	if (!rd_left(r))
		return OK;
	TRY(der_get(r, DER_CTX_SEQ | 3, &outer));
	TRY(der_get(&outer, DER_SEQ, &list));
	TRY(rd_end(&outer));
	do {
		if (c->exts == LINT_EXTS_MAX)
			return ERR_INVALID;
		TRY(read_ext(&list, &c->ext[c->exts]));
		c->exts++;
	} while (rd_left(&list));
	return OK;
}

static enum err read_unique(struct rd *r, struct lint_cert *c)
{
	struct span id;

	for (unsigned n = 1; n <= 2; n++)
		if (der_is(r, DER_CTX | n)) {
			TRY(der_span(r, DER_CTX | n, &id));
			c->unique_ids = true;
		}
	return OK;
}

static enum err read_head(struct rd *r, struct lint_cert *c)
{
	if (der_is(r, DER_CTX_SEQ | 0))
		TRY(der_span(r, DER_CTX_SEQ | 0, &c->version));
	TRY(der_span(r, DER_INTEGER, &c->serial));
	TRY(der_whole(r, DER_SEQ, &c->alg));
	TRY(der_whole(r, DER_SEQ, &c->issuer));
	TRY(der_span(r, DER_SEQ, &c->validity));
	TRY(der_whole(r, DER_SEQ, &c->subject));
	return der_whole(r, DER_SEQ, &c->spki);
}

const struct lint_ext *lint_find(const struct lint_cert *c, enum oid o)
{
	for (unsigned i = 0; i < c->exts; i++)
		if (c->ext[i].oid == o)
			return &c->ext[i];
	return NULL;
}

struct rd lint_value(const struct lint_cert *c, enum oid o)
{
	const struct lint_ext *x = lint_find(c, o);

	return x ? span_rd(x->value) : rd_from(NULL, 0);
}

static bool read_ca(const struct lint_cert *c)
{
	struct rd r = lint_value(c, OID_BASIC_CONSTRAINTS), body;
	bool ca = false;

	return der_get(&r, DER_SEQ, &body) == OK &&
	       der_bool(&body, &ca) == OK && ca;
}

bool lint_has_purpose(const struct lint_cert *c, struct span oid)
{
	struct rd r = lint_value(c, OID_EXT_KEY_USAGE), list;
	struct span one;

	if (der_get(&r, DER_SEQ, &list) != OK)
		return false;
	while (der_oid(&list, &one) == OK)
		if (span_equal(one, oid))
			return true;
	return false;
}

static unsigned read_usage(const struct lint_cert *c)
{
	struct rd r = lint_value(c, OID_KEY_USAGE);
	unsigned v;

	return der_named_bits(&r, &v) == OK ? v : 0;
}

static enum oid read_key(const struct lint_cert *c)
{
	struct rd r = span_rd(c->spki), body, alg;
	enum oid o;

	if (der_get(&r, DER_SEQ, &body) != OK ||
	    der_get(&body, DER_SEQ, &alg) != OK || oid_get(&alg, &o) != OK)
		return OID_NONE;
	return o;
}

void lint_read(struct span tbs, const struct lint_issuer *from,
	       struct lint_cert *c)
{
	struct rd r = span_rd(tbs), body;

	*c = (struct lint_cert){ .from = from };
	if (der_get(&r, DER_SEQ, &body) != OK || rd_end(&r) != OK)
		c->unreadable = "it is not one SEQUENCE in DER";
	else if (read_head(&body, c) != OK)
		c->unreadable =
			"a part from version to public key is not there "
			"or not DER";
	else if (read_unique(&body, c) != OK || read_exts(&body, c) != OK)
		c->unreadable = "the extensions are not a list in DER";
	else if (rd_left(&body))
		c->unreadable = "there is something after the extensions";
	c->ca = read_ca(c);
	c->ocsp = lint_has_purpose(c, oid_bytes(OID_OCSP_SIGNING));
	c->usage = read_usage(c);
	c->key = read_key(c);
}

bool lint_is_ca(const struct lint_cert *c)
{
	return c->ca;
}

bool lint_is_ocsp(const struct lint_cert *c)
{
	return c->ocsp;
}

unsigned lint_key_usage(const struct lint_cert *c)
{
	return c->usage;
}

enum oid lint_key_oid(const struct lint_cert *c)
{
	return c->key;
}

enum err lint_key_bits(const struct lint_cert *c, struct span *bits)
{
	struct rd r = span_rd(c->spki), body, alg;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(der_get(&body, DER_SEQ, &alg));
	TRY(der_bits(&body, bits));
	return rd_end(&body);
}

bool lint_no_subject(const struct lint_cert *c)
{
	return c->subject.n == 2;
}

static bool ldh_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-';
}

bool lint_ldh_label(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ldh_char(s.p[i]))
			return false;
	return s.n > 0 && s.n <= 63 && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

bool lint_cut(struct span *rest, char c, struct span *head)
{
	const uint8_t *at;

	if (!rest->p)
		return false;
	at = rest->n ? memchr(rest->p, c, rest->n) : NULL;
	if (!at) {
		*head = *rest;
		*rest = span_of(NULL, 0);
		return true;
	}
	*head = span_of(rest->p, (size_t)(at - rest->p));
	*rest = span_of(at + 1, rest->n - head->n - 1);
	return true;
}

bool lint_ldh_name(struct span s)
{
	struct span label;

	if (!s.n || s.n > 253)
		return false;
	while (lint_cut(&s, '.', &label))
		if (!lint_ldh_label(label))
			return false;
	return true;
}
