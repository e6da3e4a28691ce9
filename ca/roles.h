/* One main for each role of ca's own; `ca --role=NAME` runs it. Descriptor 3 is the
 * channel to the supervisor; what follows it is in each role's head. */
#ifndef CA_ROLES_H
#define CA_ROLES_H

#include "lib/roles.h"

int role_supervisor(const char *config);
int role_ca_gate(void);
int role_issuer(void);
int role_store(void);
int role_signer(void);
int role_prober(void);

#endif
