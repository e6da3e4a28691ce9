/* Supervisor of certmgr (lib/supervisor.h): its roles and what they are given; sends
 * agents the signals that keeper asks for; mounts the file view. Holds the descriptor
 * of the key arena, which it never maps, and that of the audit key, which it reads not.
 *	keeper -> supervisor	SUP_SIGNAL
 *	view -> supervisor	SUP_UNMOUNTED
 *	supervisor -> keeper	SUP_NOTE: what this machine does not give
 *	supervisor -> net	SUP_GIVEN	net -> supervisor	SUP_CA_ROOT, SUP_NODE
 *	net <-> supervisor	SUP_PROOF */
#include "certmgr/supervisor.h"

#include "certmgr/roles.h"
#include "lib/listen.h"
#include "lib/log.h"
#include "lib/procinfo.h"
#include "lib/remote.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

struct certmgr certmgr = { .store_fd = -1,
			   .net_fd = -1,
			   .root_fd = -1,
			   .audit_key_fd = -1,
			   .arena_fd = -1,
			   .upcall_fd = -1,
			   .view_fd = -1 };

#define PEER(role) (1u << (role))

/* View's life is changed where there is no file view: it is never wanted then. */
static struct sup_role roles[] = {
	[ROLE_STORE] = { .name = "store",
			 .user = "_cretula-certmgr-store",
			 .peers = PEER(ROLE_KEEPER),
			 .ends_itself = true,
			 .ends = 4 },
	[ROLE_KEEPER] = { .name = "keeper",
			  .user = "_cretula-keeper",
			  .ends_itself = true,
			  .ends = 3 },
	[ROLE_DIALER] = { .name = "dialer",
			  .user = "_cretula-dialer",
			  .peers = PEER(ROLE_NET),
			  .ends = 6 },
	[ROLE_NET] = { .name = "net",
		       .user = "_cretula-net",
		       .peers = PEER(ROLE_KEEPER),
		       .ends = 5 },
	[ROLE_VIEW] = { .name = "view",
			.user = "_cretula-view",
			.peers = PEER(ROLE_KEEPER),
			.ends = 2 },
	[ROLE_DOOR] = { .name = "door",
			.user = "_cretula-door",
			.peers = PEER(ROLE_KEEPER),
			.ends = 0 },
	[ROLE_FRONT] = { .name = "front",
			 .user = "_cretula-front",
			 .life = SUP_PER_UID,
			 .peers = PEER(ROLE_KEEPER) | PEER(ROLE_DOOR),
			 .ends = 1 },
	[ROLE_GATE] = { .name = "gate",
			.user = "_cretula-gate",
			.life = SUP_PER_UID,
			.peers = PEER(ROLE_KEEPER) | PEER(ROLE_DOOR) |
				 PEER(ROLE_VERIFIER),
			.no_fds = true,
			.ends = 1 },
	[ROLE_VERIFIER] = { .name = "verifier",
			    .user = "_cretula-verifier",
			    .peers = PEER(ROLE_KEEPER) | PEER(ROLE_DIALER),
			    .no_fds = true,
			    .ends = 5 },
};

_Static_assert(NELEM(roles) == ROLE__MAX, "every role has an entry");

/* What the roles are given */

static void start_keeper(struct attrs *a)
{
	ENSURE(attrs_add_str(a, "instance", certmgr.instance) == OK);
	ENSURE(attrs_add_str(a, "boot", certmgr.boot) == OK);
	ENSURE(attrs_add_u64(a, "claim_within", certmgr.claim_within) == OK);
	if (certmgr.arena_fd >= 0)
		ENSURE(attrs_add_str(a, "arena", "yes") == OK);
	if (certmgr.upcall_fd >= 0)
		ENSURE(attrs_add_str(a, "upcall", "yes") == OK);
	if (certmgr.view)
		ENSURE(attrs_add_str(a, "view", certmgr.view) == OK);
	if (certmgr.durable)
		ENSURE(attrs_add_str(a, "durable", "yes") == OK);
}

static void add_if(struct attrs *a, const char *name, const char *value)
{
	if (value)
		ENSURE(attrs_add_str(a, name, value) == OK);
}

/* What a net that is being started is given: kept until it has started. */
static struct {
	int fd[CERTMGR_GIVEN];
	size_t n;
	struct attrs names; /* given=NAME … */
} given;

static void give_back(void)
{
	while (given.n)
		fd_close(&given.fd[--given.n]);
	attrs_wipe(&given.names);
}

static void start_net(struct attrs *a)
{
	add_if(a, "ca", certmgr.ca);
	add_if(a, "ca_hash", certmgr.ca_hash);
	add_if(a, "imds_url", certmgr.imds_url);
	add_if(a, "host", remote.node);
	add_if(a, "verify_endpoint", certmgr.verify_endpoint);
	add_if(a, "verify_listen", certmgr.verify_listen ? "yes" : NULL);
	ENSURE(attrs_add_view(a, attrs_view(&certmgr.source)) == OK);
	if (certmgr.root_fd >= 0)
		ENSURE(attrs_add_str(a, "given", "root") == OK);
	ENSURE(attrs_add_view(a, attrs_view(&given.names)) == OK);
}

static void start(const struct sup_child *c, struct attrs *a)
{
	if (c->role == ROLE_KEEPER)
		start_keeper(a);
	if (c->role == ROLE_NET)
		start_net(a);
}

/* Every keeper reads the key from its beginning. */
static size_t keeper_fds(int *fd)
{
	size_t n = 0;

	(void)!lseek(certmgr.audit_key_fd, 0, SEEK_SET);
	fd[n++] = certmgr.audit_key_fd;
	if (certmgr.arena_fd >= 0)
		fd[n++] = certmgr.arena_fd;
	if (certmgr.upcall_fd >= 0)
		fd[n++] = certmgr.upcall_fd;
	return n;
}

/* Every net reads the root certificate from its beginning; then what start_net
 * announces afterwards. */
static size_t net_fds(int *fd)
{
	size_t n = 0;

	fd[n++] = certmgr.net_fd;
	if (certmgr.root_fd >= 0) {
		(void)!lseek(certmgr.root_fd, 0, SEEK_SET);
		fd[n++] = certmgr.root_fd;
	}
	give_back();
	attrs_init(&given.names);
	given.n = certmgr_given(&given.names, given.fd);
	for (size_t i = 0; i < given.n; i++)
		fd[n++] = given.fd[i];
	return n;
}

static size_t view_fds(int *fd)
{
	struct fault f;

	if (certmgr.view_fd < 0 && certmgr_mount(&f) != OK) {
		log_text(LOG_CRIT, "not_mounted", "%s", f.text);
		return 0;
	}
	fd[0] = certmgr.view_fd;
	return 1;
}

static size_t fds(const struct sup_child *c, int *fd)
{
	switch ((enum certmgr_role)c->role) {
	case ROLE_STORE:
		fd[0] = certmgr.store_fd;
		return 1;
	case ROLE_KEEPER:
		return keeper_fds(fd);
	case ROLE_NET:
		return net_fds(fd);
	case ROLE_VIEW:
		return view_fds(fd);
	case ROLE_DIALER:
	case ROLE_DOOR:
	case ROLE_FRONT:
	case ROLE_GATE:
	case ROLE_VERIFIER:
	case ROLE__MAX:
		break;
	}
	return 0;
}

/* A mount ends with the last who holds it, and then nobody waits for a view that is
 * dead: so it is view's alone. */
static void started(struct sup_child *c)
{
	struct attrs a;

	if (c->role == ROLE_VIEW)
		fd_close(&certmgr.view_fd);
	if (c->role == ROLE_NET)
		give_back();
	if (c->role != ROLE_KEEPER || !certmgr.weaker.count)
		return;
	attrs_init(&a);
	ENSURE(attrs_add_str(&a, "role", "supervisor") == OK);
	ENSURE(attrs_add_view(&a, attrs_view(&certmgr.weaker)) == OK);
	chan_tell(&c->chan, SUP_NOTE, 0, attrs_view(&a));
	attrs_wipe(&a);
}

/* What children say */

/* Those that on_renew= may name, and no others: none that nobody can catch. */
static bool may_send(uint64_t sig)
{
	static const int on_renew[] = { SIGHUP,  SIGUSR1, SIGUSR2, SIGINT,
					SIGTERM, SIGQUIT, SIGWINCH };

	for (size_t i = 0; i < NELEM(on_renew); i++)
		if (sig == (uint64_t)on_renew[i])
			return true;
	return false;
}

static bool send_signal(struct sup_child *c, const struct msg *m)
{
	AUTO(fd_close) int pidfd = chan_take_fd(&c->chan);
	struct procinfo p;
	uint64_t sig, uid;
	struct attr a;

	if (pidfd < 0 || attr_only(m->attrs, "signal", &a) != OK ||
	    attr_u64(&a, INT32_MAX, &sig) != OK || !may_send(sig) ||
	    attr_only(m->attrs, "uid", &a) != OK ||
	    attr_u64(&a, UINT32_MAX, &uid) != OK)
		return false;
	if (procinfo_of_pidfd(pidfd, &p, NULL) != OK)
		return true; /* it has ended */
	if (p.uid != uid)
		log_text(LOG_WARN, "signal",
			 "signal %d is not sent: process %d is not uid %u's "
			 "any more",
			 (int)sig, (int)p.pid, (unsigned)uid);
	else if (pidfd_send_signal(pidfd, (int)sig, NULL, 0) && errno != ESRCH)
		log_text(LOG_WARN, "signal", "signal %d is not sent: %s",
			 (int)sig, strerror(errno));
	return true;
}

/* For as long as net keeps it. */
static bool listen_for_proof(struct sup_child *c)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };
	AUTO(fd_close) int fd = -1;
	char at[LISTEN_AT] = "";
	struct fault f = { .text = "verify_listen=no" };

	attrs_init(&a);
	if (certmgr.verify_listen &&
	    listen_tcp(certmgr.verify_listen, &fd, at, &f) == OK)
		ENSURE(attrs_add_str(&a, "port", strrchr(at, ':') + 1) == OK);
	else
		ENSURE(attrs_add_str(&a, "text", f.text) == OK);
	(void)!chan_send_fds(&c->chan, SUP_PROOF, 0, attrs_view(&a), &fd,
			     fd >= 0);
	return true;
}

static bool take_root(const struct msg *m)
{
	struct fault f;
	struct attr a;

	if (attr_only(m->attrs, "root", &a) != OK || !a.len)
		return false;
	if (certmgr_take_root(a.value, a.len, &f) != OK)
		log_text(LOG_ERR, "not_published", "%s", f.text);
	return true;
}

/* It stands in a line of its own. */
static bool take_node(const struct msg *m)
{
	AUTO(mem_free) char *name = NULL;
	struct attr a;

	if (attr_only(m->attrs, "node", &a) != OK ||
	    attr_str(&a, &name) != OK || !name[0] || strchr(name, '\n'))
		return false;
	remote_publish_node(name);
	return true;
}

static bool message(struct sup_child *c, const struct msg *m)
{
	switch ((enum certmgr_sup_kind)m->kind) {
	case SUP_SIGNAL:
		return c->role == ROLE_KEEPER && send_signal(c, m);
	case SUP_UNMOUNTED:
		if (c->role != ROLE_VIEW)
			return false;
		log_text(LOG_WARN, "unmounted",
			 "'%s' was unmounted: it is mounted anew",
			 certmgr.view);
		proc_kill(&c->proc);
		return true;
	case SUP_CA_ROOT:
		return c->role == ROLE_NET && take_root(m);
	case SUP_NODE:
		return c->role == ROLE_NET && take_node(m);
	case SUP_PROOF:
		return c->role == ROLE_NET && listen_for_proof(c);
	case SUP_GIVEN:
		break;
	}
	return false;
}

static void died(size_t role, unsigned n)
{
	if (role != ROLE_KEEPER || n < CERTMGR_KEEPER_DEATHS ||
	    certmgr.arena_fd < 0)
		return;
	log_text(LOG_CRIT, "arena_dropped",
		 "keeper died %u times within a minute: the keys that it held "
		 "are forgotten, agents that need one get a new certificate",
		 n);
	fd_close(&certmgr.arena_fd);
	certmgr.arena_fd = certmgr_arena();
}

/* What has come into the files is net's to try. */
static void reload(void)
{
	struct sup_child *net = sup_child_of(ROLE_NET, 0);
	AUTO(attrs_wipe) struct attrs a = { 0 };
	int fd[CERTMGR_GIVEN];
	size_t n;

	attrs_init(&a);
	n = certmgr_given(&a, fd);
	log_text(LOG_INFO, "reload", "there is %s token",
		 n ? "perhaps a" : "no");
	if (net)
		(void)!chan_send_fds(&net->chan, SUP_GIVEN, 0, attrs_view(&a),
				     fd, n);
	while (n)
		fd_close(&fd[--n]);
}

static enum err prepare(struct fault *f)
{
	TRY(certmgr_prepare(f));
	if (!certmgr.view)
		roles[ROLE_VIEW].life = SUP_ONE_SHOT;
	return OK;
}

int role_supervisor(const char *config)
{
	static const struct sup_daemon daemon = {
		.name = "certmgr",
		.role = roles,
		.roles = NELEM(roles),
		.door = ROLE_DOOR,
		.front = ROLE_FRONT,
		.core = ROLE_KEEPER,
		.http = true,
		.gate = ROLE_GATE,
		.verifier = ROLE_VERIFIER,
		.remote_only = PEER(ROLE_VERIFIER),
		.decls = certmgr_decls,
		.configure = certmgr_configure,
		.prepare = prepare,
		.start = start,
		.fds = fds,
		.started = started,
		.message = message,
		.died = died,
		.reload = reload,
	};

	return sup_run(&daemon, config);
}
