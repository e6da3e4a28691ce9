/* Which names a certificate may have, whoever asks for them and wherever the wish was
 * written: in a CSR or beside it. Pure functions; run by ca's issuer when it makes a
 * certificate and by the signer when it looks at one. Holds nothing. */
#include "lib/dns_name.h"
#include "lib/glob.h"
#include "lib/num.h"
#include "lib/profile_in.h"

#include <string.h>

enum {
	PATTERN_MAX = DNS_NAME_MAX,
	PROTOCOL_MAX = 32,
	PORT_DIGITS = 5,
};

static const struct {
	const char *text;
	bool node;
} holders[] = { { "{node}", true }, { "{agent}", false } };

/* The placeholder that stands at p, or -1. */
static int holder_at(const char *p, size_t n)
{
	for (size_t i = 0; i < NELEM(holders); i++) {
		size_t len = strlen(holders[i].text);

		if (n >= len && !memcmp(p, holders[i].text, len))
			return (int)i;
	}
	return -1;
}

/* Patterns. */

/* The pattern with placeholders filled in, at most GLOB_MAX bytes: each placeholder is
 * there once at most. */
static size_t pattern_fill(const char *pattern, const struct wish *w,
			   char out[GLOB_MAX])
{
	size_t n = strlen(pattern), len = 0;

	for (size_t i = 0; i < n;) {
		int h = holder_at(pattern + i, n - i);
		struct span v = span_of(pattern + i, 1);

		if (h >= 0)
			v = holders[h].node ? w->node : w->agent;
		ENSURE(len + v.n <= GLOB_MAX);
		memcpy(out + len, v.p, v.n);
		len += v.n;
		i += h >= 0 ? strlen(holders[h].text) : 1;
	}
	return len;
}

static enum err pattern_bad(struct span pattern, const char *why,
			    struct fault *f)
{
	char room[DNS_SHOWN];

	return fault_set(f, ERR_INVALID, "dns=: pattern '%s': %s",
			 dns_shown(pattern, room), why);
}

/* One label of a pattern: a placeholder and nothing else, or letters and stars. */
static const char *label_fault(struct span l, unsigned *seen)
{
	const char *p = (const char *)l.p;
	int h = holder_at(p, l.n);

	if (!l.n || l.n > DNS_LABEL_MAX)
		return "labels have 1 to 63 characters";
	if (h >= 0 && l.n == strlen(holders[h].text)) {
		if (*seen & 1u << h)
			return "a placeholder may be there once";
		*seen |= 1u << h;
		return NULL;
	}
	for (size_t i = 0; i < l.n; i++) {
		if (p[i] == '{' || p[i] == '}')
			return "only {node} and {agent} are known, and only "
			       "as whole labels";
		if ((p[i] < 'a' || p[i] > 'z') && (p[i] < '0' || p[i] > '9') &&
		    p[i] != '-' && p[i] != '*')
			return "it has lower-case letters, digits, hyphens, "
			       "dots, '*', {node} and {agent}";
	}
	return NULL;
}

enum err profile_pattern_check(struct span pattern, struct fault *f)
{
	struct span left = pattern, label;
	unsigned seen = 0;
	const char *bad;

	if (!pattern.n || pattern.n > PATTERN_MAX)
		return pattern_bad(pattern, "it has 1 to 253 characters", f);
	if (pattern.p[pattern.n - 1] == '.')
		return pattern_bad(pattern, "it ends with a dot", f);
	while (dns_label_next(&left, &label))
		if ((bad = label_fault(label, &seen)))
			return pattern_bad(pattern, bad, f);
	return glob_check(GLOB_ANY, "dns", (const char *)pattern.p, pattern.n,
			  f);
}

/* A wildcard counts as the name it is written as. That is sound: the star of the name
 * can only have been matched by one of the pattern, which would as well have matched
 * whatever stands in its place. */
static bool pattern_allows(const struct profile *p, const struct wish *w,
			   struct span name)
{
	char pattern[GLOB_MAX];

	for (unsigned i = 0; i < p->n_dns; i++) {
		size_t n = pattern_fill(p->dns[i], w, pattern);

		if (glob_match(GLOB_ANY, pattern, n, (const char *)name.p,
			       name.n))
			return true;
	}
	return false;
}

/* DNS names. */

bool profile_own_name(const struct wish *w, struct span name)
{
	return w->agent.n && name.n == w->agent.n + 1 + w->node.n &&
	       !memcmp(name.p, w->agent.p, w->agent.n) &&
	       dns_name_below(name, w->node);
}

/* True if a label of it is the id of another agent: `*.{node}` lets nobody take the
 * name that another one has by right. */
static bool names_another(const struct wish *w, struct span name)
{
	struct span label;

	while (dns_label_next(&name, &label))
		if (agent_id_check(label, NULL) == OK &&
		    !span_equal(label, w->agent))
			return true;
	return false;
}

static enum err refuse(struct span name, const char *why, struct fault *f)
{
	char room[DNS_SHOWN];

	return fault_set(f, ERR_DENIED, "name '%s' %s", dns_shown(name, room),
			 why);
}

/* The gate's own: any name the CA may certify, a domain itself included, but none of
 * an agent. */
static enum err tls_name_check(const struct ca_scope *s, const struct wish *w,
			       struct span name, struct fault *f)
{
	TRY(dns_name_check("name", name, false, f));
	if (names_another(w, name))
		return refuse(name, "has the id of an agent", f);
	for (unsigned i = 0; i < s->n_domains; i++)
		if (dns_name_below(name, span_str(s->domain[i])) ||
		    span_is(name, s->domain[i]))
			return OK;
	return refuse(name, "is in none of the domains of this CA", f);
}

enum err profile_dns_check(const struct profile *p, const struct ca_scope *s,
			   const struct wish *w, struct span name,
			   struct fault *f)
{
	if (p->kind == PROFILE_TLS)
		return tls_name_check(s, w, name, f);
	TRY(dns_name_check("name", name, true, f));
	if (p->kind != PROFILE_AGENT)
		return refuse(name,
			      "cannot be: certificates of this profile have no "
			      "DNS names",
			      f);
	if (profile_own_name(w, name))
		return OK;
	if (name.p[0] == '*' && !p->wildcard)
		return refuse(name,
			      "is a wildcard, which its profile does not "
			      "allow (wildcard=yes)",
			      f);
	if (!ca_scope_has(s, name))
		return refuse(name, "is in none of the domains of this CA", f);
	if (names_another(w, name))
		return refuse(name, "has the id of another agent", f);
	if (!pattern_allows(p, w, name))
		return refuse(name,
			      "is not among those its profile allows (dns=)",
			      f);
	return OK;
}

/* URIs. */

static const char *const transports[] = { "tcp", "udp", "sctp", "quic" };

/* Takes what stands before the text `end` off left; false if that is not there. */
static bool before(struct span *left, const char *end, struct span *part)
{
	const uint8_t *at = memmem(left->p, left->n, end, strlen(end));

	if (!at)
		return false;
	*part = span_of(left->p, (size_t)(at - left->p));
	*left = span_of(at + strlen(end), left->n - part->n - strlen(end));
	return true;
}

static bool protocol_ok(struct span v)
{
	if (!v.n || v.n > PROTOCOL_MAX || v.p[0] < 'a' || v.p[0] > 'z')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if ((v.p[i] < 'a' || v.p[i] > 'z') &&
		    (v.p[i] < '0' || v.p[i] > '9'))
			return false;
	return true;
}

static bool transport_ok(struct span v)
{
	for (size_t i = 0; i < NELEM(transports); i++)
		if (span_is(v, transports[i]))
			return true;
	return false;
}

static bool port_ok(struct span v)
{
	uint64_t port;

	return v.n && v.n <= PORT_DIGITS && v.p[0] != '0' &&
	       num_u64((const char *)v.p, v.n, UINT16_MAX, &port) == OK;
}

static const char *endpoint_fault(const struct wish *w, struct span uri)
{
	struct span left = uri, protocol, transport, host;

	if (uri.n > URI_MAX || !before(&left, "+", &protocol) ||
	    !before(&left, "://", &transport) || !before(&left, ":", &host))
		return "is not PROTOCOL+TRANSPORT://AGENT-ID.NODE:PORT";
	if (!protocol_ok(protocol))
		return "has a protocol that is not [a-z][a-z0-9]*";
	if (!transport_ok(transport))
		return "has a transport that is none of tcp, udp, sctp, quic";
	if (!port_ok(left))
		return "has a port that is not 1 to 65535";
	return profile_own_name(w, host) ? NULL : "";
}

bool profile_own_spiffe(const struct profile *p, const struct ca_scope *s,
			const struct wish *w, struct span uri)
{
	static const char scheme[] = "spiffe://";
	struct span left = uri, part;

	return before(&left, scheme, &part) && !part.n &&
	       before(&left, "/", &part) && span_is(part, s->trust_domain) &&
	       before(&left, "/", &part) && span_is(part, p->name) &&
	       span_equal(left, w->agent);
}

enum err profile_uri_check(const struct profile *p, const struct wish *w,
			   struct span uri, struct fault *f)
{
	char room[DNS_SHOWN];
	const char *bad;

	if (p->kind != PROFILE_AGENT)
		return refuse(uri,
			      "cannot be: certificates of this profile have no "
			      "URI that is asked for",
			      f);
	bad = endpoint_fault(w, uri);
	if (bad && *bad)
		return fault_set(f, ERR_INVALID, "URI '%s' %s",
				 dns_shown(uri, room), bad);
	if (bad)
		return refuse(uri, "is at another host than the agent's own",
			      f);
	return OK;
}

/* CSRs. */

/* True if a CN is a mere label, which nobody takes for a name of a host. */
static bool only_label(struct span cn)
{
	for (size_t i = 0; i < cn.n; i++) {
		uint8_t c = cn.p[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
		    (c < '0' || c > '9') && c != '-')
			return false;
	}
	return true;
}

enum err profile_csr_check(const struct profile *p, const struct ca_scope *s,
			   const struct wish *w, const struct csr *c,
			   struct fault *f)
{
	if (c->wants_ca)
		return fault_set(f, ERR_DENIED,
				 "the CSR asks for the certificate of a CA");
	if (c->wants_caps)
		return fault_set(f, ERR_DENIED,
				 "the CSR asks for capabilities: those come "
				 "from the profile alone");
	if (c->other_names)
		return fault_set(f, ERR_DENIED,
				 "the CSR asks for names other than DNS names "
				 "and URIs (addresses, mail, ...): there are "
				 "none in certificates of this CA");
	for (unsigned i = 0; i < c->cn.count; i++)
		if (!only_label(c->cn.at[i]))
			TRY(profile_dns_check(p, s, w, c->cn.at[i], f));
	return OK;
}
