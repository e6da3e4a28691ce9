/* Used by supervisors; holds nothing. */
#include "lib/notify.h"

#include "lib/num.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO(fd_close) int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (!n || n >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		      (const struct sockaddr *)&a,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

void notify_ready(void)
{
	notify("READY=1\n");
}

void notify_stopping(void)
{
	notify("STOPPING=1\n");
}

void notify_alive(void)
{
	notify("WATCHDOG=1\n");
}

uint64_t notify_interval(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	uint64_t n;

	if (!usec || num_u64(usec, strlen(usec), UINT64_MAX / 1000, &n) != OK)
		return 0;
	return n * 1000 / 2;
}
