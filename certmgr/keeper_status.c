/* Keeper: what `cretula status` shows: the node's certificate, what waits for the CA,
 * what is weaker on this machine, and what somebody should attend to. */
#include "certmgr/keeper.h"

#include "lib/confine.h"
#include "lib/enc.h"
#include "lib/remote_status.h"

static const char *state_name(void)
{
	if (keeper.broken.code != OK)
		return "broken";
	if (!keeper.log_open)
		return "starting";
	switch (keeper.ca) {
	case CA_NONE:
		return "not_enrolled";
	case CA_AWAY:
		return "ca_away";
	case CA_READY:
		return "ready";
	}
	UNREACHABLE("a state");
}

static enum err add_attention(struct attrs *a)
{
	const struct fault *log = audit_link_trouble(keeper.audit);

	if (log)
		TRY(attrs_add_str(a, "attention", log->text));
	if (keeper.broken.code != OK)
		TRY(attrs_add_str(a, "attention", keeper.broken.text));
	if (keeper.store_fault.code != OK)
		TRY(attrs_add_str(a, "attention", keeper.store_fault.text));
	TRY(remote_status_attention(keeper.conns.gate_why, a));
	if (keeper.ca == CA_NONE && keeper.log_open)
		TRY(attrs_add_fmt(a, "attention",
				  "this node has no certificate: %s",
				  keeper.ca_text[0] ? keeper.ca_text
						    : "it is being enrolled"));
	else if (keeper.ca == CA_AWAY || keeper.failures > 1)
		TRY(attrs_add_fmt(a, "attention", "the CA does not answer: %s",
				  keeper.ca_text));
	return OK;
}

static enum err add_weaker(struct attrs *a)
{
	TRY(attrs_add_view(a, attrs_view(&keeper.notes)));
	TRY(confine_variant_weaker(a));
	TRY(remote_status_weaker(attrs_view(&keeper.start), "keeper", a));
	if (!keeper.arena_survives)
		TRY(attrs_add_str(a, "weaker",
				  "keeper: no memfd_secret: when it dies, "
				  "agents that have not claimed get a new "
				  "certificate"));
	if (keeper.upcall_fd < 0)
		TRY(attrs_add_str(a, "weaker",
				  "keeper: no request_key here: agents claim "
				  "over the socket"));
	return OK;
}

static unsigned waiting(void)
{
	struct agent *a;
	unsigned n = 0;
	size_t at = 0;

	while ((a = map_next(keeper.agents, &at)))
		n += a->now.state == HOLD_WANTED ||
		     a->now.state == HOLD_ASKED ||
		     a->coming.state == HOLD_WANTED ||
		     a->coming.state == HOLD_ASKED;
	return n;
}

static enum err add_node(struct attrs *a)
{
	if (!keeper.node[0])
		return OK;
	TRY(attrs_add_str(a, "node", keeper.node));
	TRY(attrs_add_str(a, "node_serial", keeper.node_serial));
	return attrs_add_u64(a, "node_not_after",
			     (uint64_t)keeper.node_not_after);
}

static enum err add_away(struct attrs *a)
{
	if (keeper.ca != CA_AWAY || !keeper.ca_since)
		return OK;
	return attrs_add_u64(a, "ca_away_since", (uint64_t)keeper.ca_since);
}

static enum err add_counts(struct attrs *a)
{
	char id[2 * STORE_ID_SIZE + 1];

	TRY(attrs_add_str(a, "instance", keeper.instance));
	TRY(add_node(a));
	TRY(add_away(a));
	TRY(remote_status(attrs_view(&keeper.start), &keeper.refusals, a));
	TRY(attrs_add_u64(a, "agents", keeper.live));
	TRY(attrs_add_u64(a, "agents_max", keeper.slots));
	TRY(attrs_add_u64(a, "waiting", waiting()));
	TRY(attrs_add_u64(a, "revocations_owed", map_count(keeper.owed)));
	TRY(attrs_add_u64(a, "keys_ready", pool_count()));
	TRY(attrs_add_u64(a, "spawned", keeper.spawned));
	TRY(attrs_add_u64(a, "certificates", keeper.made));
	TRY(attrs_add_u64(a, "revoked", keeper.revoked));
	TRY(attrs_add_u64(a, "refused", keeper.refused));
	TRY(attrs_add_u64(a, "connections", conns_count(&keeper.conns)));
	TRY(attrs_add_u64(a, "grants", grant_set_count(keeper.grants)));
	TRY(attrs_add_u64(a, "started", (uint64_t)keeper.started));
	if (!keeper.has_store || !audit_link_is_open(keeper.audit))
		return OK;
	enc_hex(keeper.store_id, STORE_ID_SIZE, id);
	TRY(attrs_add_str(a, "store", id));
	return attrs_add_u64(a, "audit_size",
			     audit_kept(audit_link_audit(keeper.audit)));
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
