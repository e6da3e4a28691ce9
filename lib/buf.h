/* The one bounded writer: bytes that grow up to a maximum. A buffer made by
 * buf_init_secret lives in guarded, locked memory (lib/secret.h), is wiped when it
 * grows and when it is freed. Integers are written big-endian. */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include "lib/err.h"

struct buf {
	uint8_t *p; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t max;
	bool secret;
};

/* Empty buffer that refuses to hold more than max bytes. */
void buf_init(struct buf *b, size_t max);
void buf_init_secret(struct buf *b, size_t max);

/* Frees (and wipes, if secret) what b holds; b is empty and usable after. */
void buf_wipe(struct buf *b);

/* Keeps the memory, forgets the content (wipes it if secret). */
void buf_clear(struct buf *b);

/* Room for n more bytes at *at, already counted in len. ERR_TOO_LARGE past max. */
MUST enum err buf_grow(struct buf *b, size_t n, uint8_t **at);

/* Room for at least n more bytes without changing len. */
MUST enum err buf_reserve(struct buf *b, size_t n);

MUST enum err buf_put(struct buf *b, const void *p, size_t n);
MUST enum err buf_str(struct buf *b, const char *s);
MUST enum err buf_u8(struct buf *b, uint8_t v);
MUST enum err buf_u16(struct buf *b, uint16_t v);
MUST enum err buf_u32(struct buf *b, uint32_t v);
MUST enum err buf_u64(struct buf *b, uint64_t v);
MUST enum err buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/* Drops the first n bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);

#endif
