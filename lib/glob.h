/* Patterns of grants. A '*' stands for any run of characters; everything else for
 * itself. Time is at most pattern length times text length, whatever the pattern. */
#ifndef LIB_GLOB_H
#define LIB_GLOB_H

#include "lib/err.h"

enum glob_kind {
	/* '*' stands for anything */
	GLOB_ANY,
	/* the same, and letters match in either case */
	GLOB_HOST,
	/* '*' stands for anything within a segment (between two '/'), and alone in
	 * one for at least one character; '**' for anything, '/' included */
	GLOB_PATH,
};

enum {
	GLOB_MAX = 1024
};

/* ERR_INVALID if the pattern is empty, too long, or means nothing: '***', and
 * '**' in other kinds than paths. The sentence begins with the pattern's name. */
MUST enum err glob_check(enum glob_kind kind, const char *name,
			 const char *pattern, size_t len, struct fault *f);

/* True if all of text matches; pattern must have been checked. */
bool glob_match(enum glob_kind kind, const char *pattern, size_t pattern_len,
		const char *text, size_t text_len);

#endif
