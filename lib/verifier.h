/* What the files of the verifier share: connections (verifier_conn.c), certificates whose
 * chain is good (verifier_cert.c), what is known of their revocation (verifier_source.c,
 * and fetched by verifier_fetch.c), and what is said of who was refused
 * (verifier_refuse.c). */
#ifndef LIB_VERIFIER_H
#define LIB_VERIFIER_H

#include "lib/chan.h"
#include "lib/clock.h"
#include "lib/kinds.h"
#include "lib/revoked.h"
#include "lib/web.h"

enum {
	VERIFIER_CONNS = 20000,
	VERIFIER_CERTS = 65536, /* kept, used or not */
	VERIFIER_CAS = 16,      /* issuing CAs under the root */
	VERIFIER_LISTS = 4096,  /* shards of revocation lists */
	VERIFIER_KEY = 32,      /* SHA-256 of a certificate */
	VERIFIER_PEER = 64,     /* bytes of an address, with NUL */
	VERIFIER_NAME = 256,    /* … of daemon or node */
};

/* All that came over one connection has to be answered within 10 s: its turn, the fetch
 * (connecting included), and a little for everything else. */
#define VERIFIER_FETCH_TIME (5 * CLOCK_SECOND)
#define VERIFIER_WAIT_TIME  (4 * CLOCK_SECOND)

struct vca {
	struct chain_ca *ca; /* owned; NULL: a free place */
	size_t users;        /* certificates and sources */
};

struct verifier {
	struct loop *loop;
	struct chan sup, gate, core;
	char daemon[VERIFIER_NAME], node[VERIFIER_NAME];
	bool by_list; /* revocation=crl */
	bool open;    /* fail=open */
	int64_t max_age;
	struct chain_root root;
	bool has_root;
	struct fault no_root; /* why there is none */
	struct vca ca[VERIFIER_CAS];
};

extern struct verifier verifier;

/* The gate is ended, and all its connections (verifier.c). */
void gate_broke(const char *why);

/* ---- connections (verifier_conn.c) */

enum vconn_state {
	VCONN_ASKING, /* whether it is revoked is not known yet */
	VCONN_TOLD,   /* DC_CONN was sent, or waits for a core */
	VCONN_KNOWN,
	VCONN_BAD, /* GV_BAD was sent: it only waits for GV_GONE */
};

struct vconn {
	uint32_t id;
	enum vconn_state state;
	struct vcert *cert;       /* NULL: none, or it is bad */
	struct vconn *next, **at; /* among those of cert */
	char peer[VERIFIER_PEER]; /* or "" */
};

void conn_chain(const struct msg *m); /* GV_CHAIN */
void conn_own(const struct msg *m);   /* GV_OWN */
void conn_gone(uint32_t id);          /* GV_GONE */
void conn_known(uint32_t id);         /* DC_KNOWN */
void conns_gate_gone(void);
void conns_core_came(void);
/* Its certificate is good, and not revoked as far as is known: let it in. */
void conn_good(struct vconn *c);
/* What is said of him is other than before. */
void conn_again(struct vconn *c);
/* It is refused, or not to be known any more. */
void conn_bad(struct vconn *c, const struct fault *why);

/* ---- certificates (verifier_cert.c) */

struct vcert {
	uint8_t key[VERIFIER_KEY]; /* SHA-256 of its DER */
	struct attrs who;          /* what DC_CONN says */
	uint8_t serial[SERIAL_SIZE];
	int64_t not_before, not_after; /* of its chain */
	struct vca *ca;
	struct vsource *source;
	struct vcert *next, **at; /* among those of source */
	struct fault *why;        /* it is revoked, for ever; NULL: it is not */
	bool unchecked;           /* fail=open let it in, which was told */
	struct vconn *conns;
	size_t n_conns;
	struct loop_timer expiry;
	struct vcert *newer, *older; /* among those that nobody uses */
	bool idle;
};

struct vcert *cert_find(const uint8_t key[VERIFIER_KEY]);
/* Of a good chain; e->made is taken. ERR_LIMITED: no room; ERR_DENIED: it does not say
 * where to ask about its revocation. */
MUST enum err cert_new(const uint8_t key[VERIFIER_KEY], struct chain_end *e,
		       struct vcert **out, struct fault *f);
/* A connection of it, or one less. */
void cert_use(struct vcert *c, struct vconn *conn);
void cert_leave(struct vconn *conn);
/* Its validity now. */
MUST enum err cert_in_time(const struct vcert *c, struct fault *f);
/* All connections of it are told. */
void cert_all_good(struct vcert *c);
void cert_all_bad(struct vcert *c, const struct fault *why);
/* Those that wait, only. */
void cert_waiting_bad(struct vcert *c, const struct fault *why);
void cert_is_revoked(struct vcert *c, const struct revoked_answer *a);
/* Not used by anybody: forgotten. */
void cert_drop(struct vcert *c);
/* Another root: whose issuing CA is not under it any more. */
void certs_new_root(void);
/* Another name of this node: who is an admin by it. */
void certs_new_node(void);
/* The known issuing CAs, for chain_check. */
unsigned certs_known(const struct chain_ca *out[VERIFIER_CAS]);
/* Keeps a new one; NULL: no room. */
struct vca *certs_keep_ca(struct chain_ca *ca);

/* ---- what is known of revocation (verifier_source.c) */

/* One place to ask: for OCSP a certificate's own, for lists all those of a shard. */
struct vsource {
	char *url;
	struct vca *ca;
	uint8_t instance;         /* of the serials in its list */
	struct vcert *certs;      /* that it is about */
	size_t users;             /* connections of all of them */
	struct vfetch *fetch;     /* under way; NULL: none */
	bool has;                 /* an answer that is young enough */
	uint64_t as_of;           /* boottime of it */
	bool unchecked;           /* has none, and lets in (fail=open) */
	unsigned tries;           /* in vain since the last answer */
	uint64_t next_try;        /* boottime */
	uint64_t look_at;         /* … when it is asked again though it has */
	char *why;                /* … the last one was; NULL: none was */
	struct revoked_list list; /* by_list */
	struct loop_timer timer;
};

/* The source of a certificate, which it then is about. */
MUST enum err source_of(struct vcert *c, struct span url, struct fault *f);
void source_leave(struct vcert *c);
/* Before there is another connection: an answer that is too old is none. */
void source_settle(struct vsource *s);
/* A connection waits for a verdict about its certificate: at once, or later. */
void source_judge(struct vcert *c, struct vconn *conn);
/* A connection more or less. */
void source_used(struct vsource *s, int by);
/* Answers of a fetch. as_of: boottime. */
void source_answered(struct vsource *s, uint64_t as_of);
void source_failed(struct vsource *s, const struct fault *why);

/* ---- fetching (verifier_fetch.c) */

void fetch_open(struct loop *l);
/* Begins; source_answered or source_failed follows, unless cancelled. */
MUST enum err fetch_start(struct vsource *s, bool urgent, struct fault *f);
void fetch_cancel(struct vfetch *v);

/* ---- who was refused (verifier_refuse.c) */

/* To the core, DC_REFUSED. names: cert.o= cert.ou= cert.uid= serial= of it are said. */
void refuse_tell(const struct fault *why, const char *peer,
		 struct attr_view names);
/* The same of who was let in by fail=open, DC_UNCHECKED. */
void refuse_not(const struct fault *why, const char *peer,
		struct attr_view names);
/* What a certificate says of itself, believed or not: the same names, appended. */
void refuse_names(struct span der, struct attrs *out);

#endif
