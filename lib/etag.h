/* Entity tags (RFC 9110 section 8.8.3) in conditional requests. */
#ifndef LIB_ETAG_H
#define LIB_ETAG_H

#include "lib/err.h"

/* Whether tag (quoted, strong) is in the list of an If-None-Match header; compared
 * weakly, as RFC 9110 13.1.2 wants it. "*" matches. */
bool etag_in(const char *list, const char *tag);

#endif
