/* Net: speaks TLS to the CA, with the node's own key and certificate, which it holds;
 * never an agent's private key. Has no socket of its own: the dialer connects.
 *	supervisor -> net	SUP_START [ca=https://HOST:PORT|dns:NAME] [ca_hash=]
 *				[node=NAME] [host=NAME] [verify_endpoint=HOST:PORT]
 *				[verify_listen=yes: SUP_PROOF is answered]
 *				[source=NAME]… [imds_url=]
 *				[given=NAME]…,
 *				SUP_PEER peer=keeper|dialer (again when one died),
 *				SUP_GIVEN (fds: the files opened anew)
 *	net -> supervisor	SUP_READY, SUP_CA_ROOT, SUP_NODE
 *	net <-> supervisor	SUP_PROOF
 *	keeper <-> net		enum keeper_net_kind (certmgr/kinds.h)
 *	net <-> dialer		enum dial_kind (lib/kinds.h)
 * Descriptors at start: 3 supervisor, 4 its state folder, from 5 on what is given=, in
 * that order. */
#include "certmgr/net_boot.h"
#include "certmgr/net_prove.h"

#include "certmgr/roles.h"
#include "lib/child.h"
#include "lib/log.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLDER_FD = 4,
	GIVEN_FD = 5,    /* … and those that follow */
	FILES_MAX = 128, /* descriptors: a lane has at most four */
};

static struct loop *loop;
static struct chan sup, keeper;

/* ---- keeper */

static void from_keeper(struct chan *c, const struct msg *m)
{
	if (m->kind == KN_ISSUE)
		errand_issue(c, m);
	else if (m->kind == KN_REVOKE)
		errand_revoke(c, m);
	else
		child_broken("keeper");
}

/* The next one asks again for what this one wanted. */
static void keeper_end(struct chan *c, const struct fault *why)
{
	(void)why;
	errands_drop();
	chan_close(c);
}

static void keeper_came(int fd)
{
	static const struct chan_ops ops = { from_keeper, keeper_end, NULL };

	if (chan_is_open(&keeper))
		keeper_end(&keeper, NULL);
	chan_open(&keeper, loop, fd, false, &ops);
	node_greet(&keeper);
}

/* ---- supervisor */

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)m;
	if (!strcmp(peer, "keeper"))
		keeper_came(fd);
	else if (!strcmp(peer, "dialer"))
		web_dialer(fd);
	else
		child_broken("supervisor");
}

void net_tell_supervisor(uint32_t kind, struct attr_view a)
{
	chan_tell(&sup, kind, 0, a);
}

/* One file; taken. */
static void take_given(const struct attr *a, int fd)
{
	if (fd < 0)
		child_broken("supervisor");
	if (attr_is(a, "token"))
		node_token(fd);
	else if (!boot_give(span_of(a->value, a->len), fd))
		child_broken("supervisor");
}

static void given_anew(const struct msg *m)
{
	struct attr_view it = m->attrs;
	struct attr a;

	node_token(-1);
	boot_take_back();
	while (attr_next(&it, &a))
		if (attr_named(&a, "given"))
			take_given(&a, chan_take_fd(&sup));
	node_look_again();
}

static void other(const struct msg *m)
{
	switch ((enum certmgr_sup_kind)m->kind) {
	case SUP_GIVEN:
		given_anew(m);
		return;
	case SUP_PROOF:
		prove_given(m, chan_take_fd(&sup));
		return;
	case SUP_SIGNAL:
	case SUP_UNMOUNTED:
	case SUP_CA_ROOT:
	case SUP_NODE:
		break;
	}
	child_broken("supervisor");
}

/* Kept; NULL: it is not said. */
static const char *text_of(const struct msg *m, const char *name,
			   char room[WEB_HOST])
{
	struct attr a;

	if (!attr_find(m->attrs, name, &a) || !a.len)
		return NULL;
	if (a.len >= WEB_HOST || memchr(a.value, 0, a.len))
		child_broken("supervisor");
	memcpy(room, a.value, a.len);
	room[a.len] = 0;
	return room;
}

/* Files; true: the root certificate was among them. */
static bool take_files(const struct msg *m)
{
	struct attr_view it = m->attrs;
	int fd = GIVEN_FD;
	bool root = false;
	struct fault f;
	struct attr a;

	while (attr_next(&it, &a)) {
		if (!attr_named(&a, "given"))
			continue;
		if (!attr_is(&a, "root")) {
			take_given(&a, fd++);
			continue;
		}
		root = true;
		if (trust_read_root(fd, &f) != OK) {
			log_text(LOG_CRIT, "not_started", "%s", f.text);
			_exit(1);
		}
		close(fd++);
	}
	return root;
}

/* All that is opened but once, while it can be. */
static void start(const struct msg *m)
{
	static char node[WEB_HOST];
	char imds[WEB_HOST];
	bool root;

	umask(0077);
	trust_open();
	net_web_open(loop);
	node_open(loop, text_of(m, "node", node));
	root = take_files(m);
	boot_open(m->attrs);
	prove_open(loop, attr_count(m->attrs, "verify_listen") > 0);
	enrol_open(m->attrs);
	imds_open(text_of(m, "imds_url", imds));
	place_open(m->attrs, root);
}

static void own_folder(struct confine_spec *spec)
{
	spec->nofile = FILES_MAX;
	spec->path[spec->paths++] = (struct landlock_path){
		.fd = FOLDER_FD, .rights = LANDLOCK_READ | LANDLOCK_WRITE
	};
}

int role_net(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = other,
					      .start = start,
					      .confine = own_folder };

	loop = loop_new();
	child_start(loop, &sup, CONFINE_NET, &ops);
	place_begin();
	node_begin();
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
