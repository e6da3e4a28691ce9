/* Issuer: making enrolment tokens. The command makes the key; its public half and what
 * it is bound to come here. */
#include "ca/issuer.h"

#include "lib/enc.h"
#include "lib/token.h"

#include <stdlib.h>

enum {
	TOKEN_LIFE = 3600, /* seconds, unless the admin says */
	TOKEN_LIFE_MAX = 30 * 86400,
	TOKEN_OPEN_LIFE = 600, /* … by a way that others may read */
	TOKEN_NODE_DELAY =
		30, /* --verify-after of a node, unless the admin says */
};

/* How long it may be used, when its certificate begins, and how it may travel. */
struct token_terms {
	uint64_t ttl, life, delay;
	uint64_t port; /* where the key has to be proven; 0: anywhere */
	bool open;     /* others may read it on its way */
};

struct token_job {
	struct txn_entry entry; /* first member */
	struct ask ask;
	char end[CLOCK_TEXT];
	uint64_t delay;
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
		ENSURE(attrs_add_u64(&reply, "verify_after", j->delay) == OK);
		ask_reply(&j->ask, &reply);
		attrs_wipe(&reply);
	}
	txn_entry_wipe(e);
	free(j);
}

/* for=file|cmdline|user-data: the last two can be read by others on the machine, or by
 * whoever can ask the cloud: there a token counts for minutes, and its certificate only
 * if the machine of that name proves the key. */
static enum err read_way(struct attr_view v, bool *open, struct fault *f)
{
	struct attr a;

	*open = false;
	if (!attr_find(v, "for", &a) || attr_is(&a, "file"))
		return OK;
	*open = attr_is(&a, "cmdline") || attr_is(&a, "user-data");
	return *open ? OK
		     : fault_set(f, ERR_INVALID,
				 "a token is for a file, cmdline or user-data");
}

static enum err read_terms(struct attr_view v, const char *type,
			   struct token_terms *t, struct fault *f)
{
	bool node = !strcmp(type, "node"), open;

	TRY(read_way(v, &open, f));
	TRY(call_number(v, "ttl", open ? TOKEN_OPEN_LIFE : TOKEN_LIFE,
			TOKEN_LIFE_MAX, &t->ttl, f));
	TRY(call_number(v, "lifetime", 0, PROFILE_LIFE_MAX, &t->life, f));
	TRY(call_number(v, "verify_after", node || open ? TOKEN_NODE_DELAY : 0,
			TOKEN_DELAY_MAX, &t->delay, f));
	TRY(call_number(v, "verify_port", 0, UINT16_MAX, &t->port, f));
	if (t->port && !t->delay)
		return fault_set(f, ERR_INVALID,
				 "verify_port= goes with verify_after=: "
				 "otherwise nothing is proven");
	t->open = t->delay && t->ttl <= TOKEN_OPEN_LIFE;
	if (open && !t->open)
		return fault_set(f, ERR_DENIED,
				 "a token that others may read on its way "
				 "(--for cmdline, user-data) has to be of the "
				 "kind --verify-after, and may be used for %d "
				 "minutes at most (--ttl)",
				 TOKEN_OPEN_LIFE / 60);
	return OK;
}

static enum err token_row(struct token_job *j, struct attr_view v,
			  struct attrs *row, struct fault *f)
{
	char node[DN_PART_MAX + 1], type[PROFILE_NAME_MAX + 1] = "node";
	char agent[AGENT_ID_LEN + 1] = "";
	struct token_terms t = { 0 };
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
	TRY(read_terms(v, type, &t, f));
	j->delay = t.delay;
	clock_format(clock_wall() + (int64_t)t.ttl, j->end);
	TRY(attrs_add(row, "id", 0, id.value, id.len));
	TRY(attrs_add(row, "public", 0, pub.value, pub.len));
	TRY(attrs_add_str(row, "node", node));
	TRY(attrs_add_str(row, "type", type));
	if (agent[0])
		TRY(attrs_add_str(row, "agent", agent));
	TRY(attrs_add_u64(row, "expires", (uint64_t)clock_wall() + t.ttl));
	TRY(attrs_add_u64(row, "life", t.life));
	TRY(attrs_add_u64(row, "delay", t.delay));
	if (t.port)
		TRY(attrs_add_u64(row, "port", t.port));
	if (t.open)
		TRY(attrs_add_str(row, "open", "yes"));
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
