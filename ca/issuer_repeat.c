/* Issuer: requests that may have been made before. Who lost an answer asks with
 * `repeat` and gets the certificate that was made for this CSR, or one if there is
 * none. So that there is never a second, such a request waits for all others with its
 * CSR, and looks into the inventory only then: what they did is durable by then.
 *	issuer -> store	IS_FIND		store -> issuer	IS_ITEM, IS_DONE */
#include "ca/issuer.h"

#include "lib/map.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LOOK_AT = 32 /* certificates of one agent, a page */
};

/* One CSR that is being worked on. */
struct turn {
	uint8_t csr[32];
	unsigned busy;              /* orders with it that are under way */
	struct order *first, **end; /* repeats that wait for these */
	struct turn *next;          /* whose first is to begin */
	bool listed;                /* … it is among those */
};

/* What is known already about a request that says `repeat`. */
struct repeat {
	struct find find; /* first member */
	struct order *order;
	bool found;       /* order->der is the certificate */
	struct fault bad; /* there is one, which nobody is to have again */
};

static struct map *turns;
static struct turn *to_begin;
static struct loop_work begins;

static void look(struct repeat *r, uint64_t after);

static void turn_key(const void *value, const void **key, size_t *len)
{
	const struct turn *t = value;

	*key = t->csr;
	*len = sizeof t->csr;
}

/* Turns */

static void begin_lookup(struct turn *t, struct order *o)
{
	struct repeat *r = xcalloc(1, sizeof *r);

	t->busy++;
	r->order = o;
	look(r, 0);
}

static void turn_check(struct turn *t)
{
	struct order *o = t->first;

	if (t->busy || t->listed)
		return;
	if (!o) {
		(void)map_drop(turns, t->csr, sizeof t->csr);
		free(t);
		return;
	}
	t->first = o->waiting;
	if (!t->first)
		t->end = &t->first;
	begin_lookup(t, o);
}

/* Not where the one before ended: many may wait, and all end at once. */
static void begin(struct loop_work *w)
{
	struct turn *t = to_begin, *next;

	(void)w;
	for (to_begin = NULL; t; t = next) {
		next = t->next;
		t->listed = false;
		turn_check(t);
	}
}

void repeat_init(void)
{
	turns = map_new(turn_key);
	begins.on = begin;
}

static struct turn *turn_of(const struct order *o)
{
	struct turn *t = map_find(turns, o->csr_hash, sizeof o->csr_hash);

	if (t)
		return t;
	t = xcalloc(1, sizeof *t);
	memcpy(t->csr, o->csr_hash, sizeof t->csr);
	t->end = &t->first;
	map_add(turns, t);
	return t;
}

void repeat_run(struct order *o, bool repeat)
{
	struct turn *t = turn_of(o);

	o->turn = true;
	if (!repeat) {
		t->busy++;
		order_run(o);
	} else if (t->busy || t->first) {
		o->waiting = NULL;
		*t->end = o;
		t->end = &o->waiting;
	} else {
		begin_lookup(t, o);
	}
}

void repeat_end(const struct order *o)
{
	struct turn *t;

	if (!o->turn)
		return;
	t = map_find(turns, o->csr_hash, sizeof o->csr_hash);
	ENSURE(t && t->busy);
	if (--t->busy || t->listed)
		return;
	t->listed = true;
	t->next = to_begin;
	to_begin = t;
	loop_defer(issuer.loop, &begins);
}

/* The inventory */

static bool row_is(struct attr_view row, const char *name, const void *p,
		   size_t n)
{
	struct attr a;

	return attr_only(row, name, &a) == OK && a.len == n &&
	       !memcmp(a.value, p, n);
}

/* Why a certificate that there is may not be had again; OK: it may. A new one would
 * be the second for its CSR, so that there is none either. */
static enum err usable(struct attr_view row, struct fault *f)
{
	static const char hint[] =
		"a request that says 'repeat' gets no second one: ask with a "
		"new key, or without 'repeat'";
	uint64_t end = 0;
	struct attr a;

	if (attr_find(row, "revoked", &a))
		return fault_set(f, ERR_CONFLICT,
				 "the certificate that was made for this CSR "
				 "is revoked: %s",
				 hint);
	if (attr_find(row, "valid_after_proof", &a))
		return fault_set(f, ERR_CONFLICT,
				 "the certificate that was made for this CSR "
				 "has still to be proven: %s",
				 hint);
	TRY(call_number(row, "not_after", 0, INT64_MAX, &end, f));
	if ((int64_t)end < clock_wall())
		return fault_set(f, ERR_EXPIRED,
				 "the certificate that was made for this CSR "
				 "has expired: %s",
				 hint);
	return OK;
}

static void item(struct find *q, struct attr_view row)
{
	struct repeat *r = (struct repeat *)q;
	struct order *o = r->order;
	struct attr der;
	struct fault f;

	if (r->found ||
	    !row_is(row, "request", o->csr_hash, sizeof o->csr_hash) ||
	    attr_only(row, "der", &der) != OK)
		return;
	if (usable(row, &f) != OK) {
		if (r->bad.code == OK)
			r->bad = f;
		return;
	}
	buf_clear(&o->der);
	r->found = buf_put(&o->der, der.value, der.len) == OK;
}

enum err order_again(struct order *o, struct fault *f)
{
	struct cert_signed s;
	struct fault bad;
	struct cert c;

	if (cert_split(span_of(o->der.p, o->der.len), &s, &bad) != OK ||
	    cert_parse_tbs(s.tbs, &c, &bad) != OK)
		return fault_set(f, ERR_INTERNAL,
				 "the certificate that there is cannot be "
				 "read");
	memcpy(o->serial.b, c.serial.p, MIN(c.serial.n, sizeof o->serial.b));
	(void)snprintf(o->agent, sizeof o->agent, "%.*s", (int)c.subject.uid.n,
		       (const char *)c.subject.uid.p);
	o->not_before = c.not_before;
	o->not_after = c.not_after;
	return OK;
}

/* The log: who got which certificate again. */
static enum err put_record(struct order *o)
{
	char hex[2 * SERIAL_SIZE + 1];
	struct attrs *r = &o->entry.record;

	TRY(attrs_add_str(r, "event", "issue.repeat"));
	TRY(ask_said(&o->ask, r));
	TRY(ask_id(&o->ask, r));
	serial_format(&o->serial, hex);
	TRY(attrs_add_str(r, "serial", hex));
	TRY(attrs_add_str(r, "type", o->profile));
	TRY(attrs_add_str(r, "node", o->node));
	return attrs_add_str(r, "agent", o->agent);
}

static void answer(struct order *o)
{
	struct fault f;

	if (order_again(o, &f) != OK) {
		o->finish(o, &f);
		return;
	}
	ENSURE(put_record(o) == OK);
	txn_add(&o->entry);
}

static void end(struct find *q, bool more, const struct fault *f)
{
	struct repeat *r = (struct repeat *)q;
	struct order *o = r->order;
	struct fault bad = r->bad;
	bool found = r->found;

	if (!f && !found && more) {
		look(r, q->after);
		return;
	}
	free(r);
	if (f)
		o->finish(o, f);
	else if (found)
		answer(o);
	else if (bad.code != OK)
		o->finish(o, &bad);
	else
		order_run(o);
}

/* What there is of this agent, type and node, the newest first, below after (0: all). */
static void look(struct repeat *r, uint64_t after)
{
	const struct order *o = r->order;
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "agent", o->agent) == OK);
	ENSURE(attrs_add_str(&a, "type", o->profile) == OK);
	ENSURE(attrs_add_str(&a, "node", o->node) == OK);
	ENSURE(attrs_add_str(&a, "der", "yes") == OK);
	ENSURE(attrs_add_u64(&a, "limit", LOOK_AT) == OK);
	if (after)
		ENSURE(attrs_add_u64(&a, "after", after) == OK);
	r->find.item = item;
	r->find.end = end;
	find_start(&r->find, IS_FIND, attrs_view(&a));
	attrs_wipe(&a);
}
