/* Verifier: says who a remote client is, by his certificate. Judges chains that the gate
 * hands on, from their DER, up to the CA's root; asks the CA whether a certificate is
 * revoked, by plain HTTP over connections that the dialer made, and keeps the answers no
 * longer than max_age. Reads what strangers send: certificates, OCSP answers, lists. Holds the CA's
 * certificates and what it knows of revocation; no secret; no socket of its own.
 *	supervisor -> verifier	SUP_START daemon= revocation=ocsp|crl max_age=SECONDS
 *				fail=closed|open,
 *				SUP_PEER peer=gate uid=4294967295 (others are left),
 *				peer=vault|keeper (the core), peer=dialer (again when
 *				one died), SUP_ROOT [node=NAME] (fd: the root's PEM; none:
 *				as before)
 *	verifier -> supervisor	SUP_READY, SUP_BROKEN uid= http=yes
 *	gate <-> verifier	enum gate_verifier_kind (lib/kinds.h). GV_KNOWN comes again
 *				for every connection after the core died
 *	verifier <-> core	DC_CONN via=tls, DC_KNOWN, DC_GONE, DC_REFUSED
 *	verifier <-> dialer	enum dial_kind (by lib/web.h)
 * Descriptors at start: 3 supervisor. */
#include "lib/verifier.h"

#include "lib/child.h"
#include "lib/log.h"
#include "lib/pem.h"
#include "lib/roles.h"
#include "lib/subject.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ROOT_TEXT_MAX = 64 << 10,
	MAX_AGE_MAX = 7 * 86400,
};

struct verifier verifier;

/* ---- the root */

static void no_root(enum err e, const char *why)
{
	(void)fault_set(&verifier.no_root, e,
			"the CA's root certificate (ca_root=) is not known "
			"here yet: %s",
			why);
}

static enum err read_root(int fd, struct buf *der, struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { .max = ROOT_TEXT_MAX };
	uint8_t *at = NULL;
	size_t used;
	ssize_t n;

	TRY(buf_grow(&text, ROOT_TEXT_MAX, &at));
	n = fd >= 0 ? pread(fd, at, ROOT_TEXT_MAX, 0) : -1;
	if (n < 0)
		return fault_set(f, ERR_UNAVAILABLE, "the file cannot be read");
	return pem_get("CERTIFICATE", (const char *)at, (size_t)n, der, &used,
		       f);
}

/* What cannot be used changes nothing. */
static void take_root(int fd)
{
	AUTO(buf_wipe) struct buf der = { .max = CERT_MAX };
	struct span old = span_of(verifier.root.der.p, verifier.root.der.len);
	struct chain_root root = { .path_len = -1 };
	struct fault f = { .text = "it cannot be read" };

	if (read_root(fd, &der, &f) != OK ||
	    (!span_equal(old, span_of(der.p, der.len)) &&
	     chain_root_take(&root, span_of(der.p, der.len), &f) != OK)) {
		log_text(LOG_ERR, "ca_root", "%s", f.text);
		if (!verifier.has_root)
			no_root(ERR_UNAVAILABLE, f.text);
		chain_root_wipe(&root);
		return;
	}
	if (!root.der.p)
		return;
	chain_root_wipe(&root);
	ENSURE(chain_root_take(&verifier.root, span_of(der.p, der.len), &f) ==
	       OK);
	verifier.has_root = true;
	certs_new_root();
	log_text(LOG_INFO, "ca_root", "there is a root certificate");
}

/* ---- the gate */

/* Whoever got into it may say anything but who somebody is. */
void gate_broke(const char *why)
{
	child_front_broken(&verifier.sup, SUBJECT_NO_ID, true, why);
	conns_gate_gone();
	chan_close(&verifier.gate);
}

static void from_gate(struct chan *c, const struct msg *m)
{
	(void)c;
	if (m->kind == GV_OWN) {
		conn_own(m);
		return;
	}
	if (m->id > UINT32_MAX || !(m->id & CONN_REMOTE)) {
		gate_broke("a number that is none of its connections'");
		return;
	}
	switch ((enum gate_verifier_kind)m->kind) {
	case GV_CHAIN:
		conn_chain(m);
		return;
	case GV_GONE:
		conn_gone((uint32_t)m->id);
		return;
	case GV_OWN:
	case GV_KNOWN:
	case GV_BAD:
	case GV_OWNED:
		break;
	}
	gate_broke("a message that it has not to send");
}

static void gate_end(struct chan *c, const struct fault *why)
{
	if (why && why->code != ERR_UNAVAILABLE)
		child_front_broken(&verifier.sup, SUBJECT_NO_ID, true,
				   why->text);
	conns_gate_gone();
	chan_close(c);
}

static void gate_came(int fd)
{
	static const struct chan_ops ops = { from_gate, gate_end, NULL };

	if (chan_is_open(&verifier.gate))
		gate_end(&verifier.gate, NULL);
	chan_open(&verifier.gate, verifier.loop, fd, false, &ops);
}

/* ---- the core */

static void from_core(struct chan *c, const struct msg *m)
{
	(void)c;
	if (m->kind != DC_KNOWN || m->id > UINT32_MAX)
		child_broken("core");
	conn_known((uint32_t)m->id);
}

static void core_end(struct chan *c, const struct fault *why)
{
	(void)why;
	chan_close(c);
}

static void core_came(int fd)
{
	static const struct chan_ops ops = { from_core, core_end, NULL };

	if (chan_is_open(&verifier.core))
		core_end(&verifier.core, NULL);
	chan_open(&verifier.core, verifier.loop, fd, false, &ops);
	conns_core_came();
}

/* ---- the supervisor */

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	if (!strcmp(peer, "gate")) {
		if (child_number(m, "uid", UINT32_MAX) == SUBJECT_NO_ID)
			gate_came(fd);
		else
			fd_close(&fd); /* of this machine: no business here */
	} else if (!strcmp(peer, "dialer")) {
		web_dialer(fd);
	} else {
		core_came(fd);
	}
}

static void take_name(const struct msg *m, const char *name,
		      char out[VERIFIER_NAME])
{
	const char *text = child_text(m, name);

	if (strlen(text) >= VERIFIER_NAME)
		child_broken("supervisor");
	memcpy(out, text, strlen(text) + 1);
}

/* Who is an admin depends on it. */
static void take_node(const struct msg *m)
{
	char name[VERIFIER_NAME];

	if (!attr_count(m->attrs, "node"))
		return;
	take_name(m, "node", name);
	if (!strcmp(name, verifier.node))
		return;
	memcpy(verifier.node, name, sizeof name);
	certs_new_node();
}

static void other(const struct msg *m)
{
	AUTO(fd_close) int fd = chan_take_fd(&verifier.sup);

	if (m->kind != SUP_ROOT)
		child_broken("supervisor");
	take_node(m);
	if (fd >= 0)
		take_root(fd);
}

/* One of two words. */
static bool take_word(const struct msg *m, const char *name, const char *no,
		      const char *yes)
{
	const char *text = child_text(m, name);

	if (strcmp(text, no) != 0 && strcmp(text, yes) != 0)
		child_broken("supervisor");
	return !strcmp(text, yes);
}

static void start(const struct msg *m)
{
	take_name(m, "daemon", verifier.daemon);
	verifier.by_list = take_word(m, "revocation", "ocsp", "crl");
	verifier.open = take_word(m, "fail", "closed", "open");
	verifier.max_age = (int64_t)child_number(m, "max_age", MAX_AGE_MAX);
	no_root(ERR_UNAVAILABLE, "try again later");
	fetch_open(verifier.loop);
}

int role_verifier(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = other,
					      .start = start };

	verifier.loop = loop_new();
	child_start(verifier.loop, &verifier.sup, CONFINE_VERIFIER, &ops);
	if (verifier.open)
		child_weaker("revocation_fail=open: a client of whom the CA "
			     "does not say whether he is revoked is let in");
	child_ready(&verifier.sup);
	loop_run(verifier.loop);
	return 0;
}
