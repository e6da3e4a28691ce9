/* cretula agent run: asks certmgr for an agent that is this very process, becomes the
 * user it shall run as, and then the command. Runs in cretula until it executes that;
 * holds the descriptor behind which the token is, never the token. */
#include "tools/agent.h"

#include "lib/clock.h"
#include "lib/num.h"

#include <cretula/agent.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	RUN_FAILED = 125, /* we ourselves */
	RUN_NOT_EXECUTABLE = 126,
	RUN_NOT_FOUND = 127,
	/* for the first certificate, with a view: certmgr waits ten seconds */
	RUN_WAIT_MS = 12000,
	RUN_LOOK_MS = 10, /* between looks at the view */
	LISTEN_MAX = 1 << 10,
};

struct run {
	const struct passwd *user; /* NULL: as we are */
	struct cretula_agent_ref ref;
	struct cretula_list *options;
	uint64_t deadline; /* for the view to have the certificate */
};

/* What went wrong, in our own exit code. */
static int failed(const char *what, const char *name)
{
	cli_say("%s '%s': %s", what, name, strerror(errno));
	return RUN_FAILED;
}

/* --- the command line */

static int find_user(const struct cli *cli, struct run *r)
{
	const char *name = cli_opt(cli, "user");
	uint64_t uid;

	if (!name)
		return 0;
	if (geteuid() != 0)
		return cli_usage(cli, "--user is for root");
	r->user = getpwnam(name);
	if (!r->user && num_u64(name, strlen(name), UINT32_MAX - 1, &uid) == OK)
		r->user = getpwuid((uid_t)uid);
	if (!r->user)
		return cli_usage(cli, "there is no user '%s'", name);
	return 0;
}

static int view_option(const struct cli *cli, struct attrs *out)
{
	const char *view = cli_opt(cli, "view");

	if (!view)
		return 0;
	if (view[0] && strcmp(view, "self") != 0)
		return cli_usage(cli, "--view or --view=self, not --view=%s",
				 view);
	ENSURE(attrs_add_str(out, "view", view[0] ? view : "yes") == OK);
	/* COMMAND shall find its files: the answer comes when they are there */
	ENSURE(attrs_add_str(out, "wait", "yes") == OK);
	return 0;
}

static int prepare(const struct cli *cli, struct run *r)
{
	struct attrs *o = &r->options->a;
	int rc;

	if (!cli->words)
		return cli_usage(cli, "there is no COMMAND to start");
	if (!cli_opt(cli, "type"))
		return cli_usage(cli, "--type says what the agent is");
	rc = find_user(cli, r);
	if (!rc && r->user)
		ENSURE(attrs_add_u64(o, "uid", r->user->pw_uid) == OK);
	if (!rc)
		rc = view_option(cli, o);
	if (!rc)
		rc = cli_add(cli, "name", "name", o);
	if (!rc)
		rc = cli_add(cli, "endpoint", "uri", o);
	if (!rc)
		rc = cli_add_time(cli, "lifetime", "lifetime", false, o);
	if (!rc)
		rc = cli_add(cli, "on-renew", "on_renew", o);
	return rc;
}

/* --- the agent */

/* It is us: the process stays the same through exec. */
static int spawn(struct cli *cli, struct run *r)
{
	AUTO(fd_close) int self = pidfd_open(getpid(), 0);
	struct cretula_error err;

	if (self < 0)
		return failed("no descriptor can be had of", "this process");
	cli->daemon = CLIENT_CERTMGR;
	if (cli_open(cli, false))
		return RUN_FAILED;
	if (cli_opt(cli, "view"))
		cretula_timeout(cli->c, RUN_WAIT_MS);
	if (cretula_agent_spawn(cli->c, cli_opt(cli, "type"), r->options, self,
				&r->ref, &err)) {
		(void)cli_failed(&err);
		return RUN_FAILED;
	}
	cretula_close(cli->c);
	cli->c = NULL;
	return 0;
}

static int set(const char *name, const char *value)
{
	return setenv(name, value, 1) ? failed("cannot set", name) : 0;
}

/* Ours is inherited whatever the uid is: the keys in it are not that user's, and what
 * his agents have in it is not for those of other users. */
static bool leave_session(void)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 ||
	       errno == ENOSYS || errno == EPERM;
}

static int become(const struct passwd *u)
{
	int rc;

	if (!u)
		return 0;
	if (initgroups(u->pw_name, u->pw_gid) ||
	    setresgid(u->pw_gid, u->pw_gid, u->pw_gid) ||
	    setresuid(u->pw_uid, u->pw_uid, u->pw_uid))
		return failed("cannot become user", u->pw_name);
	if (!leave_session())
		return failed("cannot make a session keyring for user",
			      u->pw_name);
	rc = set("HOME", u->pw_dir);
	if (!rc)
		rc = set("USER", u->pw_name);
	if (!rc)
		rc = set("LOGNAME", u->pw_name);
	if (!rc)
		rc = set("SHELL", u->pw_shell[0] ? u->pw_shell : "/bin/sh");
	return rc;
}

/* The certificate is there; the view, another process, may be a moment behind. */
static int await_view(const char *folder, uint64_t deadline)
{
	const struct timespec pause = { .tv_nsec = RUN_LOOK_MS * 1000000 };
	AUTO(mem_free) char *path = NULL;

	ENSURE(asprintf(&path, "%s/bundle.pem", folder) >= 0);
	for (;;) {
		AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			return 0;
		if (clock_boot() >= deadline)
			return failed("no certificate yet (see 'cretula "
				      "status') at",
				      path);
		(void)nanosleep(&pause, NULL);
	}
}

/* Sockets that a service manager has passed (sd_listen_fds(3)) are the command's. */
static int listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t of, n;

	if (!pid || !fds || num_u64(pid, strlen(pid), INT32_MAX, &of) != OK ||
	    of != (uint64_t)getpid() ||
	    num_u64(fds, strlen(fds), LISTEN_MAX, &n) != OK)
		return 0;
	return (int)n;
}

/* The token's descriptor is the first that is free, and the last that is open. */
static int pass_token(struct run *r)
{
	const int at = STDERR_FILENO + 1 + listen_fds();
	char number[16];

	if (r->ref.token_fd == at) {
		if (fcntl(at, F_SETFD, 0))
			return failed("cannot pass on", "the token");
	} else if (dup2(r->ref.token_fd, at) < 0) {
		return failed("cannot pass on", "the token");
	}
	if (close_range((unsigned)at + 1, ~0u, 0))
		return failed("cannot close", "other descriptors");
	(void)snprintf(number, sizeof number, "%d", at);
	return set("CRETULA_TOKEN_FD", number);
}

static int set_environment(struct run *r)
{
	int rc = set("CRETULA_AGENT", r->ref.name);

	(void)unsetenv(
		"CRETULA_TOKEN"); /* of an agent that we were ourselves */
	(void)unsetenv("CRETULA_DIR");
	if (!rc && r->ref.dir[0])
		rc = set("CRETULA_DIR", r->ref.dir);
	return rc ? rc : pass_token(r);
}

static int run(struct cli *cli, struct run *r)
{
	int rc = spawn(cli, r);

	if (!rc)
		rc = become(r->user);
	if (!rc && cli_opt(cli, "view"))
		rc = await_view(r->ref.dir, r->deadline);
	if (!rc)
		rc = set_environment(r);
	if (rc)
		return rc;
	(void)signal(SIGPIPE, cli->sigpipe);
	execvp(cli->word[0], cli->word);
	rc = errno == ENOENT ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
	(void)failed("cannot execute", cli->word[0]);
	return rc;
}

int agent_run_run(struct cli *cli)
{
	struct run r = { .options = cretula_list_new(),
			 .deadline = clock_boot() + RUN_WAIT_MS * CLOCK_MS };
	int rc = prepare(cli, &r);

	if (!rc)
		rc = run(cli, &r);
	cretula_list_free(r.options);
	return rc;
}
