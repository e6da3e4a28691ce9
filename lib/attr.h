/* The attribute list: an ordered list of name=value, the one data model of
 * credentials, grants, requests, replies, configuration, logs and audit.
 *
 * Binary form, one attribute after the other until the bytes end:
 *	name length u8 | flags u8 | value length u32 | name | value
 * Text form: name=value with blanks between; a value is bare or double-quoted
 * with \" \\ \n \t \xHH; a confidential one is only ever shown as !name?
 *
 * A struct attrs keeps the binary form itself, checked, so a list costs one
 * buffer and sending one costs a copy. There is one encoding of a list. */
#ifndef LIB_ATTR_H
#define LIB_ATTR_H

#include "lib/buf.h"
#include "lib/rd.h"

enum {
	ATTR_NAME_MAX = 64,
	ATTR_VALUE_MAX = 1 << 20,
	ATTR_COUNT_MAX = 4096,
	ATTR_BYTES_MAX = (1 << 20) - 64, /* fits one message with its head */
};

enum attr_flag {
	ATTR_CONFIDENTIAL = 1,
};

/* One attribute, borrowed from its list; valid until the list changes.
 * The value is bytes, not a C string. */
struct attr {
	const char *name;
	const uint8_t *value;
	uint32_t len;
	uint8_t name_len;
	uint8_t flags;
};

/* Checked bytes of a list that somebody else owns. */
struct attr_view {
	const uint8_t *p;
	size_t len;
};

/* A list of its own. */
struct attrs {
	struct buf bytes;
	unsigned count;
};

void attrs_init(struct attrs *a);
void attrs_init_secret(struct attrs *a); /* in secret memory */
void attrs_wipe(struct attrs *a);
void attrs_clear(struct attrs *a);
struct attr_view attrs_view(const struct attrs *a);

/* Checks every rule of the binary form (name syntax, flags, lengths, count) and
 * gives a view of p. ERR_INVALID or ERR_TOO_LARGE, with the reason in f. */
MUST enum err attr_parse(const void *p, size_t len, struct attr_view *v,
			 struct fault *f);

/* Steps through a view: struct attr_view it = v; while (attr_next(&it, &a)) … */
bool attr_next(struct attr_view *it, struct attr *a);

/* The first attribute of that name. False if there is none. */
bool attr_find(struct attr_view v, const char *name, struct attr *a);

/* The only attribute of that name: ERR_NOT_FOUND if absent, ERR_INVALID if it
 * is there more than once. */
MUST enum err attr_only(struct attr_view v, const char *name, struct attr *a);

unsigned attr_count(struct attr_view v, const char *name);

bool attr_is(const struct attr *a, const char *value);
bool attr_named(const struct attr *a, const char *name);

/* True if the name is [a-z][a-z0-9_.-]* and not too long. */
bool attr_name_ok(const char *name, size_t len);

/* A malloc'd C string of the value; ERR_INVALID if it holds a NUL. */
MUST enum err attr_str(const struct attr *a, char **out);

/* Appending. Names must be valid (a bug otherwise); ERR_TOO_LARGE past a limit. */
MUST enum err attrs_add(struct attrs *a, const char *name, uint8_t flags,
			const void *value, size_t len);
MUST enum err attrs_add_str(struct attrs *a, const char *name,
			    const char *value);
MUST enum err attrs_add_u64(struct attrs *a, const char *name, uint64_t value);
MUST enum err attrs_add_fmt(struct attrs *a, const char *name, const char *fmt,
			    ...) PRINTF(3, 4);
MUST enum err attrs_add_attr(struct attrs *a, const struct attr *one);
MUST enum err attrs_add_view(struct attrs *a, struct attr_view v);
/* Like attrs_add, for a name that is not a C string and not known to be valid. */
MUST enum err attrs_add_named(struct attrs *a, const char *name,
			      size_t name_len, uint8_t flags, const void *value,
			      size_t len);

/* A decimal value of at most max. */
MUST enum err attr_u64(const struct attr *a, uint64_t max, uint64_t *v);

/* Text form (lib/attr_text.c).
 *
 * Parses one line into a, which is appended to. A name may be prefixed by '!':
 * confidential. Refuses what formats as !name?. */
MUST enum err attrs_parse_text(struct attrs *a, const char *text, size_t len,
			       struct fault *f);

/* Appends the text form, blanks between attributes, no newline. Confidential
 * values are shown as !name?, whoever asks. */
MUST enum err attr_format_text(struct attr_view v, struct buf *out);
MUST enum err attr_format_value(const struct attr *a, struct buf *out);

/* Appends a JSON object: repeated names become arrays, values strings,
 * confidential ones {"confidential":true}; bytes that are not UTF-8 become
 * {"base64":"…"}. */
MUST enum err attr_format_json(struct attr_view v, struct buf *out);

#endif
