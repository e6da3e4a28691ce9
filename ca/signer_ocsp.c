/* Part of the signer: the OCSP signer's key, which lives in this memory only (a signer
 * that starts anew gets a new one), and the answers that it signs. */
#include "ca/signer.h"

#include <string.h>

void signer_ocsp_wipe(struct signer_ocsp *o)
{
	size_t max = o->cert.max;

	signkey_free(&o->key);
	buf_wipe(&o->cert);
	*o = (struct signer_ocsp){ 0 };
	buf_init(&o->cert, max);
}

/* P-256 whatever the CA's own key is: every client knows it, and it is the fastest. */
enum err signer_ocsp_new(struct signer *s, struct attrs *out, struct fault *f)
{
	struct signkey *key = NULL;
	struct span spki;

	TRY(signkey_new(KEY_P256, 0, &key, f));
	signkey_free(&s->ocsp_next);
	s->ocsp_next = key;
	spki = signkey_spki(key);
	return attrs_add(out, "spki", 0, spki.p, spki.n);
}

/* It has to be one that we signed, for that key and that purpose. */
static enum err use_check(const struct signer *s, struct span der,
			  struct cert *c, int64_t now, struct fault *f)
{
	struct cert_signed split;

	if (!s->ocsp_next)
		return fault_set(f, ERR_NOT_FOUND,
				 "no OCSP key waits for a certificate");
	TRY(cert_split(der, &split, f));
	TRY(cert_parse_tbs(split.tbs, c, f));
	if (!span_equal(c->spki, signkey_spki(s->ocsp_next)))
		return fault_set(f, ERR_DENIED,
				 "the certificate is of another key than the "
				 "OCSP signer's");
	if (!span_equal(c->issuer_der, s->issuing.subject_der) ||
	    split.alg != signkey_alg(s->keys.issuing) ||
	    pubkey_verify(&s->issuing_key, split.alg, split.tbs, split.sig) !=
		    OK)
		return fault_set(f, ERR_DENIED,
				 "the OCSP signer's certificate is not of this "
				 "CA");
	if (c->ext_usage != EKU_OCSP || c->ca)
		return fault_set(
			f, ERR_DENIED,
			"the certificate is not one of an OCSP signer");
	if (c->not_after <= now)
		return fault_set(f, ERR_EXPIRED,
				 "the OCSP signer's certificate has ended");
	return OK;
}

enum err signer_ocsp_use(struct signer *s, struct attr_view v, int64_t now,
			 struct fault *f)
{
	struct signer_ocsp made = { 0 };
	struct pubkey key;
	struct span der;
	struct cert c;

	TRY(signer_bytes(v, "certificate", 0, &der, f));
	if (der.n > CERT_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the certificate is over %d bytes", CERT_MAX);
	TRY(use_check(s, der, &c, now, f));
	TRY(pubkey_parse(c.spki, &key, f));
	pubkey_id(&key, made.id);
	made.not_before = c.not_before;
	made.not_after = c.not_after;
	buf_init(&made.cert, CERT_MAX);
	TRY(buf_put(&made.cert, der.p, der.n));
	made.key = s->ocsp_next;
	s->ocsp_next = NULL;
	signer_ocsp_wipe(&s->ocsp);
	s->ocsp = made;
	return OK;
}

/* `good` only for a number that was signed; of another instance or none of our
 * serials it never is. */
static enum err check_good(const struct signer *s, struct span serial,
			   struct fault *f)
{
	struct serial sn;

	if (serial.n != SERIAL_SIZE)
		return fault_set(f, ERR_DENIED,
				 "good is said of a serial that is none of "
				 "this CA's");
	memcpy(sn.b, serial.p, SERIAL_SIZE);
	if (serial_instance(&sn) != s->scope.instance ||
	    serial_number(&sn) < SIGNER_FIRST ||
	    !mark_spent(&s->mark, serial_number(&sn)))
		return fault_set(f, ERR_DENIED,
				 "good is said of number %llu of instance %u, "
				 "which was never signed",
				 (unsigned long long)serial_number(&sn),
				 serial_instance(&sn));
	return OK;
}

static enum err check_single(const struct signer *s,
			     const struct ocsp_single *o, int64_t now,
			     struct fault *f)
{
	if (!ocsp_issuer_is(&s->ids, &o->id))
		return fault_set(
			f, ERR_DENIED,
			"the answer is about another CA's certificate");
	if (!signer_near(o->this_update, now))
		return fault_set(f, ERR_INVALID,
				 "the answer is not as of now: its thisUpdate "
				 "is over 10 minutes off");
	if (o->next_update <= o->this_update ||
	    o->next_update - o->this_update > SIGNER_OCSP_LIFE)
		return fault_set(f, ERR_INVALID,
				 "an OCSP answer lives a day at most");
	if (o->status == OCSP_GOOD)
		return check_good(s, o->id.serial, f);
	if (o->status == OCSP_REVOKED && o->revoked_at > now + SIGNER_NEAR)
		return fault_set(f, ERR_INVALID,
				 "the answer tells of a revocation to come");
	return OK;
}

static enum err check_responder(const struct signer *s,
				const struct ocsp_basic *b, int64_t now,
				struct fault *f)
{
	if (memcmp(b->responder, s->ocsp.id, sizeof b->responder) != 0)
		return fault_set(f, ERR_CONFLICT,
				 "the answer names another OCSP signer than "
				 "the one in use");
	if (now > s->ocsp.not_after)
		return fault_set(f, ERR_EXPIRED,
				 "the OCSP signer's certificate has ended");
	if (!signer_near(b->produced_at, now))
		return fault_set(f, ERR_INVALID,
				 "the answer's producedAt is over 10 minutes "
				 "off");
	if (!b->count)
		return fault_set(f, ERR_INVALID,
				 "the answer is about no certificate");
	return OK;
}

static enum err check(struct signer *s, struct span data, int64_t now,
		      struct fault *f)
{
	struct ocsp_basic b;

	TRY(ocsp_data_parse(data, &b, f));
	buf_clear(&s->again);
	if (ocsp_data_build(&b, &s->again) != OK ||
	    !span_equal(data, span_of(s->again.p, s->again.len)))
		return fault_set(f, ERR_INVALID,
				 "the answer is not in the form in which it is "
				 "signed");
	TRY(check_responder(s, &b, now, f));
	for (unsigned i = 0; i < b.count; i++)
		TRY(check_single(s, &b.single[i], now, f));
	return OK;
}

enum err signer_ocsp(struct signer *s, struct attr_view v, int64_t now,
		     struct attrs *out, struct fault *f)
{
	struct span data;

	TRY(signer_bytes(v, "data", 0, &data, f));
	if (!s->ocsp.key)
		return fault_set(f, ERR_UNAVAILABLE,
				 "there is no OCSP signer yet");
	TRY(check(s, data, now, f));
	buf_clear(&s->sig);
	buf_clear(&s->der);
	TRY(signkey_sign(s->ocsp.key, data, &s->sig));
	TRY(ocsp_response_join(
		data, signkey_alg(s->ocsp.key), span_of(s->sig.p, s->sig.len),
		span_of(s->ocsp.cert.p, s->ocsp.cert.len), &s->der));
	return attrs_add(out, "response", 0, s->der.p, s->der.len);
}
