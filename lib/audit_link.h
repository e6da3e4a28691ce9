/* The audit log of a core whose store keeps its files (credd's vault, certmgr's keeper):
 * lib/audit makes records and their tree; this sends them to the store, one batch a turn,
 * tells who waits once they are there, makes checkpoints when they are due, and resumes
 * when the store was started anew. Part of one process, one thread.
 *	core -> store	RS_AUDIT_OPEN, RS_APPEND, RS_CHECKPOINT, RS_READ
 *	store -> core	RS_AUDIT_OPEN, RS_RECORD, RS_AUDIT_READY, RS_APPENDED, RS_DONE,
 *			RS_FAILED, RS_NOTE */
#ifndef LIB_AUDIT_LINK_H
#define LIB_AUDIT_LINK_H

#include "lib/audit.h"
#include "lib/call.h"

/* Who waits for a record, embedded in its owner. */
struct audit_wait {
	uint64_t index; /* of the record */
	/* why NULL: it is in the log, an answer may leave; else it is not and never
	 * will be (`unavailable`, with the sentence) */
	void (*then)(struct audit_wait *w, const struct fault *why);
	struct audit_wait *next;
	bool waits;
};

struct audit_link;

struct audit_link_ops {
	/* audit_link_open is done (NULL), or the log cannot be used. */
	void (*opened)(const struct fault *why);
	/* A store that was started anew has another log than before. */
	void (*broken)(const struct fault *why);
	/* More to be checked when it opens; NULL: nothing. */
	enum err (*check)(const struct audit_tail *t, struct fault *f);
	/* What a checkpoint says of the store. */
	uint64_t (*generation)(void);
	/* audit_link_end is done: all is written and under a checkpoint. */
	void (*ended)(void);
};

struct audit_link *audit_link_new(struct loop *l, struct chan *store,
				  const struct audit_link_ops *ops);

/* Asks the store where its log is, and goes on there. Copies origin and seed. */
void audit_link_open(struct audit_link *l, const char *origin,
		     const struct secret *seed, bool durable);
void audit_link_close(struct audit_link *l);
bool audit_link_is_open(const struct audit_link *l);

/* Makes a record; w (NULL: nobody waits) is told later. On an error w is not kept.
 * Errors: those of audit_record; ERR_UNAVAILABLE while it is not open. */
MUST enum err audit_link_record(struct audit_link *l, struct attr_view what,
				unsigned flags, struct audit_wait *w,
				struct fault *f);
/* The same for a denial (audit_denial). */
MUST enum err audit_link_denial(struct audit_link *l, struct attr_view what,
				struct attr_view once, struct audit_wait *w,
				struct fault *f);
/* Waits no longer; fine if it does not. */
void audit_link_forget(struct audit_link *l, struct audit_wait *w);

/* A checkpoint as soon as possible; w->then is told as of a record (NULL: nobody). */
void audit_link_note(struct audit_link *l, struct audit_wait *w);

/* A message of the store: true if it was about the log. */
bool audit_link_from_store(struct audit_link *l, const struct msg *m);
/* The channel to the store is there again; is gone. */
void audit_link_store_came(struct audit_link *l);
void audit_link_store_gone(struct audit_link *l);

/* Writes what is left and a checkpoint, then ops->ended. */
void audit_link_end(struct audit_link *l);

/* The verbs audit.show (from= count=) and audit.notes, answered. */
void audit_link_show(struct audit_link *l, const struct call *c,
		     struct attr_view v);
void audit_link_notes(struct audit_link *l, const struct call *c,
		      struct attr_view v);

const struct audit *audit_link_audit(const struct audit_link *l); /* or NULL */

#endif
