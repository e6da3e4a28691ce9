/* gate: the TLS port: keys and certificates that handshakes use, and what clients show.
 * Holds the gate's own keys. A client's chain is only carried: who is not able to sign
 * with its key does not get through the handshake; the rest others judge. */
#include "lib/gate_part.h"

#include "lib/clock.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#define TLS_PRIORITY                                                                  \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:" \
	"-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"                   \
	"-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

enum {
	KEPT = 4 /* certificates that handshakes may still use */
};

struct own {
	gnutls_privkey_t key;
	gnutls_pcert_st chain[GATE_OWN_CERTS];
	unsigned count;
	int64_t until;
};

static struct own *owns[KEPT]; /* [0]: in use; then older and older */

static void own_free(struct own *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->count; i++)
		gnutls_pcert_deinit(&o->chain[i]);
	if (o->key)
		gnutls_privkey_deinit(o->key);
	free(o);
}

/* A certificate of ours */

static bool is_for(gnutls_x509_crt_t crt, gnutls_privkey_t key)
{
	uint8_t a[64], b[64];
	size_t n = sizeof a, m = sizeof b;
	gnutls_pubkey_t pub = NULL;
	bool same = gnutls_pubkey_init(&pub) >= 0 &&
		    gnutls_pubkey_import_privkey(pub, key, 0, 0) >= 0 &&
		    gnutls_pubkey_get_key_id(pub, GNUTLS_KEYID_USE_SHA256, a,
					     &n) >= 0 &&
		    gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, b,
					       &m) >= 0 &&
		    n == m && !memcmp(a, b, n);

	if (pub)
		gnutls_pubkey_deinit(pub);
	return same;
}

/* When it ends; 0 if it is not a certificate for that key. */
static int64_t end_of(const gnutls_datum_t *der, gnutls_privkey_t key)
{
	gnutls_x509_crt_t crt = NULL;
	time_t end = 0;

	if (gnutls_x509_crt_init(&crt) < 0)
		return 0;
	if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) >= 0 &&
	    is_for(crt, key))
		end = gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	return MAX((int64_t)end, 0);
}

static bool chain_add(struct own *o, const gnutls_datum_t *der)
{
	if (gnutls_pcert_import_x509_raw(&o->chain[o->count], der,
					 GNUTLS_X509_FMT_DER, 0) < 0)
		return false;
	o->count++;
	return true;
}

enum err gate_tls_use(gnutls_privkey_t key, const gnutls_datum_t *chain,
		      unsigned n)
{
	struct own *o;
	bool good;

	if (!n || n > GATE_OWN_CERTS)
		return ERR_INVALID;
	o = xcalloc(1, sizeof *o);
	o->until = end_of(&chain[0], key);
	good = o->until > clock_wall();
	for (unsigned i = 0; good && i < n; i++)
		good = chain_add(o, &chain[i]);
	if (!good) {
		own_free(o);
		return ERR_INVALID;
	}
	o->key = key;
	own_free(owns[KEPT - 1]);
	memmove(&owns[1], &owns[0], (KEPT - 1) * sizeof owns[0]);
	owns[0] = o;
	return OK;
}

int64_t gate_tls_until(void)
{
	return owns[0] ? owns[0]->until : 0;
}

const gnutls_datum_t *gate_tls_own(unsigned i)
{
	return owns[0] && i < owns[0]->count ? &owns[0]->chain[i].cert : NULL;
}

void gate_tls_close(void)
{
	for (size_t i = 0; i < KEPT; i++)
		own_free(owns[i]);
	memset(&owns, 0, sizeof owns);
}

/* Connections */

static int retrieve(gnutls_session_t session, const gnutls_datum_t *ca_dn,
		    int cas, const gnutls_pk_algorithm_t *algos, int count,
		    gnutls_pcert_st **chain, unsigned *length,
		    gnutls_privkey_t *key)
{
	(void)session;
	(void)ca_dn;
	(void)cas;
	(void)algos;
	(void)count;
	if (!owns[0])
		return -1;
	*chain = owns[0]->chain;
	*length = owns[0]->count;
	*key = owns[0]->key;
	return 0;
}

static gnutls_session_t session_of(const struct gate_conn *c)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(
		c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	ENSURE(i != NULL);
	return i->tls_session;
}

void gate_tls_begin(struct gate_conn *c)
{
	gnutls_session_t session = session_of(c);

	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	gate_shake_begin(c, session);
}

enum err gate_tls_peer(struct gate_conn *c, struct attrs *a, struct fault *f)
{
	unsigned n = 0;
	size_t bytes = 0;
	const gnutls_datum_t *chain =
		gnutls_certificate_get_peers(session_of(c), &n);

	if (!chain || !n)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "this needs a client certificate of this CA: "
				 "connect with one");
	for (unsigned i = 0; i < n; i++)
		bytes += chain[i].size;
	if (n > GATE_CERTS || bytes > GATE_CHAIN_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the client's chain has more than %d "
				 "certificates or %d bytes",
				 GATE_CERTS, GATE_CHAIN_MAX);
	for (unsigned i = 0; i < n; i++)
		TRY(attrs_add(a, "cert", 0, chain[i].data, chain[i].size));
	return OK;
}

struct MHD_Daemon *gate_tls_daemon(int fd, struct MHD_OptionItem *common)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TLS, 0, NULL,
		NULL, gate_http_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_ARRAY, common, MHD_OPTION_HTTPS_PRIORITIES,
		TLS_PRIORITY, MHD_OPTION_HTTPS_CERT_CALLBACK, retrieve,
		MHD_OPTION_END);
}
