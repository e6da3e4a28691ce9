/* Keeper: what goes to the CA and waits to go: certificates wanted, revocations owed. Net
 * carries it; when the CA does not answer, all of it waits, longer each time, and goes
 * on with one request that tries. What waits is in the rows, so that it outlives us.
 *	keeper -> net	KN_ISSUE, KN_REVOKE	net -> keeper	KN_STATE, KN_ISSUED,
 *							KN_REVOKED, KN_FAILED */
#include "certmgr/keeper.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request on its way. */
struct asked {
	uint64_t id;
	struct hold *hold; /* or */
	struct owed *owed;
};

static void asked_key(const void *value, const void **key, size_t *len)
{
	const struct asked *a = value;

	*key = &a->id;
	*len = sizeof a->id;
}

static void hurry(void);

/* The queues */

/* A certificate that takes the place of one whose key is lost is asked for when that is
 * revoked, and no row says any more that it is not: owed_free comes here again. */
bool net_too_early(const struct hold *h)
{
	return h->after[0] && map_find(keeper.owed, h->after, strlen(h->after));
}

/* After a restart nobody knows whether it lives, until door has looked. */
static bool unseen(const struct agent *a)
{
	return a->state == AGENT_LIVE && a->bound && a->pidfd < 0;
}

void net_want(struct hold *h)
{
	if (h->queued || h->state != HOLD_WANTED || !h->of->stored ||
	    h->of->dirty || h->of->flying || unseen(h->of) || net_too_early(h))
		return; /* what was in the way comes here again */
	h->queued = true;
	h->next = NULL;
	*keeper.queue_end = h;
	keeper.queue_end = &h->next;
	net_kick();
}

void net_want_revoked(struct owed *o)
{
	if (o->queued || o->asked || o->done)
		return;
	o->queued = true;
	o->next = NULL;
	*keeper.owed_queue_end = o;
	keeper.owed_queue_end = &o->next;
	hurry();
	net_kick();
}

static void unqueue(struct hold *h)
{
	struct hold **at = &keeper.queue;

	while (*at && *at != h)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = h->next;
	if (!*at)
		keeper.queue_end = at;
	h->queued = false;
	h->next = NULL;
}

void net_forget(struct hold *h)
{
	if (h->queued)
		unqueue(h);
}

static struct asked *asked_of(const struct hold *h)
{
	struct asked *a;
	size_t at = 0;

	while ((a = map_next(keeper.asked, &at)))
		if (a->hold == h)
			return a;
	return NULL;
}

void net_free_agent(struct agent *a)
{
	struct hold *h[] = { &a->now, &a->coming };

	for (size_t i = 0; i < NELEM(h); i++) {
		struct asked *q =
			h[i]->state == HOLD_ASKED ? asked_of(h[i]) : NULL;

		net_forget(h[i]);
		if (q)
			q->hold = NULL;
	}
}

/* Asking */

static void ask(uint32_t kind, struct attr_view v, struct hold *h,
		struct owed *o)
{
	struct asked *a = xcalloc(1, sizeof *a);

	a->id = ++keeper.next_ask;
	a->hold = h;
	a->owed = o;
	map_add(keeper.asked, a);
	keeper.in_flight++;
	chan_tell(&keeper.net, kind, a->id, v);
}

/* Always as one that may have been asked before, also the first time: a request that was
 * given up may arrive after the one that took its place. */
static enum err issue_attrs(const struct hold *h, struct attrs *v)
{
	const struct agent *a = h->of;

	TRY(attrs_add_str(v, "type", a->type));
	TRY(attrs_add_str(v, "agent", a->id));
	TRY(attrs_add(v, "csr", 0, h->csr, h->csr_len));
	TRY(attrs_add_view(v, attrs_view(&a->names)));
	if (a->lifetime)
		TRY(attrs_add_u64(v, "lifetime", a->lifetime));
	if (h->replaces[0])
		TRY(attrs_add_str(v, "replaces", h->replaces));
	return attrs_add_str(v, "repeat", "yes");
}

static void ask_issue(struct hold *h)
{
	struct attrs v;

	attrs_init(&v);
	ENSURE(issue_attrs(h, &v) == OK);
	h->state = HOLD_ASKED;
	ask(KN_ISSUE, attrs_view(&v), h, NULL);
	attrs_wipe(&v);
}

static void ask_revoke(struct owed *o)
{
	struct attrs v;

	attrs_init(&v);
	ENSURE(attrs_add_str(&v, "serial", o->serial) == OK);
	ENSURE(attrs_add_str(&v, "reason", o->reason) == OK);
	o->asked = true;
	ask(KN_REVOKE, attrs_view(&v), NULL, o);
	attrs_wipe(&v);
}

static void pop_owed(void)
{
	struct owed *o = keeper.owed_queue;

	keeper.owed_queue = o->next;
	if (!keeper.owed_queue)
		keeper.owed_queue_end = &keeper.owed_queue;
	o->queued = false;
	ask_revoke(o);
}

static void pop_hold(void)
{
	struct hold *h = keeper.queue;

	unqueue(h);
	ask_issue(h);
}

/* After a failure one request tries whether the CA is there again. */
static unsigned room(void)
{
	return keeper.failures ? 1 : NET_IN_FLIGHT;
}

static void send_some(struct loop_work *w)
{
	(void)w;
	if (!chan_is_open(&keeper.net) || keeper.ca == CA_NONE)
		return;
	if (keeper.pause_until > loop_now(keeper.loop))
		return;
	while (keeper.in_flight < room() &&
	       (keeper.owed_queue || keeper.queue)) {
		if (keeper.owed_queue)
			pop_owed();
		else
			pop_hold();
	}
}

void net_kick(void)
{
	loop_defer(keeper.loop, &keeper.queue_work);
}

static void pause_over(struct loop_timer *t)
{
	(void)t;
	net_kick();
}

static void pause_for(uint64_t ms)
{
	keeper.pause_until = loop_now(keeper.loop) + ms * CLOCK_MS;
	loop_arm(keeper.loop, &keeper.queue_timer, keeper.pause_until);
}

/* Doubled each time, and nobody's clock strikes with another's. What is to be revoked is
 * nobody's any more: one request a second tries whether the CA is there again. */
static void back_off(uint64_t retry_after)
{
	uint64_t ms = KEEPER_BACKOFF_MS;
	uint32_t r;

	for (unsigned i = 1; i < keeper.failures && ms < KEEPER_BACKOFF_MAX_MS;
	     i++)
		ms *= 2;
	ms = MIN(ms, (uint64_t)KEEPER_BACKOFF_MAX_MS);
	random_fill(&r, sizeof r);
	ms = ms / 2 + r % (ms / 2 + 1);
	ms = MAX(ms, MIN(retry_after, 60ull) * 1000);
	pause_for(map_count(keeper.owed) ? MIN(ms, (uint64_t)KEEPER_OWED_MS)
					 : ms);
}

/* Something is to be revoked now, and was not when the pause began. */
static void hurry(void)
{
	if (keeper.pause_until >
	    loop_now(keeper.loop) + KEEPER_OWED_MS * CLOCK_MS)
		pause_for(KEEPER_OWED_MS);
}

static void went_well(void)
{
	keeper.failures = 0;
	keeper.pause_until = 0;
	loop_disarm(&keeper.queue_timer);
}

/* Answers */

static bool flag(const struct msg *m, const char *name)
{
	struct attr a;

	return attr_find(m->attrs, name, &a) && attr_is(&a, "yes");
}

static void failed(struct asked *q, const struct msg *m)
{
	char text[KEEPER_TEXT];
	bool final = flag(m, "final");
	enum err e = ERR_UNAVAILABLE;
	struct fault f;
	struct attr a;
	uint64_t after = 0;

	if (call_need(m->attrs, "text", text, sizeof text, &f) != OK)
		(void)snprintf(text, sizeof text, "the CA refused");
	if (attr_find(m->attrs, "error", &a))
		(void)!err_parse((const char *)a.value, a.len, &e);
	if (!final) {
		if (attr_find(m->attrs, "retry_after", &a))
			(void)!attr_u64(&a, 3600, &after);
		/* what was on its way together fails together: that is once */
		if (keeper.pause_until <= loop_now(keeper.loop))
			keeper.failures++;
		back_off(after);
		(void)snprintf(keeper.ca_text, sizeof keeper.ca_text, "%s",
			       text);
	} else {
		went_well();
	}
	if (q->hold)
		hold_failed(q->hold, e, text, final);
	if (q->owed) {
		q->owed->asked = false;
		if (final) {
			log_text(LOG_ERR, "not_revoked", "%s: %s",
				 q->owed->serial, text);
			owed_refused(q->owed, text);
		} else {
			net_want_revoked(q->owed);
		}
	}
}

/* What is no answer is as if there were none: it is asked again, but not at once. */
static void issued(struct hold *h, const struct msg *m)
{
	struct fault f;

	if (hold_issued(h, m, &f) == OK) {
		went_well();
		return;
	}
	keeper.failures++;
	back_off(0);
	(void)snprintf(keeper.ca_text, sizeof keeper.ca_text, "%s", f.text);
}

static void answered(const struct msg *m)
{
	struct asked *q = map_drop(keeper.asked, &m->id, sizeof m->id);

	if (!q)
		child_broken("net");
	keeper.in_flight--;
	if (m->kind == KN_FAILED) {
		failed(q, m);
	} else if (m->kind == KN_ISSUED && q->hold) {
		issued(q->hold, m);
	} else {
		went_well();
		if (m->kind == KN_REVOKED && q->owed)
			owed_done(q->owed);
		else if (q->hold || q->owed)
			child_broken("net");
	}
	free(q);
	net_kick();
}

/* What net is */

/* True: it is another than before. */
static bool keep_der(const struct msg *m, const char *name, struct buf *der,
		     struct buf *pem)
{
	struct attr a;

	if (attr_only(m->attrs, name, &a) != OK ||
	    span_equal(span_of(der->p, der->len), span_of(a.value, a.len)))
		return false;
	buf_clear(der);
	buf_clear(pem);
	if (buf_put(der, a.value, a.len) != OK ||
	    pem_put("CERTIFICATE", span_of(a.value, a.len), pem) != OK)
		child_broken("net");
	return true;
}

/* Everybody's files have them, and claims wait for them. */
static void ca_changed(void)
{
	struct agent *a;
	size_t at = 0;

	while ((a = map_next(keeper.agents, &at))) {
		view_tell(a);
		claims_look(a);
	}
}

static void keep_text(const struct msg *m, const char *name, char *out,
		      size_t size)
{
	struct fault f;

	if (call_text(m->attrs, name, out, size, &f) != OK)
		out[0] = 0;
}

static void keep_time(const struct msg *m, const char *name, int64_t *out)
{
	struct attr a;
	uint64_t v;

	*out = 0;
	if (attr_find(m->attrs, name, &a) && attr_u64(&a, INT64_MAX, &v) == OK)
		*out = (int64_t)v;
}

static void state_came(const struct msg *m)
{
	enum ca_state was = keeper.ca;
	char state[16];
	bool changed;

	keep_text(m, "state", state, sizeof state);
	keeper.ca = !strcmp(state, "ready")  ? CA_READY
		    : !strcmp(state, "away") ? CA_AWAY
					     : CA_NONE;
	keep_text(m, "text", keeper.ca_text, sizeof keeper.ca_text);
	keep_text(m, "node", keeper.node, sizeof keeper.node);
	keep_text(m, "serial", keeper.node_serial, sizeof keeper.node_serial);
	keep_time(m, "not_after", &keeper.node_not_after);
	keep_time(m, "since", &keeper.ca_since);
	changed = keep_der(m, "root", &keeper.root, &keeper.root_pem);
	changed |= keep_der(m, "issuing", &keeper.issuing, &keeper.issuing_pem);
	if (changed)
		ca_changed();
	if (keeper.ca == CA_READY && was != CA_READY) {
		went_well();
		net_kick();
	}
}

static void from_net(struct chan *c, const struct msg *m)
{
	(void)c;
	switch ((enum keeper_net_kind)m->kind) {
	case KN_STATE:
		state_came(m);
		return;
	case KN_ISSUED:
	case KN_REVOKED:
	case KN_FAILED:
		answered(m);
		return;
	case KN_ISSUE:
	case KN_REVOKE:
		break;
	}
	child_broken("net");
}

/* Nobody knows what became of what was asked: it is asked again, and the CA told that
 * it may have been. */
static void net_end(struct chan *c, const struct fault *why)
{
	struct asked *q;
	size_t at;

	(void)why;
	chan_close(c);
	for (;;) {
		at = 0;
		q = map_next(keeper.asked, &at);
		if (!q)
			break;
		(void)map_drop(keeper.asked, &q->id, sizeof q->id);
		keeper.in_flight--;
		if (q->hold)
			hold_failed(q->hold, ERR_UNAVAILABLE, "", false);
		if (q->owed) {
			q->owed->asked = false;
			net_want_revoked(q->owed);
		}
		free(q);
	}
}

void net_came(int fd)
{
	static const struct chan_ops ops = { from_net, net_end, NULL };

	if (chan_is_open(&keeper.net))
		net_end(&keeper.net, NULL);
	chan_open(&keeper.net, keeper.loop, fd, false, &ops);
}

void net_init(void)
{
	keeper.asked = map_new(asked_key);
	keeper.queue_end = &keeper.queue;
	keeper.owed_queue_end = &keeper.owed_queue;
	keeper.queue_timer.on = pause_over;
	keeper.queue_work.on = send_some;
	buf_init(&keeper.root, CERT_MAX);
	buf_init(&keeper.issuing, CERT_MAX);
	buf_init(&keeper.root_pem, 2 * CERT_MAX);
	buf_init(&keeper.issuing_pem, 2 * CERT_MAX);
}
