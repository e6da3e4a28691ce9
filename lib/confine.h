/* Confinement: what a process gives up, for good, before it reads its first input
 * byte. Each role's system calls, limits and folders are one table entry. */
#ifndef LIB_CONFINE_H
#define LIB_CONFINE_H

#include "lib/landlock.h"

#include <sys/types.h>

struct attrs;

enum confine_role {
	CONFINE_SUPERVISOR,
	CONFINE_DOOR,
	CONFINE_FRONT,
	CONFINE_VAULT,
	CONFINE_STORE,
	CONFINE_OPENER,
	CONFINE_ZYGOTE,
	CONFINE_GATE,        /* from here on: ca's; and of local clients */
	CONFINE_GATE_REMOTE, /* not ca's: it asks certmgr for its certificate */
	CONFINE_ISSUER,
	CONFINE_CA_STORE,
	CONFINE_CA_SIGNER,
	CONFINE_PROBER,
	CONFINE_DIALER,
	CONFINE_VERIFIER,
	CONFINE_KEEPER, /* from here on: certmgr's */
	CONFINE_NET,
	CONFINE_VIEW,
	CONFINE_WORKER_LOAD, /* a worker while it loads its module */
	CONFINE_WORKER,      /* … and from then on */
	CONFINE__MAX
};

enum confine_files {
	CONFINE_FILES_ANY,   /* no Landlock: door, zygote, supervisor */
	CONFINE_FILES_NONE,  /* may open nothing */
	CONFINE_FILES_PATHS, /* what is below the given folders */
};

enum {
	CONFINE_PATHS_MAX = 4,
	CONFINE_WEAKER_MAX = 8,
	CONFINE_TEXT_MAX = 160,
};

struct confine_spec {
	enum confine_role role;
	bool change_ids; /* become uid and gid, without other groups */
	uid_t uid;
	gid_t gid;
	uint64_t keep_caps; /* bits of the capabilities that stay */
	enum confine_files files;
	struct landlock_path path[CONFINE_PATHS_MAX];
	size_t paths;
	int unshare;     /* CLONE_NEW*, taken where the privilege is there */
	bool empty_root; /* with CLONE_NEWNS: a root folder with nothing in it */
	bool connects; /* may connect TCP, which Landlock forbids the others */
	bool no_children; /* RLIMIT_NPROC 0 */
	bool no_files;    /* RLIMIT_FSIZE 0; not for who may log to a file */
	uint64_t nofile;  /* RLIMIT_NOFILE; 0: as it is */
	uint64_t memory;  /* RLIMIT_AS in bytes; 0: none */
};

/* What this kernel or user does not give, one sentence each, for `status`. */
struct confine_report {
	char weaker[CONFINE_WEAKER_MAX][CONFINE_TEXT_MAX];
	size_t count;
};

/* Adds a sentence; the ninth and later ones are dropped. */
void confine_weaker(struct confine_report *r, const char *fmt, ...)
	PRINTF(2, 3);

/* "door", "vault", …; static. */
const char *confine_role_name(enum confine_role role);

/* The role's entry of the table; the caller fills in ids and folders. */
struct confine_spec confine_spec_of(enum confine_role role);

/* Gives up everything s does not keep: namespaces, ids, capabilities, dumps, new
 * privileges, files, limits, system calls, in this order. ERR_UNSUPPORTED or
 * ERR_INTERNAL, naming what is missing, if the role must not run; the process is
 * then half confined and must end. Libraries that read files when first used
 * (OpenSSL its configuration) must have been used before. */
MUST enum err confine_apply(const struct confine_spec *s,
			    struct confine_report *r, struct fault *f);

/* Takes every capability but keep out of the bounding and ambient sets; before
 * ids change, which takes the leave to do so. */
void confine_bounding(uint64_t keep);

/* Takes every capability but keep out of the other sets. */
MUST enum err confine_caps(uint64_t keep, struct fault *f);

/* Becomes uid and gid for good, without other groups; the capabilities in keep
 * survive. groups: false where the user namespace denies setgroups. */
MUST enum err confine_ids(uid_t uid, gid_t gid, bool groups, uint64_t keep,
			  struct fault *f);

/* No core files, no memory shown to the same uid, no new privileges; killed when
 * the parent ends, if wanted. After every change of ids, which undoes these. */
MUST enum err confine_process(bool end_with_parent, struct fault *f);

/* Soft and hard limit at once, never above the present hard limit. */
MUST enum err confine_limit(int what, uint64_t value, struct fault *f);

/* A new tmpfs as root folder, empty but for what fill(arg) puts into the current
 * folder, then read-only; the old root is gone. Needs CAP_SYS_ADMIN over a mount
 * namespace of its own. at: a folder to mount on. bytes: its size. */
MUST enum err confine_root(const char *at, uint64_t bytes,
			   enum err (*fill)(void *arg, struct fault *f),
			   void *arg, struct fault *f);

/* A role's system call filter, made once and loaded often (workers). */
struct confine_filter;

MUST enum err confine_filter_new(enum confine_role role,
				 struct confine_filter **out, struct fault *f);
void confine_filter_free(struct confine_filter *c);

/* Loads it for good; the one process it may then abort is the caller. Needs
 * no_new_privs, and leave to call seccomp. Changes c. */
MUST enum err confine_filter_load(struct confine_filter *c, struct fault *f);

/* The variant the Makefile chose: what a forbidden call gets (an SCMP_ACT_*),
 * whether memory and file sizes are limited, and its name for `status`. */
uint32_t confine_variant_action(void);
bool confine_variant_limits(void);
const char *confine_variant_name(void);
void confine_variant_begin(void);
/* For `status`: adds weaker=TEXT, of any variant but release. */
MUST enum err confine_variant_weaker(struct attrs *out);

#endif
