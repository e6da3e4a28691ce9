/* What HTTP caching needs: the date (RFC 9110 5.6.7) and entity tags (8.8.3). */
#ifndef LIB_HTTP_DATE_H
#define LIB_HTTP_DATE_H

#include "lib/err.h"

enum {
	HTTP_DATE = 30 /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */
};

/* IMF-fixdate, in GMT, in English whatever the locale; years 1970 to 9999. */
void http_date_format(int64_t t, char out[HTTP_DATE]);

/* The same back: IMF-fixdate only (the two older forms are ERR_INVALID, which a
 * server may treat as if the header were absent). */
MUST enum err http_date_parse(const char *text, int64_t *t);

/* Whether tag (quoted, strong) is in the list of an If-None-Match header; compared
 * weakly, as RFC 9110 13.1.2 wants it. "*" matches. */
bool http_etag_in(const char *list, const char *tag);

#endif
