/* The keeper's structures and the nouns it is made of (certmgr/keeper*.c). One process,
 * one thread, one instance: the struct keeper that every file shares. */
#ifndef CERTMGR_KEEPER_H
#define CERTMGR_KEEPER_H

#include "certmgr/kinds.h"
#include "lib/agent_token.h"
#include "lib/audit_link.h"
#include "lib/call.h"
#include "lib/cert.h"
#include "lib/clock.h"
#include "lib/grant_set.h"
#include "lib/map.h"
#include "lib/procinfo.h"
#include "lib/refusals.h"
#include "lib/remote_admin.h"
#include "lib/row.h"

enum {
	KEEPER_AGENTS = 4000,      /* or what the arena has room for */
	KEEPER_USER_AGENTS = 1000, /* of one uid that starts them */
	KEEPER_PLAN = 3000,   /* bytes of an agent's plan: names and so on */
	KEEPER_NAMES = 2048,  /* … of which names and endpoints */
	KEEPER_POOL = 64,     /* keys made ahead */
	KEEPER_WARM = 16,     /* slots of the arena made ready: 4 KiB each */
	KEEPER_PKCS8 = 160,   /* bytes of a P-256 key as PKCS#8, at most */
	KEEPER_OLD = 4,       /* certificates before this one, still valid */
	KEEPER_CLAIMS = 1024, /* claims that wait, */
	KEEPER_USER_CLAIMS = 128, /* … of one uid */
	KEEPER_AGENT_CLAIMS = 8,  /* … for one agent */
	KEEPER_UPCALLS = 1024,    /* connections of the helper */
	KEEPER_DEAD = 1024,       /* ended agents that are remembered */
	KEEPER_PAYLOAD = 16 << 10,
	KEEPER_BATCH = 256, /* rows of one transaction */
	KEEPER_BATCH_BYTES = 512 << 10,
	KEEPER_WAIT_MS = 10000,  /* spawn wait=yes, agent.renew and revoke */
	KEEPER_AGENT_WAITS = 64, /* … of one agent */
	/* Renewals of one agent that others than admins may have at once, and after
	 * how long one more. */
	KEEPER_RENEWALS = 4,
	KEEPER_RENEWAL_S = 15,
	KEEPER_LEAD_PERCENT = 5, /* of its life a renewal begins earlier */
	KEEPER_BACKOFF_MS = 500, /* after the first failure, then doubled */
	KEEPER_BACKOFF_MAX_MS = 60000,
	KEEPER_OWED_MS = 1000,  /* … while the CA is to revoke something */
	KEEPER_REFUSED_S = 300, /* after the CA refused a renewal */
	KEEPER_TEXT = 256,      /* of a sentence that is kept with an agent */
};

#define KEEPER_AGAIN                                                           \
	(10 * CLOCK_SECOND) /* between new keys before their time */

/* Ids of messages to the store; audit_link has its own. */
#define KEEPER_ID_COMMIT (STORE_ID_OWN | 1)
#define KEEPER_ID_LOAD   (STORE_ID_OWN | 2)

struct agent;
struct claim;
struct upcall;

/* The arena (keeper_arena.c): what outlives this process but no other. A slot an agent:
 * its private keys, and its plan until the store has it. */
struct arena_slot;

enum {
	ARENA_KEYS = 2
};

/* One key and what the CA has made of it (keeper_hold.c). */
enum hold_state {
	HOLD_NONE,
	HOLD_WANTED, /* there is a key; the CA is to be asked */
	HOLD_ASKED,  /* a request is on its way */
	HOLD_MADE,   /* certificate and key fit */
};

struct hold {
	enum hold_state state;
	unsigned key; /* which of the slot's */
	bool has_key; /* it is still there */
	bool repeat;  /* may have been asked before */
	bool lost;    /* its key is gone: revoked once it is known */
	bool queued;  /* in keeper.queue */
	struct agent *of;
	struct hold *next; /* in the queue */
	uint8_t *csr;      /* owned; DER */
	size_t csr_len;
	uint8_t *cert; /* owned; DER */
	size_t cert_len;
	char serial[2 * SERIAL_SIZE + 1];
	int64_t not_before, not_after;
	/* The certificate that this one renews: part of what is asked; or "" */
	char replaces[2 * SERIAL_SIZE + 1];
	/* A certificate that has to be revoked before this one is asked for; or "".
	 * As long as its revocation is owed, nobody has been asked. */
	char after[2 * SERIAL_SIZE + 1];
};

struct old_cert {
	char serial[2 * SERIAL_SIZE + 1];
	int64_t not_after;
};

enum agent_view {
	AGENT_VIEW_NO,
	AGENT_VIEW_TREE, /* the agent and its descendants */
	AGENT_VIEW_SELF,
};

enum agent_state {
	AGENT_LIVE,
	AGENT_ENDED, /* waits until it is known what the CA has made for it */
};

struct agent {
	char id[AGENT_ID_LEN + 1];
	char type[TYPE_MAX + 1];
	enum agent_state state;
	uint64_t row;
	bool dirty, flying,
		stored; /* its row: to be written, being, is there */
	bool lasting;   /* what is to be written has to outlive the machine */
	bool put;       /* what is flying puts it there */
	bool gone;      /* … to be dropped */
	uid_t spawner;  /* who started it */
	bool charged;   /* … and is counted for it */
	uid_t uid;      /* who may claim */
	enum agent_view view;
	int on_renew;       /* signal, 0: none */
	uint64_t lifetime;  /* seconds asked for, 0: the profile's */
	struct attrs names; /* name= and uri= */
	int64_t made;       /* wall clock */
	uint8_t token[AGENT_TOKEN_HASH];
	unsigned slot;
	/* its process */
	bool bound;    /* who is known */
	bool examined; /* … in full */
	bool program;  /* and its program, since the first claim */
	struct procinfo who;
	int pidfd;            /* -1: not open (yet) */
	struct loop_fd watch; /* … of it */
	/* its certificates */
	struct hold now, coming;
	bool claimed;        /* now's key may have been handed over */
	uint64_t claimed_at; /* boot ns, of the last time */
	struct old_cert old[KEEPER_OLD];
	unsigned olds;
	int64_t changed; /* when its files were; 0: never shown */
	uint64_t rested; /* boot ns: then all KEEPER_RENEWALS may be had */
	enum err failed; /* what the CA said for good */
	char why[KEEPER_TEXT];
	struct loop_timer
		timer; /* renewal, or the end of the first claim's time */
	struct claim *claims; /* that wait */
	unsigned n_claims;
	struct wait *waits; /* calls that do */
	char reason[32];    /* of the revocation, once ended */
};

/* One that has ended, as long as it is remembered: who comes with its token, or asks
 * for it, is told so. */
struct agent_past {
	char id[AGENT_ID_LEN + 1]; /* "": none */
	char type[TYPE_MAX + 1];
	uint8_t token[AGENT_TOKEN_HASH];
	char serial[2 * SERIAL_SIZE + 1]; /* "": it had none */
	char event[16], reason[32];       /* as agent_end was told */
	uid_t uid, spawner;
	int64_t at;
};

/* A call that waits for an agent's certificate, or for a revocation. */
struct wait {
	struct call call;
	struct attrs reply;
	struct loop_timer timer;
	struct agent *agent; /* or */
	struct owed *owed;
	struct wait *next;
};

/* A revocation that the CA has not confirmed (keeper_owed.c). */
struct owed {
	uint64_t row;
	char serial[2 * SERIAL_SIZE + 1];
	char agent[AGENT_ID_LEN + 1];
	char reason[32];
	int64_t not_after;
	bool dirty, flying, stored, done; /* its row */
	bool asked, queued;
	struct wait *waits;
	struct owed *next; /* in the queue */
};

/* Somebody who wants an agent's key (keeper_claim.c). */
struct claim {
	uint64_t number;
	char id[AGENT_ID_LEN + 1]; /* of the agent, as the token says, */
	bool proven;               /* … which it was given */
	struct agent *agent;       /* NULL: door looks at the process first */
	struct procinfo who;
	uid_t uid, charged;    /* whose, and counted for whom */
	bool crowded;          /* too many are his */
	struct upcall *upcall; /* from the kernel's helper, or */
	struct call call;      /* over api.sock, and */
	int sock;              /* where the key goes; else -1 */
	uid_t sock_uid;        /* whose connection it came over */
	struct audit_wait audit;
	struct loop_timer timer;
	bool giving;   /* its record is being written */
	bool recorded; /* … is; the agent's row has to say so, too */
	struct claim *next;
};

/* What net says (keeper_net.c). */
enum ca_state {
	CA_NONE,
	CA_READY,
	CA_AWAY,
};

struct keeper {
	struct loop *loop;
	struct chan sup, store, net, view;
	struct conns conns;
	struct call_server server;
	struct audit_link *audit;
	struct secret *audit_seed;
	struct attrs notes; /* what is weaker */
	struct attrs
		start; /* what the supervisor said of HTTP and this machine */
	struct refusals refusals;
	uint32_t
		gate_uid; /* of certmgr's own gate; SUBJECT_NO_ID: not known, */
	char gate_type[TYPE_MAX + 1]; /* which needs no grant for this type, */
	char host[DNS_NAME_MAX + 1];  /* and this name (node=) */
	char instance[9], boot[BOOT_ID + 1];
	char *view_path;       /* NULL: there is none */
	uint64_t claim_within; /* seconds */
	uint64_t user_ns;      /* the one we were started in */
	bool durable, announced, ending;
	int64_t started;
	/* the arena */
	uint8_t *arena;
	unsigned slots;
	bool arena_survives;
	int upcall_fd;
	struct loop_fd upcall_watch;
	unsigned upcalls;
	/* rows */
	uint8_t store_id[STORE_ID_SIZE];
	bool has_store, loaded, log_open, committing;
	uint64_t generation, next_row;
	struct loop_work commit_work;
	struct loop_timer commit_timer;
	struct fault store_fault; /* code OK: it writes */
	struct fault broken;      /* code OK: it is not */
	/* agents */
	struct map *agents; /* by id */
	unsigned live;
	bool some_failed; /* perhaps: nobody looks for them where none are */
	struct map *owed; /* by serial */
	struct grant_set *grants;
	unsigned claims;
	/* the CA */
	enum ca_state ca;
	char ca_text[FAULT_TEXT_MAX];
	char node[DNS_NAME_MAX + 1], node_serial[2 * SERIAL_SIZE + 1];
	int64_t node_not_after, ca_since;
	struct buf root, issuing;         /* DER */
	struct buf root_pem, issuing_pem; /* their texts */
	struct hold *queue, **queue_end;
	struct owed *owed_queue, **owed_queue_end;
	unsigned in_flight, failures;
	uint64_t pause_until; /* boot ns */
	uint64_t next_ask;
	struct map *asked; /* by the request's id */
	struct loop_timer queue_timer;
	struct loop_work queue_work;
	uint64_t made, spawned, revoked, refused; /* counts */
};

extern struct keeper keeper;

/* keeper.c */
/* ERR_UNAVAILABLE with the sentence unless rows and log can be written. */
MUST enum err keeper_open(struct fault *f);
void keeper_rows_loaded(void);
void keeper_is_ready(void);
void keeper_break(const struct fault *f);

/* keeper_arena.c. fd: -1: memory of this process only. */
void arena_init(int fd);
/* A free slot, now used by nobody yet; UINT_MAX: none. */
unsigned arena_take(void);
void arena_free(unsigned slot);
/* Makes the n-th that will be taken ready. */
void arena_warm(unsigned n);
/* Puts an agent's plan into its slot; from now on a new keeper finds it. */
void arena_plan(unsigned slot, const char id[AGENT_ID_LEN + 1],
		struct attr_view plan);
void arena_plan_stored(unsigned slot);
void arena_key_put(unsigned slot, unsigned key, const uint8_t *pkcs8,
		   size_t len);
void arena_key_drop(unsigned slot, unsigned key);
struct span arena_key(unsigned slot, unsigned key); /* empty: none */
/* Whose slot that is; "" if it is free or damaged (then it is freed). */
const char *arena_owner(unsigned slot);
unsigned arena_of(const char *id); /* the slot of that owner; UINT_MAX: none */
struct attr_view arena_plan_of(unsigned slot); /* empty: none that waits */

/* keeper_pool.c: keys made ahead. */
void pool_init(void);
void pool_refill(void); /* soon */
unsigned pool_count(void);
/* A fresh key into the slot; *csr is malloc'd. */
void pool_key(unsigned slot, unsigned key, uint8_t **csr, size_t *len);

/* keeper_agent.c: the table; life and death. */
void agents_init(void);
struct agent *agent_find(const char *id);
/* A new one in that slot, which becomes its; process none; NULL: the slot is UINT_MAX,
 * there is no room, said in f. */
struct agent *agent_new(const char *id, unsigned slot, struct fault *f);
/* Whether another one may be started by who started it: ERR_LIMITED; counts it. */
MUST enum err agent_may_charge(const struct agent *a, struct fault *f);
void agent_charge(struct agent *a);
void agent_bind(struct agent *a, const struct procinfo *p, int pidfd);
/* From now on the end of its process is seen. */
void agent_watch(struct agent *a);
void agent_unbind(struct agent *a);
/* exec has ended the right: the program that had the key is no more. */
bool agent_other_program(const struct agent *a, const struct procinfo *now);
/* Its process has ended, or somebody revokes it: everything it had goes, the CA is
 * told. reason: as RFC 5280 names it; event: for the log. */
void agent_end(struct agent *a, const char *event, const char *reason);
/* Frees what is left, once its row is gone. */
void agent_free(struct agent *a);
/* Its state, for people. */
const char *agent_state_text(const struct agent *a);
/* What it is sent when there is a new certificate; it is sent one. */
const char *agent_signal(const struct agent *a);
/* Sets its timer anew. */
void agent_schedule(struct agent *a);
int64_t agent_renew_at(const struct hold *h);
/* Has door look at its process, unless it has; at all of them. */
void agent_examine(struct agent *a);
void agents_examine(void);
void agents_examined(uint64_t ref, const struct procinfo *p, int pidfd);
/* What the CA made for an agent that had ended meanwhile. */
void agent_settled(struct agent *a, struct hold *h);
/* NULL: not remembered. */
const struct agent_past *agent_past(const char *id);
/* An ended agent: its token's hash and what became of it; false: not remembered. */
bool agent_dead(const char *id, const uint8_t hash[AGENT_TOKEN_HASH],
		enum err *why);
/* A record about it. */
void agent_record(const struct agent *a, const char *event,
		  struct attr_view more);

/* keeper_hold.c: keys and certificates of an agent. */
void hold_begin(struct agent *a, struct hold *h, unsigned key);
void hold_wipe(struct agent *a, struct hold *h);
/* Another key and certificate, unless one is on its way. */
void hold_renew(struct agent *a);
/* coming is now. */
void hold_promote(struct agent *a);
/* The CA's answers. ERR_UNAVAILABLE: it is none that can be used, which is as if none
 * had come. */
MUST enum err hold_issued(struct hold *h, const struct msg *m, struct fault *f);
void hold_failed(struct hold *h, enum err e, const char *text, bool final);
/* The PEM text of an agent's files, appended; "key" and "bundle" to secret buffers. */
MUST enum err hold_file(const struct agent *a, const char *file,
			struct buf *out);

/* keeper_net.c: the queue to the CA. */
void net_init(void);
void net_came(int fd);
void net_want(struct hold *h);            /* queue it, if its row is stored */
bool net_too_early(const struct hold *h); /* … but for what is before it */
void net_want_revoked(struct owed *o);
void net_forget(struct hold *h);
void net_kick(void);
void net_free_agent(struct agent *a);

/* keeper_owed.c: revocations owed. */
void owed_init(void);
struct owed *owed_add(const char *agent, const char *serial, int64_t not_after,
		      const char *reason);
void owed_done(struct owed *o);
void owed_refused(struct owed *o, const char *text);
void owed_load(uint64_t row, struct attr_view v);
MUST enum err owed_format(const struct owed *o, struct attrs *out);
void owed_free(struct owed *o);

/* keeper_rows.c: what is kept. */
void rows_init(void);
void rows_store_came(void);
void rows_store_gone(void);
void rows_from_store(const struct msg *m);
void rows_dirty(struct agent *a);
/* The same, for what is forgotten when the machine goes down, as its agents are. */
void rows_dirty_boot(struct agent *a);
void rows_owed_dirty(struct owed *o);
uint64_t rows_next(void);
/* One grant put or dropped; then(arg) when it is done or not. NULL text: dropped. */
void rows_grant(uint64_t row, struct attr_view text,
		void (*then)(void *arg, const struct fault *why), void *arg);

/* keeper_row.c: an agent as a row, and back. */
MUST enum err agent_format(const struct agent *a, struct attrs *out);
MUST enum err agent_load(uint64_t row, struct attr_view v, struct fault *f);
/* What is to be done about one that was there before. */
void agent_resume(struct agent *a);
void agents_adopt(
	void); /* plans in the arena that are no rows; slots of none */

/* keeper_claim.c */
void claim_upcall(struct upcall *u, const char *token, size_t len,
		  const char *agent, const struct procinfo *who);
/* agent: whose key it had asked for; "": it has not asked. */
void claim_upcall_gone(struct upcall *u, const char *agent);
void claim_delivered(struct agent *a, const struct procinfo *who);
void claims_look(struct agent *a);   /* something has changed */
void claims_stored(struct agent *a); /* its row is written as it is */
void claims_refuse(struct agent *a, enum err e, const char *text);
void claim_examined(uint64_t ref, const struct procinfo *p, int pidfd);
/* Door is gone: what it was asked is not answered. */
void claims_orphaned(void);
void verb_claim(const struct call *c, struct attr_view v);

/* keeper_upcall.c */
void upcall_init(void);
void upcall_key(struct upcall *u, const char *agent, const struct procinfo *who,
		const struct buf *payload, uint64_t seconds);
void upcall_no(struct upcall *u, enum err e, const char *text);

/* keeper_spawn.c */
void verb_spawn(const struct call *c, struct attr_view v);
void spawn_checked(uint64_t ref, bool alive, bool exe);
void spawn_examined(uint64_t ref, const struct procinfo *p, int pidfd);
void spawn_orphaned(void);

/* keeper_view.c */
void view_came(int fd);
void view_tell(const struct agent *a);
void view_gone(const struct agent *a);
/* Tells the view that it knows all agents, once that is so. */
void view_known(void);

/* keeper_admin.c, keeper_grant.c, keeper_status.c */
void verb_list(const struct call *c, struct attr_view v);
void verb_show(const struct call *c, struct attr_view v);
void verb_renew(const struct call *c, struct attr_view v);
void verb_revoke(const struct call *c, struct attr_view v);
/* Answers c with reply when the agent's certificate is there or has failed; when the
 * revocation is confirmed. Takes what reply has. */
void wait_agent(struct agent *a, const struct call *c, struct attrs *reply);
void wait_owed(struct owed *o, const struct call *c, struct attrs *reply);
void waits_look(struct agent *a);
void waits_end(struct wait **list, const struct fault *f, const char *state);
MUST enum err grant_load(uint64_t row, struct attr_view v, struct fault *f);
void verb_grant_add(const struct call *c, struct attr_view v);
void verb_grant_remove(const struct call *c, struct attr_view v);
void verb_grant_list(const struct call *c, struct attr_view v);
void verb_grant_test(const struct call *c, struct attr_view v);
void verb_status(const struct call *c, struct attr_view v);

/* keeper_call.c */
/* Adds request_id=, for a record: what an error says leads to it. */
void call_named(const struct call *c, struct attrs *what);
void call_run(const struct conn *conn, const struct msg *m);

/* References of questions to door: who asked is in the top bits. */
#define REF_AGENT (1ull << 62)
#define REF_SPAWN (2ull << 62)
#define REF_CLAIM (3ull << 62)
#define REF_KIND  (3ull << 62)

#endif
