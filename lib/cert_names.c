/* Used by ca (issuer, signer) and verifiers; holds nothing. The extensions that are
 * made of names: subjectAltName, nameConstraints, and the two that say where. */
#include "lib/cert_ext.h"

#include "lib/oid.h"

enum {
	/* GeneralName */
	NAME_DNS = DER_CTX | 2,
	NAME_URI = DER_CTX | 6,
	NAME_IP = DER_CTX | 7,
	IPV4_RANGE = 8, /* address and mask */
	IPV6_RANGE = 32,
};

/* An address and a mask of zeros: all of them. */
static const uint8_t ALL_IP[IPV6_RANGE];

/* IA5String, but only what is seen: no blanks, no control characters. */
static bool ia5_ok(struct span s, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= max;
}

static enum err names_add(struct cert_names *to, struct span name, size_t max,
			  unsigned most)
{
	if (to->count >= most || !ia5_ok(name, max))
		return ERR_INVALID;
	to->at[to->count++] = name;
	return OK;
}

static enum err names_put(struct buf *b, unsigned tag,
			  const struct cert_names *names, size_t max)
{
	if (names->count > CERT_NAMES_MAX)
		return ERR_INVALID;
	for (unsigned i = 0; i < names->count; i++) {
		if (!ia5_ok(names->at[i], max))
			return ERR_INVALID;
		TRY(der_put_span(b, tag, names->at[i]));
	}
	return OK;
}

/* subjectAltName */
bool cert_san_there(const struct cert *c)
{
	return c->dns.count || c->uri.count;
}

enum err cert_san_put(struct buf *b, const struct cert *c)
{
	size_t m;

	TRY(der_begin(b, DER_SEQ, &m));
	TRY(names_put(b, NAME_DNS, &c->dns, DNS_NAME_MAX));
	TRY(names_put(b, NAME_URI, &c->uri, URI_MAX));
	return der_end(b, m);
}

enum err cert_san_get(struct rd *r, struct cert *c)
{
	struct span name;
	struct rd seq;

	TRY(der_get(r, DER_SEQ, &seq));
	while (der_is(&seq, NAME_DNS)) {
		TRY(der_span(&seq, NAME_DNS, &name));
		TRY(names_add(&c->dns, name, DNS_NAME_MAX, CERT_NAMES_MAX));
	}
	while (rd_left(&seq)) {
		TRY(der_span(&seq, NAME_URI, &name));
		TRY(names_add(&c->uri, name, URI_MAX, CERT_NAMES_MAX));
	}
	return OK;
}

/* nameConstraints */
bool cert_limits_there(const struct cert *c)
{
	return c->permit_dns.count || c->permit_uri.count || c->exclude_ip;
}

/* GeneralSubtree; minimum 0 is the preset, maximum absent. */
static enum err limits_put_one(struct buf *b, unsigned tag, struct span base)
{
	size_t m;

	TRY(der_begin(b, DER_SEQ, &m));
	TRY(der_put_span(b, tag, base));
	return der_end(b, m);
}

static enum err limits_put_names(struct buf *b, unsigned tag, unsigned most,
				 const struct cert_names *names, size_t max)
{
	if (names->count > most)
		return ERR_INVALID;
	for (unsigned i = 0; i < names->count; i++) {
		if (!ia5_ok(names->at[i], max))
			return ERR_INVALID;
		TRY(limits_put_one(b, tag, names->at[i]));
	}
	return OK;
}

enum err cert_limits_put(struct buf *b, const struct cert *c)
{
	size_t m, list;

	TRY(der_begin(b, DER_SEQ, &m));
	if (c->permit_dns.count || c->permit_uri.count) {
		TRY(der_begin(b, DER_CTX_SEQ | 0, &list));
		TRY(limits_put_names(b, NAME_DNS, CERT_DOMAINS_MAX,
				     &c->permit_dns, DNS_NAME_MAX));
		TRY(limits_put_names(b, NAME_URI, 2 * CERT_DOMAINS_MAX,
				     &c->permit_uri, DNS_NAME_MAX));
		TRY(der_end(b, list));
	}
	if (c->exclude_ip) {
		TRY(der_begin(b, DER_CTX_SEQ | 1, &list));
		TRY(limits_put_one(b, NAME_IP, span_of(ALL_IP, IPV4_RANGE)));
		TRY(limits_put_one(b, NAME_IP, span_of(ALL_IP, IPV6_RANGE)));
		TRY(der_end(b, list));
	}
	return der_end(b, m);
}

static enum err limits_get_one(struct rd *r, unsigned tag, struct span *base)
{
	struct rd tree;

	TRY(der_get(r, DER_SEQ, &tree));
	TRY(der_span(&tree, tag, base));
	return rd_end(&tree);
}

static enum err limits_get_permitted(struct rd *r, struct cert *c)
{
	struct span base;
	struct rd next;

	do {
		next = *r;
		if (limits_get_one(&next, NAME_DNS, &base) != OK)
			break;
		TRY(names_add(&c->permit_dns, base, DNS_NAME_MAX,
			      CERT_DOMAINS_MAX));
		*r = next;
	} while (rd_left(r));
	while (rd_left(r)) {
		TRY(limits_get_one(r, NAME_URI, &base));
		TRY(names_add(&c->permit_uri, base, DNS_NAME_MAX,
			      2 * CERT_DOMAINS_MAX));
	}
	return c->permit_dns.count || c->permit_uri.count ? OK : ERR_INVALID;
}

enum err cert_limits_get(struct rd *r, struct cert *c)
{
	struct rd seq, list;
	struct span v4, v6;
	bool there;

	TRY(der_get(r, DER_SEQ, &seq));
	TRY(der_opt(&seq, DER_CTX_SEQ | 0, &there, &list));
	if (there)
		TRY(limits_get_permitted(&list, c));
	TRY(der_opt(&seq, DER_CTX_SEQ | 1, &c->exclude_ip, &list));
	if (c->exclude_ip) {
		TRY(limits_get_one(&list, NAME_IP, &v4));
		TRY(limits_get_one(&list, NAME_IP, &v6));
		TRY(rd_end(&list));
		if (!span_equal(v4, span_of(ALL_IP, IPV4_RANGE)) ||
		    !span_equal(v6, span_of(ALL_IP, IPV6_RANGE)))
			return ERR_INVALID;
	}
	return rd_end(&seq);
}

/* cRLDistributionPoints: one point, its fullName one URI */
bool cert_crl_there(const struct cert *c)
{
	return c->crl_url.n > 0;
}

enum err cert_crl_put(struct buf *b, const struct cert *c)
{
	size_t list, point, name, full;

	if (!ia5_ok(c->crl_url, URI_MAX))
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &list));
	TRY(der_begin(b, DER_SEQ, &point));
	TRY(der_begin(b, DER_CTX_SEQ | 0, &name));
	TRY(der_begin(b, DER_CTX_SEQ | 0, &full));
	TRY(der_put_span(b, NAME_URI, c->crl_url));
	TRY(der_end(b, full));
	TRY(der_end(b, name));
	TRY(der_end(b, point));
	return der_end(b, list);
}

enum err cert_crl_get(struct rd *r, struct cert *c)
{
	struct rd list, point, name, full;

	TRY(der_get(r, DER_SEQ, &list));
	TRY(der_get(&list, DER_SEQ, &point));
	TRY(der_get(&point, DER_CTX_SEQ | 0, &name));
	TRY(der_get(&name, DER_CTX_SEQ | 0, &full));
	TRY(der_span(&full, NAME_URI, &c->crl_url));
	TRY(rd_end(&full));
	TRY(rd_end(&name));
	TRY(rd_end(&point));
	TRY(rd_end(&list));
	return ia5_ok(c->crl_url, URI_MAX) ? OK : ERR_INVALID;
}

/* authorityInfoAccess: at most one of each method, OCSP first */
bool cert_info_there(const struct cert *c)
{
	return c->ocsp_url.n || c->issuer_url.n;
}

static enum err info_put_one(struct buf *b, enum oid method, struct span url)
{
	size_t m;

	if (!url.n)
		return OK;
	if (!ia5_ok(url, URI_MAX))
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &m));
	TRY(oid_put(b, method));
	TRY(der_put_span(b, NAME_URI, url));
	return der_end(b, m);
}

enum err cert_info_put(struct buf *b, const struct cert *c)
{
	size_t m;

	TRY(der_begin(b, DER_SEQ, &m));
	TRY(info_put_one(b, OID_ACCESS_OCSP, c->ocsp_url));
	TRY(info_put_one(b, OID_ACCESS_ISSUERS, c->issuer_url));
	return der_end(b, m);
}

enum err cert_info_get(struct rd *r, struct cert *c)
{
	struct rd list, one;

	TRY(der_get(r, DER_SEQ, &list));
	while (rd_left(&list)) {
		struct span *to, url;
		enum oid o;

		TRY(der_get(&list, DER_SEQ, &one));
		TRY(oid_get(&one, &o));
		TRY(der_span(&one, NAME_URI, &url));
		TRY(rd_end(&one));
		if (o != OID_ACCESS_OCSP && o != OID_ACCESS_ISSUERS)
			return ERR_INVALID;
		to = o == OID_ACCESS_OCSP ? &c->ocsp_url : &c->issuer_url;
		if (to->n || c->issuer_url.n || !ia5_ok(url, URI_MAX))
			return ERR_INVALID;
		*to = url;
	}
	return OK;
}
