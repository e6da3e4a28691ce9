/* Worker: reads a request's attributes, as they come from policy's side or from
 * the signing side, into the one structure both use. Holds nothing. */
#include "lib/num.h"
#include "modules/aws-sigv4/sigv4.h"

/* Attributes that occur once. */
enum single {
	A_METHOD,
	A_TARGET,
	A_BODY,
	A_BODY_SHA256,
	A_BODY_MODE,
	A_REGION,
	A_SERVICE,
	A_TIME,
	A_EXPIRES,
	A_PAYLOAD,
	A_SHA256_HEADER,
	A_TARGET_MODE,
	A_NORMALIZE,
	A_RESIGN,
	A_TOKEN,
	A_EXPLAIN,
	A__MAX
};

static const char *const single_name[] = {
	[A_METHOD] = "method",
	[A_TARGET] = "target",
	[A_BODY] = "body",
	[A_BODY_SHA256] = "body_sha256",
	[A_BODY_MODE] = "body_mode",
	[A_REGION] = "region",
	[A_SERVICE] = "service",
	[A_TIME] = "time",
	[A_EXPIRES] = "expires",
	[A_PAYLOAD] = "payload",
	[A_SHA256_HEADER] = "sha256_header",
	[A_TARGET_MODE] = "target_mode",
	[A_NORMALIZE] = "normalize",
	[A_RESIGN] = "resign",
	[A_TOKEN] = "token",
	[A_EXPLAIN] = "explain",
};
_Static_assert(NELEM(single_name) == A__MAX, "every attribute has a name");

/* p is NULL where the attribute is not there. */
struct singles {
	struct str of[A__MAX];
};

static enum cretula_result single_take(const struct job *j,
				       const struct cretula_attr *one,
				       struct singles *s)
{
	for (size_t i = 0; i < A__MAX; i++) {
		if (single_name[i][0] != one->name[0] ||
		    strcmp(single_name[i], one->name) != 0)
			continue;
		if (s->of[i].p)
			return REFUSE(j, "attribute '%s' is given twice",
				      one->name);
		s->of[i] = (struct str){ one->value, one->len };
		return CRETULA_OK;
	}
	return REFUSE(j, "unknown attribute '%s' in the request", one->name);
}

static enum cretula_result singles_read(const struct job *j,
					const struct cretula_attrs *a,
					struct singles *s)
{
	*s = (struct singles){ .of[0] = { NULL, 0 } };
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->item[i].name, "header") != 0)
			DO(single_take(j, &a->item[i], s));
	return CRETULA_OK;
}

/* One of two words, or neither: then *v stays. */
static enum cretula_result choice(const struct job *j, const struct singles *s,
				  enum single which, const char *on,
				  const char *off, bool *v)
{
	struct str word = s->of[which];

	if (!word.p)
		return CRETULA_OK;
	if (str_is(word, str_from(on)))
		*v = true;
	else if (str_is(word, str_from(off)))
		*v = false;
	else
		return REFUSE(j, "%s= is %s or %s", single_name[which], on,
			      off);
	return CRETULA_OK;
}

static enum cretula_result method_read(const struct job *j, struct str m,
				       struct request *r)
{
	if (!m.n)
		return REFUSE(j, "there is no method: give method=GET or "
				 "whatever the request has");
	if (m.n > METHOD_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "the method is over %d bytes", METHOD_MAX);
	for (size_t i = 0; i < m.n; i++)
		if ((m.p[i] < 'A' || m.p[i] > 'Z') && m.p[i] != '-' &&
		    m.p[i] != '_')
			return REFUSE(j, "the method is not upper-case "
					 "letters: HTTP methods are "
					 "case-sensitive");
	r->method = m;
	return CRETULA_OK;
}

/* Region and service are joined by '/' in what is signed: nothing in them may
 * change its shape. */
static enum cretula_result scope_check(const struct job *j, struct str s,
				       const char *what)
{
	if (!s.n)
		return REFUSE(j,
			      "the host name does not tell the %s: give "
			      "%s=",
			      what, what);
	if (s.n > SCOPE_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "%s= is over %d bytes", what, SCOPE_MAX);
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' &&
		    c != '_' && c != '.')
			return REFUSE(j,
				      "%s= has a character other than "
				      "a-z 0-9 - _ .: give it as AWS "
				      "writes it",
				      what);
	}
	return CRETULA_OK;
}

static enum cretula_result scope_read(const struct job *j,
				      const struct singles *s,
				      struct request *r)
{
	struct endpoint e;

	endpoint_read(r->host_name, &e);
	r->region = s->of[A_REGION].p ? s->of[A_REGION] : e.region;
	r->service = s->of[A_SERVICE].p ? s->of[A_SERVICE] : e.service;
	r->style = e.style;
	if (!r->region.n && !r->service.n)
		return REFUSE(j, "the host name tells neither region nor "
				 "service: give region= and service=");
	DO(scope_check(j, r->region, "region"));
	DO(scope_check(j, r->service, "service"));
	r->s3 = service_is_s3(r->service);
	return CRETULA_OK;
}

static enum cretula_result stamp_bad(const struct job *j, const char *what)
{
	return REFUSE(j, "%s is not a time as YYYYMMDDTHHMMSSZ", what);
}

/* The signing time: the request's own, or now. */
static enum cretula_result time_read(const struct job *j, struct str given,
				     struct str header, struct request *r)
{
	int64_t t = j->host->now(j->call);

	if (given.p && !stamp_parse(given, &t))
		return stamp_bad(j, "time=");
	if (header.p && !stamp_parse(header, &t))
		return stamp_bad(j, "header 'x-amz-date'");
	if (given.p && header.p && !str_is(given, header))
		return REFUSE(j, "time= and header 'x-amz-date' differ: take "
				 "one of them out");
	if (!stamp_format(t, r->stamp))
		return REFUSE(j, "the signing time is not in the years 0000 "
				 "to 9999");
	r->time = t;
	r->add_date = !r->presign && !header.p;
	return CRETULA_OK;
}

static enum cretula_result expires_read(const struct job *j, struct str s,
					struct request *r)
{
	uint64_t seconds = EXPIRES_DEFAULT;

	if (s.p && (num_duration((const char *)s.p, s.n, true, EXPIRES_MAX,
				 &seconds) != OK ||
		    !seconds))
		return REFUSE(j,
			      "expires= is not 1 to %d seconds, or a "
			      "duration like 15m",
			      EXPIRES_MAX);
	r->expires = (uint32_t)seconds;
	return CRETULA_OK;
}

/* The header's word for the payload, in the words of payload=. */
static enum cretula_result payload_header(const struct job *j, struct str v,
					  enum payload *p)
{
	if (str_is(v, STR("UNSIGNED-PAYLOAD")))
		*p = PAYLOAD_UNSIGNED;
	else if (hash_ok(v))
		*p = PAYLOAD_HASH;
	else if (str_has_prefix(v, STR("STREAMING-")))
		return j->host->fail(j->call, CRETULA_UNSUPPORTED,
				     "chunked signatures (STREAMING-… in "
				     "'x-amz-content-sha256') are not "
				     "supported: send the body in one piece");
	else
		return REFUSE(j, "header 'x-amz-content-sha256' is neither "
				 "UNSIGNED-PAYLOAD nor 64 lower-case hex "
				 "digits");
	return CRETULA_OK;
}

static enum cretula_result payload_attr(const struct job *j, struct str v,
					struct request *r)
{
	if (!v.p)
		return CRETULA_OK;
	if (r->payload == PAYLOAD_IGNORED)
		return REFUSE(j, "payload= with the body ignored: take one of "
				 "them out");
	if (str_is(v, STR("signed")))
		r->payload = PAYLOAD_SIGNED;
	else if (str_is(v, STR("unsigned")))
		r->payload = PAYLOAD_UNSIGNED;
	else if (hash_ok(v))
		r->payload = PAYLOAD_HASH;
	else
		return REFUSE(j, "payload= is signed, unsigned, or the "
				 "body's SHA-256 in 64 lower-case hex digits");
	if (r->payload == PAYLOAD_HASH)
		r->hash = v;
	return CRETULA_OK;
}

/* payload= and the header have to say the same. */
static enum cretula_result payload_agree(const struct job *j, struct str v,
					 struct request *r)
{
	enum payload said = PAYLOAD_DEFAULT;

	if (!v.p)
		return CRETULA_OK;
	DO(payload_header(j, v, &said));
	if (r->payload == PAYLOAD_IGNORED)
		return REFUSE(j, "header 'x-amz-content-sha256' with the body "
				 "ignored: take one of them out");
	if (r->payload == PAYLOAD_SIGNED && said == PAYLOAD_HASH)
		r->payload = PAYLOAD_DEFAULT;
	if (r->payload != PAYLOAD_DEFAULT &&
	    (r->payload != said ||
	     (said == PAYLOAD_HASH && !str_is(v, r->hash))))
		return REFUSE(j, "payload= and header 'x-amz-content-sha256' "
				 "differ: take one of them out");
	r->payload = said;
	if (said == PAYLOAD_HASH)
		r->hash = v;
	return CRETULA_OK;
}

/* The body's hash, where the client gave one instead of, or with, the body. */
static enum cretula_result body_read(const struct job *j,
				     const struct singles *s, struct request *r)
{
	r->has_body = s->of[A_BODY].p != NULL;
	r->body = s->of[A_BODY];
	r->body_hash = s->of[A_BODY_SHA256];
	if (!r->body_hash.p)
		return CRETULA_OK;
	if (!hash_ok(r->body_hash))
		return REFUSE(j, "body_sha256= is not 64 lower-case hex "
				 "digits");
	if (r->payload == PAYLOAD_HASH && !str_is(r->hash, r->body_hash))
		return REFUSE(j, "the payload's hash and body_sha256= differ");
	return CRETULA_OK;
}

/* Never assume that a body nobody showed is empty. */
static enum cretula_result body_known(const struct job *j,
				      const struct header_says *says,
				      const struct request *r)
{
	bool computed =
		r->payload == PAYLOAD_DEFAULT || r->payload == PAYLOAD_SIGNED;

	if (computed && says->has_length && !r->has_body && !r->body_hash.p)
		return REFUSE(j, "header 'content-length' announces a body "
				 "that is not there: give body= or "
				 "body_sha256=");
	return CRETULA_OK;
}

static enum cretula_result payload_read(const struct job *j,
					const struct singles *s,
					const struct header_says *says,
					struct request *r)
{
	bool ignore = false;

	DO(choice(j, s, A_BODY_MODE, "ignore", "sign", &ignore));
	if (ignore)
		r->payload = PAYLOAD_IGNORED;
	DO(payload_attr(j, s->of[A_PAYLOAD], r));
	DO(payload_agree(j, says->hash, r));
	if (r->payload == PAYLOAD_DEFAULT && r->presign && r->s3)
		r->payload = PAYLOAD_UNSIGNED;
	DO(body_read(j, s, r));
	DO(body_known(j, says, r));
	r->send_hash = r->s3;
	DO(choice(j, s, A_SHA256_HEADER, "yes", "no", &r->send_hash));
	if (r->presign || says->hash.p)
		r->send_hash = false;
	return CRETULA_OK;
}

static enum cretula_result options_read(const struct job *j,
					const struct singles *s,
					struct request *r)
{
	DO(choice(j, s, A_RESIGN, "yes", "no", &r->resign));
	DO(choice(j, s, A_TARGET_MODE, "raw", "wire", &r->raw));
	DO(choice(j, s, A_TOKEN, "omit", "sign", &r->token_unsigned));
	DO(choice(j, s, A_EXPLAIN, "yes", "no", &r->explain));
	return expires_read(j, s->of[A_EXPIRES], r);
}

enum cretula_result request_parse(const struct job *j, const char *operation,
				  const struct cretula_attrs *a,
				  struct request *r)
{
	struct singles s;
	struct header_says says;
	bool normalize = true;

	*r = (struct request){ .presign = !strcmp(operation, "presign") };
	if (!r->presign && strcmp(operation, "sign") != 0)
		return j->host->fail(j->call, CRETULA_UNSUPPORTED,
				     "aws-sigv4 knows the operations sign and "
				     "presign only");
	DO(singles_read(j, a, &s));
	DO(options_read(j, &s, r));
	DO(choice(j, &s, A_NORMALIZE, "yes", "no", &normalize));
	DO(method_read(j, s.of[A_METHOD], r));
	DO(headers_parse(j, a, r, &says));
	DO(scope_read(j, &s, r));
	if (!s.of[A_TARGET].p)
		return REFUSE(j, "there is no target: give target=/PATH?QUERY");
	DO(target_parse(j, s.of[A_TARGET], normalize, r));
	DO(time_read(j, s.of[A_TIME], says.date, r));
	return payload_read(j, &s, &says, r);
}
