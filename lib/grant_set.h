/* Many grants, found by credential (or type of agents) and subject: a decision looks
 * only at those that name both, however many others there are. */
#ifndef LIB_GRANT_SET_H
#define LIB_GRANT_SET_H

#include "lib/grant.h"

enum {
	GRANT_EXPLAIN_MAX = 64, /* grants that grants_explain writes about */
};

struct grant_set;

struct grant_set *grant_set_new(void);
void grant_set_free(struct grant_set *set);

/* Takes g, whose id must be set. ERR_EXISTS if there is one of that id; g stays
 * the caller's then. */
MUST enum err grant_set_add(struct grant_set *set, struct grant *g);

/* ERR_NOT_FOUND if there is none. Pointers to it end here. */
MUST enum err grant_set_drop(struct grant_set *set, uint64_t id);

/* NULL if there is none. */
const struct grant *grant_set_find(const struct grant_set *set, uint64_t id);

/* All of them, the oldest first: i from 0 to grant_set_count - 1. */
size_t grant_set_count(const struct grant_set *set);
const struct grant *grant_set_at(const struct grant_set *set, size_t i);

/* What was decided. */
struct grant_decision {
	enum grant_verdict verdict;
	const struct grant *grant; /* the one that allows, or needs proof; NULL
				      for GRANT_DENY. Borrowed from the set */
	struct piece exe;          /* GRANT_NEEDS_EXE: the path to be proven */
	struct fault why;          /* GRANT_DENY: the sentence for the client */
};

/* Before the content is looked at: does any grant let this subject run this
 * operation on this credential at all, or start an agent of this type? The denial
 * reads the same whether the credential (type) exists or not. */
void grants_admit(const struct grant_set *set, const struct subject *s,
		  const struct grant_request *rq, int64_t now,
		  struct grant_decision *d);

/* The decision. Of several matching grants the oldest decides; one that needs
 * proof comes before those that are younger. */
void grants_decide(const struct grant_set *set, const struct subject *s,
		   const struct grant_request *rq, int64_t now,
		   struct grant_decision *d);

/* Each grant for credentials whose index has this subject under it, the oldest first.
 * Whether it holds, and of what, is not looked at. */
void grants_each(const struct grant_set *set, const struct subject *s,
		 void (*each)(void *arg, const struct grant *g), void *arg);

/* As grants_admit, without a sentence: true unless it is denied (a proof may be
 * needed). */
bool grants_may(const struct grant_set *set, const struct subject *s,
		const struct grant_request *rq, int64_t now);

/* Appends a line for each grant that names the credential or the type: "grant 7: …" with the
 * first limit that failed, or that it allows. For admins: it names every subject. */
MUST enum err grants_explain(const struct grant_set *set,
			     const struct subject *s,
			     const struct grant_request *rq, int64_t now,
			     struct buf *out);

#endif
