/* Issuer: revocation. Durable first, then forgotten by gate, and only then answered: who
 * has the answer knows that this responder says "revoked". */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *name;
	unsigned code;
} reasons[] = {
	{ "unspecified", 0 },          { "keyCompromise", 1 },
	{ "affiliationChanged", 3 },   { "superseded", 4 },
	{ "cessationOfOperation", 5 }, { "privilegeWithdrawn", 9 },
};

enum err reason_parse(const char *text, unsigned *reason)
{
	for (size_t i = 0; i < NELEM(reasons); i++) {
		if (strcmp(text, reasons[i].name))
			continue;
		*reason = reasons[i].code;
		return OK;
	}
	return ERR_INVALID;
}

const char *reason_name(unsigned reason)
{
	for (size_t i = 0; i < NELEM(reasons); i++)
		if (reasons[i].code == reason)
			return reasons[i].name;
	return "unspecified";
}

/* A revocation of one or of many: page by page of the inventory. */
struct revocation {
	struct txn_entry entry; /* first member */
	struct find find;
	struct ask ask;
	struct attrs filter;
	unsigned reason;
	uint64_t number[ISSUER_PAGE];
	size_t count; /* of this page */
	uint64_t last, total;
	uint64_t already;
	bool more, one, again; /* … which is revoked as it is to be */
};

static void next_page(struct revocation *r);

static void revocation_free(struct revocation *r)
{
	txn_entry_wipe(&r->entry);
	attrs_wipe(&r->filter);
	free(r);
}

static void answer(struct revocation *r, const struct fault *f)
{
	char text[CLOCK_TEXT];
	struct attrs reply;

	if (f)
		ask_fault(&r->ask, f);
	if (!f) {
		attrs_init(&reply);
		ENSURE(attrs_add_u64(&reply, "revoked", r->total) == OK);
		if (r->already)
			ENSURE(attrs_add_u64(&reply, "already", r->already) ==
			       OK);
		/* an answer given a moment ago lives that long */
		clock_format(clock_wall() + OCSP_LIFE, text);
		ENSURE(attrs_add_str(&reply, "good_until", text) == OK);
		ask_reply(&r->ask, &reply);
		attrs_wipe(&reply);
	}
	revocation_free(r);
}

static void forgotten(void *arg)
{
	struct revocation *r = arg;

	if (r->more)
		next_page(r);
	else
		answer(r, NULL);
}

static void durable(struct txn_entry *e, const struct fault *f)
{
	struct revocation *r = (struct revocation *)e;

	if (f) {
		answer(r, f);
		return;
	}
	r->total += r->again ? 0 : r->count;
	peers_revoked(r->number, r->count);
	for (size_t i = 0; i < r->count; i++)
		crl_revoked(r->number[i]);
	gate_drop(r->number, r->count, forgotten, r);
}

static enum err put_one(struct revocation *r, uint64_t number)
{
	struct attrs op;
	enum err e;

	attrs_init(&op);
	e = attrs_add_u64(&op, "number", number);
	if (e == OK)
		e = attrs_add_u64(&op, "time", (uint64_t)clock_wall());
	if (e == OK)
		e = attrs_add_u64(&op, "reason", r->reason);
	/* a thief who gives up what he got ends no alarm about it */
	if (e == OK && admin_is(&r->ask))
		e = attrs_add_str(&op, "settle", "yes");
	if (e == OK)
		e = attrs_add(&r->entry.ops, "revoke", 0, op.bytes.p,
			      op.bytes.len);
	attrs_wipe(&op);
	return e;
}

static enum err put_record(struct revocation *r)
{
	struct attrs *rec = &r->entry.record;

	TRY(attrs_add_str(rec, "event", "revoke"));
	TRY(ask_said(&r->ask, rec));
	TRY(ask_id(&r->ask, rec));
	TRY(attrs_add_str(rec, "reason", reason_name(r->reason)));
	for (size_t i = 0; i < r->count; i++)
		TRY(attrs_add_u64(rec, "number", r->number[i]));
	return OK;
}

static void commit(struct revocation *r)
{
	txn_entry_wipe(&r->entry);
	txn_entry_init(&r->entry, durable);
	for (size_t i = 0; i < r->count; i++)
		ENSURE(put_one(r, r->number[i]) == OK);
	ENSURE(put_record(r) == OK);
	txn_add(&r->entry);
}

static void page_item(struct find *q, struct attr_view row)
{
	struct revocation *r =
		(struct revocation *)((char *)q -
				      offsetof(struct revocation, find));
	struct attr a;
	uint64_t n, was = 0;

	if (attr_only(row, "number", &a) != OK ||
	    attr_u64(&a, SERIAL_NUMBER_MAX, &n) != OK)
		child_broken("store");
	r->last = n;
	if (attr_only(row, "revoked", &a) == OK) {
		r->already++;
		if (attr_only(row, "reason", &a) == OK)
			(void)!attr_u64(&a, 10, &was);
		/* only keyCompromise says more, or that somebody has seen it */
		r->again = r->one && (r->reason != 1 || was == 1);
		if (!r->again && (r->reason != 1 || was == 1))
			return;
	}
	if (r->count < ISSUER_PAGE)
		r->number[r->count++] = n;
}

static void page_end(struct find *q, bool more, const struct fault *f)
{
	struct revocation *r =
		(struct revocation *)((char *)q -
				      offsetof(struct revocation, find));
	struct fault g;

	r->more = more && !r->one;
	if (more)
		r->last = q->after; /* a page may be empty */
	if (f) {
		answer(r, f);
	} else if (r->count) {
		commit(r);
	} else if (r->more) {
		next_page(r);
	} else if (!r->total && !r->already) {
		(void)fault_set(&g, ERR_NOT_FOUND,
				r->one ? "this CA has issued no such "
					 "certificate"
				       : "no certificate that is still valid "
					 "fits");
		answer(r, &g);
	} else {
		answer(r, NULL);
	}
}

static void next_page(struct revocation *r)
{
	struct attrs a;

	r->count = 0;
	attrs_init(&a);
	ENSURE(attrs_add_view(&a, attrs_view(&r->filter)) == OK);
	ENSURE(attrs_add_u64(&a, "limit", ISSUER_PAGE) == OK);
	if (r->last)
		ENSURE(attrs_add_u64(&a, "after", r->last) == OK);
	r->find.item = page_item;
	r->find.end = page_end;
	find_start(&r->find, IS_FIND, attrs_view(&a));
	attrs_wipe(&a);
}

static struct revocation *revocation_new(const struct ask *a)
{
	struct revocation *r = xcalloc(1, sizeof *r);

	txn_entry_init(&r->entry, durable);
	attrs_init(&r->filter);
	r->ask = *a;
	return r;
}

/* serial=, or agent= node= type=, any of them */
static enum err take_filter(struct revocation *r, struct attr_view v,
			    struct fault *f)
{
	char text[64];
	struct serial s;
	enum err e = call_text(v, "serial", text, sizeof text, f);
	bool any;

	if (e == OK) {
		if (serial_parse(text, strlen(text), &s) != OK)
			return fault_set(
				f, ERR_INVALID,
				"'%s' is no serial: those have 36 hex "
				"digits, colons between pairs are fine",
				text);
		r->one = true;
		TRY(attrs_add(&r->filter, "tail", 0, serial_tail(&s),
			      SERIAL_TAIL));
		return attrs_add_u64(&r->filter, "number", serial_number(&s));
	}
	if (e != ERR_NOT_FOUND)
		return e;
	TRY(find_names(v, &r->filter, &any, f));
	if (!any)
		return fault_set(f, ERR_INVALID,
				 "say which: SERIAL, --agent, --node or "
				 "--type");
	TRY(attrs_add_str(&r->filter, "revoked", "no"));
	return attrs_add_u64(&r->filter, "not_expired", (uint64_t)clock_wall());
}

static enum err take_reason(struct revocation *r, struct attr_view v,
			    struct fault *f)
{
	char text[32] = "unspecified";
	struct attr a;

	if (attr_find(v, "reason", &a))
		TRY(call_need(v, "reason", text, sizeof text, f));
	if (reason_parse(text, &r->reason) == OK)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "there is no reason '%s': unspecified keyCompromise "
			 "affiliationChanged superseded cessationOfOperation "
			 "privilegeWithdrawn",
			 text);
}

void verb_revoke(const struct ask *a, struct attr_view v)
{
	struct revocation *r = revocation_new(a);
	struct fault f;

	if (issuer_open(&f) != OK || take_reason(r, v, &f) != OK ||
	    take_filter(r, v, &f) != OK) {
		answer(r, &f);
		return;
	}
	next_page(r);
}

/* By a holder: his own certificate, or one that he could have had issued. The row
 * says whose it is, so it is looked at first. */

struct check {
	struct find find; /* first member */
	struct ask ask;
	struct attrs said;
	bool found, may;
};

static bool peer_may(const struct tls_peer *p, struct attr_view row)
{
	const struct profile *profile;
	struct attr number, type, node;
	struct fault f;
	uint64_t n;

	if (attr_only(row, "number", &number) != OK ||
	    attr_u64(&number, SERIAL_NUMBER_MAX, &n) != OK ||
	    attr_only(row, "type", &type) != OK ||
	    attr_only(row, "node", &node) != OK)
		child_broken("store");
	if (n == serial_number(&p->serial))
		return true;
	profile = profiles_find(issuer.profiles, span_of(type.value, type.len));
	return profile &&
	       profile_may_issue(profile, span_of(node.value, node.len),
				 &p->cert.caps, &f) == OK;
}

static void check_item(struct find *q, struct attr_view row)
{
	struct check *c = (struct check *)q;
	const struct tls_peer *p = peer_find(c->ask.peer);

	c->found = true;
	c->may = p && peer_may(p, row);
}

static void check_end(struct find *q, bool more, const struct fault *f)
{
	struct check *c = (struct check *)q;
	struct fault g;

	(void)more;
	if (!f && !c->may) {
		(void)fault_set(&g, ERR_DENIED,
				"you may revoke your own certificate, and "
				"those that you may have issued");
		f = &g;
	}
	if (f)
		txn_refuse(&c->ask, "revoke", (struct attr_view){ 0 }, f);
	else
		verb_revoke(&c->ask, attrs_view(&c->said));
	attrs_wipe(&c->said);
	free(c);
}

void revoke_run(const struct ask *a, struct attr_view v)
{
	struct check *c;
	struct attrs ask;
	struct serial s;
	char text[64];
	struct fault f;

	if (call_need(v, "serial", text, sizeof text, &f) != OK ||
	    serial_parse(text, strlen(text), &s) != OK) {
		(void)fault_set(&f, ERR_INVALID,
				"the serial has to be 36 hex digits");
		ask_fault(a, &f);
		return;
	}
	if (profiles_read(&f) != OK) {
		ask_fault(a, &f);
		return;
	}
	c = xcalloc(1, sizeof *c);
	c->ask = *a;
	attrs_init(&c->said);
	ENSURE(attrs_add_view(&c->said, v) == OK);
	attrs_init(&ask);
	ENSURE(attrs_add_u64(&ask, "number", serial_number(&s)) == OK);
	ENSURE(attrs_add(&ask, "tail", 0, serial_tail(&s), SERIAL_TAIL) == OK);
	ENSURE(attrs_add_u64(&ask, "limit", 1) == OK);
	c->find.item = check_item;
	c->find.end = check_end;
	find_start(&c->find, IS_FIND, attrs_view(&ask));
	attrs_wipe(&ask);
}
