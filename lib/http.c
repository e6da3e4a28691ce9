/* HTTP request text. Runs in clients (the command, libcretula); holds nothing
 * that is confidential before it is signed. */
#include "lib/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Steps over one line. line leaves out its end; *eol says which end it had, or
 * "" at the end of the text. A CR that does not end a line stays in it. */
static bool line_next(struct rd *r, struct http_str *line, const char **eol)
{
	const uint8_t *p, *nl;
	size_t len;

	if (!rd_left(r))
		return false;
	nl = memchr(r->p, '\n', rd_left(r));
	len = nl ? (size_t)(nl - r->p) + 1 : rd_left(r);
	ENSURE(rd_bytes(r, len, &p) == OK);
	*line = (struct http_str){ .p = (const char *)p, .len = len };
	*eol = "";
	if (!nl)
		return true;
	line->len--;
	*eol = "\n";
	if (line->len && line->p[line->len - 1] == '\r') {
		line->len--;
		*eol = "\r\n";
	}
	return true;
}

bool http_head_ends(const char *text, size_t len, size_t *head_len)
{
	struct rd r = rd_from(text, len);
	struct http_str line;
	const char *eol;

	*head_len = len;
	while (line_next(&r, &line, &eol)) {
		if (line.len || !*eol)
			continue;
		*head_len = len - rd_left(&r);
		return true;
	}
	return false;
}

/* tchar of RFC 9110, section 5.6.2. */
static bool token_ok(struct http_str s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9'))
			continue;
		if (!c || !strchr(others, c))
			return false;
	}
	return s.len > 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_str trimmed(struct http_str s)
{
	while (s.len && blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

static enum err target_check(struct http_str t, bool raw, struct fault *f)
{
	if (!t.len)
		return fault_set(f, ERR_INVALID,
				 "the request line has no target");
	if (t.len > HTTP_TARGET_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the request target is over %d bytes",
				 HTTP_TARGET_MAX);
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.p[i];

		if (c < ' ' || c == 0x7f)
			return fault_set(f, ERR_INVALID,
					 "the request target holds the control "
					 "byte 0x%02x",
					 c);
		if (!raw && (c == ' ' || c > 0x7f))
			return fault_set(f, ERR_INVALID,
					 "the request target holds the byte "
					 "0x%02x: percent-encode it, or say "
					 "target=raw",
					 c);
	}
	return OK;
}

static enum err version_check(struct http_str v, struct fault *f)
{
	if (v.len == 8 &&
	    (!memcmp(v.p, "HTTP/1.1", 8) || !memcmp(v.p, "HTTP/1.0", 8)))
		return OK;
	return fault_set(f, ERR_INVALID,
			 "the request line does not end in ' HTTP/1.1'");
}

/* METHOD blank TARGET blank VERSION; a raw target may hold blanks itself. */
static enum err parse_request_line(struct http_str l, bool raw,
				   struct http_request *r, struct fault *f)
{
	const char *first = memchr(l.p, ' ', l.len);
	const char *last = memrchr(l.p, ' ', l.len);

	if (!first || first == last)
		return fault_set(f, ERR_INVALID,
				 "the first line is not 'METHOD TARGET "
				 "HTTP/1.1'");
	r->method = (struct http_str){ l.p, (size_t)(first - l.p) };
	r->target = (struct http_str){ first + 1, (size_t)(last - first - 1) };
	r->version =
		(struct http_str){ last + 1, l.len - (size_t)(last + 1 - l.p) };
	if (!token_ok(r->method) || r->method.len > HTTP_METHOD_MAX)
		return fault_set(f, ERR_INVALID,
				 "the request line begins with no method of at "
				 "most %d letters",
				 HTTP_METHOD_MAX);
	TRY(version_check(r->version, f));
	return target_check(r->target, raw, f);
}

static enum err value_check(const struct http_header *h, struct http_str v,
			    struct fault *f)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return fault_set(f, ERR_INVALID,
					 "header '%.*s' holds the control byte "
					 "0x%02x",
					 (int)MIN(h->name.len, 64), h->name.p,
					 c);
	}
	return OK;
}

static enum err parse_header(struct http_str l, struct http_header *h,
			     struct fault *f)
{
	const char *colon = memchr(l.p, ':', l.len);

	if (!colon)
		return fault_set(f, ERR_INVALID,
				 "a header line has no colon: only the body, "
				 "after a blank line, may look like that");
	h->line = l;
	h->name = (struct http_str){ l.p, (size_t)(colon - l.p) };
	h->value = trimmed((struct http_str){
		colon + 1, l.len - (size_t)(colon + 1 - l.p) });
	if (!token_ok(h->name))
		return fault_set(f, ERR_INVALID,
				 "a header name is empty or holds a byte that "
				 "no name may hold");
	return value_check(h, h->value, f);
}

/* Joins a continuation line to the header above it, by one blank. */
static enum err fold(struct http_request *r, struct http_str l, struct fault *f)
{
	struct http_header *h;
	struct http_str more = trimmed(l);
	char *joined;
	size_t n;

	if (!r->count)
		return fault_set(f, ERR_INVALID,
				 "the line after the request line begins with "
				 "a blank");
	if (!more.len)
		return fault_set(f, ERR_INVALID,
				 "a header line holds nothing but blanks");
	h = &r->header[r->count - 1];
	TRY(value_check(h, more, f));
	n = h->value.len;
	joined = xcalloc(1, n + 1 + more.len + 1);
	if (n) {
		memcpy(joined, h->value.p, n);
		joined[n++] = ' ';
	}
	memcpy(joined + n, more.p, more.len);
	free(h->unfolded);
	h->unfolded = joined;
	h->value = (struct http_str){ joined, n + more.len };
	return OK;
}

static enum err parse_headers(struct rd *rd, struct http_request *r,
			      struct fault *f)
{
	struct http_str line;
	const char *eol;

	while (line_next(rd, &line, &eol)) {
		if (!line.len && *eol)
			return rd_left(rd)
				       ? fault_set(f, ERR_INVALID,
						   "a head goes on after its "
						   "blank line")
				       : OK;
		if (line.len && blank(line.p[0])) {
			TRY(fold(r, line, f));
			continue;
		}
		if (r->count == HTTP_HEADERS_MAX)
			return fault_set(f, ERR_TOO_LARGE,
					 "more than %d header lines",
					 HTTP_HEADERS_MAX);
		if (r->count % 32 == 0)
			r->header = xrealloc(
				r->header, (r->count + 32) * sizeof *r->header);
		r->header[r->count] = (struct http_header){ 0 };
		TRY(parse_header(line, &r->header[r->count], f));
		r->count++;
	}
	return OK;
}

enum err http_parse(const char *text, size_t len, bool raw,
		    struct http_request *r, struct fault *f)
{
	struct rd rd = rd_from(text, len);
	struct http_str line;
	enum err e;

	*r = (struct http_request){ 0 };
	if (len > HTTP_HEAD_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the request's head is over %d bytes",
				 HTTP_HEAD_MAX);
	if (!line_next(&rd, &line, &r->eol) || !line.len)
		return fault_set(f, ERR_INVALID,
				 "there is no HTTP request: it begins with "
				 "'METHOD TARGET HTTP/1.1'");
	e = parse_request_line(line, raw, r, f);
	if (e == OK)
		e = parse_headers(&rd, r, f);
	if (e != OK)
		http_wipe(r);
	else if (!*r->eol)
		r->eol = "\n";
	return e;
}

void http_wipe(struct http_request *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->header[i].unfolded);
	free(r->header);
	*r = (struct http_request){ 0 };
}

bool http_name_is(struct http_str name, const char *other)
{
	return name.len == strlen(other) &&
	       !strncasecmp(name.p, other, name.len);
}

const struct http_header *http_find(const struct http_request *r,
				    const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (http_name_is(r->header[i].name, name))
			return &r->header[i];
	return NULL;
}

enum err http_attrs(const struct http_request *r, struct attrs *out)
{
	TRY(attrs_add(out, "method", 0, r->method.p, r->method.len));
	TRY(attrs_add(out, "target", 0, r->target.p, r->target.len));
	for (size_t i = 0; i < r->count; i++) {
		const struct http_header *h = &r->header[i];

		TRY(attrs_add_fmt(out, "header", "%.*s:%.*s", (int)h->name.len,
				  h->name.p, (int)h->value.len, h->value.p));
	}
	return OK;
}
