/* Issuer: what gate carries. gate says which connection a call came by and nothing
 * about who that is (ca/issuer_peer.c finds out).
 *	gate -> issuer	GI_CALL, GI_OCSP, GI_PEER, GI_PEER_GONE, GI_DROPPED, GI_TLS
 *	issuer -> gate	GI_REPLY, GI_ITEM, GI_OCSP_ANSWER, GI_DROP, GI_CRL, GI_CHAIN */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdlib.h>

enum {
	DROP_NUMBERS_MAX = 2000 /* of one GI_DROP */
};

/* One of the native protocol; the list in it was parsed by gate. */
static void call_run(const struct ask *a, struct attr_view v)
{
	struct attr_view call;
	struct fault f;

	ENSURE(call_list(v, "call", &call, &f) == OK); /* check_form */
	admin_run(a, call);
}

static const struct {
	const char *name;
	bool peer; /* needs a client certificate */
	void (*run)(const struct ask *a, struct attr_view v);
} verbs[] = {
	{ "enrol", false, enrol_run }, { "issue", true, issue_run },
	{ "renew", true, renew_run },  { "revoke", true, revoke_run },
	{ "show", true, show_run },    { "status", false, chain_run },
	{ "call", false, call_run },
};

void gate_verb(const struct ask *a, struct attr_view v)
{
	struct fault f;
	struct attr verb;

	ENSURE(attr_only(v, "verb", &verb) == OK); /* check_form */
	for (size_t i = 0; i < NELEM(verbs); i++) {
		if (!attr_is(&verb, verbs[i].name))
			continue;
		if (verbs[i].peer &&
		    peer_check(a->peer ? peer_find(a->peer) : NULL, &f) != OK)
			txn_refuse(a, verbs[i].name, (struct attr_view){ 0 },
				   &f);
		else
			verbs[i].run(a, v);
		return;
	}
	(void)fault_set(&f, ERR_UNSUPPORTED, "this CA has no such operation");
	ask_fault(a, &f);
}

/* Before it may have to wait. */
static enum err check_form(struct attr_view v, struct fault *f)
{
	struct attr_view call;
	struct attr verb;

	if (attr_only(v, "verb", &verb) != OK)
		return fault_set(f, ERR_INVALID, "a call has no verb");
	return attr_is(&verb, "call") ? call_list(v, "call", &call, f) : OK;
}

/* A peer that is still being looked up is waited for. */
static enum err call(const struct msg *m, struct fault *f)
{
	struct gate_call *c, **at;
	struct tls_peer *p;
	struct ask a;

	TRY(ask_of_gate(m, &a, f));
	TRY(check_form(m->attrs, f));
	p = a.peer ? peer_find(a.peer) : NULL;
	if (!p || peer_looked_up(p)) {
		gate_verb(&a, m->attrs);
		return OK;
	}
	c = xcalloc(1, sizeof *c);
	c->ask = a;
	attrs_init(&c->said);
	ENSURE(attrs_add_view(&c->said, m->attrs) == OK);
	for (at = &p->waiting; *at; at = &(*at)->next)
		;
	*at = c;
	return OK;
}

static enum err take(const struct msg *m, struct fault *f)
{
	struct ask a;

	switch ((enum gate_issuer_kind)m->kind) {
	case GI_PEER:
		return peer_came(m, f);
	case GI_PEER_GONE:
		peer_gone(m->id);
		return OK;
	case GI_CALL:
		return call(m, f);
	case GI_OCSP:
		return ocsp_run(m, f);
	case GI_DROPPED:
		gate_dropped(m->id);
		return OK;
	case GI_TLS:
		a = (struct ask){ .call = call_new(&issuer.server, CALL_NOBODY),
				  .by_gate = true,
				  .gate_id = m->id };
		tls_run(&a, m->attrs);
		return OK;
	case GI_REPLY:
	case GI_ITEM:
	case GI_OCSP_ANSWER:
	case GI_DROP:
	case GI_CRL:
	case GI_CHAIN:
		break;
	}
	return fault_set(f, ERR_INVALID, "it says what no gate says");
}

void gate_message(struct chan *ch, const struct msg *m)
{
	struct fault why;

	if (take(m, &why) == OK)
		return;
	why.code = ERR_INVALID;
	gate_ended(ch, &why);
}

void gate_tell_chain(void)
{
	struct attrs a;
	struct attr crl;

	if (!chan_is_open(&issuer.gate) || !issuer.signer_ready)
		return;
	attrs_init(&a);
	ENSURE(attrs_add(&a, "issuer", 0, issuer.issuing.p,
			 issuer.issuing.len) == OK);
	ENSURE(attrs_add(&a, "root", 0, issuer.root.p, issuer.root.len) == OK);
	if (attr_find((struct attr_view){ issuer.root_says.p,
					  issuer.root_says.len },
		      "crl", &crl))
		ENSURE(attrs_add(&a, "root_crl", 0, crl.value, crl.len) == OK);
	chan_tell(&issuer.gate, GI_CHAIN, 0, attrs_view(&a));
	attrs_wipe(&a);
}

/* Forgetting answers */

struct drop {
	uint64_t id;
	unsigned left; /* messages not answered yet */
	void (*then)(void *arg);
	void *arg;
	struct drop *next;
};

static struct drop *drops;

static void drop_end(struct drop **at)
{
	struct drop *d = *at;

	*at = d->next;
	d->then(d->arg);
	free(d);
}

void gate_dropped(uint64_t id)
{
	for (struct drop **at = &drops; *at; at = &(*at)->next) {
		if ((*at)->id != id)
			continue;
		if (!--(*at)->left)
			drop_end(at);
		return;
	}
}

static enum err send_drop(uint64_t id, const uint64_t *number, size_t n)
{
	struct attrs a;
	enum err e = OK;

	attrs_init(&a);
	for (size_t i = 0; i < n && e == OK; i++)
		e = attrs_add_u64(&a, "number", number[i]);
	if (e == OK)
		e = chan_send(&issuer.gate, GI_DROP, id, attrs_view(&a));
	attrs_wipe(&a);
	return e;
}

void gate_drop(const uint64_t *number, size_t n, void (*then)(void *arg),
	       void *arg)
{
	struct drop *d;

	if (!chan_is_open(&issuer.gate)) { /* a new gate has kept nothing */
		then(arg);
		return;
	}
	d = xcalloc(1, sizeof *d);
	*d = (struct drop){ .id = issuer_id(ABOUT_DROP),
			    .then = then,
			    .arg = arg,
			    .next = drops };
	drops = d;
	do {
		size_t some = MIN(n, (size_t)DROP_NUMBERS_MAX);

		d->left++;
		(void)!send_drop(d->id, number, some);
		number += some;
		n -= some;
	} while (n);
}

/* The next one has kept nothing. */
void gate_ended(struct chan *ch, const struct fault *why)
{
	if (why && why->code != ERR_UNAVAILABLE)
		child_outer_broken(&issuer.sup, "gate", 0, why->text);
	chan_close(ch);
	peers_gone();
	while (drops)
		drop_end(&drops);
}
