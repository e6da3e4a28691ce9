/* Files the command writes: whole, durable, or not at all. */
#ifndef TOOLS_FILE_OUT_H
#define TOOLS_FILE_OUT_H

#include "lib/err.h"

#include <sys/types.h>

/* Replaces `path` (or makes it) by these bytes: a new file beside it, synced, renamed,
 * the folder synced. A path that is no plain file (a device, a pipe) is written to. */
MUST enum err file_write(const char *path, const void *p, size_t n, mode_t mode,
			 struct fault *f);
/* The same of `name` in the folder `dir`. */
MUST enum err file_write_at(int dir, const char *name, const void *p, size_t n,
			    mode_t mode, struct fault *f);
/* Removes `name`, durably. ERR_NOT_FOUND if there is no such file. */
MUST enum err file_remove_at(int dir, const char *name, struct fault *f);

#endif
