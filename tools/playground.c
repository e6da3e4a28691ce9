/* cretula playground: makes the folder, starts the keeper, passes on signals and
 * the exit code; ends everything itself should the keeper be killed. Holds nothing. */
#include "tools/play.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int handled[] = { SIGHUP,  SIGINT,  SIGQUIT,
			       SIGTERM, SIGUSR1, SIGUSR2 };

int play_signals(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < NELEM(handled); i++)
		sigaddset(&set, handled[i]);
	if (sigprocmask(SIG_BLOCK, &set, before))
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool play_forward(int signal_fd, pid_t pid, int *sig)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
		return false;
	/* What is typed at the terminal the command gets as well. A hangup
	 * only reaches the session's leader and what is in the foreground. */
	if (info.ssi_code == SI_KERNEL && info.ssi_signo != SIGHUP)
		return false;
	if (pid > 0)
		(void)kill(pid, (int)info.ssi_signo);
	if (info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2)
		return false;
	*sig = (int)info.ssi_signo;
	return true;
}

/* For root in /tmp and searchable, so that others reach api.sock as they would in
 * /run; else in $XDG_RUNTIME_DIR, for nobody but this user. */
static bool make_folder(struct play *p)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	bool root = geteuid() == 0;

	if (root || !base || base[0] != '/' || access(base, W_OK | X_OK) ||
	    strlen(base) > 60)
		base = "/tmp";
	(void)snprintf(p->folder, sizeof p->folder, "%s/cretula-XXXXXX", base);
	if (!mkdtemp(p->folder)) {
		cli_say("no folder can be made in '%s': %s", base,
			strerror(errno));
		return false;
	}
	if (root && chmod(p->folder, 0711)) {
		play_remove(p->folder);
		return false;
	}
	(void)snprintf(p->api, sizeof p->api, "%s/run/api.sock", p->folder);
	return true;
}

static bool find_bin(struct play *p)
{
	ssize_t n = readlink("/proc/self/exe", p->bin, sizeof p->bin - 1);
	char *slash;

	if (n <= 0)
		return false;
	p->bin[n] = '\0';
	slash = strrchr(p->bin, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

static int exit_of(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status
					   : 128 + info->si_status;
}

/* Waits for the keeper to end, handing it our signals. */
static int watch_keeper(pid_t keeper, int keeper_fd, int signal_fd)
{
	struct pollfd w[] = { { .fd = keeper_fd, .events = POLLIN },
			      { .fd = signal_fd, .events = POLLIN } };
	siginfo_t info = { 0 };
	int sig;

	for (;;) {
		(void)poll(w, NELEM(w), -1);
		if (w[1].revents)
			(void)play_forward(signal_fd, keeper, &sig);
		if (w[0].revents)
			break;
	}
	if (waitid(P_PID, (id_t)keeper, &info, WEXITED))
		return PLAY_FAILED;
	return exit_of(&info);
}

static int keeper_start(struct play *p, int signal_fd)
{
	AUTO(fd_close) int keeper_fd = -1;
	pid_t keeper;
	int rc;

	p->parent = getpid();
	p->parent_fd = pidfd_open(p->parent, 0);
	if (p->parent_fd < 0)
		return PLAY_FAILED;
	keeper = fork();
	if (keeper == 0)
		_exit(play_keep(p));
	fd_close(&p->parent_fd);
	if (keeper < 0)
		return PLAY_FAILED;
	keeper_fd = pidfd_open(keeper, 0);
	if (keeper_fd < 0)
		return PLAY_FAILED;
	rc = watch_keeper(keeper, keeper_fd, signal_fd);
	/* Both have nothing to do unless the keeper was killed. */
	play_end_children();
	play_certmgr_end(p, rc > 128);
	play_remove(p->folder);
	return rc;
}

static int run_playground(struct cli *cli)
{
	static char plain[] = "/bin/sh";
	static char *shell[] = { NULL, NULL };
	struct play p = { .parent_fd = -1 };
	AUTO(fd_close) int signal_fd = -1;
	int rc;

	shell[0] = getenv("SHELL");
	if (!shell[0] || !shell[0][0])
		shell[0] = plain;
	p.command = cli->words ? cli->word : shell;
	signal_fd = play_signals(&p.mask);
	if (signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) ||
	    !find_bin(&p) || !make_folder(&p)) {
		cli_say("the playground cannot be set up: %s", strerror(errno));
		return PLAY_FAILED;
	}
	rc = keeper_start(&p, signal_fd);
	if (rc == PLAY_FAILED)
		play_remove(p.folder);
	return rc;
}

const struct verb verbs_playground[] = {
	{ "playground", NULL, "[-- COMMAND …]",
	  "a throw-away installation, and a command or shell in it", NULL,
	  "cretula playground -- sh -c 'cretula sign sample <request.txt'",
	  NULL, run_playground },
	{ 0 },
};
