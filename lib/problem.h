/* Errors as HTTP has them: problem+json (RFC 9457), and the status that goes with
 * each error of ours (design, section 4). */
#ifndef LIB_PROBLEM_H
#define LIB_PROBLEM_H

#include "lib/buf.h"

#define PROBLEM_TYPE "application/problem+json"

enum {
	PROBLEM_MAX = 8 << 10
};

struct problem {
	enum err code;
	unsigned status;        /* 0: the one that goes with code */
	const char *detail;     /* bytes that are not UTF-8 are replaced */
	const char *request_id; /* NULL: none */
};

/* The HTTP status of an error, and its title. Static. */
unsigned problem_status(enum err code);
const char *problem_title(enum err code);

/* Appends the JSON object: type title status detail request_id. */
MUST enum err problem_format(const struct problem *p, struct buf *out);

#endif
