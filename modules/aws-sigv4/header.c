/* Worker: the header lines of a request: their canonical form, their order, and
 * which of them are signed. Holds nothing. */
#include "modules/aws-sigv4/sigv4.h"

#include <stdlib.h>

struct special {
	struct str name;
	enum header_kind kind;
};

/* Beside these, proxy-… and sec-websocket-… are never signed. Duplicates of host
 * and of what the signature itself writes are refused. */
static const struct special specials[] = {
	{ STR_OF("authorization"), HEADER_AUTH },
	{ STR_OF("connection"), HEADER_NEVER },
	{ STR_OF("content-length"), HEADER_LENGTH },
	{ STR_OF("content-type"), HEADER_TYPE },
	{ STR_OF("expect"), HEADER_NEVER },
	{ STR_OF("host"), HEADER_HOST },
	{ STR_OF("keep-alive"), HEADER_NEVER },
	{ STR_OF("te"), HEADER_NEVER },
	{ STR_OF("trailer"), HEADER_NEVER },
	{ STR_OF("transfer-encoding"), HEADER_NEVER },
	{ STR_OF("upgrade"), HEADER_NEVER },
	{ STR_OF("user-agent"), HEADER_NEVER },
	{ STR_OF("x-amz-content-sha256"), HEADER_SHA256 },
	{ STR_OF("x-amz-copy-source"), HEADER_COPY },
	{ STR_OF("x-amz-date"), HEADER_DATE },
	{ STR_OF("x-amz-region-set"), HEADER_AUTH },
	{ STR_OF("x-amz-security-token"), HEADER_AUTH },
	{ STR_OF("x-amz-target"), HEADER_TARGET },
	{ STR_OF("x-amzn-trace-id"), HEADER_NEVER },
};

static enum header_kind kind_of(struct str name)
{
	if (str_has_prefix(name, STR("proxy-")) ||
	    str_has_prefix(name, STR("sec-websocket-")))
		return HEADER_NEVER;
	for (size_t i = 0; i < NELEM(specials); i++)
		if (specials[i].name.p[0] == name.p[0] &&
		    str_is(name, specials[i].name))
			return specials[i].kind;
	return HEADER_PLAIN;
}

/* What RFC 9110 allows in a header's name, in lower case; 0 if it does not. */
static uint8_t name_byte(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint8_t)(c + 32);
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
		return c;
	if (c == '-')
		return c;
	return c && strchr("!#$%&'*+.^_`|~", c) ? c : 0;
}

static bool name_read(struct arena *arena, struct header *h)
{
	struct pen w = pen_on(arena, h->given.n);

	for (size_t i = 0; i < h->given.n; i++) {
		uint8_t c = name_byte(h->given.p[i]);

		if (!c)
			return false;
		pen_byte(&w, c);
	}
	h->name = pen_done(&w);
	return h->name.n != 0;
}

static struct str trimmed(struct str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_cut(s, 1, s.n);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Whether s, trimmed, is canonical as it is: most are, and need no copy. */
static bool is_canonical(struct str s)
{
	uint8_t before = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c < 0x20 || c == 0x7f || (c == ' ' && before == ' '))
			return false;
		before = c;
	}
	return true;
}

/* Outer blanks go, inner runs of them become one space. False at a control
 * character: it would end the line, or be changed on the way. */
static bool value_read(struct arena *arena, struct str s, struct str *value)
{
	struct pen w;
	bool gap = false;

	s = trimmed(s);
	if (is_canonical(s)) {
		*value = s;
		return true;
	}
	w = pen_on(arena, s.n);
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (c == ' ' || c == '\t') {
			gap = w.len != 0;
			continue;
		}
		if (c < 0x20 || c == 0x7f)
			return false;
		if (gap)
			pen_byte(&w, ' ');
		gap = false;
		pen_byte(&w, c);
	}
	*value = pen_done(&w);
	return true;
}

static enum cretula_result line_parse(const struct job *j, struct str line,
				      struct header *h)
{
	size_t colon = str_find(line, 0, ':');

	if (line.n > HEADER_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "a header is over %d bytes", HEADER_MAX);
	if (colon == line.n)
		return REFUSE(j, "a header has no ':': give header=NAME:VALUE");
	h->given = str_cut(line, 0, colon);
	if (!name_read(j->arena, h))
		return REFUSE(j, "a header's name is empty or has a character "
				 "that HTTP does not allow there");
	if (!value_read(j->arena, str_cut(line, colon + 1, line.n), &h->value))
		return REFUSE(j,
			      "header '%.*s' has a control character in its "
			      "value",
			      (int)h->name.n, (const char *)h->name.p);
	h->kind = kind_of(h->name);
	return CRETULA_OK;
}

/* The host without port and final dot, in lower case, for policy. */
static enum cretula_result host_read(const struct job *j, struct request *r,
				     struct str value)
{
	struct pen w = pen_on(j->arena, value.n);
	size_t end;

	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = value.p[i];

		if (c == '/' || c == '@' || c == ' ' || c == ',' || c > 0x7e)
			return REFUSE(j, "header 'host' is not a host name "
					 "with an optional port");
		pen_byte(&w, c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c);
	}
	r->host = pen_done(&w);
	end = value.n && value.p[0] == '[' ? str_find(r->host, 0, ']') : 0;
	r->host = str_cut(r->host, 0, str_find(r->host, end, ':'));
	if (!r->host.n)
		return REFUSE(j, "header 'host' is empty: give the host name");
	r->host_name = r->host;
	if (r->host.p[r->host.n - 1] == '.')
		r->host_name = str_cut(r->host, 0, r->host.n - 1);
	return CRETULA_OK;
}

/* Headers of an earlier signing: refused, or left out with resign=yes. */
static enum cretula_result stale(const struct job *j, struct request *r,
				 const struct header *h, bool *left_out)
{
	bool own = h->kind == HEADER_DATE || h->kind == HEADER_SHA256;

	*left_out = r->resign && (own || h->kind == HEADER_AUTH);
	if (*left_out)
		r->drop_header[r->drop_headers++] = h->given;
	else if (h->kind == HEADER_AUTH)
		return REFUSE(j,
			      "the request carries its own '%.*s' header: "
			      "take it out, or give resign=yes",
			      (int)h->name.n, (const char *)h->name.p);
	return CRETULA_OK;
}

static enum cretula_result once(const struct job *j, const struct header *h,
				bool seen)
{
	if (seen)
		return REFUSE(j, "header '%.*s' is there more than once",
			      (int)h->name.n, (const char *)h->name.p);
	return CRETULA_OK;
}

/* Digits that are all 0, or nothing, are no length. */
static bool length_given(struct str v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != '0')
			return true;
	return false;
}

/* Takes note of the headers that mean something to signing. */
static enum cretula_result note(const struct job *j, struct request *r,
				const struct header *h,
				struct header_says *says)
{
	switch (h->kind) {
	case HEADER_HOST:
		DO(once(j, h, r->host.n != 0));
		return host_read(j, r, h->value);
	case HEADER_DATE:
		DO(once(j, h, says->date.p != NULL));
		says->date = h->value;
		return CRETULA_OK;
	case HEADER_SHA256:
		DO(once(j, h, says->hash.p != NULL));
		says->hash = h->value;
		return CRETULA_OK;
	case HEADER_LENGTH:
		says->has_length |= length_given(h->value);
		return CRETULA_OK;
	case HEADER_PLAIN:
	case HEADER_NEVER:
	case HEADER_AUTH:
	case HEADER_TARGET:
	case HEADER_TYPE:
	case HEADER_COPY:
		return CRETULA_OK;
	}
	return CRETULA_OK;
}

static int header_order(const void *a, const void *b)
{
	const struct header *x = a, *y = b;
	int d = str_order(x->name, y->name);

	return d ? d : (x->order > y->order) - (x->order < y->order);
}

/* Insertion for the few headers of every day, qsort for many. */
static void headers_sort(struct header *h, size_t n)
{
	enum {
		FEW = 16
	};

	if (n > FEW) {
		qsort(h, n, sizeof *h, header_order);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct header one = h[i];
		size_t k = i;

		for (; k && header_order(&h[k - 1], &one) > 0; k--)
			h[k] = h[k - 1];
		h[k] = one;
	}
}

/* Finds in sorted headers what policy asks about; of several the last. */
static void headers_index(struct request *r)
{
	for (size_t i = 0; i < r->headers; i++) {
		const struct header *h = &r->header[i];

		if (h->kind == HEADER_TARGET)
			r->x_target = h;
		else if (h->kind == HEADER_TYPE)
			r->type = h;
		else if (h->kind == HEADER_COPY)
			r->copy = h;
	}
}

struct str header_only(const struct request *r, const struct header *h)
{
	if (!h || (h > r->header && str_is(h[-1].name, h->name)))
		return STR("");
	return h->value;
}

static enum cretula_result room(const struct job *j,
				const struct cretula_attrs *a,
				struct request *r)
{
	size_t n = 0, sum = 0;

	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->item[i].name, "header") != 0)
			continue;
		n++;
		sum += a->item[i].len;
	}
	if (n > HEADERS_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "the request has over %d headers",
				     HEADERS_MAX);
	if (sum > HEADERS_SUM)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "the request's headers are over %d bytes",
				     HEADERS_SUM);
	r->header = arena_get(j->arena, n * sizeof *r->header);
	r->drop_header = arena_get(j->arena, n * sizeof *r->drop_header);
	r->headers_sum = sum;
	return CRETULA_OK;
}

static enum cretula_result headers_read(const struct job *j,
					const struct cretula_attrs *a,
					struct request *r,
					struct header_says *says)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct cretula_attr *one = &a->item[i];
		struct header *h = &r->header[r->headers];
		bool left_out;

		if (strcmp(one->name, "header") != 0)
			continue;
		*h = (struct header){ .order = (unsigned)i };
		DO(line_parse(j, (struct str){ one->value, one->len }, h));
		DO(stale(j, r, h, &left_out));
		if (left_out)
			continue;
		DO(note(j, r, h, says));
		r->headers++;
	}
	return CRETULA_OK;
}

enum cretula_result headers_parse(const struct job *j,
				  const struct cretula_attrs *a,
				  struct request *r, struct header_says *says)
{
	*says = (struct header_says){ .has_length = false };
	DO(room(j, a, r));
	DO(headers_read(j, a, r, says));
	if (!r->host.n)
		return REFUSE(j, "there is no 'host' header: it has to be "
				 "signed, give header=Host:NAME");
	headers_sort(r->header, r->headers);
	headers_index(r);
	return CRETULA_OK;
}
