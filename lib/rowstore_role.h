/* What the files of the store role share: its one object, and answers that are too
 * long to be made at once. */
#ifndef LIB_ROWSTORE_ROLE_H
#define LIB_ROWSTORE_ROLE_H

#include "lib/chan.h"
#include "lib/kinds.h"

struct audit_file;
struct rowstore_db;
struct rowstore;

/* Sends the next part of a long answer. False: that was the last. */
typedef bool rowstore_more(struct rowstore *s);

struct rowstore {
	struct loop *loop;
	struct chan sup;
	struct chan core;
	rowstore_more *more;    /* NULL: no long answer is being given */
	uint64_t id;            /* of its question */
	uint64_t from, left;    /* where it is, for audit records */
	bool notes;             /* it is of checkpoints */
	struct rowstore_db *db; /* NULL until the core asks */
	struct audit_file *log;
	struct attrs item; /* made anew for each message sent */
};

/* Sends s->item. A core that cannot take it is gone, and told so elsewhere. */
void rowstore_send(struct rowstore *s, uint32_t kind, uint64_t id);

/* Sends RS_DONE; RS_FAILED with error= and text=. */
void rowstore_done(struct rowstore *s, uint64_t id);
void rowstore_failed(struct rowstore *s, uint64_t id, const struct fault *f);

/* Calls more as fast as the core takes what it sends, until it returns false. No
 * other message of the core is looked at meanwhile. */
void rowstore_stream(struct rowstore *s, uint64_t id, rowstore_more *more);

/* Answers of each kind (lib/rowstore_rows.c, lib/rowstore_audit.c). */
void rowstore_load(struct rowstore *s, const struct msg *m);
void rowstore_commit(struct rowstore *s, const struct msg *m);
void rowstore_audit_open(struct rowstore *s, const struct msg *m);
void rowstore_append(struct rowstore *s, const struct msg *m);
void rowstore_checkpoint(struct rowstore *s, const struct msg *m);
void rowstore_read(struct rowstore *s, const struct msg *m);

#endif
