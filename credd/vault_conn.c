/* Vault: what it makes of its connections (lib/conns.h): calls, door's proofs, and
 * the end of them all. */
#include "credd/vault.h"

static void orphaned(void)
{
	runs_orphan();
	jobs_orphan();
	audit_link_orphan(vault.log);
}

/* By the verifier; its reason is for the log, the client is told less. */
static void refused(const struct msg *m)
{
	refusals_take(&vault.refusals, vault.log, loop_now(vault.loop), m);
}

void conn_init(void)
{
	static const struct conns_ops ops = { .call = call_run,
					      .checked = run_proof,
					      .orphaned = orphaned,
					      .refused = refused };

	conns_init(&vault.conns, vault.loop, &vault.sup, &ops);
	call_server_init(&vault.server, &vault.conns);
}

void conn_check(struct run *r, uint32_t conn, const char *path, size_t len)
{
	if (conns_check(&vault.conns, conn, path, len, r->serial) != OK)
		run_failed(r, ERR_UNAVAILABLE,
			   "who connected cannot be checked now: connect "
			   "again");
}
