/* gate: OCSP by GET and POST. Answers come from memory, else from the issuer, whom one
 * ask serves all who want the same. Holds public data only.
 *	gate -> issuer	GI_OCSP request		issuer -> gate	GI_OCSP_ANSWER response
 *	issuer -> gate	GI_DROP numbers		gate -> issuer	GI_DROPPED
 *
 * A revocation must not be overtaken: an answer to an ask that was sent before a
 * GI_DROP of its number may have been made before it, and is asked for again. */
#include "ca/gate_ocsp.h"

#include "ca/gate.h"
#include "ca/kinds.h"
#include "lib/clock.h"
#include "lib/map.h"
#include "lib/num.h"
#include "lib/ocsp_path.h"
#include "lib/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define OCSP_TYPE "application/ocsp-response"

enum {
	ASKS_MAX = 4096, /* in flight at the issuer */
	ASK_S = 10,
	ASK_TRIES = 4, /* when drops overtake */
	DROPS_KEPT =
		8192, /* more than a mass revocation's messages in flight */
	ERROR_MAX = 64,
};

struct ask {
	uint64_t id;
	uint8_t key[OCSP_KEY];
	struct gate_due due;
	uint64_t drops; /* that had been when it was sent */
	unsigned tries;
	struct gate_conn *waiters;
	size_t len;
	uint8_t request[];
};

static struct {
	struct map *by_id, *by_key;
	struct gate_dues dues;
	struct buf path; /* the request of a GET */
	uint8_t secret[crypto_generichash_KEYBYTES];
	struct MHD_Response *malformed, *later;
	/* the newest drops: number of the nth at n % DROPS_KEPT */
	uint64_t dropped[DROPS_KEPT];
	uint64_t drops;     /* all there have been */
	uint64_t drops_all; /* drops when everything was dropped last */
	struct gate_ocsp_stats stats;
} o;

static void ask_id(const void *value, const void **key, size_t *len)
{
	*key = &((const struct ask *)value)->id;
	*len = sizeof(uint64_t);
}

static void ask_key(const void *value, const void **key, size_t *len)
{
	*key = ((const struct ask *)value)->key;
	*len = OCSP_KEY;
}

/* Errors: unsigned, for nobody to keep */

static struct MHD_Response *error_response(enum ocsp_status s)
{
	struct MHD_Response *r;
	struct buf b;

	buf_init(&b, ERROR_MAX);
	ENSURE(ocsp_error(s, &b) == OK);
	r = mhd_response(b.p, b.len, OCSP_TYPE);
	buf_wipe(&b);
	mhd_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (s == OCSP_TRY_LATER)
		mhd_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	return r;
}

/* Asks */

static void ask_end(struct ask *a)
{
	gate_due_drop(&o.dues, &a->due);
	(void)map_drop(o.by_id, &a->id, sizeof a->id);
	(void)map_drop(o.by_key, a->key, OCSP_KEY);
	free(a);
}

/* All who wait get a response of the same bytes each; der.p NULL: try later. */
static void wake_all(struct ask *a, struct span der, bool error)
{
	struct gate_conn *c, *next;
	struct MHD_Response *r;

	for (c = a->waiters; c; c = next) {
		next = conn_of(c)->next_waiter;
		conn_of(c)->next_waiter = NULL;
		conn_of(c)->ask = NULL;
		if (der.p) {
			r = mhd_response(der.p, der.n, OCSP_TYPE);
			mhd_header(r, MHD_HTTP_HEADER_CACHE_CONTROL,
				   "no-store");
		} else {
			r = error_response(error ? OCSP_INTERNAL
						 : OCSP_TRY_LATER);
		}
		gate_resume(c, MHD_HTTP_OK, r);
	}
	a->waiters = NULL;
}

/* They look into the memory again, where the answer now is. */
static void wake_to_look(struct ask *a)
{
	struct gate_conn *c, *next;

	for (c = a->waiters; c; c = next) {
		next = conn_of(c)->next_waiter;
		conn_of(c)->next_waiter = NULL;
		conn_of(c)->ask = NULL;
		gate_resume(c, MHD_HTTP_OK, NULL);
	}
	a->waiters = NULL;
}

/* The answer that was to replace a kept one did not come. */
static void refresh_failed(const struct ask *a)
{
	int64_t now = clock_wall();
	struct ocsp_entry *e = ocsp_cache_find(a->key, now);

	if (!e)
		return;
	e->asked = false;
	e->refresh = now + ASK_S;
}

static void ask_failed(struct ask *a)
{
	o.stats.shed++;
	refresh_failed(a);
	wake_all(a, (struct span){ 0 }, false);
	ask_end(a);
}

static void ask_overdue(struct gate_due *d)
{
	struct ask *a = (struct ask *)((char *)d - offsetof(struct ask, due));

	/* for ask_end, which takes it out */
	gate_due_add(&o.dues, d);
	ask_failed(a);
}

static void ask_send(struct ask *a)
{
	struct attrs list;

	a->id = ++gate.next_id;
	a->drops = o.drops;
	attrs_init(&list);
	ENSURE(attrs_add(&list, "request", 0, a->request, a->len) == OK);
	chan_tell(&ca_gate.issuer, GI_OCSP, a->id, attrs_view(&list));
	attrs_wipe(&list);
	map_add(o.by_id, a);
	o.stats.asked++;
}

/* NULL if there are too many, or nobody to ask. */
static struct ask *ask_new(const uint8_t key[OCSP_KEY], struct span request)
{
	struct ask *a;

	if (!ca_gate.up || map_count(o.by_key) >= ASKS_MAX ||
	    ca_gate.issuer.out.len > GATE_OUT_MAX)
		return NULL;
	a = xcalloc(1, sizeof *a + request.n);
	memcpy(a->key, key, OCSP_KEY);
	memcpy(a->request, request.p, request.n);
	a->len = request.n;
	map_add(o.by_key, a);
	gate_due_add(&o.dues, &a->due);
	ask_send(a);
	return a;
}

/* Requests */

static enum MHD_Result serve(struct gate_conn *c, struct ocsp_entry *e,
			     int64_t now)
{
	struct span request = { e->request, e->request_len };

	o.stats.hits++;
	if (now >= e->refresh && !e->asked) {
		e->asked = map_find(o.by_key, e->key, OCSP_KEY) ||
			   ask_new(e->key, request);
		if (e->asked)
			o.stats.refreshed++;
		else
			e->refresh = now + 1;
	}
	return gate_cached(c, e->response, e->etag, e->this_update);
}

static enum MHD_Result wait_for(struct gate_conn *c,
				const uint8_t key[OCSP_KEY],
				struct span request)
{
	struct ask *a = map_find(o.by_key, key, OCSP_KEY);

	if (!a)
		a = ask_new(key, request);
	if (!a) {
		o.stats.shed++;
		return MHD_queue_response(c->mhd, MHD_HTTP_OK, o.later);
	}
	conn_of(c)->ask = a;
	conn_of(c)->next_waiter = a->waiters;
	a->waiters = c;
	return gate_wait(c);
}

static bool request_of(struct gate_conn *c, struct span *request)
{
	if (c->post) {
		*request = span_of(c->body.p, c->body.len);
		return c->body.len > 0;
	}
	buf_clear(&o.path);
	if (!c->vars || !c->var[0].n ||
	    ocsp_path_decode((const char *)c->var[0].p, c->var[0].n, &o.path,
			     NULL) != OK)
		return false;
	*request = span_of(o.path.p, o.path.len);
	return true;
}

enum MHD_Result gate_ocsp_run(struct gate_conn *c)
{
	uint8_t key[OCSP_KEY];
	int64_t now = clock_wall();
	struct ocsp_entry *e;
	struct span request;

	if (!request_of(c, &request))
		return MHD_queue_response(c->mhd, MHD_HTTP_OK, o.malformed);
	(void)crypto_generichash(key, sizeof key, request.p, request.n,
				 o.secret, sizeof o.secret);
	e = ocsp_cache_find(key, now);
	if (e)
		return serve(c, e, now);
	return wait_for(c, key, request);
}

/* Answers */

static bool dropped_since(uint64_t drops, uint64_t number)
{
	for (uint64_t i = drops; i < o.drops; i++)
		if (o.dropped[i % DROPS_KEPT] == number)
			return true;
	return false;
}

/* Whether a drop that came after the ask was sent may speak of its answer. */
static bool overtaken(const struct ask *a, const struct ocsp_answer *r)
{
	/* an error says nothing about a certificate */
	if (a->drops == o.drops || r->error)
		return false;
	if (a->drops < o.drops_all || o.drops - a->drops > DROPS_KEPT ||
	    !r->numbers)
		return true;
	for (unsigned i = 0; i < r->numbers; i++)
		if (dropped_since(a->drops, r->number[i]))
			return true;
	return false;
}

static bool time_get(struct attr_view v, const char *name, int64_t *t)
{
	struct attr a;
	uint64_t n;

	if (attr_only(v, name, &a) != OK || attr_u64(&a, INT64_MAX, &n) != OK)
		return false;
	*t = (int64_t)n;
	return true;
}

static void numbers_get(struct attr_view v, struct ocsp_answer *r)
{
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_named(&a, "number") && r->numbers < OCSP_CERTS_MAX &&
		    attr_u64(&a, UINT64_MAX, &r->number[r->numbers]) == OK)
			r->numbers++;
}

/* False for what no issuer of ours sends. */
static bool answer_get(struct attr_view v, struct ocsp_answer *r)
{
	struct attr a;
	bool times;

	*r = (struct ocsp_answer){ 0 };
	if (attr_only(v, "response", &a) != OK || !a.len ||
	    a.len > OCSP_RESPONSE_MAX)
		return false;
	r->response = span_of(a.value, a.len);
	if (attr_count(v, "number") > OCSP_CERTS_MAX)
		return false;
	numbers_get(v, r);
	times = time_get(v, "this_update", &r->this_update) &&
		time_get(v, "next_update", &r->next_update) &&
		time_get(v, "refresh", &r->refresh);
	r->error = attr_find(v, "status", &a) && !attr_is(&a, "0");
	r->keep = times && r->numbers && r->next_update > clock_wall() &&
		  !r->error;
	return true;
}

void gate_ocsp_answer(const struct msg *m)
{
	struct ask *a = map_find(o.by_id, &m->id, sizeof m->id);
	struct ocsp_answer r;

	if (!a) /* too late */
		return;
	if (!answer_get(m->attrs, &r)) {
		ask_failed(a);
		return;
	}
	if (overtaken(a, &r)) {
		if (++a->tries == ASK_TRIES) {
			ask_failed(a);
			return;
		}
		o.stats.retried++;
		(void)map_drop(o.by_id, &a->id, sizeof a->id);
		ask_send(a);
		return;
	}
	if (r.keep) {
		ocsp_cache_put(a->key, span_of(a->request, a->len), &r,
			       clock_wall());
		o.stats.kept++;
		wake_to_look(a);
	} else {
		refresh_failed(a);
		wake_all(a, r.response, false);
	}
	ask_end(a);
}

static void drop_one(uint64_t number)
{
	o.dropped[o.drops++ % DROPS_KEPT] = number;
	o.stats.dropped += ocsp_cache_drop(number);
}

static void drop_all(void)
{
	o.drops_all = ++o.drops;
	o.stats.dropped += ocsp_cache_drop_all();
}

/* What has been queued to clients leaves before this is answered. */
void gate_ocsp_drop(const struct msg *m)
{
	struct attr_view it = m->attrs;
	struct attr a;
	uint64_t number;
	bool some = false;

	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "number"))
			continue;
		some = true;
		if (attr_u64(&a, UINT64_MAX, &number) == OK)
			drop_one(number);
	}
	if (!some)
		drop_all();
	gate_turn();
	chan_tell(&ca_gate.issuer, GI_DROPPED, m->id, (struct attr_view){ 0 });
}

void gate_ocsp_forget(struct gate_conn *c)
{
	struct ask *a = conn_of(c)->ask;
	struct gate_conn **at = &a->waiters;

	while (*at != c)
		at = &conn_of(*at)->next_waiter;
	*at = conn_of(c)->next_waiter;
	conn_of(c)->next_waiter = NULL;
	conn_of(c)->ask = NULL;
}

/* The issuer is gone: what it was asked is not answered. What is kept still serves:
 * the next issuer begins with a drop of everything. */
void gate_ocsp_lost(void)
{
	while (o.dues.first)
		ask_failed((struct ask *)((char *)o.dues.first -
					  offsetof(struct ask, due)));
}

void gate_ocsp_issuer(void)
{
	drop_all();
}

void gate_ocsp_open(void)
{
	memset(&o, 0, sizeof o);
	o.by_id = map_new(ask_id);
	o.by_key = map_new(ask_key);
	gate_dues_init(&o.dues, gate.loop, ASK_S * CLOCK_SECOND, ask_overdue);
	buf_init(&o.path, OCSP_REQUEST_MAX);
	random_fill(o.secret, sizeof o.secret);
	o.malformed = error_response(OCSP_MALFORMED);
	o.later = error_response(OCSP_TRY_LATER);
	ocsp_cache_open();
}

void gate_ocsp_close(void)
{
	gate_dues_end(&o.dues);
	ocsp_cache_close();
	map_free(o.by_id);
	map_free(o.by_key);
	buf_wipe(&o.path);
	MHD_destroy_response(o.malformed);
	MHD_destroy_response(o.later);
}

void gate_ocsp_stats(struct gate_ocsp_stats *s)
{
	*s = o.stats;
	s->entries = ocsp_cache_entries();
	s->bytes = ocsp_cache_bytes();
	s->in_flight = map_count(o.by_key);
}
