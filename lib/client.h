/* What is behind include/cretula/client.h, for the library's own files and for
 * the command. */
#ifndef LIB_CLIENT_H
#define LIB_CLIENT_H

#include "lib/attr.h"
#include "lib/http.h"

#include <cretula/client.h>

#include <sys/types.h>

enum {
	CLIENT_PROTOCOL = 1,  /* the version we speak */
	CLIENT_SUN_MAX = 100, /* longer paths go through a descriptor */
	CLIENT_ANSWER_MAX = 256 << 20, /* bytes of all items of one answer */
	CLIENT_OUT_MAX = 160 << 20,    /* queued calls */
	CLIENT_GULP = 64 << 10,        /* read at once */
	CLIENT_TIMEOUT_MS = 30000,
	CLIENT_BODY_SENT_MAX = 64 << 10,  /* a body that is sent as it is */
	CLIENT_FORM_SENT_MAX = 768 << 10, /* … if it is a form */
	CLIENT_FDS_MAX = 2,               /* descriptors beside one call */
};

#define CLIENT_RECONNECT_NS (2 * CLOCK_SECOND)
#define CLIENT_PROBE_ID     0           /* no call has it */
#define CLIENT_NO_ID        0xffffffffu /* the id of errors about the connection */

/* Which daemon: its name, and where its socket is. */
enum client_daemon {
	CLIENT_CREDD,
	CLIENT_CA,
	CLIENT_CERTMGR,
	CLIENT__DAEMONS
};

struct cretula_list {
	struct attrs a;
};

struct cretula_answer {
	struct cretula_list reply;
	struct cretula_list *item; /* owned array */
	unsigned count;
	size_t bytes; /* of all items */
};

enum call_state {
	CALL_FREE,
	CALL_WAITS,
	CALL_DONE,
};

struct client_call {
	enum call_state state;
	uint32_t id;
	bool repeats;     /* harmless to repeat, and not repeated yet */
	struct buf frame; /* kept while `repeats` */
	struct cretula_answer *answer;
	struct cretula_error err;
};

/* The call with descriptors that has not been written whole (n 0: there is none): from
 * `at` to `end` of what is queued; sent: its first byte has been, and they with it. */
struct client_fds {
	uint32_t id;
	int fd[CLIENT_FDS_MAX]; /* the caller's */
	size_t n;
	size_t at, end;
	bool sent;
};

struct client_web;

struct cretula {
	enum client_daemon daemon;
	char *path;             /* of the socket, or https://HOST:PORT */
	struct client_web *web; /* by HTTPS; NULL: by the socket */
	int fd;                 /* -1: not connected */
	pid_t pid;   /* who connected: a forked child connects anew */
	bool heard;  /* something of this connection: its front has it */
	bool probed; /* … was asked for */
	int timeout_ms;
	uint32_t next_id;
	unsigned waiting; /* calls in CALL_WAITS */
	struct buf in, out;
	struct client_fds fds;
	struct client_call call[CRETULA_IN_FLIGHT];
};

/* Fills err (may be NULL) and returns code. */
enum cretula_err client_fail(struct cretula_error *err, enum err code,
			     const char *fmt, ...) PRINTF(3, 4);
enum cretula_err client_fault(struct cretula_error *err, enum err code,
			      const struct fault *f);

/* "credd", "ca", "certmgr"; static. */
const char *client_name(enum client_daemon d);
/* The variable that says where its socket is; static. */
const char *client_env(enum client_daemon d);

/* client_fail, and nobody was reached: "credd is not reached at 'PATH': why". */
enum cretula_err client_unreached(struct cretula_error *err, enum err code,
				  const struct cretula *c, const char *why);

/* The path of api.sock, or of admin.sock beside it; owned by the caller. path NULL:
 * what the environment says, else the usual place. */
enum cretula_err client_path(enum client_daemon d, const char *path, bool admin,
			     char **out, struct cretula_error *err);

/* cretula_open and cretula_open_admin, for any daemon; and cretula_open_tls, whose
 * daemon d is the one that errors name. */
enum cretula_err client_open(enum client_daemon d, const char *path, bool admin,
			     struct cretula **c, struct cretula_error *err);
enum cretula_err client_open_tls(enum client_daemon d, const char *url,
				 const struct cretula_tls *tls,
				 struct cretula **c, struct cretula_error *err);

/* By HTTPS: does the certificate that we show say that we are an admin there? */
bool client_web_admin(const struct cretula *c);

/* Connects to c->path and says hello, by deadline (CLOCK_BOOTTIME ns). again: the
 * daemon was there a moment ago, so that a socket that is not there yet is waited
 * for. */
enum cretula_err client_connect(struct cretula *c, bool again,
				uint64_t deadline, struct cretula_error *err);

/* Nanoseconds of CLOCK_BOOTTIME at which a call that starts now times out. */
uint64_t client_deadline(const struct cretula *c);
/* What poll takes as timeout for that deadline. */
int client_poll_ms(uint64_t deadline);

/* The same as the public functions, with lists as views. */
enum cretula_err client_submit(struct cretula *c, const char *verb,
			       struct attr_view args, uint32_t *id,
			       struct cretula_error *err);
enum cretula_err client_call(struct cretula *c, const char *verb,
			     struct attr_view args, const struct attrs *box,
			     struct cretula_answer **answer,
			     struct cretula_error *err);

/* A call with n (1 or 2) descriptors beside it; fds=n is added to args. They stay the
 * caller's, who keeps them open until the call has been waited for. It is sent again
 * after a reconnect only if it had not been written whole, that is, if nobody can have
 * served it, whatever the verb. client_submit_fds: ERR_LIMITED while another such call
 * is still being written. */
enum cretula_err client_submit_fds(struct cretula *c, const char *verb,
				   struct attr_view args, const int *fd,
				   size_t n, uint32_t *id,
				   struct cretula_error *err);
enum cretula_err client_call_fds(struct cretula *c, const char *verb,
				 struct attr_view args, const int *fd, size_t n,
				 struct cretula_answer **answer,
				 struct cretula_error *err);

/* Answers (client_answer.c). */
struct cretula_answer *client_answer_new(void);
/* ERR_TOO_LARGE past CLIENT_ANSWER_MAX. */
MUST enum err client_answer_item(struct cretula_answer *a, struct attr_view v);
/* From error= text= request_id= retry_after=. */
void client_error_read(struct attr_view v, struct cretula_error *err);

/* For client_io.c, client_fds.c and client_web.c. */
/* The call of that id, if somebody waits for it, is answered with a (taken), or with err
 * if that is NULL. */
void client_answered(struct cretula *c, uint32_t id, struct cretula_answer *a,
		     const struct cretula_error *err);
/* … every one that waits, with err. */
void client_fail_waiting(struct cretula *c, const struct cretula_error *err);
/* The call of that id that waits or is done; NULL. */
struct client_call *client_find(struct cretula *c, uint32_t id);
/* client_submit; *at: where its frame begins in c->out. */
enum cretula_err client_submit_at(struct cretula *c, const char *verb,
				  struct attr_view args, uint32_t *id,
				  size_t *at, struct cretula_error *err);
/* Writes what the socket takes. False when the connection is over. */
bool client_write(struct cretula *c);
/* True if what is queued first must not be written yet: descriptors are taken only once
 * the connection's front has it, which its first message shows. */
bool client_fds_wait(const struct cretula *c);
/* If k has descriptors: its frame is the end of c->out, from `at`. */
void client_fds_mark(struct cretula *c, const struct client_call *k, size_t at);
/* If k has descriptors: they may be closed now; what is not written of it never is. */
void client_fds_forget(struct cretula *c, const struct client_call *k);

/* Seals list to the key in transport.pub beside c's socket, or that its daemon tells, into
 * out. */
enum cretula_err client_box(struct cretula *c, const struct attrs *list,
			    struct buf *out, struct cretula_error *err);

/* True for verbs that change nothing when called twice. */
bool client_is_harmless(const char *verb);

/* What is known of a body. */
struct client_body {
	const void *p;   /* NULL: only its digest is known */
	uint64_t len;    /* of the whole body */
	char sha256[65]; /* hex; computed when empty and p is there */
};

/* Digest of a body that comes in pieces. */
struct client_digest;
struct client_digest *client_digest_new(void);
void client_digest_add(struct client_digest *d, const void *p, size_t n);
/* Writes 64 hex digits and NUL; frees d. */
void client_digest_end(struct client_digest *d, char out[65]);

struct cretula_signed {
	char *head; /* owned; what request borrows from */
	struct http_request request;
	struct buf body; /* a copy, for CRETULA_SIGNED_REQUEST */
	char scheme[8];
	struct cretula_answer *answer;
	struct buf text[5]; /* by form */
};

/* A request as modules take it: method= target= header= … body= or body_sha256=,
 * then the options. op (64 bytes) and scheme (8 bytes) are taken out of the
 * options; op is "sign" if not given. */
struct client_options {
	char op[64];
	char scheme[8];
	bool raw;         /* target=raw */
	bool ignore_body; /* body=ignore */
	bool payload;     /* payload= was given */
	struct attrs rest;
};

void client_options_wipe(struct client_options *o);
enum cretula_err client_options(struct attr_view given,
				struct client_options *o,
				struct cretula_error *err);
enum cretula_err client_request(const struct http_request *r,
				const struct client_options *o,
				const struct client_body *body,
				struct attrs *out, struct cretula_error *err);

/* Signs; head is one head (http_head_ends), copied. The body is not kept. */
enum cretula_err client_sign(struct cretula *c, const char *credential,
			     const struct client_options *o, const char *head,
			     size_t head_len, const struct client_body *body,
			     struct cretula_signed **out,
			     struct cretula_error *err);

#endif
