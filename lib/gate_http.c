/* gate: requests: which method, where they end, what is wrong with them before they are
 * whole, and the answer. Holds nothing. */
#include "lib/gate_part.h"

#include "lib/num.h"
#include "lib/problem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	KIB = 1 << 10,
	MIB = 1 << 20,
	SENTENCE = 128,
};

/* What the route says to a body that it does not take. */
static void body_sentence(const struct gate_conn *c, char text[SENTENCE])
{
	size_t max = c->route->body_max;

	if (c->refused == ERR_TOO_LARGE && max % MIB == 0)
		(void)snprintf(text, SENTENCE, "the body is over %zu MiB",
			       max / MIB);
	else if (c->refused == ERR_TOO_LARGE)
		(void)snprintf(text, SENTENCE, "the body is over %zu KiB",
			       max / KIB);
	else
		(void)snprintf(text, SENTENCE,
			       "the body must be of Content-Type %s",
			       c->route->type);
}

static const char *allowed(unsigned methods)
{
	if (methods == GATE_POST)
		return "POST";
	return methods == GATE_GET ? "GET, HEAD" : "GET, HEAD, POST";
}

static enum MHD_Result answer_refused(struct gate_conn *c)
{
	unsigned status = c->refused_status ? c->refused_status
					    : problem_status(c->refused);
	const char *why = c->refused_why;
	char text[SENTENCE];
	struct MHD_Response *r;

	if (!why) {
		body_sentence(c, text);
		why = text;
	}
	r = gate_problem(c->refused, status, why, NULL,
			 gate_retry_of(c->refused));
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		mhd_header(r, MHD_HTTP_HEADER_ALLOW,
			   allowed(c->route->methods));
	if (c->unframed)
		mhd_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	return mhd_answer(c->mhd, status, r);
}

enum MHD_Result gate_wait(struct gate_conn *c)
{
	c->suspended = true;
	MHD_suspend_connection(c->mhd);
	return MHD_YES;
}

void gate_resume(struct gate_conn *c, unsigned status, struct MHD_Response *r)
{
	ENSURE(c->suspended && !c->answer);
	c->suspended = false;
	c->answer = r;
	c->status = status;
	MHD_resume_connection(c->mhd);
	mhd_wake(&c->port->mhd);
}

/* The head */

void gate_http_refuse(struct gate_conn *c, enum err code, unsigned status,
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

/* A line that goes on in the next one libmicrohttpd puts together behind the name:
 * "Content-Length:", " 5" is a field Content-Length5 to it, without a value. */
static bool is_broken(const char *name, const char *of)
{
	size_t n = strlen(of);

	return !strncasecmp(name, of, n) && name[n];
}

static enum MHD_Result frame_field(void *cls, enum MHD_ValueKind kind,
				   const char *name, const char *value)
{
	struct framing *f = cls;

	(void)kind;
	/* "Content-Length : 5"; and a CR alone some take for an end of line */
	if (strpbrk(name, ": \t\r\v\f") || (value && strchr(value, '\r')) ||
	    is_broken(name, MHD_HTTP_HEADER_CONTENT_LENGTH) ||
	    is_broken(name, MHD_HTTP_HEADER_TRANSFER_ENCODING))
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
		why = "a header field has a blank in its name, a CR in "
		      "its value, or more than one line";
	else if (f.lengths + f.codings > 1)
		why = "the length of the body is said twice";
	else if (f.codings && (!f.coding || strcasecmp(f.coding, "chunked") ||
			       !strcmp(version, MHD_HTTP_VERSION_1_0)))
		why = "the only Transfer-Encoding is chunked, in "
		      "HTTP/1.1";
	else
		return;
	gate_http_refuse(c, ERR_INVALID, 0, why);
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
		gate_http_refuse(c, ERR_INVALID, 0, "a GET has no body here");
	else if (n > c->route->body_max)
		gate_http_refuse(c, ERR_TOO_LARGE, 0, NULL);
	else if (c->post &&
		 !type_is(mhd_request_header(c->mhd,
					     MHD_HTTP_HEADER_CONTENT_TYPE),
			  c->route->type))
		gate_http_refuse(c, ERR_UNSUPPORTED,
				 MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, NULL);
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
		gate_http_refuse(c, ERR_UNSUPPORTED,
				 MHD_HTTP_METHOD_NOT_ALLOWED,
				 "this path does not take that method");
}

/* A request with a body that is refused is answered at once, and its connection
 * ends; one without is answered when it is whole, and its connection stays. */
static enum MHD_Result begin(struct gate_conn *c, const char *url,
			     const char *method, const char *version)
{
	enum MHD_Result result;
	bool body = false;

	c->port->requests++;
	check_framing(c, version);
	if (c->refused) {
		c->linger = true;
		return answer_refused(c);
	}
	c->route = gate_route_of(c, url);
	c->post = !strcmp(method, MHD_HTTP_METHOD_POST);
	if (c->route)
		check_method(c, method);
	else
		gate_http_refuse(c, ERR_NOT_FOUND, 0, gate.ops->nothing);
	/* an ordinary GET has said all there is to check */
	if (c->post || c->refused || c->route->methods == GATE_POST ||
	    mhd_request_header(c->mhd, MHD_HTTP_HEADER_CONTENT_LENGTH) ||
	    mhd_request_header(c->mhd, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		check_body(c, &body);
	if (!body)
		return MHD_YES;
	if (c->refused)
		result = answer_refused(c);
	else if (!gate.ops->early || !gate.ops->early(c, &result))
		return MHD_YES;
	c->linger = true;
	return result;
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
		return gate_body_take(c, data, size);
	if (c->refused)
		return answer_refused(c);
	if (c->answer) {
		r = c->answer;
		c->answer = NULL;
		return mhd_answer(mc, c->status, r);
	}
	gate_body_whole(c);
	gate_conn_whole(c);
	return c->route->run(c);
}

/* Answered, or its client went away: also while somebody still thinks about it. */
void gate_http_completed(void *cls, struct MHD_Connection *mc, void **context,
			 enum MHD_RequestTerminationCode why)
{
	struct gate_conn *c = *context;

	(void)cls;
	(void)mc;
	(void)why;
	if (!c)
		return;
	if (gate.ops->forget)
		gate.ops->forget(c);
	if (c->answer)
		MHD_destroy_response(c->answer);
	c->answer = NULL;
	gate_body_drop(c);
	c->body.max = 0;
	c->skipped = 0;
	c->refused = OK;
	c->unframed = false;
	c->route = NULL;
	c->suspended = false;
	*context = NULL;
	gate_conn_answered(c);
}
