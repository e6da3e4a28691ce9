/* A chain of certificates judged from its DER: leaf, issuing CA, root. Pure: no clock, no
 * file, nothing fetched; revocation is lib/revoked.h's. Every refusal has its own
 * sentence, which says what is wrong with whose certificate.
 *
 * ERR_DENIED for all that is wrong, but ERR_EXPIRED: expired or not valid yet (both ends
 * of the validity are inside of it; no leeway: notBefore is backdated by the CA), and
 * ERR_UNAUTHENTICATED: there is no certificate. */
#ifndef LIB_CHAIN_H
#define LIB_CHAIN_H

#include "lib/cert.h"

enum {
	CHAIN_MAX = 8, /* certificates that are looked at */
};

/* The one root. Others may have made it: what is looked at is its name, key, validity
 * and that it is a CA's; a critical extension that is not known here refuses it. */
struct chain_root {
	struct buf der;
	struct span name, key_id; /* key_id: n 0: none */
	struct pubkey key;
	int64_t not_before, not_after;
	int path_len; /* -1: none */
	bool constrained;
	struct cert cert; /* with its name constraints, if constrained */
};
/* Copies der. ERR_INVALID with the reason. */
MUST enum err chain_root_take(struct chain_root *r, struct span der,
			      struct fault *f);
void chain_root_wipe(struct chain_root *r); /* AUTO-able, if zeroed at first */

/* An issuing CA that the root signed. */
struct chain_ca {
	struct buf der;
	struct cert cert; /* borrows from der */
	struct pubkey key;
};
/* Copies der. On success *out is the caller's. */
MUST enum err chain_ca_new(const struct chain_root *root, struct span der,
			   int64_t now, struct chain_ca **out, struct fault *f);
void chain_ca_free(struct chain_ca **c); /* AUTO-able */
/* Again, later or with another root. */
MUST enum err chain_ca_check(const struct chain_root *root,
			     const struct chain_ca *ca, int64_t now,
			     struct fault *f);

/* What a good chain says. */
struct chain_end {
	struct cert cert; /* the leaf's; borrows from its DER */
	const struct chain_ca *ca;
	struct chain_ca
		*made; /* ca, if it is a new one: the caller's; else NULL */
	int64_t not_before, not_after; /* of all three together */
};

/* der[0] is the leaf; the others, and the n_known issuing CAs, are tried as its issuer.
 * usage: EKU_* that it must have. */
struct chain_in {
	const struct span *der;
	unsigned count;
	const struct chain_ca *const *known;
	unsigned n_known;
	unsigned usage;
	int64_t now;
};
MUST enum err chain_check(const struct chain_root *root,
			  const struct chain_in *in, struct chain_end *out,
			  struct fault *f);

/* The part about the leaf alone: signed by ca, and all it says is right. c borrows from
 * der. */
MUST enum err chain_leaf_check(const struct chain_ca *ca, struct span der,
			       unsigned usage, int64_t now, struct cert *c,
			       struct fault *f);

/* True if constraints (permit_dns, permit_uri) let the names in c be; *bad: the first
 * that they do not. */
bool chain_names_ok(const struct cert *constraints, const struct cert *c,
		    struct span *bad);

#endif
