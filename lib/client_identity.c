/* Who a client is by HTTPS, and whose certificates it believes. Read anew for every
 * connection, so that a renewed one is used, and kept no longer than its handshake. Runs
 * in clients; holds the private key in secret memory, and in OpenSSL's own meanwhile. */
#include "lib/client_agent.h"
#include "lib/client_web.h"

#include "lib/capability.h"
#include "lib/cert_peek.h"
#include "lib/clock.h"
#include "lib/pem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char ROOT_FILE[] = "/run/cretula/certmgr/root.pem";

/* This process's own agent: its token can be read only once. */
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cretula_agent *own;

void client_identity_wipe(struct client_identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	sk_X509_pop_free(id->chain, X509_free);
	X509_STORE_free(id->roots);
	*id = (struct client_identity){ .key = NULL };
}

bool client_identity_own(void)
{
	bool is;

	(void)pthread_mutex_lock(&own_lock);
	is = own || secure_getenv("CRETULA_AGENT");
	(void)pthread_mutex_unlock(&own_lock);
	return is;
}

void client_identity_name(const struct client_web *w, char out[CLIENT_WHY_MAX])
{
	const struct cretula_agent *a = w->agent ? w->agent : own;

	if (w->identity)
		(void)snprintf(out, CLIENT_WHY_MAX, "'%s'", w->identity);
	else
		(void)snprintf(out, CLIENT_WHY_MAX, "agent '%s'",
			       a ? cretula_agent_id(a) : "?");
}

/* --- PEM */

static enum cretula_err read_file(const char *path, struct buf *out,
				  struct cretula_error *err)
{
	AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err e =
		fd < 0 ? ERR_UNAVAILABLE : agent_read_all(fd, out, UINT64_MAX);

	if (e == OK)
		return CRETULA_ERR_NONE;
	if (e == ERR_TOO_LARGE)
		return client_fail(err, ERR_INVALID,
				   "'%s' is over the %d bytes of a PEM file",
				   path, CLIENT_IDENTITY_MAX);
	return client_fail(err, ERR_INVALID, "'%s' cannot be read: %s", path,
			   strerror(errno));
}

static EVP_PKEY *key_of(const struct buf *der)
{
	const unsigned char *p = der->p;

	return d2i_AutoPrivateKey(NULL, &p, (long)der->len);
}

/* The first private key of the text. */
static enum err pem_key(const char *text, size_t len, EVP_PKEY **out,
			struct fault *f)
{
	static const char *const labels[] = { "PRIVATE KEY", "EC PRIVATE KEY",
					      "RSA PRIVATE KEY" };
	AUTO(buf_wipe) struct buf der = { 0 };
	enum err e = ERR_NOT_FOUND;
	size_t used;

	buf_init_secret(&der, CLIENT_IDENTITY_MAX);
	for (size_t i = 0; i < NELEM(labels) && e == ERR_NOT_FOUND; i++)
		e = pem_get(labels[i], text, len, &der, &used, f);
	if (e == ERR_NOT_FOUND)
		return fault_set(f, ERR_INVALID,
				 "it holds no private key that is not "
				 "encrypted");
	TRY(e);
	*out = key_of(&der);
	return *out ? OK
		    : fault_set(f, ERR_INVALID,
				"its private key is of a kind that OpenSSL "
				"does not read");
}

/* Appends the certificates of a text; none is fine. */
static enum err pem_certs(const char *text, size_t len, STACK_OF(X509) * out,
			  struct fault *f)
{
	AUTO(buf_wipe) struct buf der = { 0 };

	buf_init(&der, CLIENT_IDENTITY_MAX);
	for (;;) {
		const unsigned char *p;
		size_t used = 0;
		enum err e = pem_get("CERTIFICATE", text, len, &der, &used, f);
		X509 *x;

		if (e == ERR_NOT_FOUND)
			return OK;
		TRY(e);
		p = der.p;
		x = d2i_X509(NULL, &p, (long)der.len);
		if (!x || sk_X509_num(out) == CLIENT_CHAIN_MAX ||
		    !sk_X509_push(out, x)) {
			X509_free(x);
			return fault_set(f, ERR_INVALID,
					 "a certificate in it is damaged, or "
					 "it has over %d",
					 CLIENT_CHAIN_MAX);
		}
		text += used;
		len -= used;
		buf_clear(&der);
	}
}

/* The certificate of the key becomes cert, the others stay. */
static enum err find_own(struct client_identity *id, struct fault *f)
{
	for (int i = 0; i < sk_X509_num(id->chain); i++) {
		if (X509_check_private_key(sk_X509_value(id->chain, i),
					   id->key) != 1)
			continue;
		id->cert = sk_X509_delete(id->chain, i);
		ERR_clear_error();
		return OK;
	}
	ERR_clear_error();
	return fault_set(f, ERR_INVALID,
			 "it holds no certificate of its private key");
}

static enum err take_pem(const char *text, size_t len,
			 struct client_identity *id, struct fault *f)
{
	TRY(pem_key(text, len, &id->key, f));
	TRY(pem_certs(text, len, id->chain, f));
	return find_own(id, f);
}

/* --- where it is from */

static enum cretula_err from_file(const char *path, struct client_identity *id,
				  struct cretula_error *err)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct fault f = { 0 };
	enum cretula_err ce;
	enum err e;

	buf_init_secret(&text, CLIENT_IDENTITY_MAX);
	ce = read_file(path, &text, err);
	if (ce)
		return ce;
	e = take_pem((const char *)text.p, text.len, id, &f);
	ERR_clear_error();
	if (e == OK)
		return CRETULA_ERR_NONE;
	return client_fail(err, e, "the identity '%s' cannot be used: %s", path,
			   f.text);
}

/* A new one if it is time, or ours was refused; an old one if it still is good. */
static enum cretula_err be_claimed(struct cretula_agent *a, bool again,
				   struct cretula_error *err)
{
	int64_t now = clock_wall();
	enum cretula_err e;

	if (a->bundle.certs && !again && now < cretula_agent_renew_at(a))
		return CRETULA_ERR_NONE;
	e = cretula_agent_claim(a, err);
	if (e && a->bundle.certs && !again && now < a->bundle.not_after)
		return CRETULA_ERR_NONE;
	return e;
}

static enum cretula_err from_agent(struct cretula_agent *a, bool again,
				   struct client_identity *id,
				   struct cretula_error *err)
{
	enum cretula_err ce = agent_own(a, err);
	const struct agent_bundle *b = &a->bundle;
	struct fault f = { 0 };
	enum err e;

	if (!ce)
		ce = be_claimed(a, again, err);
	if (ce)
		return ce;
	e = pem_key((const char *)b->key.p, b->key.len, &id->key, &f);
	if (e == OK)
		e = pem_certs((const char *)b->cert.p, b->cert.len, id->chain,
			      &f);
	if (e == OK)
		e = pem_certs((const char *)b->chain.p, b->chain.len, id->chain,
			      &f);
	if (e == OK)
		e = find_own(id, &f);
	return e == OK ? CRETULA_ERR_NONE
		       : client_fail(err, e,
				     "the certificate of agent '%s' cannot be "
				     "used: %s",
				     cretula_agent_id(a), f.text);
}

static enum cretula_err from_own(bool again, struct client_identity *id,
				 struct cretula_error *err)
{
	enum cretula_err e = CRETULA_ERR_NONE;

	(void)pthread_mutex_lock(&own_lock);
	if (!own)
		e = cretula_agent_new(&own, err);
	if (!e)
		e = from_agent(own, again, id, err);
	(void)pthread_mutex_unlock(&own_lock);
	return e;
}

static enum cretula_err nobody(const struct client_web *w,
			       struct cretula_error *err)
{
	return client_fail(err, ERR_UNAUTHENTICATED,
			   "there is no certificate to show to '%s': give a "
			   "PEM file with key, certificate and chain "
			   "(--identity, CRETULA_IDENTITY), or start this "
			   "with 'cretula agent run'",
			   w->authority);
}

/* --- whom we believe */

static enum cretula_err no_roots(const char *path, const char *why,
				 struct cretula_error *err)
{
	return client_fail(err, ERR_INVALID,
			   "the root certificate '%s' cannot be used: %s", path,
			   why);
}

static enum cretula_err roots_from_file(const char *path, STACK_OF(X509) * out,
					struct cretula_error *err)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct fault f = { 0 };
	enum cretula_err e;

	buf_init(&text, CLIENT_IDENTITY_MAX);
	e = read_file(path, &text, err);
	if (e)
		return e;
	if (pem_certs((const char *)text.p, text.len, out, &f) != OK)
		return no_roots(path, f.text, err);
	if (!sk_X509_num(out))
		return no_roots(path, "it holds no certificate", err);
	return CRETULA_ERR_NONE;
}

static bool store_all(X509_STORE *store, STACK_OF(X509) * certs)
{
	/* The issuing CA may be all that we were given. */
	if (!X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN))
		return false;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (!X509_STORE_add_cert(store, sk_X509_value(certs, i)))
			return false;
	return true;
}

static enum cretula_err load_roots(const struct client_web *w,
				   struct client_identity *id,
				   struct cretula_error *err)
{
	STACK_OF(X509) *read = sk_X509_new_null();
	enum cretula_err e = CRETULA_ERR_NONE;
	bool chain = !w->root && sk_X509_num(id->chain) > 0;

	id->roots = X509_STORE_new();
	ENSURE(read && id->roots);
	if (!chain && !w->root && access(ROOT_FILE, R_OK))
		e = client_fail(err, ERR_INVALID,
				"there is no root certificate to know '%s' "
				"by: give it with --ca FILE (CRETULA_CA_ROOT)",
				w->authority);
	else if (!chain)
		e = roots_from_file(w->root ? w->root : ROOT_FILE, read, err);
	if (!e && !store_all(id->roots, chain ? id->chain : read))
		e = no_roots(w->root ? w->root : "our own", "no memory", err);
	sk_X509_pop_free(read, X509_free);
	return e;
}

static void mark(struct client_identity *id)
{
	struct tm tm = { .tm_sec = 0 };
	unsigned n = 0;

	ENSURE(X509_digest(id->cert, EVP_sha256(), id->mark, &n) == 1 &&
	       n == CLIENT_MARK);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(id->cert), &tm) == 1)
		id->not_after = timegm(&tm);
}

static bool names_admin(const struct cert_names *caps, const char *daemon)
{
	struct capability c;

	for (unsigned i = 0; i < caps->count; i++)
		if (capability_parse(caps->at[i], false, &c, NULL) == OK &&
		    span_is(c.verb, "admin") &&
		    (span_is(c.object, daemon) || span_is(c.object, "*")))
			return true;
	return false;
}

bool client_identity_admin(const struct client_identity *id, const char *daemon)
{
	unsigned char *der = NULL;
	int n = i2d_X509(id->cert, &der);
	struct cert_peek p;
	struct cert c;
	bool is = n > 0 && cert_peek(span_of(der, (size_t)n), &p) == OK &&
		  cert_parse_tbs(p.tbs, &c, NULL) == OK &&
		  names_admin(&c.caps, daemon);

	OPENSSL_free(der);
	return is;
}

enum cretula_err client_identity_load(const struct client_web *w, bool again,
				      struct client_identity *id,
				      struct cretula_error *err)
{
	enum cretula_err e;

	*id = (struct client_identity){ .chain = sk_X509_new_null() };
	ENSURE(id->chain);
	if (w->identity)
		e = from_file(w->identity, id, err);
	else if (w->agent)
		e = from_agent(w->agent, again, id, err);
	else if (w->is_agent)
		e = from_own(again, id, err);
	else
		e = nobody(w, err);
	if (e)
		return e;
	mark(id);
	return load_roots(w, id, err);
}
