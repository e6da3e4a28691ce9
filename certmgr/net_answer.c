/* net: what the CA answered, from bytes of the network to an outcome or to DER. Pure
 * functions; hold nothing. What is not understood is never final: it may be somebody
 * else who answers in the CA's place for a while. */
#include "certmgr/net.h"

#include "lib/clock.h"
#include "lib/pem.h"

#include <jansson.h>
#include <string.h>

enum {
	STATUS_OK = 200,
	STATUS_UNAUTHENTICATED = 401,
	STATUS_TIMEOUT = 408,
	STATUS_LIMITED = 429,
	DETAIL_MAX = 400, /* bytes that are passed on */
};

static const char problem_type[] = "urn:cretula:error:";

static void json_end(json_t **j)
{
	json_decref(*j);
}

/* One object; NULL for anything else. */
static json_t *object_of(struct span body)
{
	json_t *j = body.n ? json_loadb((const char *)body.p, body.n,
					JSON_REJECT_DUPLICATES, NULL)
			   : NULL;

	if (json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

/* A member that is a text; false if it is none. */
static bool member(const json_t *j, const char *name, struct span *out)
{
	const json_t *v = json_object_get(j, name);

	if (!json_is_string(v))
		return false;
	*out = span_of(json_string_value(v), json_string_length(v));
	return true;
}

/* ---- refusals */

/* A problem of the CA's own (RFC 9457): its error and its sentence. */
static bool problem_of(const json_t *j, struct fault *f)
{
	const size_t prefix = strlen(problem_type);
	struct span type, detail;
	enum err code;

	if (!member(j, "type", &type) || type.n <= prefix ||
	    memcmp(type.p, problem_type, prefix) ||
	    err_parse((const char *)type.p + prefix, type.n - prefix, &code) !=
		    OK ||
	    code == OK || !member(j, "detail", &detail) || !detail.n)
		return false;
	(void)!fault_set(f, code, "%.*s", (int)MIN(detail.n, DETAIL_MAX),
			 (const char *)detail.p);
	return true;
}

enum outcome answer_outcome(const struct web_answer *a, struct fault *f)
{
	AUTO(json_end) json_t *j = NULL;
	bool said;

	if (!a->status) {
		*f = a->why;
		return OUTCOME_AWAY;
	}
	if (a->status == STATUS_OK)
		return OUTCOME_DONE;
	j = object_of(a->body);
	said = j && problem_of(j, f);
	if (!said)
		(void)!fault_set(
			f, ERR_UNAVAILABLE,
			"the CA answers with status %u and without a "
			"reason: is it the CA that is at that address?",
			a->status);
	if (a->status >= 500)
		return OUTCOME_AWAY;
	if (a->status == STATUS_LIMITED)
		return OUTCOME_BUSY;
	if (!said || a->status < 400 || a->status == STATUS_TIMEOUT)
		return OUTCOME_STRANGE;
	return a->status == STATUS_UNAUTHENTICATED ? OUTCOME_REFUSED
						   : OUTCOME_FINAL;
}

/* ---- certificates */

/* The first certificate in a member's PEM text. */
static enum err member_cert(const json_t *j, const char *name, struct buf *out,
			    struct fault *f)
{
	struct span text;
	size_t used;

	if (!member(j, name, &text))
		return fault_set(f, ERR_INVALID, "the CA's answer has no '%s'",
				 name);
	if (pem_get("CERTIFICATE", (const char *)text.p, text.n, out, &used,
		    NULL) != OK)
		return fault_set(f, ERR_INVALID,
				 "the '%s' of the CA's answer is no "
				 "certificate in PEM",
				 name);
	return OK;
}

static enum err not_json(struct fault *f)
{
	return fault_set(f, ERR_INVALID,
			 "the CA's answer is no JSON object: is it the CA that "
			 "is at that address?");
}

static enum err take_verify_by(const json_t *j, int64_t *t, struct fault *f)
{
	struct span text;

	*t = 0;
	if (!json_object_get(j, "verify_by"))
		return OK;
	if (!member(j, "verify_by", &text) ||
	    clock_parse((const char *)text.p, text.n, t) != OK || *t <= 0)
		return fault_set(f, ERR_INVALID,
				 "the 'verify_by' of the CA's answer is no "
				 "time");
	return OK;
}

void answer_cert_wipe(struct answer_cert *c)
{
	buf_wipe(&c->cert);
	buf_wipe(&c->issuing);
}

enum err answer_cert_parse(struct span body, struct answer_cert *out,
			   struct fault *f)
{
	AUTO(json_end) json_t *j = object_of(body);
	AUTO(answer_cert_wipe) struct answer_cert c = { 0 };

	if (!j)
		return not_json(f);
	buf_init(&c.cert, CERT_MAX);
	buf_init(&c.issuing, CERT_MAX);
	TRY(member_cert(j, "certificate", &c.cert, f));
	TRY(member_cert(j, "chain", &c.issuing, f));
	TRY(take_verify_by(j, &c.verify_by, f));
	*out = c;
	c = (struct answer_cert){ 0 };
	return OK;
}

enum err answer_issuing(struct span body, struct buf *out, struct fault *f)
{
	AUTO(json_end) json_t *j = object_of(body);

	return j ? member_cert(j, "issuing", out, f) : not_json(f);
}

enum err answer_root(struct span body, struct buf *out, struct fault *f)
{
	AUTO(json_end) json_t *j = object_of(body);

	return j ? member_cert(j, "root", out, f) : not_json(f);
}
