/* Part of the playground's keeper: certmgr as the node `localhost` of the playground's
 * CA, until it has its certificate; and its end, from outside, as it is killed with
 * everything else. Holds the node's enrolment token, which is in a file of the folder
 * as well, and is spent at once. */
#include "tools/play.h"
#include "tools/upcall.h"

#include "lib/clock.h"
#include "lib/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define UPCALL "/run/cretula/upcall"

enum {
	PLAY_INSTANCE = 8,   /* hex digits */
	PLAY_UNMOUNTS = 16,  /* mounts at one place */
	PLAY_TOKEN_MAX = 256 /* bytes of its file */
};

/* Before ca runs: folders */

bool play_certmgr_prepare(struct play *p)
{
	if (!p->ca_api[0] || !play_has(p, "certmgr"))
		return true;
	(void)snprintf(p->cm_api, sizeof p->cm_api, "%s/certmgr/run/api.sock",
		       p->folder);
	return play_make_dir(p, "certmgr", 0755) &&
	       play_make_dir(p, "certmgr/run", 0755) &&
	       play_make_dir(p, "certmgr/state", 0700) &&
	       play_make_dir(p, "certmgr/fs", 0755);
}

/* The node's token, and the start */

static bool write_token(const struct play *p, const struct token *t)
{
	AUTO(buf_wipe) struct buf text = { 0 };

	buf_init_secret(&text, PLAY_TOKEN_MAX);
	return token_format(t, &text) == OK && buf_u8(&text, '\n') == OK &&
	       play_write_file(p, "certmgr/token", text.p, text.len, 0600);
}

static enum cretula_err tell_ca(const struct play *p, const struct token *t,
				struct cretula_error *err)
{
	uint8_t public[TOKEN_PUBLIC];
	struct cretula_list *args = cretula_list_new();
	struct cretula_answer *answer = NULL;
	struct cretula *c = NULL;
	enum cretula_err e;

	token_public(t, public);
	e = client_open(CLIENT_CA, p->ca_api, true, &c, err);
	if (!e && (cretula_list_add(args, "id", t->id, TOKEN_ID) ||
		   cretula_list_add(args, "public", public, sizeof public) ||
		   cretula_list_add_str(args, "node", PLAY_NODE) ||
		   /* nobody else is here who could have it */
		   cretula_list_add_str(args, "verify_after", "0")))
		e = client_fail(err, ERR_INTERNAL, "a list is too long");
	if (!e)
		e = cretula_call(c, "ca.token", args, NULL, &answer, err);
	cretula_answer_free(answer);
	cretula_list_free(args);
	cretula_close(c);
	return e;
}

static int make_token(const struct play *p)
{
	AUTO(token_wipe) struct token t = { 0 };
	struct cretula_error err = { 0 };

	token_make(&t);
	if (tell_ca(p, &t, &err))
		return play_said(&err, "ca.token");
	if (write_token(p, &t))
		return 0;
	cli_say("the playground cannot be set up: certmgr's token is not "
		"written: %s",
		strerror(errno));
	return PLAY_FAILED;
}

static enum err conf_attrs(const struct play *p, struct attrs *conf)
{
	TRY(attrs_add_fmt(conf, "run", "%s/certmgr/run", p->folder));
	TRY(attrs_add_fmt(conf, "state", "%s/certmgr/state", p->folder));
	TRY(attrs_add_fmt(conf, "view", "%s/certmgr/fs", p->folder));
	TRY(attrs_add_fmt(conf, "token", "%s/certmgr/token", p->folder));
	TRY(play_remote_certmgr(conf));
	TRY(attrs_add_str(conf, "verify_listen", "no"));
	TRY(attrs_add_str(conf, "ca", p->ca_url));
	return attrs_add_str(conf, "ca_root", p->ca_root);
}

static bool write_conf(const struct play *p)
{
	struct attrs conf;
	bool done;

	attrs_init(&conf);
	done = conf_attrs(p, &conf) == OK &&
	       play_write_conf(p, "certmgr", attrs_view(&conf));
	attrs_wipe(&conf);
	return done;
}

int play_certmgr_start(struct keep *k)
{
	int rc = make_token(k->p);

	if (rc)
		return rc;
	if (write_conf(k->p) && play_daemon_start(k, "certmgr"))
		return 0;
	cli_say("the playground cannot be set up: certmgr: %s",
		strerror(errno));
	return PLAY_FAILED;
}

/* Once it runs */

/* Nobody tells that the node has its certificate: it is asked for. */
static int wait_enrolled(struct keep *k, const struct play_daemon *d,
			 struct cretula *c)
{
	uint64_t deadline = clock_boot() + PLAY_READY_MS * CLOCK_MS;
	char why[FAULT_TEXT_MAX] = "";
	int rc = 0;

	while (!rc && !play_calm(c, why, sizeof why)) {
		rc = play_look_again(k, d);
		if (rc || clock_boot() < deadline)
			continue;
		cli_say("certmgr has no certificate in time: %s; its log:",
			why);
		play_daemon_log(k->p, d->name);
		rc = PLAY_FAILED;
	}
	return rc;
}

static enum err grant_attrs(const char *type, uint64_t uid, struct attrs *args)
{
	struct attrs grant;
	enum err e;

	attrs_init(&grant);
	e = attrs_add_str(&grant, "agent", type);
	if (e == OK)
		e = attrs_add_u64(&grant, "uid", uid);
	if (e == OK)
		e = attrs_add(args, "grant", 0, grant.bytes.p, grant.bytes.len);
	attrs_wipe(&grant);
	return e;
}

int play_grant_agents(struct cretula *certmgr, const char *type, uint64_t uid)
{
	struct cretula_answer *answer = NULL;
	struct cretula_error err = { 0 };
	struct attrs args;
	int rc = 0;

	attrs_init(&args);
	ENSURE(grant_attrs(type, uid, &args) == OK);
	if (client_call(certmgr, "grant.add", attrs_view(&args), NULL, &answer,
			&err))
		rc = play_said(&err, "grant.add of agents");
	cretula_answer_free(answer);
	attrs_wipe(&args);
	return rc;
}

/* Where it is built, and where it is installed. */
static bool find_helper(const struct play *p, char path[PATH_MAX])
{
	(void)snprintf(path, PATH_MAX, "%s/cretula-request-key", p->bin);
	if (!access(path, X_OK))
		return true;
	(void)snprintf(path, PATH_MAX, "%s", UPCALL_HELPER);
	return !access(path, X_OK);
}

/* Without it agents claim over the socket, which is no failure. */
static void register_upcall(const struct play *p)
{
	struct fault f = { 0 };
	char path[PATH_MAX];

	if (geteuid() != 0)
		return;
	if (!find_helper(p, path))
		cli_say("agents claim over the socket only: there is no "
			"program cretula-request-key");
	else if (upcall_register(path, &f) != OK)
		cli_say("agents claim over the socket only: %s", f.text);
}

int play_certmgr_fill(struct keep *k, struct play_daemon *d)
{
	struct cretula *c = NULL;
	struct cretula_error err;
	int rc;

	register_upcall(k->p);
	if (client_open(CLIENT_CERTMGR, k->p->cm_api, true, &c, &err))
		return play_said(&err, "connection to certmgr");
	rc = play_grant_agents(c, "*", getuid());
	if (!rc)
		rc = play_remote_grant(k->p, c);
	if (!rc)
		rc = wait_enrolled(k, d, c);
	cretula_close(c);
	return rc ? rc : play_remote_fill(k, d);
}

/* The end */

static void remove_upcall(const char *folder)
{
	char path[PATH_MAX], instance[PLAY_INSTANCE + 1] = "";
	AUTO(fd_close) int fd = -1;

	(void)snprintf(path, sizeof path, "%s/certmgr/state/instance", folder);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 ||
	    read(fd, instance, PLAY_INSTANCE) != (ssize_t)PLAY_INSTANCE ||
	    strspn(instance, "0123456789abcdef") != PLAY_INSTANCE)
		return;
	(void)snprintf(path, sizeof path, UPCALL "/%s", instance);
	(void)unlink(path);
}

/* Who was killed counts no longer, but what he put in place is there: whoever comes
 * and goes takes it away, unless others need it. */
static void leave_upcall(const struct play *p)
{
	struct fault f;
	char path[PATH_MAX];

	if (!access(UPCALL_CONF, F_OK) && find_helper(p, path) &&
	    upcall_register(path, &f) != OK)
		cli_say("'" UPCALL_CONF "' may be left behind: %s", f.text);
}

void play_certmgr_end(const struct play *p, bool killed)
{
	char path[PATH_MAX];

	if (geteuid() != 0)
		return;
	(void)snprintf(path, sizeof path, "%s/certmgr/fs", p->folder);
	for (int i = 0; i < PLAY_UNMOUNTS; i++)
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW))
			break;
	remove_upcall(p->folder);
	if (killed)
		leave_upcall(p);
	upcall_unregister();
}
