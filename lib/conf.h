/* Configuration files: lines of attribute text (lib/attr.h), blank lines, and
 * comments that begin with '#'. What may be said is a table of the daemon's. */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include "lib/attr.h"

enum conf_type {
	CONF_TEXT,
	CONF_PATH,     /* absolute */
	CONF_SIZE,     /* 64K 16M 1G; given out in bytes */
	CONF_DURATION, /* 90s 5m 24h 7d; given out in seconds */
	CONF_NUMBER,   /* decimal */
	CONF_BOOL,     /* yes or no */
	CONF_LIST,     /* repeats; an empty value forgets those before it */
};

/* One name that may be said. A table of them ends with name NULL. */
struct conf_decl {
	const char *name;
	enum conf_type type;
	const char *preset; /* as in a file; NULL: absent unless said */
	uint64_t least,
		most; /* of sizes, durations, numbers; most 0: no bound */
};

enum {
	CONF_FILE_MAX = 1 << 20,
	CONF_FILES_MAX = 256, /* in one .d folder */
	CONF_DECLS_MAX = 128,
};

/* Reads, the later winning over the earlier: /usr/lib/cretula/DAEMON.conf,
 * /etc/cretula/DAEMON.conf, /etc/cretula/DAEMON.conf.d/NAME.conf in the order of
 * their names; with path only that file and PATH.d/NAME.conf. Who is not root has
 * $XDG_CONFIG_HOME/cretula (or ~/.config/cretula) in the place of /etc/cretula.
 * Files must belong to root or to this user and be writable by nobody else.
 *
 * Appends to out, in the order of decls, every value said or preset, numbers in
 * decimal (sizes in bytes, durations in seconds). Errors name file and line. */
MUST enum err conf_load(const char *path, const char *daemon,
			const struct conf_decl *decls, struct attrs *out,
			struct fault *f);

/* The same from other places than /usr/lib/cretula and /etc/cretula. */
MUST enum err conf_load_from(const char *vendor, const char *etc,
			     const char *daemon, const struct conf_decl *decls,
			     struct attrs *out, struct fault *f);

/* One text, as if it were a file called `where`; for a fuzzer and for tests. */
MUST enum err conf_check_text(const char *text, size_t len, const char *where,
			      const struct conf_decl *decls, struct attrs *out,
			      struct fault *f);

/* Values of a loaded list. The name must be declared with a preset (a bug
 * otherwise); conf_str gives a malloc'd string, or NULL if nothing was said. */
uint64_t conf_u64(struct attr_view conf, const char *name);
bool conf_bool(struct attr_view conf, const char *name);
char *conf_str(struct attr_view conf, const char *name);

/* The name must be declared with a preset. One of two words: is it the second? Else
 * ERR_INVALID, with a sentence that names both. */
MUST enum err conf_second(struct attr_view conf, const char *name,
			  const char *first, const char *second, bool *is,
			  struct fault *f);

#endif
