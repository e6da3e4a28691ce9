/* Bytes as text: hex, base64 (RFC 4648 section 4, padded), base32 (RFC 4648
 * section 6, lower case, no padding). Decoding is strict: one text per value. */
#ifndef LIB_ENC_H
#define LIB_ENC_H

#include "lib/buf.h"

/* Writes 2 * n lower-case digits and a NUL to out. */
void enc_hex(const void *p, size_t n, char *out);
/* Decodes exactly 2 * n digits of either case. */
MUST enum err enc_hex_parse(const char *text, size_t len, void *out, size_t n);

MUST enum err enc_base64(const void *p, size_t n, struct buf *out);
MUST enum err enc_base64_parse(const char *text, size_t len, struct buf *out);

MUST enum err enc_base32(const void *p, size_t n, struct buf *out);
MUST enum err enc_base32_parse(const char *text, size_t len, struct buf *out);

/* True if the bytes are well-formed UTF-8 (RFC 3629). */
bool enc_utf8_ok(const void *p, size_t n);

#endif
