/* One main for each role of credd's own; `credd --role=NAME` runs it. Descriptor 3 is
 * the channel to the supervisor; what follows it is in each role's head. */
#ifndef CREDD_ROLES_H
#define CREDD_ROLES_H

#include "lib/roles.h"

int role_supervisor(const char *config);
int role_vault(void);
int role_opener(void);
int role_zygote(void);

#endif
