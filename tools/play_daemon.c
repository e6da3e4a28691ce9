/* Part of the playground's keeper: daemons, from their files to being ready. Holds
 * nothing.
 *	daemon -> keeper	READY=1, a datagram on NOTIFY_SOCKET */
#include "tools/play.h"

#include "lib/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Files */

bool play_write_file(const struct play *p, const char *name, const void *text,
		     size_t len, mode_t mode)
{
	char path[PATH_MAX];
	AUTO(fd_close) int fd = -1;

	(void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	return fd >= 0 && !fchmod(fd, mode) &&
	       write(fd, text, len) == (ssize_t)len;
}

bool play_make_dir(const struct play *p, const char *name, mode_t mode)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
	return !mkdir(path, mode) && !chmod(path, mode);
}

bool play_write_conf(const struct play *p, const char *name,
		     struct attr_view conf)
{
	char file[64];
	struct buf text;
	bool done;

	(void)snprintf(file, sizeof file, "%s.conf", name);
	buf_init(&text, CLI_FILE_MAX);
	done = attr_format_text(conf, &text) == OK &&
	       buf_u8(&text, '\n') == OK &&
	       play_write_file(p, file, text.p, text.len, 0600);
	buf_wipe(&text);
	return done;
}

/* Starting. Where it is built, and where it is installed. */

static const char *const places[] = { "", "../sbin/" };

bool play_has(const struct play *p, const char *name)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < NELEM(places); i++) {
		(void)snprintf(path, sizeof path, "%s/%s%s", p->bin, places[i],
			       name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

static _Noreturn void daemon_exec(const struct keep *k, const char *name)
{
	char path[PATH_MAX], conf[PATH_MAX], notify[PATH_MAX];
	int log, null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* Away from the terminal's signals. */
	(void)setpgid(0, 0);
	(void)snprintf(conf, sizeof conf, "%s/%s.log", k->p->folder, name);
	log = open(conf, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(log, STDOUT_FILENO);
	(void)dup2(log, STDERR_FILENO);
	(void)snprintf(conf, sizeof conf, "%s/%s.conf", k->p->folder, name);
	(void)snprintf(notify, sizeof notify, "%s/%s.notify", k->p->folder,
		       name);
	(void)setenv("NOTIFY_SOCKET", notify, 1);
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("LISTEN_FDS");
	for (size_t i = 0; i < NELEM(places); i++) {
		(void)snprintf(path, sizeof path, "%s/%s%s", k->p->bin,
			       places[i], name);
		(void)execl(path, path, "--config", conf, (char *)NULL);
	}
	dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
	_exit(PLAY_NOT_FOUND);
}

static bool open_notify(const struct play *p, struct play_daemon *d)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)snprintf(un.sun_path, sizeof un.sun_path, "%s/%s.notify",
		       p->folder, d->name);
	d->notify_fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return d->notify_fd >= 0 &&
	       !bind(d->notify_fd, (const struct sockaddr *)&un, sizeof un);
}

bool play_daemon_start(struct keep *k, const char *name)
{
	struct play_daemon *d = &k->daemon[k->daemons++];
	pid_t keeper = getpid();

	ENSURE(k->daemons <= NELEM(k->daemon));
	*d = (struct play_daemon){ .name = name, .fd = -1 };
	if (!open_notify(k->p, d))
		return false;
	d->pid = fork();
	if (d->pid == 0) {
		play_child_begin(k, keeper);
		daemon_exec(k, name);
	}
	if (d->pid < 0)
		return false;
	d->fd = pidfd_open(d->pid, 0);
	return d->fd >= 0;
}

/* Waiting */

void play_daemon_log(const struct play *p, const char *name)
{
	enum {
		TAIL = 4096
	};
	char path[PATH_MAX], text[TAIL];
	AUTO(fd_close) int fd = -1;
	struct stat st;
	ssize_t n;

	(void)snprintf(path, sizeof path, "%s/%s.log", p->folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return;
	n = pread(fd, text, sizeof text,
		  st.st_size > TAIL ? st.st_size - TAIL : 0);
	if (n > 0)
		(void)fwrite(text, 1, (size_t)n, stderr);
}

bool play_daemon_said(const struct play_daemon *d)
{
	char text[512];
	ssize_t n = recv(d->notify_fd, text, sizeof text - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return !strncmp(text, "READY=1", 7) || strstr(text, "\nREADY=1");
}

static int not_ready(const struct keep *k, const struct play_daemon *d,
		     const char *why)
{
	cli_say("%s %s; its log:", d->name, why);
	play_daemon_log(k->p, d->name);
	return PLAY_FAILED;
}

int play_daemon_wait(struct keep *k, struct play_daemon *d)
{
	uint64_t deadline = clock_boot() + PLAY_READY_MS * CLOCK_MS;
	struct pollfd w[] = { { .fd = d->notify_fd, .events = POLLIN },
			      { .fd = d->fd, .events = POLLIN },
			      { .fd = k->signal_fd, .events = POLLIN },
			      { .fd = k->p->parent_fd, .events = POLLIN } };

	for (;;) {
		if (!poll(w, NELEM(w), client_poll_ms(deadline)) &&
		    clock_boot() >= deadline)
			return not_ready(k, d, "is not ready in time");
		if (w[0].revents && play_daemon_said(d))
			return 0;
		if (w[1].revents)
			return not_ready(k, d, "ended before it was ready");
		if (w[2].revents && play_forward(k->signal_fd, 0, &k->sig))
			return 128 + k->sig;
		if (w[3].revents)
			return PLAY_FAILED;
	}
}
