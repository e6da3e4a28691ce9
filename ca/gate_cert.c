/* gate: its own key and certificate. The key is made here and never leaves; the
 * issuer certifies it. It says who this gate is and opens nothing else.
 *	gate -> issuer	GI_TLS csr		issuer -> gate	GI_REPLY certificate
 * A new key and certificate at two thirds of a life: handshakes from then on use it,
 * connections that are there stay. */
#include "ca/gate.h"

#include "ca/kinds.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

enum {
	CSR_ROOM = 4 << 10,
	RETRY_FIRST_S = 1, /* doubled each time */
	RETRY_LAST_S = 60,
};

static struct {
	gnutls_privkey_t next; /* its certificate is being made */
	uint8_t csr[CSR_ROOM]; /* of next */
	size_t csr_len;
	uint64_t asked; /* GI_TLS in flight; 0: none */
	bool chained;   /* a chain has been seen */
	unsigned retry_s;
	struct loop_timer timer;
} tls;

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

	if (!ca_gate.up || !ca_gate.issuer_der || tls.asked)
		return;
	if (!tls.next && next_make(&f) != OK) {
		log_text(LOG_ERR, "tls", "%s", f.text);
		ask_later();
		return;
	}
	attrs_init(&a);
	tls.asked = ++gate.next_id;
	ENSURE(attrs_add(&a, "csr", 0, tls.csr, tls.csr_len) == OK);
	chan_tell(&ca_gate.issuer, GI_TLS, tls.asked, attrs_view(&a));
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

static void installed(void)
{
	int64_t life = gate_tls_until() - clock_wall();

	tls.next = NULL;
	tls.csr_len = 0;
	tls.retry_s = RETRY_FIRST_S;
	arm((uint64_t)MAX(life * 2 / 3, 1));
	log_text(LOG_INFO, "tls", "the gate has a certificate for %lld s",
		 (long long)life);
}

static bool take(const struct attr *cert)
{
	uint8_t *der = xmemdup(cert->value, cert->len);
	const gnutls_datum_t chain[] = {
		{ der, cert->len },
		{ ca_gate.issuer_der, (unsigned)ca_gate.issuer_len },
	};
	enum err e = gate_tls_use(tls.next, chain, NELEM(chain));

	free(der);
	if (e != OK)
		return false;
	installed();
	return true;
}

bool gate_cert_reply(const struct msg *m)
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

void gate_cert_issuer(void)
{
	if (!gate_tls_own(0))
		ask();
}

/* The chain sent is part of the certificate: another CA, another certificate. */
void gate_cert_chain(void)
{
	const gnutls_datum_t *sent = gate_tls_own(1);

	if (sent && sent->size == ca_gate.issuer_len &&
	    !memcmp(sent->data, ca_gate.issuer_der, sent->size))
		return;
	ask();
}

void gate_cert_lost(void)
{
	if (!tls.asked)
		return;
	tls.asked = 0;
	ask_later();
}

/* Also what makes GnuTLS read and fetch all it ever will, before confinement. */
enum err gate_cert_open(struct fault *f)
{
	memset(&tls, 0, sizeof tls);
	tls.retry_s = RETRY_FIRST_S;
	tls.timer.on = due;
	return next_make(f);
}

void gate_cert_close(void)
{
	loop_disarm(&tls.timer);
	next_drop();
}
