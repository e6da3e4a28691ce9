/* Worker: the template of a credential: text with {fields}, {{ and }} for braces.
 * It binds what may be signed with the key. */
#include "modules/hmac/hmac.h"

static const struct {
	const char *name;
	enum field field;
} fields[] = {
	{ "method", FIELD_METHOD }, { "target", FIELD_TARGET },
	{ "path", FIELD_PATH },     { "query", FIELD_QUERY },
	{ "host", FIELD_HOST },     { "body", FIELD_BODY },
	{ "time", FIELD_TIME },     { "body_sha256", FIELD_BODY_SHA256 },
	{ "nonce", FIELD_NONCE },   { "time_ms", FIELD_TIME_MS },
};

static const char header_field[] = "header:";

static bool part_add(struct template *t, enum field field, struct bytes text)
{
	if (t->count == PARTS_MAX)
		return false;
	t->part[t->count++] = (struct part){ .field = field, .text = text };
	return true;
}

static enum cretula_result too_long(const struct job *j)
{
	return j->host->fail(j->call, CRETULA_TOO_LARGE,
			     "template= has over %d parts or %d bytes",
			     PARTS_MAX, TEMPLATE_MAX);
}

/* What stands between braces. */
static enum cretula_result field_parse(const struct job *j, struct bytes name,
				       struct template *t)
{
	size_t head = sizeof header_field - 1;

	for (size_t i = 0; i < NELEM(fields); i++)
		if (bytes_is(name, fields[i].name))
			return part_add(t, fields[i].field, name) ? CRETULA_OK
								  : too_long(j);
	if (name.n <= head || memcmp(name.p, header_field, head) != 0)
		return REFUSE(j, "template= has an unknown field: known are "
				 "{method} {target} {path} {query} {host} "
				 "{body} {body_sha256} {time} {time_ms} "
				 "{nonce} {header:NAME}, and {{ }} for braces");
	name = (struct bytes){ name.p + head, name.n - head };
	return part_add(t, FIELD_HEADER, name) ? CRETULA_OK : too_long(j);
}

/* How many bytes from `at` are the template's own. */
static size_t text_length(struct bytes s, size_t at)
{
	size_t end = at;

	while (end < s.n && s.p[end] != '{' && s.p[end] != '}')
		end++;
	return end - at;
}

/* At a brace: a doubled one is text, a single one opens a field. */
static enum cretula_result brace_parse(const struct job *j, struct bytes s,
				       size_t *at, struct template *t)
{
	const uint8_t *close;
	struct bytes name;

	if (s.n - *at >= 2 && s.p[*at + 1] == s.p[*at]) {
		struct bytes brace = { s.p + *at, 1 };

		*at += 2;
		return part_add(t, FIELD_TEXT, brace) ? CRETULA_OK
						      : too_long(j);
	}
	close = memchr(s.p + *at, '}', s.n - *at);
	if (s.p[*at] == '}' || !close)
		return REFUSE(j, "template= has a brace without its other "
				 "half: write {{ or }} for a brace");
	name = (struct bytes){ s.p + *at + 1, (size_t)(close - s.p) - *at - 1 };
	*at += name.n + 2;
	return field_parse(j, name, t);
}

enum cretula_result template_parse(const struct job *j, struct bytes s,
				   struct template *t)
{
	t->count = 0;
	if (!s.n)
		return REFUSE(j, "template= is empty: leave it out to sign "
				 "data= as it is");
	if (s.n > TEMPLATE_MAX)
		return too_long(j);
	for (size_t at = 0; at < s.n;) {
		size_t n = text_length(s, at);

		if (!n) {
			DO(brace_parse(j, s, &at, t));
			continue;
		}
		if (!part_add(t, FIELD_TEXT, (struct bytes){ s.p + at, n }))
			return too_long(j);
		at += n;
	}
	return CRETULA_OK;
}

bool template_uses(const struct template *t, enum field field)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->part[i].field == field)
			return true;
	return false;
}
