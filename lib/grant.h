/* A grant: who may run which operation of which credential within which limits, or
 * who may start agents of which types. It is written as an attribute list
 * (docs/grants.md) and decided by a pure function of grant, subject, request and time. */
#ifndef LIB_GRANT_H
#define LIB_GRANT_H

#include "lib/attr.h"
#include "lib/subject.h"

#include "cretula/module.h" /* enum cretula_reveal */

enum {
	GRANT_ITEMS_MAX = 256, /* values of one name */
	GRANT_PAIRS_MAX =
		1024, /* credentials (types) times uids (units, gids) */
	GRANT_BYTES_MAX = 64 << 10,
	GRANT_CREDENTIAL_MAX = 128,
};

/* Names whose values are sets of texts. */
enum grant_name {
	GRANT_CREDENTIAL,
	GRANT_AGENT, /* types, or `*` alone: all of them */
	GRANT_OP,
	GRANT_EXE,
	GRANT_UNIT,
	GRANT_USER_UNIT,
	GRANT_CERT_O,   /* of a certificate: agent type, */
	GRANT_CERT_OU,  /* node, */
	GRANT_CERT_UID, /* agent id, */
	GRANT_CERT_CAP, /* and a capability that it covers */
	GRANT_METHOD,
	GRANT_HOST,
	GRANT_PATH,
	GRANT_QUERY,
	GRANT_SERVICE,
	GRANT_REGION,
	GRANT_ACTION,
	GRANT__NAMES
};

/* Bytes of a text that somebody else owns. */
struct piece {
	const char *p;
	uint32_t len;
};

struct span_set {
	const struct piece *item;
	unsigned count; /* 0: the name was not said, and limits nothing */
};

struct id_set {
	const uint32_t *item;
	unsigned count;
};

/* max_skew and lifetime: `any` */
#define GRANT_ANY UINT64_MAX

/* One block of memory; everything in it points into it. */
struct grant {
	uint64_t id; /* set by whoever stores it; the lower the older */
	struct attr_view text;
	struct span_set set[GRANT__NAMES];
	struct id_set uids, gids;
	uint64_t max_skew, lifetime;   /* seconds */
	int64_t not_before, not_after; /* INT64_MIN, INT64_MAX: not said */
	bool reveal_token, reveal_secret;
};

/* Checks a list and makes a grant of it (id 0). Strict: an unknown limit, a single
 * name said twice, an unreadable value, no subject, neither credential nor agent or
 * both, a limit of requests beside agent= is an error; ERR_UNSUPPORTED for limits
 * that later versions know. Free with grant_free. */
MUST enum err grant_parse(struct attr_view v, struct grant **g,
			  struct fault *f);
void grant_free(struct grant *g);

/* "host", … */
const char *grant_name(enum grant_name name);

/* True if its subjects are holders of certificates, false if they are on this machine. */
bool grant_is_remote(const struct grant *g);

/* True if it is about starting agents, false if about using credentials. */
bool grant_is_agent(const struct grant *g);

/* certmgr keeps the grants of agents and credd those of credentials. ERR_INVALID,
 * with the sentence that says whom to ask, unless g is of the kind kept here. */
MUST enum err grant_kept_check(const struct grant *g, bool agents,
			       struct fault *f);

/* What is asked for. Strings are borrowed. Who asks to start an agent gives its type
 * and the proof, and nothing else. */
struct grant_request {
	const char *credential; /* agent: not looked at */
	const char *agent;      /* NULL: a credential is to be used */
	const char *op;
	enum cretula_reveal reveals;  /* by the module's declaration of op */
	struct attr_view facts;       /* empty: nothing is known */
	int64_t credential_not_after; /* the credential's own end; 0: none */
	const struct proof *proof;    /* door's answers so far; NULL: none */
};

enum grant_verdict {
	GRANT_DENY,
	GRANT_ALLOW,
	/* All else fits: ask door whether the process is still the one examined,
	 * proof_set the answer, and decide again. */
	GRANT_NEEDS_ALIVE,
	/* The same, and whether its program is the file at grant_exe_wanted(). */
	GRANT_NEEDS_EXE,
};

/* Subject, credential, operation, what it reveals, and the grant's own time: what
 * can be judged before the content is looked at; of an agent, all there is. `why` (may
 * be NULL) gets the limit that failed when the verdict is GRANT_DENY. */
MUST enum grant_verdict grant_admits(const struct grant *g,
				     const struct subject *s,
				     const struct grant_request *rq,
				     int64_t now, struct fault *why);

/* All of it. */
MUST enum grant_verdict grant_match(const struct grant *g,
				    const struct subject *s,
				    const struct grant_request *rq, int64_t now,
				    struct fault *why);

/* The first path of exe= that nothing is known about yet; len 0: none. */
struct piece grant_exe_wanted(const struct grant *g, const struct proof *p);

#endif
