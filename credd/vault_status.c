/* Vault: what `cretula status` shows: the state, what is weaker on this machine, and
 * what somebody should attend to. */
#include "credd/vault.h"

#include "lib/confine.h"
#include "lib/enc.h"
#include "lib/remote_status.h"

static const char *state_name(void)
{
	switch (vault.state) {
	case VAULT_STARTING:
		return "starting";
	case VAULT_EMPTY:
		return "uninitialised";
	case VAULT_SEALED:
		return "sealed";
	case VAULT_OPEN:
		return "unsealed";
	case VAULT_BROKEN:
		return "broken";
	}
	UNREACHABLE("a state");
}

static enum err add_attention(struct attrs *a)
{
	const struct fault *trouble = audit_link_trouble(vault.log);

	if (vault.state == VAULT_EMPTY)
		TRY(attrs_add_str(a, "attention",
				  "there is no store yet: run 'cretula init'"));
	if (vault.state == VAULT_SEALED)
		TRY(attrs_add_str(a, "attention",
				  "the store is sealed: run 'cretula unseal'"));
	if (vault.broken.code != OK)
		TRY(attrs_add_str(a, "attention", vault.broken.text));
	if (trouble)
		TRY(attrs_add_str(a, "attention", trouble->text));
	TRY(remote_status_attention(vault.conns.gate_why, a));
	for (size_t i = 0; i < vault.modules; i++)
		if (vault.module[i].row && !vault.module[i].pinned)
			TRY(attrs_add_fmt(a, "attention",
					  "module '%s' is not the file that "
					  "was pinned: put it back",
					  vault.module[i].name));
	return OK;
}

static enum err add_weaker(struct attrs *a)
{
	TRY(attrs_add_view(a, attrs_view(&vault.notes)));
	TRY(confine_variant_weaker(a));
	TRY(remote_status_weaker(attrs_view(&vault.start), "vault", a));
	if (!vault.arena)
		TRY(attrs_add_str(a, "weaker",
				  "vault: no memfd_secret: a vault that dies "
				  "comes back sealed"));
	TRY(attrs_add_str(a, "weaker",
			  "store: no witness: if store and log are put back "
			  "together from one old copy, nobody can tell"));
	return OK;
}

static enum err add_counts(struct attrs *a)
{
	char id[2 * STORE_ID_SIZE + 1];

	TRY(remote_status(attrs_view(&vault.start), &vault.refusals, a));
	TRY(attrs_add_u64(a, "connections", conns_count(&vault.conns)));
	TRY(attrs_add_u64(a, "workers", vault.n_workers));
	TRY(attrs_add_u64(a, "started", (uint64_t)vault.started));
	if (!vault.has_store)
		return OK;
	enc_hex(vault.store_id, STORE_ID_SIZE, id);
	TRY(attrs_add_str(a, "store", id));
	if (vault.state != VAULT_OPEN)
		return OK;
	TRY(attrs_add_u64(a, "generation", vault.generation));
	TRY(attrs_add_u64(a, "credentials", map_count(vault.creds)));
	TRY(attrs_add_u64(a, "grants", grant_set_count(vault.grants)));
	return attrs_add_u64(a, "audit_size",
			     audit_kept(audit_link_audit(vault.log)));
}

void verb_status(const struct call *c, struct attr_view v)
{
	struct attrs a;

	(void)v;
	attrs_init(&a);
	if (attrs_add_str(&a, "state", state_name()) == OK &&
	    add_counts(&a) == OK && add_weaker(&a) == OK &&
	    add_attention(&a) == OK)
		call_reply(c, &a);
	else
		call_error(c, ERR_INTERNAL, "the status is too long");
	attrs_wipe(&a);
}
