/* TLS of a client: the handshake, by which both sides are known, and bytes. The socket is
 * written to without SIGPIPE. Runs in clients; the private key is OpenSSL's until the
 * handshake is over. */
#include "lib/client_web.h"

#include "lib/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	ALERT_REASON = 1000, /* SSL_R_…: an alert of the server's behind it */
	NAMES_SHOWN = 4,
};

/* --- the socket under OpenSSL */

static int wire_done(BIO *b, ssize_t n, bool writes)
{
	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (writes)
			BIO_set_retry_write(b);
		else
			BIO_set_retry_read(b);
	}
	return (int)n;
}

static int wire_write(BIO *b, const char *p, int n)
{
	const struct client_web *w = BIO_get_data(b);

	return wire_done(b,
			 send(w->fd, p, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT),
			 true);
}

static int wire_read(BIO *b, char *p, int n)
{
	const struct client_web *w = BIO_get_data(b);

	return wire_done(b, recv(w->fd, p, (size_t)n, MSG_DONTWAIT), false);
}

static long wire_ctrl(BIO *b, int what, long n, void *p)
{
	(void)b;
	(void)n;
	(void)p;
	return what == BIO_CTRL_FLUSH;
}

static BIO *wire_new(struct client_web *w)
{
	BIO *b;

	if (!w->wire) {
		w->wire = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cretula");
		ENSURE(w->wire && BIO_meth_set_write(w->wire, wire_write) &&
		       BIO_meth_set_read(w->wire, wire_read) &&
		       BIO_meth_set_ctrl(w->wire, wire_ctrl));
	}
	b = BIO_new(w->wire);
	ENSURE(b != NULL);
	BIO_set_data(b, w);
	BIO_set_init(b, 1);
	return b;
}

/* --- what is wrong with the server's certificate */

static void name_text(const X509_NAME *name, char *out, size_t size)
{
	if (X509_NAME_get_text_by_NID(name, NID_commonName, out, (int)size) < 0)
		(void)X509_NAME_oneline(name, out, (int)size);
}

/* The first names it is for. */
static void names_text(X509 *x, char *out, size_t size)
{
	GENERAL_NAMES *all =
		X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	size_t at = 0;
	int shown = 0;

	out[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		int n;

		if (g->type != GEN_DNS || shown == NAMES_SHOWN)
			continue;
		n = snprintf(out + at, size - at, "%s'%.*s'", shown ? ", " : "",
			     ASN1_STRING_length(g->d.dNSName),
			     (const char *)ASN1_STRING_get0_data(g->d.dNSName));
		if (n < 0 || (size_t)n >= size - at) {
			out[at] = '\0';
			break;
		}
		at += (size_t)n;
		shown++;
	}
	GENERAL_NAMES_free(all);
	if (!at)
		(void)snprintf(out, size, "no DNS name");
}

/* Keeps the first doubt; never overrules OpenSSL. */
static int on_verify(int good, X509_STORE_CTX *s)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
		s, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct client_web *w = SSL_get_app_data(ssl);
	X509 *x = X509_STORE_CTX_get_current_cert(s);
	struct client_doubt *d = &w->doubt;

	if (good || d->code != X509_V_OK)
		return good;
	d->code = X509_STORE_CTX_get_error(s);
	if (!x)
		return good;
	name_text(X509_get_subject_name(x), d->subject, sizeof d->subject);
	name_text(X509_get_issuer_name(x), d->issuer, sizeof d->issuer);
	names_text(x, d->names, sizeof d->names);
	return good;
}

static enum cretula_err doubted(const struct cretula *c,
				struct cretula_error *err)
{
	const struct client_web *w = c->web;
	const struct client_doubt *d = &w->doubt;

	switch (d->code) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return client_fail(
			err, ERR_UNAUTHENTICATED,
			"the server at '%s' is not '%s': its "
			"certificate is for %s: connect by that name",
			w->authority, w->host, d->names);
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return client_fail(err, ERR_UNAUTHENTICATED,
				   "the certificate '%s' of the server at '%s' "
				   "is not valid at this time (%s): are the "
				   "clocks right?",
				   d->subject, w->authority,
				   X509_verify_cert_error_string(d->code));
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return client_fail(
			err, ERR_UNAUTHENTICATED,
			"the chain of the server at '%s' does not "
			"end in %s%s%s: '%s' is by '%s' (%s)",
			w->authority, w->root ? "the root '" : "our root",
			w->root ? w->root : "", w->root ? "'" : "", d->subject,
			d->issuer, X509_verify_cert_error_string(d->code));
	default:
		return client_fail(err, ERR_UNAUTHENTICATED,
				   "the certificate '%s' of the server at '%s' "
				   "is refused: %s",
				   d->subject, w->authority,
				   X509_verify_cert_error_string(d->code));
	}
}

/* --- what the server says about ours, and other ends */

static bool about_ours(int alert)
{
	return (alert >= SSL_AD_NO_CERTIFICATE &&
		alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
	       alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_ACCESS_DENIED ||
	       alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static enum cretula_err alerted(const struct cretula *c, int alert,
				struct cretula_error *err)
{
	const char *word = SSL_alert_desc_string_long(alert);
	char ours[CLIENT_WHY_MAX], why[CLIENT_WHY_MAX];

	c->web->refused = about_ours(alert);
	if (c->web->refused) {
		client_identity_name(c->web, ours);
		return client_fail(err,
				   alert == SSL_AD_CERTIFICATE_EXPIRED
					   ? ERR_EXPIRED
					   : ERR_UNAUTHENTICATED,
				   "the server at '%s' refuses our certificate "
				   "(%s): %s",
				   c->web->authority, ours, word);
	}
	(void)snprintf(why, sizeof why,
		       "it ends the TLS handshake (%s): it may have no "
		       "certificate yet",
		       word);
	return client_unreached(err, ERR_UNAVAILABLE, c, why);
}

/* Behind a call of OpenSSL that failed for good: what the reason is; OK: the connection
 * just ended. */
static enum cretula_err ended(const struct cretula *c,
			      struct cretula_error *err)
{
	unsigned long e = ERR_peek_last_error();
	int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;

	ERR_clear_error();
	if (c->web->doubt.code != X509_V_OK)
		return doubted(c, err);
	if (reason >= ALERT_REASON && reason < ALERT_REASON + 256)
		return alerted(c, reason - ALERT_REASON, err);
	return CRETULA_ERR_NONE;
}

static enum cretula_err shake_failed(const struct cretula *c,
				     struct cretula_error *err)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());
	enum cretula_err e = ended(c, err);
	char text[CLIENT_WHY_MAX];

	if (e)
		return e;
	(void)snprintf(text, sizeof text,
		       why ? "it does not speak TLS as we do (%s)"
			   : "the connection ended in the TLS handshake: it "
			     "may have no certificate yet ('cretula status' "
			     "there says why)%s",
		       why ? why : "");
	return client_unreached(err, ERR_UNAVAILABLE, c, text);
}

/* --- the handshake */

static void ctx_new(struct client_web *w)
{
	if (w->ctx)
		return;
	w->ctx = SSL_CTX_new(TLS_client_method());
	ENSURE(w->ctx &&
	       SSL_CTX_set_min_proto_version(w->ctx, TLS1_2_VERSION) == 1);
	SSL_CTX_set_read_ahead(w->ctx, 1); /* we read until nothing is left */
	SSL_CTX_set_session_cache_mode(w->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(w->ctx, SSL_OP_NO_RENEGOTIATION |
					    SSL_OP_NO_COMPRESSION |
					    SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(w->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* The name it has to have: an address, or a DNS name. */
static bool expect(SSL *ssl, char *host)
{
	struct in6_addr room;

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
				       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (inet_pton(AF_INET, host, &room) == 1 ||
	    inet_pton(AF_INET6, host, &room) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
						     host) == 1;
	return SSL_set1_host(ssl, host) == 1 &&
	       SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool prepare(struct client_web *w, const struct client_identity *id)
{
	BIO *b = wire_new(w);

	w->ssl = SSL_new(w->ctx);
	ENSURE(w->ssl != NULL);
	SSL_set_bio(w->ssl, b, b);
	(void)SSL_set_app_data(w->ssl, w);
	SSL_set_verify(w->ssl, SSL_VERIFY_PEER, on_verify);
	return SSL_use_cert_and_key(w->ssl, id->cert, id->key, id->chain, 1) ==
		       1 &&
	       SSL_set1_verify_cert_store(w->ssl, id->roots) == 1 &&
	       expect(w->ssl, w->host);
}

static short wanted(const SSL *ssl)
{
	return SSL_want_write(ssl) ? POLLOUT : POLLIN;
}

static enum cretula_err shake(struct cretula *c, uint64_t deadline,
			      struct cretula_error *err)
{
	struct client_web *w = c->web;

	for (;;) {
		struct pollfd p = { .fd = w->fd };
		int n, why;

		ERR_clear_error();
		n = SSL_connect(w->ssl);
		if (n == 1)
			return CRETULA_ERR_NONE;
		why = SSL_get_error(w->ssl, n);
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			return shake_failed(c, err);
		p.events = wanted(w->ssl);
		if (!poll(&p, 1, client_poll_ms(deadline)) &&
		    clock_boot() >= deadline)
			return client_unreached(err, ERR_TIMEOUT, c,
						"no TLS handshake in time");
	}
}

enum cretula_err client_tls_start(struct cretula *c, int fd,
				  const struct client_identity *id,
				  uint64_t deadline, struct cretula_error *err)
{
	struct client_web *w = c->web;
	char ours[CLIENT_WHY_MAX];
	enum cretula_err e;

	client_tls_end(w);
	ctx_new(w);
	w->fd = fd;
	w->doubt = (struct client_doubt){ .code = X509_V_OK };
	w->refused = false;
	ERR_clear_error();
	if (prepare(w, id)) {
		e = shake(c, deadline, err);
	} else {
		const char *why =
			ERR_reason_error_string(ERR_peek_last_error());

		client_identity_name(w, ours);
		e = client_fail(err, ERR_INVALID,
				"OpenSSL does not take the certificate of %s: "
				"%s",
				ours, why ? why : "no reason");
		ERR_clear_error();
	}
	if (e) {
		client_tls_end(w);
		return e;
	}
	SSL_certs_clear(w->ssl); /* the key is not needed any more */
	return CRETULA_ERR_NONE;
}

void client_tls_end(struct client_web *w)
{
	SSL_free(w->ssl);
	w->ssl = NULL;
}

/* --- bytes */

static ssize_t io_done(struct cretula *c, int good, size_t n,
		       struct cretula_error *err)
{
	int why;

	if (good == 1)
		return (ssize_t)n;
	why = SSL_get_error(c->web->ssl, good);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		c->web->wants_write = why == SSL_ERROR_WANT_WRITE;
		return 0;
	}
	(void)ended(c, err);
	return -1;
}

ssize_t client_tls_read(struct cretula *c, void *p, size_t n,
			struct cretula_error *err)
{
	size_t got = 0;
	int good;

	c->web->wants_write = false;
	ERR_clear_error();
	good = SSL_read_ex(c->web->ssl, p, n, &got);
	return io_done(c, good, got, err);
}

ssize_t client_tls_write(struct cretula *c, const void *p, size_t n,
			 struct cretula_error *err)
{
	size_t put = 0;
	int good;

	ERR_clear_error();
	good = SSL_write_ex(c->web->ssl, p, n, &put);
	return io_done(c, good, put, err);
}
