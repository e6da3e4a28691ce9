/* A core (vault, keeper): its audit log's way to the store and back: what is sent when, and
 * who is told what became of it. Holds what lib/audit.c holds.
 *	core -> store	RS_APPEND, RS_CHECKPOINT
 *	store -> core	RS_APPENDED, RS_DONE, RS_FAILED; the others of the log go on to
 *			audit_link_open.c, audit_link_read.c */
#include "lib/audit_link_state.h"
#include "lib/audit_wait.h"

#include "lib/child.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

#define OWNER(type, member, p)                                                 \
	((type *)(void *)((char *)(p)-offsetof(type, member)))

void audit_link_forget(struct audit_link *l, struct audit_wait *w)
{
	(void)l;
	if (w->waits)
		waits_drop(w);
}

/* Who waits for what is kept by now. */
static void tell_kept(struct audit_link *l)
{
	while (l->audit && !waits_empty(&l->waiting) &&
	       l->waiting.next->index < audit_kept(l->audit)) {
		if (!l->waiting.next->admin) /* who may use the reserve */
			l->trouble.code = OK;
		waits_tell(l->waiting.next, NULL);
	}
}

/* The sink of lib/audit */

static enum err sink_append(void *arg, uint64_t first,
			    const struct attr_view *record, unsigned count,
			    unsigned flags)
{
	static struct attrs msg;
	struct audit_link *l = arg;
	enum err e = OK;

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
	return chan_send(l->store, RS_APPEND, first, attrs_view(&msg));
}

static enum err sink_checkpoint(void *arg, const struct note *n,
				struct attr_view note,
				struct attr_view frontier)
{
	struct audit_link *l = arg;
	struct attrs msg;
	enum err e;

	(void)n;
	attrs_init(&msg);
	e = attrs_add(&msg, "note", 0, note.p, note.len);
	if (e == OK)
		e = attrs_add(&msg, "frontier", 0, frontier.p, frontier.len);
	if (e == OK)
		e = chan_send(l->store, RS_CHECKPOINT, STORE_ID_NOTE,
			      attrs_view(&msg));
	if (e == OK)
		l->flying = true;
	attrs_wipe(&msg);
	return e;
}

struct audit_sink audit_link_sink(struct audit_link *l)
{
	return (struct audit_sink){ sink_append, sink_checkpoint, l };
}

/* Checkpoints */

struct audit_now audit_link_now(const struct audit_link *l)
{
	return (struct audit_now){ .wall = clock_wall_ns(),
				   .boot = loop_now(l->loop) };
}

/* Not while a store that was started anew tells where its log ends: what it has got
 * meanwhile would be handed over twice. audit_link_log_ready goes on. */
static bool store_listens(const struct audit_link *l)
{
	return l->audit && !l->asked && chan_is_open(l->store);
}

/* Hands one to the store, if it does not say the same as the last one. */
static enum err checkpoint(struct audit_link *l)
{
	uint64_t generation = l->ops->generation ? l->ops->generation() : 0;

	return audit_checkpoint(l->audit, audit_link_now(l), generation);
}

/* It covers all that was asked for: who wants one waits for this one now. */
static void note_now(struct audit_link *l)
{
	struct audit_wait told;
	struct fault f;
	enum err e;

	if (!store_listens(l) || l->flying)
		return;
	e = checkpoint(l);
	if (e == OK)
		l->owed = false;
	else
		log_text(LOG_DEBUG, "audit", "no checkpoint now");
	if (e == OK && l->flying) {
		waits_move(&l->noting, &l->wanted);
		return;
	}
	waits_init(&told); /* said already, or it cannot be said */
	waits_move(&told, &l->wanted);
	if (e != OK)
		(void)fault_set(&f, ERR_UNAVAILABLE, "no checkpoint now");
	waits_tell_all(&told, e == OK ? NULL : &f);
}

static void note_if_due(struct audit_link *l)
{
	if (store_listens(l) &&
	    (l->owed || !waits_empty(&l->wanted) ||
	     audit_checkpoint_due(l->audit, loop_now(l->loop))))
		note_now(l);
}

void audit_link_note(struct audit_link *l, struct audit_wait *w)
{
	if (w)
		waits_put(&l->wanted, w);
	else
		l->owed = true;
	audit_link_kick(l);
}

/* Sending, once a turn */

void audit_link_kick(struct audit_link *l)
{
	loop_defer(l->loop, &l->work);
}

static void wanted_in_vain(struct audit_link *l)
{
	struct audit_wait told;
	struct fault f;

	waits_init(&told);
	waits_move(&told, &l->wanted);
	l->owed = false;
	(void)fault_set(&f, ERR_UNAVAILABLE, "the audit log is not open");
	waits_tell_all(&told, &f);
}

static void turn_ends(struct loop_work *w)
{
	struct audit_link *l = OWNER(struct audit_link, work, w);

	tell_kept(l);
	if (!l->audit)
		wanted_in_vain(l);
	if (!store_listens(l))
		return;
	if (audit_send(l->audit) != OK)
		log_text(LOG_DEBUG, "audit", "the store is not there");
	if (l->owed || !waits_empty(&l->wanted))
		note_now(l);
	if (l->audit)
		loop_arm(l->loop, &l->timer, audit_deadline(l->audit));
}

static void time_came(struct loop_timer *t)
{
	struct audit_link *l = OWNER(struct audit_link, timer, t);

	if (!l->audit)
		return;
	audit_denials(l->audit, audit_link_now(l), false);
	note_if_due(l);
	audit_link_kick(l);
}

/* Records */

static enum err not_open(struct fault *f)
{
	return fault_set(f, ERR_UNAVAILABLE, "the audit log is not open");
}

/* One that is kept already (of a denial that was only counted) is told first. */
static void wait_for(struct audit_link *l, struct audit_wait *w, uint64_t index,
		     bool admin)
{
	if (w) {
		w->index = index;
		w->admin = admin;
		waits_put(index < audit_kept(l->audit) ? l->waiting.next
						       : &l->waiting,
			  w);
	}
	audit_link_kick(l);
}

enum err audit_link_record(struct audit_link *l, struct attr_view what,
			   unsigned flags, struct audit_wait *w,
			   struct fault *f)
{
	uint64_t index;

	if (!l->audit)
		return not_open(f);
	TRY(audit_record(l->audit, audit_link_now(l), what, flags, &index, f));
	wait_for(l, w, index, flags & AUDIT_ADMIN);
	return OK;
}

enum err audit_link_denial(struct audit_link *l, struct attr_view what,
			   struct attr_view once, struct audit_wait *w,
			   struct fault *f)
{
	uint64_t index;

	if (!l->audit)
		return not_open(f);
	TRY(audit_denial(l->audit, audit_link_now(l), what, once, &index, f));
	wait_for(l, w, index, false);
	return OK;
}

/* The end */

static void ended(struct audit_link *l)
{
	if (l->ended)
		return;
	l->ended = true;
	l->ops->ended();
}

static void end_step(struct audit_link *l)
{
	if (!l->audit)
		ended(l);
	else if (audit_kept(l->audit) < audit_size(l->audit))
		audit_link_kick(l);
	else if (!l->flying && (checkpoint(l) != OK || !l->flying))
		ended(l); /* everything is under a checkpoint */
}

void audit_link_end(struct audit_link *l)
{
	l->ending = true;
	if (l->audit)
		audit_denials(l->audit, audit_link_now(l), true);
	end_step(l);
}

/* The store's answers */

void audit_link_acknowledged(struct audit_link *l)
{
	tell_kept(l);
	if (l->ending) {
		end_step(l);
		return;
	}
	note_if_due(l);
	audit_link_kick(l);
}

/* Everything from `first` on is gone. */
static void refused(struct audit_link *l, uint64_t first, const char *text)
{
	struct audit_wait lost, *w, *next;
	struct fault f;

	log_text(LOG_ERR, "audit_refused", "%s", text);
	if (audit_failed(l->audit, first, loop_now(l->loop)) != OK)
		child_broken("store");
	waits_init(&lost);
	for (w = l->waiting.next; w != &l->waiting; w = next) {
		next = w->next;
		if (w->index < first)
			continue;
		waits_drop(w);
		waits_put(&lost, w);
	}
	tell_kept(l);
	(void)fault_set(&l->trouble, ERR_UNAVAILABLE,
			"what was asked last could not be written down: %s",
			text);
	(void)fault_set(&f, ERR_UNAVAILABLE,
			"the audit log cannot be written: %s", text);
	waits_tell_all(&lost, &f);
	audit_link_kick(l);
	if (l->ending)
		end_step(l);
}

static void noted(struct audit_link *l, bool written)
{
	struct audit_wait told;
	struct fault f;

	if (!l->flying)
		return; /* of a log that was closed meanwhile */
	l->flying = false;
	audit_noted(l->audit, written);
	waits_init(&told);
	waits_move(&told, &l->noting);
	if (!written)
		(void)fault_set(&f, ERR_UNAVAILABLE,
				"the checkpoint was not written");
	waits_tell_all(&told, written ? NULL : &f);
	if (l->ending)
		end_step(l);
	else if (!waits_empty(&l->wanted) || (written && l->owed))
		note_now(l);
}

/* Messages */

static void failed(struct audit_link *l, const struct msg *m)
{
	char text[FAULT_TEXT_MAX / 2];
	struct fault f;

	if (call_need(m->attrs, "text", text, sizeof text, &f) != OK)
		child_broken("store");
	if (m->id == STORE_ID_NOTE) {
		log_text(LOG_ERR, "checkpoint", "%s", text);
		noted(l, false);
	} else if (m->id == STORE_ID_READ) {
		audit_link_read_end(l, m);
	} else if (m->id == STORE_ID_LOG) {
		l->tail_error =
			fault_set(&l->tail_fault, ERR_UNAVAILABLE, "%s", text);
		audit_link_log_ready(l);
	} else if (l->audit && !l->asked) {
		refused(l, m->id, text);
	}
}

static void appended(struct audit_link *l, const struct msg *m)
{
	if (!l->audit || l->asked)
		return; /* to a log that was closed meanwhile */
	if (audit_acked(l->audit, m->id) != OK)
		child_broken("store");
	audit_link_acknowledged(l);
}

static void done(struct audit_link *l, const struct msg *m)
{
	if (m->id == STORE_ID_READ)
		audit_link_read_end(l, m);
	else if (m->id == STORE_ID_NOTE)
		noted(l, true);
	else
		child_broken("store");
}

static const struct {
	uint32_t kind;
	void (*on)(struct audit_link *l, const struct msg *m);
} answers[] = {
	{ RS_APPENDED, appended },
	{ RS_DONE, done },
	{ RS_FAILED, failed },
	{ RS_AUDIT_OPEN, audit_link_log_told },
	{ RS_NOTE, audit_link_read_item },
};

bool audit_link_from_store(struct audit_link *l, const struct msg *m)
{
	if ((m->kind == RS_DONE || m->kind == RS_FAILED) &&
	    m->id >= STORE_ID_OWN)
		return false;
	if (m->kind == RS_RECORD) {
		if (l->telling)
			audit_link_log_record(l, m);
		else
			audit_link_read_item(l, m);
		return true;
	}
	if (m->kind == RS_AUDIT_READY) {
		audit_link_log_ready(l);
		return true;
	}
	for (size_t i = 0; i < NELEM(answers); i++) {
		if (answers[i].kind == m->kind) {
			answers[i].on(l, m);
			return true;
		}
	}
	return false;
}

/* The link */

struct audit_link *audit_link_new(struct loop *l, struct chan *store,
				  const struct audit_link_ops *ops)
{
	struct audit_link *a = xcalloc(1, sizeof *a);

	a->loop = l;
	a->store = store;
	a->ops = ops;
	a->timer.on = time_came;
	a->work.on = turn_ends;
	waits_init(&a->waiting);
	waits_init(&a->wanted);
	waits_init(&a->noting);
	return a;
}

void audit_link_free(struct audit_link **l)
{
	struct audit_wait left;

	if (!*l)
		return;
	audit_link_forget_log(*l, &left);
	while (!waits_empty(&left))
		waits_drop(left.next);
	loop_undefer((*l)->loop, &(*l)->work);
	mem_free(l);
}

bool audit_link_is_open(const struct audit_link *l)
{
	return l->audit;
}

const struct fault *audit_link_trouble(const struct audit_link *l)
{
	return l->trouble.code == OK ? NULL : &l->trouble;
}

const struct audit *audit_link_audit(const struct audit_link *l)
{
	return l->audit;
}
