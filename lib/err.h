/* The closed set of errors, and the sentence that goes with one. */
#ifndef LIB_ERR_H
#define LIB_ERR_H

#include "lib/base.h"

enum err {
	OK = 0,
	ERR_DENIED,
	ERR_UNAUTHENTICATED,
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_INVALID,
	ERR_SEALED,
	ERR_EXPIRED,
	ERR_LIMITED,
	ERR_CONFLICT,
	ERR_PENDING,
	ERR_UNAVAILABLE,
	ERR_TIMEOUT,
	ERR_MODULE_FAILED,
	ERR_TOO_LARGE,
	ERR_UNSUPPORTED,
	ERR_INTERNAL,
	E__MAX
};

/* The name that travels: "denied", "not_found", …; "ok" for OK. Static. */
const char *err_name(enum err e);

/* The error of that name. ERR_INVALID if there is none. */
MUST enum err err_parse(const char *name, size_t len, enum err *e);

/* Exit code of the command for an error (design, section 4). */
int err_exit(enum err e);

enum {
	FAULT_TEXT_MAX = 512
};

/* What went wrong, for the one who asked: lower case, no full stop, what
 * failed, subject quoted, cause, and what to do. Never a secret. */
struct fault {
	enum err code;
	char text[FAULT_TEXT_MAX];
};

/* Fills f (which may be NULL) and returns code, so that a caller writes
 * `return fault_set(f, ERR_INVALID, "…")`. Text that does not fit is cut. */
enum err fault_set(struct fault *f, enum err code, const char *fmt, ...)
	PRINTF(3, 4);

#endif
