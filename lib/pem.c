/* Used by ca, certmgr, agents and the command; holds nothing. An agent's key is PEM only
 * in secret memory: a secret out makes all that is in between secret. */
#include "lib/pem.h"

#include "lib/enc.h"

#include <string.h>

static const char BEGIN[] = "-----BEGIN ";
static const char END[] = "-----END ";
static const char DASHES[] = "-----";

static void text_init(struct buf *text, const struct buf *out)
{
	if (out->secret)
		buf_init_secret(text, PEM_BODY_MAX);
	else
		buf_init(text, PEM_BODY_MAX);
}

/* A line at a time: nothing in between has to be secret memory, which is dear. */
static enum err put_lines(struct span der, struct buf *out)
{
	enum {
		LINE_BYTES = PEM_COLUMNS / 4 * 3
	};

	for (size_t at = 0; at < der.n; at += LINE_BYTES) {
		TRY(enc_base64(der.p + at, MIN(der.n - at, LINE_BYTES), out));
		TRY(buf_u8(out, '\n'));
	}
	return OK;
}

enum err pem_put(const char *label, struct span der, struct buf *out)
{
	const size_t start = out->len;
	enum err e;

	if (der.n > PEM_BODY_MAX / 4 * 3)
		return ERR_TOO_LARGE;
	e = buf_fmt(out, "%s%s%s\n", BEGIN, label, DASHES);
	if (e == OK)
		e = put_lines(der, out);
	if (e == OK)
		e = buf_fmt(out, "%s%s%s\n", END, label, DASHES);
	if (e != OK)
		out->len = start;
	return e;
}

/* The next line, without its end (LF or CRLF) and the blanks before that. */
static bool pem_line(struct rd *r, struct span *line)
{
	const uint8_t *from = r->p, *nl;
	size_t n = rd_left(r);

	if (!n)
		return false;
	nl = memchr(from, '\n', n);
	if (nl)
		n = (size_t)(nl - from);
	r->p += n + (nl != NULL);
	while (n && (from[n - 1] == '\r' || from[n - 1] == ' ' ||
		     from[n - 1] == '\t'))
		n--;
	*line = span_of(from, n);
	return true;
}

/* True for `-----BEGIN label-----` and its like. */
static bool pem_mark(struct span line, const char *kind, const char *label)
{
	const size_t k = strlen(kind), l = strlen(label), d = strlen(DASHES);

	return line.n == k + l + d && !memcmp(line.p, kind, k) &&
	       !memcmp(line.p + k, label, l) &&
	       !memcmp(line.p + k + l, DASHES, d);
}

/* From behind BEGIN to behind END. */
static enum err pem_body(struct rd *r, const char *label, struct buf *out,
			 struct fault *f)
{
	AUTO(buf_wipe) struct buf text = { 0 };
	struct span line;
	enum err e;

	text_init(&text, out);
	for (;;) {
		if (!pem_line(r, &line))
			return fault_set(f, ERR_INVALID,
					 "pem: a block '%s' has no end", label);
		if (pem_mark(line, END, label))
			break;
		if (buf_put(&text, line.p, line.n) != OK)
			return fault_set(f, ERR_TOO_LARGE,
					 "pem: a block '%s' is too long",
					 label);
	}
	e = text.len ? enc_base64_parse((const char *)text.p, text.len, out)
		     : ERR_INVALID;
	if (e == ERR_TOO_LARGE)
		return fault_set(f, e, "pem: a block '%s' is too long", label);
	if (e != OK)
		return fault_set(f, e, "pem: a block '%s' is not base64",
				 label);
	return OK;
}

enum err pem_get(const char *label, const char *text, size_t len,
		 struct buf *out, size_t *used, struct fault *f)
{
	struct rd r = rd_from(text, len);
	const size_t start = out->len;
	struct span line;

	ENSURE(strlen(label) <= PEM_LABEL_MAX);
	while (pem_line(&r, &line)) {
		enum err e;

		if (!pem_mark(line, BEGIN, label))
			continue;
		e = pem_body(&r, label, out, f);
		if (e != OK)
			out->len = start;
		else
			*used = len - rd_left(&r);
		return e;
	}
	return fault_set(f, ERR_NOT_FOUND, "pem: there is no block '%s'",
			 label);
}
