/* Inside of keeper_rows.c and keeper_rows_grant.c: what one transaction is made of. */
#ifndef CERTMGR_KEEPER_ROWS_H
#define CERTMGR_KEEPER_ROWS_H

#include "certmgr/keeper.h"

/* Something is to be written: at the end of this turn. */
void rows_soon(void);

/* Append to the transaction. */
MUST enum err rows_put(struct attrs *msg, enum row_table t, uint64_t row,
		       const char *name, struct attr_view blob);
MUST enum err rows_drop(struct attrs *msg, enum row_table t, uint64_t row);

/* Grants: is there one; the first one joins the transaction; what came of it. */
bool grants_wait(void);
void grants_put(struct attrs *msg);
void grants_over(const struct fault *why);

#endif
