/* Secret memory: pages of their own between guard pages, locked, left out of
 * core files, wiped when freed. A forked child has a copy, which is not locked, until
 * it executes something. A type of its own so that no "%s" can print one. */
#ifndef LIB_SECRET_H
#define LIB_SECRET_H

#include "lib/err.h"

/* n bytes of secret memory, zeroed. Aborts if it cannot be locked: failing
 * to lock is an error, not a shrug. Free with secret_free. */
void *secret_alloc(size_t n) __attribute__((malloc));

/* Wipes and frees; NULL is fine. */
void secret_free(void *p);

/* The same, for blocks that come and go: who has called secret_keep keeps a few of each
 * size, wiped and still locked, as a fresh one costs a dozen system calls. n: as it was
 * allocated; p may be NULL. */
void secret_keep(void);
void *secret_take(size_t n);
void secret_give(void *p, size_t n);

/* Zeroes n bytes; the compiler cannot leave it out. */
void secret_zero(void *p, size_t n);

/* Constant-time comparison of n bytes. */
bool secret_equal(const void *a, const void *b, size_t n);

enum {
	KEY_SIZE = 32
};

/* A 32-byte key in secret memory. */
struct secret;

struct secret *secret_new(void);             /* zeroed key */
struct secret *secret_random(void);          /* from getrandom */
struct secret *secret_from(const void *key); /* copies KEY_SIZE bytes */
void secret_drop(struct secret **s);         /* wipes, frees, sets NULL */
const uint8_t *secret_bytes(const struct secret *s);
uint8_t *secret_edit(struct secret *s);

/* Fills p from getrandom; aborts if the kernel gives nothing. */
void random_fill(void *p, size_t n);

#endif
