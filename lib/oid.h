/* Object identifiers, as the content octets that DER has for them. */
#ifndef LIB_OID_H
#define LIB_OID_H

#include "lib/der.h"

enum oid {
	OID_NONE, /* one we do not know */
	/* keys and signatures */
	OID_EC_KEY,
	OID_P256,
	OID_P384,
	OID_RSA,
	OID_ED25519,
	OID_ECDSA_SHA256,
	OID_ECDSA_SHA384,
	OID_RSA_SHA256,
	OID_RSA_SHA384,
	OID_RSA_SHA512,
	/* names */
	OID_CN,
	OID_O,
	OID_OU,
	OID_UID,
	OID_DC,
	/* extensions of certificates and CRLs */
	OID_SUBJECT_KEY_ID,
	OID_AUTHORITY_KEY_ID,
	OID_KEY_USAGE,
	OID_SUBJECT_ALT_NAME,
	OID_BASIC_CONSTRAINTS,
	OID_NAME_CONSTRAINTS,
	OID_EXT_KEY_USAGE,
	OID_CRL_POINTS,
	OID_AUTHORITY_INFO,
	OID_CAPABILITIES, /* formats.md */
	OID_OCSP_NOCHECK,
	OID_CRL_NUMBER,
	OID_CRL_REASON,
	OID_ISSUING_POINT, /* issuingDistributionPoint */
	/* purposes and access methods */
	OID_SERVER_AUTH,
	OID_CLIENT_AUTH,
	OID_OCSP_SIGNING,
	OID_ACCESS_OCSP,
	OID_ACCESS_ISSUERS,
	/* OCSP */
	OID_OCSP_BASIC,
	OID_OCSP_NONCE,
	OID_SHA1,
	OID_SHA256,
	/* requests */
	OID_EXTENSION_REQUEST,
	OID__MAX
};

/* Content octets (without tag and length); static. */
struct span oid_bytes(enum oid o);
/* Which one it is; OID_NONE for any other. */
enum oid oid_find(struct span bytes);
/* Reads one from r; unknown ones are OID_NONE, what is no OID is ERR_INVALID. */
MUST enum err oid_get(struct rd *r, enum oid *o);
MUST enum err oid_put(struct buf *b, enum oid o);

#endif
