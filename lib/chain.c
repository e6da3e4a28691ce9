/* Judging chains; run by verifiers. Holds nothing but the CA's certificates. */
#include "lib/chain.h"

#include "lib/cert_peek.h"
#include "lib/clock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- when */

static enum err check_time(int64_t from, int64_t to, int64_t now,
			   const char *whose, const char *todo, struct fault *f)
{
	char text[CLOCK_TEXT];

	if (now > to) {
		clock_format(to, text);
		return fault_set(f, ERR_EXPIRED, "%s expired at %s: %s", whose,
				 text, todo);
	}
	if (now < from) {
		clock_format(from, text);
		return fault_set(f, ERR_EXPIRED,
				 "%s is not valid before %s: is a clock wrong?",
				 whose, text);
	}
	return OK;
}

/* ---- names */

static bool ends_with(struct span name, struct span end)
{
	return name.n >= end.n &&
	       !strncasecmp((const char *)name.p + name.n - end.n,
			    (const char *)end.p, end.n);
}

/* RFC 5280 4.2.1.10: the name itself or one with labels more in front. */
static bool dns_in(struct span name, struct span base)
{
	if (!ends_with(name, base))
		return false;
	return name.n == base.n || base.p[0] == '.' ||
	       name.p[name.n - base.n - 1] == '.';
}

/* A base that begins with a dot stands for the hosts below it, another for itself. */
static bool host_in(struct span host, struct span base)
{
	if (base.p[0] == '.')
		return host.n > base.n && ends_with(host, base);
	return host.n == base.n && ends_with(host, base);
}

/* The host in SCHEME://HOST[:PORT][/…]; n 0: there is none. */
static struct span uri_host(struct span uri)
{
	const uint8_t *at = memmem(uri.p, uri.n, "://", 3), *end;
	size_t left, n = 0;

	if (!at)
		return span_of(NULL, 0);
	at += 3;
	left = uri.n - (size_t)(at - uri.p);
	while (n < left && !strchr("/?#", at[n]))
		n++;
	/* user information would make another of what stands before it */
	if (memchr(at, '@', n))
		return span_of(NULL, 0);
	end = memchr(at, ':', n);
	return span_of(at, end ? (size_t)(end - at) : n);
}

static bool permitted(const struct cert_names *bases, struct span name,
		      bool (*in)(struct span name, struct span base))
{
	for (unsigned i = 0; i < bases->count; i++)
		if (name.n && in(name, bases->at[i]))
			return true;
	return !bases->count;
}

bool chain_names_ok(const struct cert *constraints, const struct cert *c,
		    struct span *bad)
{
	for (unsigned i = 0; i < c->dns.count; i++) {
		*bad = c->dns.at[i];
		if (!permitted(&constraints->permit_dns, *bad, dns_in))
			return false;
	}
	for (unsigned i = 0; i < c->uri.count; i++) {
		*bad = c->uri.at[i];
		if (!permitted(&constraints->permit_uri, uri_host(*bad),
			       host_in))
			return false;
	}
	return true;
}

/* ---- the root */

static enum err no_root(struct fault *f, const char *why)
{
	return fault_set(f, ERR_INVALID,
			 "the root certificate of the CA (ca_root=) cannot be "
			 "used: %s",
			 why);
}

/* What name constraints it has must be understood. */
static enum err root_constraints(struct chain_root *r,
				 const struct cert_peek *p, struct fault *f)
{
	struct fault why;
	enum err e = cert_parse_tbs(p->tbs, &r->cert, &why);

	r->constrained = p->constrained;
	if (e != OK && p->constrained)
		return no_root(f, "it has name constraints that are not as "
				  "this CA makes them");
	return OK;
}

enum err chain_root_take(struct chain_root *r, struct span der, struct fault *f)
{
	struct cert_peek p;
	struct fault why;

	chain_root_wipe(r);
	buf_init(&r->der, CERT_MAX);
	if (buf_put(&r->der, der.p, der.n) != OK ||
	    cert_peek(span_of(r->der.p, r->der.len), &p) != OK)
		return no_root(f, "it is not a certificate");
	if (!p.ca || (p.has_key_usage && !(p.key_usage & KU_CERT_SIGN)))
		return no_root(f, "it is not a CA's");
	if (p.strange)
		return no_root(f, "it has a critical extension that is not "
				  "known here");
	if (pubkey_parse(p.spki, &r->key, &why) != OK)
		return no_root(f, why.text);
	TRY(root_constraints(r, &p, f));
	r->name = p.subject;
	r->key_id = p.subject_key;
	r->not_before = p.not_before;
	r->not_after = p.not_after;
	r->path_len = p.path_len;
	return OK;
}

void chain_root_wipe(struct chain_root *r)
{
	buf_wipe(&r->der);
	*r = (struct chain_root){ .path_len = -1 };
}

/* ---- an issuing CA */

static enum err not_ours(struct fault *f, const char *why)
{
	return fault_set(f, ERR_DENIED,
			 "the client certificate is of another CA: %s", why);
}

static enum err ca_parse(struct chain_ca *ca, struct fault *f)
{
	struct span der = span_of(ca->der.p, ca->der.len);
	struct cert_signed s;
	struct fault why;

	if (cert_split(der, &s, &why) != OK ||
	    cert_parse_tbs(s.tbs, &ca->cert, &why) != OK ||
	    pubkey_parse(ca->cert.spki, &ca->key, &why) != OK)
		return fault_set(f, ERR_DENIED,
				 "the issuing CA's certificate is not as our "
				 "CA makes it: %s",
				 why.text);
	return OK;
}

/* Its constraints bind all that is below it. */
static enum err root_permits(const struct chain_root *root,
			     const struct cert *c, const char *whose,
			     struct fault *f)
{
	struct span bad;

	if (!root->constrained || chain_names_ok(&root->cert, c, &bad))
		return OK;
	return fault_set(f, ERR_DENIED,
			 "the %s certificate has the name '%.*s', which the "
			 "root may not certify",
			 whose, (int)bad.n, (const char *)bad.p);
}

/* What it says, after its signature. */
static enum err ca_says(const struct chain_root *root, const struct cert *c,
			struct fault *f)
{
	if (!c->ca || !(c->key_usage & KU_CERT_SIGN))
		return fault_set(f, ERR_DENIED,
				 "who issued the client certificate is no CA "
				 "(basicConstraints, keyCertSign)");
	if (!root->path_len)
		return fault_set(f, ERR_DENIED,
				 "the root lets no CA be below it (pathLen 0)");
	if (root->key_id.n && !span_equal(c->authority_key, root->key_id))
		return fault_set(f, ERR_DENIED,
				 "the issuing CA's certificate names another "
				 "key than the root's");
	return root_permits(root, c, "issuing CA's", f);
}

enum err chain_ca_check(const struct chain_root *root,
			const struct chain_ca *ca, int64_t now, struct fault *f)
{
	const struct cert *c = &ca->cert;
	struct cert_signed s;

	TRY(cert_split(span_of(ca->der.p, ca->der.len), &s, f));
	if (!span_equal(c->issuer_der, root->name) ||
	    pubkey_verify(&root->key, s.alg, s.tbs, s.sig) != OK)
		return not_ours(f, "its issuing CA is not signed by the root "
				   "that is trusted here (ca_root=)");
	TRY(ca_says(root, c, f));
	TRY(check_time(root->not_before, root->not_after, now,
		       "the CA's root certificate", "the CA needs a new root",
		       f));
	return check_time(c->not_before, c->not_after, now,
			  "the issuing CA's certificate",
			  "send the CA's present one", f);
}

enum err chain_ca_new(const struct chain_root *root, struct span der,
		      int64_t now, struct chain_ca **out, struct fault *f)
{
	AUTO(chain_ca_free) struct chain_ca *ca = xcalloc(1, sizeof *ca);
	struct cert_peek p;

	buf_init(&ca->der, CERT_MAX);
	if (buf_put(&ca->der, der.p, der.n) != OK || cert_peek(der, &p) != OK)
		return not_ours(f, "its issuing CA's certificate cannot be "
				   "read");
	/* who signed it first: another CA's may have any form */
	if (!span_equal(p.issuer, root->name) ||
	    !cert_peek_signed_by(&p, &root->key))
		return not_ours(f, "its issuing CA is not signed by the root "
				   "that is trusted here (ca_root=)");
	TRY(ca_parse(ca, f));
	TRY(chain_ca_check(root, ca, now, f));
	*out = ca;
	ca = NULL;
	return OK;
}

void chain_ca_free(struct chain_ca **c)
{
	if (!*c)
		return;
	buf_wipe(&(*c)->der);
	free(*c);
	*c = NULL;
}

/* ---- the leaf */

static enum err leaf_form(const struct cert_peek *p, struct cert *c,
			  struct fault *f)
{
	struct pubkey key;
	struct fault why;

	if (p->strange)
		return fault_set(f, ERR_DENIED,
				 "the client certificate has a critical "
				 "extension that is not known here");
	if (p->names_ip)
		return fault_set(f, ERR_DENIED,
				 "the client certificate names an IP address, "
				 "which its CA may not certify");
	if (p->ca)
		return fault_set(f, ERR_DENIED,
				 "the client certificate is a CA's");
	if (cert_parse_tbs(p->tbs, c, &why) != OK ||
	    pubkey_parse(c->spki, &key, &why) != OK)
		return fault_set(f, ERR_DENIED,
				 "the client certificate is not as our CA "
				 "makes them: %s",
				 why.text);
	if (c->alg != p->alg)
		return fault_set(f, ERR_DENIED,
				 "the client certificate is signed with one "
				 "algorithm and naming another");
	return OK;
}

static enum err leaf_usage(const struct cert *c, unsigned usage,
			   struct fault *f)
{
	if (!(c->key_usage & KU_DIGITAL_SIGNATURE))
		return fault_set(f, ERR_DENIED,
				 "the client certificate is not for signing: "
				 "its key usage lacks digitalSignature");
	if (usage & ~c->ext_usage & EKU_CLIENT)
		return fault_set(f, ERR_DENIED,
				 "the client certificate is not for clients: "
				 "its extended key usage lacks clientAuth");
	if (usage & ~c->ext_usage)
		return fault_set(f, ERR_DENIED,
				 "the certificate is not for servers: its "
				 "extended key usage lacks serverAuth");
	return OK;
}

static enum err leaf_says(const struct chain_ca *ca, const struct cert *c,
			  unsigned usage, struct fault *f)
{
	struct span bad;

	if (!span_equal(c->authority_key, ca->cert.subject_key))
		return fault_set(f, ERR_DENIED,
				 "the client certificate names another key "
				 "than the issuing CA's");
	TRY(leaf_usage(c, usage, f));
	if (!chain_names_ok(&ca->cert, c, &bad))
		return fault_set(f, ERR_DENIED,
				 "the client certificate has the name '%.*s', "
				 "which its CA may not certify",
				 (int)bad.n, (const char *)bad.p);
	if (c->serial.n != SERIAL_SIZE || !c->subject.o.n || !c->subject.ou.n ||
	    !c->subject.uid.n)
		return fault_set(f, ERR_DENIED,
				 "the client certificate is no agent's: its "
				 "subject lacks O, OU or UID");
	return OK;
}

enum err chain_leaf_check(const struct chain_ca *ca, struct span der,
			  unsigned usage, int64_t now, struct cert *c,
			  struct fault *f)
{
	struct cert_peek p;

	if (cert_peek(der, &p) != OK)
		return fault_set(f, ERR_DENIED,
				 "the client certificate cannot be read: it is "
				 "not X.509 in DER");
	if (!span_equal(p.issuer, ca->cert.subject_der) ||
	    !cert_peek_signed_by(&p, &ca->key))
		return not_ours(f, "it names ours as its issuer, whose key has "
				   "not signed it");
	TRY(check_time(p.not_before, p.not_after, now, "the client certificate",
		       "renew it", f));
	TRY(leaf_form(&p, c, f));
	return leaf_says(ca, c, usage, f);
}

/* ---- the chain */

static void end_times(const struct chain_root *root, struct chain_end *out)
{
	const struct cert *ca = &out->ca->cert, *c = &out->cert;

	out->not_before =
		MAX(c->not_before, MAX(ca->not_before, root->not_before));
	out->not_after = MIN(c->not_after, MIN(ca->not_after, root->not_after));
}

static bool issued(struct span name, const struct pubkey *key,
		   const struct cert_peek *leaf)
{
	return span_equal(name, leaf->issuer) && cert_peek_signed_by(leaf, key);
}

/* Among the known ones. f: why the first that signed it is not good any more. */
static const struct chain_ca *find_known(const struct chain_root *root,
					 const struct chain_in *in,
					 const struct cert_peek *leaf,
					 struct fault *f)
{
	struct fault why;

	for (unsigned i = 0; i < in->n_known; i++) {
		const struct chain_ca *ca = in->known[i];

		if (!issued(ca->cert.subject_der, &ca->key, leaf))
			continue;
		if (chain_ca_check(root, ca, in->now, &why) == OK)
			return ca;
		if (f->code == OK)
			*f = why;
	}
	return NULL;
}

/* Among those that came with it. f: the same. */
static struct chain_ca *find_sent(const struct chain_root *root,
				  const struct chain_in *in,
				  const struct cert_peek *leaf, struct fault *f)
{
	struct chain_ca *ca = NULL;
	struct fault why;

	for (unsigned i = 1; i < in->count && !ca; i++) {
		struct cert_peek p;
		struct pubkey key;

		if (cert_peek(in->der[i], &p) != OK ||
		    pubkey_parse(p.spki, &key, NULL) != OK ||
		    !issued(p.subject, &key, leaf))
			continue;
		if (chain_ca_new(root, in->der[i], in->now, &ca, &why) != OK &&
		    f->code == OK)
			*f = why;
	}
	return ca;
}

/* Is there one of the name of its issuer? */
static bool is_named(const struct chain_in *in, const struct cert_peek *leaf)
{
	struct cert_peek p;

	for (unsigned i = 0; i < in->n_known; i++)
		if (span_equal(in->known[i]->cert.subject_der, leaf->issuer))
			return true;
	for (unsigned i = 1; i < in->count; i++)
		if (cert_peek(in->der[i], &p) == OK &&
		    span_equal(p.subject, leaf->issuer))
			return true;
	return false;
}

/* There may be several of one name and key: the CA has renewed it, or another root
 * signed it as well. One that is good is enough. */
static enum err find_ca(const struct chain_root *root,
			const struct chain_in *in, const struct cert_peek *leaf,
			struct chain_end *out, struct fault *f)
{
	f->code = OK;
	out->ca = find_known(root, in, leaf, f);
	if (!out->ca)
		out->ca = out->made = find_sent(root, in, leaf, f);
	if (out->ca)
		return OK;
	if (f->code != OK)
		return f->code;
	if (is_named(in, leaf))
		return not_ours(f, "it names an issuer whose key has not "
				   "signed it");
	return not_ours(f, "its issuer is not known here, and the certificate "
			   "of none came with it");
}

static enum err check_leaf_first(const struct chain_in *in,
				 struct cert_peek *leaf, struct fault *f)
{
	if (!in->count)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "there is no client certificate");
	if (in->count > CHAIN_MAX)
		return fault_set(f, ERR_DENIED,
				 "the client sent over %d certificates",
				 CHAIN_MAX);
	if (cert_peek(in->der[0], leaf) != OK)
		return fault_set(f, ERR_DENIED,
				 "the client certificate cannot be read: it is "
				 "not X.509 in DER");
	if (span_equal(leaf->issuer, leaf->subject))
		return fault_set(f, ERR_DENIED,
				 "the client certificate is self-signed: get "
				 "one of the CA whose root is trusted here "
				 "(ca_root=)");
	return OK;
}

enum err chain_check(const struct chain_root *root, const struct chain_in *in,
		     struct chain_end *out, struct fault *f)
{
	struct cert_peek leaf;
	enum err e;

	out->ca = out->made = NULL;
	TRY(check_leaf_first(in, &leaf, f));
	e = find_ca(root, in, &leaf, out, f);
	if (e == OK)
		e = chain_leaf_check(out->ca, in->der[0], in->usage, in->now,
				     &out->cert, f);
	if (e == OK)
		e = root_permits(root, &out->cert, "client", f);
	if (e != OK) {
		chain_ca_free(&out->made);
		return e;
	}
	end_times(root, out);
	return OK;
}
