/* How a daemon is reached by HTTP, on this machine and from others: the part of its
 * supervisor, which owns the listener and reads the configuration. */
#ifndef LIB_REMOTE_H
#define LIB_REMOTE_H

#include "lib/listen.h"
#include "lib/subject.h"
#include "lib/supervisor.h"

enum {
	REMOTE_AGE_MIN = 1, /* s, of what is known of a revocation */
	REMOTE_AGE_MAX = 24 * 3600,
	REMOTE_ROOT_MS = 1000, /* looks again for what is not there yet */
};

struct remote {
	char *listen; /* where, by TLS; NULL: not at all */
	char *node;   /* this machine's name in certificates; NULL: what certmgr
			     says in the file `node` beside its sockets */
	char *ca_root;    /* path of the CA's root certificate, PEM */
	char *certmgr;    /* folder of certmgr's sockets */
	char *gate_type;  /* agent type of the gate */
	char *revocation; /* ocsp, crl */
	uint64_t max_age; /* s */
	bool fail_open;
	struct attrs admin;     /* remote_admin=NAME … */
	int tls_fd;             /* the listener */
	char at[LISTEN_AT];     /* where it is */
	struct loop_timer look; /* for the root */
};

extern struct remote remote;

/* What a daemon's decls have for it. */
#define REMOTE_DECLS                                                           \
	{ .name = "listen", .type = CONF_TEXT },                               \
		{ .name = "node", .type = CONF_TEXT },                         \
		{ .name = "gate_type", .type = CONF_TEXT, .preset = "gate" },  \
		{ .name = "revocation", .type = CONF_TEXT, .preset = "ocsp" }, \
		{ .name = "revocation_max_age",                                \
		  .type = CONF_DURATION,                                       \
		  .preset = "60s",                                             \
		  .least = REMOTE_AGE_MIN,                                     \
		  .most = REMOTE_AGE_MAX },                                    \
		{ .name = "revocation_fail",                                   \
		  .type = CONF_TEXT,                                           \
		  .preset = "closed" },                                        \
	{                                                                      \
		.name = "remote_admin", .type = CONF_TEXT                      \
	}

/* … but certmgr, which is itself where these lead to. */
#define REMOTE_DECLS_CLIENT                                                    \
	{ .name = "ca_root", .type = CONF_PATH },                              \
	{                                                                      \
		.name = "certmgr", .type = CONF_PATH                           \
	}

/* From the configuration: before anything is made. */
MUST enum err remote_configure(struct attr_view conf, struct fault *f);
/* … of certmgr: the gate's way is to its own sockets, and the root is what it publishes
 * there. */
void remote_is_certmgr(void);

/* The listener; where it is becomes the file `addresses` beside the sockets. */
MUST enum err remote_prepare(struct fault *f);

/* To SUP_START of any child:
 *	gate		[tls=yes, then its descriptor 4 is the listener] gate_type=
 *	verifier	revocation=ocsp|crl max_age=S fail=closed|open
 *	the core	node= [https=ADDRESS revocation= max_age= fail=] [remote_admin=NAME …]
 *			gate_type= [gate_uid=N] */
void remote_start(const struct sup_child *c, struct attrs *a);
size_t remote_gate_fds(const struct sup_child *c, int *fd);
/* SUP_ROOT to a verifier. */
void remote_started(const struct sup_child *c);

/* SUP_CERTMGR of a gate; false: c is none. */
bool remote_certmgr(const struct sup_child *c);

/* What certmgr knows of its node: the file `node` beside its sockets. */
void remote_publish_node(const char *name);

/* SIGHUP, or the root is there: SUP_ROOT. */
void remote_reload(void);

#endif
