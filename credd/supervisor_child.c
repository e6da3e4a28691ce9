/* Supervisor: how a child begins: its descriptors, its start message, its channels to
 * the others. Holds what supervisor.c holds. */
#include "credd/supervisor.h"

#include "lib/log.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const sup_role_name[] = {
	[ROLE_STORE] = "store", [ROLE_ZYGOTE] = "zygote",
	[ROLE_VAULT] = "vault", [ROLE_DOOR] = "door",
	[ROLE_FRONT] = "front", [ROLE_OPENER] = "opener",
};

_Static_assert(NELEM(sup_role_name) == ROLE__MAX, "every role has a name");

struct child *sup_child_of(enum role role, uid_t front_uid)
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
	ENSURE(attrs_add_str(&a, "peer", sup_role_name[other->role]) == OK);
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
	struct child *vault = sup_child_of(ROLE_VAULT, 0);
	struct child *door = sup_child_of(ROLE_DOOR, 0);

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
		wire(c, sup_child_of(ROLE_STORE, 0));
		wire(c, sup_child_of(ROLE_ZYGOTE, 0));
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

/* A new vault hears what the others said before it was there. */
static void repeat_notes(struct child *vault)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (sup.child[i].used && sup.child[i].notes.count)
			chan_tell(&vault->chan, SUP_NOTE, 0,
				  attrs_view(&sup.child[i].notes));
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
				  .role = sup_role_name[c->role],
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

void sup_start(enum role role, uid_t front_uid)
{
	static const struct chan_ops ops = { sup_from_child, sup_child_end,
					     NULL };
	struct child *c = child_slot();
	struct fault f;
	bool idmap;
	int sv[2];

	if (!c) {
		log_text(LOG_ERR, "too_many", "no place for another %s",
			 sup_role_name[role]);
		return;
	}
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	*c = (struct child){ .role = role, .front_uid = front_uid };
	if (spawn(c, sv[1], &idmap, &f) != OK) {
		log_text(LOG_CRIT, "not_started", "%s: %s", sup_role_name[role],
			 f.text);
		exit(1);
	}
	close(sv[1]);
	c->used = true;
	chan_open(&c->chan, sup.loop, sv[0], false, &ops);
	c->dead = (struct loop_fd){ .fd = c->proc.pidfd,
				    .events = EPOLLIN,
				    .on = sup_child_died };
	ENSURE(loop_watch(sup.loop, &c->dead) == OK);
	attrs_init(&c->notes);
	send_start(c, idmap);
	wire_child(c);
	if (role == ROLE_VAULT)
		repeat_notes(c);
}
