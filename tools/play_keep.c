/* The playground's keeper: starts credd and the command, ends everything when the
 * command ends, when it is told to, or when the playground above it dies. Holds
 * nothing.
 *	credd -> keeper		READY=1, a datagram on NOTIFY_SOCKET
 */
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

/* What the keeper watches. */
struct keep {
	struct play *p;
	int signal_fd;
	int notify_fd;
	pid_t credd;
	int credd_fd;
	pid_t command;
	int command_fd;
	bool told; /* to end, by signal `sig` */
	int sig;
};

static int failed(const char *what)
{
	cli_say("the playground cannot be set up: %s: %s", what,
		strerror(errno));
	return PLAY_FAILED;
}

static bool write_file(const struct play *p, const char *name,
		       const struct buf *text)
{
	char path[PATH_MAX];
	AUTO(fd_close) int fd = -1;

	(void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd >= 0 && write(fd, text->p, text->len) == (ssize_t)text->len;
}

static bool make_dir(const struct play *p, const char *name, mode_t mode)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
	return !mkdir(path, mode) && !chmod(path, mode);
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
	return add_modules(p, conf);
}

static bool write_conf(const struct play *p)
{
	struct attrs conf;
	struct buf text;
	bool done;

	attrs_init(&conf);
	buf_init(&text, CLI_FILE_MAX);
	done = conf_attrs(p, &conf) == OK &&
	       attr_format_text(attrs_view(&conf), &text) == OK &&
	       buf_u8(&text, '\n') == OK && write_file(p, "credd.conf", &text);
	attrs_wipe(&conf);
	buf_wipe(&text);
	return done;
}

static bool open_notify(struct keep *k)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s/notify",
		       k->p->folder);
	k->notify_fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return k->notify_fd >= 0 &&
	       !bind(k->notify_fd, (const struct sockaddr *)&un, sizeof un);
}

/* A child of the keeper, in its first moments: dies with the keeper, has the
 * signals we were started with. */
static void child_begin(const struct keep *k, pid_t keeper)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != keeper)
		_exit(PLAY_FAILED);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &k->p->mask, NULL);
}

static _Noreturn void credd_exec(const struct keep *k)
{
	char path[PATH_MAX], conf[PATH_MAX], notify[PATH_MAX];
	int log, null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* Away from the terminal's signals. */
	(void)setpgid(0, 0);
	(void)snprintf(conf, sizeof conf, "%s/credd.log", k->p->folder);
	log = open(conf, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(log, STDOUT_FILENO);
	(void)dup2(log, STDERR_FILENO);
	(void)snprintf(conf, sizeof conf, "%s/credd.conf", k->p->folder);
	(void)snprintf(notify, sizeof notify, "%s/notify", k->p->folder);
	(void)setenv("NOTIFY_SOCKET", notify, 1);
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("LISTEN_FDS");
	(void)snprintf(path, sizeof path, "%s/credd", k->p->bin);
	(void)execl(path, path, "--config", conf, (char *)NULL);
	(void)snprintf(path, sizeof path, "%s/../sbin/credd", k->p->bin);
	(void)execl(path, path, "--config", conf, (char *)NULL);
	dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
	_exit(PLAY_NOT_FOUND);
}

static bool start_credd(struct keep *k)
{
	pid_t keeper = getpid();

	k->credd = fork();
	if (k->credd == 0) {
		child_begin(k, keeper);
		credd_exec(k);
	}
	if (k->credd < 0)
		return false;
	k->credd_fd = pidfd_open(k->credd, 0);
	return k->credd_fd >= 0;
}

/* The last lines of credd's log, for a failure. */
static void show_log(const struct play *p)
{
	enum {
		TAIL = 4096
	};
	char path[PATH_MAX], text[TAIL];
	AUTO(fd_close) int fd = -1;
	struct stat st;
	ssize_t n;

	(void)snprintf(path, sizeof path, "%s/credd.log", p->folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return;
	n = pread(fd, text, sizeof text,
		  st.st_size > TAIL ? st.st_size - TAIL : 0);
	if (n > 0)
		(void)fwrite(text, 1, (size_t)n, stderr);
}

static bool said_ready(int fd)
{
	char text[512];
	ssize_t n = recv(fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return !strncmp(text, "READY=1", 7) || strstr(text, "\nREADY=1");
}

/* Until credd is ready. 0, an exit code, or PLAY_FAILED. */
static int wait_ready(struct keep *k)
{
	uint64_t deadline = clock_boot() + PLAY_READY_MS * CLOCK_MS;
	struct pollfd w[] = { { .fd = k->notify_fd, .events = POLLIN },
			      { .fd = k->credd_fd, .events = POLLIN },
			      { .fd = k->signal_fd, .events = POLLIN },
			      { .fd = k->p->parent_fd, .events = POLLIN } };

	for (;;) {
		if (!poll(w, NELEM(w), client_poll_ms(deadline)) &&
		    clock_boot() >= deadline) {
			cli_say("credd is not ready after %d s; its log:",
				PLAY_READY_MS / 1000);
			show_log(k->p);
			return PLAY_FAILED;
		}
		if (w[0].revents && said_ready(k->notify_fd))
			return 0;
		if (w[1].revents) {
			cli_say("credd ended before it was ready; its log:");
			show_log(k->p);
			return PLAY_FAILED;
		}
		if (w[2].revents && play_forward(k->signal_fd, 0, &k->sig))
			return 128 + k->sig;
		if (w[3].revents)
			return PLAY_FAILED;
	}
}

static _Noreturn void command_exec(const struct keep *k)
{
	const char *path = getenv("PATH");
	char *longer = NULL;
	int no;

	ENSURE(asprintf(&longer, "%s:%s", k->p->bin,
			path ? path : "/usr/bin:/bin") >= 0);
	(void)setenv("PATH", longer, 1);
	(void)setenv("CRETULA_PLAYGROUND", k->p->folder, 1);
	(void)setenv("CRETULA_CREDD", k->p->api, 1);
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
		child_begin(k, keeper);
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

/* Notices credd's end once; it is not ours to start it again. */
static void credd_ended(struct keep *k, struct pollfd *w)
{
	cli_say("credd ended; its log:");
	show_log(k->p);
	(void)waitpid(k->credd, NULL, 0);
	w->fd = -1;
	w->revents = 0;
}

/* Until the command ends, or has to. The exit code. */
static int watch(struct keep *k)
{
	uint64_t deadline = UINT64_MAX;
	struct pollfd w[] = { { .fd = k->command_fd, .events = POLLIN },
			      { .fd = k->signal_fd, .events = POLLIN },
			      { .fd = k->p->parent_fd, .events = POLLIN },
			      { .fd = k->credd_fd, .events = POLLIN },
			      { .fd = k->notify_fd, .events = POLLIN } };

	for (;;) {
		(void)poll(w, NELEM(w), client_poll_ms(deadline));
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
		if (w[3].revents)
			credd_ended(k, &w[3]);
		if (w[4].revents)
			(void)said_ready(k->notify_fd);
	}
}

static int keep_run(struct keep *k)
{
	int rc;

	if (!make_dir(k->p, "run", 0755) || !make_dir(k->p, "state", 0700) ||
	    !write_conf(k->p) || !open_notify(k))
		return failed(k->p->folder);
	if (!start_credd(k))
		return failed("credd");
	rc = wait_ready(k);
	if (rc)
		return rc;
	rc = play_fill(k->p);
	if (rc) {
		show_log(k->p);
		return rc;
	}
	return start_command(k) ? watch(k) : failed("the command");
}

int play_keep(struct play *p)
{
	struct keep k = {
		.p = p, .notify_fd = -1, .credd_fd = -1, .command_fd = -1
	};
	sigset_t before;
	int rc;

	k.signal_fd = play_signals(&before);
	if (k.signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return failed("signals");
	rc = keep_run(&k);
	(void)fflush(NULL);
	play_end_children();
	play_remove(p->folder);
	return rc;
}
