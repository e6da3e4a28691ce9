/* Used by ca's issuer and signer, each with a copy of its own; holds nothing secret. */
#include "lib/ca_scope.h"

#include "lib/csv.h"
#include "lib/dns_name.h"

#include <stdlib.h>
#include <string.h>

void ca_scope_wipe(struct ca_scope *s)
{
	for (unsigned i = 0; i < s->n_domains; i++)
		free(s->domain[i]);
	free(s->trust_domain);
	free(s->url);
	free(s->name_text);
	memset(s, 0, sizeof *s);
}

static char *text_of(struct span v)
{
	char *s = xcalloc(v.n + 1, 1);

	memcpy(s, v.p, v.n);
	return s;
}

/* A name in certificates' name constraints: no label of digits alone at its end, which
 * would make addresses of names. */
static enum err domain_check(const char *what, struct span v, struct fault *f)
{
	struct span left = v, label = v;
	bool digits = true;

	TRY(dns_name_check(what, v, false, f));
	while (dns_label_next(&left, &label))
		;
	for (size_t i = 0; i < label.n; i++)
		digits = digits && label.p[i] >= '0' && label.p[i] <= '9';
	if (digits)
		return fault_set(f, ERR_INVALID,
				 "%s '%.*s' ends like an address", what,
				 (int)v.n, (const char *)v.p);
	return OK;
}

static enum err domain_add(struct ca_scope *s, struct span v, struct fault *f)
{
	TRY(domain_check("domain", v, f));
	for (unsigned i = 0; i < s->n_domains; i++)
		if (span_is(v, s->domain[i]))
			return fault_set(f, ERR_INVALID,
					 "domain '%s' is said twice",
					 s->domain[i]);
	if (s->n_domains == CERT_DOMAINS_MAX)
		return fault_set(f, ERR_INVALID, "a CA has at most %d domains",
				 CERT_DOMAINS_MAX);
	s->domain[s->n_domains++] = text_of(v);
	return OK;
}

static enum err domains_take(struct ca_scope *s, const struct attr *a,
			     struct fault *f)
{
	struct csv set = csv_of(span_of(a->value, a->len));
	struct span one;

	while (csv_next(&set, &one))
		TRY(domain_add(s, one, f));
	return OK;
}

static bool port_ok(struct span v)
{
	unsigned port = 0;

	if (!v.n || v.n > 5 || v.p[0] == '0')
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
		port = 10 * port + (unsigned)(v.p[i] - '0');
	}
	return port <= UINT16_MAX;
}

/* [address] of IPv6: only its letters are looked at. */
static bool bracket_ok(struct span host)
{
	if (host.n < 4 || host.p[0] != '[' || host.p[host.n - 1] != ']')
		return false;
	for (size_t i = 1; i < host.n - 1; i++)
		if (!host.p[i] || !strchr("0123456789abcdef:.", host.p[i]))
			return false;
	return true;
}

static bool host_ok(struct span host)
{
	return bracket_ok(host) ||
	       dns_name_check("host", host, false, NULL) == OK;
}

static bool url_ok(struct span v)
{
	static const char scheme[] = "http://";
	struct span host, port;
	const uint8_t *colon;

	if (v.n <= sizeof scheme - 1 || v.n > SCOPE_URL_MAX ||
	    memcmp(v.p, scheme, sizeof scheme - 1))
		return false;
	host = span_of(v.p + sizeof scheme - 1, v.n - (sizeof scheme - 1));
	colon = memrchr(host.p, ':', host.n);
	if (!colon || host.p[host.n - 1] == ']')
		return host_ok(host);
	port = span_of(colon + 1, (size_t)(host.p + host.n - colon) - 1);
	host.n = (size_t)(colon - host.p);
	return port_ok(port) && host_ok(host);
}

static enum err url_take(struct ca_scope *s, const struct attr *a,
			 struct fault *f)
{
	struct span v = span_of(a->value, a->len);
	char room[DNS_SHOWN];

	if (!url_ok(v))
		return fault_set(f, ERR_INVALID,
				 "url '%s': what goes into certificates is "
				 "http://HOST or http://HOST:PORT, in lower "
				 "case and without a slash at its end",
				 dns_shown(v, room));
	s->url = text_of(v);
	return OK;
}

static enum err number_take(const struct attr *a, uint64_t most, uint64_t *v,
			    struct fault *f)
{
	if (attr_u64(a, most, v) != OK || !*v)
		return fault_set(
			f, ERR_INVALID, "%.*s= is a number from 1 to %llu",
			a->name_len, a->name, (unsigned long long)most);
	return OK;
}

/* Names that are said once. */
static enum err one_take(struct ca_scope *s, const struct attr *a,
			 struct fault *f)
{
	struct span v = span_of(a->value, a->len);
	uint64_t n = 0;

	if (attr_named(a, "url"))
		return url_take(s, a, f);
	if (attr_named(a, "trust_domain")) {
		TRY(domain_check("trust domain", v, f));
		s->trust_domain = text_of(v);
		return OK;
	}
	if (attr_named(a, "shards")) {
		TRY(number_take(a, SCOPE_SHARDS_MAX, &n, f));
		s->shards = (unsigned)n;
		return OK;
	}
	if (attr_named(a, "instance")) {
		TRY(number_take(a, SCOPE_INSTANCE_MAX, &n, f));
		s->instance = (uint8_t)n;
		return OK;
	}
	return fault_set(f, ERR_INVALID,
			 "'%.*s' is nothing that a CA's scope says",
			 a->name_len, a->name);
}

static enum err attr_take(struct ca_scope *s, struct attr_view v,
			  const struct attr *a, struct fault *f)
{
	char name[ATTR_NAME_MAX + 1] = "";

	memcpy(name, a->name, a->name_len);
	if (a->flags & ATTR_CONFIDENTIAL)
		return fault_set(f, ERR_INVALID,
				 "'!%s': a scope holds nothing confidential",
				 name);
	if (attr_named(a, "domain"))
		return domains_take(s, a, f);
	if (attr_count(v, name) > 1)
		return fault_set(f, ERR_INVALID, "%s= is said twice", name);
	return one_take(s, a, f);
}

/* What was not said. */
static enum err finish(struct ca_scope *s, struct fault *f)
{
	if (!s->n_domains)
		return fault_set(f, ERR_INVALID,
				 "a CA needs a domain= that it serves");
	if (!s->url)
		return fault_set(f, ERR_INVALID,
				 "a CA needs the url= at which its revocation "
				 "data is found");
	if (!s->trust_domain)
		s->trust_domain = xstrdup(s->domain[0]);
	if (!s->shards)
		s->shards = SCOPE_SHARDS;
	if (!s->instance)
		s->instance = 1;
	return OK;
}

enum err ca_scope_parse(struct attr_view v, struct ca_scope *s, struct fault *f)
{
	AUTO(ca_scope_wipe) struct ca_scope made = { .instance = 0 };
	struct attr_view it = v;
	struct attr a;

	while (attr_next(&it, &a))
		TRY(attr_take(&made, v, &a, f));
	TRY(finish(&made, f));
	*s = made;
	made = (struct ca_scope){ .instance = 0 };
	return OK;
}

enum err ca_scope_format(const struct ca_scope *s, struct attrs *out)
{
	for (unsigned i = 0; i < s->n_domains; i++)
		TRY(attrs_add_str(out, "domain", s->domain[i]));
	TRY(attrs_add_str(out, "trust_domain", s->trust_domain));
	TRY(attrs_add_u64(out, "shards", s->shards));
	TRY(attrs_add_str(out, "url", s->url));
	return attrs_add_u64(out, "instance", s->instance);
}

/* The issuing certificate. */

static bool permitted(const struct cert_names *permit, const char *domain)
{
	struct span d = span_str(domain);

	for (unsigned i = 0; i < permit->count; i++)
		if (span_equal(permit->at[i], d) ||
		    dns_name_below(d, permit->at[i]))
			return true;
	return false;
}

static enum err issuing_check(const struct ca_scope *s, const struct cert *c,
			      const uint8_t key_id[20], struct fault *f)
{
	if (!c->ca || !(c->key_usage & KU_CERT_SIGN))
		return fault_set(f, ERR_INVALID,
				 "the issuing certificate is not one of a CA");
	if (!span_equal(c->subject_key, span_of(key_id, 20)))
		return fault_set(f, ERR_INVALID,
				 "the issuing certificate's key identifier is "
				 "not its key's");
	for (unsigned i = 0; i < s->n_domains; i++)
		if (c->permit_dns.count &&
		    !permitted(&c->permit_dns, s->domain[i]))
			return fault_set(f, ERR_INVALID,
					 "the issuing certificate's name "
					 "constraints leave out domain '%s'",
					 s->domain[i]);
	return OK;
}

/* Puts a copy of what part points at to *at and steps over it. */
static void part_copy(struct span from, uint8_t **at, struct span *part)
{
	if (from.n)
		memcpy(*at, from.p, from.n);
	*part = span_of(*at, from.n);
	*at += from.n;
}

static void name_copy(struct ca_scope *s, const struct dn *n)
{
	size_t all = n->domain.n + n->o.n + n->ou.n + n->uid.n + n->cn.n;
	uint8_t *text = xcalloc(all + 1, 1), *at = text;

	part_copy(n->domain, &at, &s->name.domain);
	part_copy(n->o, &at, &s->name.o);
	part_copy(n->ou, &at, &s->name.ou);
	part_copy(n->uid, &at, &s->name.uid);
	part_copy(n->cn, &at, &s->name.cn);
	free(s->name_text);
	s->name_text = text;
}

enum err ca_scope_take(struct ca_scope *s, const struct cert *issuing,
		       struct fault *f)
{
	uint8_t id[20];
	struct pubkey k;

	TRY(pubkey_parse(issuing->spki, &k, f));
	pubkey_id(&k, id);
	TRY(issuing_check(s, issuing, id, f));
	name_copy(s, &issuing->subject);
	s->alg = sig_alg_of(k.type);
	s->not_before = issuing->not_before;
	s->not_after = issuing->not_after;
	memcpy(s->key_id, id, sizeof id);
	pubkey_hash(&k, s->spki_hash);
	return OK;
}

/* Names. */

bool ca_scope_has(const struct ca_scope *s, struct span name)
{
	for (unsigned i = 0; i < s->n_domains; i++) {
		struct span d = span_str(s->domain[i]);

		if (dns_name_below(name, d) ||
		    (span_equal(name, d) && !memchr(d.p, '.', d.n)))
			return true;
	}
	return false;
}

enum err ca_node_check(const struct ca_scope *s, struct span node,
		       struct fault *f)
{
	char room[DNS_SHOWN];

	TRY(dns_name_check("node", node, false, f));
	if (node.n > NODE_MAX)
		return fault_set(f, ERR_INVALID,
				 "node '%s' has %zu bytes: certificates hold "
				 "at most %d of a node's name",
				 dns_shown(node, room), node.n, NODE_MAX);
	if (!ca_scope_has(s, node))
		return fault_set(f, ERR_DENIED,
				 "node '%s' is in none of the domains of this "
				 "CA (%s%s)",
				 dns_shown(node, room), s->domain[0],
				 s->n_domains > 1 ? ", ..." : "");
	return OK;
}
