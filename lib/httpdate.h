/* Dates in HTTP headers: IMF-fixdate of RFC 9110 section 5.6.7, and no other form. */
#ifndef LIB_HTTPDATE_H
#define LIB_HTTPDATE_H

#include "lib/err.h"

enum {
	HTTPDATE_LEN = 29
};

/* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL; years 0000 to 9999. */
void httpdate_format(int64_t t, char out[HTTPDATE_LEN + 1]);

/* Exactly that form, with the weekday that the date has. ERR_INVALID for anything
 * else, the two obsolete forms too: who gets one treats the header as absent. */
MUST enum err httpdate_parse(const char *text, size_t len, int64_t *t);

#endif
