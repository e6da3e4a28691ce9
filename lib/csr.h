/* PKCS#10 certification requests (RFC 2986): parsed strictly as DER, the key
 * checked, the self-signature verified. Names come out as they were asked for; who
 * may have them is policy (lib/profile.h). */
#ifndef LIB_CSR_H
#define LIB_CSR_H

#include "lib/cert.h"

enum {
	CSR_MAX = 16 << 10
};

struct csr {
	struct span der;
	struct pubkey key;
	struct span subject;  /* DER of the Name */
	struct cert_names cn; /* values of CN attributes, bytes as they came */
	struct cert_names dns, uri; /* subjectAltName that was asked for */
	bool other_names;           /* it also asks for IP, mail, … names */
	bool wants_ca;              /* basicConstraints cA, or keyCertSign */
	bool wants_caps;            /* the capability extension */
};

/* ERR_TOO_LARGE past CSR_MAX; ERR_INVALID with the reason: not DER, weak or strange
 * key, a self-signature that is wrong, an attribute or extension twice, a name with
 * NUL or non-ASCII bytes. What it merely asks for is reported, not judged. */
MUST enum err csr_parse(struct span der, struct csr *c, struct fault *f);

/* The same without looking at the signature (the cheap half, for a fuzzer). */
MUST enum err csr_parse_only(struct span der, struct csr *c, struct span *info,
			     enum sig_alg *alg, struct span *sig,
			     struct fault *f);

/* Makes one, appended: for the command's own use. key signs; cn may be NULL or empty
 * (then the subject is), dns NULL or empty. ERR_INVALID for what csr_parse refuses,
 * a CN past DN_PART_MAX or a name past DNS_NAME_MAX. */
struct signkey;
MUST enum err csr_build(struct signkey *key, const char *cn,
			const struct cert_names *dns, struct buf *out);

#endif
