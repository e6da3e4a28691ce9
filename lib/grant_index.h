/* The index of grants: under each pair of a credential, or a type of agents (`*`: all
 * types) and one thing of its subject the grants that name both, the oldest first.
 * That thing is, of who is on this machine, a uid if the grant names uids, else a
 * system unit, else a gid; of who has a certificate, its agent id, else a capability,
 * else its node, else its type: every grant has one. Under a capability stand all the
 * grants that it covers, so that one look finds them. Under the empty name stand all
 * grants that name the subject. */
#ifndef LIB_GRANT_INDEX_H
#define LIB_GRANT_INDEX_H

#include "lib/grant.h"

/* Grants by id, in ascending order; borrowed. */
struct grant_array {
	struct grant **item;
	size_t count, room;
};

/* The first place whose id is not below id. */
size_t grant_array_place(const struct grant_array *a, uint64_t id);
/* Twice is once. */
void grant_array_add(struct grant_array *a, struct grant *g);
void grant_array_drop(struct grant_array *a, uint64_t id);

enum grant_key_kind {
	GRANT_KEY_UID,
	GRANT_KEY_GID,
	GRANT_KEY_UNIT,
	GRANT_KEY_CERT_UID,
	GRANT_KEY_CERT_CAP,
	GRANT_KEY_CERT_OU,
	GRANT_KEY_CERT_O,
	GRANT_KEY__KINDS
};

struct grant_key {
	enum grant_key_kind kind;
	uint32_t id;       /* uid or gid */
	struct piece text; /* of the other kinds */
	bool agent;        /* what name is: a type, not a credential */
	struct piece name;
};

struct grant_index;

struct grant_index *grant_index_new(void);
void grant_index_free(struct grant_index *x); /* not the grants */
void grant_index_add(struct grant_index *x, struct grant *g);
void grant_index_drop(struct grant_index *x, struct grant *g);

/* NULL if there are none under that key. Borrowed until the index changes. */
const struct grant_array *grant_index_find(const struct grant_index *x,
					   const struct grant_key *k);

/* True if there is any key of that kind. */
bool grant_index_knows(const struct grant_index *x, enum grant_key_kind kind);

bool piece_equal(struct piece a, struct piece b);

#endif
