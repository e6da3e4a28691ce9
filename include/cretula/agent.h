/* libcretula: a certificate for a process that was started as an agent.
 *
 * certmgr, Cretula's daemon on each node, makes a key and an X.509 certificate for every
 * agent. The agent has an id and a one-time token from whoever started it (`cretula agent
 * run`, or cretula_agent_spawn below) and claims with them: the kernel calls certmgr
 * (request_key(2)) and a key in the process keyring then holds certificate, chain and
 * private key; the library copies that into locked memory and removes the key.
 *
 *	struct cretula_error err;
 *	struct cretula_agent *a;
 *	int changed;
 *
 *	if (cretula_agent_new(&a, &err) || cretula_agent_claim(a, &err))
 *		die(err.text);
 *	if (cretula_agent_use(a, ssl_ctx, &err))
 *		die(err.text);
 *	for (;;) {
 *		… poll cretula_agent_fd(a) for POLLIN beside your own descriptors …
 *		if (readable &&
 *		    !cretula_agent_renew(a, &changed, &err) && changed)
 *			cretula_agent_use(a, ssl_ctx, &err);
 *	}
 *
 * examples/c/serve.c is all of it. Link with -lcretula; its static form needs -lssl
 * -lcrypto -lsodium besides.
 *
 * Conventions are those of <cretula/client.h>, and
 * - Threads: an agent is one thread's at a time; guard it if several use it. A claim runs
 *   in a short-lived thread of the library's, which gets none of the process's signals:
 *   others can put keys into the session keyring, so that it must not be searched.
 * - fork: the certificate is the process's that claimed. A forked child has a copy of
 *   the memory, as with every secret, until it execs; it gets CRETULA_ERR_DENIED from
 *   every function here that can fail, and may only call cretula_agent_free, which then
 *   leaves the parent's copy alone. exec ends the right to claim for good.
 * - Times are seconds of the wall clock (since 1970-01-01T00:00:00Z).
 * - Locked memory: RLIMIT_MEMLOCK has to leave about 10 pages; without them the process
 *   ends.
 *
 * Sources: docs/keyring.md of Cretula (the payload, what the errors mean), keyrings(7),
 * request_key(2), process-keyring(7), RFC 5280 (certificates), RFC 7468 (PEM), RFC 5208
 * (PKCS #8), RFC 9562 (agent ids are UUIDv7).
 */
#ifndef CRETULA_AGENT_H
#define CRETULA_AGENT_H

#include <cretula/client.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cretula_agent;
struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* INSTANCE:AGENT-ID, 8 hex digits and a UUID, and its NUL. */
#define CRETULA_AGENT_NAME 46
/* The path of an agent's folder, and its NUL. */
#define CRETULA_AGENT_DIR 512

/* ---- The agent's side --------------------------------------------------- */

/* Reads who this process is from CRETULA_AGENT (INSTANCE:AGENT-ID) and its token from
 * the descriptor that CRETULA_TOKEN_FD names, until its end (at most 30 s), and closes
 * that; or, for programs whose parent can do nothing else, from CRETULA_TOKEN, which is
 * weaker: every process of the same user can read the environment. The two variables are
 * removed from the environment and the token's text there overwritten; the token stays in
 * locked memory, as every claim needs it. Not to be called while other threads use the
 * environment (getenv(3)). End with cretula_agent_free.
 * CRETULA_ERR_NOT_FOUND: this process was not started as an agent;
 * CRETULA_ERR_INVALID: a variable or the token is damaged, or it is another agent's;
 * CRETULA_ERR_UNSUPPORTED: a token of a later version;
 * CRETULA_ERR_UNAVAILABLE, CRETULA_ERR_TIMEOUT: the token cannot be read. */
CRETULA_API enum cretula_err cretula_agent_new(struct cretula_agent **a,
					       struct cretula_error *err);

/* Wipes and frees; closes the descriptor of cretula_agent_fd. */
CRETULA_API void cretula_agent_free(struct cretula_agent *a);

enum cretula_agent_flag {
	/* Leave PR_SET_DUMPABLE alone. Without it a claim first sets it to 0 (prctl(2)),
	 * so that other processes of the same user can neither ptrace this one nor read
	 * its memory, nor it leaves a core file. Set this only to debug, or where
	 * something else keeps them away (a uid of its own, Yama). */
	CRETULA_AGENT_DUMPABLE = 1 << 0,
	/* Never ask over certmgr's socket. */
	CRETULA_AGENT_KEYRING_ONLY = 1 << 1,
	/* Never use the kernel's keyring. */
	CRETULA_AGENT_SOCKET_ONLY = 1 << 2,
	/* cretula_agent_use also demands a certificate of the other side, issued by
	 * the CA that issued this one: of whoever connects to a server, and of the
	 * server a client connects to (whose name is the client's to check). Whether
	 * it was revoked is not asked. */
	CRETULA_AGENT_VERIFY_PEERS = 1 << 3,
};

/* Which of these hold from now on; none at first. */
CRETULA_API void cretula_agent_set(struct cretula_agent *a, unsigned flags);

/* Claims: asks for the certificate by request_key("user",
 * "cretula:cert:INSTANCE:AGENT-ID", token, process keyring), reads the key once and
 * removes it from the keyring. It blocks for as long as certmgr takes, 8 s at most.
 *
 * Where the keyring cannot be used (the kernel or a container's seccomp filter hides it:
 * ENOSYS, EPERM, EOPNOTSUPP; no thread can be started: EAGAIN) or has no answer (ENOKEY:
 * no certmgr is registered for the kernel's calls, its helper failed, or the certificate
 * is not there yet), it asks over certmgr's socket ($CRETULA_CERTMGR or the usual place):
 * the same rights, the same certificate; cretula_agent_way says which way it went. A
 * refusal is final for this claim, whichever way it came.
 *
 * After an error what was claimed before stays in use. May be called again at any
 * time, which is how it is renewed; cretula_agent_renew also says whether it is new.
 *
 * CRETULA_ERR_DENIED: not this process's, or the CA makes no certificate for it
 * (EACCES); or the agent was revoked, or this process has executed another program since
 * it claimed (EKEYREVOKED); or this is a forked child;
 * CRETULA_ERR_UNAUTHENTICATED: the token is not that agent's (EKEYREJECTED);
 * CRETULA_ERR_EXPIRED: the token was not used in time, or the certificate has expired
 * and there is no new one (EKEYEXPIRED);
 * CRETULA_ERR_LIMITED: the user's quota of keys is used up (EDQUOT): raise
 * kernel.keys.maxkeys and kernel.keys.maxbytes by sysctl(8);
 * CRETULA_ERR_PENDING, CRETULA_ERR_UNAVAILABLE, CRETULA_ERR_TIMEOUT: not now, the CA or
 * certmgr is away: again later;
 * CRETULA_ERR_INVALID: what the key holds is no certificate of this agent. */
CRETULA_API enum cretula_err cretula_agent_claim(struct cretula_agent *a,
						 struct cretula_error *err);

/* How the last claim that succeeded went. */
enum cretula_way {
	CRETULA_WAY_NONE, /* nothing is claimed yet */
	CRETULA_WAY_KEYRING,
	CRETULA_WAY_SOCKET,
};
CRETULA_API enum cretula_way cretula_agent_way(const struct cretula_agent *a);
/* "keyring", "socket", "none"; static. */
CRETULA_API const char *cretula_way_name(enum cretula_way w);
/* Why it went by the socket, a sentence; "" if it did not. */
CRETULA_API const char *cretula_agent_why(const struct cretula_agent *a);

/* INSTANCE:AGENT-ID, and its second half. */
CRETULA_API const char *cretula_agent_name(const struct cretula_agent *a);
CRETULA_API const char *cretula_agent_id(const struct cretula_agent *a);

/* What was claimed, as PEM: the agent's certificate; the CA certificates behind it,
 * the one that issued it first; the private key (PKCS #8), in locked memory. *len (may
 * be NULL): bytes. NUL-terminated. Valid until the next claim that succeeds; NULL
 * before the first. */
CRETULA_API const char *cretula_agent_certificate(const struct cretula_agent *a,
						  size_t *len);
CRETULA_API const char *cretula_agent_chain(const struct cretula_agent *a,
					    size_t *len);
CRETULA_API const char *cretula_agent_key(const struct cretula_agent *a,
					  size_t *len);

/* Its serial in hex; "" before the first claim. */
CRETULA_API const char *cretula_agent_serial(const struct cretula_agent *a);
/* When it ends, and when two thirds of its life are over; 0 before the first claim. */
CRETULA_API int64_t cretula_agent_not_after(const struct cretula_agent *a);
CRETULA_API int64_t cretula_agent_renew_at(const struct cretula_agent *a);

/* A descriptor to poll for POLLIN: readable when it is time to claim again, which is
 * at renew_at, or, after a claim that failed or gave the same certificate again, some
 * seconds to minutes later (5 s, doubled each time up to 5 minutes, never more than a
 * quarter of the life that is left; a fourth of it at random). It is a timerfd (of the
 * wall clock); leave reading it to cretula_agent_renew. It belongs to the agent and
 * stays the same. */
CRETULA_API int cretula_agent_fd(const struct cretula_agent *a);

/* To be called when the descriptor is readable: claims again. *changed (may be NULL)
 * is 1 if there is another certificate than before, else 0. Errors: those of
 * cretula_agent_claim; the descriptor tells when to try again. */
CRETULA_API enum cretula_err cretula_agent_renew(struct cretula_agent *a,
						 int *changed,
						 struct cretula_error *err);

/* Puts certificate, chain and private key into an SSL_CTX, at once or not at all.
 * Connections that are there already (SSL objects) keep what they were made with; new
 * ones get the new. No other thread may make an SSL object from ctx meanwhile
 * (SSL_new(3) is not safe against it). OpenSSL holds the private key in ordinary
 * memory. With CRETULA_AGENT_VERIFY_PEERS it also sets the certificates that peers are
 * verified by, the list of CAs a server names, and the verify mode.
 * CRETULA_ERR_NOT_FOUND: nothing is claimed yet; CRETULA_ERR_INVALID: OpenSSL refuses
 * it, with its reason. */
CRETULA_API enum cretula_err cretula_agent_use(struct cretula_agent *a,
					       struct ssl_ctx_st *ctx,
					       struct cretula_error *err);

/* ---- The side of who starts agents -------------------------------------- */

/* As cretula_open, for certmgr: path NULL: $CRETULA_CERTMGR, else (not root, and it
 * exists) $XDG_RUNTIME_DIR/cretula/certmgr/api.sock, else
 * /run/cretula/certmgr/api.sock. */
CRETULA_API enum cretula_err cretula_open_certmgr(const char *path,
						  struct cretula **c,
						  struct cretula_error *err);
/* The same for admin.sock beside that socket. */
CRETULA_API enum cretula_err cretula_open_certmgr_admin(
	const char *path, struct cretula **c, struct cretula_error *err);

/* An agent to be started: what its process needs. */
struct cretula_agent_ref {
	char name[CRETULA_AGENT_NAME]; /* for its CRETULA_AGENT */
	/* Gives the token once and then ends; close-on-exec: have the child clear that
	 * (fcntl(2), FD_CLOEXEC) and name it in CRETULA_TOKEN_FD. Yours to close. */
	int token_fd;
	/* Its folder in the file view, for its CRETULA_DIR; "" without one. */
	char dir[CRETULA_AGENT_DIR];
};

/* A new agent of that type, over a connection to certmgr; the caller needs a grant for
 * it. options (NULL: none): uid= view=yes|self name= uri= lifetime= on_renew= wait=yes
 * as docs/protocol.md has them for agent.spawn. pidfd: of the child that shall be the
 * agent, which is then the only one that can claim, so that a stolen token is of no
 * use; -1: whoever claims first. It stays yours. The answer comes at once; key and
 * certificate are made meanwhile (with wait=yes it comes when they are there, or
 * cannot be had).
 * CRETULA_ERR_DENIED: no grant; CRETULA_ERR_INVALID: an option; those of cretula_call. */
CRETULA_API enum cretula_err cretula_agent_spawn(
	struct cretula *c, const char *type, const struct cretula_list *options,
	int pidfd, struct cretula_agent_ref *out, struct cretula_error *err);

#ifdef __cplusplus
}
#endif

#endif
