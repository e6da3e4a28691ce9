/* Used by gate; holds nothing. No text of a path has two readings: "+" is always
 * the digit, never a blank, and what a percent escape stands for is not decoded
 * again. */
#include "lib/ocsp_path.h"

#include "lib/ocsp.h"
#include "lib/rd.h"

enum {
	DIGIT_PAD = 64,
	DIGIT_NONE,
	DIGITS_MAX = (OCSP_REQUEST_MAX + 2) / 3 * 4, /* with padding */
};

static unsigned digit_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 0u;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return c == '=' ? DIGIT_PAD : DIGIT_NONE;
}

static unsigned hex_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0' + 0u;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10u;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10u;
	return 16;
}

static enum err next_digit(struct rd *r, unsigned *digit, struct fault *f)
{
	uint8_t c = 0, hi = 0, lo = 0;

	TRY(rd_u8(r, &c));
	if (c == '%') {
		if (rd_u8(r, &hi) != OK || rd_u8(r, &lo) != OK ||
		    hex_of(hi) > 15 || hex_of(lo) > 15)
			return fault_set(f, ERR_INVALID,
					 "the OCSP path has a broken percent "
					 "escape");
		c = (uint8_t)(hex_of(hi) << 4 | hex_of(lo));
	}
	*digit = digit_of(c);
	if (*digit != DIGIT_NONE)
		return OK;
	return fault_set(f, ERR_INVALID,
			 "the OCSP path has a byte \\x%02x, which is no base64",
			 c);
}

/* What is left when the digits are over: fewer bits than a byte, all zero, and as
 * much padding as belongs there, or none. */
static enum err end_check(size_t digits, size_t pads, uint32_t acc,
			  unsigned have, struct fault *f)
{
	if (!digits)
		return fault_set(f, ERR_INVALID,
				 "the OCSP path holds no request");
	if (digits % 4 == 1)
		return fault_set(f, ERR_INVALID,
				 "the base64 of the OCSP path is cut short");
	if (acc & ((1u << have) - 1))
		return fault_set(
			f, ERR_INVALID,
			"the base64 of the OCSP path has bits set past "
			"its end");
	if (pads && (pads > 2 || (digits + pads) % 4))
		return fault_set(
			f, ERR_INVALID,
			"the base64 of the OCSP path is padded wrongly");
	return OK;
}

static enum err decode(struct rd *r, struct buf *out, struct fault *f)
{
	size_t digits = 0, pads = 0, n = 0;
	unsigned digit = 0, have = 0;
	uint8_t der[OCSP_REQUEST_MAX];
	uint32_t acc = 0;

	while (rd_left(r)) {
		TRY(next_digit(r, &digit, f));
		if (digit == DIGIT_PAD) {
			pads++;
			continue;
		}
		if (pads)
			return fault_set(f, ERR_INVALID,
					 "the OCSP path goes on after its "
					 "padding");
		digits++;
		acc = acc << 6 | digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == OCSP_REQUEST_MAX)
			return fault_set(f, ERR_INVALID,
					 "the OCSP path holds over %d bytes",
					 OCSP_REQUEST_MAX);
		der[n++] = (uint8_t)(acc >> have);
	}
	TRY(end_check(digits, pads, acc, have, f));
	return buf_put(out, der, n);
}

enum err ocsp_path_decode(const char *raw, size_t len, struct buf *out,
			  struct fault *f)
{
	struct rd r = rd_from(raw, len);
	const uint8_t *skip;

	if (len > 3 * DIGITS_MAX + 1)
		return fault_set(f, ERR_INVALID,
				 "the OCSP path holds over %d bytes",
				 OCSP_REQUEST_MAX);
	/* a request begins with 30, and so its base64 with M */
	if (len && *raw == '/')
		TRY(rd_bytes(&r, 1, &skip));
	return decode(&r, out, f);
}
