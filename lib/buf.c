/* Used by every process; a secret buffer is the only kind that may hold a secret. */
#include "lib/buf.h"

#include "lib/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUF_FIRST = 256
};

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_init_secret(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max, .secret = true };
}

void buf_wipe(struct buf *b)
{
	if (b->secret)
		secret_give(b->p, b->cap);
	else
		free(b->p);
	b->p = NULL;
	b->len = b->cap = 0;
}

/* What is past len was wiped when it was dropped, or never written. */
void buf_clear(struct buf *b)
{
	if (b->secret && b->p)
		secret_zero(b->p, b->len);
	b->len = 0;
}

static void buf_resize(struct buf *b, size_t cap)
{
	uint8_t *p;

	if (!b->secret) {
		b->p = xrealloc(b->p, cap);
		b->cap = cap;
		return;
	}
	p = secret_take(cap);
	if (b->len)
		memcpy(p, b->p, b->len);
	secret_give(b->p, b->cap);
	b->p = p;
	b->cap = cap;
}

enum err buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	if (n > b->max || b->len > b->max - n)
		return ERR_TOO_LARGE;
	if (b->p && b->len + n <= b->cap)
		return OK;
	while (cap < b->len + n)
		cap *= 2;
	buf_resize(b, cap);
	return OK;
}

enum err buf_grow(struct buf *b, size_t n, uint8_t **at)
{
	TRY(buf_reserve(b, n));
	*at = b->p + b->len;
	b->len += n;
	return OK;
}

enum err buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *at;

	TRY(buf_grow(b, n, &at));
	if (n)
		memcpy(at, p, n);
	return OK;
}

enum err buf_str(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

static enum err buf_be(struct buf *b, size_t n, uint64_t v)
{
	uint8_t *at;

	TRY(buf_grow(b, n, &at));
	for (size_t i = n; i > 0; i--, v >>= 8)
		at[i - 1] = (uint8_t)v;
	return OK;
}

enum err buf_u8(struct buf *b, uint8_t v)
{
	return buf_be(b, 1, v);
}

enum err buf_u16(struct buf *b, uint16_t v)
{
	return buf_be(b, 2, v);
}

enum err buf_u32(struct buf *b, uint32_t v)
{
	return buf_be(b, 4, v);
}

enum err buf_u64(struct buf *b, uint64_t v)
{
	return buf_be(b, 8, v);
}

enum err buf_fmt(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	uint8_t *at;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ENSURE(n >= 0);
	TRY(buf_reserve(b, (size_t)n + 1));
	at = b->p + b->len;
	va_start(ap, fmt);
	(void)vsnprintf((char *)at, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return OK;
}

void buf_drop(struct buf *b, size_t n)
{
	ENSURE(n <= b->len);
	if (!n)
		return;
	b->len -= n;
	if (b->len)
		memmove(b->p, b->p + n, b->len);
	if (b->secret)
		secret_zero(b->p + b->len, n);
}
