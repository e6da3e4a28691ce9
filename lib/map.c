/* Used by every process; holds pointers. Open addressing, at most half full. */
#include "lib/map.h"

#include "lib/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAP_FIRST = 64
};

struct slot {
	uint64_t hash;
	void *value; /* NULL: free */
};

struct map {
	map_key_fn *key_of;
	struct slot *slot;
	size_t size; /* a power of two */
	size_t count;
	uint8_t key[crypto_shorthash_KEYBYTES];
};

struct map *map_new(map_key_fn *key_of)
{
	struct map *m = xcalloc(1, sizeof *m);

	m->key_of = key_of;
	m->size = MAP_FIRST;
	m->slot = xcalloc(m->size, sizeof *m->slot);
	random_fill(m->key, sizeof m->key);
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	free(m->slot);
	free(m);
}

size_t map_count(const struct map *m)
{
	return m->count;
}

static uint64_t hash(const struct map *m, const void *key, size_t len)
{
	uint64_t h;

	_Static_assert(crypto_shorthash_BYTES == sizeof h, "SipHash-2-4");
	crypto_shorthash((uint8_t *)&h, key, len, m->key);
	return h;
}

static bool same(const struct map *m, const struct slot *s, uint64_t h,
		 const void *key, size_t len)
{
	const void *k;
	size_t n;

	if (s->hash != h)
		return false;
	m->key_of(s->value, &k, &n);
	return n == len && !memcmp(k, key, len);
}

/* The slot of that key, or the free one where it would go. */
static size_t place(const struct map *m, uint64_t h, const void *key,
		    size_t len)
{
	size_t i = h & (m->size - 1);

	while (m->slot[i].value && !same(m, &m->slot[i], h, key, len))
		i = (i + 1) & (m->size - 1);
	return i;
}

void *map_find(const struct map *m, const void *key, size_t len)
{
	return m->slot[place(m, hash(m, key, len), key, len)].value;
}

static void grow(struct map *m)
{
	struct slot *old = m->slot;
	size_t n = m->size;

	m->size *= 2;
	m->slot = xcalloc(m->size, sizeof *m->slot);
	for (size_t i = 0; i < n; i++) {
		size_t at = old[i].hash & (m->size - 1);

		if (!old[i].value)
			continue;
		while (m->slot[at].value)
			at = (at + 1) & (m->size - 1);
		m->slot[at] = old[i];
	}
	free(old);
}

void map_add(struct map *m, void *value)
{
	const void *key;
	size_t len, at;
	uint64_t h;

	if (2 * (m->count + 1) > m->size)
		grow(m);
	m->key_of(value, &key, &len);
	h = hash(m, key, len);
	at = place(m, h, key, len);
	ENSURE(!m->slot[at].value);
	m->slot[at] = (struct slot){ .hash = h, .value = value };
	m->count++;
}

void *map_drop(struct map *m, const void *key, size_t len)
{
	size_t hole = place(m, hash(m, key, len), key, len), i = hole;
	void *value = m->slot[hole].value;

	if (!value)
		return NULL;
	m->count--;
	/* close the gap: move back whoever stands past its own place */
	for (;;) {
		size_t home;

		i = (i + 1) & (m->size - 1);
		if (!m->slot[i].value)
			break;
		home = m->slot[i].hash & (m->size - 1);
		if (((i - home) & (m->size - 1)) >=
		    ((i - hole) & (m->size - 1))) {
			m->slot[hole] = m->slot[i];
			hole = i;
		}
	}
	m->slot[hole] = (struct slot){ 0 };
	return value;
}

void *map_next(const struct map *m, size_t *at)
{
	while (*at < m->size) {
		void *v = m->slot[(*at)++].value;

		if (v)
			return v;
	}
	return NULL;
}
