/* Dialer: resolves names and connects, and hands the connection on. Holds nothing,
 * and no byte of a connection.
 *	issuer <-> dialer	enum issuer_dialer_kind (ca/kinds.h)
 * Descriptors at start: 3 supervisor. */
#include "ca/roles.h"
#include "lib/child.h"

#include <fcntl.h>
#include <unistd.h>

static struct loop *loop;
static struct chan sup;

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)peer;
	(void)m;
	close(fd);
}

/* What a resolver reads; what is not there it does not need. */
static void resolver_files(struct confine_spec *spec)
{
	static const char *const folders[] = { "/etc", "/lib", "/usr/lib",
					       "/run/systemd/resolve" };

	for (size_t i = 0; i < NELEM(folders); i++) {
		int fd = open(folders[i], O_PATH | O_CLOEXEC);

		if (fd >= 0)
			spec->path[spec->paths++] = (struct landlock_path){
				.fd = fd, .rights = LANDLOCK_READ
			};
	}
}

int role_dialer(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .confine = resolver_files };

	loop = loop_new();
	child_start(loop, &sup, CONFINE_DIALER, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
