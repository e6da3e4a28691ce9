/* cretula-request-key: lib/secret.h without libsodium, whose start would be most of
 * what the helper does. The promises are the same (pages between guard pages, locked,
 * left out of core files, wiped when freed), but for two: what it holds shares an
 * area, and nothing is done about forks, which the filter does not let happen. Only
 * what the helper uses is here: a key of a fixed size is not. */
#include "lib/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

enum {
	PAGE = 4096, /* a multiple where pages are larger: checked by mprotect */
	ROOM = 4 * PAGE, /* of the one area that is enough for a usual key */
	HEAD = 64,       /* before the bytes: how many there are */
};

/* The area: what was freed in it is wiped and not used again. */
static uint8_t *area;
static size_t used;

static uint8_t *pages(size_t room)
{
	uint8_t *p = mmap(NULL, room + 2 * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ENSURE(p != MAP_FAILED);
	p += PAGE;
	ENSURE(!mprotect(p, room, PROT_READ | PROT_WRITE));
	ENSURE(!madvise(p, room, MADV_DONTDUMP));
	ENSURE(!mlock(p, room));
	return p;
}

static uint8_t *take(size_t room)
{
	if (!area)
		area = pages(ROOM);
	if (room > ROOM - used)
		return pages((room + PAGE - 1) / PAGE * PAGE);
	used += room;
	return area + used - room;
}

void *secret_alloc(size_t n)
{
	size_t room = (n + 2 * HEAD - 1) / HEAD * HEAD;
	uint8_t *p;

	ENSURE(n < SIZE_MAX / 2);
	p = take(room);
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
}

void *secret_take(size_t n)
{
	return secret_alloc(n);
}

void secret_give(void *p, size_t n)
{
	(void)n;
	secret_free(p);
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
