/* The node's own certificate: inside of net_node.c, net_self.c and net_key.c. */
#ifndef CERTMGR_NET_SELF_H
#define CERTMGR_NET_SELF_H

#include "certmgr/net.h"
#include "lib/token.h"

enum {
	SELF_NODE_MAX = DN_PART_MAX,
};

/* ---- the certificate there is (net_self.c) */

struct self {
	bool there;                   /* it may be shown to the CA */
	char node[SELF_NODE_MAX + 1]; /* … and then these are known */
	char serial[2 * SERIAL_SIZE + 1];
	int64_t not_before, not_after;
	bool enrolled;           /* by that token, which is used up */
	uint8_t token[TOKEN_ID]; /* also known of a certificate that ended */
};

/* The one in the folder. want: the name it must be of, or NULL. ERR_NOT_FOUND: there is
 * none; other errors: one that is of no use, with the reason. */
MUST enum err self_load(const char *want, struct self *s, struct fault *f);
/* One that the CA made for the key in `pending`: judged, kept, and shown from now on.
 * s is as it was if it is not good. */
MUST enum err self_take(const struct attrs *pending,
			const struct answer_cert *c, const char *want,
			const uint8_t *token, struct self *s, struct fault *f);

/* ---- the next one's key (net_key.c) */

/* The key and the request in the file `name`, made and kept there if there are none: who
 * asks again, after a crash too, asks with the same. node: asked for as a DNS name, or
 * NULL. */
MUST enum err key_next(const char *name, const char *node, struct attrs *out,
		       struct fault *f);
/* JSON of POST /v1/enrol, /v1/certificates/renew. */
MUST enum err key_enrol_json(const struct attrs *next, const struct token *t,
			     struct buf *out, struct fault *f);
MUST enum err key_renew_json(const struct attrs *next, struct buf *out,
			     struct fault *f);
/* The token in the file fd (-1: none). */
MUST enum err key_token(int fd, struct token *t, struct fault *f);

#endif
