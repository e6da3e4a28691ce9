/* Vault: workers, one module with one credential each (or with none, for facts).
 *	vault -> zygote	VZ_SPAWN, VZ_KILL	zygote -> vault	VZ_ENDED
 *	vault -> worker	VW_CREDENTIAL, VW_RUN, VW_FACTS, VW_CHECK
 *	worker -> vault	VW_READY, VW_REPLY, VW_FAILED
 * A worker that dies, hangs or breaks the dialogue takes only what it was working
 * on with it. */
#include "credd/vault.h"
#include "lib/child.h"

#include "lib/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct worker *worker_find(uint64_t id)
{
	struct worker *w = vault.workers;

	while (w && w->id != id)
		w = w->next;
	return w;
}

/* Which request ended it cannot be told when several were with it. All of them go to
 * a new worker, one at a time: the one that ends that worker, too, is the one. Who
 * was only waiting behind it notices nothing. */
static void pass_on(struct worker *w, const char *text)
{
	bool alone = w->cautious || w->sent == 1;
	struct worker *next = NULL;
	struct fault f;

	while (w->runs) {
		struct run *r = w->runs;
		bool guilty = w->state == WORKER_STARTING || (r->sent && alone);

		worker_forget(r);
		if (!guilty && !next && w->kept) {
			next = worker_start(w->module, w->cred, w->version,
					    w->account, &f);
			if (next && !w->cred)
				w->module->facts = next;
			if (next)
				next->cautious = true;
		}
		if (next && !guilty)
			worker_run(next, r, r->worker_kind);
		else if (guilty || !w->kept)
			run_failed(r, ERR_MODULE_FAILED, text);
		else
			run_failed(r, f.code, f.text);
	}
}

/* Nobody can reach it any more, and the zygote kills the process. */
void worker_end(struct worker *w, const char *text)
{
	struct worker **at = &vault.workers;

	if (w->ended)
		return;
	w->ended = true;
	w->kept = !w->retired && !w->job && vault.state == VAULT_OPEN;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	vault.n_workers--;
	if (w->version && w->version->worker == w)
		w->version->worker = NULL;
	if (w->module->facts == w)
		w->module->facts = NULL;
	chan_tell(&vault.zygote, VZ_KILL, w->id, (struct attr_view){ 0 });
	loop_disarm(&w->timer);
	chan_close(&w->chan);
	pass_on(w, text);
	if (w->job) {
		struct job *j = w->job;

		w->job = NULL;
		j->then(j, fault_set(&j->fault, ERR_MODULE_FAILED, "%s", text));
	}
	attrs_wipe(&w->secret);
	free(w);
}

void worker_kill(struct worker *w, const char *why)
{
	log_text(LOG_WARN, "worker_killed", "module '%s', credential '%s': %s",
		 w->module->name, w->cred ? w->cred->name : "", why);
	worker_end(w, why);
}

void workers_kill_all(void)
{
	while (vault.workers)
		worker_end(vault.workers, "the store was sealed meanwhile");
}

void workers_new_day(void)
{
	struct worker *w, *next;

	for (w = vault.workers; w; w = next) {
		next = w->next;
		if (w->version)
			worker_retire(w);
	}
}

void worker_retire(struct worker *w)
{
	if (w->version && w->version->worker == w)
		w->version->worker = NULL;
	w->version = NULL;
	w->cred = NULL;
	w->retired = true;
	if (!w->runs)
		worker_end(w, "retired");
}

/* Giving it work */

static void run_pass(struct worker *w, struct run *r)
{
	static struct attrs msg;
	enum err e;

	if (!msg.bytes.max)
		attrs_init(&msg);
	attrs_clear(&msg);
	e = attrs_add_str(&msg, "op", r->op);
	if (e == OK)
		e = attrs_add_u64(&msg, "now", (uint64_t)r->now);
	if (e == OK)
		e = attrs_add(&msg, "request", 0, r->request.p, r->request.len);
	if (e == OK)
		e = chan_send(&w->chan, r->worker_kind, r->serial,
			      attrs_view(&msg));
	if (e == OK)
		return;
	worker_forget(r);
	run_failed(r, ERR_TOO_LARGE, "the request is too large");
}

static void run_send(struct worker *w, struct run *r)
{
	if (w->cautious && w->sent)
		return;
	r->sent = true;
	w->sent++;
	run_pass(w, r);
}

/* After an answer, or when it is ready: what is still to be sent. A cautious worker
 * that has nothing left to fear becomes like any other. */
static void runs_send(struct worker *w)
{
	struct run *r, *next;

	if (w->cautious && !w->runs)
		w->cautious = false;
	for (r = w->runs; r; r = next) {
		next = r->next;
		if (!r->sent)
			run_send(w, r);
	}
}

void worker_run(struct worker *w, struct run *r, uint32_t kind)
{
	r->worker = w;
	r->worker_kind = kind;
	r->prev = w->last;
	r->next = NULL;
	if (!w->runs)
		w->used = loop_now(vault.loop);
	*(w->last ? &w->last->next : &w->runs) = r;
	w->last = r;
	if (w->state == WORKER_READY)
		run_send(w, r);
}

void worker_forget(struct run *r)
{
	struct worker *w = r->worker;

	if (!w)
		return;
	*(r->prev ? &r->prev->next : &w->runs) = r->next;
	*(r->next ? &r->next->prev : &w->last) = r->prev;
	w->sent -= r->sent;
	r->sent = false;
	r->worker = NULL;
	r->next = r->prev = NULL;
}

void worker_job(struct worker *w, struct job *j)
{
	w->job = j;
}

/* What it says */

static bool declares_what_is_pinned(const struct worker *w,
				    struct attr_view decl)
{
	const struct buf *pinned = &w->module->declaration.bytes;

	return !w->module->row || (decl.len == pinned->len &&
				   !memcmp(decl.p, pinned->p, decl.len));
}

static enum err give_credential(struct worker *w, struct fault *f)
{
	enum err e;

	e = chan_send(&w->chan, VW_CREDENTIAL, 0, attrs_view(&w->secret));
	attrs_wipe(&w->secret);
	return e == OK ? OK : fault_set(f, e, "the credential is too large");
}

static void ask_check(struct worker *w)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "now", (uint64_t)clock_wall()) == OK);
	chan_tell(&w->chan, VW_CHECK, 0, attrs_view(&a));
	attrs_wipe(&a);
}

static void ready(struct worker *w, const struct msg *m)
{
	struct attr_view decl;
	struct fault f;
	struct job *j = w->job;
	bool check = j && w->secret.count;

	w->state = WORKER_READY;
	w->used = loop_now(vault.loop);
	if (call_list(m->attrs, "declaration", &decl, &f) != OK ||
	    !declares_what_is_pinned(w, decl)) {
		worker_kill(w, "the module declares something else than what "
			       "was pinned");
		return;
	}
	if (j && !check) { /* its declaration was all that was asked for */
		w->job = NULL;
		attrs_clear(&j->reply);
		(void)!attrs_add_view(&j->reply, m->attrs);
		worker_end(w, "");
		j->then(j, OK);
		return;
	}
	if (w->secret.count && give_credential(w, &f) != OK) {
		worker_kill(w, f.text);
		return;
	}
	if (check)
		ask_check(w);
	runs_send(w);
}

static enum err failure(const struct msg *m, struct fault *f)
{
	char name[64], text[FAULT_TEXT_MAX - 64];
	enum err e;

	if (call_need(m->attrs, "error", name, sizeof name, f) != OK ||
	    call_need(m->attrs, "text", text, sizeof text, f) != OK ||
	    err_parse(name, strlen(name), &e) != OK || e == OK)
		return fault_set(f, ERR_MODULE_FAILED,
				 "the module failed without a reason");
	return fault_set(f, e, "%s", text);
}

static void checked(struct worker *w, const struct msg *m)
{
	struct job *j = w->job;
	enum err e = OK;

	if (m->kind == VW_FAILED)
		e = failure(m, &j->fault);
	w->job = NULL;
	worker_end(w, "");
	j->then(j, e);
}

/* Workers answer in the order they are asked, mostly. */
static struct run *run_of(const struct worker *w, uint64_t serial)
{
	if (w->runs && w->runs->serial == serial)
		return w->runs;
	return map_find(vault.runs, &serial, sizeof serial);
}

static void answered(struct worker *w, const struct msg *m)
{
	struct run *r = run_of(w, m->id);
	struct fault f;

	w->used = loop_now(vault.loop);
	if (!r || r->worker != w) {
		worker_kill(w, "it answered what it was not asked");
		return;
	}
	worker_forget(r);
	if (m->kind == VW_REPLY) {
		run_reply(r, m->attrs);
	} else {
		struct attr a;

		(void)failure(m, &f);
		r->tripwire = attr_find(m->attrs, "tripwire", &a);
		run_failed(r, f.code, f.text);
	}
	if (w->retired && !w->runs)
		worker_end(w, "retired");
	else if (w->cautious)
		runs_send(w);
}

void worker_said(struct chan *ch, const struct msg *m)
{
	struct worker *w = (struct worker *)ch;

	switch ((enum vault_worker_kind)m->kind) {
	case VW_READY:
		if (w->state != WORKER_STARTING)
			break;
		ready(w, m);
		return;
	case VW_REPLY:
	case VW_FAILED:
		if (w->state == WORKER_STARTING) {
			struct fault f;

			(void)failure(m, &f);
			worker_kill(w, f.text);
		} else if (w->job) {
			checked(w, m);
		} else {
			answered(w, m);
		}
		return;
	case VW_MORE: /* operations of several steps come later */
	case VW_CREDENTIAL:
	case VW_RUN:
	case VW_FACTS:
	case VW_CHECK:
		break;
	}
	worker_kill(w, "it broke the dialogue");
}

void worker_gone(struct chan *ch, const struct fault *why)
{
	(void)why;
	worker_kill((struct worker *)ch,
		    "the module's worker ended while it worked on this: try "
		    "again; credd's log has the reason");
}

/* Time */

void worker_time(struct loop_timer *t)
{
	struct worker *w =
		(struct worker *)((char *)t - offsetof(struct worker, timer));
	uint64_t now = loop_now(vault.loop);
	bool busy = w->runs || w->job || w->state == WORKER_STARTING;

	if (busy && now - w->used >= VAULT_WORKER_NS) {
		worker_kill(w, "the module did not answer within 5 seconds");
		return;
	}
	if (!busy && now - w->used >= VAULT_IDLE_NS) {
		worker_end(w, "idle");
		return;
	}
	loop_arm(vault.loop, t, now + VAULT_WORKER_NS / 4);
}

/* The zygote */

static void from_zygote(struct chan *ch, const struct msg *m)
{
	struct worker *w = worker_find(m->id);
	char reason[FAULT_TEXT_MAX / 2];
	struct fault f;

	(void)ch;
	if (m->kind != VZ_ENDED)
		child_broken("zygote");
	if (!w)
		return;
	if (call_need(m->attrs, "reason", reason, sizeof reason, &f) != OK)
		child_broken("zygote");
	(void)fault_set(&f, ERR_MODULE_FAILED,
			"the worker of module '%s' ended: %s", w->module->name,
			reason);
	worker_kill(w, f.text);
}

static void zygote_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch); /* its workers end with it and tell themselves */
}

void worker_zygote_came(int fd)
{
	static const struct chan_ops ops = { from_zygote, zygote_end, NULL };

	chan_close(&vault.zygote);
	chan_open(&vault.zygote, vault.loop, fd, false, &ops);
}
