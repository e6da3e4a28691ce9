/* One value of a set in a grant: what it has to look like. */
#ifndef LIB_GRANT_ITEM_H
#define LIB_GRANT_ITEM_H

#include "lib/grant.h"

/* ERR_INVALID, with the reason, unless v can be a value of that name. */
MUST enum err grant_item_check(enum grant_name name, struct piece v,
			       struct fault *f);

/* Says "NAME=VALUE: FORM" and returns ERR_INVALID. */
enum err grant_item_bad(const char *name, struct piece v, const char *form,
			struct fault *f);

#endif
