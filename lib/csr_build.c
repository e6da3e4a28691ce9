/* Certification requests, made. Runs in a command for its own key; holds the signing
 * key that it is given while it signs. */
#include "lib/csr.h"
#include "lib/signkey.h"

#include <string.h>

enum {
	SIG_MAX = 512
};

/* What csr_parse would take. */
static bool sayable(struct span s, size_t max)
{
	if (!s.n || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

static enum err put_subject(struct buf *b, const char *cn)
{
	size_t name, set, seq;

	TRY(der_begin(b, DER_SEQ, &name));
	if (cn && *cn) {
		TRY(der_begin(b, DER_SET, &set));
		TRY(der_begin(b, DER_SEQ, &seq));
		TRY(oid_put(b, OID_CN));
		TRY(der_put_span(b, DER_UTF8, span_str(cn)));
		TRY(der_end(b, seq));
		TRY(der_end(b, set));
	}
	return der_end(b, name);
}

static enum err put_alt_names(struct buf *b, const struct cert_names *dns)
{
	size_t ext, value, names;

	TRY(der_begin(b, DER_SEQ, &ext));
	TRY(oid_put(b, OID_SUBJECT_ALT_NAME));
	TRY(der_begin(b, DER_OCTETS, &value));
	TRY(der_begin(b, DER_SEQ, &names));
	for (unsigned i = 0; i < dns->count; i++)
		TRY(der_put_span(b, DER_CTX | 2, dns->at[i]));
	TRY(der_end(b, names));
	TRY(der_end(b, value));
	return der_end(b, ext);
}

static enum err put_attributes(struct buf *b, const struct cert_names *dns)
{
	size_t attrs, attr, set, exts;

	TRY(der_begin(b, DER_CTX_SEQ, &attrs));
	if (dns && dns->count) {
		TRY(der_begin(b, DER_SEQ, &attr));
		TRY(oid_put(b, OID_EXTENSION_REQUEST));
		TRY(der_begin(b, DER_SET, &set));
		TRY(der_begin(b, DER_SEQ, &exts));
		TRY(put_alt_names(b, dns));
		TRY(der_end(b, exts));
		TRY(der_end(b, set));
		TRY(der_end(b, attr));
	}
	return der_end(b, attrs);
}

static enum err put_info(struct buf *b, struct span spki, const char *cn,
			 const struct cert_names *dns)
{
	size_t m;

	TRY(der_begin(b, DER_SEQ, &m));
	TRY(der_put_u64(b, DER_INTEGER, 0));
	TRY(put_subject(b, cn));
	TRY(der_put_raw(b, spki));
	TRY(put_attributes(b, dns));
	return der_end(b, m);
}

static enum err check_names(const char *cn, const struct cert_names *dns)
{
	if (cn && *cn && !sayable(span_str(cn), DN_PART_MAX))
		return ERR_INVALID;
	if (dns && dns->count > CERT_NAMES_MAX)
		return ERR_INVALID;
	for (unsigned i = 0; dns && i < dns->count; i++)
		if (!sayable(dns->at[i], DNS_NAME_MAX))
			return ERR_INVALID;
	return OK;
}

static enum err join(struct span info, enum sig_alg alg, struct span sig,
		     struct buf *out)
{
	size_t m;

	TRY(der_begin(out, DER_SEQ, &m));
	TRY(der_put_raw(out, info));
	TRY(sig_alg_put(out, alg));
	TRY(der_put_bits(out, sig.p, sig.n));
	return der_end(out, m);
}

enum err csr_build(struct signkey *key, const char *cn,
		   const struct cert_names *dns, struct buf *out)
{
	AUTO(buf_wipe) struct buf info = { 0 }, sig = { 0 };
	size_t was = out->len;
	enum err e;

	buf_init(&info, CSR_MAX);
	buf_init(&sig, SIG_MAX);
	TRY(check_names(cn, dns));
	TRY(put_info(&info, signkey_spki(key), cn, dns));
	TRY(signkey_sign(key, span_of(info.p, info.len), &sig));
	e = join(span_of(info.p, info.len), signkey_alg(key),
		 span_of(sig.p, sig.len), out);
	if (e != OK)
		out->len = was;
	return e;
}
