/* What every child role does the same way: take SUP_START, confine itself, say
 * SUP_READY, and receive its channels to the other processes. */
#ifndef LIB_CHILD_H
#define LIB_CHILD_H

#include "lib/chan.h"
#include "lib/confine.h"
#include "lib/kinds.h"

#include <string.h>

struct child_ops {
	/* SUP_PEER: a channel (fd is taken) to the process named peer. */
	void (*peer)(const char *peer, const struct msg *m, int fd);
	/* Any other message of the supervisor; NULL: there is none. */
	void (*other)(const struct msg *m);
	/* SUP_START, before confinement: what must be opened while it can. */
	void (*start)(const struct msg *m);
	/* Fills in what only this role knows about its confinement; NULL: it is
	 * the table's. */
	void (*confine)(struct confine_spec *spec);
	/* The supervisor is gone or wants us to end: NULL: end at once. */
	void (*end)(void);
};

/* Reads SUP_START (blocking), opens the log by the names that are in it, confines
 * this process as role, then watches the supervisor's channel. Ends the process when
 * any of it fails: a child that is not confined reads nothing. */
void child_start(struct loop *l, struct chan *sup, enum confine_role role,
		 const struct child_ops *ops);

/* SUP_READY, with what is weaker here; it is said when this returns: whoever dies later
 * died of what came. */
void child_ready(struct chan *sup);

/* Before child_ready: another sentence on what is weaker here. */
void child_weaker(const char *text);

/* The core's part of it, SUP_NOTE: notes get weaker=ROLE: SENTENCE for each that they have
 * not: many children of a role say the same. */
void child_keep_note(const struct msg *m, struct attrs *notes);

/* A trusted peer broke the dialogue: ends this process. */
_Noreturn void child_broken(const char *peer);

/* A front (http: a gate) did, who is believed as much as its user: the supervisor ends
 * it. */
void child_front_broken(struct chan *sup, uid_t uid, bool http,
			const char *why);

/* The core: so did one whom nobody believes more than the network that he reads; ref: of a
 * one-shot, else 0. */
void child_outer_broken(struct chan *sup, const char *role, uint64_t ref,
			const char *why);

/* The number (at most max) or text that a trusted peer must have sent; ends the
 * process if it has not. The text is valid until the next call. */
uint64_t child_number(const struct msg *m, const char *name, uint64_t max);
const char *child_text(const struct msg *m, const char *name);

#endif
