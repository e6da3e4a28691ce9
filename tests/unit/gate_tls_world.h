/* A small CA and TLS clients, by GnuTLS, for tests of the gate. */
#ifndef TESTS_GATE_TLS_WORLD_H
#define TESTS_GATE_TLS_WORLD_H

#include "tests/unit/gate_world.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

struct test_ca {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t der;
	uint8_t serial;
};

struct tls_client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
};

static inline void good(int e)
{
	if (e < 0)
		fail_msg("GnuTLS: %s", gnutls_strerror(e));
}

static inline gnutls_x509_privkey_t test_key(void)
{
	gnutls_x509_privkey_t key;

	good(gnutls_x509_privkey_init(&key));
	good(gnutls_x509_privkey_generate(
		key, GNUTLS_PK_ECDSA,
		GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
	return key;
}

/* Everything but the key: lives from now for that many seconds. */
static inline void test_crt_fill(struct test_ca *ca, gnutls_x509_crt_t crt,
				 const char *cn, long seconds)
{
	uint8_t serial = ++ca->serial;

	good(gnutls_x509_crt_set_version(crt, 3));
	good(gnutls_x509_crt_set_serial(crt, &serial, 1));
	good(gnutls_x509_crt_set_activation_time(crt, time(NULL) - 60));
	good(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + seconds));
	if (cn)
		good(gnutls_x509_crt_set_dn_by_oid(
			crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
			(unsigned)strlen(cn)));
	good(gnutls_x509_crt_set_subject_alt_name(
		crt, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_SET));
}

static inline void test_ca_make(struct test_ca *ca)
{
	*ca = (struct test_ca){ .key = test_key() };
	good(gnutls_x509_crt_init(&ca->crt));
	test_crt_fill(ca, ca->crt, "a CA", 86400);
	good(gnutls_x509_crt_set_key(ca->crt, ca->key));
	good(gnutls_x509_crt_set_basic_constraints(ca->crt, 1, 0));
	good(gnutls_x509_crt_set_key_usage(ca->crt, GNUTLS_KEY_KEY_CERT_SIGN));
	good(gnutls_x509_crt_sign2(ca->crt, ca->crt, ca->key, GNUTLS_DIG_SHA256,
				   0));
	good(gnutls_x509_crt_export2(ca->crt, GNUTLS_X509_FMT_DER, &ca->der));
}

static inline void test_ca_wipe(struct test_ca *ca)
{
	gnutls_free(ca->der.data);
	gnutls_x509_crt_deinit(ca->crt);
	gnutls_x509_privkey_deinit(ca->key);
}

/* A certificate for the key of a request. */
static inline gnutls_datum_t test_ca_sign(struct test_ca *ca,
					  const struct attr *csr, long seconds)
{
	uint8_t *copy = xmemdup(csr->value, csr->len);
	gnutls_datum_t in = { copy, csr->len }, out;
	gnutls_x509_crq_t crq;
	gnutls_x509_crt_t crt;

	good(gnutls_x509_crq_init(&crq));
	good(gnutls_x509_crq_import(crq, &in, GNUTLS_X509_FMT_DER));
	good(gnutls_x509_crq_verify(crq, 0));
	good(gnutls_x509_crt_init(&crt));
	good(gnutls_x509_crt_set_crq(crt, crq));
	test_crt_fill(ca, crt, NULL, seconds);
	good(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256,
				   0));
	good(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &out));
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_crq_deinit(crq);
	free(copy);
	return out;
}

/* Answers the GI_TLS that has come or comes next. */
static inline void world_certify(struct world *w, struct test_ca *ca,
				 long seconds)
{
	struct msg m = world_get(w, GI_TLS);
	gnutls_datum_t der;
	struct attrs list;
	struct attr a;

	assert_int_equal(attr_only(m.attrs, "csr", &a), OK);
	der = test_ca_sign(ca, &a, seconds);
	attrs_init(&list);
	assert_int_equal(attrs_add(&list, "certificate", 0, der.data, der.size),
			 OK);
	world_put(w, GI_REPLY, m.id, &list);
	attrs_wipe(&list);
	gnutls_free(der.data);
}

static inline void world_chain(struct world *w, struct test_ca *ca)
{
	struct attrs a;

	attrs_init(&a);
	assert_int_equal(attrs_add(&a, "issuer", 0, ca->der.data, ca->der.size),
			 OK);
	assert_int_equal(attrs_add(&a, "root", 0, ca->der.data, ca->der.size),
			 OK);
	world_put(w, GI_CHAIN, 0, &a);
	attrs_wipe(&a);
}

/* A client with or without a certificate (der and key). Its handshake's result. */
static inline int tls_open(struct tls_client *c, struct world *w,
			   struct test_ca *ca, gnutls_x509_privkey_t key,
			   const gnutls_datum_t *der, const char *priority)
{
	gnutls_x509_crt_t crt;
	int e;

	c->fd = client_open(w->tls);
	good(gnutls_certificate_allocate_credentials(&c->cred));
	good(gnutls_certificate_set_x509_trust(c->cred, &ca->crt, 1));
	if (key) {
		good(gnutls_x509_crt_init(&crt));
		good(gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER));
		good(gnutls_certificate_set_x509_key(c->cred, &crt, 1, key));
		gnutls_x509_crt_deinit(crt);
	}
	good(gnutls_init(&c->session, GNUTLS_CLIENT));
	good(gnutls_priority_set_direct(c->session, priority, NULL));
	good(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE,
				    c->cred));
	gnutls_session_set_verify_cert(c->session, "localhost", 0);
	gnutls_transport_set_int(c->session, c->fd);
	do
		e = gnutls_handshake(c->session);
	while (e < 0 && !gnutls_error_is_fatal(e));
	return e;
}

static inline void tls_end(struct tls_client *c)
{
	gnutls_deinit(c->session);
	gnutls_certificate_free_credentials(c->cred);
	close(c->fd);
}

static inline void tls_send(struct tls_client *c, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t some = gnutls_record_send(c->session, text, n);

		good((int)some);
		text += some;
		n -= (size_t)some;
	}
}

static inline ssize_t tls_more(void *arg, void *p, size_t n)
{
	ssize_t got;

	do
		got = gnutls_record_recv(((struct tls_client *)arg)->session, p,
					 n);
	while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
	return got;
}

static inline void tls_answer(struct tls_client *c, struct answer *r)
{
	answer_read(r, false, tls_more, c);
}

static inline void tls_post(struct tls_client *c, const char *path,
			    const char *body)
{
	char text[8192];

	(void)snprintf(text, sizeof text,
		       "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
		       "application/json\r\nContent-Length: %zu\r\n\r\n%s",
		       path, strlen(body), body);
	tls_send(c, text);
}

static inline void tls_get(struct tls_client *c, const char *path)
{
	char text[512];

	(void)snprintf(text, sizeof text,
		       "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	tls_send(c, text);
}

#endif
