/* Bytes somebody else owns. */
#ifndef LIB_SPAN_H
#define LIB_SPAN_H

#include "lib/rd.h"

struct span {
	const uint8_t *p;
	size_t n;
};

struct span span_of(const void *p, size_t n);
struct span span_str(const char *text); /* without the NUL */
struct rd span_rd(struct span s);
bool span_equal(struct span a, struct span b);
bool span_is(struct span a, const char *text);

#endif
