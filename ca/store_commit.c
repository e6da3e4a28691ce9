/* Store: IS_COMMIT, one transaction of the issuer's. */
#include "ca/kinds.h"
#include "ca/store_cert.h"
#include "ca/store_log.h"
#include "ca/store_role.h"
#include "ca/store_token.h"
#include "lib/child.h"

/* The indexes of audit records that certificates name: they are to be of this
 * transaction. */
struct named {
	uint64_t low, high;
	bool any;
};

struct commit {
	struct store_db *db;
	struct named named;
	uint64_t first; /* index of the first record */
	bool has_first;
};

static void name_log(struct named *n, uint64_t index)
{
	n->low = n->any ? MIN(n->low, index) : index;
	n->high = n->any ? MAX(n->high, index) : index;
	n->any = true;
}

static enum err op_cert(struct commit *t, const struct attr *a, struct fault *f)
{
	struct attr_view v = get_list(a);
	struct store_cert c = {
		.number = get_u64(v, "number", STORE_NUMBER_MAX),
		.tail = get_bytes(v, "tail", STORE_TAIL, STORE_TAIL),
		.agent = get_bytes(v, "agent", 0, STORE_NAME_MAX),
		.node = get_bytes(v, "node", 0, STORE_NAME_MAX),
		.type = get_bytes(v, "type", 0, STORE_NAME_MAX),
		.not_before = get_u64(v, "not_before", STORE_TIME_MAX),
		.not_after = get_u64(v, "not_after", STORE_TIME_MAX),
		.shard = get_u64(v, "shard", UINT32_MAX),
		.log = UINT64_MAX,
		.unproven = get_yes(v, "valid_after_proof"),
		.der = get_bytes(v, "der", 1, ATTR_VALUE_MAX),
	};

	(void)get_if_bytes(v, "request", STORE_HASH, STORE_HASH, &c.request);
	if (get_if_u64(v, "log", STORE_INT_MAX, &c.log))
		name_log(&t->named, c.log);
	return store_cert_add(t->db, &c, f);
}

static enum err op_proven(struct commit *t, const struct attr *a,
			  struct fault *f)
{
	struct attr_view v = get_list(a);

	return store_cert_proven(t->db, get_u64(v, "number", STORE_NUMBER_MAX),
				 f);
}

static enum err op_revoke(struct commit *t, const struct attr *a,
			  struct fault *f)
{
	struct attr_view v = get_list(a);
	uint64_t number = get_u64(v, "number", STORE_NUMBER_MAX);

	TRY(store_cert_revoke(t->db, number, get_u64(v, "time", STORE_TIME_MAX),
			      get_u64(v, "reason", STORE_REASON_MAX), f));
	return get_yes(v, "settle") ? store_token_settle(t->db, number, f) : OK;
}

/* One that never expires is one that expires at the end of time. */
static enum err op_token(struct commit *t, const struct attr *a,
			 struct fault *f)
{
	struct attr_view v = get_list(a);
	uint64_t expires = STORE_TIME_MAX;

	if (v.len > STORE_META_MAX)
		child_broken("token");
	(void)get_if_u64(v, "expires", STORE_TIME_MAX, &expires);
	return store_token_add(t->db,
			       get_bytes(v, "id", STORE_TOKEN, STORE_TOKEN), v,
			       expires, f);
}

static enum err op_use(struct commit *t, const struct attr *a, struct fault *f)
{
	struct attr_view v = get_list(a);

	return store_token_use(t->db,
			       get_bytes(v, "id", STORE_TOKEN, STORE_TOKEN),
			       get_u64(v, "number", STORE_NUMBER_MAX),
			       get_bytes(v, "request", STORE_HASH, STORE_HASH),
			       get_bytes(v, "address", 0, STORE_NAME_MAX), f);
}

static enum err op_alarm(struct commit *t, const struct attr *a,
			 struct fault *f)
{
	struct attr_view v = get_list(a);

	return store_token_alarm(t->db,
				 get_bytes(v, "id", STORE_TOKEN, STORE_TOKEN),
				 get_u64(v, "time", STORE_TIME_MAX),
				 get_bytes(v, "text", 0, STORE_TEXT_MAX), f);
}

static enum err op_meta(struct commit *t, const struct attr *a, struct fault *f)
{
	struct attr_view v = get_list(a);
	struct attr_view value = get_bytes(v, "value", 0, STORE_META_MAX);
	sqlite3_stmt *s;

	TRY(store_sql(t->db, value.len ? SQL_META_PUT : SQL_META_DROP, &s, f));
	store_bind_text(s, 1, get_bytes(v, "name", 1, ATTR_NAME_MAX));
	if (value.len)
		store_bind_blob(s, 2, value);
	return store_run(t->db, s, f);
}

static enum err op_record(struct commit *t, const struct attr *a,
			  struct fault *f)
{
	if (!t->has_first)
		child_broken("first");
	return store_log_add(t->db, (struct attr_view){ a->value, a->len }, f);
}

/* A checkpoint that is none is the issuer's mistake, not the disk's. */
static enum err op_note(struct commit *t, const struct attr *a, struct fault *f)
{
	struct attr_view v = get_list(a);
	enum err e = store_log_note(
		t->db, get_bytes(v, "text", 1, ATTR_VALUE_MAX),
		get_bytes(v, "frontier", 1, MERKLE_BYTES_MAX), f);

	if (e == ERR_INVALID)
		child_broken("note");
	return e;
}

static const struct {
	const char *name;
	enum err (*run)(struct commit *t, const struct attr *a,
			struct fault *f);
} ops[] = {
	{ "cert", op_cert },   { "record", op_record }, { "use", op_use },
	{ "token", op_token }, { "revoke", op_revoke }, { "alarm", op_alarm },
	{ "meta", op_meta },   { "note", op_note },     { "proven", op_proven },
};

static enum err run_op(struct commit *t, const struct attr *a, struct fault *f)
{
	for (size_t i = 0; i < NELEM(ops); i++)
		if (attr_named(a, ops[i].name))
			return ops[i].run(t, a, f);
	if (!attr_named(a, "generation") && !attr_named(a, "first"))
		child_broken("IS_COMMIT");
	return OK;
}

static enum err run_all(struct commit *t, struct attr_view v, struct fault *f)
{
	const struct store_state *want = &t->db->want;
	struct attr a;

	if (t->has_first && t->first != want->log_size)
		return fault_set(f, ERR_CONFLICT,
				 "audit record %llu cannot follow the %llu "
				 "that the log has",
				 (unsigned long long)t->first,
				 (unsigned long long)want->log_size);
	while (attr_next(&v, &a))
		TRY(run_op(t, &a, f));
	if (t->named.any && (t->named.low < t->db->now.log_size ||
			     t->named.high >= want->log_size))
		child_broken("log");
	return store_db_commit(t->db, f);
}

static enum err commit(struct store *s, struct attr_view v, struct fault *f)
{
	uint64_t generation = get_u64(v, "generation", STORE_INT_MAX);
	struct commit t = { .db = s->db };
	enum err e;

	t.has_first = get_if_u64(v, "first", STORE_INT_MAX, &t.first);
	TRY(store_db_begin(s->db, generation, f));
	e = run_all(&t, v, f);
	if (e != OK)
		store_db_rollback(s->db);
	return e;
}

void store_commit(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (commit(s, m->attrs, &f) == OK)
		store_done(s, m->id);
	else
		store_failed(s, m->id, &f);
	/* Who waits for it waits no longer than this turn takes. */
	chan_flush(&s->issuer);
}
