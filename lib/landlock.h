/* Landlock: what of the file system a process may still open, by folder. Nothing
 * else: neither does it see who runs it, nor does it drop any privilege. */
#ifndef LIB_LANDLOCK_H
#define LIB_LANDLOCK_H

#include "lib/err.h"

/* What may be done below a folder (or to a file). */
enum landlock_right {
	LANDLOCK_READ = 1,  /* open for reading, list */
	LANDLOCK_EXEC = 2,  /* execute, which is what mapping a library asks */
	LANDLOCK_WRITE = 4, /* write, truncate, make, rename and remove files */
};

struct landlock_path {
	int fd;          /* a folder or a file; stays the caller's */
	unsigned rights; /* of enum landlock_right */
};

/* The kernel's ABI version; 0 where there is no Landlock. */
int landlock_abi(void);

/* Lets this process, and all it starts, open only what is below the n paths, with
 * their rights; where the kernel can, it may not bind TCP, connect it unless connects,
 * reach abstract sockets or signal a process outside either. For good. no_new_privs
 * must be set. ERR_UNSUPPORTED where there is no Landlock. */
MUST enum err landlock_apply(const struct landlock_path *path, size_t n,
			     bool connects, struct fault *f);

#endif
