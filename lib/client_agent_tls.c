/* An agent's certificate in OpenSSL's SSL_CTX. Runs in agents; OpenSSL holds the private
 * key afterwards, in its own memory. The one file of the library that needs libssl. */
#include "lib/client_agent.h"

#include "lib/pem.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

/* All that goes in, made before anything does. */
struct tls {
	EVP_PKEY *key;
	X509 *cert;
	STACK_OF(X509) * chain;
	X509_STORE *store; /* NULL: peers are not verified by us */
	STACK_OF(X509_NAME) * names;
};

static void tls_wipe(struct tls *t)
{
	EVP_PKEY_free(t->key);
	X509_free(t->cert);
	sk_X509_pop_free(t->chain, X509_free);
	X509_STORE_free(t->store);
	sk_X509_NAME_pop_free(t->names, X509_NAME_free);
}

/* b holds checked DER: nothing here fails for another reason than memory. */
static X509 *cert_of(const struct buf *b)
{
	const unsigned char *p = b->p;

	return d2i_X509(NULL, &p, (long)b->len);
}

static EVP_PKEY *key_of(const struct agent_bundle *b)
{
	AUTO(buf_wipe) struct buf der = { 0 };
	const unsigned char *p;
	size_t used;

	buf_init_secret(&der, AGENT_BUNDLE_MAX);
	if (pem_get("PRIVATE KEY", (const char *)b->key.p, b->key.len, &der,
		    &used, NULL) != OK)
		return NULL;
	p = der.p;
	return d2i_AutoPrivateKey(NULL, &p, (long)der.len);
}

static bool read_chain(struct tls *t, const struct agent_bundle *b)
{
	t->chain = sk_X509_new_null();
	if (!t->chain)
		return false;
	for (size_t i = 1; i < b->certs; i++) {
		X509 *ca = cert_of(&b->der[i]);

		if (!ca)
			return false;
		if (!sk_X509_push(t->chain, ca)) {
			X509_free(ca);
			return false;
		}
	}
	return true;
}

/* Whom peers are verified by: these CAs, though none of them need be a root. */
static bool make_store(struct tls *t)
{
	t->store = X509_STORE_new();
	t->names = sk_X509_NAME_new_null();
	if (!t->store || !t->names ||
	    !X509_STORE_set_flags(t->store, X509_V_FLAG_PARTIAL_CHAIN))
		return false;
	for (int i = 0; i < sk_X509_num(t->chain); i++) {
		X509 *ca = sk_X509_value(t->chain, i);
		X509_NAME *n = X509_NAME_dup(X509_get_subject_name(ca));

		if (!n)
			return false;
		if (!sk_X509_NAME_push(t->names, n)) {
			X509_NAME_free(n);
			return false;
		}
		if (!X509_STORE_add_cert(t->store, ca))
			return false;
	}
	return true;
}

static bool read_all(struct tls *t, const struct cretula_agent *a)
{
	t->key = key_of(&a->bundle);
	t->cert = cert_of(&a->bundle.der[0]);
	if (!t->key || !t->cert || !read_chain(t, &a->bundle))
		return false;
	return !(a->flags & CRETULA_AGENT_VERIFY_PEERS) || make_store(t);
}

static bool put_all(struct tls *t, SSL_CTX *ctx)
{
	if (SSL_CTX_use_cert_and_key(ctx, t->cert, t->key, t->chain, 1) != 1)
		return false;
	if (!t->store)
		return true;
	if (SSL_CTX_set1_verify_cert_store(ctx, t->store) != 1)
		return false;
	SSL_CTX_set_client_CA_list(ctx, t->names); /* takes them */
	t->names = NULL;
	SSL_CTX_set_verify(ctx,
			   SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   SSL_CTX_get_verify_callback(ctx));
	return true;
}

enum cretula_err cretula_agent_use(struct cretula_agent *a, SSL_CTX *ctx,
				   struct cretula_error *err)
{
	struct tls t = { .key = NULL };
	enum cretula_err e = agent_own(a, err);
	const char *why;

	if (e)
		return e;
	if (!a->bundle.certs)
		return client_fail(err, ERR_NOT_FOUND,
				   "agent '%s' has claimed nothing yet",
				   cretula_agent_id(a));
	ERR_clear_error();
	if (!read_all(&t, a) || !put_all(&t, ctx)) {
		why = ERR_reason_error_string(ERR_peek_last_error());
		e = client_fail(err, ERR_INVALID,
				"OpenSSL does not take the certificate of "
				"agent '%s': %s",
				cretula_agent_id(a), why ? why : "no reason");
		ERR_clear_error();
	}
	tls_wipe(&t);
	return e;
}
