/* Profiles: what a certificate of a type may say. A profile is one attribute list in a
 * file of the CA's host (docs/profiles.md); issuer and signer each have a copy of their own
 * and use the same two functions: profile_fill makes a certificate of a wish, and
 * profile_check says whether a certificate is one that profile_fill could have made.
 * Both are pure functions.
 *
 *	profile=web life=24h max_life=72h usage=server,client
 *	dns={node} dns=*.{node} capability=sign:prod@{node} wildcard=yes
 *	may_delegate=yes kind=agent|spiffe keys=p256,ed25519,rsa,p384
 *
 * {node} and {agent} stand for the agent's, as whole labels; dns= are patterns (`*`
 * any run of characters, dots included) of names that may be asked for beside
 * <agent>.<node>, which every agent's certificate has. */
#ifndef LIB_PROFILE_H
#define LIB_PROFILE_H

#include "lib/agent_id.h"
#include "lib/attr.h"
#include "lib/ca_scope.h"
#include "lib/capability.h"
#include "lib/csr.h"

enum {
	PROFILE_NAME_MAX = TYPE_MAX,
	PROFILE_DNS_MAX = 16,
	PROFILE_TEXT_MAX = 64 << 10, /* of one file */
	PROFILES_MAX = 1000,
	PROFILE_LIFE = 24 * 3600,      /* preset, seconds */
	PROFILE_LIFE_MIN = 60,         /* less is refused */
	PROFILE_LIFE_MAX = 90 * 86400, /* and what max_life may be */
	PROFILE_LIFE_OWN = 7 * 86400,  /* of the CA's own certificates */
	PROFILE_BACKDATE = 60,         /* notBefore lies that much back */
	PROFILE_DELAY_MAX = 86400,     /* --verify-after */
	PROFILE_SLACK = 600,           /* between issuer's and signer's clock */
	PROFILE_ROOM = 2048,           /* bytes of texts made for one */
};

enum profile_kind {
	PROFILE_AGENT,
	PROFILE_SPIFFE, /* exactly one URI, subject without CN */
	PROFILE_TLS,    /* the CA's own gate: built in, named `ca-tls` */
	PROFILE_OCSP,   /* the OCSP signer: built in, named `ca-ocsp` */
};

struct profile {
	char name[PROFILE_NAME_MAX + 1];
	enum profile_kind kind;
	uint64_t life, max_life; /* seconds, the backdating not counted */
	unsigned usage;          /* EKU_SERVER | EKU_CLIENT */
	unsigned keys;           /* 1 << enum key_type */
	bool wildcard, may_delegate;
	char *dns[PROFILE_DNS_MAX]; /* owned */
	unsigned n_dns;
	char *cap[CERT_CAPS_MAX]; /* owned, templates */
	unsigned n_caps;
};

/* One line; p untouched on failure. ERR_INVALID with the reason (unknown attribute,
 * life over the maximum; a capability admin: or issue: without may_delegate=yes is
 * allowed here, see profile_may_issue). Reserved: names that begin with `ca-`. Without
 * max_life= it is the life; without usage= and keys= all of them. */
MUST enum err profile_parse(struct attr_view line, struct profile *p,
			    struct fault *f);
void profile_wipe(struct profile *p);
MUST enum err profile_format(const struct profile *p, struct attrs *out);

/* All profiles of a process: files are given one after the other. */
struct profiles;
struct profiles *profiles_new(bool default_profile);
void profiles_free(struct profiles **p); /* AUTO-able */
/* A file's text: one profile a line, '#' comments, blank lines. A profile that is
 * already there is ERR_EXISTS. The fault names file and line. After an error p is
 * as it was: a file counts as a whole. */
MUST enum err profiles_add(struct profiles *p, const char *file,
			   const char *text, size_t len, struct fault *f);
/* NULL if there is none. Always there: `node` (usage=server,client dns={node}
 * capability=issue:*@{node} may_delegate=yes life=72h) unless a file defines it,
 * `ca-tls` and `ca-ocsp`; with default_profile every valid type (usage=server,client
 * dns={node} dns=*.{node} wildcard=yes life=24h, max_life the maximum; `spiffe` is of
 * kind=spiffe), up to PROFILES_MAX in all. The result lives as long as p. */
const struct profile *profiles_find(struct profiles *p, struct span name);
/* One after the other, those of `ca-` left out: start with *at = 0; NULL at the end. */
const struct profile *profiles_next(const struct profiles *p, size_t *at);

/* What somebody wants certified; all borrowed. */
struct wish {
	struct span node, agent;  /* FQDN; UUIDv7 */
	const struct pubkey *key; /* checked already */
	/* from the CSR and from the request alike */
	struct cert_names dns, uri;
	uint64_t life;  /* seconds; 0: the profile's */
	int64_t now;    /* wall clock, seconds */
	uint64_t delay; /* --verify-after: notBefore = now + delay */
	const struct serial *serial;
};

/* Where profile_fill keeps the texts it makes; as long as the struct cert is used.
 * Zeroed before its first use (it may be used again), then profile_room_wipe. */
struct profile_room {
	struct buf text;
	char caps[CERT_CAPS_MAX][CAP_MAX + 1];
	uint8_t subject_key[20];
};
void profile_room_wipe(struct profile_room *room); /* AUTO-able */

/* The certificate to be signed. ERR_INVALID (what no profile could allow) or
 * ERR_DENIED (what this one does not) with the reason: a name outside the policy, a
 * wildcard where none may be, a key that is not allowed, a life over the maximum.
 * notAfter is never beyond the issuing CA's (ERR_EXPIRED if less than a minute would
 * remain). With delay notBefore is now + delay, else PROFILE_BACKDATE before now, but
 * never before the issuing CA's. CN attributes in a CSR: the caller checks them with
 * profile_csr_check.
 *
 * `ca-tls`: wish.dns are its names, at least one; node and agent are empty. `ca-ocsp`:
 * no names at all. */
MUST enum err profile_fill(const struct profile *p, const struct ca_scope *s,
			   const struct wish *w, struct profile_room *room,
			   struct cert *out, struct fault *f);

/* What a CSR may say: no CA, no capabilities, no names of other kinds; a CN that has
 * a dot, an asterisk or a byte that no label has must be a name it may have. The names
 * themselves go into the wish. */
MUST enum err profile_csr_check(const struct profile *p,
				const struct ca_scope *s, const struct wish *w,
				const struct csr *c, struct fault *f);

/* The signer's side: is c, as cert_parse_tbs read it, exactly what this profile
 * allows at that time? Checks everything profile_fill sets: subject, names, lives,
 * usages, capabilities, URLs, shard, key identifiers, issuer, algorithm, serial's
 * instance; clock: notBefore within PROFILE_SLACK of now (or now + delay up to a day).
 * What it cannot know and the signer must: that the number is fresh, and that the key
 * of a `ca-ocsp` certificate is the one it made itself. */
MUST enum err profile_check(const struct profile *p, const struct ca_scope *s,
			    const struct cert *c, int64_t now, struct fault *f);

/* May the holder of `have` (capabilities of his certificate) have a certificate of p
 * made for node? He must hold issue:<type>@scope, and every capability of p; a p with
 * admin: or issue: capabilities needs may_delegate. ERR_DENIED with the reason. */
MUST enum err profile_may_issue(const struct profile *p, struct span node,
				const struct cert_names *have, struct fault *f);

#endif
