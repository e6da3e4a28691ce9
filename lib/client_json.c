/* Reading and writing that JSON (RFC 8259). Runs in clients; holds what it reads. */
#include "lib/client_json.h"

#include "lib/enc.h"
#include "lib/num.h"
#include "lib/span.h"

#include <stdio.h>
#include <string.h>

/* What is left to read, and room for one string. */
struct json {
	const uint8_t *p, *end;
};

static void blanks(struct json *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' ||
				 *j->p == '\n' || *j->p == '\r'))
		j->p++;
}

static bool take(struct json *j, char c)
{
	blanks(j);
	if (j->p >= j->end || *j->p != (uint8_t)c)
		return false;
	j->p++;
	return true;
}

static bool sees(struct json *j, char c)
{
	blanks(j);
	return j->p < j->end && *j->p == (uint8_t)c;
}

static enum err word(struct json *j, const char *w)
{
	size_t n = strlen(w);

	blanks(j);
	if ((size_t)(j->end - j->p) < n || memcmp(j->p, w, n))
		return ERR_INVALID;
	j->p += n;
	return OK;
}

/* Strings */

static enum err hex4(struct json *j, uint32_t *v)
{
	uint8_t b[2];

	if (j->end - j->p < 4)
		return ERR_INVALID;
	TRY(enc_hex_parse((const char *)j->p, 4, b, sizeof b));
	j->p += 4;
	*v = (uint32_t)b[0] << 8 | b[1];
	return OK;
}

static enum err put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80)
		return buf_u8(out, (uint8_t)c);
	if (c < 0x800) {
		TRY(buf_u8(out, (uint8_t)(0xc0 | c >> 6)));
		return buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
	}
	if (c < 0x10000) {
		TRY(buf_u8(out, (uint8_t)(0xe0 | c >> 12)));
	} else {
		TRY(buf_u8(out, (uint8_t)(0xf0 | c >> 18)));
		TRY(buf_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f))));
	}
	TRY(buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f))));
	return buf_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* Behind \u; a pair of surrogates is one character, half of one is none. */
static enum err escaped(struct json *j, struct buf *out)
{
	uint32_t c, low;

	TRY(hex4(j, &c));
	if (c >= 0xdc00 && c < 0xe000)
		return ERR_INVALID;
	if (c >= 0xd800 && c < 0xdc00) {
		if (j->end - j->p < 2 || j->p[0] != '\\' || j->p[1] != 'u')
			return ERR_INVALID;
		j->p += 2;
		TRY(hex4(j, &low));
		if (low < 0xdc00 || low >= 0xe000)
			return ERR_INVALID;
		c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
	}
	return put_utf8(out, c);
}

static enum err special(struct json *j, struct buf *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	uint8_t c;

	if (j->p >= j->end)
		return ERR_INVALID;
	c = *j->p++;
	if (c == 'u')
		return escaped(j, out);
	at = c ? strchr(from, c) : NULL;
	if (!at)
		return ERR_INVALID;
	return buf_u8(out, (uint8_t)to[at - from]);
}

/* The characters of a string in place of what out held. */
static enum err string(struct json *j, struct buf *out)
{
	buf_clear(out);
	if (!take(j, '"'))
		return ERR_INVALID;
	for (;;) {
		const uint8_t *from = j->p;

		while (j->p < j->end && *j->p >= 0x20 && *j->p != '"' &&
		       *j->p != '\\')
			j->p++;
		TRY(buf_put(out, from, (size_t)(j->p - from)));
		if (j->p >= j->end || *j->p < 0x20)
			return ERR_INVALID;
		if (*j->p++ == '"')
			break;
		TRY(special(j, out));
	}
	return enc_utf8_ok(out->p, out->len) ? OK : ERR_INVALID;
}

static bool is(const struct buf *b, const char *text)
{
	return b->len == strlen(text) && !memcmp(b->p, text, b->len);
}

/* Behind a value of an array or object that ends in `end`: does another follow? */
static enum err follows(struct json *j, char end, bool *more)
{
	*more = take(j, ',');
	return *more || take(j, end) ? OK : ERR_INVALID;
}

/* What is of no interest */

static enum err skip(struct json *j, unsigned depth, struct buf *room);

static enum err skip_number(struct json *j)
{
	const uint8_t *from;

	blanks(j);
	from = j->p;
	while (j->p < j->end && *j->p && strchr("+-.0123456789eE", *j->p))
		j->p++;
	return j->p > from ? OK : ERR_INVALID;
}

static enum err skip_inner(struct json *j, unsigned depth, bool object,
			   struct buf *room)
{
	char end = object ? '}' : ']';
	bool more = !take(j, end);

	if (depth >= CLIENT_JSON_DEPTH)
		return ERR_INVALID;
	while (more) {
		if (object) {
			TRY(string(j, room));
			if (!take(j, ':'))
				return ERR_INVALID;
		}
		TRY(skip(j, depth + 1, room));
		TRY(follows(j, end, &more));
	}
	return OK;
}

static enum err skip(struct json *j, unsigned depth, struct buf *room)
{
	if (sees(j, '"'))
		return string(j, room);
	if (take(j, '{'))
		return skip_inner(j, depth, true, room);
	if (take(j, '['))
		return skip_inner(j, depth, false, room);
	if (word(j, "true") == OK || word(j, "false") == OK ||
	    word(j, "null") == OK)
		return OK;
	return skip_number(j);
}

/* Lists */

struct value {
	struct buf bytes, room;
	uint8_t flags;
};

static enum err object_value(struct json *j, struct value *v)
{
	bool more;

	TRY(string(j, &v->room));
	if (!take(j, ':'))
		return ERR_INVALID;
	if (is(&v->room, "base64")) {
		TRY(string(j, &v->room));
		TRY(enc_base64_parse((const char *)v->room.p, v->room.len,
				     &v->bytes));
	} else if (is(&v->room, "confidential")) {
		TRY(word(j, "true"));
		v->flags = ATTR_CONFIDENTIAL;
	} else {
		return ERR_INVALID;
	}
	TRY(follows(j, '}', &more));
	return more ? ERR_INVALID : OK;
}

static enum err value(struct json *j, struct value *v)
{
	buf_clear(&v->bytes);
	v->flags = 0;
	return take(j, '{') ? object_value(j, v) : string(j, &v->bytes);
}

static enum err pair(struct json *j, struct attrs *out, struct value *v)
{
	char name[ATTR_NAME_MAX];
	size_t n;
	bool more;

	if (!take(j, '['))
		return ERR_INVALID;
	TRY(string(j, &v->room));
	n = v->room.len;
	if (n > sizeof name || !attr_name_ok((const char *)v->room.p, n) ||
	    !take(j, ','))
		return ERR_INVALID;
	memcpy(name, v->room.p, n);
	TRY(value(j, v));
	TRY(attrs_add_named(out, name, n, v->flags, v->bytes.p, v->bytes.len));
	TRY(follows(j, ']', &more));
	return more ? ERR_INVALID : OK;
}

static enum err list(struct json *j, struct attrs *out, struct value *v)
{
	bool more;

	if (!take(j, '['))
		return ERR_INVALID;
	more = !take(j, ']');
	while (more) {
		TRY(pair(j, out, v));
		TRY(follows(j, ']', &more));
	}
	return OK;
}

static enum err items(struct json *j, struct cretula_answer *a, struct value *v)
{
	struct attrs one;
	bool more;
	enum err e = OK;

	if (!take(j, '['))
		return ERR_INVALID;
	more = !take(j, ']');
	while (more && e == OK) {
		attrs_init(&one);
		e = list(j, &one, v);
		if (e == OK)
			e = client_answer_item(a, attrs_view(&one));
		if (e == OK)
			e = follows(j, ']', &more);
		attrs_wipe(&one);
	}
	return e;
}

/* The whole text; `member` takes the value of the one that v->room names. */
static enum err object(struct json *j, struct value *v,
		       enum err (*member)(struct json *j, struct value *v,
					  void *arg),
		       void *arg)
{
	bool more;

	if (!take(j, '{'))
		return ERR_INVALID;
	more = !take(j, '}');
	while (more) {
		TRY(string(j, &v->room));
		if (!take(j, ':'))
			return ERR_INVALID;
		TRY(member(j, v, arg));
		TRY(follows(j, '}', &more));
	}
	blanks(j);
	return j->p == j->end ? OK : ERR_INVALID;
}

static enum err answer_member(struct json *j, struct value *v, void *arg)
{
	struct cretula_answer *a = arg;

	if (is(&v->room, "items"))
		return items(j, a, v);
	if (is(&v->room, "reply"))
		return list(j, &a->reply.a, v);
	return skip(j, 0, &v->room);
}

static void value_init(struct value *v)
{
	*v = (struct value){ .flags = 0 };
	buf_init(&v->bytes, 2 * ATTR_VALUE_MAX);
	buf_init(&v->room, 2 * ATTR_VALUE_MAX);
}

static void value_wipe(struct value *v)
{
	buf_wipe(&v->bytes);
	buf_wipe(&v->room);
}

enum err client_json_answer(const void *text, size_t len,
			    struct cretula_answer **out, struct fault *f)
{
	const uint8_t *p = text;
	struct cretula_answer *a;
	struct json j;
	struct value v;
	enum err e;

	if (!len)
		return fault_set(f, ERR_INVALID, "the answer is empty");
	j = (struct json){ .p = p, .end = p + len };
	a = client_answer_new();
	value_init(&v);
	e = object(&j, &v, answer_member, a);
	value_wipe(&v);
	if (e != OK) {
		cretula_answer_free(a);
		return fault_set(f, e,
				 "the answer is no list of ours from its byte "
				 "%zu on",
				 (size_t)(j.p - p));
	}
	*out = a;
	return OK;
}

/* Problems */

/* The name at the end of a type: urn:cretula:error:NAME. */
static void type_code(const struct buf *type, enum err *code)
{
	const uint8_t *colon =
		type->len ? memrchr(type->p, ':', type->len) : NULL;
	enum err e;

	if (colon &&
	    err_parse((const char *)colon + 1,
		      type->len - (size_t)(colon + 1 - type->p), &e) == OK &&
	    e != OK)
		*code = e;
}

static void keep_text(const struct buf *b, char *out, size_t size)
{
	size_t n = MIN(b->len, size - 1);

	while (n < b->len && n && (b->p[n] & 0xc0) == 0x80)
		n--; /* no half of a letter */
	if (n)
		memcpy(out, b->p, n);
	out[n] = '\0';
}

static enum err retry(struct json *j, struct cretula_error *err)
{
	const uint8_t *from;
	uint64_t n;

	blanks(j);
	from = j->p;
	TRY(skip_number(j));
	if (num_u64((const char *)from, (size_t)(j->p - from), UINT32_MAX,
		    &n) == OK)
		err->retry_after = (unsigned)n;
	return OK;
}

struct problem_read {
	struct cretula_error said;
	enum err code;
};

static enum err problem_member(struct json *j, struct value *v, void *arg)
{
	struct problem_read *p = arg;
	struct cretula_error *err = &p->said;
	struct buf *b = &v->bytes;

	if (is(&v->room, "retry_after"))
		return retry(j, err);
	if (!sees(j, '"'))
		return skip(j, 0, &v->room);
	TRY(string(j, b));
	if (is(&v->room, "type"))
		type_code(b, &p->code);
	else if (is(&v->room, "detail") ||
		 (is(&v->room, "title") && !err->text[0]))
		keep_text(b, err->text, sizeof err->text);
	else if (is(&v->room, "request_id"))
		keep_text(b, err->request_id, sizeof err->request_id);
	return OK;
}

enum err client_json_problem(const void *text, size_t len, enum err preset,
			     struct cretula_error *err)
{
	struct problem_read got = { .said.reached = 1, .code = preset };
	const uint8_t *p = text;
	struct json j;
	struct value v;
	enum err e;

	if (!len)
		return ERR_INVALID;
	j = (struct json){ .p = p, .end = p + len };
	value_init(&v);
	e = object(&j, &v, problem_member, &got);
	value_wipe(&v);
	if (e != OK)
		return e;
	got.said.code = (enum cretula_err)got.code;
	if (!got.said.text[0])
		(void)snprintf(got.said.text, sizeof got.said.text, "%s",
			       err_name(got.code));
	*err = got.said;
	return OK;
}
