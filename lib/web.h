/* HTTP requests over connections that the dialer made: by libcurl, which is told to open
 * nothing, follow nothing and resolve nothing (certmgr's net, verifiers). A request waits
 * for one of a few lanes (lib/web_lane.h), each of which keeps at most one connection.
 * One per process.
 *	this role -> dialer	DIAL	dialer -> this role	DIAL_CONNECTED, DIAL_FAILED */
#ifndef LIB_WEB_H
#define LIB_WEB_H

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/span.h"

enum {
	WEB_LANES = 8,
	WEB_HEAD_MAX = 32 << 10, /* bytes of all header lines of an answer */
	WEB_PATH_MAX = 600,
	WEB_RETRY_MAX = 86400, /* Retry-After, seconds */
	WEB_HOST = 254,        /* with NUL */
	WEB_HEADERS_MAX = 4,
};

/* What came of a request. status 0: no answer, why says so. */
struct web_answer {
	unsigned status;
	struct span body;
	uint64_t retry_after; /* 0: it does not say */
	struct fault why;
};

/* Whom to ask: SCHEME://HOST[:PORT]. */
struct web_place {
	char url[WEB_HOST + 32]; /* without a slash at the end, with the port */
	char host[WEB_HOST];     /* without brackets */
	uint16_t port;
};

/* scheme: "https" or "http", the only one that is taken. ERR_INVALID if url is no such
 * place; a slash at the end is allowed. */
MUST enum err web_place_parse(const char *scheme, const char *url,
			      struct web_place *p, struct fault *f);
/* The same with a path, which begins with a slash ("/" if there is none). ERR_INVALID for
 * user information, fragments and what may not stand in a request line. */
MUST enum err web_url_parse(const char *scheme, struct span url,
			    struct web_place *p, char path[WEB_PATH_MAX],
			    struct fault *f);

/* Embedded in its owner, zeroed at first. */
struct web_ask {
	struct web_ask *next;
	const struct web_place *place; /* stays the owner's */
	char path[WEB_PATH_MAX];
	struct buf body; /* of a POST; empty: GET. The owner's to wipe */
	bool put;        /* PUT, without a body */
	const char *
		header; /* one more line of it; the owner's; NULL: none. For one
			       request at a time */
	const char *whom; /* for error sentences; NULL: the CA */
	bool link_local; /* the place may be link-local: a cloud's metadata service */
	bool unbelieved; /* whoever answers is listened to: nothing that is asked or
			    answered may be secret, or be believed for that */
	size_t most;     /* bytes of its answer; 0: the setup's */
	bool urgent;     /* before those that wait */
	uint64_t until; /* waits no longer */
	struct lane *lane;
	bool queued;
	/* Called once, unless cancelled; may free w and start others. */
	void (*done)(struct web_ask *w, const struct web_answer *a);
};

/* How this process asks; stays valid. */
struct web_setup {
	const char *agent;  /* User-Agent */
	const char *scheme; /* the only one; or several, with commas */
	const char *header[WEB_HEADERS_MAX]; /* the rest is NULL */
	size_t body_max;                     /* of an answer */
	uint64_t ask_time;         /* ns of one request from its turn on,
						    connecting included */
	uint64_t wait_time;        /* … how long it waits for that */
	const struct web_tls *tls; /* NULL: none */
};

/* TLS, of who wants it. root: PEM of the only certificate that chains may end in; empty:
 * none is known yet, and only what is `unbelieved` can be asked.
 * on_context(SSL_CTX): false if it cannot be used. warm: what OpenSSL does but once. */
struct web_tls {
	struct span (*root)(void);
	bool (*on_context)(void *ctx);
	void (*warm)(void);
};

/* Before confinement: everything that libcurl and OpenSSL open or ask the kernel for
 * but once. Ends the process if libcurl is not there. */
void web_open(struct loop *l, const struct web_setup *s);
/* The dialer's channel; fd is taken. */
void web_dialer(int fd);
void web_start(struct web_ask *w);
/* Takes w back. Who has cancelled all he wants then says web_next. */
void web_cancel(struct web_ask *w);
void web_next(void);
/* Connections that are kept were made as somebody else: they are not used again. */
void web_forget(void);
/* The root is another one now. */
void web_root_changed(void);

struct msg;
/* Asks the dialer for the TXT records of a name (DIAL_TXT): done is called once, with its
 * answer, unless cancelled. One at a time. */
void web_txt(const char *name, void (*done)(const struct msg *m));
void web_txt_cancel(void);

#endif
