/* Store: IS_FIND, the inventory by any filters, newest first.
 *
 * Each filter has an index whose entries lie in the order of numbers, so one is walked
 * from the newest on and the other filters are looked at row by row. Which one: every
 * filter that is given is asked how many rows it has, up to a bound, and the one with
 * the fewest is walked. Where all have many, their rows are dense; still a walk looks
 * at a bounded number of rows, says more=yes and after=, and goes on when asked to. */
#include "ca/kinds.h"
#include "ca/store_cert.h"
#include "ca/store_role.h"
#include "lib/child.h"

#include <string.h>

enum {
	LIMIT_MAX = 1000,
	LOOKS_MAX = 10000,   /* rows looked at for one answer */
	PROBE_MAX = 4096,    /* index entries counted of one filter */
	BYTES_MAX = 2 << 20, /* of an answer, one item more at most */
};

/* Parameters of the statements: ?1 the filter, ?2 below this number, ?3 the bound of a
 * probe, ?4 the end of a range. */
struct find {
	uint64_t after, limit;
	uint64_t from, to; /* not_after is in [from, to) */
	uint64_t number, node, type;
	struct attr_view agent, tail;
	bool has_tail, has_number, has_node, has_type, has_agent, has_expiry;
	bool revoked, not_revoked, unproven, der;
	bool none; /* a name that nothing has */
	uint64_t found;
};

/* The row a walk is at. Columns as in FOUND of ca/store_sql.c. */
enum {
	COL_NUMBER,
	COL_TAIL,
	COL_AGENT,
	COL_NODE,
	COL_TYPE,
	COL_NB,
	COL_NA,
	COL_SHARD,
	COL_LOG,
	COL_PROOF,
	COL_REQUEST,
};

/* The question */

static enum err find_name(struct store *s, struct attr_view v, const char *name,
			  struct find *q, bool *has, uint64_t *id,
			  struct fault *f)
{
	struct attr_view text;

	*has = get_if_bytes(v, name, 0, STORE_NAME_MAX, &text);
	if (!*has)
		return OK;
	TRY(store_name_id(s->db, text, false, id, f));
	q->none = q->none || !*id;
	return OK;
}

static void find_revoked(struct attr_view v, struct find *q)
{
	struct attr_view is;

	if (!get_if_bytes(v, "revoked", 2, 3, &is))
		return;
	q->revoked = is.len == 3 && !memcmp(is.p, "yes", 3);
	q->not_revoked = is.len == 2 && !memcmp(is.p, "no", 2);
	if (q->revoked == q->not_revoked)
		child_broken("revoked");
}

static enum err find_parse(struct store *s, struct attr_view v, struct find *q,
			   struct fault *f)
{
	*q = (struct find){ .after = STORE_NUMBER_MAX + 1,
			    .to = STORE_TIME_MAX + 1 };
	q->limit = get_u64(v, "limit", LIMIT_MAX);
	if (!q->limit)
		child_broken("limit");
	(void)get_if_u64(v, "after", STORE_NUMBER_MAX, &q->after);
	q->has_number = get_if_u64(v, "number", STORE_NUMBER_MAX, &q->number);
	q->has_tail = get_if_bytes(v, "tail", STORE_TAIL, STORE_TAIL, &q->tail);
	q->has_agent = get_if_bytes(v, "agent", 0, STORE_NAME_MAX, &q->agent);
	q->has_expiry = get_if_u64(v, "expires_before", STORE_TIME_MAX, &q->to);
	if (get_if_u64(v, "not_expired", STORE_TIME_MAX, &q->from))
		q->has_expiry = true;
	find_revoked(v, q);
	q->unproven = get_yes(v, "unproven");
	q->der = get_yes(v, "der");
	TRY(find_name(s, v, "node", q, &q->has_node, &q->node, f));
	return find_name(s, v, "type", q, &q->has_type, &q->type, f);
}

/* The walk */

struct walk {
	enum store_sql find, probe;
	bool has;
	uint64_t key; /* ?1; not for an agent */
};

static void bind(sqlite3_stmt *st, const struct find *q, const struct walk *w,
		 uint8_t room[STORE_TOKEN])
{
	if (w->find == SQL_FIND_AGENT)
		store_agent_bind(st, 1, q->agent, room);
	else if (w->find != SQL_FIND_ALL && w->find != SQL_FIND_REVOKED &&
		 w->find != SQL_FIND_UNPROVEN)
		store_bind_u64(st, 1, w->key);
	store_bind_u64(st, 2, q->after);
	if (w->find == SQL_FIND_EXPIRY)
		store_bind_u64(st, 4, q->to);
}

static enum err probe(struct store *s, const struct find *q,
		      const struct walk *w, uint64_t *n, struct fault *f)
{
	uint8_t room[STORE_TOKEN];
	sqlite3_stmt *st;

	TRY(store_sql(s->db, w->probe, &st, f));
	bind(st, q, w, room);
	store_bind_u64(st, 3, PROBE_MAX);
	return store_one(s->db, st, n, f);
}

/* The filter with the fewest rows. Of those with many, the first; but a range of times
 * is walked only where it is short, for its rows have to be sorted. */
static enum err choose(struct store *s, const struct find *q, struct walk *out,
		       struct fault *f)
{
	const struct walk all[] = {
		{ SQL_FIND_AGENT, SQL_PROBE_AGENT, q->has_agent, 0 },
		{ SQL_FIND_UNPROVEN, SQL_PROBE_UNPROVEN, q->unproven, 0 },
		{ SQL_FIND_NODE, SQL_PROBE_NODE, q->has_node, q->node },
		{ SQL_FIND_TYPE, SQL_PROBE_TYPE, q->has_type, q->type },
		{ SQL_FIND_REVOKED, SQL_PROBE_REVOKED, q->revoked, 0 },
		{ SQL_FIND_EXPIRY, SQL_PROBE_EXPIRY, q->has_expiry, q->from },
	};
	uint64_t least = UINT64_MAX, n;

	*out = (struct walk){ .find = SQL_FIND_ALL };
	for (size_t i = 0; i < NELEM(all); i++) {
		if (!all[i].has)
			continue;
		TRY(probe(s, q, &all[i], &n, f));
		if (n >= least ||
		    (n == PROBE_MAX && all[i].find == SQL_FIND_EXPIRY))
			continue;
		least = n;
		*out = all[i];
	}
	return OK;
}

/* Rows */

static bool same(struct attr_view a, struct attr_view b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

static bool agent_is(sqlite3_stmt *st, struct attr_view agent)
{
	char room[STORE_UUID_TEXT];

	return same(store_agent_col(st, COL_AGENT, room), agent);
}

/* All but what the table of revoked ones says. */
static bool row_fits(sqlite3_stmt *st, const struct find *q)
{
	uint64_t na = store_col_u64(st, COL_NA);

	return (!q->has_type || store_col_u64(st, COL_TYPE) == q->type) &&
	       (!q->has_node || store_col_u64(st, COL_NODE) == q->node) &&
	       na >= q->from && na < q->to &&
	       (!q->unproven || !store_col_null(st, COL_PROOF)) &&
	       (!q->has_tail || same(store_col_bytes(st, COL_TAIL), q->tail)) &&
	       (!q->has_agent || agent_is(st, q->agent));
}

static enum err revoked_of(struct store *s, uint64_t number, bool *revoked,
			   uint64_t *at, uint64_t *reason, struct fault *f)
{
	sqlite3_stmt *r;

	TRY(store_sql(s->db, SQL_REVOKED_GET, &r, f));
	store_bind_u64(r, 1, number);
	TRY(store_step(s->db, r, revoked, f));
	if (!*revoked)
		return OK;
	*at = store_col_u64(r, 0);
	*reason = store_col_u64(r, 1);
	(void)sqlite3_reset(r);
	return OK;
}

static enum err add_name(struct store *s, const char *name, uint64_t id,
			 struct fault *f)
{
	struct attr_view text;

	TRY(store_name_text(s->db, id, &text, f));
	item_bytes(&s->item, name, text);
	return OK;
}

static enum err add_der(struct store *s, uint64_t number, struct fault *f)
{
	sqlite3_stmt *d;
	bool row;

	TRY(store_sql(s->db, SQL_DER_GET, &d, f));
	store_bind_u64(d, 1, number);
	TRY(store_step(s->db, d, &row, f));
	if (!row)
		return store_damaged(f, "a certificate");
	TRY(attrs_add(&s->item, "der", 0, store_col_bytes(d, 0).p,
		      store_col_bytes(d, 0).len));
	(void)sqlite3_reset(d);
	return OK;
}

static enum err make_item(struct store *s, sqlite3_stmt *st, struct fault *f)
{
	char room[STORE_UUID_TEXT];

	attrs_clear(&s->item);
	item_u64(&s->item, "number", store_col_u64(st, COL_NUMBER));
	item_bytes(&s->item, "tail", store_col_bytes(st, COL_TAIL));
	item_bytes(&s->item, "agent", store_agent_col(st, COL_AGENT, room));
	TRY(add_name(s, "node", store_col_u64(st, COL_NODE), f));
	TRY(add_name(s, "type", store_col_u64(st, COL_TYPE), f));
	item_u64(&s->item, "not_before", store_col_u64(st, COL_NB));
	item_u64(&s->item, "not_after", store_col_u64(st, COL_NA));
	item_u64(&s->item, "shard", store_col_u64(st, COL_SHARD));
	if (!store_col_null(st, COL_LOG))
		item_u64(&s->item, "log", store_col_u64(st, COL_LOG));
	if (!store_col_null(st, COL_PROOF))
		TRY(attrs_add_str(&s->item, "valid_after_proof", "yes"));
	if (!store_col_null(st, COL_REQUEST))
		item_bytes(&s->item, "request",
			   store_col_bytes(st, COL_REQUEST));
	return OK;
}

static enum err look(struct store *s, sqlite3_stmt *st, struct find *q,
		     struct fault *f)
{
	uint64_t number = store_col_u64(st, COL_NUMBER), at = 0, reason = 0;
	bool revoked;

	if (!row_fits(st, q))
		return OK;
	TRY(revoked_of(s, number, &revoked, &at, &reason, f));
	if ((q->revoked && !revoked) || (q->not_revoked && revoked))
		return OK;
	TRY(make_item(s, st, f));
	if (revoked) {
		item_u64(&s->item, "revoked", at);
		item_u64(&s->item, "reason", reason);
	}
	if (q->der)
		TRY(add_der(s, number, f));
	store_send(s, IS_ITEM, s->id);
	q->found++;
	return OK;
}

/* *more: it ended before the rows did; q->after is the last one looked at. */
static enum err walk(struct store *s, sqlite3_stmt *st, struct find *q,
		     bool *more, struct fault *f)
{
	size_t begin = s->issuer.out.len;
	unsigned looks = 0;

	for (;;) {
		TRY(store_step(s->db, st, more, f));
		if (!*more)
			return OK;
		if (q->found == q->limit || looks++ == LOOKS_MAX ||
		    s->issuer.out.len > begin + BYTES_MAX)
			break;
		q->after = store_col_u64(st, COL_NUMBER);
		TRY(look(s, st, q, f));
	}
	(void)sqlite3_reset(st);
	return OK;
}

static enum err find(struct store *s, struct attr_view v, struct fault *f)
{
	struct walk w = { .find = SQL_FIND_NUMBER };
	uint8_t room[STORE_TOKEN];
	sqlite3_stmt *st;
	struct find q;
	bool more = false;

	TRY(find_parse(s, v, &q, f));
	if (!q.has_number && !q.none)
		TRY(choose(s, &q, &w, f));
	w.key = q.has_number ? q.number : w.key;
	if (!q.none) {
		TRY(store_sql(s->db, w.find, &st, f));
		bind(st, &q, &w, room);
		TRY(walk(s, st, &q, &more, f));
	}
	attrs_clear(&s->item);
	if (more) {
		TRY(attrs_add_str(&s->item, "more", "yes"));
		item_u64(&s->item, "after", q.after);
	}
	return OK;
}

void store_find(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	s->id = m->id;
	if (find(s, m->attrs, &f) == OK)
		store_send(s, IS_DONE, m->id);
	else
		store_failed(s, m->id, &f);
}
