/* Small files of the signer's folder, read and replaced whole. */
#ifndef CA_SIGNER_FILE_H
#define CA_SIGNER_FILE_H

#include "lib/buf.h"

/* True if the name is there, whatever it is, or if that cannot be known. */
bool file_there(int dir, const char *name);

/* Appends the plain file's bytes. ERR_NOT_FOUND (with a sentence), ERR_INVALID: a
 * link, not ours alone or not 0600; ERR_TOO_LARGE; ERR_UNAVAILABLE. */
MUST enum err file_read(int dir, const char *name, struct buf *out,
			struct fault *f);

/* Written beside, synced, renamed over name, the folder synced. */
MUST enum err file_replace(int dir, const char *name, const struct buf *b,
			   struct fault *f);

#endif
