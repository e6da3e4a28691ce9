/* DER (X.690): the strict reader and the writer for everything in certificates.
 * Reading refuses indefinite and overlong lengths, long-form tags, lengths that do
 * not fit, non-minimal integers; nothing is skipped unread. A struct rd is both a
 * message being read and the body of one of its values. */
#ifndef LIB_DER_H
#define LIB_DER_H

#include "lib/buf.h"
#include "lib/span.h"

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUM = 0x0a,
	DER_UTF8 = 0x0c,
	DER_PRINTABLE = 0x13,
	DER_IA5 = 0x16,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18, /* GeneralizedTime */
	DER_SEQ = 0x30,
	DER_SET = 0x31,
	DER_CTX = 0x80,     /* | n: [n] IMPLICIT, primitive */
	DER_CTX_SEQ = 0xa0, /* | n: [n] constructed, or EXPLICIT */
};

/* Reading. Every function gives ERR_INVALID and leaves r as it was when the value is
 * not there or not DER. */

/* True if the next value has that tag. */
bool der_is(const struct rd *r, unsigned tag);
/* The next value of any tag: its body, and its whole encoding. */
MUST enum err der_any(struct rd *r, unsigned *tag, struct rd *body,
		      struct span *whole);
/* The next value, which has that tag. */
MUST enum err der_get(struct rd *r, unsigned tag, struct rd *body);
MUST enum err der_span(struct rd *r, unsigned tag, struct span *body);
/* The same, with head: the bytes as they were signed. */
MUST enum err der_whole(struct rd *r, unsigned tag, struct span *whole);
/* OPTIONAL: *there tells; ERR_INVALID only if it is there and broken. */
MUST enum err der_opt(struct rd *r, unsigned tag, bool *there, struct rd *body);
MUST enum err der_bool(struct rd *r, bool *v); /* FF or 00 */
/* INTEGER or ENUMERATED (tag) that is not negative and at most max. */
MUST enum err der_u64(struct rd *r, unsigned tag, uint64_t max, uint64_t *v);
/* A positive INTEGER's big-endian bytes, without the sign octet. */
MUST enum err der_uint(struct rd *r, struct span *v);
/* BIT STRING without unused bits; named bits (KeyUsage) as a number, bit 0 the
 * first bit; a DER named bit list has no zero bits at its end. */
MUST enum err der_bits(struct rd *r, struct span *v);
MUST enum err der_named_bits(struct rd *r, unsigned *v);
MUST enum err der_null(struct rd *r);
/* UTCTime (1950..2049) or GeneralizedTime, with seconds and Z and no fraction; as
 * RFC 5280 4.1.2.5 has it: UTCTime through 2049, GeneralizedTime after. */
MUST enum err der_time(struct rd *r, int64_t *seconds);
/* Only GeneralizedTime, of any year (OCSP). */
MUST enum err der_gtime(struct rd *r, int64_t *seconds);
/* An OBJECT IDENTIFIER's content octets, checked to be one. */
MUST enum err der_oid(struct rd *r, struct span *v);

/* Writing into a buf (whose max is the bound). A value that contains others:
 *	size_t m; TRY(der_begin(b, DER_SEQ, &m)); … TRY(der_end(b, m)); */
MUST enum err der_begin(struct buf *b, unsigned tag, size_t *mark);
MUST enum err der_end(struct buf *b, size_t mark);
MUST enum err der_put(struct buf *b, unsigned tag, const void *p, size_t n);
MUST enum err der_put_span(struct buf *b, unsigned tag, struct span s);
MUST enum err der_put_raw(struct buf *b, struct span s);
MUST enum err der_put_bool(struct buf *b, bool v);
MUST enum err der_put_u64(struct buf *b, unsigned tag, uint64_t v);
/* An unsigned big-endian number as INTEGER: leading zeros dropped, sign added. */
MUST enum err der_put_uint(struct buf *b, struct span v);
MUST enum err der_put_bits(struct buf *b, const void *p, size_t n);
MUST enum err der_put_named_bits(struct buf *b, unsigned v);
MUST enum err der_put_null(struct buf *b);
MUST enum err der_put_time(struct buf *b, int64_t seconds);
MUST enum err der_put_gtime(struct buf *b, int64_t seconds);
/* Bytes of tag and length of a value whose body has n bytes. */
size_t der_head_size(size_t n);

#endif
