/* The one bounded reader: a cursor over bytes somebody else owns. Integers are
 * big-endian. Every function returns ERR_INVALID and moves nothing when there
 * are too few bytes. */
#ifndef LIB_RD_H
#define LIB_RD_H

#include "lib/err.h"

struct rd {
	const uint8_t *p;
	const uint8_t *end;
};

struct rd rd_from(const void *p, size_t len);
MUST enum err rd_u8(struct rd *r, uint8_t *v);
MUST enum err rd_u16(struct rd *r, uint16_t *v);
MUST enum err rd_u32(struct rd *r, uint32_t *v);
MUST enum err rd_u64(struct rd *r, uint64_t *v);

/* These two are here and not in rd.c because every attribute of every list goes
 * through them several times: as calls they were a tenth of the vault's time. */
static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

/* Points *v at the next n bytes and steps over them. */
MUST static inline enum err rd_bytes(struct rd *r, size_t n, const uint8_t **v)
{
	if (rd_left(r) < n)
		return ERR_INVALID;
	*v = r->p;
	r->p += n;
	return OK;
}

/* Copies the next n bytes to out. */
MUST enum err rd_copy(struct rd *r, size_t n, void *out);

/* ERR_INVALID if anything is left: parsers refuse trailing bytes. */
MUST enum err rd_end(const struct rd *r);

#endif
