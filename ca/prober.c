/* Prober (one shot): one TLS handshake over a connection it is given, to see whether
 * an agent has its key. Holds nothing.
 *	issuer <-> prober	enum issuer_prober_kind (ca/kinds.h)
 * Descriptors at start: 3 supervisor. */
#include "ca/roles.h"
#include "lib/child.h"

#include <unistd.h>

static struct loop *loop;
static struct chan sup;

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)peer;
	(void)m;
	close(fd);
}

int role_prober(void)
{
	static const struct child_ops ops = { .peer = peer_came };

	loop = loop_new();
	child_start(loop, &sup, CONFINE_PROBER, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
