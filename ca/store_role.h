/* What the files of the store role share: its one object, how it answers, and how it
 * reads what a trusted issuer must have sent. */
#ifndef CA_STORE_ROLE_H
#define CA_STORE_ROLE_H

#include "lib/chan.h"

struct store_db;
struct store;

/* Sends the next part of a long answer. False: that was the last. */
typedef bool store_more(struct store *s);

struct store {
	struct loop *loop;
	struct chan sup;
	struct chan issuer;
	struct loop_timer idle; /* when to empty the write-ahead log */
	store_more *more;       /* NULL: no long answer is being given */
	uint64_t id;            /* of its question */
	uint64_t from, left;    /* where it is */
	bool loaded;            /* this issuer has asked for the state */
	struct store_db *db;    /* NULL until an issuer asks */
	struct attrs item;      /* made anew for each message sent */
	struct attrs row;       /* … and for each list in it */
};

/* Sends s->item. An issuer that cannot take it is gone, and told so elsewhere. */
void store_send(struct store *s, uint32_t kind, uint64_t id);

/* Sends IS_DONE alone; IS_FAILED with error= and text=. */
void store_done(struct store *s, uint64_t id);
void store_failed(struct store *s, uint64_t id, const struct fault *f);

/* Calls more as fast as the issuer takes what it sends, until it returns false. No
 * other message of the issuer is looked at meanwhile. */
void store_stream(struct store *s, uint64_t id, store_more *more);

/* Building s->item or s->row: what is sent is bounded, so it fits. */
void item_bytes(struct attrs *a, const char *name, struct attr_view v);
void item_u64(struct attrs *a, const char *name, uint64_t n);
void item_list(struct attrs *a, const char *name, const struct attrs *list);

/* What the issuer must have sent; anything else ends the process. get_if_…: false if
 * it is absent. get_yes: NAME=yes, or absent. */
uint64_t get_u64(struct attr_view v, const char *name, uint64_t max);
bool get_if_u64(struct attr_view v, const char *name, uint64_t max,
		uint64_t *n);
struct attr_view get_bytes(struct attr_view v, const char *name, size_t min,
			   size_t max);
bool get_if_bytes(struct attr_view v, const char *name, size_t min, size_t max,
		  struct attr_view *out);
bool get_yes(struct attr_view v, const char *name);
struct attr_view get_list(const struct attr *a);

/* Answers of each kind; the database is open. */
void store_load(struct store *s, const struct msg *m);   /* ca/store_read.c */
void store_read(struct store *s, const struct msg *m);   /* ca/store_read.c */
void store_prove(struct store *s, const struct msg *m);  /* ca/store_read.c */
void store_commit(struct store *s, const struct msg *m); /* ca/store_commit.c */
void store_status(struct store *s, const struct msg *m); /* ca/store_ask.c */
void store_token(struct store *s, const struct msg *m);  /* ca/store_ask.c */
void store_revoked(struct store *s, const struct msg *m); /* ca/store_ask.c */
void store_count(struct store *s, const struct msg *m);   /* ca/store_ask.c */
void store_find(struct store *s, const struct msg *m);    /* ca/store_find.c */

#endif
