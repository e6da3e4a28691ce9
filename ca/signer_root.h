/* What the root says of the issuing CA, for clients that check whole chains: an empty
 * list of its own (OpenSSL's CRL_CHECK_ALL, and so curl --crlfile and nginx ssl_crl, takes
 * no chain without it) and `good` by OCSP (nginx ssl_ocsp on). Made whenever the root
 * key is here, as it may be away for years; both end with the issuing certificate. Whose
 * issuing CA is stolen makes a new CA. */
#ifndef CA_SIGNER_ROOT_H
#define CA_SIGNER_ROOT_H

#include "lib/cert.h"
#include "lib/signkey.h"

struct root_statement {
	struct span root, issuing; /* certificates, DER */
	uint64_t number;           /* of the list */
	int64_t from, until;
};

/* Reads a root certificate of ours. c borrows from der. */
MUST enum err root_read(struct span der, struct cert *c, struct fault *f);

/* Appends an attribute list: crl= ocsp_sha1= ocsp_sha256= (whole OCSP answers, by the
 * hash of the CertID), all DER. */
MUST enum err root_says_make(const struct root_statement *st,
			     struct signkey *root, struct buf *out,
			     struct fault *f);

#endif
