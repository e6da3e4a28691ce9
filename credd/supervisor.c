/* Supervisor of credd (lib/supervisor.h): its roles and what they are given. Holds the
 * descriptor of the key arena, which it never maps.
 *	vault -> supervisor	SUP_WANT role=opener, SUP_MODULES, SUP_TRANSPORT,
 *				SUP_UNSEALED, SUP_SEALED, SUP_SEAL_PUB
 *	supervisor -> vault	SUP_MODULE …, SUP_MODULES_END, SUP_SEAL_PUB */
#include "credd/supervisor.h"

#include "credd/roles.h"
#include "lib/export.h"
#include "lib/log.h"

struct credd credd;

#define PEER(role) (1u << (role))

static const struct sup_role roles[] = {
	[ROLE_STORE] = { .name = "store",
			 .user = "_cretula-store",
			 .peers = PEER(ROLE_VAULT),
			 .ends_itself = true,
			 .ends = 3 },
	[ROLE_ZYGOTE] = { .name = "zygote",
			  .user = "_cretula-zygote",
			  .peers = PEER(ROLE_VAULT),
			  .owns_namespace = true,
			  .ends = 4 },
	[ROLE_VAULT] = { .name = "vault",
			 .user = "_cretula-vault",
			 .ends_itself = true,
			 .ends = 2 },
	[ROLE_DOOR] = { .name = "door",
			.user = "_cretula-door",
			.peers = PEER(ROLE_VAULT),
			.ends = 0 },
	[ROLE_FRONT] = { .name = "front",
			 .user = "_cretula-front",
			 .life = SUP_PER_UID,
			 .peers = PEER(ROLE_VAULT) | PEER(ROLE_DOOR),
			 .ends = 1 },
	[ROLE_OPENER] = { .name = "opener",
			  .user = "_cretula-opener",
			  .life = SUP_ONE_SHOT,
			  .peers = PEER(ROLE_VAULT),
			  .ends = 5 },
	[ROLE_GATE] = { .name = "gate",
			.user = "_cretula-gate",
			.life = SUP_PER_UID,
			.peers = PEER(ROLE_VAULT) | PEER(ROLE_DOOR) |
				 PEER(ROLE_VERIFIER),
			.no_fds = true,
			.ends = 1 },
	[ROLE_VERIFIER] = { .name = "verifier",
			    .user = "_cretula-verifier",
			    .peers = PEER(ROLE_VAULT),
			    .no_fds = true,
			    .ends = 5 },
	[ROLE_DIALER] = { .name = "dialer",
			  .user = "_cretula-dialer",
			  .peers = PEER(ROLE_VERIFIER),
			  .ends = 6 },
};

_Static_assert(NELEM(roles) == ROLE__MAX, "every role has an entry");

/* What the roles are given */

static void start(const struct sup_child *c, struct attrs *a)
{
	/* inside its user namespace: itself 0, workers 1 */
	if (c->mapped)
		ENSURE(attrs_add_u64(a, "worker_uid", 1) == OK);
	if (c->role != ROLE_VAULT)
		return;
	if (credd.arena >= 0)
		ENSURE(attrs_add_str(a, "arena", "yes") == OK);
	if (credd.durable)
		ENSURE(attrs_add_str(a, "durable", "yes") == OK);
	if (credd.keyfile >= 0)
		ENSURE(attrs_add_str(a, "keyfile", "yes") == OK);
}

static size_t fds(const struct sup_child *c, int *fd)
{
	switch ((enum credd_role)c->role) {
	case ROLE_VAULT:
		fd[0] = credd.arena;
		return credd.arena >= 0;
	case ROLE_STORE:
		fd[0] = credd.store_fd;
		return 1;
	case ROLE_OPENER:
		fd[0] = credd.keyfile;
		return credd.keyfile >= 0;
	case ROLE_DOOR:
	case ROLE_ZYGOTE:
	case ROLE_FRONT:
	case ROLE_GATE:
	case ROLE_VERIFIER:
	case ROLE_DIALER:
	case ROLE__MAX:
		break;
	}
	return 0;
}

/* Modules and the transport key, for the vault */

static void send_module(const char *name, int fd)
{
	struct sup_child *vault = sup_child_of(ROLE_VAULT, 0);
	struct attrs a;

	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "name", name) == OK);
	(void)!chan_send_fds(&vault->chan, SUP_MODULE, 0, attrs_view(&a), &fd,
			     1);
	attrs_wipe(&a);
}

static void publish_transport(const struct msg *m)
{
	struct fault f = { .text = "no key" };
	struct attr a;

	if (attr_only(m->attrs, "key", &a) != OK ||
	    credd_transport(a.value, a.len, &f) != OK)
		log_text(LOG_ERR, "transport", "%s", f.text);
}

/* Other stores seal to these keys: whoever may have the file may have it. */
static void publish_seal_pub(const struct msg *m)
{
	AUTO(buf_wipe) struct buf line = { 0 };
	struct fault f = { .text = "no line" };
	struct attr a;

	buf_init(&line, EXPORT_PUB_MAX);
	if (attr_only(m->attrs, "text", &a) != OK ||
	    buf_put(&line, a.value, a.len) != OK ||
	    sup_publish("seal.pub", &line, &f) != OK)
		log_text(LOG_ERR, "seal_pub", "%s", f.text);
}

static bool message(struct sup_child *c, const struct msg *m)
{
	if (c->role != ROLE_VAULT)
		return false;
	switch ((enum credd_sup_kind)m->kind) {
	case SUP_MODULES:
		credd_modules(send_module);
		chan_tell(&c->chan, SUP_MODULES_END, 0,
			  (struct attr_view){ 0 });
		return true;
	case SUP_TRANSPORT:
		publish_transport(m);
		return true;
	case SUP_UNSEALED:
	case SUP_SEALED:
		credd.unsealed = m->kind == SUP_UNSEALED;
		return true;
	case SUP_SEAL_PUB:
		publish_seal_pub(m);
		chan_tell(&c->chan, SUP_SEAL_PUB, 0, (struct attr_view){ 0 });
		return true;
	case SUP_MODULE:
	case SUP_MODULES_END:
		break;
	}
	return false;
}

static void died(size_t role, unsigned n)
{
	if (role != ROLE_VAULT || n < CREDD_VAULT_DEATHS || !credd.unsealed)
		return;
	log_text(LOG_CRIT, "arena_dropped",
		 "the vault died %d times within a minute: credd stays sealed "
		 "until somebody runs 'cretula unseal'",
		 CREDD_VAULT_DEATHS);
	fd_close(&credd.arena);
	fd_close(&credd.keyfile);
	credd.arena = credd_arena();
	credd.unsealed = false;
}

int role_supervisor(const char *config)
{
	static const struct sup_daemon daemon = {
		.name = "credd",
		.role = roles,
		.roles = NELEM(roles),
		.door = ROLE_DOOR,
		.front = ROLE_FRONT,
		.core = ROLE_VAULT,
		.http = true,
		.gate = ROLE_GATE,
		.verifier = ROLE_VERIFIER,
		.remote_only = PEER(ROLE_VERIFIER) | PEER(ROLE_DIALER),
		.other_user = "_cretula-worker",
		.decls = credd_decls,
		.configure = credd_configure,
		.prepare = credd_prepare,
		.start = start,
		.fds = fds,
		.message = message,
		.died = died,
	};

	return sup_run(&daemon, config);
}
