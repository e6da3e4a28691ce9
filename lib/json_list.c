/* gate: bodies to lists. Holds one request's text at a time. */
#include "lib/json_list.h"

#include "lib/enc.h"
#include "lib/json_load.h"

#include <stdio.h>
#include <string.h>

enum {
	NAME_SHOWN = ATTR_NAME_MAX, /* in an error */
	NUMBER_TEXT = 24,
};

static enum err too_large(const char *name, struct fault *f)
{
	return fault_set(f, ERR_TOO_LARGE,
			 "there is too much at '%.*s': a list has at most %d "
			 "attributes and %d bytes",
			 NAME_SHOWN, name, ATTR_COUNT_MAX, ATTR_BYTES_MAX);
}

static enum err add(struct attrs *out, const char *name, uint8_t flags,
		    const void *p, size_t n, struct fault *f)
{
	enum err e;

	if (!attr_name_ok(name, strlen(name)))
		return fault_set(f, ERR_INVALID,
				 "'%.*s' is no name of an attribute: "
				 "[a-z][a-z0-9_.-]*, at most %d characters",
				 NAME_SHOWN, name, ATTR_NAME_MAX);
	e = attrs_add_named(out, name, strlen(name), flags, p, n);
	return e == OK ? OK : too_large(name, f);
}

static enum err add_base64(struct attrs *out, const char *name, json_t *v,
			   struct fault *f)
{
	AUTO(buf_wipe) struct buf b = { .max = ATTR_VALUE_MAX };
	enum err e = ERR_INVALID;

	if (json_is_string(v))
		e = enc_base64_parse(json_string_value(v),
				     json_string_length(v), &b);
	if (e == ERR_TOO_LARGE)
		return too_large(name, f);
	if (e != OK)
		return fault_set(f, ERR_INVALID,
				 "base64 of '%.*s' must be a string of base64 "
				 "(RFC 4648 section 4, padded)",
				 NAME_SHOWN, name);
	return add(out, name, 0, b.p, b.len, f);
}

/* What is not shown is told apart by who judges the call; a value has no place here. */
static enum err add_hidden(struct attrs *out, const char *name, json_t *v,
			   struct fault *f)
{
	if (!json_is_true(v))
		return fault_set(f, ERR_INVALID,
				 "the confidential value of '%.*s' came bare: "
				 "seal it to the key in transport.pub and send "
				 "it as box",
				 NAME_SHOWN, name);
	return add(out, name, ATTR_CONFIDENTIAL, "", 0, f);
}

static enum err add_integer(struct attrs *out, const char *name, json_t *v,
			    struct fault *f)
{
	char text[NUMBER_TEXT];
	int n = snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(v));

	return add(out, name, 0, text, (size_t)n, f);
}

static enum err wrong_value(const char *name, json_t *v, struct fault *f)
{
	if (json_is_real(v))
		return fault_set(f, ERR_INVALID,
				 "'%.*s' is a number with a fraction: write it "
				 "as a string",
				 NAME_SHOWN, name);
	return fault_set(f, ERR_INVALID,
			 "'%.*s' has an array in an array, or null in one",
			 NAME_SHOWN, name);
}

static enum err add_members(struct attrs *out, json_t *object, unsigned depth,
			    struct fault *f);
static enum err add_pairs(struct attrs *out, json_t *array, unsigned depth,
			  struct fault *f);

/* A list in a list: made by fill from its JSON. */
static enum err add_nested(struct attrs *out, const char *name, json_t *v,
			   enum err (*fill)(struct attrs *, json_t *, unsigned,
					    struct fault *),
			   unsigned depth, struct fault *f)
{
	AUTO(attrs_wipe) struct attrs inner = { 0 };

	if (depth == JSON_LIST_DEPTH)
		return fault_set(f, ERR_INVALID,
				 "'%.*s' is a list too deep: %d in each other "
				 "is the most",
				 NAME_SHOWN, name, JSON_LIST_DEPTH);
	attrs_init(&inner);
	TRY(fill(&inner, v, depth + 1, f));
	return add(out, name, 0, inner.bytes.p, inner.bytes.len, f);
}

/* A value that is the same in both forms; ERR_NOT_FOUND: it is another. */
static enum err add_plain(struct attrs *out, const char *name, json_t *v,
			  struct fault *f)
{
	json_t *in;

	if (json_is_string(v))
		return add(out, name, 0, json_string_value(v),
			   json_string_length(v), f);
	if (!json_is_object(v) || json_object_size(v) != 1)
		return ERR_NOT_FOUND;
	in = json_object_get(v, "base64");
	if (in)
		return add_base64(out, name, in, f);
	in = json_object_get(v, "confidential");
	if (in)
		return add_hidden(out, name, in, f);
	return ERR_NOT_FOUND;
}

/* Objects */

static enum err add_one(struct attrs *out, const char *name, json_t *v,
			unsigned depth, struct fault *f)
{
	enum err e = add_plain(out, name, v, f);

	if (e != ERR_NOT_FOUND)
		return e;
	if (json_is_object(v))
		return add_nested(out, name, v, add_members, depth, f);
	if (json_is_boolean(v))
		return add(out, name, 0, json_is_true(v) ? "yes" : "no",
			   json_is_true(v) ? 3 : 2, f);
	if (json_is_integer(v))
		return add_integer(out, name, v, f);
	return wrong_value(name, v, f);
}

static enum err add_members(struct attrs *out, json_t *object, unsigned depth,
			    struct fault *f)
{
	const char *name;
	json_t *v;

	json_object_foreach(object, name, v)
	{
		if (json_is_null(v))
			continue;
		if (!json_is_array(v)) {
			TRY(add_one(out, name, v, depth, f));
			continue;
		}
		for (size_t i = 0; i < json_array_size(v); i++)
			TRY(add_one(out, name, json_array_get(v, i), depth, f));
	}
	return OK;
}

enum err json_list_parse(const void *text, size_t len, struct attrs *out,
			 struct fault *f)
{
	AUTO(json_end) json_t *root = NULL;

	TRY(json_load_object(text, len, &root, f));
	return add_members(out, root, 1, f);
}

/* Pairs */

static enum err add_pair(struct attrs *out, json_t *pair, unsigned depth,
			 struct fault *f)
{
	json_t *name = json_array_get(pair, 0), *v = json_array_get(pair, 1);
	enum err e;

	if (json_array_size(pair) != 2 || !json_is_string(name))
		return fault_set(f, ERR_INVALID,
				 "an item of a list must be an array of two: "
				 "a name, and its value");
	e = add_plain(out, json_string_value(name), v, f);
	if (e != ERR_NOT_FOUND)
		return e;
	if (json_is_array(v))
		return add_nested(out, json_string_value(name), v, add_pairs,
				  depth, f);
	return fault_set(f, ERR_INVALID,
			 "the value of '%.*s' must be a string, "
			 "{\"base64\":…} or a list",
			 NAME_SHOWN, json_string_value(name));
}

static enum err add_pairs(struct attrs *out, json_t *array, unsigned depth,
			  struct fault *f)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		TRY(add_pair(out, json_array_get(array, i), depth, f));
	return OK;
}

enum err json_pairs_parse(const void *text, size_t len, struct attrs *out,
			  struct fault *f)
{
	AUTO(json_end) json_t *root = NULL;
	json_t *list;

	TRY(json_load_object(text, len, &root, f));
	list = json_object_get(root, "list");
	if (json_object_size(root) != 1 || !json_is_array(list))
		return fault_set(f, ERR_INVALID,
				 "the body must have one member, 'list': an "
				 "array of names and values");
	return add_pairs(out, list, 1, f);
}
