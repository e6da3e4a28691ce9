/* The core's table of connections: who is behind each, as door or the verifier says, and
 * the fronts and gates that carry what comes over it. A front speaks for connections of its
 * own uid only, a gate for those of its uid by HTTP, or for those of remote clients. */
#ifndef LIB_CONNS_H
#define LIB_CONNS_H

#include "lib/chan.h"
#include "lib/kinds.h"
#include "lib/procinfo.h"
#include "lib/subject.h"

enum {
	CONNS_CALL_FDS = 2, /* beside one call */
	CONNS_GONE =
		16384,   /* of which a front has not said that it closed them */
	CONNS_FDS = 128, /* received and not handled, from all fronts */
	CONNS_ASKED_FDS = 64, /* pidfds that door has not read yet */
	CONNS_WHY = 512,      /* of a gate's sentence for status */
};

struct conn {
	uint32_t id;
	struct subject subject;
	struct attrs said; /* the subject as records have it */
	bool gone;   /* door says so; its front may have calls of it yet */
	bool closed; /* its front says so: there are none */
};

struct conns_ops {
	/* CLIENT_CALL of the client behind c: m->id is conn << 32 | its id. Its
	 * descriptors are taken with conns_take_fd; the rest is closed. */
	void (*call)(const struct conn *c, const struct msg *m);
	/* The answer to conns_check. NULL: never asked. */
	void (*checked)(uint64_t ref, bool alive, bool exe);
	/* Door is gone, and with it every connection of its. NULL: nothing to do. */
	void (*orphaned)(void);
	/* The answer to conns_examine_…: what the process is, and a pidfd of it, now
	 * the callee's (-1: there was no room for one more descriptor here); or p NULL:
	 * it is gone, another process by now, or was none. Questions that are open when
	 * door goes (orphaned) are never answered. NULL: never asked. */
	void (*examined)(uint64_t ref, const struct procinfo *p, int pidfd);
	/* The verifier refused somebody (DC_REFUSED), or let him in without knowing
	 * whether he is revoked (DC_UNCHECKED). NULL: there is no verifier. */
	void (*refused)(const struct msg *m);
};

struct conns_front;

struct conns {
	struct chan door; /* first member */
	struct conns_source {
		struct chan chan; /* first member */
		struct conns *of;
	} verifier;
	struct loop *loop;
	struct chan *sup;
	struct map *by_id;
	struct conns_front *fronts;
	bool paused; /* fronts are not read */
	const struct conns_ops *ops;
	struct chan_budget front_fds, door_fds;
	int fd[CONNS_CALL_FDS]; /* of the call being handled, -1 once taken */
	/* why the gate of remote clients has no certificate of its own; empty: it has,
	 * or has not said */
	char gate_why[CONNS_WHY];
	unsigned n_gone;
};

/* Nobody is connected; fronts are not read until conns_pause(c, false). sup: the
 * supervisor, who ends fronts that break the dialogue. */
void conns_init(struct conns *c, struct loop *l, struct chan *sup,
		const struct conns_ops *ops);

/* Closes and frees everything; nobody is told. */
void conns_wipe(struct conns *c);

/* A SUP_PEER: takes fd and says true if peer is door, verifier, front or gate. */
bool conns_peer(struct conns *c, const char *peer, const struct msg *m, int fd);

struct conn *conns_find(const struct conns *c, uint32_t id);
size_t conns_count(const struct conns *c);
void conns_pause(struct conns *c, bool paused);

/* Sends to the client of id (conn << 32 | its id) by its front; to nobody if the
 * connection is gone. */
void conns_tell(const struct conns *c, uint32_t kind, uint64_t id,
		struct attr_view v);

/* Writes at once what he has been told, for who waits for nothing else of this turn. */
void conns_flush(const struct conns *c, uint64_t id);

/* Asks door whether the process behind conn is still the one it examined, and runs
 * path (len 0: not asked); ops->checked is called with ref. ERR_UNAVAILABLE. */
MUST enum err conns_check(struct conns *c, uint32_t conn, const char *path,
			  size_t len, uint64_t ref);

/* Inside ops->call: the next descriptor that came with it, now the caller's; -1 if none.
 * It is a UNIX stream socket or a pidfd; which, is to be found out (a broken front may
 * pass anything). Its other end is a stranger's:
 * - end it with conns_close_fd, never with close: the last close of a socket also closes
 *   what others have queued in it, and that may take as long as they like;
 * - read from it with MSG_PEEK, for the same reason;
 * - never wait for it. */
int conns_take_fd(struct conns *c);

/* Ends a descriptor that came with a call of that uid: his front closes it (gates pass
 * none). */
void conns_close_fd(const struct conns *c, uid_t uid, int fd);

/* Asks door to look at a process; ops->examined is called with ref. ERR_UNAVAILABLE; ERR_LIMITED
 * if door is behind: ask later.
 * _pidfd: the one of that pidfd, which stays the caller's; gone if it is no pidfd.
 * _conn: the one behind that connection, as long as it has not exec'ed since.
 * _pid: the one that had that pid and start when it was examined earlier in this boot. */
MUST enum err conns_examine_pidfd(struct conns *c, int pidfd, uint64_t ref);
MUST enum err conns_examine_conn(struct conns *c, uint32_t conn, uint64_t ref);
MUST enum err conns_examine_pid(struct conns *c, pid_t pid, uint64_t start,
				uint64_t ref);

#endif
