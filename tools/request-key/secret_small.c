/* cretula-request-key: lib/secret.h without libsodium, whose start would be most of
 * what the helper does. The same promises: pages of their own between guard pages,
 * locked, left out of core files, zero in a forked child, wiped when freed. Only what
 * the helper uses is here: a key of a fixed size is not. */
#include "lib/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
	PAGE = 4096, /* a multiple where pages are larger: checked by mprotect */
	HEAD = 64,   /* before the bytes: how many pages there are */
};

static size_t pages(size_t n)
{
	return (n + HEAD + PAGE - 1) / PAGE * PAGE;
}

void *secret_alloc(size_t n)
{
	size_t room = pages(n);
	uint8_t *p;

	ENSURE(n < SIZE_MAX / 2);
	p = mmap(NULL, room + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	ENSURE(p != MAP_FAILED);
	p += PAGE;
	ENSURE(!mprotect(p, room, PROT_READ | PROT_WRITE));
	ENSURE(!madvise(p, room, MADV_DONTDUMP));
	ENSURE(!madvise(p, room, MADV_WIPEONFORK));
	ENSURE(!mlock(p, room));
	memcpy(p, &room, sizeof room);
	return p + HEAD;
}

void secret_free(void *p)
{
	uint8_t *at = p;
	size_t room;

	if (!p)
		return;
	at -= HEAD;
	memcpy(&room, at, sizeof room);
	secret_zero(at, room);
	ENSURE(!munmap(at - PAGE, room + 2 * PAGE));
}

void secret_zero(void *p, size_t n)
{
	explicit_bzero(p, n);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t differ = 0;

	for (size_t i = 0; i < n; i++)
		differ = (uint8_t)(differ | (x[i] ^ y[i]));
	return !differ;
}

void random_fill(void *p, size_t n)
{
	ENSURE(getrandom(p, n, 0) == (ssize_t)n);
}
