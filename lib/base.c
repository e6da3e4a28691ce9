/* Used by every process; holds nothing. */
#include "lib/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ensure_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "level=crit event=bug text=\"%s\" at=%s:%d\n", cond,
		file, line);
	abort();
}

void *xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	ENSURE(p != NULL);
	return p;
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	ENSURE(p != NULL);
	return p;
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = xcalloc(1, n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void mem_free(void *p)
{
	void **pp = p;

	free(*pp);
	*pp = NULL;
}

bool fd_write(int fd, const void *p, size_t n)
{
	const char *from = p;

	while (n) {
		ssize_t k = write(fd, from, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		from += k;
		n -= (size_t)k;
	}
	return true;
}
