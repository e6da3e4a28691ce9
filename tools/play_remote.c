/* Part of the playground's keeper: credd and certmgr over HTTPS at free ports of the
 * loopback address, as whom certmgr's CA says they are. Holds nothing. */
#include "tools/play.h"

#include "lib/clock.h"
#include "lib/conf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define LISTEN "127.0.0.1:0"

enum {
	PLAY_ADDRESSES_MAX = 256, /* bytes of the file `addresses` */
};

/* Who shows a certificate of type `admin` is an admin of all three. What certmgr has made
 * for agents its own certificate has to have as well. */
static const char profiles[] =
	"profile=admin life=24h max_life=90d capability=admin:ca@localhost "
	"capability=admin:certmgr@{node} capability=admin:credd@{node} "
	"may_delegate=yes\n"
	"profile=node life=72h usage=server,client dns={node} "
	"capability=issue:*@{node} capability=admin:*@{node} may_delegate=yes\n";

enum err play_remote_credd(const struct play *p, struct attrs *conf)
{
	TRY(attrs_add_str(conf, "listen", LISTEN));
	TRY(attrs_add_str(conf, "node", PLAY_NODE));
	TRY(attrs_add_str(conf, "ca_root", p->ca_root));
	return attrs_add_fmt(conf, "certmgr", "%s/certmgr/run", p->folder);
}

enum err play_remote_certmgr(struct attrs *conf)
{
	TRY(attrs_add_str(conf, "listen", LISTEN));
	return attrs_add_str(conf, "node", PLAY_NODE);
}

bool play_remote_profiles(const struct play *p)
{
	return play_write_file(p, "ca/profiles/playground.conf", profiles,
			       sizeof profiles - 1, 0644);
}

/* As whom credd's gate runs, says its status; nothing where that is who we are. */
static bool take_gate_uid(struct cretula *c, uint64_t *uid)
{
	struct cretula_answer *status = NULL;
	struct cretula_error err;
	struct attr a;
	bool found;

	if (cretula_call(c, "status", NULL, NULL, &status, &err))
		return false;
	found = attr_find(attrs_view(&status->reply.a), "gate_uid", &a) &&
		attr_u64(&a, UINT32_MAX, uid) == OK;
	cretula_answer_free(status);
	return found;
}

int play_remote_grant(const struct play *p, struct cretula *certmgr)
{
	struct cretula *c = NULL;
	struct cretula_error err;
	uint64_t uid;
	int rc = 0;

	if (cretula_open_admin(p->api, &c, &err))
		return play_said(&err, "connection to credd");
	if (take_gate_uid(c, &uid))
		rc = play_grant_agents(certmgr, "gate", uid);
	cretula_close(c);
	return rc;
}

/* "https=127.0.0.1:PORT" in the file beside api.sock, as https://localhost:PORT: that is
 * the name in the certificate. */
static bool take_url(const char *api, char *url, size_t size)
{
	char path[PATH_MAX], text[PLAY_ADDRESSES_MAX];
	int n = (int)(strrchr(api, '/') - api);
	AUTO(fd_close) int fd = -1;
	const char *port;
	ssize_t len;

	(void)snprintf(path, sizeof path, "%.*s/addresses", n, api);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (len <= 0)
		return false;
	text[len] = '\0';
	port = strstr(text, "https=127.0.0.1:");
	if (!port)
		return false;
	port = strchr(port, ':') + 1;
	(void)snprintf(url, size, "https://" PLAY_NODE ":%.*s",
		       (int)strspn(port, "0123456789"), port);
	return true;
}

static int wait_serving(struct keep *k, const struct play_daemon *d,
			const struct play_daemon *certmgr, const char *url)
{
	uint64_t deadline = clock_boot() + PLAY_READY_MS * CLOCK_MS;
	char why[FAULT_TEXT_MAX] = "";
	int rc = 0;

	while (!play_serves(k->p, url, why, sizeof why)) {
		rc = play_look_again(k, d);
		if (rc)
			return rc;
		if (clock_boot() < deadline)
			continue;
		cli_say("%s does not serve '%s' in time: %s; its log:", d->name,
			url, why);
		play_daemon_log(k->p, d->name);
		cli_say("certmgr's log:");
		play_daemon_log(k->p, certmgr->name);
		return PLAY_FAILED;
	}
	return 0;
}

int play_remote_fill(struct keep *k, struct play_daemon *certmgr)
{
	struct play *p = k->p;
	int rc;

	if (!take_url(p->api, p->credd_url, sizeof p->credd_url) ||
	    !take_url(p->cm_api, p->cm_url, sizeof p->cm_url)) {
		cli_say("the playground cannot be set up: a daemon does not "
			"say where its HTTPS is");
		return PLAY_FAILED;
	}
	rc = wait_serving(k, certmgr, certmgr, p->cm_url);
	return rc ? rc : wait_serving(k, &k->daemon[0], certmgr, p->credd_url);
}
