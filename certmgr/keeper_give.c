/* Keeper: giving a claim its key: written down first, in the log and in the agent's row,
 * then handed over, then forgotten here unless the agent has a file view. The row comes
 * first so that whoever comes after us never takes what an agent has for lost. */
#include "certmgr/keeper_claim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool has_key(const struct agent *a)
{
	return a->now.state == HOLD_MADE && a->now.has_key &&
	       a->now.not_after > clock_wall();
}

static uint64_t seconds_of(const struct agent *a)
{
	int64_t left = agent_renew_at(&a->now) - clock_wall();
	int64_t most = a->now.not_after - clock_wall();

	return (uint64_t)MAX(MIN(MAX(left, 10), most), 1);
}

/* The process may have ended meanwhile, and its agent with it. */
static void give_upcall(struct claim *c, const struct buf *payload)
{
	struct agent *a = c->agent;

	upcall_key(c->upcall, a->id, &c->who, payload, seconds_of(a));
	claim_free(c);
}

static void give_socket(struct claim *c, const struct buf *payload)
{
	struct agent *a = c->agent;
	struct procinfo who = c->who;
	struct attrs r;
	ssize_t n = send(c->sock, payload->p, payload->len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n != (ssize_t)payload->len) {
		claim_no(c, ERR_INVALID,
			 "the socket for the key does not take it whole");
		return;
	}
	attrs_init(&r);
	ENSURE(attrs_add_str(&r, "agent", a->id) == OK);
	ENSURE(attrs_add_str(&r, "serial", a->now.serial) == OK);
	ENSURE(attrs_add_u64(&r, "not_after", (uint64_t)a->now.not_after) ==
	       OK);
	ENSURE(attrs_add_u64(&r, "renew_at",
			     (uint64_t)agent_renew_at(&a->now)) == OK);
	call_reply(&c->call, &r);
	attrs_wipe(&r);
	claim_free(c);
	claim_delivered(a, &who);
}

static void hand_over(struct claim *c)
{
	struct buf payload;

	if (c->agent->state == AGENT_LIVE && claim_too_often(c->agent)) {
		claim_refuse_often(c); /* another has just got the key */
		return;
	}
	if (c->agent->state != AGENT_LIVE || !has_key(c->agent)) {
		c->giving = false;
		claims_look(c->agent);
		return;
	}
	buf_init_secret(&payload, KEEPER_PAYLOAD);
	ENSURE(hold_file(c->agent, "bundle", &payload) == OK);
	if (c->upcall)
		give_upcall(c, &payload);
	else
		give_socket(c, &payload);
	buf_wipe(&payload);
}

void claims_stored(struct agent *a)
{
	struct claim *c = a->claims;

	if (a->dirty || a->flying)
		return;
	while (c) {
		if (c->recorded) {
			c->recorded = false;
			hand_over(c); /* may free any of them */
			c = a->claims;
		} else {
			c = c->next;
		}
	}
}

static void recorded(struct audit_wait *w, const struct fault *why)
{
	struct claim *c = CLAIM_OF(w, audit);

	if (why) {
		claim_no(c, why->code, why->text);
		return;
	}
	c->recorded = true;
	claims_stored(c->agent);
}

static void give(struct claim *c)
{
	struct attrs what;
	struct fault f;

	c->giving = true;
	if (!c->agent->claimed) {
		c->agent->claimed = true;
		rows_dirty_boot(c->agent);
	}
	attrs_init(&what);
	ENSURE(claim_describe(c, c->agent->id, &what) == OK);
	ENSURE(attrs_add_str(&what, "decision", "allow") == OK);
	ENSURE(attrs_add_u64(&what, "pid", (uint64_t)c->who.pid) == OK);
	ENSURE(attrs_add_str(&what, "serial", c->agent->now.serial) == OK);
	if (!c->upcall)
		call_named(&c->call, &what);
	c->audit.then = recorded;
	if (audit_link_record(keeper.audit, attrs_view(&what), 0, &c->audit,
			      &f) != OK)
		claim_no(c, f.code, f.text);
	attrs_wipe(&what);
}

void claim_delivered(struct agent *a, const struct procinfo *who)
{
	if (a->state != AGENT_LIVE)
		return;
	a->claimed = true;
	a->claimed_at = loop_now(keeper.loop);
	a->program = true;
	a->who = *who;
	a->examined = true;
	if (a->view == AGENT_VIEW_NO && a->now.has_key) {
		arena_key_drop(a->slot, a->now.key);
		a->now.has_key = false;
	}
	rows_dirty_boot(a);
	agent_schedule(a);
}

/* A key that was given is not here any more: the next one, if it is made already, or
 * has to be. */
static void next_key(struct agent *a)
{
	if (a->coming.state == HOLD_MADE) {
		hold_promote(a);
		return;
	}
	if (a->coming.state == HOLD_NONE && a->now.state == HOLD_MADE)
		hold_renew(a);
}

void claims_look(struct agent *a)
{
	struct claim *c, *next;

	if (!a->claims || a->state != AGENT_LIVE)
		return;
	if (!keeper.issuing_pem.len) /* net has not said yet who the CA is */
		return;
	if (!has_key(a) || (a->coming.state == HOLD_MADE &&
			    agent_renew_at(&a->now) <= clock_wall()))
		next_key(a);
	if (!has_key(a))
		return;
	for (c = a->claims; c; c = next) {
		next = c->next;
		if (!c->giving)
			give(c);
	}
}
