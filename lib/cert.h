/* X.509 certificates (RFC 5280) of this project's own profile: one struct in both
 * directions. cert_build makes the TBSCertificate of it; cert_parse_tbs reads one
 * back, strictly: an extension, a name attribute or an order that cert_build would
 * not make is ERR_INVALID. So who parses, checks and builds again and gets the same
 * bytes knows all that is in it. Everything is borrowed from the caller or the DER. */
#ifndef LIB_CERT_H
#define LIB_CERT_H

#include "lib/dn.h"
#include "lib/pem.h"
#include "lib/pubkey.h"
#include "lib/serial.h"

enum {
	CERT_NAMES_MAX = 32, /* of one kind */
	CERT_CAPS_MAX = 32,
	CERT_DOMAINS_MAX =
		8, /* DNS names in name constraints; URIs: twice that */
	CERT_SERIAL_MAX = 20, /* octets, the sign's included */
	CERT_PATH_MAX = 15,   /* pathLenConstraint */
	CERT_KEY_ID = 20,
	CERT_TBS_MAX = 32 << 10,
	CERT_MAX = 36 << 10,
	DNS_NAME_MAX = 253,
	URI_MAX = 512,
};

enum {
	/* keyUsage, as bits of der_named_bits */
	KU_DIGITAL_SIGNATURE = 1 << 0,
	KU_KEY_ENCIPHERMENT = 1 << 2,
	KU_CERT_SIGN = 1 << 5,
	KU_CRL_SIGN = 1 << 6,
	/* extendedKeyUsage */
	EKU_SERVER = 1 << 0,
	EKU_CLIENT = 1 << 1,
	EKU_OCSP = 1 << 2,
};

struct cert_names {
	struct span at[CERT_NAMES_MAX];
	unsigned count;
};

struct cert {
	struct span serial; /* positive INTEGER octets: 18 of ours */
	enum sig_alg alg;
	struct dn issuer, subject;
	int64_t not_before, not_after;
	struct span spki;
	bool ca;
	int path_len; /* -1: none */
	unsigned key_usage, ext_usage;
	struct cert_names dns, uri; /* subjectAltName, in this order */
	struct cert_names caps;     /* capabilities, sorted bytewise */
	bool nocheck;               /* id-pkix-ocsp-nocheck */
	struct span subject_key, authority_key;    /* 20 octets, or none */
	struct span crl_url, ocsp_url, issuer_url; /* or none */
	/* name constraints of a CA: permitted DNS and URI, and all IP excluded */
	struct cert_names permit_dns, permit_uri;
	bool exclude_ip;
	/* filled in by parsing only */
	struct span issuer_der, subject_der;
	char domain_room[2][DN_DOMAIN_MAX + 1];
};

/* Appends the TBSCertificate. Extensions stand in this order, those that have
 * nothing to say are left out: authorityKeyIdentifier (keyid only),
 * subjectKeyIdentifier, basicConstraints (critical, always there), keyUsage
 * (critical), extKeyUsage, subjectAltName (critical iff the subject is empty),
 * nameConstraints (critical), cRLDistributionPoints, authorityInfoAccess (OCSP before
 * issuers), capabilities, ocsp-nocheck. ERR_INVALID for what could not be read back
 * (names out of bounds, not IA5; capabilities not sorted): out is as it was. */
MUST enum err cert_build(const struct cert *c, struct buf *out);
/* c points into tbs and into itself (the domains), so that it must not be copied;
 * after a failure its content means nothing. */
MUST enum err cert_parse_tbs(struct span tbs, struct cert *c, struct fault *f);

/* A whole certificate. */
struct cert_signed {
	struct span der, tbs, sig;
	enum sig_alg alg;
};
/* ERR_INVALID also if the algorithm beside the signature is not the signed one. */
MUST enum err cert_split(struct span der, struct cert_signed *s,
			 struct fault *f);
/* SEQUENCE { tbs, alg, BIT STRING sig }, appended. */
MUST enum err cert_join(struct span tbs, enum sig_alg alg, struct span sig,
			struct buf *out);

#endif
