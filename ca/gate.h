/* What the files of ca's gate share, beside lib/gate.h. One process, one thread, one
 * struct ca_gate.
 *
 *	gate.c         the role: descriptors, confinement
 *	gate_core.c    routes, begin and end, the channel to the issuer
 *	gate_call.c    /v1/…: JSON to GI_CALL and back
 *	gate_verb.c    … /v1/verbs/VERB
 *	gate_ocsp.c    OCSP asks to the issuer; gate_ocsp_cache.c: answers kept
 *	gate_crl.c     CRLs, one memory file each
 *	gate_page.c    certificates, health, metrics
 *	gate_cert.c    the gate's own key and certificate */
#ifndef CA_GATE_H
#define CA_GATE_H

#include "lib/chan.h"
#include "lib/gate.h"

enum {
	GATE_FD_TLS = 4, /* listeners, as the supervisor hands them over */
	GATE_FD_PLAIN = 5,
};

struct ca_conn {
	struct gate_conn conn; /* first */
	/* the issuer (ca_gate.issuer_nr) that knows its chain; or 0 */
	uint32_t peer_told;
	/* waiting for the issuer */
	bool called;                   /* in gate_call.c's map */
	uint64_t call;                 /* its id */
	struct gate_conn *next_waiter; /* of one OCSP ask */
	void *ask;
	struct buf items; /* of an answer that is not whole: JSON */
};

struct ca_gate {
	struct gate_port tls, plain;
	struct chan issuer;
	bool up;                        /* issuer's channel is open */
	uint32_t issuer_nr;             /* counts issuers */
	uint8_t *issuer_der, *root_der; /* owned; NULL: not known yet */
	size_t issuer_len, root_len;
	uint64_t calls_done, calls_failed, peers;
};

extern struct ca_gate ca_gate;

static inline struct ca_conn *conn_of(struct gate_conn *c)
{
	return (struct ca_conn *)c;
}

/* gate_core.c. Both listeners become the gate's; nothing is read from them before
 * gate_begin. Before confinement. */
MUST enum err gate_open(int tls_fd, int plain_fd, unsigned limit,
			struct fault *f);
void gate_begin(struct loop *l);
void gate_issuer(int fd); /* a new channel to the issuer; taken */
void gate_end(void);
/* Appends to a list for the issuer; a bug if it does not fit. */
void gate_add(struct attrs *a, const char *name, const char *value);
void gate_add_u64(struct attrs *a, const char *name, uint64_t value);

/* gate_call.c */
size_t gate_call_count(void); /* those that wait for the issuer */
void gate_call_open(void);
void gate_call_close(void);
enum MHD_Result gate_call_run(struct gate_conn *c);
enum MHD_Result gate_call_ca(struct gate_conn *c);
void gate_call_reply(const struct msg *m);
void gate_call_item(const struct msg *m);
void gate_call_forget(struct gate_conn *c); /* the client is gone */
void gate_call_lost(void);                  /* the issuer is */

/* gate_verb.c: what a call is, an item of its answer, all of the answer. */
MUST enum err gate_verb_make(const struct gate_conn *c, struct attrs *a,
			     struct fault *f);
MUST enum err gate_verb_item(struct gate_conn *c, struct attr_view v,
			     struct fault *f);
MUST enum err gate_verb_json(struct gate_conn *c, struct attr_view v,
			     struct buf *out);
void gate_verb_drop(struct gate_conn *c);

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

/* gate_cert.c */
MUST enum err gate_cert_open(struct fault *f);
void gate_cert_close(void);
void gate_cert_issuer(void); /* the issuer is there: ask */
void gate_cert_chain(void);  /* the chain is known, or another one */
bool gate_cert_reply(const struct msg *m); /* false: not one of ours */
void gate_cert_lost(void);

#endif
