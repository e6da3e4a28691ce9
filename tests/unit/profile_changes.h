/* Every way in which test_profile_check.c changes one thing of a good certificate. */
#ifndef TESTS_PROFILE_CHANGES_H
#define TESTS_PROFILE_CHANGES_H

#include "tests/unit/profile_world.h"

enum {
	TEXTS = 8,
	TEXT = 600,
};

static struct world w;

/* A random wish. */
struct luck {
	uint64_t rnd;
	const struct profile *p;
	struct serial serial;
	char agent[AGENT_ID_LEN + 1];
	char text[TEXTS][TEXT];
	struct wish wish;
};

/* Changes of one thing; false if there is nothing to change. */
typedef bool change_fn(struct cert *c, const struct luck *l);

static bool agent(const struct luck *l)
{
	return l->p->kind == PROFILE_AGENT || l->p->kind == PROFILE_SPIFFE;
}

static bool set_span(struct span *s, const char *text)
{
	if (span_is(*s, text))
		return false;
	*s = span_str(text);
	return true;
}

static bool name_push(struct cert_names *n, const char *text)
{
	ENSURE(n->count < CERT_NAMES_MAX);
	n->at[n->count++] = span_str(text);
	return true;
}

static bool type(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.o, "other");
}

static bool type_of_the_ca(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.o, "ca-ocsp");
}

static bool node(struct cert *c, const struct luck *l)
{
	/* of a SPIFFE id the node may be any: its name is nowhere else */
	return l->p->kind != PROFILE_SPIFFE &&
	       set_span(&c->subject.ou, "n9.example");
}

static bool foreign_node(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.ou, "n1.other");
}

static bool no_node(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.ou, "");
}

static bool agent_id(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.uid, WORLD_OTHER);
}

static bool no_agent_id(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.uid, "");
}

static bool cn(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.cn, "www.bank.com");
}

static bool no_cn(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.cn, "");
}

static bool subject_domain(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->subject.domain, "localhost");
}

static bool issuer_cn(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->issuer.cn, "Other CA");
}

static bool issuer_domain(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->issuer.domain, "other");
}

static bool first_dns_gone(struct cert *c, const struct luck *l)
{
	if (!c->dns.count || (!agent(l) && c->dns.count > 1 &&
			      span_equal(c->dns.at[1], c->subject.ou)))
		return false;
	memmove(c->dns.at, c->dns.at + 1,
		(size_t)--c->dns.count * sizeof c->dns.at[0]);
	return true;
}

static bool dns_in_another_order(struct cert *c, const struct luck *l)
{
	struct span first = c->dns.at[0];

	(void)l;
	if (c->dns.count < 2)
		return false;
	c->dns.at[0] = c->dns.at[1];
	c->dns.at[1] = first;
	return true;
}

static bool foreign_dns(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->dns, "www.bank.com");
}

static bool dns_of_another_node(struct cert *c, const struct luck *l)
{
	return l->p->kind != PROFILE_TLS && name_push(&c->dns, "n9.example");
}

static bool dns_of_another_agent(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->dns, WORLD_OTHER ".n1.example");
}

static bool dns_twice(struct cert *c, const struct luck *l)
{
	(void)l;
	if (!c->dns.count)
		return false;
	c->dns.at[c->dns.count] = c->dns.at[0];
	c->dns.count++;
	return true;
}

static bool wildcard(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->dns, "*.n9.example");
}

static bool wildcard_of_a_domain(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->dns, "*.example");
}

static bool upper_case(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->dns, "N1.example");
}

static bool foreign_uri(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->uri, "http+tcp://www.bank.com:80");
}

static bool web_uri(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->uri, "https://n1.example/");
}

static bool uri_twice(struct cert *c, const struct luck *l)
{
	(void)l;
	if (!c->uri.count)
		return false;
	c->uri.at[c->uri.count] = c->uri.at[0];
	c->uri.count++;
	return true;
}

static bool spiffe_mixed_in(struct cert *c, const struct luck *l)
{
	static char id[TEXT];

	if (l->p->kind == PROFILE_SPIFFE)
		return name_push(&c->uri, "spiffe://mesh.example/mesh/x");
	snprintf(id, sizeof id, "spiffe://mesh.example/%s/%s", l->p->name,
		 l->agent);
	return name_push(&c->uri, id);
}

static bool spiffe_of_another(struct cert *c, const struct luck *l)
{
	return l->p->kind == PROFILE_SPIFFE &&
	       set_span(&c->uri.at[0],
			"spiffe://mesh.example/mesh/" WORLD_OTHER);
}

static bool spiffe_elsewhere(struct cert *c, const struct luck *l)
{
	static char id[TEXT];

	snprintf(id, sizeof id, "spiffe://example/mesh/%s", l->agent);
	return l->p->kind == PROFILE_SPIFFE && set_span(&c->uri.at[0], id);
}

static bool no_uri(struct cert *c, const struct luck *l)
{
	/* endpoints may be left out, the SPIFFE id not */
	c->uri.count = 0;
	return l->p->kind == PROFILE_SPIFFE;
}

static bool one_capability_more(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->caps, "zone:all@*");
}

static bool one_capability_less(struct cert *c, const struct luck *l)
{
	(void)l;
	if (!c->caps.count)
		return false;
	c->caps.count--;
	return true;
}

static bool wider_capability(struct cert *c, const struct luck *l)
{
	return c->caps.count &&
	       set_span(&c->caps.at[c->caps.count - 1],
			strcmp(l->p->name, "node") ? "sign:prod@*"
						   : "issue:*@*");
}

static bool capability_of_another_node(struct cert *c, const struct luck *l)
{
	(void)l;
	return c->caps.count && set_span(&c->caps.at[0], "admin:credd@n9");
}

static bool ca(struct cert *c, const struct luck *l)
{
	(void)l;
	return c->ca = true;
}

static bool ca_with_path(struct cert *c, const struct luck *l)
{
	(void)l;
	c->path_len = 0;
	return c->ca = true;
}

static bool path_len(struct cert *c, const struct luck *l)
{
	(void)l;
	c->path_len = 0;
	return true;
}

static bool cert_sign(struct cert *c, const struct luck *l)
{
	(void)l;
	c->key_usage |= KU_CERT_SIGN;
	return true;
}

static bool crl_sign(struct cert *c, const struct luck *l)
{
	(void)l;
	c->key_usage |= KU_CRL_SIGN;
	return true;
}

static bool encipherment(struct cert *c, const struct luck *l)
{
	(void)l;
	c->key_usage ^= KU_KEY_ENCIPHERMENT;
	return true;
}

static bool no_key_usage(struct cert *c, const struct luck *l)
{
	(void)l;
	c->key_usage = 0;
	return true;
}

static bool usage_server(struct cert *c, const struct luck *l)
{
	(void)l;
	c->ext_usage ^= EKU_SERVER;
	return true;
}

static bool usage_client(struct cert *c, const struct luck *l)
{
	(void)l;
	c->ext_usage ^= EKU_CLIENT;
	return true;
}

static bool usage_ocsp(struct cert *c, const struct luck *l)
{
	(void)l;
	c->ext_usage ^= EKU_OCSP;
	return true;
}

static bool nocheck(struct cert *c, const struct luck *l)
{
	(void)l;
	c->nocheck = !c->nocheck;
	return true;
}

static bool subject_key(struct cert *c, const struct luck *l)
{
	static uint8_t id[20];

	(void)l;
	memcpy(id, c->subject_key.p, sizeof id);
	id[7] ^= 1;
	c->subject_key = span_of(id, sizeof id);
	return true;
}

static bool no_subject_key(struct cert *c, const struct luck *l)
{
	(void)l;
	c->subject_key.n = 0;
	return true;
}

static bool authority_key(struct cert *c, const struct luck *l)
{
	(void)l;
	c->authority_key = c->subject_key;
	return true;
}

static bool no_authority_key(struct cert *c, const struct luck *l)
{
	(void)l;
	c->authority_key.n = 0;
	return true;
}

static bool shard(struct cert *c, const struct luck *l)
{
	static char url[TEXT];

	snprintf(url, sizeof url, "%s/crl/%llu", w.scope.url,
		 (unsigned long long)(serial_number(&l->serial) + 1) %
			 w.scope.shards);
	return set_span(&c->crl_url, url);
}

static bool crl_elsewhere(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->crl_url, "http://evil.example/crl/0");
}

static bool no_crl(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->crl_url, "");
}

static bool ocsp_elsewhere(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->ocsp_url, "http://evil.example/ocsp");
}

static bool no_ocsp(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->ocsp_url, "");
}

static bool issuer_elsewhere(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->issuer_url, "http://evil.example/issuer.pem");
}

static bool no_issuer(struct cert *c, const struct luck *l)
{
	(void)l;
	return set_span(&c->issuer_url, "");
}

static bool serial_change(struct cert *c, uint8_t instance, uint64_t number)
{
	static struct serial s;
	static const uint8_t tail[SERIAL_TAIL] = { 9 };

	serial_make(instance, number, tail, &s);
	c->serial = span_of(s.b, sizeof s.b);
	return true;
}

static bool instance(struct cert *c, const struct luck *l)
{
	return serial_change(c, 4, serial_number(&l->serial));
}

static bool number_of_another_shard(struct cert *c, const struct luck *l)
{
	uint64_t n = serial_number(&l->serial);

	return l->p->kind != PROFILE_OCSP &&
	       serial_change(c, w.scope.instance, n > 1 ? n - 1 : n + 1);
}

static bool short_serial(struct cert *c, const struct luck *l)
{
	(void)l;
	c->serial.n--;
	return true;
}

static bool algorithm(struct cert *c, const struct luck *l)
{
	(void)l;
	c->alg = SIG_ED25519;
	return true;
}

static bool too_long_a_life(struct cert *c, const struct luck *l)
{
	/* backdated or not: a second more than either */
	c->not_after = c->not_before + (int64_t)l->p->max_life + 61;
	return true;
}

static bool too_short_a_life(struct cert *c, const struct luck *l)
{
	(void)l;
	c->not_after = c->not_before + 59;
	return true;
}

static bool no_life(struct cert *c, const struct luck *l)
{
	(void)l;
	c->not_after = c->not_before - 1;
	return true;
}

static bool beyond_the_issuer(struct cert *c, const struct luck *l)
{
	(void)l;
	c->not_after = w.scope.not_after + 1;
	return true;
}

static bool backdated(struct cert *c, const struct luck *l)
{
	int64_t life = c->not_after - c->not_before;

	(void)l;
	c->not_before = WORLD_NOW - PROFILE_SLACK - 1;
	c->not_after = c->not_before + life;
	return true;
}

static bool far_ahead(struct cert *c, const struct luck *l)
{
	(void)l;
	c->not_before = WORLD_NOW + PROFILE_DELAY_MAX + PROFILE_SLACK + 1;
	c->not_after = c->not_before + 3600;
	return true;
}

static bool permitted(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->permit_dns, "example");
}

static bool permitted_uri(struct cert *c, const struct luck *l)
{
	(void)l;
	return name_push(&c->permit_uri, ".example");
}

static bool no_addresses(struct cert *c, const struct luck *l)
{
	(void)l;
	return c->exclude_ip = true;
}

static bool another_key(struct cert *c, const struct luck *l)
{
	enum key_type t = l->wish.key->type == KEY_P256 ? KEY_RSA : KEY_P256;

	c->spki = w.key[t].spki;
	return true;
}

static bool no_key(struct cert *c, const struct luck *l)
{
	(void)l;
	c->spki.n--;
	return true;
}

#define CHANGE(f)                                                              \
	{                                                                      \
#f, f                                                          \
	}
static const struct {
	const char *name;
	change_fn *change;
} changes[] = {
	CHANGE(type),
	CHANGE(type_of_the_ca),
	CHANGE(node),
	CHANGE(foreign_node),
	CHANGE(no_node),
	CHANGE(agent_id),
	CHANGE(no_agent_id),
	CHANGE(cn),
	CHANGE(no_cn),
	CHANGE(subject_domain),
	CHANGE(issuer_cn),
	CHANGE(issuer_domain),
	CHANGE(first_dns_gone),
	CHANGE(dns_in_another_order),
	CHANGE(foreign_dns),
	CHANGE(dns_of_another_node),
	CHANGE(dns_of_another_agent),
	CHANGE(dns_twice),
	CHANGE(wildcard),
	CHANGE(wildcard_of_a_domain),
	CHANGE(upper_case),
	CHANGE(foreign_uri),
	CHANGE(web_uri),
	CHANGE(uri_twice),
	CHANGE(spiffe_mixed_in),
	CHANGE(spiffe_of_another),
	CHANGE(spiffe_elsewhere),
	CHANGE(no_uri),
	CHANGE(one_capability_more),
	CHANGE(one_capability_less),
	CHANGE(wider_capability),
	CHANGE(capability_of_another_node),
	CHANGE(ca),
	CHANGE(ca_with_path),
	CHANGE(path_len),
	CHANGE(cert_sign),
	CHANGE(crl_sign),
	CHANGE(encipherment),
	CHANGE(no_key_usage),
	CHANGE(usage_server),
	CHANGE(usage_client),
	CHANGE(usage_ocsp),
	CHANGE(nocheck),
	CHANGE(subject_key),
	CHANGE(no_subject_key),
	CHANGE(authority_key),
	CHANGE(no_authority_key),
	CHANGE(shard),
	CHANGE(crl_elsewhere),
	CHANGE(no_crl),
	CHANGE(ocsp_elsewhere),
	CHANGE(no_ocsp),
	CHANGE(issuer_elsewhere),
	CHANGE(no_issuer),
	CHANGE(instance),
	CHANGE(number_of_another_shard),
	CHANGE(short_serial),
	CHANGE(algorithm),
	CHANGE(too_long_a_life),
	CHANGE(too_short_a_life),
	CHANGE(no_life),
	CHANGE(beyond_the_issuer),
	CHANGE(backdated),
	CHANGE(far_ahead),
	CHANGE(permitted),
	CHANGE(permitted_uri),
	CHANGE(no_addresses),
	CHANGE(another_key),
	CHANGE(no_key),
};

#endif
