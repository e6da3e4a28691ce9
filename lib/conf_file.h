/* A configuration file (or folder of them) on the disk: no link, of the right owner,
 * and writable by nobody else. */
#ifndef LIB_CONF_FILE_H
#define LIB_CONF_FILE_H

#include "lib/buf.h"

#include <sys/types.h>

enum {
	CONF_FILE_ROOM = 4096
}; /* beyond CONF_FILE_MAX, for the last read */

/* Opens path, which must be of that type (S_IFREG, S_IFDIR), belong to root or this
 * user and be writable by the owner alone. ERR_NOT_FOUND without a sentence if
 * there is none. *out is the caller's. */
MUST enum err conf_file_open(const char *path, mode_t type, int *out,
			     struct fault *f);

/* Appends the content of a file opened so; at most CONF_FILE_MAX bytes (out must
 * hold CONF_FILE_ROOM more). */
MUST enum err conf_file_read(const char *path, struct buf *out,
			     struct fault *f);

#endif
