/* The linter: the rules of RFC 5280, 6960, 5480, 8410 and of this project, applied to
 * the DER of a TBSCertificate just before it is signed. Independent of how cert_build
 * makes it: reads the bytes with lib/der.h only. */
#ifndef LIB_LINT_H
#define LIB_LINT_H

#include "lib/der.h"

enum {
	LINT_BACKDATE = 60,
	/* of a leaf; a CA lives as long as its issuer */
	LINT_LEAF_LIFE = 90 * 86400 + LINT_BACKDATE,
};

struct lint_issuer {
	struct span name;   /* DER of the issuer's subject */
	struct span key_id; /* its subjectKeyIdentifier */
	int64_t not_after;  /* and end; INT64_MAX for a self-signed root */
	bool self;          /* the certificate is the root itself */
};

/* One rule. */
struct lint_rule {
	const char *name;   /* "serial-positive" */
	const char *source; /* "RFC 5280 4.1.2.2" */
};

/* All of them in the order they are tried, ended by name NULL; for docs and for the
 * test that breaks each. */
extern const struct lint_rule lint_rules[];

/* ERR_INVALID with "rule NAME (SOURCE): what is wrong" for the first broken rule. */
MUST enum err lint_tbs(struct span tbs, const struct lint_issuer *issuer,
		       struct fault *f);

#endif
