/* The framed message, between processes and on the native protocol:
 *	length u32 (of all that follows) | kind u32 | id u64 | attribute list
 * Big-endian; at most MSG_MAX bytes after the length field. */
#ifndef LIB_MSG_H
#define LIB_MSG_H

#include "lib/attr.h"

enum {
	MSG_HEAD = 16,
	MSG_MAX = 1 << 20, /* what `length` may say */
};

struct msg {
	uint32_t kind;
	uint64_t id;
	struct attr_view attrs;
};

/* Appends one message to out. ERR_TOO_LARGE if it passes MSG_MAX or out's limit. */
MUST enum err msg_put(struct buf *out, uint32_t kind, uint64_t id,
		      struct attr_view attrs);

/* Reads the message at the front of p[0..len). *used is the bytes it took;
 * ERR_PENDING if it is not all there yet; ERR_TOO_LARGE or ERR_INVALID (with the
 * reason) if it can never be read. m borrows from p. */
MUST enum err msg_get(const void *p, size_t len, struct msg *m, size_t *used,
		      struct fault *f);

#endif
