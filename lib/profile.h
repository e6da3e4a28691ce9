/* Profiles: what a certificate of a type may say. A profile is one attribute list in a
 * file of the CA's host (docs/ca.md); issuer and signer each have a copy of their own
 * and use the same two functions: profile_fill makes a certificate of a wish, and
 * profile_check says whether a certificate is one that profile_fill could have made.
 * Both are pure functions.
 *
 *	profile=web life=24h max_life=72h usage=server,client
 *	dns={node} dns=*.{node} capability=sign:prod@{node} wildcard=yes
 *	may_delegate=yes kind=agent|spiffe keys=p256,ed25519,rsa,p384
 *
 * {node} and {agent} stand for the agent's; dns= are globs (`*` one or more labels'
 * bytes) of names that may be asked for beside <agent>.<node>, which every agent's
 * certificate has. */
#ifndef LIB_PROFILE_H
#define LIB_PROFILE_H

#include "lib/attr.h"
#include "lib/capability.h"
#include "lib/csr.h"

enum {
	PROFILE_NAME_MAX = 64, /* [a-z][a-z0-9-]*, as agent types */
	PROFILE_DNS_MAX = 16,
	PROFILE_TEXT_MAX = 64 << 10, /* of one file */
	PROFILES_MAX = 1000,
	PROFILE_LIFE = 24 * 3600,      /* preset, seconds */
	PROFILE_LIFE_MAX = 90 * 86400, /* and what max_life may be */
	PROFILE_BACKDATE = 60,         /* notBefore lies that much back */
	AGENT_ID_LEN = 36,             /* UUIDv7 as text */
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

/* One line. ERR_INVALID with the reason (unknown attribute, life over the maximum,
 * a capability admin: or issue: without may_delegate=yes is allowed here, see
 * profile_may_issue). Reserved: names that begin with `ca-`. */
MUST enum err profile_parse(struct attr_view line, struct profile *p,
			    struct fault *f);
void profile_wipe(struct profile *p);
MUST enum err profile_format(const struct profile *p, struct attrs *out);

/* All profiles of a process: files are given one after the other. */
struct profiles;
struct profiles *profiles_new(bool default_profile);
void profiles_free(struct profiles **p); /* AUTO-able */
/* A file's text: one profile a line, '#' comments, blank lines. A profile that is
 * already there is ERR_EXISTS. The fault names file and line. */
MUST enum err profiles_add(struct profiles *p, const char *file,
			   const char *text, size_t len, struct fault *f);
/* NULL if there is none. Always there: `node` (usage=server,client dns={node}
 * capability=issue:*@{node} may_delegate=yes life=72h) unless a file defines it; with
 * default_profile every valid type (usage=server,client dns={node} dns=*.{node}
 * wildcard=yes). The result lives as long as p. */
const struct profile *profiles_find(struct profiles *p, struct span name);
const struct profile *profiles_next(const struct profiles *p, size_t *at);

/* What all certificates of this CA share. */
struct ca_scope {
	uint8_t instance;
	char *domain
		[CERT_DOMAINS_MAX]; /* permitted; the first names the instance */
	unsigned n_domains;
	char *trust_domain; /* of SPIFFE ids */
	unsigned shards; /* of the CRL: the number modulo this is the shard */
	char *url; /* public_url: http://host[:port], no slash at the end */
	/* of the issuing CA's certificate */
	enum sig_alg alg;
	struct dn name;
	int64_t not_before, not_after;
	uint8_t key_id[20];
	uint8_t spki_hash[32];
};

/* domain= … trust_domain= shards= url= instance=, as init records it; and back. The
 * rest comes from the issuing certificate: ca_scope_take (which is kept, copied). */
MUST enum err ca_scope_parse(struct attr_view v, struct ca_scope *s,
			     struct fault *f);
MUST enum err ca_scope_format(const struct ca_scope *s, struct attrs *out);
MUST enum err ca_scope_take(struct ca_scope *s, const struct cert *issuing,
			    struct fault *f);
void ca_scope_wipe(struct ca_scope *s);

/* What somebody wants certified; all borrowed. */
struct wish {
	struct span node, agent;  /* FQDN; UUIDv7 */
	const struct pubkey *key; /* checked already */
	struct cert_names dns,
		uri;    /* from the CSR and from the request alike */
	uint64_t life;  /* seconds; 0: the profile's */
	int64_t now;    /* wall clock, seconds */
	uint64_t delay; /* --verify-after: notBefore = now + delay */
	const struct serial *serial;
};

/* Where profile_fill keeps the texts it makes; as long as the struct cert is used. */
struct profile_room {
	struct buf text;
	char caps[CERT_CAPS_MAX][CAP_MAX + 1];
	uint8_t subject_key[20];
};

/* A node name: lower-case LDH labels, at most 64 bytes, below a permitted domain.
 * An agent id: UUIDv7 in lower case. A type's name. ERR_INVALID says why. */
MUST enum err ca_node_check(const struct ca_scope *s, struct span node,
			    struct fault *f);
MUST enum err agent_id_check(struct span agent, struct fault *f);
MUST enum err type_check(struct span type, struct fault *f);
/* A new agent id at that wall clock (ms), random otherwise (RFC 9562 5.7). */
void agent_id_make(uint64_t wall_ms, char out[AGENT_ID_LEN + 1]);

/* The certificate to be signed. ERR_INVALID or ERR_DENIED with the reason: a name
 * outside the policy, a wildcard where none may be, a key that is not allowed, a life
 * over the maximum. notAfter is never beyond the issuing CA's (ERR_EXPIRED if less
 * than a minute would remain). CN attributes in a CSR: the caller checks them with
 * profile_csr_check. */
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
 * instance; clock: notBefore within 10 minutes of now (or now + delay up to a day). */
MUST enum err profile_check(const struct profile *p, const struct ca_scope *s,
			    const struct cert *c, int64_t now, struct fault *f);

/* May the holder of `have` (capabilities of his certificate) have a certificate of p
 * made for node? He must hold issue:<type>@scope, and every capability of p; a p with
 * admin: or issue: capabilities needs may_delegate. ERR_DENIED with the reason. */
MUST enum err profile_may_issue(const struct profile *p, struct span node,
				const struct cert_names *have, struct fault *f);

#endif
