/* net: how it asks the CA: by TLS that ends in the one root, with the node's certificate.
 * Holds the node's private key, in OpenSSL's memory. */
#include "certmgr/net.h"

#include "lib/json_attrs.h"
#include "lib/pem.h"
#include "lib/pubkey.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static struct {
	struct web_place place;
	struct buf root; /* PEM */
	EVP_PKEY *key;   /* NULL: no certificate is shown */
	X509 *cert, *issuing;
} tls;

const struct web_place *net_place(void)
{
	return &tls.place;
}

static X509 *x509_of(struct span der)
{
	const unsigned char *p = der.p;

	return d2i_X509(NULL, &p, (long)der.n);
}

enum err web_identify(const struct span *key, struct span cert,
		      struct span issuing, struct fault *f)
{
	const unsigned char *p = key ? key->p : NULL;
	EVP_PKEY *k = key ? d2i_AutoPrivateKey(NULL, &p, (long)key->n) : NULL;
	X509 *c = key ? x509_of(cert) : NULL;
	X509 *i = key ? x509_of(issuing) : NULL;

	if (key && (!k || !c || !i || X509_check_private_key(c, k) != 1)) {
		EVP_PKEY_free(k);
		X509_free(c);
		X509_free(i);
		ERR_clear_error();
		return fault_set(f, ERR_INVALID,
				 "the node's certificate and key do not go "
				 "together");
	}
	EVP_PKEY_free(tls.key);
	X509_free(tls.cert);
	X509_free(tls.issuing);
	tls.key = k;
	tls.cert = c;
	tls.issuing = i;
	web_forget();
	return OK;
}

static bool on_context(void *ctx)
{
	SSL_CTX *c = ctx;

	if (SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1)
		return false;
	return !tls.key || (SSL_CTX_use_certificate(c, tls.cert) == 1 &&
			    SSL_CTX_use_PrivateKey(c, tls.key) == 1 &&
			    SSL_CTX_add1_chain_cert(c, tls.issuing) == 1);
}

bool net_show_certificate(void *ctx)
{
	return tls.key && on_context(ctx);
}

static struct span root_pem(void)
{
	return span_of(tls.root.p, tls.root.len);
}

/* A handshake that begins, and ends with an alert: OpenSSL has then made all that it
 * makes but once, and read its configuration. */
static void warm_handshake(void)
{
	static const char alert[] = "\x15\x03\x03\x00\x02\x02\x28";
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *s;

	ENSURE(c && in && out);
	s = SSL_new(c);
	ENSURE(s && BIO_write(in, alert, sizeof alert - 1) > 0);
	SSL_set_bio(s, in, out);
	ENSURE(SSL_connect(s) != 1);
	SSL_free(s);
	SSL_CTX_free(c);
	ERR_clear_error();
}

static void warm(void)
{
	warm_handshake();
	pubkey_warm();
	json_warm_up();
}

void net_point(const struct web_place *p, struct span root)
{
	tls.place = *p;
	buf_clear(&tls.root);
	ENSURE(pem_put("CERTIFICATE", root, &tls.root) == OK);
	web_root_changed();
}

void net_web_open(struct loop *l)
{
	static const struct web_tls how = { .root = root_pem,
					    .on_context = on_context,
					    .warm = warm };
	static const struct web_setup setup = {
		.agent = "certmgr",
		.scheme = "https,http", /* a metadata service */
		.header = { "Content-Type: application/json",
			    "Accept: application/json, "
			    "application/problem+json" },
		.body_max = NET_BODY_MAX,
		.ask_time = 10 * CLOCK_SECOND,
		.wait_time = 20 * CLOCK_SECOND,
		.tls = &how
	};

	buf_init(&tls.root, 2 * PEM_BODY_MAX);
	web_open(l, &setup);
}
