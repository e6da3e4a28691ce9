/* Judging OCSP answers; run by verifiers. Holds nothing. */
#include "lib/revoked.h"

#include "lib/clock.h"

#include <string.h>

const char *revoked_reason(unsigned reason)
{
	static const char *const names[] = { "unspecified",
					     "keyCompromise",
					     "cACompromise",
					     "affiliationChanged",
					     "superseded",
					     "cessationOfOperation",
					     "certificateHold",
					     NULL,
					     NULL,
					     "privilegeWithdrawn",
					     "aACompromise" };

	return reason < NELEM(names) && names[reason] ? names[reason]
						      : "unknown";
}

static enum err no_answer(struct fault *f, const char *why)
{
	return fault_set(f, ERR_UNAVAILABLE, "%s", why);
}

/* ---- asking */

static enum err id_of(const struct revoked_about *about, struct buf *id)
{
	struct ocsp_issuer issuer;

	ocsp_issuer_make(about->ca->cert.subject_der, &about->ca->key, &issuer);
	return ocsp_id_put(id, OCSP_SHA256, &issuer, about->serial);
}

enum err revoked_ocsp_ask(const struct revoked_about *about,
			  const uint8_t nonce[REVOKED_NONCE], struct buf *out)
{
	AUTO(buf_wipe) struct buf id = { .max = OCSP_REQUEST_MAX };

	TRY(id_of(about, &id));
	return ocsp_request_put(out, span_of(id.p, id.len),
				span_of(nonce, REVOKED_NONCE));
}

/* ---- who signed it */

static enum err signer_check(const struct chain_ca *ca, const struct cert *c,
			     int64_t now, struct fault *f)
{
	if (c->ca || !(c->ext_usage & EKU_OCSP) ||
	    !(c->key_usage & KU_DIGITAL_SIGNATURE))
		return no_answer(f, "the answer is signed by somebody whom the "
				    "CA has not appointed for that "
				    "(OCSPSigning)");
	if (!c->nocheck)
		return no_answer(f, "whether the answer's signer is revoked "
				    "would have to be asked (its certificate "
				    "lacks ocsp-nocheck)");
	if (!span_equal(c->authority_key, ca->cert.subject_key))
		return no_answer(f, "the certificate of the answer's signer "
				    "names another CA's key");
	if (now > c->not_after + REVOKED_LEEWAY ||
	    now < c->not_before - REVOKED_LEEWAY)
		return no_answer(f, "the certificate of the answer's signer is "
				    "not valid now");
	return OK;
}

/* A certificate beside the answer, if it is that key's and the CA's. */
static bool signer_of(const struct chain_ca *ca, struct span der,
		      const uint8_t id[CERT_KEY_ID], struct cert *c,
		      struct pubkey *key)
{
	uint8_t got[CERT_KEY_ID];
	struct cert_signed s;

	if (cert_split(der, &s, NULL) != OK ||
	    cert_parse_tbs(s.tbs, c, NULL) != OK ||
	    pubkey_parse(c->spki, key, NULL) != OK)
		return false;
	pubkey_id(key, got);
	return !memcmp(got, id, sizeof got) &&
	       span_equal(c->issuer_der, ca->cert.subject_der) &&
	       pubkey_verify(&ca->key, s.alg, s.tbs, s.sig) == OK;
}

/* The CA itself, or whom it has appointed. */
static enum err find_signer(const struct chain_ca *ca,
			    const struct ocsp_response *r,
			    const uint8_t id[CERT_KEY_ID], int64_t now,
			    struct cert *c, struct pubkey *key, struct fault *f)
{
	uint8_t own[CERT_KEY_ID];

	pubkey_id(&ca->key, own);
	if (!memcmp(own, id, sizeof own)) {
		*key = ca->key;
		return OK;
	}
	for (unsigned i = 0; i < r->certs; i++)
		if (signer_of(ca, r->cert[i], id, c, key))
			return signer_check(ca, c, now, f);
	return no_answer(f, "the answer is signed by somebody whom the CA has "
			    "not appointed");
}

static enum err check_signed(const struct chain_ca *ca,
			     const struct ocsp_response *r,
			     const struct ocsp_basic *b, int64_t now,
			     struct fault *f)
{
	struct pubkey key;
	struct cert c;

	TRY(find_signer(ca, r, b->responder, now, &c, &key, f));
	if (pubkey_verify(&key, r->alg, r->data, r->sig) != OK)
		return no_answer(f, "the answer's signature is wrong");
	return OK;
}

/* ---- what it says */

static enum err status_says(unsigned status, struct fault *f)
{
	switch (status) {
	case OCSP_MALFORMED:
		return no_answer(f, "the responder says that it was asked "
				    "wrongly");
	case OCSP_TRY_LATER:
		return no_answer(f, "the responder says 'try later'");
	case OCSP_UNAUTHORIZED:
		return no_answer(f, "the responder says that it does not "
				    "answer for this CA");
	default:
		return no_answer(f, "the responder says that it failed");
	}
}

/* Of several the worst: who is revoked anywhere in it is revoked. */
static const struct ocsp_single *find_single(const struct ocsp_basic *b,
					     struct span id)
{
	const struct ocsp_single *found = NULL;

	for (unsigned i = 0; i < b->count; i++)
		if (span_equal(b->single[i].id.der, id) &&
		    (!found || b->single[i].status == OCSP_REVOKED))
			found = &b->single[i];
	return found;
}

/* *age: what it says, before it was asked for. */
static enum err check_times(const struct ocsp_basic *b,
			    const struct ocsp_single *s, int64_t now,
			    int64_t max_age, int64_t *age, struct fault *f)
{
	char text[CLOCK_TEXT];

	clock_format(s->this_update, text);
	if (s->this_update > now + REVOKED_LEEWAY ||
	    b->produced_at > now + REVOKED_LEEWAY)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the answer is of %s, which is to come: is a "
				 "clock wrong?",
				 text);
	if (s->next_update < now - REVOKED_LEEWAY)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the answer is an old one, of %s", text);
	*age = (b->nonce.p ? b->produced_at : now) - s->this_update;
	if (*age > max_age)
		return fault_set(f, ERR_UNAVAILABLE,
				 "the answer is an old one, of %s: over %lld "
				 "seconds (revocation_max_age=)",
				 text, (long long)max_age);
	*age = MAX(*age, 0);
	return OK;
}

static enum err read_single(const struct ocsp_single *s,
			    struct revoked_answer *out, struct fault *f)
{
	switch (s->status) {
	case OCSP_GOOD:
		out->revoked = false;
		return OK;
	case OCSP_REVOKED:
		*out = (struct revoked_answer){ .revoked = true,
						.revoked_at = s->revoked_at,
						.reason = s->reason };
		return OK;
	case OCSP_UNKNOWN:
		return no_answer(f, "the responder does not know the "
				    "certificate");
	}
	return no_answer(f, "the answer says nothing");
}

enum err revoked_ocsp_judge(const struct revoked_about *about,
			    const uint8_t nonce[REVOKED_NONCE], struct span der,
			    int64_t now, int64_t max_age,
			    struct revoked_answer *out, struct fault *f)
{
	AUTO(buf_wipe) struct buf id = { .max = OCSP_REQUEST_MAX };
	struct revoked_answer a = { 0 };
	const struct ocsp_single *s;
	struct ocsp_response r;
	struct ocsp_basic b;
	struct fault why;

	if (ocsp_response_split(der, &r, &why) != OK)
		return no_answer(f, why.text);
	if (r.status != OCSP_OK)
		return status_says(r.status, f);
	if (ocsp_data_parse(r.data, &b, &why) != OK)
		return no_answer(f, why.text);
	TRY(check_signed(about->ca, &r, &b, now, f));
	TRY(id_of(about, &id));
	s = find_single(&b, span_of(id.p, id.len));
	/* final: no matter how old it is, or to whom it was said */
	if (s && s->status == OCSP_REVOKED)
		return read_single(s, out, f);
	if (b.nonce.p && !span_equal(b.nonce, span_of(nonce, REVOKED_NONCE)))
		return no_answer(f, "the answer is one to another question "
				    "(its nonce is not ours)");
	if (!s)
		return no_answer(f, "the answer is about another certificate");
	TRY(check_times(&b, s, now, max_age, &a.age, f));
	TRY(read_single(s, &a, f));
	*out = a;
	return OK;
}
