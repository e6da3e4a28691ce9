/* Telling the service manager (sd_notify's protocol: datagrams to the socket that
 * $NOTIFY_SOCKET names). Nothing happens where nobody listens. */
#ifndef LIB_NOTIFY_H
#define LIB_NOTIFY_H

#include "lib/err.h"

void notify_ready(void);
void notify_stopping(void);
void notify_alive(void);

/* Half of $WATCHDOG_USEC in ns: how often notify_alive is due; 0: not wanted. */
uint64_t notify_interval(void);

#endif
