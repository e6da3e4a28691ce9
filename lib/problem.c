/* Used by every gate; holds nothing. */
#include "lib/problem.h"

#include "lib/json_put.h"

#include <string.h>

static const struct {
	unsigned status;
	const char *title;
} problems[] = {
	[OK] = { 200, "done" },
	[ERR_DENIED] = { 403, "not allowed" },
	[ERR_UNAUTHENTICATED] = { 401, "no valid certificate" },
	[ERR_NOT_FOUND] = { 404, "not found" },
	[ERR_EXISTS] = { 409, "there already" },
	[ERR_INVALID] = { 400, "invalid request" },
	[ERR_SEALED] = { 503, "sealed" },
	[ERR_EXPIRED] = { 410, "expired" },
	[ERR_LIMITED] = { 429, "too much at once" },
	[ERR_CONFLICT] = { 409, "conflict" },
	[ERR_PENDING] = { 202, "not done yet" },
	[ERR_UNAVAILABLE] = { 503, "unavailable" },
	[ERR_TIMEOUT] = { 504, "no answer in time" },
	[ERR_MODULE_FAILED] = { 502, "a module failed" },
	[ERR_TOO_LARGE] = { 413, "too large" },
	[ERR_UNSUPPORTED] = { 501, "unsupported" },
	[ERR_INTERNAL] = { 500, "internal error" },
};

_Static_assert(NELEM(problems) == E__MAX, "every error has a status");

unsigned problem_status(enum err code)
{
	ENSURE((unsigned)code < E__MAX);
	return problems[code].status;
}

const char *problem_title(enum err code)
{
	ENSURE((unsigned)code < E__MAX);
	return problems[code].title;
}

enum err problem_format(const struct problem *p, struct buf *out)
{
	TRY(buf_fmt(out,
		    "{\"type\":\"urn:cretula:error:%s\",\"title\":\"%s\","
		    "\"status\":%u,\"detail\":",
		    err_name(p->code), problem_title(p->code),
		    p->status ? p->status : problem_status(p->code)));
	TRY(json_put_string(out, p->detail, strlen(p->detail)));
	if (p->request_id) {
		TRY(buf_str(out, ",\"request_id\":"));
		TRY(json_put_string(out, p->request_id, strlen(p->request_id)));
	}
	return buf_str(out, "}\n");
}
