/* libcretula: use secrets that you never hold.
 *
 * credd, Cretula's daemon, keeps provider secrets sealed and signs requests for
 * those who have a grant. A program that links this library asks it to; the secret
 * stays where it is. Link with -lcretula (which needs libsodium, libcrypto and libssl).
 *
 *	struct cretula_error err;
 *	struct cretula *c;
 *	struct cretula_signed *s;
 *	struct cretula_text t;
 *
 *	if (cretula_open(NULL, &c, &err))
 *		die(err.text);
 *	if (cretula_sign_http(c, "prod", NULL, request, strlen(request), &s, &err))
 *		die(err.text);
 *	if (cretula_signed_get(s, CRETULA_SIGNED_REQUEST, &t, &err))
 *		die(err.text);
 *	write(fd, t.p, t.len);
 *	cretula_signed_free(s);
 *	cretula_close(c);
 *
 * Conventions
 * - Functions that can fail return enum cretula_err: 0 is success. On failure
 *   results are left alone and *err (may be NULL) says what happened in a sentence
 *   fit to be shown. An error text never holds a secret.
 * - Strings are NUL-terminated unless a length goes with them; values of attributes
 *   are bytes and may hold NUL.
 * - What an `_open`, `_new` or out-parameter gave you is yours to end with the
 *   `_close` or `_free` of its noun; those take NULL. `const` results are borrowed
 *   and live as long as what they were taken from is unchanged.
 * - Times are milliseconds of CLOCK_BOOTTIME (they count suspended time).
 * - A connection is one thread's at a time: guard it, or open one each. After
 *   fork() the child's first use connects anew, because credd knows the process
 *   behind each connection.
 * - No memory: the process ends (abort), as every size here is bounded.
 *
 * Sources: the native protocol and its verbs are docs/protocol.md of Cretula; HTTP
 * request text is RFC 9112 (message syntax) and RFC 9110 (fields).
 */
#ifndef CRETULA_CLIENT_H
#define CRETULA_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CRETULA_API __attribute__((visibility("default")))

/* ---- Errors ------------------------------------------------------------- */

/* The closed set of errors of all of Cretula. */
enum cretula_err {
	CRETULA_ERR_NONE = 0,
	CRETULA_ERR_DENIED,          /* no grant allows this */
	CRETULA_ERR_UNAUTHENTICATED, /* who asks could not be established */
	CRETULA_ERR_NOT_FOUND,
	CRETULA_ERR_EXISTS,
	CRETULA_ERR_INVALID, /* the request is wrong; the text says how */
	CRETULA_ERR_SEALED,  /* the store is sealed: `cretula unseal` */
	CRETULA_ERR_EXPIRED,
	CRETULA_ERR_LIMITED,  /* over a quota: again after retry_after */
	CRETULA_ERR_CONFLICT, /* changed meanwhile: look again */
	CRETULA_ERR_PENDING,
	CRETULA_ERR_UNAVAILABLE, /* cannot be answered now */
	CRETULA_ERR_TIMEOUT,
	CRETULA_ERR_MODULE_FAILED, /* the module's process failed */
	CRETULA_ERR_TOO_LARGE,
	CRETULA_ERR_UNSUPPORTED,
	CRETULA_ERR_INTERNAL,
};

struct cretula_error {
	enum cretula_err code;
	int reached;          /* 0: no daemon answered; the rest is ours */
	unsigned retry_after; /* seconds; 0: not said */
	char request_id[64];  /* of the daemon's records; "" if it gave none */
	char text[512];       /* what failed, why, and what to do */
};

/* "denied", "not_found", …; static. */
CRETULA_API const char *cretula_err_name(enum cretula_err e);

/* ---- Attribute lists ---------------------------------------------------- */

/* An ordered list of name=value: what every request and reply is. Names are
 * [a-z][a-z0-9_.-]* of at most 64 bytes and may repeat. Limits: 4096 attributes,
 * just under 1 MiB in all. */
struct cretula_list;

/* One attribute, borrowed from its list. */
struct cretula_item {
	const char *name; /* name_len bytes, NOT NUL-terminated */
	size_t name_len;
	const unsigned char *value;
	size_t len;
	int confidential; /* 1: there is one, its value is not shown */
};

CRETULA_API struct cretula_list *cretula_list_new(void);

/* For confidential values: lives in locked memory between guard pages, left out
 * of core files, wiped when freed. The process needs RLIMIT_MEMLOCK for a few
 * pages; without it the process ends. */
CRETULA_API struct cretula_list *cretula_list_new_secret(void);
CRETULA_API void cretula_list_free(struct cretula_list *l);

/* Appends one attribute; value is copied. CRETULA_ERR_INVALID for a name that is
 * none, CRETULA_ERR_TOO_LARGE past a limit. */
CRETULA_API enum cretula_err cretula_list_add(struct cretula_list *l,
					      const char *name,
					      const void *value, size_t len);
CRETULA_API enum cretula_err cretula_list_add_str(struct cretula_list *l,
						  const char *name,
						  const char *value);
/* Appends an attribute whose value is the list `inner`. */
CRETULA_API enum cretula_err cretula_list_add_list(
	struct cretula_list *l, const char *name,
	const struct cretula_list *inner);

CRETULA_API unsigned cretula_list_count(const struct cretula_list *l);

/* Steps through a list: size_t at = 0; while (cretula_list_next(l, &at, &item)) …
 * Returns 0 at the end. */
CRETULA_API int cretula_list_next(const struct cretula_list *l, size_t *at,
				  struct cretula_item *item);

/* The first attribute of that name; 0 if there is none. */
CRETULA_API int cretula_list_find(const struct cretula_list *l,
				  const char *name, struct cretula_item *item);

/* A new list from the bytes of an attribute whose value is a list itself (LIST in
 * docs/protocol.md). CRETULA_ERR_INVALID if they are none. */
CRETULA_API enum cretula_err cretula_list_open(const void *bytes, size_t len,
					       struct cretula_list **l);

/* ---- Connections -------------------------------------------------------- */

struct cretula;

/* Connects and says hello. path: of the socket, bare or as unix://PATH, or
 * https://HOST:PORT (cretula_open_tls with nothing but presets); NULL:
 * $CRETULA_CREDD, else (not root, and it exists)
 * $XDG_RUNTIME_DIR/cretula/credd/api.sock, else /run/cretula/credd/api.sock. */
CRETULA_API enum cretula_err cretula_open(const char *path, struct cretula **c,
					  struct cretula_error *err);

/* The same for admin.sock beside that socket: verbs marked A. By https there is one
 * address: to be an admin is a capability of the certificate (admin:credd@NODE). */
CRETULA_API enum cretula_err cretula_open_admin(const char *path,
						struct cretula **c,
						struct cretula_error *err);

struct cretula_agent; /* <cretula/agent.h> */

/* Who we are by HTTPS, and whom we believe. What is NULL comes from, in this order:
 * identity: agent; $CRETULA_IDENTITY; $CRETULA_DIR/bundle.pem, if it is there; what
 *	this process claims as an agent, if it was started as one and nobody called
 *	cretula_agent_new before.
 * ca: $CRETULA_CA_ROOT; $CRETULA_DIR/ca.pem, if it is there; the CA certificates
 *	behind our own; /run/cretula/certmgr/root.pem. */
struct cretula_tls {
	/* A PEM file: private key (PKCS #8, not encrypted), its certificate, the CA
	 * certificates behind it, in any order. */
	const char *identity;
	/* A PEM file: the server's chain has to end in a certificate of it. No other
	 * root of this system is believed. */
	const char *ca;
	/* Its certificate; it is claimed, and claimed again when it is time. Stays
	 * yours, and the same thread's, until the connection is closed. */
	struct cretula_agent *agent;
};

/* Connects by TLS 1.2 or 1.3 to url, https://HOST:PORT (NULL: $CRETULA_CREDD), of credd or
 * certmgr. The server has to be HOST by its certificate, and we show ours. All calls
 * then travel as HTTP (docs/http.md of Cretula); everything below holds the same, but
 * - calls are answered one after the other; one that changes something waits until all
 *   before it are answered, and those behind it wait for it;
 * - descriptors cannot travel (cretula_agent_spawn, claims: CRETULA_ERR_UNSUPPORTED);
 * - names are looked up by getaddrinfo(3), which has time limits of its own.
 * Identity and root are read anew for every connection, so that one that was renewed is
 * used by the next; the private key is in memory until the handshake is over (an agent's
 * always, locked). If the server says that our certificate has expired, or cannot be
 * taken, another one is looked for, claimed if we are an agent, once, and the calls made
 * again with that.
 * CRETULA_ERR_UNAUTHENTICATED, with reached 1: the server's chain does not end in our
 * root, or it is for another name, or ours was refused, and the text says which;
 * CRETULA_ERR_INVALID: url, identity or ca cannot be used; those of cretula_agent_claim. */
CRETULA_API enum cretula_err cretula_open_tls(const char *url,
					      const struct cretula_tls *tls,
					      struct cretula **c,
					      struct cretula_error *err);

/* Ends the connection; calls in flight are forgotten. */
CRETULA_API void cretula_close(struct cretula *c);

/* How long a blocking call may take, from here on; 30,000 ms at first. An answer
 * that comes later is dropped. -1: no limit. */
CRETULA_API void cretula_timeout(struct cretula *c, int ms);

/* ---- Calls -------------------------------------------------------------- */

/* An answer: a reply list, and for verbs that list things an item list each. */
struct cretula_answer;

CRETULA_API const struct cretula_list *cretula_answer_reply(
	const struct cretula_answer *a);
CRETULA_API unsigned cretula_answer_count(const struct cretula_answer *a);
/* Item number i, below the count. */
CRETULA_API const struct cretula_list *cretula_answer_item(
	const struct cretula_answer *a, unsigned i);
CRETULA_API void cretula_answer_free(struct cretula_answer *a);

/* Calls a verb of docs/protocol.md and waits for its answer. args: its attributes
 * (NULL: none). box: confidential ones (NULL: none), which the library seals to the
 * key in transport.pub beside the socket, or by HTTPS the one that the verb transport
 * tells (libsodium's crypto_box_seal), so that no
 * process between you and the vault reads them; if the daemon meanwhile has another
 * key, it is read anew and the call made once more.
 *
 * A connection that ends before the answer is made anew, and the call repeated,
 * once, if repeating is harmless: run, status, tests and lists. For others you get
 * CRETULA_ERR_UNAVAILABLE and have to look whether it was done. */
CRETULA_API enum cretula_err cretula_call(struct cretula *c, const char *verb,
					  const struct cretula_list *args,
					  const struct cretula_list *box,
					  struct cretula_answer **answer,
					  struct cretula_error *err);

/* Pipelining: up to CRETULA_IN_FLIGHT calls wait for answers at once; answers
 * come in any order. Submitting only queues: what is queued is written, in one
 * batch, by the next cretula_wait or cretula_process. *id names the call.
 * CRETULA_ERR_LIMITED when too many are in flight. */
#define CRETULA_IN_FLIGHT 128
CRETULA_API enum cretula_err cretula_submit(struct cretula *c, const char *verb,
					    const struct cretula_list *args,
					    uint32_t *id,
					    struct cretula_error *err);

/* Waits for the answer to call id, while answers to others are collected.
 * Returns the call's error if it failed; CRETULA_ERR_TIMEOUT when the time is over,
 * and the call is then forgotten. CRETULA_ERR_NOT_FOUND for an unknown id. */
CRETULA_API enum cretula_err cretula_wait(struct cretula *c, uint32_t id,
					  struct cretula_answer **answer,
					  struct cretula_error *err);

/* Waits until any call is answered and names it; cretula_wait then returns at
 * once. CRETULA_ERR_NOT_FOUND if none is in flight; CRETULA_ERR_TIMEOUT forgets
 * nothing. */
CRETULA_API enum cretula_err cretula_wait_any(struct cretula *c, uint32_t *id,
					      struct cretula_error *err);

/* For an event loop: poll cretula_fd for cretula_events (POLLIN, and POLLOUT while
 * something is queued), then call cretula_process, which reads and writes what it
 * can without waiting, then take what is answered: cretula_ready gives the id of
 * one answered call or 0. The descriptor may change in cretula_process and is -1
 * while there is no connection (the next submit makes one). When a connection was
 * lost, cretula_process may take up to two seconds to make it anew. */
CRETULA_API int cretula_fd(const struct cretula *c);
CRETULA_API short cretula_events(const struct cretula *c);
CRETULA_API void cretula_process(struct cretula *c);
CRETULA_API int cretula_ready(const struct cretula *c, uint32_t *id);

/* ---- Signing ------------------------------------------------------------ */

/* Runs an operation of a credential's module on a request that is an attribute
 * list, for modules that do not sign HTTP. op NULL: "sign". */
CRETULA_API enum cretula_err cretula_run(struct cretula *c,
					 const char *credential, const char *op,
					 const struct cretula_list *request,
					 struct cretula_answer **answer,
					 struct cretula_error *err);

/* A signed HTTP request. */
struct cretula_signed;

/* Signs the HTTP/1.1 request in text[0..len): request line, header lines, blank
 * line, body; the blank line may be missing when there is no body; lines end in LF
 * or CRLF; folded lines are joined by one blank; everything else is strict. At most
 * 64 KiB of target, 1 MiB of head and 1000 header lines; the body is not limited by
 * us: it is sent to credd only if it is a form or at most 64 KiB, else as its
 * SHA-256.
 *
 * options (NULL: none): op=sign|presign, the module's own attributes (aws-sigv4:
 * region= service= time= payload= …), expires= as a duration (90s, 15m) or bare
 * seconds, body=sign|ignore, target=wire|raw, scheme=https|http for the URL. */
CRETULA_API enum cretula_err cretula_sign_http(
	struct cretula *c, const char *credential,
	const struct cretula_list *options, const void *text, size_t len,
	struct cretula_signed **s, struct cretula_error *err);

/* The same for a request in parts. Strings hold neither CR nor LF. */
struct cretula_request {
	const char *method;        /* "GET" */
	const char *target;        /* "/bucket/key?versionId=1" */
	const char *const *header; /* "Name: value", NULL at the end */
	const void *body;          /* NULL: none, or only its digest */
	size_t body_len;
	const char *body_sha256; /* 64 hex digits of a body we do not see;
				    NULL: computed from body */
};
CRETULA_API enum cretula_err cretula_sign_request(
	struct cretula *c, const char *credential,
	const struct cretula_list *options,
	const struct cretula_request *request, struct cretula_signed **s,
	struct cretula_error *err);

enum cretula_form {
	CRETULA_SIGNED_REQUEST, /* the whole request, body included */
	CRETULA_SIGNED_HEAD,    /* the same without the body */
	CRETULA_SIGNED_HEADERS, /* the header lines that were added */
	CRETULA_SIGNED_TARGET,  /* the request target, signed query included */
	CRETULA_SIGNED_URL,     /* SCHEME://HOST and the target */
};

struct cretula_text {
	const char *p; /* NUL-terminated as well; owned by the cretula_signed */
	size_t len;
};

/* The signed request in that form. A second call with the same form gives the same
 * bytes. CRETULA_ERR_INVALID for a URL when nothing was added to it. */
CRETULA_API enum cretula_err cretula_signed_get(struct cretula_signed *s,
						enum cretula_form form,
						struct cretula_text *text,
						struct cretula_error *err);

/* What the module replied: header= and query= to add, and what it tells besides
 * (canonical_request=, string_to_sign=, …). */
CRETULA_API const struct cretula_list *cretula_signed_reply(
	const struct cretula_signed *s);
CRETULA_API void cretula_signed_free(struct cretula_signed *s);

#ifdef __cplusplus
}
#endif

#endif
