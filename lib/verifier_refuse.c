/* Verifier: who was refused, told the core for log and audit; the same more than once in
 * a second becomes one with a count. Holds what was said last. */
#include "lib/verifier.h"

#include "lib/cert_peek.h"
#include "lib/enc.h"

#include <stdlib.h>
#include <string.h>

enum {
	REFUSED_KEPT = 64, /* that are told apart */
};

struct refused {
	bool used;
	uint64_t at; /* boottime of the last that was told */
	unsigned more;
	struct attrs said;        /* error= reason= serial= cert.… */
	char peer[VERIFIER_PEER]; /* of the latest */
};

static struct refused kept[REFUSED_KEPT];
static struct loop_timer timer;

/* ---- names */

static void add_span(struct attrs *a, const char *name, struct span v)
{
	if (v.n)
		ENSURE(attrs_add(a, name, 0, v.p, v.n) == OK);
}

void refuse_names(struct span der, struct attrs *out)
{
	char room[DN_DOMAIN_MAX + 1], serial[2 * CERT_SERIAL_MAX + 3];
	struct cert_peek p;
	struct dn dn;
	struct rd r;

	if (cert_peek(der, &p) != OK)
		return;
	if (p.serial.n && p.serial.n <= CERT_SERIAL_MAX) {
		enc_hex(p.serial.p, p.serial.n, serial);
		ENSURE(attrs_add_str(out, "serial", serial) == OK);
	}
	r = span_rd(p.subject);
	if (dn_get(&r, room, &dn) != OK)
		return;
	add_span(out, "cert.o", dn.o);
	add_span(out, "cert.ou", dn.ou);
	add_span(out, "cert.uid", dn.uid);
}

/* ---- telling */

static void tell(struct refused *r, unsigned count)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_view(&a, attrs_view(&r->said)) == OK);
	if (r->peer[0])
		ENSURE(attrs_add_str(&a, "peer", r->peer) == OK);
	ENSURE(attrs_add_u64(&a, "count", count) == OK);
	chan_tell(&verifier.core, DC_REFUSED, 0, attrs_view(&a));
	attrs_wipe(&a);
	r->at = clock_boot();
	r->more = 0;
}

static void forget(struct refused *r)
{
	if (r->more)
		tell(r, r->more);
	attrs_wipe(&r->said);
	r->used = false;
}

/* Each second: what came meanwhile, and what came no more. */
static void tick(struct loop_timer *t)
{
	uint64_t now = clock_boot();
	bool any = false;

	for (size_t i = 0; i < REFUSED_KEPT; i++) {
		struct refused *r = &kept[i];

		if (!r->used)
			continue;
		if (now < r->at + CLOCK_SECOND) {
			any = true;
			continue;
		}
		if (r->more)
			tell(r, r->more);
		else
			forget(r);
		any = any || r->used;
	}
	if (any)
		loop_arm(verifier.loop, t, now + CLOCK_SECOND / 4);
}

static void say(const struct fault *why, struct attr_view names,
		struct attrs *out)
{
	struct attr_view it = names;
	struct attr a;

	ENSURE(attrs_add_str(out, "reason", why->text) == OK);
	while (attr_next(&it, &a))
		if (attr_named(&a, "serial") || attr_named(&a, "cert.o") ||
		    attr_named(&a, "cert.ou") || attr_named(&a, "cert.uid"))
			ENSURE(attrs_add_attr(out, &a) == OK);
}

static bool same(const struct attrs *a, const struct attrs *b)
{
	return span_equal(span_of(a->bytes.p, a->bytes.len),
			  span_of(b->bytes.p, b->bytes.len));
}

/* The one that says the same, or a place: free, or of the one told longest ago. */
static struct refused *place_of(const struct attrs *said)
{
	struct refused *best = &kept[0];

	for (size_t i = 0; i < REFUSED_KEPT; i++) {
		if (kept[i].used && same(&kept[i].said, said))
			return &kept[i];
		if (best->used && (!kept[i].used || kept[i].at < best->at))
			best = &kept[i];
	}
	if (best->used)
		forget(best);
	return best;
}

void refuse_tell(const struct fault *why, const char *peer,
		 struct attr_view names)
{
	struct refused *r;
	struct attrs said;

	attrs_init(&said);
	ENSURE(attrs_add_str(&said, "error", err_name(why->code)) == OK);
	say(why, names, &said);
	r = place_of(&said);
	memcpy(r->peer, peer, sizeof r->peer);
	if (r->used) {
		r->more++;
		attrs_wipe(&said);
		return;
	}
	r->used = true;
	r->said = said;
	tell(r, 1);
	timer.on = tick;
	if (!timer.loop)
		loop_arm(verifier.loop, &timer,
			 clock_boot() + CLOCK_SECOND / 4);
}

void refuse_not(const struct fault *why, const char *peer,
		struct attr_view names)
{
	struct attrs a;

	attrs_init(&a);
	say(why, names, &a);
	if (peer[0])
		ENSURE(attrs_add_str(&a, "peer", peer) == OK);
	chan_tell(&verifier.core, DC_UNCHECKED, 0, attrs_view(&a));
	attrs_wipe(&a);
}
