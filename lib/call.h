/* Calls of clients, as the core sees them: each is answered exactly once, with a
 * request id. What a call asks for is a verb; verbs are a table of the daemon's. */
#ifndef LIB_CALL_H
#define LIB_CALL_H

#include "lib/conns.h"

enum {
	REQUEST_ID = 32, /* bytes of its text, with NUL */
	CALL_BOOT = 4,
};

#define CALL_NOBODY UINT64_MAX /* as a call's id: nobody waits for the answer */

/* Who answers: one in a process. */
struct call_server {
	const struct conns *conns;
	uint8_t boot[CALL_BOOT]; /* of this process: begins its request ids */
	uint64_t calls;
};

struct call {
	const struct call_server *server;
	uint64_t id;     /* conn << 32 | client's id; or CALL_NOBODY */
	uint64_t number; /* of this server: makes the request id */
};

struct job; /* of the daemon: what a verb that takes time works on */

struct call_verb {
	const char *name;
	unsigned need; /* bits of the daemon's */
	void (*now)(const struct call *c, struct attr_view v); /* answers */
	void (*job)(struct job *j); /* … or answers later */
	const char *takes;          /* its attributes, each after a blank */
};

/* boot is random. conns stays the caller's. */
void call_server_init(struct call_server *s, const struct conns *conns);

/* The next call of that server. id: of its CLIENT_CALL, or CALL_NOBODY. */
struct call call_new(struct call_server *s, uint64_t id);

/* Answering. A call whose connection is gone is answered to nobody. */
void call_request_id(const struct call *c, char text[REQUEST_ID]);
void call_reply(const struct call *c,
		struct attrs *reply); /* adds request_id */
void call_item(const struct call *c, struct attr_view item);
void call_error(const struct call *c, enum err e, const char *text);
void call_fault(const struct call *c, const struct fault *f);

/* NULL if it is gone. */
const struct conn *call_conn(const struct call *c);

/* The verb that a call names; NULL: none of the n in table. */
const struct call_verb *call_verb_find(const struct call_verb *table, size_t n,
				       struct attr_view call);

/* ERR_INVALID for an attribute that the verb does not take: it is refused, not
 * passed over, as it may be a misspelt limit. (Each verb refuses what is there twice
 * when it reads it.) */
MUST enum err call_verb_check(const struct call_verb *v, struct attr_view call,
			      struct fault *f);

/* Exactly one text value, or none: ERR_INVALID with a sentence if repeated,
 * ERR_NOT_FOUND (no sentence) if absent. */
MUST enum err call_text(struct attr_view v, const char *name, char *out,
			size_t size, struct fault *f);
/* The same, but absent is ERR_INVALID. */
MUST enum err call_need(struct attr_view v, const char *name, char *out,
			size_t size, struct fault *f);
/* Absent: preset. */
MUST enum err call_number(struct attr_view v, const char *name, uint64_t preset,
			  uint64_t max, uint64_t *out, struct fault *f);
/* Absent: empty. *out borrows from v. */
MUST enum err call_list(struct attr_view v, const char *name,
			struct attr_view *out, struct fault *f);

#endif
