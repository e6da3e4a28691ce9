/* What all certificates of one CA share: whom it serves, where its answers are, and
 * the issuing CA's own name and key. Recorded by `ca init`; issuer and signer each
 * have a copy. */
#ifndef LIB_CA_SCOPE_H
#define LIB_CA_SCOPE_H

#include "lib/attr.h"
#include "lib/cert.h"

enum {
	SCOPE_INSTANCE_MAX = 127,
	SCOPE_SHARDS = 16, /* preset */
	SCOPE_SHARDS_MAX = 4096,
	SCOPE_URL_MAX = 300,
	NODE_MAX = 64, /* bytes of OU (X.520) */
};

struct ca_scope {
	uint8_t instance;
	/* permitted; the first names the instance */
	char *domain[CERT_DOMAINS_MAX];
	unsigned n_domains;
	char *trust_domain; /* of SPIFFE ids */
	unsigned shards; /* of the CRL: the number modulo this is the shard */
	char *url; /* public_url: http://host[:port], no slash at the end */
	/* of the issuing CA's certificate */
	enum sig_alg alg; /* what its key signs with */
	struct dn name;
	int64_t not_before, not_after;
	uint8_t key_id[20];
	uint8_t spki_hash[32];
	uint8_t *name_text; /* owned: what name points at */
};

/* domain= … [trust_domain=] [shards=] url= [instance=], as init records it; and back.
 * domain= repeats or is a set; trust_domain is the first domain unless said, shards
 * SCOPE_SHARDS, instance 1. ERR_INVALID with the reason, s untouched. The rest comes
 * from the issuing certificate: ca_scope_take, which copies. */
MUST enum err ca_scope_parse(struct attr_view v, struct ca_scope *s,
			     struct fault *f);
MUST enum err ca_scope_format(const struct ca_scope *s, struct attrs *out);

/* ERR_INVALID if that certificate is not one to issue with: no CA, a key identifier
 * that is not its key's, name constraints that leave out one of the domains. May be
 * called again, with a renewed certificate. */
MUST enum err ca_scope_take(struct ca_scope *s, const struct cert *issuing,
			    struct fault *f);
void ca_scope_wipe(struct ca_scope *s); /* AUTO-able, if zeroed at first */

/* True if the name is below a permitted domain, or is one that has no dot
 * (`localhost`). A wildcard is below what follows it. */
bool ca_scope_has(const struct ca_scope *s, struct span name);

/* A node name: lower-case LDH labels, at most 64 bytes, in the scope. ERR_INVALID or,
 * outside the scope, ERR_DENIED says why. */
MUST enum err ca_node_check(const struct ca_scope *s, struct span node,
			    struct fault *f);

#endif
