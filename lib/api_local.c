/* gate: connections of one uid's clients, as door hands them over. Holds those that wait
 * for the core, which may come after them.
 *	door -> gate	DF_CONN conn + connection | DF_DROP conn
 *	gate -> door	DF_CLOSED conn */
#include "lib/api.h"

#include "lib/child.h"
#include "lib/clock.h"

#include <stdlib.h>

#define API_IDLE_NS (30 * CLOCK_SECOND)

struct waiting {
	int fd;
	uint64_t id;
};

static struct {
	struct waiting at[API_WAITING];
	unsigned n;
	struct loop_timer idle;
} local;

static void tell_closed(uint64_t id)
{
	if (chan_is_open(&api.door))
		chan_tell(&api.door, DF_CLOSED, id, (struct attr_view){ 0 });
}

static void idle(struct loop_timer *t)
{
	(void)t;
	chan_tell(&api.sup, SUP_IDLE, 0, (struct attr_view){ 0 });
}

/* Begun anew whenever the last one has gone. */
static void look_idle(void)
{
	if (!api_local_idle()) {
		loop_disarm(&local.idle);
		return;
	}
	local.idle.on = idle;
	loop_arm(gate.loop, &local.idle, loop_now(gate.loop) + API_IDLE_NS);
}

bool api_local_idle(void)
{
	return !api.port.conns && !local.n;
}

/* Not counted by its port any more. */
void api_local_gone(const struct api_conn *c)
{
	tell_closed(c->http.id);
}

static void hand(uint64_t id, int fd)
{
	if (gate_port_hand(&api.port, fd, id) != OK)
		tell_closed(id);
}

void api_local_core(void)
{
	for (unsigned i = 0; i < local.n; i++)
		hand(local.at[i].id, local.at[i].fd);
	local.n = 0;
}

static void conn_came(uint64_t id, int fd)
{
	loop_disarm(&local.idle);
	if (api.up) {
		hand(id, fd);
	} else if (local.n < API_WAITING) {
		local.at[local.n++] = (struct waiting){ .fd = fd, .id = id };
	} else {
		fd_close(&fd);
		tell_closed(id);
	}
}

static bool wait_drop(uint64_t id)
{
	unsigned i = 0;

	while (i < local.n && local.at[i].id != id)
		i++;
	if (i == local.n)
		return false;
	fd_close(&local.at[i].fd);
	local.at[i] = local.at[--local.n];
	return true;
}

static void from_door(struct chan *ch, const struct msg *m)
{
	struct api_conn *c = api_find(m->id);
	int fd;

	switch ((enum door_front_kind)m->kind) {
	case DF_CONN:
		fd = chan_take_fd(ch);
		if (fd < 0 || c || m->id >= CONN_REMOTE)
			child_broken("door");
		conn_came(m->id, fd);
		return;
	case DF_DROP:
		if (c)
			api_conn_drop(c);
		else
			(void)wait_drop(m->id);
		return;
	case DF_CLOSED:
		break;
	}
	child_broken("door");
}
