/* OpenSSL's objects that cost too much to make each time: digests fetched once a
 * thread, and EC keys without OpenSSL's decoders. A point goes into a copy of an
 * empty key of its group in 1 us (EVP_PKEY_fromdata: 15 us, d2i: 110 us). Holds no
 * key. What a thread has stays until the process ends. */
#ifndef LIB_EVP_H
#define LIB_EVP_H

#include "lib/pubkey.h"

#include <openssl/evp.h>

enum evp_hash {
	EVP_HASH_SHA1,
	EVP_HASH_SHA256,
	EVP_HASH_SHA384,
	EVP_HASH_SHA512,
	EVP_HASH__MAX
};

/* Static in this thread. */
const EVP_MD *evp_md(enum evp_hash h);
/* Writes the digest of data to out, and gives its size. */
size_t evp_digest(enum evp_hash h, struct span data,
		  uint8_t out[EVP_MAX_MD_SIZE]);

/* The digest and OpenSSL's group name of what has one: not of Ed25519. */
enum evp_hash evp_hash_of(enum sig_alg alg);
const char *evp_group(enum key_type t);

/* P-256 or P-384: a key with only its group; EVP_PKEY_set1_encoded_public_key puts
 * a point into it, which fails for one that is not on the curve, and may do so
 * again later. The caller frees it. */
EVP_PKEY *evp_ec_empty(enum key_type t);
/* A new key pair of one of these. NULL if OpenSSL fails. The caller frees it. */
EVP_PKEY *evp_ec_generate(enum key_type t);

#endif
