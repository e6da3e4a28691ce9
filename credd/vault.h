/* The vault's structures and the nouns it is made of (credd/vault*.c). One process,
 * one thread, one instance: the struct vault that every file shares. */
#ifndef CREDD_VAULT_H
#define CREDD_VAULT_H

#include "credd/kinds.h"
#include "lib/audit_link.h"
#include "lib/box.h"
#include "lib/call.h"
#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/export.h"
#include "lib/grant.h"
#include "lib/grant_set.h"
#include "lib/map.h"
#include "lib/refusals.h"
#include "lib/remote_admin.h"
#include "lib/set.h"
#include "lib/slot.h"
#include "lib/subject.h"

enum {
	VAULT_NAME_MAX = 64,         /* bytes of a credential's name */
	VAULT_WORKERS = 128,         /* at once, in all */
	VAULT_USER_WORKERS = 32,     /* … that one account made start */
	VAULT_RUNS = 16384,          /* requests in flight */
	VAULT_REMOTE_RUNS = 8192,    /* … of all who are not here */
	VAULT_USER_RUNS = 4096,      /* … of one account, or node */
	VAULT_AGENT_RUNS = 2048,     /* … of one agent of a node */
	VAULT_USER_BYTES = 32 << 20, /* of requests in flight, of one account */
	VAULT_REQUEST_MAX =
		ATTR_BYTES_MAX - 512, /* leaves room for op= and the like */
	VAULT_MODULES = 64,
	MODULE_OPS = 32,         /* operations of one module */
	VAULT_JOBS = 256,        /* admin calls that wait */
	VAULT_REMOTE_JOBS = 128, /* as many, and remote ones wait no more */
	VAULT_SLOTS = 32,
	VAULT_WORKER_MEMORY = 96 << 20,
	VAULT_CREDENTIAL_MAX = 64 << 10, /* bytes of its attributes */
	VAULT_FACT_KEPT = 256,           /* bytes of a fact in a record */
	VAULT_VERSIONS = 64,             /* of one credential kept at once */
	VAULT_PEERS = 1024,
};

#define VAULT_WORKER_NS (5 * CLOCK_SECOND)   /* for a worker to answer */
#define VAULT_IDLE_NS   (300 * CLOCK_SECOND) /* an unused worker ends */
#define VAULT_SWEEP_NS  (30 * CLOCK_SECOND)
#define VAULT_ENDING_NS (1 * CLOCK_SECOND)
#define VAULT_OPENER_NS (60 * CLOCK_SECOND)
#define VAULT_GRACE_MAX (30ull * 86400)

enum vault_state {
	VAULT_STARTING, /* loading what there is; clients wait */
	VAULT_EMPTY,    /* no store yet */
	VAULT_SEALED,
	VAULT_OPEN,
	VAULT_BROKEN, /* the store or the log is not what it says */
};

/* A row as stored; its blob is sealed. */
struct vrow_place {
	uint64_t table; /* enum row_table */
	uint64_t row;
};

struct vrow {
	struct vrow_place place;
	uint64_t version;
	uint64_t generation;
	char *name, *module;
	uint8_t *blob;
	size_t blob_len;
};

/* Modules (vault_module.c) */

struct module_op {
	char name[ATTR_NAME_MAX + 1];
	enum cretula_reveal reveals;
};

struct module {
	char name[ATTR_NAME_MAX + 1];
	int image;        /* sealed memfd, -1 if not on disk */
	uint8_t hash[32]; /* of image */
	bool pinned;      /* … is what the store says */
	bool has_facts;
	struct attrs declaration;
	struct module_op
		op[MODULE_OPS]; /* … of which these are the operations */
	size_t ops;
	struct vrow *row;
	struct worker *facts; /* its worker without a credential */
};

/* Credentials (vault_cred.c) */

struct version {
	struct vrow *row;
	uint64_t number;
	int64_t made;
	int64_t destroy_at; /* 0: not before it is replaced */
	int64_t not_after;  /* the attribute not_after=; 0: none */
	bool current;
	uint8_t id[EXPORT_ID]; /* the same in every store that has it */
	struct worker *worker;
	struct version *next; /* older ones */
};

/* A version that is to be made, if it is not simply the next one of now */
struct version_wanted {
	uint64_t number; /* 0: the next */
	int64_t made;    /* 0: now */
	bool has_id;     /* it is a copy of another store's, with this id */
	uint8_t id[EXPORT_ID]; /* else a random one, which is it everywhere */
	bool dry;              /* checked only */
};

struct cred {
	char name[VAULT_NAME_MAX + 1];
	struct module *module;
	bool enabled;
	uint64_t listed; /* the number of the call that has said it last */
	bool kept_here;  /* exportable=no */
	struct version *current; /* the newest; the others hang behind it */
};

/* Other stores (vault_peer.c) */

struct peer {
	char name[VAULT_NAME_MAX + 1];
	struct export_pub pub;
	int64_t added;
	struct vrow *row;
};

/* A revealing call that a grant has to allow (vault_export.c) */
struct export_want {
	char to[VAULT_NAME_MAX + 1]; /* a peer */
	uint64_t version;            /* 0: the current one */
	int64_t not_after;           /* 0: none */
};

/* Workers (vault_worker.c) */

enum worker_state {
	WORKER_STARTING, /* loading the module */
	WORKER_READY,
};

struct worker {
	struct chan chan; /* first member */
	uint64_t id;
	enum worker_state state;
	struct module *module;
	struct cred *cred; /* NULL: without a credential */
	struct version *version;
	struct attrs secret;     /* of a check: sent at READY, then wiped */
	uint64_t account;        /* who made it start */
	struct run *runs, *last; /* given to it, oldest first */
	unsigned sent;           /* of them that it has */
	bool cautious; /* gets one at a time: the one before it died */
	bool retired;  /* ends when they are done */
	bool ended, kept;
	struct job *job; /* a check or a declaration waits */
	uint64_t used;   /* CLOCK_BOOTTIME of the last answer */
	struct loop_timer timer;
	struct worker *next;
};

/* One request to use a credential (vault_run.c) */

enum run_phase {
	RUN_FACTS,   /* the module without a credential looks at it */
	RUN_PROOF,   /* door looks at the process again */
	RUN_SIGNING, /* the worker signs, the store writes */
	RUN_DENIED,  /* the store writes */
};

/* What one account (lib/subject.h) has in flight; there only while it has something. */
struct user {
	uint64_t account;
	struct user
		*node; /* that this agent is of; NULL: it is one, or is here */
	unsigned runs;
	size_t bytes;
};

struct run {
	struct call call;
	struct user *user;
	enum run_phase phase;
	char credential[VAULT_NAME_MAX + 1];
	struct cred *cred;
	struct version *version; /* only until it is signed with */
	uint64_t version_number;
	char op[ATTR_NAME_MAX + 1];
	char module[ATTR_NAME_MAX + 1]; /* that it has to be of; "": any */
	enum cretula_reveal reveals;
	int64_t now; /* the wall clock that decides and signs */
	struct buf request;
	struct buf facts;
	struct proof proof;
	char wanted[512]; /* the exe path door was asked about */
	size_t wanted_len;
	bool test;             /* grant.test: explained, not done */
	struct subject tested; /* … for this subject */
	uint64_t grant;
	struct audit_wait wait; /* for its record */
	bool written;           /* … which is acknowledged */
	bool answered;          /* the worker's reply is in reply */
	bool tripwire;          /* the worker withheld it */
	bool verb; /* stands for an admin verb, refused: op is its name */
	struct export_want
		*want; /* owned; not NULL: an export, no worker signs */
	struct attrs reply;
	struct fault fault;
	struct worker *worker;
	uint32_t worker_kind;    /* VW_FACTS or VW_RUN */
	bool sent;               /* the worker has it */
	struct run *next, *prev; /* of its worker */
	uint64_t serial;
};

/* An admin call that changes something: one at a time (vault_job.c) */

struct job {
	struct call call;
	char verb[32];
	struct buf attrs; /* of the call */
	bool needs_open;
	struct attrs box; /* opened, in secret memory */
	struct attrs reply;
	struct fault fault;
	void (*first)(struct job *j);
	void (*then)(struct job *j, enum err e);
	void (*after)(struct job *j, enum err e);
	void (*apply)(struct job *j);
	struct change *change;
	struct audit_wait wait; /* for its record, for its checkpoint */
	uint32_t ask_kind;      /* for the opener that is on its way */
	struct attrs *ask;
	/* what the verbs keep between their steps */
	struct attrs what; /* the audit event */
	struct attrs said; /* whose it is, as records have it */
	struct cred *cred;
	struct module *module;
	struct attrs plain; /* confidential attributes, secret */
	struct attrs shared;
	uint64_t number;
	char name[VAULT_NAME_MAX + 1];
	int64_t now;
	struct vrow *made, *replaced;
	struct version_wanted want;
	bool kept_here; /* exportable=no was said */
	struct peer *peer;
	struct peer *peer_made; /* owned */
	struct grant *grant;
	size_t tried;
	struct fault damage; /* of a slot */
	struct loop_timer timer;
	struct job *next;
};

/* A change of rows, all or nothing (vault_rows.c) */

enum {
	CHANGE_MAX = 256
};

struct change {
	struct vrow *put[CHANGE_MAX];  /* new rows, owned until done */
	struct vrow *drop[CHANGE_MAX]; /* rows of ours they replace or end */
	size_t puts, drops;
	bool create;
	uint64_t generation;
	struct set set; /* as it will be */
};

struct vault {
	struct loop *loop;
	struct chan sup, store, zygote, opener;
	enum vault_state state;
	struct fault broken;
	bool durable, announced;
	bool ending; /* writing what is left, then gone */
	int64_t day; /* UTC, since 1970: derived keys live no longer */
	struct loop_timer end;
	bool keyfile;   /* openers have one */
	uint8_t *arena; /* mapped secret page; NULL: none */
	int64_t started;
	struct attrs notes; /* weaker= texts */
	struct attrs
		start; /* what the supervisor said of HTTP and this machine */
	unsigned remote_admin; /* bits of enum remote_admin */
	struct refusals refusals;

	struct conns conns;
	struct call_server server;

	struct module module[VAULT_MODULES];
	size_t modules;
	bool modules_known;

	/* the store */
	uint8_t store_id[STORE_ID_SIZE];
	bool has_store;
	struct map *rows; /* struct vrow by (table, row) */
	struct vrow *state_row;
	bool loading, rows_known;
	bool store_lost; /* a change was under way: was it made? */
	struct secret *master;
	uint32_t epoch;
	struct set_state sealed_state; /* as read at the last opening */
	void (*opening)(enum err e, const struct fault *f);
	struct seal_keys *keys;
	struct set set;
	uint64_t generation;
	uint64_t next_row[ROW__MAX];
	struct change *change;
	struct job *change_job;

	struct box_keys *transport;      /* of the store */
	struct box_keys *boot_transport; /* of this process, while sealed */

	struct map *creds;
	struct map *peers; /* struct peer by name */
	struct map *seen;  /* struct seen by name (vault_seen.c) */
	struct secret *sealing, *signing; /* rows of keys */
	struct export_keys *export_keys;  /* … made of them; NULL: none yet */
	char node[EXPORT_NODE_MAX + 1];   /* this machine's name */
	char url[EXPORT_URL_MAX + 1];     /* where others reach it; "" */
	unsigned publishing;              /* lines on their way to seal.pub */
	bool answer_waits; /* vault.job is done when they are there */
	struct grant_set *grants;
	struct loop_timer sweep;

	/* audit */
	struct secret *audit_seed;
	struct audit_link *log;

	struct worker *workers;
	unsigned n_workers;
	uint64_t last_worker;
	struct map *runs;
	struct map *users;
	unsigned remote_runs;
	uint64_t last_run;

	struct job *jobs, **jobs_end;
	unsigned n_jobs;
	struct job *job; /* the one being done */
};

extern struct vault vault;

#include "credd/vault_nouns.h"

#endif
