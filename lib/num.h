/* Numbers, durations and sizes from text: strict, with a maximum. */
#ifndef LIB_NUM_H
#define LIB_NUM_H

#include "lib/err.h"

enum {
	NUM_DIGITS = 20 /* of 2^64 - 1 */
};

/* Writes v in decimal, no NUL; gives the number of digits. For where a request must
 * not pay for printf. */
size_t num_format(uint64_t v, char out[NUM_DIGITS]);

/* Decimal digits only, no sign, no blanks, at most max. */
MUST enum err num_u64(const char *text, size_t len, uint64_t max, uint64_t *v);

/* 90s 5m 24h 7d, in seconds; a bare number is refused unless bare. */
MUST enum err num_duration(const char *text, size_t len, bool bare,
			   uint64_t max, uint64_t *seconds);

/* 64K 16M 1G (powers of 1024), or bytes as a bare number. */
MUST enum err num_size(const char *text, size_t len, uint64_t max,
		       uint64_t *bytes);

#endif
