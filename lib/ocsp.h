/* OCSP (RFC 6960, 9919, 9654): requests read, responses made and read back. */
#ifndef LIB_OCSP_H
#define LIB_OCSP_H

#include "lib/cert.h"

enum {
	OCSP_REQUEST_MAX = 8 << 10,
	OCSP_CERTS_MAX = 32, /* of one request */
	OCSP_NONCE_MIN = 1,
	OCSP_NONCE_MAX = 128,
	OCSP_RESPONSE_MAX = 32 << 10,
	OCSP_SIGNERS_MAX = 4, /* certificates beside an answer */
};

enum ocsp_status { /* OCSPResponseStatus */
	OCSP_OK = 0,
	OCSP_MALFORMED = 1,
	OCSP_INTERNAL = 2,
	OCSP_TRY_LATER = 3,
	OCSP_SIG_REQUIRED = 5,
	OCSP_UNAUTHORIZED = 6,
};

enum ocsp_hash {
	OCSP_SHA1,
	OCSP_SHA256,
};

/* A CertID, borrowed. */
struct ocsp_id {
	enum ocsp_hash hash;
	struct span name_hash, key_hash; /* of the issuer */
	struct span serial; /* INTEGER octets, sign octet kept off */
	struct span der;    /* the whole CertID, echoed */
};

struct ocsp_request {
	struct ocsp_id id[OCSP_CERTS_MAX];
	unsigned count;
	struct span nonce; /* p NULL: none */
};

/* DER of an OCSPRequest: signed or not (a signature is not looked at), any
 * requestorName, unknown non-critical extensions. ERR_INVALID: malformed, a critical
 * extension nobody knows, no certificate at all, a nonce of 0 or over 128 bytes;
 * ERR_UNSUPPORTED: a CertID of another hash than SHA-1 and SHA-256; ERR_TOO_LARGE. */
MUST enum err ocsp_request_parse(struct span der, struct ocsp_request *r,
				 struct fault *f);

/* The hashes by which an issuer is meant. */
struct ocsp_issuer {
	uint8_t sha1_name[20], sha1_key[20];
	uint8_t sha256_name[32], sha256_key[32];
};
void ocsp_issuer_make(struct span name_der, const struct pubkey *key,
		      struct ocsp_issuer *out);
/* The CertID of that issuer's serial, appended. */
MUST enum err ocsp_id_put(struct buf *b, enum ocsp_hash hash,
			  const struct ocsp_issuer *i, struct span serial);
bool ocsp_issuer_is(const struct ocsp_issuer *i, const struct ocsp_id *id);

enum ocsp_cert_status {
	OCSP_GOOD,
	OCSP_REVOKED,
	OCSP_UNKNOWN,
};

struct ocsp_single {
	struct ocsp_id id;
	enum ocsp_cert_status status;
	int64_t revoked_at;
	unsigned reason; /* CRLReason; 0: none is said */
	int64_t this_update, next_update;
};

struct ocsp_basic {
	uint8_t responder[20]; /* byKey */
	int64_t produced_at;
	struct ocsp_single single[OCSP_CERTS_MAX];
	unsigned count;
	struct span nonce;
};

/* ResponseData, appended; and strictly back (one encoding). */
MUST enum err ocsp_data_build(const struct ocsp_basic *b, struct buf *out);
MUST enum err ocsp_data_parse(struct span der, struct ocsp_basic *b,
			      struct fault *f);

/* The whole OCSPResponse: status successful, basic, with the signer's certificate
 * (DER; none if n is 0), appended. */
MUST enum err ocsp_response_join(struct span data, enum sig_alg alg,
				 struct span sig, struct span cert,
				 struct buf *out);
/* A request about one certificate, unsigned, appended. id: a whole CertID; nonce: n 0:
 * none. */
MUST enum err ocsp_request_put(struct buf *b, struct span id,
			       struct span nonce);

/* A whole OCSPResponse taken apart; everything is borrowed. */
struct ocsp_response {
	unsigned status; /* enum ocsp_status; the rest only if it is OCSP_OK */
	struct span data, sig;
	enum sig_alg alg;
	struct span cert[OCSP_SIGNERS_MAX];
	unsigned certs;
};
/* ERR_INVALID: not DER, another type than basic, an algorithm that is not known. */
MUST enum err ocsp_response_split(struct span der, struct ocsp_response *r,
				  struct fault *f);

/* An unsigned error answer, appended. */
MUST enum err ocsp_error(enum ocsp_status s, struct buf *out);

#endif
