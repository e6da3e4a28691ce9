/* Issuer: the delegated OCSP signer. Its key is made by the signer, its certificate is
 * issued like any other (inventory, log), and a new one takes over long before the old
 * one ends. */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdio.h>

enum {
	RESPONDER_RETRY = 10, /* seconds */
};

static struct {
	bool making;
	uint64_t again; /* boottime: not before */
	int64_t from, end;
	uint8_t id[20]; /* SHA-1 of the key */
	uint64_t use;   /* the message that put it in use */
	struct buf spki;
} responder;

int64_t ocsp_signer_end(void)
{
	return responder.end > clock_wall() ? responder.end : 0;
}

const uint8_t *ocsp_signer_id(void)
{
	return responder.id;
}

void ocsp_signer_gone(void)
{
	responder.end = 0;
	responder.making = false;
	responder.again = 0;
}

/* No key was made; or the certificate is for a key of a signer that died while it was
 * committed, and the one that came after it has another. */
void ocsp_signer_refused(uint64_t id)
{
	if (id == responder.use)
		responder.end = 0;
	else
		responder.making = false;
}

static bool is_due(void)
{
	int64_t now = clock_wall();

	/* at half of its life: more than any answer lives remains */
	return now >= responder.from + (responder.end - responder.from) / 2;
}

void ocsp_signer_check(void)
{
	struct fault f;

	if (responder.making || issuer_open(&f) != OK ||
	    loop_now(issuer.loop) < responder.again || !is_due())
		return;
	responder.making = true;
	responder.again =
		loop_now(issuer.loop) + RESPONDER_RETRY * CLOCK_SECOND;
	chan_tell(&issuer.signer, IG_OCSP_NEW, issuer_id(ABOUT_OCSP_KEY),
		  (struct attr_view){ 0 });
}

static void use(const struct order *o)
{
	struct pubkey k;
	struct attrs a;
	struct fault f;

	responder.use = issuer_id(ABOUT_OCSP_KEY);
	attrs_init(&a);
	ENSURE(attrs_add(&a, "certificate", 0, o->der.p, o->der.len) == OK);
	chan_tell(&issuer.signer, IG_OCSP_USE, responder.use, attrs_view(&a));
	attrs_wipe(&a);
	ENSURE(pubkey_parse(o->parsed.key.spki, &k, &f) == OK);
	pubkey_id(&k, responder.id);
	responder.from = o->not_before;
	responder.end = o->not_after;
}

static void finish(struct order *o, const struct fault *f)
{
	responder.making = false;
	if (f)
		log_text(LOG_ERR, "ocsp_signer", "%s", f->text);
	else if (chan_is_open(&issuer.signer))
		use(o);
	order_free(o);
}

/* There is no CSR: the key comes from the signer, which knows it again. */
void ocsp_signer_key(const struct msg *m)
{
	struct ask nobody = ask_of_client(CALL_NOBODY);
	struct order *o = order_new(&nobody);
	struct fault f;
	struct attr a;

	o->event = "ca.ocsp";
	o->finish = finish;
	(void)snprintf(o->profile, sizeof o->profile, "ca-ocsp");
	if (attr_only(m->attrs, "spki", &a) != OK ||
	    buf_put(&o->csr, a.value, a.len) != OK)
		child_broken("signer");
	if (pubkey_parse(span_of(o->csr.p, o->csr.len), &o->parsed.key, &f) !=
	    OK)
		child_broken("signer");
	o->bare_key = true;
	order_run(o);
}
