/* Used by every process; holds nothing. Not constant-time: for public bytes, and
 * for secrets only where their owner alone can watch. */
#include "lib/enc.h"

#include <string.h>

static const char HEX[] = "0123456789abcdef";
static const char B64[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char B32[] = "abcdefghijklmnopqrstuvwxyz234567";

void enc_hex(const void *p, size_t n, char *out)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = HEX[b[i] >> 4];
		out[2 * i + 1] = HEX[b[i] & 15];
	}
	out[2 * n] = 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum err enc_hex_parse(const char *text, size_t len, void *out, size_t n)
{
	uint8_t *b = out;

	if (len != 2 * n)
		return ERR_INVALID;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(text[2 * i]),
		    lo = hex_digit(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return ERR_INVALID;
		b[i] = (uint8_t)(hi << 4 | lo);
	}
	return OK;
}

/* `bits` per digit: 6 for base64, 5 for base32. */
static enum err enc_bits(const uint8_t *b, size_t n, unsigned bits,
			 const char *digits, struct buf *out)
{
	const uint32_t mask = (1u << bits) - 1;
	unsigned have = 0;
	uint32_t acc = 0;
	uint8_t *at;

	if (n > out->max)
		return ERR_TOO_LARGE;
	TRY(buf_grow(out, (8 * n + bits - 1) / bits, &at));
	for (size_t i = 0; i < n; i++) {
		acc = acc << 8 | b[i];
		for (have += 8; have >= bits; have -= bits)
			*at++ = (uint8_t)digits[acc >> (have - bits) & mask];
	}
	if (have)
		*at = (uint8_t)digits[acc << (bits - have) & mask];
	return OK;
}

static int b64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int b32_digit(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

/* What was decoded before it fails stays in out. */
static enum err enc_bits_parse(const char *text, size_t len, unsigned bits,
			       int (*digit)(char c), struct buf *out)
{
	unsigned have = 0;
	uint32_t acc = 0;
	uint8_t *at;
	int d = 0;

	if (len > 2 * out->max)
		return ERR_TOO_LARGE;
	TRY(buf_grow(out, len * bits / 8, &at));
	for (size_t i = 0; i < len && (d = digit(text[i])) >= 0; i++) {
		acc = acc << bits | (uint32_t)d;
		have += bits;
		if (have >= 8) {
			have -= 8;
			*at++ = (uint8_t)(acc >> have);
		}
	}
	out->len = (size_t)(at - out->p);
	/* fewer bits left than a digit has, and all of them zero */
	if (d < 0 || have >= bits || (acc & ((1u << have) - 1)))
		return ERR_INVALID;
	return OK;
}

enum err enc_base64(const void *p, size_t n, struct buf *out)
{
	TRY(enc_bits(p, n, 6, B64, out));
	for (size_t i = n; i % 3; i++)
		TRY(buf_u8(out, '='));
	return OK;
}

enum err enc_base64_parse(const char *text, size_t len, struct buf *out)
{
	size_t pad = 0;

	if (len % 4)
		return ERR_INVALID;
	while (pad < 2 && pad < len && text[len - 1 - pad] == '=')
		pad++;
	return enc_bits_parse(text, len - pad, 6, b64_digit, out);
}

enum err enc_base32(const void *p, size_t n, struct buf *out)
{
	return enc_bits(p, n, 5, B32, out);
}

enum err enc_base32_parse(const char *text, size_t len, struct buf *out)
{
	return enc_bits_parse(text, len, 5, b32_digit, out);
}

/* Length of the well-formed sequence at b, 0 if there is none (RFC 3629). */
static size_t utf8_one(const uint8_t *b, size_t n)
{
	size_t len = b[0] < 0x80   ? 1
		     : b[0] < 0xc2 ? 0
		     : b[0] < 0xe0 ? 2
		     : b[0] < 0xf0 ? 3
		     : b[0] < 0xf5 ? 4
				   : 0;

	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
	    (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	return len;
}

bool enc_utf8_ok(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n) {
		size_t len = utf8_one(b, n);

		if (!len)
			return false;
		b += len;
		n -= len;
	}
	return true;
}
