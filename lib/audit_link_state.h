/* What lib/audit_link*.c share: the link's state, and what they offer each other. */
#ifndef LIB_AUDIT_LINK_STATE_H
#define LIB_AUDIT_LINK_STATE_H

#include "lib/audit_link.h"
#include "lib/kinds.h"

struct audit_link {
	struct loop *loop;
	struct chan *store;
	const struct audit_link_ops *ops;
	struct loop_timer timer;
	struct loop_work work;

	char origin[NOTE_ORIGIN_MAX + 1];
	struct secret *seed; /* until it is open; then audit has it */
	bool durable;
	struct audit *audit; /* NULL: not open */

	/* where the log stands, as the store tells it */
	bool opening; /* audit_link_open is not done */
	bool asked;   /* RS_AUDIT_OPEN is on its way, or answered until … */
	bool telling; /* … RS_AUDIT_READY */
	struct audit_tail tail;
	uint64_t tail_size;
	enum err tail_error;
	struct fault tail_fault;

	/* lists of who waits: the heads are no waits themselves */
	struct audit_wait waiting; /* for records, in their order */
	struct audit_wait wanted;  /* for the next checkpoint */
	struct audit_wait noting;  /* for the one that is with the store */
	bool owed;                 /* a checkpoint, for nobody who waits */
	bool flying;               /* one is with the store */
	struct fault trouble;      /* code OK: none */
	bool ending, ended;

	struct call reading;
	bool is_reading;
};

/* Work for the end of this turn. */
void audit_link_kick(struct audit_link *l);
struct audit_now audit_link_now(const struct audit_link *l);

/* Hands to the store (audit_link.c). */
struct audit_sink audit_link_sink(struct audit_link *l);

/* More is kept than before: tells who waits for it (audit_link.c). */
void audit_link_acknowledged(struct audit_link *l);

/* What the store tells about the log (audit_link_open.c); a record of it; all is told. */
void audit_link_log_told(struct audit_link *l, const struct msg *m);
void audit_link_log_record(struct audit_link *l, const struct msg *m);
void audit_link_log_ready(struct audit_link *l);
/* Forgets the log; who waited for it is in left, which is made. */
void audit_link_forget_log(struct audit_link *l, struct audit_wait *left);

/* A record or note for the reader; its end, or RS_FAILED; the store is gone. */
void audit_link_read_item(struct audit_link *l, const struct msg *m);
void audit_link_read_end(struct audit_link *l, const struct msg *m);
void audit_link_read_gone(struct audit_link *l);

#endif
