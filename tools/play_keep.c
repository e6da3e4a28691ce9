/* The playground's keeper: starts the daemons and the command, ends everything when the
 * command ends, when it is told to, or when the playground above it dies. Holds
 * nothing. */
#include "tools/play.h"

#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed(const char *what)
{
	cli_say("the playground cannot be set up: %s: %s", what,
		strerror(errno));
	return PLAY_FAILED;
}

/* BIN/../modules, if it is there. */
static enum err add_modules(const struct play *p, struct attrs *conf)
{
	char path[PATH_MAX], real[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/../modules", p->bin);
	if (!realpath(path, real))
		return OK;
	return attrs_add_str(conf, "modules", real);
}

static enum err conf_attrs(const struct play *p, struct attrs *conf)
{
	TRY(attrs_add_fmt(conf, "run", "%s/run", p->folder));
	TRY(attrs_add_fmt(conf, "state", "%s/state", p->folder));
	if (p->cm_api[0])
		TRY(play_remote_credd(p, conf));
	return add_modules(p, conf);
}

static bool write_conf(const struct play *p)
{
	struct attrs conf;
	bool done;

	attrs_init(&conf);
	done = conf_attrs(p, &conf) == OK &&
	       play_write_conf(p, "credd", attrs_view(&conf));
	attrs_wipe(&conf);
	return done;
}

void play_child_begin(const struct keep *k, pid_t keeper)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != keeper)
		_exit(PLAY_FAILED);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &k->p->mask, NULL);
}

static void command_env(const struct play *p)
{
	const char *path = getenv("PATH");
	char *longer = NULL;

	ENSURE(asprintf(&longer, "%s:%s", p->bin,
			path ? path : "/usr/bin:/bin") >= 0);
	(void)setenv("PATH", longer, 1);
	(void)setenv("CRETULA_PLAYGROUND", p->folder, 1);
	(void)setenv("CRETULA_CREDD", p->api, 1);
	if (!p->ca_api[0])
		return;
	(void)setenv("CRETULA_CA", p->ca_api, 1);
	(void)setenv("CRETULA_CA_URL", p->ca_url, 1);
	(void)setenv("CRETULA_CA_HTTP", p->ca_http, 1);
	(void)setenv("CRETULA_CA_ROOT", p->ca_root, 1);
	if (!p->cm_api[0])
		return;
	(void)setenv("CRETULA_CERTMGR", p->cm_api, 1);
	(void)setenv("CRETULA_CREDD_URL", p->credd_url, 1);
	(void)setenv("CRETULA_CERTMGR_URL", p->cm_url, 1);
}

static _Noreturn void command_exec(const struct keep *k)
{
	int no;

	command_env(k->p);
	(void)execvp(k->p->command[0], k->p->command);
	no = errno;
	cli_say("'%s' cannot be run: %s", k->p->command[0], strerror(no));
	_exit(no == ENOENT ? PLAY_NOT_FOUND : PLAY_NOT_EXECUTABLE);
}

static bool start_command(struct keep *k)
{
	pid_t keeper = getpid();

	k->command = fork();
	if (k->command == 0) {
		play_child_begin(k, keeper);
		command_exec(k);
	}
	if (k->command < 0)
		return false;
	k->command_fd = pidfd_open(k->command, 0);
	return k->command_fd >= 0;
}

static int command_code(struct keep *k)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)k->command, &info, WEXITED))
		return PLAY_FAILED;
	return info.si_code == CLD_EXITED ? info.si_status
					  : 128 + info.si_status;
}

/* Notices a daemon's end once; it is not ours to start it again. */
static void daemon_ended(struct keep *k, struct play_daemon *d)
{
	cli_say("%s ended; its log:", d->name);
	play_daemon_log(k->p, d->name);
	(void)waitpid(d->pid, NULL, 0);
	fd_close(&d->fd);
}

/* Takes what daemons say, and their end. */
static void look_at_daemons(struct keep *k, const struct pollfd *w)
{
	for (unsigned i = 0; i < k->daemons; i++) {
		if (w[2 * i].revents)
			daemon_ended(k, &k->daemon[i]);
		if (w[2 * i + 1].revents)
			(void)play_daemon_said(&k->daemon[i]);
	}
}

/* Until the command ends, or has to. The exit code. */
static int watch(struct keep *k)
{
	uint64_t deadline = UINT64_MAX;
	struct pollfd w[3 + 2 * PLAY_DAEMONS] = {
		{ .fd = k->command_fd, .events = POLLIN },
		{ .fd = k->signal_fd, .events = POLLIN },
		{ .fd = k->p->parent_fd, .events = POLLIN },
	};

	for (;;) {
		for (unsigned i = 0; i < k->daemons; i++) {
			w[3 + 2 * i] = (struct pollfd){ .fd = k->daemon[i].fd,
							.events = POLLIN };
			w[4 + 2 * i] =
				(struct pollfd){ .fd = k->daemon[i].notify_fd,
						 .events = POLLIN };
		}
		(void)poll(w, 3 + 2 * k->daemons, client_poll_ms(deadline));
		if (w[0].revents)
			return command_code(k);
		if (w[2].revents)
			return PLAY_FAILED;
		if (w[1].revents &&
		    play_forward(k->signal_fd, k->command, &k->sig) &&
		    !k->told) {
			k->told = true;
			deadline = clock_boot() + PLAY_GRACE_MS * CLOCK_MS;
		}
		if (clock_boot() >= deadline)
			return 128 + k->sig;
		look_at_daemons(k, w + 3);
	}
}

static int fill_ca(struct keep *k)
{
	int rc = play_daemon_wait(k, &k->daemon[1]);

	return rc ? rc : play_ca_fill(k, &k->daemon[1]);
}

/* The CA has to be there before it. */
static int fill_certmgr(struct keep *k)
{
	int rc = play_certmgr_start(k);

	if (!rc)
		rc = play_daemon_wait(k, &k->daemon[2]);
	return rc ? rc : play_certmgr_fill(k, &k->daemon[2]);
}

static int fill(struct keep *k)
{
	int rc = play_daemon_wait(k, &k->daemon[0]);

	if (rc)
		return rc;
	rc = play_fill(k->p);
	if (rc)
		play_daemon_log(k->p, "credd");
	if (!rc && k->p->ca_api[0])
		rc = fill_ca(k);
	if (!rc && k->p->cm_api[0])
		rc = fill_certmgr(k);
	return rc;
}

static int keep_run(struct keep *k)
{
	int rc;

	if (!play_make_dir(k->p, "run", 0755) ||
	    !play_make_dir(k->p, "state", 0700) || !play_ca_prepare(k->p) ||
	    !play_certmgr_prepare(k->p) || !write_conf(k->p))
		return failed(k->p->folder);
	if (!play_daemon_start(k, "credd"))
		return failed("credd");
	if (k->p->ca_api[0] && !play_daemon_start(k, "ca"))
		return failed("ca");
	rc = fill(k);
	if (rc)
		return rc;
	return start_command(k) ? watch(k) : failed("the command");
}

int play_keep(struct play *p)
{
	struct keep k = { .p = p, .command_fd = -1 };
	sigset_t before;
	int rc;

	k.signal_fd = play_signals(&before);
	if (k.signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return failed("signals");
	rc = keep_run(&k);
	(void)fflush(NULL);
	play_end_children();
	play_certmgr_end(p, false);
	play_remove(p->folder);
	return rc;
}
