/* cretula-request-key: parses what the kernel says about keys; holds nothing. */
#include "tools/request-key/text.h"

#include "lib/num.h"

#include <stdio.h>
#include <string.h>

struct word {
	const char *p;
	size_t n;
};

static bool word_is(struct word w, const char *s)
{
	return w.n == strlen(s) && !memcmp(w.p, s, w.n);
}

/* The text up to `end`, which is stepped over. */
static bool word_to(struct rd *r, char end, struct word *w)
{
	const uint8_t *at = rd_left(r) ? memchr(r->p, end, rd_left(r)) : NULL;
	const uint8_t *p;

	if (!at)
		return false;
	w->n = (size_t)(at - r->p);
	if (rd_bytes(r, w->n + 1, &p) != OK)
		return false;
	w->p = (const char *)p;
	return true;
}

static struct word rest(const struct rd *r)
{
	return (struct word){ (const char *)r->p, rd_left(r) };
}

/* The kernel prints an id as a signed number. */
static bool word_id(struct word w, uid_t *id)
{
	bool negative = w.n && w.p[0] == '-';
	uint64_t v;

	if (negative)
		w = (struct word){ w.p + 1, w.n - 1 };
	if (num_u64(w.p, w.n, INT32_MAX + (uint64_t)negative, &v) != OK)
		return false;
	*id = negative ? (uid_t)(UINT32_MAX - v + 1) : (uid_t)v;
	return true;
}

static bool all_hex(struct word w)
{
	for (size_t i = 0; i < w.n; i++)
		if (!memchr("0123456789abcdef", w.p[i], 16))
			return false;
	return true;
}

/* `TYPE;UID;GID;PERM;DESCRIPTION` */
static bool describe_split(const char *text, size_t len, const char *type,
			   uid_t *owner, struct word *description)
{
	struct rd r = rd_from(text, len);
	struct word w;
	uid_t gid;

	if (!word_to(&r, ';', &w) || !word_is(w, type))
		return false;
	if (!word_to(&r, ';', &w) || !word_id(w, owner))
		return false;
	if (!word_to(&r, ';', &w) || !word_id(w, &gid))
		return false;
	if (!word_to(&r, ';', &w) || w.n != 8 || !all_hex(w))
		return false;
	*description = rest(&r);
	return true;
}

enum err wanted_parse(const char *text, size_t len, struct wanted *out)
{
	struct wanted w = { 0 };
	struct word d, part;
	struct rd r;

	if (!describe_split(text, len, "user", &w.owner, &d))
		return ERR_INVALID;
	r = rd_from(d.p, d.n);
	if (!word_to(&r, ':', &part) || !word_is(part, "cretula"))
		return ERR_INVALID;
	if (!word_to(&r, ':', &part) || !word_is(part, "cert"))
		return ERR_INVALID;
	if (!word_to(&r, ':', &part) || part.n != INSTANCE_LEN ||
	    !all_hex(part))
		return ERR_INVALID;
	memcpy(w.instance, part.p, INSTANCE_LEN);
	part = rest(&r);
	TRY(agent_id_check((struct span){ (const uint8_t *)part.p, part.n },
			   NULL));
	memcpy(w.agent, part.p, AGENT_ID_LEN);
	*out = w;
	return OK;
}

bool ring_is_private(const char *text, size_t len)
{
	struct word d;
	uid_t owner;

	return describe_split(text, len, "keyring", &owner, &d) &&
	       (word_is(d, "_tid") || word_is(d, "_pid") || word_is(d, "_ses"));
}

static bool token_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_';
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool token_looks_right(const char *text, size_t len)
{
	struct word w = { text, len };

	if (len > TOKEN_LEN_MAX)
		return false;
	while (w.n && blank(w.p[w.n - 1]))
		w.n--;
	for (; w.n && blank(*w.p); w.p++)
		w.n--;
	for (size_t i = 0; i < w.n; i++)
		if (!token_letter(w.p[i]))
			return false;
	return w.n > 0;
}

/* /proc/keys */

void keys_scan_init(struct keys_scan *s, int32_t auth, int32_t key)
{
	*s = (struct keys_scan){ .n = 0 };
	(void)snprintf(s->prefix, sizeof s->prefix, "%08x ", (unsigned)auth);
	(void)snprintf(s->key, sizeof s->key, "key:%x", (unsigned)key);
}

/* The words of the line: serial flags uses timeout permissions uid gid type, then
 * what the type says. */
enum keys_word {
	WORD_SERIAL,
	WORD_TYPE = 7,
	WORD_KEY,
	WORD_TID,
	WORD_CALLOUT,
	WORD__MAX
};

static bool next_word(struct rd *r, struct word *w)
{
	const uint8_t *p;

	while (rd_left(r) && *r->p == ' ')
		(void)!rd_bytes(r, 1, &p);
	if (!rd_left(r))
		return false;
	if (word_to(r, ' ', w))
		return true;
	*w = rest(r);
	return rd_bytes(r, w->n, &p) == OK;
}

/* `NAME:NUMBER` */
static bool named_number(struct word w, const char *name, uint64_t max,
			 uint64_t *v)
{
	size_t n = strlen(name);

	return w.n > n && !memcmp(w.p, name, n) &&
	       num_u64(w.p + n, w.n - n, max, v) == OK;
}

static bool keys_line(struct keys_scan *s)
{
	struct rd r = rd_from(s->line, s->n);
	struct word w[WORD__MAX], more;
	uint64_t tid;

	for (size_t i = 0; i < WORD__MAX; i++)
		if (!next_word(&r, &w[i]))
			return false;
	if (next_word(&r, &more) || !word_is(w[WORD_TYPE], ".request_") ||
	    !word_is(w[WORD_KEY], s->key) ||
	    !named_number(w[WORD_TID], "pid:", INT32_MAX, &tid) || !tid ||
	    !named_number(w[WORD_CALLOUT], "ci:", SIZE_MAX, &s->callout))
		return false;
	s->tid = (pid_t)tid;
	return true;
}

static void keys_scan_line(struct keys_scan *s)
{
	size_t n = strlen(s->prefix);

	if (s->n >= n && !memcmp(s->line, s->prefix, n)) {
		s->lines++;
		s->good = s->n <= sizeof s->line && keys_line(s);
	}
	s->n = 0;
}

void keys_scan_feed(struct keys_scan *s, const char *text, size_t len)
{
	struct rd r = rd_from(text, len);

	while (rd_left(&r)) {
		const uint8_t *end = memchr(r.p, '\n', rd_left(&r)), *p;
		size_t n = end ? (size_t)(end - r.p) : rd_left(&r);

		if (s->n < sizeof s->line)
			memcpy(s->line + s->n, r.p,
			       MIN(n, sizeof s->line - s->n));
		s->n += n;
		if (end)
			keys_scan_line(s);
		(void)!rd_bytes(&r, n + (end != NULL), &p);
	}
}

enum err keys_scan_end(struct keys_scan *s, pid_t *tid, uint64_t *callout)
{
	if (s->n) /* cut short */
		return ERR_INVALID;
	if (!s->lines)
		return ERR_NOT_FOUND;
	if (s->lines > 1)
		return ERR_CONFLICT;
	if (!s->good)
		return ERR_INVALID;
	*tid = s->tid;
	*callout = s->callout;
	return OK;
}
