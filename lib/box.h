/* The transport box: an attribute list sealed to a public key with libsodium's
 * crypto_box_seal (X25519, XSalsa20-Poly1305, an ephemeral sender). Confidential
 * values, passphrases and revealing replies travel in it.
 *
 * transport.pub is one line of text: version=1 key=BASE64. */
#ifndef LIB_BOX_H
#define LIB_BOX_H

#include "lib/attr.h"
#include "lib/secret.h"

enum {
	BOX_VERSION = 1,
	BOX_KEY = 32,
	BOX_EXTRA = 48,      /* a box is that much longer than its list */
	BOX_FILE_MAX = 4096, /* of transport.pub */
};

/* A key pair in secret memory. */
struct box_keys;

struct box_keys *box_keys_random(void);
struct box_keys *box_keys_from(const uint8_t secret[BOX_KEY]);
void box_keys_drop(struct box_keys **k); /* wipes, frees, sets NULL */
const uint8_t *box_public(const struct box_keys *k);

/* Appends the box to out. ERR_INVALID if pub is no usable key. */
MUST enum err box_seal(const uint8_t pub[BOX_KEY], struct attr_view list,
		       struct buf *out);

/* Opens a box into out, an empty list in secret memory. ERR_INVALID: too short,
 * or no list inside; ERR_CONFLICT: made for another key, or damaged. */
MUST enum err box_open(const struct box_keys *k, const void *box, size_t len,
		       struct attrs *out, struct fault *f);

/* Appends the text of transport.pub, with its newline. */
MUST enum err box_pub_format(const uint8_t pub[BOX_KEY], struct buf *out);

/* Reads it. ERR_UNSUPPORTED: a newer version; ERR_INVALID with the reason. */
MUST enum err box_pub_parse(const void *text, size_t len, uint8_t pub[BOX_KEY],
			    struct fault *f);

#endif
