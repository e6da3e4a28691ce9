/* The OpenAPI 3.1 descriptions that the gates serve (docs/openapi/). */
#ifndef LIB_OPENAPI_H
#define LIB_OPENAPI_H

#include "lib/span.h"

/* That of a daemon; aborts if there is none. Static. */
struct span openapi_of(const char *daemon);

#endif
