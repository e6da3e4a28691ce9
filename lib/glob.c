/* Used by vault and the command; holds nothing.
 *
 * The matcher keeps the set of places in the pattern that the text read so far may
 * have led to, and moves all of them with each character: no
 * backtracking, hence no pattern that takes long. */
#include "lib/glob.h"

#include <string.h>

enum star {
	STAR_NONE,
	STAR_SEGMENT, /* anything but '/' */
	STAR_ALL,     /* anything */
};

/* A pattern and how it is read. */
struct glob {
	enum glob_kind kind;
	const char *p;
	size_t len;
};

enum err glob_check(enum glob_kind kind, const char *name, const char *pattern,
		    size_t len, struct fault *f)
{
	size_t most = kind == GLOB_PATH ? 2 : 1, stars = 0;

	if (!len || len > GLOB_MAX)
		return fault_set(f, ERR_INVALID,
				 "a pattern of %s= has 1 to %d characters",
				 name, GLOB_MAX);
	for (size_t i = 0; i < len; i++) {
		stars = pattern[i] == '*' ? stars + 1 : 0;
		if (stars > most)
			return fault_set(f, ERR_INVALID,
					 "%s=: '%.*s' has more than %zu '*' "
					 "in a row",
					 name, (int)len, pattern, most);
	}
	return OK;
}

static char fold(enum glob_kind kind, char c)
{
	return kind == GLOB_HOST && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static enum star star_at(const struct glob *g, size_t i, size_t *width)
{
	*width = 1;
	if (i >= g->len || g->p[i] != '*')
		return STAR_NONE;
	if (g->kind != GLOB_PATH)
		return STAR_ALL;
	if (i + 1 < g->len && g->p[i + 1] == '*') {
		*width = 2;
		return STAR_ALL;
	}
	return STAR_SEGMENT;
}

/* True if the star at i is all of its segment, which then is not empty. */
static bool star_alone(const struct glob *g, size_t i)
{
	return (i == 0 || g->p[i - 1] == '/') &&
	       (i + 1 == g->len || g->p[i + 1] == '/');
}

/* Adds place i to the set, and those that follow it without a character. */
static void reach(const struct glob *g, bool *set, size_t i)
{
	size_t width;

	for (;;) {
		enum star s = star_at(g, i, &width);

		set[i] = true;
		if (s == STAR_NONE || (s == STAR_SEGMENT && star_alone(g, i)))
			return;
		i += width;
	}
}

/* Where place i leads with character c. */
static void step(const struct glob *g, bool *next, size_t i, char c)
{
	size_t width;
	enum star s = star_at(g, i, &width);

	if (i == g->len)
		return;
	if (s == STAR_NONE && fold(g->kind, g->p[i]) == fold(g->kind, c))
		reach(g, next, i + 1);
	if (s == STAR_NONE || (s == STAR_SEGMENT && c == '/'))
		return;
	reach(g, next, i);
	reach(g, next, i + width);
}

static bool glob_run(const struct glob *g, const char *text, size_t len)
{
	bool sets[2][GLOB_MAX + 1];
	bool *now = sets[0], *next = sets[1];

	memset(now, 0, g->len + 1);
	reach(g, now, 0);
	for (size_t k = 0; k < len; k++) {
		bool *swap = now;

		memset(next, 0, g->len + 1);
		for (size_t i = 0; i <= g->len; i++)
			if (now[i])
				step(g, next, i, text[k]);
		now = next;
		next = swap;
	}
	return now[g->len];
}

bool glob_match(enum glob_kind kind, const char *pattern, size_t pattern_len,
		const char *text, size_t text_len)
{
	struct glob g = { .kind = kind, .p = pattern, .len = pattern_len };
	size_t same = 0;

	ENSURE(pattern_len <= GLOB_MAX);
	/* What comes before the first star is compared as it stands; one is
	 * left, because a star looks at what is before it. */
	while (same < pattern_len && pattern[same] != '*') {
		if (same >= text_len ||
		    fold(kind, pattern[same]) != fold(kind, text[same]))
			return false;
		same++;
	}
	if (same == pattern_len)
		return same == text_len;
	if (same)
		same--;
	g.p += same;
	g.len -= same;
	return glob_run(&g, text + same, text_len - same);
}
