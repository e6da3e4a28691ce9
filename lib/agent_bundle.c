/* Used by agents (libcretula), which hold what is in it; see agent_bundle.h. */
#include "lib/agent_bundle.h"

#include "lib/enc.h"
#include "lib/pem.h"
#include "lib/signkey.h"

#include <string.h>

static const char KEY_LABEL[] = "PRIVATE KEY";
static const char CERT_LABEL[] = "CERTIFICATE";

/* What is left of the text. */
struct text {
	const char *p;
	size_t n;
};

void agent_bundle_wipe(struct agent_bundle *b)
{
	buf_wipe(&b->key);
	buf_wipe(&b->cert);
	buf_wipe(&b->chain);
	for (size_t i = 0; i < NELEM(b->der); i++)
		buf_wipe(&b->der[i]);
	*b = (struct agent_bundle){ .certs = 0 };
}

int64_t agent_bundle_renew_at(const struct agent_bundle *b)
{
	return b->not_before + (b->not_after - b->not_before) * 2 / 3;
}

static enum err no_bundle(struct fault *f, const char *what)
{
	return fault_set(f, ERR_INVALID,
			 "what was claimed is damaged: %s; claim again, and if "
			 "that does not help, start the agent anew",
			 what);
}

/* The block that the text begins with: its bytes in der, its text appended to pem. As
 * there is one way to write a block, nothing can hide in one or before it. */
static enum err take_block(struct text *t, const char *label, struct buf *der,
			   struct buf *pem, struct fault *f)
{
	const size_t start = pem->len;
	size_t used;

	if (pem_get(label, t->p, t->n, der, &used, NULL) != OK)
		return fault_set(f, ERR_INVALID,
				 "what was claimed is damaged: a block '%s' is "
				 "missing or broken",
				 label);
	TRY(pem_put(label, span_of(der->p, der->len), pem));
	if (pem->len - start != used || memcmp(pem->p + start, t->p, used) != 0)
		return no_bundle(f, "there is something between its blocks");
	t->p += used;
	t->n -= used;
	return OK;
}

static enum err take_certs(struct text *t, struct agent_bundle *b,
			   struct fault *f)
{
	while (t->n) {
		struct buf *to = b->certs ? &b->chain : &b->cert;

		if (b->certs == NELEM(b->der))
			return no_bundle(f, "too many certificates");
		buf_init(&b->der[b->certs], CERT_MAX);
		TRY(take_block(t, CERT_LABEL, &b->der[b->certs], to, f));
		b->certs++;
	}
	if (b->certs < 2)
		return no_bundle(f, "its certificates are missing");
	return OK;
}

/* The certificate at i, parsed into c, was signed by the one behind it. */
static enum err check_issued(const struct agent_bundle *b, size_t i,
			     const struct cert *c, const struct cert_signed *s,
			     struct fault *f)
{
	struct span der = span_of(b->der[i + 1].p, b->der[i + 1].len);
	struct cert_signed by_signed;
	struct pubkey key;
	struct cert by;

	TRY(cert_split(der, &by_signed, f));
	TRY(cert_parse_tbs(by_signed.tbs, &by, f));
	TRY(pubkey_parse(by.spki, &key, f));
	if (!by.ca || !span_equal(by.subject_der, c->issuer_der) ||
	    pubkey_verify(&key, s->alg, s->tbs, s->sig) != OK)
		return no_bundle(f, "a certificate is not of the CA behind it");
	return OK;
}

static enum err check_chain(const struct agent_bundle *b, struct fault *f)
{
	for (size_t i = 0; i + 1 < b->certs; i++) {
		struct cert_signed s;
		struct cert c;

		TRY(cert_split(span_of(b->der[i].p, b->der[i].len), &s, f));
		TRY(cert_parse_tbs(s.tbs, &c, f));
		TRY(check_issued(b, i, &c, &s, f));
	}
	return OK;
}

/* Whose certificate it is, and that the key is that certificate's. */
static enum err check_leaf(struct agent_bundle *b, const char *agent,
			   const struct buf *pkcs8, struct fault *f)
{
	AUTO(signkey_free) struct signkey *key = NULL;
	struct cert_signed s;
	struct cert c;

	TRY(cert_split(span_of(b->der[0].p, b->der[0].len), &s, f));
	TRY(cert_parse_tbs(s.tbs, &c, f));
	TRY(signkey_parse(span_of(pkcs8->p, pkcs8->len), &key, f));
	if (c.ca || agent_id_check(c.subject.uid, NULL) != OK)
		return no_bundle(f, "its certificate is not an agent's");
	if (agent && !span_is(c.subject.uid, agent))
		return no_bundle(f, "its certificate is another agent's");
	if (!span_equal(signkey_spki(key), c.spki))
		return no_bundle(f, "its key is not the certificate's");
	ENSURE(c.serial.n <= CERT_SERIAL_MAX);
	enc_hex(c.serial.p, c.serial.n, b->serial);
	memcpy(b->agent, c.subject.uid.p, AGENT_ID_LEN);
	b->not_before = c.not_before;
	b->not_after = c.not_after;
	return OK;
}

/* A NUL behind what is there, for those who want C strings. */
static enum err terminate(struct buf *b)
{
	TRY(buf_u8(b, 0));
	b->len--;
	return OK;
}

enum err agent_bundle_parse(const char *text, size_t len, const char *agent,
			    struct agent_bundle *b, struct fault *f)
{
	AUTO(buf_wipe) struct buf pkcs8 = { 0 };
	struct text t = { text, len };

	if (len > AGENT_BUNDLE_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "what was claimed is over %d bytes",
				 AGENT_BUNDLE_MAX);
	buf_init_secret(&pkcs8, AGENT_BUNDLE_MAX);
	buf_init_secret(&b->key, AGENT_BUNDLE_MAX + 1);
	buf_init(&b->cert, AGENT_BUNDLE_MAX + 1);
	buf_init(&b->chain, AGENT_BUNDLE_MAX + 1);
	TRY(take_block(&t, KEY_LABEL, &pkcs8, &b->key, f));
	TRY(take_certs(&t, b, f));
	TRY(check_leaf(b, agent, &pkcs8, f));
	TRY(check_chain(b, f));
	TRY(terminate(&b->key));
	TRY(terminate(&b->cert));
	return terminate(&b->chain);
}
