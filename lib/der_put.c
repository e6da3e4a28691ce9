/* DER, the writing half: lengths in their shortest form, numbers in theirs. Used by
 * every process that makes certificates, requests or answers; holds nothing. */
#include "lib/der.h"

#include <string.h>

enum {
	LEN_BYTES_MAX = 4,
	NAMED_BITS_MAX = 32,
};

/* Bytes that a length needs after its first one. */
static size_t length_extra(size_t n)
{
	size_t extra = 0;

	if (n < 0x80)
		return 0;
	for (; n; n >>= 8)
		extra++;
	return extra;
}

size_t der_head_size(size_t n)
{
	return 2 + length_extra(n);
}

static void write_length(uint8_t *at, size_t n, size_t extra)
{
	if (!extra) {
		at[0] = (uint8_t)n;
		return;
	}
	at[0] = (uint8_t)(0x80 | extra);
	for (size_t i = extra; i > 0; i--, n >>= 8)
		at[i] = (uint8_t)n;
}

/* Room for the length is one byte, which most values need; der_end moves the body
 * when it needs more. */
enum err der_begin(struct buf *b, unsigned tag, size_t *mark)
{
	uint8_t *at;

	TRY(buf_grow(b, 2, &at));
	at[0] = (uint8_t)tag;
	at[1] = 0;
	*mark = b->len;
	return OK;
}

enum err der_end(struct buf *b, size_t mark)
{
	size_t n, extra;
	uint8_t *at;

	ENSURE(mark >= 2 && mark <= b->len);
	n = b->len - mark;
	extra = length_extra(n);
	if (extra > LEN_BYTES_MAX)
		return ERR_TOO_LARGE;
	if (extra) {
		TRY(buf_grow(b, extra, &at));
		memmove(b->p + mark + extra, b->p + mark, n);
	}
	write_length(b->p + mark - 1, n, extra);
	return OK;
}

/* The head of a value of n bytes, and room for the bytes. */
static enum err put_head(struct buf *b, unsigned tag, size_t n, uint8_t **body)
{
	size_t extra = length_extra(n);
	uint8_t *at;

	if (extra > LEN_BYTES_MAX || n > SIZE_MAX - 2 - LEN_BYTES_MAX)
		return ERR_TOO_LARGE;
	TRY(buf_grow(b, 2 + extra + n, &at));
	at[0] = (uint8_t)tag;
	write_length(at + 1, n, extra);
	*body = at + 2 + extra;
	return OK;
}

enum err der_put(struct buf *b, unsigned tag, const void *p, size_t n)
{
	uint8_t *body;

	TRY(put_head(b, tag, n, &body));
	if (n)
		memcpy(body, p, n);
	return OK;
}

enum err der_put_span(struct buf *b, unsigned tag, struct span s)
{
	return der_put(b, tag, s.p, s.n);
}

enum err der_put_raw(struct buf *b, struct span s)
{
	return buf_put(b, s.p, s.n);
}

enum err der_put_bool(struct buf *b, bool v)
{
	uint8_t octet = v ? 0xff : 0;

	return der_put(b, DER_BOOLEAN, &octet, 1);
}

/* A number's octets, sign octet added where the first bit is set. */
static enum err put_natural(struct buf *b, unsigned tag, struct span v)
{
	uint8_t *body;
	size_t sign;

	while (v.n && !v.p[0])
		v = span_of(v.p + 1, v.n - 1);
	sign = !v.n || v.p[0] & 0x80;
	if (v.n > SIZE_MAX - sign)
		return ERR_TOO_LARGE;
	TRY(put_head(b, tag, v.n + sign, &body));
	if (sign)
		body[0] = 0;
	if (v.n)
		memcpy(body + sign, v.p, v.n);
	return OK;
}

enum err der_put_u64(struct buf *b, unsigned tag, uint64_t v)
{
	uint8_t octets[sizeof v];

	for (size_t i = sizeof octets; i > 0; i--, v >>= 8)
		octets[i - 1] = (uint8_t)v;
	return put_natural(b, tag, span_of(octets, sizeof octets));
}

enum err der_put_uint(struct buf *b, struct span v)
{
	return put_natural(b, DER_INTEGER, v);
}

enum err der_put_bits(struct buf *b, const void *p, size_t n)
{
	uint8_t *body;

	if (n == SIZE_MAX)
		return ERR_TOO_LARGE;
	TRY(put_head(b, DER_BITS, n + 1, &body));
	body[0] = 0;
	if (n)
		memcpy(body + 1, p, n);
	return OK;
}

enum err der_put_named_bits(struct buf *b, unsigned v)
{
	uint8_t octets[1 + NAMED_BITS_MAX / 8] = { 0 };
	unsigned count = 0;

	for (unsigned i = 0; i < NAMED_BITS_MAX; i++) {
		if (!(v >> i & 1))
			continue;
		octets[1 + i / 8] |= (uint8_t)(0x80u >> i % 8);
		count = i + 1;
	}
	octets[0] = (uint8_t)((8 - count % 8) % 8);
	return der_put(b, DER_BITS, octets, 1 + (count + 7) / 8);
}

enum err der_put_null(struct buf *b)
{
	return der_put(b, DER_NULL, NULL, 0);
}
