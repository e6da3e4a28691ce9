/* What the files of ca's gate share. One process, one thread, one struct gate.
 *
 *	gate.c         the role: descriptors, confinement
 *	gate_core.c    begin and end, the channel to the issuer
 *	gate_http.c    requests: paths, methods, bodies, answers
 *	gate_conn.c    connections: who is behind them, how long they may take
 *	gate_call.c    /v1/…: JSON to GI_CALL and back
 *	gate_ocsp.c    OCSP asks to the issuer; gate_ocsp_cache.c: answers kept
 *	gate_crl.c     CRLs, one memory file each
 *	gate_page.c    certificates, health, metrics
 *	gate_tls.c     the gate's own key and certificate
 *	gate_linger.c  refused while they were still sending
 *	gate_shake.c   TLS handshakes that wait for their client
 *	gate_shown.c   the certificate in one, before it is used
 *	gate_due.c     deadlines of one length */
#ifndef CA_GATE_H
#define CA_GATE_H

#include "ca/gate_due.h"
#include "lib/attr.h"
#include "lib/chan.h"
#include "lib/der.h"
#include "lib/mhd.h"

#include <gnutls/gnutls.h>

enum {
	GATE_FD_TLS = 4, /* listeners, as the supervisor hands them over */
	GATE_FD_PLAIN = 5,
	GATE_CONNS = 16000,    /* of one port; fewer if RLIMIT_NOFILE says so */
	GATE_CONNS_SLACK = 64, /* while the oldest idle one is being closed */
	GATE_CONN_MEMORY = 8 << 10, /* of one request's head */
	GATE_IDLE_S = 30,           /* no byte came or went */
	GATE_REQUEST_S =
		60, /* from the last answer to the next whole request */
	GATE_ANSWER_S = 900,        /* … until it is answered and read */
	GATE_BODY_MAX = 64 << 10,   /* of JSON */
	GATE_BODY_SKIP = 1 << 20,   /* read past the limit to say so */
	GATE_BODIES_MAX = 16 << 20, /* bytes of all bodies not yet whole */
	GATE_CALLS = 4096,          /* in flight at the issuer */
	GATE_OUT_MAX = 16 << 20,    /* bytes that the issuer has not read */
	GATE_CALL_S = 30,
	GATE_RETRY_S = 1, /* Retry-After of ours */
	GATE_ID_TEXT = 17,
	GATE_ID_SPARE = 9, /* high bits of an id that are 0: 8 the issuer's */
};

enum gate_method {
	GATE_GET = 1, /* and HEAD */
	GATE_POST = 2,
};

struct gate_conn;

struct gate_route {
	const char *path;
	bool rest;        /* something follows path: conn->rest */
	const char *tail; /* … and ends in this, which is cut off */
	bool tls;         /* only on the TLS port */
	unsigned methods;
	size_t body_max;
	const char *type; /* Content-Type that a body must have */
	const char *verb; /* of GI_CALL */
	enum MHD_Result (*run)(struct gate_conn *c); /* all of it is there */
};

/* One listener with its daemon and connections. */
struct gate_port {
	struct mhd mhd;
	bool tls;
	unsigned conns, limit;
	struct gate_conn *oldest, *newest; /* by `since` */
	struct loop_timer slow;
	uint64_t request_ns; /* GATE_REQUEST_S; tests cannot wait that long */
	uint64_t requests, accepted, closed_slow, closed_full;
};

struct gate_conn {
	struct MHD_Connection *mhd;
	struct gate_port *port;
	int fd;
	uint64_t id; /* in GI_PEER */
	uint32_t
		peer_told; /* the issuer (gate.issuer_nr) that knows it; or 0 */
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
	const char *rest; /* borrowed from MHD */
	size_t rest_len;
	bool post;
	size_t skipped;   /* bytes of the body that were over its limit */
	enum err refused; /* before it was whole */
	const char *refused_why;
	unsigned refused_status;
	bool unframed; /* nobody can tell where it ends: the last one */
	bool linger;   /* it was refused before its body came */
	struct buf body;
	size_t body_counted; /* … in gate.bodies */
	bool receiving;      /* it is not whole: in the queue of such */
	struct gate_conn *body_older, *body_newer;
	struct gate_due due; /* of the handshake, then of a call */
	/* waiting for the issuer */
	bool suspended;
	bool called;                   /* in gate.calls */
	uint64_t call;                 /* its id */
	struct gate_conn *next_waiter; /* of one OCSP ask */
	void *ask;
	/* what it is waiting for, when it has come */
	struct MHD_Response *answer;
	unsigned status;
};

struct gate {
	struct loop *loop;
	struct gate_port tls, plain;
	struct chan issuer;
	bool up;            /* issuer's channel is open */
	uint32_t issuer_nr; /* counts issuers */
	uint64_t next_id;   /* of calls, asks and connections; from anywhere */
	size_t bodies;
	struct gate_conn *body_oldest, *body_newest; /* by their beginning */
	uint8_t *issuer_der, *root_der; /* owned; NULL: not known yet */
	size_t issuer_len, root_len;
	uint64_t calls_done, calls_failed, peers;
	unsigned most;          /* connections, since the last trim */
	struct loop_timer trim; /* of memory, when a crowd has gone */
};

extern struct gate gate;

/* gate_core.c. Both listeners become the gate's; nothing is read from them before
 * gate_run. Before confinement. */
MUST enum err gate_open(int tls_fd, int plain_fd, unsigned limit,
			struct fault *f);
void gate_run(struct loop *l);
void gate_issuer(int fd); /* a new channel to the issuer; taken */
void gate_close(void);
/* Appends to a list for the issuer; a bug if it does not fit. */
void gate_add(struct attrs *a, const char *name, const char *value);
void gate_add_u64(struct attrs *a, const char *name, uint64_t value);

/* gate_conn.c */
void gate_port_open(struct gate_port *p, struct MHD_Daemon *d, bool tls,
		    unsigned limit);
void gate_port_run(struct gate_port *p);
void gate_conn_notify(void *cls, struct MHD_Connection *mc, void **context,
		      enum MHD_ConnectionNotificationCode what);
struct gate_conn *gate_conn_of(struct MHD_Connection *mc);
void gate_conn_whole(struct gate_conn *c);    /* the request is there */
void gate_conn_end(struct gate_conn *c);      /* soon */
void gate_conn_answered(struct gate_conn *c); /* the next may come */

/* gate_http.c */
enum MHD_Result gate_http_request(void *cls, struct MHD_Connection *mc,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *size, void **context);
void gate_http_completed(void *cls, struct MHD_Connection *mc, void **context,
			 enum MHD_RequestTerminationCode why);
/* Sets the request aside until gate_http_resume, which takes r. */
enum MHD_Result gate_http_wait(struct gate_conn *c);
void gate_http_resume(struct gate_conn *c, unsigned status,
		      struct MHD_Response *r);
/* A problem+json response and its status; retry_after 0: none. request_id NULL: one
 * of our own. */
struct MHD_Response *gate_problem(enum err code, unsigned status,
				  const char *text, const char *request_id,
				  uint64_t retry_after);
enum MHD_Result gate_refuse(struct gate_conn *c, enum err code,
			    const char *text);

/* gate_call.c */
size_t gate_call_count(void); /* those that wait for the issuer */
void gate_call_open(void);
void gate_call_close(void);
enum MHD_Result gate_call_run(struct gate_conn *c);
enum MHD_Result gate_call_ca(struct gate_conn *c);
void gate_call_reply(const struct msg *m);
void gate_call_forget(struct gate_conn *c); /* the client is gone */
void gate_call_lost(void);                  /* the issuer is */

/* gate_ocsp.c */
void gate_ocsp_open(void);
void gate_ocsp_close(void);
enum MHD_Result gate_ocsp_run(struct gate_conn *c);
void gate_ocsp_answer(const struct msg *m);
void gate_ocsp_drop(const struct msg *m);
void gate_ocsp_forget(struct gate_conn *c);
void gate_ocsp_issuer(void); /* another one: forget all */
void gate_ocsp_lost(void);

struct gate_ocsp_stats {
	uint64_t hits, asked, shed, kept, dropped, refreshed, retried;
	size_t entries, bytes, in_flight;
};
void gate_ocsp_stats(struct gate_ocsp_stats *s);

/* gate_linger.c: keeps the socket of a connection that is being closed until its
 * client has sent what it wanted to, for a while. */
void gate_linger_open(void);
void gate_linger_close(void);
void gate_linger(int fd);

/* gate_crl.c */
enum MHD_Result gate_crl_run(struct gate_conn *c);
void gate_crl_put(const struct msg *m, int fd); /* takes fd */
void gate_crl_close(void);
size_t gate_crl_count(void);

/* gate_page.c */
void gate_page_chain(const struct msg *m);
enum MHD_Result gate_page_cert(struct gate_conn *c);
enum MHD_Result gate_page_health(struct gate_conn *c);
enum MHD_Result gate_page_metrics(struct gate_conn *c);
void gate_page_close(void);
/* Queues r with its status, or 304 if the request's conditions say that the client
 * has it. */
enum MHD_Result gate_page_cached(struct gate_conn *c, struct MHD_Response *r,
				 const char *etag, int64_t modified);

/* gate_shake.c */
void gate_shake_open(void);
void gate_shake_close(void); /* none is set aside any more */
void gate_shake_begin(struct gate_conn *c, gnutls_session_t session);
void gate_shake_end(struct gate_conn *c);

/* gate_shown.c. A TLS Certificate message: whether its first certificate has a key
 * that costs no more to check signatures by than those of ours. */
bool gate_shown_ok(const void *msg, size_t len, bool tls13);

/* gate_tls.c */
struct MHD_Daemon *gate_tls_daemon(int fd, unsigned limit);
MUST enum err gate_tls_open(struct fault *f);
void gate_tls_close(void);
void gate_tls_issuer(void); /* the issuer is there: ask */
void gate_tls_chain(void);  /* the chain is known, or another one */
bool gate_tls_reply(const struct msg *m); /* false: not one of ours */
void gate_tls_lost(void);
int64_t gate_tls_until(void);             /* end of the certificate; 0: none */
void gate_tls_begin(struct gate_conn *c); /* before its handshake */
/* Appends cert= for each certificate the client showed. ERR_NOT_FOUND: none. */
MUST enum err gate_tls_peer(struct MHD_Connection *mc, struct attrs *a,
			    struct fault *f);

#endif
