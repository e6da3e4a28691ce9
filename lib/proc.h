/* Processes: a child by role is our own binary, executed anew, with exactly the
 * descriptors it is given. It ends when its parent ends. */
#ifndef LIB_PROC_H
#define LIB_PROC_H

#include "lib/err.h"

#include <sys/types.h>

enum {
	PROC_FD_FIRST = 3, /* the first descriptor given arrives as this */
	PROC_FDS_MAX = 16,
};

/* A user namespace for the child: there, uid and gid 0 are self, 1 is other. Both
 * are ids nobody has, so that what is root inside is nobody outside. */
struct proc_idmap {
	uid_t self;
	uid_t other;
};

struct proc_spec {
	const char *daemon; /* "credd": comm and argv[0] are credd-ROLE */
	const char *role;
	const int
		*fd; /* fd[i] arrives as PROC_FD_FIRST + i; stay the caller's */
	size_t fds;
	const struct proc_idmap *idmap; /* NULL: no user namespace */
};

struct proc {
	pid_t pid;
	int pidfd;
};

/* Starts `/proc/self/exe --role=ROLE` with a bare environment, nothing open but
 * 0, 1, 2 and fd[]. OK only once the child is executed. ERR_UNAVAILABLE: there may be
 * no more processes. ERR_UNSUPPORTED: the kernel
 * or our privilege gives no user namespace with that map; start without. The caller
 * must be single-threaded. p->pidfd and the reaping are the caller's. */
MUST enum err proc_spawn(const struct proc_spec *s, struct proc *p,
			 struct fault *f);

/* SIGKILL, if it still lives. */
void proc_kill(const struct proc *p);

/* How a child ended. */
struct proc_end {
	bool killed; /* by a signal; else it exited */
	int value;   /* which signal, which exit code */
};

/* Reaps and closes: waits until p has ended. */
struct proc_end proc_reap(struct proc *p);

/* "killed by SIGSYS", "exited with 3", into text. */
void proc_end_text(struct proc_end e, char *text, size_t size);

#endif
