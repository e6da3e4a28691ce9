/* Vault: the only process that holds unsealed credentials. It decides who may use
 * what, on attributes that a front has parsed; reads no file and reaches no network.
 *	door -> vault	who is behind a connection	front -> vault	calls
 *	vault <-> store	rows and log records, sealed	vault <-> zygote, workers
 *	vault <-> opener passphrase in, master key out
 * Descriptors at start: 3 supervisor, then the arena (arena=yes) and the key file
 * (keyfile=yes) as far as there are any. */
#include "credd/vault.h"

#include "credd/roles.h"
#include "lib/child.h"
#include "lib/confine.h"
#include "lib/log.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	VAULT_ARENA_SIZE = 4096,
	VAULT_HOST_MAX = 240,
};

struct vault vault;

/* What this store is called by others, and where they reach it. */
static void start_node(struct attr_view v)
{
	struct attr a, at;
	const char *port;
	int n;

	if (!attr_find(v, "node", &a) || a.len > EXPORT_NODE_MAX)
		return;
	memcpy(vault.node, a.value, a.len);
	if (!attr_find(v, "https", &at))
		return;
	port = memrchr(at.value, ':', at.len);
	ENSURE(port);
	n = (int)MIN(at.len - (size_t)(port - (const char *)at.value), 6u);
	if (a.len <= VAULT_HOST_MAX)
		(void)snprintf(vault.url, sizeof vault.url, "https://%.*s%.*s",
			       VAULT_HOST_MAX, vault.node, n, port);
}

/* Before confinement: what needs a system call that is not allowed later. */
static void start(const struct msg *m)
{
	struct attr a;
	struct merkle_hash h;
	int fd = SUP_FD + 1;

	/* OpenSSL reads its configuration when first used */
	merkle_leaf(NULL, 0, &h);
	if (attr_find(m->attrs, "arena", &a)) {
		void *p = mmap(NULL, VAULT_ARENA_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, 0);

		ENSURE(p != MAP_FAILED);
		vault.arena = p;
		close(fd++);
	}
	vault.keyfile = attr_find(m->attrs, "keyfile", &a);
	vault.durable = attr_find(m->attrs, "durable", &a);
	vault.remote_admin = remote_admin_parse(m->attrs);
	attrs_init(&vault.start);
	ENSURE(attrs_add_view(&vault.start, m->attrs) == OK);
	start_node(m->attrs);
	ENSURE(sodium_init() >= 0);
	vault.boot_transport = box_keys_random();
}

/* Peers */

static void from_store(struct chan *ch, const struct msg *m)
{
	(void)ch;
	if (!audit_link_from_store(vault.log, m))
		rows_from_store(m);
}

static void store_end(struct chan *ch, const struct fault *why)
{
	(void)why;
	chan_close(ch);
	vault.loading = false;
	audit_link_store_gone(vault.log);
}

/* While starting, everything is loaded; later only what a change came to, and
 * where the log stands. */
static void store_came(int fd)
{
	static const struct chan_ops ops = { from_store, store_end, NULL };

	if (chan_is_open(&vault.store))
		store_end(&vault.store, NULL);
	chan_open(&vault.store, vault.loop, fd, false, &ops);
	if (!vault.rows_known) {
		rows_forget();
		rows_load();
		return;
	}
	if (vault.change) {
		vault.store_lost = true;
		rows_load();
	}
	audit_link_store_came(vault.log);
}

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	if (conns_peer(&vault.conns, peer, m, fd))
		return;
	if (!strcmp(peer, "store")) {
		store_came(fd);
	} else if (!strcmp(peer, "zygote")) {
		worker_zygote_came(fd);
		seal_loaded();
	} else if (!strcmp(peer, "opener")) {
		seal_opener_came(fd);
	} else {
		child_broken("supervisor");
	}
}

static void from_sup(const struct msg *m)
{
	switch (m->kind) {
	case SUP_MODULE:
		module_from_sup(m, chan_take_fd(&vault.sup));
		return;
	case SUP_MODULES_END:
		vault.modules_known = true;
		seal_loaded();
		return;
	case SUP_SEAL_PUB:
		peers_published();
		return;
	case SUP_NOTE:
		child_keep_note(m, &vault.notes);
		return;
	}
	child_broken("supervisor");
}

void vault_is_ready(void)
{
	if (vault.announced)
		return;
	vault.announced = true;
	child_ready(&vault.sup);
}

static void end_late(struct loop_timer *t)
{
	(void)t;
	_exit(0);
}

/* What the log still lacks is written before this process goes. */
static void end(void)
{
	vault.ending = true;
	vault.end.on = end_late;
	loop_arm(vault.loop, &vault.end,
		 loop_now(vault.loop) + VAULT_ENDING_NS);
	audit_link_end(vault.log);
}

int role_vault(void)
{
	static const struct child_ops ops = {
		.peer = peer_came, .other = from_sup, .start = start, .end = end
	};

	vault.loop = loop_new();
	child_start(vault.loop, &vault.sup, CONFINE_VAULT, &ops);
	vault.started = clock_wall();
	attrs_init(&vault.notes);
	conn_init();
	rows_init();
	run_init();
	creds_init();
	seen_init();
	peers_init();
	audit_init();
	vault.grants = grant_set_new();
	chan_tell(&vault.sup, SUP_MODULES, 0, (struct attr_view){ 0 });
	loop_run(vault.loop);
	return 0;
}
