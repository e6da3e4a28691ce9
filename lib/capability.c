/* Used by ca (issuer, signer), credd's verifier and the command; holds nothing. */
#include "lib/capability.h"

#include <stdlib.h>
#include <string.h>

static bool capability_verb_ok(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'a' || s.p[i] > 'z')
			return false;
	return s.n > 0;
}

static bool capability_word_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static bool capability_word_ok(struct span s)
{
	if (span_is(s, "*"))
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (!capability_word_char(s.p[i]))
			return false;
	return s.n > 0;
}

/* Takes what stands before the first c; false if there is no c. */
static bool capability_cut(struct span *rest, char c, struct span *head)
{
	const uint8_t *at = rest->n ? memchr(rest->p, c, rest->n) : NULL;

	if (!at)
		return false;
	*head = span_of(rest->p, (size_t)(at - rest->p));
	*rest = span_of(at + 1, rest->n - head->n - 1);
	return true;
}

enum err capability_parse(struct span text, bool template, struct capability *c,
			  struct fault *f)
{
	struct capability got;
	const char *why = NULL;

	got.scope = text;
	if (text.n > CAP_MAX)
		return fault_set(f, ERR_INVALID,
				 "a capability of %zu bytes: %d are allowed",
				 text.n, CAP_MAX);
	if (!capability_cut(&got.scope, ':', &got.verb) ||
	    !capability_cut(&got.scope, '@', &got.object))
		why = "is not verb:object@scope";
	else if (!capability_verb_ok(got.verb))
		why = "has a verb that is not of lower-case letters";
	else if (!capability_word_ok(got.object))
		why = "has an object that is neither * nor of letters, digits "
		      "and '._-'";
	else if (!(template && span_is(got.scope, "{node}")) &&
		 !capability_word_ok(got.scope))
		why = "has a scope that is neither * nor of letters, digits "
		      "and '._-'";
	if (why)
		return fault_set(f, ERR_INVALID, "capability '%.*s' %s",
				 (int)text.n, (const char *)text.p, why);
	*c = got;
	return OK;
}

static bool capability_word_covers(struct span have, struct span want)
{
	return span_is(have, "*") || span_equal(have, want);
}

bool capability_covers(const struct capability *have,
		       const struct capability *want)
{
	return span_equal(have->verb, want->verb) &&
	       capability_word_covers(have->object, want->object) &&
	       capability_word_covers(have->scope, want->scope);
}

bool capability_held(const struct cert_names *have,
		     const struct capability *want)
{
	struct capability c;

	for (unsigned i = 0; i < have->count; i++)
		if (capability_parse(have->at[i], false, &c, NULL) == OK &&
		    capability_covers(&c, want))
			return true;
	return false;
}

bool capability_delegates(const struct capability *c)
{
	return span_is(c->verb, "admin") || span_is(c->verb, "issue");
}

enum err capability_fill(struct span template, struct span node,
			 char room[CAP_MAX + 1], struct span *out)
{
	struct capability c;
	struct span got;
	size_t head;

	TRY(capability_parse(template, true, &c, NULL));
	head = template.n - c.scope.n;
	if (span_is(c.scope, "{node}"))
		c.scope = node;
	if (c.scope.n > CAP_MAX - head)
		return ERR_INVALID;
	memcpy(room, template.p, head);
	if (c.scope.n)
		memcpy(room + head, c.scope.p, c.scope.n);
	room[head + c.scope.n] = 0;
	got = span_of(room, head + c.scope.n);
	TRY(capability_parse(got, false, &c, NULL));
	*out = got;
	return OK;
}

static int span_order(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	const size_t n = MIN(x->n, y->n);
	const int d = n ? memcmp(x->p, y->p, n) : 0;

	return d ? d : x->n < y->n ? -1 : x->n > y->n;
}

void capabilities_sort(struct cert_names *caps)
{
	unsigned kept = 0;

	qsort(caps->at, caps->count, sizeof caps->at[0], span_order);
	for (unsigned i = 0; i < caps->count; i++)
		if (!kept || span_order(&caps->at[kept - 1], &caps->at[i]))
			caps->at[kept++] = caps->at[i];
	caps->count = kept;
}

/* Is number i of them well formed and after the one before? */
static enum err capabilities_check(const struct cert_names *caps, unsigned i)
{
	struct capability c;

	TRY(capability_parse(caps->at[i], false, &c, NULL));
	return i && span_order(&caps->at[i - 1], &caps->at[i]) >= 0
		       ? ERR_INVALID
		       : OK;
}

enum err capabilities_put(struct buf *b, const struct cert_names *caps)
{
	size_t m;

	if (!caps->count || caps->count > CERT_CAPS_MAX)
		return ERR_INVALID;
	TRY(der_begin(b, DER_SEQ, &m));
	for (unsigned i = 0; i < caps->count; i++) {
		TRY(capabilities_check(caps, i));
		TRY(der_put_span(b, DER_UTF8, caps->at[i]));
	}
	return der_end(b, m);
}

enum err capabilities_get(struct rd *r, struct cert_names *caps)
{
	struct cert_names got = { .count = 0 };
	struct rd at = *r, list;

	TRY(der_get(&at, DER_SEQ, &list));
	do {
		if (got.count == CERT_CAPS_MAX)
			return ERR_INVALID;
		TRY(der_span(&list, DER_UTF8, &got.at[got.count]));
		TRY(capabilities_check(&got, got.count));
		got.count++;
	} while (rd_left(&list));
	*caps = got;
	*r = at;
	return OK;
}
