/* What an admin who is not on this machine may do: some verbs only if the configuration's
 * remote_admin= names them (the supervisor passes it on with SUP_START). */
#ifndef LIB_REMOTE_ADMIN_H
#define LIB_REMOTE_ADMIN_H

#include "lib/subject.h"

/* Bits of a verb's `need`, above the daemon's own. */
enum remote_admin {
	REMOTE_INIT = 1 << 8,
	REMOTE_UNSEAL = 1 << 9,
	REMOTE_SLOT = 1 << 10,
	REMOTE_REKEY = 1 << 11,
	REMOTE_RESTORE = 1 << 12,
	REMOTE_MODULE = 1 << 13,
	REMOTE_EXPORT = 1 << 14,
	REMOTE_REVEAL = 1 << 15,
};

#define REMOTE_ALL 0xff00u

/* The bits that remote_admin=NAME … in v name; others are passed over. */
unsigned remote_admin_parse(struct attr_view v);

/* May this admin do what needs those bits? ERR_DENIED, with the sentence: who is on this
 * machine may. */
MUST enum err remote_admin_check(unsigned allowed, unsigned need,
				 const struct subject *s, const char *verb,
				 struct fault *f);

/* Why somebody who is no admin may not use an admin's verb; ERR_DENIED. node: of this
 * machine. */
enum err remote_admin_deny(const struct subject *s, const char *daemon,
			   const char *node, const char *verb, struct fault *f);

#endif
