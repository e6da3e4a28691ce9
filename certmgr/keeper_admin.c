/* Keeper: agents as people see them: listed, shown, renewed, revoked; and calls that wait
 * for what the CA says. An admin sees all agents; over api.sock and http.sock everybody his
 * own; who comes with an agent's certificate, that agent. */
#include "certmgr/keeper.h"

#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls that wait */

static void wait_free(struct wait *w)
{
	struct wait **at = w->agent ? &w->agent->waits : &w->owed->waits;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	loop_disarm(&w->timer);
	attrs_wipe(&w->reply);
	free(w);
}

static void wait_reply(struct wait *w, const char *state)
{
	ENSURE(attrs_add_str(&w->reply, "state", state) == OK);
	call_reply(&w->call, &w->reply);
	wait_free(w);
}

static void too_late(struct loop_timer *t)
{
	struct wait *w = (struct wait *)(void *)((char *)t -
						 offsetof(struct wait, timer));

	wait_reply(w, w->agent ? agent_state_text(w->agent) : "queued");
}

static struct wait *wait_new(const struct call *c, struct attrs *reply)
{
	struct wait *w = xcalloc(1, sizeof *w);

	w->call = *c;
	w->reply = *reply;
	attrs_init(reply);
	w->timer.on = too_late;
	loop_arm(keeper.loop, &w->timer,
		 loop_now(keeper.loop) + KEEPER_WAIT_MS * CLOCK_MS);
	return w;
}

/* Whoever may ask may ask often. */
static bool crowded(const struct agent *a)
{
	unsigned n = 0;

	for (const struct wait *w = a->waits; w; w = w->next)
		n++;
	return n >= KEEPER_AGENT_WAITS;
}

void wait_agent(struct agent *a, const struct call *c, struct attrs *reply)
{
	struct wait *w;

	if (crowded(a)) {
		ENSURE(attrs_add_str(reply, "state", agent_state_text(a)) ==
		       OK);
		call_reply(c, reply);
		return;
	}
	w = wait_new(c, reply);
	w->agent = a;
	w->next = a->waits;
	a->waits = w;
	waits_look(a);
}

void wait_owed(struct owed *o, const struct call *c, struct attrs *reply)
{
	struct wait *w = wait_new(c, reply);

	w->owed = o;
	w->next = o->waits;
	o->waits = w;
}

void waits_end(struct wait **list, const struct fault *f, const char *state)
{
	while (*list) {
		struct wait *w = *list;

		if (!f) {
			wait_reply(w, state);
			continue;
		}
		call_fault(&w->call, f);
		wait_free(w);
	}
}

/* Something has changed: is it what they wait for? */
void waits_look(struct agent *a)
{
	struct fault f;

	if (!a->waits)
		return;
	if (a->state == AGENT_ENDED) {
		(void)fault_set(&f, ERR_CONFLICT, "the agent has ended");
		waits_end(&a->waits, &f, NULL);
	} else if (a->failed != OK) {
		(void)fault_set(&f, a->failed,
				"the CA makes no certificate: %s", a->why);
		waits_end(&a->waits, &f, NULL);
	} else if (a->now.state == HOLD_MADE &&
		   (a->coming.state == HOLD_NONE ||
		    a->coming.state == HOLD_MADE)) {
		waits_end(&a->waits, NULL, agent_state_text(a));
	}
}

/* Whose */

/* Who comes with a certificate is that agent, or an admin. */
static bool is_himself(const struct subject_cert *c, const char *id,
		       const char *type)
{
	return c->uid && c->o && c->ou && !strcmp(c->uid, id) &&
	       !strcmp(c->o, type) && !strcmp(c->ou, keeper.node);
}

static bool may_see(const struct call *c, const char *id, const char *type,
		    uid_t uid, uid_t spawner)
{
	const struct conn *conn = call_conn(c);
	const struct subject *s = conn ? &conn->subject : NULL;

	if (!s || s->admin)
		return s;
	if (s->via == VIA_TLS)
		return is_himself(&s->cert, id, type);
	return s->uid == uid || s->uid == spawner;
}

static bool may(const struct call *c, const struct agent *a)
{
	return may_see(c, a->id, a->type, a->uid, a->spawner);
}

/* What v names, if it has ended and is remembered. */
static const struct agent_past *past(const struct call *c, struct attr_view v)
{
	const struct agent_past *p = NULL;
	char id[AGENT_ID_LEN + 1];
	struct fault f;

	if (call_need(v, "agent", id, sizeof id, &f) == OK)
		p = agent_past(id);
	return p && may_see(c, p->id, p->type, p->uid, p->spawner) ? p : NULL;
}

static struct agent *named(const struct call *c, struct attr_view v,
			   struct fault *f)
{
	char id[AGENT_ID_LEN + 1];
	struct agent *a;

	if (call_need(v, "agent", id, sizeof id, f) != OK)
		return NULL;
	a = agent_find(id);
	if (a && a->state == AGENT_LIVE && may(c, a))
		return a;
	(void)(past(c, v)
		       ? fault_set(f, ERR_CONFLICT,
				   "agent '%s' has ended: its certificate is "
				   "revoked already",
				   id)
		       : fault_set(f, ERR_NOT_FOUND,
				   "there is no agent '%s' here, or it is "
				   "another user's",
				   id));
	return NULL;
}

/* list, show */

static enum err put_cert(const struct agent *a, struct attrs *v)
{
	if (a->now.state != HOLD_MADE)
		return OK;
	TRY(attrs_add_str(v, "serial", a->now.serial));
	TRY(attrs_add_u64(v, "not_after", (uint64_t)a->now.not_after));
	return attrs_add_u64(v, "renew_at", (uint64_t)agent_renew_at(&a->now));
}

static enum err put_agent(const struct agent *a, struct attrs *v)
{
	static const char *const views[] = { "no", "yes", "self" };

	TRY(attrs_add_str(v, "agent", a->id));
	TRY(attrs_add_str(v, "type", a->type));
	TRY(attrs_add_str(v, "node", keeper.node));
	TRY(attrs_add_u64(v, "uid", a->uid));
	if (a->bound)
		TRY(attrs_add_u64(v, "pid", (uint64_t)a->who.pid));
	TRY(attrs_add_str(v, "state", agent_state_text(a)));
	TRY(put_cert(a, v));
	TRY(attrs_add_str(v, "view", views[a->view]));
	if (a->examined)
		TRY(attrs_add_str(v, "ptraceable",
				  a->who.dumpable ? "yes" : "no"));
	return a->failed == OK ? OK : attrs_add_str(v, "text", a->why);
}

void verb_list(const struct call *c, struct attr_view v)
{
	char type[TYPE_MAX + 1] = "";
	struct attrs item, r;
	struct agent *a;
	struct fault f;
	size_t at = 0;
	enum err e = call_text(v, "type", type, sizeof type, &f);

	if (e != OK && e != ERR_NOT_FOUND) {
		call_fault(c, &f);
		return;
	}
	attrs_init(&item);
	attrs_init(&r);
	while ((a = map_next(keeper.agents, &at))) {
		if (a->state != AGENT_LIVE || !may(c, a) ||
		    (type[0] && strcmp(type, a->type) != 0))
			continue;
		attrs_clear(&item);
		ENSURE(put_agent(a, &item) == OK);
		call_item(c, attrs_view(&item));
	}
	call_reply(c, &r);
	attrs_wipe(&item);
	attrs_wipe(&r);
}

static enum err put_details(const struct agent *a, struct attrs *v)
{
	TRY(attrs_add_str(v, "instance", keeper.instance));
	TRY(attrs_add_u64(v, "spawner", a->spawner));
	TRY(attrs_add_u64(v, "made", (uint64_t)a->made));
	TRY(attrs_add_view(v, attrs_view(&a->names)));
	if (a->lifetime)
		TRY(attrs_add_u64(v, "lifetime", a->lifetime));
	if (a->on_renew)
		TRY(attrs_add_str(v, "on_renew", agent_signal(a)));
	if (a->view != AGENT_VIEW_NO)
		TRY(attrs_add_fmt(v, "dir", "%s/%s", keeper.view_path, a->id));
	if (a->now.cert)
		TRY(attrs_add(v, "certificate", 0, a->now.cert,
			      a->now.cert_len));
	TRY(attrs_add_str(v, "key_here", a->now.has_key ? "yes" : "no"));
	for (unsigned i = 0; i < a->olds; i++)
		TRY(attrs_add_str(v, "old_serial", a->old[i].serial));
	return OK;
}

/* Of one that has ended. */
static enum err put_past(const struct agent_past *p, struct attrs *v)
{
	static const char *const whys[][2] = {
		{ "ended", "its process ended" },
		{ "revoke", "somebody revoked it" },
		{ "unclaimed", "nobody claimed in time" },
		{ "other_program", "its process became another program" },
	};

	TRY(attrs_add_str(v, "agent", p->id));
	TRY(attrs_add_str(v, "type", p->type));
	TRY(attrs_add_str(v, "node", keeper.node));
	TRY(attrs_add_u64(v, "uid", p->uid));
	TRY(attrs_add_str(v, "state", "ended"));
	if (p->serial[0])
		TRY(attrs_add_str(v, "serial", p->serial));
	TRY(attrs_add_u64(v, "ended", (uint64_t)p->at));
	TRY(attrs_add_str(v, "reason", p->reason));
	for (size_t i = 0; i < NELEM(whys); i++)
		if (!strcmp(p->event, whys[i][0]))
			return attrs_add_str(v, "text", whys[i][1]);
	return OK;
}

static void show_past(const struct call *c, const struct agent_past *p)
{
	struct attrs r;

	attrs_init(&r);
	ENSURE(put_past(p, &r) == OK);
	call_reply(c, &r);
	attrs_wipe(&r);
}

/* Its process as it was when it was last looked at: at the start, and at each claim. */
void verb_show(const struct call *c, struct attr_view v)
{
	struct fault f;
	struct agent *a = named(c, v, &f);
	const struct agent_past *p = a ? NULL : past(c, v);
	struct attrs r;

	if (!a) {
		if (p)
			show_past(c, p);
		else
			call_fault(c, &f);
		return;
	}
	attrs_init(&r);
	if (put_agent(a, &r) == OK && put_details(a, &r) == OK)
		call_reply(c, &r);
	else
		call_error(c, ERR_INTERNAL, "too much is known of this agent");
	attrs_wipe(&r);
}

/* renew, revoke */

/* Who wants that: what becomes of it is recorded with the agent. */
static void record(const struct call *c, const char *verb,
		   const struct agent *a)
{
	const struct conn *conn = call_conn(c);
	struct attrs what;
	struct fault f;

	attrs_init(&what);
	ENSURE(attrs_add_str(&what, "event", "call") == OK);
	ENSURE(attrs_add_str(&what, "verb", verb) == OK);
	ENSURE(attrs_add_str(&what, "decision", "allow") == OK);
	ENSURE(attrs_add_str(&what, "agent", a->id) == OK);
	if (conn)
		ENSURE(attrs_add_view(&what, attrs_view(&conn->said)) == OK);
	call_named(c, &what);
	if (audit_link_record(keeper.audit, attrs_view(&what), 0, NULL, &f) !=
	    OK)
		log_text(LOG_ERR, "unrecorded", "%s of %s", verb, a->id);
	attrs_wipe(&what);
}

/* Each makes rows here and at the CA, for good. */
static enum err may_renew(const struct call *c, struct agent *a,
			  struct fault *f)
{
	const uint64_t each = KEEPER_RENEWAL_S * CLOCK_SECOND;
	const struct conn *conn = call_conn(c);
	uint64_t now = loop_now(keeper.loop), rested = MAX(a->rested, now);
	uint64_t most = now + (KEEPER_RENEWALS - 1) * each;
	bool begins = a->coming.state == HOLD_NONE &&
		      (a->now.state == HOLD_NONE || a->now.state == HOLD_MADE);

	if (!begins || (conn && conn->subject.admin))
		return OK;
	if (rested > most)
		return fault_set(
			f, ERR_LIMITED,
			"agent '%s' is renewed too often: again in %llu s",
			a->id,
			(unsigned long long)((rested - most) / CLOCK_SECOND +
					     1));
	a->rested = rested + each;
	return OK;
}

void verb_renew(const struct call *c, struct attr_view v)
{
	struct fault f;
	struct agent *a = named(c, v, &f);
	struct attrs r;

	if (!a || keeper_open(&f) != OK || may_renew(c, a, &f) != OK) {
		call_fault(c, &f);
		return;
	}
	record(c, "agent.renew", a);
	a->failed = OK;
	if (a->now.state == HOLD_NONE)
		hold_begin(a, &a->now, 0);
	else
		hold_renew(a);
	attrs_init(&r);
	ENSURE(attrs_add_str(&r, "agent", a->id) == OK);
	wait_agent(a, c, &r);
	attrs_wipe(&r);
}

static enum err take_reason(struct attr_view v, char out[32], struct fault *f)
{
	static const char *const names[] = {
		"unspecified", "keyCompromise",        "affiliationChanged",
		"superseded",  "cessationOfOperation", "privilegeWithdrawn",
	};
	enum err e = call_text(v, "reason", out, 32, f);

	if (e == ERR_NOT_FOUND)
		(void)snprintf(out, 32, "cessationOfOperation");
	else if (e != OK)
		return e;
	for (size_t i = 0; i < NELEM(names); i++)
		if (!strcmp(out, names[i]))
			return OK;
	return fault_set(f, ERR_INVALID,
			 "reason= is unspecified, keyCompromise, "
			 "affiliationChanged, superseded, cessationOfOperation "
			 "or privilegeWithdrawn, not '%s'",
			 out);
}

void verb_revoke(const struct call *c, struct attr_view v)
{
	char serial[2 * SERIAL_SIZE + 1], reason[32];
	struct fault f;
	struct agent *a = named(c, v, &f);
	struct owed *o;
	struct attrs r;

	if (!a || keeper_open(&f) != OK || take_reason(v, reason, &f) != OK) {
		call_fault(c, &f);
		return;
	}
	memcpy(serial, a->now.serial, sizeof serial);
	attrs_init(&r);
	ENSURE(attrs_add_str(&r, "agent", a->id) == OK);
	if (serial[0])
		ENSURE(attrs_add_str(&r, "serial", serial) == OK);
	record(c, "agent.revoke", a);
	agent_end(a, "revoke", reason);
	o = serial[0] ? map_find(keeper.owed, serial, strlen(serial)) : NULL;
	if (o) {
		wait_owed(o, c, &r);
	} else {
		ENSURE(attrs_add_str(&r, "state", "ended") == OK);
		call_reply(c, &r);
	}
	attrs_wipe(&r);
}
