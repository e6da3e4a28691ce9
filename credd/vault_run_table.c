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
 * all those who are not on this machine. */
struct user *run_room(const struct subject *s, struct fault *f)
{
	uint64_t account = subject_account(s);
	bool remote = s->via == VIA_TLS;
	struct user *u = map_find(vault.users, &account, sizeof account);

	if (u && (u->runs >= VAULT_USER_RUNS || u->bytes >= VAULT_USER_BYTES)) {
		(void)fault_set(f, ERR_LIMITED,
				"%d requests or %d bytes of this user are in "
				"flight: read answers first",
				VAULT_USER_RUNS, VAULT_USER_BYTES);
		return NULL;
	}
	if (map_count(vault.runs) >= VAULT_RUNS ||
	    (remote && vault.remote_runs >= VAULT_REMOTE_RUNS)) {
		(void)fault_set(f, ERR_LIMITED,
				"%d requests are in flight: try again",
				remote ? VAULT_REMOTE_RUNS : VAULT_RUNS);
		return NULL;
	}
	if (u)
		return u;
	u = xcalloc(1, sizeof *u);
	u->account = account;
	u->remote = remote;
	map_add(vault.users, u);
	return u;
}

static void user_drop(struct user *u)
{
	vault.remote_runs -= u->remote;
	if (--u->runs)
		return;
	(void)map_drop(vault.users, &u->account, sizeof u->account);
	free(u);
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

	vault.remote_runs += u->remote;
	u->runs++;
	u->bytes += request.len;
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
	r->user->bytes -= r->request.len;
	user_drop(r->user);
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
