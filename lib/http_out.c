/* A request's text with what a signature added. Runs in clients; holds nothing
 * that is confidential. */
#include "lib/http.h"

#include <string.h>
#include <strings.h>

static struct http_str str_of(const struct attr *a)
{
	return (struct http_str){ (const char *)a->value, a->len };
}

/* A line that an addition becomes part of: no byte may end it early. */
static bool addition_ok(const struct attr *a)
{
	for (uint32_t i = 0; i < a->len; i++)
		if ((a->value[i] < ' ' && a->value[i] != '\t') ||
		    a->value[i] == 0x7f)
			return false;
	return a->len > 0;
}

enum err http_additions_check(struct attr_view reply, struct fault *f)
{
	struct attr a;

	while (attr_next(&reply, &a)) {
		bool header = attr_named(&a, "header");

		if (!header && !attr_named(&a, "query") &&
		    !attr_named(&a, "target"))
			continue;
		if (!addition_ok(&a) ||
		    (header && !memchr(a.value, ':', a.len)))
			return fault_set(f, ERR_MODULE_FAILED,
					 "the module added a %.*s that is "
					 "none",
					 a.name_len, a.name);
	}
	return OK;
}

static bool dropped_header(struct attr_view reply, struct http_str name)
{
	struct attr a;

	while (attr_next(&reply, &a))
		if (attr_named(&a, "drop_header") && a.len == name.len &&
		    !strncasecmp((const char *)a.value, name.p, name.len))
			return true;
	return false;
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

/* The next byte of s as it reads decoded; false at its end. */
static bool decoded_next(struct http_str *s, char *c)
{
	size_t step = 1;

	if (!s->len)
		return false;
	*c = s->p[0];
	if (*c == '%' && s->len >= 3 && hex_digit(s->p[1]) >= 0 &&
	    hex_digit(s->p[2]) >= 0) {
		*c = (char)(hex_digit(s->p[1]) << 4 | hex_digit(s->p[2]));
		step = 3;
	}
	s->p += step;
	s->len -= step;
	return true;
}

static bool same_decoded(struct http_str a, struct http_str b)
{
	char x, y;

	for (;;) {
		bool more = decoded_next(&a, &x);

		if (more != decoded_next(&b, &y))
			return false;
		if (!more)
			return true;
		if (x != y)
			return false;
	}
}

static bool dropped_query(struct attr_view reply, struct http_str pair)
{
	const char *eq = memchr(pair.p, '=', pair.len);
	struct attr a;

	if (eq)
		pair.len = (size_t)(eq - pair.p);
	while (attr_next(&reply, &a))
		if (attr_named(&a, "drop_query") &&
		    same_decoded(str_of(&a), pair))
			return true;
	return false;
}

/* The query's pairs that stay, in their order. */
static enum err put_query(struct http_str q, struct attr_view reply,
			  bool *first, struct buf *out)
{
	for (;;) {
		const char *amp = q.len ? memchr(q.p, '&', q.len) : NULL;
		struct http_str pair = { q.p,
					 amp ? (size_t)(amp - q.p) : q.len };

		if (!dropped_query(reply, pair)) {
			TRY(buf_u8(out, *first ? '?' : '&'));
			TRY(buf_put(out, pair.p, pair.len));
			*first = false;
		}
		if (!amp)
			return OK;
		q.len -= pair.len + 1;
		q.p = amp + 1;
	}
}

static enum err put_added_query(struct attr_view reply, bool first,
				struct buf *out)
{
	struct attr a;

	while (attr_next(&reply, &a)) {
		if (!attr_named(&a, "query"))
			continue;
		if (first)
			TRY(buf_u8(out, '?'));
		else if (out->p[out->len - 1] != '?' &&
			 out->p[out->len - 1] != '&')
			TRY(buf_u8(out, '&'));
		TRY(buf_put(out, a.value, a.len));
		first = false;
	}
	return OK;
}

enum err http_out_target(const struct http_request *r, struct attr_view reply,
			 struct buf *out)
{
	struct http_str t = r->target, path;
	struct attr a;
	const char *mark;
	bool first = true;

	if (attr_find(reply, "target", &a))
		t = str_of(&a);
	mark = memchr(t.p, '?', t.len);
	path = (struct http_str){ t.p, mark ? (size_t)(mark - t.p) : t.len };
	TRY(buf_put(out, path.p, path.len));
	if (mark)
		TRY(put_query(
			(struct http_str){ mark + 1, t.len - path.len - 1 },
			reply, &first, out));
	return put_added_query(reply, first, out);
}

static enum err put_header(const struct http_header *h, struct buf *out)
{
	if (!h->unfolded)
		return buf_put(out, h->line.p, h->line.len);
	TRY(buf_put(out, h->name.p, h->name.len));
	TRY(buf_str(out, ": "));
	return buf_put(out, h->value.p, h->value.len);
}

static enum err put_added_headers(struct attr_view reply, const char *eol,
				  struct buf *out)
{
	struct attr a;

	while (attr_next(&reply, &a)) {
		if (!attr_named(&a, "header"))
			continue;
		TRY(buf_put(out, a.value, a.len));
		TRY(buf_str(out, eol));
	}
	return OK;
}

enum err http_out_head(const struct http_request *r, struct attr_view reply,
		       struct buf *out)
{
	TRY(buf_put(out, r->method.p, r->method.len));
	TRY(buf_u8(out, ' '));
	TRY(http_out_target(r, reply, out));
	TRY(buf_u8(out, ' '));
	TRY(buf_put(out, r->version.p, r->version.len));
	TRY(buf_str(out, r->eol));
	for (size_t i = 0; i < r->count; i++) {
		if (dropped_header(reply, r->header[i].name))
			continue;
		TRY(put_header(&r->header[i], out));
		TRY(buf_str(out, r->eol));
	}
	TRY(put_added_headers(reply, r->eol, out));
	return buf_str(out, r->eol);
}

enum err http_out_headers(struct attr_view reply, struct buf *out)
{
	return put_added_headers(reply, "\n", out);
}

/* A byte that RFC 3986 lets stand in a URL as it is (a percent sign included:
 * the target is as it travels). */
static bool url_byte(uint8_t c)
{
	return c > ' ' && c < 0x7f && !strchr("\"<>\\^`{|}", c);
}

static enum err put_url(struct rd from, struct buf *out)
{
	uint8_t c;

	while (rd_u8(&from, &c) == OK) {
		if (url_byte(c))
			TRY(buf_u8(out, c));
		else
			TRY(buf_fmt(out, "%%%02X", c));
	}
	return OK;
}

enum err http_out_url(const struct http_request *r, struct attr_view reply,
		      const char *scheme, struct buf *out, struct fault *f)
{
	const struct http_header *host = http_find(r, "host");
	AUTO(buf_wipe) struct buf target = { 0 };

	buf_init(&target, HTTP_OUT_MAX);
	if (!host || !host->value.len)
		return fault_set(f, ERR_INVALID,
				 "the request has no Host header to make a URL "
				 "of");
	for (const struct http_header *h = host + 1; h < r->header + r->count;
	     h++)
		if (http_name_is(h->name, "host"))
			return fault_set(f, ERR_INVALID,
					 "the request has two Host headers");
	TRY(http_out_target(r, reply, &target));
	if (!target.len || target.p[0] != '/')
		return fault_set(f, ERR_INVALID,
				 "the request target does not begin with '/'");
	TRY(buf_fmt(out, "%s://", scheme));
	TRY(buf_put(out, host->value.p, host->value.len));
	return put_url(rd_from(target.p, target.len), out);
}
