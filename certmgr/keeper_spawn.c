/* Keeper: agent.spawn. Decides by grants, or by what the asking agent's own certificate
 * says, and answers at once: id and token; key and certificate are made meanwhile. The
 * token goes straight into the socket that came beside the call: no front reads it. */
#include "certmgr/keeper_spawn.h"

#include "certmgr/keeper_pidfd.h"
#include "lib/capability.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SPAWNS_WAITING = 4096,     /* for what door says */
	SPAWNS_USER_WAITING = 256, /* … of one user */
};

static struct spawn *waiting;
static unsigned n_waiting;
static uint64_t numbers;

void spawn_free(struct spawn *s)
{
	struct spawn **at = &waiting;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	n_waiting--;
	buf_wipe(&s->asked);
	proof_wipe(&s->proof);
	if (s->token_fd >= 0)
		conns_close_fd(&keeper.conns, s->uid, s->token_fd);
	if (s->pidfd >= 0)
		conns_close_fd(&keeper.conns, s->uid, s->pidfd);
	free(s);
}

void spawn_error(struct spawn *s, const struct fault *f)
{
	call_fault(&s->call, f);
	spawn_free(s);
}

void spawn_deny(struct spawn *s, const struct fault *why)
{
	const struct conn *conn = call_conn(&s->call);
	struct attrs what, once;
	struct fault f;

	attrs_init(&what);
	attrs_init(&once);
	call_named(&s->call, &once);
	ENSURE(attrs_add_str(&what, "event", "agent.spawn") == OK);
	ENSURE(attrs_add_str(&what, "type", s->type) == OK);
	ENSURE(attrs_add_str(&what, "decision", "deny") == OK);
	ENSURE(attrs_add_str(&what, "text", why->text) == OK);
	if (conn)
		ENSURE(attrs_add_view(&what, attrs_view(&conn->said)) == OK);
	if (audit_link_denial(keeper.audit, attrs_view(&what),
			      attrs_view(&once), NULL, &f) != OK)
		spawn_error(s, &f);
	else
		spawn_error(s, why);
	keeper.refused++;
	attrs_wipe(&once);
	attrs_wipe(&what);
}

/* Deciding */

/* The parent: an agent here whose own certificate lets it issue this type; NULL: none. */
static struct agent *parent_of(const struct subject *by, const char *type)
{
	char text[TYPE_MAX + DNS_NAME_MAX + 16];
	struct capability want;
	struct cert_signed s;
	struct cert c;
	struct agent *a;
	struct fault f;
	size_t at = 0;

	(void)snprintf(text, sizeof text, "issue:%s@%s", type, keeper.node);
	if (capability_parse(span_str(text), false, &want, &f) != OK)
		return NULL;
	while ((a = map_next(keeper.agents, &at))) {
		if (a->state != AGENT_LIVE || !a->claimed || a->pidfd < 0 ||
		    a->who.pid != by->pid || a->now.state != HOLD_MADE)
			continue;
		if (cert_split(span_of(a->now.cert, a->now.cert_len), &s, &f) ==
			    OK &&
		    cert_parse_tbs(s.tbs, &c, &f) == OK &&
		    capability_held(&c.caps, &want))
			return a;
	}
	return NULL;
}

static void decide(struct spawn *s);

static void ask_door(struct spawn *s, const struct grant_decision *d)
{
	size_t n = d->verdict == GRANT_NEEDS_EXE ? d->exe.len : 0;
	struct fault f;

	if (n >= sizeof s->exe) {
		proof_set(&s->proof, d->exe.p, n, true, false);
		decide(s);
		return;
	}
	memcpy(s->exe, n ? d->exe.p : "", n);
	s->exe_len = n;
	if (conns_check(&keeper.conns, (uint32_t)(s->call.id >> 32), s->exe, n,
			REF_SPAWN | s->number) == OK)
		return;
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"who connected cannot be checked now: try again");
	spawn_error(s, &f);
}

/* What the pidfd says; older kernels do not, then door looks. */
static void look(struct spawn *s, const struct subject *by)
{
	struct fault f;
	enum err e = OK;

	if (s->pidfd >= 0 && !s->who_known) {
		e = pidfd_look(s->pidfd, &s->who, &f);
		if (e == ERR_UNSUPPORTED) {
			e = conns_examine_pidfd(&keeper.conns, s->pidfd,
						REF_SPAWN | s->number);
			if (e == OK)
				return;
			(void)fault_set(&f, e, "try again");
		}
	}
	if (e == OK)
		spawn_make(s, by);
	else
		spawn_error(s, &f);
}

/* Is it still the program that claimed? Door looks. */
static void ask_parent(struct spawn *s, const struct fault *deny)
{
	struct fault f;

	s->parent = true;
	s->deny = *deny;
	if (conns_examine_conn(&keeper.conns, (uint32_t)(s->call.id >> 32),
			       REF_SPAWN | s->number) == OK)
		return;
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"who connected cannot be checked now: try again");
	spawn_error(s, &f);
}

/* certmgr's own gate, which nobody else runs as, for the certificate that it serves with:
 * the type that the configuration says, this machine's name, itself. It needs no grant; for
 * anything else it does. */
static bool is_own_gate(const struct spawn *s, const struct subject *by)
{
	struct attr_view v = spawn_asked(s);
	struct attr a;

	if (by->uid != keeper.gate_uid || by->via != VIA_SOCKET ||
	    s->pidfd < 0 || strcmp(s->type, keeper.gate_type) != 0)
		return false;
	while (attr_next(&v, &a))
		if (attr_named(&a, "uri") ||
		    (attr_named(&a, "name") && !attr_is(&a, keeper.host) &&
		     !attr_is(&a, keeper.node)))
			return false;
	return true;
}

static void decide(struct spawn *s)
{
	const struct conn *conn = call_conn(&s->call);
	struct grant_request rq = { .agent = s->type, .proof = &s->proof };
	struct grant_decision d;

	if (!conn) {
		spawn_free(s);
		return;
	}
	if (is_own_gate(s, &conn->subject)) {
		s->gate = true;
		look(s, &conn->subject);
		return;
	}
	grants_admit(keeper.grants, &conn->subject, &rq, clock_wall(), &d);
	switch (d.verdict) {
	case GRANT_DENY:
		if (parent_of(&conn->subject, s->type))
			ask_parent(s, &d.why);
		else
			spawn_deny(s, &d.why);
		return;
	case GRANT_NEEDS_ALIVE:
	case GRANT_NEEDS_EXE:
		ask_door(s, &d);
		return;
	case GRANT_ALLOW:
		s->grant = d.grant->id;
		look(s, &conn->subject);
		return;
	}
}

static struct spawn *of_ref(uint64_t ref)
{
	struct spawn *s = waiting;

	while (s && (REF_SPAWN | s->number) != ref)
		s = s->next;
	return s;
}

void spawn_checked(uint64_t ref, bool alive, bool exe)
{
	struct spawn *s = of_ref(ref);

	if (!s)
		return;
	proof_set(&s->proof, s->exe_len ? s->exe : NULL, s->exe_len, alive,
		  exe);
	decide(s);
}

static void parent_examined(struct spawn *s, const struct conn *conn,
			    const struct procinfo *p)
{
	const struct agent *a =
		conn && p ? parent_of(&conn->subject, s->type) : NULL;
	struct fault deny = s->deny;

	s->parent = false;
	if (a && procinfo_same(&a->who, p) && !agent_other_program(a, p))
		look(s, &conn->subject);
	else
		spawn_deny(s, &deny);
}

void spawn_examined(uint64_t ref, const struct procinfo *p, int pidfd)
{
	struct spawn *s = of_ref(ref);
	const struct conn *conn = s ? call_conn(&s->call) : NULL;
	struct fault f;

	fd_close(&pidfd);
	if (!s)
		return;
	if (s->parent) {
		parent_examined(s, conn, p);
		return;
	}
	if (!p || !conn) {
		(void)fault_set(&f, ERR_NOT_FOUND,
				"the process of this pidfd has ended");
		spawn_error(s, &f);
		return;
	}
	s->who = *p;
	s->who_known = s->examined = true;
	spawn_make(s, &conn->subject);
}

void spawn_orphaned(void)
{
	struct fault f;

	(void)fault_set(&f, ERR_UNAVAILABLE, "try again");
	while (waiting)
		spawn_error(waiting, &f);
}

/* Each holds descriptors: nobody's fill the table of all. */
static bool too_many(uid_t uid)
{
	unsigned n = 0;

	if (n_waiting <= SPAWNS_USER_WAITING)
		return false;
	for (const struct spawn *s = waiting; s; s = s->next)
		n += s->uid == uid;
	return n > SPAWNS_USER_WAITING || n_waiting > SPAWNS_WAITING;
}

static enum err begin(struct spawn *s, struct attr_view v, struct fault *f)
{
	TRY(keeper_open(f));
	if (too_many(s->uid))
		return fault_set(f, ERR_LIMITED,
				 "too many agents are being started: try "
				 "again");
	if (s->token_fd < 0)
		return fault_set(f, ERR_INVALID,
				 "agent.spawn needs a socket beside it, for "
				 "the token: fds=1, or fds=2 with a pidfd");
	TRY(call_need(v, "type", s->type, sizeof s->type, f));
	TRY(type_check(span_str(s->type), f));
	return buf_put(&s->asked, v.p, v.len);
}

void verb_spawn(const struct call *c, struct attr_view v)
{
	const struct conn *conn = call_conn(c);
	struct fault f = { .code = ERR_TOO_LARGE };
	struct spawn *s;

	if (!conn)
		return; /* what came with the call is closed */
	s = xcalloc(1, sizeof *s);
	s->uid = conn->subject.uid;
	s->call = *c;
	s->number = ++numbers;
	s->token_fd = conns_take_fd(&keeper.conns);
	s->pidfd = conns_take_fd(&keeper.conns);
	buf_init(&s->asked, ATTR_BYTES_MAX);
	s->next = waiting;
	waiting = s;
	n_waiting++;
	if (begin(s, v, &f) == OK)
		decide(s);
	else
		spawn_error(s, &f);
}
