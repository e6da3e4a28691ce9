/* Whether descriptors may be sent to a socket. */
#ifndef LIB_PASSRIGHTS_H
#define LIB_PASSRIGHTS_H

#include "lib/err.h"

/* Descriptors may come over sock, or not: nobody can send them then. What came is closed by
 * whoever received it, which may take as long as who sent it likes. False: this kernel has
 * no such switch (it came with Linux 6.16). */
MUST bool passrights_set(int sock, bool may);

#endif
