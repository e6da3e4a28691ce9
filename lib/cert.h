/* X.509 certificates (RFC 5280) of this project's own profile: one struct in both
 * directions. cert_build makes the TBSCertificate of it; cert_parse_tbs reads one
 * back, strictly: an extension, a name attribute or an order that cert_build would
 * not make is ERR_INVALID. So who parses, checks and builds again and gets the same
 * bytes knows all that is in it. Everything is borrowed from the caller or the DER. */
#ifndef LIB_CERT_H
#define LIB_CERT_H

#include "lib/pubkey.h"

enum {
	SERIAL_SIZE = 18,    /* instance u8 | number u40 | random[12] */
	SERIAL_TAIL = 12,    /* the random part */
	CERT_NAMES_MAX = 32, /* of one kind */
	CERT_CAPS_MAX = 32,
	CERT_DOMAINS_MAX = 8, /* in name constraints */
	CERT_TBS_MAX = 32 << 10,
	CERT_MAX = 36 << 10,
	DN_PART_MAX = 64, /* bytes of O, OU, UID, CN */
	DN_DOMAIN_MAX = 253,
	DNS_NAME_MAX = 253,
	URI_MAX = 512,
};

#define SERIAL_NUMBER_MAX ((1ull << 40) - 1)

struct serial {
	uint8_t b[SERIAL_SIZE];
};

/* instance 1..127, number 1..2^40-1. */
void serial_make(uint8_t instance, uint64_t number,
		 const uint8_t tail[SERIAL_TAIL], struct serial *s);
uint8_t serial_instance(const struct serial *s);
uint64_t serial_number(const struct serial *s);
const uint8_t *serial_tail(const struct serial *s);
/* 36 lower-case hex digits and NUL; and back: either case, colons between octets
 * allowed. ERR_INVALID for anything else. */
void serial_format(const struct serial *s, char out[2 * SERIAL_SIZE + 1]);
MUST enum err serial_parse(const char *text, size_t len, struct serial *s);

/* A distinguished name as section 8 of the design has it: DC (one per label of
 * domain, the last label first), O, OU, UID, CN, in this order; empty parts are
 * left out. UTF8String but DC, which is IA5String. */
struct dn {
	struct span domain, o, ou, uid, cn;
};
MUST enum err dn_put(struct buf *b, const struct dn *dn);
/* domain is written to room, the rest borrowed from r. */
MUST enum err dn_get(struct rd *r, char room[DN_DOMAIN_MAX + 1], struct dn *dn);

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

/* Appends the TBSCertificate. subjectAltName is critical iff the subject is empty.
 * ERR_INVALID for what could not be read back (names out of bounds, not IA5). */
MUST enum err cert_build(const struct cert *c, struct buf *out);
MUST enum err cert_parse_tbs(struct span tbs, struct cert *c, struct fault *f);

/* A whole certificate. */
struct cert_signed {
	struct span der, tbs, sig;
	enum sig_alg alg;
};
MUST enum err cert_split(struct span der, struct cert_signed *s,
			 struct fault *f);
/* SEQUENCE { tbs, alg, BIT STRING sig }, appended. */
MUST enum err cert_join(struct span tbs, enum sig_alg alg, struct span sig,
			struct buf *out);

/* PEM of a DER object ("CERTIFICATE", …), 64 columns, appended; and back: the first
 * block of that label (others before it are skipped), decoded and appended. */
MUST enum err pem_put(const char *label, struct span der, struct buf *out);
MUST enum err pem_get(const char *label, const char *text, size_t len,
		      struct buf *out, size_t *used, struct fault *f);

#endif
