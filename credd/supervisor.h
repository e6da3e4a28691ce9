/* The supervisor's structures (credd/supervisor*.c). */
#ifndef CREDD_SUPERVISOR_H
#define CREDD_SUPERVISOR_H

#include "credd/kinds.h"
#include "lib/chan.h"
#include "lib/proc.h"

enum {
	SUP_CHILDREN = 300, /* with one front for each of at most 256 uids */
	SUP_FRONTS = 256,
	SUP_DEATHS = 10,           /* of one role, within a minute: give up */
	SUP_VAULT_DEATHS = 3,      /* within a minute: the arena is dropped */
	SUP_MODULE_MAX = 16 << 20, /* bytes of a module's file */
	SUP_END_MS = 3000,         /* for a child to end by itself */
};

#define SUP_MINUTE (60 * CLOCK_SECOND)

enum role {
	ROLE_STORE,
	ROLE_ZYGOTE,
	ROLE_VAULT,
	ROLE_DOOR,
	ROLE_FRONT,
	ROLE_OPENER,
	ROLE__MAX
};

struct child {
	struct chan chan;    /* first member */
	struct loop_fd dead; /* its pidfd */
	enum role role;
	uid_t front_uid; /* of a front: whose connections it holds */
	struct proc proc;
	struct attrs notes; /* role= weaker= …, for status */
	bool wanted_again;  /* a front: door asked for one while it was dying */
	bool ready;
	bool used;
};

/* What supervisor_setup.c prepares before any child starts. */
struct setup {
	char *run;     /* folder of the sockets */
	char *state;   /* folder of the store */
	char *modules; /* folder of the modules */
	int run_fd;
	int state_fd;
	int api, admin; /* listening sockets */
	int arena;      /* memfd_secret, -1 where there is none */
	int keyfile;    /* unseal_keyfile, -1: none */
	bool durable;   /* audit=durable */
	bool root;      /* started as root: each role gets a uid */
	uid_t uid[ROLE__MAX];
	gid_t gid[ROLE__MAX];
	uid_t worker_uid;
};

struct supervisor {
	struct loop *loop;
	struct setup setup;
	struct child child[SUP_CHILDREN];
	struct loop_fd signals;
	struct loop_timer watchdog;
	uint64_t death[ROLE__MAX][SUP_DEATHS]; /* the last ones, a ring */
	unsigned deaths[ROLE__MAX];
	bool announced;
	bool unsealed;
};

extern struct supervisor sup;
extern const char *const sup_role_name[];

/* The child of that role (of that user, for a front); NULL if there is none. */
struct child *sup_child_of(enum role role, uid_t front_uid);

/* Starts a child and wires it to the others (supervisor_child.c). */
void sup_start(enum role role, uid_t front_uid);

/* What children say, and their ends (supervisor.c). */
void sup_from_child(struct chan *ch, const struct msg *m);
void sup_child_end(struct chan *ch, const struct fault *why);
void sup_child_died(struct loop_fd *w, uint32_t events);

/* Reads the configuration, makes folders and sockets. */
MUST enum err setup_open(const char *config, struct setup *s, struct fault *f);

/* A new, empty arena; -1 where the kernel has no memfd_secret. */
int setup_arena(void);

/* Writes transport.pub beside the sockets, atomically. */
MUST enum err setup_transport(const struct setup *s, const void *key,
			      size_t len, struct fault *f);

/* Calls each(name, fd) for every module of the folder, fd being a sealed memfd
 * with its bytes, closed afterwards. Files that are not root's or ours, or that
 * others can write, are left out with a log line. */
void setup_modules(const struct setup *s,
		   void (*each)(const char *name, int fd));

#endif
