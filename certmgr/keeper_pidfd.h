/* What a pidfd itself tells (PIDFD_GET_INFO, Linux 6.13): no /proc is needed for that. */
#ifndef CERTMGR_KEEPER_PIDFD_H
#define CERTMGR_KEEPER_PIDFD_H

#include "lib/procinfo.h"

/* pid, parent and ids; the rest is 0. ERR_UNSUPPORTED: this kernel does not tell;
 * ERR_NOT_FOUND: it has ended; ERR_INVALID: it is no pidfd of a process. */
MUST enum err pidfd_look(int pidfd, struct procinfo *p, struct fault *f);

#endif
