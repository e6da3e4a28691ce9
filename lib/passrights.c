/* Used by door and supervisor; holds nothing. */
#include "lib/passrights.h"

#include <sys/socket.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* since Linux 6.16 */
#endif

bool passrights_set(int sock, bool may)
{
	int on = may;

	return !setsockopt(sock, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof on);
}
