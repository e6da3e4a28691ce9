/* gate: the JSON edge. Holds one request's text at a time. */
#include "lib/json_attrs.h"

#include "lib/clock.h"
#include "lib/enc.h"
#include "lib/json_load.h"
#include "lib/json_put.h"
#include "lib/num.h"
#include "lib/pem.h"
#include "lib/secret.h"

#include <stdlib.h>
#include <string.h>

enum {
	VALUE_MAX = 512,
	DURATION_MAX = 10 * 366 * 86400, /* seconds; the issuer has its own */
	DECODED_MAX = 64 << 10,
	NAME_SHOWN = 64, /* of an unknown field, in the error */
};

void json_warm_up(void)
{
	size_t seed = 0;

	while (!seed)
		random_fill(&seed, sizeof seed);
	json_object_seed(seed);
	json_decref(json_object());
}

/* In */

static size_t value_max(const struct json_field *d)
{
	return d->max ? d->max : (size_t)VALUE_MAX;
}

static const char *json_name(const struct json_field *d)
{
	return d->json ? d->json : d->name;
}

/* text as DER: PEM if it has a BEGIN line, else base64. */
static enum err decode_der(const struct json_field *d, const char *text,
			   size_t len, struct buf *out, struct fault *f)
{
	enum err e = ERR_NOT_FOUND;
	size_t used;

	if (len < 5 || memcmp(text, "-----", 5))
		return enc_base64_parse(text, len, out);
	for (size_t i = 0; i < JSON_PEM_LABELS && d->label[i]; i++) {
		e = pem_get(d->label[i], text, len, out, &used, f);
		if (e != ERR_NOT_FOUND)
			return e;
	}
	return e;
}

static enum err decode_hex(const char *text, size_t len, struct buf *out)
{
	uint8_t *at;

	if (len % 2)
		return ERR_INVALID;
	TRY(buf_grow(out, len / 2, &at));
	return enc_hex_parse(text, len, at, len / 2);
}

static enum err decode(const struct json_field *d, const char *text, size_t len,
		       struct buf *out, struct fault *f)
{
	uint64_t seconds;

	switch (d->kind) {
	case JSON_TEXT:
	case JSON_SECRET:
	case JSON_LIST:
		return buf_put(out, text, len);
	case JSON_DURATION:
		TRY(num_duration(text, len, false, DURATION_MAX, &seconds));
		return buf_fmt(out, "%llu", (unsigned long long)seconds);
	case JSON_HEX:
		return decode_hex(text, len, out);
	case JSON_BASE64:
		return enc_base64_parse(text, len, out);
	case JSON_DER:
		return decode_der(d, text, len, out, f);
	case JSON_PEM:
	case JSON_TIME:
	case JSON_NUMBER:
	case JSON_BOOL: /* no string: add_value */
		break;
	}
	UNREACHABLE("a field that is only formatted");
}

static const char *const wanted[] = {
	[JSON_TEXT] = "a string",
	[JSON_SECRET] = "a string",
	[JSON_LIST] = "an array of strings",
	[JSON_HEX] = "a string of hex digits",
	[JSON_BASE64] = "a string of base64 (RFC 4648 section 4, padded)",
	[JSON_DURATION] = "a duration like \"24h\"",
	[JSON_DER] = "PEM, or base64 of DER",
	[JSON_BOOL] = "true or false",
};

static enum err wrong_value(const struct json_field *d, enum err e,
			    struct fault *f)
{
	if (e == ERR_TOO_LARGE)
		return fault_set(f, e,
				 "the field '%s' is too large: at most %zu "
				 "bytes",
				 json_name(d), value_max(d));
	return fault_set(f, ERR_INVALID, "the field '%s' must be %s",
			 json_name(d), wanted[d->kind]);
}

static enum err add_text(const struct json_field *d, json_t *v,
			 struct attrs *out, struct fault *f)
{
	size_t max = MIN(value_max(d), DECODED_MAX);
	bool secret = d->kind == JSON_SECRET;
	struct fault inner;
	struct buf b;
	enum err e;

	if (!json_is_string(v))
		return wrong_value(d, ERR_INVALID, f);
	buf_init(&b, max);
	e = decode(d, json_string_value(v), json_string_length(v), &b, &inner);
	if (e == OK && !b.len)
		e = ERR_INVALID;
	if (e == OK)
		e = attrs_add(out, d->name, secret ? ATTR_CONFIDENTIAL : 0, b.p,
			      b.len);
	if (e != OK)
		e = wrong_value(d, e, f);
	if (secret && b.p)
		secret_zero(b.p, b.cap);
	buf_wipe(&b);
	return e;
}

static enum err add_value(const struct json_field *d, json_t *v,
			  struct attrs *out, struct fault *f)
{
	if (json_is_null(v))
		return OK;
	if (d->kind == JSON_BOOL && !json_is_boolean(v))
		return wrong_value(d, ERR_INVALID, f);
	if (d->kind == JSON_BOOL)
		return attrs_add_str(out, d->name,
				     json_is_true(v) ? "yes" : "no");
	if (d->kind != JSON_LIST || !json_is_array(v))
		return add_text(d, v, out, f);
	if (json_array_size(v) > JSON_LIST_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the field '%s' has more than %d items",
				 json_name(d), JSON_LIST_MAX);
	for (size_t i = 0; i < json_array_size(v); i++)
		TRY(add_text(d, json_array_get(v, i), out, f));
	return OK;
}

static const struct json_field *field_find(const struct json_field *fields,
					   size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(json_name(&fields[i]), name))
			return &fields[i];
	return NULL;
}

enum err json_attrs_parse(const void *text, size_t len,
			  const struct json_field *fields, size_t n,
			  struct attrs *out, struct fault *f)
{
	AUTO(json_end) json_t *root = NULL;
	const char *name;
	json_t *v;

	TRY(json_load_object(text, len, &root, f));
	json_object_foreach(root, name, v)
	{
		const struct json_field *d = field_find(fields, n, name);

		if (!d)
			return fault_set(f, ERR_INVALID,
					 "the field '%.*s' is not one of this "
					 "request",
					 NAME_SHOWN, name);
		TRY(add_value(d, v, out, f));
	}
	return OK;
}

/* Out */

/* As text if it is some, else as base64. */
static enum err put_text(struct buf *out, const void *p, size_t n)
{
	AUTO(buf_wipe) struct buf b = { .max = 2 * ATTR_VALUE_MAX };

	if (enc_utf8_ok(p, n) && !memchr(p, 0, n))
		return json_put_string(out, p, n);
	TRY(enc_base64(p, n, &b));
	return json_put_string(out, b.p, b.len);
}

static enum err put_time(struct buf *out, const struct attr *a)
{
	char text[CLOCK_TEXT];
	uint64_t t;

	TRY(attr_u64(a, INT32_MAX * 100ull, &t));
	clock_format((int64_t)t, text);
	return json_put_string(out, text, strlen(text));
}

static enum err put_hex(struct buf *out, const struct attr *a)
{
	char *text = xcalloc(1, 2 * (size_t)a->len + 1);
	enum err e;

	enc_hex(a->value, a->len, text);
	e = json_put_string(out, text, strlen(text));
	free(text);
	return e;
}

static enum err put_base64(struct buf *out, const struct attr *a)
{
	TRY(buf_str(out, "\""));
	TRY(enc_base64(a->value, a->len, out));
	return buf_str(out, "\"");
}

static enum err put_number(struct buf *out, const struct attr *a)
{
	uint64_t v;

	TRY(attr_u64(a, INT64_MAX, &v));
	return buf_fmt(out, "%llu", (unsigned long long)v);
}

/* All attributes of that name, in one text: a chain. */
static enum err put_pem(struct buf *out, const struct json_field *d,
			struct attr_view v)
{
	AUTO(buf_wipe) struct buf b = { .max = 2 * ATTR_VALUE_MAX };
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_named(&a, d->name))
			TRY(pem_put(d->label[0], span_of(a.value, a.len), &b));
	return json_put_string(out, b.p, b.len);
}

static enum err put_list(struct buf *out, const struct json_field *d,
			 struct attr_view v)
{
	const char *before = "[";
	struct attr a;

	while (attr_next(&v, &a)) {
		if (!attr_named(&a, d->name))
			continue;
		TRY(buf_str(out, before));
		TRY(put_text(out, a.value, a.len));
		before = ",";
	}
	return buf_str(out, "]");
}

static enum err put_value(struct buf *out, const struct json_field *d,
			  struct attr_view v, const struct attr *a)
{
	switch (d->kind) {
	case JSON_TEXT:
	case JSON_DURATION:
		return put_text(out, a->value, a->len);
	case JSON_LIST:
		return put_list(out, d, v);
	case JSON_HEX:
		return put_hex(out, a);
	case JSON_BASE64:
		return put_base64(out, a);
	case JSON_PEM:
		return put_pem(out, d, v);
	case JSON_TIME:
		return put_time(out, a);
	case JSON_NUMBER:
		return put_number(out, a);
	case JSON_BOOL:
		return buf_str(out, attr_is(a, "yes") ? "true" : "false");
	case JSON_SECRET:
	case JSON_DER:
		break;
	}
	UNREACHABLE("a field that is only parsed");
}

static enum err put_object(struct attr_view v, const struct json_field *fields,
			   size_t n, struct buf *out)
{
	const char *before = "{\"";
	struct attr a;

	for (size_t i = 0; i < n; i++) {
		if (!attr_find(v, fields[i].name, &a))
			continue;
		TRY(buf_str(out, before));
		TRY(buf_str(out, json_name(&fields[i])));
		TRY(buf_str(out, "\":"));
		TRY(put_value(out, &fields[i], v, &a));
		before = ",\"";
	}
	return buf_str(out, *before == '{' ? "{}\n" : "}\n");
}

enum err json_attrs_format(struct attr_view v, const struct json_field *fields,
			   size_t n, struct buf *out)
{
	size_t start = out->len;
	enum err e = put_object(v, fields, n, out);

	if (e != OK)
		out->len = start;
	return e;
}
