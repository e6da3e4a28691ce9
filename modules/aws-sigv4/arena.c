/* Worker: the memory of one call, and bytes somebody else owns. */
#include "modules/aws-sigv4/arena.h"

#include "lib/secret.h"

#include <stdlib.h>

static void chunk_add(struct arena *a, size_t n)
{
	size_t cap = n > ARENA_FIRST ? n : ARENA_FIRST;
	struct arena_chunk *c = xrealloc(NULL, sizeof *c + cap);

	c->cap = cap;
	c->used = 0;
	c->next = a->top;
	a->top = c;
}

void *arena_get(struct arena *a, size_t n)
{
	size_t need = (n + 7) & ~(size_t)7;
	struct arena_chunk *c = a->top;
	void *at;

	ENSURE(need >= n);
	if (!c || need > c->cap - c->used) {
		chunk_add(a, need);
		c = a->top;
	}
	at = c->bytes + c->used;
	c->used += need;
	return at;
}

void arena_clear(struct arena *a)
{
	while (a->top) {
		struct arena_chunk *c = a->top;

		secret_zero(c->bytes, c->used);
		c->used = 0;
		if (!c->next)
			return;
		a->top = c->next;
		free(c);
	}
}

void arena_free(struct arena *a)
{
	arena_clear(a);
	free(a->top);
	a->top = NULL;
}

bool str_has_prefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && !memcmp(s.p, prefix.p, prefix.n);
}

bool str_has_suffix(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       !memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n);
}

int str_order(struct str a, struct str b)
{
	size_t n = MIN(a.n, b.n);
	int d = n ? memcmp(a.p, b.p, n) : 0;

	if (d)
		return d;
	return (a.n > b.n) - (a.n < b.n);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool str_is_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

size_t str_find(struct str a, size_t from, uint8_t c)
{
	const uint8_t *at =
		from < a.n ? memchr(a.p + from, c, a.n - from) : NULL;

	return at ? (size_t)(at - a.p) : a.n;
}
