/* gate: connections of one uid's clients, as door hands them over. Holds those that wait
 * for the core, which may come after them.
 *	door -> gate	DF_CONN conn + connection | DF_DROP conn
 *	gate -> door	DF_CLOSED conn */
#include "lib/api.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/map.h"

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

void api_local_idle(void)
{
	if (api.port.conns || local.n)
		return;
	local.idle.on = idle;
	loop_arm(gate.loop, &local.idle, loop_now(gate.loop) + API_IDLE_NS);
}

void api_local_gone(const struct api_conn *c)
{
	tell_closed(c->http.id);
}

static void hand(uint64_t id, int fd)
{
	if (gate_port_hand(&api.port, fd, id) == OK)
		return;
	tell_closed(id);
	api_local_idle();
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
		api_local_idle();
	}
}

static void wait_drop(uint64_t id)
{
	unsigned i = 0;

	while (i < local.n && local.at[i].id != id)
		i++;
	if (i == local.n)
		return;
	fd_close(&local.at[i].fd);
	local.at[i] = local.at[--local.n];
	api_local_idle();
}

static void from_door(struct chan *ch, const struct msg *m)
{
	struct api_conn *c = api_find(m->id);
	int fd;

	switch ((enum door_front_kind)m->kind) {
	case DF_CONN:
		fd = chan_take_fd(ch);
		if (fd < 0 || c || m->id >= CONN_REMOTE || api.remote)
			child_broken("door");
		conn_came(m->id, fd);
		return;
	case DF_DROP:
		if (c)
			api_conn_drop(c);
		else
			wait_drop(m->id);
		return;
	case DF_CLOSED:
		break;
	}
	child_broken("door");
}

/* What door knew about our connections is gone with it, so they end too: a client
 * connects again. */
static void door_end(struct chan *ch, const struct fault *why)
{
	struct api_conn **drop;
	struct api_conn *c;
	size_t at = 0, n = 0;

	(void)why;
	chan_close(ch);
	if (api.remote)
		return;
	while (local.n)
		fd_close(&local.at[--local.n].fd);
	drop = xcalloc(map_count(api.conns) + 1, sizeof(*drop));
	while ((c = map_next(api.conns, &at)))
		drop[n++] = c;
	while (n)
		api_conn_drop(drop[--n]);
	free(drop);
}

void api_local_door(int fd)
{
	static const struct chan_ops ops = { from_door, door_end, NULL };

	if (chan_is_open(&api.door))
		door_end(&api.door, NULL);
	chan_open(&api.door, gate.loop, fd, false, &ops);
}
