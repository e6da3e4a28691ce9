/* gate: bodies of requests. Holds them until they are whole, all of them together
 * bounded, and wipes them after their request. */
#include "lib/gate_part.h"

#include "lib/secret.h"

/* Bodies being received, the one that began first in front. They are bounded together,
 * and those that never come to an end must not keep others out: the first makes room. */

static void receiving_begin(struct gate_conn *c)
{
	c->receiving = true;
	c->body_newer = NULL;
	c->body_older = gate.body_newest;
	*(gate.body_newest ? &gate.body_newest->body_newer
			   : &gate.body_oldest) = c;
	gate.body_newest = c;
}

void gate_body_whole(struct gate_conn *c)
{
	if (!c->receiving)
		return;
	c->receiving = false;
	*(c->body_older ? &c->body_older->body_newer : &gate.body_oldest) =
		c->body_newer;
	*(c->body_newer ? &c->body_newer->body_older : &gate.body_newest) =
		c->body_older;
}

void gate_body_drop(struct gate_conn *c)
{
	gate_body_whole(c);
	if (!c->body.p)
		return;
	/* it may have held a bearer token */
	secret_zero(c->body.p, c->body.cap);
	gate.bodies -= c->body_counted;
	buf_wipe(&c->body);
	c->body_counted = 0;
}

static bool make_room(const struct gate_conn *c, size_t n)
{
	struct gate_conn *first;

	while (gate.bodies + n > GATE_BODIES_MAX) {
		first = gate.body_oldest;
		if (first == c)
			first = first->body_newer;
		if (!first)
			return false;
		gate_http_refuse(first, ERR_UNAVAILABLE, 0,
				 "the body took too long: others were waiting");
		gate_body_drop(first);
		first->port->closed_full++;
		gate_conn_end(first);
	}
	return true;
}

enum MHD_Result gate_body_take(struct gate_conn *c, const char *data,
			       size_t *size)
{
	size_t n = *size, cap = c->body.cap;

	*size = 0;
	if (!c->refused && !c->body.max)
		c->body.max = c->route->body_max;
	if (!c->refused && n > c->body.max - c->body.len)
		gate_http_refuse(c, ERR_TOO_LARGE, 0, NULL);
	if (!c->refused && !make_room(c, n))
		gate_http_refuse(
			c, ERR_UNAVAILABLE, 0,
			"too many requests are being received: try again");
	if (c->refused) {
		c->skipped += n;
		return c->skipped > GATE_BODY_SKIP ? MHD_NO : MHD_YES;
	}
	if (!c->receiving)
		receiving_begin(c);
	ENSURE(buf_put(&c->body, data, n) == OK);
	gate.bodies += c->body.cap - cap;
	c->body_counted += c->body.cap - cap;
	return MHD_YES;
}
