/* What a core's status says of clients that are not on this machine, from what the
 * supervisor told it at its start (lib/remote.h). */
#ifndef LIB_REMOTE_STATUS_H
#define LIB_REMOTE_STATUS_H

#include "lib/refusals.h"

/* Adds https=ADDRESS [gate_uid=N: of its gate, which certmgr's grants name]
 * revocation=ocsp|crl revocation_max_age=S revocation_fail=closed|open remote_refused=N,
 * if it listens, and remote_admin=NAME …. */
MUST enum err remote_status(struct attr_view start, const struct refusals *r,
			    struct attrs *out);

/* Adds attention=TEXT if there is a reason (conns.gate_why) why nobody is served. */
MUST enum err remote_status_attention(const char *why, struct attrs *out);

/* Adds weaker=TEXT for what the configuration gives up. core: its role's name. */
MUST enum err remote_status_weaker(struct attr_view start, const char *core,
				   struct attrs *out);

#endif
