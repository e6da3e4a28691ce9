/* gate: answers of every daemon's: problems, texts, what a client may have already, and
 * metrics. Holds nothing. */
#include "lib/gate.h"

#include "lib/enc.h"
#include "lib/etag.h"
#include "lib/httpdate.h"
#include "lib/num.h"
#include "lib/problem.h"
#include "lib/secret.h"

#include <string.h>

enum {
	ID_TEXT = 17, /* hex digits, NUL */
	METRICS_MAX = 16 << 10,
};

/* Problems */

struct MHD_Response *gate_problem(enum err code, unsigned status,
				  const char *text, const char *request_id,
				  uint64_t retry_after)
{
	char own[ID_TEXT], digits[NUM_DIGITS + 1];
	struct MHD_Response *r;
	uint8_t random[8];
	struct problem p = { code, status, text, request_id };
	struct buf b;

	if (!request_id) {
		random_fill(random, sizeof random);
		enc_hex(random, sizeof random, own);
		p.request_id = own;
	}
	buf_init(&b, PROBLEM_MAX);
	ENSURE(problem_format(&p, &b) == OK);
	r = mhd_response(b.p, b.len, PROBLEM_TYPE);
	buf_wipe(&b);
	mhd_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (code == ERR_UNAUTHENTICATED)
		mhd_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
			   "TLS-Certificate realm=\"cretula\"");
	if (retry_after) {
		digits[num_format(retry_after, digits)] = 0;
		mhd_header(r, MHD_HTTP_HEADER_RETRY_AFTER, digits);
	}
	return r;
}

uint64_t gate_retry_of(enum err code)
{
	return code == ERR_LIMITED || code == ERR_UNAVAILABLE ? GATE_RETRY_S
							      : 0;
}

enum MHD_Result gate_refuse(struct gate_conn *c, enum err code,
			    const char *text)
{
	return mhd_answer(
		c->mhd, problem_status(code),
		gate_problem(code, 0, text, NULL, gate_retry_of(code)));
}

/* Pages */

/* GET and HEAD only: RFC 9110 13.1. */
enum MHD_Result gate_cached(struct gate_conn *c, struct MHD_Response *r,
			    const char *etag, int64_t modified)
{
	const char *text;
	int64_t since;
	bool same = false;

	if (c->post)
		return MHD_queue_response(c->mhd, MHD_HTTP_OK, r);
	text = mhd_request_header(c->mhd, MHD_HTTP_HEADER_IF_NONE_MATCH);
	if (text) {
		same = etag_in(text, etag);
	} else {
		text = mhd_request_header(c->mhd,
					  MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
		same = text &&
		       httpdate_parse(text, strlen(text), &since) == OK &&
		       modified <= since;
	}
	return MHD_queue_response(
		c->mhd, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r);
}

enum MHD_Result gate_text(struct gate_conn *c, unsigned status,
			  const char *text)
{
	struct MHD_Response *r =
		mhd_response(text, strlen(text), "text/plain; charset=utf-8");

	mhd_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		mhd_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	return mhd_answer(c->mhd, status, r);
}

/* Metrics */

static void metrics_put(const char *prefix, const struct gate_metric *m,
			size_t n, struct buf *b)
{
	const char *before = "";

	for (size_t i = 0; i < n; i++) {
		if (strcmp(before, m[i].name))
			ENSURE(buf_fmt(b, "# TYPE %s%s %s\n", prefix, m[i].name,
				       m[i].type) == OK);
		before = m[i].name;
		ENSURE(buf_fmt(b, "%s%s%s %llu\n", prefix, m[i].name,
			       m[i].label,
			       (unsigned long long)m[i].value) == OK);
	}
}

enum MHD_Result gate_metrics(struct gate_conn *c, const char *prefix,
			     const struct gate_metric *m, size_t n)
{
	struct MHD_Response *r;
	struct buf b;

	buf_init(&b, METRICS_MAX);
	metrics_put(prefix, m, n, &b);
	r = mhd_response(b.p, b.len, "text/plain; version=0.0.4");
	buf_wipe(&b);
	mhd_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	return mhd_answer(c->mhd, MHD_HTTP_OK, r);
}
