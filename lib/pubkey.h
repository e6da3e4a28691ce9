/* Public keys in certificates and requests: which kinds and sizes there are, what is
 * weak, and checking signatures. Holds no private key. P-256 goes by fixed bytes;
 * OpenSSL's decoders would take most of the time of an issuance. */
#ifndef LIB_PUBKEY_H
#define LIB_PUBKEY_H

#include "lib/der.h"
#include "lib/oid.h"

enum key_type {
	KEY_P256,
	KEY_P384,
	KEY_ED25519,
	KEY_RSA, /* 2048..4096 bits, e odd, 65537 <= e < 2^32 */
	KEY__MAX
};

/* "p256", "p384", "ed25519", "rsa"; static. */
const char *key_type_name(enum key_type t);

/* The signature algorithm that goes with a key: AlgorithmIdentifier bytes. P-384
 * signs with SHA-384, RSA with SHA-256; verifying also takes RSA with 384 and 512,
 * and the other hash with an EC key. */
enum sig_alg {
	SIG_ECDSA_SHA256,
	SIG_ECDSA_SHA384,
	SIG_ED25519,
	SIG_RSA_SHA256,
	SIG_RSA_SHA384,
	SIG_RSA_SHA512,
	SIG__MAX
};

enum sig_alg sig_alg_of(enum key_type t);
/* True if keys of that type sign so: either EC key with either of the two hashes
 * (`openssl req` signs with SHA-256 whatever the curve). */
bool sig_alg_fits(enum sig_alg alg, enum key_type t);
MUST enum err sig_alg_get(struct rd *r, enum sig_alg *alg);
MUST enum err sig_alg_put(struct buf *b, enum sig_alg alg);
/* What certificates and revocation lists are, SEQUENCE { tbs, alg, BIT STRING sig },
 * taken apart. The spans borrow from der. */
MUST enum err sig_split(struct span der, struct span *tbs, enum sig_alg *alg,
			struct span *sig);

/* What OpenSSL does at its first use, done now: for a process that will be confined
 * and then check or make signatures. After it none of these functions opens a file
 * (openssl.cnf is never read); they make the calls getpid, getrandom, futex and
 * those of malloc. Other threads fetch their own digests when they first need them. */
void pubkey_warm(void);

/* A checked SubjectPublicKeyInfo. */
struct pubkey {
	enum key_type type;
	unsigned bits;
	struct span spki; /* whole encoding, borrowed */
	struct span key;  /* content of the BIT STRING */
};

/* Parses and checks: point on its curve, key neither weak nor strange. ERR_INVALID,
 * with a sentence that names what is wrong ("an RSA key of 1024 bits is too weak: …"). */
MUST enum err pubkey_parse(struct span spki, struct pubkey *k, struct fault *f);

/* Modulus and exponent in the content of an RSA key's BIT STRING. */
MUST enum err pubkey_rsa(struct span key, struct span *n, struct span *e);

/* SHA-1 of the BIT STRING's content (key identifiers, RFC 5280 4.2.1.2 (1)). */
void pubkey_id(const struct pubkey *k, uint8_t out[20]);
/* SHA-256 of the whole SPKI. */
void pubkey_hash(const struct pubkey *k, uint8_t out[32]);

/* A key made ready to verify with often. NULL if OpenSSL refuses it. Free with
 * sig_check_free (AUTO-able). */
struct sig_check;
struct sig_check *sig_check_new(const struct pubkey *k);
void sig_check_free(struct sig_check **v);
/* ERR_INVALID unless the signature is right and alg is one of that key. */
MUST enum err sig_check_run(struct sig_check *v, enum sig_alg alg,
			    struct span data, struct span sig);
/* Once: parse-and-check in one. */
MUST enum err pubkey_verify(const struct pubkey *k, enum sig_alg alg,
			    struct span data, struct span sig);

#endif
