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

static const char *const role_name[] = {
	[ROLE_STORE] = "store", [ROLE_ZYGOTE] = "zygote",
	[ROLE_VAULT] = "vault", [ROLE_DOOR] = "door",
	[ROLE_FRONT] = "front", [ROLE_OPENER] = "opener",
};

_Static_assert(NELEM(role_name) == ROLE__MAX, "every role has a name");

static struct {
	struct loop *loop;
	struct setup setup;
	struct child child[SUP_CHILDREN];
	struct loop_fd signals;
	struct loop_timer watchdog;
	uint64_t death[ROLE__MAX][SUP_DEATHS]; /* the last ones, a ring */
	unsigned deaths[ROLE__MAX];
	bool announced;
	bool unsealed;
} sup;

static void start_child(enum role role, uid_t front_uid);

static struct child *child_of(enum role role, uid_t front_uid)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		struct child *c = &sup.child[i];

		if (c->used && c->role == role &&
		    (role != ROLE_FRONT || c->front_uid == front_uid))
			return c;
	}
	return NULL;
}

/* Wiring */

static void introduce(struct child *to, const struct child *other, int fd)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "peer", role_name[other->role]) == OK);
	if (other->role == ROLE_FRONT)
		ENSURE(attrs_add_u64(&a, "uid", other->front_uid) == OK);
	(void)!chan_send_fds(&to->chan, SUP_PEER, 0, attrs_view(&a), &fd, 1);
	attrs_wipe(&a);
}

static void wire(struct child *a, struct child *b)
{
	int sv[2];

	if (!a || !b)
		return;
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	introduce(a, b, sv[0]);
	introduce(b, a, sv[1]);
	close(sv[0]);
	close(sv[1]);
}

/* Who talks to whom: the table in docs/architecture.md. */
static void wire_child(struct child *c)
{
	struct child *vault = child_of(ROLE_VAULT, 0);
	struct child *door = child_of(ROLE_DOOR, 0);

	switch (c->role) {
	case ROLE_STORE:
	case ROLE_ZYGOTE:
	case ROLE_OPENER:
		wire(vault, c);
		return;
	case ROLE_DOOR:
		wire(vault, c);
		for (size_t i = 0; i < SUP_CHILDREN; i++)
			if (sup.child[i].used &&
			    sup.child[i].role == ROLE_FRONT)
				wire(c, &sup.child[i]);
		return;
	case ROLE_FRONT:
		wire(vault, c);
		wire(door, c);
		return;
	case ROLE_VAULT:
		wire(c, child_of(ROLE_STORE, 0));
		wire(c, child_of(ROLE_ZYGOTE, 0));
		wire(c, door);
		for (size_t i = 0; i < SUP_CHILDREN; i++)
			if (sup.child[i].used &&
			    sup.child[i].role == ROLE_FRONT)
				wire(c, &sup.child[i]);
		return;
	case ROLE__MAX:
		break;
	}
	UNREACHABLE("a role");
}

/* Modules and the transport key, for the vault */

static void send_module(const char *name, int fd)
{
	struct child *vault = child_of(ROLE_VAULT, 0);
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
	struct child *vault = child_of(ROLE_VAULT, 0);

	attrs_wipe(&c->notes);
	if (attrs_add_str(&c->notes, "role", role_name[c->role]) != OK ||
	    attrs_add_view(&c->notes, m->attrs) != OK)
		attrs_wipe(&c->notes);
	if (vault && c->notes.count)
		chan_tell(&vault->chan, SUP_NOTE, 0, attrs_view(&c->notes));
}

/* A new vault hears what the others said before it was there. */
static void repeat_notes(struct child *vault)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (sup.child[i].used && sup.child[i].notes.count)
			chan_tell(&vault->chan, SUP_NOTE, 0,
				  attrs_view(&sup.child[i].notes));
}

static void announce(void)
{
	static const enum role needed[] = { ROLE_STORE, ROLE_ZYGOTE, ROLE_VAULT,
					    ROLE_DOOR };

	if (sup.announced)
		return;
	for (size_t i = 0; i < NELEM(needed); i++) {
		struct child *c = child_of(needed[i], 0);

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
	struct child *front = child_of(ROLE_FRONT, uid);

	unsigned fronts = 0;

	for (size_t i = 0; i < SUP_CHILDREN; i++)
		fronts += sup.child[i].used && sup.child[i].role == ROLE_FRONT;
	if (front)
		front->wanted_again = true;
	else if (fronts < SUP_FRONTS)
		start_child(ROLE_FRONT, uid);
	else
		log_text(LOG_ERR, "too_many",
			 "%d users are connected: uid %u has to wait",
			 SUP_FRONTS, (unsigned)uid);
}

static void from_child(struct chan *ch, const struct msg *m)
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
			start_child(ROLE_OPENER, 0);
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
		 role_name[c->role]);
	proc_kill(&c->proc);
}

static void child_end(struct chan *ch, const struct fault *why)
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
		 role_name[role], SUP_DEATHS);
	exit(1);
}

static void child_died(struct loop_fd *w, uint32_t events)
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
		log_text(LOG_ERR, "died", "%s %s", role_name[role], text);
		count_death(role);
	}
	/* a front is started again when door asks, one that was idle never */
	if ((role != ROLE_FRONT || again) && role != ROLE_OPENER)
		start_child(role, uid);
}

/* Birth */

static size_t fds_for(enum role role, int fd[PROC_FDS_MAX])
{
	size_t n = 1; /* fd[0] is the channel */

	switch (role) {
	case ROLE_DOOR:
		fd[n++] = sup.setup.api;
		fd[n++] = sup.setup.admin;
		return n;
	case ROLE_VAULT:
		if (sup.setup.arena >= 0)
			fd[n++] = sup.setup.arena;
		return n;
	case ROLE_STORE:
		fd[n++] = sup.setup.state_fd;
		return n;
	case ROLE_OPENER:
		if (sup.setup.keyfile >= 0)
			fd[n++] = sup.setup.keyfile;
		return n;
	case ROLE_ZYGOTE:
	case ROLE_FRONT:
		return n;
	case ROLE__MAX:
		break;
	}
	UNREACHABLE("a role");
}

static void send_start(struct child *c, bool idmap)
{
	struct attrs a;

	attrs_init(&a);
	if (idmap) { /* inside its user namespace: itself 0, workers 1 */
		ENSURE(attrs_add_u64(&a, "worker_uid", 1) == OK);
	} else if (sup.setup.root) {
		ENSURE(attrs_add_u64(&a, "uid", sup.setup.uid[c->role]) == OK);
		ENSURE(attrs_add_u64(&a, "gid", sup.setup.gid[c->role]) == OK);
	}
	if (c->role == ROLE_VAULT) {
		if (sup.setup.arena >= 0)
			ENSURE(attrs_add_str(&a, "arena", "yes") == OK);
		if (sup.setup.durable)
			ENSURE(attrs_add_str(&a, "durable", "yes") == OK);
		if (sup.setup.keyfile >= 0)
			ENSURE(attrs_add_str(&a, "keyfile", "yes") == OK);
	}
	(void)!chan_send_fds(&c->chan, SUP_START, 0, attrs_view(&a), NULL, 0);
	attrs_wipe(&a);
}

static enum err spawn(struct child *c, int their_end, bool *idmap,
		      struct fault *f)
{
	struct proc_idmap map = { .self = sup.setup.uid[ROLE_ZYGOTE],
				  .other = sup.setup.worker_uid };
	int fd[PROC_FDS_MAX] = { their_end };
	struct proc_spec spec = { .daemon = "credd",
				  .role = role_name[c->role],
				  .fd = fd,
				  .fds = fds_for(c->role, fd) };
	enum err e;

	*idmap = c->role == ROLE_ZYGOTE && sup.setup.root;
	if (*idmap) {
		spec.idmap = &map;
		e = proc_spawn(&spec, &c->proc, f);
		if (e != ERR_UNSUPPORTED)
			return e;
		log_text(LOG_WARN, "no_user_namespace", "%s", f->text);
		*idmap = false;
		spec.idmap = NULL;
	}
	return proc_spawn(&spec, &c->proc, f);
}

static struct child *child_slot(void)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (!sup.child[i].used)
			return &sup.child[i];
	return NULL;
}

static void start_child(enum role role, uid_t front_uid)
{
	static const struct chan_ops ops = { from_child, child_end, NULL };
	struct child *c = child_slot();
	struct fault f;
	bool idmap;
	int sv[2];

	if (!c) {
		log_text(LOG_ERR, "too_many", "no place for another %s",
			 role_name[role]);
		return;
	}
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	*c = (struct child){ .role = role, .front_uid = front_uid };
	if (spawn(c, sv[1], &idmap, &f) != OK) {
		log_text(LOG_CRIT, "not_started", "%s: %s", role_name[role],
			 f.text);
		exit(1);
	}
	close(sv[1]);
	c->used = true;
	chan_open(&c->chan, sup.loop, sv[0], false, &ops);
	c->dead = (struct loop_fd){ .fd = c->proc.pidfd,
				    .events = EPOLLIN,
				    .on = child_died };
	ENSURE(loop_watch(sup.loop, &c->dead) == OK);
	attrs_init(&c->notes);
	send_start(c, idmap);
	wire_child(c);
	if (role == ROLE_VAULT)
		repeat_notes(c);
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
		start_child(first[i], 0);
	sup.watchdog.on = watchdog;
	if (notify_interval())
		loop_arm(sup.loop, &sup.watchdog,
			 loop_now(sup.loop) + notify_interval());
	loop_run(sup.loop);
	end_children();
	return 0;
}
