/* The framed message. Used by every process; holds what its buffer holds. */
#include "lib/msg.h"

#include <string.h>

enum {
	MSG_AFTER_LENGTH = MSG_HEAD - 4
};

_Static_assert(ATTR_BYTES_MAX + MSG_AFTER_LENGTH <= MSG_MAX,
	       "the longest list fits one message");

enum err msg_put(struct buf *out, uint32_t kind, uint64_t id,
		 struct attr_view attrs)
{
	if (attrs.len > MSG_MAX - MSG_AFTER_LENGTH)
		return ERR_TOO_LARGE;
	TRY(buf_reserve(out, MSG_HEAD + attrs.len));
	TRY(buf_u32(out, (uint32_t)(MSG_AFTER_LENGTH + attrs.len)));
	TRY(buf_u32(out, kind));
	TRY(buf_u64(out, id));
	return buf_put(out, attrs.p, attrs.len);
}

enum err msg_get(const void *p, size_t len, struct msg *m, size_t *used,
		 struct fault *f)
{
	struct rd r = rd_from(p, len);
	const uint8_t *body;
	uint32_t n;

	if (rd_u32(&r, &n) != OK)
		return ERR_PENDING;
	if (n > MSG_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "a message of %u bytes is over the limit of "
				 "%d",
				 n, MSG_MAX);
	if (n < MSG_AFTER_LENGTH)
		return fault_set(f, ERR_INVALID,
				 "a message of %u bytes is shorter than its "
				 "head",
				 n);
	if (rd_left(&r) < n)
		return ERR_PENDING;
	TRY(rd_u32(&r, &m->kind));
	TRY(rd_u64(&r, &m->id));
	TRY(rd_bytes(&r, n - MSG_AFTER_LENGTH, &body));
	TRY(attr_parse(body, n - MSG_AFTER_LENGTH, &m->attrs, f));
	*used = 4 + (size_t)n;
	return OK;
}
