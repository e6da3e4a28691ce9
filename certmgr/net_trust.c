/* net: whom it believes: the one root it was given, the issuing CA that this has
 * signed, and nobody else. Holds two certificates. */
#include "certmgr/net.h"

#include "lib/clock.h"
#include "lib/pem.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

enum {
	ROOT_TEXT_MAX = 64 << 10,
};

static struct buf root, issuing;
/* Of the root: it may have been made by others, with extensions that we do not know. */
static struct buf root_name, root_key;

struct span trust_root(void)
{
	return span_of(root.p, root.len);
}

struct span trust_issuing(void)
{
	return span_of(issuing.p, issuing.len);
}

enum err trust_parse(struct span der, struct cert *c, struct fault *f)
{
	struct cert_signed s;

	TRY(cert_split(der, &s, f));
	return cert_parse_tbs(s.tbs, c, f);
}

/* Is der signed by the CA of that name and key? */
static enum err check_signed(struct span der, struct span name,
			     struct span spki, struct cert *c, struct fault *f)
{
	struct cert_signed s;
	struct pubkey key;

	TRY(pubkey_parse(spki, &key, f));
	TRY(cert_split(der, &s, f));
	TRY(cert_parse_tbs(s.tbs, c, f));
	if (!span_equal(c->issuer_der, name) ||
	    pubkey_verify(&key, s.alg, s.tbs, s.sig) != OK)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "a certificate in the CA's answer is not "
				 "signed by the CA that it should be of");
	return OK;
}

static enum err not_now(const struct cert *c, const char *whose,
			struct fault *f)
{
	int64_t now = clock_wall();

	if (now > c->not_after)
		return fault_set(f, ERR_EXPIRED,
				 "%s certificate has expired: is the clock "
				 "right?",
				 whose);
	return OK;
}

enum err trust_take_issuing(struct span der, bool *changed, struct fault *f)
{
	struct cert c;

	*changed = false;
	if (issuing.len && span_equal(der, trust_issuing()))
		return OK;
	TRY(check_signed(der, span_of(root_name.p, root_name.len),
			 span_of(root_key.p, root_key.len), &c, f));
	if (!c.ca || !(c.key_usage & KU_CERT_SIGN))
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "what the CA calls its issuing certificate is "
				 "none");
	TRY(not_now(&c, "the issuing CA's", f));
	buf_clear(&issuing);
	ENSURE(buf_put(&issuing, der.p, der.n) == OK);
	*changed = true;
	return OK;
}

enum err trust_check(struct span der, struct span spki, struct cert *c,
		     struct fault *f)
{
	struct cert above;

	if (!issuing.len)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the issuing CA is not known yet");
	TRY(trust_parse(trust_issuing(), &above, f));
	TRY(check_signed(der, above.subject_der, above.spki, c, f));
	if (!span_equal(c->spki, spki))
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the certificate is for another key than was "
				 "asked for");
	if (c->ca || c->serial.n != SERIAL_SIZE)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "the certificate is none that this CA makes");
	return not_now(c, "the", f);
}

static void x509_end(X509 **x)
{
	X509_free(*x);
}

static enum err no_root(const char *why, struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "the root certificate of the CA cannot be used: %s: "
			 "get it with 'cretula ca root' on the CA's host",
			 why);
}

/* Its name and its key, by OpenSSL. */
static enum err take_apart(struct span der, struct buf *name, struct buf *key,
			   struct fault *f)
{
	const unsigned char *p = der.p, *dn;
	AUTO(x509_end) X509 *x = d2i_X509(NULL, &p, (long)der.n);
	unsigned char *spki = NULL;
	struct pubkey parsed;
	size_t len;
	enum err e;
	int n;

	if (!x || p != der.p + der.n || X509_check_ca(x) <= 0)
		return no_root("it is not a CA's certificate", f);
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
	e = n <= 0 ||
			    X509_NAME_get0_der(X509_get_subject_name(x), &dn,
					       &len) != 1 ||
			    buf_put(name, dn, len) != OK ||
			    buf_put(key, spki, (size_t)n) != OK
		    ? no_root("its name or its key cannot be read", f)
		    : OK;
	OPENSSL_free(spki);
	TRY(e);
	return pubkey_parse(span_of(key->p, key->len), &parsed, f);
}

enum err trust_set_root(struct span der, struct fault *f)
{
	AUTO(buf_wipe) struct buf name = { 0 };
	AUTO(buf_wipe) struct buf key = { 0 };

	buf_init(&name, CERT_MAX);
	buf_init(&key, CERT_MAX);
	if (der.n > CERT_MAX)
		return no_root("it is too large", f);
	TRY(take_apart(der, &name, &key, f));
	buf_clear(&root);
	buf_clear(&root_name);
	buf_clear(&root_key);
	buf_clear(&issuing);
	ENSURE(buf_put(&root, der.p, der.n) == OK);
	ENSURE(buf_put(&root_name, name.p, name.len) == OK);
	ENSURE(buf_put(&root_key, key.p, key.len) == OK);
	return OK;
}

enum err trust_read_root(int fd, struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	AUTO(buf_wipe) struct buf der = { 0 };
	uint8_t *at = NULL;
	size_t used;
	ssize_t n;

	buf_init(&text, ROOT_TEXT_MAX);
	buf_init(&der, CERT_MAX);
	ENSURE(buf_grow(&text, ROOT_TEXT_MAX, &at) == OK);
	n = pread(fd, at, ROOT_TEXT_MAX, 0);
	if (n < 0)
		return no_root("the file (ca_root=) cannot be read", f);
	if (pem_get("CERTIFICATE", (const char *)at, (size_t)n, &der, &used,
		    f) != OK)
		return no_root("the file (ca_root=) has no certificate in PEM",
			       f);
	return trust_set_root(span_of(der.p, der.len), f);
}

void trust_open(void)
{
	buf_init(&root, CERT_MAX);
	buf_init(&issuing, CERT_MAX);
	buf_init(&root_name, CERT_MAX);
	buf_init(&root_key, CERT_MAX);
}
