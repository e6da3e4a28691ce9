/* Keeper: keys and certificates of an agent: the ones in use, and the ones that follow
 * them. Private keys are in the arena; what is here is public. */
#include "certmgr/keeper.h"

#include "lib/csr.h"
#include "lib/log.h"
#include "lib/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hold_begin(struct agent *a, struct hold *h, unsigned key)
{
	ENSURE(h->state == HOLD_NONE);
	pool_key(a->slot, key, &h->csr, &h->csr_len);
	h->key = key;
	h->has_key = true;
	h->repeat = false;
	if (h == &a->coming)
		memcpy(h->replaces, a->now.serial, sizeof h->replaces);
	h->state = HOLD_WANTED;
	rows_dirty(a);
	net_want(h);
}

void hold_wipe(struct agent *a, struct hold *h)
{
	net_forget(h);
	if (h->has_key)
		arena_key_drop(a->slot, h->key);
	free(h->csr);
	free(h->cert);
	*h = (struct hold){ .of = a };
}

void hold_renew(struct agent *a)
{
	if (a->state == AGENT_LIVE && a->coming.state == HOLD_NONE &&
	    a->now.state == HOLD_MADE)
		hold_begin(a, &a->coming, !a->now.key);
}

static void keep_old(struct agent *a)
{
	int64_t now = clock_wall();
	unsigned n = 0;

	for (unsigned i = 0; i < a->olds; i++)
		if (a->old[i].not_after > now)
			a->old[n++] = a->old[i];
	if (n == KEEPER_OLD) {
		/* nobody needs that many: the oldest goes now */
		(void)owed_add(a->id, a->old[0].serial, a->old[0].not_after,
			       "superseded");
		memmove(a->old, a->old + 1, --n * sizeof a->old[0]);
	}
	memcpy(a->old[n].serial, a->now.serial, sizeof a->old[n].serial);
	a->old[n].not_after = a->now.not_after;
	a->olds = n + 1;
}

void hold_promote(struct agent *a)
{
	struct hold h = a->coming;

	ENSURE(h.state == HOLD_MADE && !h.queued);
	keep_old(a);
	a->coming = (struct hold){ .of = a };
	hold_wipe(a, &a->now);
	a->now = h;
	a->claimed = false;
	a->changed = clock_wall();
	rows_dirty(a);
	agent_schedule(a);
}

/* The CA's answer */

static enum err check_names(const struct agent *a, const struct cert *c,
			    struct fault *f)
{
	if (!span_is(c->subject.uid, a->id) || !span_is(c->subject.o, a->type))
		return fault_set(f, ERR_INVALID,
				 "the certificate is for another agent");
	return OK;
}

static enum err check_signed(const struct cert_signed *s, struct fault *f)
{
	struct cert_signed ca_signed;
	struct cert ca;
	struct pubkey key;

	TRY(cert_split(span_of(keeper.issuing.p, keeper.issuing.len),
		       &ca_signed, f));
	TRY(cert_parse_tbs(ca_signed.tbs, &ca, f));
	TRY(pubkey_parse(ca.spki, &key, f));
	if (pubkey_verify(&key, s->alg, s->tbs, s->sig) != OK)
		return fault_set(f, ERR_INVALID,
				 "the certificate is not signed by the CA");
	return OK;
}

/* What net brought is looked at as if anybody had sent it: it has to be for this key,
 * of this agent, by this CA. */
static enum err check(const struct hold *h, struct span der, struct cert *c,
		      struct fault *f)
{
	struct cert_signed s, asked;
	struct csr csr;

	TRY(cert_split(der, &s, f));
	TRY(cert_parse_tbs(s.tbs, c, f));
	TRY(csr_parse_only(span_of(h->csr, h->csr_len), &csr, &asked.tbs,
			   &asked.alg, &asked.sig, f));
	if (!span_equal(csr.key.spki, c->spki))
		return fault_set(f, ERR_INVALID,
				 "the certificate is for another key");
	TRY(check_names(h->of, c, f));
	return check_signed(&s, f);
}

static enum err take(struct hold *h, struct attr_view v, struct fault *f)
{
	struct serial serial;
	struct cert c;
	struct attr a;

	if (attr_only(v, "certificate", &a) != OK)
		return fault_set(f, ERR_INVALID, "there is no certificate");
	TRY(check(h, span_of(a.value, a.len), &c, f));
	if (c.serial.n != SERIAL_SIZE)
		return fault_set(f, ERR_INVALID, "its serial is none of ours");
	memcpy(serial.b, c.serial.p, SERIAL_SIZE);
	serial_format(&serial, h->serial);
	h->not_before = c.not_before;
	h->not_after = c.not_after;
	h->cert = xmemdup(a.value, a.len);
	h->cert_len = a.len;
	return OK;
}

static void made(struct hold *h)
{
	struct agent *a = h->of;
	struct attrs more;

	h->state = HOLD_MADE;
	h->repeat = false;
	free(h->csr);
	h->csr = NULL;
	h->csr_len = 0;
	keeper.made++;
	attrs_init(&more);
	ENSURE(attrs_add_str(&more, "serial", h->serial) == OK);
	agent_record(a, "certificate", attrs_view(&more));
	attrs_wipe(&more);
	a->failed = OK;
}

static void tell_renewed(const struct agent *a)
{
	struct attrs v;

	if (!a->on_renew || a->pidfd < 0)
		return;
	attrs_init(&v);
	ENSURE(attrs_add_u64(&v, "signal", (uint64_t)a->on_renew) == OK);
	ENSURE(attrs_add_u64(&v, "uid", a->uid) == OK);
	(void)!chan_send_fds(&keeper.sup, SUP_SIGNAL, 0, attrs_view(&v),
			     &a->pidfd, 1);
	attrs_wipe(&v);
}

static void begin_anew(struct agent *a, struct hold *h)
{
	if (h == &a->now)
		hold_begin(a, h, 0);
	else
		hold_renew(a);
}

/* Made for a key that is gone. */
static void start_anew(struct agent *a, struct hold *h)
{
	char serial[sizeof h->serial];

	memcpy(serial, h->serial, sizeof serial);
	(void)owed_add(a->id, serial, h->not_after, "superseded");
	hold_wipe(a, h);
	begin_anew(a, h);
	memcpy(h->after, serial, sizeof serial);
}

/* Its files are others than they were, or the next claim gets another certificate: it is
 * told once it can have it, unless it waits for it. Nobody is told of the first. */
static void show(struct agent *a, const struct hold *h)
{
	bool before = a->changed != 0;

	if (a->view == AGENT_VIEW_NO) {
		if (h == &a->coming && !a->claims)
			tell_renewed(a);
		return;
	}
	if (h == &a->coming)
		hold_promote(a);
	else
		a->changed = clock_wall();
	view_tell(a);
	if (before)
		tell_renewed(a);
}

enum err hold_issued(struct hold *h, const struct msg *m, struct fault *f)
{
	struct agent *a = h->of;

	if (take(h, m->attrs, f) != OK) {
		log_text(LOG_ERR, "bad_certificate", "%s: %s", a->id, f->text);
		hold_failed(h, ERR_UNAVAILABLE, f->text, false);
		return ERR_UNAVAILABLE;
	}
	made(h);
	if (a->state == AGENT_ENDED) {
		agent_settled(a, h);
		return OK;
	}
	if (h->lost) {
		start_anew(a, h);
		return OK;
	}
	show(a, h);
	rows_dirty(a);
	agent_schedule(a);
	claims_look(a);
	waits_look(a);
	return OK;
}

/* final: there will be no certificate for this request. */
void hold_failed(struct hold *h, enum err e, const char *text, bool final)
{
	struct agent *a = h->of;

	if (!final) {
		h->state = HOLD_WANTED;
		h->repeat = true;
		net_want(h);
		return;
	}
	if (h->lost &&
	    a->state == AGENT_LIVE) { /* nothing was made, or it is revoked */
		hold_wipe(a, h);
		begin_anew(a, h);
		return;
	}
	hold_wipe(a, h);
	if (a->state == AGENT_ENDED) {
		agent_settled(a, h);
		return;
	}
	a->failed = e;
	keeper.some_failed = true;
	(void)snprintf(a->why, sizeof a->why, "%s", text);
	log_text(LOG_WARN, "refused_by_ca", "%s (%s): %s", a->id, a->type,
		 text);
	rows_dirty(a);
	claims_refuse(a, e, a->why);
	waits_look(a);
}

/* Files */

static enum err put_cert(const struct hold *h, struct buf *out)
{
	return pem_put("CERTIFICATE", span_of(h->cert, h->cert_len), out);
}

static enum err put_key(const struct agent *a, struct buf *out)
{
	struct span key = arena_key(a->slot, a->now.key);

	if (!a->now.has_key || !key.n)
		return ERR_NOT_FOUND;
	return pem_put("PRIVATE KEY", key, out);
}

/* Net says it soon after it has come. */
static enum err put_known(const struct buf *pem, struct buf *out)
{
	return pem->len ? buf_put(out, pem->p, pem->len) : ERR_PENDING;
}

enum err hold_file(const struct agent *a, const char *file, struct buf *out)
{
	bool bundle = !strcmp(file, "bundle");

	if (a->now.state != HOLD_MADE)
		return ERR_PENDING;
	if (bundle || !strcmp(file, "key"))
		TRY(put_key(a, out));
	if (bundle || !strcmp(file, "cert"))
		TRY(put_cert(&a->now, out));
	if (bundle || !strcmp(file, "chain"))
		TRY(put_known(&keeper.issuing_pem, out));
	if (!strcmp(file, "ca"))
		TRY(put_known(&keeper.root_pem, out));
	return OK;
}
