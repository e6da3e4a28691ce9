/* A process on the other end of a connection, as the kernel tells: examined once,
 * held by a pidfd and an open /proc/PID/maps so that exec and death show, and
 * examined again before what it runs decides anything (docs/architecture.md). */
#ifndef LIB_PEER_H
#define LIB_PEER_H

#include "lib/attr.h"

#include <sys/types.h>

enum {
	PEER_GROUPS_MAX =
		256, /* further groups of a process are not looked at */
	PEER_UNIT_MAX = 256,
};

struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	int pidfd; /* owned */
	int maps;  /* owned; -1: this process may not be looked into */
	dev_t exe_dev;
	ino_t exe_ino;
	bool exe_known;                /* and its user namespace is ours */
	char unit[PEER_UNIT_MAX];      /* system unit, or "" */
	char user_unit[PEER_UNIT_MAX]; /* unit of its user's systemd, or "" */
};

/* Examines the process that made the connection sock. ERR_UNAUTHENTICATED if it is
 * gone already. What may not be read is left out, never guessed. */
MUST enum err peer_open(int sock, struct peer *p, struct fault *f);
void peer_close(struct peer *p);

/* Alive, and has not exec'ed since peer_open. */
bool peer_alive(const struct peer *p);

/* Alive, and still runs the very file it ran at peer_open. */
bool peer_same_program(const struct peer *p);

/* peer_same_program, and that file is the one at path as we see it, which the
 * process cannot have written or put there. */
bool peer_runs(const struct peer *p, const char *path);

/* Appends uid gid groups pid for a connection: who made it. peer_format: and [unit]
 * [user_unit] [exe], of the process that is there now. */
MUST enum err peer_format_who(const struct peer *p, int sock,
			      struct attrs *out);
MUST enum err peer_format(const struct peer *p, int sock, struct attrs *out);

/* The unit in a cgroup path as systemd lays them out: the last component that ends
 * in .service, .scope, .socket, … ; below user@UID.service it is a user's unit. */
void peer_units(const char *cgroup, char unit[PEER_UNIT_MAX],
		char user_unit[PEER_UNIT_MAX]);

/* True if nobody but root and `trusted` can write path or replace any part of the
 * way to it, as far as uid (with its groups) is concerned. */
bool peer_path_safe(const char *path, uid_t uid);

#endif
