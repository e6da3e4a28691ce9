/* cretula playground: a whole throw-away installation. Two processes look after it,
 * so that either may be killed and all still ends: the playground itself, which the
 * caller sees, and a keeper below it, which starts credd, ca and certmgr (those that
 * were built) and the command. */
#ifndef TOOLS_PLAY_H
#define TOOLS_PLAY_H

#include "tools/cli.h"

#include <limits.h>
#include <signal.h>
#include <sys/types.h>

/* A name that every program finds, and the CA's domain without a dot. */
#define PLAY_NODE "localhost"

enum {
	PLAY_FAILED = 125, /* our own failure */
	PLAY_NOT_EXECUTABLE = 126,
	PLAY_NOT_FOUND = 127,
	PLAY_READY_MS = 120000, /* for a daemon to be ready */
	PLAY_LOOK_MS = 20,      /* between looks at what tells nobody */
	PLAY_DAEMONS = 3,
	PLAY_GRACE_MS = 5000, /* for a command that was told to end */
	PLAY_END_MS = 5000,   /* for processes that were killed to be gone */
};

struct play {
	char folder[80];                /* everything is in there */
	char bin[PATH_MAX / 2];         /* where this program is */
	char api[96];                   /* path of api.sock */
	char ca_api[96];                /* the same of ca; "": there is no ca */
	char ca_root[96];               /* its root certificate, PEM */
	char ca_url[64], ca_http[64];   /* where its ports are */
	char cm_api[112];               /* of certmgr; "": there is none */
	char credd_url[64], cm_url[64]; /* by HTTPS; "": there is no certmgr */
	char **command;                 /* NULL-ended */
	sigset_t mask; /* the signal mask we were started with */
	pid_t parent;  /* the playground, for the keeper */
	int parent_fd; /* its pidfd */
};

/* One of the daemons; `name` is of its program, its files and its log. */
struct play_daemon {
	const char *name;
	int notify_fd;
	pid_t pid;
	int fd; /* its pidfd */
};

/* What the keeper watches. */
struct keep {
	struct play *p;
	int signal_fd;
	struct play_daemon daemon[PLAY_DAEMONS];
	unsigned daemons;
	pid_t command;
	int command_fd;
	bool told; /* to end, by signal `sig` */
	int sig;
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

/* A child of the keeper, in its first moments: dies with the keeper, has the signals
 * we were started with. */
void play_child_begin(const struct keep *k, pid_t keeper);

/* tools/play_daemon.c: files of a playground. False with errno. */
bool play_make_dir(const struct play *p, const char *name, mode_t mode);
bool play_write_file(const struct play *p, const char *name, const void *text,
		     size_t len, mode_t mode);
/* Writes conf as NAME.conf. */
bool play_write_conf(const struct play *p, const char *name,
		     struct attr_view conf);
/* Is this program there? */
bool play_has(const struct play *p, const char *name);
/* Starts a daemon, which has its configuration. */
bool play_daemon_start(struct keep *k, const char *name);
/* Until it is ready: 0, or an exit code, said. */
int play_daemon_wait(struct keep *k, struct play_daemon *d);
/* The last lines of its log, for a failure. */
void play_daemon_log(const struct play *p, const char *name);
/* Takes what it says on its notify socket. True: that it is ready. */
bool play_daemon_said(const struct play_daemon *d);

/* tools/play_ca.c: its folders and configuration, if it is there; the CA, once it
 * runs, until it serves. 0 or an exit code, said. */
bool play_ca_prepare(struct play *p);
int play_ca_fill(struct keep *k, struct play_daemon *d);

/* A moment for what tells nobody, unless something happens that ends the wait: 0, or
 * the exit code, said. */
int play_look_again(struct keep *k, const struct play_daemon *d);
/* Does the daemon's status say that nothing needs attention? Else why. */
bool play_calm(struct cretula *c, char *why, size_t size);
/* What a call of ours was answered; PLAY_FAILED. */
int play_said(const struct cretula_error *err, const char *what);

/* tools/play_certmgr.c: its folders, if it and ca are there; a token of the CA, its
 * configuration, its start; and until it has its certificate: the caller may start
 * agents of any type. 0 or an exit code, said. */
bool play_certmgr_prepare(struct play *p);
int play_certmgr_start(struct keep *k);
int play_certmgr_fill(struct keep *k, struct play_daemon *d);
/* Takes away what is outside of the folder, or mounted in it; certmgr was killed. Does
 * nothing where there is nothing. killed: the keeper was, too, and could not. */
void play_certmgr_end(const struct play *p, bool killed);

/* tools/play_remote.c: credd and certmgr by HTTPS: what their configurations have for it;
 * the profile of admins; and once certmgr runs, the grant for credd's gate; then until
 * both serve. 0 or an exit code, said. */
enum err play_remote_credd(const struct play *p, struct attrs *conf);
enum err play_remote_certmgr(struct attrs *conf);
bool play_remote_profiles(const struct play *p);
int play_remote_grant(const struct play *p, struct cretula *certmgr);
int play_remote_fill(struct keep *k, struct play_daemon *certmgr);

/* Does URL/readyz answer, by who the playground's CA says it is? Else why. */
bool play_serves(const struct play *p, const char *base, char *why,
		 size_t size);
/* A grant at certmgr: who has that uid may start agents of that type. */
int play_grant_agents(struct cretula *certmgr, const char *type, uint64_t uid);

/* A random passphrase, appended to pass (secret) and kept in that file. */
bool play_passphrase(const struct play *p, const char *file, struct buf *pass);

/* tools/play_fill.c: initialises the store, adds the samples and their grants. 0
 * or PLAY_FAILED, said. */
int play_fill(const struct play *p);

#endif
