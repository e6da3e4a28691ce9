/* DER, the reading half (der_put.c is the other). Used by every process that sees a
 * certificate, a request or an answer; holds nothing. Each reader works on a copy of
 * the cursor and stores it back when all was right. */
#include "lib/der.h"

#include <string.h>

enum {
	TAG_LONG_FORM = 0x1f,
	TAG_NUMBER = 0x1f,
	TAG_CLASS = 0xc0,
	TAG_CONSTRUCTED = 0x20,
	LEN_BYTES_MAX = 4,
	NAMED_BITS_BYTES_MAX = 4,
};

/* Of the universal types only these are constructed in DER: SEQUENCE, SET, and
 * EXTERNAL, EMBEDDED PDV, CHARACTER STRING; strings in pieces are BER. */
static bool form_fits(unsigned tag)
{
	static const uint32_t constructed =
		1u << 16 | 1u << 17 | 1u << 8 | 1u << 11 | 1u << 29;

	if (tag & TAG_CLASS)
		return true;
	return !(tag & TAG_CONSTRUCTED) ==
	       !(constructed >> (tag & TAG_NUMBER) & 1);
}

static enum err read_tag(struct rd *r, unsigned *tag)
{
	uint8_t b;

	TRY(rd_u8(r, &b));
	if (!b || (b & TAG_NUMBER) == TAG_LONG_FORM || !form_fits(b))
		return ERR_INVALID;
	*tag = b;
	return OK;
}

/* 80 (indefinite), FF and lengths of more than four bytes fail at the count; what
 * would have fitted a shorter form fails after. */
static enum err read_length(struct rd *r, size_t *len)
{
	size_t count, n = 0;
	uint8_t b;

	TRY(rd_u8(r, &b));
	if (b < 0x80) {
		*len = b;
		return OK;
	}
	count = b & 0x7fu;
	if (!count || count > LEN_BYTES_MAX)
		return ERR_INVALID;
	for (size_t i = 0; i < count; i++) {
		TRY(rd_u8(r, &b));
		if (!i && !b)
			return ERR_INVALID;
		n = n << 8 | b;
	}
	if (n < 0x80)
		return ERR_INVALID;
	*len = n;
	return OK;
}

bool der_is(const struct rd *r, unsigned tag)
{
	return rd_left(r) && *r->p == tag;
}

enum err der_any(struct rd *r, unsigned *tag, struct rd *body,
		 struct span *whole)
{
	struct rd at = *r;
	const uint8_t *p;
	unsigned t;
	size_t n;

	TRY(read_tag(&at, &t));
	TRY(read_length(&at, &n));
	TRY(rd_bytes(&at, n, &p));
	*tag = t;
	*body = rd_from(p, n);
	*whole = span_of(r->p, (size_t)(at.p - r->p));
	*r = at;
	return OK;
}

enum err der_get(struct rd *r, unsigned tag, struct rd *body)
{
	struct span whole;
	unsigned t;

	if (!der_is(r, tag))
		return ERR_INVALID;
	return der_any(r, &t, body, &whole);
}

enum err der_span(struct rd *r, unsigned tag, struct span *body)
{
	struct rd b;

	TRY(der_get(r, tag, &b));
	*body = span_of(b.p, rd_left(&b));
	return OK;
}

enum err der_whole(struct rd *r, unsigned tag, struct span *whole)
{
	struct rd body;
	unsigned t;

	if (!der_is(r, tag))
		return ERR_INVALID;
	return der_any(r, &t, &body, whole);
}

enum err der_opt(struct rd *r, unsigned tag, bool *there, struct rd *body)
{
	if (!der_is(r, tag)) {
		*there = false;
		return OK;
	}
	TRY(der_get(r, tag, body));
	*there = true;
	return OK;
}

enum err der_bool(struct rd *r, bool *v)
{
	struct rd at = *r;
	struct span s;

	TRY(der_span(&at, DER_BOOLEAN, &s));
	if (s.n != 1 || (s.p[0] && s.p[0] != 0xff))
		return ERR_INVALID;
	*v = s.p[0] != 0;
	*r = at;
	return OK;
}

/* An INTEGER's octets: there are some, not negative, none too many; *v without
 * the sign octet, so that zero has none left. */
static enum err read_natural(struct rd *r, unsigned tag, struct span *v)
{
	struct span s;

	TRY(der_span(r, tag, &s));
	if (!s.n || s.p[0] & 0x80)
		return ERR_INVALID;
	if (!s.p[0]) {
		if (s.n > 1 && !(s.p[1] & 0x80))
			return ERR_INVALID;
		s = span_of(s.p + 1, s.n - 1);
	}
	*v = s;
	return OK;
}

enum err der_u64(struct rd *r, unsigned tag, uint64_t max, uint64_t *v)
{
	struct rd at = *r;
	struct span s;
	uint64_t x = 0;

	TRY(read_natural(&at, tag, &s));
	if (s.n > sizeof x)
		return ERR_INVALID;
	for (size_t i = 0; i < s.n; i++)
		x = x << 8 | s.p[i];
	if (x > max)
		return ERR_INVALID;
	*v = x;
	*r = at;
	return OK;
}

enum err der_uint(struct rd *r, struct span *v)
{
	struct rd at = *r;
	struct span s;

	TRY(read_natural(&at, DER_INTEGER, &s));
	if (!s.n)
		return ERR_INVALID;
	*v = s;
	*r = at;
	return OK;
}

enum err der_bits(struct rd *r, struct span *v)
{
	struct rd at = *r;
	struct span s;

	TRY(der_span(&at, DER_BITS, &s));
	if (!s.n || s.p[0])
		return ERR_INVALID;
	*v = span_of(s.p + 1, s.n - 1);
	*r = at;
	return OK;
}

enum err der_named_bits(struct rd *r, unsigned *v)
{
	struct rd at = *r;
	unsigned bits = 0;
	struct span s;

	TRY(der_span(&at, DER_BITS, &s));
	if (!s.n || s.n > 1 + NAMED_BITS_BYTES_MAX || s.p[0] > 7)
		return ERR_INVALID;
	if (s.n == 1 && s.p[0])
		return ERR_INVALID;
	/* the last bit that counts is set, those after it are not */
	if (s.n > 1 && (s.p[s.n - 1] & ((2u << s.p[0]) - 1)) != 1u << s.p[0])
		return ERR_INVALID;
	for (unsigned i = 0; i < 8 * (s.n - 1); i++)
		if (s.p[1 + i / 8] & 0x80u >> i % 8)
			bits |= 1u << i;
	*v = bits;
	*r = at;
	return OK;
}

enum err der_null(struct rd *r)
{
	struct rd at = *r;
	struct span s;

	TRY(der_span(&at, DER_NULL, &s));
	if (s.n)
		return ERR_INVALID;
	*r = at;
	return OK;
}

enum err der_oid(struct rd *r, struct span *v)
{
	struct rd at = *r;
	bool first = true;
	struct span s;

	TRY(der_span(&at, DER_OID, &s));
	if (!s.n || s.p[s.n - 1] & 0x80)
		return ERR_INVALID;
	for (size_t i = 0; i < s.n; i++) {
		if (first && s.p[i] == 0x80)
			return ERR_INVALID;
		first = !(s.p[i] & 0x80);
	}
	*v = s;
	*r = at;
	return OK;
}
