/* Used by ca (issuer, signer), verifiers and the command; holds nothing. */
#include "lib/cert.h"

#include "lib/cert_ext.h"

enum {
	VERSION_3 = 2,
};

/* ---- building ---- */

/* INTEGER octets that are positive and minimal once a sign octet is added. */
static bool serial_ok(struct span s)
{
	return s.n && s.p[0] && s.n + (s.p[0] >> 7) <= CERT_SERIAL_MAX;
}

/* One whole SEQUENCE and nothing else. What is in it: pubkey_parse. */
static bool spki_ok(struct span s)
{
	struct rd r = span_rd(s), body;

	return der_get(&r, DER_SEQ, &body) == OK && rd_end(&r) == OK &&
	       rd_left(&body) > 0;
}

static enum err cert_put_version(struct buf *b)
{
	size_t m;

	TRY(der_begin(b, DER_CTX_SEQ | 0, &m));
	TRY(der_put_u64(b, DER_INTEGER, VERSION_3));
	return der_end(b, m);
}

static enum err cert_put_validity(struct buf *b, const struct cert *c)
{
	size_t m;

	if (c->not_before > c->not_after)
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &m));
	TRY(der_put_time(b, c->not_before));
	TRY(der_put_time(b, c->not_after));
	return der_end(b, m);
}

static enum err cert_put(struct buf *b, const struct cert *c)
{
	size_t tbs, ext;

	if (!serial_ok(c->serial) || !spki_ok(c->spki))
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &tbs));
	TRY(cert_put_version(b));
	TRY(der_put_uint(b, c->serial));
	TRY(sig_alg_put(b, c->alg));
	TRY(dn_put(b, &c->issuer));
	TRY(cert_put_validity(b, c));
	TRY(dn_put(b, &c->subject));
	TRY(der_put_raw(b, c->spki));
	TRY(der_begin(b, DER_CTX_SEQ | 3, &ext));
	TRY(cert_put_extensions(b, c));
	TRY(der_end(b, ext));
	return der_end(b, tbs);
}

enum err cert_build(const struct cert *c, struct buf *out)
{
	const size_t start = out->len;
	enum err e = cert_put(out, c);

	if (e == OK && out->len - start > CERT_TBS_MAX)
		e = ERR_TOO_LARGE;
	if (e != OK)
		out->len = start;
	return e;
}

enum err cert_join(struct span tbs, enum sig_alg alg, struct span sig,
		   struct buf *out)
{
	const size_t start = out->len;
	enum err e;
	size_t m;

	TRY(der_begin(out, DER_SEQ, &m));
	e = der_put_raw(out, tbs);
	if (e == OK)
		e = sig_alg_put(out, alg);
	if (e == OK)
		e = der_put_bits(out, sig.p, sig.n);
	if (e == OK)
		e = der_end(out, m);
	if (e != OK)
		out->len = start;
	return e;
}

/* ---- parsing ---- */

static enum err cert_get_version(struct rd *r)
{
	struct rd body;
	uint64_t v;

	TRY(der_get(r, DER_CTX_SEQ | 0, &body));
	TRY(der_u64(&body, DER_INTEGER, VERSION_3, &v));
	TRY(rd_end(&body));
	return v == VERSION_3 ? OK : ERR_INVALID;
}

static enum err cert_get_serial(struct rd *r, struct span *serial)
{
	TRY(der_uint(r, serial));
	return serial_ok(*serial) ? OK : ERR_INVALID;
}

/* The name twice: taken apart, and its bytes. */
static enum err cert_get_name(struct rd *r, char *room, struct dn *dn,
			      struct span *der)
{
	struct rd again = *r;

	TRY(dn_get(r, room, dn));
	return der_whole(&again, DER_SEQ, der);
}

static enum err cert_get_validity(struct rd *r, struct cert *c)
{
	struct rd body;

	TRY(der_get(r, DER_SEQ, &body));
	TRY(der_time(&body, &c->not_before));
	TRY(der_time(&body, &c->not_after));
	TRY(rd_end(&body));
	return c->not_before <= c->not_after ? OK : ERR_INVALID;
}

static enum err cert_get_spki(struct rd *r, struct span *spki)
{
	TRY(der_whole(r, DER_SEQ, spki));
	return spki_ok(*spki) ? OK : ERR_INVALID;
}

/* The parts before the extensions; *part names the one that is being read. */
static enum err cert_get_head(struct rd *r, struct cert *c, const char **part)
{
	*part = "version";
	TRY(cert_get_version(r));
	*part = "serial number";
	TRY(cert_get_serial(r, &c->serial));
	*part = "signature algorithm";
	TRY(sig_alg_get(r, &c->alg));
	*part = "issuer";
	TRY(cert_get_name(r, c->domain_room[0], &c->issuer, &c->issuer_der));
	*part = "validity";
	TRY(cert_get_validity(r, c));
	*part = "subject";
	TRY(cert_get_name(r, c->domain_room[1], &c->subject, &c->subject_der));
	*part = "public key";
	return cert_get_spki(r, &c->spki);
}

static enum err cert_get_tail(struct rd *r, struct cert *c, struct fault *f)
{
	struct rd ext;

	if (der_get(r, DER_CTX_SEQ | 3, &ext) != OK || rd_end(r) != OK)
		return fault_set(f, ERR_INVALID,
				 "certificate: not extensions and nothing "
				 "else after the public key");
	TRY(cert_get_extensions(&ext, c, f));
	if (rd_end(&ext) != OK)
		return fault_set(f, ERR_INVALID,
				 "certificate: bytes after the extensions");
	return OK;
}

enum err cert_parse_tbs(struct span tbs, struct cert *c, struct fault *f)
{
	struct rd r = span_rd(tbs), body;
	const char *part = NULL;

	*c = (struct cert){ .path_len = -1 };
	if (tbs.n > CERT_TBS_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "certificate: %zu bytes, at most %d", tbs.n,
				 CERT_TBS_MAX);
	if (der_get(&r, DER_SEQ, &body) != OK || rd_end(&r) != OK)
		return fault_set(f, ERR_INVALID, "certificate: not DER");
	if (cert_get_head(&body, c, &part) != OK)
		return fault_set(f, ERR_INVALID,
				 "certificate: the %s is not as this ca "
				 "makes it",
				 part);
	return cert_get_tail(&body, c, f);
}

/* The algorithm that was signed: the third value of the TBSCertificate. */
static enum err cert_tbs_alg(struct span tbs, enum sig_alg *alg)
{
	struct rd r = span_rd(tbs), body;
	struct span serial;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(cert_get_version(&body));
	TRY(der_uint(&body, &serial));
	return sig_alg_get(&body, alg);
}

enum err cert_split(struct span der, struct cert_signed *s, struct fault *f)
{
	struct cert_signed got = { .der = der };
	enum sig_alg alg;

	if (der.n > CERT_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "certificate: %zu bytes, at most %d", der.n,
				 CERT_MAX);
	if (sig_split(der, &got.tbs, &got.alg, &got.sig) != OK ||
	    cert_tbs_alg(got.tbs, &alg) != OK)
		return fault_set(f, ERR_INVALID,
				 "certificate: not a version 3 certificate in "
				 "DER, signed in a way this ca knows");
	if (alg != got.alg)
		return fault_set(f, ERR_INVALID,
				 "certificate: signed with one algorithm and "
				 "naming another");
	*s = got;
	return OK;
}
