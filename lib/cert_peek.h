/* X.509 certificates of whomever, looked at without believing or understanding all of it:
 * enough to say whose a certificate is, and to begin a chain with a root that others
 * made. What our own CA makes is read with lib/cert.h, which is strict. */
#ifndef LIB_CERT_PEEK_H
#define LIB_CERT_PEEK_H

#include "lib/cert.h"

struct cert_peek {
	struct span tbs, sig;
	enum sig_alg alg;            /* SIG__MAX: one that is not known */
	struct span serial;          /* INTEGER octets as they stand */
	struct span issuer, subject; /* whole Names */
	int64_t not_before, not_after;
	struct span spki;
	/* of its extensions */
	bool ca;
	int path_len; /* -1: none */
	bool has_key_usage;
	unsigned key_usage; /* bits of lib/cert.h's KU_*, and others */
	struct span subject_key, authority_key; /* n 0: none */
	bool names_ip;    /* an IP address in subjectAltName */
	bool constrained; /* it has name constraints */
	bool strange;     /* a critical one that is not known here */
};

/* All spans are borrowed from der. ERR_INVALID: not DER, or no X.509 certificate. */
MUST enum err cert_peek(struct span der, struct cert_peek *p);

/* True if the key in spki signed it. */
bool cert_peek_signed_by(const struct cert_peek *p, const struct pubkey *key);

#endif
