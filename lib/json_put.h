/* Writing JSON (RFC 8259): strings; the rest is punctuation. */
#ifndef LIB_JSON_PUT_H
#define LIB_JSON_PUT_H

#include "lib/buf.h"

/* Appends n bytes of text as a JSON string, with its quotes; if they are not UTF-8,
 * what is not ASCII becomes '?'. */
MUST enum err json_put_string(struct buf *out, const void *text, size_t n);

#endif
