/* Issuer: OCSP. Requests are parsed here, the inventory says what is so, the signer
 * signs; what comes in one turn is looked up together.
 *	gate -> issuer	GI_OCSP		issuer -> gate	GI_OCSP_ANSWER
 *	issuer -> store	IS_STATUS	issuer -> signer IG_OCSP */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdlib.h>

enum {
	LOOKUP_NUMBERS = 1024 /* of one question to the store */
};

struct status {
	uint64_t number; /* 0: not one of ours */
	bool found;
	int64_t revoked; /* 0: not */
	unsigned reason;
};

struct ocsp {
	uint64_t id; /* ours, for the signer */
	uint64_t gate_id;
	struct buf der;
	struct ocsp_request request; /* borrows from der */
	struct status status[OCSP_CERTS_MAX];
	unsigned left; /* numbers still to be looked up */
	int64_t this_update, next_update;
	struct ocsp *next;
};

/* What one question to the store asked for, in its order. */
struct batch {
	uint64_t id;
	struct ocsp *first;
	struct batch *next;
};

static struct {
	struct map *signing; /* by id */
	struct ocsp *gathering, **end;
	unsigned numbers; /* of those gathering */
	unsigned count;   /* in all */
	struct batch *batches;
	struct loop_work work;
} ocsp;

static void ocsp_key(const void *value, const void **key, size_t *len)
{
	const struct ocsp *o = value;

	*key = &o->id;
	*len = sizeof o->id;
}

static void ocsp_free(struct ocsp *o)
{
	buf_wipe(&o->der);
	free(o);
	ocsp.count--;
}

/* Answers */

static void tell(uint64_t gate_id, const struct attrs *a)
{
	if (chan_is_open(&issuer.gate))
		chan_tell(&issuer.gate, GI_OCSP_ANSWER, gate_id, attrs_view(a));
}

static void answer_error(uint64_t gate_id, enum ocsp_status s)
{
	AUTO(buf_wipe) struct buf out = { .max = 64 };
	struct attrs a;

	attrs_init(&a);
	ENSURE(ocsp_error(s, &out) == OK);
	ENSURE(attrs_add(&a, "response", 0, out.p, out.len) == OK);
	ENSURE(attrs_add_u64(&a, "status", s) == OK);
	tell(gate_id, &a);
	attrs_wipe(&a);
}

static void fail(struct ocsp *o, enum ocsp_status s)
{
	answer_error(o->gate_id, s);
	ocsp_free(o);
}

/* The request */

static uint64_t number_of(struct span serial)
{
	struct serial s;

	if (serial.n != SERIAL_SIZE)
		return 0;
	memcpy(s.b, serial.p, SERIAL_SIZE);
	return serial_instance(&s) == issuer.scope.instance ? serial_number(&s)
							    : 0;
}

static bool all_ours(const struct ocsp *o)
{
	for (unsigned i = 0; i < o->request.count; i++)
		if (!ocsp_issuer_is(&issuer.ocsp_issuer, &o->request.id[i]))
			return false;
	return true;
}

/* About the issuing CA itself: what the root said beforehand, without a nonce. */
static bool is_of_issuing(const struct ocsp *o)
{
	return o->request.count == 1 &&
	       ocsp_issuer_is(&issuer.root_ocsp, &o->request.id[0]) &&
	       span_equal(o->request.id[0].serial, issuer.issuing_cert.serial);
}

static void answer_by_root(struct ocsp *o)
{
	struct attr_view says = { issuer.root_says.p, issuer.root_says.len };
	struct attrs a;
	struct attr r;

	if (!attr_find(says,
		       o->request.id[0].hash == OCSP_SHA1 ? "ocsp_sha1"
							  : "ocsp_sha256",
		       &r)) {
		fail(o, OCSP_UNAUTHORIZED);
		return;
	}
	attrs_init(&a);
	ENSURE(attrs_add(&a, "response", 0, r.value, r.len) == OK);
	ENSURE(attrs_add_u64(&a, "status", OCSP_OK) == OK);
	tell(o->gate_id, &a);
	attrs_wipe(&a);
	ocsp_free(o);
}

static void sign(struct ocsp *o);
static void flush(struct loop_work *w);

static void gather(struct ocsp *o)
{
	for (unsigned i = 0; i < o->request.count; i++) {
		o->status[i].number = number_of(o->request.id[i].serial);
		o->left += o->status[i].number != 0;
	}
	if (!o->left) {
		sign(o);
		return;
	}
	if (ocsp.numbers + o->left > LOOKUP_NUMBERS)
		flush(&ocsp.work);
	*ocsp.end = o;
	ocsp.end = &o->next;
	ocsp.numbers += o->left;
	loop_defer(issuer.loop, &ocsp.work);
}

enum err ocsp_run(const struct msg *m, struct fault *f)
{
	struct ocsp *o;
	struct attr a;

	if (attr_only(m->attrs, "request", &a) != OK)
		return fault_set(f, ERR_INVALID, "a request is missing");
	if (ocsp.count >= ISSUER_OCSP_MAX || issuer.state != ISSUER_READY ||
	    !ocsp_signer_end()) {
		answer_error(m->id, OCSP_TRY_LATER);
		return OK;
	}
	o = xcalloc(1, sizeof *o);
	ocsp.count++;
	o->gate_id = m->id;
	buf_init(&o->der, OCSP_REQUEST_MAX);
	if (buf_put(&o->der, a.value, a.len) != OK ||
	    ocsp_request_parse(span_of(o->der.p, o->der.len), &o->request, f) !=
		    OK)
		fail(o, OCSP_MALFORMED);
	else if (is_of_issuing(o))
		answer_by_root(o);
	else if (!all_ours(o))
		fail(o, OCSP_UNAUTHORIZED);
	else
		gather(o);
	return OK;
}

/* Looking up */

static void flush(struct loop_work *w)
{
	struct batch *b;
	struct attrs a;

	(void)w;
	if (!ocsp.gathering)
		return;
	b = xcalloc(1, sizeof *b);
	b->id = issuer_id(ABOUT_OCSP);
	b->first = ocsp.gathering;
	ocsp.gathering = NULL;
	ocsp.end = &ocsp.gathering;
	ocsp.numbers = 0;
	attrs_init(&a);
	for (struct ocsp *o = b->first; o; o = o->next)
		for (unsigned i = 0; i < o->request.count; i++)
			if (o->status[i].number)
				ENSURE(attrs_add_u64(&a, "number",
						     o->status[i].number) ==
				       OK);
	b->next = ocsp.batches;
	ocsp.batches = b;
	if (!chan_is_open(&issuer.store) ||
	    chan_send(&issuer.store, IS_STATUS, b->id, attrs_view(&a)) != OK)
		ocsp_fail_all();
	attrs_wipe(&a);
}

static void set_status(struct status *s, const struct ocsp_id *id,
		       struct attr_view row)
{
	struct attr a;
	uint64_t n;

	/* the number is only where to look; the whole serial has to be it */
	if (attr_only(row, "tail", &a) != OK || a.len != SERIAL_TAIL)
		child_broken("store");
	if (memcmp(a.value, id->serial.p + SERIAL_SIZE - SERIAL_TAIL,
		   SERIAL_TAIL))
		return;
	s->found = true;
	if (attr_only(row, "revoked", &a) == OK &&
	    attr_u64(&a, INT64_MAX, &n) == OK)
		s->revoked = (int64_t)n;
	if (attr_only(row, "reason", &a) == OK && attr_u64(&a, 10, &n) == OK)
		s->reason = (unsigned)n;
}

static uint64_t row_number(struct attr_view row)
{
	struct attr a;
	uint64_t n;

	if (attr_only(row, "number", &a) != OK ||
	    attr_u64(&a, SERIAL_NUMBER_MAX, &n) != OK)
		child_broken("store");
	return n;
}

static struct batch *batch_take(uint64_t id)
{
	for (struct batch **at = &ocsp.batches; *at; at = &(*at)->next) {
		struct batch *b = *at;

		if (b->id != id)
			continue;
		*at = b->next;
		return b;
	}
	return NULL;
}

/* Rows come in the order of the question, those that are not there left out. */
void ocsp_status(const struct msg *m)
{
	struct batch *b = batch_take(m->id);
	struct attr_view it = m->attrs, row = { 0 };
	struct ocsp *o, *next;
	bool have = false;
	struct fault f;
	struct attr a;

	for (o = b ? b->first : NULL; o; o = o->next) {
		for (unsigned i = 0; i < o->request.count; i++) {
			if (!o->status[i].number)
				continue;
			if (!have && attr_next(&it, &a) &&
			    attr_parse(a.value, a.len, &row, &f) == OK)
				have = true;
			if (!have || row_number(row) != o->status[i].number)
				continue;
			set_status(&o->status[i], &o->request.id[i], row);
			have = false;
		}
	}
	for (o = b ? b->first : NULL; o; o = next) {
		next = o->next;
		sign(o);
	}
	free(b);
}

static void fail_list(struct ocsp *o);

void ocsp_lookup_failed(uint64_t id)
{
	struct batch *b = batch_take(id);

	if (b)
		fail_list(b->first);
	free(b);
}

/* Signing */

static void fill(struct ocsp *o, struct ocsp_basic *b, const uint8_t key[20])
{
	memcpy(b->responder, key, sizeof b->responder);
	b->produced_at = o->this_update;
	b->count = o->request.count;
	b->nonce = o->request.nonce;
	for (unsigned i = 0; i < b->count; i++) {
		const struct status *s = &o->status[i];

		b->single[i] = (struct ocsp_single){
			.id = o->request.id[i],
			.status = !s->found    ? OCSP_UNKNOWN
				  : s->revoked ? OCSP_REVOKED
					       : OCSP_GOOD,
			.revoked_at = s->revoked,
			.reason = s->reason,
			.this_update = o->this_update,
			.next_update = o->next_update,
		};
	}
}

static void sign(struct ocsp *o)
{
	AUTO(buf_wipe) struct buf data = { .max = OCSP_RESPONSE_MAX };
	static struct ocsp_basic b;
	struct attrs a;
	enum err e;

	o->next = NULL;
	o->id = ++issuer.ids;
	o->this_update = clock_wall();
	o->next_update = o->this_update + OCSP_LIFE;
	if (!ocsp_signer_end() || !chan_is_open(&issuer.signer)) {
		fail(o, OCSP_TRY_LATER);
		return;
	}
	fill(o, &b, ocsp_signer_id());
	attrs_init(&a);
	e = ocsp_data_build(&b, &data);
	if (e == OK)
		e = attrs_add(&a, "data", 0, data.p, data.len);
	if (e == OK)
		e = chan_send(&issuer.signer, IG_OCSP,
			      ABOUT_ID(ABOUT_OCSP, o->id), attrs_view(&a));
	attrs_wipe(&a);
	if (e == OK)
		map_add(ocsp.signing, o);
	else
		fail(o, OCSP_TRY_LATER);
}

/* Which numbers it speaks of; without a nonce it is for everybody, and gate may keep
 * it. */
static enum err say_kept(const struct ocsp *o, struct attrs *a)
{
	for (unsigned i = 0; i < o->request.count; i++)
		if (o->status[i].number)
			TRY(attrs_add_u64(a, "number", o->status[i].number));
	if (o->request.nonce.p)
		return OK;
	TRY(attrs_add_u64(a, "this_update", (uint64_t)o->this_update));
	TRY(attrs_add_u64(a, "next_update", (uint64_t)o->next_update));
	return attrs_add_u64(a, "refresh",
			     (uint64_t)o->this_update + OCSP_REFRESH);
}

static struct ocsp *take(uint64_t id)
{
	uint64_t n = ABOUT_N(id);

	return map_drop(ocsp.signing, &n, sizeof n);
}

void ocsp_signed(uint64_t id, const struct msg *m)
{
	struct ocsp *o = take(id);
	struct attrs a;
	struct attr r;

	if (attr_only(m->attrs, "response", &r) != OK)
		child_broken("signer");
	if (!o)
		return;
	attrs_init(&a);
	ENSURE(attrs_add_attr(&a, &r) == OK);
	ENSURE(attrs_add_u64(&a, "status", OCSP_OK) == OK);
	ENSURE(say_kept(o, &a) == OK);
	tell(o->gate_id, &a);
	attrs_wipe(&a);
	ocsp_free(o);
}

void ocsp_refused(uint64_t id, const struct fault *f)
{
	struct ocsp *o = take(id);

	if (o)
		fail(o, f->code == ERR_UNAVAILABLE ? OCSP_TRY_LATER
						   : OCSP_INTERNAL);
}

static void fail_list(struct ocsp *o)
{
	struct ocsp *next;

	for (; o; o = next) {
		next = o->next;
		fail(o, OCSP_TRY_LATER);
	}
}

void ocsp_fail_all(void)
{
	struct batch *b;
	struct ocsp *o;
	size_t at = 0;

	while ((b = ocsp.batches)) {
		ocsp.batches = b->next;
		fail_list(b->first);
		free(b);
	}
	fail_list(ocsp.gathering);
	ocsp.gathering = NULL;
	ocsp.end = &ocsp.gathering;
	loop_undefer(issuer.loop, &ocsp.work);
	while ((o = map_next(ocsp.signing, &at))) {
		(void)map_drop(ocsp.signing, &o->id, sizeof o->id);
		fail(o, OCSP_TRY_LATER);
		at = 0;
	}
}

void ocsp_init(void)
{
	ocsp.signing = map_new(ocsp_key);
	ocsp.end = &ocsp.gathering;
	ocsp.work.on = flush;
}
