/* A connection by HTTPS: what stands behind struct cretula where there is no socket of the
 * native protocol. Runs in clients; holds their private key only during a handshake.
 *	client -> gate	POST /v1/verbs/VERB {"list":[[NAME,VALUE],…]}
 *	gate -> client	200 {"items":[LIST,…],"reply":LIST} | problem+json */
#ifndef LIB_CLIENT_WEB_H
#define LIB_CLIENT_WEB_H

#include "lib/client.h"
#include "lib/client_http.h"

#include <cretula/agent.h>

#include <openssl/ssl.h>

enum {
	CLIENT_PIPELINE = 16, /* harmless calls on their way at once */
	CLIENT_IDENTITY_MAX = 64 << 10, /* bytes of a PEM file */
	CLIENT_CHAIN_MAX = 8,           /* certificates in one */
	CLIENT_MARK = 32,               /* SHA-256 of a certificate */
	CLIENT_WHY_MAX = 320,
	CLIENT_HOST_MAX = 253,
	CLIENT_WEB_OUT_MAX = 64 << 20,
	CLIENT_WEB_IN_MAX = CLIENT_ANSWER_MAX + (1 << 20),
};

/* A call that has been written; its answers come in this order. */
struct client_flight {
	uint32_t id;
	bool harmless;
	struct buf frame; /* of the native protocol: to be said again */
};

/* What was wrong with the server's certificate, as OpenSSL went through it. */
struct client_doubt {
	int code; /* X509_V_…; X509_V_OK: nothing */
	char subject[128], issuer[128], names[128];
};

struct client_web {
	char *host, *port;
	char *authority; /* HOST:PORT, for the Host line */
	char *identity;  /* a PEM file; NULL: an agent's */
	char *root;      /* a PEM file; NULL: who issued ours */
	struct cretula_agent
		*agent; /* the caller's; NULL: this process's own */
	bool is_agent;
	SSL_CTX *ctx;
	BIO_METHOD *wire;
	SSL *ssl; /* NULL: not connected */
	int fd;   /* for wire; the connection's */
	struct client_doubt doubt;
	uint8_t mark[CLIENT_MARK]; /* of the certificate that we showed */
	int64_t not_after;         /* … when it ends */
	bool admin;                /* … has a capability admin:DAEMON@… */
	bool renewed; /* another one was looked for; nothing was answered since */
	bool heard;   /* an answer on this connection */
	unsigned fruitless; /* connections that ended without one, in a row */
	bool refused;       /* ours was, by an alert of TLS */
	bool wants_write;
	bool blocked; /* what is queued has to wait for an answer */
	struct buf in, out;
	struct client_flight flight[CLIENT_PIPELINE];
	size_t flights;
	uint8_t pub[32]; /* the key for boxes */
	bool has_pub;
};

/* Certificate, key and roots for one handshake. */
struct client_identity {
	EVP_PKEY *key;
	X509 *cert;
	STACK_OF(X509) * chain; /* behind cert */
	X509_STORE *roots;
	uint8_t mark[CLIENT_MARK];
	int64_t not_after;
};

/* What comes of an answer for its connection. */
enum client_outcome {
	CLIENT_GOES_ON,
	CLIENT_OVER,
	CLIENT_UNSERVED, /* over, and what waits has not been served */
};

/* "https://HOST[:PORT][/]" ? */
bool client_is_url(const char *path);

/* Takes url apart and says by the presets of include/cretula/client.h where identity and
 * root come from. Nothing is connected or read. */
enum cretula_err client_web_new(const char *url, const struct cretula_tls *tls,
				struct client_web **out,
				struct cretula_error *err);
void client_web_free(struct client_web *w);

/* Of struct cretula, where c->web is: what connecting, processing, polling are. */
enum cretula_err client_web_connect(struct cretula *c, bool again,
				    uint64_t deadline,
				    struct cretula_error *err);
/* False: the connection is over; calls that may be made again have their frames. */
bool client_web_process(struct cretula *c);
short client_web_events(const struct cretula *c);
/* Nothing is waited for: is the connection of no more use? */
bool client_web_gone(struct cretula *c);

/* The first flight's call has this answer (client_web_answer.c). */
enum client_outcome client_web_answer(struct cretula *c,
				      const struct client_http *h,
				      const struct buf *body);
void client_flight_end(struct client_web *w);
/* Is there another certificate than the one we showed? Asked once until something
 * succeeds. */
bool client_web_renewed(struct client_web *w);

/* client_identity.c. again: what we have was refused. Wiped by the caller in any case. */
enum cretula_err client_identity_load(const struct client_web *w, bool again,
				      struct client_identity *id,
				      struct cretula_error *err);
void client_identity_wipe(struct client_identity *id);
/* Does its certificate say admin:DAEMON@…, of whichever node? The server decides. */
bool client_identity_admin(const struct client_identity *id,
			   const char *daemon);
/* Was this process started as an agent? */
bool client_identity_own(void);
/* Where ours is from, for error texts. */
void client_identity_name(const struct client_web *w, char out[CLIENT_WHY_MAX]);

/* client_tcp.c: *fd is connected, and does not block. */
enum cretula_err client_tcp_connect(const struct cretula *c, bool again,
				    uint64_t deadline, int *fd,
				    struct cretula_error *err);

/* client_tls.c. Shakes hands over fd, which w->ssl uses from then on. */
enum cretula_err client_tls_start(struct cretula *c, int fd,
				  const struct client_identity *id,
				  uint64_t deadline, struct cretula_error *err);
void client_tls_end(struct client_web *w);
/* Bytes; 0: would wait; -1: over, and if the server said why, err->code is not 0. */
ssize_t client_tls_read(struct cretula *c, void *p, size_t n,
			struct cretula_error *err);
ssize_t client_tls_write(struct cretula *c, const void *p, size_t n,
			 struct cretula_error *err);

#endif
