/* Small files of a role's own folder, read and replaced whole. */
#ifndef LIB_OWN_FILE_H
#define LIB_OWN_FILE_H

#include "lib/buf.h"

/* True if the name is there, whatever it is, or if that cannot be known. */
bool own_file_there(int dir, const char *name);

/* Appends the plain file's bytes. ERR_NOT_FOUND (with a sentence), ERR_INVALID: a
 * link, not ours alone or not 0600; ERR_TOO_LARGE; ERR_UNAVAILABLE. */
MUST enum err own_file_read(int dir, const char *name, struct buf *out,
			    struct fault *f);

/* Written beside, synced, renamed over name, the folder synced. */
MUST enum err own_file_replace(int dir, const char *name, const struct buf *b,
			       struct fault *f);

#endif
