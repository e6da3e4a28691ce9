/* The signer's side: could profile_fill have made this certificate? What an issuer
 * chooses freely (serial, agent, node, key, names among those allowed, times within
 * bounds) is read from it as if it were a wish; the certificate is made of that wish
 * anew, by the signer's own copies of profile and scope, and must be the same in
 * everything. So nothing can be in it that was forgotten to be looked at. Run by ca's
 * signer; pure; holds nothing. */
#include "lib/profile_in.h"

#include <string.h>

static enum err times_check(const struct profile *p, const struct ca_scope *s,
			    const struct cert *c, int64_t now, struct fault *f)
{
	int64_t begin = c->not_before, end = c->not_after, most;

	if (begin < now - PROFILE_SLACK ||
	    begin > now + PROFILE_SLACK + PROFILE_DELAY_MAX)
		return fault_set(f, ERR_INVALID,
				 "the certificate's notBefore is not about "
				 "now: compare the clocks");
	if (begin < s->not_before || end > s->not_after)
		return fault_set(f, ERR_INVALID,
				 "the certificate would live beyond the "
				 "issuing CA's own");
	/* one that begins later was not backdated */
	most = (int64_t)p->max_life;
	if (begin <= now + PROFILE_SLACK)
		most += PROFILE_BACKDATE;
	if (end < begin + PROFILE_LIFE_MIN || end - begin > most)
		return fault_set(f, ERR_INVALID,
				 "the certificate's life is not one that "
				 "profile '%s' allows",
				 p->name);
	return OK;
}

static bool names_equal(const struct cert_names *a, const struct cert_names *b)
{
	if (a->count != b->count)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (!span_equal(a->at[i], b->at[i]))
			return false;
	return true;
}

static bool dn_equal(const struct dn *a, const struct dn *b)
{
	return span_equal(a->domain, b->domain) && span_equal(a->o, b->o) &&
	       span_equal(a->ou, b->ou) && span_equal(a->uid, b->uid) &&
	       span_equal(a->cn, b->cn);
}

/* The first thing of c that is another in want; NULL if they are the same. */
static const char *difference(const struct cert *c, const struct cert *want)
{
	if (c->alg != want->alg)
		return "signature algorithm";
	if (!dn_equal(&c->issuer, &want->issuer))
		return "issuer";
	if (!dn_equal(&c->subject, &want->subject))
		return "subject";
	if (c->ca != want->ca || c->path_len != want->path_len)
		return "basic constraints";
	if (c->key_usage != want->key_usage)
		return "key usage";
	if (c->ext_usage != want->ext_usage)
		return "extended key usage";
	if (!names_equal(&c->dns, &want->dns))
		return "list of DNS names";
	if (!names_equal(&c->uri, &want->uri))
		return "list of URIs";
	if (!names_equal(&c->caps, &want->caps))
		return "list of capabilities";
	if (c->nocheck != want->nocheck)
		return "OCSP nocheck";
	if (!span_equal(c->subject_key, want->subject_key))
		return "subject key identifier";
	if (!span_equal(c->authority_key, want->authority_key))
		return "authority key identifier";
	if (!span_equal(c->crl_url, want->crl_url))
		return "CRL distribution point";
	if (!span_equal(c->ocsp_url, want->ocsp_url))
		return "OCSP address";
	if (!span_equal(c->issuer_url, want->issuer_url))
		return "address of the issuer's certificate";
	if (c->permit_dns.count || c->permit_uri.count || c->exclude_ip)
		return "name constraints";
	return NULL;
}

enum err profile_check(const struct profile *p, const struct ca_scope *s,
		       const struct cert *c, int64_t now, struct fault *f)
{
	AUTO(profile_room_wipe) struct profile_room room = { .text.max = 0 };
	struct pubkey key;
	struct serial serial;
	struct cert want;
	const char *what;
	struct wish w = { .node = c->subject.ou,
			  .agent = c->subject.uid,
			  .key = &key,
			  .dns = c->dns,
			  .uri = c->uri,
			  .serial = &serial };

	if (c->serial.n != SERIAL_SIZE)
		return fault_set(f, ERR_INVALID,
				 "a serial has %d bytes, not %zu", SERIAL_SIZE,
				 c->serial.n);
	memcpy(serial.b, c->serial.p, sizeof serial.b);
	if (p->kind == PROFILE_TLS)
		w.node = (struct span){ .n = 0 }; /* OU is its first name */
	TRY(times_check(p, s, c, now, f));
	TRY(pubkey_parse(c->spki, &key, f));
	TRY(profile_make(p, s, &w, &room, &want, f));
	if ((what = difference(c, &want)))
		return fault_set(f, ERR_INVALID,
				 "the certificate's %s is not what profile "
				 "'%s' makes it",
				 what, p->name);
	return OK;
}
