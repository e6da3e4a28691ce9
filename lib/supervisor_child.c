/* Supervisor: how a child begins: its descriptors, its start message, its channels to
 * the others. Holds what supervisor.c holds. */
#include "lib/supervisor.h"

#include "lib/log.h"
#include "lib/passrights.h"
#include "lib/remote.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct sup_child *sup_child_of(size_t role, uid_t front_uid)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++) {
		struct sup_child *c = &sup.child[i];

		if (c->used && c->role == role &&
		    (sup.daemon->role[role].life != SUP_PER_UID ||
		     c->front_uid == front_uid))
			return c;
	}
	return NULL;
}

size_t sup_count(size_t role)
{
	size_t n = 0;

	for (size_t i = 0; i < SUP_CHILDREN; i++)
		n += sup.child[i].used && sup.child[i].role == role;
	return n;
}

/* Wiring */

/* What `from` sends to fd: somebody may have got into it. Before Linux 6.16 there is no way;
 * door says so. */
static void take_no_fds(const struct sup_child *from, int fd)
{
	if (sup.daemon->role[from->role].no_fds)
		(void)!passrights_set(fd, false);
}

/* Takes fd. Nobody makes us wait who does not read. */
static void introduce(struct sup_child *to, const struct sup_child *other,
		      int fd)
{
	enum sup_life life = sup.daemon->role[other->role].life;
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "peer", sup_name(other)) == OK);
	if (life == SUP_PER_UID)
		ENSURE(attrs_add_u64(&a, "uid", other->front_uid) == OK);
	if (life == SUP_ONE_SHOT)
		ENSURE(attrs_add_u64(&a, "ref", other->ref) == OK);
	(void)!chan_post_fds(&to->chan, SUP_PEER, 0, attrs_view(&a), &fd, 1);
	attrs_wipe(&a);
}

static void wire(struct sup_child *a, struct sup_child *b)
{
	int sv[2];

	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	take_no_fds(b, sv[0]);
	take_no_fds(a, sv[1]);
	introduce(a, b, sv[0]);
	introduce(b, a, sv[1]);
}

/* Whether the table lets a new a and a living b talk. A one-shot answers the core
 * that wanted it, and no later one. */
static bool are_peers(const struct sup_child *a, const struct sup_child *b)
{
	const struct sup_role *ra = &sup.daemon->role[a->role];
	const struct sup_role *rb = &sup.daemon->role[b->role];

	if (rb->life == SUP_ONE_SHOT)
		return false;
	return ra->peers >> b->role & 1 || rb->peers >> a->role & 1;
}

static void wire_child(struct sup_child *c)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (sup.child[i].used && &sup.child[i] != c &&
		    are_peers(c, &sup.child[i]))
			wire(&sup.child[i], c);
}

/* A new core hears what the others said before it was there. */
static void repeat_notes(struct sup_child *core)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (sup.child[i].used && sup.child[i].notes.count > 1)
			chan_tell(&core->chan, SUP_NOTE, 0,
				  attrs_view(&sup.child[i].notes));
}

/* Birth */

static bool is_gate(const struct sup_child *c)
{
	return sup.daemon->http && c->role == sup.daemon->gate;
}

static size_t fds_for(const struct sup_child *c, int fd[PROC_FDS_MAX])
{
	size_t n = 1; /* fd[0] is the channel */

	if (c->role == sup.daemon->door) {
		fd[n++] = sup.setup.api;
		fd[n++] = sup.setup.admin;
		if (sup.daemon->http)
			fd[n++] = sup.setup.http;
	}
	if (is_gate(c))
		n += remote_gate_fds(c, fd + n);
	if (sup.daemon->fds)
		n += sup.daemon->fds(c, fd + n);
	return n;
}

static void send_start(struct sup_child *c)
{
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "daemon", sup.daemon->name) == OK);
	ENSURE(attrs_add_str(&a, "role", sup_name(c)) == OK);
	if (c->role == sup.daemon->door && sup.daemon->http)
		ENSURE(attrs_add_str(&a, "http", "yes") == OK);
	if (sup.setup.root && !c->mapped) {
		ENSURE(attrs_add_u64(&a, "uid", sup.setup.uid[c->role]) == OK);
		ENSURE(attrs_add_u64(&a, "gid", sup.setup.gid[c->role]) == OK);
	}
	if (sup.daemon->http)
		remote_start(c, &a);
	if (sup.daemon->start)
		sup.daemon->start(c, &a);
	(void)!chan_send_fds(&c->chan, SUP_START, 0, attrs_view(&a), NULL, 0);
	attrs_wipe(&a);
}

static enum err spawn(struct sup_child *c, int their_end, struct fault *f)
{
	struct proc_idmap map = { .self = sup.setup.uid[c->role],
				  .other = sup.setup.other_uid };
	int fd[PROC_FDS_MAX] = { their_end };
	struct proc_spec spec = { .daemon = sup.daemon->name,
				  .role = sup_name(c),
				  .fd = fd,
				  .fds = fds_for(c, fd) };
	enum err e;

	c->mapped = sup.daemon->role[c->role].owns_namespace && sup.setup.root;
	if (c->mapped) {
		spec.idmap = &map;
		e = proc_spawn(&spec, &c->proc, f);
		if (e != ERR_UNSUPPORTED)
			return e;
		log_text(LOG_WARN, "no_user_namespace", "%s", f->text);
		c->mapped = false;
		spec.idmap = NULL;
	}
	return proc_spawn(&spec, &c->proc, f);
}

static struct sup_child *child_slot(void)
{
	for (size_t i = 0; i < SUP_CHILDREN; i++)
		if (!sup.child[i].used)
			return &sup.child[i];
	return NULL;
}

void sup_tell_no_front(size_t role, uid_t uid, const char *why)
{
	struct sup_child *door = sup_child_of(sup.daemon->door, 0);
	struct attrs a;

	if (!door)
		return;
	attrs_init(&a);
	ENSURE(attrs_add_u64(&a, "uid", uid) == OK);
	if (sup.daemon->http && role == sup.daemon->gate)
		ENSURE(attrs_add_str(&a, "http", "yes") == OK);
	ENSURE(attrs_add_str(&a, "text", why) == OK);
	chan_tell(&door->chan, SUP_NO_FRONT, 0, attrs_view(&a));
	attrs_wipe(&a);
}

/* Takes the ends of its channel. Who wants a one-shot sees it end at once. */
static void give_up(const struct sup_child *c, int ours, int theirs)
{
	struct sup_child *core = sup_child_of(sup.daemon->core, 0);

	close(ours);
	if (core && sup.daemon->role[c->role].life == SUP_ONE_SHOT)
		introduce(core, c, theirs);
	else
		close(theirs);
}

void sup_start(size_t role, uid_t front_uid, uint64_t ref)
{
	static const struct chan_ops ops = { sup_from_child, sup_child_end,
					     NULL };
	struct sup_child *c = child_slot();
	struct fault f;
	int sv[2];

	if (!c) {
		log_text(LOG_ERR, "too_many", "no place for another %s",
			 sup.daemon->role[role].name);
		return;
	}
	ENSURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	*c = (struct sup_child){ .role = role,
				 .front_uid = front_uid,
				 .ref = ref };
	if (spawn(c, sv[1], &f) != OK) {
		give_up(c, sv[0], sv[1]);
		sup_not_started(c, f.text);
		return;
	}
	sup.failed[role] = 0;
	close(sv[1]);
	take_no_fds(c, sv[0]);
	c->used = true;
	chan_open(&c->chan, sup.loop, sv[0], false, &ops);
	c->dead = (struct loop_fd){ .fd = c->proc.pidfd,
				    .events = EPOLLIN,
				    .on = sup_child_died };
	ENSURE(loop_watch(sup.loop, &c->dead) == OK);
	attrs_init(&c->notes);
	send_start(c);
	wire_child(c);
	if (role == sup.daemon->core)
		repeat_notes(c);
	if (sup.daemon->http)
		remote_started(c);
	if (sup.daemon->started)
		sup.daemon->started(c);
}
