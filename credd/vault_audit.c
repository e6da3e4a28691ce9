/* Vault: the audit log's writing side. lib/audit makes records and their tree; this
 * file sends them to the store, one batch a turn, and lets answers go once they are
 * acknowledged.
 *	vault -> store	RS_AUDIT_OPEN, RS_APPEND, RS_CHECKPOINT, RS_READ
 *	store -> vault	RS_AUDIT_OPEN, RS_RECORD, RS_AUDIT_READY, RS_APPENDED,
 *			RS_DONE, RS_FAILED, RS_NOTE */
#include "credd/vault.h"
#include "lib/child.h"

#include "lib/enc.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The sink */

static enum err sink_append(void *arg, uint64_t first,
			    const struct attr_view *record, unsigned count,
			    unsigned flags)
{
	static struct attrs msg;
	enum err e = OK;

	(void)arg;
	if (!msg.bytes.max)
		attrs_init(&msg);
	attrs_clear(&msg);
	if (flags & AUDIT_SYNC)
		e = attrs_add_str(&msg, "sync", "yes");
	if (e == OK && flags & AUDIT_ADMIN)
		e = attrs_add_str(&msg, "admin", "yes");
	for (unsigned i = 0; i < count && e == OK; i++)
		e = attrs_add(&msg, "record", 0, record[i].p, record[i].len);
	if (e != OK)
		return e;
	return chan_send(&vault.store, RS_APPEND, first, attrs_view(&msg));
}

static enum err sink_checkpoint(void *arg, const struct note *n,
				struct attr_view note,
				struct attr_view frontier)
{
	struct attrs msg;
	enum err e;

	(void)arg;
	(void)n;
	attrs_init(&msg);
	e = attrs_add(&msg, "note", 0, note.p, note.len);
	if (e == OK)
		e = attrs_add(&msg, "frontier", 0, frontier.p, frontier.len);
	if (e == OK)
		e = chan_send(&vault.store, RS_CHECKPOINT, STORE_ID_NOTE,
			      attrs_view(&msg));
	if (e == OK)
		vault.note_flying = true;
	attrs_wipe(&msg);
	return e;
}

/* Sending, once a turn */

/* Not while a store that was started anew tells where its log ends: what it has got
 * meanwhile would be handed over twice. log_ready goes on. */
static bool store_listens(void)
{
	return vault.audit && !vault.audit_loading &&
	       chan_is_open(&vault.store);
}

static void send_now(struct loop_work *w)
{
	(void)w;
	if (!store_listens())
		return;
	if (audit_send(vault.audit) != OK)
		log_text(LOG_DEBUG, "audit", "the store is not there");
	loop_arm(vault.loop, &vault.audit_timer, audit_deadline(vault.audit));
}

void audit_kick(void)
{
	loop_defer(vault.loop, &vault.audit_work);
}

static void note_due(void)
{
	if (!store_listens() || vault.note_flying ||
	    (!vault.note_owed &&
	     !audit_checkpoint_due(vault.audit, loop_now(vault.loop))))
		return;
	if (audit_checkpoint(vault.audit, vault_now(), vault.generation) == OK)
		vault.note_owed = false;
	else
		log_text(LOG_DEBUG, "audit", "no checkpoint now");
}

void audit_note_soon(void)
{
	if (vault.audit)
		note_due();
}

static void time_came(struct loop_timer *t)
{
	(void)t;
	if (!vault.audit)
		return;
	audit_denials(vault.audit, vault_now(), false);
	note_due();
	audit_kick();
}

void audit_init(void)
{
	vault.audit_work.on = send_now;
	vault.audit_timer.on = time_came;
	vault.waiting_end = &vault.waiting;
}

/* The end */

static void end_step(void)
{
	if (!vault.audit)
		_exit(0);
	if (audit_kept(vault.audit) < audit_size(vault.audit))
		audit_kick();
	else if (!vault.note_flying &&
		 (audit_checkpoint(vault.audit, vault_now(),
				   vault.generation) != OK ||
		  !vault.note_flying))
		_exit(0); /* everything is under a checkpoint */
}

void audit_end(void)
{
	if (vault.audit)
		audit_denials(vault.audit, vault_now(), true);
	end_step();
}

/* Who waits for what */

void audit_wait(struct run *r)
{
	r->audit_next = NULL;
	*vault.waiting_end = r;
	vault.waiting_end = &r->audit_next;
	audit_kick();
}

void audit_forget_waiting(void)
{
	vault.waiting = NULL;
	vault.waiting_end = &vault.waiting;
}

static struct run *waiting_pop(void)
{
	struct run *r = vault.waiting;

	vault.waiting = r->audit_next;
	if (!vault.waiting)
		vault.waiting_end = &vault.waiting;
	return r;
}

static void acknowledged(void)
{
	uint64_t kept = audit_kept(vault.audit);
	struct job *j = vault.audit_job;

	while (vault.waiting && vault.waiting->audit < kept) {
		vault.audit_fault.code = OK;
		run_safe(waiting_pop());
	}
	if (j && vault.audit_job_index < kept) {
		vault.audit_job = NULL;
		j->then(j, OK);
	}
	if (vault.ending)
		end_step();
	else if (vault.audit) {
		note_due();
		audit_kick();
	}
}

/* Everything from `first` on is gone. */
static void refused(uint64_t first, const char *text)
{
	struct run *r = vault.waiting, *next;
	struct job *j = vault.audit_job;

	log_text(LOG_ERR, "audit_refused", "%s", text);
	(void)fault_set(&vault.audit_fault, ERR_UNAVAILABLE,
			"what was asked last could not be written down: %s",
			text);
	if (audit_failed(vault.audit, first, loop_now(vault.loop)) != OK)
		child_broken("store");
	audit_forget_waiting();
	for (; r; r = next) {
		next = r->audit_next;
		if (r->audit < first)
			audit_wait(r);
		else
			run_unsafe(r);
	}
	if (j && vault.audit_job_index >= first) {
		vault.audit_job = NULL;
		j->then(j,
			fault_set(&j->fault, ERR_UNAVAILABLE,
				  "the audit log cannot be written: %s", text));
	}
	audit_kick();
}

void audit_job_record(struct job *j, struct attr_view what)
{
	enum err e = audit_record(vault.audit, vault_now(), what, AUDIT_ADMIN,
				  &vault.audit_job_index, &j->fault);

	if (e != OK) {
		j->then(j, e);
		return;
	}
	ENSURE(!vault.audit_job);
	vault.audit_job = j;
	audit_kick();
}

/* Checkpoints of jobs */

static void note_for_job(void)
{
	struct job *j = vault.note_job;
	enum err e;

	if (!j || vault.note_flying || !store_listens())
		return;
	vault.note_job_sent = true;
	e = audit_checkpoint(vault.audit, vault_now(), vault.generation);
	if (e == OK && vault.note_flying)
		return;
	vault.note_job = NULL; /* said already, or it cannot be said */
	j->then(j, e == OK ? OK : fault_set(&j->fault, e, "no checkpoint now"));
}

void audit_job_note(struct job *j)
{
	ENSURE(!vault.note_job);
	vault.note_job = j;
	vault.note_job_sent = false;
	note_for_job();
}

static void noted(bool written)
{
	struct job *j = vault.note_job;

	vault.note_flying = false;
	if (vault.audit)
		audit_noted(vault.audit, written);
	if (vault.ending)
		end_step();
	if (!j) {
		if (written && vault.note_owed)
			audit_note_soon();
		return;
	}
	if (!vault.note_job_sent) { /* that was an earlier one */
		note_for_job();
		return;
	}
	vault.note_job = NULL;
	j->then(j, written ? OK
			   : fault_set(&j->fault, ERR_UNAVAILABLE,
				       "the checkpoint was not written"));
}

/* Opening, and resuming after the store was started anew */

void audit_open_log(void)
{
	vault.audit_loading = true;
	vault.opening_log = !vault.audit;
	vault.tail_error = OK;
	note_origin("credd", vault.store_id, vault.origin);
	if (chan_send(&vault.store, RS_AUDIT_OPEN, STORE_ID_LOG,
		      (struct attr_view){ 0 }) != OK)
		vault.audit_loading = false;
}

static void log_told(const struct msg *m)
{
	struct attr_view note = { 0 }, frontier = { 0 };
	uint8_t key[NOTE_PUBLIC];
	struct attr a;

	note_public(vault.audit_seed, key);
	if (attr_only(m->attrs, "note", &a) == OK)
		note = (struct attr_view){ .p = a.value, .len = a.len };
	if (attr_only(m->attrs, "frontier", &a) == OK)
		frontier = (struct attr_view){ .p = a.value, .len = a.len };
	vault.tail_size = child_number(m, "size", INT64_MAX);
	vault.tail_error = audit_tail_open(&vault.tail, vault.origin, key, note,
					   frontier, &vault.tail_fault);
}

static void log_record(const struct msg *m)
{
	struct attr a;

	if (vault.tail_error != OK)
		return;
	if (attr_only(m->attrs, "record", &a) != OK)
		child_broken("store");
	vault.tail_error =
		audit_tail_add(&vault.tail, m->id,
			       (struct attr_view){ .p = a.value, .len = a.len },
			       &vault.tail_fault);
}

static enum err check_tail(struct fault *f)
{
	const struct set_state *st = &vault.sealed_state;

	if (vault.tail_error != OK) {
		*f = vault.tail_fault;
		return vault.tail_error;
	}
	TRY(audit_tail_end(&vault.tail, vault.tail_size, f));
	if (vault.audit)
		return audit_resume(vault.audit, &vault.tail, f);
	if (vault.tail.noted)
		TRY(audit_check_generation(vault.tail.note.generation,
					   st->generation, f));
	return audit_check_size(vault.tail.tree.size, st->audit_size, f);
}

/* Their records went with the log. */
static void jobs_fail(const struct fault *f)
{
	struct job *j[] = { vault.audit_job, vault.note_job };

	vault.audit_job = vault.note_job = NULL;
	for (size_t i = 0; i < NELEM(j); i++) {
		if (!j[i])
			continue;
		j[i]->fault = *f;
		j[i]->then(j[i], f->code);
	}
}

static void log_ready(void)
{
	static const struct audit_sink sink = { sink_append, sink_checkpoint,
						NULL };
	bool resumed = vault.audit != NULL;
	struct fault f;
	enum err e = check_tail(&f);

	vault.audit_loading = false;
	vault.opening_log = false;
	if (e == OK && !resumed)
		vault.audit = audit_new(&vault.tail, vault.origin,
					vault.audit_seed, &sink, vault.durable);
	if (!resumed) {
		seal_opened_log(e, &f);
		return;
	}
	if (e != OK) {
		seal_forget();
		seal_break(&f);
		jobs_fail(&f);
		return;
	}
	acknowledged();
	note_for_job();
}

void audit_close_log(void)
{
	audit_free(&vault.audit);
	loop_disarm(&vault.audit_timer);
	vault.note_flying = vault.note_owed = false;
}

/* The store is there again: what it has is compared with what it acknowledged. */
void audit_store_came(void)
{
	if (!vault.audit)
		return;
	vault.note_flying = false;
	audit_noted(vault.audit, false);
	audit_open_log();
}

void audit_store_gone(void)
{
	struct job *j = vault.note_job;

	if (vault.is_reading) {
		call_error(&vault.reading, ERR_UNAVAILABLE,
			   "the store was started anew: try again");
		vault.is_reading = false;
	}
	vault.note_flying = false;
	if (j && vault.note_job_sent) {
		vault.note_job = NULL;
		j->then(j, fault_set(&j->fault, ERR_UNAVAILABLE,
				     "the store was started anew"));
	}
}

/* Messages */

static void store_failed_us(const struct msg *m)
{
	char text[FAULT_TEXT_MAX / 2];
	struct fault f;

	if (call_need(m->attrs, "text", text, sizeof text, &f) != OK)
		child_broken("store");
	if (m->id == STORE_ID_NOTE) {
		log_text(LOG_ERR, "checkpoint", "%s", text);
		noted(false);
	} else if (m->id == STORE_ID_READ) {
		audit_read_end(m);
	} else if (m->id == STORE_ID_LOG) {
		vault.tail_error = fault_set(&vault.tail_fault, ERR_UNAVAILABLE,
					     "%s", text);
		log_ready();
	} else if (vault.audit) {
		refused(m->id, text);
	}
}

void audit_from_store(const struct msg *m)
{
	switch ((enum rowstore_kind)m->kind) {
	case RS_AUDIT_OPEN:
		log_told(m);
		return;
	case RS_RECORD:
		if (vault.audit_loading)
			log_record(m);
		else
			audit_read_item(m);
		return;
	case RS_NOTE:
		audit_read_item(m);
		return;
	case RS_AUDIT_READY:
		log_ready();
		return;
	case RS_APPENDED:
		if (vault.audit && !vault.audit_loading) {
			if (audit_acked(vault.audit, m->id) != OK)
				child_broken("store");
			acknowledged();
		}
		return;
	case RS_DONE:
		if (m->id == STORE_ID_READ)
			audit_read_end(m);
		else
			noted(true);
		return;
	case RS_FAILED:
		store_failed_us(m);
		return;
	case RS_LOAD:
	case RS_ROW:
	case RS_LOADED:
	case RS_COMMIT:
	case RS_APPEND:
	case RS_CHECKPOINT:
	case RS_READ:
		break;
	}
	child_broken("store");
}
