/* The file view's own process (role view): its agents, who may see them, the files that
 * are open. One of each a process. */
#ifndef CERTMGR_VIEW_H
#define CERTMGR_VIEW_H

#include "certmgr/kinds.h"
#include "lib/agent_id.h"
#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/procinfo.h"

#include <sys/stat.h>

enum {
	VIEW_FUSE_FD = 4,
	VIEW_AGENTS = 16384,         /* with a file view; 3 descriptors each */
	VIEW_HANDLES = 512,          /* files open at once */
	VIEW_HANDLES_AGENT = 64,     /* … of one agent */
	VIEW_HANDLES_USER = 128,     /* … by one uid */
	VIEW_CONTENT_MAX = 64 << 10, /* bytes of a file */
	VIEW_BYTES = 4 << 20, /* of all open files: less than the 8 MiB that a
				 process may lock by default */
	VIEW_PAGE = 4096,     /* what a file occupies is a multiple of it */
	VIEW_DEPTH = 256,     /* from an agent down to its descendants */
	VIEW_SEEN = 256,      /* folders that one process sees in the root */
	VIEW_SERIAL = 64,     /* characters of a certificate's number */
	VIEW_GONE = 8, /* agents that ended before their process, of one */
};

/* How long an open waits for keeper, also for a new one. */
#define VIEW_OPEN_TIME (5 * CLOCK_SECOND)
/* How long a new view waits for keeper to tell its agents, and a new keeper has for
 * saying again what the one before it said. */
#define VIEW_TELL_TIME (3 * CLOCK_SECOND)

enum view_file {
	VIEW_CERT,
	VIEW_CHAIN,
	VIEW_KEY,
	VIEW_CA,
	VIEW_BUNDLE,
	VIEW_FILES
};

/* A process that agents are bound to; mostly one. Its files are open: what is read there
 * is about that very process, whoever may have its pid later. */
struct view_owner {
	struct loop_fd
		end; /* of the process; watched while there are gone ones */
	pid_t pid;
	uint64_t start;
	int pidfd, stat, status; /* the latter two in /proc */
	struct procinfo now;     /* as last read, never all of it at once */
	uint64_t known_at, looked_at; /* all of it, its program; 0: not yet */
	struct view_agent *agents;    /* of this process */
	unsigned gone;                /* … that are kept though they ended */
};

struct view_agent {
	char id[AGENT_ID_LEN + 1];
	uint64_t number; /* names its inodes; never used again */
	/* Of its files: with another certificate they are other files, with other
	 * inodes, so that the kernel never has the pages of one for the other's. */
	uint64_t generation;
	char serial[VIEW_SERIAL + 1];
	bool self;  /* not for descendants */
	bool stale; /* the present keeper has not said it yet */
	bool gone;  /* ended, revoked: its process is told so, until its end */
	uint64_t user_ns;
	int64_t changed;
	uint64_t size[VIEW_FILES];
	struct view_owner *owner; /* NULL: not bound, or it has ended */
	struct view_agent *next;  /* of the same owner */
	struct view_handle *handles;
	unsigned handle_count;
};

struct view {
	struct loop *loop;
	struct chan sup, keeper;
};

extern struct view view;

/* Names and inodes: 1 is the root; others are an agent's number, the generation (a
 * folder's is 0), and 0 for the folder or 1 + file. */
const char *view_file_name(enum view_file file); /* "key.pem" */
const char *view_file_word(enum view_file file); /* "key" */
MUST enum err view_file_of(const char *name, enum view_file *file);
uint64_t view_ino(const struct view_agent *a, unsigned place);
/* False: it was a file of an earlier certificate. */
bool view_ino_is_present(const struct view_agent *a, uint64_t ino);

/* Agents (view_agent.c) */

void view_agents_init(void);
/* KV_AGENT and KV_GONE; false: keeper broke the dialogue. */
bool view_agent_told(const struct msg *m);
bool view_agent_gone(const struct msg *m);
/* A new keeper: what it does not say again is dropped by view_agents_fresh. */
void view_agents_stale(void);
void view_agents_fresh(void);
struct view_agent *view_agent_find(const char *id);
struct view_agent *view_agent_of(uint64_t ino); /* of its folder or file */
struct view_owner *view_owner_find(pid_t pid);

/* Owners (view_owner.c) */

/* The process with that pid and start; NULL if it has ended, with the reason in the log
 * if there is another one. */
struct view_owner *view_owner_new(pid_t pid, uint64_t start);
void view_owner_free(struct view_owner *o);
/* False: it has ended. */
bool view_owner_lives(const struct view_owner *o);
/* Reads its ids into o->now; false: it has ended. */
bool view_owner_ids(struct view_owner *o);
/* What keeper is told of it when it opens a file, with the file system uid that the
 * kernel names; false: it has ended. The other ids are at most a second old, its program
 * 10 ms. */
bool view_owner_look(struct view_owner *o, uid_t uid, struct procinfo *who);
/* The ids and the parent of the process of a thread. */
bool view_caller_ids(pid_t tid, struct procinfo *p);

/* Who may see (view_judge.c) */

/* May the thread tid, with the file system uid that the kernel names, see a's folder?
 * A quick look. */
bool view_may_see(const struct view_agent *a, pid_t tid, uid_t uid);
/* The same in full, for opening a file, with what was seen of the caller. */
bool view_may_open(const struct view_agent *a, pid_t tid, uid_t uid,
		   struct procinfo *who);
/* The agents that the thread may see, at most VIEW_SEEN, in the order of their
 * numbers; gives how many. */
size_t view_seen(pid_t tid, uid_t uid,
		 const struct view_agent *seen[VIEW_SEEN]);
/* Tells keeper who wanted in, or to read on. */
void view_denied(const char *agent, pid_t tid);

/* The file system (view_fuse.c) */

/* Before confinement: the session on the descriptor; ends the process if there is
 * none. Then, once agents are known: requests are read. */
void view_fuse_init(void);
void view_fuse_begin(void);

/* Open files (view_open.c) */

struct view_handle;

void view_opens_init(void);
/* Is somebody reading that file, and how large is it for him? */
bool view_open_size(const struct view_agent *a, uint64_t ino, uint64_t *size);
/* KV_CONTENT and KV_REFUSED; false: keeper broke the dialogue. */
bool view_open_answered(const struct msg *m);
/* Asks keeper, who knows the agent now, for what waits. */
void view_opens_ask(struct view_agent *a);
/* Keeper is gone: what was asked waits for the next one. */
void view_opens_wait(void);
/* The agent is gone: its open files fail from now on. */
void view_opens_end(struct view_agent *a);

#endif
