/* Used by every process; holds nothing. */
#include "lib/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int exit;
} err_text[] = {
	[OK] = { "ok", 0 },
	[ERR_DENIED] = { "denied", 3 },
	[ERR_UNAUTHENTICATED] = { "unauthenticated", 3 },
	[ERR_NOT_FOUND] = { "not_found", 4 },
	[ERR_EXISTS] = { "exists", 1 },
	[ERR_INVALID] = { "invalid", 1 },
	[ERR_SEALED] = { "sealed", 5 },
	[ERR_EXPIRED] = { "expired", 1 },
	[ERR_LIMITED] = { "limited", 75 },
	[ERR_CONFLICT] = { "conflict", 1 },
	[ERR_PENDING] = { "pending", 75 },
	[ERR_UNAVAILABLE] = { "unavailable", 75 },
	[ERR_TIMEOUT] = { "timeout", 75 },
	[ERR_MODULE_FAILED] = { "module_failed", 1 },
	[ERR_TOO_LARGE] = { "too_large", 1 },
	[ERR_UNSUPPORTED] = { "unsupported", 1 },
	[ERR_INTERNAL] = { "internal", 1 },
};

_Static_assert(NELEM(err_text) == E__MAX, "every error has a text");

const char *err_name(enum err e)
{
	ENSURE((unsigned)e < E__MAX);
	return err_text[e].name;
}

enum err err_parse(const char *name, size_t len, enum err *e)
{
	for (size_t i = 0; i < E__MAX; i++) {
		if (strlen(err_text[i].name) == len &&
		    !memcmp(err_text[i].name, name, len)) {
			*e = (enum err)i;
			return OK;
		}
	}
	return ERR_INVALID;
}

int err_exit(enum err e)
{
	ENSURE((unsigned)e < E__MAX);
	return err_text[e].exit;
}

enum err fault_set(struct fault *f, enum err code, const char *fmt, ...)
{
	va_list ap;

	if (!f)
		return code;
	f->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	return code;
}
