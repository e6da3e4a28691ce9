/* Prober: the TLS 1.3 handshake (ca/prober.h). Bytes of strangers are parsed here, by
 * OpenSSL: whoever has the key of the certificate he shows has signed this handshake
 * with it. No chain is built and no name compared: who he is was settled before, only
 * whether he has that key was not. Holds nothing. */
#include "ca/prober.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

struct handshake {
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	uint8_t *spki;
	size_t spki_len;
	size_t taken;
	enum handshake_state state;
	struct fault why;
};

static const unsigned char alpn[] = "\x0e" PROBE_ALPN;

_Static_assert(sizeof alpn == 1 + 14 + 1, "the length is the name's");

/* Instead of building a chain: what is asked is asked in judge(). */
static int any_chain(X509_STORE_CTX *x, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(x, X509_V_OK);
	return 1;
}

static SSL_CTX *context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	ENSURE(c);
	ENSURE(SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) &&
	       SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION));
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_cert_verify_callback(c, any_chain, NULL);
	/* 0 is success */
	ENSURE(!SSL_CTX_set_alpn_protos(c, alpn, sizeof alpn - 1));
	return c;
}

/* SNI is for names only (RFC 6066, 3). */
static bool is_name(const char *host)
{
	uint8_t a[16];

	return inet_pton(AF_INET, host, a) != 1 &&
	       inet_pton(AF_INET6, host, a) != 1;
}

static enum handshake_state end(struct handshake *h, enum handshake_state state,
				const char *what, const char *why)
{
	h->state = state;
	(void)!fault_set(&h->why, ERR_DENIED, "%s%s%s", what, why ? ": " : "",
			 why ? why : "");
	return state;
}

static bool is_key(const struct handshake *h)
{
	const X509 *leaf = SSL_get0_peer_certificate(h->ssl);
	uint8_t *spki = NULL;
	int n = leaf ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &spki) : -1;
	bool same = n > 0 && (size_t)n == h->spki_len &&
		    !memcmp(spki, h->spki, h->spki_len);

	OPENSSL_free(spki);
	return same;
}

/* The handshake is done. */
static enum handshake_state judge(struct handshake *h)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(h->ssl, &name, &len);
	if (SSL_version(h->ssl) != TLS1_3_VERSION || SSL_session_reused(h->ssl))
		return end(h, HANDSHAKE_FAILED, "it does not speak TLS 1.3",
			   NULL);
	if (len != sizeof alpn - 2 || memcmp(name, alpn + 1, len) != 0)
		return end(h, HANDSHAKE_FAILED,
			   "it does not choose the protocol '" PROBE_ALPN
			   "' (ALPN)",
			   NULL);
	if (!is_key(h))
		return end(h, HANDSHAKE_FAILED,
			   "its certificate is of another key", NULL);
	(void)SSL_shutdown(h->ssl); /* says goodbye */
	return end(h, HANDSHAKE_PROVEN, "it has the key", NULL);
}

static enum handshake_state go_on(struct handshake *h)
{
	int r, e;

	ERR_clear_error();
	r = SSL_do_handshake(h->ssl);
	if (r == 1)
		return judge(h);
	e = SSL_get_error(h->ssl, r);
	if (e == SSL_ERROR_WANT_READ)
		return HANDSHAKE_GOES_ON;
	return end(h, HANDSHAKE_FAILED, "no TLS 1.3 handshake",
		   ERR_reason_error_string(ERR_peek_error()));
}

struct handshake *handshake_new(const void *spki, size_t spki_len,
				const char *host)
{
	struct handshake *h = xcalloc(1, sizeof *h);
	SSL_CTX *c = context();
	char name[PROBE_HOST]; /* OpenSSL wants it writable */

	ENSURE(spki_len <= PROBE_SPKI_MAX && strlen(host) < sizeof name);
	h->spki = xmemdup(spki, spki_len);
	h->spki_len = spki_len;
	h->ssl = SSL_new(c);
	SSL_CTX_free(c);
	h->in = BIO_new(BIO_s_mem());
	h->out = BIO_new(BIO_s_mem());
	ENSURE(h->ssl && h->in && h->out);
	SSL_set_bio(h->ssl, h->in, h->out);
	memcpy(name, host, strlen(host) + 1);
	if (is_name(host))
		ENSURE(SSL_set_tlsext_host_name(h->ssl, name));
	SSL_set_connect_state(h->ssl);
	(void)go_on(h);
	return h;
}

void handshake_free(struct handshake *h)
{
	if (!h)
		return;
	SSL_free(h->ssl);
	free(h->spki);
	free(h);
}

static enum handshake_state take(struct handshake *h, const void *bytes,
				 size_t n)
{
	if (!n)
		return end(h, HANDSHAKE_FAILED,
			   "it closed the connection before the handshake was "
			   "done",
			   NULL);
	if (n > PROBE_BYTES_MAX - h->taken)
		return end(h, HANDSHAKE_FAILED,
			   "it sends more than a handshake takes", NULL);
	h->taken += n;
	ENSURE(BIO_write(h->in, bytes, (int)n) == (int)n);
	return go_on(h);
}

enum handshake_state handshake_take(struct handshake *h, const void *bytes,
				    size_t n, struct fault *why)
{
	if (h->state == HANDSHAKE_GOES_ON)
		h->state = take(h, bytes, n);
	if (h->state != HANDSHAKE_GOES_ON)
		*why = h->why;
	return h->state;
}

enum err handshake_give(struct handshake *h, struct buf *out)
{
	uint8_t b[4096];
	int n;

	while ((n = BIO_read(h->out, b, sizeof b)) > 0)
		TRY(buf_put(out, b, (size_t)n));
	return OK;
}

/* A greeting is made and parsed: that takes configuration, providers, random bytes,
 * ciphers and key exchange. */
void handshake_warm(void)
{
	struct handshake *h = handshake_new("", 0, "warm.invalid");
	struct fault why;

	/* an alert, so that the words for errors are loaded */
	ENSURE(handshake_take(h, "\x15\x03\x03\x00\x02\x02\x28", 7, &why) ==
	       HANDSHAKE_FAILED);
	handshake_free(h);
}
