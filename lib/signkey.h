/* A private signing key: made, sealed to bytes and back, and used. Only the signer
 * (and a client's own tool) links to what this does; it holds the key in OpenSSL's
 * memory and its bytes in secret memory. */
#ifndef LIB_SIGNKEY_H
#define LIB_SIGNKEY_H

#include "lib/pubkey.h"

struct signkey;

/* bits: of an RSA key (2048..4096), else 0. */
MUST enum err signkey_new(enum key_type t, unsigned bits, struct signkey **out,
			  struct fault *f);
void signkey_free(struct signkey **k); /* AUTO-able */

/* PKCS#8 DER, appended to a secret buffer; and back. */
MUST enum err signkey_format(const struct signkey *k, struct buf *out);
MUST enum err signkey_parse(struct span pkcs8, struct signkey **out,
			    struct fault *f);

enum key_type signkey_type(const struct signkey *k);
enum sig_alg signkey_alg(const struct signkey *k);
/* Its SubjectPublicKeyInfo; borrowed from k. */
struct span signkey_spki(const struct signkey *k);

/* Appends the signature over data (not the BIT STRING around it). */
MUST enum err signkey_sign(struct signkey *k, struct span data,
			   struct buf *out);
/* The same for data that comes in pieces; not for Ed25519 (ERR_UNSUPPORTED). */
MUST enum err signkey_begin(struct signkey *k);
MUST enum err signkey_update(struct signkey *k, const void *p, size_t n);
MUST enum err signkey_finish(struct signkey *k, struct buf *out);

#endif
