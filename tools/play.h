/* cretula playground: a whole throw-away installation. Two processes look after it,
 * so that either may be killed and all still ends: the playground itself, which the
 * caller sees, and a keeper below it, which starts credd and the command. */
#ifndef TOOLS_PLAY_H
#define TOOLS_PLAY_H

#include "tools/cli.h"

#include <limits.h>
#include <signal.h>
#include <sys/types.h>

enum {
	PLAY_FAILED = 125, /* our own failure */
	PLAY_NOT_EXECUTABLE = 126,
	PLAY_NOT_FOUND = 127,
	PLAY_READY_MS = 30000, /* for credd to be ready */
	PLAY_GRACE_MS = 5000,  /* for a command that was told to end */
	PLAY_END_MS = 5000,    /* for processes that were killed to be gone */
};

struct play {
	char folder[80];        /* everything is in there */
	char bin[PATH_MAX / 2]; /* where this program is */
	char api[96];           /* path of api.sock */
	char **command;         /* NULL-ended */
	sigset_t mask;          /* the signal mask we were started with */
	pid_t parent;           /* the playground, for the keeper */
	int parent_fd;          /* its pidfd */
};

/* tools/play_keep.c: the keeper's whole life; its exit code. */
int play_keep(struct play *p);

/* Opens a signalfd for the signals we handle and blocks them. */
int play_signals(sigset_t *before);
/* Passes a signal of ours to pid, unless the terminal sent it to both. True if
 * it is one that asks to end. */
bool play_forward(int signal_fd, pid_t pid, int *sig);

/* tools/play_end.c: kills everything below this process, and waits for it. */
void play_end_children(void);
/* Removes the folder with all that is in it. */
void play_remove(const char *folder);

/* tools/play_fill.c: initialises the store, adds the samples and their grants. 0
 * or PLAY_FAILED, said. */
int play_fill(const struct play *p);

#endif
