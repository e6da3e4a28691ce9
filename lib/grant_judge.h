/* One decision in progress, as the files that decide it share it (lib/grant_match.c). */
#ifndef LIB_GRANT_JUDGE_H
#define LIB_GRANT_JUDGE_H

#include "lib/grant.h"

enum {
	JUDGE_SHOWN = 80, /* bytes of a value in a sentence */
};

struct judge {
	const struct grant *g;
	const struct subject *s;
	const struct grant_request *rq;
	int64_t now;
	struct fault *why; /* NULL: nobody asks */
};

/* "grant N: …"; false. */
bool judge_refuse(const struct judge *j, const char *fmt, ...) PRINTF(2, 3);

/* "NAME 'VALUE' is not within NAME=…" as the grant has it; false. */
bool judge_refuse_value(const struct judge *j, const char *name,
			const void *value, size_t len);

bool judge_is(struct piece v, const void *p, size_t len);
bool judge_holds(struct span_set set, const char *text);

/* Is the subject one that the grant names? What door has to prove is not asked here. */
bool grant_subject_fits(const struct judge *j);

#endif
