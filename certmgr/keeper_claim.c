/* Keeper: claims. Who comes with a token and is the process it is for gets the agent's
 * key: through the kernel's helper into its keyring, or over a socket of its own. What is
 * refused is on record, and so is what is given, before it leaves. */
#include "certmgr/keeper_claim.h"

#include "lib/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whose claims wait: nobody's are to keep others' away. */
struct user {
	uid_t uid;
	unsigned claims;
};

static struct claim *asking; /* whose process door is looking at */
static uint64_t numbers;
static struct map *users;

static void user_key(const void *value, const void **key, size_t *len)
{
	const struct user *u = value;

	*key = &u->uid;
	*len = sizeof u->uid;
}

/* How many there are with this one. */
static unsigned charge(uid_t uid)
{
	struct user *u;

	if (!users)
		users = map_new(user_key);
	u = map_find(users, &uid, sizeof uid);
	if (!u) {
		u = xcalloc(1, sizeof *u);
		u->uid = uid;
		map_add(users, u);
	}
	return ++u->claims;
}

static void uncharge(uid_t uid)
{
	struct user *u = map_find(users, &uid, sizeof uid);

	if (--u->claims)
		return;
	(void)map_drop(users, &uid, sizeof uid);
	free(u);
}

/* The end of one */

static void unlink_from(struct claim **list, struct claim *c)
{
	while (*list && *list != c)
		list = &(*list)->next;
	if (*list)
		*list = c->next;
}

void claim_free(struct claim *c)
{
	if (c->agent) {
		unlink_from(&c->agent->claims, c);
		c->agent->n_claims--;
	} else {
		unlink_from(&asking, c);
	}
	audit_link_forget(keeper.audit, &c->audit);
	loop_disarm(&c->timer);
	if (c->sock >= 0)
		conns_close_fd(&keeper.conns, c->sock_uid, c->sock);
	keeper.claims--;
	uncharge(c->charged);
	free(c);
}

void claim_no(struct claim *c, enum err e, const char *text)
{
	if (c->upcall)
		upcall_no(c->upcall, e, text);
	else
		call_error(&c->call, e, text);
	claim_free(c);
}

enum err claim_describe(const struct claim *c, const char *agent,
			struct attrs *what)
{
	TRY(attrs_add_str(what, "event", "agent.claim"));
	if (agent)
		TRY(attrs_add_str(what, "agent", agent));
	TRY(attrs_add_str(what, "way", c->upcall ? "keyring" : "socket"));
	TRY(attrs_add_u64(what, "uid", c->uid));
	return OK;
}

/* On record before it is said. Whose token it is that nobody was given is a stranger's
 * word: who makes up ids does not make up records. */
static void refuse(struct claim *c, enum err e, const char *text)
{
	struct attrs what, once;
	struct fault f;

	attrs_init(&what);
	attrs_init(&once);
	ENSURE(claim_describe(c, c->proven ? c->id : NULL, &what) == OK);
	ENSURE(attrs_add_str(&what, "decision", "deny") == OK);
	ENSURE(attrs_add_str(&what, "error", err_name(e)) == OK);
	ENSURE(attrs_add_str(&what, "text", text) == OK);
	if (c->id[0] && !c->proven)
		ENSURE(attrs_add_str(&once, "agent", c->id) == OK);
	ENSURE(attrs_add_u64(&once, "pid", (uint64_t)c->who.pid) == OK);
	if (!c->upcall)
		call_named(&c->call, &once);
	if (audit_link_denial(keeper.audit, attrs_view(&what),
			      attrs_view(&once), NULL, &f) != OK)
		log_text(LOG_ERR, "unrecorded", "%s", text);
	attrs_wipe(&once);
	attrs_wipe(&what);
	keeper.refused++;
	claim_no(c, e, text);
}

static void refuse_crowd(struct claim *c)
{
	refuse(c, ERR_LIMITED,
	       "so many claims of this user wait that no more are taken: try "
	       "again");
}

/* Is it this agent's process? Without root, door may not look at one that keeps others
 * of its user from it, as libcretula does: then process and start alone name it, and
 * its program is not told from another that hides as well; status says so. An exec
 * shows it again. */

static bool hides(const struct procinfo *p)
{
	return !p->exe_ino;
}

/* Who spawned an agent and claims at once may come before door has said when its process
 * began. Until then the pidfd is what names it: its pid is nobody else's while it lives. */
static bool same_process(const struct agent *a, const struct procinfo *who)
{
	struct pollfd p = { .fd = a->pidfd, .events = POLLIN };

	if (a->who.start)
		return procinfo_same(&a->who, who);
	return a->who.pid == who->pid && a->pidfd >= 0 && poll(&p, 1, 0) == 0;
}

static enum err check_process(struct agent *a, const struct claim *c,
			      struct fault *f)
{
	if (c->uid != a->uid || c->who.euid != a->uid)
		return fault_set(f, ERR_DENIED,
				 "this agent is of another user");
	if (a->bound && !same_process(a, &c->who))
		return fault_set(f, ERR_DENIED,
				 "this token is another process's: only "
				 "process %d may claim with it",
				 (int)a->who.pid);
	if (a->bound && hides(&c->who))
		return OK;
	if ((a->bound && a->examined ? a->who.user_ns : keeper.user_ns) !=
	    c->who.user_ns)
		return fault_set(f, ERR_DENIED,
				 "this process is in another user namespace "
				 "than the one the agent was started in");
	return OK;
}

void claims_refuse(struct agent *a, enum err e, const char *text)
{
	struct claim *c, *next;

	for (c = a->claims; c; c = next) {
		next = c->next;
		refuse(c, e, text);
	}
}

/* One begins */

static void too_late(struct loop_timer *t)
{
	struct claim *c = CLAIM_OF(t, timer);
	char text[FAULT_TEXT_MAX];

	(void)snprintf(text, sizeof text,
		       "the certificate is not made yet%s%.300s: try again",
		       keeper.failures || keeper.ca != CA_READY
			       ? ": the CA does not answer: "
			       : "",
		       keeper.failures || keeper.ca != CA_READY ? keeper.ca_text
								: "");
	refuse(c, ERR_PENDING, text);
}

static struct claim *claim_new(uid_t uid)
{
	struct claim *c = xcalloc(1, sizeof *c);

	c->sock = -1;
	c->uid = c->charged = uid;
	c->crowded = charge(uid) > KEEPER_USER_CLAIMS;
	c->number = ++numbers;
	c->timer.on = too_late;
	c->next = asking;
	asking = c;
	keeper.claims++;
	return c;
}

/* The agent whose token it is; left alone if it is none's. */
static enum err find(struct claim *c, const char *token, size_t len,
		     struct agent **agent, struct fault *f)
{
	AUTO(agent_token_wipe) struct agent_token t = { .secret = NULL };
	uint8_t hash[AGENT_TOKEN_HASH];
	struct agent *a;
	enum err why;

	TRY(agent_token_parse(token, len, &t, f));
	agent_token_hash(&t, hash);
	memcpy(c->id, t.agent, sizeof c->id);
	a = agent_find(t.agent);
	c->proven = a && a->state == AGENT_LIVE &&
		    secret_equal(a->token, hash, sizeof hash);
	if (c->proven) {
		*agent = a;
		return OK;
	}
	c->proven = agent_dead(t.agent, hash, &why);
	if (c->proven)
		return fault_set(f, why,
				 why == ERR_EXPIRED
					 ? "the token has expired: nobody "
					   "claimed in time"
					 : "the agent of this token has ended, "
					   "or was revoked");
	return fault_set(f, ERR_UNAUTHENTICATED,
			 "nobody has been given this token here");
}

static void join(struct claim *c, struct agent *a)
{
	unlink_from(&asking, c);
	c->agent = a;
	c->next = a->claims;
	a->claims = c;
	a->n_claims++;
	loop_arm(keeper.loop, &c->timer,
		 loop_now(keeper.loop) + UPCALL_MS * CLOCK_MS);
}

/* New keys before it is time for them: somebody lost his, or hammers. */
bool claim_too_often(const struct agent *a)
{
	return a->claimed && !a->now.has_key && a->coming.state == HOLD_NONE &&
	       agent_renew_at(&a->now) - clock_wall() > 0 &&
	       loop_now(keeper.loop) - a->claimed_at < KEEPER_AGAIN;
}

void claim_refuse_often(struct claim *c)
{
	refuse(c, ERR_LIMITED, "this agent claims too often: wait ten seconds");
}

/* After a restart, of one whose process nobody had looked at before. */
static bool unseen(const struct agent *a)
{
	return a->bound && !a->who.start && a->pidfd < 0;
}

static void begin(struct claim *c, struct agent *a)
{
	struct fault f;

	if (keeper_open(&f) != OK) {
		claim_no(c, f.code, f.text);
	} else if (unseen(a)) {
		claim_no(c, ERR_UNAVAILABLE,
			 "keeper was started anew, and has not found this "
			 "agent's process yet: try again");
	} else if (check_process(a, c, &f) != OK) {
		refuse(c, f.code, f.text);
	} else if (agent_other_program(a, &c->who)) {
		refuse(c, ERR_CONFLICT,
		       "this process runs another program since it claimed: "
		       "its agent ends");
		agent_end(a, "other_program", "cessationOfOperation");
	} else if (a->failed != OK && a->now.state == HOLD_NONE) {
		refuse(c, ERR_DENIED, a->why);
	} else if (a->n_claims == KEEPER_AGENT_CLAIMS ||
		   keeper.claims > KEEPER_CLAIMS || claim_too_often(a)) {
		claim_refuse_often(c);
	} else {
		join(c, a);
		claims_look(a);
	}
}

/* By the kernel's helper: the requester is frozen, and was looked at by it. Who is the
 * first to claim is bound by that: door opens a pidfd of him. */
void claim_upcall(struct upcall *u, const char *token, size_t len,
		  const char *agent, const struct procinfo *who)
{
	struct claim *c = claim_new(who->fsuid);
	struct agent *a = NULL;
	struct fault f;
	enum err e;

	c->upcall = u;
	c->who = *who;
	if (c->crowded) {
		refuse_crowd(c);
		return;
	}
	e = find(c, token, len, &a, &f);
	if (e == OK && strcmp(c->id, agent) != 0)
		e = fault_set(&f, ERR_INVALID,
			      "the key that is asked for is of another agent");
	if (e == OK && a->bound) {
		begin(c, a);
		return;
	}
	if (e == OK)
		e = check_process(a, c, &f);
	if (e != OK)
		refuse(c, e, f.text);
	else if (conns_examine_pid(&keeper.conns, who->pid, who->start,
				   REF_CLAIM | c->number) != OK)
		claim_no(c, ERR_UNAVAILABLE, "try again");
}

void claim_upcall_gone(struct upcall *u, const char *agent)
{
	struct agent *a = agent_find(agent);
	struct claim *c, *next;

	for (c = a ? a->claims : NULL; c; c = next) {
		next = c->next;
		if (c->upcall == u)
			claim_free(c);
	}
	for (c = asking; c; c = next) {
		next = c->next;
		if (c->upcall == u)
			claim_free(c);
	}
}

/* Over api.sock: door looks at the process behind the connection. */

enum {
	TOKEN_READ = 256
};

static struct claim *of_ref(uint64_t ref)
{
	struct claim *c = asking;

	while (c && (REF_CLAIM | c->number) != ref)
		c = c->next;
	return c;
}

/* Only looked at: what else is in the socket is a stranger's. */
static enum err read_token(struct claim *c, struct agent **a, struct fault *f)
{
	char token[TOKEN_READ];
	ssize_t n = recv(c->sock, token, sizeof token, MSG_DONTWAIT | MSG_PEEK);
	enum err e;

	if (n <= 0)
		return fault_set(f, ERR_INVALID,
				 "the token is not in the socket that came "
				 "with the call: write it there first");
	e = find(c, token, (size_t)n, a, f);
	explicit_bzero(token, sizeof token);
	return e;
}

static enum err bind_first(struct claim *c, struct agent *a, int *pidfd,
			   struct fault *f)
{
	if (a->bound)
		return OK;
	TRY(check_process(a, c, f));
	agent_bind(a, &c->who, *pidfd);
	agent_watch(a);
	*pidfd = -1;
	a->examined = true;
	rows_dirty(a);
	agent_schedule(a);
	return OK;
}

void claim_examined(uint64_t ref, const struct procinfo *p, int pidfd)
{
	AUTO(fd_close) int fd = pidfd;
	struct claim *c = of_ref(ref);
	struct agent *a = NULL;
	struct fault f = { 0 };

	if (!c)
		return;
	if (!p || fd < 0) {
		claim_no(c, ERR_UNAUTHENTICATED,
			 "the process that asks has ended, or runs another "
			 "program since it connected");
		return;
	}
	c->who = *p;
	if (!c->upcall) {
		c->uid = p->euid;
		(void)!read_token(c, &a, &f);
	} else {
		a = agent_find(c->id);
		if (!a || a->state != AGENT_LIVE)
			(void)fault_set(&f, ERR_EXPIRED,
					"the token has "
					"expired");
	}
	if (f.code == OK && bind_first(c, a, &fd, &f) == OK)
		begin(c, a);
	else
		refuse(c, f.code, f.text);
}

void claims_orphaned(void)
{
	struct claim *c = asking, *next;

	for (; c; c = next) {
		next = c->next;
		claim_no(c, ERR_UNAVAILABLE, "try again");
	}
}

void verb_claim(const struct call *call, struct attr_view v)
{
	int sock = conns_take_fd(&keeper.conns);
	const struct conn *conn = call_conn(call);
	struct claim *c;

	(void)v;
	if (sock < 0 || !conn) {
		call_error(call, ERR_INVALID,
			   "a claim needs a socket beside it: fds=1, with the "
			   "token written into its other end");
		if (sock >= 0 && conn)
			conns_close_fd(&keeper.conns, conn->subject.uid, sock);
		return;
	}
	c = claim_new(conn->subject.uid);
	c->call = *call;
	c->sock = sock;
	c->sock_uid = conn->subject.uid;
	if (c->crowded) {
		refuse_crowd(c);
		return;
	}
	loop_arm(keeper.loop, &c->timer,
		 loop_now(keeper.loop) + UPCALL_MS * CLOCK_MS);
	if (conns_examine_conn(&keeper.conns, conn->id,
			       REF_CLAIM | c->number) != OK)
		claim_no(c, ERR_UNAVAILABLE,
			 "who connected cannot be examined now: try again");
}
