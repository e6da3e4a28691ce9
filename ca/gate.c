/* Gate: carries HTTP and TLS between strangers and the issuer; is believed about
 * nothing but possession. Holds the key of its own TLS certificate.
 *	gate <-> issuer	enum gate_issuer_kind (ca/kinds.h)
 * Descriptors at start: 3 supervisor, 4 TLS listener, 5 plain HTTP listener. */
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

int role_gate(void)
{
	static const struct child_ops ops = { .peer = peer_came };

	loop = loop_new();
	child_start(loop, &sup, CONFINE_GATE, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
