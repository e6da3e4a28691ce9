/* Part of the linter (lib/lint.c): version, serial number, algorithm, issuer,
 * validity, unique identifiers. */
#include "lib/lint_cert.h"

enum {
	SERIAL_OCTETS_MAX = 20,
};

enum err lint_structure(const struct lint_cert *c, struct fault *why)
{
	if (c->unreadable)
		return BROKEN("%s", c->unreadable);
	return OK;
}

enum err lint_version(const struct lint_cert *c, struct fault *why)
{
	static const uint8_t v3[] = { DER_INTEGER, 1, 2 };

	if (!span_equal(c->version, span_of(v3, sizeof v3)))
		return BROKEN("the version is not 3");
	return OK;
}

enum err lint_serial_minimal(const struct lint_cert *c, struct fault *why)
{
	const struct span s = c->serial;

	if (!s.n)
		return BROKEN("the serial number has no octets");
	if (s.n > 1 && ((s.p[0] == 0 && s.p[1] < 0x80) ||
			(s.p[0] == 0xff && s.p[1] >= 0x80)))
		return BROKEN("the serial number has an octet too many in "
			      "front");
	return OK;
}

enum err lint_serial_positive(const struct lint_cert *c, struct fault *why)
{
	const struct span s = c->serial;

	if (s.p[0] >= 0x80 || (s.n == 1 && !s.p[0]))
		return BROKEN("the serial number is negative or zero");
	return OK;
}

enum err lint_serial_length(const struct lint_cert *c, struct fault *why)
{
	if (c->serial.n > SERIAL_OCTETS_MAX)
		return BROKEN("the serial number has %zu octets, at most %d "
			      "are allowed",
			      c->serial.n, SERIAL_OCTETS_MAX);
	return OK;
}

/* Absent for ECDSA and Ed25519, NULL for RSA; -1: not an algorithm we know. */
static int algorithm_params(enum oid o)
{
	if (o == OID_ECDSA_SHA256 || o == OID_ECDSA_SHA384 || o == OID_ED25519)
		return 0;
	if (o == OID_RSA_SHA256 || o == OID_RSA_SHA384 || o == OID_RSA_SHA512)
		return 1;
	return -1;
}

enum err lint_algorithm(const struct lint_cert *c, struct fault *why)
{
	struct rd r = span_rd(c->alg), body;
	enum oid o;
	int params;

	if (der_get(&r, DER_SEQ, &body) != OK || oid_get(&body, &o) != OK)
		return BROKEN("the signature algorithm is not one");
	params = algorithm_params(o);
	if (params < 0)
		return BROKEN("the signature algorithm is not known");
	if ((params && der_null(&body) != OK) || rd_end(&body) != OK)
		return BROKEN("the signature algorithm's parameters are not %s",
			      params ? "NULL" : "absent");
	return OK;
}

enum err lint_issuer_empty(const struct lint_cert *c, struct fault *why)
{
	if (c->issuer.n <= 2)
		return BROKEN("the issuer's name is empty");
	return OK;
}

enum err lint_issuer_name(const struct lint_cert *c, struct fault *why)
{
	if (!span_equal(c->issuer, c->from->name))
		return BROKEN("the issuer is not the name of the one who "
			      "signs, byte for byte");
	return OK;
}

enum err lint_root_name(const struct lint_cert *c, struct fault *why)
{
	if (c->from->self && !span_equal(c->issuer, c->subject))
		return BROKEN("a root's subject is not its issuer");
	return OK;
}

/* Untouched unless both are well formed. */
static enum err validity_get(const struct lint_cert *c, int64_t *from,
			     int64_t *to)
{
	struct rd r = span_rd(c->validity);
	int64_t a, b;

	TRY(der_time(&r, &a));
	TRY(der_time(&r, &b));
	TRY(rd_end(&r));
	*from = a;
	*to = b;
	return OK;
}

enum err lint_time_form(const struct lint_cert *c, struct fault *why)
{
	int64_t from, to;

	if (validity_get(c, &from, &to) != OK)
		return BROKEN("notBefore and notAfter are not UTCTime through "
			      "2049 and GeneralizedTime after, with seconds "
			      "and Z");
	return OK;
}

enum err lint_time_order(const struct lint_cert *c, struct fault *why)
{
	int64_t from = 0, to = 0;

	TRY(validity_get(c, &from, &to));
	if (from > to)
		return BROKEN("notBefore is after notAfter");
	return OK;
}

enum err lint_time_issuer(const struct lint_cert *c, struct fault *why)
{
	int64_t from = 0, to = 0;

	TRY(validity_get(c, &from, &to));
	if (to > c->from->not_after)
		return BROKEN("notAfter is after the issuer's");
	return OK;
}

enum err lint_leaf_life(const struct lint_cert *c, struct fault *why)
{
	int64_t from = 0, to = 0;

	TRY(validity_get(c, &from, &to));
	if (!lint_is_ca(c) && to - from > LINT_LEAF_LIFE)
		return BROKEN("a leaf that lives %lld seconds, at most %d are "
			      "allowed",
			      (long long)(to - from), LINT_LEAF_LIFE);
	return OK;
}

enum err lint_unique_ids(const struct lint_cert *c, struct fault *why)
{
	if (c->unique_ids)
		return BROKEN("there is an issuerUniqueID or subjectUniqueID");
	return OK;
}
