/* What the files of certmgr's net share: requests to the CA (lib/web.h), by TLS with the
 * node's certificate (net_tls.c), what it answers (net_answer.c), whom to believe
 * (net_trust.c), files (net_file.c), the node's own certificate (net_node.c) and what
 * keeper wants (net_errand.c). */
#ifndef CERTMGR_NET_H
#define CERTMGR_NET_H

#include "certmgr/kinds.h"
#include "lib/cert.h"
#include "lib/chan.h"
#include "lib/secret.h"
#include "lib/signkey.h"
#include "lib/web.h"

enum {
	NET_BODY_MAX = 128 << 10, /* bytes of an answer */
	NET_ASK_MAX = 64 << 10,   /* … of a request's body: what ca takes */
	NET_PATH_MAX = 128,
};

/* ---- requests (net_tls.c) */

/* Before confinement: lib/web.h, with TLS. */
void net_web_open(struct loop *l);
/* Where the CA is, and DER of the only certificate that its chain may end in. */
void net_point(const struct web_place *p, struct span root);
const struct web_place *net_place(void);

/* An SSL_CTX gets the certificate and key that are shown now; false: there are none. */
bool net_show_certificate(void *ctx);

/* The certificate that connections show from now on: those that are kept, made with
 * another or without one, are not used again. key: PKCS#8; NULL: none is shown. */
MUST enum err web_identify(const struct span *key, struct span cert,
			   struct span issuing, struct fault *f);

/* ---- answers (net_answer.c): pure functions of what came */

enum outcome {
	OUTCOME_DONE,    /* 200 */
	OUTCOME_FINAL,   /* the CA itself says no */
	OUTCOME_REFUSED, /* it does not take our certificate (401) */
	OUTCOME_BUSY,    /* 429: it answers, but not this now */
	OUTCOME_AWAY,    /* no answer, or 5xx */
	OUTCOME_STRANGE, /* an answer that is none of the CA's */
};

/* f says why, unless it is OUTCOME_DONE. */
enum outcome answer_outcome(const struct web_answer *a, struct fault *f);

/* A certificate and the one above it. */
struct answer_cert {
	struct buf cert, issuing; /* DER */
	int64_t verify_by;        /* 0: it need not be */
};
void answer_cert_wipe(struct answer_cert *c); /* AUTO-able, if zeroed */
MUST enum err answer_cert_parse(struct span body, struct answer_cert *out,
				struct fault *f);
/* GET /v1/ca: the issuing CA's certificate, the root's, DER appended. */
MUST enum err answer_issuing(struct span body, struct buf *out,
			     struct fault *f);
MUST enum err answer_root(struct span body, struct buf *out, struct fault *f);

/* ---- trust (net_trust.c) */

void trust_open(void);
/* The root certificate: in the file, PEM; or DER. Another than before: the issuing CA is
 * not known any more. */
MUST enum err trust_read_root(int fd, struct fault *f);
MUST enum err trust_set_root(struct span der, struct fault *f);
struct span trust_root(void);    /* empty while none is known */
struct span trust_issuing(void); /* empty while none is known */

/* A certificate of the issuing CA: signed by the root, a CA's, valid now. Keeps it.
 * *changed: it is another than before. */
MUST enum err trust_take_issuing(struct span der, bool *changed,
				 struct fault *f);
/* A certificate by the issuing CA that is kept, for that key, for a TLS client, valid
 * now or later. */
MUST enum err trust_check(struct span der, struct span spki, struct cert *c,
			  struct fault *f);
/* Takes apart without judging. */
MUST enum err trust_parse(struct span der, struct cert *c, struct fault *f);

/* ---- files of the state folder (net_file.c): attribute lists, whole or not at all */

/* Appends the file's attributes, in secret memory. ERR_NOT_FOUND without a sentence. */
MUST enum err net_file_read(const char *name, struct attrs *out,
			    struct fault *f);
MUST enum err net_file_write(const char *name, const struct attrs *a,
			     struct fault *f);
void net_file_drop(const char *name);

/* ---- the supervisor (net.c) */

void net_tell_supervisor(uint32_t kind, struct attr_view a);

/* ---- this node (net_node.c) */

/* name: of this node; NULL: whatever the token says. */
void node_open(struct loop *l, const char *name);
/* The token's file, or -1; taken. */
void node_token(int fd);
/* After SIGHUP: there may be something new. */
void node_look_again(void);
/* After confinement: what there is, and what is to be done first. */
void node_begin(void);
/* A new keeper: says what we are. */
void node_greet(struct chan *keeper);

/* The name of this node; NULL while there is no certificate that is good. Then
 * f says why. */
const char *node_name(struct fault *f);
/* What an errand of keeper's met: whether the CA answers, whether it takes us. */
void node_met(enum outcome o, const struct fault *f);
/* A certificate came with one of the issuing CA: is that still the one we know? */
MUST enum err node_issuing(struct span der, struct fault *f);

/* ---- what keeper wants (net_errand.c) */

void errand_issue(struct chan *keeper, const struct msg *m);
void errand_revoke(struct chan *keeper, const struct msg *m);
/* The keeper is gone: nobody waits for any of them. */
void errands_drop(void);

#endif
