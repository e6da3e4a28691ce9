/* Door's own structures (lib/door.c, lib/door_conn.c). */
#ifndef LIB_DOOR_H
#define LIB_DOOR_H

#include "lib/chan.h"
#include "lib/hello.h"
#include "lib/peer.h"

enum {
	DOOR_CONNS = 16384,     /* connections in all */
	DOOR_USER_CONNS = 1024, /* of one uid */
	DOOR_USER_HELLOS = 256, /* of one uid that have not answered yet */
	DOOR_HASH = 1024,
	DOOR_RETRY_S = 1, /* until who is refused for now may come again */
	/* descriptors besides those of connections; in a front: 32 of calls that are
	 * not whole, and what one read brings */
	DOOR_FDS = 96,
	DOOR_FDS_PROC = 2,  /* of a process: pidfd and maps */
	DOOR_FDS_FRONT = 2, /* of a connection in its front: it and a pidfd */
};

#define DOOR_HELLO_NS (5 * CLOCK_SECOND)

/* A process and the program it runs, shared by its connections. */
struct door_proc {
	struct loop_fd watch; /* pidfd: readable when the process has ended */
	struct peer peer;
	unsigned refs;
	bool dead;
	struct door_proc *next;
};

/* A uid with connections, native ones or by HTTP; its front, or gate, once there is
 * one. */
struct door_user {
	struct chan front; /* first member */
	uid_t uid;
	bool http; /* front is a gate */
	unsigned conns;
	unsigned hellos; /* HTTP has none */
	bool asked;      /* a front is on its way */
	struct door_user *next;
};

enum door_state {
	DOOR_HELLO,  /* nonce sent */
	DOOR_TOLD,   /* The core has been told */
	DOOR_KNOWN,  /* The core knows; waiting for the front */
	DOOR_HANDED, /* the front has it */
};

struct door_conn {
	struct loop_fd watch; /* first member; only during the hello */
	struct loop_timer deadline;
	enum door_state state;
	uint32_t id;
	int sock;    /* -1 once handed over */
	bool retold; /* … when another core than this one was there */
	bool admin;
	uint8_t nonce[HELLO_NONCE];
	struct door_proc *proc;
	struct door_user *user;
	struct attrs subject;
	struct door_conn *next;
};

struct door_listener {
	struct loop_fd watch; /* first member */
	bool admin, http;
};

struct door {
	struct loop *loop;
	struct chan sup;
	struct chan core;
	struct door_listener api, admin, http;
	struct door_proc *procs[DOOR_HASH];
	struct door_conn *conns[DOOR_HASH];
	struct door_user *users;
	unsigned n_conns, n_procs;
	unsigned n_socks;                 /* connections not handed over yet */
	uint64_t max_fds, max_user_conns; /* as RLIMIT_NOFILE has it */
	uint32_t last_id;
};

extern struct door door;

/* How many connections there may be; before the door is confined. */
void door_conn_limits(void);

/* A connection was accepted (door_conn.c). Takes sock. */
void door_conn_accepted(int sock, const struct door_listener *l);

struct door_conn *door_conn_find(uint32_t id);

/* Says why, and forgets c. */
void door_conn_refuse(struct door_conn *c, enum err code, const char *text);

/* Sends the nonce (door_hello.c); when the answer is right, the core is told. */
void door_hello_begin(struct door_conn *c);

/* Tells the core who is behind c (again). */
void door_conn_tell(struct door_conn *c);

/* The core knows c: hand it to its front, asking for one if there is none. */
void door_conn_known(struct door_conn *c);

/* Hands over what u's front has not got yet, as far as it takes it. */
void door_conn_hand_over(struct door_user *u);

/* Forgets c; tell_front: its front is to close it. */
void door_conn_end(struct door_conn *c, bool tell_front);

struct door_user *door_user_get(uid_t uid, bool http);

/* Forgets u if it has neither connections nor a front. */
void door_user_drop(struct door_user *u);

/* Asks the supervisor for u's front, unless one is on its way. */
void door_front_ask(struct door_user *u);

/* There is none for u now: who waits for it is told why. */
void door_front_none(struct door_user *u, const char *why);

/* DC_EXAMINE of the core (door_examine.c). */
void door_examine(const struct msg *m, int pidfd);

#endif
