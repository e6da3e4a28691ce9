/* Part of the linter (lib/lint.c): name constraints, and where CRL, OCSP and the
 * issuer's certificate are. */
#include "lib/lint_cert.h"

#include <string.h>

enum {
	IPV4_RANGE = 8, /* address and mask */
	IPV6_RANGE = 32,
};

enum err lint_limits_ca(const struct lint_cert *c, struct fault *why)
{
	if (!lint_is_ca(c) && lint_find(c, OID_NAME_CONSTRAINTS))
		return BROKEN("nameConstraints in a leaf");
	return OK;
}

/* GeneralSubtree with a base alone; minimum 0 is the preset, maximum absent. */
static enum err limit_next(struct rd *list, unsigned *tag, struct span *base)
{
	struct span whole;
	struct rd tree, body;

	TRY(der_get(list, DER_SEQ, &tree));
	TRY(der_any(&tree, tag, &body, &whole));
	*base = span_of(body.p, rd_left(&body));
	return rd_end(&tree);
}

static bool ip_range_ok(struct span s)
{
	const size_t half = s.n / 2;
	bool ended = false; /* the mask's ones */

	if (s.n != IPV4_RANGE && s.n != IPV6_RANGE)
		return false;
	for (size_t i = 8 * half; i < 16 * half; i++) {
		const bool one = s.p[i / 8] & 0x80 >> i % 8;

		if (one && ended)
			return false;
		ended = ended || !one;
	}
	return true;
}

/* A dNSName is a domain; a URI's host is one, or with a dot in front all below. */
static bool limit_base_ok(unsigned tag, struct span base)
{
	if (tag == LINT_DNS)
		return lint_ldh_name(base);
	if (tag == LINT_IP)
		return ip_range_ok(base);
	if (base.n && base.p[0] == '.')
		base = span_of(base.p + 1, base.n - 1);
	return tag == LINT_URI && lint_ldh_name(base);
}

/* base: look at the bases too. */
static enum err limits_read(const struct lint_cert *c, bool bases)
{
	struct rd r = lint_value(c, OID_NAME_CONSTRAINTS), body, list;
	struct span base;
	unsigned tag;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	if (!rd_left(&body))
		return ERR_INVALID;
	for (unsigned n = 0; n <= 1; n++) {
		if (!der_is(&body, DER_CTX_SEQ | n))
			continue;
		TRY(der_get(&body, DER_CTX_SEQ | n, &list));
		do {
			TRY(limit_next(&list, &tag, &base));
			if (bases && !limit_base_ok(tag, base))
				return ERR_INVALID;
		} while (rd_left(&list));
	}
	return rd_end(&body);
}

enum err lint_limits_form(const struct lint_cert *c, struct fault *why)
{
	if (lint_find(c, OID_NAME_CONSTRAINTS) && limits_read(c, false) != OK)
		return BROKEN("nameConstraints is not permitted or excluded "
			      "trees without minimum and maximum");
	return OK;
}

enum err lint_limits_base(const struct lint_cert *c, struct fault *why)
{
	if (lint_find(c, OID_NAME_CONSTRAINTS) && limits_read(c, true) != OK)
		return BROKEN("nameConstraints has a base that is neither a "
			      "DNS name, a host, nor an IP range");
	return OK;
}

/* The next point has a fullName of URIs and nothing else: *urls of them. */
static enum err crl_next(struct rd *points, struct rd *urls)
{
	struct rd point, name;

	TRY(der_get(points, DER_SEQ, &point));
	TRY(der_get(&point, DER_CTX_SEQ | 0, &name));
	TRY(rd_end(&point));
	TRY(der_get(&name, DER_CTX_SEQ | 0, urls));
	return rd_end(&name);
}

static bool url_http(struct span s)
{
	static const char scheme[] = "http://";
	const size_t n = sizeof scheme - 1;

	if (s.n <= n || memcmp(s.p, scheme, n) || s.p[n] == '/')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return true;
}

/* http: look at the URLs too. */
static enum err crl_read(const struct lint_cert *c, bool http)
{
	struct rd r = lint_value(c, OID_CRL_POINTS), points, urls;
	struct span url;

	TRY(der_get(&r, DER_SEQ, &points));
	TRY(rd_end(&r));
	do {
		TRY(crl_next(&points, &urls));
		do {
			TRY(der_span(&urls, LINT_URI, &url));
			if (http && !url_http(url))
				return ERR_INVALID;
		} while (rd_left(&urls));
	} while (rd_left(&points));
	return OK;
}

enum err lint_crl_form(const struct lint_cert *c, struct fault *why)
{
	if (lint_find(c, OID_CRL_POINTS) && crl_read(c, false) != OK)
		return BROKEN("cRLDistributionPoints is not a list of full "
			      "names that are URIs");
	return OK;
}

enum err lint_crl_http(const struct lint_cert *c, struct fault *why)
{
	if (lint_find(c, OID_CRL_POINTS) && crl_read(c, true) != OK)
		return BROKEN("a CRL that is not at http://");
	return OK;
}

static enum err info_read(const struct lint_cert *c, bool http, bool *ocsp)
{
	struct rd r = lint_value(c, OID_AUTHORITY_INFO), list, one;
	struct span url;
	enum oid o;

	*ocsp = false;
	TRY(der_get(&r, DER_SEQ, &list));
	TRY(rd_end(&r));
	do {
		TRY(der_get(&list, DER_SEQ, &one));
		TRY(oid_get(&one, &o));
		TRY(der_span(&one, LINT_URI, &url));
		TRY(rd_end(&one));
		if ((o != OID_ACCESS_OCSP && o != OID_ACCESS_ISSUERS) ||
		    (http && !url_http(url)))
			return ERR_INVALID;
		*ocsp = *ocsp || o == OID_ACCESS_OCSP;
	} while (rd_left(&list));
	return OK;
}

enum err lint_info_form(const struct lint_cert *c, struct fault *why)
{
	bool ocsp;

	if (lint_find(c, OID_AUTHORITY_INFO) &&
	    info_read(c, false, &ocsp) != OK)
		return BROKEN("authorityInfoAccess is not a list of OCSP and "
			      "caIssuers URIs");
	return OK;
}

enum err lint_info_http(const struct lint_cert *c, struct fault *why)
{
	bool ocsp;

	if (lint_find(c, OID_AUTHORITY_INFO) && info_read(c, true, &ocsp) != OK)
		return BROKEN("authorityInfoAccess has a place that is not at "
			      "http://");
	return OK;
}

enum err lint_ocsp_pointers(const struct lint_cert *c, struct fault *why)
{
	bool ocsp = false;

	if (!lint_is_ocsp(c))
		return OK;
	if (lint_find(c, OID_AUTHORITY_INFO))
		TRY(info_read(c, true, &ocsp));
	if (ocsp || lint_find(c, OID_CRL_POINTS))
		return BROKEN("an OCSP signer that says where to ask about "
			      "itself");
	return OK;
}
