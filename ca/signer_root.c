/* Part of the signer: what the root says of the issuing CA, signed while its key is
 * here. Holds the root key only as long as its caller does. */
#include "ca/signer_root.h"

#include "lib/attr.h"
#include "lib/crl.h"
#include "lib/ocsp.h"

enum {
	ROOT_ID_MAX = 256, /* bytes of a CertID */
};

enum err root_read(struct span der, struct cert *c, struct fault *f)
{
	struct cert_signed split;

	TRY(cert_split(der, &split, f));
	TRY(cert_parse_tbs(split.tbs, c, f));
	if (c->subject_key.n != 20)
		return fault_set(f, ERR_INVALID,
				 "the root certificate has no key identifier");
	return OK;
}

static enum err add_crl(const struct root_statement *st,
			const struct cert *parent, struct signkey *root,
			struct attrs *out)
{
	AUTO(buf_wipe) struct buf tbs = { .max = CRL_HEAD_MAX + CRL_TAIL_MAX };
	AUTO(buf_wipe) struct buf sig = { .max = CRL_SIG_MAX };
	AUTO(buf_wipe) struct buf crl = { .max = CERT_MAX };
	struct crl_head h = { .alg = signkey_alg(root),
			      .number = st->number,
			      .issuer = parent->subject,
			      .authority_key = parent->subject_key,
			      .this_update = st->from,
			      .next_update =
				      MIN(st->until, parent->not_after) };

	TRY(crl_head_put(&tbs, &h, 0));
	TRY(crl_tail_put(&tbs, &h));
	TRY(signkey_sign(root, span_of(tbs.p, tbs.len), &sig));
	TRY(crl_outer_put(&crl, tbs.len, h.alg, sig.len));
	TRY(buf_put(&crl, tbs.p, tbs.len));
	TRY(crl_sig_put(&crl, h.alg, span_of(sig.p, sig.len)));
	return attrs_add(out, "crl", 0, crl.p, crl.len);
}

static enum err add_ocsp(const struct root_statement *st,
			 const struct cert *parent, struct span serial,
			 enum ocsp_hash hash, struct signkey *root,
			 struct attrs *out, struct fault *f)
{
	AUTO(buf_wipe) struct buf id = { .max = ROOT_ID_MAX };
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	AUTO(buf_wipe) struct buf sig = { .max = CRL_SIG_MAX };
	AUTO(buf_wipe) struct buf der = { .max = OCSP_RESPONSE_MAX };
	struct ocsp_basic b = { .produced_at = st->from, .count = 1 };
	struct ocsp_single *one = &b.single[0];
	struct ocsp_issuer issuer;
	struct pubkey key;

	TRY(pubkey_parse(parent->spki, &key, f));
	pubkey_id(&key, b.responder);
	ocsp_issuer_make(parent->subject_der, &key, &issuer);
	TRY(ocsp_id_put(&id, hash, &issuer, serial));
	one->id.der = span_of(id.p, id.len);
	one->status = OCSP_GOOD;
	one->this_update = st->from;
	one->next_update = MIN(st->until, parent->not_after);
	TRY(ocsp_data_build(&b, &data));
	TRY(signkey_sign(root, span_of(data.p, data.len), &sig));
	TRY(ocsp_response_join(span_of(data.p, data.len), signkey_alg(root),
			       span_of(sig.p, sig.len), (struct span){ 0 },
			       &der));
	return attrs_add(out, hash == OCSP_SHA1 ? "ocsp_sha1" : "ocsp_sha256",
			 0, der.p, der.len);
}

enum err root_says_make(const struct root_statement *st, struct signkey *root,
			struct buf *out, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs says = { 0 };
	struct cert_signed split;
	struct cert parent, issuing;

	attrs_init(&says);
	TRY(root_read(st->root, &parent, f));
	TRY(cert_split(st->issuing, &split, f));
	TRY(cert_parse_tbs(split.tbs, &issuing, f));
	TRY(add_crl(st, &parent, root, &says));
	TRY(add_ocsp(st, &parent, issuing.serial, OCSP_SHA1, root, &says, f));
	TRY(add_ocsp(st, &parent, issuing.serial, OCSP_SHA256, root, &says, f));
	return buf_put(out, says.bytes.p, says.bytes.len);
}
