/* Issuer: profiles, tokens, policy; the core behind door, fronts and gate. Holds no
 * key but the one that names its boot.
 *	door, fronts (lib/conns.h), gate, store, signer, dialer, prober (ca/kinds.h)
 *	supervisor -> issuer	SUP_PROFILES …, SUP_NOTE	issuer -> supervisor	SUP_WANT
 * Descriptors at start: 3 supervisor. */
#include "ca/kinds_sup.h"
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

static void from_sup(const struct msg *m)
{
	if (m->kind != SUP_PROFILES && m->kind != SUP_PROFILE &&
	    m->kind != SUP_PROFILES_END && m->kind != SUP_NOTE)
		child_broken("supervisor");
}

int role_issuer(void)
{
	static const struct child_ops ops = { .peer = peer_came,
					      .other = from_sup };

	loop = loop_new();
	child_start(loop, &sup, CONFINE_ISSUER, &ops);
	child_ready(&sup);
	loop_run(loop);
	return 0;
}
