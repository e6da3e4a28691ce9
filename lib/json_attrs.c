/* gate: the JSON edge. Holds one request's text at a time. */
#include "lib/json_attrs.h"

#include "lib/clock.h"
#include "lib/enc.h"
#include "lib/num.h"
#include "lib/pem.h"
#include "lib/secret.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	VALUE_MAX = 512,
	DURATION_MAX = 10 * 366 * 86400, /* seconds; the issuer has its own */
	DECODED_MAX = 64 << 10,
	NAME_SHOWN = 64, /* of an unknown field, in the error */
};

static void json_end(json_t **j)
{
	json_decref(*j);
}

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
	case JSON_BOOL:
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

/* Without what stood there, which jansson quotes: it may be a piece of a token. */
static enum err not_json(const json_error_t *e, struct fault *f)
{
	const char *near = strstr(e->text, " near ");
	int n = (int)(near ? (size_t)(near - e->text) : strlen(e->text));

	if (e->line < 1)
		return fault_set(f, ERR_INVALID, "the body is not JSON: %.*s",
				 n, e->text);
	return fault_set(f, ERR_INVALID,
			 "the body is not JSON: line %d, column %d: %.*s",
			 e->line, e->column, n, e->text);
}

enum err json_attrs_parse(const void *text, size_t len,
			  const struct json_field *fields, size_t n,
			  struct attrs *out, struct fault *f)
{
	AUTO(json_end) json_t *root = NULL;
	const char *name;
	json_error_t je;
	json_t *v;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (!root)
		return not_json(&je, f);
	if (!json_is_object(root))
		return fault_set(f, ERR_INVALID,
				 "the body must be a JSON object");
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

static json_t *text_of(const void *p, size_t len)
{
	struct buf b;
	json_t *j;

	if (enc_utf8_ok(p, len) && !memchr(p, 0, len))
		return json_stringn_nocheck(p, len);
	buf_init(&b, 2 * ATTR_VALUE_MAX);
	j = enc_base64(p, len, &b) == OK
		    ? json_stringn_nocheck((const char *)b.p, b.len)
		    : NULL;
	buf_wipe(&b);
	return j;
}

static json_t *time_of(const struct attr *a)
{
	char text[CLOCK_TEXT];
	uint64_t t;

	if (attr_u64(a, INT32_MAX * 100ull, &t) != OK)
		return NULL;
	clock_format((int64_t)t, text);
	return json_string_nocheck(text);
}

static json_t *hex_of(const struct attr *a)
{
	char *text = xcalloc(1, 2 * (size_t)a->len + 1);
	json_t *j;

	enc_hex(a->value, a->len, text);
	j = json_string_nocheck(text);
	free(text);
	return j;
}

static json_t *base64_of(const struct attr *a)
{
	struct buf b;
	json_t *j = NULL;

	buf_init(&b, 2 * ATTR_VALUE_MAX);
	if (enc_base64(a->value, a->len, &b) == OK)
		j = json_stringn_nocheck((const char *)b.p, b.len);
	buf_wipe(&b);
	return j;
}

static json_t *number_of(const struct attr *a)
{
	uint64_t v;

	return attr_u64(a, INT64_MAX, &v) == OK ? json_integer((json_int_t)v)
						: NULL;
}

/* All attributes of that name, in one text: a chain. */
static json_t *pem_of(const struct json_field *d, struct attr_view v)
{
	struct attr a;
	struct buf b;
	json_t *j = NULL;
	enum err e = OK;

	buf_init(&b, 2 * ATTR_VALUE_MAX);
	while (e == OK && attr_next(&v, &a))
		if (attr_named(&a, d->name))
			e = pem_put(d->label[0], span_of(a.value, a.len), &b);
	if (e == OK)
		j = json_stringn_nocheck((const char *)b.p, b.len);
	buf_wipe(&b);
	return j;
}

static json_t *list_of(const struct json_field *d, struct attr_view v)
{
	json_t *list = json_array();
	struct attr a;

	while (attr_next(&v, &a))
		if (attr_named(&a, d->name))
			(void)json_array_append_new(list,
						    text_of(a.value, a.len));
	return list;
}

static json_t *value_of(const struct json_field *d, struct attr_view v,
			const struct attr *a)
{
	switch (d->kind) {
	case JSON_TEXT:
	case JSON_DURATION:
		return text_of(a->value, a->len);
	case JSON_LIST:
		return list_of(d, v);
	case JSON_HEX:
		return hex_of(a);
	case JSON_BASE64:
		return base64_of(a);
	case JSON_PEM:
		return pem_of(d, v);
	case JSON_TIME:
		return time_of(a);
	case JSON_NUMBER:
		return number_of(a);
	case JSON_BOOL:
		return json_boolean(attr_is(a, "yes"));
	case JSON_SECRET:
	case JSON_DER:
		break;
	}
	UNREACHABLE("a field that is only parsed");
}

static int dump_to(const char *text, size_t n, void *arg)
{
	return buf_put(arg, text, n) == OK ? 0 : -1;
}

enum err json_attrs_format(struct attr_view v, const struct json_field *fields,
			   size_t n, struct buf *out)
{
	AUTO(json_end) json_t *root = json_object();
	struct attr a;

	for (size_t i = 0; i < n; i++) {
		const struct json_field *d = &fields[i];
		json_t *j;

		if (!attr_find(v, d->name, &a))
			continue;
		j = value_of(d, v, &a);
		if (!j || json_object_set_new_nocheck(root, json_name(d), j))
			return ERR_INVALID;
	}
	if (json_dump_callback(root, dump_to, out, JSON_COMPACT))
		return ERR_TOO_LARGE;
	return buf_str(out, "\n");
}
