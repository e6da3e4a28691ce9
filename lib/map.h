/* A hash map from byte strings or numbers to pointers, for what a process keeps in
 * memory. Keys are hashed with a random key (SipHash), so that nobody can make them
 * collide. The map owns neither keys nor values: the key lives in the value. */
#ifndef LIB_MAP_H
#define LIB_MAP_H

#include "lib/err.h"

struct map;

/* How a value's key is found: points *key at its bytes. */
typedef void map_key_fn(const void *value, const void **key, size_t *len);

struct map *map_new(map_key_fn *key_of);
void map_free(struct map *m); /* not the values; NULL is fine */

size_t map_count(const struct map *m);
void *map_find(const struct map *m, const void *key, size_t len);

/* Adds a value whose key is not there yet (a bug otherwise). */
void map_add(struct map *m, void *value);

/* Takes out the value with that key; NULL if there is none. */
void *map_drop(struct map *m, const void *key, size_t len);

/* Steps through all values in no order; start with *at = 0; NULL at the end. The
 * map must not change meanwhile. */
void *map_next(const struct map *m, size_t *at);

#endif
