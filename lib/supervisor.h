/* Supervisor of a daemon: starts its roles, wires them together, starts anew what
 * dies. What differs between daemons is a table of roles and some hooks; one daemon
 * a process. Reads no client's byte and no network. */
#ifndef LIB_SUPERVISOR_H
#define LIB_SUPERVISOR_H

#include "lib/chan.h"
#include "lib/conf.h"
#include "lib/kinds.h"
#include "lib/proc.h"

enum {
	SUP_ROLES = 16,
	SUP_FRONTS = 256,   /* of as many uids, and as many gates */
	SUP_ONE_SHOTS = 16, /* of one role at once */
	SUP_CHILDREN = SUP_ROLES + 2 * SUP_FRONTS + 2 * SUP_ONE_SHOTS,
	SUP_DEATHS = 10, /* of one role, within a minute: give up */
	/* those of what the network can make die are waited for: from the fourth within
	 * a minute on, each time twice as long, 6.4 s at most */
	SUP_DEATHS_QUICK = 4,
	SUP_AGAIN_MS = 100,
	/* so does the next try where no process can be made */
	SUP_AGAIN_DOUBLED = SUP_DEATHS - SUP_DEATHS_QUICK,
	SUP_END_MS = 3000,   /* for a child to end by itself */
	SUP_LINE_MAX = 4096, /* bytes of what is published beside the sockets */
};

#define SUP_MINUTE (60 * CLOCK_SECOND)

enum sup_life {
	/* One, from the start on; READY waits for it; anew when it dies. */
	SUP_ALWAYS,
	/* One a uid, when door asks; ends when it is idle. A gate is such a one too, and
	 * there is always one of SUBJECT_NO_ID where remote clients are served. */
	SUP_PER_UID,
	/* When the core asks, several at once; answers and ends by itself. */
	SUP_ONE_SHOT,
};

struct sup_role {
	const char *name; /* --role=NAME */
	const char *user; /* "_cretula-NAME" */
	enum sup_life life;
	unsigned peers;   /* bits 1 << role: who it has a channel to; in both
			   entries of a pair or in one */
	bool ends_itself; /* when its channel closes, after writing what it has;
			     the others are killed */
	unsigned ends;    /* when the daemon ends: the lowest first */
	bool no_fds;      /* it passes none: others take none from it */
	bool owns_namespace; /* as root it starts in a user namespace of its own,
				if there are any: itself 0, one other uid 1 */
};

struct sup_child {
	struct chan chan;    /* first member */
	struct loop_fd dead; /* its pidfd */
	size_t role;         /* index in the daemon's table */
	uid_t front_uid; /* of a front or gate: whose connections it holds */
	uint64_t ref;    /* of a one-shot: what the core calls it */
	struct proc proc;
	struct attrs notes; /* role= weaker= …, for status */
	bool wanted_again;  /* a front: door asked for one while it was dying */
	bool mapped;        /* in a user namespace of its own */
	bool ready;
	bool used;
};

/* A daemon. Roles start in the order of the table. decls must have run=, state= and
 * admin_group=. Hooks may be NULL. */
struct sup_daemon {
	const char *name;
	const struct sup_role *role;
	size_t roles;
	size_t door, front, core; /* which of them those are */
	bool http;                /* it has a gate and a verifier … */
	size_t gate, verifier;    /* … which are these (lib/remote.h) */
	/* bits 1 << role: those that read what comes from the network: they die, or are
	 * broken and ended, of what strangers send */
	unsigned outer;
	unsigned remote_only; /* bits 1 << role: those that are there only where
				     remote clients are served */
	const char *other_user; /* uid 1 of owns_namespace */
	const struct conf_decl *decls;
	/* Takes what it needs from the configuration, before anything is made. */
	enum err (*configure)(struct attr_view conf, struct fault *f);
	/* Prepares what else is there before any child: folders, sockets. */
	enum err (*prepare)(struct fault *f);
	/* Adds to SUP_START of a child, and to its descriptors; fd has room for
	 * PROC_FDS_MAX - 1, they stay the daemon's; returns how many. Door has
	 * its listeners without that. */
	void (*start)(const struct sup_child *c, struct attrs *a);
	size_t (*fds)(const struct sup_child *c, int *fd);
	/* It has started and is wired: what else to tell it at once. */
	void (*started)(struct sup_child *c);
	/* A message of a kind of its own; false: the child broke the dialogue. */
	bool (*message)(struct sup_child *c, const struct msg *m);
	/* An unexpected death, the nth of that role within a minute. */
	void (*died)(size_t role, unsigned n);
	/* SIGHUP. */
	void (*reload)(void);
};

/* What the generic part prepares (supervisor_setup.c). */
struct sup_setup {
	char *run;   /* folder of the sockets */
	char *state; /* folder of what is kept */
	int run_fd;
	int state_fd;
	int api, admin, http; /* listening sockets */
	bool root;            /* started as root: each role gets a uid */
	uid_t uid[SUP_ROLES];
	gid_t gid[SUP_ROLES];
	uid_t other_uid;
};

struct supervisor {
	const struct sup_daemon *daemon;
	struct loop *loop;
	struct sup_setup setup;
	struct sup_child child[SUP_CHILDREN];
	struct loop_fd signals;
	struct loop_timer watchdog;
	uint64_t death[SUP_ROLES][SUP_DEATHS]; /* the last ones, a ring */
	unsigned deaths[SUP_ROLES];
	unsigned failed[SUP_ROLES];         /* starts, one after the other */
	struct loop_timer again[SUP_ROLES]; /* when one is started that waits */
	bool announced;
};

extern struct supervisor sup;

/* The daemon's main; its exit code. config: the only file to read, or NULL. */
int sup_run(const struct sup_daemon *d, const char *config);

/* The child of that role (of that user, for a front); NULL if there is none. */
struct sup_child *sup_child_of(size_t role, uid_t front_uid);
const char *sup_name(const struct sup_child *c);

/* For the daemon's configure and prepare (supervisor_setup.c): */

/* A folder that role alone uses, below the state folder (below NULL: that itself),
 * made with mode 0700 if it is not there, and its files given to the role's uid.
 * Refused if it is somebody else's. */
MUST enum err sup_folder(const char *below, size_t role, int *fd,
			 struct fault *f);

/* Opens a plain file that only its owner can read, who is root or this process' user; what:
 * its name in the error. */
MUST enum err sup_secret_file(const char *path, const char *what, int *fd,
			      struct fault *f);

/* Writes a line beside the sockets, readable by everybody, atomically. */
MUST enum err sup_publish(const char *name, const struct buf *line,
			  struct fault *f);

/* A plain file in dir that belongs to root or to us, that nobody else can write, of
 * at most max bytes; -1, and a log line, if it is not. */
int sup_trusted_file(int dir, const char *name, size_t max, size_t *size);

/* Between the supervisor's own files: */

/* Configuration, folders, sockets, ids. ERR_INVALID: the configuration. */
MUST enum err sup_setup(const char *config, struct fault *f);

/* Starts a child and wires it to the others (supervisor_child.c). ref: of a
 * one-shot. */
void sup_start(size_t role, uid_t front_uid, uint64_t ref);
size_t sup_count(size_t role);

/* Tells door that those of uid who wait for his front, or gate, wait in vain. */
void sup_tell_no_front(size_t role, uid_t uid, const char *why);

enum sup_life sup_life_of(const struct sup_child *c);
/* Whether it reads what comes from the network. */
bool sup_is_outer(size_t role);

/* What children say (supervisor.c). */
void sup_from_child(struct chan *ch, const struct msg *m);
void sup_child_end(struct chan *ch, const struct fault *why);

/* Their ends (supervisor_death.c); and c, that could not be started: what all need is tried
 * again, later each time. */
void sup_child_died(struct loop_fd *w, uint32_t events);
void sup_not_started(const struct sup_child *c, const char *why);

#endif
