/* The answer to an HTTP/1.1 request (RFC 9112) as a gate of ours gives it: a status, few
 * headers that matter, a body by length, in chunks or until the end. Strict, and nothing
 * is kept that is not asked for. Runs in clients. */
#ifndef LIB_CLIENT_HTTP_H
#define LIB_CLIENT_HTTP_H

#include "lib/buf.h"

enum {
	CLIENT_HTTP_HEAD_MAX = 64 << 10,
};

struct client_http {
	unsigned status;
	bool close;           /* the server ends the connection after it */
	bool problem;         /* its body is problem+json (RFC 9457) */
	bool json;            /* … or another JSON text */
	unsigned retry_after; /* seconds; 0: not said */
};

/* Takes one answer from the front of in: what it says into h, its body appended to body
 * (whose max is the bound). ended: nothing follows what is in `in`. ERR_PENDING: it is
 * not all there yet; ERR_INVALID or ERR_TOO_LARGE with the reason: it never will be; in
 * all three nothing is taken and body is as it was. An interim answer (1xx) is one of its
 * own. */
MUST enum err client_http_take(struct buf *in, bool ended,
			       struct client_http *h, struct buf *body,
			       struct fault *f);

#endif
