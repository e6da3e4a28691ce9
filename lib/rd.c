/* Used by every process; holds nothing. */
#include "lib/rd.h"

#include <string.h>

struct rd rd_from(const void *p, size_t len)
{
	const uint8_t *b = p;

	return (struct rd){ .p = b, .end = b ? b + len : b };
}

enum err rd_copy(struct rd *r, size_t n, void *out)
{
	const uint8_t *b;

	TRY(rd_bytes(r, n, &b));
	if (n)
		memcpy(out, b, n);
	return OK;
}

static enum err rd_be(struct rd *r, size_t n, uint64_t *v)
{
	const uint8_t *b;
	uint64_t x = 0;

	TRY(rd_bytes(r, n, &b));
	for (size_t i = 0; i < n; i++)
		x = x << 8 | b[i];
	*v = x;
	return OK;
}

enum err rd_u8(struct rd *r, uint8_t *v)
{
	const uint8_t *b;

	TRY(rd_bytes(r, 1, &b));
	*v = *b;
	return OK;
}

enum err rd_u16(struct rd *r, uint16_t *v)
{
	uint64_t x;

	TRY(rd_be(r, 2, &x));
	*v = (uint16_t)x;
	return OK;
}

enum err rd_u32(struct rd *r, uint32_t *v)
{
	uint64_t x;

	TRY(rd_be(r, 4, &x));
	*v = (uint32_t)x;
	return OK;
}

enum err rd_u64(struct rd *r, uint64_t *v)
{
	return rd_be(r, 8, v);
}

enum err rd_end(const struct rd *r)
{
	return rd_left(r) ? ERR_INVALID : OK;
}
