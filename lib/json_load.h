/* The text of a JSON object to jansson's tree: for those that make lists of it. */
#ifndef LIB_JSON_LOAD_H
#define LIB_JSON_LOAD_H

#include "lib/err.h"

#include <jansson.h>

/* ERR_INVALID with the place for what is not JSON ("line 3, column 7: …"), has a member
 * twice, or is no object. The place is told without what stands there: it may be a piece
 * of a token. */
MUST enum err json_load_object(const void *text, size_t len, json_t **out,
			       struct fault *f);

/* For AUTO. */
void json_end(json_t **j);

#endif
