/* Vault: starting workers: who has to make room for one, and the order to the zygote.
 *	vault -> zygote	VZ_SPAWN worker memory=, the worker's channel, the module */
#include "credd/vault.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The one that has been idle longest; of that account only, if own. */
static struct worker *idle_worker(uint64_t account, bool own)
{
	struct worker *best = NULL;

	for (struct worker *w = vault.workers; w; w = w->next)
		if (w->state == WORKER_READY && !w->runs && !w->job &&
		    w->cred && (!own || w->account == account) &&
		    (!best || w->used < best->used))
			best = w;
	return best;
}

static unsigned workers_of(uint64_t account)
{
	unsigned n = 0;

	for (struct worker *w = vault.workers; w; w = w->next)
		n += w->cred && w->account == account;
	return n;
}

/* A subject evicts its own workers first. */
static enum err make_room(uint64_t account, struct fault *f)
{
	struct worker *w;

	if (workers_of(account) >= VAULT_USER_WORKERS) {
		w = idle_worker(account, true);
		if (!w)
			return fault_set(f, ERR_LIMITED,
					 "%d credentials of this user are in "
					 "use at once: try again",
					 VAULT_USER_WORKERS);
		worker_end(w, "evicted");
	}
	if (vault.n_workers >= VAULT_WORKERS) {
		w = idle_worker(account, false);
		if (!w)
			return fault_set(f, ERR_LIMITED,
					 "%d workers are busy: try again",
					 VAULT_WORKERS);
		worker_end(w, "evicted");
	}
	return OK;
}

static enum err spawn(struct worker *w, int module, struct fault *f)
{
	static const struct chan_ops ops = { worker_said, worker_gone, NULL };
	struct attrs a;
	int sv[2], fds[2];
	enum err e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return fault_set(f, ERR_UNAVAILABLE,
				 "no more descriptors: try again");
	fds[0] = sv[1];
	fds[1] = module;
	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "memory", VAULT_WORKER_MEMORY) == OK);
	e = chan_send_fds(&vault.zygote, VZ_SPAWN, w->id, attrs_view(&a), fds,
			  2);
	attrs_wipe(&a);
	close(sv[1]);
	if (e != OK) {
		close(sv[0]);
		return fault_set(f, ERR_UNAVAILABLE,
				 "workers cannot be started now: try again");
	}
	chan_open(&w->chan, vault.loop, sv[0], true, &ops);
	return OK;
}

struct worker *worker_start(struct module *m, struct cred *c, struct version *v,
			    uint64_t account, struct fault *f)
{
	struct worker *w;

	if (m->image < 0 || (m->row && !m->pinned)) {
		(void)fault_set(f, ERR_MODULE_FAILED,
				"module '%s' is not the file that was pinned: "
				"put that file back",
				m->name);
		return NULL;
	}
	if (make_room(account, f) != OK)
		return NULL;
	w = xcalloc(1, sizeof *w);
	w->id = ++vault.last_worker;
	w->module = m;
	w->cred = c;
	w->version = v;
	w->account = account;
	attrs_init_secret(&w->secret);
	/* opened now: this version may be gone when the worker is ready */
	if ((v && cred_attributes(v, &w->secret, f) != OK) ||
	    spawn(w, m->image, f) != OK) {
		attrs_wipe(&w->secret);
		free(w);
		return NULL;
	}
	w->used = loop_now(vault.loop);
	w->timer.on = worker_time;
	loop_arm(vault.loop, &w->timer, w->used + VAULT_WORKER_NS / 4);
	w->next = vault.workers;
	vault.workers = w;
	vault.n_workers++;
	if (v)
		v->worker = w;
	return w;
}
