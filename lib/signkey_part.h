/* The inside of a signing key, for lib/signkey.c and lib/signkey_pkcs8.c alone. */
#ifndef LIB_SIGNKEY_PART_H
#define LIB_SIGNKEY_PART_H

#include "lib/evp.h"
#include "lib/secret.h"
#include "lib/signkey.h"

struct signkey {
	enum key_type type;
	EVP_PKEY *pkey;    /* none for Ed25519 */
	EVP_PKEY_CTX *ctx; /* set up for signing digests */
	EVP_MD_CTX *digest;
	bool begun;
	uint8_t *ed; /* seed and public key, in secret memory */
	struct buf spki;
};

/* AlgorithmIdentifier of the key (not of its signatures). */
MUST enum err signkey_put_algorithm(struct buf *b, enum key_type t);
/* What follows from the key: its SPKI, its contexts. */
MUST enum err signkey_finish_making(struct signkey *k);

#endif
