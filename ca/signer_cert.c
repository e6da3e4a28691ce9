/* Part of the signer: what a certificate has to be before it is signed. A broken
 * issuer can get no more out of this than what the profiles give to somebody. */
#include "ca/signer.h"

#include <string.h>

/* A CA's certificate first of all, so that the sentence says so. */
static enum err check_leaf(const struct cert *c, struct fault *f)
{
	if (c->ca || c->path_len >= 0 ||
	    (c->key_usage & (KU_CERT_SIGN | KU_CRL_SIGN)) ||
	    c->permit_dns.count || c->permit_uri.count || c->exclude_ip)
		return fault_set(f, ERR_DENIED,
				 "this is the certificate of a CA: the signer "
				 "makes none");
	return OK;
}

/* There is one encoding of what was read: what was not understood is not signed. */
static enum err check_bytes(struct signer *s, const struct cert *c,
			    struct span tbs, struct fault *f)
{
	buf_clear(&s->again);
	if (cert_build(c, &s->again) != OK ||
	    !span_equal(tbs, span_of(s->again.p, s->again.len)))
		return fault_set(f, ERR_INVALID,
				 "the certificate is not in the form in which "
				 "it is signed");
	return OK;
}

/* The OCSP signer's certificate is for the key that was made here for it, and that
 * key and the CA's own are for nothing else. */
static enum err check_key(const struct signer *s, const struct cert *c,
			  bool ocsp, struct fault *f)
{
	bool made_here =
		s->ocsp_next && span_equal(c->spki, signkey_spki(s->ocsp_next));
	bool used_here =
		s->ocsp.key && span_equal(c->spki, signkey_spki(s->ocsp.key));

	if (span_equal(c->spki, s->issuing.spki))
		return fault_set(f, ERR_DENIED,
				 "the key is the issuing CA's own");
	if (ocsp && !made_here)
		return fault_set(f, ERR_DENIED,
				 "an OCSP signer's certificate is only for the "
				 "key that the signer made for it");
	if (!ocsp && (made_here || used_here))
		return fault_set(f, ERR_DENIED, "the key is the OCSP signer's");
	return OK;
}

static enum err check_profile(const struct signer *s, struct span name,
			      const struct cert *c, int64_t now,
			      struct fault *f)
{
	const struct profile *p = profiles_find(s->profiles, name);

	if (!p)
		return fault_set(f, ERR_NOT_FOUND,
				 "the signer has no profile '%.*s'",
				 (int)MIN(name.n, (size_t)PROFILE_NAME_MAX),
				 (const char *)name.p);
	TRY(check_key(s, c, p->kind == PROFILE_OCSP, f));
	return profile_check(p, &s->scope, c, now, f);
}

static enum err check_serial(const struct signer *s, const struct cert *c,
			     uint64_t *number, struct fault *f)
{
	struct serial sn;

	if (c->serial.n != SERIAL_SIZE)
		return fault_set(f, ERR_INVALID,
				 "the serial has %zu octets instead of %d",
				 c->serial.n, SERIAL_SIZE);
	memcpy(sn.b, c->serial.p, SERIAL_SIZE);
	if (serial_instance(&sn) != s->scope.instance)
		return fault_set(f, ERR_INVALID,
				 "the serial is of instance %u, this CA is %u",
				 serial_instance(&sn), s->scope.instance);
	*number = serial_number(&sn);
	return OK;
}

/* What it is, and which number it would have. */
static enum err tbs_read(struct signer *s, struct span tbs, struct cert *c,
			 uint64_t *number, struct fault *f)
{
	if (tbs.n > CERT_TBS_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the certificate is over %d bytes",
				 CERT_TBS_MAX);
	TRY(cert_parse_tbs(tbs, c, f));
	TRY(check_leaf(c, f));
	TRY(check_bytes(s, c, tbs, f));
	return check_serial(s, c, number, f);
}

static enum err check(struct signer *s, struct span name, struct span tbs,
		      int64_t now, uint64_t *number, struct fault *f)
{
	struct cert c;
	enum err e;

	TRY(tbs_read(s, tbs, &c, number, f));
	e = check_profile(s, name, &c, now, f);
	if (e == OK)
		e = lint_tbs(tbs, &s->lint, f);
	if (e != OK)
		mark_skip(&s->mark, *number);
	return e;
}

enum err signer_cert(struct signer *s, struct attr_view v, int64_t now,
		     struct attrs *out, struct fault *f)
{
	struct span tbs, name;
	uint64_t number;

	TRY(signer_bytes(v, "profile", 0, &name, f));
	TRY(signer_bytes(v, "tbs", 0, &tbs, f));
	TRY(check(s, name, tbs, now, &number, f));
	TRY(mark_take(&s->mark, number, f));
	buf_clear(&s->sig);
	buf_clear(&s->der);
	TRY(signkey_sign(s->keys.issuing, tbs, &s->sig));
	mark_signed(&s->mark, number, tbs.p, tbs.n);
	TRY(cert_join(tbs, signkey_alg(s->keys.issuing),
		      span_of(s->sig.p, s->sig.len), &s->der));
	TRY(attrs_add(out, "certificate", 0, s->der.p, s->der.len));
	TRY(attrs_add_u64(out, "signed", s->mark.now.count));
	return attrs_add(out, "chain", 0, s->mark.now.chain.b, MERKLE_HASH);
}
