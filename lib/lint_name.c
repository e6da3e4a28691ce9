/* Part of the linter (lib/lint.c): subjectAltName. */
#include "lib/lint_cert.h"

#include <string.h>

enum {
	IPV4 = 4,
	IPV6 = 16,
	DNS_MAX = 253,
	PORT_DIGITS = 5,
	PORT_MAX = 65535,
};

static struct rd san_list(const struct lint_cert *c)
{
	struct rd r = lint_value(c, OID_SUBJECT_ALT_NAME), list;

	return der_get(&r, DER_SEQ, &list) == OK ? list : rd_from(NULL, 0);
}

static bool san_next(struct rd *list, unsigned *tag, struct span *name)
{
	struct span whole;
	struct rd body;

	if (der_any(list, tag, &body, &whole) != OK)
		return false;
	*name = span_of(body.p, rd_left(&body));
	return true;
}

enum err lint_san_form(const struct lint_cert *c, struct fault *why)
{
	struct rd r = lint_value(c, OID_SUBJECT_ALT_NAME), list;
	struct span name;
	unsigned tag;

	if (!lint_find(c, OID_SUBJECT_ALT_NAME))
		return OK;
	if (der_get(&r, DER_SEQ, &list) != OK || rd_end(&r) != OK ||
	    !rd_left(&list))
		return BROKEN("subjectAltName is not a list of names");
	while (rd_left(&list))
		if (!san_next(&list, &tag, &name) || !name.n)
			return BROKEN("subjectAltName has an empty or broken "
				      "name");
	return OK;
}

enum err lint_san_no_subject(const struct lint_cert *c, struct fault *why)
{
	const struct lint_ext *x = lint_find(c, OID_SUBJECT_ALT_NAME);

	if (lint_no_subject(c) && !(x && x->critical))
		return BROKEN("an empty subject without a critical "
			      "subjectAltName");
	return OK;
}

enum err lint_san_critical(const struct lint_cert *c, struct fault *why)
{
	const struct lint_ext *x = lint_find(c, OID_SUBJECT_ALT_NAME);

	if (!lint_no_subject(c) && x && x->critical)
		return BROKEN("subjectAltName is critical although there is a "
			      "subject");
	return OK;
}

/* Nobody connects to an OCSP signer: it needs no name. */
enum err lint_san_leaf(const struct lint_cert *c, struct fault *why)
{
	if (!lint_is_ca(c) && !lint_is_ocsp(c) &&
	    !lint_find(c, OID_SUBJECT_ALT_NAME))
		return BROKEN("a leaf without subjectAltName");
	return OK;
}

enum err lint_san_kind(const struct lint_cert *c, struct fault *why)
{
	struct rd list = san_list(c);
	struct span name;
	unsigned tag;

	while (san_next(&list, &tag, &name))
		if (tag != LINT_DNS && tag != LINT_URI && tag != LINT_IP)
			return BROKEN("subjectAltName has a name that is not "
				      "DNS, URI or IP");
	return OK;
}

/* Every name of that kind must pass. */
static enum err each_name(const struct lint_cert *c, unsigned kind,
			  bool (*good)(struct span name), const char *what,
			  struct fault *why)
{
	struct rd list = san_list(c);
	struct span name;
	unsigned tag;

	while (san_next(&list, &tag, &name))
		if (tag == kind && !good(name))
			return BROKEN("%s", what);
	return OK;
}

static bool ip_length(struct span s)
{
	return s.n == IPV4 || s.n == IPV6;
}

enum err lint_san_ip(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_IP, ip_length,
			 "an IP address that has neither 4 nor 16 octets", why);
}

static bool dns_length(struct span s)
{
	return s.n <= DNS_MAX;
}

enum err lint_dns_length(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_DNS, dns_length,
			 "a DNS name of more than 253 bytes", why);
}

static bool dns_dot(struct span s)
{
	return s.p[s.n - 1] != '.';
}

enum err lint_dns_dot(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_DNS, dns_dot, "a DNS name that ends in a dot",
			 why);
}

static bool dns_underscore(struct span s)
{
	return !memchr(s.p, '_', s.n);
}

enum err lint_dns_underscore(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_DNS, dns_underscore,
			 "a DNS name with an underscore", why);
}

/* The name behind a whole left-most label `*`, or all of it. */
static struct span dns_plain(struct span s)
{
	if (s.n > 2 && s.p[0] == '*' && s.p[1] == '.')
		return span_of(s.p + 2, s.n - 2);
	return s;
}

static bool dns_wildcard(struct span s)
{
	s = dns_plain(s);
	return !memchr(s.p, '*', s.n);
}

enum err lint_dns_wildcard(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_DNS, dns_wildcard,
			 "a DNS name whose asterisk is not its whole first "
			 "label",
			 why);
}

static bool dns_label(struct span s)
{
	return lint_ldh_name(dns_plain(s));
}

enum err lint_dns_label(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_DNS, dns_label,
			 "a DNS name whose labels are not letters, digits and "
			 "inner hyphens, 1 to 63 of them",
			 why);
}

/* Hyphens third and fourth are kept for A-labels. */
static bool dns_alabel(struct span s)
{
	struct span label;

	while (lint_cut(&s, '.', &label))
		if (label.n >= 4 && label.p[2] == '-' && label.p[3] == '-' &&
		    strncasecmp((const char *)label.p, "xn", 2))
			return false;
	return true;
}

enum err lint_dns_alabel(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_DNS, dns_alabel,
			 "a DNS name with a label that looks like an A-label "
			 "and is none",
			 why);
}

static bool uri_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}", s.p[i]))
			return false;
	return true;
}

enum err lint_uri_text(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_URI, uri_text,
			 "a URI with a byte that no URI has", why);
}

static bool uri_scheme_char(uint8_t c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return !first &&
	       ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.');
}

/* scheme://authority rest; false if it is not of that form. */
static bool uri_split(struct span s, struct span *scheme,
		      struct span *authority, struct span *rest)
{
	size_t n = 0, at;

	while (n < s.n && uri_scheme_char(s.p[n], n == 0))
		n++;
	at = n + 3;
	if (!n || s.n < at || memcmp(s.p + n, "://", 3))
		return false;
	*scheme = span_of(s.p, n);
	for (n = at; n < s.n && !strchr("/?#", s.p[n]);)
		n++;
	*authority = span_of(s.p + at, n - at);
	*rest = span_of(s.p + n, s.n - n);
	return true;
}

static bool uri_absolute(struct span s)
{
	struct span scheme, authority, rest;

	return uri_split(s, &scheme, &authority, &rest) && authority.n > 0;
}

enum err lint_uri_absolute(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_URI, uri_absolute,
			 "a URI without scheme or without host", why);
}

static bool uri_port(struct span s)
{
	unsigned v = 0;

	if (!s.n || s.n > PORT_DIGITS || s.p[0] == '0')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = 10 * v + (unsigned)(s.p[i] - '0');
	}
	return v <= PORT_MAX;
}

/* A name, since name constraints cannot judge another host; perhaps a port. */
static bool uri_host(struct span s)
{
	struct span scheme, authority, rest, host;

	if (!uri_split(s, &scheme, &authority, &rest) ||
	    !lint_cut(&authority, ':', &host))
		return false;
	return lint_ldh_name(host) && (!authority.p || uri_port(authority));
}

enum err lint_uri_host(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_URI, uri_host,
			 "a URI whose host is not a DNS name, with a port or "
			 "without",
			 why);
}

static bool uri_is_spiffe(struct span s)
{
	struct span scheme, authority, rest;

	return uri_split(s, &scheme, &authority, &rest) && scheme.n == 6 &&
	       !strncasecmp((const char *)scheme.p, "spiffe", 6);
}

enum err lint_spiffe_alone(const struct lint_cert *c, struct fault *why)
{
	struct rd list = san_list(c);
	unsigned tag, uris = 0, spiffe = 0;
	struct span name;

	while (san_next(&list, &tag, &name)) {
		uris += tag == LINT_URI;
		spiffe += tag == LINT_URI && uri_is_spiffe(name);
	}
	if (spiffe && uris > 1)
		return BROKEN("a SPIFFE id beside another URI");
	return OK;
}

/* /segment/segment, none of them empty, `.` or `..`. */
static bool spiffe_path(struct span s)
{
	struct span part;

	if (s.n < 2 || s.p[0] != '/')
		return false;
	s = span_of(s.p + 1, s.n - 1);
	while (lint_cut(&s, '/', &part)) {
		if (!part.n || span_is(part, ".") || span_is(part, ".."))
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (!uri_scheme_char(part.p[i], false) &&
			    part.p[i] != '_')
				return false;
		if (memchr(part.p, '+', part.n))
			return false;
	}
	return true;
}

static bool spiffe_form(struct span s)
{
	struct span scheme, domain, path;

	if (!uri_is_spiffe(s))
		return true;
	if (!uri_split(s, &scheme, &domain, &path) ||
	    !span_is(scheme, "spiffe") || !lint_ldh_name(domain))
		return false;
	for (size_t i = 0; i < domain.n; i++)
		if (domain.p[i] >= 'A' && domain.p[i] <= 'Z')
			return false;
	return spiffe_path(path);
}

enum err lint_spiffe_form(const struct lint_cert *c, struct fault *why)
{
	return each_name(c, LINT_URI, spiffe_form,
			 "a SPIFFE id that is not spiffe://domain/path with a "
			 "domain in lower case, no port, no query",
			 why);
}
