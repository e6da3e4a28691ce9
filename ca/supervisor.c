/* Supervisor of ca (lib/supervisor.h): its roles and what they are given. Holds the
 * descriptor of the key file, which only the signer reads.
 *	supervisor -> issuer, signer	SUP_PROFILES, SUP_PROFILE …, SUP_PROFILES_END
 *	issuer -> supervisor		SUP_RELOAD, SUP_WANT role=prober ref=N */
#include "ca/supervisor.h"

#include "ca/roles.h"
#include "lib/box.h"
#include "lib/log.h"

#include <unistd.h>

struct ca ca = { .https_fd = -1,
		 .http_fd = -1,
		 .store_fd = -1,
		 .signer_fd = -1,
		 .keyfile_fd = -1 };

#define PEER(role) (1u << (role))

static const struct sup_role roles[] = {
	[ROLE_STORE] = { .name = "store",
			 .user = "_cretula-ca-store",
			 .peers = PEER(ROLE_ISSUER),
			 .ends_itself = true,
			 .ends = 4 },
	[ROLE_SIGNER] = { .name = "signer",
			  .user = "_cretula-ca-signer",
			  .peers = PEER(ROLE_ISSUER),
			  .ends_itself = true,
			  .ends = 5 },
	[ROLE_ISSUER] = { .name = "issuer",
			  .user = "_cretula-issuer",
			  .ends_itself = true,
			  .ends = 3 },
	[ROLE_DIALER] = { .name = "dialer",
			  .user = "_cretula-dialer",
			  .peers = PEER(ROLE_ISSUER),
			  .ends = 6 },
	[ROLE_GATE] = { .name = "gate",
			.user = "_cretula-gate",
			.peers = PEER(ROLE_ISSUER),
			.no_fds = true,
			.ends = 0 },
	[ROLE_DOOR] = { .name = "door",
			.user = "_cretula-door",
			.peers = PEER(ROLE_ISSUER),
			.ends = 1 },
	[ROLE_FRONT] = { .name = "front",
			 .user = "_cretula-front",
			 .life = SUP_PER_UID,
			 .peers = PEER(ROLE_ISSUER) | PEER(ROLE_DOOR),
			 .ends = 2 },
	[ROLE_PROBER] = { .name = "prober",
			  .user = "_cretula-prober",
			  .life = SUP_ONE_SHOT,
			  .peers = PEER(ROLE_ISSUER),
			  .ends = 7 },
};

_Static_assert(NELEM(roles) == ROLE__MAX, "every role has an entry");

static void start(const struct sup_child *c, struct attrs *a)
{
	if (c->role == ROLE_ISSUER || c->role == ROLE_GATE)
		ENSURE(attrs_add_str(a, "public_url", ca.public_url) == OK);
	if (ca.default_profile &&
	    (c->role == ROLE_ISSUER || c->role == ROLE_SIGNER))
		ENSURE(attrs_add_str(a, "default_profile", "yes") == OK);
	if (c->role != ROLE_ISSUER)
		return;
	ENSURE(attrs_add_view(a, attrs_view(&ca.tls_names)) == OK);
	ENSURE(attrs_add_str(a, "profiles", ca.profiles) == OK);
	ENSURE(attrs_add_str(a, "https", ca.https) == OK);
	ENSURE(attrs_add_str(a, "http", ca.http) == OK);
	if (ca.probe_loopback)
		ENSURE(attrs_add_str(a, "probe_loopback", "yes") == OK);
}

static size_t fds(const struct sup_child *c, int *fd)
{
	switch ((enum ca_role)c->role) {
	case ROLE_STORE:
		fd[0] = ca.store_fd;
		return 1;
	case ROLE_SIGNER:
		/* every signer reads it from its beginning */
		(void)!lseek(ca.keyfile_fd, 0, SEEK_SET);
		fd[0] = ca.signer_fd;
		fd[1] = ca.keyfile_fd;
		return 2;
	case ROLE_GATE:
		fd[0] = ca.https_fd;
		fd[1] = ca.http_fd;
		return 2;
	case ROLE_ISSUER:
	case ROLE_DIALER:
	case ROLE_DOOR:
	case ROLE_FRONT:
	case ROLE_PROBER:
	case ROLE__MAX:
		break;
	}
	return 0;
}

/* Profiles */

/* The signer first: it must know what the issuer then asks for. */
static size_t send_profiles(void)
{
	static const enum ca_role to[] = { ROLE_SIGNER, ROLE_ISSUER };
	size_t sent = 0;

	for (size_t i = 0; i < NELEM(to); i++) {
		struct sup_child *c = sup_child_of(to[i], 0);

		if (c)
			sent = ca_send_profiles(c);
	}
	return sent;
}

/* To both when one is new: files that were edited and not reloaded yet must not be
 * rules for one of them only. */
static void started(struct sup_child *c)
{
	if (c->role == ROLE_ISSUER || c->role == ROLE_SIGNER)
		(void)send_profiles();
}

static void reload(void)
{
	size_t sent = send_profiles();

	log_text(LOG_INFO, "reload", "%zu profiles in '%s'", sent, ca.profiles);
}

static void publish_transport(const struct msg *m)
{
	AUTO(buf_wipe) struct buf line = { 0 };
	struct fault f;
	struct attr a;

	buf_init(&line, SUP_LINE_MAX);
	if (attr_only(m->attrs, "key", &a) != OK || a.len != BOX_KEY ||
	    box_pub_format(a.value, &line) != OK ||
	    sup_publish("transport.pub", &line, &f) != OK)
		log_text(LOG_ERR, "transport", "transport.pub is not written");
}

static bool message(struct sup_child *c, const struct msg *m)
{
	if (c->role == ROLE_SIGNER && m->kind == SUP_TRANSPORT) {
		publish_transport(m);
		return true;
	}
	if (c->role != ROLE_ISSUER || m->kind != SUP_RELOAD)
		return false;
	reload();
	return true;
}

int role_supervisor(const char *config)
{
	static const struct sup_daemon daemon = {
		.name = "ca",
		.role = roles,
		.roles = NELEM(roles),
		.door = ROLE_DOOR,
		.front = ROLE_FRONT,
		.core = ROLE_ISSUER,
		.outer =
			PEER(ROLE_GATE) | PEER(ROLE_DIALER) | PEER(ROLE_PROBER),
		.decls = ca_decls,
		.configure = ca_configure,
		.prepare = ca_prepare,
		.start = start,
		.fds = fds,
		.started = started,
		.message = message,
		.reload = reload,
	};

	return sup_run(&daemon, config);
}
