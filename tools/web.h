/* HTTP for the command (libcurl): one request, its answer, nothing kept. */
#ifndef TOOLS_WEB_H
#define TOOLS_WEB_H

#include "lib/buf.h"

enum {
	WEB_CONNECT_S = 10,
	WEB_STALL_S = 30,        /* without a byte */
	WEB_JSON_MAX = 1 << 20,  /* bytes of an answer */
	WEB_PEM_MAX = 64 << 10,  /* … that is a certificate */
	WEB_CRL_MAX = 512 << 20, /* … that is a list */
};

struct web {
	const char *url;
	const char *ca_file; /* https: the only root it may end in */
	const char *json;    /* posts this; NULL: gets */
	size_t max;          /* bytes of the answer */
	unsigned seconds;    /* for all of it; 0: as long as bytes come */
};

/* The answer's bytes are appended to body. Other statuses than 200 and 201 are errors:
 * those of a problem+json (RFC 9457) with its own code and sentence. ERR_UNAVAILABLE,
 * with what to do, when nobody answers; *reached says whether anybody did. */
MUST enum err web_fetch(const struct web *w, struct buf *body, bool *reached,
			struct fault *f);

#endif
