/* Attribute list, text and JSON forms. Used by every process; holds what its list
 * holds, and shows nothing that is confidential.
 *
 *	line  = [attr] *(blank attr)          blank: spaces and tabs
 *	attr  = ["!"] name "=" value          "!": confidential
 *	value = bare / quoted                 bare: no blank, no quote, no control
 *	quoted = DQUOTE *(char / \" / \\ / \n / \t / \xHH) DQUOTE
 *
 * Text is UTF-8; bytes that are not are written \xHH. So are control characters
 * and those that turn or break lines on a terminal, so that a value cannot pretend
 * to be something else where a person reads it. */
#include "lib/attr.h"

#include "lib/attr_group.h"
#include "lib/enc.h"

#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 character at p (n > 0 bytes left) and its code point; 0 if it
 * is not one (RFC 3629: shortest form, no surrogates, at most U+10FFFF). */
static size_t utf8_char(const uint8_t *p, size_t n, uint32_t *cp)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len;
	uint32_t c = p[0];

	if (c < 0x80) {
		*cp = c;
		return 1;
	}
	len = c >= 0xf8 ? 0 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
	if (!len || len > n)
		return 0;
	c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return len;
}

/* Characters a reader cannot see for what they are: C0, DEL and C1 controls, line
 * and paragraph separators, marks and overrides of writing direction. */
static bool char_deceives(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c ||
	       c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* Parsing. */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct rd *r)
{
	while (rd_left(r) && is_blank(*r->p))
		r->p++;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The attribute being read, for error sentences. */
struct text_name {
	const char *p;
	size_t len;
	uint8_t flags;
};

static enum err bad_char(const struct text_name *n, struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "the value of '%.*s' holds a control character or is "
			 "not UTF-8: quote it and write such bytes as \\xHH",
			 (int)n->len, n->p);
}

static enum err unclosed(const struct text_name *n, struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "the quoted value of '%.*s' does not end: a '\"' is "
			 "missing",
			 (int)n->len, n->p);
}

/* Steps over one plain character and gives its bytes. */
static enum err text_char(struct rd *r, const struct text_name *n,
			  const uint8_t **p, size_t *len, struct fault *f)
{
	uint32_t cp;
	size_t k = utf8_char(r->p, rd_left(r), &cp);

	if (!k || (cp < 0x20 && cp != '\t') || cp == 0x7f)
		return bad_char(n, f);
	*p = r->p;
	*len = k;
	r->p += k;
	return OK;
}

static enum err text_escape(struct rd *r, const struct text_name *n,
			    struct buf *out, struct fault *f)
{
	uint8_t c, hi, lo;

	if (rd_u8(r, &c) != OK)
		return unclosed(n, f);
	if (c == 'n')
		return buf_u8(out, '\n');
	if (c == 't')
		return buf_u8(out, '\t');
	if (c == '"' || c == '\\')
		return buf_u8(out, c);
	if (c != 'x' || rd_u8(r, &hi) != OK || rd_u8(r, &lo) != OK ||
	    hex_digit(hi) < 0 || hex_digit(lo) < 0)
		return fault_set(f, ERR_INVALID,
				 "the value of '%.*s' has an unknown escape: "
				 "there are \\\" \\\\ \\n \\t \\xHH",
				 (int)n->len, n->p);
	return buf_u8(out, (uint8_t)(hex_digit(hi) << 4 | hex_digit(lo)));
}

/* After the opening quote; steps over the closing one. */
static enum err text_quoted(struct rd *r, const struct text_name *n,
			    struct buf *out, struct fault *f)
{
	const uint8_t *p;
	size_t len;

	for (;;) {
		if (!rd_left(r))
			return unclosed(n, f);
		if (*r->p == '"') {
			r->p++;
			break;
		}
		if (*r->p == '\\') {
			r->p++;
			TRY(text_escape(r, n, out, f));
			continue;
		}
		TRY(text_char(r, n, &p, &len, f));
		TRY(buf_put(out, p, len));
	}
	if (rd_left(r) && !is_blank(*r->p))
		return fault_set(f, ERR_INVALID,
				 "after the quoted value of '%.*s' a blank is "
				 "missing",
				 (int)n->len, n->p);
	return OK;
}

static enum err text_bare(struct rd *r, const struct text_name *n,
			  const uint8_t **p, size_t *len, struct fault *f)
{
	const uint8_t *start = r->p, *c;
	size_t k;

	while (rd_left(r) && !is_blank(*r->p)) {
		if (*r->p == '"')
			return fault_set(f, ERR_INVALID,
					 "the value of '%.*s' holds a '\"': "
					 "quote all of it",
					 (int)n->len, n->p);
		TRY(text_char(r, n, &c, &k, f));
	}
	*p = start;
	*len = (size_t)(r->p - start);
	return OK;
}

static enum err name_error(struct rd *r, const struct text_name *n,
			   struct fault *f)
{
	int len = (int)MIN(n->len, (size_t)ATTR_NAME_MAX);

	if (rd_left(r) && *r->p == '?' && (n->flags & ATTR_CONFIDENTIAL) &&
	    attr_name_ok(n->p, n->len))
		return fault_set(f, ERR_INVALID,
				 "'!%.*s?' is a placeholder, not a value", len,
				 n->p);
	if (!attr_name_ok(n->p, n->len))
		return fault_set(f, ERR_INVALID,
				 "an attribute begins with a name of "
				 "[a-z][a-z0-9_.-]*, at most %d characters, "
				 "and '='",
				 ATTR_NAME_MAX);
	return fault_set(f, ERR_INVALID, "after '%.*s' a '=' is missing", len,
			 n->p);
}

static bool name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '.' || c == '-';
}

static enum err text_name(struct rd *r, struct text_name *n, struct fault *f)
{
	n->flags = 0;
	if (*r->p == '!') {
		n->flags = ATTR_CONFIDENTIAL;
		r->p++;
	}
	n->p = (const char *)r->p;
	while (rd_left(r) && name_char(*r->p))
		r->p++;
	n->len = (size_t)((const char *)r->p - n->p);
	if (!attr_name_ok(n->p, n->len) || !rd_left(r) || *r->p != '=')
		return name_error(r, n, f);
	r->p++;
	return OK;
}

static enum err text_add(struct attrs *a, const struct text_name *n,
			 const void *value, size_t len, struct fault *f)
{
	enum err e = attrs_add_named(a, n->p, n->len, n->flags, value, len);

	if (e == ERR_TOO_LARGE)
		return fault_set(f, e,
				 "an attribute list is too large at '%.*s'",
				 (int)n->len, n->p);
	return e;
}

static enum err text_add_quoted(struct attrs *a, struct rd *r,
				const struct text_name *n, struct fault *f)
{
	AUTO(buf_wipe) struct buf value = { 0 };
	enum err e;

	if (a->bytes.secret)
		buf_init_secret(&value, ATTR_VALUE_MAX);
	else
		buf_init(&value, ATTR_VALUE_MAX);
	e = text_quoted(r, n, &value, f);
	if (e == ERR_TOO_LARGE)
		return fault_set(f, e, "the value of '%.*s' is over %d bytes",
				 (int)n->len, n->p, ATTR_VALUE_MAX);
	TRY(e);
	return text_add(a, n, value.p, value.len, f);
}

static enum err text_attr(struct attrs *a, struct rd *r, struct fault *f)
{
	struct text_name n;
	const uint8_t *p = NULL;
	size_t len = 0;

	TRY(text_name(r, &n, f));
	if (rd_left(r) && *r->p == '"') {
		r->p++;
		return text_add_quoted(a, r, &n, f);
	}
	TRY(text_bare(r, &n, &p, &len, f));
	return text_add(a, &n, p, len, f);
}

enum err attrs_parse_text(struct attrs *a, const char *text, size_t len,
			  struct fault *f)
{
	struct rd r = rd_from(text, len);

	for (skip_blanks(&r); rd_left(&r); skip_blanks(&r))
		TRY(text_attr(a, &r, f));
	return OK;
}

/* Formatting. */

static bool value_is_bare(const uint8_t *p, size_t len)
{
	uint32_t cp;
	size_t k;

	for (size_t i = 0; i < len; i += k) {
		k = utf8_char(p + i, len - i, &cp);
		if (!k || char_deceives(cp) || cp == ' ' || cp == '"' ||
		    cp == '=' || cp == '\\')
			return false;
	}
	return len != 0;
}

static enum err put_escaped(struct buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n')
			TRY(buf_str(out, "\\n"));
		else if (p[i] == '\t')
			TRY(buf_str(out, "\\t"));
		else
			TRY(buf_fmt(out, "\\x%02X", p[i]));
	}
	return OK;
}

static enum err put_quoted(struct buf *out, const uint8_t *p, size_t len)
{
	uint32_t cp = 0;
	size_t k;

	TRY(buf_u8(out, '"'));
	for (size_t i = 0; i < len; i += k) {
		size_t ok = utf8_char(p + i, len - i, &cp);

		k = ok ? ok : 1;
		if (!ok || char_deceives(cp)) {
			TRY(put_escaped(out, p + i, k));
			continue;
		}
		if (cp == '"' || cp == '\\')
			TRY(buf_u8(out, '\\'));
		TRY(buf_put(out, p + i, k));
	}
	return buf_u8(out, '"');
}

enum err attr_format_value(const struct attr *a, struct buf *out)
{
	if (a->flags & ATTR_CONFIDENTIAL)
		return buf_u8(out, '?');
	if (value_is_bare(a->value, a->len))
		return buf_put(out, a->value, a->len);
	return put_quoted(out, a->value, a->len);
}

static enum err format_one(const struct attr *a, struct buf *out)
{
	bool hidden = a->flags & ATTR_CONFIDENTIAL;

	if (hidden)
		TRY(buf_u8(out, '!'));
	TRY(buf_put(out, a->name, a->name_len));
	if (!hidden)
		TRY(buf_u8(out, '='));
	return attr_format_value(a, out);
}

enum err attr_format_text(struct attr_view v, struct buf *out)
{
	struct attr a;
	bool first = true;

	while (attr_next(&v, &a)) {
		if (!first)
			TRY(buf_u8(out, ' '));
		first = false;
		TRY(format_one(&a, out));
	}
	return OK;
}

/* JSON. */

static enum err json_char(struct buf *out, const uint8_t *p, size_t k,
			  uint32_t cp)
{
	if (cp == '"' || cp == '\\')
		return buf_fmt(out, "\\%c", (char)cp);
	if (cp == '\n')
		return buf_str(out, "\\n");
	if (cp == '\t')
		return buf_str(out, "\\t");
	if (char_deceives(cp))
		return buf_fmt(out, "\\u%04x", (unsigned)cp);
	return buf_put(out, p, k);
}

static enum err json_string(struct buf *out, const uint8_t *p, size_t len)
{
	uint32_t cp = 0;
	size_t k;

	TRY(buf_u8(out, '"'));
	for (size_t i = 0; i < len; i += k) {
		k = utf8_char(p + i, len - i, &cp);
		TRY(json_char(out, p + i, k, cp));
	}
	return buf_u8(out, '"');
}

static enum err json_value(struct buf *out, const struct attr *a)
{
	if (a->flags & ATTR_CONFIDENTIAL)
		return buf_str(out, "{\"confidential\":true}");
	if (enc_utf8_ok(a->value, a->len))
		return json_string(out, a->value, a->len);
	TRY(buf_str(out, "{\"base64\":\""));
	TRY(enc_base64(a->value, a->len, out));
	return buf_str(out, "\"}");
}

static enum err json_group(struct buf *out, const struct attr_at *g, unsigned n)
{
	TRY(buf_u8(out, '"'));
	TRY(buf_put(out, g->a.name, g->a.name_len));
	TRY(buf_str(out, n > 1 ? "\":[" : "\":"));
	for (unsigned i = 0; i < n; i++) {
		if (i)
			TRY(buf_u8(out, ','));
		TRY(json_value(out, &g[i].a));
	}
	return n > 1 ? buf_u8(out, ']') : OK;
}

enum err attr_format_json(struct attr_view v, struct buf *out)
{
	unsigned n, k;
	AUTO(mem_free) struct attr_at *items = attr_group(v, &n);

	TRY(buf_u8(out, '{'));
	for (unsigned i = 0; i < n; i += k) {
		k = attr_group_len(items + i, n - i);
		if (i)
			TRY(buf_u8(out, ','));
		TRY(json_group(out, items + i, k));
	}
	return buf_u8(out, '}');
}
