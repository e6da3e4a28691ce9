/* Attribute list, binary form. Used by every process; holds what its list holds. */
#include "lib/attr.h"

#include "lib/num.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ATTR_HEAD = 6
};

void attrs_init(struct attrs *a)
{
	buf_init(&a->bytes, ATTR_BYTES_MAX);
	a->count = 0;
}

void attrs_init_secret(struct attrs *a)
{
	buf_init_secret(&a->bytes, ATTR_BYTES_MAX);
	a->count = 0;
}

void attrs_wipe(struct attrs *a)
{
	buf_wipe(&a->bytes);
	a->count = 0;
}

void attrs_clear(struct attrs *a)
{
	buf_clear(&a->bytes);
	a->count = 0;
}

struct attr_view attrs_view(const struct attrs *a)
{
	return (struct attr_view){ .p = a->bytes.p, .len = a->bytes.len };
}

bool attr_name_ok(const char *name, size_t len)
{
	if (!len || len > ATTR_NAME_MAX || name[0] < 'a' || name[0] > 'z')
		return false;
	for (size_t i = 1; i < len; i++) {
		char c = name[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' &&
		    c != '.' && c != '-')
			return false;
	}
	return true;
}

static enum err attr_read(struct rd *r, struct attr *a)
{
	const uint8_t *head, *name;

	TRY(rd_bytes(r, ATTR_HEAD, &head));
	a->name_len = head[0];
	a->flags = head[1];
	a->len = (uint32_t)head[2] << 24 | (uint32_t)head[3] << 16 |
		 (uint32_t)head[4] << 8 | head[5];
	TRY(rd_bytes(r, a->name_len, &name));
	TRY(rd_bytes(r, a->len, &a->value));
	a->name = (const char *)name;
	return OK;
}

static enum err attr_check(const struct attr *a, struct fault *f)
{
	if (!attr_name_ok(a->name, a->name_len))
		return fault_set(f, ERR_INVALID,
				 "an attribute name is not [a-z][a-z0-9_.-]*, "
				 "at most %d characters",
				 ATTR_NAME_MAX);
	if (a->flags & ~ATTR_CONFIDENTIAL)
		return fault_set(f, ERR_INVALID,
				 "attribute '%.*s' has unknown flags",
				 a->name_len, a->name);
	if (a->len > ATTR_VALUE_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "the value of '%.*s' is over %d bytes",
				 a->name_len, a->name, ATTR_VALUE_MAX);
	return OK;
}

enum err attr_parse(const void *p, size_t len, struct attr_view *v,
		    struct fault *f)
{
	struct rd r = rd_from(p, len);
	struct attr a;
	unsigned count = 0;

	if (len > ATTR_BYTES_MAX)
		return fault_set(f, ERR_TOO_LARGE,
				 "an attribute list is over %d bytes",
				 ATTR_BYTES_MAX);
	while (rd_left(&r)) {
		if (++count > ATTR_COUNT_MAX)
			return fault_set(f, ERR_TOO_LARGE,
					 "more than %d attributes",
					 ATTR_COUNT_MAX);
		if (attr_read(&r, &a) != OK)
			return fault_set(f, ERR_INVALID,
					 "an attribute list is cut short");
		TRY(attr_check(&a, f));
	}
	*v = (struct attr_view){ .p = p, .len = len };
	return OK;
}

bool attr_next(struct attr_view *it, struct attr *a)
{
	struct rd r = rd_from(it->p, it->len);

	if (!it->len)
		return false;
	ENSURE(attr_read(&r, a) == OK);
	it->p = r.p;
	it->len = rd_left(&r);
	return true;
}

/* Most names differ in their first character. */
bool attr_named(const struct attr *a, const char *name)
{
	return a->name_len && a->name[0] == name[0] &&
	       !strncmp(a->name, name, a->name_len) && !name[a->name_len];
}

bool attr_find(struct attr_view v, const char *name, struct attr *a)
{
	size_t n = strlen(name);

	while (attr_next(&v, a))
		if (a->name_len == n && !memcmp(a->name, name, n))
			return true;
	return false;
}

enum err attr_only(struct attr_view v, const char *name, struct attr *a)
{
	struct attr other;
	bool found = false;

	while (attr_next(&v, &other)) {
		if (!attr_named(&other, name))
			continue;
		if (found)
			return ERR_INVALID;
		found = true;
		*a = other;
	}
	return found ? OK : ERR_NOT_FOUND;
}

unsigned attr_count(struct attr_view v, const char *name)
{
	struct attr a;
	unsigned n = 0;

	while (attr_next(&v, &a))
		n += attr_named(&a, name);
	return n;
}

bool attr_is(const struct attr *a, const char *value)
{
	return strlen(value) == a->len && !memcmp(a->value, value, a->len);
}

enum err attr_str(const struct attr *a, char **out)
{
	char *s;

	if (a->len && memchr(a->value, 0, a->len))
		return ERR_INVALID;
	s = xcalloc(1, (size_t)a->len + 1);
	if (a->len)
		memcpy(s, a->value, a->len);
	*out = s;
	return OK;
}

enum err attr_u64(const struct attr *a, uint64_t max, uint64_t *v)
{
	uint64_t x = 0;

	if (!a->len || a->len > 20)
		return ERR_INVALID;
	for (uint32_t i = 0; i < a->len; i++) {
		uint8_t c = a->value[i];

		if (c < '0' || c > '9' || x > (UINT64_MAX - (c - '0')) / 10)
			return ERR_INVALID;
		x = x * 10 + (c - '0');
	}
	if (x > max)
		return ERR_INVALID;
	*v = x;
	return OK;
}

/* The name is known to be good. */
static enum err attrs_put(struct attrs *a, const char *name, size_t name_len,
			  uint8_t flags, const void *value, size_t len)
{
	uint8_t *at;

	if (len > ATTR_VALUE_MAX || a->count >= ATTR_COUNT_MAX)
		return ERR_TOO_LARGE;
	TRY(buf_grow(&a->bytes, ATTR_HEAD + name_len + len, &at));
	at[0] = (uint8_t)name_len;
	at[1] = flags;
	at[2] = (uint8_t)(len >> 24);
	at[3] = (uint8_t)(len >> 16);
	at[4] = (uint8_t)(len >> 8);
	at[5] = (uint8_t)len;
	memcpy(at + ATTR_HEAD, name, name_len);
	if (len)
		memcpy(at + ATTR_HEAD + name_len, value, len);
	a->count++;
	return OK;
}

enum err attrs_add_named(struct attrs *a, const char *name, size_t name_len,
			 uint8_t flags, const void *value, size_t len)
{
	if (!attr_name_ok(name, name_len))
		return ERR_INVALID;
	return attrs_put(a, name, name_len, flags, value, len);
}

enum err attrs_add(struct attrs *a, const char *name, uint8_t flags,
		   const void *value, size_t len)
{
	size_t n = strlen(name);

	ENSURE(attr_name_ok(name, n));
	return attrs_put(a, name, n, flags, value, len);
}

enum err attrs_add_str(struct attrs *a, const char *name, const char *value)
{
	return attrs_add(a, name, 0, value, strlen(value));
}

enum err attrs_add_u64(struct attrs *a, const char *name, uint64_t value)
{
	char digits[NUM_DIGITS];

	return attrs_add(a, name, 0, digits, num_format(value, digits));
}

enum err attrs_add_fmt(struct attrs *a, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;
	enum err e;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	ENSURE(n >= 0);
	e = attrs_add(a, name, 0, text, (size_t)n);
	free(text);
	return e;
}

enum err attrs_add_attr(struct attrs *a, const struct attr *one)
{
	return attrs_add_named(a, one->name, one->name_len, one->flags,
			       one->value, one->len);
}

/* What has been checked once is copied as it is. */
enum err attrs_add_view(struct attrs *a, struct attr_view v)
{
	struct attr_view it = v;
	struct attr one;
	unsigned n = 0;

	while (attr_next(&it, &one))
		n++;
	if (n > ATTR_COUNT_MAX - a->count)
		return ERR_TOO_LARGE;
	TRY(buf_put(&a->bytes, v.p, v.len));
	a->count += n;
	return OK;
}
