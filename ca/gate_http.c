/* gate: requests on both ports: which path, which method, how much of a body, and the
 * answer. Holds bodies until they are whole, all of them together bounded. */
#include "ca/gate.h"

#include "lib/enc.h"
#include "lib/num.h"
#include "lib/ocsp.h"
#include "lib/problem.h"
#include "lib/secret.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JSON_TYPE "application/json"

static const struct gate_route routes[] = {
	/* the ones that are asked most first */
	{ .path = "/ocsp/",
	  .rest = true,
	  .methods = GATE_GET | GATE_POST,
	  .body_max = OCSP_REQUEST_MAX,
	  .type = "application/ocsp-request",
	  .run = gate_ocsp_run },
	{ .path = "/ocsp",
	  .methods = GATE_GET | GATE_POST,
	  .body_max = OCSP_REQUEST_MAX,
	  .type = "application/ocsp-request",
	  .run = gate_ocsp_run },
	{ .path = "/v1/certificates",
	  .tls = true,
	  .methods = GATE_POST,
	  .body_max = GATE_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "issue",
	  .run = gate_call_run },
	{ .path = "/v1/certificates/renew",
	  .tls = true,
	  .methods = GATE_POST,
	  .body_max = GATE_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "renew",
	  .run = gate_call_run },
	{ .path = "/v1/certificates/",
	  .rest = true,
	  .tail = "/revoke",
	  .tls = true,
	  .methods = GATE_POST,
	  .body_max = GATE_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "revoke",
	  .run = gate_call_run },
	{ .path = "/v1/certificates/",
	  .rest = true,
	  .tls = true,
	  .methods = GATE_GET,
	  .verb = "show",
	  .run = gate_call_run },
	{ .path = "/v1/enrol",
	  .tls = true,
	  .methods = GATE_POST,
	  .body_max = GATE_BODY_MAX,
	  .type = JSON_TYPE,
	  .verb = "enrol",
	  .run = gate_call_run },
	{ .path = "/v1/ca",
	  .tls = true,
	  .methods = GATE_GET,
	  .verb = "status",
	  .run = gate_call_ca },
	{ .path = "/crl", .methods = GATE_GET, .run = gate_crl_run },
	{ .path = "/crl/",
	  .rest = true,
	  .methods = GATE_GET,
	  .run = gate_crl_run },
	{ .path = "/issuer.pem", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/issuer.der", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/root.pem", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/root.der", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/root.crl", .methods = GATE_GET, .run = gate_page_cert },
	{ .path = "/healthz", .methods = GATE_GET, .run = gate_page_health },
	{ .path = "/readyz", .methods = GATE_GET, .run = gate_page_health },
	{ .path = "/metrics",
	  .tls = true,
	  .methods = GATE_GET,
	  .run = gate_page_metrics },
};

/* Answers */

struct MHD_Response *gate_problem(enum err code, unsigned status,
				  const char *text, const char *request_id,
				  uint64_t retry_after)
{
	char own[GATE_ID_TEXT], digits[NUM_DIGITS + 1];
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

static uint64_t retry_of(enum err code)
{
	return code == ERR_LIMITED || code == ERR_UNAVAILABLE ? GATE_RETRY_S
							      : 0;
}

enum MHD_Result gate_refuse(struct gate_conn *c, enum err code,
			    const char *text)
{
	return mhd_answer(c->mhd, problem_status(code),
			  gate_problem(code, 0, text, NULL, retry_of(code)));
}

static enum MHD_Result answer_refused(struct gate_conn *c)
{
	unsigned status = c->refused_status ? c->refused_status
					    : problem_status(c->refused);
	struct MHD_Response *r = gate_problem(
		c->refused, status, c->refused_why, NULL, retry_of(c->refused));

	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		mhd_header(r, MHD_HTTP_HEADER_ALLOW,
			   c->route->methods == GATE_POST  ? "POST"
			   : c->route->methods == GATE_GET ? "GET, HEAD"
							   : "GET, HEAD, POST");
	if (c->unframed)
		mhd_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	return mhd_answer(c->mhd, status, r);
}

enum MHD_Result gate_http_wait(struct gate_conn *c)
{
	c->suspended = true;
	MHD_suspend_connection(c->mhd);
	return MHD_YES;
}

void gate_http_resume(struct gate_conn *c, unsigned status,
		      struct MHD_Response *r)
{
	ENSURE(c->suspended && !c->answer);
	c->suspended = false;
	c->answer = r;
	c->status = status;
	MHD_resume_connection(c->mhd);
	mhd_wake(&c->port->mhd);
}

/* The head */

static bool path_is(const struct gate_route *r, const char *url, size_t len,
		    struct gate_conn *c)
{
	size_t n = strlen(r->path), tail = r->tail ? strlen(r->tail) : 0;

	if (len < n || memcmp(url, r->path, n))
		return false;
	if (!r->rest)
		return len == n;
	if (r->tail && (len < n + tail || strcmp(url + len - tail, r->tail)))
		return false;
	c->rest = url + n;
	c->rest_len = len - n - tail;
	return true;
}

static const struct gate_route *route_of(struct gate_conn *c, const char *url)
{
	size_t len = strlen(url);

	c->rest = NULL;
	c->rest_len = 0;
	for (size_t i = 0; i < NELEM(routes); i++)
		if ((!routes[i].tls || c->port->tls) &&
		    path_is(&routes[i], url, len, c))
			return &routes[i];
	return NULL;
}

static void refuse(struct gate_conn *c, enum err code, unsigned status,
		   const char *why)
{
	c->refused = code;
	c->refused_status = status;
	c->refused_why = why;
}

/* Whether a Content-Type is the wanted one, whatever its parameters. */
static bool type_is(const char *type, const char *wanted)
{
	size_t n = strlen(wanted);

	return type && !strncasecmp(type, wanted, n) &&
	       (!type[n] || strchr("; \t", type[n]));
}

/* Where a request ends must be beyond doubt: who else reads it on its way (a proxy)
 * must find the same end, or what follows is another's request (RFC 9112, 11.2). */

struct framing {
	unsigned lengths, codings;
	bool strange;
	const char *coding;
};

static enum MHD_Result frame_field(void *cls, enum MHD_ValueKind kind,
				   const char *name, const char *value)
{
	struct framing *f = cls;

	(void)kind;
	/* "Content-Length : 5"; and a CR alone some take for an end of line */
	if (strpbrk(name, " \t\r\v\f") || (value && strchr(value, '\r')))
		f->strange = true;
	if (!strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH))
		f->lengths++;
	if (!strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
		f->codings++;
		f->coding = value;
	}
	return MHD_YES;
}

static void check_framing(struct gate_conn *c, const char *version)
{
	struct framing f = { 0 };
	const char *why;

	(void)MHD_get_connection_values(c->mhd, MHD_HEADER_KIND, frame_field,
					&f);
	if (f.strange)
		why = "a header field has a blank in its name, or "
		      "a CR in its value";
	else if (f.lengths + f.codings > 1)
		why = "the length of the body is said twice";
	else if (f.codings && (!f.coding || strcasecmp(f.coding, "chunked") ||
			       !strcmp(version, MHD_HTTP_VERSION_1_0)))
		why = "the only Transfer-Encoding is chunked, in "
		      "HTTP/1.1";
	else
		return;
	refuse(c, ERR_INVALID, 0, why);
	c->unframed = true;
}

/* Sets *body if one will come, and refuses what is wrong with it. */
static void check_body(struct gate_conn *c, bool *body)
{
	const char *length =
		mhd_request_header(c->mhd, MHD_HTTP_HEADER_CONTENT_LENGTH);
	const char *coding =
		mhd_request_header(c->mhd, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	uint64_t n = 0;

	if (length && num_u64(length, strlen(length), UINT64_MAX, &n) != OK)
		n = UINT64_MAX; /* what is no number at all MHD refuses */
	*body = n || coding;
	if (c->refused)
		return;
	if (!c->post && *body)
		refuse(c, ERR_INVALID, 0, "a GET has no body here");
	else if (n > c->route->body_max)
		refuse(c, ERR_TOO_LARGE, 0,
		       c->route->body_max == GATE_BODY_MAX
			       ? "the body is over 64 KiB"
			       : "the body is over 8 KiB");
	else if (c->post &&
		 !type_is(mhd_request_header(c->mhd,
					     MHD_HTTP_HEADER_CONTENT_TYPE),
			  c->route->type))
		refuse(c, ERR_UNSUPPORTED, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		       c->route->body_max == GATE_BODY_MAX
			       ? "the body must be of Content-Type "
				 "application/json"
			       : "the body must be of Content-Type "
				 "application/ocsp-request");
}

static void check_method(struct gate_conn *c, const char *method)
{
	unsigned bit = 0;

	if (!strcmp(method, MHD_HTTP_METHOD_GET) ||
	    !strcmp(method, MHD_HTTP_METHOD_HEAD))
		bit = GATE_GET;
	else if (!strcmp(method, MHD_HTTP_METHOD_POST))
		bit = GATE_POST;
	c->post = bit == GATE_POST;
	if (!(c->route->methods & bit))
		refuse(c, ERR_UNSUPPORTED, MHD_HTTP_METHOD_NOT_ALLOWED,
		       "this path does not take that method");
}

/* A request with a body that is refused is answered at once, and its connection
 * ends; one without is answered when it is whole, and its connection stays. */
static enum MHD_Result begin(struct gate_conn *c, const char *url,
			     const char *method, const char *version)
{
	bool body = false;

	c->port->requests++;
	check_framing(c, version);
	if (c->refused) {
		c->linger = true;
		return answer_refused(c);
	}
	c->route = route_of(c, url);
	c->post = !strcmp(method, MHD_HTTP_METHOD_POST);
	if (c->route)
		check_method(c, method);
	else
		refuse(c, ERR_NOT_FOUND, 0,
		       "there is nothing at this path: docs/http.md lists "
		       "what there is");
	/* an ordinary GET has said all there is to check */
	if (c->post || c->refused || c->route->methods == GATE_POST ||
	    mhd_request_header(c->mhd, MHD_HTTP_HEADER_CONTENT_LENGTH) ||
	    mhd_request_header(c->mhd, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		check_body(c, &body);
	if (!c->refused || !body)
		return MHD_YES;
	c->linger = true;
	return answer_refused(c);
}

/* Bodies being received, the one that began first in front. They are bounded together,
 * and those that never come to an end must not keep others out: the first makes room. */

static void receiving_begin(struct gate_conn *c)
{
	c->receiving = true;
	c->body_newer = NULL;
	c->body_older = gate.body_newest;
	*(gate.body_newest ? &gate.body_newest->body_newer
			   : &gate.body_oldest) = c;
	gate.body_newest = c;
}

static void receiving_end(struct gate_conn *c)
{
	if (!c->receiving)
		return;
	c->receiving = false;
	*(c->body_older ? &c->body_older->body_newer : &gate.body_oldest) =
		c->body_newer;
	*(c->body_newer ? &c->body_newer->body_older : &gate.body_newest) =
		c->body_older;
}

static void body_drop(struct gate_conn *c)
{
	receiving_end(c);
	if (!c->body.p)
		return;
	/* it may have held a bearer token */
	secret_zero(c->body.p, c->body.cap);
	gate.bodies -= c->body_counted;
	buf_wipe(&c->body);
	c->body_counted = 0;
}

static bool make_room(const struct gate_conn *c, size_t n)
{
	struct gate_conn *first;

	while (gate.bodies + n > GATE_BODIES_MAX) {
		first = gate.body_oldest;
		if (first == c)
			first = first->body_newer;
		if (!first)
			return false;
		refuse(first, ERR_UNAVAILABLE, 0,
		       "the body took too long: others were waiting");
		body_drop(first);
		first->port->closed_full++;
		gate_conn_end(first);
	}
	return true;
}

/* The body */

static enum MHD_Result take_body(struct gate_conn *c, const char *data,
				 size_t *size)
{
	size_t n = *size, cap = c->body.cap;

	*size = 0;
	if (!c->refused && !c->body.max)
		c->body.max = c->route->body_max;
	if (!c->refused && n > c->body.max - c->body.len)
		refuse(c, ERR_TOO_LARGE, 0, "the body is over its limit");
	if (!c->refused && !make_room(c, n))
		refuse(c, ERR_UNAVAILABLE, 0,
		       "too many requests are being received: try again");
	if (c->refused) {
		c->skipped += n;
		return c->skipped > GATE_BODY_SKIP ? MHD_NO : MHD_YES;
	}
	if (!c->receiving)
		receiving_begin(c);
	ENSURE(buf_put(&c->body, data, n) == OK);
	gate.bodies += c->body.cap - cap;
	c->body_counted += c->body.cap - cap;
	return MHD_YES;
}

enum MHD_Result gate_http_request(void *cls, struct MHD_Connection *mc,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *size, void **context)
{
	struct gate_conn *c = *context;
	struct MHD_Response *r;

	(void)cls;
	if (!c) {
		*context = c = gate_conn_of(mc);
		return begin(c, url, method, version);
	}
	if (*size)
		return take_body(c, data, size);
	if (c->refused)
		return answer_refused(c);
	if (c->answer) {
		r = c->answer;
		c->answer = NULL;
		return mhd_answer(mc, c->status, r);
	}
	receiving_end(c);
	gate_conn_whole(c);
	return c->route->run(c);
}

/* Answered, or its client went away: also while the issuer still thinks. */
void gate_http_completed(void *cls, struct MHD_Connection *mc, void **context,
			 enum MHD_RequestTerminationCode why)
{
	struct gate_conn *c = *context;

	(void)cls;
	(void)mc;
	(void)why;
	if (!c)
		return;
	if (c->called)
		gate_call_forget(c);
	if (c->ask)
		gate_ocsp_forget(c);
	if (c->answer)
		MHD_destroy_response(c->answer);
	c->answer = NULL;
	body_drop(c);
	c->body.max = 0;
	c->skipped = 0;
	c->refused = OK;
	c->unframed = false;
	c->route = NULL;
	c->suspended = false;
	*context = NULL;
	gate_conn_answered(c);
}
