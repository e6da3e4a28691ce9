/* Worker: percent encoding, and the look of a hash. */
#include "modules/aws-sigv4/sigv4.h"

static const char HEX_UPPER[] = "0123456789ABCDEF";

/* 1: unreserved in RFC 3986. */
static const uint8_t plain[256] = {
	['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['0'] = 1, ['1'] = 1,
	['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
	['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1,
	['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1,
	['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1,
	['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1,
	['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1,
	['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1,
	['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1,
	['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
	['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

void encode(struct pen *w, struct str s, bool keep_slash)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (plain[c] || (c == '/' && keep_slash)) {
			pen_byte(w, c);
			continue;
		}
		pen_byte(w, '%');
		pen_byte(w, (uint8_t)HEX_UPPER[c >> 4]);
		pen_byte(w, (uint8_t)HEX_UPPER[c & 15]);
	}
}

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool decode(struct pen *w, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int hi, lo;

		if (s.p[i] != '%') {
			pen_byte(w, s.p[i]);
			continue;
		}
		if (s.n - i < 3)
			return false;
		hi = nibble(s.p[i + 1]);
		lo = nibble(s.p[i + 2]);
		if (hi < 0 || lo < 0)
			return false;
		pen_byte(w, (uint8_t)(hi << 4 | lo));
		i += 2;
	}
	return true;
}

bool hash_ok(struct str s)
{
	if (s.n != HASH_HEX)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (nibble(s.p[i]) < 0 || (s.p[i] >= 'A' && s.p[i] <= 'F'))
			return false;
	return true;
}
