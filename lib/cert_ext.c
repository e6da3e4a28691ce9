/* Used by ca (issuer, signer) and verifiers; holds nothing. One table for both
 * directions: which extensions there are, in which order, whether critical, how each
 * is written and how it is read back. */
#include "lib/cert_ext.h"

#include "lib/capability.h"
#include "lib/oid.h"

enum {
	KU_ALL = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_CERT_SIGN |
		 KU_CRL_SIGN,
};

/* authorityKeyIdentifier: keyIdentifier only */
static bool aki_there(const struct cert *c)
{
	return c->authority_key.n > 0;
}

static enum err aki_put(struct buf *b, const struct cert *c)
{
	size_t m;

	if (c->authority_key.n != CERT_KEY_ID)
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &m));
	TRY(der_put_span(b, DER_CTX | 0, c->authority_key));
	return der_end(b, m);
}

static enum err aki_get(struct rd *r, struct cert *c)
{
	struct rd seq;

	TRY(der_get(r, DER_SEQ, &seq));
	TRY(der_span(&seq, DER_CTX | 0, &c->authority_key));
	TRY(rd_end(&seq));
	return c->authority_key.n == CERT_KEY_ID ? OK : ERR_INVALID;
}

/* subjectKeyIdentifier */
static bool ski_there(const struct cert *c)
{
	return c->subject_key.n > 0;
}

static enum err ski_put(struct buf *b, const struct cert *c)
{
	if (c->subject_key.n != CERT_KEY_ID)
		return ERR_INVALID;
	return der_put_span(b, DER_OCTETS, c->subject_key);
}

static enum err ski_get(struct rd *r, struct cert *c)
{
	TRY(der_span(r, DER_OCTETS, &c->subject_key));
	return c->subject_key.n == CERT_KEY_ID ? OK : ERR_INVALID;
}

/* basicConstraints: empty in a leaf, since FALSE is the preset */
static bool basic_there(const struct cert *c)
{
	(void)c;
	return true;
}

static enum err basic_put(struct buf *b, const struct cert *c)
{
	size_t m;

	if (c->path_len < -1 || c->path_len > CERT_PATH_MAX ||
	    (!c->ca && c->path_len != -1))
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &m));
	if (c->ca)
		TRY(der_put_bool(b, true));
	if (c->path_len >= 0)
		TRY(der_put_u64(b, DER_INTEGER, (uint64_t)c->path_len));
	return der_end(b, m);
}

static enum err basic_get(struct rd *r, struct cert *c)
{
	struct rd seq;
	uint64_t v;

	TRY(der_get(r, DER_SEQ, &seq));
	if (!rd_left(&seq))
		return OK;
	TRY(der_bool(&seq, &c->ca));
	if (!c->ca)
		return ERR_INVALID;
	if (rd_left(&seq)) {
		TRY(der_u64(&seq, DER_INTEGER, CERT_PATH_MAX, &v));
		c->path_len = (int)v;
	}
	return rd_end(&seq);
}

/* keyUsage */
static bool usage_there(const struct cert *c)
{
	return c->key_usage != 0;
}

static enum err usage_put(struct buf *b, const struct cert *c)
{
	if (c->key_usage & ~(unsigned)KU_ALL)
		return ERR_INVALID;
	return der_put_named_bits(b, c->key_usage);
}

static enum err usage_get(struct rd *r, struct cert *c)
{
	TRY(der_named_bits(r, &c->key_usage));
	return c->key_usage & ~(unsigned)KU_ALL ? ERR_INVALID : OK;
}

/* extKeyUsage, in the order of its bits */
static const enum oid PURPOSES[] = { OID_SERVER_AUTH, OID_CLIENT_AUTH,
				     OID_OCSP_SIGNING };

static bool purpose_there(const struct cert *c)
{
	return c->ext_usage != 0;
}

static enum err purpose_put(struct buf *b, const struct cert *c)
{
	size_t m;

	if (c->ext_usage >> NELEM(PURPOSES))
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &m));
	for (unsigned i = 0; i < NELEM(PURPOSES); i++)
		if (c->ext_usage & 1u << i)
			TRY(oid_put(b, PURPOSES[i]));
	return der_end(b, m);
}

static enum err purpose_get(struct rd *r, struct cert *c)
{
	unsigned i = 0;
	struct rd seq;

	TRY(der_get(r, DER_SEQ, &seq));
	while (rd_left(&seq)) {
		enum oid o;

		TRY(oid_get(&seq, &o));
		while (i < NELEM(PURPOSES) && PURPOSES[i] != o)
			i++;
		if (i == NELEM(PURPOSES))
			return ERR_INVALID;
		c->ext_usage |= 1u << i++;
	}
	return OK;
}

/* capabilities */
static bool caps_there(const struct cert *c)
{
	return c->caps.count > 0;
}

static enum err caps_put(struct buf *b, const struct cert *c)
{
	return capabilities_put(b, &c->caps);
}

static enum err caps_get(struct rd *r, struct cert *c)
{
	return capabilities_get(r, &c->caps);
}

/* id-pkix-ocsp-nocheck */
static bool nocheck_there(const struct cert *c)
{
	return c->nocheck;
}

static enum err nocheck_put(struct buf *b, const struct cert *c)
{
	(void)c;
	return der_put_null(b);
}

static enum err nocheck_get(struct rd *r, struct cert *c)
{
	c->nocheck = true;
	return der_null(r);
}

enum criticality {
	PLAIN,
	CRITICAL,
	IF_NO_SUBJECT,
};

/* there: c has something to say in it. get leaves c so that there is true, or it
 * was not what put makes. */
static const struct ext {
	const char *name;
	enum oid oid;
	enum criticality critical;
	bool (*there)(const struct cert *c);
	enum err (*put)(struct buf *b, const struct cert *c);
	enum err (*get)(struct rd *r, struct cert *c);
} EXTS[] = {
	{ "authorityKeyIdentifier", OID_AUTHORITY_KEY_ID, PLAIN, aki_there,
	  aki_put, aki_get },
	{ "subjectKeyIdentifier", OID_SUBJECT_KEY_ID, PLAIN, ski_there, ski_put,
	  ski_get },
	{ "basicConstraints", OID_BASIC_CONSTRAINTS, CRITICAL, basic_there,
	  basic_put, basic_get },
	{ "keyUsage", OID_KEY_USAGE, CRITICAL, usage_there, usage_put,
	  usage_get },
	{ "extKeyUsage", OID_EXT_KEY_USAGE, PLAIN, purpose_there, purpose_put,
	  purpose_get },
	{ "subjectAltName", OID_SUBJECT_ALT_NAME, IF_NO_SUBJECT, cert_san_there,
	  cert_san_put, cert_san_get },
	{ "nameConstraints", OID_NAME_CONSTRAINTS, CRITICAL, cert_limits_there,
	  cert_limits_put, cert_limits_get },
	{ "cRLDistributionPoints", OID_CRL_POINTS, PLAIN, cert_crl_there,
	  cert_crl_put, cert_crl_get },
	{ "authorityInfoAccess", OID_AUTHORITY_INFO, PLAIN, cert_info_there,
	  cert_info_put, cert_info_get },
	{ "capabilities", OID_CAPABILITIES, PLAIN, caps_there, caps_put,
	  caps_get },
	{ "ocsp-nocheck", OID_OCSP_NOCHECK, PLAIN, nocheck_there, nocheck_put,
	  nocheck_get },
};

static bool ext_critical(const struct ext *x, const struct cert *c)
{
	const struct dn *s = &c->subject;

	if (x->critical != IF_NO_SUBJECT)
		return x->critical == CRITICAL;
	return !s->domain.n && !s->o.n && !s->ou.n && !s->uid.n && !s->cn.n;
}

static enum err ext_put(struct buf *b, const struct ext *x,
			const struct cert *c)
{
	size_t seq, value;

	TRY(der_begin(b, DER_SEQ, &seq));
	TRY(oid_put(b, x->oid));
	if (ext_critical(x, c))
		TRY(der_put_bool(b, true));
	TRY(der_begin(b, DER_OCTETS, &value));
	TRY(x->put(b, c));
	TRY(der_end(b, value));
	return der_end(b, seq);
}

enum err cert_put_extensions(struct buf *b, const struct cert *c)
{
	size_t list;

	TRY(der_begin(b, DER_SEQ, &list));
	for (size_t i = 0; i < NELEM(EXTS); i++)
		if (EXTS[i].there(c))
			TRY(ext_put(b, &EXTS[i], c));
	return der_end(b, list);
}

static enum err ext_get(struct rd body, const struct ext *x, struct cert *c)
{
	bool critical = false;
	struct rd value;

	if (der_is(&body, DER_BOOLEAN)) {
		TRY(der_bool(&body, &critical));
		if (!critical) /* FALSE is the preset, not written */
			return ERR_INVALID;
	}
	if (critical != ext_critical(x, c))
		return ERR_INVALID;
	TRY(der_get(&body, DER_OCTETS, &value));
	TRY(rd_end(&body));
	TRY(x->get(&value, c));
	TRY(rd_end(&value));
	return x->there(c) ? OK : ERR_INVALID;
}

/* The extension with that OID, at or after place *i, which moves behind it. */
static const struct ext *ext_find(enum oid o, size_t *i)
{
	for (size_t k = *i; o != OID_NONE && k < NELEM(EXTS); k++)
		if (EXTS[k].oid == o) {
			*i = k + 1;
			return &EXTS[k];
		}
	return NULL;
}

enum err cert_get_extensions(struct rd *r, struct cert *c, struct fault *f)
{
	bool basic = false;
	struct rd list;
	size_t i = 0;

	if (der_get(r, DER_SEQ, &list) != OK)
		return fault_set(f, ERR_INVALID,
				 "certificate: no list of extensions");
	while (rd_left(&list)) {
		const struct ext *x;
		struct rd body;
		enum oid o;

		if (der_get(&list, DER_SEQ, &body) != OK ||
		    oid_get(&body, &o) != OK)
			return fault_set(f, ERR_INVALID,
					 "certificate: an extension is not "
					 "DER");
		x = ext_find(o, &i);
		if (!x)
			return fault_set(f, ERR_INVALID,
					 "certificate: an extension that is "
					 "unknown, there twice or not in its "
					 "place");
		if (ext_get(body, x, c) != OK)
			return fault_set(f, ERR_INVALID,
					 "certificate: the extension '%s' is "
					 "not as this ca makes it",
					 x->name);
		basic = basic || x->oid == OID_BASIC_CONSTRAINTS;
	}
	if (!basic)
		return fault_set(f, ERR_INVALID,
				 "certificate: no basicConstraints");
	return OK;
}
