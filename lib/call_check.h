/* What a front or gate checks of a call before the core sees it. */
#ifndef LIB_CALL_CHECK_H
#define LIB_CALL_CHECK_H

#include "lib/attr.h"

/* Every list inside the call is parsed here, so that the core only meets bytes that have
 * been parsed once. ERR_INVALID: one that cannot be read, or a confidential value that
 * came bare. */
MUST enum err call_check(struct attr_view call, struct fault *f);

#endif
