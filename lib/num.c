/* Used by every process; holds nothing. */
#include "lib/num.h"

#include <string.h>

size_t num_format(uint64_t v, char out[NUM_DIGITS])
{
	char digits[NUM_DIGITS];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + v % 10);
	while (v /= 10);
	memcpy(out, digits + at, sizeof digits - at);
	return sizeof digits - at;
}

enum err num_u64(const char *text, size_t len, uint64_t max, uint64_t *v)
{
	uint64_t x = 0;

	if (!len)
		return ERR_INVALID;
	for (size_t i = 0; i < len; i++) {
		unsigned d = (unsigned)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9' || x > (max - d) / 10 ||
		    d > max)
			return ERR_INVALID;
		x = x * 10 + d;
	}
	*v = x;
	return OK;
}

static enum err num_scaled(const char *text, size_t len, uint64_t scale,
			   uint64_t max, uint64_t *v)
{
	uint64_t x;

	TRY(num_u64(text, len, max / scale, &x));
	*v = x * scale;
	return OK;
}

enum err num_duration(const char *text, size_t len, bool bare, uint64_t max,
		      uint64_t *seconds)
{
	if (!len)
		return ERR_INVALID;
	switch (text[len - 1]) {
	case 's':
		return num_scaled(text, len - 1, 1, max, seconds);
	case 'm':
		return num_scaled(text, len - 1, 60, max, seconds);
	case 'h':
		return num_scaled(text, len - 1, 3600, max, seconds);
	case 'd':
		return num_scaled(text, len - 1, 86400, max, seconds);
	default:
		return bare ? num_u64(text, len, max, seconds) : ERR_INVALID;
	}
}

enum err num_size(const char *text, size_t len, uint64_t max, uint64_t *bytes)
{
	if (!len)
		return ERR_INVALID;
	switch (text[len - 1]) {
	case 'K':
		return num_scaled(text, len - 1, 1ull << 10, max, bytes);
	case 'M':
		return num_scaled(text, len - 1, 1ull << 20, max, bytes);
	case 'G':
		return num_scaled(text, len - 1, 1ull << 30, max, bytes);
	default:
		return num_u64(text, len, max, bytes);
	}
}
