/* The core's table of connections: who is behind each, as door says, and the fronts
 * that carry what comes over it. A front speaks for connections of its own uid only. */
#ifndef LIB_CONNS_H
#define LIB_CONNS_H

#include "lib/chan.h"
#include "lib/kinds.h"
#include "lib/subject.h"

struct conn {
	uint32_t id;
	struct subject subject;
	struct attrs said; /* the subject as records have it */
};

struct conns_ops {
	/* CLIENT_CALL of the client behind c: m->id is conn << 32 | its id. */
	void (*call)(const struct conn *c, const struct msg *m);
	/* The answer to conns_check. NULL: never asked. */
	void (*checked)(uint64_t ref, bool alive, bool exe);
	/* Door is gone, and with it every connection. NULL: nothing to do. */
	void (*orphaned)(void);
};

struct conns_front;

struct conns {
	struct chan door; /* first member */
	struct loop *loop;
	struct map *by_id;
	struct conns_front *fronts;
	bool paused; /* fronts are not read */
	const struct conns_ops *ops;
};

/* Nobody is connected; fronts are not read until conns_pause(c, false). */
void conns_init(struct conns *c, struct loop *l, const struct conns_ops *ops);

/* Closes and frees everything; nobody is told. */
void conns_wipe(struct conns *c);

/* A SUP_PEER: takes fd and says true if peer is door or front. */
bool conns_peer(struct conns *c, const char *peer, const struct msg *m, int fd);

struct conn *conns_find(const struct conns *c, uint32_t id);
size_t conns_count(const struct conns *c);
void conns_pause(struct conns *c, bool paused);

/* Sends to the client of id (conn << 32 | its id) by its front; to nobody if the
 * connection is gone. */
void conns_tell(const struct conns *c, uint32_t kind, uint64_t id,
		struct attr_view v);

/* Asks door whether the process behind conn is still the one it examined, and runs
 * path (len 0: not asked); ops->checked is called with ref. ERR_UNAVAILABLE. */
MUST enum err conns_check(struct conns *c, uint32_t conn, const char *path,
			  size_t len, uint64_t ref);

#endif
