/* Used by vault, opener, workers and the command; see secret.h for the promises. */
#include "lib/secret.h"

#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

struct secret {
	uint8_t key[KEY_SIZE];
};

/* Blocks of one size that wait for the next user. */
enum {
	KEPT = 4,
};

static struct kept {
	size_t size;
	unsigned n;
	void *p[KEPT];
} kept[] = {
	{ .size = KEY_SIZE }, { .size = 256 },  { .size = 512 },
	{ .size = 1024 },     { .size = 2048 }, { .size = 4096 },
};

static bool keeps;

static void secret_ready(void)
{
	static bool ready;

	if (ready)
		return;
	ENSURE(sodium_init() >= 0);
	ready = true;
}

void *secret_alloc(size_t n)
{
	void *p;

	secret_ready();
	p = sodium_malloc(n ? n : 1);
	ENSURE(p != NULL);
	/* sodium_malloc shrugs when mlock fails; locking again tells. */
	ENSURE(sodium_mlock(p, n ? n : 1) == 0);
	memset(p, 0, n);
	return p;
}

void secret_free(void *p)
{
	sodium_free(p);
}

void secret_keep(void)
{
	keeps = true;
}

static struct kept *kept_of(size_t n)
{
	for (size_t i = 0; keeps && i < NELEM(kept); i++)
		if (kept[i].size == n)
			return &kept[i];
	return NULL;
}

void *secret_take(size_t n)
{
	struct kept *k = kept_of(n);

	return k && k->n ? k->p[--k->n] : secret_alloc(n);
}

void secret_give(void *p, size_t n)
{
	struct kept *k = p ? kept_of(n) : NULL;

	if (!k || k->n == KEPT) {
		secret_free(p);
		return;
	}
	secret_zero(p, n);
	k->p[k->n++] = p;
}

void secret_zero(void *p, size_t n)
{
	sodium_memzero(p, n);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

struct secret *secret_new(void)
{
	return secret_take(sizeof(struct secret));
}

struct secret *secret_random(void)
{
	struct secret *s = secret_new();

	random_fill(s->key, sizeof s->key);
	return s;
}

struct secret *secret_from(const void *key)
{
	struct secret *s = secret_new();

	memcpy(s->key, key, sizeof s->key);
	return s;
}

void secret_drop(struct secret **s)
{
	secret_give(*s, sizeof **s);
	*s = NULL;
}

const uint8_t *secret_bytes(const struct secret *s)
{
	return s->key;
}

uint8_t *secret_edit(struct secret *s)
{
	return s->key;
}

void random_fill(void *p, size_t n)
{
	uint8_t *b = p;

	while (n) {
		ssize_t got = getrandom(b, n, 0);

		ENSURE(got > 0);
		b += got;
		n -= (size_t)got;
	}
}
