/* Lists and grants from text, for tests. */
#ifndef TESTS_GRANT_TEXT_H
#define TESTS_GRANT_TEXT_H

#include "lib/grant.h"

#include "tests/unit/unit.h"

/* a: what text says; it must be well-formed. */
static inline void list(struct attrs *a, const char *text)
{
	struct fault f = { .code = OK };

	attrs_init(a);
	if (attrs_parse_text(a, text, strlen(text), &f) != OK)
		fail_msg("'%s': %s", text, f.text);
}

static inline enum err grant_of(const char *text, struct grant **g,
				struct fault *f)
{
	AUTO(attrs_wipe) struct attrs a = { 0 };

	list(&a, text);
	*f = (struct fault){ .code = OK };
	return grant_parse(attrs_view(&a), g, f);
}

#endif
