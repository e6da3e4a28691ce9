/* Between lib/ocsp_*.c: the parts that requests and answers share. */
#ifndef LIB_OCSP_ID_H
#define LIB_OCSP_ID_H

#include "lib/ocsp.h"

/* A CertID. ERR_UNSUPPORTED: its hash is neither SHA-1 nor SHA-256. */
MUST enum err ocsp_id_get(struct rd *r, struct ocsp_id *id, struct fault *f);

/* The value of a nonce extension: an OCTET STRING of 1 to 128 bytes. */
MUST enum err ocsp_nonce_get(struct span value, struct span *nonce,
			     struct fault *f);

/* Appends extensions, tagged as given, with only that nonce. ERR_INVALID: of another length. */
MUST enum err ocsp_nonce_put(struct buf *b, unsigned tag, struct span nonce);

/* Ends a parser: e with a sentence, `what` unless there is one already (f->text was
 * emptied before). Writing it only now keeps printf out of what goes well. */
MUST enum err ocsp_fail(enum err e, const char *what, struct fault *f);

#endif
