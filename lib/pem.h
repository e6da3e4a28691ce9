/* PEM (RFC 7468): DER as text between BEGIN and END. */
#ifndef LIB_PEM_H
#define LIB_PEM_H

#include "lib/der.h"

enum {
	PEM_COLUMNS = 64,
	PEM_LABEL_MAX = 32,
	PEM_BODY_MAX = 160 << 10, /* bytes of base64 in one block */
};

/* Appends the DER object as text, label "CERTIFICATE" and the like, 64 columns. */
MUST enum err pem_put(const char *label, struct span der, struct buf *out);

/* The first block of that label: its bytes appended to out; *used: how much of text
 * was read, its END line included, so that the next call goes on there. Blocks of
 * other labels and text between blocks are skipped. ERR_NOT_FOUND if there is none,
 * ERR_INVALID if it is broken (no END, not base64, headers), ERR_TOO_LARGE past
 * PEM_BODY_MAX or out's own bound: out is as it was. */
MUST enum err pem_get(const char *label, const char *text, size_t len,
		      struct buf *out, size_t *used, struct fault *f);

#endif
