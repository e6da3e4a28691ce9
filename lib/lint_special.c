/* Part of the linter (lib/lint.c): OCSP signers and capabilities. */
#include "lib/lint_cert.h"

#include <string.h>

enum {
	CAPS_MAX = 32,
	CAP_BYTES_MAX = 128,
};

enum err lint_ocsp_alone(const struct lint_cert *c, struct fault *why)
{
	struct rd r = lint_value(c, OID_EXT_KEY_USAGE), list;
	struct span first;

	if (!lint_is_ocsp(c))
		return OK;
	TRY(der_get(&r, DER_SEQ, &list));
	TRY(der_oid(&list, &first));
	if (rd_left(&list) || lint_is_ca(c))
		return BROKEN("an OCSP signer that may do something else too");
	return OK;
}

enum err lint_ocsp_nocheck(const struct lint_cert *c, struct fault *why)
{
	if (lint_is_ocsp(c) && !lint_find(c, OID_OCSP_NOCHECK))
		return BROKEN("an OCSP signer without ocsp-nocheck");
	return OK;
}

enum err lint_nocheck_form(const struct lint_cert *c, struct fault *why)
{
	struct rd r = lint_value(c, OID_OCSP_NOCHECK);

	if (lint_find(c, OID_OCSP_NOCHECK) &&
	    (der_null(&r) != OK || rd_end(&r) != OK))
		return BROKEN("ocsp-nocheck is not NULL");
	return OK;
}

enum err lint_nocheck_ocsp(const struct lint_cert *c, struct fault *why)
{
	if (!lint_is_ocsp(c) && lint_find(c, OID_OCSP_NOCHECK))
		return BROKEN("ocsp-nocheck in what is no OCSP signer");
	return OK;
}

static struct rd caps_list(const struct lint_cert *c)
{
	struct rd r = lint_value(c, OID_CAPABILITIES), list;

	return der_get(&r, DER_SEQ, &list) == OK ? list : rd_from(NULL, 0);
}

enum err lint_caps_form(const struct lint_cert *c, struct fault *why)
{
	struct rd r = lint_value(c, OID_CAPABILITIES), list;
	struct span one;

	if (!lint_find(c, OID_CAPABILITIES))
		return OK;
	if (der_get(&r, DER_SEQ, &list) != OK || rd_end(&r) != OK)
		return BROKEN("the capabilities are not one SEQUENCE");
	while (rd_left(&list))
		if (der_span(&list, DER_UTF8, &one) != OK)
			return BROKEN("a capability is not a UTF8String");
	return OK;
}

enum err lint_caps_size(const struct lint_cert *c, struct fault *why)
{
	struct rd list = caps_list(c);
	struct span one;
	unsigned n = 0;

	if (!lint_find(c, OID_CAPABILITIES))
		return OK;
	for (; rd_left(&list); n++) {
		TRY(der_span(&list, DER_UTF8, &one));
		if (!one.n || one.n > CAP_BYTES_MAX)
			return BROKEN("a capability of %zu bytes, 1 to %d are "
				      "allowed",
				      one.n, CAP_BYTES_MAX);
	}
	if (!n || n > CAPS_MAX)
		return BROKEN("%u capabilities, 1 to %d are allowed", n,
			      CAPS_MAX);
	return OK;
}

enum err lint_caps_sorted(const struct lint_cert *c, struct fault *why)
{
	struct rd list = caps_list(c);
	struct span before = { .n = 0 }, one;

	while (rd_left(&list)) {
		int d;

		TRY(der_span(&list, DER_UTF8, &one));
		d = before.n ? memcmp(before.p, one.p, MIN(before.n, one.n))
			     : -1;
		if (d > 0 || (!d && before.n >= one.n))
			return BROKEN("the capabilities are not sorted, or one "
				      "is there twice");
		before = one;
	}
	return OK;
}

/* `*`, or letters, digits and a few others. */
static bool cap_word(struct span s)
{
	if (s.n == 1 && s.p[0] == '*')
		return true;
	for (size_t i = 0; i < s.n; i++) {
		const uint8_t c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && (!c || !strchr("._-", c)))
			return false;
	}
	return s.n > 0;
}

static bool cap_text(struct span s)
{
	struct span verb, object;

	if (!lint_cut(&s, ':', &verb) || !s.p || !lint_cut(&s, '@', &object) ||
	    !s.p)
		return false;
	for (size_t i = 0; i < verb.n; i++)
		if (verb.p[i] < 'a' || verb.p[i] > 'z')
			return false;
	return verb.n && cap_word(object) && cap_word(s);
}

enum err lint_caps_text(const struct lint_cert *c, struct fault *why)
{
	struct rd list = caps_list(c);
	struct span one;

	while (rd_left(&list)) {
		TRY(der_span(&list, DER_UTF8, &one));
		if (!cap_text(one))
			return BROKEN("a capability that is not "
				      "verb:object@scope");
	}
	return OK;
}

enum err lint_caps_leaf(const struct lint_cert *c, struct fault *why)
{
	if (lint_find(c, OID_CAPABILITIES) &&
	    (lint_is_ca(c) || lint_is_ocsp(c)))
		return BROKEN("capabilities in what is neither a client nor a "
			      "server");
	return OK;
}
