/* The set of all rows of a store, so that a row that was deleted, added or put
 * back from an old copy is noticed. Each row but the state row contributes
 *	BLAKE2b-256(key = set subkey; table | row u64 | generation u64 | SHA-256(blob))
 * and the sealed state row (table state, row 1, not counted in itself) holds
 * generation, number of rows and the XOR of all contributions. No row can be
 * there twice unnoticed: two equal contributions cancel, but the number tells. */
#ifndef LIB_SET_H
#define LIB_SET_H

#include "lib/seal.h"

enum {
	SET_SUM = 32,
	SET_STATE_ROW = 1,
};

struct set {
	uint64_t rows;
	uint64_t newest; /* highest generation ever added; never goes back */
	uint8_t sum[SET_SUM];
};

/* What the state row says. */
struct set_state {
	uint64_t generation;
	uint64_t audit_size; /* records in the log when it was sealed */
	struct set set;      /* newest: generation */
};

void set_init(struct set *s);

/* Counts a row in or out. It must not be the state row. */
void set_add(struct set *s, const struct seal_keys *k, const struct row *r);
void set_drop(struct set *s, const struct seal_keys *k, const struct row *r);

/* Appends generation= rows= sum= audit_size= to a. */
MUST enum err set_state_format(const struct set_state *st, struct attrs *a);

/* Reads them; the list may hold more. */
MUST enum err set_state_parse(struct attr_view v, struct set_state *st,
			      struct fault *f);

/* Whether the rows found are the rows of the state: ERR_INVALID with a sentence
 * that tells deleted rows, added rows, an old state row, and a row put back from
 * an old copy or exchanged. */
MUST enum err set_check(const struct set *found, const struct set_state *st,
			struct fault *f);

#endif
