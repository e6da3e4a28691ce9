/* Rows of enrolment tokens: what they are bound to, who used them, what was tried with
 * them after that. */
#ifndef CA_STORE_TOKEN_H
#define CA_STORE_TOKEN_H

#include "ca/store_db.h"

/* list: the token's own attribute list, kept as it is; expires: wall clock, s.
 * ERR_EXISTS if there is one of that id. */
MUST enum err store_token_add(struct store_db *db, struct attr_view id,
			      struct attr_view list, uint64_t expires,
			      struct fault *f);

/* ERR_NOT_FOUND: there is none; ERR_CONFLICT: it is used. */
MUST enum err store_token_use(struct store_db *db, struct attr_view id,
			      uint64_t number, struct attr_view request,
			      struct attr_view address, struct fault *f);

/* Counts an alarm, and keeps the first STORE_ALARMS of a token that are not settled.
 * ERR_NOT_FOUND. */
MUST enum err store_token_alarm(struct store_db *db, struct attr_view id,
				uint64_t time, struct attr_view text,
				struct fault *f);
/* Somebody has dealt with certificate `number`: the alarms of the token that it was made
 * for are not shown any more. */
MUST enum err store_token_settle(struct store_db *db, uint64_t number,
				 struct fault *f);

#endif
