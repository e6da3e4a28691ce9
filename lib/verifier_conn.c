/* Verifier: connections of remote clients, from their chain to the core's word and until
 * they end. Holds who is behind each. */
#include "lib/verifier.h"

#include "lib/child.h"
#include "lib/evp.h"
#include "lib/map.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static struct map *conns; /* by id */

static void conn_key(const void *value, const void **key, size_t *len)
{
	*key = &((const struct vconn *)value)->id;
	*len = sizeof(uint32_t);
}

static struct vconn *conn_find(uint32_t id)
{
	return conns ? map_find(conns, &id, sizeof id) : NULL;
}

/* ---- what is said of it */

static void tell_gate(const struct vconn *c, uint32_t kind)
{
	chan_tell(&verifier.gate, kind, c->id, (struct attr_view){ 0 });
}

/* The client is told 403, not 410, also of what expired: it is he who may not. */
static void tell_bad(const struct vconn *c, const struct fault *why)
{
	enum err e = why->code == ERR_EXPIRED ? ERR_DENIED : why->code;
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "error", err_name(e)) == OK);
	ENSURE(attrs_add_str(&a, "text", why->text) == OK);
	chan_tell(&verifier.gate, GV_BAD, c->id, attrs_view(&a));
	attrs_wipe(&a);
}

static void tell_core(struct vconn *c)
{
	c->state = VCONN_TOLD;
	chan_tell(&verifier.core, DC_CONN, c->id, attrs_view(&c->cert->who));
}

static void tell_gone(const struct vconn *c)
{
	if (c->state == VCONN_TOLD || c->state == VCONN_KNOWN)
		chan_tell(&verifier.core, DC_GONE, c->id,
			  (struct attr_view){ 0 });
}

void conn_good(struct vconn *c)
{
	if (c->state == VCONN_ASKING)
		tell_core(c);
}

void conn_again(struct vconn *c)
{
	if (c->state == VCONN_ASKING)
		return;
	tell_gone(c);
	tell_core(c);
}

/* names: what its certificate says, which the refusal is logged with. */
static void end_badly(struct vconn *c, const struct fault *why,
		      struct attr_view names)
{
	tell_gone(c);
	tell_bad(c, why);
	refuse_tell(why, c->peer, names);
	c->state = VCONN_BAD;
}

void conn_bad(struct vconn *c, const struct fault *why)
{
	end_badly(c, why, attrs_view(&c->cert->who));
	cert_leave(c);
}

/* ---- its beginning */

static void conn_of(const struct msg *m, struct vconn *c)
{
	struct attr a;

	c->id = (uint32_t)m->id;
	if (attr_find(m->attrs, "peer", &a) && a.len < sizeof c->peer &&
	    !memchr(a.value, 0, a.len))
		memcpy(c->peer, a.value, a.len);
}

static struct vconn *conn_new(const struct msg *m)
{
	struct vconn *c = xcalloc(1, sizeof *c);

	conn_of(m, c);
	if (!conns)
		conns = map_new(conn_key);
	map_add(conns, c);
	return c;
}

/* It is not kept, only answered. */
static void one_too_many(const struct msg *m)
{
	struct vconn c = { .state = VCONN_ASKING };
	struct fault f;

	conn_of(m, &c);
	(void)fault_set(&f, ERR_LIMITED,
			"there are %d connections already: try again later",
			VERIFIER_CONNS);
	end_badly(&c, &f, (struct attr_view){ 0 });
}

/* Those of cert=; one more than are looked at is counted. */
static unsigned take_chain(const struct msg *m, struct span der[CHAIN_MAX + 1])
{
	struct attr_view it = m->attrs;
	struct attr a;
	unsigned n = 0;

	while (n <= CHAIN_MAX && attr_next(&it, &a))
		if (attr_named(&a, "cert"))
			der[n++] = span_of(a.value, a.len);
	return n;
}

static enum err judge(const struct span *der, unsigned n, unsigned usage,
		      struct chain_end *e, struct fault *f)
{
	const struct chain_ca *known[VERIFIER_CAS];
	struct chain_in in = { .der = der,
			       .count = n,
			       .known = known,
			       .n_known = certs_known(known),
			       .usage = usage,
			       .now = clock_wall() };

	if (!verifier.has_root) {
		*f = verifier.no_root;
		return f->code;
	}
	return chain_check(&verifier.root, &in, e, f);
}

/* The certificate that is kept, or a new one. */
static enum err find_cert(const struct span *der, unsigned n,
			  struct vcert **out, struct fault *f)
{
	uint8_t key[VERIFIER_KEY];
	struct chain_end e;
	struct vcert *c;

	if (n)
		crypto_hash_sha256(key, der[0].p, der[0].n);
	c = n ? cert_find(key) : NULL;
	if (!c) {
		TRY(judge(der, n, EKU_CLIENT, &e, f));
		return cert_new(key, &e, out, f);
	}
	*out = c;
	return cert_in_time(c, f);
}

static void refuse_early(struct vconn *c, const struct span *der, unsigned n,
			 const struct fault *why)
{
	struct attrs names;

	attrs_init(&names);
	if (n)
		refuse_names(der[0], &names);
	end_badly(c, why, attrs_view(&names));
	attrs_wipe(&names);
}

void conn_chain(const struct msg *m)
{
	struct span der[CHAIN_MAX + 1];
	unsigned n = take_chain(m, der);
	struct vcert *cert = NULL;
	struct vconn *c;
	struct fault f;

	if (conn_find((uint32_t)m->id)) {
		gate_broke("a connection that it had begun already");
		return;
	}
	if (conns && map_count(conns) >= VERIFIER_CONNS) {
		one_too_many(m);
		return;
	}
	c = conn_new(m);
	if (find_cert(der, n, &cert, &f) != OK) {
		refuse_early(c, der, n, &f);
		return;
	}
	source_settle(cert->source);
	cert_use(cert, c);
	source_judge(cert, c);
}

/* ---- its end */

static void conn_free(struct vconn *c)
{
	tell_gone(c);
	if (c->cert)
		cert_leave(c);
	(void)map_drop(conns, &c->id, sizeof c->id);
	free(c);
}

void conn_gone(uint32_t id)
{
	struct vconn *c = conn_find(id);

	if (c)
		conn_free(c);
}

void conn_known(uint32_t id)
{
	struct vconn *c = conn_find(id);

	/* it may have ended, or be bad, since it was told */
	if (!c || c->state != VCONN_TOLD)
		return;
	c->state = VCONN_KNOWN;
	tell_gate(c, GV_KNOWN);
}

void conns_gate_gone(void)
{
	size_t n = conns ? map_count(conns) : 0, at = 0;
	AUTO(mem_free) struct vconn **all = xcalloc(n + 1, sizeof(*all));

	for (size_t i = 0; i < n; i++)
		all[i] = map_next(conns, &at);
	for (size_t i = 0; i < n; i++)
		conn_free(all[i]);
}

void conns_core_came(void)
{
	struct vconn *c;
	size_t at = 0;

	while (conns && (c = map_next(conns, &at)))
		if (c->state == VCONN_TOLD || c->state == VCONN_KNOWN)
			tell_core(c);
}

/* ---- the gate's own chain */

static enum err judge_own(const struct msg *m, struct attrs *out,
			  struct fault *f)
{
	struct span der[CHAIN_MAX + 1];
	unsigned n = take_chain(m, der);
	const struct chain_root *root = &verifier.root;
	struct chain_end e;
	enum err err = OK;

	TRY(judge(der, n, EKU_SERVER, &e, f));
	if (attrs_add(out, "issuing", 0, e.ca->der.p, e.ca->der.len) != OK ||
	    attrs_add(out, "root", 0, root->der.p, root->der.len) != OK)
		err = fault_set(f, ERR_INTERNAL, "the chain is too large");
	if (e.made && !certs_keep_ca(e.made))
		chain_ca_free(&e.made);
	return err;
}

void conn_own(const struct msg *m)
{
	struct attrs a;
	struct fault f;

	attrs_init(&a);
	if (judge_own(m, &a, &f) != OK) {
		attrs_clear(&a);
		ENSURE(attrs_add_str(&a, "text", f.text) == OK);
	}
	chan_tell(&verifier.gate, GV_OWNED, m->id, attrs_view(&a));
	attrs_wipe(&a);
}
