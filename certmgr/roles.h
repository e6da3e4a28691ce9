/* One main for each role of certmgr's own; `certmgr --role=NAME` runs it. Descriptor 3 is
 * the channel to the supervisor; what follows it is in each role's head. */
#ifndef CERTMGR_ROLES_H
#define CERTMGR_ROLES_H

#include "lib/roles.h"

int role_supervisor(const char *config);
int role_keeper(void);
int role_net(void);
int role_view(void);

#endif
