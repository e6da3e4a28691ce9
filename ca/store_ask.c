/* Store: short questions: statuses, tokens, revoked ones, counts. */
#include "ca/kinds.h"
#include "ca/store_cert.h"
#include "ca/store_role.h"
#include "lib/child.h"

#include <string.h>

enum {
	REVOKED_MAX = 16000,   /* entries in an answer */
	REVOKED_LOOKS = 65536, /* rows looked at for them */
	TOKENS_MAX = 1000,
	ENTRY = 8 + STORE_TAIL + 8 + 1,
};

/* Statuses */

static enum err add_status(struct store *s, uint64_t number, struct fault *f)
{
	struct store_status c;
	bool there;

	TRY(store_cert_status(s->db, number, &there, &c, f));
	if (!there)
		return OK;
	attrs_clear(&s->row);
	item_u64(&s->row, "number", number);
	item_bytes(&s->row, "tail", (struct attr_view){ c.tail, STORE_TAIL });
	item_u64(&s->row, "not_after", c.not_after);
	if (c.revoked) {
		item_u64(&s->row, "revoked", c.at);
		item_u64(&s->row, "reason", c.reason);
	}
	item_list(&s->item, "row", &s->row);
	return OK;
}

static enum err statuses(struct store *s, struct attr_view v, struct fault *f)
{
	uint64_t number;
	struct attr a;

	attrs_clear(&s->item);
	while (attr_next(&v, &a)) {
		if (!attr_named(&a, "number") ||
		    attr_u64(&a, STORE_NUMBER_MAX, &number) != OK)
			child_broken("number");
		TRY(add_status(s, number, f));
	}
	return OK;
}

void store_status(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (statuses(s, m->attrs, &f) == OK)
		store_send(s, IS_STATUSES, m->id);
	else
		store_failed(s, m->id, &f);
}

/* Tokens */

static enum err add_alarms(struct store *s, struct attr_view id,
			   struct fault *f)
{
	sqlite3_stmt *q;
	bool row;

	TRY(store_sql(s->db, SQL_ALARM_OF, &q, f));
	store_bind_blob(q, 1, id);
	for (;;) {
		TRY(store_step(s->db, q, &row, f));
		if (!row)
			return OK;
		attrs_clear(&s->row);
		item_u64(&s->row, "time", store_col_u64(q, 0));
		item_bytes(&s->row, "text", store_col_bytes(q, 1));
		item_list(&s->item, "alarm", &s->row);
	}
}

/* Of the serial of what it was used for. */
static enum err add_tail(struct store *s, uint64_t number, struct fault *f)
{
	struct store_status c;
	bool there;

	TRY(store_cert_status(s->db, number, &there, &c, f));
	if (there)
		item_bytes(&s->item, "tail",
			   (struct attr_view){ c.tail, STORE_TAIL });
	return OK;
}

/* The row that q is at: the token's own attributes, then its state. */
static enum err send_token(struct store *s, sqlite3_stmt *q, uint64_t id,
			   struct fault *f)
{
	struct attr_view bytes = store_col_bytes(q, 1), list;
	uint64_t alarms = store_col_u64(q, 5);

	if (attr_parse(bytes.p, bytes.len, &list, f) != OK)
		return store_damaged(f, "an enrolment token");
	attrs_clear(&s->item);
	TRY(attrs_add_view(&s->item, list));
	if (!store_col_null(q, 2)) {
		item_u64(&s->item, "used", store_col_u64(q, 2));
		item_bytes(&s->item, "request", store_col_bytes(q, 3));
		item_bytes(&s->item, "address", store_col_bytes(q, 4));
	}
	if (alarms) {
		item_u64(&s->item, "alarms", alarms);
		TRY(add_tail(s, store_col_u64(q, 2), f));
		TRY(add_alarms(s, store_col_bytes(q, 0), f));
	}
	store_send(s, IS_ITEM, id);
	return OK;
}

static enum err one_token(struct store *s, struct attr_view token, uint64_t id,
			  struct fault *f)
{
	sqlite3_stmt *q;
	bool row;

	TRY(store_sql(s->db, SQL_TOKEN_GET, &q, f));
	store_bind_blob(q, 1, token);
	TRY(store_step(s->db, q, &row, f));
	if (row)
		TRY(send_token(s, q, id, f));
	(void)sqlite3_reset(q);
	return OK;
}

static enum err open_tokens(struct store *s, uint64_t now, uint64_t id,
			    struct fault *f)
{
	sqlite3_stmt *q;
	bool row;

	TRY(store_sql(s->db, SQL_TOKEN_OPEN, &q, f));
	store_bind_u64(q, 1, now);
	store_bind_u64(q, 2, TOKENS_MAX);
	for (;;) {
		TRY(store_step(s->db, q, &row, f));
		if (!row)
			return OK;
		TRY(send_token(s, q, id, f));
	}
}

static enum err alarmed_tokens(struct store *s, uint64_t id, struct fault *f)
{
	sqlite3_stmt *q;
	bool row;

	TRY(store_sql(s->db, SQL_TOKEN_ALARMED, &q, f));
	store_bind_u64(q, 1, TOKENS_MAX);
	for (;;) {
		TRY(store_step(s->db, q, &row, f));
		if (!row)
			return OK;
		TRY(one_token(s, store_col_bytes(q, 0), id, f));
	}
}

static enum err tokens(struct store *s, const struct msg *m, struct fault *f)
{
	struct attr_view token;

	if (get_if_bytes(m->attrs, "token", STORE_TOKEN, STORE_TOKEN, &token))
		return one_token(s, token, m->id, f);
	if (get_yes(m->attrs, "alarms"))
		return alarmed_tokens(s, m->id, f);
	if (!get_yes(m->attrs, "tokens"))
		child_broken("IS_TOKEN");
	return open_tokens(s, get_u64(m->attrs, "now", STORE_TIME_MAX), m->id,
			   f);
}

void store_token(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (tokens(s, m, &f) == OK)
		store_done(s, m->id);
	else
		store_failed(s, m->id, &f);
}

/* Revoked ones */

struct page {
	struct buf entries;
	uint64_t after, expired, limit, n;
	bool more;
};

static void pack_u64(uint8_t *to, uint64_t n)
{
	for (int i = 0; i < 8; i++)
		to[i] = (uint8_t)(n >> (56 - 8 * i));
}

/* number, na, at, reason, tail. A list has a million of them: packed by hand. */
static enum err add_entry(struct page *p, sqlite3_stmt *q, struct fault *f)
{
	struct attr_view tail = store_col_bytes(q, 4);
	uint8_t *e;

	if (tail.len != STORE_TAIL)
		return store_damaged(f, "a serial");
	TRY(buf_grow(&p->entries, ENTRY, &e));
	pack_u64(e, p->after);
	memcpy(e + 8, tail.p, STORE_TAIL);
	pack_u64(e + 8 + STORE_TAIL, store_col_u64(q, 2));
	e[ENTRY - 1] = (uint8_t)store_col_u64(q, 3);
	p->n++;
	return OK;
}

static enum err fill_page(struct store *s, sqlite3_stmt *q, struct page *p,
			  struct fault *f)
{
	uint64_t looks = 0;
	bool row;

	for (;;) {
		TRY(store_step(s->db, q, &row, f));
		if (!row)
			return OK;
		if (p->n == p->limit || looks++ == REVOKED_LOOKS)
			break;
		p->after = store_col_u64(q, 0);
		if (store_col_u64(q, 1) >= p->expired)
			TRY(add_entry(p, q, f));
	}
	(void)sqlite3_reset(q);
	p->more = true;
	return OK;
}

static void page_end(struct page *p)
{
	buf_wipe(&p->entries);
}

static enum err revoked(struct store *s, struct attr_view v, struct fault *f)
{
	AUTO(page_end)
	struct page p = {
		.after = get_u64(v, "after", STORE_NUMBER_MAX),
		.expired = get_u64(v, "expired_before", STORE_TIME_MAX),
		.limit = get_u64(v, "limit", REVOKED_MAX),
	};
	sqlite3_stmt *q;
	uint64_t shard;
	bool one;

	if (!p.limit)
		child_broken("limit");
	buf_init(&p.entries, (size_t)REVOKED_MAX * ENTRY);
	one = get_if_u64(v, "shard", UINT32_MAX, &shard);
	TRY(store_sql(s->db, one ? SQL_REVOKED_SHARD : SQL_REVOKED_PAGE, &q,
		      f));
	store_bind_u64(q, 1, p.after);
	if (one)
		store_bind_u64(q, 2, shard);
	TRY(buf_reserve(&p.entries, p.limit * ENTRY));
	TRY(fill_page(s, q, &p, f));
	attrs_clear(&s->item);
	item_bytes(&s->item, "entries",
		   (struct attr_view){ p.entries.p, p.entries.len });
	item_u64(&s->item, "after", p.after);
	if (p.more)
		TRY(attrs_add_str(&s->item, "more", "yes"));
	return OK;
}

void store_revoked(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (revoked(s, m->attrs, &f) == OK)
		store_send(s, IS_REVOKED, m->id);
	else
		store_failed(s, m->id, &f);
}

/* Counts */

static enum err counts(struct store *s, struct attr_view v, struct fault *f)
{
	uint64_t now = get_u64(v, "now", STORE_TIME_MAX);
	uint64_t soon = get_u64(v, "soon", STORE_TIME_MAX);
	uint64_t valid, later;

	TRY(store_cert_alive(s->db, now, &valid, f));
	TRY(store_cert_alive(s->db, MAX(now, soon), &later, f));
	attrs_clear(&s->item);
	item_u64(&s->item, "certs", s->db->now.certs);
	item_u64(&s->item, "revoked", s->db->now.revoked);
	item_u64(&s->item, "valid", valid);
	item_u64(&s->item, "expiring", valid - MIN(later, valid));
	item_u64(&s->item, "alarms", s->db->now.alarms);
	return OK;
}

void store_count(struct store *s, const struct msg *m)
{
	struct fault f = { .code = ERR_INTERNAL };

	if (counts(s, m->attrs, &f) == OK)
		store_send(s, IS_COUNTS, m->id);
	else
		store_failed(s, m->id, &f);
}
