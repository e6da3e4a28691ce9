/* Certification requests, read. Runs in the issuer (and in a command before it
 * sends one); holds nothing. Every byte comes from a stranger; what the request
 * merely asks for is reported in struct csr, and the policy decides. */
#include "lib/csr.h"

#include <string.h>

enum {
	ATTRS_MAX = 16,
	EXTS_MAX = 32,
	RDNS_MAX = 32,
	/* GeneralName (RFC 5280, 4.2.1.6) */
	NAME_MAIL = DER_CTX | 1,
	NAME_DNS = DER_CTX | 2,
	NAME_URI = DER_CTX | 6,
	/* strings that a name may also be written in */
	TAG_NUMERIC = 0x12,
	TAG_VISIBLE = 0x1a,
};

#define SEND "send PKCS#10 in DER or PEM"

/* The identifiers seen so far of what may be there once. */
struct seen {
	struct span at[EXTS_MAX];
	unsigned count;
};
_Static_assert(ATTRS_MAX <= EXTS_MAX, "one size of struct seen is enough");

static enum err broken(struct fault *f, const char *part)
{
	return fault_set(
		f, ERR_INVALID,
		"the request's %s is not DER as RFC 2986 has it: " SEND, part);
}

static enum err note_once(struct seen *s, struct span oid, unsigned max,
			  const char *what, struct fault *f)
{
	for (unsigned i = 0; i < s->count; i++)
		if (span_equal(s->at[i], oid))
			return fault_set(f, ERR_INVALID,
					 "the request has an %s twice: " SEND
					 " with each once",
					 what);
	if (s->count >= max)
		return fault_set(f, ERR_INVALID,
				 "the request has more than %u %ss", max, what);
	s->at[s->count++] = oid;
	return OK;
}

/* Printable ASCII, and some of it. A NUL would end the name for some and not for
 * others; names beyond ASCII are for A-labels and percent-encoding. */
static enum err check_text(struct span s, const char *what, struct fault *f)
{
	if (!s.n)
		return fault_set(f, ERR_INVALID, "the request has an empty %s",
				 what);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] >= 0x20 && s.p[i] < 0x7f)
			continue;
		if (!s.p[i])
			return fault_set(f, ERR_INVALID,
					 "the request has a NUL byte in a %s",
					 what);
		return fault_set(f, ERR_INVALID,
				 "the request has the byte %02x in a %s: only "
				 "printable ASCII is taken",
				 s.p[i], what);
	}
	return OK;
}

static enum err add_name(struct cert_names *names, struct span s,
			 const char *what, struct fault *f)
{
	TRY(check_text(s, what, f));
	if (names->count >= CERT_NAMES_MAX)
		return fault_set(f, ERR_INVALID,
				 "the request has more than %d %ss: ask for "
				 "fewer",
				 CERT_NAMES_MAX, what);
	names->at[names->count++] = s;
	return OK;
}

/* --- subject */

static bool is_string(unsigned tag)
{
	return tag == DER_UTF8 || tag == DER_PRINTABLE || tag == DER_IA5 ||
	       tag == TAG_NUMERIC || tag == TAG_VISIBLE;
}

static enum err parse_attribute_value(struct rd *r, struct csr *c,
				      struct fault *f)
{
	struct rd body, value;
	struct span whole;
	unsigned tag;
	enum oid o;

	if (der_get(r, DER_SEQ, &body) != OK || oid_get(&body, &o) != OK ||
	    der_any(&body, &tag, &value, &whole) != OK || rd_end(&body) != OK)
		return broken(f, "subject");
	if (!is_string(tag))
		return fault_set(f, ERR_INVALID,
				 "the request's subject has a value that is "
				 "no UTF8String, PrintableString or IA5String");
	whole = span_of(value.p, rd_left(&value));
	if (o == OID_CN)
		return add_name(&c->cn, whole, "common name", f);
	return check_text(whole, "subject name", f);
}

static enum err parse_subject(struct csr *c, struct fault *f)
{
	struct rd r = span_rd(c->subject), name, rdn;

	if (der_get(&r, DER_SEQ, &name) != OK)
		return broken(f, "subject");
	for (unsigned n = 0; rd_left(&name); n++) {
		if (n >= RDNS_MAX)
			return fault_set(f, ERR_INVALID,
					 "the request's subject has more than "
					 "%d parts",
					 RDNS_MAX);
		if (der_get(&name, DER_SET, &rdn) != OK || !rd_left(&rdn))
			return broken(f, "subject");
		while (rd_left(&rdn))
			TRY(parse_attribute_value(&rdn, c, f));
	}
	return OK;
}

/* --- extensions that are asked for */

static enum err parse_name(struct rd *r, struct csr *c, struct fault *f)
{
	struct rd body;
	struct span s;
	unsigned tag;

	if (der_any(r, &tag, &body, &s) != OK)
		return broken(f, "subjectAltName");
	s = span_of(body.p, rd_left(&body));
	if (tag == NAME_DNS)
		return add_name(&c->dns, s, "DNS name", f);
	if (tag == NAME_URI)
		return add_name(&c->uri, s, "URI", f);
	c->other_names = true;
	/* otherName, x400Address, directoryName and ediPartyName are constructed
	 * (0, 3, 4, 5); IP address and registeredID are octets (7, 8) */
	switch (tag) {
	case NAME_MAIL:
		return check_text(s, "mail address", f);
	case DER_CTX_SEQ | 0:
	case DER_CTX_SEQ | 3:
	case DER_CTX_SEQ | 4:
	case DER_CTX_SEQ | 5:
	case DER_CTX | 7:
	case DER_CTX | 8:
		return OK;
	default:
		return broken(f, "subjectAltName");
	}
}

static enum err parse_alt_names(struct rd r, struct csr *c, struct fault *f)
{
	struct rd names;

	if (der_get(&r, DER_SEQ, &names) != OK || rd_end(&r) != OK ||
	    !rd_left(&names))
		return broken(f, "subjectAltName");
	while (rd_left(&names))
		TRY(parse_name(&names, c, f));
	return OK;
}

/* DER leaves a FALSE that is the default out. */
static enum err read_true(struct rd *r, bool *v)
{
	*v = false;
	if (!der_is(r, DER_BOOLEAN))
		return OK;
	TRY(der_bool(r, v));
	return *v ? OK : ERR_INVALID;
}

static enum err read_constraints(struct rd r, bool *ca)
{
	uint64_t path_len;
	struct rd body;

	TRY(der_get(&r, DER_SEQ, &body));
	TRY(rd_end(&r));
	TRY(read_true(&body, ca));
	if (rd_left(&body))
		TRY(der_u64(&body, DER_INTEGER, UINT32_MAX, &path_len));
	return rd_end(&body);
}

static enum err parse_constraints(struct rd r, struct csr *c, struct fault *f)
{
	bool ca;

	if (read_constraints(r, &ca) != OK)
		return broken(f, "basicConstraints");
	c->wants_ca = c->wants_ca || ca;
	return OK;
}

static enum err parse_key_usage(struct rd r, struct csr *c, struct fault *f)
{
	unsigned bits;

	if (der_named_bits(&r, &bits) != OK || rd_end(&r) != OK)
		return broken(f, "keyUsage");
	c->wants_ca = c->wants_ca || bits & KU_CERT_SIGN;
	return OK;
}

static enum err parse_extension(struct rd *r, struct seen *seen, struct csr *c,
				struct fault *f)
{
	struct rd body, value;
	struct span oid;
	bool critical;
	enum oid o;

	if (der_get(r, DER_SEQ, &body) != OK || der_oid(&body, &oid) != OK ||
	    read_true(&body, &critical) != OK ||
	    der_get(&body, DER_OCTETS, &value) != OK || rd_end(&body) != OK)
		return broken(f, "list of extensions");
	TRY(note_once(seen, oid, EXTS_MAX, "extension", f));
	o = oid_find(oid);
	if (o == OID_SUBJECT_ALT_NAME)
		return parse_alt_names(value, c, f);
	if (o == OID_BASIC_CONSTRAINTS)
		return parse_constraints(value, c, f);
	if (o == OID_KEY_USAGE)
		return parse_key_usage(value, c, f);
	if (o == OID_CAPABILITIES)
		c->wants_caps = true;
	return OK;
}

static enum err parse_extensions(struct rd values, struct csr *c,
				 struct fault *f)
{
	struct seen seen = { .count = 0 };
	struct rd exts;

	if (der_get(&values, DER_SEQ, &exts) != OK || !rd_left(&exts))
		return broken(f, "list of extensions");
	if (rd_end(&values) != OK)
		return fault_set(f, ERR_INVALID,
				 "the request has several lists of "
				 "extensions: " SEND " with one");
	while (rd_left(&exts))
		TRY(parse_extension(&exts, &seen, c, f));
	return OK;
}

/* --- the request */

/* challengePassword and whatever else there may be is not for us. */
static enum err parse_attributes(struct rd r, struct csr *c, struct fault *f)
{
	struct seen seen = { .count = 0 };
	struct rd body, values;
	struct span oid;

	while (rd_left(&r)) {
		if (der_get(&r, DER_SEQ, &body) != OK ||
		    der_oid(&body, &oid) != OK ||
		    der_get(&body, DER_SET, &values) != OK ||
		    rd_end(&body) != OK || !rd_left(&values))
			return broken(f, "list of attributes");
		TRY(note_once(&seen, oid, ATTRS_MAX, "attribute", f));
		if (oid_find(oid) == OID_EXTENSION_REQUEST)
			TRY(parse_extensions(values, c, f));
	}
	return OK;
}

/* Some write an empty set of attributes by leaving it out. */
static enum err parse_info(struct span info, struct csr *c, struct fault *f)
{
	struct rd r = span_rd(info), body, attrs;
	uint64_t version;
	struct span spki;
	bool there;

	if (der_get(&r, DER_SEQ, &body) != OK)
		return broken(f, "body");
	if (der_u64(&body, DER_INTEGER, 0, &version) != OK)
		return fault_set(f, ERR_INVALID,
				 "the request is not of version 1 (0 as it is "
				 "written): " SEND);
	if (der_whole(&body, DER_SEQ, &c->subject) != OK)
		return broken(f, "subject");
	if (der_whole(&body, DER_SEQ, &spki) != OK)
		return broken(f, "public key");
	if (der_opt(&body, DER_CTX_SEQ, &there, &attrs) != OK ||
	    rd_end(&body) != OK)
		return broken(f, "list of attributes");
	TRY(parse_subject(c, f));
	TRY(pubkey_parse(spki, &c->key, f));
	return there ? parse_attributes(attrs, c, f) : OK;
}

static enum err parse_algorithm(struct rd *r, const struct csr *c,
				enum sig_alg *alg, struct fault *f)
{
	if (sig_alg_get(r, alg) != OK)
		return fault_set(f, ERR_INVALID,
				 "the request is signed by an algorithm that "
				 "is not taken: use ECDSA with SHA-256 or "
				 "SHA-384, Ed25519, or RSA (PKCS#1) with "
				 "SHA-256, SHA-384 or SHA-512");
	if (!sig_alg_fits(*alg, c->key.type))
		return fault_set(f, ERR_INVALID,
				 "the request's signature is not of the kind "
				 "that its %s key makes: sign it with that key",
				 key_type_name(c->key.type));
	return OK;
}

static enum err open_request(struct span der, struct rd *body, struct fault *f)
{
	struct rd r = span_rd(der);

	if (der.n > CSR_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the request has %zu bytes: at most %d are "
				 "taken",
				 der.n, CSR_MAX);
	if (der_get(&r, DER_SEQ, body) != OK)
		return fault_set(f, ERR_INVALID,
				 "the request is not DER, or cut short: " SEND);
	if (rd_end(&r) != OK)
		return fault_set(f, ERR_INVALID,
				 "the request goes on after its end (%zu bytes "
				 "more): " SEND " and nothing else",
				 rd_left(&r));
	return OK;
}

enum err csr_parse_only(struct span der, struct csr *c, struct span *info,
			enum sig_alg *alg, struct span *sig, struct fault *f)
{
	struct csr got = { .der = der };
	struct span got_info, got_sig;
	enum sig_alg got_alg;
	struct rd body;

	TRY(open_request(der, &body, f));
	if (der_whole(&body, DER_SEQ, &got_info) != OK)
		return broken(f, "body");
	TRY(parse_info(got_info, &got, f));
	TRY(parse_algorithm(&body, &got, &got_alg, f));
	if (der_bits(&body, &got_sig) != OK || rd_end(&body) != OK)
		return broken(f, "signature");
	*c = got;
	*info = got_info;
	*alg = got_alg;
	*sig = got_sig;
	return OK;
}

enum err csr_parse(struct span der, struct csr *c, struct fault *f)
{
	struct span info, sig;
	enum sig_alg alg;
	struct csr got;

	TRY(csr_parse_only(der, &got, &info, &alg, &sig, f));
	if (pubkey_verify(&got.key, alg, info, sig) != OK)
		return fault_set(f, ERR_INVALID,
				 "the request's signature is wrong: it was not "
				 "made with the key in it, or the request was "
				 "changed");
	*c = got;
	return OK;
}
