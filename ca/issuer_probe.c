/* Issuer: certificates that have to be proven (--verify-after). Until notBefore the
 * CA looks for the key at the endpoint that the request named, again and again; if it is
 * not found by then, the certificate is revoked before it becomes valid. What is owed
 * lies in the database, so that nothing is forgotten.
 *	issuer -> dialer DIAL	issuer -> supervisor SUP_WANT role=prober
 *	issuer -> prober IP_PROBE	prober -> issuer IP_RESULT */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"
#include "lib/num.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	PROBES_MAX =
		1000, /* owed at once: the store tells them in one message */
	REVOKE_REASON = 9, /* privilegeWithdrawn */
};

#define PROBE_EVERY  CLOCK_SECOND        /* between two looks */
#define PROBE_LONG   (10 * CLOCK_SECOND) /* one look takes at most that */
#define PROBE_MARGIN (250 * CLOCK_MS)    /* for revoking before notBefore */

enum probe_state {
	PROBE_WAITING,
	PROBE_DIALLING,
	PROBE_STARTING, /* a prober is wanted */
	PROBE_RUNNING,
	PROBE_SETTLED, /* its end is being made durable */
};

struct probe {
	struct chan chan; /* first member: to its prober */
	struct txn_entry entry;
	struct loop_timer timer;
	uint64_t number, id;
	enum probe_state state;
	bool proven; /* found; it may still have to be written down */
	int fd;
	char host[DNS_NAME_MAX + 1];
	uint16_t port;
	int64_t deadline;
	struct buf spki;
	struct probe *next;
};

static struct probe *probes;
static unsigned probe_count;

static struct probe *probe_by(uint64_t id)
{
	struct probe *p = probes;

	while (p && p->id != id)
		p = p->next;
	return p;
}

static void probe_free(struct probe *p)
{
	struct probe **at = &probes;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	probe_count--;
	loop_disarm(&p->timer);
	if (chan_is_open(&p->chan))
		chan_close(&p->chan);
	fd_close(&p->fd);
	buf_wipe(&p->spki);
	txn_entry_wipe(&p->entry);
	free(p);
}

/* host:port of a request: the host is the node or below it. */
static enum err split(const char *endpoint, const char *node, char *host,
		      uint16_t *port)
{
	const char *colon = strrchr(endpoint, ':');
	size_t n = colon ? (size_t)(colon - endpoint) : 0;
	size_t k = strlen(node);
	uint64_t v;

	if (!n || n > DNS_NAME_MAX ||
	    num_u64(colon + 1, strlen(colon + 1), 65535, &v) != OK || !v)
		return ERR_INVALID;
	memcpy(host, endpoint, n);
	host[n] = 0;
	*port = (uint16_t)v;
	if (!strcmp(host, node))
		return OK;
	if (n > k + 1 && host[n - k - 1] == '.' && !strcmp(host + n - k, node))
		return OK;
	return ERR_DENIED;
}

enum err probe_check(const char *endpoint, const char *node, uint64_t wanted,
		     struct fault *f)
{
	char host[DNS_NAME_MAX + 1];
	uint16_t port;

	enum err e = split(endpoint, node, host, &port);

	if (probe_count >= PROBES_MAX)
		return fault_set(f, ERR_LIMITED,
				 "%d certificates wait for their proof: try "
				 "again",
				 PROBES_MAX);
	if (e == ERR_DENIED)
		return fault_set(f, e, "the endpoint '%s' is not on node '%s'",
				 endpoint, node);
	if (e != OK)
		return fault_set(f, e, "the endpoint '%s' is not host:port",
				 endpoint);
	if (wanted && port != wanted)
		return fault_set(f, ERR_DENIED,
				 "this token is for a key that is proven at "
				 "port %llu, not at '%s'",
				 (unsigned long long)wanted, endpoint);
	return OK;
}

enum err probe_op(const struct order *o, struct attrs *ops)
{
	struct attrs op, value;
	enum err e;

	attrs_init(&op);
	attrs_init(&value);
	e = attrs_add_str(&value, "endpoint", o->endpoint);
	if (e == OK)
		e = attrs_add_str(&value, "node", o->node);
	if (e == OK)
		e = attrs_add_u64(&value, "deadline", (uint64_t)o->not_before);
	if (e == OK)
		e = attrs_add(&value, "spki", 0, o->parsed.key.spki.p,
			      o->parsed.key.spki.n);
	if (e == OK)
		e = attrs_add_fmt(&op, "name", "probe.%llu",
				  (unsigned long long)o->number);
	if (e == OK)
		e = attrs_add(&op, "value", 0, value.bytes.p, value.bytes.len);
	if (e == OK)
		e = attrs_add(ops, "meta", 0, op.bytes.p, op.bytes.len);
	attrs_wipe(&op);
	attrs_wipe(&value);
	return e;
}

/* Time left until it has to be decided, and the timer at most that far ahead. */

static uint64_t time_left(const struct probe *p)
{
	uint64_t now = clock_wall_ns() + PROBE_MARGIN;
	uint64_t end = (uint64_t)MAX(p->deadline, 0) * CLOCK_SECOND;

	return end > now ? end - now : 0;
}

static void arm(struct probe *p, uint64_t longest)
{
	loop_arm(issuer.loop, &p->timer,
		 loop_now(issuer.loop) + MIN(longest, time_left(p)));
}

/* The end of one */

static void forgotten(void *arg)
{
	(void)arg;
}

static void settled(struct txn_entry *e, const struct fault *f)
{
	struct probe *p =
		(struct probe *)((char *)e - offsetof(struct probe, entry));

	if (f) { /* it is still owed */
		p->state = PROBE_WAITING;
		loop_arm(issuer.loop, &p->timer,
			 loop_now(issuer.loop) + PROBE_EVERY);
		return;
	}
	if (!p->proven) {
		peers_revoked(&p->number, 1);
		crl_revoked(p->number);
		gate_drop(&p->number, 1, forgotten, NULL);
	}
	probe_free(p);
}

static void put_op(struct probe *p, const char *name, const struct attrs *op)
{
	ENSURE(attrs_add(&p->entry.ops, name, 0, op->bytes.p, op->bytes.len) ==
	       OK);
}

static void put_forget(struct probe *p)
{
	struct attrs op;

	attrs_init(&op);
	ENSURE(attrs_add_fmt(&op, "name", "probe.%llu",
			     (unsigned long long)p->number) == OK);
	ENSURE(attrs_add_str(&op, "value", "") == OK);
	put_op(p, "meta", &op);
	attrs_wipe(&op);
}

static void put_revoke(struct probe *p)
{
	struct attrs op;

	attrs_init(&op);
	ENSURE(attrs_add_u64(&op, "number", p->number) == OK);
	ENSURE(attrs_add_u64(&op, "time", (uint64_t)clock_wall()) == OK);
	ENSURE(attrs_add_u64(&op, "reason", REVOKE_REASON) == OK);
	put_op(p, "revoke", &op);
	attrs_wipe(&op);
}

/* What was owed and what came of it change in one transaction: whoever dies in between,
 * no certificate stays that was neither proven nor revoked. */
static void settle(struct probe *p, bool proven)
{
	struct attrs *r = &p->entry.record;

	p->state = PROBE_SETTLED;
	p->proven = proven;
	loop_disarm(&p->timer);
	txn_entry_wipe(&p->entry);
	txn_entry_init(&p->entry, settled);
	put_forget(p);
	if (!proven)
		put_revoke(p);
	ENSURE(attrs_add_str(r, "event", "probe") == OK);
	ENSURE(attrs_add_str(r, "subject", "ca") == OK);
	ENSURE(attrs_add_u64(r, "number", p->number) == OK);
	ENSURE(attrs_add_str(r, "result", proven ? "proven" : "unproven") ==
	       OK);
	if (!proven)
		ENSURE(attrs_add_str(r, "reason", reason_name(REVOKE_REASON)) ==
		       OK);
	txn_add(&p->entry);
}

/* One look */

/* It has not said its one thing: it may be somebody else by now. */
static void end_prober(const struct probe *p, const char *why)
{
	if (p->state == PROBE_RUNNING)
		child_outer_broken(&issuer.sup, "prober", p->id, why);
}

static void again(struct probe *p)
{
	if (chan_is_open(&p->chan))
		chan_close(&p->chan);
	fd_close(&p->fd);
	p->state = PROBE_WAITING;
	arm(p, PROBE_EVERY);
}

static void dial(struct probe *p)
{
	struct attrs a;

	p->id = issuer_id(ABOUT_PROBE);
	p->state = PROBE_DIALLING;
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "host", p->host) == OK);
	ENSURE(attrs_add_u64(&a, "port", p->port) == OK);
	if (issuer.probe_loopback)
		ENSURE(attrs_add_str(&a, "loopback", "yes") == OK);
	if (chan_is_open(&issuer.dialer))
		chan_tell(&issuer.dialer, DIAL, p->id, attrs_view(&a));
	attrs_wipe(&a);
	arm(p, PROBE_LONG);
}

static void time_came(struct loop_timer *t)
{
	struct probe *p =
		(struct probe *)((char *)t - offsetof(struct probe, timer));
	struct fault f;

	if (issuer_open(&f) != OK) { /* nothing can be decided now */
		loop_arm(issuer.loop, t, loop_now(issuer.loop) + PROBE_EVERY);
		return;
	}
	end_prober(p, "it does not answer");
	if (p->proven) /* it could not be written down the last time */
		settle(p, true);
	else if (!time_left(p))
		settle(p, false);
	else if (p->state == PROBE_WAITING)
		dial(p);
	else
		again(p);
}

static void result(struct chan *ch, const struct msg *m)
{
	struct probe *p = (struct probe *)ch;
	char text[FAULT_TEXT_MAX / 2] = "";
	struct fault f;
	struct attr a;

	if (p->state != PROBE_RUNNING) /* it says one thing, once */
		return;
	if (m->kind != IP_RESULT || attr_only(m->attrs, "proven", &a) != OK) {
		end_prober(p, "it says what no prober says");
		again(p);
		return;
	}
	if (attr_is(&a, "yes")) {
		settle(p, true);
		return;
	}
	(void)!call_text(m->attrs, "text", text, sizeof text, &f);
	log_text(LOG_WARN, "probe", "%s:%u: %s", p->host, p->port, text);
	again(p);
}

static void prober_end(struct chan *ch, const struct fault *why)
{
	struct probe *p = (struct probe *)ch;

	if (why->code != ERR_UNAVAILABLE)
		end_prober(p, why->text);
	if (p->state == PROBE_RUNNING)
		again(p);
	else
		chan_close(ch);
}

void probe_dialled(const struct msg *m, int fd)
{
	struct probe *p = probe_by(m->id);
	char text[FAULT_TEXT_MAX / 2] = "";
	struct attrs a;
	struct fault f;

	if (!p || p->state != PROBE_DIALLING || fd < 0) {
		if (p && p->state == PROBE_DIALLING) {
			(void)!call_text(m->attrs, "text", text, sizeof text,
					 &f);
			log_text(LOG_WARN, "probe", "%s:%u: %s", p->host,
				 p->port, text);
			again(p);
		}
		fd_close(&fd);
		return;
	}
	p->fd = fd;
	p->state = PROBE_STARTING;
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "role", "prober") == OK);
	ENSURE(attrs_add_u64(&a, "ref", p->id) == OK);
	chan_tell(&issuer.sup, SUP_WANT, 0, attrs_view(&a));
	attrs_wipe(&a);
}

void probe_prober(uint64_t ref, int fd)
{
	static const struct chan_ops ops = { result, prober_end, NULL };
	struct probe *p = probe_by(ref);
	struct attrs a;

	if (!p || p->state != PROBE_STARTING) {
		fd_close(&fd);
		return;
	}
	chan_open(&p->chan, issuer.loop, fd, false, &ops);
	p->state = PROBE_RUNNING;
	attrs_init(&a);
	ENSURE(attrs_add(&a, "spki", 0, p->spki.p, p->spki.len) == OK);
	ENSURE(attrs_add_str(&a, "host", p->host) == OK);
	if (chan_send_fds(&p->chan, IP_PROBE, p->id, attrs_view(&a), &p->fd,
			  1) != OK)
		again(p);
	else
		fd_close(&p->fd);
	attrs_wipe(&a);
}

void probe_dialer_gone(void)
{
	struct probe *p, *next;

	for (p = probes; p; p = next) {
		next = p->next;
		if (p->state == PROBE_DIALLING)
			again(p);
	}
}

/* The beginning */

/* A store that was started anew tells those that are known, too; and, before the order
 * hears that it is durable, the one of the transaction that was in flight. */
static void add(uint64_t number, const char *endpoint, const char *node,
		int64_t deadline, struct span spki)
{
	struct probe *p = probes;

	while (p && p->number != number)
		p = p->next;
	if (p)
		return;
	p = xcalloc(1, sizeof *p);
	p->number = number;
	p->fd = -1;
	p->deadline = deadline;
	p->timer.on = time_came;
	buf_init(&p->spki, CSR_MAX);
	txn_entry_init(&p->entry, settled);
	p->next = probes;
	probes = p;
	probe_count++;
	if (split(endpoint, node, p->host, &p->port) != OK ||
	    buf_put(&p->spki, spki.p, spki.n) != OK)
		p->deadline = 0;
	loop_arm(issuer.loop, &p->timer, loop_now(issuer.loop));
}

void probe_start(const struct order *o)
{
	add(o->number, o->endpoint, o->node, o->not_before, o->parsed.key.spki);
}

void probe_meta(const char *name, struct attr_view value)
{
	char endpoint[DNS_NAME_MAX + 8], node[DN_PART_MAX + 1];
	struct attr_view v;
	uint64_t number, deadline;
	struct fault f;
	struct attr spki;

	if (strncmp(name, "probe.", 6) || !value.len)
		return;
	if (num_u64(name + 6, strlen(name + 6), SERIAL_NUMBER_MAX, &number) !=
		    OK ||
	    attr_parse(value.p, value.len, &v, &f) != OK ||
	    call_need(v, "endpoint", endpoint, sizeof endpoint, &f) != OK ||
	    call_need(v, "node", node, sizeof node, &f) != OK ||
	    call_number(v, "deadline", 0, INT64_MAX, &deadline, &f) != OK ||
	    attr_only(v, "spki", &spki) != OK) {
		log_text(LOG_ERR, "probe", "'%s' cannot be read", name);
		return;
	}
	add(number, endpoint, node, (int64_t)deadline,
	    span_of(spki.value, spki.len));
}
