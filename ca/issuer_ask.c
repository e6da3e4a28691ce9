/* Issuer: those who wait for an answer, by whichever way they came. */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdio.h>

struct ask ask_of_client(uint64_t id)
{
	return (struct ask){ .call = call_new(&issuer.server, id) };
}

enum err ask_of_gate(const struct msg *m, struct ask *out, struct fault *f)
{
	struct ask a = { .call = call_new(&issuer.server, CALL_NOBODY),
			 .by_gate = true,
			 .gate_id = m->id };

	TRY(call_number(m->attrs, "peer", 0, INT64_MAX, &a.peer, f));
	if (call_text(m->attrs, "address", a.address, sizeof a.address, f) !=
	    OK)
		a.address[0] = 0;
	*out = a;
	return OK;
}

static void tell_gate(const struct ask *a, struct attr_view v)
{
	if (chan_is_open(&issuer.gate))
		chan_tell(&issuer.gate, GI_REPLY, a->gate_id, v);
}

void ask_reply(const struct ask *a, struct attrs *reply)
{
	char id[REQUEST_ID];

	if (!a->by_gate) {
		call_reply(&a->call, reply);
		return;
	}
	call_request_id(&a->call, id);
	ENSURE(attrs_add_str(reply, "request_id", id) == OK);
	tell_gate(a, attrs_view(reply));
}

void ask_item(const struct ask *a, struct attr_view item)
{
	if (!a->by_gate)
		call_item(&a->call, item);
	else if (chan_is_open(&issuer.gate))
		chan_tell(&issuer.gate, GI_ITEM, a->gate_id, item);
}

void ask_fault(const struct ask *a, const struct fault *f)
{
	char id[REQUEST_ID];
	struct attrs out;

	if (!a->by_gate) {
		call_fault(&a->call, f);
		return;
	}
	call_request_id(&a->call, id);
	attrs_init(&out);
	ENSURE(attrs_add_str(&out, "error", err_name(f->code)) == OK);
	ENSURE(attrs_add_str(&out, "text", f->text) == OK);
	ENSURE(attrs_add_str(&out, "request_id", id) == OK);
	if (f->code == ERR_LIMITED || f->code == ERR_UNAVAILABLE)
		ENSURE(attrs_add_u64(&out, "retry_after", 1) == OK);
	tell_gate(a, attrs_view(&out));
	attrs_wipe(&out);
}

/* A certificate's holder is named by it; who has none, by where he comes from. */
static enum err peer_said(const struct tls_peer *p, struct attrs *out)
{
	char serial[2 * SERIAL_SIZE + 1];
	const struct dn *dn = &p->cert.subject;

	serial_format(&p->serial, serial);
	TRY(attrs_add_fmt(out, "subject", "cert:%s", serial));
	TRY(attrs_add(out, "cert.o", 0, dn->o.p, dn->o.n));
	TRY(attrs_add(out, "cert.ou", 0, dn->ou.p, dn->ou.n));
	return attrs_add(out, "cert.uid", 0, dn->uid.p, dn->uid.n);
}

enum err ask_said(const struct ask *a, struct attrs *out)
{
	const struct conn *c = a->by_gate ? NULL : call_conn(&a->call);
	const struct tls_peer *p = a->peer ? peer_find(a->peer) : NULL;

	if (c)
		TRY(attrs_add_view(out, attrs_view(&c->said)));
	else if (p && p->state == PEER_GOOD)
		TRY(peer_said(p, out));
	else
		TRY(attrs_add_str(out, "subject",
				  a->by_gate ? "remote" : "ca"));
	return a->address[0] ? attrs_add_str(out, "address", a->address) : OK;
}

enum err ask_id(const struct ask *a, struct attrs *out)
{
	char id[REQUEST_ID];

	call_request_id(&a->call, id);
	return attrs_add_str(out, "request_id", id);
}
