/* Issuer: enrolment by token. The token is a key whose public half is in the database;
 * it dies in the transaction that records the certificate. Orders with one token go one
 * after the other, so that the second sees what the first did.
 *	issuer -> store	IS_TOKEN	store -> issuer	IS_ITEM, IS_DONE */
#include "ca/issuer.h"

#include "lib/enc.h"
#include "lib/log.h"
#include "lib/secret.h"
#include "lib/token.h"

#include <stdio.h>
#include <stdlib.h>

/* An enrolment until it is answered. */
struct enrolment {
	struct find
		find; /* first member: asks for the token, then for the result */
	struct order *order;
	uint8_t sig[TOKEN_SIG];
	bool bearer;
	struct token shown; /* bearer: the token itself */
	bool known;         /* the database has it */
	bool open; /* others may have read the token on its way, as its user says */
	struct attrs row;
	bool found;             /* the certificate of the first use */
	struct enrolment *next; /* waiting for the same token */
};

/* One token in use: the first works, the others wait. */
struct lock {
	uint8_t id[TOKEN_ID];
	struct enrolment *first, **end;
	struct lock *next; /* whose first is to begin, too */
};

static struct map *locks;
static struct lock *to_begin;
static struct loop_work begins;

static void lock_key(const void *value, const void **key, size_t *len)
{
	*key = ((const struct lock *)value)->id;
	*len = TOKEN_ID;
}

static void look_up(struct enrolment *n);

/* Not where the one before ended: thousands may wait, and all end at once. */
static void begin(struct loop_work *w)
{
	struct lock *l = to_begin, *next;

	(void)w;
	for (to_begin = NULL; l; l = next) {
		next = l->next;
		look_up(l->first);
	}
}

void enrol_init(void)
{
	locks = map_new(lock_key);
	begins.on = begin;
}

static void enrolment_free(struct enrolment *n)
{
	if (n->order)
		order_free(n->order);
	if (n->bearer)
		token_wipe(&n->shown);
	attrs_wipe(&n->row);
	free(n);
}

static void lock_take(struct enrolment *n)
{
	struct lock *l = map_find(locks, n->order->token, TOKEN_ID);

	if (l) {
		*l->end = n;
		l->end = &n->next;
		return;
	}
	l = xcalloc(1, sizeof *l);
	memcpy(l->id, n->order->token, TOKEN_ID);
	l->first = n;
	l->end = &n->next;
	map_add(locks, l);
	look_up(n);
}

/* The first is answered; the next one's turn. */
static void lock_release(const uint8_t id[TOKEN_ID])
{
	struct lock *l = map_find(locks, id, TOKEN_ID);
	struct enrolment *done = l->first;

	l->first = done->next;
	enrolment_free(done);
	if (l->first) {
		l->next = to_begin;
		to_begin = l;
		loop_defer(issuer.loop, &begins);
		return;
	}
	(void)map_drop(locks, id, TOKEN_ID);
	free(l);
}

static void release(struct enrolment *n)
{
	uint8_t id[TOKEN_ID];

	memcpy(id, n->order->token, TOKEN_ID);
	lock_release(id);
}

static enum err about(const struct enrolment *n, struct attrs *out)
{
	char hex[2 * TOKEN_ID + 1];

	enc_hex(n->order->token, TOKEN_ID, hex);
	return attrs_add_str(out, "token", hex);
}

static void refuse(struct enrolment *n, const struct fault *f)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(about(n, &a) == OK);
	if (n->known)
		txn_refuse(&n->order->ask, "enrol", attrs_view(&a), f);
	else
		txn_refuse_stranger(&n->order->ask, "enrol", attrs_view(&a), f);
	attrs_wipe(&a);
	release(n);
}

/* Signed and durable, or not */

static struct enrolment *enrolment_of(const struct order *o)
{
	const struct lock *l = map_find(locks, o->token, TOKEN_ID);

	ENSURE(l && l->first && l->first->order == o);
	return l->first;
}

static void finish(struct order *o, const struct fault *f)
{
	struct enrolment *n = enrolment_of(o);
	struct attrs reply;

	if (f && (f->code == ERR_UNAVAILABLE || f->code == ERR_LIMITED)) {
		ask_fault(&o->ask, f);
		release(n);
		return;
	}
	if (f) {
		refuse(n, f);
		return;
	}
	attrs_init(&reply);
	ENSURE(order_answer(o, &reply) == OK);
	ask_reply(&o->ask, &reply);
	attrs_wipe(&reply);
	if (o->delay)
		probe_start(o);
	release(n);
}

/* The result again, for who asks with the same CSR */

static void again_item(struct find *q, struct attr_view row)
{
	struct enrolment *n = (struct enrolment *)q;
	struct order *o = n->order;
	struct attr a;

	if (attr_only(row, "der", &a) == OK)
		n->found = buf_put(&o->der, a.value, a.len) == OK;
}

static void again_end(struct find *q, bool more, const struct fault *f)
{
	struct enrolment *n = (struct enrolment *)q;
	struct order *o = n->order;
	struct attrs reply;
	struct fault g;

	(void)more;
	(void)fault_set(&g, ERR_INTERNAL,
			"the certificate of this token is not there");
	if (f || !n->found || order_again(o, &g) != OK) {
		ask_fault(&o->ask, f ? f : &g);
		release(n);
		return;
	}
	attrs_init(&reply);
	ENSURE(order_answer(o, &reply) == OK);
	ask_reply(&o->ask, &reply);
	attrs_wipe(&reply);
	release(n);
}

static void fetch_again(struct enrolment *n, uint64_t number)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "number", number) == OK);
	ENSURE(attrs_add_u64(&a, "limit", 1) == OK);
	ENSURE(attrs_add_str(&a, "der", "yes") == OK);
	n->find.item = again_item;
	n->find.end = again_end;
	find_start(&n->find, IS_FIND, attrs_view(&a));
	attrs_wipe(&a);
}

/* Another correctly signed CSR: whoever comes second, one of the two is a thief. */

static void alarmed(struct txn_entry *e, const struct fault *f)
{
	struct order *o = (struct order *)e;
	struct enrolment *n = enrolment_of(o);
	struct fault g;

	(void)fault_set(&g, ERR_CONFLICT,
			"this token was used already, with another key: if "
			"that was not you, somebody stole it: revoke the "
			"certificate it was used for ('cretula status' names "
			"it) and make a new token");
	ask_fault(&o->ask, f ? f : &g);
	release(n);
}

static void raise_alarm(struct enrolment *n, uint64_t number)
{
	struct order *o = n->order;
	struct attrs *r = &o->entry.record;
	char text[CLOCK_TEXT];
	struct attrs alarm;

	attrs_init(&alarm);
	ENSURE(attrs_add(&alarm, "id", 0, o->token, TOKEN_ID) == OK);
	ENSURE(attrs_add_u64(&alarm, "number", number) == OK);
	ENSURE(attrs_add_str(&alarm, "text", o->ask.address) == OK);
	ENSURE(attrs_add_u64(&alarm, "time", (uint64_t)clock_wall()) == OK);
	ENSURE(attrs_add(&o->entry.ops, "alarm", 0, alarm.bytes.p,
			 alarm.bytes.len) == OK);
	attrs_wipe(&alarm);
	ENSURE(attrs_add_str(r, "event", "token.theft") == OK);
	ENSURE(ask_said(&o->ask, r) == OK);
	ENSURE(ask_id(&o->ask, r) == OK);
	ENSURE(about(n, r) == OK);
	ENSURE(attrs_add_u64(r, "number", number) == OK);
	clock_format(clock_wall(), text);
	log_text(LOG_CRIT, "token_theft",
		 "a token was used with two different keys at %s", text);
	o->entry.done = alarmed;
	txn_add(&o->entry);
}

/* The token */

static enum err check_right(const struct enrolment *n, struct fault *f)
{
	const struct order *o = n->order;
	uint8_t shown[TOKEN_PUBLIC];
	struct attr a, b;

	if (attr_only(attrs_view(&n->row), "public", &a) != OK ||
	    a.len != TOKEN_PUBLIC)
		return fault_set(f, ERR_INTERNAL, "the token's row is broken");
	if (!n->bearer) {
		if (token_verify(o->token, a.value, issuer.scope.spki_hash,
				 o->csr.p, o->csr.len, n->sig) == OK)
			return OK;
		return fault_set(f, ERR_DENIED,
				 "the signature by the token is wrong: it has "
				 "to be over this CSR and this CA's key");
	}
	token_public(&n->shown, shown);
	if (!secret_equal(shown, a.value, TOKEN_PUBLIC))
		return fault_set(f, ERR_DENIED, "the token is not valid");
	if (attr_only(attrs_view(&n->row), "bearer", &b) == OK &&
	    attr_is(&b, "yes"))
		return OK;
	return fault_set(f, ERR_DENIED,
			 "this token may not be sent itself: sign with it "
			 "('cretula ca enrol' does), or make one with "
			 "'cretula ca token --bearer'");
}

static enum err take_bound(struct enrolment *n, struct fault *f)
{
	struct attr_view row = attrs_view(&n->row);
	struct order *o = n->order;
	uint64_t end, life, port;
	char agent[AGENT_ID_LEN + 1];
	struct attr a;

	TRY(call_need(row, "node", o->node, sizeof o->node, f));
	TRY(call_need(row, "type", o->profile, sizeof o->profile, f));
	TRY(call_number(row, "delay", 0, TOKEN_DELAY_MAX, &o->delay, f));
	TRY(call_number(row, "port", 0, UINT16_MAX, &port, f));
	TRY(call_number(row, "life", 0, PROFILE_LIFE_MAX, &life, f));
	TRY(call_number(row, "expires", 0, INT64_MAX, &end, f));
	if (life && (!o->life || o->life > life))
		o->life = life;
	if (call_text(row, "agent", agent, sizeof agent, f) == OK) {
		if (o->agent[0] && strcmp(o->agent, agent))
			return fault_set(f, ERR_DENIED,
					 "this token is for agent '%s'", agent);
		memcpy(o->agent, agent, sizeof agent);
	}
	if ((uint64_t)clock_wall() > end)
		return fault_set(f, ERR_EXPIRED,
				 "the token has expired: make another with "
				 "'cretula ca token'");
	if (n->open &&
	    (attr_only(row, "open", &a) != OK || !attr_is(&a, "yes")))
		return fault_set(f, ERR_DENIED,
				 "this token came by a way that others can "
				 "read: such a one is made by 'cretula ca "
				 "token --for cmdline' or '--for user-data': "
				 "for minutes, and with --verify-after");
	if (!o->delay)
		return OK;
	if (!o->endpoint[0])
		return fault_set(f, ERR_INVALID,
				 "this token is of the kind --verify-after: "
				 "say with 'endpoint' where the CA finds the "
				 "key (host:port)");
	return probe_check(o->endpoint, o->node, port, f);
}

static void judge_token(struct enrolment *n)
{
	struct order *o = n->order;
	struct fault f;
	uint64_t used;
	struct attr a;

	if (!n->known) {
		(void)fault_set(&f, ERR_DENIED, "the token is not valid");
		refuse(n, &f);
		return;
	}
	if (check_right(n, &f) != OK) {
		refuse(n, &f);
		return;
	}
	if (call_number(attrs_view(&n->row), "used", 0, SERIAL_NUMBER_MAX,
			&used, &f) == OK &&
	    used) {
		(void)!call_text(attrs_view(&n->row), "node", o->node,
				 sizeof o->node, &f);
		(void)!call_text(attrs_view(&n->row), "type", o->profile,
				 sizeof o->profile, &f);
		(void)!call_number(attrs_view(&n->row), "delay", 0,
				   TOKEN_DELAY_MAX, &o->delay, &f);
		if (attr_only(attrs_view(&n->row), "request", &a) == OK &&
		    a.len == sizeof o->csr_hash &&
		    secret_equal(a.value, o->csr_hash, a.len))
			fetch_again(n, used);
		else
			raise_alarm(n, used);
		return;
	}
	if (take_bound(n, &f) != OK) {
		refuse(n, &f);
		return;
	}
	order_run(o);
}

static void token_item(struct find *q, struct attr_view row)
{
	struct enrolment *n = (struct enrolment *)q;

	attrs_clear(&n->row);
	n->known = attrs_add_view(&n->row, row) == OK;
}

static void token_end(struct find *q, bool more, const struct fault *f)
{
	struct enrolment *n = (struct enrolment *)q;

	(void)more;
	if (f) {
		ask_fault(&n->order->ask, f);
		release(n);
		return;
	}
	judge_token(n);
}

static void look_up(struct enrolment *n)
{
	struct fault f;
	struct attrs a;

	if (issuer_open(&f) != OK) {
		ask_fault(&n->order->ask, &f);
		release(n);
		return;
	}
	attrs_init(&a);
	ENSURE(attrs_add(&a, "token", 0, n->order->token, TOKEN_ID) == OK);
	n->find.item = token_item;
	n->find.end = token_end;
	find_start(&n->find, IS_TOKEN, attrs_view(&a));
	attrs_wipe(&a);
}

/* The request */

static enum err take_signature(struct enrolment *n, struct attr_view v,
			       struct fault *f)
{
	struct attr a;

	if (attr_only(v, "token", &a) == OK) {
		TRY(token_parse((const char *)a.value, a.len, &n->shown, f));
		n->bearer = true;
		memcpy(n->order->token, n->shown.id, TOKEN_ID);
		return OK;
	}
	if (attr_only(v, "token_id", &a) != OK || a.len != TOKEN_ID)
		return fault_set(f, ERR_INVALID,
				 "'token_id' has to be the %d bytes of the "
				 "token's id",
				 TOKEN_ID);
	memcpy(n->order->token, a.value, TOKEN_ID);
	if (attr_only(v, "signature", &a) != OK || a.len != TOKEN_SIG)
		return fault_set(f, ERR_INVALID,
				 "'signature' has to be the token's signature "
				 "of %d bytes",
				 TOKEN_SIG);
	memcpy(n->sig, a.value, TOKEN_SIG);
	return OK;
}

static enum err take(struct enrolment *n, struct attr_view v, struct fault *f)
{
	struct order *o = n->order;
	struct attr a;

	TRY(issuer_open(f));
	TRY(take_signature(n, v, f));
	o->has_token = true;
	TRY(order_take(o, v, f));
	n->open = attr_find(v, "source", &a);
	if (!attr_find(v, "endpoint", &a))
		return OK;
	return call_need(v, "endpoint", o->endpoint, sizeof o->endpoint, f);
}

void enrol_run(const struct ask *a, struct attr_view v)
{
	struct enrolment *n = xcalloc(1, sizeof *n);
	struct fault f;

	attrs_init(&n->row);
	n->order = order_new(a);
	n->order->event = "enrol";
	n->order->finish = finish;
	if (take(n, v, &f) == OK) {
		lock_take(n);
		return;
	}
	txn_refuse_stranger(a, "enrol", (struct attr_view){ 0 }, &f);
	enrolment_free(n);
}
