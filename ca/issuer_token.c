/* Issuer: making enrolment tokens. The command makes the key; its public half and what
 * it is bound to come here. */
#include "ca/issuer.h"

#include "lib/enc.h"
#include "lib/token.h"

#include <stdlib.h>

enum {
	TOKEN_LIFE = 3600, /* seconds, unless the admin says */
	TOKEN_LIFE_MAX = 30 * 86400,
};

struct token_job {
	struct txn_entry entry; /* first member */
	struct ask ask;
	char end[CLOCK_TEXT];
};

static void token_made(struct txn_entry *e, const struct fault *f)
{
	struct token_job *j = (struct token_job *)e;
	struct attrs reply;

	if (f) {
		ask_fault(&j->ask, f);
	} else {
		attrs_init(&reply);
		ENSURE(attrs_add_str(&reply, "expires", j->end) == OK);
		ask_reply(&j->ask, &reply);
		attrs_wipe(&reply);
	}
	txn_entry_wipe(e);
	free(j);
}

static enum err token_row(struct token_job *j, struct attr_view v,
			  struct attrs *row, struct fault *f)
{
	char node[DN_PART_MAX + 1], type[PROFILE_NAME_MAX + 1] = "node";
	char agent[AGENT_ID_LEN + 1] = "";
	uint64_t ttl, life, delay;
	struct attr id, pub, bearer;
	bool is_bearer = attr_only(v, "bearer", &bearer) == OK &&
			 attr_is(&bearer, "yes");

	if (attr_only(v, "id", &id) != OK || id.len != TOKEN_ID ||
	    attr_only(v, "public", &pub) != OK || pub.len != TOKEN_PUBLIC)
		return fault_set(f, ERR_INVALID,
				 "a token is an id of %d and a public key of "
				 "%d bytes",
				 TOKEN_ID, TOKEN_PUBLIC);
	TRY(call_need(v, "node", node, sizeof node, f));
	TRY(ca_node_check(&issuer.scope, span_str(node), f));
	if (attr_find(v, "type", &bearer))
		TRY(call_need(v, "type", type, sizeof type, f));
	TRY(profiles_read(f));
	if (!profiles_find(issuer.profiles, span_str(type)) ||
	    !strncmp(type, "ca-", 3))
		return fault_set(f, ERR_NOT_FOUND,
				 "there is no profile '%s': make one with "
				 "'cretula ca profile set %s'",
				 type, type);
	if (attr_find(v, "agent", &bearer))
		TRY(call_need(v, "agent", agent, sizeof agent, f));
	if (agent[0])
		TRY(agent_id_check(span_str(agent), f));
	TRY(call_number(v, "ttl", TOKEN_LIFE, TOKEN_LIFE_MAX, &ttl, f));
	TRY(call_number(v, "lifetime", 0, PROFILE_LIFE_MAX, &life, f));
	TRY(call_number(v, "verify_after", 0, TOKEN_DELAY_MAX, &delay, f));
	clock_format(clock_wall() + (int64_t)ttl, j->end);
	TRY(attrs_add(row, "id", 0, id.value, id.len));
	TRY(attrs_add(row, "public", 0, pub.value, pub.len));
	TRY(attrs_add_str(row, "node", node));
	TRY(attrs_add_str(row, "type", type));
	if (agent[0])
		TRY(attrs_add_str(row, "agent", agent));
	TRY(attrs_add_u64(row, "expires", (uint64_t)clock_wall() + ttl));
	TRY(attrs_add_u64(row, "life", life));
	TRY(attrs_add_u64(row, "delay", delay));
	return is_bearer ? attrs_add_str(row, "bearer", "yes") : OK;
}

static enum err token_record(struct token_job *j, struct attr_view row)
{
	struct attrs *r = &j->entry.record;
	char hex[2 * TOKEN_ID + 1];
	struct attr a;

	TRY(attrs_add_str(r, "event", "token"));
	TRY(ask_said(&j->ask, r));
	TRY(ask_id(&j->ask, r));
	while (attr_next(&row, &a)) {
		if (attr_named(&a, "id")) {
			enc_hex(a.value, TOKEN_ID, hex);
			TRY(attrs_add_str(r, "token", hex));
		} else if (!attr_named(&a, "public")) {
			TRY(attrs_add_attr(r, &a));
		}
	}
	return OK;
}

void verb_token(const struct ask *a, struct attr_view v)
{
	struct token_job *j = xcalloc(1, sizeof *j);
	struct fault f = { .code = ERR_INVALID };
	struct attrs row;

	txn_entry_init(&j->entry, token_made);
	j->ask = *a;
	attrs_init(&row);
	if (token_row(j, v, &row, &f) != OK) {
		ask_fault(a, &f);
		txn_entry_wipe(&j->entry);
		free(j);
	} else {
		ENSURE(attrs_add(&j->entry.ops, "token", 0, row.bytes.p,
				 row.bytes.len) == OK);
		ENSURE(token_record(j, attrs_view(&row)) == OK);
		txn_add(&j->entry);
	}
	attrs_wipe(&row);
}
