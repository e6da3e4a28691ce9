/* A JSON object to an attribute list and back, by a table that says which fields
 * there are: the edge where JSON ends (jansson). Nothing of what comes in is kept
 * that the table does not name. Parsing uses memory in proportion to the text, whose
 * size the caller bounds. */
#ifndef LIB_JSON_ATTRS_H
#define LIB_JSON_ATTRS_H

#include "lib/attr.h"

enum {
	JSON_LIST_MAX = 64, /* items of one array */
	JSON_PEM_LABELS = 2,
};

enum json_kind {
	JSON_TEXT,     /* a string without NUL */
	JSON_SECRET,   /* the same, becomes a confidential attribute */
	JSON_LIST,     /* an array of strings, or one: an attribute each */
	JSON_HEX,      /* a string of hex digits: bytes */
	JSON_BASE64,   /* a string of base64: bytes */
	JSON_DURATION, /* "24h": passed on in seconds */
	JSON_DER,      /* PEM of one of its labels, or base64 of DER: bytes */
	JSON_BOOL,     /* a boolean: yes or no; in both directions */
	/* only for formatting */
	JSON_PEM,    /* bytes, as PEM of its first label; several: one text */
	JSON_TIME,   /* seconds, as RFC 3339 text */
	JSON_NUMBER, /* decimal, as a number */
};

struct json_field {
	const char
		*name; /* of the attribute, and in JSON unless json says so */
	enum json_kind kind;
	size_t max;       /* bytes of a value after decoding; 0: 512 */
	const char *json; /* NULL: as name */
	const char *label[JSON_PEM_LABELS]; /* of PEM */
};

/* Once, before confinement: jansson wants a random seed, which it would else read
 * from a file. */
void json_warm_up(void);

/* Appends the fields of the object in text to out. ERR_INVALID with the place for
 * what is not JSON ("line 3, column 7: …"), a field twice, an unknown field, a wrong
 * type; ERR_TOO_LARGE for a value over its bound. null is as if absent. */
MUST enum err json_attrs_parse(const void *text, size_t len,
			       const struct json_field *fields, size_t n,
			       struct attrs *out, struct fault *f);

/* Appends a JSON object of those attributes of v that the table names, and a newline.
 * JSON_LIST is always an array when it is there. ERR_INVALID for a value that is not
 * of its kind. */
MUST enum err json_attrs_format(struct attr_view v,
				const struct json_field *fields, size_t n,
				struct buf *out);

#endif
