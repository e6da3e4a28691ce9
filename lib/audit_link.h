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

/* Ids of messages to the store: an append's is the index of its first record, below all
 * of these; then the log's own; the core's own messages (RS_LOAD, RS_COMMIT) have
 * STORE_ID_OWN and above. */
#define STORE_ID_NOTE (1ull << 60)
#define STORE_ID_READ (2ull << 60)
#define STORE_ID_LOG  (3ull << 60)
#define STORE_ID_OWN  (4ull << 60)

enum {
	AUDIT_LINK_READ_MAX = 1000, /* records of one audit.show */
};

/* Who waits for a record or a checkpoint, embedded in its owner, who sets then. It is
 * never called inside of the call that made it wait. */
struct audit_wait {
	uint64_t index; /* of the record */
	/* why NULL: it is in the log, an answer may leave; else it is not and never
	 * will be (`unavailable`, with the sentence). It waits no longer then; it may
	 * be freed, and the log closed, inside */
	void (*then)(struct audit_wait *w, const struct fault *why);
	struct audit_wait *next, *prev;
	bool waits;
	bool admin; /* the record is an admin's */
};

struct audit_link;

struct audit_link_ops {
	/* audit_link_open is done (NULL), or the log cannot be used and is closed. */
	void (*opened)(const struct fault *why);
	/* A store that was started anew has another log than before: it is closed.
	 * Who waits for it is told afterwards, unless it is forgotten inside. */
	void (*broken)(const struct fault *why);
	/* More to be checked when it opens; NULL: nothing. */
	enum err (*check)(const struct audit_tail *t, struct fault *f);
	/* What a checkpoint says of the store; NULL: 0. */
	uint64_t (*generation)(void);
	/* audit_link_end is done: all is written and under a checkpoint, or it cannot
	 * be. Called once. */
	void (*ended)(void);
};

/* store may be closed; it and ops stay the caller's and live as long. */
struct audit_link *audit_link_new(struct loop *l, struct chan *store,
				  const struct audit_link_ops *ops);
void audit_link_free(struct audit_link **l); /* who waits is not told */

/* Asks the store where its log is, and goes on there; if the store goes meanwhile, asks
 * the next one. Copies origin and seed. Not while it is open. */
void audit_link_open(struct audit_link *l, const char *origin,
		     const struct secret *seed, bool durable);
/* Forgets the log. Who still waits is told so, at once. */
void audit_link_close(struct audit_link *l);
bool audit_link_is_open(const struct audit_link *l);

/* Makes a record; flags: AUDIT_ADMIN; w (NULL: nobody waits) is told later. On an error
 * w is not kept. Errors: those of audit_record; ERR_UNAVAILABLE while it is not open. */
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

/* Why the last ordinary record could not be written, for status; NULL: it was. */
const struct fault *audit_link_trouble(const struct audit_link *l);

/* A message of the store: true if it was about the log. */
bool audit_link_from_store(struct audit_link *l, const struct msg *m);
/* The channel to the store is there again; is gone. */
void audit_link_store_came(struct audit_link *l);
void audit_link_store_gone(struct audit_link *l);

/* Writes what is left and a checkpoint, then ops->ended. */
void audit_link_end(struct audit_link *l);

/* The verbs audit.show (from= count=) and audit.notes, answered; one reader at a time. */
void audit_link_show(struct audit_link *l, const struct call *c,
		     struct attr_view v);
void audit_link_notes(struct audit_link *l, const struct call *c,
		      struct attr_view v);
/* Door is gone: nobody is answered. */
void audit_link_orphan(struct audit_link *l);

/* NULL while it is not open. */
const struct audit *audit_link_audit(const struct audit_link *l);

#endif
