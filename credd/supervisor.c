/* Supervisor: starts every role, wires them together, starts anew what dies. Holds
 * pids, a restart budget, and the descriptor of the key arena, which it never maps.
 * Reads no client's byte and no network.
 *	supervisor <-> every child	SUP_* (credd/kinds.h) */
#include "credd/supervisor.h"

#include "credd/roles.h"
#include "lib/clock.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "lib/notify.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct supervisor sup;

/* Modules and the transport key, for the vault */

static void send_module(const char *name, int fd)
{
	struct child *vault = sup_child_of(ROLE_VAULT, 0);
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "name", name) == OK);
	(void)!chan_send_fds(&vault->chan, SUP_MODULE, 0, attrs_view(&a), &fd,
			     1);
	attrs_wipe(&a);
}

static void publish_transport(const struct msg *m)
{
	struct fault f;
	struct attr a;

	if (attr_only(m->attrs, "key", &a) != OK ||
	    setup_transport(&sup.setup, a.value, a.len, &f) != OK)
		log_text(LOG_ERR, "transport", "transport.pub: %s", f.text);
}

/* Readiness */

static void keep_notes(struct child *c, const struct msg *m)
{
	struct child *vault = sup_child_of(ROLE_VAULT, 0);

	attrs_wipe(&c->notes);
	if (attrs_add_str(&c->notes, "role", sup_role_name[c->role]) != OK ||
	    attrs_add_view(&c->notes, m->attrs) != OK)
		attrs_wipe(&c->notes);
	if (vault && c->notes.count)
		chan_tell(&vault->chan, SUP_NOTE, 0, attrs_view(&c->notes));
}

static void announce(void)
{
	static const enum role needed[] = { ROLE_STORE, ROLE_ZYGOTE, ROLE_VAULT,
					    ROLE_DOOR };

	if (sup.announced)
		return;
	for (size_t i = 0; i < NELEM(needed); i++) {
		struct child *c = sup_child_of(needed[i], 0);

		if (!c || !c->ready)
			return;
	}
	sup.announced = true;
	log_text(LOG_INFO, "ready", "serving %s/api.sock", sup.setup.run);
	notify_ready();
}

/* Door may know that a front is gone before we do. */
static void want_front(uid_t uid)
{
	struct child *front = sup_child_of(ROLE_FRONT, uid);

	unsigned fronts = 0;

	for (size_t i = 0; i < SUP_CHILDREN; i++)
		fronts += sup.child[i].used && sup.child[i].role == ROLE_FRONT;
	if (front)
		front->wanted_again = true;
	else if (fronts < SUP_FRONTS)
		sup_start(ROLE_FRONT, uid);
	else
		log_text(LOG_ERR, "too_many",
			 "%d users are connected: uid %u has to wait",
			 SUP_FRONTS, (unsigned)uid);
}

void sup_from_child(struct chan *ch, const struct msg *m)
{
	struct child *c = (struct child *)ch;
	struct attr a;
	uint64_t uid;

	switch ((enum sup_kind)m->kind) {
	case SUP_READY:
		c->ready = true;
		keep_notes(c, m);
		announce();
		return;
	case SUP_FRONT:
		if (c->role == ROLE_DOOR &&
		    attr_only(m->attrs, "uid", &a) == OK &&
		    attr_u64(&a, UINT32_MAX, &uid) == OK)
			want_front((uid_t)uid);
		return;
	case SUP_IDLE:
		if (c->role == ROLE_FRONT)
			proc_kill(&c->proc);
		return;
	case SUP_OPENER:
		if (c->role == ROLE_VAULT)
			sup_start(ROLE_OPENER, 0);
		return;
	case SUP_MODULES:
		if (c->role == ROLE_VAULT) {
			setup_modules(&sup.setup, send_module);
			chan_tell(&c->chan, SUP_MODULES_END, 0,
				  (struct attr_view){ 0 });
		}
		return;
	case SUP_TRANSPORT:
		if (c->role == ROLE_VAULT)
			publish_transport(m);
		return;
	case SUP_UNSEALED:
	case SUP_SEALED:
		sup.unsealed = m->kind == SUP_UNSEALED;
		return;
	case SUP_START:
	case SUP_PEER:
	case SUP_MODULE:
	case SUP_MODULES_END:
	case SUP_NOTE:
		break;
	}
	log_text(LOG_CRIT, "broken_peer", "%s broke the dialogue",
		 sup_role_name[c->role]);
	proc_kill(&c->proc);
}

void sup_child_end(struct chan *ch, const struct fault *why)
{
	(void)ch; /* its pidfd tells what happened */
	(void)why;
}

/* Death */

static unsigned deaths_within(enum role role, uint64_t now)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MIN(sup.deaths[role], SUP_DEATHS); i++)
		n += now - sup.death[role][i] < SUP_MINUTE;
	return n;
}

static void count_death(enum role role)
{
	uint64_t now = loop_now(sup.loop);

	sup.death[role][sup.deaths[role]++ % SUP_DEATHS] = now;
	if (role == ROLE_VAULT &&
	    deaths_within(role, now) >= SUP_VAULT_DEATHS && sup.unsealed) {
		log_text(LOG_CRIT, "arena_dropped",
			 "the vault died %d times within a minute: credd stays "
			 "sealed until somebody runs 'cretula unseal'",
			 SUP_VAULT_DEATHS);
		fd_close(&sup.setup.arena);
		fd_close(&sup.setup.keyfile);
		sup.setup.arena = setup_arena();
		sup.unsealed = false;
	}
	if (deaths_within(role, now) < SUP_DEATHS || role == ROLE_OPENER)
		return;
	log_text(LOG_CRIT, "gave_up", "%s died %d times within a minute",
		 sup_role_name[role], SUP_DEATHS);
	exit(1);
}

void sup_child_died(struct loop_fd *w, uint32_t events)
{
	struct child *c =
		(struct child *)((char *)w - offsetof(struct child, dead));
	enum role role = c->role;
	uid_t uid = c->front_uid;
	bool again = c->wanted_again;
	struct proc_end end;
	char text[64];

	(void)events;
	loop_unwatch(&c->dead);
	chan_close(&c->chan);
	end = proc_reap(&c->proc);
	attrs_wipe(&c->notes);
	c->used = false;
	if (role == ROLE_OPENER && !end.killed && end.value == 0)
		return;
	proc_end_text(end, text, sizeof text);
	if (role != ROLE_FRONT || !end.killed || end.value != SIGKILL) {
		log_text(LOG_ERR, "died", "%s %s", sup_role_name[role], text);
		count_death(role);
	}
	/* a front is started again when door asks, one that was idle never */
	if ((role != ROLE_FRONT || again) && role != ROLE_OPENER)
		sup_start(role, uid);
}

/* Signals and the service manager */

static void on_signal(struct loop_fd *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGHUP) {
		log_text(LOG_INFO, "reload", "nothing to read anew yet");
		return;
	}
	notify_stopping();
	loop_stop(sup.loop);
}

static void watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	ENSURE(!sigprocmask(SIG_BLOCK, &set, NULL));
	(void)signal(SIGPIPE, SIG_IGN);
	sup.signals = (struct loop_fd){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
		.events = EPOLLIN,
		.on = on_signal,
	};
	ENSURE(sup.signals.fd >= 0);
	ENSURE(loop_watch(sup.loop, &sup.signals) == OK);
}

static void watchdog(struct loop_timer *t)
{
	notify_alive();
	loop_arm(sup.loop, t, loop_now(sup.loop) + notify_interval());
}

/* Vault and store end by themselves when their channel closes, after writing what
 * they have; the others are killed. */
static void end_child(struct child *c)
{
	struct pollfd p = { .fd = c->proc.pidfd, .events = POLLIN };

	loop_unwatch(&c->dead);
	if (c->role != ROLE_VAULT && c->role != ROLE_STORE)
		proc_kill(&c->proc);
	chan_close(&c->chan);
	if (poll(&p, 1, SUP_END_MS) == 0)
		proc_kill(&c->proc);
	(void)proc_reap(&c->proc);
	c->used = false;
}

/* Ends in an order that loses nothing: the vault tells the store what it still
 * has when its fronts are gone, which closing the channels brings about. */
static void end_children(void)
{
	static const enum role order[] = {
		ROLE_DOOR,  ROLE_FRONT,  ROLE_VAULT,
		ROLE_STORE, ROLE_ZYGOTE, ROLE_OPENER
	};

	for (size_t o = 0; o < NELEM(order); o++) {
		for (size_t i = 0; i < SUP_CHILDREN; i++) {
			struct child *c = &sup.child[i];

			if (!c->used || c->role != order[o])
				continue;
			end_child(c);
		}
	}
}

/* It must be able to start children of other uids, so it keeps its capabilities;
 * what no supervisor ever does is forbidden. */
static enum err confine_self(struct fault *f)
{
	struct confine_spec spec = confine_spec_of(CONFINE_SUPERVISOR);
	struct confine_report report = { .count = 0 };

	return confine_apply(&spec, &report, f);
}

int role_supervisor(const char *config)
{
	static const enum role first[] = { ROLE_STORE, ROLE_ZYGOTE, ROLE_VAULT,
					   ROLE_DOOR };
	struct fault f;

	log_open("credd", "supervisor", LOG_INFO);
	umask(077);
	if (setup_open(config, &sup.setup, &f) != OK) {
		log_text(LOG_CRIT, "not_started", "%s", f.text);
		return f.code == ERR_INVALID ? 2 : 1;
	}
	if (confine_self(&f) != OK) {
		log_text(LOG_CRIT, "not_confined", "%s", f.text);
		return 1;
	}
	sup.loop = loop_new();
	watch_signals();
	for (size_t i = 0; i < NELEM(first); i++)
		sup_start(first[i], 0);
	sup.watchdog.on = watchdog;
	if (notify_interval())
		loop_arm(sup.loop, &sup.watchdog,
			 loop_now(sup.loop) + notify_interval());
	loop_run(sup.loop);
	end_children();
	return 0;
}
