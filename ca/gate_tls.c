/* gate: its own key and certificate. The key is made here and never leaves; the
 * issuer certifies it. It says who this gate is and opens nothing else.
 *	gate -> issuer	GI_TLS csr		issuer -> gate	GI_REPLY certificate
 * A new key and certificate at two thirds of a life: handshakes from then on use it,
 * connections that are there stay. A client's chain is only carried: who is not able
 * to sign with its key does not get through the handshake; the rest the issuer judges. */
#include "ca/gate.h"

#include "ca/kinds.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#define TLS_PRIORITY                                                           \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:"     \
	"-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"            \
	"-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

enum {
	CHAIN_SENT = 2,  /* leaf, issuing CA */
	CHAIN_CERTS = 8, /* of a client */
	CHAIN_BYTES = 64 << 10,
	CSR_ROOM = 4 << 10,
	KEPT = 4,          /* certificates that handshakes may still use */
	RETRY_FIRST_S = 1, /* doubled each time */
	RETRY_LAST_S = 60,
};

struct own {
	gnutls_privkey_t key;
	gnutls_pcert_st chain[CHAIN_SENT];
	unsigned count;
	int64_t until;
};

static struct {
	struct own *at[KEPT];  /* [0]: in use; then older and older */
	gnutls_privkey_t next; /* its certificate is being made */
	uint8_t csr[CSR_ROOM]; /* of next */
	size_t csr_len;
	uint64_t asked; /* GI_TLS in flight; 0: none */
	bool chained;   /* a chain has been seen */
	unsigned retry_s;
	struct loop_timer timer;
} tls;

static void own_free(struct own *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->count; i++)
		gnutls_pcert_deinit(&o->chain[i]);
	gnutls_privkey_deinit(o->key);
	free(o);
}

/* A fresh key, and the request for it; its names are the issuer's to know. */

static int request_fill(gnutls_x509_crq_t crq, gnutls_pubkey_t pub)
{
	size_t room = sizeof tls.csr;
	int e = gnutls_pubkey_import_privkey(pub, tls.next, 0, 0);

	if (e >= 0)
		e = gnutls_x509_crq_set_pubkey(crq, pub);
	if (e >= 0)
		e = gnutls_x509_crq_set_version(crq, 1);
	if (e >= 0)
		e = gnutls_x509_crq_set_dn_by_oid(
			crq, GNUTLS_OID_X520_COMMON_NAME, 0, "gate", 4);
	if (e >= 0)
		e = gnutls_x509_crq_privkey_sign(crq, tls.next,
						 GNUTLS_DIG_SHA256, 0);
	if (e >= 0)
		e = gnutls_x509_crq_export(crq, GNUTLS_X509_FMT_DER, tls.csr,
					   &room);
	if (e >= 0)
		tls.csr_len = room;
	return e;
}

static int request_make(void)
{
	gnutls_x509_crq_t crq = NULL;
	gnutls_pubkey_t pub = NULL;
	int e = gnutls_x509_crq_init(&crq);

	if (e >= 0)
		e = gnutls_pubkey_init(&pub);
	if (e >= 0)
		e = request_fill(crq, pub);
	if (pub)
		gnutls_pubkey_deinit(pub);
	if (crq)
		gnutls_x509_crq_deinit(crq);
	return e;
}

static void next_drop(void)
{
	if (tls.next)
		gnutls_privkey_deinit(tls.next);
	tls.next = NULL;
	tls.csr_len = 0;
}

static enum err next_make(struct fault *f)
{
	int e = gnutls_privkey_init(&tls.next);

	if (e >= 0)
		e = gnutls_privkey_generate(
			tls.next, GNUTLS_PK_ECDSA,
			GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (e >= 0)
		e = request_make();
	if (e >= 0)
		return OK;
	next_drop();
	return fault_set(f, ERR_INTERNAL,
			 "cannot make a key for the gate's certificate: %s",
			 gnutls_strerror(e));
}

/* Asking */

static void arm(uint64_t seconds)
{
	loop_arm(gate.loop, &tls.timer,
		 loop_now(gate.loop) + seconds * CLOCK_SECOND);
}

static void ask_later(void)
{
	arm(tls.retry_s);
	tls.retry_s = MIN(2 * tls.retry_s, (unsigned)RETRY_LAST_S);
}

static void ask(void)
{
	struct attrs a;
	struct fault f;

	if (!gate.up || !gate.issuer_der || tls.asked)
		return;
	if (!tls.next && next_make(&f) != OK) {
		log_text(LOG_ERR, "tls", "%s", f.text);
		ask_later();
		return;
	}
	attrs_init(&a);
	tls.asked = ++gate.next_id;
	ENSURE(attrs_add(&a, "csr", 0, tls.csr, tls.csr_len) == OK);
	chan_tell(&gate.issuer, GI_TLS, tls.asked, attrs_view(&a));
	attrs_wipe(&a);
	arm(GATE_CALL_S);
}

static void due(struct loop_timer *t)
{
	(void)t;
	tls.asked = 0; /* what has not come by now does not come */
	ask();
}

/* The certificate */

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

/* When it ends; 0 if it is not a certificate for the key that waits. */
static int64_t end_of(const gnutls_datum_t *der)
{
	gnutls_x509_crt_t crt = NULL;
	time_t end = 0;

	if (gnutls_x509_crt_init(&crt) < 0)
		return 0;
	if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) >= 0 &&
	    is_for(crt, tls.next))
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

static void install(struct own *o)
{
	int64_t life = o->until - clock_wall();

	own_free(tls.at[KEPT - 1]);
	memmove(&tls.at[1], &tls.at[0], (KEPT - 1) * sizeof tls.at[0]);
	tls.at[0] = o;
	tls.retry_s = RETRY_FIRST_S;
	arm((uint64_t)MAX(life * 2 / 3, 1));
	log_text(LOG_INFO, "tls", "the gate has a certificate for %lld s",
		 (long long)life);
}

static bool take(const struct attr *cert)
{
	struct attr copy = *cert;
	uint8_t *der = xmemdup(copy.value, copy.len);
	gnutls_datum_t leaf = { der, copy.len };
	gnutls_datum_t issuing = { gate.issuer_der, (unsigned)gate.issuer_len };
	struct own *o = xcalloc(1, sizeof *o);

	o->until = end_of(&leaf);
	if (o->until <= clock_wall() || !chain_add(o, &leaf) ||
	    !chain_add(o, &issuing)) {
		free(der);
		own_free(o); /* without a key */
		return false;
	}
	free(der);
	o->key = tls.next;
	tls.next = NULL;
	tls.csr_len = 0;
	install(o);
	return true;
}

bool gate_tls_reply(const struct msg *m)
{
	struct attr a, text;

	if (!tls.asked || m->id != tls.asked)
		return false;
	tls.asked = 0;
	if (!attr_find(m->attrs, "error", &a) &&
	    attr_only(m->attrs, "certificate", &a) == OK && take(&a))
		return true;
	if (!attr_find(m->attrs, "text", &text))
		text = (struct attr){ .value = (const uint8_t *)"unusable",
				      .len = 8 };
	log_text(LOG_WARN, "tls", "no certificate for the gate: %.*s",
		 (int)MIN(text.len, 256u), (const char *)text.value);
	ask_later();
	return true;
}

/* Events */

void gate_tls_issuer(void)
{
	if (!tls.at[0])
		ask();
}

/* The chain sent is part of the certificate: another CA, another certificate. */
void gate_tls_chain(void)
{
	const gnutls_datum_t *sent =
		tls.at[0] ? &tls.at[0]->chain[1].cert : NULL;

	if (sent && sent->size == gate.issuer_len &&
	    !memcmp(sent->data, gate.issuer_der, sent->size))
		return;
	ask();
}

void gate_tls_lost(void)
{
	if (!tls.asked)
		return;
	tls.asked = 0;
	ask_later();
}

int64_t gate_tls_until(void)
{
	return tls.at[0] ? tls.at[0]->until : 0;
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
	if (!tls.at[0])
		return -1;
	*chain = tls.at[0]->chain;
	*length = tls.at[0]->count;
	*key = tls.at[0]->key;
	return 0;
}

static gnutls_session_t session_of(struct MHD_Connection *mc)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(mc, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	ENSURE(i != NULL);
	return i->tls_session;
}

void gate_tls_begin(struct gate_conn *c)
{
	gnutls_session_t session = session_of(c->mhd);

	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	gate_shake_begin(c, session);
}

enum err gate_tls_peer(struct MHD_Connection *mc, struct attrs *a,
		       struct fault *f)
{
	unsigned n = 0;
	size_t bytes = 0;
	const gnutls_datum_t *chain =
		gnutls_certificate_get_peers(session_of(mc), &n);

	if (!chain || !n)
		return fault_set(f, ERR_UNAUTHENTICATED,
				 "this needs a client certificate of this CA: "
				 "connect with one");
	for (unsigned i = 0; i < n; i++)
		bytes += chain[i].size;
	if (n > CHAIN_CERTS || bytes > CHAIN_BYTES)
		return fault_set(f, ERR_TOO_LARGE,
				 "the client's chain has more than %d "
				 "certificates or %d bytes",
				 CHAIN_CERTS, CHAIN_BYTES);
	for (unsigned i = 0; i < n; i++)
		TRY(attrs_add(a, "cert", 0, chain[i].data, chain[i].size));
	return OK;
}

struct MHD_Daemon *gate_tls_daemon(int fd, unsigned limit)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TLS, 0, NULL,
		NULL, gate_http_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, limit + GATE_CONNS_SLACK,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)GATE_CONN_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)GATE_IDLE_S,
		MHD_OPTION_NOTIFY_CONNECTION, gate_conn_notify, &gate.tls,
		MHD_OPTION_NOTIFY_COMPLETED, gate_http_completed, NULL,
		MHD_OPTION_UNESCAPE_CALLBACK, mhd_raw_target, NULL,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITY,
		MHD_OPTION_HTTPS_CERT_CALLBACK, retrieve, MHD_OPTION_END);
}

/* Also what makes GnuTLS read and fetch all it ever will, before confinement. */
enum err gate_tls_open(struct fault *f)
{
	memset(&tls, 0, sizeof tls);
	tls.retry_s = RETRY_FIRST_S;
	tls.timer.on = due;
	return next_make(f);
}

void gate_tls_close(void)
{
	loop_disarm(&tls.timer);
	next_drop();
	for (size_t i = 0; i < KEPT; i++)
		own_free(tls.at[i]);
	memset(&tls.at, 0, sizeof tls.at);
}
