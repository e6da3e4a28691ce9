/* JSON to attribute lists and back, without a table of what there may be: the edge of
 * the gates of credd and certmgr (jansson parses). Two forms.
 *
 * Object, for people and programs: a member is an attribute. A value is a string; an
 * integer (its decimal text); true and false (yes and no); an array (the attribute
 * repeated); {"base64":"…"} (bytes); any other object (a nested list); null (absent).
 *
 * Pairs, lossless: [["name","value"],["name",{"base64":"…"}],…]. Where something comes
 * in, a value may also be pairs itself: a nested list.
 *
 * In both, a value that is not UTF-8, or has control characters other than tab and line
 * feed, goes out as {"base64":"…"}, and one that is not shown as {"confidential":true}. */
#ifndef LIB_JSON_LIST_H
#define LIB_JSON_LIST_H

#include "lib/attr.h"

enum {
	JSON_LIST_DEPTH = 4, /* lists in lists */
};

/* Appends the members of the object in text. ERR_INVALID with a sentence for what is not
 * as above (a member twice, a fraction, a bare confidential value …); ERR_TOO_LARGE past
 * a limit of lists. out is what it is then, to be wiped. */
MUST enum err json_list_parse(const void *text, size_t len, struct attrs *out,
			      struct fault *f);

/* The same for an object with one member, "list": pairs. */
MUST enum err json_pairs_parse(const void *text, size_t len, struct attrs *out,
			       struct fault *f);

/* Appends v as an object. arrays: names, each between blanks (" header query "), that are
 * an array even if there is one; NULL: none. Values of names that are known to hold
 * lists (JSON_LISTS in json_list_put.c) are objects. ERR_TOO_LARGE past out's limit; out
 * may have grown then. */
MUST enum err json_list_format(struct attr_view v, const char *arrays,
			       struct buf *out);

/* Appends v as pairs. */
MUST enum err json_pairs_format(struct attr_view v, struct buf *out);

#endif
