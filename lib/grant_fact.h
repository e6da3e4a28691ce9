/* Facts that have to be read before a limit can judge them. */
#ifndef LIB_GRANT_FACT_H
#define LIB_GRANT_FACT_H

#include "lib/grant.h"

/* True if a service that normalises paths might take this one for another: dot or
 * empty segments, backslashes, escaped dots, slashes or backslashes. */
bool grant_path_deceives(const uint8_t *p, size_t len);

/* True if each parameter of a query as signed (NAME=VALUE joined by '&',
 * percent-encoded) is among the set's NAME or NAME=GLOB. An empty one has none. */
bool grant_query_fits(struct span_set set, const void *query, size_t len);

/* Reads seconds since the epoch, RFC 3339, or 20260102T030405Z. */
bool grant_time_read(const struct attr *a, int64_t *t);

#endif
