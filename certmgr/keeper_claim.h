/* What the two files of claims share. */
#ifndef CERTMGR_KEEPER_CLAIM_H
#define CERTMGR_KEEPER_CLAIM_H

#include "certmgr/keeper.h"

#define CLAIM_OF(ptr, member)                                                  \
	((struct claim *)(void *)((char *)(ptr)-offsetof(struct claim, member)))

/* Ends it; nothing is said. */
void claim_free(struct claim *c);
/* Says no, and ends it; what is refused by a decision is on record before
 * (keeper_claim.c). */
void claim_no(struct claim *c, enum err e, const char *text);
/* Whether another key would be one too many, so soon after the last; says so. */
bool claim_too_often(const struct agent *a);
void claim_refuse_often(struct claim *c);
/* How a record about it begins. */
MUST enum err claim_describe(const struct claim *c, const char *agent,
			     struct attrs *what);

#endif
