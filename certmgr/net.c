/* Net: speaks TLS to the CA, with the node's own key and certificate, which it holds;
 * never an agent's private key. Has no socket of its own: the dialer connects.
 *	supervisor -> net	SUP_START ca=https://HOST:PORT [node=NAME] [token=yes],
 *				SUP_PEER peer=keeper|dialer (again when one died),
 *				SUP_TOKEN (fd: the token's file, maybe a new one)
 *	net -> supervisor	SUP_READY
 *	keeper <-> net		enum keeper_net_kind (certmgr/kinds.h)
 *	net <-> dialer		enum dial_kind (lib/kinds.h)
 * Descriptors at start: 3 supervisor, 4 its state folder, 5 the file with the CA's root
 * certificate, and with token=yes 6, the file with the enrolment token. */
#include "certmgr/net.h"

#include "certmgr/roles.h"
#include "lib/child.h"
#include "lib/log.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FOLDER_FD = 4,
	ROOT_FD = 5,
	TOKEN_FD = 6,
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

static void other(const struct msg *m)
{
	if (m->kind != SUP_TOKEN)
		child_broken("supervisor");
	node_token(chan_take_fd(&sup));
}

/* node=, kept; NULL: the token says it. */
static const char *node_of(const struct msg *m)
{
	static char text[WEB_HOST];
	struct attr a;

	if (!attr_find(m->attrs, "node", &a) || !a.len)
		return NULL;
	if (a.len >= sizeof text || memchr(a.value, 0, a.len))
		child_broken("supervisor");
	memcpy(text, a.value, a.len);
	text[a.len] = 0;
	return text;
}

/* All that is opened but once, while it can be. */
static void start(const struct msg *m)
{
	struct web_place place;
	struct attr token;
	struct fault f;

	umask(0077);
	if (web_place_parse("https", child_text(m, "ca"), &place, &f) != OK) {
		log_text(LOG_CRIT, "not_started", "%s", f.text);
		_exit(1);
	}
	trust_open(ROOT_FD);
	close(ROOT_FD);
	net_web_open(loop, &place, trust_root());
	node_open(loop, attr_find(m->attrs, "token", &token) ? TOKEN_FD : -1,
		  node_of(m));
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
	node_begin();
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
