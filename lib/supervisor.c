/* Supervisor: starts every role, wires them together, starts anew what dies. Holds
 * pids, a restart budget, and the descriptors that its daemon's roles are given.
 * Reads no client's byte and no network.
 *	supervisor <-> every child	SUP_* (lib/kinds.h, the daemon's kinds.h) */
#include "lib/supervisor.h"

#include "lib/clock.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/remote.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

struct supervisor sup;

const char *sup_name(const struct sup_child *c)
{
	return sup.daemon->role[c->role].name;
}

/* Readiness */

/* The core believes us, so nothing else of what a child says goes on. */
static void keep_notes(struct sup_child *c, const struct msg *m)
{
	struct sup_child *core = sup_child_of(sup.daemon->core, 0);
	struct attr_view it = m->attrs;
	struct attr a;

	ENSURE(attrs_add_str(&c->notes, "role", sup_name(c)) == OK);
	while (attr_next(&it, &a))
		if (attr_named(&a, "weaker") &&
		    c->notes.count <= CONFINE_WEAKER_MAX)
			(void)!attrs_add_attr(&c->notes, &a);
	if (core && c->notes.count > 1)
		chan_tell(&core->chan, SUP_NOTE, 0, attrs_view(&c->notes));
}

/* Whether there is always one. */
static bool is_kept(size_t role)
{
	return sup.daemon->role[role].life == SUP_ALWAYS &&
	       (remote.listen || !(sup.daemon->remote_only >> role & 1));
}

static void announce(void)
{
	if (sup.announced)
		return;
	for (size_t i = 0; i < sup.daemon->roles; i++) {
		struct sup_child *c = sup_child_of(i, 0);

		if (is_kept(i) && (!c || !c->ready))
			return;
	}
	sup.announced = true;
	log_text(LOG_INFO, "ready", "serving %s/api.sock", sup.setup.run);
	notify_ready();
}

/* What children say */

/* Which front or gate (http=yes) a message means: uid=. */
static bool named_front(const struct msg *m, size_t *role, uid_t *uid)
{
	struct attr a;
	uint64_t n;

	*role = attr_count(m->attrs, "http") ? sup.daemon->gate
					     : sup.daemon->front;
	if (attr_only(m->attrs, "uid", &a) != OK ||
	    attr_u64(&a, UINT32_MAX, &n) != OK ||
	    (*role == sup.daemon->gate && !sup.daemon->http))
		return false;
	*uid = (uid_t)n;
	return true;
}

static void too_many_users(size_t role, uid_t uid)
{
	char why[64];

	(void)snprintf(why, sizeof why, "%d users are connected: try again",
		       SUP_FRONTS);
	log_text(LOG_ERR, "too_many", "uid %u: %s", (unsigned)uid, why);
	sup_tell_no_front(role, uid, why);
}

/* Door may know that a front is gone before we do. */
static void want_front(const struct msg *m)
{
	struct sup_child *front;
	size_t role;
	uid_t uid;

	if (!named_front(m, &role, &uid))
		return;
	front = sup_child_of(role, uid);
	if (front)
		front->wanted_again = true;
	else if (sup_count(role) < SUP_FRONTS)
		sup_start(role, uid, 0);
	else
		too_many_users(role, uid);
}

/* Door and the core talk with all of them, the verifier with one. */
static bool may_end(const struct sup_child *c, size_t role, uid_t uid)
{
	if (c->role == sup.daemon->door || c->role == sup.daemon->core)
		return true;
	return sup.daemon->http && c->role == sup.daemon->verifier &&
	       role == sup.daemon->gate && uid == SUBJECT_NO_ID;
}

static bool end_front(const struct sup_child *c, const struct msg *m)
{
	struct sup_child *front;
	size_t role;
	uid_t uid;

	if (!named_front(m, &role, &uid) || !may_end(c, role, uid))
		return false;
	front = sup_child_of(role, uid);
	if (front)
		proc_kill(&front->proc);
	return true;
}

/* The ref of a one-shot is the core's, which ends with it what it has forgotten. */
static void end_outer(const struct attr *role, uint64_t ref)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		struct sup_child *c = &sup.child[i];

		if (c->used && sup_is_outer(c->role) && c->ref == ref &&
		    attr_is(role, sup_name(c)))
			proc_kill(&c->proc);
	}
}

static bool end_broken(const struct sup_child *c, const struct msg *m)
{
	struct attr role, a;
	uint64_t ref;

	if (attr_only(m->attrs, "role", &role) != OK)
		return end_front(c, m);
	if (c->role != sup.daemon->core ||
	    attr_only(m->attrs, "ref", &a) != OK ||
	    attr_u64(&a, UINT64_MAX, &ref) != OK)
		return false;
	end_outer(&role, ref);
	return true;
}

static bool want_one_shot(const struct msg *m)
{
	struct attr role, a;
	uint64_t ref;
	size_t i = 0;

	if (attr_only(m->attrs, "role", &role) != OK ||
	    attr_only(m->attrs, "ref", &a) != OK ||
	    attr_u64(&a, UINT64_MAX, &ref) != OK)
		return false;
	while (i < sup.daemon->roles &&
	       !attr_is(&role, sup.daemon->role[i].name))
		i++;
	if (i == sup.daemon->roles || sup.daemon->role[i].life != SUP_ONE_SHOT)
		return false;
	if (sup_count(i) < SUP_ONE_SHOTS)
		sup_start(i, 0, ref);
	else
		log_text(LOG_ERR, "too_many", "%d processes '%s' are at work",
			 SUP_ONE_SHOTS, sup.daemon->role[i].name);
	return true;
}

/* False: it may not say that. */
static bool take_message(struct sup_child *c, const struct msg *m)
{
	if (m->kind >= SUP_OWN)
		return sup.daemon->message && sup.daemon->message(c, m);
	switch ((enum sup_kind)m->kind) {
	case SUP_READY:
		if (c->ready) /* once, before it heard of a client */
			return true;
		c->ready = true;
		keep_notes(c, m);
		announce();
		return true;
	case SUP_FRONT:
		if (c->role != sup.daemon->door)
			return false;
		want_front(m);
		return true;
	case SUP_IDLE:
		if (sup_life_of(c) != SUP_PER_UID)
			return false;
		proc_kill(&c->proc);
		return true;
	case SUP_CERTMGR:
		return sup.daemon->http && remote_certmgr(c);
	case SUP_BROKEN:
		return end_broken(c, m);
	case SUP_WANT:
		return c->role == sup.daemon->core && want_one_shot(m);
	case SUP_START:
	case SUP_PEER:
	case SUP_NOTE:
	case SUP_ROOT:
	case SUP_NO_FRONT:
	case SUP_OWN:
		break;
	}
	return false;
}

void sup_from_child(struct chan *ch, const struct msg *m)
{
	struct sup_child *c = (struct sup_child *)ch;

	bool users = sup_life_of(c) == SUP_PER_UID;

	if (take_message(c, m))
		return;
	log_text(users ? LOG_ERR : LOG_CRIT,
		 users ? "broken_front" : "broken_peer",
		 "%s broke the dialogue", sup_name(c));
	proc_kill(&c->proc);
	chan_close(ch);
}

void sup_child_end(struct chan *ch, const struct fault *why)
{
	(void)ch; /* its pidfd tells what happened */
	(void)why;
}

/* Signals and the service manager */

static void on_signal(struct loop_fd *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGHUP) {
		if (sup.daemon->http)
			remote_reload();
		if (sup.daemon->reload)
			sup.daemon->reload();
		else if (!sup.daemon->http)
			log_text(LOG_INFO, "reload",
				 "nothing to read anew yet");
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

static void end_child(struct sup_child *c)
{
	struct pollfd p = { .fd = c->proc.pidfd, .events = POLLIN };

	loop_unwatch(&c->dead);
	if (!sup.daemon->role[c->role].ends_itself)
		proc_kill(&c->proc);
	chan_close(&c->chan);
	if (poll(&p, 1, SUP_END_MS) == 0)
		proc_kill(&c->proc);
	(void)proc_reap(&c->proc);
	c->used = false;
}

/* Ends in an order that loses nothing: a core tells the store what it still has
 * when its fronts are gone, which closing the channels brings about. */
static void end_children(void)
{
	for (unsigned turn = 0; turn < SUP_ROLES; turn++) {
		for (size_t i = 0; i < SUP_CHILDREN; i++) {
			struct sup_child *c = &sup.child[i];

			if (c->used && sup.daemon->role[c->role].ends == turn)
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

static void start_all(void)
{
	for (size_t i = 0; i < sup.daemon->roles; i++)
		if (is_kept(i))
			sup_start(i, 0, 0);
	if (sup.daemon->http && remote.listen)
		sup_start(sup.daemon->gate, SUBJECT_NO_ID, 0);
}

int sup_run(const struct sup_daemon *d, const char *config)
{
	struct fault f;

	ENSURE(d->roles <= SUP_ROLES);
	sup.daemon = d;
	log_open(d->name, "supervisor", LOG_INFO);
	umask(077);
	if (sup_setup(config, &f) != OK) {
		log_text(LOG_CRIT, "not_started", "%s", f.text);
		return f.code == ERR_INVALID ? 2 : 1;
	}
	if (confine_self(&f) != OK) {
		log_text(LOG_CRIT, "not_confined", "%s", f.text);
		return 1;
	}
	sup.loop = loop_new();
	watch_signals();
	start_all();
	sup.watchdog.on = watchdog;
	if (notify_interval())
		loop_arm(sup.loop, &sup.watchdog,
			 loop_now(sup.loop) + notify_interval());
	loop_run(sup.loop);
	end_children();
	return 0;
}
