/* Issuer: profiles, tokens, policy, and who may have what certified. Holds no key of
 * the CA; what it wants signed the signer judges again. Parses what strangers send
 * (requests, chains, OCSP requests) with bounded parsers only.
 *	front -> issuer	CLIENT_CALL	gate -> issuer	GI_CALL, GI_OCSP, GI_PEER
 *	issuer -> store	IS_COMMIT, …	issuer -> signer IG_SIGN, IG_OCSP, …
 * Descriptors at start: 3 supervisor. */
#include "ca/issuer.h"

#include "ca/kinds_sup.h"
#include "ca/roles.h"
#include "lib/child.h"
#include "lib/log.h"

#include <sodium.h>
#include <stdlib.h>

struct issuer issuer;

#define TICK_NS (1 * CLOCK_SECOND)

uint64_t issuer_id(enum about what)
{
	return ABOUT_ID(what, ++issuer.ids);
}

enum err issuer_open(struct fault *f)
{
	switch (issuer.state) {
	case ISSUER_READY:
		if (!chan_is_open(&issuer.signer) || !issuer.signer_told ||
		    !chan_is_open(&issuer.store) || !issuer.store_told ||
		    !issuer.audit)
			return fault_set(f, ERR_UNAVAILABLE,
					 "the CA is being started anew: try "
					 "again");
		return OK;
	case ISSUER_STARTING:
		return fault_set(f, ERR_UNAVAILABLE,
				 "the CA is starting: try again");
	case ISSUER_EMPTY:
		return fault_set(f, ERR_SEALED,
				 "there is no CA yet: run 'cretula ca init'");
	case ISSUER_BROKEN:
		*f = issuer.broken;
		return f->code;
	}
	UNREACHABLE("a state");
}

/* The dialer */

static void dialer_end(struct chan *ch, const struct fault *why)
{
	if (why && why->code != ERR_UNAVAILABLE)
		child_outer_broken(&issuer.sup, "dialer", 0, why->text);
	chan_close(ch);
	probe_dialer_gone();
}

static void from_dialer(struct chan *ch, const struct msg *m)
{
	struct fault why;

	if (m->kind == DIAL_CONNECTED || m->kind == DIAL_FAILED) {
		probe_dialled(m, chan_take_fd(ch));
		return;
	}
	(void)fault_set(&why, ERR_INVALID, "it says what no dialer says");
	dialer_end(ch, &why);
}

/* The supervisor */

/* That the one before has ended may not have been seen yet. */
static void open_chan(struct chan *c, int fd, const struct chan_ops *ops)
{
	if (chan_is_open(c))
		ops->on_end(c, NULL);
	chan_open(c, issuer.loop, fd, false, ops);
}

static void peer_process(const char *peer, const struct msg *m, int fd)
{
	static const struct chan_ops store = { store_message, store_end, NULL };
	static const struct chan_ops signer = { signer_message, signer_end,
						NULL };
	static const struct chan_ops gate = { gate_message, gate_ended, NULL };
	static const struct chan_ops dialer = { from_dialer, dialer_end, NULL };

	if (conns_peer(&issuer.conns, peer, m, fd))
		return;
	if (!strcmp(peer, "store")) {
		open_chan(&issuer.store, fd, &store);
		chan_tell(&issuer.store, IS_LOAD, 0, (struct attr_view){ 0 });
	} else if (!strcmp(peer, "signer")) {
		open_chan(&issuer.signer, fd, &signer);
	} else if (!strcmp(peer, "gate")) {
		open_chan(&issuer.gate, fd, &gate);
		chan_pause(&issuer.gate, issuer.state == ISSUER_STARTING);
		gate_tell_chain();
		crl_to_gate();
	} else if (!strcmp(peer, "dialer")) {
		open_chan(&issuer.dialer, fd, &dialer);
	} else if (!strcmp(peer, "prober")) {
		probe_prober(child_number(m, "ref", UINT64_MAX), fd);
	} else {
		child_broken("supervisor");
	}
}

static void from_supervisor(const struct msg *m)
{
	switch (m->kind) {
	case SUP_PROFILES:
	case SUP_PROFILE:
	case SUP_PROFILES_END:
		reload_message(m);
		return;
	case SUP_NOTE:
		child_keep_note(m, &issuer.notes);
		return;
	}
	child_broken("supervisor");
}

static void copy_text(const struct msg *m, const char *name, char *out,
		      size_t size)
{
	struct fault f;

	if (call_need(m->attrs, name, out, size, &f) != OK)
		child_broken("supervisor");
}

/* Switches that are off are not sent. */
static bool said_yes(const struct msg *m, const char *name)
{
	struct attr a;

	return attr_only(m->attrs, name, &a) == OK && attr_is(&a, "yes");
}

static void start(const struct msg *m)
{
	struct attr_view it = m->attrs;
	struct attr a;

	copy_text(m, "public_url", issuer.url, sizeof issuer.url);
	copy_text(m, "http", issuer.http, sizeof issuer.http);
	copy_text(m, "https", issuer.https, sizeof issuer.https);
	copy_text(m, "profiles", issuer.profile_folder,
		  sizeof issuer.profile_folder);
	issuer.default_profile = said_yes(m, "default_profile");
	issuer.probe_loopback = said_yes(m, "probe_loopback");
	while (attr_next(&it, &a))
		if (attr_named(&a, "tls_names"))
			ENSURE(attrs_add(&issuer.tls_names, "dns", 0, a.value,
					 a.len) == OK);
}

/* OpenSSL and libsodium read what they need before files are out of reach. */
static void warm_up(void)
{
	ENSURE(sodium_init() >= 0);
	pubkey_warm();
}

static void tick(struct loop_timer *t)
{
	if (issuer.state == ISSUER_READY)
		ocsp_signer_check();
	loop_arm(issuer.loop, t, loop_now(issuer.loop) + TICK_NS);
}

static void orphaned(void)
{
}

int role_issuer(void)
{
	static const struct child_ops ops = { .peer = peer_process,
					      .other = from_supervisor,
					      .end = txn_end,
					      .start = start };
	static const struct conns_ops conns = { .call = admin_call,
						.orphaned = orphaned };

	warm_up();
	issuer.loop = loop_new();
	conns_init(&issuer.conns, issuer.loop, &issuer.sup, &conns);
	call_server_init(&issuer.server, &issuer.conns);
	attrs_init(&issuer.tls_names);
	attrs_init(&issuer.notes);
	buf_init(&issuer.root, CERT_MAX);
	buf_init(&issuer.root_says, 4 * CERT_MAX);
	buf_init(&issuer.issuing, CERT_MAX);
	txn_init();
	find_init();
	peer_init();
	enrol_init();
	repeat_init();
	ocsp_init();
	crl_init();
	child_start(issuer.loop, &issuer.sup, CONFINE_ISSUER, &ops);
	issuer.profiles = profiles_new(issuer.default_profile);
	issuer.tick.on = tick;
	loop_arm(issuer.loop, &issuer.tick, loop_now(issuer.loop) + TICK_NS);
	child_ready(&issuer.sup);
	loop_run(issuer.loop);
	return 0;
}
