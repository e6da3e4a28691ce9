/* gate: connections. MHD closes one on which nothing moves for GATE_IDLE_S; here is
 * what ends one that moves, but too slowly, and which goes when there are too many.
 *
 * The queue is by the last answer, so each look is at its front only: ten thousand
 * idle connections cost nothing. */
#include "lib/gate_part.h"

#include "lib/clock.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	GATE_LOOK = 64, /* connections looked at for one that may go */
	/* a crowd has been here, and hardly anybody of it is left */
	CROWD = 1000,
	CROWD_LEFT = 4, /* one of so many */
	CROWD_GONE_S = 1,
};

static void queue_drop(struct gate_conn *c)
{
	struct gate_port *p = c->port;

	*(c->older ? &c->older->newer : &p->oldest) = c->newer;
	*(c->newer ? &c->newer->older : &p->newest) = c->older;
}

static void queue_add(struct gate_conn *c)
{
	struct gate_port *p = c->port;

	c->since = loop_now(gate.loop);
	c->older = p->newest;
	c->newer = NULL;
	*(p->newest ? &p->newest->newer : &p->oldest) = c;
	p->newest = c;
	if (!p->slow.loop)
		loop_arm(gate.loop, &p->slow, c->since + p->request_ns);
}

static void queue_again(struct gate_conn *c)
{
	if (c->port->newest == c) {
		c->since = loop_now(gate.loop);
		return;
	}
	queue_drop(c);
	queue_add(c);
}

/* MHD gives no way to end a connection: it is made to meet its end of file. */
void gate_conn_end(struct gate_conn *c)
{
	(void)shutdown(c->fd, SHUT_RDWR);
	queue_again(c);
}

static bool too_slow(const struct gate_conn *c, uint64_t now)
{
	if (c->suspended) /* the daemon's time, which has its own bound */
		return false;
	return !c->began || now - c->began >= GATE_ANSWER_S * CLOCK_SECOND;
}

void gate_conn_slow(struct loop_timer *t)
{
	struct gate_port *p =
		(struct gate_port *)((char *)t -
				     offsetof(struct gate_port, slow));
	uint64_t now = loop_now(gate.loop);
	struct gate_conn *c;

	while ((c = p->oldest) && c->since + p->request_ns <= now) {
		if (too_slow(c, now)) {
			p->closed_slow++;
			gate_conn_end(c);
		} else {
			queue_again(c);
		}
	}
	if (p->oldest)
		loop_arm(gate.loop, &p->slow, p->oldest->since + p->request_ns);
}

/* Full: the one that has waited longest without a request goes; if all that are looked
 * at have one, the one that reads its answer longest: else those who read a long one
 * byte by byte keep everybody out. */
static void make_room(struct gate_port *p)
{
	struct gate_conn *c = p->oldest, *reader = NULL;

	for (unsigned i = 0; c && i < GATE_LOOK; i++, c = c->newer) {
		if (c->suspended)
			continue;
		if (!c->began)
			break;
		if (!reader || c->began < reader->began)
			reader = c;
	}
	if (!c || c->suspended || c->began)
		c = reader;
	if (!c)
		return;
	p->closed_full++;
	gate_conn_end(c);
}

/* What a crowd had is free, but between what others have: the C library keeps it. It
 * is given back when the crowd has gone, at most once each. */

static unsigned conns_now(void)
{
	unsigned n = 0;

	for (const struct gate_port *p = gate.ports; p; p = p->next)
		n += p->conns;
	return n;
}

static void crowd_gone(struct loop_timer *t)
{
	(void)t;
	(void)malloc_trim(0);
	gate.most = conns_now();
}

static void look_at_crowd(void)
{
	unsigned now = conns_now();

	gate.most = MAX(gate.most, now);
	if (gate.most < CROWD || now > gate.most / CROWD_LEFT || gate.trim.loop)
		return;
	gate.trim.on = crowd_gone;
	loop_arm(gate.loop, &gate.trim,
		 loop_now(gate.loop) + CROWD_GONE_S * CLOCK_SECOND);
}

static struct gate_conn *conn_new(struct gate_port *p,
				  struct MHD_Connection *mc)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(mc, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct gate_conn *c = xcalloc(1, gate.ops->conn_size);

	c->mhd = mc;
	c->port = p;
	c->fd = i->connect_fd;
	c->id = p->kind == GATE_HANDED ? p->handed : ++gate.next_id;
	if (++p->conns > p->limit)
		make_room(p);
	p->accepted++;
	look_at_crowd();
	queue_add(c);
	if (p->kind == GATE_TLS)
		gate_tls_begin(c);
	if (gate.ops->came)
		gate.ops->came(c);
	return c;
}

static void conn_end(struct gate_conn *c)
{
	queue_drop(c);
	if (c->port->kind == GATE_TLS)
		gate_shake_end(c);
	c->port->conns--;
	look_at_crowd();
	if (c->linger)
		gate_linger(c->fd);
	if (gate.ops->gone)
		gate.ops->gone(c);
	buf_wipe(&c->body);
	free(c);
}

void gate_conn_notify(void *cls, struct MHD_Connection *mc, void **context,
		      enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = conn_new(cls, mc);
		return;
	}
	if (*context)
		conn_end(*context);
	*context = NULL;
}

struct gate_conn *gate_conn_of(struct MHD_Connection *mc)
{
	return MHD_get_connection_info(mc, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

bool gate_address(const struct gate_conn *c, char out[GATE_ADDRESS])
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(
		c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const void *at = i ? i->client_addr : NULL;

	_Static_assert(GATE_ADDRESS >= INET6_ADDRSTRLEN, "it holds both");
	if (!at)
		return false;
	if (i->client_addr->sa_family == AF_INET)
		return inet_ntop(AF_INET,
				 &((const struct sockaddr_in *)at)->sin_addr,
				 out, GATE_ADDRESS) != NULL;
	if (i->client_addr->sa_family == AF_INET6)
		return inet_ntop(AF_INET6,
				 &((const struct sockaddr_in6 *)at)->sin6_addr,
				 out, GATE_ADDRESS) != NULL;
	return false;
}

void gate_conn_whole(struct gate_conn *c)
{
	c->began = loop_now(gate.loop);
}

void gate_conn_answered(struct gate_conn *c)
{
	c->began = 0;
	queue_again(c);
}
