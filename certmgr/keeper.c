/* Keeper: holds agents' private keys until they are claimed, with a file view until the
 * agent ends; decides who may start an agent and who may claim. Reads no file and reaches
 * no network.
 *	door -> keeper	who is behind a connection	front -> keeper	calls
 *	keeper <-> store	rows and log records	keeper <-> net	the CA
 *	keeper <-> view	files that are opened	helper -> keeper	claims
 * Descriptors at start: 3 supervisor, 4 the log's key, then the arena (arena=yes) and
 * the listener of the kernel's helper (upcall=yes) as far as there are any. */
#include "certmgr/keeper.h"

#include "certmgr/roles.h"
#include "lib/child.h"
#include "lib/log.h"
#include "lib/pubkey.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct keeper keeper = { .upcall_fd = -1 };

#define ENDING_NS (1 * CLOCK_SECOND)

static struct loop_timer ending;

/* Before confinement: what needs a system call that is not allowed later. */

static void read_seed(int fd)
{
	uint8_t seed[KEY_SIZE];

	ENSURE(read(fd, seed, sizeof seed) == sizeof seed);
	keeper.audit_seed = secret_from(seed);
	explicit_bzero(seed, sizeof seed);
	close(fd);
}

/* Secret memory is locked memory; the arena is most of it. */
static void lock_more(void)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	(void)setrlimit(RLIMIT_MEMLOCK, &r);
}

static void own_namespace(void)
{
	struct procinfo me;
	struct fault f;

	if (procinfo_read(getpid(), &me, &f) == OK)
		keeper.user_ns = me.user_ns;
}

/* Of HTTP, and of our own gate. */
static void start_remote(const struct msg *m)
{
	uint64_t uid;
	struct fault f;
	struct attr a;

	attrs_init(&keeper.start);
	ENSURE(attrs_add_view(&keeper.start, m->attrs) == OK);
	if (call_number(m->attrs, "gate_uid", SUBJECT_NO_ID, SUBJECT_NO_ID,
			&uid, &f) != OK)
		child_broken("supervisor");
	keeper.gate_uid = (uint32_t)uid;
	if (attr_find(m->attrs, "gate_type", &a))
		(void)snprintf(keeper.gate_type, sizeof keeper.gate_type, "%s",
			       child_text(m, "gate_type"));
	if (attr_find(m->attrs, "node", &a))
		(void)snprintf(keeper.host, sizeof keeper.host, "%s",
			       child_text(m, "node"));
}

static void start(const struct msg *m)
{
	struct attr a;
	int fd = SUP_FD + 1;

	ENSURE(sodium_init() >= 0);
	pubkey_warm();
	lock_more();
	own_namespace();
	read_seed(fd++);
	(void)snprintf(keeper.instance, sizeof keeper.instance, "%s",
		       child_text(m, "instance"));
	(void)snprintf(keeper.boot, sizeof keeper.boot, "%s",
		       child_text(m, "boot"));
	keeper.claim_within = child_number(m, "claim_within", INT32_MAX);
	keeper.durable = attr_find(m->attrs, "durable", &a);
	start_remote(m);
	if (attr_find(m->attrs, "view", &a))
		keeper.view_path = xstrdup(child_text(m, "view"));
	if (attr_find(m->attrs, "arena", &a)) {
		arena_init(fd);
		close(fd++);
	} else {
		arena_init(-1);
	}
	if (attr_find(m->attrs, "upcall", &a))
		keeper.upcall_fd = fd;
}

/* State */

enum err keeper_open(struct fault *f)
{
	if (keeper.broken.code != OK) {
		*f = keeper.broken;
		return f->code;
	}
	if (!keeper.log_open)
		return fault_set(f, ERR_UNAVAILABLE,
				 "certmgr is starting: try again");
	if (keeper.store_fault.code != OK) {
		*f = keeper.store_fault;
		return f->code;
	}
	return OK;
}

void keeper_is_ready(void)
{
	if (keeper.announced)
		return;
	keeper.announced = true;
	conns_pause(&keeper.conns, false);
	upcall_init();
	child_ready(&keeper.sup);
}

void keeper_break(const struct fault *f)
{
	keeper.broken = *f;
	log_text(LOG_CRIT, "broken", "%s", f->text);
	keeper_is_ready();
}

/* Rows are known: the log is opened, then everybody is looked at. */

void keeper_rows_loaded(void)
{
	char origin[NOTE_ORIGIN_MAX + 1];

	note_origin("certmgr", keeper.store_id, origin);
	audit_link_open(keeper.audit, origin, keeper.audit_seed,
			keeper.durable);
}

static void log_opened(const struct fault *why)
{
	struct agent *a;
	size_t at = 0;

	if (why) {
		keeper_break(why);
		return;
	}
	keeper.log_open = true;
	while ((a = map_next(keeper.agents, &at)))
		agent_resume(a);
	agents_examine();
	view_known();
	keeper_is_ready();
}

static uint64_t generation(void)
{
	return keeper.generation;
}

static void log_ended(void)
{
	_exit(0);
}

/* Peers */

static void from_store(struct chan *ch, const struct msg *m)
{
	(void)ch;
	if (m->id == KEEPER_ID_COMMIT || m->id == KEEPER_ID_LOAD ||
	    m->kind == RS_LOAD || m->kind == RS_ROW || m->kind == RS_LOADED)
		rows_from_store(m);
	else if (!audit_link_from_store(keeper.audit, m))
		child_broken("store");
}

static void store_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch);
	rows_store_gone();
	audit_link_store_gone(keeper.audit);
}

static void store_came(int fd)
{
	static const struct chan_ops ops = { from_store, store_end, NULL };

	if (chan_is_open(&keeper.store))
		store_end(&keeper.store, NULL);
	chan_open(&keeper.store, keeper.loop, fd, false, &ops);
	rows_store_came();
	audit_link_store_came(keeper.audit);
}

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	if (conns_peer(&keeper.conns, peer, m, fd)) {
		if (!strcmp(peer, "door") && keeper.log_open)
			agents_examine();
	} else if (!strcmp(peer, "store")) {
		store_came(fd);
	} else if (!strcmp(peer, "net")) {
		net_came(fd);
	} else if (!strcmp(peer, "view")) {
		view_came(fd);
	} else {
		child_broken("supervisor");
	}
}

static void from_sup(const struct msg *m)
{
	if (m->kind != SUP_NOTE)
		child_broken("supervisor");
	child_keep_note(m, &keeper.notes);
}

/* Door's answers, by who asked */

static void checked(uint64_t ref, bool alive, bool exe)
{
	if ((ref & REF_KIND) == REF_SPAWN)
		spawn_checked(ref, alive, exe);
}

static void examined(uint64_t ref, const struct procinfo *p, int pidfd)
{
	if ((ref & REF_KIND) == REF_AGENT)
		agents_examined(ref, p, pidfd);
	else if ((ref & REF_KIND) == REF_SPAWN)
		spawn_examined(ref, p, pidfd);
	else
		claim_examined(ref, p, pidfd);
}

/* By the verifier. */
static void refused(const struct msg *m)
{
	refusals_take(&keeper.refusals, keeper.audit, loop_now(keeper.loop), m);
}

static void orphaned(void)
{
	audit_link_orphan(keeper.audit);
	spawn_orphaned();
	claims_orphaned();
}

/* The end: what the log still lacks is written before this process goes. */

static void end_late(struct loop_timer *t)
{
	(void)t;
	_exit(0);
}

static void end(void)
{
	keeper.ending = true;
	ending.on = end_late;
	loop_arm(keeper.loop, &ending, loop_now(keeper.loop) + ENDING_NS);
	if (!audit_link_is_open(keeper.audit))
		_exit(0);
	audit_link_end(keeper.audit);
}

static void init(void)
{
	static const struct conns_ops conns_ops = { .call = call_run,
						    .checked = checked,
						    .examined = examined,
						    .orphaned = orphaned,
						    .refused = refused };
	static const struct audit_link_ops log_ops = {
		.opened = log_opened,
		.broken = keeper_break,
		.generation = generation,
		.ended = log_ended,
	};

	keeper.started = clock_wall();
	attrs_init(&keeper.notes);
	conns_init(&keeper.conns, keeper.loop, &keeper.sup, &conns_ops);
	call_server_init(&keeper.server, &keeper.conns);
	keeper.grants = grant_set_new();
	keeper.audit = audit_link_new(keeper.loop, &keeper.store, &log_ops);
	agents_init();
	owed_init();
	rows_init();
	net_init();
	secret_keep();
	pool_init();
}

int role_keeper(void)
{
	static const struct child_ops ops = {
		.peer = peer_came, .other = from_sup, .start = start, .end = end
	};

	keeper.loop = loop_new();
	child_start(keeper.loop, &keeper.sup, CONFINE_KEEPER, &ops);
	init();
	loop_run(keeper.loop);
	return 0;
}
