/* Part of the linter (lib/lint.c): the subject. */
#include "lib/enc.h"
#include "lib/lint_cert.h"

enum {
	PART_MAX = 64,
	LABEL_MAX = 63,
};

struct part {
	enum oid oid;
	unsigned tag;
	struct span value;
};

/* The next RelativeDistinguishedName, which has one attribute. */
static enum err part_next(struct rd *names, struct part *p)
{
	struct rd set, seq;
	unsigned tag;
	struct rd body;
	struct span whole;

	TRY(der_get(names, DER_SET, &set));
	TRY(der_get(&set, DER_SEQ, &seq));
	TRY(rd_end(&set));
	TRY(oid_get(&seq, &p->oid));
	TRY(der_any(&seq, &tag, &body, &whole));
	p->tag = tag;
	p->value = span_of(body.p, rd_left(&body));
	return rd_end(&seq);
}

static struct rd subject_parts(const struct lint_cert *c)
{
	struct rd r = span_rd(c->subject), body = rd_from(NULL, 0);

	return der_get(&r, DER_SEQ, &body) == OK ? body : rd_from(NULL, 0);
}

enum err lint_subject_form(const struct lint_cert *c, struct fault *why)
{
	struct rd r = subject_parts(c);
	struct part p;

	while (rd_left(&r))
		if (part_next(&r, &p) != OK)
			return BROKEN("the subject is not a list of sets of "
				      "one attribute");
	return OK;
}

/* Every part of the subject must pass. */
static enum err each_part(const struct lint_cert *c,
			  bool (*good)(const struct part *p), const char *what,
			  struct fault *why)
{
	struct rd r = subject_parts(c);
	struct part p;

	while (rd_left(&r)) {
		TRY(part_next(&r, &p));
		if (!good(&p))
			return BROKEN("%s", what);
	}
	return OK;
}

static bool part_known(const struct part *p)
{
	return p->oid == OID_DC || p->oid == OID_O || p->oid == OID_OU ||
	       p->oid == OID_UID || p->oid == OID_CN;
}

enum err lint_subject_known(const struct lint_cert *c, struct fault *why)
{
	return each_part(c, part_known,
			 "the subject has an attribute other than DC, O, OU, "
			 "UID, CN",
			 why);
}

enum err lint_subject_once(const struct lint_cert *c, struct fault *why)
{
	struct rd r = subject_parts(c);
	bool seen[OID__MAX] = { false };
	struct part p;

	while (rd_left(&r)) {
		TRY(part_next(&r, &p));
		if (seen[p.oid] && p.oid != OID_DC)
			return BROKEN("the subject has an attribute twice");
		seen[p.oid] = true;
	}
	return OK;
}

static bool part_type(const struct part *p)
{
	return p->tag == (p->oid == OID_DC ? DER_IA5 : DER_UTF8);
}

enum err lint_subject_type(const struct lint_cert *c, struct fault *why)
{
	return each_part(c, part_type,
			 "the subject has a value that is not UTF8String (DC: "
			 "IA5String)",
			 why);
}

static bool part_value(const struct part *p)
{
	return p->value.n > 0;
}

enum err lint_subject_value(const struct lint_cert *c, struct fault *why)
{
	return each_part(c, part_value, "the subject has an empty value", why);
}

static bool part_length(const struct part *p)
{
	return p->value.n <= (p->oid == OID_DC ? LABEL_MAX : PART_MAX);
}

enum err lint_subject_length(const struct lint_cert *c, struct fault *why)
{
	return each_part(c, part_length,
			 "the subject has a value of more than 64 bytes (DC: "
			 "63)",
			 why);
}

static bool part_text(const struct part *p)
{
	const struct span s = p->value;

	if (p->oid == OID_DC)
		return lint_ldh_label(s);
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f ||
		    (i && s.p[i - 1] == 0xc2 && s.p[i] < 0xa0))
			return false;
	return enc_utf8_ok(s.p, s.n);
}

enum err lint_subject_text(const struct lint_cert *c, struct fault *why)
{
	return each_part(c, part_text,
			 "the subject has a control character, broken UTF-8, "
			 "or a DC that is no label",
			 why);
}

enum err lint_ca_subject(const struct lint_cert *c, struct fault *why)
{
	if (lint_is_ca(c) && lint_no_subject(c))
		return BROKEN("a ca with an empty subject");
	return OK;
}
