/* Vault: the requests in flight: made, found, counted for each account, ended. */
#include "credd/vault.h"

#include "lib/secret.h"

#include <stdlib.h>
#include <string.h>

enum {
	RUN_SPARES = 256,
	RUN_KEPT = 4 << 10, /* bytes of a spare run's buffer */
};

static void run_key(const void *value, const void **key, size_t *len)
{
	const struct run *r = value;

	*key = &r->serial;
	*len = sizeof r->serial;
}

static void user_key(const void *value, const void **key, size_t *len)
{
	const struct user *u = value;

	*key = &u->account;
	*len = sizeof u->account;
}

void run_init(void)
{
	vault.runs = map_new(run_key);
	vault.users = map_new(user_key);
}

/* Quota: what one account has in flight, so that nobody fills the table alone; nor do
 * all those who are not on this machine, nor all agents of one node: who may start some
 * starts many. */

static struct user *user_find(uint64_t account)
{
	return map_find(vault.users, &account, sizeof account);
}

static bool user_full(const struct user *u, unsigned runs)
{
	return u && (u->runs >= runs || u->bytes >= VAULT_USER_BYTES);
}

static struct user *user_get(uint64_t account, struct user *node)
{
	struct user *u = user_find(account);

	if (u)
		return u;
	u = xcalloc(1, sizeof *u);
	u->account = account;
	u->node = node;
	map_add(vault.users, u);
	return u;
}

struct user *run_room(const struct subject *s, struct fault *f)
{
	bool remote = s->via == VIA_TLS;
	unsigned most = remote ? VAULT_AGENT_RUNS : VAULT_USER_RUNS;
	uint64_t account = subject_account(s), node = subject_node_account(s);

	if (user_full(user_find(account), most) ||
	    user_full(user_find(node), VAULT_USER_RUNS)) {
		(void)fault_set(f, ERR_LIMITED,
				"%u requests or %d bytes of this user are in "
				"flight, or %d of this node: read answers "
				"first",
				most, VAULT_USER_BYTES, VAULT_USER_RUNS);
		return NULL;
	}
	if (map_count(vault.runs) >= VAULT_RUNS ||
	    (remote && vault.remote_runs >= VAULT_REMOTE_RUNS)) {
		(void)fault_set(f, ERR_LIMITED,
				"%d requests are in flight: try again",
				remote ? VAULT_REMOTE_RUNS : VAULT_RUNS);
		return NULL;
	}
	return user_get(account, remote ? user_get(node, NULL) : NULL);
}

static void user_add(struct user *u, size_t bytes)
{
	u->runs++;
	u->bytes += bytes;
	if (u->node)
		user_add(u->node, bytes);
}

static void user_drop(struct user *u, size_t bytes)
{
	struct user *node = u->node;

	u->bytes -= bytes;
	if (!--u->runs) {
		(void)map_drop(vault.users, &u->account, sizeof u->account);
		free(u);
	}
	if (node)
		user_drop(node, bytes);
}

/* Runs that are over, with their buffers, for the next requests. */
static struct run *spare;
static unsigned spares;

static struct run *run_make(void)
{
	struct run *r = spare;

	if (r) {
		spare = r->next;
		spares--;
		r->next = NULL;
		return r;
	}
	r = xcalloc(1, sizeof *r);
	buf_init(&r->request, VAULT_REQUEST_MAX);
	buf_init(&r->facts, MSG_MAX);
	attrs_init(&r->reply);
	return r;
}

struct run *run_new(const struct call *c, struct user *u,
		    struct attr_view request)
{
	struct run *r = run_make();

	vault.remote_runs += u->node != NULL;
	user_add(u, request.len);
	r->user = u;
	r->call = *c;
	r->serial = ++vault.last_run;
	r->now = clock_wall();
	ENSURE(buf_put(&r->request, request.p, request.len) == OK);
	map_add(vault.runs, r);
	return r;
}

static void run_buf_end(struct buf *b)
{
	if (b->cap > RUN_KEPT)
		buf_wipe(b);
	else
		buf_clear(b);
}

void run_free(struct run *r)
{
	if (!r)
		return;
	free(r->want);
	worker_forget(r);
	audit_link_forget(vault.log, &r->wait);
	vault.remote_runs -= r->user->node != NULL;
	user_drop(r->user, r->request.len);
	if (r->reveals != CRETULA_REVEAL_SIGNATURE && r->reply.bytes.len)
		secret_zero(r->reply.bytes.p, r->reply.bytes.len);
	ENSURE(map_drop(vault.runs, &r->serial, sizeof r->serial) == r);
	proof_wipe(&r->proof);
	if (r->test)
		subject_wipe(&r->tested);
	if (spares == RUN_SPARES) {
		buf_wipe(&r->request);
		buf_wipe(&r->facts);
		attrs_wipe(&r->reply);
		free(r);
		return;
	}
	attrs_clear(&r->reply);
	run_buf_end(&r->request);
	run_buf_end(&r->facts);
	run_buf_end(&r->reply.bytes);
	*r = (struct run){ .request = r->request,
			   .facts = r->facts,
			   .reply = r->reply,
			   .next = spare };
	spare = r;
	spares++;
}

const struct subject *run_subject(const struct run *r)
{
	const struct conn *c;

	if (r->test)
		return &r->tested;
	c = call_conn(&r->call);
	return c ? &c->subject : NULL;
}

void run_end_with(struct run *r, const struct fault *f)
{
	call_fault(&r->call, f);
	run_free(r);
}

/* All of them */

void runs_orphan(void)
{
	struct run *r;
	size_t at = 0;

	while ((r = map_next(vault.runs, &at)))
		r->call.id = CALL_NOBODY;
	/* those that wait for door would wait for ever */
	for (;;) {
		at = 0;
		while ((r = map_next(vault.runs, &at)))
			if (r->phase == RUN_PROOF)
				break;
		if (!r)
			return;
		run_free(r);
	}
}

void runs_fail(enum err e, const char *text)
{
	struct fault f;
	struct run *r;
	size_t at;

	(void)fault_set(&f, e, "%s", text);
	while (at = 0, (r = map_next(vault.runs, &at)))
		run_end_with(r, &f);
}
