/* Gate of credd and certmgr: HTTP/1.1 and JSON by libmicrohttpd, for the local clients of
 * one uid, or for remote ones over TLS. Holds their connections and, if they are remote,
 * the key of its own TLS certificate; no secret of anybody else, and it says of nobody who
 * he is. A broken gate can use what its uid may use; the remote one can lie about who has a
 * certificate's key, since only it sees that proof.
 *	3 supervisor, 4 TLS listener (tls=yes)
 *	supervisor -> gate	SUP_START gate_type= [tls=yes] | SUP_PEER
 *	door -> gate		DF_CONN conn + connection	gate -> door	DF_CLOSED conn
 *	gate -> core		CLIENT_CALL conn|n | FC_CLOSED	core -> gate	CLIENT_REPLY …
 *	gate <-> verifier	enum gate_verifier_kind */
#include "lib/api.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/gate_openapi.h"
#include "lib/json_attrs.h"
#include "lib/log.h"
#include "lib/map.h"
#include "lib/roles.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct api api = { .read_ns = API_READ_S * CLOCK_SECOND };

/* Connections */

static void conn_key(const void *value, const void **key, size_t *len)
{
	*key = &((const struct api_conn *)value)->http.id;
	*len = sizeof(uint64_t);
}

struct api_conn *api_find(uint64_t id)
{
	return map_find(api.conns, &id, sizeof id);
}

/* Never one that is still in use. */
static uint64_t remote_id(void)
{
	uint64_t id;

	do
		id = CONN_REMOTE | (++gate.next_id & (CONN_REMOTE - 1));
	while (api_find(id));
	return id;
}

static void came(struct gate_conn *g)
{
	struct api_conn *c = api_conn_of(g);

	buf_init(&c->items, API_ANSWER_MAX);
	if (api.remote)
		g->id = remote_id();
	c->listed = true;
	map_add(api.conns, c);
}

/* From here on nobody hears of it, or speaks of it, under that number. */
static void unlist(struct api_conn *c)
{
	if (!c->listed)
		return;
	c->listed = false;
	(void)map_drop(api.conns, &c->http.id, sizeof c->http.id);
	if (api.up)
		chan_tell(&api.core, FC_CLOSED, c->http.id << 32,
			  (struct attr_view){ 0 });
}

static void gone(struct gate_conn *g)
{
	struct api_conn *c = api_conn_of(g);

	if (api.remote)
		api_remote_gone(c);
	else if (c->listed)
		api_local_gone(c);
	unlist(c);
	buf_wipe(&c->items);
	if (!api.remote)
		api_local_idle();
}

/* Nobody's bodies take the room of others': all with a body are calls. */
static bool early(struct gate_conn *g, enum MHD_Result *result)
{
	struct api_conn *c = api_conn_of(g);

	if (!api.remote || api_remote_look(c) != API_REFUSED)
		return false;
	*result = api_remote_refuse(c);
	return true;
}

static void forget(struct gate_conn *g)
{
	struct api_conn *c = api_conn_of(g);

	api_call_forget(c);
	api_answer_drop(c);
	if (api.remote)
		api_remote_forget(c);
}

void api_conn_drop(struct api_conn *c)
{
	unlist(c);
	if (api.remote)
		api_remote_drop(c);
	else if (c->called)
		api_call_fail(c, ERR_UNAVAILABLE, "this connection has ended");
	gate_conn_end(&c->http);
}

/* The core */

static void from_core(struct chan *ch, const struct msg *m)
{
	struct api_conn *c = api_find(m->id >> 32);

	(void)ch;
	switch (m->kind) {
	case CLIENT_REPLY:
	case CLIENT_ERROR:
	case CLIENT_ITEM:
		api_call_answer(m);
		return;
	case FC_DROP:
		if (c) {
			if (!api.remote)
				api_local_gone(c);
			api_conn_drop(c);
		}
		return;
	default:
		child_broken("core");
	}
}

static void core_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch);
	api.up = false;
	api_call_lost();
}

static void core_came(int fd)
{
	static const struct chan_ops ops = { from_core, core_end, NULL };

	if (api.up)
		core_end(&api.core, NULL);
	chan_open(&api.core, gate.loop, fd, false, &ops);
	api.up = true;
	if (api.remote)
		api_own_core();
	else
		api_local_core();
}

/* The role */

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)m;
	if (!strcmp(peer, "door"))
		api_local_door(fd);
	else if (strcmp(peer, "verifier") != 0)
		core_came(fd);
	else if (api.remote)
		api_remote_verifier(fd);
	else
		fd_close(&fd); /* those of this machine are door's to judge */
}

static void other(const struct msg *m)
{
	if (!api.remote || !api_remote_sup(m))
		child_broken("supervisor");
}

static const char *daemon_of(const struct msg *m)
{
	static const char *const known[] = { "credd", "certmgr" };
	const char *name = child_text(m, "daemon");

	for (size_t i = 0; i < NELEM(known); i++)
		if (!strcmp(known[i], name))
			return known[i];
	child_broken("supervisor");
}

static enum err open_gate(const struct msg *m, struct fault *f)
{
	static struct gate_ops ops = {
		.conn_size = sizeof(struct api_conn),
		.nothing = "there is nothing at this path: /openapi.json says "
			   "what there is",
		.came = came,
		.early = early,
		.forget = forget,
		.gone = gone,
	};

	ops.routes = api_routes(&ops.count);
	json_warm_up();
	TRY(gate_init(&ops, f));
	gate_openapi_open(api.daemon);
	if (api.remote)
		return api_remote_open(m, f);
	return gate_port_handed(&api.port, API_LOCAL_CONNS, f);
}

static void start(const struct msg *m)
{
	struct fault f;
	struct attr a;

	api.daemon = daemon_of(m);
	api.remote = attr_find(m->attrs, "tls", &a) && attr_is(&a, "yes");
	if (open_gate(m, &f) == OK)
		return;
	log_text(LOG_CRIT, "not_started", "%s", f.text);
	_exit(1);
}

/* Each connection, the same while its last words linger; and the rest. */
static void confine(struct confine_spec *spec)
{
	if (api.remote)
		spec->role = CONFINE_GATE_REMOTE;
	spec->nofile = 2 * (api.remote ? GATE_CONNS : API_LOCAL_CONNS) +
		       API_FILES_BESIDE;
}

int role_gate(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = other,
					      .start = start,
					      .confine = confine };
	struct loop *l = loop_new();

	api.conns = map_new(conn_key);
	child_start(l, &api.sup, CONFINE_GATE, &ops);
	gate_run(l);
	api_call_open();
	if (api.remote)
		api_remote_run();
	else
		api_local_idle();
	child_ready(&api.sup);
	loop_run(l);
	return 0;
}
