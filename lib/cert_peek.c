/* Looking at certificates of strangers; run by verifiers. Holds nothing. */
#include "lib/cert_peek.h"

enum {
	SAN_IP = DER_CTX | 7,
	AKI_KEY = DER_CTX | 0,
};

static enum err get_alg(struct rd *r, enum sig_alg *alg)
{
	struct rd body;

	if (sig_alg_get(r, alg) == OK)
		return OK;
	*alg = SIG__MAX;
	return der_get(r, DER_SEQ, &body);
}

static enum err get_validity(struct rd *r, struct cert_peek *p)
{
	struct rd body;

	TRY(der_get(r, DER_SEQ, &body));
	TRY(der_time(&body, &p->not_before));
	TRY(der_time(&body, &p->not_after));
	return rd_end(&body);
}

/* ---- extensions */

static enum err get_basic(struct rd *r, struct cert_peek *p)
{
	struct rd seq;
	uint64_t n;

	TRY(der_get(r, DER_SEQ, &seq));
	if (der_is(&seq, DER_BOOLEAN))
		TRY(der_bool(&seq, &p->ca));
	if (der_is(&seq, DER_INTEGER)) {
		TRY(der_u64(&seq, DER_INTEGER, CERT_PATH_MAX, &n));
		p->path_len = (int)n;
	}
	return rd_end(&seq);
}

static enum err get_usage(struct rd *r, struct cert_peek *p)
{
	p->has_key_usage = true;
	return der_named_bits(r, &p->key_usage);
}

static enum err get_authority(struct rd *r, struct cert_peek *p)
{
	struct rd seq;

	TRY(der_get(r, DER_SEQ, &seq));
	if (der_is(&seq, AKI_KEY))
		return der_span(&seq, AKI_KEY, &p->authority_key);
	return OK;
}

static enum err get_names(struct rd *r, struct cert_peek *p)
{
	struct rd seq, body;
	struct span whole;
	unsigned tag;

	TRY(der_get(r, DER_SEQ, &seq));
	while (rd_left(&seq)) {
		TRY(der_any(&seq, &tag, &body, &whole));
		p->names_ip = p->names_ip || tag == SAN_IP;
	}
	return OK;
}

static bool is_known(enum oid o)
{
	return o == OID_BASIC_CONSTRAINTS || o == OID_KEY_USAGE ||
	       o == OID_SUBJECT_KEY_ID || o == OID_AUTHORITY_KEY_ID ||
	       o == OID_SUBJECT_ALT_NAME || o == OID_EXT_KEY_USAGE ||
	       o == OID_NAME_CONSTRAINTS;
}

static enum err get_known(enum oid o, struct rd *r, struct cert_peek *p)
{
	if (o == OID_BASIC_CONSTRAINTS)
		return get_basic(r, p);
	if (o == OID_KEY_USAGE)
		return get_usage(r, p);
	if (o == OID_SUBJECT_KEY_ID)
		return der_span(r, DER_OCTETS, &p->subject_key);
	if (o == OID_AUTHORITY_KEY_ID)
		return get_authority(r, p);
	if (o == OID_SUBJECT_ALT_NAME)
		return get_names(r, p);
	return OK;
}

static enum err get_extension(struct rd *list, struct cert_peek *p)
{
	bool critical = false;
	struct rd ext, value;
	struct span id;
	enum oid o;

	TRY(der_get(list, DER_SEQ, &ext));
	TRY(der_oid(&ext, &id));
	o = oid_find(id);
	if (der_is(&ext, DER_BOOLEAN))
		TRY(der_bool(&ext, &critical));
	TRY(der_get(&ext, DER_OCTETS, &value));
	p->strange = p->strange || (critical && !is_known(o));
	p->constrained = p->constrained || o == OID_NAME_CONSTRAINTS;
	return get_known(o, &value, p);
}

static enum err get_extensions(struct rd *r, struct cert_peek *p)
{
	struct rd outer, list;
	bool there;

	TRY(der_opt(r, DER_CTX_SEQ | 3, &there, &outer));
	if (!there)
		return OK;
	TRY(der_get(&outer, DER_SEQ, &list));
	while (rd_left(&list))
		TRY(get_extension(&list, p));
	return rd_end(&outer);
}

/* ---- the certificate */

static enum err get_tbs(struct rd *r, struct cert_peek *p)
{
	struct rd version;
	enum sig_alg alg;
	bool there;

	TRY(der_opt(r, DER_CTX_SEQ | 0, &there, &version));
	TRY(der_span(r, DER_INTEGER, &p->serial));
	TRY(get_alg(r, &alg));
	TRY(der_whole(r, DER_SEQ, &p->issuer));
	TRY(get_validity(r, p));
	TRY(der_whole(r, DER_SEQ, &p->subject));
	TRY(der_whole(r, DER_SEQ, &p->spki));
	return get_extensions(r, p);
}

static enum err get_whole(struct span der, struct cert_peek *p)
{
	struct rd r = span_rd(der), body, tbs, inside;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	tbs = body;
	TRY(der_whole(&body, DER_SEQ, &p->tbs));
	TRY(get_alg(&body, &p->alg));
	TRY(der_bits(&body, &p->sig));
	TRY(rd_end(&body));
	TRY(der_get(&tbs, DER_SEQ, &inside));
	return get_tbs(&inside, p);
}

enum err cert_peek(struct span der, struct cert_peek *p)
{
	*p = (struct cert_peek){ .path_len = -1 };
	if (der.n > CERT_MAX)
		return ERR_INVALID;
	return get_whole(der, p);
}

bool cert_peek_signed_by(const struct cert_peek *p, const struct pubkey *key)
{
	return p->alg != SIG__MAX &&
	       pubkey_verify(key, p->alg, p->tbs, p->sig) == OK;
}
