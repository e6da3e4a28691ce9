/* Worker: the parts of a request that a template can name, and what policy is told
 * of them. Holds nothing. */
#include "modules/hmac/hmac.h"

#include "lib/buf.h"
#include "lib/num.h"

#include <stdio.h>
#include <strings.h>

struct bytes attrs_get(const struct cretula_attrs *a, const char *name)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->item[i].name, name))
			return (struct bytes){ a->item[i].value,
					       a->item[i].len };
	return (struct bytes){ NULL, 0 };
}

enum cretula_result attrs_once(const struct job *j,
			       const struct cretula_attrs *a, const char *but)
{
	enum {
		NAMES_MAX = 16
	};
	size_t n = 0;

	for (size_t i = 0; i < a->count; i++) {
		const char *name = a->item[i].name;

		if (but && !strcmp(name, but))
			continue;
		if (++n > NAMES_MAX)
			return REFUSE(j, "there are attributes that hmac does "
					 "not know");
		for (size_t k = 0; k < i; k++)
			if (!strcmp(name, a->item[k].name))
				return REFUSE(j,
					      "attribute '%s' is given "
					      "twice",
					      name);
	}
	return CRETULA_OK;
}

static bool control_free(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if ((b.p[i] < 0x20 && b.p[i] != '\t') || b.p[i] == 0x7f)
			return false;
	return true;
}

static enum cretula_result method_check(const struct job *j, struct bytes m)
{
	for (size_t i = 0; i < m.n; i++)
		if ((m.p[i] < 'A' || m.p[i] > 'Z') && m.p[i] != '-' &&
		    m.p[i] != '_')
			return REFUSE(j, "the method is not upper-case "
					 "letters: HTTP methods are "
					 "case-sensitive");
	return CRETULA_OK;
}

/* Splits the target as it travels; nothing is decoded. */
static enum cretula_result target_read(const struct job *j, struct request *r)
{
	const uint8_t *mark;
	struct bytes t = r->target;

	if (!t.p)
		return CRETULA_OK;
	if (t.n > TARGET_MAX)
		return j->host->fail(j->call, CRETULA_TOO_LARGE,
				     "the target is over %d bytes", TARGET_MAX);
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] <= 0x20 || t.p[i] >= 0x7f || t.p[i] == '#')
			return REFUSE(j, "the target has a blank, a '#', a "
					 "control character or one that is "
					 "not ASCII: percent-encode it");
	if (!t.n || t.p[0] != '/')
		return REFUSE(j, "the target does not start with '/': give "
				 "path and query only");
	mark = memchr(t.p, '?', t.n);
	r->path = (struct bytes){ t.p, mark ? (size_t)(mark - t.p) : t.n };
	r->query = mark ? (struct bytes){ mark + 1, t.n - r->path.n - 1 }
			: (struct bytes){ t.p, 0 };
	return CRETULA_OK;
}

static struct bytes trimmed(struct bytes b)
{
	while (b.n && (b.p[0] == ' ' || b.p[0] == '\t')) {
		b.p++;
		b.n--;
	}
	while (b.n && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
		b.n--;
	return b;
}

/* The value if the line is one of that header. */
static bool line_is(const struct cretula_attr *a, struct bytes name,
		    struct bytes *value)
{
	if (strcmp(a->name, "header") != 0 || a->len <= name.n ||
	    a->value[name.n] != ':' ||
	    strncasecmp((const char *)a->value, (const char *)name.p, name.n))
		return false;
	*value = trimmed(
		(struct bytes){ a->value + name.n + 1, a->len - name.n - 1 });
	return true;
}

struct bytes request_header(const struct request *r, struct bytes name,
			    size_t n)
{
	struct bytes value;

	for (size_t i = 0; i < r->attrs->count; i++)
		if (line_is(&r->attrs->item[i], name, &value) && !n--)
			return value;
	return (struct bytes){ NULL, 0 };
}

static enum cretula_result headers_check(const struct job *j, struct request *r)
{
	static const struct bytes host = { (const uint8_t *)"host", 4 };

	for (size_t i = 0; i < r->attrs->count; i++) {
		const struct cretula_attr *a = &r->attrs->item[i];
		struct bytes line = { a->value, a->len };

		if (strcmp(a->name, "header") != 0)
			continue;
		r->http = true;
		if (!control_free(line) || !memchr(line.p, ':', line.n) ||
		    line.p[0] == ':')
			return REFUSE(j, "a header is not NAME:VALUE, or has a "
					 "control character");
	}
	r->host = request_header(r, host, 0);
	if (request_header(r, host, 1).p)
		return REFUSE(j, "header 'host' is there more than once");
	return CRETULA_OK;
}

/* Seconds since the epoch, the request's own or now. */
static enum cretula_result time_read(const struct job *j, struct request *r)
{
	struct bytes given = attrs_get(r->attrs, "time");
	const uint64_t last = 253402300799; /* the end of the year 9999 */
	uint64_t t;

	r->time = j->host->now(j->call);
	if (given.p) {
		if (num_u64((const char *)given.p, given.n, last, &t) != OK)
			return REFUSE(j, "time= is not a number of seconds "
					 "since 1970");
		r->time = (int64_t)t;
	}
	snprintf(r->time_text, sizeof r->time_text, "%lld", (long long)r->time);
	snprintf(r->time_ms_text, sizeof r->time_ms_text, "%lld",
		 (long long)r->time * 1000);
	return CRETULA_OK;
}

static enum cretula_result hash_check(const struct job *j, struct bytes h)
{
	bool ok = h.n == SHA256_HEX;

	for (size_t i = 0; ok && i < h.n; i++)
		ok = (h.p[i] >= '0' && h.p[i] <= '9') ||
		     (h.p[i] >= 'a' && h.p[i] <= 'f');
	return !h.p || ok ? CRETULA_OK
			  : REFUSE(j, "body_sha256= is not 64 lower-case hex "
				      "digits");
}

enum cretula_result request_parse(const struct job *j, const char *op,
				  const struct cretula_attrs *a,
				  struct request *r)
{
	*r = (struct request){ .attrs = a };
	if (strcmp(op, "sign") != 0)
		return j->host->fail(j->call, CRETULA_UNSUPPORTED,
				     "hmac knows the operation sign only");
	DO(attrs_once(j, a, "header"));
	r->data = attrs_get(a, "data");
	r->method = attrs_get(a, "method");
	r->target = attrs_get(a, "target");
	r->body = attrs_get(a, "body");
	r->body_sha256 = attrs_get(a, "body_sha256");
	r->nonce = attrs_get(a, "nonce");
	DO(method_check(j, r->method));
	DO(target_read(j, r));
	DO(headers_check(j, r));
	DO(hash_check(j, r->body_sha256));
	if (!control_free(r->nonce))
		return REFUSE(j, "nonce= has a control character");
	r->http |= r->method.p || r->target.p || r->body.p || r->body_sha256.p;
	if (r->data.p && r->http)
		return REFUSE(j, "data= and an HTTP request are both there: "
				 "give one of them");
	return time_read(j, r);
}

static enum cretula_result state(const struct job *j, const char *name,
				 struct bytes v)
{
	return v.p ? j->host->fact(j->call, name, v.p, v.n) : CRETULA_OK;
}

/* Lower case, without the port. */
static enum cretula_result host_state(const struct job *j, struct bytes h)
{
	enum {
		HOST_MAX = 256
	};
	uint8_t text[HOST_MAX];
	size_t n = 0;
	bool open = h.n && h.p[0] == '[';

	if (h.n > HOST_MAX)
		return REFUSE(j, "header 'host' is over %d bytes", HOST_MAX);
	for (; n < h.n && (h.p[n] != ':' || open); n++) {
		text[n] = h.p[n] >= 'A' && h.p[n] <= 'Z'
				  ? (uint8_t)(h.p[n] + 32)
				  : h.p[n];
		open = open && h.p[n] != ']';
	}
	return h.p ? j->host->fact(j->call, "host", text, n) : CRETULA_OK;
}

/* A parameter is a fact as it stands, with a '=' even where it has none. */
static enum cretula_result pair_state(const struct job *j, struct bytes piece)
{
	struct buf text;
	enum cretula_result e;

	if (!piece.n)
		return CRETULA_OK;
	if (memchr(piece.p, '=', piece.n))
		return j->host->fact(j->call, "query", piece.p, piece.n);
	buf_init(&text, TARGET_MAX + 1);
	if (buf_put(&text, piece.p, piece.n) != OK || buf_u8(&text, '=') != OK)
		e = CRETULA_TOO_LARGE;
	else
		e = j->host->fact(j->call, "query", text.p, text.len);
	buf_wipe(&text);
	return e;
}

static enum cretula_result query_state(const struct job *j, struct bytes q)
{
	for (size_t at = 0; at < q.n;) {
		const uint8_t *amp = memchr(q.p + at, '&', q.n - at);
		size_t n = amp ? (size_t)(amp - q.p) - at : q.n - at;

		DO(pair_state(j, (struct bytes){ q.p + at, n }));
		at += n + 1;
	}
	return CRETULA_OK;
}

enum cretula_result request_facts(const struct job *j, const struct request *r)
{
	DO(state(j, "method", r->method));
	DO(host_state(j, r->host));
	DO(state(j, "path", r->path));
	if (r->path.p && !r->query.n) /* known to be empty, not unknown */
		DO(j->host->fact(j->call, "query", "", 0));
	DO(query_state(j, r->query));
	if (r->data.p)
		return CRETULA_OK;
	return j->host->fact(j->call, "time", r->time_text,
			     strlen(r->time_text));
}
