/* Words every file uses: must-check results, cleanup at scope end, array length. */
#ifndef LIB_BASE_H
#define LIB_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST              __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NELEM(a)          (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)         ((a) < (b) ? (a) : (b))
#define MAX(a, b)         ((a) > (b) ? (a) : (b))

/* Returns e from the calling function unless it is OK. */
#define TRY(e)                                                                 \
	do {                                                                   \
		enum err try_err_ = (e);                                       \
		if (try_err_ != OK)                                            \
			return try_err_;                                       \
	} while (0)

/* AUTO(fd_close) int fd = -1;  runs fd_close(&fd) when fd leaves its scope. */
#define AUTO(end) __attribute__((cleanup(end)))

/* A broken invariant: says where and aborts, in every build. */
#define ENSURE(cond)                                                           \
	((cond) ? (void)0 : ensure_failed(#cond, __FILE__, __LINE__))
/* Where no input can lead: after a switch over every value. */
#define UNREACHABLE(what)                                                      \
	ensure_failed("unreachable: " what, __FILE__, __LINE__)
_Noreturn void ensure_failed(const char *cond, const char *file, int line);

/* Memory: abort when there is none (every size is bounded by a named limit). */
void *xcalloc(size_t n, size_t size) __attribute__((malloc));
void *xrealloc(void *p, size_t size);
void *xmemdup(const void *p, size_t n);
char *xstrdup(const char *s);

/* Cleanups for AUTO: close *fd if >= 0 and set it to -1; free *p. */
void fd_close(int *fd);
void mem_free(void *p);

/* Writes all n bytes, waiting as long as fd does. False: errno says why; some may be
 * written. */
bool fd_write(int fd, const void *p, size_t n);

#endif
