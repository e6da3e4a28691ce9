/* Reading HTTP answers. Runs in clients; holds the answer. */
#include "lib/client_http.h"

#include "lib/num.h"
#include "lib/span.h"

#include <string.h>
#include <strings.h>

enum {
	CHUNK_DIGITS = 8,
	RETRY_MAX = 1 << 30,
};

enum framing {
	BY_NOTHING, /* no body */
	BY_LENGTH,
	BY_CHUNKS,
	BY_END, /* of the connection */
};

struct head {
	struct client_http said;
	enum framing framing;
	size_t size;     /* of the head, blank line included */
	uint64_t length; /* BY_LENGTH */
	bool has_length, chunked, keep;
	bool old; /* HTTP/1.0 */
};

/* The next line of left, without its CRLF; false if there is none whole. */
static bool line_next(struct span *left, struct span *line)
{
	const uint8_t *end =
		left->n ? memmem(left->p, left->n, "\r\n", 2) : NULL;
	size_t n;

	if (!end)
		return false;
	n = (size_t)(end - left->p);
	*line = span_of(left->p, n);
	*left = span_of(end + 2, left->n - n - 2);
	return true;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static enum err status_line(struct span line, struct head *h, struct fault *f)
{
	static const char name[] = "HTTP/1.";
	const size_t n = sizeof name - 1;
	const uint8_t *p = line.p;

	if (line.n < n + 5 || memcmp(p, name, n) || !is_digit(p[n]) ||
	    p[n + 1] != ' ' || !is_digit(p[n + 2]) || !is_digit(p[n + 3]) ||
	    !is_digit(p[n + 4]) || (line.n > n + 5 && p[n + 5] != ' '))
		return fault_set(f, ERR_INVALID,
				 "what comes is no HTTP/1.1 answer");
	h->old = p[n] == '0';
	h->said.status = (unsigned)(p[n + 2] - '0') * 100 +
			 (unsigned)(p[n + 3] - '0') * 10 +
			 (unsigned)(p[n + 4] - '0');
	if (h->said.status < 100)
		return fault_set(f, ERR_INVALID, "there is no HTTP status %u",
				 h->said.status);
	return OK;
}

static struct span trimmed(struct span s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool same_text(struct span s, const char *text)
{
	return s.n == strlen(text) &&
	       !strncasecmp((const char *)s.p, text, s.n);
}

/* Is word one of the comma-separated ones? */
static bool lists(struct span s, const char *word)
{
	while (s.n) {
		const uint8_t *comma = memchr(s.p, ',', s.n);
		size_t n = comma ? (size_t)(comma - s.p) : s.n;

		if (same_text(trimmed(span_of(s.p, n)), word))
			return true;
		if (!comma)
			return false;
		s = span_of(comma + 1, s.n - n - 1);
	}
	return false;
}

/* A media type, whatever its parameters are. */
static bool is_type(struct span s, const char *type)
{
	const uint8_t *end = s.n ? memchr(s.p, ';', s.n) : NULL;

	return same_text(trimmed(span_of(s.p, end ? (size_t)(end - s.p) : s.n)),
			 type);
}

static enum err take_length(struct span value, struct head *h, struct fault *f)
{
	if (h->has_length || num_u64((const char *)value.p, value.n, INT64_MAX,
				     &h->length) != OK)
		return fault_set(f, ERR_INVALID,
				 "the answer's Content-Length is no number, or "
				 "there twice");
	h->has_length = true;
	return OK;
}

static enum err take_coding(struct span value, struct head *h, struct fault *f)
{
	if (h->chunked || !same_text(value, "chunked"))
		return fault_set(f, ERR_INVALID,
				 "the answer comes in a transfer coding other "
				 "than chunked");
	h->chunked = true;
	return OK;
}

static enum err take_header(struct span name, struct span value, struct head *h,
			    struct fault *f)
{
	uint64_t n;

	if (same_text(name, "content-length"))
		return take_length(value, h, f);
	if (same_text(name, "transfer-encoding"))
		return take_coding(value, h, f);
	if (same_text(name, "connection")) {
		h->said.close |= lists(value, "close");
		h->keep |= lists(value, "keep-alive");
	} else if (same_text(name, "content-type")) {
		h->said.problem = is_type(value, "application/problem+json");
		h->said.json = is_type(value, "application/json");
	} else if (same_text(name, "retry-after")) {
		if (num_u64((const char *)value.p, value.n, RETRY_MAX, &n) ==
		    OK)
			h->said.retry_after = (unsigned)n;
	}
	return OK;
}

static enum err header_line(struct span line, struct head *h, struct fault *f)
{
	const uint8_t *colon = memchr(line.p, ':', line.n);
	size_t n = colon ? (size_t)(colon - line.p) : 0;

	if (!n || line.p[0] == ' ' || line.p[0] == '\t' ||
	    line.p[n - 1] == ' ' || line.p[n - 1] == '\t' ||
	    memchr(line.p, 0, line.n) || memchr(line.p, '\n', line.n))
		return fault_set(f, ERR_INVALID,
				 "a line of the answer's head is no header");
	return take_header(span_of(line.p, n),
			   trimmed(span_of(colon + 1, line.n - n - 1)), h, f);
}

static enum err frame_body(struct head *h, struct fault *f)
{
	unsigned status = h->said.status;

	if (h->has_length && h->chunked)
		return fault_set(f, ERR_INVALID,
				 "the answer has both a length and chunks");
	if (status < 200 || status == 204 || status == 304)
		h->framing = BY_NOTHING;
	else if (h->chunked)
		h->framing = BY_CHUNKS;
	else if (h->has_length)
		h->framing = BY_LENGTH;
	else
		h->framing = BY_END;
	h->said.close |= h->framing == BY_END || (h->old && !h->keep);
	return OK;
}

static enum err take_head(struct span all, struct head *h, struct fault *f)
{
	struct span left = all, line;

	if (!line_next(&left, &line))
		return ERR_PENDING;
	TRY(status_line(line, h, f));
	for (;;) {
		if (!line_next(&left, &line))
			return ERR_PENDING;
		if (!line.n)
			break;
		TRY(header_line(line, h, f));
	}
	h->size = all.n - left.n;
	return frame_body(h, f);
}

static enum err hex_number(struct span s, size_t *v)
{
	size_t n = 0;

	if (!s.n || s.n > CHUNK_DIGITS)
		return ERR_INVALID;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i] | 0x20;

		if (is_digit(s.p[i]))
			n = n * 16 + (size_t)(s.p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			n = n * 16 + (size_t)(c - 'a') + 10;
		else
			return ERR_INVALID;
	}
	*v = n;
	return OK;
}

static enum err chunk_size(struct span line, size_t *size, struct fault *f)
{
	const uint8_t *end = line.n ? memchr(line.p, ';', line.n) : NULL;

	if (hex_number(trimmed(span_of(line.p,
				       end ? (size_t)(end - line.p) : line.n)),
		       size) != OK)
		return fault_set(f, ERR_INVALID,
				 "a chunk of the answer has no size");
	return OK;
}

/* *left moves behind the chunks and what trails them. */
static enum err take_chunks(struct span *left, struct buf *body,
			    struct fault *f)
{
	struct span line;
	size_t n = 0;

	for (;;) {
		if (!line_next(left, &line))
			return ERR_PENDING;
		TRY(chunk_size(line, &n, f));
		if (!n)
			break;
		if (body->len + n > body->max)
			return ERR_TOO_LARGE;
		if (left->n < n + 2)
			return ERR_PENDING;
		if (memcmp(left->p + n, "\r\n", 2))
			return fault_set(f, ERR_INVALID,
					 "a chunk of the answer does not end "
					 "where it says");
		TRY(buf_put(body, left->p, n));
		*left = span_of(left->p + n + 2, left->n - n - 2);
	}
	do {
		if (!line_next(left, &line))
			return ERR_PENDING;
	} while (line.n);
	return OK;
}

static enum err take_body(const struct head *h, struct span *left, bool ended,
			  struct buf *body, struct fault *f)
{
	size_t n = left->n;

	switch (h->framing) {
	case BY_CHUNKS:
		return take_chunks(left, body, f);
	case BY_END:
		if (body->len + n > body->max)
			return ERR_TOO_LARGE;
		if (!ended)
			return ERR_PENDING;
		break;
	case BY_LENGTH:
		if (h->length > body->max - body->len)
			return ERR_TOO_LARGE;
		if (n < h->length)
			return ERR_PENDING;
		n = (size_t)h->length;
		break;
	case BY_NOTHING:
		return OK;
	}
	TRY(buf_put(body, left->p, n));
	*left = span_of(left->p + n, left->n - n);
	return OK;
}

enum err client_http_take(struct buf *in, bool ended, struct client_http *out,
			  struct buf *body, struct fault *f)
{
	struct head h = { .size = 0 };
	struct span left;
	size_t before = body->len;
	enum err e;

	if (!in->len)
		return ERR_PENDING;
	e = take_head(span_of(in->p, in->len), &h, f);
	if (e == ERR_PENDING && in->len > CLIENT_HTTP_HEAD_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the answer's head is over %d bytes",
				 CLIENT_HTTP_HEAD_MAX);
	if (e != OK)
		return e;
	left = span_of(in->p + h.size, in->len - h.size);
	e = take_body(&h, &left, ended, body, f);
	if (e != OK) {
		body->len = before;
		return e == ERR_TOO_LARGE
			       ? fault_set(f, e, "the answer is over %zu bytes",
					   body->max)
			       : e;
	}
	*out = h.said;
	buf_drop(in, in->len - left.n);
	return OK;
}
