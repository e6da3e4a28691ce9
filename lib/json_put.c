/* Used by every gate; holds nothing. */
#include "lib/json_put.h"

#include "lib/enc.h"

static bool is_plain(uint8_t c, bool utf8)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f &&
	       (utf8 || c < 0x80);
}

static enum err put_special(struct buf *out, uint8_t c)
{
	switch (c) {
	case '"':
		return buf_str(out, "\\\"");
	case '\\':
		return buf_str(out, "\\\\");
	case '\n':
		return buf_str(out, "\\n");
	default:
		if (c < 0x20 || c == 0x7f)
			return buf_fmt(out, "\\u%04x", c);
		return buf_str(out, "?");
	}
}

enum err json_put_string(struct buf *out, const void *text, size_t n)
{
	const uint8_t *p = text;
	bool utf8 = enc_utf8_ok(p, n);
	size_t at = 0, from;

	TRY(buf_str(out, "\""));
	while (at < n) {
		for (from = at; at < n && is_plain(p[at], utf8); at++)
			;
		TRY(buf_put(out, p + from, at - from));
		if (at < n)
			TRY(put_special(out, p[at++]));
	}
	return buf_str(out, "\"");
}
