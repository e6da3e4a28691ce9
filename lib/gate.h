/* HTTP below the gate of every daemon (ca's: ca/gate.h; those of credd and certmgr:
 * lib/api.h): connections and their limits, requests, routes, bodies, what is refused, TLS.
 * One process, one thread, one struct gate. The daemon gives its routes and hooks, and
 * keeps its own data in the struct that begins with a gate_conn.
 *
 *	gate_port.c    ports: TLS, plain, and one whose connections are handed in
 *	gate_conn.c    connections: how long they may take, and which goes
 *	gate_http.c    requests: heads; gate_body.c: bodies
 *	gate_route.c   which route a path has
 *	gate_answer.c  problems, pages, metrics; gate_openapi.c: the description
 *	gate_tls.c     the certificate in use, and the client's
 *	gate_shake.c   TLS handshakes that wait for their client
 *	gate_shown.c   the certificate in one, before it is used
 *	gate_linger.c  refused while they were still sending
 *	gate_due.c     deadlines of one length
 *
 *	gate_init -> gate_port_… -> (confinement) -> gate_run -> … -> gate_close */
#ifndef LIB_GATE_H
#define LIB_GATE_H

#include "lib/attr.h"
#include "lib/der.h"
#include "lib/gate_due.h"
#include "lib/mhd.h"

#include <gnutls/gnutls.h>

enum {
	GATE_CONNS = 16000,    /* of one port; fewer if RLIMIT_NOFILE says so */
	GATE_CONNS_SLACK = 64, /* while the oldest idle one is being closed */
	GATE_CONN_MEMORY = 8 << 10, /* of one request's head */
	GATE_IDLE_S = 30,           /* no byte came or went */
	GATE_REQUEST_S =
		60, /* from the last answer to the next whole request */
	GATE_ANSWER_S = 900,        /* … until it is answered and read */
	GATE_BODY_SKIP = 1 << 20,   /* read past the limit to say so */
	GATE_BODIES_MAX = 16 << 20, /* bytes of all bodies not yet whole */
	GATE_CALLS = 4096,          /* in flight at whoever does the work */
	GATE_OUT_MAX = 16 << 20,    /* bytes that he has not read */
	GATE_CALL_S = 30,
	GATE_RETRY_S = 1,          /* Retry-After of ours */
	GATE_ID_SPARE = 9,         /* high bits of gate.next_id that are 0 */
	GATE_VARS = 4,             /* of one path */
	GATE_CERTS = 8,            /* of a client's chain */
	GATE_CHAIN_MAX = 64 << 10, /* its bytes */
	GATE_OWN_CERTS = 5,        /* of a chain of ours */
	GATE_ADDRESS = 46,         /* bytes of a client's, with NUL */
};

enum gate_method {
	GATE_GET = 1, /* and HEAD */
	GATE_POST = 2,
};

enum gate_port_kind {
	GATE_PLAIN = 1,  /* TCP */
	GATE_TLS = 2,    /* TCP; a client may show a certificate */
	GATE_HANDED = 4, /* UNIX streams, by gate_port_hand */
};

struct gate_conn;

struct gate_route {
	/* A `*` for one segment, not empty; a last `**` for whatever stands before what
	 * follows it, also nothing: conn->var */
	const char *path;
	unsigned ports; /* GATE_PLAIN | …; 0: all */
	unsigned methods;
	size_t body_max;
	const char *type; /* Content-Type that a body must have */
	const char *verb; /* the daemon's to use */
	enum MHD_Result (*run)(struct gate_conn *c); /* all of it is there */
};

/* What the daemon gives. Hooks may be NULL. */
struct gate_ops {
	const struct gate_route *routes; /* the first that fits is it */
	size_t count;
	size_t conn_size; /* of its struct; sizeof(struct gate_conn) without one */
	const char *nothing; /* what is said of a path without a route */
	void (*came)(
		struct gate_conn *c); /* a connection; TLS: no handshake yet */
	/* a request whose body is about to come: true: it is answered already (*result),
	 * and the body is not read */
	bool (*early)(struct gate_conn *c, enum MHD_Result *result);
	/* its request is answered, or its client left before: nothing may resume it */
	void (*forget)(struct gate_conn *c);
	void (*gone)(
		struct gate_conn *c); /* the connection: about to be freed */
};

/* One listener with its daemon and connections. */
struct gate_port {
	struct mhd mhd;
	enum gate_port_kind kind;
	unsigned conns, limit;
	struct gate_conn *oldest, *newest; /* by `since` */
	struct loop_timer slow;
	uint64_t request_ns; /* GATE_REQUEST_S; tests cannot wait that long */
	uint64_t requests, accepted, closed_slow, closed_full;
	uint64_t handed; /* id of the one that is being handed in */
	struct gate_port *next;
};

struct gate_conn {
	struct MHD_Connection *mhd;
	struct gate_port *port;
	int fd;
	uint64_t id; /* as it was handed in, or from gate.next_id */
	uint64_t since,
		began; /* last answer; this request was whole (0: not) */
	struct gate_conn *older, *newer;
	/* the TLS handshake: over; found nothing to read in this turn; set aside
	 * while its descriptor is watched */
	bool shaken, dry;
	struct gate_conn *next_dry;
	struct loop_fd shake;
	size_t shake_bytes; /* of the client's, during it */
	/* the request */
	const struct gate_route *route;
	struct span var[GATE_VARS]; /* borrowed from MHD, as they were sent */
	unsigned vars;
	bool post;
	size_t skipped;   /* bytes of the body that were over its limit */
	enum err refused; /* before it was whole */
	const char *refused_why; /* NULL: what the route says to that error */
	unsigned refused_status;
	bool unframed; /* nobody can tell where it ends: the last one */
	bool linger;   /* it was refused before its body came */
	struct buf body;
	size_t body_counted; /* … in gate.bodies */
	bool receiving;      /* it is not whole: in the queue of such */
	struct gate_conn *body_older, *body_newer;
	struct gate_due due; /* of the handshake, then the daemon's */
	bool suspended;      /* by gate_wait */
	/* what it is waiting for, when it has come */
	struct MHD_Response *answer;
	unsigned status;
};

struct gate {
	struct loop *loop;
	const struct gate_ops *ops;
	struct gate_port *ports;
	uint64_t next_id; /* of whatever needs one; from anywhere */
	size_t bodies;
	struct gate_conn *body_oldest, *body_newest; /* by their beginning */
	unsigned most;          /* connections, since the last trim */
	struct loop_timer trim; /* of memory, when a crowd has gone */
};

extern struct gate gate;

/* gate_port.c. Before confinement: begins anew, with no port; ops is kept. SIGPIPE is
 * ignored from here on. */
MUST enum err gate_init(const struct gate_ops *ops, struct fault *f);
/* Opens p, which stays where it is; nothing is read from fd, a listener that becomes
 * the port's, before gate_run. */
MUST enum err gate_port_plain(struct gate_port *p, int fd, unsigned limit,
			      struct fault *f);
MUST enum err gate_port_tls(struct gate_port *p, int fd, unsigned limit,
			    struct fault *f);
MUST enum err gate_port_handed(struct gate_port *p, unsigned limit,
			       struct fault *f);
void gate_run(struct loop *l);
/* A connection for a GATE_HANDED port, after gate_run; fd is taken in any case.
 * ERR_UNAVAILABLE: MHD does not take it. */
MUST enum err gate_port_hand(struct gate_port *p, int fd, uint64_t id);
/* Connections of one port that so many descriptors of this process are enough for: two
 * for each, and `beside` for others; at most GATE_CONNS. */
unsigned gate_conns_limit(unsigned beside);
/* Lets all ports do what they can do now: what was resumed is answered. */
void gate_turn(void);
/* All connections end. None may be suspended but by gate_wait and resumed again. */
void gate_close(void);

/* gate_conn.c */
void gate_conn_end(struct gate_conn *c); /* soon */
/* Where its client is, without port. False: on this machine, or not to be told. */
bool gate_address(const struct gate_conn *c, char out[GATE_ADDRESS]);

/* gate_http.c. Sets the request aside until gate_resume, which takes r. */
enum MHD_Result gate_wait(struct gate_conn *c);
void gate_resume(struct gate_conn *c, unsigned status, struct MHD_Response *r);

/* gate_body.c. Who needs the request's body no more: it is wiped, and others have its
 * room. After the request this happens by itself. */
void gate_body_drop(struct gate_conn *c);

/* gate_answer.c. A problem+json response and its status; retry_after 0: none. request_id
 * NULL: one of our own. */
struct MHD_Response *gate_problem(enum err code, unsigned status,
				  const char *text, const char *request_id,
				  uint64_t retry_after);
uint64_t gate_retry_of(enum err code); /* GATE_RETRY_S, or 0 */
enum MHD_Result gate_refuse(struct gate_conn *c, enum err code,
			    const char *text);
/* Queues a text for people; 503 with Retry-After. */
enum MHD_Result gate_text(struct gate_conn *c, unsigned status,
			  const char *text);
/* Queues r, which stays the caller's, with its status, or 304 if the request's conditions
 * say that the client has it. */
enum MHD_Result gate_cached(struct gate_conn *c, struct MHD_Response *r,
			    const char *etag, int64_t modified);

/* Metrics in the text form that Prometheus reads. Of one name: one after the other. */
struct gate_metric {
	const char *name, *type, *label;
	uint64_t value;
};
/* Queues them, each name behind `prefix`. */
enum MHD_Result gate_metrics(struct gate_conn *c, const char *prefix,
			     const struct gate_metric *m, size_t n);

/* gate_tls.c. The key and chain (DER, its own first) that handshakes use from now on;
 * what was in use before is kept for those under way. OK: key is taken. ERR_INVALID:
 * it is not that key's, or over. */
MUST enum err gate_tls_use(gnutls_privkey_t key, const gnutls_datum_t *chain,
			   unsigned n);
int64_t gate_tls_until(void); /* end of the certificate in use; 0: none */
/* A certificate of the chain in use; NULL: none. */
const gnutls_datum_t *gate_tls_own(unsigned i);
/* Appends cert= for each certificate the client showed. ERR_UNAUTHENTICATED: none. */
MUST enum err gate_tls_peer(struct gate_conn *c, struct attrs *a,
			    struct fault *f);

/* gate_shown.c. A TLS Certificate message: whether its first certificate has a key
 * that costs no more to check signatures by than those of ours. */
bool gate_shown_ok(const void *msg, size_t len, bool tls13);

#endif
