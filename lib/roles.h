/* The roles that every daemon has; its own are in its roles.h. One main for each:
 * `DAEMON --role=NAME` runs it. Descriptor 3 is the channel to the supervisor; what
 * follows it is in each role's head. */
#ifndef LIB_ROLES_H
#define LIB_ROLES_H

int role_door(void);
int role_front(void);
int role_dialer(void);   /* resolves names and connects, for another role */
int role_gate(void);     /* HTTP: of one uid, or of remote clients */
int role_verifier(void); /* who a remote client is, by his certificate */
int role_rowstore(void); /* of a core whose store keeps opaque rows */

#endif
