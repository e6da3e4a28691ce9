/* Supervisor: what gate and verifier are given: the TLS listener, the CA's root, the way to
 * certmgr. Reads no byte of a client and no network. */
#include "lib/remote.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/subtree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct remote remote = { .tls_fd = -1 };

#define CERTMGR_RUN "/run/cretula/certmgr"
#define NODE_FILE   "node"

enum {
	NODE_MAX = 255, /* bytes of a name */
};

/* Configuration */

/* A set: what may be done by who is not on this machine. */
static enum err take_admin(struct attr_view conf, struct fault *f)
{
	static const char *const known[] = { "init",          "unseal",
					     "slot",          "rekey",
					     "restore",       "module",
					     "export-sealed", "reveal" };
	AUTO(mem_free) char *set = conf_str(conf, "remote_admin");
	size_t i;

	for (char *at = set; at && *at;) {
		size_t n = strcspn(at, ",");
		char *next = at + n + (at[n] == ',');

		at[n] = 0;
		for (i = 0; i < NELEM(known) && strcmp(at, known[i]); i++)
			;
		if (i == NELEM(known))
			return fault_set(
				f, ERR_INVALID,
				"remote_admin= names what admins may do over "
				"the network: init unseal slot rekey restore "
				"module export-sealed reveal, joined by "
				"commas; not '%s'",
				at);
		ENSURE(attrs_add_str(&remote.admin, "remote_admin", at) == OK);
		at = next;
	}
	return OK;
}

enum err remote_configure(struct attr_view conf, struct fault *f)
{
	bool crl;

	attrs_init(&remote.admin);
	remote.listen = conf_str(conf, "listen");
	remote.node = conf_str(conf, "node");
	remote.ca_root = conf_str(conf, "ca_root");
	remote.certmgr = conf_str(conf, "certmgr");
	remote.gate_type = conf_str(conf, "gate_type");
	remote.revocation = conf_str(conf, "revocation");
	remote.max_age = conf_u64(conf, "revocation_max_age");
	if (!remote.certmgr)
		remote.certmgr = xstrdup(CERTMGR_RUN);
	if (!remote.ca_root)
		remote.ca_root = xstrdup(CERTMGR_RUN "/root.pem");
	TRY(conf_second(conf, "revocation_fail", "closed", "open",
			&remote.fail_open, f));
	TRY(conf_second(conf, "revocation", "ocsp", "crl", &crl, f));
	return take_admin(conf, f);
}

void remote_is_certmgr(void)
{
	free(remote.certmgr);
	free(remote.ca_root);
	remote.certmgr = xstrdup(sup.setup.run);
	ENSURE(asprintf(&remote.ca_root, "%s/root.pem", sup.setup.run) > 0);
}

enum err remote_prepare(struct fault *f)
{
	AUTO(buf_wipe) struct buf line = { 0 };

	if (!remote.listen)
		return OK;
	TRY(listen_tcp(remote.listen, &remote.tls_fd, remote.at, f));
	buf_init(&line, SUP_LINE_MAX);
	ENSURE(buf_fmt(&line, "https=%s\n", remote.at) == OK);
	return sup_publish("addresses", &line, f);
}

/* This machine's name */

void remote_publish_node(const char *name)
{
	AUTO(buf_wipe) struct buf line = { 0 };
	struct fault f;

	buf_init(&line, SUP_LINE_MAX);
	if (buf_fmt(&line, "%s\n", name) != OK ||
	    sup_publish(NODE_FILE, &line, &f) != OK)
		log_text(LOG_ERR, "not_published", "'%s': %s", NODE_FILE,
			 f.text);
}

/* What certmgr has published; false: nothing yet. */
static bool read_node(char name[NODE_MAX + 1])
{
	AUTO(fd_close)
	int dir = open(remote.certmgr, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO(fd_close) int fd = -1;
	size_t size = 0;
	ssize_t n;

	if (dir < 0 || faccessat(dir, NODE_FILE, F_OK, 0))
		return false;
	fd = sup_trusted_file(dir, NODE_FILE, NODE_MAX, &size);
	n = fd < 0 ? -1 : read(fd, name, NODE_MAX);
	if (n < 2 || name[n - 1] != '\n')
		return false;
	name[n - 1] = 0;
	return strlen(name) == (size_t)n - 1;
}

/* NULL while it is not known; static. */
static const char *node_name(void)
{
	static char name[NODE_MAX + 1];

	if (remote.node)
		return remote.node;
	return read_node(name) ? name : NULL;
}

/* What children get */

static bool is_remote_gate(const struct sup_child *c)
{
	return c->role == sup.daemon->gate && c->front_uid == SUBJECT_NO_ID;
}

static void add(struct attrs *a, const char *name, const char *value)
{
	ENSURE(attrs_add_str(a, name, value) == OK);
}

static void add_revocation(struct attrs *a)
{
	add(a, "revocation", remote.revocation);
	ENSURE(attrs_add_u64(a, "max_age", remote.max_age) == OK);
	add(a, "fail", remote.fail_open ? "open" : "closed");
}

static void add_node(struct attrs *a)
{
	const char *node = node_name();

	if (node)
		add(a, "node", node);
}

static void start_core(struct attrs *a)
{
	AUTO(mem_free) char *host = node_name() ? NULL : listen_host_name();

	if (host)
		add(a, "node", host);
	else
		add_node(a);
	add(a, "gate_type", remote.gate_type);
	if (sup.setup.root)
		ENSURE(attrs_add_u64(a, "gate_uid",
				     sup.setup.uid[sup.daemon->gate]) == OK);
	if (remote.listen) {
		add(a, "https", remote.at);
		add_revocation(a);
	}
	ENSURE(attrs_add_view(a, attrs_view(&remote.admin)) == OK);
}

void remote_start(const struct sup_child *c, struct attrs *a)
{
	if (c->role != sup.daemon->gate && c->role != sup.daemon->verifier &&
	    c->role != sup.daemon->core)
		return;
	if (c->role == sup.daemon->core)
		start_core(a);
	if (c->role == sup.daemon->gate)
		add(a, "gate_type", remote.gate_type);
	if (is_remote_gate(c))
		add(a, "tls", "yes");
	if (c->role != sup.daemon->verifier)
		return;
	add_revocation(a);
}

size_t remote_gate_fds(const struct sup_child *c, int *fd)
{
	if (!is_remote_gate(c))
		return 0;
	fd[0] = remote.tls_fd;
	return 1;
}

bool remote_certmgr(const struct sup_child *c)
{
	struct sup_child *to = sup_child_of(c->role, c->front_uid);
	struct attrs a;
	int fd;

	/* it asks again, and has not read what it was told */
	if (!is_remote_gate(c) || to != c || to->chan.out.len)
		return false;
	attrs_init(&a);
	add_node(&a);
	fd = a.count ? subtree_open(remote.certmgr) : -1;
	if (fd >= 0)
		(void)!chan_post_fds(&to->chan, SUP_CERTMGR, 0, attrs_view(&a),
				     &fd, 1);
	else
		chan_tell(&to->chan, SUP_CERTMGR, 0, attrs_view(&a));
	attrs_wipe(&a);
	return true;
}

/* The CA's root and the node's name: what is not there yet is looked for again, as certmgr
 * has them when its node is enrolled. */

static void look(struct loop_timer *t)
{
	(void)t;
	remote_reload();
}

static void look_later(void)
{
	remote.look.on = look;
	loop_disarm(&remote.look);
	loop_arm(sup.loop, &remote.look,
		 loop_now(sup.loop) + REMOTE_ROOT_MS * CLOCK_MS);
}

/* What decides who is believed is what nobody but root, or who runs us, can change. */
static int open_root(void)
{
	int fd = open(remote.ca_root, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode) ||
			(st.st_uid != 0 && st.st_uid != geteuid()) ||
			(st.st_mode & 022))) {
		log_text(LOG_ERR, "ca_root",
			 "'%s' has to be a file of root's that nobody else "
			 "can write",
			 remote.ca_root);
		fd_close(&fd);
	}
	return fd;
}

void remote_reload(void)
{
	struct sup_child *c = sup_child_of(sup.daemon->verifier, 0);
	struct attrs a;
	int fd;

	if (!c)
		return;
	if (chan_posted(&c->chan)) { /* it has not read the last one */
		look_later();
		return;
	}
	attrs_init(&a);
	add_node(&a);
	fd = open_root();
	if (fd < 0 || !a.count)
		look_later();
	if (fd >= 0)
		(void)!chan_post_fds(&c->chan, SUP_ROOT, 0, attrs_view(&a), &fd,
				     1);
	attrs_wipe(&a);
}

void remote_started(const struct sup_child *c)
{
	if (c->role == sup.daemon->verifier)
		remote_reload();
}
