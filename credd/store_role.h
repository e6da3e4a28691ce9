/* What the files of the store role share: its one object, and answers that are too
 * long to be made at once. */
#ifndef CREDD_STORE_ROLE_H
#define CREDD_STORE_ROLE_H

#include "credd/kinds.h"
#include "lib/chan.h"

/* The state folder, from the supervisor: opened for reading, so that it can be synced.
 * It is also the current folder. */
enum {
	STORE_DIR_FD = 4
};

struct audit_file;
struct store_db;
struct store;

/* Sends the next part of a long answer. False: that was the last. */
typedef bool store_more(struct store *s);

struct store {
	struct loop *loop;
	struct chan sup;
	struct chan vault;
	store_more *more;    /* NULL: no long answer is being given */
	uint64_t id;         /* of its question */
	uint64_t from, left; /* where it is, for audit records */
	bool notes;          /* it is of checkpoints */
	struct store_db *db; /* NULL until the vault asks */
	struct audit_file *log;
	struct attrs item; /* made anew for each message sent */
};

/* Sends s->item. A vault that cannot take it is gone, and told so elsewhere. */
void store_send(struct store *s, uint32_t kind, uint64_t id);

/* Sends VS_DONE; VS_FAILED with error= and text=. */
void store_done(struct store *s, uint64_t id);
void store_failed(struct store *s, uint64_t id, const struct fault *f);

/* Calls more as fast as the vault takes what it sends, until it returns false. No
 * other message of the vault is looked at meanwhile. */
void store_stream(struct store *s, uint64_t id, store_more *more);

/* Answers of each kind (credd/store_rows.c, credd/store_audit.c). */
void store_load(struct store *s, const struct msg *m);
void store_commit(struct store *s, const struct msg *m);
void store_audit_open(struct store *s, const struct msg *m);
void store_append(struct store *s, const struct msg *m);
void store_checkpoint(struct store *s, const struct msg *m);
void store_read(struct store *s, const struct msg *m);

#endif
