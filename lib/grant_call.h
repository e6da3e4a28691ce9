/* Grants in calls of admins, as vault and keeper have them alike. */
#ifndef LIB_GRANT_CALL_H
#define LIB_GRANT_CALL_H

#include "lib/call.h"
#include "lib/grant_set.h"

/* Answers a call with the grants that are about what it asks for, the oldest first, an
 * item each: id= grant=LIST. about NULL: all of them. */
void grants_list(const struct call *c, const struct grant_set *set,
		 bool (*about)(const struct grant *g, const char *what),
		 const char *what);

/* Adds limits=TEXT: the grant as a person would write it, for the log. */
MUST enum err grant_add_limits(struct attrs *to, struct attr_view grant);

#endif
