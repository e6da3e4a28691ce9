/* Used by every gate; holds nothing. */
#include "lib/problem.h"

#include "lib/enc.h"

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

static enum err json_char(unsigned char c, bool plain, struct buf *out)
{
	if (c == '"' || c == '\\')
		return buf_fmt(out, "\\%c", c);
	if (c < 0x20 || c == 0x7f)
		return buf_fmt(out, "\\u%04x", c);
	return buf_u8(out, plain || c < 0x80 ? c : '?');
}

enum err problem_json_string(const char *text, struct buf *out)
{
	bool plain = enc_utf8_ok(text, strlen(text));

	TRY(buf_str(out, "\""));
	for (; *text; text++)
		TRY(json_char((unsigned char)*text, plain, out));
	return buf_str(out, "\"");
}

enum err problem_format(const struct problem *p, struct buf *out)
{
	TRY(buf_fmt(out,
		    "{\"type\":\"urn:cretula:error:%s\",\"title\":\"%s\","
		    "\"status\":%u,\"detail\":",
		    err_name(p->code), problem_title(p->code),
		    p->status ? p->status : problem_status(p->code)));
	TRY(problem_json_string(p->detail, out));
	if (p->request_id) {
		TRY(buf_str(out, ",\"request_id\":"));
		TRY(problem_json_string(p->request_id, out));
	}
	return buf_str(out, "}\n");
}
