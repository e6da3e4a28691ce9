/* What the helper denies itself, in three steps. Each ends the process if the kernel
 * does not do it. */
#ifndef REQUEST_KEY_CAGE_H
#define REQUEST_KEY_CAGE_H

#include "lib/base.h"

/* First of all: nobody may look into this process; limits. */
MUST bool cage_first(void);

/* Before the first byte that a stranger wrote: of the capabilities only that to look
 * at any process, of the system calls only those that what follows needs. */
MUST bool cage_reading(void);

/* Once it has asked: no capability, no file and no further connection. */
MUST bool cage_asking(void);

#endif
