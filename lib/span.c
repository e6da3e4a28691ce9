/* Bytes somebody else owns; every process. */
#include "lib/span.h"

#include <string.h>

bool span_equal(struct span a, struct span b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool span_is(struct span a, const char *text)
{
	return span_equal(a, span_str(text));
}

struct span span_of(const void *p, size_t n)
{
	return (struct span){ .p = p, .n = n };
}

struct span span_str(const char *text)
{
	return span_of(text, strlen(text));
}

struct rd span_rd(struct span s)
{
	return rd_from(s.p, s.n);
}
