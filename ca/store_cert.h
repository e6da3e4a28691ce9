/* Rows about certificates: issued, proven, revoked. */
#ifndef CA_STORE_CERT_H
#define CA_STORE_CERT_H

#include "ca/store_db.h"

struct store_cert {
	uint64_t number;
	struct attr_view tail, agent, node, type;
	uint64_t not_before, not_after, shard;
	uint64_t log; /* index of its audit record; UINT64_MAX: there is none */
	bool unproven;
	struct attr_view request; /* none if len is 0 */
	struct attr_view der;
};

struct store_status {
	uint8_t tail[STORE_TAIL];
	uint64_t not_after, shard;
	bool revoked;
	uint64_t at, reason;
};

/* In a transaction. add: ERR_EXISTS if the number is there. revoke and proven:
 * ERR_NOT_FOUND if it is not. What is revoked already keeps its time, and its reason
 * unless the new one is keyCompromise. */
MUST enum err store_cert_add(struct store_db *db, const struct store_cert *c,
			     struct fault *f);
MUST enum err store_cert_revoke(struct store_db *db, uint64_t number,
				uint64_t at, uint64_t reason, struct fault *f);
MUST enum err store_cert_proven(struct store_db *db, uint64_t number,
				struct fault *f);

/* *there: whether there is such a certificate. */
MUST enum err store_cert_status(struct store_db *db, uint64_t number,
				bool *there, struct store_status *out,
				struct fault *f);

/* How many have not expired at `at` and are not revoked. */
MUST enum err store_cert_alive(struct store_db *db, uint64_t at, uint64_t *n,
			       struct fault *f);

/* The id of a node's or type's name, 0 if there is none; made if `make`. And the
 * name, borrowed until the next call. */
MUST enum err store_name_id(struct store_db *db, struct attr_view text,
			    bool make, uint64_t *id, struct fault *f);
MUST enum err store_name_text(struct store_db *db, uint64_t id,
			      struct attr_view *text, struct fault *f);

/* An agent's id as it is kept: 16 bytes for a UUID, other texts as they are. */
void store_agent_bind(sqlite3_stmt *s, int i, struct attr_view agent,
		      uint8_t room[STORE_TOKEN]);
/* … and its text, in room or the row's. */
enum {
	STORE_UUID_TEXT = 36
};
struct attr_view store_agent_col(sqlite3_stmt *s, int i,
				 char room[STORE_UUID_TEXT]);
bool store_agent_parse(struct attr_view text, uint8_t out[STORE_TOKEN]);

#endif
