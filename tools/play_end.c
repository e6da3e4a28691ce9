/* The end of a playground: no process and no file of it stays. */
#include "tools/play.h"

#include "lib/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/num.h"

/* The parent of a process, by /proc/PID/stat: "PID (NAME) STATE PPID …", where
 * NAME may hold anything, so that the last parenthesis counts. 0 if unknown. */
static pid_t parent_of(int proc, const char *pid)
{
	char path[300], text[512];
	AUTO(fd_close) int fd = -1;
	const char *close_paren;
	uint64_t ppid = 0;
	ssize_t n;

	(void)snprintf(path, sizeof path, "%s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	close_paren = strrchr(text, ')');
	if (!close_paren || strlen(close_paren) < 5)
		return 0;
	close_paren += 4;
	if (num_u64(close_paren, strspn(close_paren, "0123456789"), INT32_MAX,
		    &ppid) != OK)
		return 0;
	return (pid_t)ppid;
}

/* Kills every child of ours. What they leave behind becomes our child, because
 * this process is a subreaper. */
static void kill_children(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		uint64_t pid;

		if (num_u64(e->d_name, strlen(e->d_name), INT32_MAX, &pid) !=
			    OK ||
		    parent_of(dirfd(d), e->d_name) != getpid())
			continue;
		(void)kill((pid_t)pid, SIGKILL);
	}
	closedir(d);
}

/* Takes the exit of what has ended; true while there is a child. */
static bool reap(void)
{
	pid_t pid;

	do {
		pid = waitpid(-1, NULL, WNOHANG);
	} while (pid > 0);
	return pid == 0 || errno != ECHILD;
}

void play_end_children(void)
{
	const struct timespec moment = { .tv_nsec = 2000000 };
	uint64_t deadline = clock_boot() + PLAY_END_MS * CLOCK_MS;

	while (reap() && clock_boot() < deadline) {
		kill_children();
		if (!reap())
			return;
		(void)nanosleep(&moment, NULL);
	}
}

/* Removes what is in folder fd (taken), which is name in its parent. */
static void remove_in(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;

	if (!d) {
		close(fd);
		return;
	}
	while ((e = readdir(d))) {
		int inner;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!unlinkat(dirfd(d), e->d_name, 0))
			continue;
		inner = openat(dirfd(d), e->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner < 0)
			continue;
		remove_in(inner);
		(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

void play_remove(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	remove_in(fd);
	if (rmdir(folder))
		cli_say("'%s' cannot be removed: %s", folder, strerror(errno));
}
