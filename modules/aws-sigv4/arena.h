/* Memory of one call: handed out in order, wiped and given back all at once. A
 * canonical request may hold a session token, hence the wiping. Also the pen, a
 * bounded writer into a piece whose size was reckoned before, and str, bytes that
 * somebody else owns. */
#ifndef SIGV4_ARENA_H
#define SIGV4_ARENA_H

#include "lib/base.h"

#include <string.h>

#pragma GCC visibility push(hidden)

enum {
	ARENA_FIRST = 16 << 10
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t cap;
	size_t used;
	_Alignas(16) uint8_t bytes[];
};

struct arena {
	struct arena_chunk *top;
};

/* n bytes, not zeroed, aligned to 8; lives until the arena is cleared. */
void *arena_get(struct arena *a, size_t n);

/* Wipes what was used and keeps the first chunk. */
void arena_clear(struct arena *a);

/* Wipes and frees. */
void arena_free(struct arena *a);

/* Bytes, borrowed. */
struct str {
	const uint8_t *p;
	size_t n;
};

#define STR(literal)                                                           \
	((struct str){ (const uint8_t *)(literal), sizeof(literal) - 1 })

/* The same as an initializer of what is static. */
#define STR_OF(literal)                                                        \
	{                                                                      \
		(const uint8_t *)(literal), sizeof(literal) - 1                \
	}

static inline bool str_is(struct str a, struct str b)
{
	return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

static inline struct str str_from(const char *s)
{
	return (struct str){ (const uint8_t *)s, strlen(s) };
}

/* Bytes [from, to) of a. */
static inline struct str str_cut(struct str a, size_t from, size_t to)
{
	ENSURE(from <= to && to <= a.n);
	return (struct str){ a.p + from, to - from };
}

bool str_has_prefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);

/* Bytewise order, the shorter of two equal beginnings first. */
int str_order(struct str a, struct str b);

/* Equal but for ASCII case. */
bool str_is_nocase(struct str a, struct str b);

/* The place of byte c at or after `from`; a.n if there is none. */
size_t str_find(struct str a, size_t from, uint8_t c);

struct pen {
	uint8_t *p;
	size_t len;
	size_t cap;
};

static inline struct pen pen_on(struct arena *a, size_t cap)
{
	return (struct pen){ .p = arena_get(a, cap), .cap = cap };
}

static inline void pen_put(struct pen *w, const void *p, size_t n)
{
	ENSURE(n <= w->cap - w->len);
	memcpy(w->p + w->len, p, n);
	w->len += n;
}

static inline void pen_byte(struct pen *w, uint8_t c)
{
	ENSURE(w->len < w->cap);
	w->p[w->len++] = c;
}

static inline void pen_str(struct pen *w, struct str s)
{
	if (s.n)
		pen_put(w, s.p, s.n);
}

#define PEN_TEXT(w, literal) pen_put(w, literal, sizeof(literal) - 1)

/* What was written so far. */
static inline struct str pen_done(const struct pen *w)
{
	return (struct str){ w->p, w->len };
}

#pragma GCC visibility pop

#endif
