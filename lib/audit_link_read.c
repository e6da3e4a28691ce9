/* A core (vault, keeper): the audit log, read for admins: the store's records and
 * checkpoints are passed on as they come, one reader at a time. Holds nothing else.
 *	core -> store	RS_READ		store -> core	RS_RECORD, RS_NOTE, RS_DONE */
#include "lib/audit_link_state.h"

#include "lib/child.h"
#include "lib/enc.h"

void audit_link_read_item(struct audit_link *l, const struct msg *m)
{
	struct attrs item;
	struct attr a;
	bool note = m->kind == RS_NOTE;

	if (!l->is_reading)
		return;
	if (attr_only(m->attrs, note ? "note" : "record", &a) != OK)
		child_broken("store");
	attrs_init(&item);
	if ((note || attrs_add_u64(&item, "index", m->id) == OK) &&
	    attrs_add_attr(&item, &a) == OK)
		call_item(&l->reading, attrs_view(&item));
	attrs_wipe(&item);
}

static void reply(const struct audit_link *l)
{
	struct attrs a;
	struct buf key;

	attrs_init(&a);
	buf_init(&key, 64);
	ENSURE(attrs_add_u64(&a, "size", audit_kept(l->audit)) == OK);
	ENSURE(attrs_add_str(&a, "origin", l->origin) == OK);
	ENSURE(enc_base64(audit_key(l->audit), NOTE_PUBLIC, &key) == OK);
	ENSURE(attrs_add(&a, "key", 0, key.p, key.len) == OK);
	call_reply(&l->reading, &a);
	buf_wipe(&key);
	attrs_wipe(&a);
}

void audit_link_read_end(struct audit_link *l, const struct msg *m)
{
	if (!l->is_reading)
		return;
	l->is_reading = false;
	if (m->kind == RS_FAILED || !l->audit)
		call_error(&l->reading, ERR_UNAVAILABLE,
			   "the log cannot be read now");
	else
		reply(l);
}

void audit_link_read_gone(struct audit_link *l)
{
	if (!l->is_reading)
		return;
	l->is_reading = false;
	call_error(&l->reading, ERR_UNAVAILABLE,
		   "the store was started anew: try again");
}

static void read_begin(struct audit_link *l, const struct call *c,
		       const struct attrs *question)
{
	if (!l->audit) {
		call_error(c, ERR_UNAVAILABLE, "the audit log is not open");
		return;
	}
	audit_denials(l->audit, audit_link_now(l), true);
	audit_link_kick(l);
	if (l->is_reading) {
		call_error(c, ERR_UNAVAILABLE,
			   "the log is being read by somebody else: try again");
		return;
	}
	if (l->asked || chan_send(l->store, RS_READ, STORE_ID_READ,
				  attrs_view(question)) != OK) {
		call_error(c, ERR_UNAVAILABLE,
			   "the store is being started anew: try again");
		return;
	}
	l->is_reading = true;
	l->reading = *c;
}

void audit_link_show(struct audit_link *l, const struct call *c,
		     struct attr_view v)
{
	struct attrs question;
	struct fault f;
	uint64_t from, count;

	if (call_number(v, "from", 0, INT64_MAX, &from, &f) != OK ||
	    call_number(v, "count", AUDIT_LINK_READ_MAX, AUDIT_LINK_READ_MAX,
			&count, &f) != OK) {
		call_fault(c, &f);
		return;
	}
	attrs_init(&question);
	ENSURE(attrs_add_u64(&question, "from", from) == OK);
	ENSURE(attrs_add_u64(&question, "count", count) == OK);
	read_begin(l, c, &question);
	attrs_wipe(&question);
}

void audit_link_notes(struct audit_link *l, const struct call *c,
		      struct attr_view v)
{
	struct attrs question;

	(void)v;
	attrs_init(&question);
	ENSURE(attrs_add_str(&question, "notes", "yes") == OK);
	read_begin(l, c, &question);
	attrs_wipe(&question);
}

void audit_link_orphan(struct audit_link *l)
{
	l->reading.id = CALL_NOBODY;
}
