/* gate of remote clients: its own key and certificate. To certmgr it is an agent like any
 * other: named by its pidfd, with a token; a new key and certificate at two thirds of a
 * life. Handshakes from then on use it, connections that are there stay. Holds the key, in
 * secret memory while it comes, then in GnuTLS's, which is this process's alone (not
 * dumped, shown to nobody) and wiped when it is not used any more.
 *	gate -> supervisor	SUP_CERTMGR	supervisor -> gate	SUP_CERTMGR [+ folder]
 *	gate <-> certmgr	lib/agent_ask.h		gate -> core	FC_OWN */
#include "lib/api.h"

#include "lib/agent_ask.h"
#include "lib/child.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/pem.h"
#include "lib/secret.h"

#include <gnutls/abstract.h>
#include <stdio.h>
#include <string.h>

enum {
	SUPERVISOR_S = 10,    /* for what the supervisor says */
	LOOK_S = 60,          /* the wall clock may be set: it is looked at */
	RETRY_FIRST_MS = 250, /* doubled each time … */
	RETRY_NONE_MS = 2000, /* … to this while there is no certificate */
	RETRY_MAX_MS = 300000,
	DOUBLINGS = 16,
};

static struct {
	struct agent_ask ask;
	bool where; /* the supervisor was asked for certmgr's folder */
	struct loop_timer timer;
	int64_t renew_at; /* wall clock; 0: there is none yet */
	unsigned failures;
	char serial[AGENT_SERIAL_TEXT + 1];
	bool told;                   /* the core knows that there is none */
	char why[FAULT_TEXT_MAX];    /* what the last failure said */
	char node[API_NODE_MAX + 1]; /* this machine's name */
} own;

static void arm_ms(uint64_t ms)
{
	loop_arm(gate.loop, &own.timer, loop_now(gate.loop) + ms * CLOCK_MS);
}

/* Longer each time, a fourth of it at random, and soon enough for what is left. */
static void arm_retry(uint64_t at_least_s)
{
	int64_t left = gate_tls_until() - clock_wall();
	uint64_t max = left > 0 ? RETRY_MAX_MS : RETRY_NONE_MS, wait, r;
	unsigned n = MIN(own.failures, (unsigned)DOUBLINGS);

	wait = MIN((uint64_t)RETRY_FIRST_MS << n, max);
	if (left > 0)
		wait = MAX(MIN(wait, (uint64_t)left * 1000 / 4), 1000u);
	wait = MAX(wait, MIN(at_least_s * 1000, max));
	random_fill(&r, sizeof r);
	arm_ms(wait - wait / 8 + r % (wait / 4 + 1));
}

/* FC_OWN: that there is none, and when there is one again. */
static void tell(void)
{
	bool none = own.why[0] && gate_tls_until() <= clock_wall();
	struct attrs a;

	if (!api.up || (!none && !own.told))
		return;
	attrs_init(&a);
	if (none)
		ENSURE(attrs_add_str(&a, "text", own.why) == OK);
	chan_tell(&api.core, FC_OWN, 0, attrs_view(&a));
	attrs_wipe(&a);
	own.told = none;
}

void api_own_core(void)
{
	own.told = false;
	tell();
}

static void failed(const struct fault *f, uint64_t retry_after)
{
	own.failures++;
	if (strcmp(own.why, f->text))
		log_text(LOG_WARN, "own_certificate",
			 "no certificate for this gate: %s", f->text);
	(void)snprintf(own.why, sizeof own.why, "%s", f->text);
	tell();
	arm_retry(retry_after);
}

static void ask_failed(struct agent_ask *a, const struct fault *f,
		       uint64_t retry_after)
{
	(void)a;
	failed(f, retry_after);
}

/* It comes */

static enum err key_of(const struct agent_bundle *b, gnutls_privkey_t *key)
{
	AUTO(buf_wipe) struct buf der = { 0 };
	gnutls_datum_t d;
	size_t used;

	buf_init_secret(&der, AGENT_BUNDLE_MAX);
	TRY(pem_get("PRIVATE KEY", (const char *)b->key.p, b->key.len, &der,
		    &used, NULL));
	d = (gnutls_datum_t){ der.p, (unsigned)der.len };
	if (gnutls_privkey_init(key) < 0)
		return ERR_INTERNAL;
	if (gnutls_privkey_import_x509_raw(*key, &d, GNUTLS_X509_FMT_DER, NULL,
					   0) >= 0)
		return OK;
	gnutls_privkey_deinit(*key);
	return ERR_INVALID;
}

static enum err use(const struct agent_bundle *b)
{
	gnutls_datum_t chain[1 + AGENT_CHAIN_MAX];
	gnutls_privkey_t key;
	enum err e;

	TRY(key_of(b, &key));
	for (size_t i = 0; i < b->certs; i++)
		chain[i] = (gnutls_datum_t){ b->der[i].p,
					     (unsigned)b->der[i].len };
	e = gate_tls_use(key, chain, (unsigned)b->certs);
	if (e != OK)
		gnutls_privkey_deinit(key);
	return e;
}

static void look_at(const struct agent_bundle *b)
{
	own.failures = 0;
	own.why[0] = 0;
	own.renew_at = agent_bundle_renew_at(b);
	(void)snprintf(own.serial, sizeof own.serial, "%s", b->serial);
	log_text(LOG_INFO, "own_certificate",
		 "agent %s has certificate %s for %lld s", own.ask.agent,
		 b->serial, (long long)(b->not_after - clock_wall()));
	tell();
	arm_ms(1000);
}

static void came(struct agent_ask *a, const struct agent_bundle *b)
{
	struct fault f;

	(void)a;
	if (!strcmp(b->serial, own.serial)) {
		(void)fault_set(&f, ERR_UNAVAILABLE,
				"certmgr has no newer one yet");
		failed(&f, 0);
	} else if (use(b) != OK) {
		(void)fault_set(&f, ERR_INVALID,
				"what certmgr gives is over, or GnuTLS does "
				"not take it");
		failed(&f, 0);
	} else {
		look_at(b);
		api_remote_own();
	}
}

/* When */

static void due(struct loop_timer *t)
{
	int64_t left = own.renew_at - clock_wall();
	struct fault f;

	(void)t;
	if (own.renew_at && left > 0) {
		arm_ms(MIN((uint64_t)left, (uint64_t)LOOK_S) * 1000);
		return;
	}
	if (own.where) {
		own.where = false;
		(void)fault_set(&f, ERR_TIMEOUT,
				"the supervisor does not say where certmgr is");
		failed(&f, 0);
		return;
	}
	own.where = true;
	chan_tell(&api.sup, SUP_CERTMGR, 0, (struct attr_view){ 0 });
	arm_ms(SUPERVISOR_S * 1000);
}

static void take_node(const char *name)
{
	if (strlen(name) >= sizeof own.node)
		child_broken("supervisor");
	memcpy(own.node, name, strlen(name) + 1);
}

void api_own_certmgr(const struct msg *m, int fd)
{
	struct fault f;

	if (!own.where) {
		fd_close(&fd);
		return;
	}
	own.where = false;
	loop_disarm(&own.timer);
	if (fd >= 0) {
		take_node(child_text(m, "node"));
		agent_ask_start(&own.ask, fd);
		return;
	}
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"certmgr is not there, or its node has no certificate "
			"yet: start it, or say in certmgr= where its sockets "
			"are");
	failed(&f, 0);
}

const char *api_own_unready(void)
{
	static char text[FAULT_TEXT_MAX + 64];

	if (gate_tls_until() > clock_wall())
		return NULL;
	(void)snprintf(text, sizeof text,
		       "the gate has no certificate of its own%s%s\n",
		       own.why[0] ? ": " : " yet", own.why);
	return text;
}

/* Also what makes GnuTLS read and fetch all it ever will, before confinement. */
enum err api_own_open(struct fault *f)
{
	gnutls_privkey_t key = NULL;
	int e = gnutls_privkey_init(&key);

	pubkey_warm();
	if (e >= 0)
		e = gnutls_privkey_generate(
			key, GNUTLS_PK_ECDSA,
			GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (key)
		gnutls_privkey_deinit(key);
	if (e < 0)
		return fault_set(f, ERR_INTERNAL, "GnuTLS makes no key: %s",
				 gnutls_strerror(e));
	return OK;
}

void api_own_run(const char *type)
{
	static const struct agent_ask_ops ops = { came, ask_failed };

	agent_ask_init(&own.ask, gate.loop, &ops, type, own.node);
	own.timer.on = due;
	due(&own.timer);
}
