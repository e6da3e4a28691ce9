/* Part of the linter (lib/lint.c): extensions as such, and those that say what a key
 * may be used for. */
#include "lib/lint_cert.h"

/* anyExtendedKeyUsage, 2.5.29.37.0 */
static const uint8_t ANY_PURPOSE[] = { 0x55, 0x1d, 0x25, 0x00 };

static const struct ext_rule {
	enum oid oid;
	bool critical;
} EXT_RULES[] = {
	{ OID_AUTHORITY_KEY_ID, false }, { OID_SUBJECT_KEY_ID, false },
	{ OID_BASIC_CONSTRAINTS, true }, { OID_KEY_USAGE, true },
	{ OID_EXT_KEY_USAGE, false },    { OID_NAME_CONSTRAINTS, true },
	{ OID_CRL_POINTS, false },       { OID_AUTHORITY_INFO, false },
	{ OID_CAPABILITIES, false },     { OID_OCSP_NOCHECK, false },
};

enum err lint_ext_once(const struct lint_cert *c, struct fault *why)
{
	for (unsigned i = 0; i < c->exts; i++)
		for (unsigned k = 0; k < i; k++)
			if (span_equal(c->ext[i].id, c->ext[k].id))
				return BROKEN("an extension is there twice");
	return OK;
}

static const struct ext_rule *ext_rule(enum oid o)
{
	for (size_t i = 0; i < NELEM(EXT_RULES); i++)
		if (EXT_RULES[i].oid == o)
			return &EXT_RULES[i];
	return NULL;
}

enum err lint_ext_known(const struct lint_cert *c, struct fault *why)
{
	for (unsigned i = 0; i < c->exts; i++)
		if (c->ext[i].oid != OID_SUBJECT_ALT_NAME &&
		    !ext_rule(c->ext[i].oid))
			return BROKEN("extension %u of %u is unknown", i + 1,
				      c->exts);
	return OK;
}

enum err lint_ext_empty(const struct lint_cert *c, struct fault *why)
{
	for (unsigned i = 0; i < c->exts; i++)
		if (!c->ext[i].value.n)
			return BROKEN("extension %u of %u has no value", i + 1,
				      c->exts);
	return OK;
}

enum err lint_ext_false(const struct lint_cert *c, struct fault *why)
{
	for (unsigned i = 0; i < c->exts; i++)
		if (c->ext[i].said_false)
			return BROKEN("extension %u of %u says critical FALSE, "
				      "which is the preset",
				      i + 1, c->exts);
	return OK;
}

/* subjectAltName depends on the subject: lint_san_critical. */
enum err lint_ext_critical(const struct lint_cert *c, struct fault *why)
{
	for (unsigned i = 0; i < c->exts; i++) {
		const struct ext_rule *x = ext_rule(c->ext[i].oid);

		if (x && x->critical != c->ext[i].critical)
			return BROKEN("extension %u of %u is %scritical", i + 1,
				      c->exts, x->critical ? "not " : "");
	}
	return OK;
}

enum err lint_basic_there(const struct lint_cert *c, struct fault *why)
{
	if (!lint_find(c, OID_BASIC_CONSTRAINTS))
		return BROKEN("no basicConstraints");
	return OK;
}

static enum err basic_get(const struct lint_cert *c, bool *ca, bool *path)
{
	struct rd r = lint_value(c, OID_BASIC_CONSTRAINTS), body;
	uint64_t len;

	*ca = *path = false;
	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	if (der_is(&body, DER_BOOLEAN)) {
		TRY(der_bool(&body, ca));
		if (!*ca) /* the preset is not written */
			return ERR_INVALID;
	}
	if (rd_left(&body)) {
		TRY(der_u64(&body, DER_INTEGER, UINT8_MAX, &len));
		*path = true;
	}
	return rd_end(&body);
}

enum err lint_basic_form(const struct lint_cert *c, struct fault *why)
{
	bool ca, path;

	if (basic_get(c, &ca, &path) != OK)
		return BROKEN("basicConstraints is not cA TRUE or nothing, "
			      "then a path length");
	return OK;
}

enum err lint_path_length(const struct lint_cert *c, struct fault *why)
{
	bool ca, path;

	TRY(basic_get(c, &ca, &path));
	if (path && !ca)
		return BROKEN("a path length without cA");
	return OK;
}

enum err lint_root_ca(const struct lint_cert *c, struct fault *why)
{
	if (c->from->self && !lint_is_ca(c))
		return BROKEN("a root that is no ca");
	return OK;
}

enum err lint_usage_form(const struct lint_cert *c, struct fault *why)
{
	struct rd r = lint_value(c, OID_KEY_USAGE);
	unsigned v;

	if (!lint_find(c, OID_KEY_USAGE))
		return OK;
	if (der_named_bits(&r, &v) != OK || rd_end(&r) != OK || !v)
		return BROKEN("keyUsage is not a list of named bits with one "
			      "set");
	return OK;
}

enum err lint_ca_usage(const struct lint_cert *c, struct fault *why)
{
	if (lint_is_ca(c) && !(lint_key_usage(c) & LINT_KU_CERTS))
		return BROKEN("a ca without keyCertSign");
	return OK;
}

enum err lint_sign_ca(const struct lint_cert *c, struct fault *why)
{
	if (!lint_is_ca(c) &&
	    lint_key_usage(c) & (LINT_KU_CERTS | LINT_KU_CRLS))
		return BROKEN("keyCertSign or cRLSign without cA");
	return OK;
}

enum err lint_leaf_usage(const struct lint_cert *c, struct fault *why)
{
	if (!lint_is_ca(c) && !(lint_key_usage(c) & LINT_KU_SIGN))
		return BROKEN("a leaf without digitalSignature");
	return OK;
}

enum err lint_encipher_rsa(const struct lint_cert *c, struct fault *why)
{
	if (lint_key_usage(c) & LINT_KU_ENCIPHER && lint_key_oid(c) != OID_RSA)
		return BROKEN("keyEncipherment for a key that is not RSA");
	return OK;
}

enum err lint_usage_known(const struct lint_cert *c, struct fault *why)
{
	const unsigned ca = LINT_KU_SIGN | LINT_KU_CERTS | LINT_KU_CRLS;
	const unsigned leaf = LINT_KU_SIGN | LINT_KU_ENCIPHER;

	if (lint_key_usage(c) & ~(lint_is_ca(c) ? ca : leaf))
		return BROKEN("keyUsage has a bit that is for no certificate "
			      "of this kind");
	return OK;
}

/* Each purpose an OID, each once. */
static enum err purpose_form(struct rd r)
{
	struct rd list, before;
	struct span one, other;

	TRY(der_get(&r, DER_SEQ, &list));
	TRY(rd_end(&r));
	before = list;
	do {
		const uint8_t *at = list.p;
		struct rd again = before;

		TRY(der_oid(&list, &one));
		while (again.p < at) {
			TRY(der_oid(&again, &other));
			if (span_equal(one, other))
				return ERR_INVALID;
		}
	} while (rd_left(&list));
	return OK;
}

enum err lint_purpose_form(const struct lint_cert *c, struct fault *why)
{
	if (lint_find(c, OID_EXT_KEY_USAGE) &&
	    purpose_form(lint_value(c, OID_EXT_KEY_USAGE)) != OK)
		return BROKEN("extKeyUsage is not a list of different "
			      "purposes");
	return OK;
}

enum err lint_purpose_leaf(const struct lint_cert *c, struct fault *why)
{
	if (!lint_is_ca(c) && !lint_find(c, OID_EXT_KEY_USAGE))
		return BROKEN("a leaf without extKeyUsage");
	return OK;
}

enum err lint_purpose_any(const struct lint_cert *c, struct fault *why)
{
	if (lint_has_purpose(c, span_of(ANY_PURPOSE, sizeof ANY_PURPOSE)))
		return BROKEN("extKeyUsage has anyExtendedKeyUsage");
	return OK;
}

enum err lint_purpose_known(const struct lint_cert *c, struct fault *why)
{
	struct rd r = lint_value(c, OID_EXT_KEY_USAGE), list;
	enum oid o;

	if (der_get(&r, DER_SEQ, &list) != OK)
		return OK;
	while (rd_left(&list)) {
		TRY(oid_get(&list, &o));
		if (o != OID_SERVER_AUTH && o != OID_CLIENT_AUTH &&
		    o != OID_OCSP_SIGNING)
			return BROKEN("extKeyUsage has an unknown purpose");
	}
	return OK;
}
