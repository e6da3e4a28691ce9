/* Until the verifier is there: a role that only waits. */
#include "lib/child.h"
#include "lib/roles.h"

static void peer_came(const char *peer, const struct msg *m, int fd)
{
	(void)peer;
	(void)m;
	fd_close(&fd);
}

static void other(const struct msg *m)
{
	(void)m;
}

static int wait_only(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = other };
	struct loop *l = loop_new();
	struct chan sup;

	child_start(l, &sup, CONFINE_FRONT, &ops);
	child_ready(&sup);
	loop_run(l);
	return 0;
}

int role_verifier(void)
{
	return wait_only();
}
