/* Issuer: transactions. What has to become durable together (rows, records of the log)
 * is an entry; entries gather while the store has a transaction, and go together in
 * the next. Only then are those who wait for them answered.
 *	issuer -> store	IS_COMMIT	store -> issuer	IS_DONE, IS_FAILED
 *	issuer -> signer IG_NOTE	signer -> issuer IG_NOTED */
#include "ca/issuer.h"

#include "lib/child.h"
#include "lib/log.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	TXN_ENTRIES_MAX = 512,       /* of one transaction */
	TXN_BYTES_MAX = 400 << 10,   /* of their operations */
	TXN_RECORDS_MAX = 300 << 10, /* and records */
	TXN_RECORD_EXTRA = 128,      /* time, counts */
	TXN_ATTRS_MAX = 2500,        /* attributes of its message, about */
	/* counts of denials that may go with them: all of it is one batch */
	TXN_COUNTS_MAX = 1000,
	TXN_COUNTS_BYTES = 150 << 10,
};

static struct {
	struct txn_entry *head, **end; /* waiting for the next */
	struct txn_entry *flying;      /* with the store */
	uint64_t id;         /* of the transaction with the store, or 0 */
	uint64_t generation; /* it will have */
	struct attrs msg;
	bool ending, last_note;
	uint64_t last_size; /* of the log, when last_note was asked for */
	struct loop_work work;
	struct loop_timer timer;
	bool noting; /* a checkpoint is with the signer */
	struct attrs
		note; /* a signed checkpoint to be written: text, frontier */
	bool note_flying; /* … and it is in the transaction with the store */
	struct buf frontier; /* of the checkpoint with the signer */
} txn;

struct audit_now issuer_now(void)
{
	return (struct audit_now){ .wall = clock_wall_ns(),
				   .boot = loop_now(issuer.loop) };
}

void txn_entry_init(struct txn_entry *e,
		    void (*done)(struct txn_entry *e, const struct fault *f))
{
	*e = (struct txn_entry){ .done = done };
	attrs_init(&e->ops);
	attrs_init(&e->cert);
	attrs_init(&e->record);
	attrs_init(&e->once);
}

void txn_entry_wipe(struct txn_entry *e)
{
	attrs_wipe(&e->ops);
	attrs_wipe(&e->cert);
	attrs_wipe(&e->record);
	attrs_wipe(&e->once);
}

/* Building the message */

static enum err sink_append(void *arg, uint64_t first,
			    const struct attr_view *record, unsigned count,
			    unsigned flags)
{
	struct attrs *msg = arg;

	(void)flags;
	TRY(attrs_add_u64(msg, "first", first));
	for (unsigned i = 0; i < count; i++)
		TRY(attrs_add(msg, "record", 0, record[i].p, record[i].len));
	return OK;
}

static enum err sink_checkpoint(void *arg, const struct note *n,
				struct attr_view note,
				struct attr_view frontier)
{
	struct attrs a;
	enum err e;

	(void)arg;
	(void)note;
	if (!chan_is_open(&issuer.signer))
		return ERR_UNAVAILABLE;
	buf_clear(&txn.frontier);
	TRY(buf_put(&txn.frontier, frontier.p, frontier.len));
	attrs_init(&a);
	e = attrs_add_u64(&a, "size", n->size);
	if (e == OK)
		e = attrs_add(&a, "root", 0, n->root.b, sizeof n->root.b);
	if (e == OK)
		e = attrs_add_u64(&a, "time", (uint64_t)n->time);
	if (e == OK)
		e = attrs_add_u64(&a, "generation", n->generation);
	if (e == OK)
		e = chan_send(&issuer.signer, IG_NOTE, issuer_id(ABOUT_NOTE),
			      attrs_view(&a));
	attrs_wipe(&a);
	txn.noting = e == OK;
	return e;
}

/* The row itself stays as it was: it may go once more, with another record. */
static enum err add_cert(struct txn_entry *e, uint64_t index)
{
	struct attrs before = e->cert;
	enum err err;

	if (!e->cert.count)
		return OK;
	err = attrs_add_u64(&e->cert, "log", index);
	if (err == OK)
		err = attrs_add(&txn.msg, "cert", 0, e->cert.bytes.p,
				e->cert.bytes.len);
	e->cert.count = before.count;
	e->cert.bytes.len = before.bytes.len;
	return err;
}

/* One entry into the message, its record into the log. */
static enum err put_entry(struct txn_entry *e, struct fault *f)
{
	struct audit_now now = issuer_now();
	uint64_t index = 0;

	if (e->denial)
		TRY(audit_denial(issuer.audit, now, attrs_view(&e->record),
				 attrs_view(&e->once), &index, f));
	else if (e->record.count)
		TRY(audit_record(issuer.audit, now, attrs_view(&e->record), 0,
				 &index, f));
	if (attrs_add_view(&txn.msg, attrs_view(&e->ops)) != OK ||
	    add_cert(e, index) != OK)
		return fault_set(f, ERR_TOO_LARGE,
				 "what is to be written is too large");
	return OK;
}

static size_t record_size(const struct txn_entry *e)
{
	return e->record.bytes.len + e->once.bytes.len + TXN_RECORD_EXTRA;
}

/* Takes from the queue what fits one transaction. */
static struct txn_entry *take_entries(void)
{
	struct txn_entry *first = txn.head, **at = &txn.head;
	size_t bytes = 0, records = 0;
	unsigned n = 0, attrs = 0;

	while (*at && n < TXN_ENTRIES_MAX) {
		const struct txn_entry *e = *at;

		bytes += e->ops.bytes.len + e->cert.bytes.len + 16;
		records += record_size(e);
		attrs += e->ops.count + 2; /* a row, a record */
		if (n && (e->alone || first->alone || bytes > TXN_BYTES_MAX ||
			  records > TXN_RECORDS_MAX || attrs > TXN_ATTRS_MAX))
			break;
		at = &(*at)->next;
		n++;
	}
	txn.head = *at;
	*at = NULL;
	if (!txn.head)
		txn.end = &txn.head;
	return n ? first : NULL;
}

static void fail_entries(struct txn_entry *e, const struct fault *f)
{
	struct txn_entry *next;

	for (; e; e = next) {
		next = e->next;
		e->done(e, f);
	}
}

/* For a moment after a failure the log takes nothing; what had failed says why. */
static enum err put_or_say(struct txn_entry *e, struct fault *f)
{
	enum err err = put_entry(e, f);

	if (err == ERR_UNAVAILABLE && issuer.unwritten.code != OK)
		*f = issuer.unwritten;
	return err;
}

/* Those that cannot even be put are failed at once. */
static struct txn_entry *put_entries(struct txn_entry *e)
{
	struct txn_entry *put = NULL, **at = &put, *next;
	struct fault f;

	for (; e; e = next) {
		next = e->next;
		e->next = NULL;
		if (put_or_say(e, &f) != OK) {
			e->done(e, &f);
			continue;
		}
		*at = e;
		at = &e->next;
	}
	return put;
}

/* A store that was started anew has first to be compared with what is known here. */
bool txn_open(void)
{
	return issuer.audit && issuer.store_told && !issuer.store_fresh &&
	       chan_is_open(&issuer.store) && issuer.state == ISSUER_READY;
}

static bool something(void)
{
	return txn.head || txn.note.count ||
	       audit_kept(issuer.audit) < audit_size(issuer.audit);
}

static void send_msg(void)
{
	txn.id = issuer_id(ABOUT_TXN);
	txn.generation = issuer.generation + 1;
	ENSURE(attrs_add_u64(&txn.msg, "generation", txn.generation) == OK);
	if (chan_send(&issuer.store, IS_COMMIT, txn.id, attrs_view(&txn.msg)) !=
	    OK)
		log_text(LOG_ERR, "store", "the transaction cannot be sent");
}

static void flush(struct loop_work *w)
{
	(void)w;
	if (txn.id || !txn_open() || !something())
		return;
	attrs_clear(&txn.msg);
	/* a row names a record of its own message: none may be left behind */
	audit_denials(issuer.audit, issuer_now(), false);
	if (!audit_behind(issuer.audit, TXN_COUNTS_MAX, TXN_COUNTS_BYTES))
		txn.flying = put_entries(take_entries());
	if (txn.note.count) {
		ENSURE(attrs_add(&txn.msg, "note", 0, txn.note.bytes.p,
				 txn.note.bytes.len) == OK);
		txn.note_flying = true;
	}
	ENSURE(audit_send(issuer.audit) == OK);
	if (!txn.msg.count) { /* only counted denials */
		struct txn_entry *e = txn.flying, *next;

		txn.flying = NULL;
		for (; e; e = next) {
			next = e->next;
			e->done(e, NULL);
		}
		return;
	}
	send_msg();
}

static void time_came(struct loop_timer *t)
{
	(void)t;
	if (!issuer.audit)
		return;
	audit_denials(issuer.audit, issuer_now(), false);
	txn_note(false);
	loop_defer(issuer.loop, &txn.work);
	loop_arm(issuer.loop, &txn.timer, loop_now(issuer.loop) + CLOCK_SECOND);
}

void txn_init(void)
{
	txn.end = &txn.head;
	txn.work.on = flush;
	txn.timer.on = time_came;
	attrs_init(&txn.msg);
	attrs_init(&txn.note);
	buf_init(&txn.frontier, MERKLE_BYTES_MAX);
}

void txn_begin(void)
{
	static const struct audit_sink sink = { sink_append, sink_checkpoint,
						&txn.msg };

	issuer.audit = audit_new_unsigned(&issuer.tail, issuer.origin,
					  issuer.log_key, &sink);
	loop_arm(issuer.loop, &txn.timer, loop_now(issuer.loop) + CLOCK_SECOND);
}

void txn_add(struct txn_entry *e)
{
	e->next = NULL;
	*txn.end = e;
	txn.end = &e->next;
	loop_defer(issuer.loop, &txn.work);
}

/* The end of a transaction */

static void end_step(void);

static void finish(const struct fault *f)
{
	struct txn_entry *e = txn.flying;

	txn.flying = NULL;
	txn.id = 0;
	if (txn.note_flying) {
		audit_noted(issuer.audit, !f);
		attrs_clear(&txn.note);
		txn.note_flying = false;
	}
	fail_entries(e, f);
	if (!f)
		txn_note(false);
	loop_defer(issuer.loop, &txn.work);
	end_step();
}

/* One of several was refused for what it says (used by another meanwhile, there
 * already, …), which is no fault of the others: each goes by itself, in order. */
static void take_apart(const struct fault *f)
{
	struct txn_entry *last = txn.flying;

	if (f->code == ERR_UNAVAILABLE || !last || !last->next)
		return;
	last->alone = true;
	while (last->next) {
		last = last->next;
		last->alone = true;
	}
	last->next = txn.head;
	if (!txn.head)
		txn.end = &last->next;
	txn.head = txn.flying;
	txn.flying = NULL;
}

static unsigned records_flying(void)
{
	return (unsigned)attr_count(attrs_view(&txn.msg), "record");
}

static uint64_t first_flying(void)
{
	struct attr a;
	uint64_t n;

	ENSURE(attr_find(attrs_view(&txn.msg), "first", &a));
	ENSURE(attr_u64(&a, UINT64_MAX, &n) == OK);
	return n;
}

void txn_done(uint64_t id, const struct fault *f)
{
	if (id != txn.id)
		child_broken("store");
	issuer.unwritten.code = OK;
	if (!f) {
		issuer.generation = txn.generation;
		if (records_flying() &&
		    audit_acked(issuer.audit,
				first_flying() + records_flying()) != OK)
			child_broken("store");
		finish(NULL);
		return;
	}
	log_text(LOG_ERR, "not_written", "%s", f->text);
	if (f->code == ERR_UNAVAILABLE)
		issuer.unwritten = *f;
	/* the disk is given a moment; a refusal holds nobody up */
	if (records_flying() &&
	    audit_failed(issuer.audit, first_flying(),
			 f->code == ERR_UNAVAILABLE ? loop_now(issuer.loop)
						    : 0) != OK)
		child_broken("store");
	take_apart(f);
	finish(f);
}

/* A transaction whose answer never came: the store's generation tells whether it is
 * there. If not, it is sent again as it was. */
void txn_resume(uint64_t generation)
{
	if (txn.id && generation == txn.generation) {
		issuer.generation = generation;
		finish(NULL);
	} else if (txn.id) {
		if (audit_again(issuer.audit, records_flying()) != OK)
			child_broken("store");
		(void)!chan_send(&issuer.store, IS_COMMIT, txn.id,
				 attrs_view(&txn.msg));
	}
	loop_defer(issuer.loop, &txn.work);
}

void txn_broken(const struct fault *f)
{
	struct txn_entry *waiting = txn.head, *flying = txn.flying;

	txn.head = txn.flying = NULL;
	txn.end = &txn.head;
	fail_entries(flying, f);
	fail_entries(waiting, f);
}

/* The end: what gathers is written, and a checkpoint over all of it. */

static void end_step(void)
{
	if (!txn.ending)
		return;
	if (!txn_open() || !chan_is_open(&issuer.signer))
		_exit(0);
	if (txn.id || txn.noting || something())
		return;
	/* what was signed meanwhile is in the log, too */
	if (txn.last_note && txn.last_size == audit_kept(issuer.audit))
		_exit(0);
	txn_note(true);
	if (!txn.noting) /* it covers everything */
		_exit(0);
	txn.last_note = true;
	txn.last_size = audit_kept(issuer.audit);
}

void txn_end(void)
{
	txn.ending = true;
	if (!issuer.audit)
		_exit(0);
	audit_denials(issuer.audit, issuer_now(), true);
	loop_defer(issuer.loop, &txn.work);
	end_step();
}

/* Checkpoints */

void txn_note(bool now)
{
	if (!txn_open() || txn.noting || txn.note.count)
		return;
	if (now || audit_checkpoint_due(issuer.audit, loop_now(issuer.loop)))
		(void)!audit_checkpoint(issuer.audit, issuer_now(),
					issuer.generation);
}

void txn_noted(const struct msg *m)
{
	struct attr a;

	if (!txn.noting || attr_only(m->attrs, "note", &a) != OK)
		child_broken("signer");
	txn.noting = false;
	attrs_clear(&txn.note);
	ENSURE(attrs_add(&txn.note, "text", 0, a.value, a.len) == OK);
	ENSURE(attrs_add(&txn.note, "frontier", 0, txn.frontier.p,
			 txn.frontier.len) == OK);
	loop_defer(issuer.loop, &txn.work);
}

void txn_note_refused(const struct fault *f)
{
	(void)f;
	if (!txn.noting)
		return;
	txn.noting = false;
	audit_noted(issuer.audit, false);
	if (txn.ending)
		_exit(0);
}
