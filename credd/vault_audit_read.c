/* Vault: the audit log, read for admins: the store's records and checkpoints are
 * passed on as they come, one reader at a time.
 *	vault -> store	RS_READ		store -> vault	RS_RECORD, RS_NOTE, RS_DONE */
#include "credd/vault.h"
#include "lib/child.h"

#include "lib/enc.h"

void audit_read_item(const struct msg *m)
{
	struct attrs item;
	struct attr a;
	bool note = m->kind == RS_NOTE;

	if (!vault.is_reading)
		return;
	attrs_init(&item);
	if (attr_only(m->attrs, note ? "note" : "record", &a) != OK)
		child_broken("store");
	if ((note || attrs_add_u64(&item, "index", m->id) == OK) &&
	    attrs_add_attr(&item, &a) == OK)
		call_item(&vault.reading, attrs_view(&item));
	attrs_wipe(&item);
}

void audit_read_end(const struct msg *m)
{
	struct attrs reply;
	struct buf key;

	if (!vault.is_reading)
		return;
	vault.is_reading = false;
	if (m->kind == RS_FAILED || !vault.audit) {
		call_error(&vault.reading, ERR_UNAVAILABLE,
			   "the log cannot be read now");
		return;
	}
	attrs_init(&reply);
	buf_init(&key, 64);
	ENSURE(attrs_add_u64(&reply, "size", audit_kept(vault.audit)) == OK);
	ENSURE(attrs_add_str(&reply, "origin", vault.origin) == OK);
	ENSURE(enc_base64(audit_key(vault.audit), NOTE_PUBLIC, &key) == OK);
	ENSURE(attrs_add(&reply, "key", 0, key.p, key.len) == OK);
	call_reply(&vault.reading, &reply);
	buf_wipe(&key);
	attrs_wipe(&reply);
}

static void read_begin(const struct call *c, const struct attrs *msg)
{
	audit_denials(vault.audit, vault_now(), true);
	audit_kick();
	if (vault.is_reading) {
		call_error(c, ERR_UNAVAILABLE,
			   "the log is being read by somebody else: try again");
		return;
	}
	if (vault.audit_loading ||
	    chan_send(&vault.store, RS_READ, STORE_ID_READ, attrs_view(msg)) !=
		    OK) {
		call_error(c, ERR_UNAVAILABLE,
			   "the store is being started anew: try again");
		return;
	}
	vault.is_reading = true;
	vault.reading = *c;
}

void verb_audit_show(const struct call *c, struct attr_view v)
{
	struct attrs msg;
	struct fault f;
	uint64_t from, count;

	attrs_init(&msg);
	if (call_number(v, "from", 0, INT64_MAX, &from, &f) != OK ||
	    call_number(v, "count", VAULT_READ_MAX, VAULT_READ_MAX, &count,
			&f) != OK) {
		call_fault(c, &f);
	} else {
		ENSURE(attrs_add_u64(&msg, "from", from) == OK);
		ENSURE(attrs_add_u64(&msg, "count", count) == OK);
		read_begin(c, &msg);
	}
	attrs_wipe(&msg);
}

void verb_audit_notes(const struct call *c, struct attr_view v)
{
	struct attrs msg;

	(void)v;
	attrs_init(&msg);
	ENSURE(attrs_add_str(&msg, "notes", "yes") == OK);
	read_begin(c, &msg);
	attrs_wipe(&msg);
}
